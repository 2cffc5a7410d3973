//! The operations of a guest and a host on a port.

use arbitrary::{Arbitrary, Result, Unstructured};

/// One operation of the guest or of a client on the host.
///
/// Any sequence is allowed. Numbers that choose a session are taken modulo the number of sessions.
#[derive(Debug, Clone, PartialEq, Eq, Arbitrary)]
pub enum Operation {
    /// The guest reads `length` bytes at `offset`.
    Read {
        /// The offset in the port's range, mostly a register's.
        #[arbitrary(with = offset)]
        offset: u64,
        /// The number of bytes, 0 to 16.
        #[arbitrary(with = length)]
        length: u8,
    },
    /// The guest writes at `offset`. In loopback the harness changes the bytes for THR, to recognise them.
    Write {
        /// The offset in the port's range, mostly a register's.
        #[arbitrary(with = offset)]
        offset: u64,
        /// The bytes, 0 to 16.
        #[arbitrary(with = data)]
        data: Vec<u8>,
    },
    /// The guest writes `count` characters to THR.
    Print {
        /// The number of characters.
        #[arbitrary(with = print_count)]
        count: u16,
    },
    /// The guest's driver sets the port up, serves all that is pending, and then waits for an interrupt.
    ServeInterrupts,
    /// A client attaches to own the console if it is free.
    Attach(ReplayFrom),
    /// A client takes the console over.
    TakeOver(ReplayFrom),
    /// A client attaches to watch.
    Spectate(ReplayFrom),
    /// A session ends.
    Detach {
        /// The session.
        session: u8,
    },
    /// A session types. The harness chooses the bytes, to recognise them.
    Type {
        /// The session.
        session: u8,
        /// The number of bytes.
        #[arbitrary(with = type_count)]
        count: u16,
    },
    /// A session sends a break.
    Break {
        /// The session.
        session: u8,
    },
    /// A session reads output.
    ReadOutput {
        /// The session.
        session: u8,
        /// The most bytes.
        #[arbitrary(with = read_count)]
        count: u16,
    },
    /// The host reads the history, at any offset.
    ReadHistory {
        /// The offset from the newest byte, backwards or into the future.
        from_end: i16,
        /// If set, `from_end` is an absolute offset, and a negative one is huge.
        absolute: bool,
        /// The most bytes.
        #[arbitrary(with = read_count)]
        count: u16,
    },
}

/// Where a new session's output begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub enum ReplayFrom {
    /// Now.
    Now,
    /// With the oldest byte.
    Oldest,
    /// This many bytes ago.
    Last(u16),
    /// At this offset.
    Offset(u64),
}

/// Nearly always a register; sometimes anything, the end of the address space included.
fn offset(input: &mut Unstructured<'_>) -> Result<u64> {
    let choice: u8 = input.arbitrary()?;
    Ok(match choice {
        0xFF => input.arbitrary()?,
        0xFE => u64::MAX - u64::from(input.arbitrary::<u8>()?),
        0xF0..=0xFD => u64::from(choice),
        register => u64::from(register & 7),
    })
}

/// Nearly always one byte, as drivers do; sometimes none, or more than an access can have.
fn length(input: &mut Unstructured<'_>) -> Result<u8> {
    let choice: u8 = input.arbitrary()?;
    Ok(if choice < 0xC0 { 1 } else { choice % 17 })
}

fn data(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let length = length(input)?;
    Ok(input.bytes(length.into())?.to_vec())
}

/// Mostly a FIFO or two; sometimes a little more than the smallest ring.
fn print_count(input: &mut Unstructured<'_>) -> Result<u16> {
    let many = input.ratio(1, 8)?;
    input.int_in_range(0..=if many { 5000 } else { 40 })
}

/// A little more than the queue behind the receiver at most.
fn type_count(input: &mut Unstructured<'_>) -> Result<u16> {
    let many = input.ratio(1, 8)?;
    input.int_in_range(0..=if many { 5000 } else { 40 })
}

fn read_count(input: &mut Unstructured<'_>) -> Result<u16> {
    input.int_in_range(0..=5000)
}
