//! Threads: how they begin and end, what each has of its own, what they share, and processes in which there are many.
//!
//! Without an argument everything that ends well; `exit`, `last` and `exec` are ends of the process that another thread
//! than the first brings about.
#![no_std]
#![no_main]
mod messages;
mod pthread;
mod support;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use pthread::{
    CREATE, PTHREAD_KILL, Pthread, REGISTER, SELF_ID, START_CUSTOM, START_SUSPENDED, START_TSD_BASE_SET,
    THREAD_SELF, TSD, WAIT, destroy, join, port_of, register, semaphore, slot, spawn, spawn_told, spawn_with,
};
use support::{Args, EFAULT, EINVAL, PAGE, bsd, ensure, exit, mach, map_pages, nr, println, text};

support::unixthread!(main);

const FORK: u64 = 2;
const WAIT4: u64 = 7;
const SIGALTSTACK: u64 = 53;
const EXECVE: u64 = 59;
const SELECT: u64 = 93;
const GETRUSAGE: u64 = 117;
const BSDTHREAD_CTL: u64 = 478;
const PTHREAD_SIGMASK: u64 = 329;
const SIG_BLOCK: u64 = 1;
const SIG_SETMASK: u64 = 3;
const SIGUSR1: u64 = 30;
const SIGUSR2: u64 = 31;
const SA_ONSTACK: u32 = 1;
const ESRCH: u64 = 3;
const THREADS: usize = 16;
const CYCLES: u64 = 10_000;

fn main(args: &Args) -> i32 {
    match args.arg(1) {
        Some("exit") => from_another(|code| exit(code as i32), args.number(2, 0)),
        Some("last") => last(),
        Some("exec") => executes(args),
        _ => all(),
    }
}

fn all() -> i32 {
    registration();
    counting();
    ports();
    signals();
    stacks();
    forks();
    controls();
    words();
    cycles();
    println!("threads work");
    0
}

/// A thread does something that this one waits for in vain.
fn from_another(work: fn(u64), arg: u64) -> i32 {
    register();
    spawn(work, arg);
    let never = semaphore(0);
    mach(WAIT, [never]);
    77
}

/// The first thread ends; another one goes on for a while, and then the process ends well.
fn last() -> i32 {
    register();
    spawn(
        |_| {
            nap(20_000);
            let own = bsd(nr::GETPID, []);
            ensure!(1, bsd(FORK, []).is_ok_and(|(_, child)| child == 0 || ends_child()), "no fork");
            let mut status = 0u32;
            let waited = bsd(WAIT4, [u64::MAX, &raw mut status as u64, 0, 0]);
            ensure!(2, waited.is_ok() && status == 9 << 8, "the child: {waited:x?} {status:#x}");
            ensure!(3, bsd(nr::GETPID, []) == own, "another process");
            println!("the last one");
        },
        0,
    );
    let _ = bsd(pthread::TERMINATE, [0, 0, 0, 0]);
    78
}

fn ends_child() -> bool {
    exit(9)
}

/// Another program, in the place of all threads.
fn executes(args: &Args) -> i32 {
    static PATH: AtomicU64 = AtomicU64::new(0);
    let mut argv = args.argv;
    PATH.store(argv.nth(2).map_or(0, |path| path as u64), SeqCst);
    from_another(
        |_| {
            let path = PATH.load(SeqCst);
            let argv = [path, c"6".as_ptr() as u64, 0];
            let missing = bsd(EXECVE, [c"/nowhere".as_ptr() as u64, argv.as_ptr() as u64, 0]);
            ensure!(5, missing == Err(2), "nothing was executed: {missing:?}");
            let failed = bsd(EXECVE, [path, argv.as_ptr() as u64, 0]);
            ensure!(6, false, "{} is not executed: {failed:?}", text(path as *const u8));
        },
        0,
    )
}

fn nap(microseconds: u64) {
    let time = [0, microseconds];
    let _ = bsd(SELECT, [0, 0, 0, 0, time.as_ptr() as u64]);
}

