//! Whether a short count means that memory ended inside the buffer.
//!
//! Where the count is full, nothing is done. Memory ends where a page does or where a piece of a vector does, so a count
//! that ends elsewhere is short for another reason. Only then the next byte is tried.

use super::next_byte;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::stat::{FileType, Mode};
use xnu_abi::darwin::uio::Iovec;
use xnu_abi::linux::{self as abi, flags};
use zerocopy::IntoBytes;

const PAGE: u64 = 4096;

/// Copies that Linux makes in steps may stop this far before a page that is not there.
const STEP: u64 = 64;

const SEEK_CUR: i32 = 1;
const FIONREAD: u32 = 0x541b;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    /// Memory is written.
    Read,
    /// Memory is read.
    Write,
}

/// The guest's memory: start and length, or a vector, its number of pieces, and their sum.
#[derive(Clone, Copy)]
pub(super) enum Buffer {
    Plain(UserAddr, usize),
    Pieces(UserPtr<Iovec>, u32, usize),
}

/// A transfer that Linux calls done.
pub(super) struct Short {
    pub(super) file: LinuxFd,
    pub(super) direction: Direction,
    pub(super) done: usize,
    /// Where it began; `None` for the file's own position.
    pub(super) offset: Option<i64>,
}

impl Short {
    /// The count, or `EFAULT` where memory ended.
    #[inline(always)]
    pub(super) fn check<K: Kernel>(&self, kernel: &K, buffer: Buffer) -> SysResult<usize> {
        let (Buffer::Plain(_, length) | Buffer::Pieces(_, _, length)) = buffer;
        if self.done == length || self.done == 0 { Ok(self.done) } else { self.look(kernel, buffer) }
    }

    #[cold]
    fn look<K: Kernel>(&self, kernel: &K, buffer: Buffer) -> SysResult<usize> {
        let Some((next, starts_piece)) = next_byte(kernel, buffer, self.done) else { return Ok(self.done) };
        let into_page = next.get() % PAGE;
        let suspect = match into_page {
            _ if starts_piece => next,
            0 => next,
            into if into > PAGE.wrapping_sub(STEP) => {
                UserAddr::new(next.get().wrapping_sub(into)).checked_add(PAGE)?
            }
            _ => return Ok(self.done),
        };
        let ended = match self.direction {
            Direction::Read => !is_writable(kernel, suspect) && self.left_something(kernel),
            Direction::Write => kernel.copy_in(suspect, &mut [0]).is_err(),
        };
        if !ended {
            return Ok(self.done);
        }
        if self.direction == Direction::Write {
            self.step_back(kernel);
        }
        Err(Errno::EFAULT)
    }

    fn is_regular<K: Kernel>(&self, kernel: &K) -> Option<u64> {
        let stat = linux::metadata::fstatx(kernel, self.file).ok()?;
        let regular = Mode::from_bits_retain(stat.stx_mode).file_type() == FileType::S_IFREG;
        regular.then_some(stat.stx_size)
    }

    /// Whether a read left something that it could have read: it was not the data that ended.
    fn left_something<K: Kernel>(&self, kernel: &K) -> bool {
        if let Some(size) = self.is_regular(kernel) {
            let position = match self.offset {
                Some(offset) => offset.checked_add(self.done as i64),
                None => linux::descriptor::lseek(kernel, self.file, 0, SEEK_CUR).ok(),
            };
            return position.is_some_and(|position| (position as u64) < size);
        }
        let mut left = 0i32;
        // What cannot tell is a device that never ends.
        linux::descriptor::ioctl(kernel, self.file, FIONREAD, left.as_mut_bytes()).is_err() || left > 0
    }

    /// A write that failed leaves the position of a file where it was (`IO_UNIT`); where it appends, the position
    /// does not matter.
    fn step_back<K: Kernel>(&self, kernel: &K) {
        if self.offset.is_none() && self.is_regular(kernel).is_some() {
            let back = (self.done as i64).wrapping_neg();
            let _ = linux::descriptor::lseek(kernel, self.file, back, SEEK_CUR);
        }
    }
}

/// Whether Linux could write to a byte of the guest's, without writing.
pub(in crate::bsd) fn is_writable<K: Kernel>(kernel: &K, address: UserAddr) -> bool {
    let page = UserAddr::new(address.get() & !PAGE.wrapping_sub(1));
    let populate = |length| linux::memory::madvise(kernel, page, length, flags::MADV_POPULATE_WRITE as i32);
    match populate(PAGE as usize) {
        Err(abi::Errno::ENOMEM | abi::Errno::EFAULT) => false,
        // Not allowed; or the advice is not known (Linux before 5.14), which it is not for nothing at all either.
        Err(abi::Errno::EINVAL) => populate(0).is_err(),
        _ => true,
    }
}
