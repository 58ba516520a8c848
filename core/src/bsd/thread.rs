//! Threads as the C library makes them (`bsd/pthread/pthread_shims.c`; libpthread's `kern/kern_support.c`).

use super::memory::{PAGE, pages};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::linux::futex::{ANYBODY, Futex};
use crate::lkm::{Lkm, TrapArg};
use crate::mach;
use crate::process::Context;
use crate::registers::{RFLAGS_FIXED, Registers};
use crate::table::{SysResult, Unchanged};
use crate::threads::{NewThread, Registered};
use crate::user::UserAddr;
use xnu_abi::darwin::Errno;
use xnu_abi::linux as abi;
use xnu_abi::lkm::Trap;
use xnu_abi::lkm::args::SemaphoreSignalArgs;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// What the kernel can do for threads (`PTHREAD_FEATURE_SUPPORTED`): dispatch functions, fine priorities, `bsdthread_ctl`
/// and its `SET_SELF`, the classes of maintenance and default, events and workloops by work queue, cooperative queues.
const FEATURES: i32 = 0x4000_0000 | 0x100 | 0x80 | 0x40 | 0x10 | 0x08 | 0x04 | 0x02 | 0x01;

/// The longest `pthread_t` (`MAX_PTHREAD_SIZE`).
const PTHREAD_SIZE_MAX: u32 = 64 * 1024;

/// Bytes of a thread's slot.
const SLOT: u32 = 8;

/// The priority of a first thread that nobody gave a class: the class of old programs, not below its own
/// (`THREAD_QOS_LEGACY`, `_pthread_priority_make_from_thread_qos`).
const MAIN_PRIORITY: u64 = 0x08ff;

/// Where the C library's stacks begin, and by how much that differs between processes (`stack_addr_hint`).
const STACKS: u64 = 0x7000_0000_0000;
const STACKS_SLIDE: u64 = 1 << 28;

/// `struct _pthread_registration_data`: its size is its version, and it has grown over the years.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, packed)]
struct RegistrationData {
    version: u64,
    dispatch_queue_offset: u64,
    main_qos: u64,
    tsd_offset: u32,
    return_to_kernel_offset: u32,
    mach_thread_self_offset: u32,
    stack_addr_hint: u64,
    mutex_default_policy: u32,
    joinable_offset_bits: u32,
    wq_quantum_expiry_offset: u32,
}

const _: () = assert!(size_of::<RegistrationData>() == 56);

/// `bsdthread_register`: says where threads begin, and learns what the kernel can do. `size` is that of a `pthread_t`;
/// `data` a `_pthread_registration_data` of so many bytes, or null.
///
/// Differs from XNU where the core is linked in: `ENOTSUP`, for threads are begun by whoever linked it.
#[allow(clippy::too_many_arguments, reason = "as many as the call has")]
pub fn bsdthread_register<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    entry: UserAddr,
    _wqthread: UserAddr,
    size: u32,
    data: UserAddr,
    data_size: UserAddr,
    _dispatchqueue_offset: u32,
    _tsd_offset: u32,
) -> SysResult<i32> {
    if cx.thread.is_none() {
        return Err(Errno::ENOTSUP);
    }
    if size > PTHREAD_SIZE_MAX {
        return Err(Errno::EINVAL);
    }
    let kernel = cx.kernel();
    let mut known = RegistrationData::new_zeroed();
    let length = usize::try_from(data_size.get()).unwrap_or(usize::MAX).min(size_of::<RegistrationData>());
    if !data.is_null() {
        if length < size_of::<u64>() {
            return Err(Errno::EINVAL);
        }
        kernel.copy_in(data, known.as_mut_bytes().get_mut(..length).unwrap_or_default())?;
        if known.version != data_size.get() {
            return Err(Errno::EINVAL);
        }
    }
    // What does not lie in a `pthread_t` is as good as not given.
    let room = size.checked_sub(SLOT).and_then(|last| last.checked_sub(known.tsd_offset));
    let tsd_offset = room.map_or(0, |_| known.tsd_offset);
    let port_offset = Some(known.mach_thread_self_offset).filter(|offset| *offset <= room.unwrap_or(0));
    let registered = Registered { entry: entry.get(), tsd_offset, port_offset: port_offset.unwrap_or(0) };
    let slide = linux::process::random_word(kernel).to_bsd()? % STACKS_SLIDE;
    if !cx.process.registration.make(registered) {
        return Err(Errno::EINVAL);
    }
    if !data.is_null() {
        known.version = size_of::<RegistrationData>() as u64;
        known.main_qos = MAIN_PRIORITY;
        known.stack_addr_hint = STACKS | slide & !PAGE.wrapping_sub(1);
        known.mutex_default_policy = 0;
        let told = known.as_bytes().get(..length).unwrap_or_default();
        kernel.copy_out(data, told).map_err(|_| Errno::EINVAL)?;
    }
    Ok(FEATURES)
}