fn registration() {
    let early = bsd(CREATE, [1, 2, 3, 4, START_CUSTOM]);
    ensure!(10, early == Err(EINVAL), "a thread before the registration: {early:?}");
    let mut data = pthread::registration();
    let size = size_of_val(&data) as u64;
    let mut register_with = |pthread_size: u64, at: u64, length: u64| {
        data.version = size;
        let at = if at == 1 { &raw mut data as u64 } else { at };
        bsd(REGISTER, [1, 2, pthread_size, at, length, 0])
    };
    let wrong = [
        (register_with(u64::MAX, 0, 0), EINVAL),
        (register_with(0x1_0001, 1, size), EINVAL),
        (register_with(PAGE, 1, size - 8), EINVAL),
        (register_with(PAGE, 1, 7), EINVAL),
        (register_with(PAGE, 8, size), EFAULT),
    ];
    for (index, (answer, error)) in wrong.into_iter().enumerate() {
        ensure!(11, answer == Err(error), "registration {index}: {answer:x?}");
    }
    let features = pthread::try_register();
    ensure!(12, features == Ok((0x4000_01df, 0)), "registered: {features:x?}");
    let again = pthread::try_register();
    ensure!(13, again == Err(EINVAL), "registered again: {again:x?}");
    let plain = bsd(CREATE, [1, 2, 3, 4, 0]);
    ensure!(14, plain == Err(EINVAL), "a thread without a stack: {plain:?}");
}

static COUNT: AtomicU64 = AtomicU64::new(0);

fn counting() {
    const EACH: u64 = 2000;
    let work = |arg: u64| {
        let own = slot(0);
        let parent = bsd(nr::GETPPID, []);
        for _ in 0..EACH {
            COUNT.fetch_add(arg, SeqCst);
            ensure!(20, bsd(nr::GETPPID, []) == parent, "another parent");
            ensure!(21, slot(0) == own, "another thread's slots");
        }
    };
    let threads: [_; THREADS] = core::array::from_fn(|index| spawn(work, index as u64));
    for thread in threads {
        join(thread);
    }
    let (count, wanted) = (COUNT.load(SeqCst), EACH * (THREADS * (THREADS - 1) / 2) as u64);
    ensure!(22, count == wanted, "{count} were counted, not {wanted}");
}

/// Numbers and ports tell threads apart.
fn ports() {
    static GATE: AtomicU64 = AtomicU64::new(0);
    GATE.store(semaphore(0), SeqCst);
    let work = |_| {
        let own = mach(THREAD_SELF, []);
        ensure!(30, own == slot(pthread::PORT_SLOT), "its port is {own:#x}");
        let waited = mach(WAIT, [GATE.load(SeqCst)]);
        ensure!(31, waited == 0, "waited: {waited}");
    };
    let threads: [_; 4] = [(); 4].map(|()| spawn(work, 0));
    let own = mach(THREAD_SELF, []);
    for (index, thread) in threads.iter().enumerate() {
        let port = port_of(thread);
        let known = threads[..index].iter().any(|other| port_of(other) == port);
        ensure!(32, port != own && port != 0 && !known, "thread {index} has the port {port:#x}");
        ensure!(33, bsd(PTHREAD_KILL, [port, 0]).is_ok(), "thread {index} is not there");
        ensure!(34, messages::kinds(port) == 0x1_0000, "a port of {:#x}", messages::kinds(port));
    }
    for _ in threads {
        ensure!(35, mach(pthread::SIGNAL, [GATE.load(SeqCst)]) == 0, "not signalled");
    }
    let ports = threads.map(port_of);
    let first = bsd(SELF_ID, []).map_or(0, |(id, _)| id);
    for thread in threads {
        let flags = u64::from(thread.flags);
        wait_for_id(thread);
        ensure!(36, thread.id != first, "two threads are {first}");
        ensure!(37, flags == 0 || flags == START_CUSTOM | START_TSD_BASE_SET, "the flags are {flags:#x}");
        join(thread);
    }
    for port in ports {
        let mut tries = 0;
        // A moment after it told that it ends.
        while bsd(PTHREAD_KILL, [port, 0]) != Err(ESRCH) {
            tries += 1;
            ensure!(38, tries < 1000, "port {port:#x} is still a thread's");
            nap(1000);
        }
    }
    destroy(GATE.load(SeqCst));
}

