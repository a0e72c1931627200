//! The tests of `import` that need files: stories, hostile input, the shipped mappings on the shared data.

#![allow(clippy::unwrap_used)]

mod desk;
mod hostile;
mod shipped;
mod stories;
