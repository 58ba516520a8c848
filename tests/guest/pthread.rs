//! Threads of guests, as a C library makes them: a `pthread_t` with the thread's slots, a stack, a semaphore to be joined by.
#![allow(dead_code)]

use crate::messages::{COPY_SEND, MAKE_SEND_ONCE, REPLY_PORT, receive, send, task};
use crate::support::{PAGE, SysResult, bsd, ensure, mach, map_pages, nr};
use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

pub const CREATE: u64 = 360;
pub const TERMINATE: u64 = 361;
pub const REGISTER: u64 = 366;
pub const SELF_ID: u64 = 372;
pub const PTHREAD_KILL: u64 = 328;

pub const THREAD_SELF: u64 = 27;
pub const SIGNAL: u64 = 33;
pub const SIGNAL_ALL: u64 = 34;
pub const WAIT: u64 = 36;
pub const WAIT_SIGNAL: u64 = 37;
pub const TIMEDWAIT: u64 = 38;
pub const KERN_TIMED_OUT: u64 = 49;

pub const START_CUSTOM: u64 = 0x0100_0000;
pub const START_TSD_BASE_SET: u64 = 0x1000_0000;
pub const START_SUSPENDED: u64 = 0x2000_0000;

/// From a `pthread_t` to its slots, and the slot of the port's name.
pub const TSD: u64 = 0xe0;
pub const PORT_SLOT: u64 = 3 * 8;
pub const STACK_PAGES: u64 = 16;

/// What the kernel is told, and tells, at registration.
#[repr(C, packed)]
#[derive(Clone, Copy, Default)]
pub struct Registration {
    pub version: u64,
    pub dispatch_queue_offset: u64,
    pub main_qos: u64,
    pub tsd_offset: u32,
    pub return_to_kernel_offset: u32,
    pub mach_thread_self_offset: u32,
    pub stack_addr_hint: u64,
    pub mutex_default_policy: u32,
    pub joinable_offset_bits: u32,
    pub wq_quantum_expiry_offset: u32,
}

/// What a thread runs, with its argument.
pub type Work = fn(u64);

/// A `pthread_t`: at its start what the thread is, further on its slots.
#[repr(C)]
pub struct Pthread {
    pub stack: u64,
    pub joiner: u64,
    pub id: u64,
    pub port: AtomicU32,
    pub flags: u32,
}

unsafe extern "C" {
    fn thread_start();
}

global_asm!(
    ".globl thread_start",
    "thread_start:",
    // The stack is as it was given.
    "cmp rsp, r8",
    "jne 9f",
    "push 0",
    "push rbp",
    "mov rbp, rsp",
    "call {begin}",
    "9:",
    "ud2",
    begin = sym begin,
);

/// Registers as the C library does; ends the guest where that does not work.
pub fn register() {
    let answer = try_register();
    ensure!(120, answer.is_ok(), "registered: {answer:?}");
}

pub fn try_register() -> SysResult {
    let mut data = registration();
    let at = &raw mut data as u64;
    let size = size_of::<Registration>() as u64;
    bsd(REGISTER, [thread_start as *const () as u64, 0, 2 * PAGE, at, size, 0])
}

pub fn registration() -> Registration {
    Registration {
        version: size_of::<Registration>() as u64,
        tsd_offset: TSD as u32,
        mach_thread_self_offset: PORT_SLOT as u32,
        ..Registration::default()
    }
}

/// A slot of the calling thread.
pub fn slot(offset: u64) -> u64 {
    let value: u64;
    // SAFETY: the kernel set `gs` to the slots of a `pthread_t`.
    unsafe { asm!("mov {}, gs:[{}]", out(reg) value, in(reg) offset, options(nostack, readonly)) };
    value
}

extern "C" fn begin(pthread: u64, port: u64, func: u64, arg: u64, stack: u64, flags: u64) -> ! {
    // SAFETY: what `spawn` made for this thread.
    let own = unsafe { &mut *(pthread as *mut Pthread) };
    own.id = bsd(SELF_ID, []).map_or(0, |(id, _)| id);
    own.flags = flags as u32;
    own.port.store(port as u32, SeqCst);
    ensure!(121, own.stack + STACK_PAGES * PAGE == stack, "the stack is at {stack:#x}");
    ensure!(122, slot(0) == pthread, "the slots are not the thread's");
    ensure!(123, slot(PORT_SLOT) == port, "the slot of the port has {:#x}, not {port:#x}", slot(PORT_SLOT));
    // SAFETY: the function that `spawn` was given.
    let func: Work = unsafe { core::mem::transmute(func) };
    func(arg);
    terminate(own)
}

