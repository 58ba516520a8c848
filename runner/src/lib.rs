//! The parts of `xnurun`, as a library so that tests, benchmarks and fuzzers can reach them.

pub mod macho;
pub mod trace;