fn wait_for_id(thread: &Pthread) {
    while thread.port.load(SeqCst) == 0 {
        nap(100);
    }
}

#[repr(C)]
struct Action {
    handler: u64,
    trampoline: u64,
    mask: u32,
    flags: u32,
}

core::arch::global_asm!(
    ".globl trampoline",
    "trampoline:",
    "push r8",
    "push r9",
    "push rsi",
    "mov rax, rdi",
    "mov edi, edx",
    "call rax",
    "pop rsi",
    "pop rdx",
    "pop rdi",
    "mov eax, 0x20000b8",
    "syscall",
    "ud2",
);

unsafe extern "C" {
    fn trampoline();
}

static CAUGHT_BY: AtomicU64 = AtomicU64::new(0);
static CAUGHT: AtomicU32 = AtomicU32::new(0);
static STACK: AtomicU64 = AtomicU64::new(0);

extern "C" fn caught(_: u64) {
    let here = 0u8;
    STACK.store(&raw const here as u64, SeqCst);
    CAUGHT_BY.store(bsd(SELF_ID, []).map_or(0, |(id, _)| id), SeqCst);
    CAUGHT.fetch_add(1, SeqCst);
}

fn catch(signal: u64, flags: u32) {
    let handler = caught as extern "C" fn(u64) as u64;
    let action = Action { handler, trampoline: trampoline as *const () as u64, mask: 0, flags };
    let set = bsd(nr::SIGACTION, [signal, &raw const action as u64, 0]);
    ensure!(40, set.is_ok(), "sigaction: {set:?}");
}

const fn bit(signal: u64) -> u32 {
    1 << (signal - 1)
}

fn set_mask(how: u64, mask: u32) -> u32 {
    let mut old = 0u32;
    let set = bsd(PTHREAD_SIGMASK, [how, &raw const mask as u64, &raw mut old as u64]);
    ensure!(41, set.is_ok(), "a mask: {set:?}");
    old
}

/// A signal finds the thread it is for, whether that computes, waits or does not want it now. Masks are inherited.
fn signals() {
    static DONE: AtomicU64 = AtomicU64::new(0);
    catch(SIGUSR1, 0);
    catch(SIGUSR2, 0);
    set_mask(SIG_SETMASK, bit(SIGUSR2));
    DONE.store(semaphore(0), SeqCst);
    let computes = |_| while CAUGHT.load(SeqCst) == 0 {};
    let waits = |_| {
        let mask = set_mask(SIG_BLOCK, 0);
        ensure!(42, mask == bit(SIGUSR2), "the mask is {mask:#x}");
        let waited = mach(WAIT, [DONE.load(SeqCst)]);
        // KERN_ABORTED.
        ensure!(43, waited == 14, "waited: {waited}");
    };
    for work in [computes as fn(u64), waits] {
        CAUGHT.store(0, SeqCst);
        let thread = spawn(work, 0);
        wait_for_id(thread);
        let port = port_of(thread);
        ensure!(44, bsd(PTHREAD_KILL, [port, SIGUSR2]).is_ok(), "not sent");
        nap(5000);
        ensure!(45, CAUGHT.load(SeqCst) == 0, "it came through the mask");
        let id = thread.id;
        ensure!(46, bsd(PTHREAD_KILL, [port, SIGUSR1]).is_ok(), "not sent");
        join(thread);
        let by = CAUGHT_BY.load(SeqCst);
        ensure!(47, by == id && CAUGHT.load(SeqCst) == 1, "{by} caught it, not {id}");
    }
    // One for the process goes to a thread that wants it.
    CAUGHT.store(0, SeqCst);
    set_mask(SIG_SETMASK, bit(SIGUSR1));
    let thread = spawn(
        |_| {
            set_mask(SIG_SETMASK, 0);
            computes_until_caught();
        },
        0,
    );
    wait_for_id(thread);
    let id = thread.id;
    ensure!(48, bsd(nr::KILL, [bsd(nr::GETPID, []).map_or(0, |(pid, _)| pid), SIGUSR1, 1]).is_ok(), "kill");
    join(thread);
    ensure!(49, CAUGHT_BY.load(SeqCst) == id, "another thread caught it");
    set_mask(SIG_SETMASK, 0);
    destroy(DONE.load(SeqCst));
}