/// The flags of a new thread.
mod start {
    /// The caller brings the stack, which every caller has to by now.
    pub(super) const CUSTOM: u32 = 0x0100_0000;
    /// The rest is a scheduling policy and a priority.
    pub(super) const SETSCHED: u32 = 0x0200_0000;
    /// The rest is a class of service.
    pub(super) const QOSCLASS: u32 = 0x0800_0000;
    /// Told to the thread: `gs` is set.
    pub(super) const TSD_BASE_SET: u32 = 0x1000_0000;
    /// It waits to be resumed.
    pub(super) const SUSPENDED: u32 = 0x2000_0000;
}

/// The first address that is not canonical, and so none of a program's.
const CANONICAL_END: u64 = 0x0000_8000_0000_0000;

/// `bsdthread_create`: a thread that begins where `bsdthread_register` was told, with `pthread`, the name of its port, the
/// function, its argument, the stack and the flags as its arguments. Answers `pthread`.
///
/// An address that is none is not looked at: such a thread begins at 0, and faults there.
pub fn bsdthread_create<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    func: UserAddr,
    func_arg: UserAddr,
    stack: UserAddr,
    pthread: UserAddr,
    flags: u32,
) -> SysResult<UserAddr> {
    let Some(thread) = &cx.thread else { return Err(Errno::ENOTSUP) };
    let registered = cx.process.registration.get().ok_or(Errno::EINVAL)?;
    if flags & start::CUSTOM == 0 {
        return Err(Errno::EINVAL);
    }
    if flags & start::SETSCHED == 0 && flags & start::QOSCLASS != 0 && !is_class_of_service(flags) {
        return Err(Errno::EINVAL);
    }
    let base = pthread.get().wrapping_add(registered.tsd_offset.into());
    let sets_base = registered.tsd_offset != 0 && base < CANONICAL_END;
    let mut told = flags & !start::SUSPENDED;
    if sets_base {
        told |= start::TSD_BASE_SET;
    }
    let mut registers = Registers { rflags: RFLAGS_FIXED, ..Registers::default() };
    if stack.get() < CANONICAL_END && registered.entry < CANONICAL_END {
        registers.rip = registered.entry;
        registers.rsp = stack.get();
        registers.rdi = pthread.get();
        registers.rdx = func.get();
        registers.rcx = func_arg.get();
        registers.r8 = stack.get();
        registers.r9 = told.into();
    }
    let names_port = registered.tsd_offset != 0 && registered.port_offset != 0;
    let port_at = if names_port { base.wrapping_add(registered.port_offset.into()) } else { 0 };
    let new = NewThread {
        registers,
        gs_base: if sets_base { base } else { 0 },
        mask: thread.signals.put_away.unwrap_or(thread.signals.mask),
        is_suspended: flags & start::SUSPENDED != 0,
        port_at: UserAddr::new(port_at),
    };
    match cx.kernel().begin_thread(&new) {
        Ok(()) => Ok(pthread),
        // There are as many as there can be.
        Err(abi::Errno::EAGAIN) => Err(Errno::ENOMEM),
        Err(error) => Err(error).to_bsd(),
    }
}

/// Whether the low bits of flags are a class and how far below it (`_pthread_priority_to_policy`).
fn is_class_of_service(priority: u32) -> bool {
    const CLASSES: u32 = 0x3f00;
    /// `THREAD_QOS_MIN_TIER_IMPORTANCE`.
    const LEAST: i32 = -15;
    let relative = i32::from(priority as i8).wrapping_add(1);
    priority & CLASSES != 0 && (LEAST..=0).contains(&relative)
}

