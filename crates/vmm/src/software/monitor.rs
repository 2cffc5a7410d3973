//! The monitor: prompts, reads a line, runs the command, and repeats.

use std::time::Instant;

use super::commands::{self, Next};
use super::driver::Driver;
use super::editor::{Action, Editor};
use super::interrupt::Leave;
use super::texts;

/// Runs until a command halts the guest and all output has been sent.
pub(super) fn run(mut driver: Driver<'_>) -> Result<(), Leave> {
    let started = Instant::now();
    let mut editor = Editor::new();
    driver.write(texts::BANNER.as_bytes())?;
    loop {
        driver.write(texts::PROMPT.as_bytes())?;
        editor.clear();
        if !read_line(&mut driver, &mut editor)? {
            continue;
        }
        match commands::run(&mut driver, editor.line(), started)? {
            Next::Prompt => {}
            Next::Halt => return Ok(()),
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
