//! Ways out on which a terminal is restored. They concern all terminals of the process, so this has a process of its own.

mod support;

use support::Rig;
use support::terminal::{is_raw, terminal};
use vuart_local::restore_terminals;

#[test]
fn a_panic_of_any_thread_and_a_call_restore_it() {
    for panics in [true, false] {
        let (_screen, device) = terminal();
        let rig = Rig::new(4096, |local| local.with_both(&device).with_raw_mode());
        assert!(is_raw(&device));
        if panics {
            std::thread::spawn(|| panic!("this one is meant")).join().unwrap_err();
        } else {
            restore_terminals();
        }
        assert!(!is_raw(&device));
        drop(rig);
        assert!(!is_raw(&device));
    }
}