/// `bsdthread_terminate`: ends the calling thread, after its stack was given back. Whoever joins it is told at a semaphore
/// or, where the word is no port's name, at that address. The stack of the first thread only becomes inaccessible.
///
/// What is told of the thread's end is told a moment before it, when nothing of the thread is left but the core.
pub fn bsdthread_terminate<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    stack: UserAddr,
    size: usize,
    port: u32,
    joiner: UserAddr,
) -> SysResult<Unchanged> {
    if cx.thread.is_none() {
        return Err(Errno::ENOTSUP);
    }
    if !stack.is_null() && size != 0 {
        give_back(cx, stack, size);
    }
    let (kernel, lkm) = (cx.kernel(), cx.lkm());
    // Names of ports end in two set bits, and addresses of words do not.
    let is_word = joiner.get() != 0 && joiner.get() != u64::from(joiner.get() as u32 | 3);
    if joiner.get() != 0 && !is_word {
        let mut args = SemaphoreSignalArgs { signal: joiner.get() as u32 };
        // What is no semaphore cannot be told.
        let _ = lkm.call_raw(Trap::SemaphoreSignalTrap, TrapArg::Struct(args.as_mut_bytes()));
    }
    if port != 0 {
        mach::give_up(lkm, port);
    }
    // Where nobody knows threads there is none to forget.
    let _ = lkm.call_raw(Trap::ThreadDeathAnnounce, TrapArg::None);
    if is_word {
        let word = Futex { word: joiner, is_shared: false };
        // A word that nobody waits at is nobody's loss.
        let _ = word.wake(kernel, i32::MAX as u32, ANYBODY);
    }
    Ok(Unchanged)
}

/// Unmaps a thread's stack. No error is told, as on XNU.
#[inline(never)]
fn give_back<K: Kernel, L>(cx: &Context<'_, K, L>, stack: UserAddr, size: usize) {
    const PROT_NONE: u32 = 0;
    let kernel = cx.kernel();
    let is_first = linux::process::gettid(kernel) == linux::process::getpid(kernel);
    // The first thread's keeps its last page: what it was started with is there.
    let size = if is_first { size.wrapping_sub(1) & !(PAGE as usize).wrapping_sub(1) } else { size };
    let Some(pages) = pages(stack, size).filter(|pages| !pages.is_empty()) else { return };
    for piece in cx.process.reserved.outside(pages) {
        let length = piece.end.wrapping_sub(piece.start) as usize;
        let start = UserAddr::new(piece.start);
        let _ = if is_first {
            linux::memory::mprotect(kernel, start, length, PROT_NONE)
        } else {
            linux::memory::munmap(kernel, start, length)
        };
    }
}

/// The commands of `bsdthread_ctl` (`bsd/pthread/bsdthread_private.h`).
mod control {
    pub(super) const SET_QOS: u64 = 0x10;
    pub(super) const QOS_OVERRIDE_START: u64 = 0x40;
    pub(super) const QOS_OVERRIDE_END: u64 = 0x80;
    pub(super) const SET_SELF: u64 = 0x100;
    pub(super) const QOS_OVERRIDE_RESET: u64 = 0x200;
    pub(super) const QOS_OVERRIDE_DISPATCH: u64 = 0x400;
    pub(super) const QOS_DISPATCH_ASYNCHRONOUS_OVERRIDE_ADD: u64 = 0x401;
    pub(super) const QOS_DISPATCH_ASYNCHRONOUS_OVERRIDE_RESET: u64 = 0x402;
    pub(super) const QOS_MAX_PARALLELISM: u64 = 0x800;
    pub(super) const WORKQ_ALLOW_KILL: u64 = 0x1000;
    pub(super) const WORKQ_ALLOW_SIGMASK: u64 = 0x4000;
}

