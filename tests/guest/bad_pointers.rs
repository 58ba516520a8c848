//! Wrong addresses of every sort, to many calls: each must answer EFAULT, as XNU does, and kill nobody.
//!
//! argv[1] is a directory for scratch files (/tmp without one). Exit 0 when at least 20 calls answered EFAULT each
//! time and none answered wrongly. A call that is not there (ENOSYS) is printed as "todo" and counted apart.
//!
//! Left out on purpose, since XNU itself does not say EFAULT there: the old mask of sigprocmask and the set of
//! sigpending (failed copies are ignored), oldlenp of sysctl, and buffers of read and write whose first bytes are
//! good (a short count is right too).
#![no_std]
#![no_main]
mod support;
use core::fmt::Write;
use support::{
    Args, EFAULT, ENOSYS, PAGE, PROT_NONE, PROT_READ, PROT_RW, bsd, ensure, map_pages, nr, println, protect,
};

support::unixthread!(main);

/// Stands for the wrong address among a case's arguments.
const BAD: u64 = 0xbad0_0bad_0bad_0bad;

/// What the kernel would do with the address.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    /// Reads a path: the edge case is an unterminated one.
    Path,
    /// Reads a structure of more than one byte.
    In,
    /// Writes a structure of more than one byte.
    Out,
    /// Reads a buffer that may be used in part.
    InPart,
    /// Writes a buffer that may be used in part.
    OutPart,
}
use Use::{In, InPart, Out, OutPart, Path};

struct Case {
    name: &'static str,
    number: u64,
    usage: Use,
    /// Whether a null pointer means "none" instead of a fault.
    null_is_none: bool,
    args: [u64; 6],
}

const fn case<const N: usize>(name: &'static str, number: u64, usage: Use, given: [u64; N]) -> Case {
    let mut args = [0; 6];
    let mut i = 0;
    while i < N {
        args[i] = given[i];
        i += 1;
    }
    Case { name, number, usage, null_is_none: false, args }
}

const fn optional<const N: usize>(name: &'static str, number: u64, usage: Use, given: [u64; N]) -> Case {
    Case { null_is_none: true, ..case(name, number, usage, given) }
}

struct Tally {
    served: [bool; 600],
    todo: [bool; 600],
    wrong: u32,
}

impl Tally {
    fn judge(&mut self, case: &Case, sort: &str, result: support::SysResult) {
        let slot = case.number as usize;
        match result {
            Err(EFAULT) => self.served[slot] = true,
            Err(ENOSYS) => {
                if !self.todo[slot] {
                    println!("todo: {} ({slot})", case.name);
                }
                self.todo[slot] = true;
            }
            other => {
                println!("wrong: {} with {sort}: {other:x?}", case.name);
                self.wrong += 1;
            }
        }
    }
}

/// The addresses, made once.
struct Addresses {
    unmapped: u64,
    /// Last byte of a page before PROT_NONE.
    edge: u64,
    read_only: u64,
}

impl Addresses {
    fn new() -> Self {
        let pages = map_pages(4, PROT_RW);
        let edge = pages + PAGE - 1;
        protect(pages + PAGE, 1, PROT_NONE);
        protect(pages + 2 * PAGE, 1, PROT_READ);
        let unmapped = pages + 3 * PAGE;
        ensure!(3, bsd(nr::MUNMAP, [unmapped, PAGE]).is_ok(), "munmap");
        Self { unmapped, edge, read_only: pages + 2 * PAGE }
    }
}

fn run(case: &Case, at: &Addresses, tally: &mut Tally) {
    let writes = matches!(case.usage, Out | OutPart);
    let whole = matches!(case.usage, Path | In | Out);
    let sorts = [
        ("null", 0, !case.null_is_none),
        ("a small address", 1, true),
        ("an unmapped address", at.unmapped, true),
        ("a kernel address", 0xffff_8000_0000_0000, true),
        ("the last address", u64::MAX, true),
        ("a non-canonical address", 0x1234_5678_9abc_def0, true),
        ("a page's last byte", at.edge, whole),
        ("a read-only page", at.read_only, writes),
    ];
    for (sort, addr, applies) in sorts {
        if applies {
            // A path of one letter without an end; a call may have written there before it met the fault.
            // SAFETY: the page belongs to this program.
            unsafe { (at.edge as *mut u8).write_volatile(b'a') };
            let args = case.args.map(|arg| if arg == BAD { addr } else { arg });
            tally.judge(case, sort, bsd(case.number, args));
        }
    }
}

/// A NUL-terminated path below the scratch directory.
struct ScratchPath([u8; 512], usize);

