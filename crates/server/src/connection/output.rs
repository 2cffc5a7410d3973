//! The guest's output on its way to a client: what is sent at once, and what is kept of what its socket has not taken.

use std::io::IoSlice;

use vuart_scrollback::Read;

use super::{BATCH, Closed, Connection, Context, Log, Protocol};
use vuart_endpoint::{Cause, End};
use vuart_wire::{Event, Hole, LogEnd, OUTPUT_HEADER};

/// How much output goes into one frame, in bytes: what a connection holds for a client that does not read.
const CHUNK: usize = 32 << 10;

/// How much is fetched at once for a pseudo-terminal, in bytes: Linux takes less than 12 KiB when it is empty, and 4 or 6 each time
/// somebody has read.
const PTY_BATCH: usize = 12 << 10;

const _: () = assert!(BATCH >= CHUNK && CHUNK + 8 <= vuart_wire::MAX_PAYLOAD);

/// How much memory for output a connection keeps that owes its client nothing, in bytes.
const KEPT: usize = 1 << 10;

/// What has become of an attempt to send more.
enum Produced {
    /// It has been sent, or waits in `output`.
    Bytes(usize),
    /// The socket has no room.
    Full,
}

impl Produced {
    fn of(taken: usize, offered: usize, output: &[u8]) -> Self {
        if taken < offered || !output.is_empty() { Self::Full } else { Self::Bytes(taken) }
    }
}

impl Connection {
    /// Sends what the client is owed, as far as its socket and its turn reach. What the guest writes meanwhile is for the next time: it
    /// could go on for ever, a byte for each call. That there is a next time, whoever drives connections sees to afterwards: by the
    /// clock, or by being woken (`Server::watch_guest`).
    pub(super) fn send(&mut self, turn: &mut usize, context: &mut Context) -> Result<(), Closed> {
        if self.blocked {
            return Ok(());
        }
        let seen = context.console.scrollback().end();
        loop {
            self.blocked = !self.flush_output()?;
            if self.blocked {
                return Ok(());
            }
            if self.closing {
                return Err(Closed);
            }
            if *turn == 0 {
                self.blocked = true;
                return Ok(());
            }
            self.notice_change();
            if !self.output.is_empty() {
                continue;
            }
            let produced = match &self.protocol {
                Protocol::Framed { log: Some(_), .. } => self.produce_log(*turn, context)?,
                _ => self.produce_output(*turn, context)?,
            };
            match produced {
                Produced::Full => {
                    self.blocked = true;
                    return Ok(());
                }
                Produced::Bytes(0) if self.output.is_empty() => return Ok(()),
                Produced::Bytes(produced) => *turn = turn.saturating_sub(produced),
            }
            if self.output.is_empty() && self.has_sent(seen) {
                return Ok(());
            }
        }
    }

