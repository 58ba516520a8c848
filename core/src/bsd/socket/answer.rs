//! Errors of calls on sockets: by the table, but for the one that has another name there.

use crate::table::SysResult;
use xnu_abi::{darwin, linux};

/// Darwin's error for a Linux error. What a socket does not do is `EOPNOTSUPP`, elsewhere `ENOTSUP`; Linux has one
/// number for both.
pub(super) fn errno(from: linux::Errno) -> darwin::Errno {
    match from {
        linux::Errno::EOPNOTSUPP => darwin::Errno::EOPNOTSUPP,
        other => crate::convert::errno::errno(other),
    }
}

/// Turns Linux's answer into Darwin's.
pub(super) trait ToBsd<T> {
    /// By [`errno`].
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
