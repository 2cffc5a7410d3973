//! What VMMs do today, a `write` for each character: to a file, a pipe, a Unix socket. Ours has no client attached.

use std::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use crate::devices;
use crate::guest::compare_thr_writes;
use crate::measure::{Effort, Pair};
use crate::readers::StreamReader;
use crate::table::{Row, Rows};
use crate::verify::{expect, ring_holds};

pub(super) fn rows(effort: Effort) -> Rows {
    let row = |sink: &str, pair| {
        let title =
            format!("THR write, no client attached: `SerialPort` vs vm-superio writing to {sink}, ns");
        Row::new(title, pair)
    };
    let (pipe_out, pipe_in) = io::pipe()?;
    let (socket_in, socket_out) = UnixStream::pair()?;
    Ok(vec![
        row("a file", file(effort)?).with_goal(1.0 / 80.0),
        row("a pipe that a thread reads", stream(effort, pipe_in, pipe_out)?).with_goal(1.0 / 100.0),
        row("a Unix socket that a thread reads", stream(effort, socket_in, socket_out)?)
            .with_goal(1.0 / 200.0)
            .with_headline(),
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
    let reader = StreamReader::start(output);
    let (pair, written, input) = measure(effort, input)?;
    // The reader sees the end.
    drop(input);
    expect("the reader", reader.join()?, written)?;
    Ok(pair)
}

/// Returns the figure, the number of characters that the peer wrote, and the sink to which it wrote them.
fn measure<W: Write>(effort: Effort, sink: W) -> Result<(Pair, u64, W), Box<dyn Error>> {
    let mut port = devices::port();
    let mut peer = devices::peer(sink);
    let written = compare_thr_writes(effort, &mut port, &mut peer);
    ring_holds(&port, written.ours)?;
    Ok((written.pair, written.peer, peer.into_writer()))
}
