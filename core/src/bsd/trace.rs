//! Kernel tracing, which is off: what a program that traces itself is told then (`bsd/kern/kdebug.c`).

use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::linux::flags;

/// `kdebug_trace`, `kdebug_trace64`: 0 without a look at the code, as nothing is traced.
pub fn kdebug_trace<K: Kernel, L>(
    _cx: &mut Context<'_, K, L>,
    _code: u32,
    _arg1: u64,
    _arg2: u64,
    _arg3: u64,
    _arg4: u64,
) -> SysResult<i32> {
    Ok(0)
}

/// `kdebug_trace_string`: 0, which is no string, without a look at it.
pub fn kdebug_trace_string<K: Kernel, L>(
    _cx: &mut Context<'_, K, L>,
    _debugid: u32,
    _id: u64,
    _text: UserAddr,
) -> SysResult<u64> {
    Ok(0)
}

/// The page of bits that say what is traced (`TYPEFILTER_ALLOC_SIZE`).
const TYPEFILTER_BYTES: usize = 8192;

/// `kdebug_typefilter`: maps what is traced, for reading. Nothing is.
pub fn kdebug_typefilter<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    address: UserPtr<u64>,
    size: UserAddr,
) -> SysResult<()> {
    if address.is_null() || size.is_null() {
        return Err(Errno::EINVAL);
    }
    let kernel = cx.kernel();
    let kind = flags::MAP_PRIVATE | flags::MAP_ANONYMOUS;
    let (anywhere, nothing) = (UserAddr::NULL, LinuxFd(-1));
    let filter = linux::memory::mmap(kernel, anywhere, TYPEFILTER_BYTES, flags::PROT_READ, kind, nothing, 0)
        .to_bsd()?;
    address.write(kernel, &filter.get()).map_err(|fault| {
        let _ = linux::memory::munmap(kernel, filter, TYPEFILTER_BYTES);
        Errno::from(fault)
    })
}
