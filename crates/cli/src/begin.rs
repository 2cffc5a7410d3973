//! The options that say where the output begins: the same for `vuart attach` and `vuart log`.

use clap::Args;
use clap_complete::{ArgValueCandidates, CompletionCandidate};
use vuart_scrollback::Position;

use crate::number::number;

/// The options for the beginning of the output. Without one, the command decides.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct BeginArgs {
    /// Begin at this offset of the output
    #[arg(long, value_name = "OFFSET", value_parser = number, allow_negative_numbers = true)]
    from: Option<u64>,

    /// Begin this many bytes before the end
    #[arg(long, value_name = "BYTES", value_parser = number, allow_negative_numbers = true)]
    last: Option<u64>,

    /// Begin this many lines before the end; what follows the last line's end is one, too
    #[arg(long, short = 'n', value_name = "COUNT", value_parser = number, allow_negative_numbers = true)]
    lines: Option<u64>,

    /// Begin where the guest has booted last
    #[arg(long)]
    boot: bool,

    /// Begin with all that is kept, where the guest has booted last (as --boot), or with what is written from now on. A number of
    /// bytes is as --last, and one with an l behind it as --lines
    #[arg(long, value_name = "all|boot|none|BYTES|LINESl", value_parser = replay, allow_negative_numbers = true)]
    #[arg(add = ArgValueCandidates::new(replays))]
    replay: Option<Position>,
}

impl BeginArgs {
    /// Where the output begins, if an option says it.
    pub(crate) fn position(&self) -> Option<Position> {
        match *self {
            Self { from: Some(offset), .. } => Some(Position::Offset(offset)),
            Self { last: Some(bytes), .. } => Some(Position::Newest(bytes)),
            Self { lines: Some(lines), .. } => Some(Position::NewestLines(lines)),
            Self { boot: true, .. } => Some(Position::Boot),
            Self { replay, .. } => replay,
        }
    }
}

/// Parses the value of `--replay`.
fn replay(text: &str) -> Result<Position, &'static str> {
    match text {
        "all" => Ok(Position::Oldest),
        "none" => Ok(Position::End),
        "boot" => Ok(Position::Boot),
        _ => match (text.strip_suffix('l').map(str::parse), text.parse()) {
            (Some(Ok(lines)), _) => Ok(Position::NewestLines(lines)),
            (_, Ok(bytes)) => Ok(Position::Newest(bytes)),
            _ => Err("neither 'all', 'boot' or 'none', nor a number of bytes, nor one of lines as in 20l"),
        },
    }
}

/// The words that a shell offers for `--replay`.
fn replays() -> Vec<CompletionCandidate> {
    let words = [
        ("all", "everything that is kept"),
        ("boot", "what the guest has written since it booted"),
        ("none", "only what it writes from now on"),
    ];
    words.map(|(word, help)| CompletionCandidate::new(word).help(Some(help.into()))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replay_is_a_number_or_a_word() {
        assert_eq!(replay("all"), Ok(Position::Oldest));
        assert_eq!(replay("none"), Ok(Position::End));
        assert_eq!(replay("boot"), Ok(Position::Boot));
        assert_eq!(replay("4096"), Ok(Position::Newest(4096)));
        assert_eq!(replay("20l"), Ok(Position::NewestLines(20)));
        for none in ["-1", "some", "", "l", "-1l", "20L", "20ll"] {
            assert!(replay(none).is_err(), "{none}");
        }
    }
}
