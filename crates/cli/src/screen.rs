//! What this process has written to the terminal's screen, and its return to what it was, whatever happens.
//!
//! There is one, as there is one standard output: the panic hook, which can reach nothing else, needs it too.

use std::io::stdout;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::modes::Modes;
use crate::sequence::Parser;

/// How long whoever ends the process waits for a terminal that takes nothing at the moment.
const PATIENCE: Duration = Duration::from_secs(1);

static SCREEN: Mutex<Screen> =
    Mutex::new(Screen { parser: Parser::new(), modes: Modes::new(), paused: false });

/// The process ends: nothing may be written any more.
static GIVEN_BACK: AtomicBool = AtomicBool::new(false);

#[derive(Debug)]
struct Screen {
    parser: Parser,
    modes: Modes,
    /// What is on has been turned off for a while.
    paused: bool,
}

fn screen() -> MutexGuard<'static, Screen> {
    // It is right at each moment, whatever panicked beside it.
    SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes output of the guest. `INTR` is the error when another thread has [given the terminal back](give_back).
pub(crate) fn show(bytes: &[u8]) -> Result<(), Errno> {
    let screen = &mut *screen();
    if GIVEN_BACK.load(SeqCst) {
        return Err(Errno::INTR);
    }
    // Noted before, since who ends the process can't know how much of it was written.
    screen.parser.feed(bytes, |token| screen.modes.note(token));
    write(stdout().as_fd(), bytes)
}

/// Turns off what was left on. A terminal that is gone needs nothing.
pub(crate) fn restore() {
    screen().restore();
}

/// Turns off what is on, until [`again`].
pub(crate) fn pause() {
    let screen = &mut *screen();
    if !std::mem::replace(&mut screen.paused, true) {
        let _ = write(stdout().as_fd(), &screen.modes.off());
    }
}

/// Turns on again what [`pause`] has turned off.
pub(crate) fn again() {
    let screen = &mut *screen();
    if std::mem::take(&mut screen.paused) {
        let _ = write(stdout().as_fd(), &screen.modes.on());
    }
}

/// Turns off what was left on, in a process that ends: whatever others of its threads still want to write, is not
/// written.
pub(crate) fn give_back() {
    // Before anything else, or whoever writes piece after piece would be hard to get in between.
    GIVEN_BACK.store(true, SeqCst);
    // Whoever holds it writes, and may do so for ever; or it is held by the thread that panics.
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
        if !std::mem::take(&mut self.paused) {
            let _ = write(stdout().as_fd(), &off);
        }
    }
}

/// Writes everything, past what `std` buffers: its standard output cuts at line ends, which takes longer and shows
/// prompts late.
pub(crate) fn write(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // Whoever started us has made it non-blocking.
            Err(Errno::AGAIN) => match poll(&mut [PollFd::from_borrowed_fd(to, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
