//! Waiting, with a limit that turns a hang into a failure.

use std::io::Read;
use std::time::{Duration, Instant};

/// The limit of every wait. It turns a hang into a failure, and measures nothing.
pub const HANG: Duration = Duration::from_secs(60);

/// Waits until `so` is true. `what` says so in the failure.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + HANG;
    while !so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

/// Reads up to and including `end`.
pub fn read_to(stream: &mut impl Read, end: &str) -> String {
    let (mut all, mut byte) = (Vec::new(), [0]);
    while !all.ends_with(end.as_bytes()) {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "closed after {:?}", String::from_utf8_lossy(&all));
        all.push(byte[0]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Counts the characters `x` that a raw client has received, and the bytes that notices in between declare lost.
pub fn kept_and_lost(received: &str) -> (usize, usize) {
    let lost = |notice: &str| notice.split(' ').next().unwrap().parse::<usize>().unwrap();
    (received.matches('x').count(), received.split("[vuart: ").skip(1).map(lost).sum())
}
