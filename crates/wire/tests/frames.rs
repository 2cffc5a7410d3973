//! Frames: what is written is read, and what can't be written is replaced by an error.

use vuart_endpoint::{Cause, Refused, is_printable};
use vuart_wire::{
    Decoder, ErrorCode, ErrorMessage, Event, Frame, HEADER, Hello, MAX_PAYLOAD, OUTPUT_MAX, Request, VERSION,
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
    let error = ErrorMessage { code: ErrorCode::Unknown, message: "m".into() };
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
    let mut bytes = encoded(&Request::Hello(hello));
    // The stream goes on after it.
    Event::Done.encode(&mut bytes);
    let message = "frame kind 0x01 would be too long".into();
    let told = ErrorMessage { code: ErrorCode::TooLong, message };
    assert_eq!(decoded::<Event>(&bytes), [Event::Error(told), Event::Done]);
}

/// Each member of each frame of a server that people read, with everything in it that a terminal obeys or hides.
#[test]
fn f12_what_a_peer_says_is_cleaned_when_it_is_read() {
    // The errors quote only the beginning, so what is worst comes first.
    let points =
        [0x202e, 0x9b, 0x200b, 0x61c].into_iter().chain(0..0xa0).chain(0x2000..0x2070).chain([0xad, 0xfeff]);
    let hostile: String = points.filter_map(char::from_u32).collect();
    let text = serde_json::to_string(&hostile).unwrap();
    let who = format!(r#"{{"label":{text},"uid":1,"pid":null}}"#);
    let end = format!(r#"{{"code":"kicked","by":{who},"at":18446744073709551615}}"#);
    let session = format!(r#"{{"id":1,"identity":{who},"owner":true,"since":0}}"#);
    let status = format!(
        r#"{{"console":{text},"pid":1,"sessions":[{session}],"oldest":0,"end":0,"capacity":0,"input_waiting":0,"counters":{{}},"ended":{end}}}"#
    );
    let frames = [
        (0x81, format!(r#"{{"version":1,"console":{text},"pid":1}}"#)),
        (0x82, format!(r#"{{"session":1,"owner":true,"offset":0,"evicted":{who},"held_by":{who}}}"#)),
        (0x85, end.clone()),
        (0x86, format!(r#"{{"code":"held","holder":{who},"since":0}}"#)),
        (0x86, format!(r#"{{"code":"ended","end":{end}}}"#)),
        (0x87, status),
        (0x89, format!(r#"{{"code":{text},"message":{text}}}"#)),
        (0x8a, format!(r#"{{"standing":"spectator","evicted":{{"by":{who},"at":0}}}}"#)),
        // The errors quote what is wrong.
        (0x88, format!(r#"{{"next":{text}}}"#)),
        (0x8a, format!(r#"{{"standing":{text}}}"#)),
        (0x84, format!(r"{{{text}:0}}")),
    ];
    for (kind, json) in frames {
        let shown = match Event::decode(kind, json.as_bytes()) {
            // The members as they are written again.
            Ok(event) => {
                let json = String::from_utf8(encoded(&event)[HEADER..].to_vec()).unwrap();
                for hidden in ["\\u00", "\\u20", "\\n", "\\r", "\\t", "\\b", "\\f"] {
                    assert!(!json.contains(hidden), "{kind:#x}: {json}");
                }
                json
            }
            Err(error) => error.to_string(),
        };
        assert!(shown.chars().all(is_printable), "{kind:#x}: {shown:?}");
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
