use super::{FormError, need};
use crate::end::End;
use crate::identity::Identity;
use crate::refused::Refused;
use crate::timestamp::Timestamp;

/// The form of a [`Refused`].
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct RefusedForm {
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<Identity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<End>,
}

impl From<Refused> for RefusedForm {
    fn from(refused: Refused) -> Self {
        let code = refused.code().to_owned();
        let (holder, since, end) = match refused {
            Refused::Held { holder, since } => (Some(holder), Some(since), None),
            Refused::Disabled { since } => (None, Some(since), None),
            Refused::Ended { end } => (None, None, Some(end)),
            Refused::Forbidden | Refused::Unknown => (None, None, None),
        };
        Self { code, holder, since, end }
    }
}

impl TryFrom<RefusedForm> for Refused {
    type Error = FormError;

    fn try_from(form: RefusedForm) -> Result<Self, FormError> {
        Ok(match form.code.as_str() {
            "held" => Self::Held { holder: need(form.holder, "holder")?, since: need(form.since, "since")? },
            "forbidden" => Self::Forbidden,
            "ended" => Self::Ended { end: need(form.end, "end")? },
            "disabled" => Self::Disabled { since: need(form.since, "since")? },
            // A later version's too.
            _ => Self::Unknown,
        })
    }
}
