//! Live update: another process goes on with the port's state and with the ring that the port had.

mod support;

use std::env;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};

use support::{Edges, owner};
use vmm_sys_util::sock_ctrl_msg::ScmSocket as _;
use vuart::scrollback::{self, FileError, Position, Reader, Scrollback};
use vuart::uart::spec::offset::*;
use vuart::{PortBuilder, PortState, ResumePortError, SerialPort};

/// The variable with the socket at which the new VMM finds the old one.
const SOCKET: &str = "VUART_UPDATE_SOCKET";

/// The number of bytes that the guest writes under each VMM. All of them fit into the ring.
const OUTPUT: usize = 50_000;

fn ring() -> scrollback::RingOptions {
    scrollback::RingOptions::new(128 << 10).with_boot_head(4096)
}

/// A port on a ring in a memfd, and a file descriptor of that.
fn port() -> (SerialPort<Edges>, Edges, File) {
    let (output, scrollback) = ring().create_memfd("com1").unwrap();
    let edges = Edges::default();
    let port = PortBuilder::new().with_writer(output).build(edges.clone());
    (port, edges, scrollback.file().unwrap().try_clone().unwrap())
}

/// The guest's output, as a stream that shows where it was cut.
fn text(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(|number| (number % 251).to_le_bytes()[0]).collect()
}

/// Plays a guest that serves its interrupts, reads what was typed and writes. Returns what it has seen and how often it was interrupted.
fn guest(port: &mut SerialPort<Edges>, edges: &Edges, output: &[u8]) -> Vec<u8> {
    let mut seen = Vec::new();
    for register in [IER, IIR, LCR, MCR, LSR, MSR, SCR] {
        seen.push(port.read_register(register));
    }
    while port.read_register(LSR) & 0x01 != 0 {
        seen.push(port.read_register(RBR));
    }
    for byte in output {
        port.write_register(THR, *byte);
        seen.push(port.read_register(IIR));
    }
    port.write_register(LCR, 0x83);
    seen.extend([port.read_register(DLL), port.read_register(DLM)]);
    port.write_register(LCR, 0x03);
    seen.extend(edges.take().to_le_bytes());
    seen
}

/// Reads what has come, and checks that nothing is missing.
fn follow(reader: &mut Reader, seen: &mut Vec<u8>) {
    let mut buf = [0; 4096];
    loop {
        let read = reader.read(&mut buf);
        assert_eq!(read.missed, 0);
        if read.is_empty() {
            return;
        }
        seen.extend_from_slice(&buf[..read.len()]);
    }
}

