//! Schemas of a document, made into validators where they are first needed.

use jsonschema::{Draft, Validator};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// Validators by the pointers of their schemas.
pub(super) struct Schemas {
    document: Value,
    made: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Schemas {
    pub(super) fn new(document: Value) -> Self {
        Self { document, made: Mutex::default() }
    }

    /// What is wrong with `instance` by the schema at `pointer`.
    pub(super) fn check(&self, pointer: &str, instance: &Value) -> Result<(), String> {
        let breaches = self.breaches(pointer, instance);
        if breaches.is_empty() {
            return Ok(());
        }
        // Of "none of these fits" nobody learns what to do: the alternative that is the least wrong says more.
        let alternatives = self.document.pointer(pointer).and_then(|schema| schema["oneOf"].as_array());
        let alternatives = (0..alternatives.map_or(0, Vec::len)).map(|number| format!("{pointer}/oneOf/{number}"));
        let nearest = alternatives.map(|pointer| self.breaches(&pointer, instance)).min_by_key(Vec::len);
        Err(nearest.unwrap_or(breaches).join("; "))
    }

    fn breaches(&self, pointer: &str, instance: &Value) -> Vec<String> {
        let validator = self.at(pointer);
        validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    fn at(&self, pointer: &str) -> Arc<Validator> {
        let mut made = self.made.lock().expect("no schema fails to compile");
        if let Some(validator) = made.get(pointer) {
            return Arc::clone(validator);
        }
        // The whole document stands beside the reference, so that references inside it find their way.
        let mut root = self.document.clone();
        root["$ref"] = format!("#{}", percent_encoded(pointer)).into();
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .should_ignore_unknown_formats(false)
            .build(&root)
            .unwrap_or_else(|error| panic!("{pointer}: {error}"));
        let validator = Arc::new(validator);
        made.insert(pointer.to_owned(), Arc::clone(&validator));
        validator
    }
}

impl fmt::Debug for Schemas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schemas(…)")
    }
}

/// A pointer as the fragment of a reference: paths of templates hold braces, content types spaces.
fn percent_encoded(pointer: &str) -> String {
    pointer.replace('%', "%25").replace('{', "%7B").replace('}', "%7D").replace(' ', "%20")
}
