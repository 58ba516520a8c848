//! A deterministic in-memory Linux for tests and fuzzing.
