//! A port whose output a stand-in for KVM collects. `tests/tests/coalesced` has the real one.

use std::thread;

use vuart::coalescing::Coalescing;
use vuart::dispatch::Dispatch as _;
use vuart::seccomp;
use vuart_test_support::{allow, in_a_process};

use crate::support::collecting::Machine;

#[test]
fn a_vcpu_the_ticks_and_the_drop() {
    in_a_process("coalesced::a_vcpu_the_ticks_and_the_drop", || {
        let Machine { kernel, com1, mut ticks, console, .. } = Machine::collecting();
        let vcpu = com1.clone();
        let printing = thread::spawn(move || {
            let rules = seccomp::vcpu().and(&seccomp::vcpu_coalescing()).and(&seccomp::any_thread());
            allow(&rules).unwrap();
            for _ in 0..100_000 {
                if !kernel.collects(b'x') {
                    vcpu.write_register(0, b'x');
                }
            }
            // It is silent from now on.
        });
        printing.join().unwrap();
        let dispatching = thread::spawn(move || {
            allow(&seccomp::ticks().and(&seccomp::any_thread())).unwrap();
            for _ in 0..4 {
                ticks.dispatch().unwrap();
                ticks.tick();
            }
            drop((com1, ticks));
        });
        dispatching.join().unwrap();
        assert_eq!(console.scrollback().end(), 100_000 + Coalescing::RUN as u64);
    });
}
