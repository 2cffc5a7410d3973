//! Pacing: how fast input goes to a guest whose software loses what comes fast. Bytes and the time go in, and bytes to send
//! come out.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// At a high rate, so many times a second some characters are sent together.
const TURNS: u32 = 100;

/// How much is sent at once of a line that does not end.
const LINE: usize = 1024;

/// `ESC`
const ESC: u8 = 0x1b;

/// How fast input is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// So many characters in a second.
    Rate(NonZeroU32),
    /// A line when the echo of the line before has come.
    Echo,
}

impl Pace {
    /// Reads a user's choice.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "echo" => Ok(Self::Echo),
            _ => text
                .parse()
                .map(Self::Rate)
                .map_err(|_| "it takes a number of characters from 1 to 4294967295, or 'echo'"),
        }
    }
}

/// Input that is sent at a pace.
///
/// The echo of a line is its visible characters, in their order, in what the guest writes from the time on when they were sent.
/// Other output may stand between them.
#[derive(Debug)]
pub(crate) struct Pacer {
    pace: Pace,
    /// How long an echo may take.
    patience: Duration,
    /// The input that is not sent yet.
    waiting: VecDeque<u8>,
    /// At a rate: when the next character may be sent.
    next: Option<Instant>,
    /// The characters of this line whose echo has not come.
    unechoed: VecDeque<u8>,
    /// How much of this line was sent.
    line: usize,
    /// Since when the echo of a line that was sent is waited for.
    since: Option<Instant>,
    /// The part of a control sequence that comes next, in which nothing is visible.
    sequence: Sequence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sequence {
    None,
    /// After ESC.
    Begun,
    /// After `ESC [` or `ESC O`.
    Parameters,
}

impl Pacer {
    /// Nothing to send yet. An echo is waited for at most for `patience`.
    pub(crate) fn new(pace: Pace, patience: Duration) -> Self {
        Self {
            pace,
            patience,
            waiting: VecDeque::new(),
            next: None,
            unechoed: VecDeque::new(),
            line: 0,
            since: None,
            sequence: Sequence::None,
        }
    }

    /// Appends input.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
    }

    /// How many bytes are not sent yet.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Drops what is not sent yet, and waits for nothing. Returns whether something was dropped.
    pub(crate) fn clear(&mut self) -> bool {
        *self = Self { waiting: std::mem::take(&mut self.waiting), ..Self::new(self.pace, self.patience) };
        let dropped = !self.waiting.is_empty();
        self.waiting.clear();
        dropped
    }

    /// The bytes to send now. They may be none. Call it again at the [deadline](Self::deadline), and after output.
    pub(crate) fn next(&mut self, now: Instant) -> Vec<u8> {
        match self.pace {
            Pace::Rate(rate) => self.next_at_rate(rate.get(), now),
            Pace::Echo => self.next_line(now),
        }
    }

    fn next_at_rate(&mut self, rate: u32, now: Instant) -> Vec<u8> {
        if self.waiting.is_empty() || self.next.is_some_and(|next| next > now) {
            return Vec::new();
        }
        let most = usize::try_from((rate / TURNS).max(1)).unwrap_or(1);
        let bytes: Vec<u8> = self.waiting.drain(..most.min(self.waiting.len())).collect();
        // From now on, not from the time that was planned: what is late is not caught up with.
        self.next = Some(now + Duration::from_secs(1) * u32::try_from(bytes.len()).unwrap_or(1) / rate);
        bytes
    }

