//! How ids and instants stand in JSON: `c17`, and RFC 3339 in UTC.

use domain::{CustomerId, Timestamp};
use serde::{Serialize, Serializer};

/// `c17`.
pub(super) fn id<S: Serializer>(id: &CustomerId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// RFC 3339 in UTC.
pub(super) fn at<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// RFC 3339 in UTC, or null.
pub(super) fn maybe_at<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.as_ref().map(ToString::to_string).serialize(serializer)
}
