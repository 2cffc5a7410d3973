//! Writes `docs/compatibility.md`; with `--check`, says whether it is current.

use std::process::ExitCode;
use std::{env, error, fs};

use vuart_tests::conformance::document;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("compatibility: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn error::Error>> {
    let check = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [argument] if argument == "--check" => true,
        arguments => return Err(format!("there is only --check, and not {}", arguments.join(" ")).into()),
    };
    let (path, text) = (document::path(), document::generate()?);
    if !check {
        fs::write(path, text)?;
        return Ok(ExitCode::SUCCESS);
    }
    // One that is not there is stale.
    if fs::read_to_string(&path).is_ok_and(|written| written == text) {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("docs/compatibility.md is not current: {}", document::REGENERATE);
    Ok(ExitCode::FAILURE)
}
