//! Xen's `tools/console/testsuite`: both ends know the same random numbers.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use vuart::uart::spec::offset::{FCR, IER, THR};

use crate::bench::{Guest, output};

/// Random bytes from a seed (xorshift).
fn bytes(mut seed: u64, count: usize) -> Vec<u8> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()[3]
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn a_random_stream_goes_through_the_console_whole() {
    // Not 0, of which nothing but 0 comes.
    let seed = RandomState::new().build_hasher().finish() | 1;
    println!("seed {seed}");
    let (sent, mut got) = (bytes(seed, 300_000), Vec::new());
    let mut guest = Guest::new();
    guest.write(FCR, 0x01);
    guest.write(IER, 0x01);
    let mut owner = guest.owner();
    let mut offered = 0;
    let mut echoed = Vec::new();
    while got.len() < sent.len() {
        // Chunks of other sizes than any buffer's.
        offered += owner.write(&sent[offered..sent.len().min(offered + 1021)]).unwrap();
        for byte in guest.drains() {
            got.push(byte);
            guest.write(THR, byte);
        }
        echoed.extend(output(&mut owner));
    }
    assert!(got == sent, "the guest got something else");
    assert!(echoed == sent, "the client got something else");
}
