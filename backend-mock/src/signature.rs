//! What Linux expects of each call's arguments: how many, which are memory, which way, how long.
//!
//! A mismatch is a bug of the handler that made the call, never of the guest, so it panics: this is test equipment.

use xnu_abi::linux::Sysno;
use xnu_core::Arg;

/// The kind of one argument.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A plain number.
    Num,
    /// An address that Linux does not follow (`munmap`).
    Addr,
    /// A C string that Linux reads.
    Path,
    /// Memory that Linux reads.
    In(Len),
    /// Memory that Linux writes.
    Out(Len),
    /// Memory that Linux reads and writes.
    InOut(Len),
    /// A `struct timespec` that Linux reads, and writes back to where nobody forbade it that.
    Time,
    /// Depends on another argument; the call checks it itself.
    Any,
}

/// How long the memory must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Len {
    /// The call checks it itself.
    Any,
    /// A fixed number of bytes.
    Is(usize),
    /// As many bytes as the argument with this index says.
    Arg(usize),
    /// The argument with this index, times a size.
    Each(usize, usize),
}

use Kind::{Addr, Any as Opaque, In, InOut, Num, Out, Path, Time};
use Len::{Any, Each, Is};

/// The fewest arguments that may be given, and the kinds of all. `None` for calls that the mock does not serve.
#[rustfmt::skip]
pub(crate) fn signature(nr: Sysno) -> Option<(usize, &'static [Kind])> {
    use Sysno as S;
    const N1: &[Kind] = &[Num];
    const N2: &[Kind] = &[Num, Num];
    const N3: &[Kind] = &[Num, Num, Num];
    let (min, kinds): (usize, &'static [Kind]) = match nr {
        S::Read | S::Getdents64 => (3, &[Num, Out(Len::Arg(2)), Num]),
        S::Write => (3, &[Num, In(Len::Arg(2)), Num]),
        S::Pread64 => (4, &[Num, Out(Len::Arg(2)), Num, Num]),
        S::Pwrite64 => (4, &[Num, In(Len::Arg(2)), Num, Num]),
        S::Readv | S::Writev => (3, &[Num, In(Each(2, 16)), Num]),
        S::Preadv | S::Pwritev => (4, &[Num, In(Each(2, 16)), Num, Num, Num]),
        S::Pwritev2 => (6, &[Num, In(Each(2, 16)), Num, Num, Num, Num]),
        S::RtSigtimedwait => (4, &[In(Len::Arg(3)), Out(Is(128)), In(Is(16)), Num]),
        S::Openat => (3, &[Num, Path, Num, Num]),
        S::Openat2 => (4, &[Num, Path, In(Len::Arg(3)), Num]),
        S::Close | S::Dup | S::Fchdir | S::Unshare | S::Umask | S::Fsync | S::Fdatasync | S::Syncfs | S::Getpgid | S::Getsid
        | S::Exit | S::ExitGroup => (1, N1),
        S::CloseRange | S::Lseek | S::Dup3 | S::Fchown | S::Tgkill => (3, N3),
        S::Fallocate | S::Fadvise64 | S::SyncFileRange => (4, &[Num, Num, Num, Num]),
        S::Fcntl => (2, &[Num, Num, Opaque]),
        S::Ioctl => (2, &[Num, Num, Opaque]),
        S::Pipe2 => (2, &[Out(Is(8)), Num]),
        S::Fstat => (2, &[Num, Out(Is(size_of::<linux_raw_sys::general::stat>()))]),
        S::Newfstatat => (4, &[Num, Path, Out(Is(size_of::<linux_raw_sys::general::stat>())), Num]),
        S::Statx => (5, &[Num, Path, Num, Num, Out(Is(256))]),
        S::Statfs => (2, &[Path, Out(Is(120))]),
        S::Fstatfs => (2, &[Num, Out(Is(120))]),
        S::Faccessat | S::Mkdirat | S::Unlinkat | S::Fchmodat => (3, &[Num, Path, Num]),
        S::Faccessat2 | S::Mknodat | S::Fchmodat2 => (4, &[Num, Path, Num, Num]),
        S::Readlinkat => (4, &[Num, Path, Out(Any), Num]),
        S::Renameat => (4, &[Num, Path, Num, Path]),
        S::Renameat2 | S::Linkat => (5, &[Num, Path, Num, Path, Num]),
        S::Symlinkat => (3, &[Path, Num, Path]),
        S::Fchmod | S::Ftruncate | S::Flock | S::Kill | S::Tkill | S::Setpgid => (2, N2),
        S::Fchownat => (5, &[Num, Path, Num, Num, Num]),
        S::Utimensat => (4, &[Num, Path, In(Is(32)), Num]),
        S::Truncate => (2, &[Path, Num]),
        S::Sync | S::Getpid | S::Getppid | S::Gettid | S::Getuid | S::Geteuid | S::Getgid | S::Getegid | S::Setsid
        | S::SchedYield => (0, &[]),
        S::Chdir => (1, &[Path]),
        S::Getcwd => (2, &[Out(Len::Arg(1)), Num]),
        S::Mmap => (6, &[Addr, Num, Num, Num, Num, Num]),
        S::Munmap | S::Mlock | S::Munlock => (2, &[Addr, Num]),
        S::RtSigsuspend => (2, &[In(Len::Arg(1)), Num]),
        S::Mprotect | S::Madvise | S::Msync => (3, &[Addr, Num, Num]),
        S::Mremap => (4, &[Addr, Num, Num, Num, Addr]),
        S::Clone => (5, &[Num, Addr, Opaque, Opaque, Num]),
        S::Mincore => (3, &[Addr, Num, Out(Any)]),
        S::Getgroups => (2, &[Num, Out(Each(0, 4))]),
        S::SchedGetaffinity => (3, &[Num, Num, Out(Len::Arg(1))]),
        S::Setgroups => (2, &[Num, In(Each(0, 4))]),
        S::Setresuid | S::Setresgid | S::Setpriority => (3, N3),
        S::Getpriority => (2, N2),
        S::Adjtimex => (1, &[InOut(Is(208))]),
        S::ClockSettime => (2, &[Num, In(Is(16))]),
        S::Getresuid | S::Getresgid => (3, &[Out(Is(4)), Out(Is(4)), Out(Is(4))]),
        S::Prlimit64 => (4, &[Num, Num, In(Is(16)), Out(Is(16))]),
        S::Getrusage => (2, &[Num, Out(Is(144))]),
        S::Times => (1, &[Out(Is(32))]),
        S::ClockGettime | S::ClockGetres => (2, &[Num, Out(Is(16))]),
        S::Gettimeofday => (2, &[Out(Is(16)), Out(Is(8))]),
        S::Getitimer => (2, &[Num, Out(Is(32))]),
        S::Setitimer => (3, &[Num, In(Is(32)), Out(Is(32))]),
        S::Nanosleep => (2, &[In(Is(16)), Out(Is(16))]),
        S::ClockNanosleep => (4, &[Num, Num, In(Is(16)), Out(Is(16))]),
        S::Getrandom => (3, &[Out(Len::Arg(1)), Num, Num]),
        S::Uname => (1, &[Out(Is(390))]),
        S::Sysinfo => (1, &[Out(Is(112))]),
        S::RtSigaction => (4, &[Num, In(Is(32)), Out(Is(32)), Num]),
        S::RtSigprocmask => (4, &[Num, In(Len::Arg(3)), Out(Len::Arg(3)), Num]),
        S::RtSigpending => (2, &[Out(Len::Arg(1)), Num]),
        S::Sigaltstack => (2, &[In(Is(24)), Out(Is(24))]),
        S::Ppoll => (5, &[InOut(Each(1, 8)), Num, Time, In(Len::Arg(4)), Num]),
        S::Pselect6 => (6, &[Num, InOut(Any), InOut(Any), InOut(Any), Time, In(Is(16))]),
        #[cfg(target_arch = "x86_64")]
        S::ModifyLdt => (3, &[Num, Opaque, Num]),
        #[cfg(target_arch = "x86_64")]
        S::ArchPrctl => (2, &[Num, Opaque]),
        S::Futex => (3, &[InOut(Is(4)), Num, Num, Opaque, Opaque, Num]),
        S::Getxattr | S::Lgetxattr => (4, &[Path, Path, Out(Len::Arg(3)), Num]),
        S::Fgetxattr => (4, &[Num, Path, Out(Len::Arg(3)), Num]),
        S::Setxattr | S::Lsetxattr => (5, &[Path, Path, In(Len::Arg(3)), Num, Num]),
        S::Fsetxattr => (5, &[Num, Path, In(Len::Arg(3)), Num, Num]),
        S::Listxattr | S::Llistxattr => (3, &[Path, Out(Len::Arg(2)), Num]),
        S::Flistxattr => (3, &[Num, Out(Len::Arg(2)), Num]),
        S::Removexattr | S::Lremovexattr => (2, &[Path, Path]),
        S::Fremovexattr => (2, &[Num, Path]),
        S::Socket => (3, N3),
        S::Socketpair => (4, &[Num, Num, Num, Out(Is(8))]),
        S::Bind | S::Connect => (3, &[Num, In(Len::Arg(2)), Num]),
        S::Listen | S::Shutdown => (2, N2),
        S::Accept4 => (4, &[Num, Out(Any), InOut(Is(4)), Num]),
        S::Getsockname | S::Getpeername => (3, &[Num, Out(Any), InOut(Is(4))]),
        S::Sendto => (6, &[Num, In(Len::Arg(2)), Num, Num, In(Len::Arg(5)), Num]),
        S::Recvfrom => (6, &[Num, Out(Len::Arg(2)), Num, Num, Out(Any), InOut(Is(4))]),
        // The last two are what the header names: Linux does not look at them.
        S::Sendmsg => (5, &[Num, In(Is(56)), Num, In(Any), In(Any)]),
        S::Recvmsg => (5, &[Num, InOut(Is(56)), Num, Out(Any), Out(Any)]),
        S::Setsockopt => (5, &[Num, Num, Num, In(Len::Arg(4)), Num]),
        S::Getsockopt => (5, &[Num, Num, Num, Out(Any), InOut(Is(4))]),
        _ => return None,
    };
    Some((min, kinds))
}

