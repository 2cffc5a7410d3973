//! What VMMs do today, a `write` for each character: into a file, a pipe, a Unix socket. Ours has nobody attached.

use std::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

use super::register::{compare_writes, verify};
use super::{Rows, expect};
use crate::devices;
use crate::measure::{Effort, Pair};
use crate::table::Row;

pub(super) fn rows(effort: Effort) -> Rows {
    let (pipe_out, pipe_in) = io::pipe()?;
    let (socket_in, socket_out) = UnixStream::pair()?;
    Ok(vec![
        Row::new("THR write, nobody attached, vs vm-superio into a file, ns", file(effort)?).goal(1.0 / 80.0),
        Row::new(
            "THR write, nobody attached, vs vm-superio into a pipe with a reader, ns",
            stream(effort, pipe_in, pipe_out)?,
        )
        .goal(1.0 / 100.0),
        Row::new(
            "THR write, nobody attached, vs vm-superio into a Unix socket with a reader, ns",
            stream(effort, socket_in, socket_out)?,
        )
        .goal(1.0 / 200.0)
        .headline(),
    ])
}

fn file(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let file = tempfile::tempfile()?;
    let (pair, written, file) = measure(effort, file)?;
    expect("the file", file.metadata()?.len(), written)?;
    Ok(pair)
}

fn stream(
    effort: Effort,
    input: impl Write,
    output: impl Read + Send + 'static,
) -> Result<Pair, Box<dyn Error>> {
    let reader = drain(output);
    let (pair, written, input) = measure(effort, input)?;
    // The reader sees the end.
    drop(input);
    let arrived = reader.join().map_err(|_| "the reader has panicked")??;
    expect("the reader", arrived, written)?;
    Ok(pair)
}

/// Reads to the end, as a client that keeps up, and counts.
pub(super) fn drain(mut output: impl Read + Send + 'static) -> JoinHandle<io::Result<u64>> {
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        let mut arrived = 0;
        loop {
            match output.read(&mut buffer)? {
                0 => return Ok(arrived),
                read => arrived += read as u64,
            }
        }
    })
}

/// The figure, how many characters the peer wrote, and what it wrote them to.
fn measure<W: Write>(effort: Effort, out: W) -> Result<(Pair, u64, W), Box<dyn Error>> {
    let mut port = devices::port()?;
    let mut peer = devices::peer(out);
    let written = compare_writes(effort, &mut port, &mut peer);
    verify(&port, written.ours)?;
    Ok((written.pair, written.peer, peer.into_writer()))
}
