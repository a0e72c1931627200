//! Stories of the pages over a real engine.
