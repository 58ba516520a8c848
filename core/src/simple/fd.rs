//! Bytes to and from a descriptor of Linux.

use super::sink::{Sink, copy};
use crate::kernel::Kernel;
use crate::linux::LinuxFd;
use crate::linux::descriptor::{read_own, write_own};
use xnu_abi::linux::Errno;

/// Reads into `to`, over and over while a signal interrupts; 0 is the end of the file.
pub(super) fn read<K: Kernel + ?Sized>(kernel: &K, fd: i32, to: &mut [u8]) -> Result<usize, Errno> {
    loop {
        match read_own(kernel, LinuxFd(fd), to) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// Writes all of `from`: goes on after a short write and after a signal.
pub(super) fn write_all<K: Kernel + ?Sized>(kernel: &K, fd: i32, mut from: &[u8]) -> Result<(), Errno> {
    while !from.is_empty() {
        match write_own(kernel, LinuxFd(fd), from) {
            Err(Errno::EINTR) => {}
            // A device that takes nothing and says no error would be asked for ever.
            Ok(0) => return Err(Errno::EIO),
            Ok(count) => from = from.get(count..).unwrap_or_default(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How much text is gathered before a write. A line of a log should be one write, and the stack is small.
const GATHER_BYTES: usize = 512;

/// A sink that writes to a descriptor.
pub(super) struct Writer<'k, K: ?Sized> {
    kernel: &'k K,
    fd: i32,
    used: usize,
    gathered: [u8; GATHER_BYTES],
}

impl<'k, K: Kernel + ?Sized> Writer<'k, K> {
    pub(super) fn new(kernel: &'k K, fd: i32) -> Writer<'k, K> {
        Writer { kernel, fd, used: 0, gathered: [0; GATHER_BYTES] }
    }

    /// Writes what has been gathered.
    pub(super) fn flush(&mut self) -> Result<(), Errno> {
        let gathered = self.gathered.get(..self.used).unwrap_or_default();
        self.used = 0;
        write_all(self.kernel, self.fd, gathered)
    }
}

impl<K: Kernel + ?Sized> Sink for Writer<'_, K> {
    type Error = Errno;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        if let Some(window) = self.window(bytes.len()) {
            copy(window, bytes);
            return Ok(());
        }
        self.flush()?;
        match self.window(bytes.len()) {
            Some(window) => {
                copy(window, bytes);
                Ok(())
            }
            None => write_all(self.kernel, self.fd, bytes),
        }
    }

    fn window(&mut self, len: usize) -> Option<&mut [u8]> {
        let end = self.used.checked_add(len)?;
        let window = self.gathered.get_mut(self.used..end)?;
        self.used = end;
        Some(window)
    }
}