/// `bsdthread_ctl` (`bsd/pthread/pthread_workqueue.c`) of threads none of which is a work queue's. Classes of service are
/// checked and not acted on.
pub fn bsdthread_ctl<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    command: UserAddr,
    first: UserAddr,
    second: UserAddr,
    third: UserAddr,
) -> SysResult<i32> {
    let [first, second, third] = [first, second, third].map(UserAddr::get);
    match command.get() {
        control::QOS_OVERRIDE_START => has_class(second).and_then(|()| is_thread(cx, first as u32)),
        control::QOS_OVERRIDE_END if third != 0 => Err(Errno::EINVAL),
        control::QOS_OVERRIDE_END => is_thread(cx, first as u32),
        control::QOS_OVERRIDE_DISPATCH => {
            has_class(second).and_then(|()| is_thread(cx, first as u32)).and(Err(Errno::EPERM))
        }
        control::QOS_OVERRIDE_RESET => Err(Errno::EPERM),
        control::SET_SELF => set_self(first, second as u32, third as u32),
        control::QOS_MAX_PARALLELISM if third != 0 => Err(Errno::EINVAL),
        control::QOS_MAX_PARALLELISM => {
            parallelism(first as u8, second)?;
            return Ok(linux::process::processors(cx.kernel()).to_bsd()? as i32);
        }
        control::WORKQ_ALLOW_KILL if second != 0 || third != 0 => Err(Errno::EINVAL),
        control::WORKQ_ALLOW_KILL => Ok(()),
        control::WORKQ_ALLOW_SIGMASK if first as u32 & WORKQ_MASK != 0 => Err(Errno::EINVAL),
        control::WORKQ_ALLOW_SIGMASK => Ok(()),
        control::SET_QOS
        | control::QOS_DISPATCH_ASYNCHRONOUS_OVERRIDE_ADD
        | control::QOS_DISPATCH_ASYNCHRONOUS_OVERRIDE_RESET => Err(Errno::ENOTSUP),
        _ => Err(Errno::EINVAL),
    }
    .map(|()| 0)
}

/// Signals that threads of work queues always take (`workq_threadmask`): those of faults, `SIGPIPE`, `SIGSYS`, `SIGPROF`,
/// `SIGKILL` and `SIGSTOP`.
const WORKQ_MASK: u32 = 0x0401_1fd8;

fn has_class(priority: u64) -> SysResult<()> {
    const CLASSES: u64 = 0x3f00;
    if priority & CLASSES == 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

/// Whether a name is that of a thread's port.
fn is_thread<K: Kernel, L: Lkm>(cx: &Context<'_, K, L>, name: u32) -> SysResult<()> {
    match cx.lkm().call_raw(Trap::TidForThread, TrapArg::Value(name as i32 as usize)) {
        Ok(tid) if tid as i32 > 0 => Ok(()),
        _ => Err(Errno::ESRCH),
    }
}

/// `bsdthread_set_self`.
fn set_self(priority: u64, voucher: u32, wanted: u32) -> SysResult<()> {
    const QOS: u32 = 0x01;
    const VOUCHER: u32 = 0x02;
    const KEVENT_UNBIND: u32 = 0x10;
    const QOS_OVERRIDE: u32 = 0x40;
    const OVERRIDE_CLASSES: u64 = 0x003f_c000;
    let overrides = priority & OVERRIDE_CLASSES != 0;
    // Only threads of work queues are cooperative, and only those may say what of their class is an override.
    let is_good = is_class_of_service(priority as u32) && !overrides && wanted & QOS_OVERRIDE == 0;
    let bad_class = wanted & (QOS | QOS_OVERRIDE) != 0 && !is_good;
    // There is no voucher but none.
    let bad_voucher = wanted & VOUCHER != 0 && voucher != 0;
    match (bad_class, bad_voucher) {
        (true, true) => Err(Errno::EBADMSG),
        _ if wanted & KEVENT_UNBIND != 0 => Err(Errno::EINVAL),
        (true, false) => Err(Errno::EINVAL),
        (false, true) => Err(Errno::ENOENT),
        (false, false) => Ok(()),
    }
}

/// `bsdthread_get_max_parallelism`: whether the question is one.
fn parallelism(class: u8, how: u64) -> SysResult<()> {
    const COUNT_LOGICAL: u64 = 1;
    const REALTIME: u64 = 2;
    const CLUSTER_SHARED_RESOURCE: u64 = 4;
    /// `THREAD_QOS_LAST`.
    const CLASSES_END: u8 = 7;
    if how & !(COUNT_LOGICAL | REALTIME | CLUSTER_SHARED_RESOURCE) != 0 {
        return Err(Errno::EINVAL);
    }
    if how & CLUSTER_SHARED_RESOURCE != 0 {
        return Err(Errno::ENOTSUP);
    }
    let is_class = (1..CLASSES_END).contains(&class);
    if is_class == (how & REALTIME != 0) || class >= CLASSES_END { Err(Errno::EINVAL) } else { Ok(()) }
}
