//! Erasing a customer: worked out by the engine, carried out by the store in one step, and then the state is read again
//! from what is left.
//!
//! New calls wait meanwhile, O(calls) as a start without a snapshot does; readers do not. That is the price of a result
//! that is right by how it is made: nothing of the old state is patched.

use crate::runtime::{Driver, Handle, JobError, read};
use domain::CustomerId;
use store::{Erased, StoreError};

/// Why somebody was not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// Nobody has this id, or no longer.
    #[error("there is no customer {0}; they may have been erased already")]
    Unknown(CustomerId),
    /// The writer did not come to it.
    #[error(transparent)]
    Job(#[from] JobError),
    /// It could not be written. Nobody knows whether it was done; asking again does no harm.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Erases a customer, with everything that is known of them. It cannot be undone.
pub fn erase(handle: &Handle, customer: CustomerId) -> Result<Erased, EraseError> {
    let snapshot = handle.snapshot().clone();
    let erased = handle.drive(move |driver| {
        let now = driver.clock.now();
        driver.step(|engine| engine.tick(now))?;
        if !read(driver.engine).look().people().is_somebody(customer) {
            return Err(EraseError::Unknown(customer));
        }
        // It is a cache; without it a crash from here on leaves nothing of them in it.
        snapshot.discard()?;
        driver.must_reopen = true;
        let Driver { engine, store, .. } = driver;
        let engine = read(engine);
        let erasure = engine.erasure(customer)?;
        Ok(store.erase(&erasure, &|position, call| engine.without(&erasure, position, call))?)
    })??;
    let Erased { calls, letters, refused, is_scrubbed } = erased;
    tracing::info!(customer.id = %customer, calls, letters, refused, "customer {customer} was erased");
    if !is_scrubbed {
        tracing::warn!(
            "somebody is reading what was erased; its last bytes go once they are done, or at the next start"
        );
    }
    Ok(erased)
}
