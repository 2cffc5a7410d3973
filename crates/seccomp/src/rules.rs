//! A list of rules, and the forms that filters are made of.

use std::collections::BTreeMap;
use std::fmt;

use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use crate::rule::{Argument, Comparison, Rule};

/// The calls that a thread may make: a list of [`Rule`]s. Its `Display` is JSON: see the [crate].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

/// `seccompiler` has refused a rule. This is a bug of this crate.
#[derive(Debug, thiserror::Error)]
#[error("can't make a seccomp rule for {call}: {source}")]
pub struct RulesError {
    call: &'static str,
    source: seccompiler::BackendError,
}

impl Rules {
    pub(crate) fn of(lists: &[&[Rule]]) -> Self {
        let mut rules = Self(Vec::new());
        for list in lists {
            rules.add(list);
        }
        rules
    }

    fn add(&mut self, list: &[Rule]) {
        for rule in list {
            let same = |other: &Rule| (other.number, other.arguments) == (rule.number, rule.arguments);
            if !self.0.iter().any(same) {
                self.0.push(*rule);
            }
        }
    }

    /// These rules and others: for a thread that does both.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.add(&others.0);
        self
    }

    /// The rules. Several of one call are alternatives.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// The rules for `seccompiler::SeccompFilter::new`. Extend the map of your own thread with it: where both have rules for a call,
    /// append the one list to the other, unless yours is empty, which allows everything.
    ///
    /// # Errors
    ///
    /// When `seccompiler` refuses a rule, which is a bug of this crate.
    pub fn to_seccompiler(&self) -> Result<BTreeMap<i64, Vec<SeccompRule>>, RulesError> {
        let mut map = BTreeMap::<i64, Vec<SeccompRule>>::new();
        for Rule { name, number, arguments, .. } in &self.0 {
            let fail = |source| RulesError { call: name, source };
            // An empty list of rules allows the call with any arguments.
            let any = self.iter().any(|rule| rule.number == *number && rule.arguments.is_empty());
            let rules = map.entry(*number).or_default();
            if !any {
                let conditions: Result<Vec<_>, _> = arguments.iter().map(condition).collect();
                rules.push(conditions.and_then(SeccompRule::new).map_err(fail)?);
            }
        }
        Ok(map)
    }
}

fn condition(argument: &Argument) -> Result<SeccompCondition, seccompiler::BackendError> {
    let (operator, value) = match argument.comparison {
        Comparison::Equal(value) => (SeccompCmpOp::Eq, value),
        Comparison::Masked { mask, value } => (SeccompCmpOp::MaskedEq(mask.into()), value),
    };
    SeccompCondition::new(argument.index, SeccompCmpArgLen::Dword, operator, value.into())
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[")?;
        for (place, rule) in self.0.iter().enumerate() {
            write!(f, r#"  {{ "syscall": "{}", "comment": "{}""#, rule.name, rule.purpose)?;
            for (place, argument) in rule.arguments.iter().enumerate() {
                let Argument { index, meaning, comparison } = argument;
                let before = if place == 0 { r#", "args": ["# } else { ", " };
                write!(f, r#"{before}{{ "index": {index}, "type": "dword", "op": "#)?;
                match comparison {
                    Comparison::Equal(value) => write!(f, r#""eq", "val": {value}"#)?,
                    Comparison::Masked { mask, value } => {
                        write!(f, r#"{{ "masked_eq": {mask} }}, "val": {value}"#)?;
                    }
                }
                write!(f, r#", "comment": "{meaning}" }}"#)?;
            }
            let end = if rule.arguments.is_empty() { "" } else { "]" };
            let comma = if place + 1 == self.0.len() { "" } else { "," };
            writeln!(f, "{end} }}{comma}")?;
        }
        write!(f, "]")
    }
}

impl IntoIterator for Rules {
    type Item = Rule;
    type IntoIter = std::vec::IntoIter<Rule>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
