//! Directory entries.

use super::{LinuxFd, LinuxResult, call, unit, value};
use crate::kernel::{Arg, Kernel};
use crate::user::UserAddr;
use xnu_abi::linux::Sysno;

/// `man 2 faccessat2`. `path` ends with a NUL. Without flags the older call is made, which every kernel has.
pub fn faccessat<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    path: &[u8],
    mode: i32,
    flags: u32,
) -> LinuxResult<()> {
    if flags == 0 {
        return unit(call!(kernel, Faccessat, directory.arg(), Arg::In(path), value(mode)));
    }
    let flags = Arg::Val(flags as usize);
    unit(call!(kernel, Faccessat2, directory.arg(), Arg::In(path), value(mode), flags))
}

/// `man 2 faccessat2` of a path in mapped memory of our own.
pub fn faccessat_mapped<K: Kernel>(kernel: &K, path: UserAddr, mode: i32, flags: u32) -> LinuxResult<()> {
    let flags = Arg::Val(flags as usize);
    unit(call!(kernel, Faccessat2, LinuxFd::CWD.arg(), Arg::User(path), value(mode), flags))
}

/// `man 2 readlinkat`, into guest memory. `path` ends with a NUL.
pub fn readlinkat<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    path: &[u8],
    buf: UserAddr,
    length: usize,
) -> LinuxResult<usize> {
    call!(kernel, Readlinkat, directory.arg(), Arg::In(path), Arg::User(buf), Arg::Val(length))
}

/// `man 2 readlinkat`, into our own memory. `path` ends with a NUL.
pub fn readlinkat_own<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    path: &[u8],
    buf: &mut [u8],
) -> LinuxResult<usize> {
    let length = Arg::Val(buf.len());
    call!(kernel, Readlinkat, directory.arg(), Arg::In(path), Arg::Out(buf), length)
}

/// `man 2 unlinkat`. `path` ends with a NUL.
pub fn unlinkat<K: Kernel>(kernel: &K, directory: LinuxFd, path: &[u8], flags: u32) -> LinuxResult<()> {
    unit(call!(kernel, Unlinkat, directory.arg(), Arg::In(path), Arg::Val(flags as usize)))
}

/// Room for `/proc/self/fd/`, the digits of an `i32` and a NUL.
pub const PROC_PATH: usize = 25;

/// The path of the link in `/proc` that leads to an open file, with a NUL at its end.
pub fn proc_path(file: LinuxFd) -> [u8; PROC_PATH] {
    let mut path = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0";
    let (_, digits) = path.split_at_mut(b"/proc/self/fd/".len());
    let mut rest = file.0;
    let length = rest.checked_ilog10().unwrap_or(0) as usize;
    for digit in digits.iter_mut().take(length.wrapping_add(1)).rev() {
        *digit = b'0'.wrapping_add((rest % 10) as u8);
        rest /= 10;
    }
    path
}

/// `man 2 linkat`. Both paths end with a NUL.
pub fn linkat<K: Kernel>(
    kernel: &K,
    (old_directory, old): (LinuxFd, &[u8]),
    (new_directory, new): (LinuxFd, &[u8]),
    flags: u32,
) -> LinuxResult<()> {
    let flags = Arg::Val(flags as usize);
    unit(call!(kernel, Linkat, old_directory.arg(), Arg::In(old), new_directory.arg(), Arg::In(new), flags))
}

/// `man 2 symlinkat`. `path` ends with a NUL; the target is the guest's.
pub fn symlinkat<K: Kernel>(
    kernel: &K,
    target: UserAddr,
    directory: LinuxFd,
    path: &[u8],
) -> LinuxResult<()> {
    unit(call!(kernel, Symlinkat, Arg::User(target), directory.arg(), Arg::In(path)))
}

/// `man 2 renameat2`. Both paths end with a NUL.
pub fn renameat<K: Kernel>(
    kernel: &K,
    (old_directory, old): (LinuxFd, &[u8]),
    (new_directory, new): (LinuxFd, &[u8]),
    flags: u32,
) -> LinuxResult<()> {
    let (from, to) = (old_directory.arg(), new_directory.arg());
    let flags = Arg::Val(flags as usize);
    unit(call!(kernel, Renameat2, from, Arg::In(old), to, Arg::In(new), flags))
}

/// `man 2 mkdirat`. `path` ends with a NUL.
pub fn mkdirat<K: Kernel>(kernel: &K, directory: LinuxFd, path: &[u8], mode: u32) -> LinuxResult<()> {
    unit(call!(kernel, Mkdirat, directory.arg(), Arg::In(path), Arg::Val(mode as usize)))
}

/// `man 2 mknodat`. `path` ends with a NUL; `device` is in the kernel's encoding.
pub fn mknodat<K: Kernel>(
    kernel: &K,
    directory: LinuxFd,
    path: &[u8],
    mode: u32,
    device: u32,
) -> LinuxResult<()> {
    let (mode, device) = (Arg::Val(mode as usize), Arg::Val(device as usize));
    unit(call!(kernel, Mknodat, directory.arg(), Arg::In(path), mode, device))
}

/// `man 2 fchdir`.
pub fn fchdir<K: Kernel>(kernel: &K, directory: LinuxFd) -> LinuxResult<()> {
    unit(call!(kernel, Fchdir, directory.arg()))
}

/// `man 2 symlinkat`, with a target of our own. Both strings end with a NUL.
pub fn symlinkat_own<K: Kernel>(
    kernel: &K,
    target: &[u8],
    directory: LinuxFd,
    path: &[u8],
) -> LinuxResult<()> {
    unit(call!(kernel, Symlinkat, Arg::In(target), directory.arg(), Arg::In(path)))
}
