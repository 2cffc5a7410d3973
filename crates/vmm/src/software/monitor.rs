//! The monitor: prompts, reads a line, runs the command, and repeats.

use std::time::Instant;

use super::End;
use super::driver::Driver;
use super::editor::{Action, Editor};
use super::interrupt::Leave;
use super::texts;
use crate::printed_line;

const CTRL_C: u8 = 0x03;
/// Ticks of the program's timer in a second.
const HZ: u128 = 20;

/// Runs until a command ends the program and all output has been sent.
pub(super) fn run(mut driver: Driver<'_>) -> Result<End, Leave> {
    let started = Instant::now();
    let mut editor = Editor::new();
    driver.write(texts::BANNER.as_bytes())?;
    loop {
        driver.write(texts::PROMPT.as_bytes())?;
        editor.clear();
        if !read_line(&mut driver, &mut editor)? {
            continue;
        }
        match command(&mut driver, editor.line(), started)? {
            Next::Prompt => {}
            Next::End(end) => return Ok(end),
        }
    }
}

/// Reads a line. Returns `false` if it is abandoned.
fn read_line(driver: &mut Driver<'_>, editor: &mut Editor) -> Result<bool, Leave> {
    loop {
        let character = driver.getc()?;
        match editor.type_character(character) {
            Action::Ignore => {}
            Action::Echo(character) => driver.write(&[character])?,
            Action::Bell => driver.write(texts::BELL.as_bytes())?,
            Action::Erase(characters) => {
                for _ in 0..characters {
                    driver.write(texts::RUBOUT.as_bytes())?;
                }
            }
            Action::Abandon => {
                driver.write(texts::INTERRUPTED.as_bytes())?;
                return Ok(false);
            }
            Action::Complete => {
                driver.write(texts::NEWLINE.as_bytes())?;
                return Ok(true);
            }
        }
    }
}

/// What follows a command.
enum Next {
    /// The next prompt.
    Prompt,
    /// The end of the program.
    End(End),
}

/// Runs a command line.
fn command(driver: &mut Driver<'_>, line: &[u8], started: Instant) -> Result<Next, Leave> {
    let line = skip_spaces(line);
    let (name, rest) = line.split_at(line.iter().position(|byte| *byte == b' ').unwrap_or(line.len()));
    match name {
        b"" => {}
        b"help" => driver.write(texts::HELP.as_bytes())?,
        b"echo" => {
            // Everything after the one space behind the name, unchanged.
            driver.write(rest.get(1..).unwrap_or_default())?;
            driver.write(texts::NEWLINE.as_bytes())?;
        }
        b"print" => print(driver, trim_spaces(rest))?,
        b"uptime" => {
            let ticks = started.elapsed().as_millis() * HZ / 1000;
            driver.write(format!("{ticks} ticks, {} seconds\r\n", ticks / HZ).as_bytes())?;
        }
        b"regs" => {
            driver.drain()?;
            for (value, (name, meaning)) in driver.registers().into_iter().zip(texts::REGISTERS) {
                driver.write(format!("{name} {value:02X}  {meaning}\r\n").as_bytes())?;
            }
        }
        b"halt" => {
            last_words(driver, texts::HALTING)?;
            return Ok(Next::End(End::PowerOff));
        }
        b"reboot" => {
            last_words(driver, texts::REBOOTING)?;
            return Ok(Next::End(End::Reset));
        }
        _ => {
            driver.write(name)?;
            driver.write(texts::UNKNOWN.as_bytes())?;
        }
    }
    Ok(Next::Prompt)
}

/// Writes a text, and waits until all output has been sent.
fn last_words(driver: &mut Driver<'_>, text: &str) -> Result<(), Leave> {
    driver.write(text.as_bytes())?;
    driver.drain()?;
    driver.wait_sent()
}

fn print(driver: &mut Driver<'_>, argument: &[u8]) -> Result<(), Leave> {
    let Some(last) = number(argument) else {
        driver.write(texts::NOT_A_NUMBER[0].as_bytes())?;
        driver.write(argument)?;
        return driver.write(texts::NOT_A_NUMBER[1].as_bytes());
    };
    for number in 1..=last {
        driver.write(&printed_line(number))?;
        if driver.is_break_waiting() {
            // As on any terminal, ^C also discards what was typed before it.
            while driver.getc()? != CTRL_C {}
            return driver.write(texts::INTERRUPTED.as_bytes());
        }
    }
    Ok(())
}

/// Parses a decimal number from 0 to 65535 that has only digits.
fn number(text: &[u8]) -> Option<u16> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u16, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        number.checked_mul(10)?.checked_add(u16::from(digit))
    })
}

fn skip_spaces(text: &[u8]) -> &[u8] {
    &text[text.iter().position(|byte| *byte != b' ').unwrap_or(text.len())..]
}

fn trim_spaces(text: &[u8]) -> &[u8] {
    let text = skip_spaces(text);
    &text[..text.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1)]
}
