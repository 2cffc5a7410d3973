//! This command in hints: how the user can call it again.

use std::env;

/// The command as the user called it: `vuart`, or a path such as `target/release/vuart`.
pub(crate) fn command() -> String {
    let called = env::args_os().next().and_then(|name| name.into_string().ok());
    called.filter(|name| name.contains('/') && is_plain(name)).unwrap_or_else(|| "vuart".to_owned())
}

/// The argument, quoted for a shell if necessary.
pub(crate) fn quoted(argument: &str) -> String {
    if !argument.is_empty() && is_plain(argument) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

fn is_plain(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@' | '%' | ','))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_split_is_quoted() {
        assert_eq!(quoted("/run/vuart/vm0.ctl"), "/run/vuart/vm0.ctl");
        assert_eq!(quoted("/tmp/it's mine"), r"'/tmp/it'\''s mine'");
        assert_eq!(quoted(""), "''");
    }
}
