//! Stories of SQLite alone, seen from inside.
