use super::{FormError, need};
use crate::standing::{Change, Epoch, Eviction, Standing};

/// The form of a [`Change`], and without `evicted` of a [`Standing`].
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct StandingForm {
    standing: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ahead: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evicted: Option<Eviction>,
}

impl From<Standing> for StandingForm {
    fn from(standing: Standing) -> Self {
        let (standing, epoch, ahead) = match standing {
            Standing::Owner { epoch } => ("owner", Some(epoch), None),
            Standing::Spectator => ("spectator", None, None),
            Standing::Waiting { ahead } => ("waiting", None, Some(ahead)),
        };
        Self { standing: standing.to_owned(), epoch, ahead, evicted: None }
    }
}

impl TryFrom<StandingForm> for Standing {
    type Error = FormError;

    fn try_from(form: StandingForm) -> Result<Self, FormError> {
        Ok(match form.standing.as_str() {
            "owner" => Self::Owner { epoch: need(form.epoch, "epoch")? },
            "spectator" => Self::Spectator,
            "waiting" => Self::Waiting { ahead: need(form.ahead, "ahead")? },
            _ => return Err(FormError::Unknown(form.standing)),
        })
    }
}

impl From<Change> for StandingForm {
    fn from(Change { standing, evicted }: Change) -> Self {
        Self { evicted, ..standing.into() }
    }
}

impl TryFrom<StandingForm> for Change {
    type Error = FormError;

    fn try_from(mut form: StandingForm) -> Result<Self, FormError> {
        Ok(Self { evicted: form.evicted.take(), standing: form.try_into()? })
    }
}
