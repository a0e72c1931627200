//! What pages, commands and the API ask of the engine. Nothing here changes anything.

pub mod catalogue;
mod no_reader;

pub(crate) use no_reader::NoReader;
