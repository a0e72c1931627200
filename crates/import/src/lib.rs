//! Turns files into calls: CSV, JSONL and Parquet, plain or packed, by a mapping that a person can read.
//!
//! This crate knows files and Segment's HTTP spec; it knows nothing of the engine. Every line of a file ends in
//! exactly one of two ways: it became part of a call, or it was refused with a reason. Ids come from the data, so that
//! importing twice changes nothing. Money is exact: no number passes through floating point.

mod calls;
mod chunks;
mod condition;
mod csv;
mod fingerprint;
mod group;
mod json;
mod json_lines;
mod mapping;
mod numbers;
mod parquet;
mod preview;
mod refused;
mod row;
mod schema;
mod source;
mod strict;
mod summary;
mod times;

pub use calls::Call;
pub use mapping::Mapping;
pub use preview::{ColumnPreview, Preview, preview, sniff};
pub use refused::{RefusalReason, Refused, RefusedWriter};
pub use schema::schema;
pub use source::{Checkpoint, ImportError, Item, Limits, Progress, Source};
pub use strict::MappingError;
pub use summary::Summary;
