//! The sender's side of the Kermit protocol, as far as U-Boot's `loadb` needs it. (U-Boot's `loadx` takes all memory for flash
//! on a board without flash.)

use crate::board::Board;

/// Sends a file to a waiting receiver.
pub(crate) fn send(board: &mut Board, file: &[u8]) {
    let mut packets = vec![packet(0, b'S', b""), packet(1, b'F', b"FILE")];
    for data in file.chunks(40) {
        packets.push(packet(packets.len(), b'D', &quoted(data)));
    }
    packets.push(packet(packets.len(), b'Z', b""));
    packets.push(packet(packets.len(), b'B', b""));
    for packet in packets {
        let number = packet[2];
        board.types(packet);
        board.until([b'\x01']);
        let answer = board.until("\r");
        assert_eq!(answer.as_bytes()[1..3], [number, b'Y'], "a packet is acknowledged: {answer:?}");
    }
}

/// A packet: mark, length, number, type, data, checksum, end. Numbers are printable characters.
fn packet(number: usize, kind: u8, data: &[u8]) -> Vec<u8> {
    let printable = |number: usize| b' ' + (number & 0x3F).to_le_bytes()[0];
    let length = u8::try_from(data.len() + 3).expect("a short packet") + b' ';
    let body = [&[length, printable(number), kind], data].concat();
    let sum: usize = body.iter().map(|byte| usize::from(*byte)).sum();
    [&[0x01], body.as_slice(), &[printable(sum + (sum >> 6 & 3)), b'\r']].concat()
}

/// Quotes control characters and the quote character. All others are unchanged, also those above 0x7F.
fn quoted(data: &[u8]) -> Vec<u8> {
    let quote = |byte: &u8| match *byte {
        b'#' => vec![b'#', b'#'],
        0..b' ' => vec![b'#', byte ^ 0x40],
        other => vec![other],
    };
    data.iter().flat_map(quote).collect()
}
