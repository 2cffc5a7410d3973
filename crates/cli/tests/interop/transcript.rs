//! A transcript of what was run, typed and seen, in a file of `docs/transcripts`. One run writes it; later runs compare it.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The variable that makes a run write the files instead of comparing them.
const VARIABLE: &str = "VUART_WRITE_TRANSCRIPTS";

/// The first line of each file.
const HEADER: &str =
    "What a run of crates/cli/tests/interop has shown; that compares it, and writes it anew.";

/// The width of the column that says who does what.
const WIDTH: usize = 16;

/// A transcript that grows.
#[derive(Debug)]
pub(crate) struct Transcript {
    name: &'static str,
    text: String,
    /// The last head, so that it is not repeated.
    last: String,
    /// Texts that differ from run to run, and their replacements.
    replaced: Vec<(String, &'static str)>,
}

impl Transcript {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, text: String::new(), last: String::new(), replaced: Vec::new() }
    }

    /// From now on, `what` is written as `instead`.
    pub(crate) fn replace(&mut self, what: impl Into<String>, instead: &'static str) {
        self.replaced.push((what.into(), instead));
    }

    /// Adds a title.
    pub(crate) fn title(&mut self, title: &str) {
        self.text += "\n# ";
        self.text += title;
        self.text.push('\n');
        self.last.clear();
    }

    /// Adds an action. The lines of `what` stand below each other.
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

    /// The text as it is in each run, with control characters as carets.
    fn plain(&self, text: &str) -> String {
        // ssh ends its own lines with CR LF for a raw terminal, and this terminal is not raw any more.
        let mut text = text.replace("\r\r\n", "\n").replace("\r\n", "\n");
        for (what, instead) in &self.replaced {
            text = text.replace(what.as_str(), instead);
        }
        for (word, instead) in [("uid ", "UID"), ("pid ", "PID")] {
            text = replaced_behind(&text, word, instead, str::len);
        }
        for word in ["since ", "at "] {
            text = replaced_behind(&text, word, "TIME", |time| {
                if time.contains('T') && time.ends_with('Z') { time.len() } else { 0 }
            });
        }
        // The age of a time. The test takes seconds, or minutes on a slow machine.
        for unit in [" s ago)", " min ago)"] {
            while let Some(end) = text.find(unit) {
                let begin = text[..end].rfind('(').unwrap_or(end);
                text.replace_range(begin..end + unit.len(), "(AGE)");
            }
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

    /// Writes the file, or compares it.
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

/// Replaces the number or time after each `word`, as far as `long` says.
fn replaced_behind(text: &str, word: &str, instead: &str, long: impl Fn(&str) -> usize) -> String {
    let mut pieces = text.split(word);
    let mut replaced = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        replaced += word;
        let end = piece.find(|c: char| !c.is_ascii_digit() && !"-:TZ".contains(c)).unwrap_or(piece.len());
        let long = long(&piece[..end]);
        replaced += if long > 0 { instead } else { "" };
        replaced += &piece[long..];
    }
    replaced
}

#[test]
fn a_transcript_does_not_contain_what_differs_from_run_to_run() {
    let mut transcript = Transcript::new("");
    transcript.replace("/tmp/x", "DIR");
    assert_eq!(
        transcript.plain(
            "held by a (uid 0, pid 12) since 2026-11-23T01:24:42Z (7 s ago)]\r\n/tmp/x\x1d\r at 0x3F8"
        ),
        "held by a (uid UID, pid PID) since TIME (AGE)]\nDIR^]^M at 0x3F8"
    );
}
