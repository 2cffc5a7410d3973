//! The pseudo-terminal's sessions: one begins when a program opens the terminal, and another terminal takes its place when
//! programs are sent away from it. One that the VMM has made stays. [`Pty`] has the states.

use std::os::fd::AsFd as _;
use std::time::Instant;

use super::deadlines::Timer;
use super::{Server, token};
use crate::access::Peer;
use crate::connection::Connection;
use crate::pass::Pass;
use crate::pty::{Pty, Seen};
use crate::ready::Ready;
use crate::transport::Transport;

/// How the pseudo-terminal's session is over, or has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PtyOver {
    /// No program has the terminal open.
    Deserted,
    /// Another session has taken the console over. The programs have been told so.
    Evicted,
    /// The programs have been told why, and must leave.
    SentAway,
}

impl PtyOver {
    /// How it is over for this connection. `hung_up` says that no program has the terminal open.
    pub(super) fn of(connection: &Connection, hung_up: bool) -> Self {
        match hung_up {
            true => Self::Deserted,
            false if connection.was_evicted() => Self::Evicted,
            false => Self::SentAway,
        }
    }
}

impl Server {
    /// The pseudo-terminal's session is over, or has not begun.
    pub(super) fn pty_over(&mut self, over: PtyOver, pass: &mut Pass) {
        if over == PtyOver::Deserted {
            return self.vacate_pty();
        }
        let Some(pty) = &mut self.pty else { return };
        if let Some(master) = pty.master() {
            // For the hang-up, which is always reported. If it can't be watched, the time runs out.
            let _ = self.poller.add(master.as_fd(), token::PTY_LEAVING, Ready::NEITHER);
        }
        if pty.is_adopted() && self.context.console.ended().is_none() {
            let evicted = over == PtyOver::Evicted;
            pty.dismiss(evicted);
            // They come back, to wait in line.
            self.pty_due |= evicted;
            return;
        }
        pty.leave();
        self.deadlines.set(Timer::Pty, Instant::now().checked_add(Pty::LEAVING_TIME));
        // The programs may have read the message before they were watched.
        self.pty_seen(Seen::UNKNOWN, pass);
    }

    /// The programs that must leave have all closed the pseudo-terminal.
    pub(super) fn pty_left(&mut self) {
        if let Some(master) = self.pty.as_ref().and_then(Pty::master) {
            self.poller.remove(master.as_fd(), token::PTY_LEAVING);
        }
        self.vacate_pty();
    }

    /// No program has the pseudo-terminal open. One may have opened it since.
    fn vacate_pty(&mut self) {
        if let Some(pty) = &mut self.pty {
            self.context.console.abandon(if pty.is_dismissed() { pty.discard_input() as u64 } else { 0 });
            if let Err(error) = pty.vacate() {
                log::warn!(
                    "console {}: its pseudo-terminal is used again, as it can't be replaced: {error}",
                    self.context.name
                );
            }
            self.deadlines.set(Timer::Pty, None);
            self.pty_due = true;
        }
    }

    /// Acts on what the watch has seen.
    pub(super) fn pty_watched(&mut self, pass: &mut Pass) {
        let seen = self.pty.as_mut().map(Pty::look).unwrap_or_default();
        self.pty_seen(seen, pass);
    }

    fn pty_seen(&mut self, seen: Seen, pass: &mut Pass) {
        let Some(pty) = &mut self.pty else { return };
        if pty.has_told(seen) {
            self.replace_pty();
            return;
        }
        if !pty.is_awaited(seen) {
            return;
        }
        let peer = Peer::at_pty(self.context.own);
        if let Err(until) = self.users.arrives(peer.uid, Instant::now()) {
            // The program has it open, and waits for output as from a guest that is silent.
            self.pty_at = Some(until);
            return;
        }
        if pty.is_dismissed() {
            // It was typed for an ownership that is over, or for none.
            self.context.console.abandon(pty.discard_input() as u64);
            if let Some(master) = pty.master() {
                self.poller.remove(master.as_fd(), token::PTY_LEAVING);
            }
        }
        if let Some(master) = pty.occupy() {
            self.admit(Transport::Pty(master), &peer, pass);
        }
    }

    /// Closes the pseudo-terminal, which hangs up on the programs that have it open, and opens another. One that the VMM has made stays,
    /// and so do its programs.
    pub(super) fn replace_pty(&mut self) {
        if let Some(pty) = self.pty.as_mut().filter(|pty| pty.is_adopted()) {
            self.deadlines.set(Timer::Pty, None);
            return pty.dismiss_for_good();
        }
        if let Some(master) = self.pty.as_ref().and_then(Pty::master) {
            self.poller.remove(master.as_fd(), token::PTY_LEAVING);
        }
        self.renew_pty();
    }

    fn renew_pty(&mut self) {
        let Some(pty) = &mut self.pty else { return };
        self.deadlines.set(Timer::Pty, None);
        match pty.renew() {
            Ok(()) => self.pty_due = true,
            // The next pass tries again.
            Err(error) if error.is_passing() => {}
            Err(error) => {
                log::error!("console {}: its pseudo-terminal is lost: {error}", self.context.name);
                self.poller.remove(pty.watch(), token::PTY);
                self.pty = None;
            }
        }
    }

    /// Serves a program that has opened the pseudo-terminal while others were sent away.
    pub(super) fn look_at_pty(&mut self, pass: &mut Pass) {
        if self.pty.as_ref().is_some_and(Pty::is_missing) {
            self.renew_pty();
        }
        while std::mem::take(&mut self.pty_due) {
            self.pty_seen(Seen::UNKNOWN, pass);
        }
    }
}
