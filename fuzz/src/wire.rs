//! The fuzz target of the framed protocol.

use std::fmt::Debug;

use vuart::wire::{Decoder, Event, Frame, Request, WireError};

/// Decodes a stream of bytes, as a server and as a client, and panics when the decoder breaks a promise.
///
/// The first byte is the size of the pieces in which the rest is received. It asserts that
///
/// * the size of the pieces makes no difference;
/// * a decoded frame is the same after it is encoded and decoded again;
/// * no frame is decoded after one that is too long.
pub fn check_stream(bytes: &[u8]) {
    let Some((piece, stream)) = bytes.split_first() else { return };
    check::<Request>((*piece).into(), stream);
    check::<Event>((*piece).into(), stream);
}

fn check<F: Frame + Debug + PartialEq>(piece: usize, stream: &[u8]) {
    let whole = decode::<F>(stream, stream.len().max(1));
    let pieces = decode::<F>(stream, piece.max(1));
    assert_eq!(whole, pieces, "received in pieces of {piece} bytes");
    for frame in whole.iter().flatten() {
        let mut encoded = Vec::new();
        frame.encode(&mut encoded);
        // Empty input and output are not sent.
        if !encoded.is_empty() {
            let again = decode::<F>(&encoded, encoded.len());
            assert!(matches!(&again[..], [Ok(again)] if again == frame), "{frame:?} became {again:?}");
        }
    }
}

fn decode<F: Frame>(stream: &[u8], piece: usize) -> Vec<Result<F, WireError>> {
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    for received in stream.chunks(piece) {
        decoder.extend(received);
        while let Some(frame) = decoder.next_frame() {
            let over = matches!(frame, Err(WireError::TooLong(_)));
            frames.push(frame);
            if over {
                assert!(matches!(decoder.next_frame::<F>(), Some(Err(WireError::TooLong(_)))));
                return frames;
            }
        }
        assert!(!decoder.has_frame());
    }
    frames
}
