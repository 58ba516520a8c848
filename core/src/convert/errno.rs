//! Error numbers.

use crate::table::SysResult;
use xnu_abi::errno::LINUX_TO_DARWIN;
use xnu_abi::{darwin, linux};

/// One more than the largest number that a Linux call can return as an error.
const LENGTH: usize = 4096;

/// Darwin's number for each of Linux's. Numbers without a name become `EIO`: no program can know them, and the raw
/// number would be taken for another error.
static TABLE: [u8; LENGTH] = table();

#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated by the compiler")]
const fn table() -> [u8; LENGTH] {
    let mut table = [darwin::Errno::EIO.number() as u8; LENGTH];
    table[0] = 0;
    let mut at = 0;
    while at < LINUX_TO_DARWIN.len() {
        let (from, to) = LINUX_TO_DARWIN[at];
        table[from.number() as usize] = to.number() as u8;
        at += 1;
    }
    table
}

/// Darwin's error for a Linux error.
#[inline]
pub fn errno(from: linux::Errno) -> darwin::Errno {
    let number = TABLE.get(usize::from(from.number())).copied().unwrap_or(0);
    darwin::Errno::new(u16::from(number)).unwrap_or(darwin::Errno::EIO)
}

/// Darling's `errno_linux_to_bsd`: total on all integers, keeps the sign. 0 stays 0; numbers that are no Linux error
/// become `EIO`.
pub fn errno_linux_to_bsd(number: i32) -> i32 {
    let known = TABLE.get(number.unsigned_abs() as usize).copied();
    let magnitude = i32::from(known.unwrap_or(darwin::Errno::EIO.number() as u8));
    if number < 0 { magnitude.wrapping_neg() } else { magnitude }
}

/// Turns Linux's answer into Darwin's.
pub trait ToBsd<T> {
    /// By the table. Calls whose manual page names another error map it themselves.
    fn to_bsd(self) -> SysResult<T>;
}

impl<T> ToBsd<T> for Result<T, linux::Errno> {
    #[inline(always)]
    fn to_bsd(self) -> SysResult<T> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(errno(error)),
        }
    }
}
