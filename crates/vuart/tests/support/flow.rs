//! A port whose driver uses flow control.

use vuart::uart::spec::offset::*;
use vuart::{FlowControl, PortBuilder, PortState, PortStateV3, SerialPort};

use super::Edges;

/// MCR with DTR and OUT2, and with RTS or without.
pub(crate) const GO: u8 = 0x0B;
pub(crate) const STOP: u8 = 0x09;
pub(crate) const LOOP: u8 = 0x10;

pub(crate) const XON: u8 = 0x11;
pub(crate) const XOFF: u8 = 0x13;

/// A port with a driver that has raised RTS and is interrupted for input.
pub(crate) fn open(control: FlowControl) -> (SerialPort<Edges>, Edges) {
    let edges = Edges::default();
    let mut port = PortBuilder::new().with_flow_control(control).build(edges.clone());
    port.write_register(FCR, 0x81);
    port.write_register(MCR, GO);
    port.write_register(IER, 0x01);
    (port, edges)
}

pub(crate) fn latest(port: &SerialPort<Edges>) -> PortStateV3 {
    port.state().latest()
}

pub(crate) fn moved(state: &PortState, control: FlowControl) -> (SerialPort<Edges>, Edges) {
    let edges = Edges::default();
    let port = PortBuilder::restore(state).with_flow_control(control).build(edges.clone()).unwrap();
    (port, edges)
}