fn computes_until_caught() {
    while CAUGHT.load(SeqCst) == 0 {}
}

/// Each thread has an alternate stack of its own.
fn stacks() {
    catch(SIGUSR1, SA_ONSTACK);
    for _ in 0..2 {
        CAUGHT.store(0, SeqCst);
        let thread = spawn(
            |_| {
                let stack = map_pages(8, 3);
                let set = bsd(SIGALTSTACK, [[stack, 8 * PAGE, 0].as_ptr() as u64, 0]);
                ensure!(50, set.is_ok(), "no stack: {set:?}");
                let sent = bsd(PTHREAD_KILL, [slot(pthread::PORT_SLOT), SIGUSR1]);
                ensure!(51, sent.is_ok() && CAUGHT.load(SeqCst) == 1, "not caught: {sent:?}");
                let at = STACK.load(SeqCst);
                ensure!(52, (stack..stack + 8 * PAGE).contains(&at), "caught at {at:#x}, not {stack:#x}");
            },
            0,
        );
        join(thread);
    }
    let mut own = [7u64; 3];
    let got = bsd(SIGALTSTACK, [0, own.as_mut_ptr() as u64]);
    ensure!(53, got.is_ok() && own[2] as u32 == 4, "this thread has a stack: {own:x?}");
}

/// A child has the thread that forked and no other, and may have new ones.
fn forks() {
    static STOP: AtomicU32 = AtomicU32::new(0);
    let busy: [_; 3] = [(); 3].map(|()| {
        spawn(
            |_| {
                while STOP.load(SeqCst) == 0 {
                    messages::drop_receive(messages::port());
                }
            },
            0,
        )
    });
    for _ in 0..10 {
        let thread = spawn(
            |_| {
                let own = slot(0);
                let forked = bsd(FORK, []);
                if let Ok((_, 1)) = forked {
                    ensure!(60, slot(0) == own, "the child has other slots");
                    STOP.store(2, SeqCst);
                    COUNT.store(0, SeqCst);
                    let threads = [1, 2, 3].map(|n| {
                        spawn(
                            |n| {
                                COUNT.fetch_add(n, SeqCst);
                            },
                            n,
                        )
                    });
                    for thread in threads {
                        join(thread);
                    }
                    ensure!(61, COUNT.load(SeqCst) == 6, "the child's threads did not run");
                    exit(7);
                }
                let mut status = 0u32;
                let pid = forked.map_or(0, |(pid, _)| pid);
                let waited = bsd(WAIT4, [pid, &raw mut status as u64, 0, 0]);
                ensure!(62, waited == Ok((pid, 0)), "the child: {waited:x?}");
                ensure!(63, status == 7 << 8, "the child's status is {status:#x}");
            },
            0,
        );
        join(thread);
    }
    STOP.store(1, SeqCst);
    for thread in busy {
        join(thread);
    }
}

