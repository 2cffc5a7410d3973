#![doc = include_str!("../docs/audit.md")]
