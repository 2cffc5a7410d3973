use serde::Serializer;
use vuart_endpoint::{Cause, Refused};

use super::*;
use crate::decoder::Decoder;
use crate::error::{ErrorCode, ErrorMessage};
use crate::request::Hello;

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
fn a_payload_that_cannot_be_serialised_becomes_an_error_frame() {
    struct Impossible;
    impl Serialize for Impossible {
        fn serialize<S: Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("never"))
        }
    }
    let mut bytes = Vec::new();
    json_frame(&mut bytes, 0x82, &Impossible);
    let message = "frame kind 0x82 can't be serialised".to_owned();
    assert_eq!(
        decoded::<Event>(&bytes),
        [Event::Error(ErrorMessage { code: ErrorCode::Malformed, message })]
    );
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

/// The tables of `docs/protocol.md` have a row for each kind: "| `87` | `STATUS_IS` |".
#[test]
fn each_kind_is_in_the_protocol_s_document() {
    let document = include_str!("../../../../docs/protocol.md");
    let requests = RequestKind::ALL.iter().map(|kind| (*kind as u8, format!("{kind:?}")));
    let events = EventKind::ALL.iter().map(|kind| (*kind as u8, format!("{kind:?}")));
    let here: Vec<String> = requests
        .chain(events)
        .map(|(byte, name)| {
            let mut words = String::new();
            for letter in name.chars() {
                if letter.is_uppercase() && !words.is_empty() {
                    words.push('_');
                }
                words.extend(letter.to_uppercase());
            }
            format!("| `{byte:02x}` | `{words}` |")
        })
        .collect();
    let there: Vec<String> = document
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let (byte, name) = (cells.next()?.strip_suffix('`')?, cells.next()?);
            u8::from_str_radix(byte, 16).ok().filter(|_| byte.len() == 2)?;
            Some(format!("| `{byte}` | {name} |"))
        })
        .collect();
    assert_eq!(here, there);
}
