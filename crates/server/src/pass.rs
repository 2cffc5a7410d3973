//! One pass of a server over its clients: the buffer that they share, and the budget that each one has.

use std::cell::Cell;

/// The size of the buffer, in bytes: the most output sent at once, in as many frames as that takes. A client then has data to
/// read while the next batch is fetched. A client that is faster sleeps before each batch, and waking it costs more than
/// copying the bytes. More than an empty socket takes would have to be fetched again.
pub(crate) const BATCH: usize = 160 << 10;

/// The output that the clients of a console share in one pass, in bytes. Other consoles of the thread wait for as long as it
/// takes to send.
pub(crate) const BUDGET: usize = 256 << 10;

/// The least budget of one client, in bytes. It counts when more than sixteen share: the system calls for less would cost
/// more than the bytes.
pub(crate) const LEAST_BUDGET: usize = 16 << 10;

thread_local! {
    /// One buffer for all consoles of a thread: it is large, and their passes come one after another.
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// One pass: it holds the thread's buffer until it is dropped. Connections are driven with it, and only with it.
#[derive(Debug)]
pub(crate) struct Pass {
    buffer: Box<[u8]>,
    budget: usize,
}

impl Pass {
    /// Begins a pass in which `clients` [share](Self::share) the budget.
    pub(crate) fn begin(clients: usize) -> Self {
        let buffer = BUFFER.take().unwrap_or_else(|| vec![0; BATCH].into_boxed_slice());
        let mut pass = Self { buffer, budget: BUDGET };
        pass.share(clients);
        pass
    }

    /// Begins a pass in which each client is sent all that its socket takes: the last one.
    pub(crate) fn unbounded() -> Self {
        let mut pass = Self::begin(0);
        pass.budget = usize::MAX;
        pass
    }

    /// Divides the budget among so many clients.
    pub(crate) fn share(&mut self, clients: usize) {
        self.budget = BUDGET.checked_div(clients).unwrap_or(BUDGET).max(LEAST_BUDGET);
    }

    /// The budget of one client.
    pub(crate) fn budget(&self) -> Budget {
        Budget(self.budget)
    }

    /// The first `most` bytes of the buffer, to be filled; or all of it, [`BATCH`] bytes, if `most` is larger.
    pub(crate) fn room(&mut self, most: usize) -> &mut [u8] {
        let most = most.min(self.buffer.len());
        &mut self.buffer[..most]
    }

    /// The first `count` bytes of the buffer, which have been filled.
    pub(crate) fn filled(&self, count: usize) -> &[u8] {
        &self.buffer[..count.min(self.buffer.len())]
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        // It fails while the thread exits, and then no pass needs the buffer.
        let _ = BUFFER.try_with(|place| place.set(Some(buffer)));
    }
}

/// The bytes of output that a client may still send in this pass. A request is charged as much
/// as output that takes the same work.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    pub(crate) fn left(&self) -> usize {
        self.0
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.0 == 0
    }

    pub(crate) fn spend(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_shared_and_never_smaller_than_the_least() {
        for (clients, budget) in
            [(0, BUDGET), (1, BUDGET), (4, BUDGET / 4), (BUDGET, LEAST_BUDGET), (usize::MAX, LEAST_BUDGET)]
        {
            assert_eq!(Pass::begin(clients).budget().left(), budget, "{clients} clients");
        }
    }

    #[test]
    fn passes_of_a_thread_use_one_buffer_and_a_nested_pass_has_its_own() {
        let outer = Pass::begin(0);
        let place = outer.filled(1).as_ptr();
        assert_ne!(Pass::begin(0).filled(1).as_ptr(), place);
        drop(outer);
        assert_eq!(Pass::begin(0).filled(1).as_ptr(), place);
    }

    #[test]
    fn more_than_the_buffer_holds_is_never_given() {
        let mut pass = Pass::begin(0);
        assert_eq!((pass.room(usize::MAX).len(), pass.filled(usize::MAX).len()), (BATCH, BATCH));
        assert_eq!((pass.room(7).len(), pass.filled(7).len()), (7, 7));
    }
}
