#![doc = include_str!("../docs/rules.md")]
#![allow(clippy::doc_markdown, reason = "a page of the guide, which has the names of other programs in it")]
