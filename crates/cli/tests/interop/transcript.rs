//! What was run, typed and seen, as a file of `docs/transcripts`: written by a run, and compared with each later one.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// When it is set, the files are written; otherwise they are compared.
const VARIABLE: &str = "VUART_WRITE_TRANSCRIPTS";

/// The first line of each file.
const HEADER: &str = "What a run of crates/cli/tests/interop has shown; that compares it, and writes it anew.";

/// Who does something and what, before what is run, typed or seen.
const WIDTH: usize = 16;

/// A transcript that grows.
#[derive(Debug)]
pub(crate) struct Transcript {
    name: &'static str,
    text: String,
    /// What was written last, so that what follows it directly is not headed again.
    last: String,
    /// What differs from run to run, and what stands for it.
    replaced: Vec<(String, &'static str)>,
}

impl Transcript {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, text: String::new(), last: String::new(), replaced: Vec::new() }
    }

    /// From now on `what` stands there as `instead`.
    pub(crate) fn replace(&mut self, what: impl Into<String>, instead: &'static str) {
        self.replaced.push((what.into(), instead));
    }

    /// A line that says what comes.
    pub(crate) fn title(&mut self, title: &str) {
        self.text += &format!("\n# {title}\n");
        self.last.clear();
    }

    /// Somebody does something: `what` stands behind it, each of its lines below the one before.
    pub(crate) fn add(&mut self, who: &str, does: &str, what: &str) {
        let head = format!("{who} {does}");
        let lines = self.plain(what);
        for line in lines.lines() {
            let shown = if head == self.last { "" } else { &head };
            self.text += format!("{shown:WIDTH$}{line}").trim_end();
            self.text.push('\n');
            self.last.clone_from(&head);
        }
    }

    /// As it is in each run, and as text that can be read: control characters with a caret.
    fn plain(&self, text: &str) -> String {
        let mut text = text.replace("\r\n", "\n");
        for (what, instead) in &self.replaced {
            text = text.replace(what.as_str(), instead);
        }
        for (word, instead) in [("uid ", "UID"), ("pid ", "PID"), ("since ", "TIME"), (" at ", "TIME")] {
            text = without_number(&text, word, instead);
        }
        if let Some(at) = text.find(" bytes of history") {
            let number = text[..at].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |before| before + 1);
            text.replace_range(number..at, "N");
        }
        let caret = |c: char| match c {
            '\n' => "\n".to_owned(),
            '\0'..'\x20' => format!("^{}", (c as u8 ^ 0x40) as char),
            _ => c.to_string(),
        };
        text.chars().map(caret).collect()
    }

    /// Writes the file, or compares with it.
    #[track_caller]
    pub(crate) fn finish(self) {
        let text = format!("{HEADER}\n{}", self.text);
        let path = directory().join(self.name).with_extension("txt");
        if env::var_os(VARIABLE).is_some() {
            fs::create_dir_all(directory()).unwrap();
            fs::write(&path, text).unwrap();
            return;
        }
        let committed = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; {VARIABLE}=1 writes it", path.display()));
        assert!(
            text == committed,
            "{} has\n{committed}\nand this run has shown\n{text}\n{VARIABLE}=1 writes it anew",
            path.display()
        );
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/transcripts")
}

/// Where a number, or a time, which begins with one, stands behind the word, `instead` is put for it.
fn without_number(text: &str, word: &str, instead: &str) -> String {
    let mut pieces = text.split(word);
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        plain += word;
        let of_number = |c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | 'T' | 'Z');
        match piece.split_once(|c| !of_number(c)) {
            _ if !piece.starts_with(|c: char| c.is_ascii_digit()) => plain += piece,
            Some((number, _)) => plain += &format!("{instead}{}", &piece[number.len()..]),
            None => plain += instead,
        }
    }
    plain
}

#[test]
fn what_differs_from_run_to_run_is_not_in_it() {
    let mut transcript = Transcript::new("");
    transcript.replace("/tmp/x", "DIR");
    assert_eq!(
        transcript.plain("held by a (uid 0, pid 12) since 2026-11-23T01:24:42Z]\r\n/tmp/x\x1d\r since then"),
        "held by a (uid UID, pid PID) since TIME]\nDIR^]^M since then"
    );
}
