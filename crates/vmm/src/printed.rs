//! What the monitor's `print` writes, for whoever checks that it arrived.

/// Bytes of a line of `print`, the line's end included.
pub const PRINTED_LINE: usize = 74;

/// The period of the pattern: the graphic characters `!`..=`~`.
const PATTERN: u8 = 94;
/// Where the pattern starts, behind `line 00042: `.
const BODY: usize = 12;

/// The line that `print` writes as its `number`th, counted from 1: the number and 60 characters of a pattern that starts
/// one further in each line, as `chargen` (RFC 864) has it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_goes_round() {
        assert_eq!(
            &printed_line(93)[..],
            b"line 00093: ~!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\r\n"
        );
        assert_eq!(&printed_line(94)[..16], b"line 00094: !\"#$");
        assert_eq!(&printed_line(u16::MAX)[..12], b"line 65535: ");
        assert!(printed_line(7)[..72].iter().all(|character| (b' '..=b'~').contains(character)));
    }
}
