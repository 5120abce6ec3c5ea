//! Builds `data/test-city.mmdb`, a city-level database of a few rows for tests and demonstrations.
//!
//! ```text
//! cargo run --release --example build-test-city               writes data/test-city.mmdb
//! cargo run --release --example build-test-city -- --check    rebuilds in memory, fails if the committed file differs
//! ```
//!
//! The rows are in `test-city.json`, records word for word as they are stored: some are wrong on purpose, so nothing
//! here knows what a record should look like.

mod mmdb;

use std::error::Error;

use ipnet::IpNet;
use mmdb_writer::Value;
use serde::Deserialize;
use serde_json::Number;

const OUTPUT: &str = "test-city.mmdb";
const INPUTS: [&str; 1] = ["test-city.json"];

fn main() -> Result<(), Box<dyn Error>> {
    let table: Table = serde_json::from_str(&std::fs::read_to_string(mmdb::path("test-city.json"))?)?;
    let mut writer =
        mmdb::writer("Askance-Test-City", "A few cities for tests of askance; some rows are wrong on purpose");
    for row in table.rows {
        writer.insert_value(row.network.parse::<IpNet>()?, value(&row.record)?)?;
    }
    let database = writer.to_bytes()?;

    mmdb::probe(&database, &PROBES)?;
    mmdb::settle(OUTPUT, &database, &INPUTS)
}

#[derive(Deserialize)]
struct Table {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    network: String,
    record: serde_json::Value,
}

/// Maps JSON to the types that `MaxMind`'s files have: doubles for degrees, the narrowest unsigned for whole numbers.
fn value(json: &serde_json::Value) -> Result<Value, Box<dyn Error>> {
    match json {
        serde_json::Value::String(text) => Ok(Value::from(text.as_str())),
        serde_json::Value::Bool(yes) => Ok(Value::from(*yes)),
        serde_json::Value::Number(number) => self::number(number),
        serde_json::Value::Array(items) => Ok(Value::Array(items.iter().map(value).collect::<Result<_, _>>()?)),
        serde_json::Value::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| Ok((name.clone(), value(field)?)));
            Ok(Value::Map(fields.collect::<Result<_, Box<dyn Error>>>()?))
        }
        serde_json::Value::Null => Err("a database has no null: leave the field out".into()),
    }
}

fn number(number: &Number) -> Result<Value, Box<dyn Error>> {
    match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(whole), _, _) => match u16::try_from(whole) {
            Ok(narrow) => Ok(Value::from(narrow)),
            Err(_) => Ok(Value::from(u32::try_from(whole)?)),
        },
        (None, Some(negative), _) => Ok(Value::from(i32::try_from(negative)?)),
        (None, None, Some(fraction)) => Ok(Value::from(fraction)),
        (None, None, None) => Err(format!("{number} fits no type of a database").into()),
    }
}

/// One address of each family, one without a row, and 6to4 of 81.2.69.142, which the IPv4 row answers.
const PROBES: [(&str, Option<&str>); 7] = [
    ("81.2.69.142", Some("GB")),
    ("81.2.69.143", None),
    ("89.160.20.112", Some("SE")),
    ("133.11.0.1", Some("JP")),
    ("214.1.1.7", Some("US")),
    ("2001:200::1", Some("JP")),
    ("2002:5102:458e::1", Some("GB")),
];
