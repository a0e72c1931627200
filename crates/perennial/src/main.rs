//! Perennial (skeleton).
fn main() {}
