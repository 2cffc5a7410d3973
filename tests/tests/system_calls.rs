//! The guide's page on system calls, beside the published lists.

use std::collections::BTreeSet;

use vuart::seccomp::{self, Rules};

const GUIDE: &str = include_str!("../../docs/guide/embedding.md");

/// The lists by the names of their functions.
fn lists() -> [(&'static str, Rules); 13] {
    [
        ("vcpu", seccomp::vcpu()),
        ("vcpu_coalescing", seccomp::vcpu_coalescing()),
        ("server", seccomp::server()),
        ("pty", seccomp::pty()),
        ("adopted_pty", seccomp::adopted_pty()),
        ("exact_paths", seccomp::exact_paths()),
        ("program_names", seccomp::program_names()),
        ("local", seccomp::local()),
        ("local_terminal", seccomp::local_terminal()),
        ("ticks", seccomp::ticks()),
        ("audit", seccomp::audit()),
        ("setup", seccomp::setup()),
        ("any_thread", seccomp::any_thread()),
    ]
}

fn section() -> &'static str {
    let (_, section) = GUIDE.split_once("\n## System calls, for seccomp filters\n").unwrap();
    section.split("\n## ").next().unwrap()
}

#[test]
fn the_guide_names_each_list_and_no_other() {
    let lists: BTreeSet<_> = lists().into_iter().map(|(name, _)| name.to_owned()).collect();
    let quoted = section().split('`').skip(1).step_by(2);
    let named: BTreeSet<_> = quoted.filter_map(|code| code.strip_suffix("()")).map(str::to_owned).collect();
    assert_eq!(named, lists);
}

/// What other VMMs are to add is in the list that the row names.
#[test]
fn what_is_to_be_added_is_in_the_lists() {
    let mut rows = 0;
    for row in section().lines().filter(|line| line.contains(", with `")) {
        let mut quoted = row.split('`').skip(1).step_by(2).collect::<Vec<_>>();
        let at = quoted.iter().position(|code| code.ends_with("()")).unwrap();
        let name = quoted[at].trim_end_matches("()");
        let (_, rules) = lists().into_iter().find(|(list, _)| *list == name).unwrap();
        for call in quoted.split_off(at + 1) {
            assert!(rules.iter().any(|rule| rule.name == call), "{call} is not in {name}()");
        }
        rows += 1;
    }
    assert_eq!(rows, 5);
}
