//! Reads `ranges.bin`: which country code each range of addresses carries. `extract` writes it, `README.md` has the
//! format.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses `first` to `last`, both included, and the code the source gives them, which need not be an ISO code.
pub(crate) struct Range {
    pub(crate) first: IpAddr,
    pub(crate) last: IpAddr,
    pub(crate) code: String,
}

/// Reads all ranges, IPv4 first, each family ascending and without overlap.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Range>, Box<dyn Error>> {
    let mut input = Input { rest: bytes };
    if input.take(MAGIC.len())? != MAGIC {
        return Err("ranges.bin does not start with its name and version".into());
    }
    let mut codes = Vec::new();
    for _ in 0..input.varint()? {
        codes.push(std::str::from_utf8(input.take(2)?)?.to_owned());
    }
    let mut ranges = Vec::new();
    read_family(&mut input, &codes, &mut ranges, Family::V4)?;
    read_family(&mut input, &codes, &mut ranges, Family::V6)?;
    if input.rest.is_empty() { Ok(ranges) } else { Err("ranges.bin goes on after its last range".into()) }
}

fn read_family(
    input: &mut Input<'_>,
    codes: &[String],
    ranges: &mut Vec<Range>,
    family: Family,
) -> Result<(), Box<dyn Error>> {
    let mut at = 0_u128;
    for _ in 0..input.varint()? {
        let first = at.checked_add(input.number()?).ok_or("a range starts after the last address")?;
        at = first.checked_add(input.number()?).ok_or("a range ends after the last address")?;
        let code = codes.get(usize::try_from(input.varint()?)?).ok_or("a range names no code")?;
        let last = at.checked_sub(1).ok_or("a range is empty")?;
        ranges.push(Range { first: address(family, first)?, last: address(family, last)?, code: code.clone() });
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
}

fn address(family: Family, number: u128) -> Result<IpAddr, Box<dyn Error>> {
    match family {
        Family::V4 => Ok(IpAddr::V4(Ipv4Addr::from(u32::try_from(number)?))),
        Family::V6 => Ok(IpAddr::V6(Ipv6Addr::from(number))),
    }
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Box<dyn Error>> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("ranges.bin ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Box<dyn Error>> {
        let (&byte, rest) = self.rest.split_first().ok_or("ranges.bin ends too early")?;
        self.rest = rest;
        Ok(byte)
    }

    /// LEB128: seven bits a byte, lowest first, the top bit says that more follow.
    fn varint(&mut self) -> Result<u128, Box<dyn Error>> {
        let mut value = 0_u128;
        for shift in (0..u128::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= u128::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number in ranges.bin is wider than an address".into())
    }

    /// Count of trailing zero bits in a byte, then the odd rest: prefixes are mostly powers of two.
    fn number(&mut self) -> Result<u128, Box<dyn Error>> {
        match self.byte()? {
            ZERO => Ok(0),
            zeros => {
                let odd = self.varint()?;
                let unit = 1_u128.checked_shl(zeros.into());
                let value = unit.and_then(|unit| odd.checked_mul(unit));
                value.ok_or_else(|| "a number in ranges.bin is wider than an address".into())
            }
        }
    }
}

const MAGIC: &[u8] = b"askance ranges 1\n";

/// Stands for the number 0, which has no lowest set bit.
const ZERO: u8 = 0xff;
