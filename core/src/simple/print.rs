//! Formatted text into a buffer, a descriptor and the kernel log.

use super::args::Args;
use super::fd::Writer;
use super::format::{Error, format};
use super::sink::Buffer;
use crate::kernel::Kernel;
use crate::lkm::{Lkm, TrapArg};
use core::convert::Infallible;
use xnu_abi::linux::Errno;
use xnu_abi::lkm::Trap;

/// The size of the printk trap's structure, which is one text (`struct kernel_printk_args`).
pub const KPRINTF_BYTES: usize = 512;

/// Formats into `out`, which holds a terminated text afterwards unless it is empty. `man 3 snprintf`.
#[inline]
pub fn snprintf(out: &mut [u8], text: &[u8], mut args: impl Args) -> Result<usize, Error<Infallible>> {
    let mut buffer = Buffer::new(out);
    let result = format(&mut buffer, text, &mut args);
    buffer.terminate();
    result
}

/// Formats to standard output. See [`fprintf`].
pub fn printf<K: Kernel + ?Sized>(kernel: &K, text: &[u8], args: impl Args) -> Result<usize, Error<Errno>> {
    fprintf(kernel, 1, text, args)
}

/// Formats to the descriptor `fd`.
///
/// Text of up to 512 bytes is one write. A short write is gone on with and an interrupted one repeated; any other
/// error of `write` is returned at once (`man 2 write`), when part of the text may be out already.
pub fn fprintf<K: Kernel + ?Sized>(
    kernel: &K,
    fd: i32,
    text: &[u8],
    mut args: impl Args,
) -> Result<usize, Error<Errno>> {
    let mut writer = Writer::new(kernel, fd);
    let result = format(&mut writer, text, &mut args);
    if let Err(Error::Sink(error)) = result {
        return Err(Error::Sink(error));
    }
    writer.flush().map_err(Error::Sink)?;
    result
}

/// Formats into the Linux kernel's log through the module's printk trap, one entry per call.
///
/// The trap takes 511 bytes and a NUL; a longer text is cut there, and the result tells. What goes into the log is
/// the formatted text only: the rest of the structure is zeros.
pub fn kprintf<L: Lkm + ?Sized>(lkm: &L, text: &[u8], args: impl Args) -> Result<usize, Error<Errno>> {
    let mut message = [0; KPRINTF_BYTES];
    let result = snprintf(&mut message, text, args);
    lkm.call_raw(Trap::KernelPrintk, TrapArg::Struct(&mut message)).map_err(Error::Sink)?;
    result.map_err(|error| match error {
        Error::Overflow => Error::Overflow,
        Error::Sink(never) => match never {},
    })
}
