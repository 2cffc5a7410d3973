//! Output while the console is served: the cost to the guest while no client is attached, and how fast an owner receives it.

use std::error::Error;
use std::hint::black_box;
use std::io;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use vuart::endpoint::Mode;
use vuart::uart::spec::offset;

use crate::devices;
use crate::guest::{character, compare_thr_writes};
use crate::measure::{Effort, Pair, median};
use crate::readers::{ClientReader, StreamReader};
use crate::served::Served;
use crate::table::{Row, Rows};
use crate::verify::ring_holds;

/// The length of one guest's run, in slots. It is so long that the sockets' buffers, empty at first, make no difference.
const SLOTS: u32 = 5;

/// The number of characters that the guest writes between two looks at the clock.
const BETWEEN_LOOKS: u64 = 256;

pub(super) fn rows(effort: Effort) -> Rows {
    Ok(vec![
        Row::new(
            "THR write, console served, no client attached: `SerialPort` vs vm-superio writing to a sink, ns",
            unattached(effort)?,
        ),
        Row::new(
            "Time per byte received from a guest at full speed (lost bytes do not count): owner of a served console vs reader of vm-superio's Unix socket, ns",
            received(effort)?,
        )
        .with_goal(1.0 / 50.0),
    ])
}

fn unattached(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let mut port = devices::port();
    let served = Served::new(port.console())?;
    let written = compare_thr_writes(effort, &mut port, &mut devices::peer(io::sink()));
    served.finish()?;
    ring_holds(&port, written.ours)?;
    Ok(written.pair)
}

/// Measures the time in which a guest writes all it can, for each byte that a reader receives in it.
fn received(effort: Effort) -> Result<Pair, Box<dyn Error>> {
    let mut port = devices::port();
    let served = Served::new(port.console())?;
    let owner = ClientReader::start(served.attach(Mode::Exclusive)?);
    let (socket_in, socket_out) = UnixStream::pair()?;
    let reader = StreamReader::start(socket_out);
    let mut peer = devices::peer(socket_in);

    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    let (mut our_count, mut peer_count) = (0, 0);
    for candidate in effort.slots(2) {
        let received = || if candidate == 0 { owner.received() } else { reader.received() };
        let (begin, before) = (Instant::now(), received());
        while begin.elapsed() < effort.slot() * SLOTS {
            for _ in 0..BETWEEN_LOOKS {
                if candidate == 0 {
                    port.write_register(black_box(offset::THR), character(our_count));
                    our_count += 1;
                } else {
                    let _ = black_box(peer.write(black_box(offset::THR), character(peer_count)));
                    peer_count += 1;
                }
            }
        }
        let figures = if candidate == 0 { &mut ours } else { &mut peers };
        figures.push(per_byte(begin.elapsed(), received() - before));
        // The next candidate must have the machine for itself, so both readers finish first.
        let behind = || owner.cursor() < our_count || reader.received() < peer_count;
        while behind() && !owner.is_finished() && !reader.is_finished() {
            thread::yield_now();
        }
    }
    drop(peer);
    reader.join()?;
    served.end();
    owner.join()?;
    served.finish()?;
    ring_holds(&port, our_count)?;
    Ok(Pair { ours: median(ours), peer: median(peers) })
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn per_byte(elapsed: Duration, bytes: u64) -> f64 {
    // With no byte at all it would be infinite, and then there is no median.
    elapsed.as_nanos() as f64 / bytes.max(1) as f64
}