/// Panics unless the arguments are what Linux would take for this call.
pub(crate) fn check(nr: Sysno, args: &[Arg<'_>]) {
    let Some((min, kinds)) = signature(nr) else { return };
    let name = nr.name();
    assert!(
        (min..=kinds.len()).contains(&args.len()),
        "{name}: takes {min}..={} arguments, given {}",
        kinds.len(),
        args.len()
    );
    for (i, (arg, kind)) in args.iter().zip(kinds).enumerate() {
        let len = match kind {
            Num => {
                assert!(matches!(arg, Arg::Val(_)), "{name}: argument {i} is a number, given {}", shape(arg));
                continue;
            }
            Addr => {
                let fine = matches!(arg, Arg::Val(_) | Arg::User(_));
                assert!(fine, "{name}: argument {i} is an address, given {}", shape(arg));
                continue;
            }
            Opaque => continue,
            Path => Any,
            Time => Is(16),
            In(len) | Out(len) | InOut(len) => *len,
        };
        let given = match (arg, kind) {
            // NULL needs no memory behind it.
            (Arg::Val(0), _) | (Arg::User(_), _) => continue,
            (Arg::Val(value), _) => {
                panic!("{name}: argument {i} is memory that Linux follows, given the plain value {value:#x}")
            }
            (Arg::In(bytes), Path) => {
                assert!(bytes.contains(&0), "{name}: argument {i} is a C string, the slice lent has no NUL");
                continue;
            }
            (Arg::In(bytes), In(_) | Time) => bytes.len(),
            (Arg::Out(bytes), Out(_) | InOut(_) | Time) => bytes.len(),
            (arg, kind) => panic!("{name}: argument {i} is {kind:?}, given {}", shape(arg)),
        };
        let number = |index: usize| match args.get(index) {
            Some(Arg::Val(value)) => *value,
            _ => 0,
        };
        let needed = match len {
            Any => 0,
            Is(bytes) => bytes,
            Len::Arg(index) => number(index),
            Each(index, size) => number(index).saturating_mul(size),
        };
        assert!(given >= needed, "{name}: argument {i} is {needed} bytes long, the slice lent has {given}");
    }
}

/// How an argument was lent, for messages.
fn shape(arg: &Arg<'_>) -> String {
    match arg {
        Arg::Val(value) => format!("Val({value:#x})"),
        Arg::In(bytes) => format!("In of {} bytes", bytes.len()),
        Arg::Out(bytes) => format!("Out of {} bytes", bytes.len()),
        Arg::User(address) => format!("User({address:?})"),
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use std::panic::catch_unwind;
    use xnu_abi::linux::Sysno;
    use xnu_core::Arg;

    fn complaint(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let panic = catch_unwind(f).expect_err("the check must panic");
        panic.downcast_ref::<String>().cloned().expect("a formatted message")
    }

    #[test]
    fn a_guest_address_as_a_number_is_a_bug_of_the_handler() {
        let text = complaint(|| check(Sysno::Read, &[Arg::Val(0), Arg::Val(0x1000), Arg::Val(4)]));
        assert_eq!(text, "read: argument 1 is memory that Linux follows, given the plain value 0x1000");
    }

    #[test]
    fn a_slice_shorter_than_the_count_is_an_overrun() {
        let text = complaint(|| {
            let mut short = [0; 3];
            check(Sysno::Read, &[Arg::Val(0), Arg::Out(&mut short), Arg::Val(4)]);
        });
        assert_eq!(text, "read: argument 1 is 4 bytes long, the slice lent has 3");
    }

    #[test]
    fn a_path_without_its_nul_is_an_overread() {
        let text = complaint(|| check(Sysno::Chdir, &[Arg::In(b"/tmp")]));
        assert_eq!(text, "chdir: argument 0 is a C string, the slice lent has no NUL");
    }

    #[test]
    fn a_missing_argument_is_noticed() {
        let text = complaint(|| check(Sysno::Lseek, &[Arg::Val(0), Arg::Val(0)]));
        assert_eq!(text, "lseek: takes 3..=3 arguments, given 2");
    }

    #[test]
    fn lending_the_wrong_way_round_is_noticed() {
        let text = complaint(|| check(Sysno::Read, &[Arg::Val(0), Arg::In(b"abcd"), Arg::Val(4)]));
        assert_eq!(text, "read: argument 1 is Out(Arg(2)), given In of 4 bytes");
    }
}
