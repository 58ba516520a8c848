//! The scenarios of `scenario/` as a guest: `scenario FAMILY…` prints their transcripts. The test `twin_processes` compares
//! them with those of Linux.
#![no_std]
#![no_main]
#[path = "scenario/mod.rs"]
mod scenario;
mod support;
use core::arch::global_asm;
use core::ffi::CStr;
use scenario::signals::caught;
use scenario::system::{
    Action, Attributes, Change, Disposition, Error, FileAction, How, Limit, Outcome, Priority, Resource,
    SetId, Signal, Stack, System, Timer, UNLIMITED, Which,
};
use support::{Args, SysResult, bsd, nr};

support::unixthread!(main);

fn main(args: &Args) -> i32 {
    let mut argv = args.argv;
    let _ = argv.next();
    for name in argv {
        if !scenario::run::<Guest>(support::text(name)) {
            return 2;
        }
    }
    0
}

/// XNU's calls.
struct Guest;

/// Names of errnos (bsd/sys/errno.h).
const ERRORS: [&str; 79] = {
    let mut names = ["E?"; 79];
    names[1] = "EPERM";
    names[2] = "ENOENT";
    names[3] = "ESRCH";
    names[4] = "EINTR";
    names[5] = "EIO";
    names[7] = "E2BIG";
    names[8] = "ENOEXEC";
    names[9] = "EBADF";
    names[10] = "ECHILD";
    names[11] = "EDEADLK";
    names[12] = "ENOMEM";
    names[13] = "EACCES";
    names[14] = "EFAULT";
    names[16] = "EBUSY";
    names[17] = "EEXIST";
    names[20] = "ENOTDIR";
    names[21] = "EISDIR";
    names[22] = "EINVAL";
    names[23] = "ENFILE";
    names[24] = "EMFILE";
    names[25] = "ENOTTY";
    names[27] = "EFBIG";
    names[29] = "ESPIPE";
    names[30] = "EROFS";
    names[32] = "EPIPE";
    names[34] = "ERANGE";
    names[35] = "EAGAIN";
    names[45] = "ENOTSUP";
    names[78] = "ENOSYS";
    names
};

fn told(result: SysResult) -> Outcome<u64> {
    match result {
        Ok((value, _)) => Ok(value),
        Err(errno) => Err(Error(ERRORS.get(errno as usize).unwrap_or(&"E?"))),
    }
}

fn done(result: SysResult) -> Outcome<()> {
    told(result).map(|_| ())
}

fn number(result: SysResult) -> Outcome<i32> {
    told(result).map(|value| value as i32)
}

/// Calls the handler, then sigreturn with what the kernel handed over.
mod entry {
    use super::{Guest, Signal, caught, global_asm};

    global_asm!(
        ".globl trampoline",
        "trampoline:",
        "push r8",
        "push r9",
        "push rsi",
        "mov edi, edx",
        "mov rsi, rcx",
        "call {handler}",
        "pop rsi",
        "pop rdx",
        "pop rdi",
        "mov eax, 0x20000b8",
        "syscall",
        "ud2",
        handler = sym handler,
    );

    unsafe extern "C" {
        pub(super) fn trampoline();
    }

    /// The sender is the fourth number of `siginfo_t`.
    extern "C" fn handler(signal: i32, info: &[i32; 4]) {
        caught::<Guest>(Signal(signal as u8), info[3]);
    }
}

const SIG_IGN: u64 = 1;
const SA_SIGINFO: u32 = 0x40;
const SS_ONSTACK: i32 = 1;
const SS_DISABLE: i32 = 4;
const CLD_EXITED: i32 = 1;
const WNOHANG: u64 = 1;

