//! The ways to make a port.

use vuart_16550::spec::Msr;
use vuart_16550::{Config, Uart};
use vuart_scrollback::{OptionsError, RingSize, Scrollback, Writer};

use crate::flow::{Flow, FlowControl};
use crate::interrupt::{IntoTrigger, Trigger};
use crate::pause::Pause;
use crate::port::{Beginning, SerialPort};
use crate::state::{PortState, StateError};

/// A port can't go on from a state in a ring of its own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestorePortError {
    /// No port can be in that state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The ring can't begin at the state's offset, or there is not enough memory.
    #[error(transparent)]
    Ring(#[from] OptionsError),
}

/// A port can't go on from a state in the ring that it had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumePortError {
    /// No port can be in that state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The ring is not the one that the port had when the state was taken, or the guest has written since.
    #[error(
        "the state's next byte of output has the offset {state}, and the ring's has {ring}: adopt the ring that the port had, or \
         make one with `RingOptions::with_start({state})`"
    )]
    OtherOffset {
        /// The next offset by the state.
        state: u64,
        /// The next offset of the ring's [`Writer`].
        ring: u64,
    },
}

/// Makes a [`SerialPort`].
///
/// Two choices are independent, and each is a type parameter, so that an option which would have no effect does not exist:
///
/// | | the chip | the ring |
/// |---|---|---|
/// | at first | [`new`](PortBuilder::new): fresh, with [`with_uart`](PortBuilder::with_uart) | 1 MiB of memory, with [`with_scrollback`](PortBuilder::with_scrollback) |
/// | or | [`restore`](PortBuilder::restore): as a [`PortState`] says | [`with_writer`](PortBuilder::with_writer): a ring that you have made |
///
/// `build` takes the interrupt.
///
/// ```
/// # use vuart::{PortBuilder, RingSize, uart::{Config, Profile}};
/// let config = Config::new().with_profile(Profile::Uart16750);
/// let port = PortBuilder::new().with_uart(config).with_scrollback(RingSize::of::<{ 64 << 10 }>()).build(|| ());
/// assert_eq!(port.console().scrollback().capacity(), 64 << 10);
/// ```
///
/// # A snapshot that goes on elsewhere
///
/// The restored port has the same answers, interrupts and offsets. If its interrupt line is high, the guest is interrupted, whether or
/// not it had been already (R4, S19). The history before the snapshot is declared lost, unless the ring comes along. Ownership of the
/// console is decided anew. Input that waits has no owner, and is discarded when a session comes to own the console before the guest
/// has read it.
///
/// ```
/// # use vuart::{PortBuilder, PortState, SerialPort};
/// let mut port = SerialPort::new(|| ());
/// port.write(0, b"A");
/// port.write(1, &[0x02]); // THRE interrupt
/// let state: PortState = port.state();
/// drop(port); // ... and on another machine:
///
/// let mut port = PortBuilder::restore(&state).build(|| ())?;
/// assert_eq!(port.counters().interrupts, 1);
/// port.write(0, b"B");
/// assert_eq!(port.console().scrollback().oldest(), 1);
/// assert_eq!(port.console().scrollback().end(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # A ring that outlives the VMM
///
/// The ring in a `memfd` or a file ([`scrollback::RingOptions`](vuart_scrollback::RingOptions)) keeps the guest's last words, also when
/// the VMM is killed.
///
/// ```
/// # use vuart::{PortBuilder, scrollback};
/// let ring = scrollback::RingOptions::new(1 << 20).with_boot_head(64 << 10);
/// let (output, scrollback) = ring.create_memfd("com1")?;
/// let mut port = PortBuilder::new().with_writer(output).build(|| ());
/// port.write(0, b"O");
/// port.write(0, b"K");
///
/// // A supervisor that holds the file descriptor reads them.
/// let file = scrollback.file().expect("a ring in a memfd").try_clone()?;
/// drop((port, scrollback));
/// let left = scrollback::Scrollback::load(&file)?;
/// let mut buf = [0; 16];
/// assert_eq!((left.read_at(0, &mut buf).len(), &buf[..2]), (2, &b"OK"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Live update
///
/// State and ring together replace a VMM under its guest. The old process pauses its vCPUs, ends the console with
/// [`Cause::Migrating`](vuart_endpoint::Cause::Migrating) (or `ShutDown` if a server comes back here), takes the state, drops the port,
/// and hands state and file descriptor to the new one, which [adopts](vuart_scrollback::RingOptions::adopt) the ring. Nothing of the history is
/// lost, and readers of the file ([`Scrollback::map`]) read on as if nothing had happened.
///
/// ```
/// # use vuart::{PortBuilder, scrollback};
/// let (output, scrollback) = scrollback::RingOptions::default().create_memfd("com1")?;
/// let mut port = PortBuilder::new().with_writer(output).build(|| ());
/// port.write(0, b"A");
/// port.console().end(&vuart::endpoint::Cause::Migrating); // before the drop, which would say nothing
/// let (state, file) = (port.state(), scrollback.file().expect("a ring in a memfd").try_clone()?);
/// drop(port); // ... and in another process, by inheritance or over a Unix socket:
///
/// let (output, _) = scrollback::RingOptions::default().adopt(file)?;
/// let mut port = PortBuilder::restore(&state).with_writer(output).build(|| ())?;
/// port.write(0, b"B");
/// assert_eq!(port.console().scrollback().oldest(), 0);
/// assert_eq!(port.console().scrollback().end(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A snapshot that is older than what the ring holds needs another ring, whose first byte has its [offset](PortState::offset):
/// [`with_start`](vuart_scrollback::RingOptions::with_start).
#[derive(Debug, Clone, Copy)]
#[must_use = "a builder makes nothing until `build`"]
pub struct PortBuilder<C = Config, R = RingSize> {
    chip: C,
    ring: R,
    flow: FlowControl,
    modem_inputs: Msr,
}

