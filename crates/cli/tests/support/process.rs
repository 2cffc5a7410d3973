//! Processes of a test.

use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, pidfd_open, waitid};

/// The limit for any wait. It only guards against hanging, and is far more than anything takes.
pub(crate) const GUARD: Duration = Duration::from_secs(120);

/// Waits for events of `fd`, or fails the test.
pub(crate) fn wait_for(fd: BorrowedFd<'_>, events: PollFlags, what: &str) -> PollFlags {
    let guard = Timespec::try_from(GUARD).unwrap();
    let mut polled = [PollFd::from_borrowed_fd(fd, events)];
    loop {
        match poll(&mut polled, Some(&guard)) {
            Ok(0) => panic!("hangs: {what}"),
            Ok(_) => return polled[0].revents(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

/// The result of a command that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// The exit status, as a shell reports it: above 128 after a signal.
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Done {
    /// The standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    /// Standard error, which must be exactly one text line of the command.
    #[track_caller]
    pub(crate) fn one_line(&self) -> &str {
        assert!(self.stderr.starts_with("vuart: ") && self.stderr.ends_with('\n'), "{:?}", self.stderr);
        assert_eq!(self.stderr.matches('\n').count(), 1, "{:?}", self.stderr);
        self.stderr.trim_end()
    }
}

/// Runs a command to its end, with empty input.
pub(crate) fn run(command: &mut Command) -> Done {
    run_with(command, b"")
}

/// Runs a command to its end, with this input.
pub(crate) fn run_with(command: &mut Command, input: &[u8]) -> Done {
    let mut process = Process::piped(command);
    let mut stdin = process.child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let done = process.finish();
    // A command need not read all of its input.
    let _ = writer.join().unwrap();
    done
}

/// A process that is killed with the test.
pub(crate) struct Process {
    pub(crate) child: Child,
}

impl Process {
    /// Starts a command.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self { child: command.spawn().unwrap() }
    }

    /// Starts a command with pipes for all three streams.
    pub(crate) fn piped(command: &mut Command) -> Self {
        Self::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// Starts a command with pipes for its output, and without input.
    pub(crate) fn without_input(command: &mut Command) -> Self {
        Self::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits until it has been stopped.
    pub(crate) fn stopped(&mut self) {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(self.pid()), options).unwrap();
        assert!(status.is_some_and(|status| status.stopped()));
    }

    /// Waits for the end, and leaves the process a zombie. Returns its number: `/proc` still knows it.
    pub(crate) fn wait_unreaped(&self) -> u32 {
        let end = pidfd_open(self.pid(), PidfdFlags::empty()).unwrap();
        wait_for(end.as_fd(), PollFlags::IN, "the end of a process");
        self.child.id()
    }

    /// Waits for the end, and returns the exit status as a shell reports it.
    pub(crate) fn code(&mut self) -> i32 {
        self.wait_unreaped();
        let status = self.child.wait().unwrap();
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
    }

    /// Waits for the end, and returns everything that the process has written.
    pub(crate) fn finish(mut self) -> Done {
        let stdout = self.child.stdout.take().map(|mut out| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                out.read_to_end(&mut bytes).unwrap();
                bytes
            })
        });
        let stderr = self.child.stderr.take().map(|mut err| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                err.read_to_end(&mut bytes).unwrap();
                bytes
            })
        });
        let code = self.code();
        Done {
            code,
            stdout: stdout.map_or_else(Vec::new, |thread| thread.join().unwrap()),
            stderr: stderr
                .map_or_else(String::new, |thread| String::from_utf8(thread.join().unwrap()).unwrap()),
        }
    }

    /// Reads standard output up to the end of `text`.
    pub(crate) fn expect_stdout(&mut self, text: &[u8]) -> Vec<u8> {
        expect(self.child.stdout.as_mut().unwrap(), text)
    }

    /// Reads standard error up to the end of `text`.
    pub(crate) fn expect_stderr(&mut self, text: &[u8]) -> Vec<u8> {
        expect(self.child.stderr.as_mut().unwrap(), text)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Errors usually mean that the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pipe that can be read with a time limit.
trait Pipe: std::io::Read + std::os::fd::AsFd {}
impl Pipe for ChildStdout {}
impl Pipe for ChildStderr {}

fn expect(pipe: &mut impl Pipe, text: &[u8]) -> Vec<u8> {
    let mut seen = Vec::new();
    while !seen.ends_with(text) {
        wait_for(pipe.as_fd(), PollFlags::IN, &format!("waiting for {text:?}, seen {seen:?}"));
        // One byte at a time, so that the bytes after the text stay in the pipe.
        let mut byte = [0];
        let length = pipe.read(&mut byte).unwrap();
        assert!(
            length > 0,
            "the end came before {:?}: {:?}",
            text.escape_ascii().to_string(),
            seen.escape_ascii().to_string()
        );
        seen.push(byte[0]);
    }
    seen
}
