//! Positions as JSON.

use vuart_scrollback::Position;

#[test]
fn each_position_has_its_json() {
    let forms = [
        (Position::End, r#""none""#),
        (Position::Oldest, r#""all""#),
        (Position::Boot, r#""boot""#),
        (Position::Newest(7), r#"{"last":7}"#),
        (Position::NewestLines(3), r#"{"lines":3}"#),
        (Position::Offset(u64::MAX), r#"{"from":18446744073709551615}"#),
    ];
    for (position, json) in forms {
        assert_eq!(serde_json::to_string(&position).expect("JSON"), json);
        assert_eq!(serde_json::from_str::<Position>(json).expect("a position"), position);
    }
}

#[test]
fn other_json_is_refused() {
    for json in
        [r#""end""#, r#""last""#, r#"{"last":-1}"#, r#"{"none":1}"#, r#"{"last":1,"lines":1}"#, "7", "null"]
    {
        assert!(serde_json::from_str::<Position>(json).is_err(), "{json}");
    }
}

#[test]
fn the_default_is_the_end() {
    assert_eq!(Position::default(), Position::End);
}