impl PortBuilder {
    /// Begins with a 16550A after reset and 1 MiB of scrollback.
    pub fn new() -> Self {
        Self {
            chip: Config::default(),
            ring: RingSize::default(),
            flow: FlowControl::default(),
            modem_inputs: Msr::CONNECTED,
        }
    }
}

impl Default for PortBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> PortBuilder<&'a PortState> {
    /// Begins with the chip and the board of a [snapshot](SerialPort::state), and 1 MiB of scrollback.
    pub fn restore(state: &'a PortState) -> Self {
        Self {
            chip: state,
            ring: RingSize::default(),
            flow: FlowControl::default(),
            // The state has its own.
            modem_inputs: Msr::CONNECTED,
        }
    }
}

impl<R> PortBuilder<Config, R> {
    /// Sets the chip's profile and the board's wiring.
    pub fn with_uart(self, config: Config) -> Self {
        Self { chip: config, ..self }
    }

    /// Sets the modem inputs that the guest finds: CTS, DSR, RI, DCD. Other bits are ignored. Without this, all but RI are active.
    ///
    /// Use it for a line that nobody is at yet. The guest sees no change: MSR has no delta. Later changes are
    /// [`set_modem_inputs`](SerialPort::set_modem_inputs).
    ///
    /// A [recording](SerialPort::record) begins with the lines of a PC's port, so a port with other lines can't be recorded.
    ///
    /// ```
    /// # use vuart::{PortBuilder, uart::spec::{Msr, offset::MSR}};
    /// let mut port = PortBuilder::new().with_modem_inputs(Msr::CTS | Msr::DSR).build(|| ()); // no carrier
    /// assert_eq!(port.read_register(MSR), 0x30);
    /// ```
    pub fn with_modem_inputs(self, inputs: Msr) -> Self {
        Self { modem_inputs: inputs & Msr::INPUTS, ..self }
    }
}

impl<C> PortBuilder<C> {
    /// Sets how many bytes of output the ring keeps.
    ///
    /// ```
    /// # use vuart::{PortBuilder, RingSize};
    /// let port = PortBuilder::new().with_scrollback(RingSize::of::<{ 64 << 10 }>()).build(|| ()); // a constant
    /// # let configured = 8192;
    /// let port = PortBuilder::new().with_scrollback(RingSize::new(configured)?).build(|| ()); // known at run time
    /// # drop(port); Ok::<(), vuart::scrollback::CapacityError>(())
    /// ```
    pub fn with_scrollback(self, size: RingSize) -> Self {
        Self { ring: size, ..self }
    }

    /// Uses a ring that you have made: one with a boot head, or one in a `memfd` or a file.
    pub fn with_writer(self, output: Writer) -> PortBuilder<C, Writer> {
        let Self { chip, flow, modem_inputs, .. } = self;
        PortBuilder { chip, ring: output, flow, modem_inputs }
    }
}

impl<C, R> PortBuilder<C, R> {
    /// Sets which signals of the guest stop its input: RTS by default. This choice is not in a snapshot, so make it again when you
    /// restore one.
    ///
    /// ```
    /// # use vuart::{FlowControl, PortBuilder};
    /// # use vuart::endpoint::{Attach, Identity};
    /// let mut port = PortBuilder::new().with_flow_control(FlowControl::RtsAndXonXoff).build(|| ());
    /// let mut session = port.console().attach(Attach::new(Identity::new("alice", 1000, None)))?;
    /// session.write(b"k")?;
    /// port.write_register(0, 0x13); // XOFF
    /// assert!(port.console().input_stopped());
    /// assert_eq!(port.read_register(5) & 1, 0);
    /// port.write_register(0, 0x11); // XON
    /// assert_eq!(port.read_register(5) & 1, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_flow_control(self, flow: FlowControl) -> Self {
        Self { flow, ..self }
    }
}

