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

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json, to_string};

    use crate::{Cause, Change, ConsoleEvent, End, Epoch, EventKind, Identity, Refused, Standing, Timestamp};

    #[test]
    fn a_form_is_one_flat_object_with_its_members_in_order() {
        let at = Timestamp::from_millis(7);
        let by = || Identity::new("bob", 1001, None);
        let end = End { cause: Cause::Evicted { by: by() }, at };
        let text = r#"{"code":"evicted","by":{"label":"bob","uid":1001,"pid":null},"at":7}"#;
        assert_eq!(to_string(&end).unwrap(), text);
        let text = format!(r#"{{"code":"ended","end":{text}}}"#);
        assert_eq!(to_string(&Refused::Ended { end }).unwrap(), text);
        let change = Change { standing: Standing::Waiting { ahead: 2 }, evicted: None };
        assert_eq!(to_string(&change).unwrap(), r#"{"standing":"waiting","ahead":2}"#);
        let event = ConsoleEvent::new(3, at, 9, EventKind::GuestBreak { count: 1 });
        let text = r#"{"number":3,"at":7,"offset":9,"event":"guest-break","count":1}"#;
        assert_eq!(to_string(&event).unwrap(), text);
        assert_eq!(serde_json::from_str::<ConsoleEvent>(text).unwrap(), event);
    }

    #[test]
    fn codes_and_members_of_a_later_version_are_taken() {
        let later = |code: &str| json!({"code": code, "at": 7, "more": [1], "from": 1});
        let end: End = from_value(later("struck-by-lightning")).unwrap();
        assert_eq!(end, End { cause: Cause::Unknown, at: Timestamp::from_millis(7) });
        assert_eq!(from_value::<Cause>(later("idle")).unwrap(), Cause::Idle);
        assert_eq!(from_value::<Refused>(later("full-moon")).unwrap(), Refused::Unknown);
        let change: Change = from_value(json!({"standing": "owner", "epoch": 4, "more": {}})).unwrap();
        assert_eq!(change.standing, Standing::Owner { epoch: Epoch::new(4) });
    }

    #[test]
    fn an_object_without_a_member_that_its_code_needs_is_refused() {
        let refused = |wrong: Result<(), serde_json::Error>, word: &str| {
            let error = wrong.unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        refused(from_value::<End>(json!({"code": "idle"})).map(|_| ()), "`at`");
        refused(from_value::<Cause>(json!({"code": "kicked"})).map(|_| ()), "`by`");
        refused(from_value::<Cause>(json!({"by": Value::Null})).map(|_| ()), "`code`");
        refused(from_value::<Refused>(json!({"code": "held", "since": 7})).map(|_| ()), "`holder`");
        refused(from_value::<Standing>(json!({"standing": "asleep"})).map(|_| ()), "`asleep`");
        refused(from_value::<EventKind>(json!({"event": "break", "session": 1})).map(|_| ()), "`identity`");
        refused(from_value::<EventKind>(json!({"event": "eclipse"})).map(|_| ()), "`eclipse`");
    }
}
