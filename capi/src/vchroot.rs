//! Paths below the prefix, as Darling's own code asks for them: its structures, 0 or a negative Linux errno.
//!
//! # Safety
//! Structures are the caller's, whole and writable; a path in one ends with a NUL, which is looked for in its array alone.

use crate::state::process;
use core::ffi::{c_char, c_int};
use xnu_abi::linux::Errno;
use xnu_abi::vchroot::{
    PATH_BYTES, VCHROOT_FOLLOW, VchrootExpandArgs, VchrootFdpathArgs, VchrootUnexpandArgs, WORKING_DIRECTORY,
};
use xnu_core::convert::errno::errno;
use xnu_core::linux::LinuxFd;
use xnu_core::vchroot::Options;

fn answer(result: Result<(), Errno>) -> c_int {
    result.err().map_or(0, |error| i32::from(error.number()).wrapping_neg())
}

/// Replaces the path of a program's by the path that Linux knows it by. A relative one starts at `dfd`, where -100 is the
/// working directory; with `VCHROOT_FOLLOW` a link at its end is followed. 0, or Linux's error, negated.
///
/// # Safety
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vchroot_expand(args: *mut VchrootExpandArgs) -> c_int {
    // SAFETY: the caller's promise.
    answer(process().vchroot_expand(unsafe { &mut *args }))
}

/// Replaces a path of Linux's by the path that a program knows it by. 0, or Linux's error, negated.
///
/// # Safety
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vchroot_unexpand(args: *mut VchrootUnexpandArgs) -> c_int {
    // SAFETY: the caller's promise.
    answer(process().vchroot_unexpand(unsafe { &mut *args }))
}

/// Writes the path that a program knows an open file by. 0, or Linux's error, negated.
///
/// # Safety
/// See the module; `path` in the structure has `maxlen` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vchroot_fdpath(args: *mut VchrootFdpathArgs) -> c_int {
    // SAFETY: the caller's promise.
    let args = unsafe { &*args };
    let path = core::ptr::with_exposed_provenance_mut::<u8>(args.path as usize);
    let out: &mut [u8] = if path.is_null() {
        &mut []
    } else {
        // SAFETY: the caller's promise.
        unsafe { core::slice::from_raw_parts_mut(path, args.maxlen as usize) }
    };
    answer(process().vchroot_fdpath(args.fd, out).map(|_| ()))
}

/// Makes a directory the root of the process, which `/Volumes/SystemRoot` leads out of. 0, or Darwin's error, negated.
///
/// Before the process has threads. The descriptor stays the caller's.
#[unsafe(no_mangle)]
pub extern "C" fn __darling_vchroot(dfd: c_int) -> c_int {
    let options = Options { case_insensitive: false, root_exit: true };
    match process().set_prefix(LinuxFd(dfd), options) {
        Ok(()) => 0,
        Err(error) => i32::from(errno(error).number()).wrapping_neg(),
    }
}

/// Writes the path that Linux knows a path of a program's by into `out`, links followed. 0, or Linux's error, negated.
///
/// # Safety
/// `path` is a C string; `out` has 4096 bytes that are its alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __darling_vchroot_expand(path: *const c_char, out: *mut c_char) -> c_int {
    // SAFETY: the caller's promise.
    let path = unsafe { xnu_core::simple::cstr::bytes(path.cast()) };
    if path.len() >= PATH_BYTES {
        return answer(Err(Errno::ENAMETOOLONG));
    }
    // SAFETY: the caller's promise.
    let out = unsafe { &mut *out.cast::<[u8; PATH_BYTES]>() };
    let (text, rest) = out.split_at_mut_checked(path.len()).unwrap_or_default();
    text.copy_from_slice(path);
    rest.fill(0);
    answer(process().vchroot_expand_path(out, VCHROOT_FOLLOW, WORKING_DIRECTORY))
}
