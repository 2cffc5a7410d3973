//! When KVM collects: [`Coalescing`] decides.

use vuart_kvm::Policy;

use crate::coalescing::{Change, Coalescing};

impl Policy for Coalescing {
    fn accessed(&mut self, written: usize, defers: bool) -> Option<vuart_kvm::Change> {
        Coalescing::accessed(self, written, defers).map(Into::into)
    }

    fn ticked(&mut self, written: usize) -> Option<vuart_kvm::Change> {
        Coalescing::ticked(self, written).map(Into::into)
    }

    fn failed(&mut self, change: vuart_kvm::Change) {
        let change = match change {
            vuart_kvm::Change::Register => Change::Register,
            vuart_kvm::Change::Unregister => Change::Unregister,
        };
        Coalescing::failed(self, change);
    }
}

impl From<Change> for vuart_kvm::Change {
    fn from(change: Change) -> Self {
        match change {
            Change::Register => Self::Register,
            Change::Unregister => Self::Unregister,
        }
    }
}
