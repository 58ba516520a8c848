//! Holds no code: the tests are in `tests/tests`, one file per subject.