impl ScratchPath {
    fn new(directory: &str, name: &str) -> Self {
        let mut path = Self([0; 512], 0);
        let pid = bsd(nr::GETPID, []).map_or(0, |(pid, _)| pid);
        ensure!(4, write!(path, "{directory}/xnu-guest-{pid}-{name}").is_ok(), "argv[1] is too long");
        path
    }

    fn addr(&self) -> u64 {
        self.0.as_ptr() as u64
    }
}

impl Write for ScratchPath {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.1 + text.len();
        // The last byte stays NUL.
        if end >= self.0.len() {
            return Err(core::fmt::Error);
        }
        self.0[self.1..end].copy_from_slice(text.as_bytes());
        self.1 = end;
        Ok(())
    }
}

fn opened(result: support::SysResult, what: &str) -> u64 {
    match result {
        Ok((fd, _)) => fd,
        Err(errno) => support::wrong(5, format_args!("{what}: errno {errno}")),
    }
}

/// An eighth argument behind a stack that ends: kevent_qos reads [rsp + 8] and [rsp + 16].
fn stack_arguments(at: &Addresses) -> support::SysResult {
    let (rax, carry): (u64, u8);
    // SAFETY: rsp is changed around a system call alone, which writes nothing to it; the edge page holds the
    // slot of the return address.
    unsafe {
        core::arch::asm!("xchg rsp, r12", "syscall", "setc {carry}", "xchg rsp, r12", carry = out(reg_byte) carry,
            inlateout("rax") support::UNIX | 374 => rax, in("rdi") u64::MAX, in("rsi") 0, inlateout("rdx") 0 => _,
            in("r10") 0, in("r8") 0, in("r9") 0, in("r12") at.edge - 7, lateout("rcx") _, lateout("r11") _);
    }
    if carry == 0 { Ok((rax, 0)) } else { Err(rax) }
}