    fn next_line(&mut self, now: Instant) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.since.is_none()
            && let Some(byte) = self.waiting.pop_front()
        {
            bytes.push(byte);
            self.line += 1;
            if self.is_echoed(byte) {
                self.unechoed.push_back(byte);
            }
            if matches!(byte, b'\r' | b'\n') || self.line >= LINE {
                self.end_line(now);
            }
        }
        bytes
    }

    /// What was sent of the present line is all of it: from now on its echo is waited for.
    pub(crate) fn end_line(&mut self, now: Instant) {
        self.line = 0;
        if !self.unechoed.is_empty() {
            self.since.get_or_insert(now);
        }
    }

    /// Whether a terminal shows the byte as it is.
    fn is_echoed(&mut self, byte: u8) -> bool {
        let (sequence, echoed) = match (self.sequence, byte) {
            (_, ESC) => (Sequence::Begun, false),
            (Sequence::Begun, b'[' | b'O') | (Sequence::Parameters, b' '..=b'?') => {
                (Sequence::Parameters, false)
            }
            (Sequence::Begun | Sequence::Parameters, _) => (Sequence::None, false),
            (Sequence::None, _) => (Sequence::None, !byte.is_ascii_control()),
        };
        self.sequence = sequence;
        echoed
    }

    /// Takes the guest's output.
    pub(crate) fn output(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.unechoed.front() == Some(byte) {
                self.unechoed.pop_front();
            }
        }
        if self.unechoed.is_empty() {
            self.since = None;
        }
    }

    /// When to look again, whatever the guest writes.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.pace {
            Pace::Rate(_) => self.next.filter(|_| !self.waiting.is_empty()),
            Pace::Echo => self.since.map(|since| since + self.patience),
        }
    }

    /// Whether the echo of a line is waited for.
    fn awaits_echo(&self) -> bool {
        self.since.is_some()
    }

    /// Whether everything is sent, and nothing is waited for.
    pub(crate) fn is_done(&self) -> bool {
        self.waiting.is_empty() && !self.awaits_echo()
    }

    /// Whether an echo has not come in time.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| since + self.patience <= now)
    }

    /// Goes on without the echo.
    pub(crate) fn go_on(&mut self) {
        self.unechoed.clear();
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);

    fn pacer(pace: &str) -> (Pacer, Instant) {
        (Pacer::new(Pace::parse(pace).unwrap(), PATIENCE), Instant::now())
    }

    #[test]
    fn f18_a_pace_is_a_number_or_echo() {
        assert_eq!(Pace::parse("echo"), Ok(Pace::Echo));
        assert_eq!(Pace::parse("100"), Ok(Pace::Rate(NonZeroU32::new(100).unwrap())));
        for wrong in ["", "0", "-1", "1.5", "fast", "5000000000"] {
            assert!(Pace::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn f18_characters_come_at_their_rate_and_late_ones_are_not_caught_up_with() {
        let (mut pacer, begin) = pacer("50");
        let step = Duration::from_millis(20);
        pacer.push(b"abcd");
        assert_eq!((pacer.next(begin), pacer.next(begin)), (b"a".to_vec(), vec![]));
        assert_eq!(pacer.deadline(), Some(begin + step));
        assert_eq!(pacer.next(begin + step / 2), b"");
        assert_eq!(pacer.next(begin + step), b"b");
        let late = begin + 10 * step;
        assert_eq!((pacer.next(late), pacer.next(late)), (b"c".to_vec(), vec![]));
        assert_eq!(pacer.next(late + step), b"d");
        assert_eq!((pacer.deadline(), pacer.len()), (None, 0));
        // What comes after a pause goes at once, but not right behind the last.
        pacer.push(b"e");
        assert_eq!(pacer.next(late + step), b"");
        assert_eq!(pacer.next(late + 2 * step), b"e");
    }

    #[test]
    fn f18_at_a_high_rate_some_characters_go_together() {
        let (mut pacer, begin) = pacer("11520");
        pacer.push(&[b'x'; 1000]);
        let (mut now, mut sent) = (begin, 0);
        while sent < 1000 {
            let bytes = pacer.next(now);
            assert!(bytes.len() <= 115, "{}", bytes.len());
            sent += bytes.len();
            now = pacer.deadline().unwrap_or(now);
        }
        let rate = 1000.0 / (now - begin).as_secs_f64();
        assert!((10_000.0..13_500.0).contains(&rate), "{rate}");
    }

    #[test]
    fn f18_a_line_goes_when_the_echo_of_the_one_before_has_come() {
        let (mut pacer, now) = pacer("echo");
        pacer.push(b"ls -l\r\nid\nlast");
        assert_eq!(pacer.next(now), b"ls -l\r");
        assert!(pacer.awaits_echo());
        // The echo in pieces, with other output between them.
        pacer.output(b"ls");
        assert_eq!(pacer.next(now), b"");
        pacer.output(b"[  1.0] usb 1-1\r\n -");
        assert_eq!(pacer.next(now), b"");
        pacer.output(b"l");
        // An empty line has no echo to wait for.
        assert_eq!(pacer.next(now), b"\nid\n");
        pacer.output(b"\r\nid\r\n");
        assert_eq!(pacer.next(now), b"last");
        assert!(!pacer.awaits_echo());
        pacer.end_line(now);
        assert!(pacer.awaits_echo());
        pacer.output(b"last");
        assert!(!pacer.awaits_echo());
    }

    #[test]
    fn f18_output_from_before_a_line_is_not_its_echo() {
        let (mut pacer, now) = pacer("echo");
        pacer.output(b"id");
        pacer.push(b"id\rx");
        assert_eq!(pacer.next(now), b"id\r");
        assert!(pacer.awaits_echo());
    }

    #[test]
    fn f18_keys_and_marks_that_are_not_echoed_are_not_waited_for() {
        let (mut pacer, now) = pacer("echo");
        pacer.push("\x1b[200~é\t\x7f\x1b[D\x1bOA\x1bb\x1b[201~\rx".as_bytes());
        pacer.next(now);
        assert!(pacer.awaits_echo());
        pacer.output("é".as_bytes());
        assert_eq!(pacer.next(now), b"x");
    }

    #[test]
    fn f18_an_echo_that_does_not_come_is_overdue() {
        let (mut pacer, begin) = pacer("echo");
        pacer.push(b"secret\rls\r");
        assert_eq!(pacer.next(begin), b"secret\r");
        assert_eq!(pacer.deadline(), Some(begin + PATIENCE));
        assert!(!pacer.is_overdue(begin + PATIENCE / 2));
        assert!(pacer.is_overdue(begin + PATIENCE));
        assert_eq!(pacer.next(begin + PATIENCE), b"");
        pacer.go_on();
        assert_eq!(pacer.next(begin + PATIENCE), b"ls\r");
        assert!(!pacer.clear() && !pacer.awaits_echo());
    }

    #[test]
    fn f18_a_line_without_an_end_goes_in_pieces() {
        let (mut pacer, now) = pacer("echo");
        pacer.push(&[b'x'; 3 * LINE]);
        for _ in 0..3 {
            assert_eq!(pacer.next(now).len(), LINE);
            pacer.output(&[b'x'; LINE]);
        }
    }
}
