//! The `__simple` family: what is there before the C library ([`xnu_core::simple`] says how it behaves).
//!
//! The forms with a `va_list` are here; those with variable arguments, in [`crate::variadic`], call them.
//!
//! # Safety
//! As for C's functions of these names: strings end with a NUL, buffers have the size that is said (or room for the whole
//! text where none is said), and a format fits its arguments.

use crate::state::process;
use crate::va_list::{CVaList, Variable};
use core::ffi::c_char;
use xnu_abi::linux::{Errno, KernelSigaction};
use xnu_core::linux;
use xnu_core::simple::cstr::{self, CBuffer};
use xnu_core::simple::{INT_MAX, LineReader, atoi, atoi16, format, fprintf, kprintf, printf};

/// Formats into a buffer of any size. Returns what C's `vsnprintf` does.
#[inline(always)]
unsafe fn print(mut buffer: CBuffer, text: *const c_char, args: CVaList) -> i32 {
    // SAFETY: the caller's promise.
    let (text, mut args) = unsafe { (cstr::bytes(text.cast()), Variable::new(args)) };
    let result = format(&mut buffer, text, &mut args);
    buffer.terminate();
    match result {
        Ok(len @ 0..=INT_MAX) => len as i32,
        _ => -1,
    }
}

/// `man 3 vsnprintf`, without floating point.
///
/// # Safety
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __simple_vsnprintf(
    buffer: *mut c_char,
    max_length: usize,
    format: *const c_char,
    args: CVaList,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { print(CBuffer::new(buffer.cast(), max_length), format, args) }
}

/// `man 3 vsprintf`, without floating point.
///
/// # Safety
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __simple_vsprintf(buf: *mut c_char, format: *const c_char, vl: CVaList) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { print(CBuffer::unbounded(buf.cast()), format, vl) }
}

/// `man 3 vdprintf` to standard output, by raw writes.
///
/// # Safety
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __simple_vprintf(format: *const c_char, args: CVaList) {
    // SAFETY: the caller's promise. The prototype has no place for an error.
    let _ = unsafe { printf(&process().kernel, cstr::bytes(format.cast()), Variable::new(args)) };
}

/// `man 3 vdprintf`, by raw writes.
///
/// # Safety
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __simple_vfprintf(fd: i32, format: *const c_char, args: CVaList) {
    // SAFETY: as above.
    let _ = unsafe { fprintf(&process().kernel, fd, cstr::bytes(format.cast()), Variable::new(args)) };
}

/// Formats into the log of the Linux kernel, through what stands behind `/dev/mach`.
///
/// # Safety
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __simple_vkprintf(format: *const c_char, args: CVaList) {
    // SAFETY: as above.
    let _ = unsafe { kprintf(&process().lkm, cstr::bytes(format.cast()), Variable::new(args)) };
}

/// `man 3 strlen`; more than an `int` holds is `INT_MAX`.
///
/// # Safety
/// See the module.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __simple_strlen(str: *const c_char) -> i32 {
    // SAFETY: the caller's promise.
    i32::try_from(unsafe { cstr::strlen(str.cast()) }).unwrap_or(i32::MAX)
}

/// Reads a number and tells where it ends, if `endp` is not null.
unsafe fn number(str: *const c_char, endp: *mut *const c_char, read: fn(&[u8]) -> (u64, usize)) -> u64 {
    // SAFETY: the caller's promise.
    let (number, len) = read(unsafe { cstr::bytes(str.cast()) });
    if !endp.is_null() {
        // SAFETY: the caller's promise; the number ends inside the string.
        unsafe { endp.write(str.add(len)) };
    }
    number
}

/// Decimal digits at the front of a string; neither spaces nor a sign.
///
/// # Safety
/// See the module; `endp` is null or the place of a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __simple_atoi(str: *const c_char, endp: *mut *const c_char) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { number(str, endp, atoi) }
}

/// Hexadecimal digits at the front of a string, without `0x`.
///
/// # Safety
/// As for [`__simple_atoi`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __simple_atoi16(str: *const c_char, endp: *mut *const c_char) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { number(str, endp, atoi16) }
}

/// What [`__simple_readline`] has read ahead.
#[derive(Debug)]
#[repr(C)]
#[allow(non_camel_case_types, reason = "a C structure")]
pub struct simple_readline_buf {
    /// Bytes of the descriptor.
    buf: [u8; 512],
    /// How many of them are there.
    used: i32,
}

/// Starts with nothing read.
///
/// # Safety
/// `buf` points to such a structure, which need not be initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __simple_readline_init(buf: *mut simple_readline_buf) {
    // SAFETY: the caller's promise.
    unsafe { (&raw mut (*buf).used).write(0) }
}

/// Reads the next line of a descriptor, without its end, into `max_out` bytes with a NUL: `out`, or null at the end of the
/// file and on an error. A longer line comes in pieces.
///
/// # Safety
/// `buf` was initialised and is used for this descriptor alone; `out` has `max_out` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __simple_readline(
    fd: i32,
    buf: *mut simple_readline_buf,
    out: *mut c_char,
    max_out: i32,
) -> *mut c_char {
    let Some(room) = usize::try_from(max_out).ok().and_then(|size| size.checked_sub(1)) else {
        return core::ptr::null_mut();
    };
    // SAFETY: the caller's promise; bytes that were never written are not looked at, as `used` says how many were.
    let (state, text) = unsafe { (&mut *buf, core::slice::from_raw_parts_mut(out.cast::<u8>(), room)) };
    let mut reader = LineReader::resume(&mut state.buf, usize::try_from(state.used).unwrap_or(0));
    let len = match reader.read_line(&process().kernel, fd, text) {
        Ok(Some(line)) => line.text.len(),
        Ok(None) | Err(_) => {
            state.used = reader.used() as i32;
            return core::ptr::null_mut();
        }
    };
    state.used = reader.used() as i32;
    // SAFETY: one byte was kept behind the text.
    unsafe { out.add(len).write(0) };
    out
}

pub(crate) fn abort() -> ! {
    const SIGABRT: i32 = 6;
    const STATUS: i32 = 128 + SIGABRT;
    let kernel = &process().kernel;
    let raise = || -> Result<(), Errno> {
        // Of the other signals, those that wait go on waiting.
        let mask = linux::signal::mask(kernel)? & !(1 << (SIGABRT - 1));
        linux::signal::set_mask(kernel, mask)?;
        let (pid, tid) = (linux::process::getpid(kernel)?, linux::process::gettid(kernel)?);
        linux::signal::tgkill(kernel, pid, tid, SIGABRT)
    };
    // Nothing of this can fail unless Linux is told to refuse it; then the process ends all the same.
    let _ = raise();
    // It was ignored, or its handler came back.
    let default = KernelSigaction { handler: 0, flags: 0, restorer: 0, mask: 0 };
    let _ = linux::signal::rt_sigaction(kernel, SIGABRT, &default);
    let _ = raise();
    loop {
        linux::process::exit_group(kernel, STATUS);
    }
}

/// `man 3 abort`: a handler of `SIGABRT` may run; if it returns, and where the signal is ignored or blocked, the process
/// is ended by that signal all the same.
#[unsafe(no_mangle)]
pub extern "C" fn __simple_abort() -> ! {
    abort()
}
