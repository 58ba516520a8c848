//! The state of the process, and how two copies of this library come to share one.
//!
//! dyld's copy is first in the process and works on its own state. libsystem_kernel's copy is told of that by
//! [`xnu_emu_adopt`], before its first call, with what dyld's [`xnu_emu_state`] holds.
//!
//! # Safety
//! An adopted state is one that another copy of this library exported: its header says so, and that the same compiler
//! laid out the same version of it. It lives as long as the process, since dyld is never unloaded.

use crate::door::Door;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use xnu_abi::linux::Errno;
use xnu_backend_linux::Linux;
use xnu_core::Process;

/// What a process has, with a header by which another copy recognises it. To C it is opaque.
#[repr(C)]
pub struct State {
    magic: u64,
    /// [`fingerprint`] of the copy that made it.
    fingerprint: u64,
    size: u64,
    process: Process<Linux, Door>,
}

/// `xnu-emu` and a NUL.
const MAGIC: u64 = u64::from_le_bytes(*b"xnu-emu\0");

/// Differs where two copies may lay out [`State`] differently: by the version of the library or by the compiler.
const fn fingerprint() -> u64 {
    const TEXT: &str = concat!(env!("CARGO_PKG_VERSION"), " ", env!("XNU_COMPILER"));
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = OFFSET;
    let mut rest = TEXT.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        hash = (hash ^ *byte as u64).wrapping_mul(PRIME);
        rest = tail;
    }
    hash
}

static OWN: State = State {
    magic: MAGIC,
    fingerprint: fingerprint(),
    size: size_of::<State>() as u64,
    process: Process::new(Linux::new(), Door::new()),
};

/// The state of this copy: what dyld's copy exports for the other to adopt. In a Mach-O image its section tells the loader
/// that Linux calls in it are meant (`xnu_abi::lkm::LINKED_SECTION`), so it stays even where nobody names it.
#[used]
#[unsafe(no_mangle)]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__xnu_emu,regular,no_dead_strip"))]
#[allow(non_upper_case_globals, reason = "a C variable")]
pub static xnu_emu_state: &State = &OWN;

static ADOPTED: AtomicPtr<State> = AtomicPtr::new(ptr::null_mut());

/// The process that every entry works on.
#[inline(always)]
pub(crate) fn process() -> &'static Process<Linux, Door> {
    let adopted = ADOPTED.load(Ordering::Acquire);
    if adopted.is_null() {
        return &OWN.process;
    }
    // SAFETY: stored by `xnu_emu_adopt` after its checks; see the module.
    unsafe { &(*adopted).process }
}

/// From now on this copy works on the state of another one. 0, or `-EINVAL` if `state` is none of this library's, or of
/// another version or compiler than this copy: then nothing changes.
///
/// # Safety
/// `state` is null or what [`xnu_emu_state`] of another copy holds, and that copy stays loaded.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xnu_emu_adopt(state: *const State) -> i32 {
    // SAFETY: the caller's promise. Only the header, which every version has, is read before it is compared.
    let known = unsafe {
        !state.is_null()
            && (*state).magic == MAGIC
            && (*state).fingerprint == fingerprint()
            && (*state).size == size_of::<State>() as u64
    };
    if !known {
        return i32::from(Errno::EINVAL.number()).wrapping_neg();
    }
    ADOPTED.store(state.cast_mut(), Ordering::Release);
    0
}
