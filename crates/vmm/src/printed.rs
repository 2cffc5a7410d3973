//! What the guests print, for tests that check that it arrives.

/// The length of a line of the monitor's `print`, in bytes, including the line's end.
pub const PRINTED_LINE: usize = 74;

/// The period of the pattern: the number of graphic characters, `!` to `~`.
const PATTERN: u8 = 94;
/// Where the pattern starts in a line, after `line 00042: `.
const BODY: usize = 12;

/// The line with this number of the monitor's `print`. The first line has number 1.
///
/// A line has its number, and 60 characters of a pattern that starts one character later in each line, as in `chargen`
/// (RFC 864).
///
/// ```
/// let line = vuart_vmm::printed_line(42);
/// assert!(line.starts_with(b"line 00042: KLMNOPQRSTUVWXYZ"));
/// assert!(line.ends_with(b"\r\n"));
/// ```
pub fn printed_line(number: u16) -> [u8; PRINTED_LINE] {
    let mut line = *b"line 00000: ............................................................\r\n";
    let mut rest = number;
    for digit in line[5..10].iter_mut().rev() {
        *digit += (rest % 10).to_le_bytes()[0];
        rest /= 10;
    }
    let mut character = (number % u16::from(PATTERN)).to_le_bytes()[0];
    for place in &mut line[BODY..PRINTED_LINE - 2] {
        *place = b'!' + character;
        character = (character + 1) % PATTERN;
    }
    line
}

/// The output of [`Program::Print`](crate::Program::Print): the graphic characters from `!` to `~`, over and over.
///
/// ```
/// assert_eq!(vuart_vmm::printed_bytes(96)[90..], *b"{|}~!\"");
/// ```
pub fn printed_bytes(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|number| b'!' + (number % u32::from(PATTERN)).to_le_bytes()[0]).collect()
}
