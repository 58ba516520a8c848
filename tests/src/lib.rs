//! Equipment of the tests, which are in `tests/tests`, one file per subject.
pub mod calls;
pub mod engine;
pub mod guests;
pub mod paths;
pub mod real;
