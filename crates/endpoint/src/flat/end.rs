use super::{FormError, need};
use crate::end::{Cause, End};
use crate::identity::Identity;
use crate::timestamp::Timestamp;

/// The form of an [`End`], and without `at` of a [`Cause`].
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct EndForm {
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Identity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
}

impl From<Cause> for EndForm {
    fn from(cause: Cause) -> Self {
        let code = cause.code().to_owned();
        let (by, from, to) = match cause {
            Cause::Evicted { by } | Cause::Kicked { by } => (Some(by), None, None),
            Cause::Lagged { from, to } => (None, Some(from), Some(to)),
            _ => (None, None, None),
        };
        Self { code, by, from, to, at: None }
    }
}

impl TryFrom<EndForm> for Cause {
    type Error = FormError;

    fn try_from(form: EndForm) -> Result<Self, FormError> {
        Ok(match form.code.as_str() {
            "evicted" => Self::Evicted { by: need(form.by, "by")? },
            "lagged" => Self::Lagged { from: need(form.from, "from")?, to: need(form.to, "to")? },
            "detached" => Self::Detached,
            "kicked" => Self::Kicked { by: need(form.by, "by")? },
            "idle" => Self::Idle,
            "guest-hung-up" => Self::GuestHungUp,
            "disabled" => Self::Disabled,
            "migrating" => Self::Migrating,
            "vm-ended" => Self::VmEnded,
            "shut-down" => Self::ShutDown,
            "port-dropped" => Self::PortDropped,
            // A later version's too.
            _ => Self::Unknown,
        })
    }
}

impl From<End> for EndForm {
    fn from(End { cause, at }: End) -> Self {
        Self { at: Some(at), ..cause.into() }
    }
}

impl TryFrom<EndForm> for End {
    type Error = FormError;

    fn try_from(form: EndForm) -> Result<Self, FormError> {
        Ok(Self { at: need(form.at, "at")?, cause: form.try_into()? })
    }
}
