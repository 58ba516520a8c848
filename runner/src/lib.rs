//! The parts of `xnurun`, as a library so that tests, benchmarks and fuzzers can reach them.

pub mod cli;
pub mod commpage;
pub mod exec;
pub mod heap;
mod linked;
pub mod load;
pub mod macho;
pub mod ports;
pub mod prefix;
pub mod sandbox;
pub mod skeleton;
pub mod stack;
pub mod start;
pub mod trace;
pub mod trap;
