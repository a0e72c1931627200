//! Work that is shared out to all processors.

use crate::processors::processors;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Does `count` jobs on all processors, each of which has room of its own that one job leaves to the next; the answers
/// are in the order of the jobs.
pub(super) fn in_parallel<R, T: Send>(
    count: usize,
    room: impl Fn() -> R + Sync,
    job: impl Fn(usize, &mut R) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::with_capacity(count));
    let work = || {
        let mut room = room();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let answer = job(number, &mut room);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((number, answer));
        }
    };
    let workers = processors().min(count.max(1));
    std::thread::scope(|scope| {
        // This thread works too.
        (1..workers).for_each(|_| {
            scope.spawn(work);
        });
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, answer)| answer).collect()
}
