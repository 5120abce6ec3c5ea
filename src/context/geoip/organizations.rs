//! Names of autonomous systems: those of a database in one text.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The names of one database, one behind the other, by number.
#[derive(Debug, Default)]
pub(super) struct Organizations {
    text: Box<str>,
    /// Where each ends, and the next one begins.
    ends: Box<[u32]>,
}

/// The name of an autonomous system as a database has it. Nobody goes where the text is until it is read: most logins never ask.
#[derive(Clone)]
pub struct OrganizationName {
    all: Arc<Organizations>,
    number: usize,
}

/// Names as they come, each once.
#[derive(Debug, Default)]
pub(super) struct OrganizationsBuilder {
    text: String,
    ends: Vec<u32>,
    numbers: HashMap<Box<str>, u32>,
}

impl Organizations {
    /// The name with this number.
    pub(super) fn name(self: &Arc<Self>, number: usize) -> Option<OrganizationName> {
        (number < self.ends.len()).then(|| OrganizationName { all: Arc::clone(self), number })
    }
}

impl OrganizationsBuilder {
    /// The number of a name; `None` beyond 4 GiB of names.
    pub(super) fn number_of(&mut self, name: &str) -> Option<u32> {
        if let Some(number) = self.numbers.get(name) {
            return Some(*number);
        }
        let end = u32::try_from(self.text.len() + name.len()).ok()?;
        let number = u32::try_from(self.ends.len()).ok()?;
        self.text.push_str(name);
        self.ends.push(end);
        self.numbers.insert(name.into(), number);
        Some(number)
    }

    pub(super) fn build(self) -> Organizations {
        Organizations { text: self.text.into(), ends: self.ends.into() }
    }
}

impl Deref for OrganizationName {
    type Target = str;

    fn deref(&self) -> &str {
        let Organizations { text, ends } = &*self.all;
        let end = |number: usize| ends.get(number).map_or(0, |end| *end as usize);
        let start = self.number.checked_sub(1).map_or(0, end);
        text.get(start..end(self.number)).unwrap_or_default()
    }
}

impl fmt::Debug for OrganizationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl PartialEq for OrganizationName {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_once_and_found_by_their_numbers() {
        let mut names = OrganizationsBuilder::default();
        let given = ["Sky", "", "Télécom", "Sky", "Zürich IX"];
        let numbers = given.map(|name| names.number_of(name));
        assert_eq!(numbers, [Some(0), Some(1), Some(2), Some(0), Some(3)]);
        let names = Arc::new(names.build());
        for (name, number) in given.into_iter().zip(numbers) {
            let number = number.and_then(|number| usize::try_from(number).ok());
            assert_eq!(number.and_then(|number| names.name(number)).as_deref(), Some(name));
        }
        assert_eq!(names.name(4), None);
    }
}
