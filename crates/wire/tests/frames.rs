//! Frames: what is written is read, and what can't be written is replaced by an error.

use vuart_endpoint::{Cause, Refused};
use vuart_wire::{
    Decoder, ErrorCode, ErrorMessage, Event, Frame, Hello, MAX_PAYLOAD, OUTPUT_MAX, Request, VERSION,
    output_frame,
};

fn encoded(frame: &impl Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}

fn decoded<F: Frame>(bytes: &[u8]) -> Vec<F> {
    let mut decoder = Decoder::default();
    decoder.extend(bytes);
    let frames = std::iter::from_fn(|| decoder.next_frame()).map(Result::unwrap).collect();
    assert!(!decoder.has_frame());
    frames
}

/// A later version may add codes, as `docs/protocol.md` promises.
#[test]
fn an_unknown_code_keeps_the_rest_of_its_frame() {
    let json = br#"{"code":"brand-new","at":5,"message":"m","more":[1]}"#;
    match Event::decode(0x85, json) {
        Ok(Event::Ended(end)) => assert_eq!((end.cause, end.at.as_millis()), (Cause::Unknown, 5)),
        other => panic!("{other:?}"),
    }
    assert_eq!(Event::decode(0x86, json), Ok(Event::Refused(Refused::Unknown)));
    let error = ErrorMessage { code: ErrorCode::Unknown, message: "m".to_owned() };
    assert_eq!(Event::decode(0x89, json), Ok(Event::Error(error)));
}

#[test]
fn output_at_the_last_offset_can_be_encoded_again() {
    let event = Event::Output { offset: u64::MAX, bytes: vec![0; MAX_PAYLOAD] };
    let frames = decoded::<Event>(&encoded(&event));
    assert!(matches!(frames[..], [Event::Output { offset: u64::MAX, .. }, Event::Output { .. }]));
}

#[test]
fn a_frame_that_would_be_too_long_becomes_an_error_frame() {
    let hello = Hello { version: VERSION, label: "x".repeat(MAX_PAYLOAD) };
    let error = ErrorMessage { code: ErrorCode::Malformed, message: "x".repeat(MAX_PAYLOAD) };
    let frames = [
        (encoded(&Request::Hello(hello)), "frame kind 0x01 would be too long"),
        (encoded(&Event::Error(error)), "frame kind 0x89 would be too long"),
    ];
    for (mut bytes, message) in frames {
        // The stream goes on after it.
        Event::Done.encode(&mut bytes);
        let told = ErrorMessage { code: ErrorCode::TooLong, message: message.to_owned() };
        assert_eq!(decoded::<Event>(&bytes), [Event::Error(told), Event::Done]);
    }
}

#[test]
fn an_output_frame_announces_the_bytes_that_it_carries() {
    let bytes = vec![b'x'; OUTPUT_MAX + 1];
    for count in [0, 1, OUTPUT_MAX, OUTPUT_MAX + 1] {
        let (header, carried) = output_frame(7, &bytes[..count]);
        assert_eq!(carried.len(), count.min(OUTPUT_MAX));
        let frames = decoded::<Event>(&[&header[..], carried].concat());
        assert_eq!(frames, [Event::Output { offset: 7, bytes: carried.to_vec() }]);
    }
}
