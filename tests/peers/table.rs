//! The table in `README.md` names each test, and each test is in the table.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// The tests of a file, by their names.
fn tests_in(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = text.lines().map(str::trim);
    let mut tests = BTreeSet::new();
    while let Some(line) = lines.next() {
        if line == "#[test]" {
            let signature = lines.find(|line| line.starts_with("fn ")).expect("a function after #[test]");
            tests.insert(signature["fn ".len()..].split('(').next().expect("a name").to_owned());
        }
    }
    tests
}

/// What the last columns of the table name: the file relative to the repository, and its tests.
fn named() -> Vec<(String, String)> {
    let readme = fs::read_to_string(folder().join("README.md")).expect("tests/peers/README.md");
    let mut named = Vec::new();
    for row in readme.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| their test ")) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let &[_, _, verdict, _, shown] = cells.as_slice() else { panic!("a row has five cells: {row}") };
        assert!(["passes", "differs", "does not apply"].contains(&verdict), "{verdict}: {row}");
        let mut file = None;
        let before = named.len();
        for name in shown.split('`').skip(1).step_by(2) {
            if is_source(Path::new(name)) {
                file = Some(name.to_owned());
            } else {
                named.push((
                    file.clone().unwrap_or_else(|| panic!("no file before {name}: {row}")),
                    name.to_owned(),
                ));
            }
        }
        assert_eq!(named.len() == before, verdict == "does not apply", "a test, or a reason: {row}");
    }
    named
}

#[test]
fn each_row_names_tests_that_are_there() {
    for (file, test) in named() {
        let path = if file.contains('/') { folder().join("../..").join(&file) } else { folder().join(&file) };
        assert!(tests_in(&path).contains(&test), "{file} has no test {test}");
    }
}

#[test]
fn each_test_is_in_the_table() {
    let named: BTreeSet<_> = named().into_iter().collect();
    for entry in fs::read_dir(folder()).expect("tests/peers") {
        let path = entry.expect("an entry").path();
        let file = path.file_name().expect("a name").to_string_lossy().into_owned();
        if !is_source(&path) || file == "table.rs" {
            continue;
        }
        for test in tests_in(&path) {
            assert!(
                named.contains(&(file.clone(), test.clone())),
                "tests/peers/README.md does not have {file}: {test}"
            );
        }
    }
}
