//! A trail that is saved. Its thread has the filter of the one that starts it.

use std::thread;

use vuart::audit::{Audit, AuditFile};
use vuart::endpoint::{Attach, Cause, Identity};
use vuart::seccomp;
use vuart_test_support::{allow, in_a_process};

use crate::support::port;
use crate::vmm::LONG;

#[test]
fn a_trail_that_is_saved() {
    in_a_process("audit::a_trail_that_is_saved", || {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = dir.path().join("trail");
        let (port, _) = port();
        let console = port.console().clone();
        thread::spawn(move || {
            allow(&seccomp::setup().and(&seccomp::audit())).unwrap();
            let audit = Audit::new(4096).unwrap();
            console.observe(audit.observer("vm0"));
            let log = audit.save(AuditFile::new(path)).unwrap();
            // More than the ring has room for.
            for _ in 0..200 {
                drop(console.attach(Attach::new(Identity::new("alice", 1, None))).unwrap());
            }
            console.end(&Cause::VmEnded);
            log.finish(LONG).unwrap();
        })
        .join()
        .unwrap();
        assert!(std::fs::metadata(dir.path().join("trail")).unwrap().len() > 0);
    });
}
