//! Paths below a prefix: against a process whose root the prefix really is, on the mock and on Linux.

mod on_mock;
