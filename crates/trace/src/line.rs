//! Parsing one text line.

use vuart_16550::spec::{Lsr, Msr};

use crate::error::{Reason, excerpt};
use crate::operation::{Boundary, MODEM_INPUTS, Mode, Operation, PROFILES, Settings};

/// The kind of a text line, without its comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// A blank line.
    Blank,
    /// A setting of the UART, which has been noted.
    Setting(Setting),
    /// An operation.
    Operation(Operation),
}

/// The setting that a text line makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    Mode,
    Boundary,
    Profile,
    Out2Gate,
}

/// Parses a text line without its comment. Puts a setting into `settings`.
pub(super) fn parse(code: &str, settings: &mut Settings) -> Result<Line, Reason> {
    let mut words = Words(code.split_ascii_whitespace());
    let Some(keyword) = words.0.next() else { return Ok(Line::Blank) };
    let operation = match keyword {
        "mode" => {
            settings.mode =
                words.one_of(&[("instant", Mode::Instant), ("timed", Mode::Timed)], "instant or timed")?;
            return words.end().map(|()| Line::Setting(Setting::Mode));
        }
        "at" => {
            settings.boundary =
                words.one_of(&[("port", Boundary::Port), ("chip", Boundary::Chip)], "port or chip")?;
            return words.end().map(|()| Line::Setting(Setting::Boundary));
        }
        "profile" => {
            let profile = words.one_of(&PROFILES, "16450, 16550a or 16750")?;
            settings.config = settings.config.with_profile(profile);
            return words.end().map(|()| Line::Setting(Setting::Profile));
        }
        "out2-gate" => {
            let gate = words.one_of(&[("on", true), ("off", false)], "on or off")?;
            settings.config = settings.config.with_out2_gate(gate);
            return words.end().map(|()| Line::Setting(Setting::Out2Gate));
        }
        "w" => Operation::Write { register: words.register()?, value: words.byte("a value")? },
        "r" => Operation::Read { register: words.register()?, expected: words.optional_byte()? },
        "rx" => match words.bytes()? {
            bytes if bytes.is_empty() => return Err(Reason::Missing("at least one byte")),
            bytes => Operation::Receive(bytes),
        },
        "rx-err" => {
            let both = Lsr::PE | Lsr::FE;
            let names = [("pe", Lsr::PE), ("fe", Lsr::FE), ("pe+fe", both), ("fe+pe", both)];
            let errors = words.one_of(&names, "pe, fe or pe+fe")?;
            Operation::ReceiveError { errors, data: words.byte("a byte")? }
        }
        "break" => Operation::ReceiveBreak,
        "tx" => Operation::Transmitted(words.bytes()?),
        "tx-break" => Operation::BreakOut(words.level()?),
        "irq" => Operation::Interrupt(words.level()?),
        "modem" => words.modem()?,
        "reset" => Operation::Reset,
        "t" if settings.mode == Mode::Instant => return Err(Reason::TimeInInstantMode),
        "t" => {
            let text = words.one("a number of nanoseconds")?;
            let decimal = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
            Operation::Pass(decimal.ok_or_else(|| Reason::unknown(text, "nanoseconds, in decimal"))?)
        }
        "lost" => return Err(Reason::Lost),
        other => return Err(Reason::UnknownOperation(excerpt(other))),
    };
    words.end()?;
    Ok(Line::Operation(operation))
}

struct Words<'a>(std::str::SplitAsciiWhitespace<'a>);

impl<'a> Words<'a> {
    fn one(&mut self, what: &'static str) -> Result<&'a str, Reason> {
        self.0.next().ok_or(Reason::Missing(what))
    }

    /// Takes a word that has one of these names. Returns the value of that name.
    fn one_of<T: Copy>(&mut self, names: &[(&str, T)], what: &'static str) -> Result<T, Reason> {
        let word = self.one(what)?;
        value_of(word, names).ok_or_else(|| Reason::unknown(word, what))
    }

    fn end(&mut self) -> Result<(), Reason> {
        self.0.next().map_or(Ok(()), |word| Err(Reason::Surplus(excerpt(word))))
    }

    fn register(&mut self) -> Result<u8, Reason> {
        let word = self.one("a register, 0 to 7")?;
        byte(word)
            .ok()
            .filter(|register| *register < 8)
            .ok_or_else(|| Reason::unknown(word, "a register, 0 to 7"))
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, Reason> {
        byte(self.one(what)?)
    }

    fn optional_byte(&mut self) -> Result<Option<u8>, Reason> {
        self.0.next().map(byte).transpose()
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Reason> {
        self.0.by_ref().map(byte).collect()
    }

    fn level(&mut self) -> Result<bool, Reason> {
        self.one_of(&[("0", false), ("1", true)], "0 or 1")
    }

    fn modem(&mut self) -> Result<Operation, Reason> {
        const WHAT: &str = "+ or - and one of cts, dsr, ri, dcd";
        let (mut on, mut off) = (Msr::empty(), Msr::empty());
        for word in self.0.by_ref() {
            let (set, name) = match (word.strip_prefix('+'), word.strip_prefix('-')) {
                (Some(name), _) => (&mut on, name),
                (_, Some(name)) => (&mut off, name),
                _ => return Err(Reason::unknown(word, WHAT)),
            };
            set.insert(value_of(name, &MODEM_INPUTS).ok_or_else(|| Reason::unknown(word, WHAT))?);
        }
        if on.intersects(off) {
            return Err(Reason::OnAndOff);
        }
        if (on | off).is_empty() {
            return Err(Reason::Missing(WHAT));
        }
        Ok(Operation::Modem { on, off })
    }
}

/// Finds the value of a name in a table.
fn value_of<T: Copy>(name: &str, names: &[(&str, T)]) -> Option<T> {
    names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// Parses a byte: hex, with or without `0x`.
fn byte(word: &str) -> Result<u8, Reason> {
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")).unwrap_or(word);
    // `from_str_radix` would accept a sign.
    let hex = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    hex.then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
        .ok_or_else(|| Reason::unknown(word, "a byte in hex, 0 to ff"))
}