/// Ends the calling thread.
pub fn terminate(own: &Pthread) -> ! {
    let port = u64::from(own.port.load(SeqCst));
    let _ = bsd(TERMINATE, [own.stack, STACK_PAGES * PAGE, port, own.joiner]);
    // SAFETY: a thread that has ended does not come here; where it does, that is `SIGILL`.
    unsafe { asm!("ud2", options(noreturn)) }
}

/// Begins a thread.
pub fn spawn(func: Work, arg: u64) -> &'static Pthread {
    spawn_with(func, arg, START_CUSTOM)
}

pub fn spawn_with(func: Work, arg: u64, flags: u64) -> &'static Pthread {
    spawn_told(func, arg, flags, semaphore(0))
}

/// The same for a thread whose end is told at a semaphore or a word.
pub fn spawn_told(func: Work, arg: u64, flags: u64, joiner: u64) -> &'static Pthread {
    let pthread = map_pages(2, 3);
    let stack = map_pages(STACK_PAGES, 3);
    let own = Pthread { stack, joiner, id: 0, port: AtomicU32::new(0), flags: 0 };
    // SAFETY: fresh memory, large enough; the first slot is the `pthread_t` itself.
    unsafe {
        (pthread as *mut Pthread).write(own);
        ((pthread + TSD) as *mut u64).write(pthread);
    }
    let made = bsd(CREATE, [func as *const () as u64, arg, stack + STACK_PAGES * PAGE, pthread, flags]);
    ensure!(124, made == Ok((pthread, 0)), "a thread at {pthread:#x}: {made:x?}");
    // SAFETY: written above, and unmapped by `join` alone.
    unsafe { &*(pthread as *const Pthread) }
}

/// The name of a thread's port, as the kernel left it for whoever made the thread.
pub fn port_of(thread: &Pthread) -> u64 {
    // SAFETY: a slot of the `pthread_t`.
    unsafe { ((&raw const *thread as u64 + TSD + PORT_SLOT) as *const u64).read_volatile() }
}

/// Waits for the end of a thread.
pub fn join(thread: &'static Pthread) {
    let joined = mach(WAIT, [thread.joiner]);
    ensure!(125, joined == 0, "joined: {joined}");
    destroy(thread.joiner);
    let gone = bsd(nr::MUNMAP, [&raw const *thread as u64, 2 * PAGE]);
    ensure!(126, gone.is_ok(), "a pthread_t stays: {gone:?}");
}

/// `semaphore_create`.
pub fn semaphore(value: u32) -> u64 {
    let reply = mach(REPLY_PORT, []) as u32;
    let bits = COPY_SEND | MAKE_SEND_ONCE << 8;
    let sent = send(&[bits, 40, task() as u32, reply, 0, 3418, 0, 1, 0, value]);
    ensure!(127, sent == 0, "asked for a semaphore: {sent:#x}");
    let answer = receive(u64::from(reply), Some(1000)).unwrap_or([0; 32]);
    ensure!(128, answer[5] == 3518, "no semaphore: {answer:x?}");
    crate::messages::drop_receive(u64::from(reply));
    u64::from(answer[7])
}

/// `semaphore_destroy`.
pub fn destroy(semaphore: u64) {
    let reply = mach(REPLY_PORT, []) as u32;
    let bits = COPY_SEND | MAKE_SEND_ONCE << 8 | crate::messages::COMPLEX;
    let sent = send(&[bits, 40, task() as u32, reply, 0, 3419, 1, semaphore as u32, 0, 17 << 16]);
    ensure!(129, sent == 0, "asked to destroy: {sent:#x}");
    let answer = receive(u64::from(reply), Some(1000)).unwrap_or([0; 32]);
    ensure!(130, answer[5] == 3519 && answer[8] == 0, "not destroyed: {answer:x?}");
    crate::messages::drop_receive(u64::from(reply));
}
