//! What the pages need of the process around the engine: a look, and a way to change something durably.

use crate::erase::EraseError;
use crate::runtime::{Handle, JobError};
use domain::{CustomerId, Timestamp};
use engine::Engine;
use std::sync::RwLockReadGuard;
use store::{Erased, Reader, StoreError};

/// Senders that were not heard since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Unheard {
    /// Connections turned away: too many from one address.
    pub turned_away: u64,
    /// Bodies given up: they arrived too slowly.
    pub too_slow: u64,
}

/// The process around one engine.
pub trait House: Send + Sync + 'static {
    /// The live state. Hold it shortly, and never twice in one thread.
    fn read(&self) -> RwLockReadGuard<'_, Engine>;
    /// Looks at committed data on a connection of its own.
    fn with_reader<T>(&self, look: impl FnOnce(&dyn Reader) -> Result<T, StoreError>) -> Result<T, StoreError>;
    /// The present instant.
    fn now(&self) -> Timestamp;
    /// Does something to the engine on the writer's thread, and returns once it is durable.
    fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Engine, Timestamp) -> T + Send + 'static,
    ) -> Result<T, JobError>;
    /// Erases a customer. A house without a data directory cannot.
    fn erase(&self, _customer: CustomerId) -> Result<Erased, EraseError> {
        Err(JobError::Stopped.into())
    }
    /// Senders that were not heard. A house without a server turns nobody away.
    fn unheard(&self) -> Unheard {
        Unheard::default()
    }
}

impl House for Handle {
    fn read(&self) -> RwLockReadGuard<'_, Engine> {
        Handle::read(self)
    }

    fn with_reader<T>(&self, look: impl FnOnce(&dyn Reader) -> Result<T, StoreError>) -> Result<T, StoreError> {
        Handle::with_reader(self, look)
    }

    fn now(&self) -> Timestamp {
        Handle::now(self)
    }

    fn erase(&self, customer: CustomerId) -> Result<Erased, EraseError> {
        crate::erase::erase(self, customer)
    }

    fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Engine, Timestamp) -> T + Send + 'static,
    ) -> Result<T, JobError> {
        Handle::change(self, change)
    }

    fn unheard(&self) -> Unheard {
        Unheard { turned_away: self.connections().turned_away(), too_slow: self.connections().too_slow() }
    }
}
