//! The local descriptor table (`man 2 modify_ldt`), which only x86-64 has.

use super::LinuxResult;
use crate::kernel::Kernel;
use crate::user::UserAddr;
use zerocopy::{Immutable, IntoBytes};

/// `struct user_desc` (`arch/x86/include/uapi/asm/ldt.h`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, IntoBytes, Immutable)]
#[repr(C)]
pub struct UserDescriptor {
    /// Its place in the table.
    pub index: u32,
    /// Where the segment begins.
    pub base: u32,
    /// The last address in it.
    pub limit: u32,
    /// Bits of [`flag`].
    pub flags: u32,
}

/// The bits of [`UserDescriptor::flags`], by number.
#[allow(missing_docs)]
pub mod flag {
    pub const SEG_32BIT: u32 = 0;
    /// Two bits: data, data that expands down, code, conforming code.
    pub const CONTENTS: u32 = 1;
    pub const READ_EXEC_ONLY: u32 = 3;
    pub const LIMIT_IN_PAGES: u32 = 4;
    pub const SEG_NOT_PRESENT: u32 = 5;
    pub const USEABLE: u32 = 6;
}

impl UserDescriptor {
    /// What Linux takes for nothing.
    pub const EMPTY: UserDescriptor = UserDescriptor {
        index: 0,
        base: 0,
        limit: 0,
        flags: 1 << flag::READ_EXEC_ONLY | 1 << flag::SEG_NOT_PRESENT,
    };
}

/// Sets one descriptor.
#[cfg(target_arch = "x86_64")]
pub fn write<K: Kernel>(kernel: &K, descriptor: &UserDescriptor) -> LinuxResult<()> {
    use crate::kernel::Arg;
    use xnu_abi::linux::Sysno;
    const WRITE: usize = 0x11;
    let size = Arg::Val(size_of::<UserDescriptor>());
    super::unit(super::call!(kernel, ModifyLdt, Arg::Val(WRITE), Arg::In(descriptor.as_bytes()), size))
}

/// Reads the table from its beginning, as the processor has it. Where nothing was ever set nothing is written.
#[cfg(target_arch = "x86_64")]
pub fn read<K: Kernel>(kernel: &K, to: UserAddr, length: usize) -> LinuxResult<()> {
    use crate::kernel::Arg;
    use xnu_abi::linux::Sysno;
    const READ: usize = 0;
    super::unit(super::call!(kernel, ModifyLdt, Arg::Val(READ), Arg::User(to), Arg::Val(length)))
}

/// This processor has none.
#[cfg(not(target_arch = "x86_64"))]
pub fn write<K: Kernel>(_: &K, _: &UserDescriptor) -> LinuxResult<()> {
    Err(xnu_abi::linux::Errno::ENOSYS)
}

/// This processor has none.
#[cfg(not(target_arch = "x86_64"))]
pub fn read<K: Kernel>(_: &K, _: UserAddr, _: usize) -> LinuxResult<()> {
    Err(xnu_abi::linux::Errno::ENOSYS)
}
