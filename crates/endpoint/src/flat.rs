//! The serialised forms of [`End`](crate::End), [`Refused`](crate::Refused), [`Change`](crate::Change) and
//! [`ConsoleEvent`](crate::ConsoleEvent): one flat object each, with a code and the members that the code needs.
//!
//! Each form is a plain struct that has all members of all codes. `serde` could make the same from the enums (`tag`, `flatten`), but
//! then keeps a value in a buffer at each level and compiles a reader of buffers for each: that took a third of the time in which the
//! crates that read these types are built.
//!
//! So a member has the same type with every code of its form, also with codes that a later version adds.

mod end;
mod event;
mod refused;
mod standing;

pub(crate) use end::EndForm;
pub(crate) use event::EventForm;
pub(crate) use refused::RefusedForm;
pub(crate) use standing::StandingForm;

/// Why an object is not the form of a value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormError {
    /// A member that its code needs.
    #[error("missing field `{0}`")]
    Missing(&'static str),
    /// A code that this version does not know.
    #[error("unknown variant `{0}`")]
    Unknown(String),
}

/// The member `name`, which must be there.
fn need<T>(member: Option<T>, name: &'static str) -> Result<T, FormError> {
    member.ok_or(FormError::Missing(name))
}
