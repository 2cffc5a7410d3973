use serde::Serializer;

use super::*;
use crate::decoder::Decoder;
use crate::error::{ErrorCode, ErrorMessage};

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
    let message = "frame kind 0x82 can't be serialised".into();
    let mut decoder = Decoder::default();
    decoder.extend(&bytes);
    let error = Event::Error(ErrorMessage { code: ErrorCode::Malformed, message });
    assert_eq!((decoder.next_frame(), decoder.has_frame()), (Some(Ok(error)), false));
}

/// The tables of `docs/protocol.md` have a row for each kind: "| `87` | `STATUS_IS` |".
#[test]
fn each_kind_is_in_the_protocol_s_document() {
    let document = include_str!("../../docs/protocol.md");
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