fn controls() {
    let own = mach(THREAD_SELF, []);
    let cases: [([u64; 4], Result<(u64, u64), u64>); 12] = [
        ([0x40, own, 0x08ff, 0], Ok((0, 0))),
        ([0x40, own, 0xff, 0], Err(EINVAL)),
        ([0x40, 0x1234_5603, 0x08ff, 0], Err(ESRCH)),
        ([0x80, own, 0, 0], Ok((0, 0))),
        ([0x80, own, 0, 1], Err(EINVAL)),
        ([0x400, own, 0x08ff, 0], Err(1)),
        ([0x200, 0, 0, 0], Err(1)),
        ([0x100, 0x08ff, 0, 1], Ok((0, 0))),
        ([0x100, 0, 0, 1], Err(EINVAL)),
        ([0x10, 0, 0, 0], Err(45)),
        ([0x1000, 1, 0, 0], Ok((0, 0))),
        ([0x20, 0, 0, 0], Err(EINVAL)),
    ];
    for (words, wanted) in cases {
        let got = bsd(BSDTHREAD_CTL, words);
        ensure!(70, got == wanted, "bsdthread_ctl {words:x?} is {got:x?}, not {wanted:x?}");
    }
    let cpus = bsd(BSDTHREAD_CTL, [0x800, 6, 1, 0]);
    ensure!(71, cpus.is_ok_and(|(cpus, _)| (1..=4096).contains(&cpus)), "processors: {cpus:?}");
}

const ULOCK_WAIT: u64 = 515;
const ULOCK_WAKE: u64 = 516;
const COMPARE_AND_WAIT: u64 = 1;
const UNFAIR_LOCK: u64 = 2;
const COMPARE_AND_WAIT64: u64 = 5;
const WAKE_ALL: u64 = 0x100;
const WAKE_THREAD: u64 = 0x200;
const NO_ERRNO: u64 = 0x0100_0000;
const ETIMEDOUT: u64 = 60;
const EOWNERDEAD: u64 = 105;

/// A lock: 0 is free, 1 is held, 2 is waited for.
static LOCK: AtomicU32 = AtomicU32::new(0);
static GATE: AtomicU64 = AtomicU64::new(0);
static END: AtomicU32 = AtomicU32::new(1);

fn address<T>(of: &T) -> u64 {
    of as *const T as u64
}

fn locked(work: impl FnOnce()) {
    if LOCK.compare_exchange(0, 1, SeqCst, SeqCst).is_err() {
        while LOCK.swap(2, SeqCst) != 0 {
            let waited = bsd(ULOCK_WAIT, [COMPARE_AND_WAIT | NO_ERRNO, address(&LOCK), 2, 0]);
            ensure!(90, waited.is_ok_and(|(left, _)| (left as i32) >= 0), "waited: {waited:x?}");
        }
    }
    work();
    if LOCK.swap(0, SeqCst) == 2 {
        let woken = bsd(ULOCK_WAKE, [COMPARE_AND_WAIT, address(&LOCK), 0]);
        ensure!(91, matches!(woken, Ok((0, 0)) | Err(2)), "woken: {woken:x?}");
    }
}

