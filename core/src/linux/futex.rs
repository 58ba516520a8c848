//! Waiting at a word of the guest's memory, and waking who does.

use super::{LinuxResult, call, int, unit};
use crate::kernel::{Arg, Kernel};
use crate::user::UserAddr;
use xnu_abi::linux::{Sysno, Timespec};
use zerocopy::IntoBytes;

const FUTEX_WAIT_BITSET: usize = 9;
const FUTEX_WAKE_BITSET: usize = 10;
const FUTEX_PRIVATE_FLAG: usize = 128;

/// Every waiter, whatever it is marked with.
pub const ANYBODY: u32 = u32::MAX;

/// A word that is waited at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Futex {
    /// Where it is, a multiple of 4.
    pub word: UserAddr,
    /// Whether other processes may wait there too.
    pub is_shared: bool,
}

impl Futex {
    fn operation(self, operation: usize) -> Arg<'static> {
        Arg::Val(operation | if self.is_shared { 0 } else { FUTEX_PRIVATE_FLAG })
    }

    /// `man 2 futex`, `FUTEX_WAIT_BITSET`: waits while the word is `expected`, until a time of the monotonic clock if there is
    /// one. Who wakes others than anybody chooses them by `mark`, one of whose bits must be set.
    ///
    /// # Errors
    /// `EAGAIN` where the word is another, `EINTR`, `ETIMEDOUT`, `EFAULT`.
    pub fn wait<K: Kernel>(
        self,
        kernel: &K,
        expected: u32,
        until: Option<&Timespec>,
        mark: u32,
    ) -> LinuxResult<()> {
        let until = until.map_or(Arg::Val(0), |until| Arg::In(until.as_bytes()));
        let (operation, expected) = (self.operation(FUTEX_WAIT_BITSET), Arg::Val(expected as usize));
        let mark = Arg::Val(mark as usize);
        unit(call!(kernel, Futex, Arg::User(self.word), operation, expected, until, Arg::Val(0), mark))
    }

    /// `man 2 futex`, `FUTEX_WAKE_BITSET`: wakes so many of those with one of these marks; how many there were.
    ///
    /// # Errors
    /// `EFAULT` of a shared word.
    pub fn wake<K: Kernel>(self, kernel: &K, count: u32, marks: u32) -> LinuxResult<i32> {
        let (operation, count) = (self.operation(FUTEX_WAKE_BITSET), Arg::Val(count as usize));
        let marks = Arg::Val(marks as usize);
        int(call!(kernel, Futex, Arg::User(self.word), operation, count, Arg::Val(0), Arg::Val(0), marks))
    }
}
