//! Arguments: what a call was given, as the kinds that the contract names.
//!
//! What comes out of Drupal's database is a string there, numbers too, so a number is also read from its digits.

use std::collections::BTreeMap;

use dxr::Value;

use super::fault::Fault;

/// The arguments of a method, in their order.
pub(super) struct Arguments {
    values: std::vec::IntoIter<Value>,
    read: usize,
}

impl Arguments {
    /// The arguments, of which there are `between`.
    pub(super) fn new(values: Vec<Value>, between: std::ops::RangeInclusive<usize>) -> Result<Self, Fault> {
        if between.contains(&values.len()) {
            return Ok(Self { values: values.into_iter(), read: 0 });
        }
        let (least, most, are) = (between.start(), between.end(), values.len());
        let wanted = if least == most { most.to_string() } else { format!("{least} to {most}") };
        Err(Fault::nonsense(format!("The method takes {wanted} arguments, and was given {are}.")))
    }

    fn next(&mut self) -> Option<Value> {
        self.read += 1;
        self.values.next()
    }

    fn wrong(&self, expected: &str) -> Fault {
        Fault::nonsense(format!("Argument {} is not {expected}.", self.read))
    }

    /// A whole number of at most `most`.
    pub(super) fn number(&mut self, most: u32) -> Result<u32, Fault> {
        let number = self.next().as_ref().and_then(number).and_then(|number| u32::try_from(number).ok());
        number.filter(|number| *number <= most).ok_or_else(|| self.wrong(&format!("a whole number from 0 to {most}")))
    }

    /// The same, where there is one more argument.
    pub(super) fn more(&mut self, most: u32) -> Result<Option<u32>, Fault> {
        if self.values.len() == 0 { Ok(None) } else { self.number(most).map(Some) }
    }

    /// A text.
    pub(super) fn text(&mut self) -> Result<String, Fault> {
        match self.next() {
            Some(Value::String(text)) => Ok(text),
            _ => Err(self.wrong("a string")),
        }
    }

    /// A list of at most `most` values.
    pub(super) fn list(&mut self, most: usize) -> Result<Vec<Value>, Fault> {
        match self.next() {
            Some(Value::Array(values)) if values.len() <= most => Ok(values),
            _ => Err(self.wrong(&format!("an array of at most {most}"))),
        }
    }
}

/// The members of a struct.
pub(super) struct Members(BTreeMap<String, Value>);

impl Members {
    /// Nothing where the value is no struct.
    pub(super) fn of(value: Value) -> Option<Self> {
        match value {
            Value::Struct(members) => Some(Self(members)),
            _ => None,
        }
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        number(self.0.get(name)?)
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A list.
    pub(super) fn take_list(&mut self, name: &str) -> Option<Vec<Value>> {
        match self.0.remove(name)? {
            Value::Array(values) => Some(values),
            _ => None,
        }
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(i64::from(*number)),
        Value::Long(number) => Some(*number),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    }
}
