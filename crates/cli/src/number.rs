//! Numbers: on the command line, where what is wrong with one is said in words, and in messages, with the right plural.

/// Parses a number of bytes, lines or an offset.
pub(crate) fn number(text: &str) -> Result<u64, String> {
    within(text, 0, u64::MAX)
}

/// Parses a number of seconds, at least one. The limit is far beyond any use, and small enough to be added to a time.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    within(text, 1, u64::from(u32::MAX))
}

fn within(text: &str, least: u64, most: u64) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("it takes a number from {least} to {most}"))
}

/// A number with its word: `one` for 1, `many` for every other.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f19_a_number_is_refused_with_the_numbers_that_are_right() {
        assert_eq!((number("0"), number("18446744073709551615")), (Ok(0), Ok(u64::MAX)));
        let wrong = Err("it takes a number from 0 to 18446744073709551615".to_owned());
        for text in ["", "-1", "x", "18446744073709551616", "1k", "0x10"] {
            assert_eq!(number(text), wrong, "{text}");
        }
        assert_eq!((seconds("1"), seconds("4294967295")), (Ok(1), Ok(4_294_967_295)));
        let wrong = Err("it takes a number from 1 to 4294967295".to_owned());
        for text in ["0", "4294967296", "1.5"] {
            assert_eq!(seconds(text), wrong, "{text}");
        }
    }
}
