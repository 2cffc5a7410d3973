//! The terminal on standard output: what this process has turned on there, and how it is turned off in every case.
//!
//! The state is a static, as there is one standard output, and the panic hook can reach nothing else.

use std::io::stdout;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::terminal::modes::Modes;
use crate::terminal::sequence::Parser;

/// How long the end of the process waits for a terminal that takes nothing at the moment.
const PATIENCE: Duration = Duration::from_secs(1);

static SCREEN: Mutex<Screen> =
    Mutex::new(Screen { parser: Parser::new(), modes: Modes::new(), suspended: false });

/// Whether the process is ending. Then nothing more may be written.
static GIVEN_BACK: AtomicBool = AtomicBool::new(false);

#[derive(Debug)]
struct Screen {
    parser: Parser,
    modes: Modes,
    /// Whether the modes are turned off for the time being.
    suspended: bool,
}

fn screen() -> MutexGuard<'static, Screen> {
    // A panic can't leave the state half changed, so poisoning does not matter.
    SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes output of the guest.
///
/// The error is `INTR` when another thread has [given the terminal back](give_back).
pub(crate) fn show(bytes: &[u8]) -> Result<(), Errno> {
    let screen = &mut *screen();
    if GIVEN_BACK.load(SeqCst) {
        return Err(Errno::INTR);
    }
    // Noted before it is written: at the end of the process it is unknown how much was written.
    screen.parser.feed(bytes, |token| screen.modes.note(token));
    write_all(stdout().as_fd(), bytes)
}

/// Turns off what the guest has left on. An error is ignored: the terminal is gone then.
pub(crate) fn restore() {
    screen().restore();
}

/// Turns off what is on, until [`resume`].
pub(crate) fn suspend() {
    let screen = &mut *screen();
    if !std::mem::replace(&mut screen.suspended, true) {
        let _ = write_all(stdout().as_fd(), &screen.modes.off());
    }
}

/// Turns on again what [`suspend`] has turned off.
pub(crate) fn resume() {
    let screen = &mut *screen();
    if std::mem::take(&mut screen.suspended) {
        let _ = write_all(stdout().as_fd(), &screen.modes.on());
    }
}

/// Turns off what the guest has left on, in a process that is ending. Other threads can't write output any more.
pub(crate) fn give_back() {
    // First, because a thread that writes piece after piece would leave hardly any time for the lock.
    GIVEN_BACK.store(true, SeqCst);
    // The holder of the lock may write for ever, or may be the thread that panics.
    let deadline = Instant::now() + PATIENCE;
    let mut screen = loop {
        match SCREEN.try_lock() {
            Ok(screen) => break screen,
            Err(TryLockError::Poisoned(screen)) => break screen.into_inner(),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return,
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(1)),
        }
    };
    let patience = Timespec::try_from(PATIENCE).ok();
    let stdout = stdout();
    let writable = poll(&mut [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::OUT)], patience.as_ref());
    if writable.is_ok_and(|ready| ready > 0) {
        screen.restore();
    }
}

impl Screen {
    fn restore(&mut self) {
        let off = self.modes.off();
        self.modes = Modes::new();
        self.parser.cut();
        if !std::mem::take(&mut self.suspended) {
            let _ = write_all(stdout().as_fd(), &off);
        }
    }
}

/// Writes all bytes. `std`'s standard output is line buffered: it would take longer, and show prompts late.
pub(super) fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // The parent process has made the file descriptor non-blocking.
            Err(Errno::AGAIN) => match poll(&mut [PollFd::from_borrowed_fd(to, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
