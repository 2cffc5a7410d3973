//! What the tests of the console share.

use std::sync::mpsc;

use vuart_endpoint::{Attach, Change, Console, ConsoleEvent, Identity, Input, Session, Symbol};
use vuart_scrollback::{Scrollback, Writer};

pub(crate) fn console() -> (Writer, Console, Input) {
    let (writer, scrollback) = Scrollback::new(1 << 16).unwrap();
    let (console, input) = Console::new(scrollback, || ());
    (writer, console, input)
}

/// A request of this person to own the console.
pub(crate) fn who(label: &str) -> Attach {
    Attach::new(Identity::new(label, 1000, None))
}

/// Takes the input that waits for the guest, at most 64 symbols. A break is `^`.
pub(crate) fn take(input: &mut Input) -> Vec<u8> {
    let mut symbols = [Symbol::Break; 64];
    let count = input.take(&mut symbols);
    symbols[..count]
        .iter()
        .map(|symbol| match symbol {
            Symbol::Byte(byte) | Symbol::Damaged(byte, _) => *byte,
            Symbol::Break => b'^',
        })
        .collect()
}

/// The changes of a session's standing, until there are no more.
pub(crate) fn changes(session: &mut Session) -> Vec<Change> {
    std::iter::from_fn(|| session.changed()).collect()
}

/// Observes a console. Returns a function that returns the events since its last call, in their serialised form.
pub(crate) fn told(console: &Console) -> impl FnMut() -> Vec<serde_json::Value> + use<> {
    let (sender, events) = mpsc::channel();
    console.observe(move |event| drop(sender.send(event.clone())));
    move || events.try_iter().map(|event: ConsoleEvent| serde_json::to_value(event).unwrap()).collect()
}
