//! Timed mode's part of a state: how it is kept, and how it is checked when it is restored (S4).

use core::num::NonZeroU32;

use crate::fifo::Fifo;
use crate::frame::longest_character;
use crate::registers::Registers;
use crate::spec::Fcr;
use crate::state::{CharacterTimeoutV1, RestoreError, ThreV1, TimedStateV1, UartStateV1, collect, fits};
use crate::time::Saved;
use crate::timed::{CharacterTimeout, Shifting, Thre, Timed};

impl Saved for Timed {
    fn thre_pending(&self, registers: &Registers) -> bool {
        registers.thre_pending
    }

    fn save(&self, clock: NonZeroU32) -> Option<TimedStateV1> {
        Some(TimedStateV1 {
            clock,
            now: self.now,
            transmitter: collect(self.fifo.iter()),
            shifting: self.shifting.map(|Shifting { data, leaves_at }| (data, leaves_at)),
            thre: match self.thre {
                Thre::Set => ThreV1::Set,
                Thre::SetAt(at) => ThreV1::SetAt(at),
                Thre::Clear => ThreV1::Clear,
            },
            two_queued: self.two_queued,
            undelayed: self.undelayed,
            timeout: match self.timeout {
                CharacterTimeout::Idle => CharacterTimeoutV1::Idle,
                CharacterTimeout::At(at) => CharacterTimeoutV1::At(at),
                CharacterTimeout::Expired => CharacterTimeoutV1::Expired,
            },
        })
    }

    fn load(state: &UartStateV1, fcr: Fcr) -> Result<(Self, NonZeroU32), RestoreError> {
        let timed = state.timed.as_ref().ok_or(RestoreError::OtherTime)?;
        fits(timed.transmitter.len(), fcr)?;
        let mut fifo = Fifo::new(0);
        for data in &timed.transmitter {
            fifo.push(*data);
        }
        let contradiction = |what| Err(RestoreError::Contradiction(what));
        // A character may have begun with another divisor than the present one, at worst with the slowest.
        let horizon = timed.now.saturating_add(4 * longest_character(timed.clock));
        let is_ahead = |at| (timed.now..=horizon).contains(&at);
        if timed.shifting.is_some_and(|(_, leaves_at)| !is_ahead(leaves_at)) {
            return contradiction("the character in the shift register has already left or never leaves");
        }
        let thre = match (timed.thre, timed.transmitter.is_empty(), timed.shifting) {
            (ThreV1::Set, true, _) => Thre::Set,
            (ThreV1::Clear, false, _) => Thre::Clear,
            (ThreV1::SetAt(at), true, Some((_, leaves_at))) if (timed.now..=leaves_at).contains(&at) => {
                Thre::SetAt(at)
            }
            _ => return contradiction("THRE does not match the characters in the transmitter"),
        };
        let runs = fcr.contains(Fcr::ENABLE) && !state.receiver.is_empty();
        let timeout = match timed.timeout {
            CharacterTimeoutV1::Idle if !runs => CharacterTimeout::Idle,
            CharacterTimeoutV1::At(at) if runs && is_ahead(at) => CharacterTimeout::At(at),
            CharacterTimeoutV1::Expired if runs => CharacterTimeout::Expired,
            _ => return contradiction("the time-out does not match the characters in the receiver"),
        };
        let shifting = timed.shifting.map(|(data, leaves_at)| Shifting { data, leaves_at });
        let time = Self {
            now: timed.now,
            fifo,
            shifting,
            thre,
            two_queued: timed.two_queued,
            undelayed: timed.undelayed,
            timeout,
        };
        Ok((time, timed.clock))
    }

    fn is_stuck(&self, held: bool) -> bool {
        self.fifo.len() != 0 && self.shifting.is_none() && !held
    }
}
