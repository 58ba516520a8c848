//! Waiting for descriptors.

use super::{LinuxResult, call, int, value};
use crate::kernel::{Arg, Kernel};
use xnu_abi::linux::{Sysno, Timespec};
use zerocopy::IntoBytes;

/// The size of the kernel's signal set in bytes.
const SIGSET_SIZE: usize = 8;

/// `man 2 pselect6`. The sets are words of 64 bits; what is left of the time is written back to `timeout`.
pub fn pselect6<K: Kernel>(
    kernel: &K,
    count: i32,
    sets: [Arg<'_>; 3],
    timeout: Option<&mut Timespec>,
    mask: Option<u64>,
) -> LinuxResult<i32> {
    let timeout = timeout.map_or(Arg::Val(0), |time| Arg::Out(time.as_mut_bytes()));
    let [reads, writes, exceptions] = sets;
    let bits = mask.unwrap_or(0).to_ne_bytes();
    // The structure that the sixth argument points to: where the set is, and its size.
    let signals = [bits.as_ptr().expose_provenance(), SIGSET_SIZE];
    let signals = if mask.is_some() { Arg::In(signals.as_bytes()) } else { Arg::Val(0) };
    int(call!(kernel, Pselect6, value(count), reads, writes, exceptions, timeout, signals))
}

/// `man 2 ppoll`. What is left of the time is written back to `timeout`.
pub fn ppoll<K: Kernel>(
    kernel: &K,
    descriptors: Arg<'_>,
    count: usize,
    timeout: Option<&mut Timespec>,
) -> LinuxResult<i32> {
    let timeout = timeout.map_or(Arg::Val(0), |time| Arg::Out(time.as_mut_bytes()));
    let size = Arg::Val(SIGSET_SIZE);
    int(call!(kernel, Ppoll, descriptors, Arg::Val(count), timeout, Arg::Val(0), size))
}
