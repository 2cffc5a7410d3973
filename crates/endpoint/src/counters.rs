//! Counts of what has happened at a console.

/// Defines a structure of counts, with what is the same for each of them.
macro_rules! counts {
    ($(#[$of_all:meta])* pub struct $name:ident { $($(#[$of_one:meta])* pub $count:ident: u64,)* }) => {
        $(#[$of_all])*
        pub struct $name {
            $($(#[$of_one])* pub $count: u64,)*
        }

        impl $name {
            /// Each count with the name of its field.
            pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($count), self.$count)),*].into_iter()
            }

            /// What has happened since `earlier`.
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self { $($count: self.$count.saturating_sub(earlier.$count)),* }
            }
        }
    };
}

counts! {
/// Counts of what has happened at a console since it was made. Each of them only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Counters {
    /// Bytes that the guest has written, which is the offset of its next byte.
    pub bytes_out: u64,
    /// Symbols (bytes, damaged ones among them, and breaks) that the console has taken from owners.
    pub input_accepted: u64,
    /// The breaks among the accepted symbols.
    pub breaks: u64,
    /// The accepted symbols that a new ownership discarded: before the guest's receiver took them, or when they would have come
    /// back from there unread.
    pub input_discarded: u64,
    /// Symbols that an owner offered and the queue had no room for: the guest does not read them fast enough. They are offered again,
    /// and count again if there is no room then.
    pub input_refused: u64,
    /// Bytes of input that were dropped before the console took them: their client had gone, had been evicted, or had no
    /// session. A spectator's input is not counted while its session goes on. For a client that has gone, the count is
    /// bounded.
    pub input_abandoned: u64,
    /// Sessions that have begun.
    pub attached: u64,
    /// Sessions among these that evicted an owner.
    pub taken_over: u64,
    /// Sessions that were refused.
    pub refused: u64,
    /// Sessions that have ended, for any cause.
    pub ended: u64,
    /// Sessions among these that a person ended ([kicked](crate::Console::kick)).
    pub kicked: u64,
    /// Owners that were evicted and stayed as spectators.
    pub demoted: u64,
    /// Sessions that became the owner when the last owner left: they had waited in the queue, had been evicted, or had yielded.
    pub promoted: u64,
    /// Times that an owner has [given way](crate::Mode::Yield) to another session.
    pub yielded: u64,
    /// Times that the guest's output has lapped a session.
    pub lags: u64,
    /// Bytes that sessions have missed by these laps.
    pub lagged_bytes: u64,
    /// Times that the console has hung up on the guest.
    pub hang_ups: u64,
    /// Hang-ups among these for which the guest did not listen.
    pub hang_ups_unheard: u64,
    /// Times that the guest has hung up, by dropping DTR.
    pub guest_hang_ups: u64,
    /// Breaks that the guest has sent.
    pub guest_breaks: u64,
    /// Times that the guest has [stopped input](crate::Console::input_stopped).
    pub input_stops: u64,
    /// Times that the guest's output had to wait for the owner ([`OutputPolicy::Hold`](crate::OutputPolicy::Hold)).
    pub output_holds: u64,
    /// Times among these that the owner did not read enough before the deadline.
    pub output_holds_missed: u64,
    /// Bytes that the guest has written while THRE was 0, beyond the 64 that a driver may write after one look at it. They were taken like
    /// all others.
    pub output_unheeded: u64,
    /// Times that the guest was reset.
    pub guest_resets: u64,
    /// Events that no observer was told of, because an observer did not return for too long.
    pub events_lost: u64,
}
}