    /// The session goes on, and has got all output up to there.
    fn has_sent(&self, offset: u64) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.end().is_none() && session.output().cursor() >= offset)
    }

    /// `true` when the socket has taken everything.
    fn flush_output(&mut self) -> Result<bool, Closed> {
        while self.output_sent < self.output.len() {
            match self.transport.send(&[IoSlice::new(&self.output[self.output_sent..])]) {
                Ok(sent) => self.output_sent += sent,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(false),
                Err(_) => return Err(Closed),
            }
        }
        self.output_sent = 0;
        self.output.clear();
        // Of a client that did not read for a moment nothing is kept.
        self.output.shrink_to(KEPT);
        Ok(true)
    }

    /// Sends the guest's output from the offset `start` on, and says how much of it need not be sent again: what the socket has taken,
    /// and the rest of a frame that it has taken a part of, which is kept. Nothing else waits to be sent.
    fn send_output(&mut self, start: u64, bytes: &[u8]) -> Result<usize, Closed> {
        let headers: [_; BATCH.div_ceil(CHUNK)] = std::array::from_fn(|n| {
            let from = (n * CHUNK).min(bytes.len());
            vuart_wire::output_frame(start + from as u64, &bytes[from..(from + CHUNK).min(bytes.len())]).0
        });
        let mut pieces = [IoSlice::new(&[]); 2 * BATCH.div_ceil(CHUNK)];
        let count = match self.protocol {
            Protocol::Raw => {
                pieces[0] = IoSlice::new(bytes);
                1
            }
            Protocol::Framed { .. } => {
                let frames = headers.iter().zip(bytes.chunks(CHUNK));
                for ((header, chunk), pieces) in frames.zip(pieces.chunks_exact_mut(2)) {
                    pieces[0] = IoSlice::new(header);
                    pieces[1] = IoSlice::new(chunk);
                }
                2 * bytes.len().div_ceil(CHUNK)
            }
        };
        let sent = loop {
            match self.transport.send(&pieces[..count]) {
                Ok(sent) => break sent,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break 0,
                Err(_) => return Err(Closed),
            }
        };
        if let Protocol::Raw = self.protocol {
            return Ok(sent);
        }
        let (frames, part) = (sent / (OUTPUT_HEADER + CHUNK), sent % (OUTPUT_HEADER + CHUNK));
        let whole = (frames * CHUNK).min(bytes.len());
        let (Some(header), Some(chunk)) = (headers.get(frames), bytes[whole..].chunks(CHUNK).next()) else {
            return Ok(whole);
        };
        if part == 0 {
            return Ok(whole);
        }
        self.output.extend_from_slice(&header[part.min(OUTPUT_HEADER)..]);
        self.output.extend_from_slice(&chunk[part.saturating_sub(OUTPUT_HEADER)..]);
        Ok(whole + chunk.len())
    }

    /// Sends the next piece of the guest's output, of so many bytes at most, or puts a hole or the session's end into `output`.
    fn produce_output(&mut self, most: usize, context: &mut Context) -> Result<Produced, Closed> {
        let Some(session) = &mut self.session else { return Ok(Produced::Bytes(0)) };
        let end = session.end().cloned();
        // Whoever was sent away gets nothing more of what was there before.
        let sent_away = matches!(&end, Some(end) if end.cause.is_at_once());
        if !sent_away {
            // A session that has ended gets the output up to there: a guest that writes on must not put its end off.
            let from = session.output().cursor();
            let until = session.end_offset().unwrap_or(u64::MAX);
            let left = usize::try_from(until.saturating_sub(from)).unwrap_or(usize::MAX);
            let most = most.min(left).min(context.buffer.len());
            let most = if self.transport.is_pty() { most.min(PTY_BATCH) } else { most };
            let read = cut(session.peek(&mut context.buffer[..most]), from, until);
            // It may have ended by that: what is behind the hole is not for it.
            let lagged = matches!(session.end(), Some(End { cause: Cause::Lagged { .. }, .. }));
            if lagged {
                return self.produce_output(most, context);
            }
            if read.missed > 0 {
                // The bytes behind it come next.
                match self.protocol {
                    Protocol::Raw => {
                        let hole = format!("\r\n[vuart: {} bytes are lost here]\r\n", read.missed);
                        self.output.extend_from_slice(hole.as_bytes());
                    }
                    Protocol::Framed { .. } => self.tell(&Event::Hole(Hole { from, to: read.start })),
                }
                return Ok(Produced::Bytes(self.output.len()));
            }
            if !read.is_empty() {
                let taken = self.send_output(read.start, &context.buffer[..read.len()])?;
                if let Some(session) = &mut self.session {
                    session.advance(taken);
                }
                return Ok(Produced::of(taken, read.len(), &self.output));
            }
        }
        if let Some(end) = end {
            self.session = None;
            self.draining = false;
            match self.protocol {
                Protocol::Raw => self.say_and_close(&end.to_string()),
                Protocol::Framed { .. } => self.tell(&Event::Ended(end)),
            }
        }
        Ok(Produced::Bytes(0))
    }

    /// The same for a history.
    fn produce_log(&mut self, most: usize, context: &mut Context) -> Result<Produced, Closed> {
        let Protocol::Framed { log: Some(log), .. } = &mut self.protocol else {
            return Ok(Produced::Bytes(0));
        };
        let (from, until) = (log.reader.cursor(), log.until);
        let left = usize::try_from(log.left.min(until.saturating_sub(from))).unwrap_or(usize::MAX);
        let most = most.min(left).min(context.buffer.len());
        // Without room for a byte, nothing is read, and no hole is found.
        let read = if most == 0 {
            Read { start: from, next: from, missed: 0 }
        } else {
            cut(log.reader.peek(&mut context.buffer[..most]), from, until)
        };
        if read.missed > 0 {
            // What is gone behind the range is no business of this log's.
            log.reader.seek(read.start);
            self.tell(&Event::Hole(Hole { from, to: read.start }));
            return Ok(Produced::Bytes(self.output.len()));
        }
        let taken =
            if read.is_empty() { 0 } else { self.send_output(read.start, &context.buffer[..read.len()])? };
        let Protocol::Framed { log, .. } = &mut self.protocol else { return Ok(Produced::Bytes(taken)) };
        if let Some(Log { reader, until, left }) = log {
            reader.advance(taken);
            // What is gone does not count.
            *left -= taken as u64;
            if *left == 0 || reader.cursor() >= *until {
                let next = reader.cursor();
                *log = None;
                self.tell(&Event::LogEnd(LogEnd { next }));
            }
        }
        Ok(Produced::of(taken, read.len(), &self.output))
    }
}