/// The new VMM, not a test by itself.
#[test]
#[ignore = "the other test starts it, in a process of its own"]
fn the_new_vmm() {
    let Ok(socket) = env::var(SOCKET) else { return };
    let mut socket = UnixStream::connect(socket).unwrap();
    let mut message = vec![0; 64 << 10];
    let (length, file) = socket.recv_with_fd(&mut message).unwrap();
    let state: PortState = serde_json::from_slice(&message[..length]).unwrap();
    let (output, scrollback) = scrollback::RingOptions::default().adopt(file.unwrap()).unwrap();
    assert_eq!((scrollback.oldest(), scrollback.boot_head()), (0, 4096));
    let edges = Edges::default();
    let mut port = PortBuilder::restore(&state).with_writer(output).build(edges.clone()).unwrap();
    assert_eq!(port.state().offset(), state.offset());
    let output = text(OUTPUT, OUTPUT);
    socket.write_all(&guest(&mut port, &edges, &output)).unwrap();
    // It ends without telling anyone, and the ring stays.
}

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Usually it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn another_process_goes_on_and_a_reader_sees_one_stream() {
    let (mut old, edges, file) = port();
    let mut reader = Scrollback::map(&file).unwrap().reader(Position::Oldest);
    let mut seen = Vec::new();

    old.write_register(LCR, 0x83);
    old.write_register(DLL, 1);
    old.write_register(LCR, 0x03);
    old.write_register(FCR, 0x81);
    old.write_register(MCR, 0x0B);
    old.write_register(IER, 0x03);
    old.write_register(SCR, 0x5A);
    let mut first = text(0, OUTPUT);
    let last = first.split_off(OUTPUT - 100);
    guest(&mut old, &edges, &first);
    follow(&mut reader, &mut seen);
    guest(&mut old, &edges, &last);
    assert_eq!(owner(&old).write(b"typed while nobody looked").unwrap(), 25);
    // A ring that has a writer can't be adopted.
    let twice = scrollback::RingOptions::default().adopt(file.try_clone().unwrap());
    assert!(matches!(twice, Err(FileError::InUse)), "{twice:?}");
    let state = old.state();
    drop(old);

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("update");
    let listener = UnixListener::bind(&path).unwrap();
    let new = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_new_vmm", "--ignored", "--nocapture"])
        .env(SOCKET, &path)
        .stdout(Stdio::null())
        .spawn();
    let mut new = Process(new.unwrap());
    let (mut socket, _) = listener.accept().unwrap();
    let message = serde_json::to_vec(&state).unwrap();
    assert_eq!(socket.send_with_fd(&message[..], file.as_raw_fd()).unwrap(), message.len());

    // The answers are those of a port that goes on in this process, without the ring.
    let edges = Edges::default();
    let mut reference = PortBuilder::restore(&state).build(edges.clone()).unwrap();
    let expected = guest(&mut reference, &edges, &text(OUTPUT, OUTPUT));
    let mut answers = vec![0; expected.len()];
    socket.read_exact(&mut answers).unwrap();
    assert!(answers == expected);
    assert!(new.0.wait().unwrap().success());

    follow(&mut reader, &mut seen);
    assert!(seen == text(0, 2 * OUTPUT), "{} bytes", seen.len());
    let left = Scrollback::load(&file).unwrap();
    assert_eq!((left.oldest(), left.end()), (0, 2 * OUTPUT as u64));
    let mut copy = Vec::new();
    follow(&mut left.reader(Position::Oldest), &mut copy);
    assert!(copy == seen);
}

#[test]
fn a_ring_with_another_offset_is_refused() {
    let (mut old, _, file) = port();
    old.write(0, b"A");
    let state = old.state();
    assert_eq!(state.offset(), 1);
    // The guest went on after the snapshot.
    old.write(0, b"B");
    drop(old);
    let (output, _) = scrollback::RingOptions::default().adopt(file).unwrap();
    let error = PortBuilder::restore(&state).with_writer(output).build(Edges::default()).unwrap_err();
    assert!(matches!(error, ResumePortError::OtherOffset { state: 1, ring: 2 }), "{error}");
    assert_eq!(
        error.to_string(),
        "the state's next byte of output has the offset 1, and the ring's has 2: adopt the ring that the port had, or make one with \
         `RingOptions::with_start(1)`"
    );

    // A ring that begins at the state's offset is accepted.
    let (output, _) = ring().with_start(state.offset()).create_memfd("com1").unwrap();
    let mut port = PortBuilder::restore(&state).with_writer(output).build(Edges::default()).unwrap();
    port.write(0, b"B");
    assert_eq!((port.console().scrollback().oldest(), port.console().scrollback().end()), (1, 2));
}

#[test]
fn a_boot_is_marked() {
    let (output, _) = scrollback::RingOptions::new(4096).with_boot_head(16).create().unwrap();
    let mut port = PortBuilder::new().with_writer(output).build(Edges::default());
    let say =
        |port: &mut SerialPort<Edges>, text: &[u8]| text.iter().for_each(|byte| port.write(0, &[*byte]));
    say(&mut port, b"the first boot");
    assert_eq!(port.mark_boot(), 14);
    say(&mut port, b"the second boot\n");
    say(&mut port, &[b'.'; 10_000]);
    let mut buf = [0; 64];
    let read = port.console().scrollback().reader(Position::Boot).read(&mut buf);
    assert_eq!((read.start, &buf[..read.len()]), (14, &b"the second boot\n"[..]));
}