impl PortBuilder {
    /// Makes the port. `interrupt` is a [`Trigger`], a closure or an eventfd: see [`interrupt`](crate::interrupt).
    ///
    /// If there is no memory for the ring, the process ends, as for all that Rust allocates: see [`Scrollback::with_size`]. To have an
    /// error for it, make the ring with [`RingOptions::create`](vuart_scrollback::RingOptions::create), and build
    /// [with its writer](Self::with_writer).
    pub fn build<K, T>(self, interrupt: T) -> SerialPort<T::Trigger>
    where
        T: IntoTrigger<K>,
        T::Trigger: Send + Sync + 'static,
    {
        let (output, _) = Scrollback::with_size(self.ring);
        self.with_writer(output).build(interrupt)
    }

    /// Makes the port: one that goes on from a state, if there is one. For a VMM that makes its devices in one place, at boot and at restore.
    ///
    /// The chip, the board and the modem inputs are then the state's, and not this builder's.
    ///
    /// ```
    /// use vuart::PortBuilder;
    ///
    /// let mut port = PortBuilder::new().build_or_restore(None, || ())?;
    /// port.write(0, b"A");
    /// let state = port.state();
    /// let port = PortBuilder::new().build_or_restore(Some(&state), || ())?;
    /// assert_eq!(port.console().scrollback().end(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of a port that is [restored](Self::restore). There are none without a state.
    pub fn build_or_restore<K, T>(
        self,
        state: Option<&PortState>,
        interrupt: T,
    ) -> Result<SerialPort<T::Trigger>, RestorePortError>
    where
        T: IntoTrigger<K>,
        T::Trigger: Send + Sync + 'static,
    {
        let Some(chip) = state else { return Ok(self.build(interrupt)) };
        let Self { ring, flow, modem_inputs, .. } = self;
        PortBuilder { chip, ring, flow, modem_inputs }.build(interrupt)
    }
}

impl PortBuilder<Config, Writer> {
    /// Makes the port.
    pub fn build<K, T>(self, interrupt: T) -> SerialPort<T::Trigger>
    where
        T: IntoTrigger<K>,
        T::Trigger: Send + Sync + 'static,
    {
        let uart = Uart::new(self.chip).with_modem_inputs(self.modem_inputs);
        let beginning = Beginning {
            taken: &[],
            waiting: &[],
            pause: Pause::None,
            run: 0,
            looped: 0,
            modem_inputs: self.modem_inputs,
            drop_due: false,
            dropped: false,
            flow: Flow::new(self.flow),
        };
        SerialPort::wired(interrupt.into_trigger(), uart, self.ring, &beginning)
    }
}

impl PortBuilder<&PortState> {
    /// Makes the port.
    ///
    /// # Errors
    ///
    /// When no port can be in that state, when the ring can't begin at the state's offset, or when there is not enough memory.
    pub fn build<K, T>(self, interrupt: T) -> Result<SerialPort<T::Trigger>, RestorePortError>
    where
        T: IntoTrigger<K>,
        T::Trigger: Send + Sync + 'static,
    {
        // Errors of the state come first, and cost no memory.
        let state = self.chip.as_latest();
        let uart = state.uart()?;
        let (output, _) = Scrollback::starting_at(self.ring.bytes(), state.offset)?;
        Ok(SerialPort::restored(interrupt.into_trigger(), uart, output, &state, self.flow))
    }
}

impl PortBuilder<&PortState, Writer> {
    /// Makes the port.
    ///
    /// # Errors
    ///
    /// [`OtherOffset`](ResumePortError::OtherOffset) when the ring's next offset is not the state's, or when no port can be in that
    /// state.
    pub fn build<K, T>(self, interrupt: T) -> Result<SerialPort<T::Trigger>, ResumePortError>
    where
        T: IntoTrigger<K>,
        T::Trigger: Send + Sync + 'static,
    {
        let (state, output) = (self.chip.as_latest(), self.ring);
        let uart = state.uart()?;
        if output.end() != state.offset {
            return Err(ResumePortError::OtherOffset { state: state.offset, ring: output.end() });
        }
        Ok(SerialPort::restored(interrupt.into_trigger(), uart, output, &state, self.flow))
    }
}

impl<T: Trigger + Send + Sync + 'static> SerialPort<T> {
    /// Makes a port with a 16550A after reset and 1 MiB of scrollback. [`PortBuilder`] makes any other.
    ///
    /// `interrupt` is a [`Trigger`], a closure or an eventfd: see [`interrupt`](crate::interrupt).
    ///
    /// ```
    /// # use vuart::SerialPort;
    /// # struct Pic; impl Pic { fn pulse(&self, _: u32) {} } let pic = Pic;
    /// let mut port = SerialPort::new(move || pic.pulse(4));
    /// port.write(0, b"A");
    /// assert_eq!(port.console().scrollback().end(), 1);
    /// ```
    pub fn new<K>(interrupt: impl IntoTrigger<K, Trigger = T>) -> Self {
        PortBuilder::new().build(interrupt)
    }
}