/// What a read from `from` says of the range up to `until`: a reader that was lapped may find itself behind it.
fn cut(read: Read, from: u64, until: u64) -> Read {
    if from >= until {
        Read { start: from, next: from, missed: 0 }
    } else if read.next > until {
        let start = read.start.min(until);
        Read { start, next: until, missed: start - from }
    } else {
        read
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;
    use std::thread;

    use event_manager::EventSet;
    use vuart_scrollback::{Scrollback, Writer};

    use super::super::{LEAST_TURN, TURN};
    use super::*;
    use crate::access::Role;
    use crate::transport::Transport;
    use vuart_endpoint::{Console, Identity, Mode};

    /// A raw client who watches, the guest, and the client's end.
    fn watched() -> (Connection, Context, Writer, UnixStream) {
        let (writer, scrollback) = Scrollback::new(1 << 20).unwrap();
        let (console, _) = Console::new(scrollback, || ());
        let context = Context::new(console, "test".into());
        let (ours, theirs) = UnixStream::pair().unwrap();
        let who = Identity::new("test", 1000, None);
        let connection = Connection::raw(Transport::Socket(ours), who, Role::Owner, Mode::Spectate, &context);
        (connection, context, writer, theirs)
    }

    fn drive(connection: &mut Connection, context: &mut Context) {
        context.borrow_buffer();
        connection.drive(EventSet::OUT, context).unwrap();
        context.return_buffer();
    }

    /// Where the session is in the output.
    fn cursor(connection: &Connection) -> u64 {
        connection.session.as_ref().unwrap().output().cursor()
    }

    #[test]
    fn what_is_written_while_it_is_sent_is_for_the_next_time() {
        let (mut connection, mut context, mut writer, mut theirs) = watched();
        writer.push(b'x');
        // It writes a byte as soon as one has come.
        let guest = thread::spawn(move || {
            theirs.set_nonblocking(true).unwrap();
            let mut byte = [0];
            loop {
                match theirs.read(&mut byte) {
                    Ok(0) => return,
                    Ok(_) => writer.push(b'x'),
                    Err(_) => thread::yield_now(),
                }
            }
        });
        for sent in 0..20_000 {
            while context.console.scrollback().end() == sent {
                thread::yield_now();
            }
            drive(&mut connection, &mut context);
            assert_eq!(cursor(&connection), sent + 1);
        }
        drop(connection);
        guest.join().unwrap();
    }

    #[test]
    fn connections_share_a_turn() {
        for (connections, most) in
            [(0, TURN), (1, TURN), (4, TURN / 4), (TURN, LEAST_TURN), (usize::MAX, LEAST_TURN)]
        {
            let (mut connection, mut context, mut writer, mut theirs) = watched();
            let read = thread::spawn(move || theirs.read_to_end(&mut Vec::new()));
            writer.extend(&vec![b'x'; 2 * TURN]);
            context.share_turn(connections);
            drive(&mut connection, &mut context);
            let sent = cursor(&connection);
            assert!(sent > 0 && sent <= most as u64, "{connections} connections: {sent} of {most} bytes");
            assert!(connection.interest().contains(EventSet::OUT), "the rest is sent when it is writable");
            drop(connection);
            assert_eq!(read.join().unwrap().unwrap() as u64, sent);
        }
    }
}
