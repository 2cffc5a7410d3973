//! What takes the place of Cloud Hypervisor's `vmm/src/serial_manager.rs` and of its crate `serial_buffer`.

use vuart::dispatch::ServerThread;
use vuart::local::{LineEnds, Local};
use vuart::server::{RawPolicy, RawReplay, Server, ServerOptions, Sockets};

// What Cloud Hypervisor has, and the function of `std` that the tests put a pipe behind.
use super::serial::Serial;
use super::stand_ins::{BpfProgram, ConsoleTransport, Error, apply_filter, stdin};

/// `SerialManager::new` and `start_thread`, with the sockets of our own as one argument more.
pub(crate) fn start_thread(
    serial: &Serial,
    transport: &ConsoleTransport,
    mut sockets: Sockets,
    filter: BpfProgram,
) -> Result<ServerThread, Error> {
    let console = serial.port.with(|port| port.console().clone());
    let mut local = Local::builder(&console).with_label("local").with_notices(false);
    match transport {
        ConsoleTransport::File(file) => local = local.with_output(file),
        ConsoleTransport::Tty(stdout) => local = local.with_input(stdin()).with_output(stdout),
        ConsoleTransport::Pty(master) => sockets = sockets.with_pty(master.try_clone()?.into())?,
        ConsoleTransport::Socket(listener) => sockets = sockets.with_raw(listener.try_clone()?),
        ConsoleTransport::Null | ConsoleTransport::Off => {}
    }
    let local = local.with_input_filter(LineEnds::LfToCr.filter()).build()?;
    let options = ServerOptions::default().with_raw(RawPolicy::TakeOver);
    let options = options.with_raw_replay(RawReplay::All).with_raw_notices(false);
    let server = Server::new("serial", console, sockets, options)?;
    let thread = ServerThread::builder().name("serial-manager").on_start(move || apply_filter(&filter));
    Ok(thread.serve(local).serve(server).start()?)
}