/// What sigaction(46) reads, and what it writes back.
#[repr(C)]
struct NewAction {
    handler: u64,
    trampoline: u64,
    mask: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct OldAction {
    handler: u64,
    mask: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct AltStack {
    start: u64,
    length: u64,
    flags: i32,
}

#[repr(C)]
#[derive(Default)]
struct Info {
    signal: i32,
    errno: i32,
    code: i32,
    process: i32,
    user: u32,
    status: i32,
    rest: [u64; 10],
}

#[repr(C)]
struct FileActions {
    allocated: i32,
    count: i32,
    actions: [OneAction; 4],
}

/// `_psfa_action` (bsd/sys/spawn_internal.h): its path begins behind a mode of two bytes.
#[repr(C)]
#[derive(Clone, Copy)]
struct OneAction {
    kind: i32,
    descriptor: i32,
    flags_or_new: i32,
    mode: u16,
    path: [u8; 1026],
}

#[repr(C)]
struct SpawnAttributes {
    flags: u16,
    padding: u16,
    default: u32,
    mask: u32,
    group: i32,
    rest: [u32; 44],
}

fn status(status: i32) -> Change {
    let signal = |number: i32| Signal(number as u8);
    match (status & 0x7f, status >> 8) {
        (0, code) => Change::Exited(code),
        (0x7f, number) if signal(number) == Signal::CONT => Change::Continued,
        (0x7f, number) => Change::Stopped(signal(number)),
        (number, 0) if status & 0x80 != 0 => Change::Dumped(signal(number)),
        (number, 0) => Change::Killed(signal(number)),
        _ => Change::Unknown(status),
    }
}

fn resource(of: Resource) -> u64 {
    match of {
        Resource::Cpu => 0,
        Resource::FileSize => 1,
        Resource::Data => 2,
        Resource::Stack => 3,
        Resource::Core => 4,
        Resource::AddressSpace => 5,
        Resource::LockedMemory => 6,
        Resource::Processes => 7,
        Resource::Descriptors => 8,
    }
}

const RLIM_INFINITY: u64 = i64::MAX as u64;

fn priority(of: Priority) -> u64 {
    match of {
        Priority::Process => 0,
        Priority::Group => 1,
        Priority::User => 2,
    }
}

fn timer(of: Timer) -> u64 {
    match of {
        Timer::Real => 0,
        Timer::Virtual => 1,
        Timer::Profiling => 2,
    }
}

/// `struct itimerval` as (interval, first) in microseconds: the upper half of the second word of each time is padding.
fn microseconds(value: &[u64; 4]) -> (u64, u64) {
    let time = |seconds: u64, rest: u64| seconds * 1_000_000 + (rest & 0xffff_ffff);
    (time(value[0], value[1]), time(value[2], value[3]))
}

impl System for Guest {
    fn exit(code: i32) -> ! {
        support::exit(code)
    }

    fn fork() -> Outcome<i32> {
        match bsd(2, []) {
            Ok((_, 1)) => Ok(0),
            other => number(other),
        }
    }

    fn execve(path: &CStr, argv: &[*const u8], envp: &[*const u8]) -> Error {
        let result = bsd(59, [path.as_ptr() as u64, argv.as_ptr() as u64, envp.as_ptr() as u64]);
        told(result).err().unwrap_or(Error("returned"))
    }

    fn spawn(
        path: &CStr,
        actions: &[FileAction],
        attributes: &Attributes,
        argv: &[*const u8],
        envp: &[*const u8],
    ) -> Outcome<i32> {
        const SETPGROUP: u16 = 2;
        const SETSIGDEF: u16 = 4;
        const SETSIGMASK: u16 = 8;
        const SETSID: u16 = 0x400;
        let empty = OneAction { kind: 0, descriptor: 0, flags_or_new: 0, mode: 0, path: [0; 1026] };
        let mut list = FileActions { allocated: 4, count: actions.len() as i32, actions: [empty; 4] };
        for (to, action) in list.actions.iter_mut().zip(actions) {
            match *action {
                FileAction::Open(descriptor, path) => {
                    to.descriptor = descriptor;
                    to.path.iter_mut().zip(path.to_bytes()).for_each(|(to, from)| *to = *from);
                }
                FileAction::Close(descriptor) => (to.kind, to.descriptor) = (1, descriptor),
                FileAction::Dup2(from, new) => (to.kind, to.descriptor, to.flags_or_new) = (2, from, new),
            }
        }
        let flag = |is_set: bool, flag: u16| if is_set { flag } else { 0 };
        let given = SpawnAttributes {
            flags: flag(attributes.group.is_some(), SETPGROUP)
                | flag(attributes.default.is_some(), SETSIGDEF)
                | flag(attributes.mask.is_some(), SETSIGMASK)
                | flag(attributes.session, SETSID),
            padding: 0,
            default: attributes.default.unwrap_or(0),
            mask: attributes.mask.unwrap_or(0),
            group: attributes.group.unwrap_or(0),
            rest: [0; 44],
        };
        let mut description = [0u64; 18];
        description[0] = size_of::<SpawnAttributes>() as u64;
        description[1] = &raw const given as u64;
        if !actions.is_empty() {
            description[2] = (8 + size_of::<OneAction>() * actions.len()) as u64;
            description[3] = &raw const list as u64;
        }
        let mut child = 0i32;
        let (path, argv, envp) = (path.as_ptr() as u64, argv.as_ptr() as u64, envp.as_ptr() as u64);
        let child_at = &raw mut child as u64;
        told(bsd(244, [child_at, path, description.as_ptr() as u64, argv, envp])).map(|_| child)
    }

    fn getpid() -> i32 {
        number(bsd(nr::GETPID, [])).unwrap_or(-1)
    }

    fn getppid() -> i32 {
        number(bsd(nr::GETPPID, [])).unwrap_or(-1)
    }

    fn read(descriptor: i32, buffer: &mut [u8]) -> Outcome<usize> {
        let args = [descriptor as u64, buffer.as_mut_ptr() as u64, buffer.len() as u64];
        told(bsd(nr::READ, args)).map(|count| count as usize)
    }

    fn write(descriptor: i32, bytes: &[u8]) -> Outcome<usize> {
        let args = [descriptor as u64, bytes.as_ptr() as u64, bytes.len() as u64];
        told(bsd(nr::WRITE, args)).map(|count| count as usize)
    }

    fn open(path: &CStr) -> Outcome<i32> {
        number(bsd(nr::OPEN, [path.as_ptr() as u64, 0, 0]))
    }

    fn close(descriptor: i32) -> Outcome<()> {
        done(bsd(nr::CLOSE, [descriptor as u64]))
    }

    fn dup2(from: i32, to: i32) -> Outcome<i32> {
        number(bsd(90, [from as u64, to as u64]))
    }

    fn pipe() -> Outcome<(i32, i32)> {
        let result = bsd(nr::PIPE, []);
        number(result).map(|read| (read, result.map_or(-1, |(_, write)| write as i32)))
    }

    fn wait4(process: i32, options: u32) -> Outcome<Option<(i32, Change)>> {
        let mut found = 0i32;
        let args = [process as u64, &raw mut found as u64, u64::from(options), 0];
        Ok(match number(bsd(7, args))? {
            0 => None,
            process => Some((process, status(found))),
        })
    }

    fn waitid(which: Which, options: u32) -> Outcome<Option<(i32, Change)>> {
        let (kind, id) = match which {
            Which::All => (0, 0),
            Which::Process(id) => (1, id),
            Which::Group(id) => (2, id),
        };
        let mut info = Info::default();
        told(bsd(173, [kind, id as u64, &raw mut info as u64, u64::from(options)]))?;
        if info.process == 0 && u64::from(options) & WNOHANG != 0 {
            return Ok(None);
        }
        let signal = Signal(info.status as u8);
        let change = match info.code {
            _ if info.signal != i32::from(Signal::CHLD.0) => Change::Unknown(info.signal),
            CLD_EXITED => Change::Exited(info.status),
            2 => Change::Killed(signal),
            3 => Change::Dumped(signal),
            5 => Change::Stopped(signal),
            6 => Change::Continued,
            code => Change::Unknown(code),
        };
        Ok(Some((info.process, change)))
    }

    fn kill(process: i32, signal: Signal) -> Outcome<()> {
        done(bsd(nr::KILL, [process as u64, u64::from(signal.0), 1]))
    }

    fn sigaction(signal: Signal, new: Option<Action>) -> Outcome<Action> {
        let new = new.map(|action| NewAction {
            handler: match action.disposition {
                Disposition::Default => 0,
                Disposition::Ignore => SIG_IGN,
                Disposition::Catch => entry::trampoline as *const () as u64,
            },
            trampoline: entry::trampoline as *const () as u64,
            mask: action.mask,
            flags: darwin_flags(action.flags) | SA_SIGINFO,
        });
        let mut old = OldAction::default();
        let new_at = new.as_ref().map_or(0, |new| core::ptr::from_ref(new) as u64);
        told(bsd(nr::SIGACTION, [u64::from(signal.0), new_at, &raw mut old as u64]))?;
        Ok(Action {
            disposition: match old.handler {
                0 => Disposition::Default,
                SIG_IGN => Disposition::Ignore,
                _ => Disposition::Catch,
            },
            mask: old.mask,
            flags: own_flags(old.flags & !SA_SIGINFO),
        })
    }

    fn sigprocmask(how: How, mask: u32) -> Outcome<u32> {
        let how = match how {
            How::Block => 1,
            How::Unblock => 2,
            How::Set => 3,
        };
        let mut old = 0u32;
        told(bsd(48, [how, &raw const mask as u64, &raw mut old as u64])).map(|_| old)
    }

    fn sigpending() -> u32 {
        let mut set = 0u32;
        let _ = bsd(52, [&raw mut set as u64]);
        set
    }

    fn sigsuspend(mask: u32) -> Error {
        told(bsd(111, [u64::from(mask)])).err().unwrap_or(Error("returned"))
    }

    fn sigaltstack(new: Option<Stack>) -> Outcome<Stack> {
        let new = new.map(|stack| AltStack {
            start: stack.start as u64,
            length: stack.length as u64,
            flags: if stack.length == 0 { SS_DISABLE } else { 0 },
        });
        let mut old = AltStack::default();
        let new_at = new.as_ref().map_or(0, |new| core::ptr::from_ref(new) as u64);
        told(bsd(53, [new_at, &raw mut old as u64]))?;
        let length = if old.flags & SS_DISABLE != 0 { 0 } else { old.length as usize };
        Ok(Stack { start: old.start as usize, length, in_use: old.flags & SS_ONSTACK != 0 })
    }

    fn getpgid(process: i32) -> Outcome<i32> {
        number(bsd(151, [process as u64]))
    }

    fn setpgid(process: i32, group: i32) -> Outcome<()> {
        done(bsd(82, [process as u64, group as u64]))
    }

    fn getsid(process: i32) -> Outcome<i32> {
        number(bsd(310, [process as u64]))
    }

    fn setsid() -> Outcome<i32> {
        number(bsd(147, []))
    }

    fn getrlimit(of: Resource) -> Outcome<Limit> {
        let mut found = [0u64; 2];
        told(bsd(194, [resource(of), found.as_mut_ptr() as u64]))?;
        let [soft, hard] = found.map(|value| if value == RLIM_INFINITY { UNLIMITED } else { value });
        Ok(Limit { soft, hard })
    }

    fn setrlimit(of: Resource, limit: Limit) -> Outcome<()> {
        let wanted = [limit.soft, limit.hard].map(|value| value.min(RLIM_INFINITY));
        done(bsd(195, [resource(of), wanted.as_ptr() as u64]))
    }

    fn getpriority(which: Priority, who: i32) -> Outcome<i32> {
        number(bsd(100, [priority(which), who as u64]))
    }

    fn setpriority(which: Priority, who: i32, value: i32) -> Outcome<()> {
        done(bsd(96, [priority(which), who as u64, value as u64]))
    }

    fn getuid() -> u32 {
        number(bsd(24, [])).unwrap_or(-1) as u32
    }

    fn geteuid() -> u32 {
        number(bsd(25, [])).unwrap_or(-1) as u32
    }

    fn set_id(change: SetId) -> Outcome<()> {
        done(match change {
            SetId::Uid(id) => bsd(23, [id as u64]),
            SetId::Euid(id) => bsd(183, [id as u64]),
            SetId::Reuid(real, effective) => bsd(126, [real as u64, effective as u64]),
            SetId::Gid(id) => bsd(181, [id as u64]),
            SetId::Egid(id) => bsd(182, [id as u64]),
            SetId::Regid(real, effective) => bsd(127, [real as u64, effective as u64]),
        })
    }

    fn getgroups(size: i32, groups: &mut [u32; 32]) -> Outcome<usize> {
        told(bsd(79, [size as u64, groups.as_mut_ptr() as u64])).map(|count| count as usize)
    }

    fn setgroups(count: i32, groups: &[u32; 32]) -> Outcome<()> {
        done(bsd(80, [count as u64, groups.as_ptr() as u64]))
    }

    fn setitimer(which: Timer, interval_us: u64, first_us: u64) -> Outcome<(u64, u64)> {
        let split = |duration_us: u64| [duration_us / 1_000_000, duration_us % 1_000_000];
        let ([a, b], [c, d]) = (split(interval_us), split(first_us));
        let (new, mut old) = ([a, b, c, d], [0u64; 4]);
        told(bsd(83, [timer(which), new.as_ptr() as u64, old.as_mut_ptr() as u64]))?;
        Ok(microseconds(&old))
    }

    fn setitimer_raw(which: Timer, interval: (i64, i32), first: (i64, i32)) -> Outcome<()> {
        let new = [interval.0 as u64, interval.1 as u64, first.0 as u64, first.1 as u64];
        done(bsd(83, [timer(which), new.as_ptr() as u64, 0]))
    }

    fn getitimer(which: Timer) -> Outcome<(u64, u64)> {
        let mut found = [0u64; 4];
        told(bsd(86, [timer(which), found.as_mut_ptr() as u64])).map(|_| microseconds(&found))
    }

    fn now_us() -> u64 {
        let mut time = [0u64; 2];
        let _ = bsd(nr::GETTIMEOFDAY, [time.as_mut_ptr() as u64, 0, 0]);
        time[0] * 1_000_000 + (time[1] & 0xffff_ffff)
    }

    fn nap(duration_us: u64) {
        let time = [duration_us / 1_000_000, duration_us % 1_000_000];
        let _ = bsd(93, [0, 0, 0, 0, time.as_ptr() as u64]);
    }
}

/// Flags of scenarios and of Darwin.
const FLAGS: [(u32, u32); 6] = [
    (scenario::system::ON_STACK, 1),
    (scenario::system::RESTART, 2),
    (scenario::system::RESET, 4),
    (scenario::system::NO_CHILD_STOP, 8),
    (scenario::system::NO_DEFER, 0x10),
    (scenario::system::NO_CHILD_WAIT, 0x20),
];

fn darwin_flags(own: u32) -> u32 {
    FLAGS.iter().filter(|(flag, _)| own & flag != 0).fold(0, |all, (_, darwin)| all | darwin)
}

fn own_flags(darwin: u32) -> u32 {
    FLAGS.iter().filter(|(_, flag)| darwin & flag != 0).fold(0, |all, (own, _)| all | own)
}
