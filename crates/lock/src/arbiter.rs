//! Who has earned the bias.

use crate::token::Token;

/// So many accesses in a row, so that a revocation, which interrupts the other cores, is shared by at least as many.
pub(crate) const EARNED: u32 = 64;

/// What is known to whoever holds the lock without the bias.
#[derive(Debug)]
pub(crate) struct Arbiter {
    last: Token,
    row: u32,
    /// How long a row earns the bias; `None` if none does.
    earned: Option<u32>,
}

impl Arbiter {
    pub(crate) fn new(earned: Option<u32>) -> Self {
        Self { last: Token::NONE, row: 0, earned }
    }

    /// One more access. Whether it earns the bias; the next that does is as many accesses later.
    pub(crate) fn earns(&mut self, token: Token) -> bool {
        if self.last != token {
            self.last = token;
            self.row = 0;
        }
        self.row = self.row.saturating_add(1);
        let earned = self.earned.is_some_and(|earned| self.row >= earned);
        if earned {
            self.row = 0;
        }
        earned
    }

    /// Nobody shall have it any more.
    pub(crate) fn retire(&mut self) {
        self.earned = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_row_earns_it() {
        let (here, there) = (Token::next(), Token::next());
        let mut arbiter = Arbiter::new(Some(3));
        assert!([here, here, there, here, there, there].iter().all(|token| !arbiter.earns(*token)));
        assert!(arbiter.earns(there));
        assert!(!arbiter.earns(there));
    }

    #[test]
    fn nobody_earns_what_is_not_there() {
        let token = Token::next();
        let mut arbiter = Arbiter::new(Some(1));
        assert!(arbiter.earns(token));
        arbiter.retire();
        assert!(!arbiter.earns(token));
    }
}
