//! QEMU's `boot-serial-test`: small programs print without a look at the port.

use vuart::MmioPort;
use vuart::uart::spec::offset::THR;

use crate::bench::Guest;

#[test]
fn a_port_that_nobody_has_set_up_prints() {
    let mut guest = Guest::new();
    guest.write(THR, b'T');
    guest.write(THR, b'T');
    assert_eq!(guest.output(), b"TT");
}

#[test]
fn a_port_in_memory_prints() {
    for shift in 0..4 {
        let guest = Guest::new();
        let console = guest.port.console().clone();
        let mut port = MmioPort::new(guest.port, shift);
        port.write(0, b"T");
        port.write(0, b"T");
        let mut buf = [0; 4];
        assert_eq!(console.scrollback().read_at(0, &mut buf).len(), 2, "register shift {shift}");
    }
}
