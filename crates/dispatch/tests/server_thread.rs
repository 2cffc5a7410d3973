//! The thread that serves parts: what runs first, who takes turns, and how it ends.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use vuart_dispatch::{Dispatch, FinishError, ServerThread, StartError};

/// A guard against hanging: longer than any of this takes.
const LONG: Duration = Duration::from_secs(60);

/// A part that says what is done to it, and sends back what comes.
struct Echo {
    stream: UnixStream,
    log: Sender<String>,
    /// It fails for this byte.
    fails_for: Option<u8>,
    /// It has something for its peer, who does not read.
    unsettled: bool,
    /// What an observer does for each byte.
    observer: Box<dyn FnMut() + Send>,
}

fn echo(log: &Sender<String>) -> (Echo, UnixStream) {
    let (stream, peer) = UnixStream::pair().unwrap();
    stream.set_nonblocking(true).unwrap();
    peer.set_read_timeout(Some(LONG)).unwrap();
    (Echo { stream, log: log.clone(), fails_for: None, unsettled: false, observer: Box::new(|| ()) }, peer)
}

impl AsFd for Echo {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Dispatch for Echo {
    fn dispatch(&mut self) -> io::Result<()> {
        let mut byte = [0];
        while let Ok(1) = self.stream.read(&mut byte) {
            if Some(byte[0]) == self.fails_for {
                return Err(io::Error::other("this failure belongs to the test"));
            }
            (self.observer)();
            self.stream.write_all(&byte)?;
            let _ = self.log.send(format!("{} on {:?}", char::from(byte[0]), thread::current().name()));
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        !self.unsettled
    }

    fn shut_down(&mut self) {
        let _ = self.log.send("shut down".to_owned());
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        if self.fails_for == Some(b'd') {
            std::panic::resume_unwind(Box::new("this panic belongs to the test"));
        }
        let _ = self.log.send("dropped".to_owned());
    }
}

fn answers(peer: &mut UnixStream, byte: u8) {
    peer.write_all(&[byte]).unwrap();
    let mut answer = [0];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [byte]);
}

fn logged(log: &Receiver<String>) -> Vec<String> {
    log.try_iter().collect()
}

#[test]
fn one_thread_serves_several_parts_and_does_first_what_it_is_told() {
    let (log, lines) = channel();
    let (one, mut peer_of_one) = echo(&log);
    let (other, mut peer_of_other) = echo(&log);
    let first = |what: &'static str| {
        let log = log.clone();
        move || {
            log.send(format!("{what} on {:?}", thread::current().name())).unwrap();
            Ok::<(), io::Error>(())
        }
    };
    let thread = ServerThread::builder()
        .name("consoles\0of vm0")
        .on_start(first("filter"))
        .on_start(first("affinity"))
        .serve(one)
        .serve(other)
        .start()
        .unwrap();
    assert_eq!(logged(&lines), [r#"filter on Some("consoles")"#, r#"affinity on Some("consoles")"#]);
    answers(&mut peer_of_one, b'a');
    answers(&mut peer_of_other, b'b');
    answers(&mut peer_of_one, b'c');
    thread.finish(LONG).unwrap();
    assert_eq!(
        logged(&lines),
        [
            r#"a on Some("consoles")"#,
            r#"b on Some("consoles")"#,
            r#"c on Some("consoles")"#,
            "shut down",
            "shut down",
            "dropped",
            "dropped"
        ]
    );
}

/// What came before the thread began is served, too.
#[test]
fn a_part_is_dispatched_before_the_first_wait() {
    let (log, _lines) = channel();
    let (part, mut peer) = echo(&log);
    peer.write_all(b"x").unwrap();
    let _thread = ServerThread::start(part).unwrap();
    peer.read_exact(&mut [0]).unwrap();
}

#[test]
fn a_thread_whose_first_step_fails_serves_nothing_and_says_why() {
    let (log, lines) = channel();
    let (part, mut peer) = echo(&log);
    peer.write_all(b"x").unwrap();
    let failed = ServerThread::builder().on_start(|| Err("no filter")).serve(part).start().unwrap_err();
    assert!(matches!(&failed, StartError::OnStart(error) if error.to_string() == "no filter"), "{failed:?}");
    assert_eq!(logged(&lines), ["dropped"], "and not served");

    let (part, _peer) = echo(&log);
    let panics = || -> io::Result<()> { panic!("this panic belongs to the test") };
    let failed = ServerThread::builder().on_start(panics).serve(part).start().unwrap_err();
    assert!(matches!(failed, StartError::Panicked), "{failed:?}");
}

#[test]
fn a_part_that_fails_is_dropped_and_the_others_go_on() {
    let (log, lines) = channel();
    let (mut bad, mut peer_of_bad) = echo(&log);
    bad.fails_for = Some(b'!');
    let (good, mut peer_of_good) = echo(&log);
    let thread = ServerThread::builder().serve(bad).serve(good).start().unwrap();
    peer_of_bad.write_all(b"!").unwrap();
    assert_eq!(peer_of_bad.read(&mut [0]).unwrap(), 0, "its part is gone");
    answers(&mut peer_of_good, b'a');
    let finished = thread.finish(LONG);
    assert!(matches!(finished, Err(FinishError::EventLoop(_))), "{finished:?}");
    assert_eq!(logged(&lines).iter().filter(|line| *line == "dropped").count(), 2);
}

#[test]
fn a_part_that_never_settles_is_waited_for_no_longer_than_the_patience() {
    let (log, lines) = channel();
    let (mut part, _peer) = echo(&log);
    part.unsettled = true;
    let thread = ServerThread::start(part).unwrap();
    let finished = thread.finish(Duration::from_millis(10));
    assert!(matches!(finished, Err(FinishError::Unread)), "{finished:?}");
    assert_eq!(logged(&lines), ["shut down", "dropped"]);
}

/// Also if its drop panics, too.
#[test]
fn a_part_that_panics_is_dropped_and_the_others_go_on() {
    for drops_badly in [false, true] {
        let (log, _lines) = channel();
        let (mut bad, mut peer_of_bad) = echo(&log);
        bad.observer = Box::new(|| std::panic::resume_unwind(Box::new("this panic belongs to the test")));
        bad.fails_for = drops_badly.then_some(b'd');
        let (good, mut peer_of_good) = echo(&log);
        let thread = ServerThread::builder().serve(bad).serve(good).start().unwrap();
        peer_of_bad.write_all(b"!").unwrap();
        assert_eq!(peer_of_bad.read(&mut [0]).unwrap(), 0, "its part is gone");
        answers(&mut peer_of_good, b'a');
        assert!(matches!(thread.finish(LONG), Err(FinishError::Panicked)));
    }
}

/// An observer ends the service, on the thread that it would have to wait for.
#[test]
fn a_thread_that_is_dropped_by_itself_ends_afterwards() {
    let (log, lines) = channel();
    let (mut part, mut peer) = echo(&log);
    let place = Arc::new(Mutex::new(None::<ServerThread>));
    let taken = Arc::clone(&place);
    part.observer = Box::new(move || drop(taken.lock().unwrap().take()));
    *place.lock().unwrap() = Some(ServerThread::start(part).unwrap());
    answers(&mut peer, b'a');
    assert_eq!(peer.read(&mut [0]).unwrap(), 0, "it has ended");
    drop(log);
    let last = lines.iter().last();
    assert_eq!(last.as_deref(), Some("dropped"));
}
