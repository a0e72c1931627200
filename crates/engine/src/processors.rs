//! How many processors work is shared out to.

use std::num::NonZeroUsize;
use std::sync::OnceLock;

/// As many as this process may use, as it was when somebody first asked: to find that out, files of the system are read, which
/// takes as long as many a question.
pub(crate) fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get))
}
