//! The engines that can run the guest, and the choice between them.

use std::fmt;

use crate::Error;

/// An engine that runs the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// KVM: the guest is machine code on a virtual processor.
    Kvm,
    /// A thread that does what the guest program does, over the same bus.
    Software,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "KVM",
            Self::Software => "software",
        })
    }
}

/// The engine to use, and the reason for the choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The engine.
    pub engine: Engine,
    /// The reason, as text for the user.
    pub why: String,
}

/// Chooses the engine: the requested one, or else KVM if it can be used here, or else the software engine.
///
/// To find out whether KVM can be used, this makes a virtual machine without a guest and drops it.
///
/// # Errors
///
/// If KVM is requested and can't be used. The message says what to do about it.
pub fn choose(requested: Option<Engine>) -> Result<Choice, Error> {
    let software = |why| Choice { engine: Engine::Software, why };
    match requested {
        Some(Engine::Software) => Ok(software("it was asked for".to_owned())),
        Some(Engine::Kvm) => probe(),
        None => Ok(probe().unwrap_or_else(|error| software(error.to_string()))),
    }
}

/// Chooses KVM, if it can be used.
fn probe() -> Result<Choice, Error> {
    #[cfg(target_arch = "x86_64")]
    crate::kvm::probe()?;
    #[cfg(not(target_arch = "x86_64"))]
    return Err(Error::NotX86);

    #[cfg(target_arch = "x86_64")]
    Ok(Choice { engine: Engine::Kvm, why: "/dev/kvm works".to_owned() })
}