/// Waiting at words: a lock, a gate of 64 bits that all wait at, a certain thread, and the end of one.
fn words() {
    static SHARED: AtomicU64 = AtomicU64::new(0);
    const EACH: u64 = 5000;
    let work = |_| {
        for _ in 0..EACH {
            locked(|| SHARED.store(SHARED.load(SeqCst) + 1, SeqCst));
        }
    };
    let threads: [_; 4] = [(); 4].map(|()| spawn(work, 0));
    for thread in threads {
        join(thread);
    }
    ensure!(92, SHARED.load(SeqCst) == 4 * EACH, "{} in all", SHARED.load(SeqCst));

    let wide = 7 << 32;
    GATE.store(wide, SeqCst);
    COUNT.store(0, SeqCst);
    let waits = |wide| {
        COUNT.fetch_add(1, SeqCst);
        while GATE.load(SeqCst) == wide {
            let _ = bsd(ULOCK_WAIT, [COMPARE_AND_WAIT64, address(&GATE), wide, 0]);
        }
    };
    let threads: [_; 4] = [(); 4].map(|()| spawn(waits, wide));
    while COUNT.load(SeqCst) < 4 {
        nap(100);
    }
    nap(2000);
    let certain = bsd(ULOCK_WAKE, [COMPARE_AND_WAIT64 | WAKE_THREAD, address(&GATE), port_of(threads[2])]);
    ensure!(93, certain == Ok((0, 0)), "one thread: {certain:x?}");
    let nobody = bsd(ULOCK_WAKE, [COMPARE_AND_WAIT64 | WAKE_THREAD, address(&GATE), 0x1234_5603]);
    ensure!(94, nobody == Err(ESRCH), "no thread: {nobody:x?}");
    GATE.store(0, SeqCst);
    let woken = bsd(ULOCK_WAKE, [COMPARE_AND_WAIT64 | WAKE_ALL, address(&GATE), 0]);
    ensure!(95, matches!(woken, Ok((0, 0)) | Err(2)), "all: {woken:x?}");
    for thread in threads {
        join(thread);
    }

    let mut word = 5u32;
    let late = bsd(ULOCK_WAIT, [COMPARE_AND_WAIT, &raw mut word as u64, 5, 2000]);
    ensure!(96, late == Err(ETIMEDOUT), "nobody wakes: {late:x?}");
    word = 0x1234_5600;
    let dead = bsd(ULOCK_WAIT, [UNFAIR_LOCK, &raw mut word as u64, word.into(), 2000]);
    ensure!(97, dead == Err(EOWNERDEAD), "nobody holds it: {dead:x?}");

    let ends = |_| {
        nap(2000);
        END.store(0, SeqCst);
    };
    let thread = spawn_told(ends, 0, START_CUSTOM, address(&END));
    while END.load(SeqCst) != 0 {
        let _ = bsd(ULOCK_WAIT, [COMPARE_AND_WAIT, address(&END), 1, 0]);
    }
    let _ = bsd(nr::MUNMAP, [address(thread) & !(PAGE - 1), 0]);
}

/// Resident memory at most, in bytes.
fn resident() -> u64 {
    let mut usage = [0u64; 18];
    let got = bsd(GETRUSAGE, [0, usage.as_mut_ptr() as u64]);
    ensure!(80, got.is_ok(), "getrusage: {got:?}");
    usage[4]
}

/// Many threads one after the other take no more memory than a few.
fn cycles() {
    COUNT.store(0, SeqCst);
    let once = || {
        join(spawn(
            |_| {
                COUNT.fetch_add(1, SeqCst);
            },
            0,
        ));
    };
    for _ in 0..200 {
        once();
    }
    let before = resident();
    for _ in 200..CYCLES {
        once();
    }
    ensure!(81, COUNT.load(SeqCst) == CYCLES, "{} threads ran", COUNT.load(SeqCst));
    let grown = resident() - before;
    ensure!(82, grown < 1 << 20, "{grown} bytes more after {CYCLES} threads");
    // One that is suspended does not begin before it is resumed.
    let thread = spawn_with(
        |_| {
            COUNT.store(0, SeqCst);
        },
        0,
        START_CUSTOM | START_SUSPENDED,
    );
    nap(5000);
    ensure!(83, COUNT.load(SeqCst) == CYCLES, "it runs");
    resume(port_of(thread));
    join(thread);
    ensure!(84, COUNT.load(SeqCst) == 0 && TSD != 0, "it did not run");
}

fn resume(thread: u64) {
    let reply = messages::port();
    let bits = messages::COPY_SEND | messages::MAKE_SEND_ONCE << 8;
    let sent = messages::send(&[bits, 24, thread as u32, reply as u32, 0, 3606]);
    let answer = messages::receive(reply, Some(1000)).unwrap_or([7; 32]);
    ensure!(85, sent == 0 && answer[8] == 0, "resumed: {sent:#x} {answer:x?}");
    messages::drop_receive(reply);
}
