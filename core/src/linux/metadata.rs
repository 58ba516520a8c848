//! What is known of a file.

use super::{LinuxFd, LinuxResult, call, unit};
use crate::kernel::{Arg, Kernel};
use xnu_abi::linux::{STATX_BASIC_STATS, STATX_BTIME, Statx, Sysno, flags};
use zerocopy::{FromZeros, IntoBytes};

/// `man 2 statx`. `path` ends with a NUL; the basic fields and the birth time are asked for.
pub fn statx<K: Kernel>(kernel: &K, directory: LinuxFd, path: &[u8], flags: u32) -> LinuxResult<Statx> {
    let mut answer = Statx::new_zeroed();
    unit(call!(
        kernel,
        Statx,
        directory.arg(),
        Arg::In(path),
        Arg::Val(flags as usize),
        Arg::Val((STATX_BASIC_STATS | STATX_BTIME) as usize),
        Arg::Out(answer.as_mut_bytes())
    ))?;
    Ok(answer)
}

/// `man 2 statx` of an open file.
pub fn fstatx<K: Kernel>(kernel: &K, file: LinuxFd) -> LinuxResult<Statx> {
    statx(kernel, file, b"\0", flags::AT_EMPTY_PATH)
}

/// `PIPEFS_MAGIC`: the file system of pipes without a name.
pub const PIPEFS: i64 = 0x5049_5045;

/// The kind of file system that an open file is on: `f_type` of `man 2 fstatfs`.
pub fn file_system<K: Kernel>(kernel: &K, file: LinuxFd) -> LinuxResult<i64> {
    mount(kernel, file).map(|(kind, _)| kind)
}

/// The kind of file system that an open file is on, and the flags of its mount: `f_type` and `f_flags` of
/// `man 2 fstatfs`.
pub fn mount<K: Kernel>(kernel: &K, file: LinuxFd) -> LinuxResult<(i64, i64)> {
    // `struct statfs` of a 64-bit process: all fields are words, but for one of two halves.
    let mut answer = [0; 15];
    unit(call!(kernel, Fstatfs, file.arg(), Arg::Out(answer.as_mut_bytes())))?;
    let [kind, _, _, _, _, _, _, _, _, _, flags, ..] = answer;
    Ok((kind, flags))
}
