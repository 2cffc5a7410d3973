//! One rule: a system call, and what its arguments must be.

/// A system call that a thread makes. It is allowed if all its arguments are as the rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// The call's name, as in its manual page.
    pub name: &'static str,
    /// The call's number on this architecture.
    pub number: i64,
    /// What is compared. Arguments that are not here may be anything.
    pub arguments: &'static [Argument],
    /// What the call is for.
    pub purpose: &'static str,
}

/// What an argument of a system call must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Argument {
    /// The argument's place: 0 for the first.
    pub index: u8,
    /// How its lower 32 bits are compared.
    pub comparison: Comparison,
    /// What the value stands for, as a constant of `libc`.
    pub meaning: &'static str,
}

/// How an argument is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Comparison {
    /// It has this value.
    Equal(u32),
    /// The bits of `mask` have this value.
    Masked {
        /// The bits that are compared.
        mask: u32,
        /// Their value.
        value: u32,
    },
}

/// A rule for a call with any arguments.
pub(crate) const fn call(name: &'static str, number: libc::c_long, purpose: &'static str) -> Rule {
    with(name, number, &[], purpose)
}

/// A rule for a call with these arguments.
pub(crate) const fn with(
    name: &'static str,
    number: libc::c_long,
    arguments: &'static [Argument],
    purpose: &'static str,
) -> Rule {
    Rule { name, number, arguments, purpose }
}

/// The argument at `index` has this value.
pub(crate) const fn equal(index: u8, value: u32, meaning: &'static str) -> Argument {
    Argument { index, comparison: Comparison::Equal(value), meaning }
}

/// The argument at `index` has none of these bits.
pub(crate) const fn without(index: u8, mask: u32, meaning: &'static str) -> Argument {
    Argument { index, comparison: Comparison::Masked { mask, value: 0 }, meaning }
}