fn main(args: &Args) -> i32 {
    let at = Addresses::new();
    let directory = args.arg(1).unwrap_or("/tmp");
    let (path, link) = (ScratchPath::new(directory, "file"), ScratchPath::new(directory, "link"));
    // O_CREAT | O_EXCL | O_RDWR
    let file = opened(bsd(nr::OPEN, [path.addr(), 0xa02, 0o600]), "open of a scratch file");
    let content = [b'x'; 64];
    let written = bsd(nr::WRITE, [file, content.as_ptr() as u64, 64]);
    ensure!(6, written == Ok((64, 0)), "write to a scratch file: {written:x?}");
    let _ = bsd(199, [file, 0, 0]);
    let linked = bsd(57, [path.addr(), link.addr()]);
    let root = c"/".as_ptr() as u64;
    let dir = opened(bsd(nr::OPEN, [root, 0, 0]), "open of /");

    let mut room = [0u64; 512];
    let out = room.as_mut_ptr() as u64;
    let mut old_len = 256u64;
    let old_len = &raw mut old_len as u64;
    let ostype = [1u32, 1];
    let iov = [BAD, 16];
    let at_cwd = -2i64 as u64;
    const PATH: Use = Path;

    let cases = [
        case("read", 3, OutPart, [file, BAD, 16]),
        case("write", 4, InPart, [file, BAD, 16]),
        case("open", 5, PATH, [BAD, 0, 0]),
        case("link from", 9, PATH, [BAD, path.addr()]),
        case("link to", 9, PATH, [path.addr(), BAD]),
        case("unlink", 10, PATH, [BAD]),
        case("chdir", 12, PATH, [BAD]),
        case("chmod", 15, PATH, [BAD, 0o600]),
        case("chown", 16, PATH, [BAD, u64::MAX, u64::MAX]),
        case("access", 33, PATH, [BAD, 0]),
        optional("sigaction new", 46, In, [30, BAD, 0]),
        optional("sigaction old", 46, Out, [30, 0, BAD]),
        optional("sigprocmask", 48, In, [1, BAD, 0]),
        optional("sigaltstack new", 53, In, [BAD, 0]),
        optional("sigaltstack old", 53, Out, [0, BAD]),
        case("ioctl FIONBIO", 54, In, [file, 0x8004_667e, BAD]),
        case("symlink", 57, PATH, [path.addr(), BAD]),
        case("readlink path", 58, PATH, [BAD, out, 64]),
        optional("setitimer", 83, In, [0, BAD, 0]),
        case("getitimer", 86, Out, [0, BAD]),
        case("fcntl F_GETLK", 92, In, [file, 7, BAD]),
        case("fcntl F_GETPATH", 92, Out, [file, 50, BAD]),
        optional("gettimeofday", 116, Out, [BAD, 0, 0]),
        case("getrusage", 117, Out, [0, BAD]),
        case("readv vector", 120, In, [file, BAD, 1]),
        case("writev vector", 121, In, [file, BAD, 1]),
        case("rename from", 128, PATH, [BAD, path.addr()]),
        case("rename to", 128, PATH, [path.addr(), BAD]),
        case("mkdir", 136, PATH, [BAD, 0o700]),
        case("rmdir", 137, PATH, [BAD]),
        case("pread", 153, OutPart, [file, BAD, 16, 0]),
        case("pwrite", 154, InPart, [file, BAD, 16, 0]),
        case("getrlimit", 194, Out, [8, BAD]),
        case("setrlimit", 195, In, [8, BAD]),
        case("truncate", 200, PATH, [BAD, 0]),
        case("sysctl name", 202, In, [BAD, 2, out, old_len, 0, 0]),
        optional("sysctl old", 202, Out, [ostype.as_ptr() as u64, 2, BAD, old_len, 0, 0]),
        case("poll", 230, In, [BAD, 1, 0]),
        case("stat64 path", 338, PATH, [BAD, out]),
        case("stat64 status", 338, Out, [root, BAD]),
        case("fstat64", 339, Out, [file, BAD]),
        case("lstat64 path", 340, PATH, [BAD, out]),
        case("lstat64 status", 340, Out, [root, BAD]),
        case("getdirentries64 buffer", 344, Out, [dir, BAD, 4096, out]),
        case("statfs64 path", 345, PATH, [BAD, out]),
        case("statfs64 status", 345, Out, [root, BAD]),
        case("fstatfs64", 346, Out, [file, BAD]),
        case("openat", 463, PATH, [at_cwd, BAD, 0, 0]),
        case("faccessat", 466, PATH, [at_cwd, BAD, 0, 0]),
        case("fstatat64 path", 470, PATH, [at_cwd, BAD, out, 0]),
        case("fstatat64 status", 470, Out, [at_cwd, root, BAD, 0]),
        case("unlinkat", 472, PATH, [at_cwd, BAD, 0]),
        case("readlinkat path", 473, PATH, [at_cwd, BAD, out, 64]),
        case("mkdirat", 475, PATH, [at_cwd, BAD, 0o700]),
        case("getentropy", 500, Out, [BAD, 32]),
    ];
    let mut tally = Tally { served: [false; 600], todo: [false; 600], wrong: 0 };
    for case in &cases {
        run(case, &at, &mut tally);
    }
    if linked.is_ok() {
        run(&case("readlink buffer", 58, Out, [link.addr(), BAD, 64]), &at, &mut tally);
        run(&case("readlinkat buffer", 473, Out, [at_cwd, link.addr(), BAD, 64]), &at, &mut tally);
    }
    // A good vector of one bad buffer.
    for (number, name) in [(120, "readv buffer"), (121, "writev buffer")] {
        for addr in [0, at.unmapped, 0xffff_8000_0000_0000, 0x1234_5678_9abc_def0] {
            let iov = iov.map(|word| if word == BAD { addr } else { word });
            let result = bsd(number, [file, iov.as_ptr() as u64, 1]);
            tally.judge(&case(name, number, InPart, [0; 6]), "a bad base", result);
        }
    }
    // The position is written after the entries, so each try starts at the beginning of the directory.
    for (sort, addr) in
        [("null", 0), ("an unmapped address", at.unmapped), ("a read-only page", at.read_only)]
    {
        let _ = bsd(199, [dir, 0, 0]);
        let result = bsd(344, [dir, out, 4096, addr]);
        tally.judge(&case("getdirentries64 position", 344, Out, [0; 6]), sort, result);
    }
    tally.judge(&case("kevent_qos", 374, In, [0; 6]), "unreadable stack arguments", stack_arguments(&at));

    // The scratch file is whole and the descriptors work: nothing above did anything.
    let mut back = [0u8; 64];
    let read = bsd(153, [file, back.as_mut_ptr() as u64, 64, 0]);
    if read != Ok((64, 0)) || back != content {
        println!("wrong: the scratch file changed ({read:x?})");
        tally.wrong += 1;
    }
    let _ = bsd(10, [path.addr()]);
    let _ = bsd(10, [link.addr()]);

    let served = (0..600).filter(|&n| tally.served[n] && !tally.todo[n]).count();
    let todo = tally.todo.iter().filter(|&&todo| todo).count();
    println!("EFAULT from {served} calls, todo {todo}, wrong {}", tally.wrong);
    match () {
        () if tally.wrong != 0 => 1,
        () if served < 20 => 2,
        () => 0,
    }
}
