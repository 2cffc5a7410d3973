//! A guest's serial console, for a virtual machine monitor (VMM) to embed.
//!
//! [`SerialPort`] is the device. Give it the guest's port or MMIO accesses; it raises [interrupts](interrupt) through an eventfd, a
//! closure, or a [`Trigger`]. Its [`Console`](endpoint::Console) is what clients attach to. The two share no lock, so a vCPU thread that
//! accesses the port never waits for a client.
//!
//! Start with [`SerialPort::new`], or with [`PortBuilder`] for a larger ring, another chip, or a port that goes on from a snapshot.
//! [`SharedPort`] is for several vCPUs, and [`MmioPort`] for a port in memory. The package's `examples` embed a console, update a VMM
//! under its guest, observe who attaches, and put a PL011 and a virtio-console in place of this UART.
//!
//! ```no_run
//! use std::sync::Arc;
//! use event_manager::{EventManager, SubscriberOps};
//! use vm_device::{bus::{PioAddress, PioRange}, device_manager::{IoManager, PioManager}};
//! use vuart::server::{Claim, RuntimeDir, Server};
//! use vuart::{IrqFd, SerialPort, SharedPort};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # struct Vm; impl Vm { fn register_irqfd(&self, _: &vuart::EventFd, _: u32) -> std::io::Result<()> { Ok(()) } } let vm = Vm;
//! let irq = IrqFd::new()?; // an eventfd
//! vm.register_irqfd(&irq.0, 4)?;
//! let port = SerialPort::new(irq);
//!
//! let claim = Claim::new(&RuntimeDir::create(RuntimeDir::default_path())?, "vm0")?;
//! let server = Server::bind(claim, port.console().clone())?;
//! let mut events = EventManager::new()?; // with the feature `event-manager`; the server hangs in any other loop, too
//! events.add_subscriber(server);
//! std::thread::spawn(move || while events.run().is_ok() {});
//!
//! let mut io = IoManager::new();
//! io.register_pio(PioRange::new(PioAddress(0x3f8), 8)?, Arc::new(SharedPort::new(port)))?;
//! // On KVM_EXIT_IO, on the vCPU's thread: io.pio_write(PioAddress(port), data)
//! # Ok(()) }
//! ```
//!
//! Numbers such as R15 and S19 are rows of [the rules](rules).
//!
//! # System calls
//!
//! For seccomp filters. No output is lost if a filter refuses one of a vCPU thread's calls with an error, but a wake-up is: a server that
//! sleeps then looks again when something else wakes it.
//!
//! | thread | when | calls |
//! |---|---|---|
//! | a vCPU's thread | it interrupts the guest, wakes readers that sleep, or tells them of a hang-up (its own, or that it has seen the console's) or a break | what the [`Trigger`] does; `write` to an eventfd |
//! | the same, with a policy that [holds output](endpoint::OutputPolicy::Hold) | output begins to wait for the owner | `write` to an eventfd; `clock_gettime` while it waits, where the vDSO can't |
//! | the same, in a VMM that lets KVM [coalesce](coalescing) | the guest has written much without interrupts; it takes interrupts again, or is silent | `ioctl` (`KVM_REGISTER_COALESCED_MMIO`, `KVM_UNREGISTER_COALESCED_MMIO`), and its timer's: `timerfd_settime` with a `CoalescedPort` (feature `kvm`; `vuart_kvm` lists the other threads' calls), `timer_settime` in `vuart-vmm` |
//! | a vCPU's thread, at a [`SharedPort`] | another thread is inside | `futex` |
//! | the thread that makes a port | once | `mmap`, `madvise`; for a ring in a file also `openat`, `flock`, `pread64`, `fstat`, `fstatfs`, `fcntl`, `fallocate`, `memfd_create` |
//! | the server's thread | whenever it runs | `madvise` (`MADV_POPULATE_WRITE`), besides those of sockets, `epoll`, eventfds, timers and `/proc`, which `docs/guide/embedding.md` lists |

#![forbid(unsafe_code)]

mod builder;
#[cfg(feature = "vm-device")]
mod bus;
mod cache;
mod chip;
#[cfg(feature = "kvm")]
mod coalesced;
pub mod coalescing;
mod edge;
mod flow;
pub mod interrupt;
mod irqfd;
pub mod level;
mod metrics;
mod mmio;
mod modem;
mod pause;
mod port;
mod receive;
#[cfg(feature = "trace")]
pub mod replay;
pub mod rules;
mod shared;
mod state;
mod superio;

pub use builder::{PortBuilder, RestorePortError, ResumePortError};
#[cfg(feature = "kvm")]
pub use coalesced::{Coalesced, CoalescedMmioPort, CoalescedPort, Ticks};
pub use flow::{FlowControl, FlowState, RtsState};
pub use interrupt::Trigger;
pub use irqfd::IrqFd;
pub use metrics::{Meter, Metrics, PortCounters};
pub use mmio::MmioPort;
pub use port::SerialPort;
pub use shared::{Shared, SharedMmioPort, SharedPort};
pub use state::{PauseV3, PortState, PortStateV1, PortStateV2, PortStateV3, StateError, TooMuchInput};
pub use superio::ToSuperioError;
pub use vmm_sys_util::eventfd::EventFd;
pub use vuart_scrollback::RingSize;

/// The README's examples, so that they compile. (`vuart-tests` has those of the guide: no package includes what is not its own.)
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use vuart_16550 as uart;
#[cfg(feature = "audit")]
pub use vuart_audit as audit;
#[cfg(any(feature = "kvm", feature = "local", feature = "server"))]
pub use vuart_dispatch as dispatch;
pub use vuart_endpoint as endpoint;
pub use vuart_file as file;
#[cfg(feature = "kvm")]
pub use vuart_kvm as kvm;
#[cfg(feature = "local")]
pub use vuart_local as local;
pub use vuart_scrollback as scrollback;
#[cfg(feature = "seccomp")]
pub use vuart_seccomp as seccomp;
#[cfg(feature = "server")]
pub use vuart_server as server;
#[cfg(feature = "trace")]
pub use vuart_trace as trace;
#[cfg(feature = "server")]
pub use vuart_wire as wire;
