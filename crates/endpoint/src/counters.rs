//! What has happened at a console, in numbers.

/// What has happened at a console since it was made. All of them only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Counters {
    /// Bytes that the guest has written: the offset of the next one.
    pub bytes_out: u64,
    /// Symbols (bytes and breaks) that owners have sent and the console has taken.
    pub input_accepted: u64,
    /// Of these, the breaks.
    pub breaks: u64,
    /// Of these, what a new ownership discarded before the guest's receiver took it.
    pub input_discarded: u64,
    /// Bytes of input that were dropped before the console had taken them: the client had gone, been evicted, or had no
    /// session. A spectator's are not counted while its session goes on. Of a client that has gone, what is counted is
    /// bounded.
    pub input_abandoned: u64,
    /// Sessions begun.
    pub attached: u64,
    /// Of these, the ones that evicted somebody.
    pub taken_over: u64,
    /// Sessions refused.
    pub refused: u64,
    /// Sessions ended, for whatever cause.
    pub ended: u64,
    /// Of these, the ones that somebody has kicked out.
    pub kicked: u64,
    /// Owners evicted that watched on.
    pub demoted: u64,
    /// Sessions that came to own the console when its owner had left: they had waited in line, or been evicted.
    pub promoted: u64,
    /// How often the guest's output has lapped a session.
    pub lags: u64,
    /// How many bytes sessions have missed by that.
    pub lagged_bytes: u64,
    /// How often the guest was hung up.
    pub hang_ups: u64,
    /// Of these, how often it did not listen.
    pub hang_ups_unheard: u64,
    /// How often the guest has hung up: DTR dropped.
    pub guest_hang_ups: u64,
    /// Breaks that the guest has sent.
    pub guest_breaks: u64,
    /// Events that no observer was told of, because one did not return for too long.
    pub events_lost: u64,
}
