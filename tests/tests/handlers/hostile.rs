//! Every handler with whatever can stand in its arguments, and with every error that Linux documents for its calls.

use crate::good_calls::{good_calls, prepared, run};
use std::collections::BTreeSet;
use xnu_abi::linux::{Errno, Sysno};
use xnu_backend_mock::Plan;
use xnu_core::Reply;

/// Lengths, counts and descriptors that are none, addresses where nothing is, and addresses whose last byte is the last
/// of all: what a length of 0, -1, `SSIZE_MAX` + 1 or a number of 1,024 and one more element becomes is among them.
const ANYTHING: [u64; 17] = [
    0,
    1,
    2,
    7,
    99,
    1024,
    1025,
    0x1000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_f000,
    0x8000_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_8000_0000_0000,
    u64::MAX,
];

#[test]
fn any_argument_may_be_anything() {
    for index in 0..good_calls(&prepared()).len() {
        let count = good_calls(&prepared()).swap_remove(index).1.len();
        for position in 0..count {
            for value in ANYTHING {
                let k = prepared();
                let (name, mut words) = good_calls(&k).swap_remove(index);
                words[position] = value;
                let before = k.descriptors();
                let reply = k.by_name(name, &words);
                let what = format!("{name}: argument {position} is {value:#x}: {reply:?}");
                assert_ne!(reply, Reply::Invalid, "{what}");
                if let Reply::Error(_) = reply {
                    assert_eq!(k.descriptors(), before, "{what}");
                }
                assert!(k.unserved().is_empty(), "{what}: the mock lacks {:?}", k.unserved());
            }
        }
    }
}

/// What the manual page of a call of Linux's names.
fn documented(call: Sysno) -> &'static [Errno] {
    use Errno as E;
    use Sysno as S;
    match call {
        S::Openat | S::Openat2 => &[
            E::EACCES,
            E::EBUSY,
            E::EDQUOT,
            E::EEXIST,
            E::EFBIG,
            E::EINTR,
            E::EINVAL,
            E::EISDIR,
            E::ELOOP,
            E::EMFILE,
            E::ENAMETOOLONG,
            E::ENFILE,
            E::ENODEV,
            E::ENOENT,
            E::ENOMEM,
            E::ENOSPC,
            E::ENOTDIR,
            E::ENXIO,
            E::EOPNOTSUPP,
            E::EOVERFLOW,
            E::EPERM,
            E::EROFS,
            E::ETXTBSY,
            E::EXDEV,
        ],
        S::Statx | S::Newfstatat | S::Faccessat | S::Faccessat2 | S::Readlinkat | S::Statfs => &[
            E::EACCES,
            E::EBADF,
            E::EINVAL,
            E::EIO,
            E::ELOOP,
            E::ENAMETOOLONG,
            E::ENOENT,
            E::ENOMEM,
            E::ENOTDIR,
            E::EROFS,
        ],
        S::Read | S::Readv | S::Pread64 | S::Preadv | S::Getdents64 => {
            &[E::EBADF, E::EFAULT, E::EINTR, E::EINVAL, E::EIO, E::EISDIR, E::ENOENT, E::ENOTDIR, E::ESPIPE]
        }
        S::Write | S::Writev | S::Pwrite64 | S::Pwritev | S::Pwritev2 => &[
            E::EBADF,
            E::EDESTADDRREQ,
            E::EDQUOT,
            E::EFAULT,
            E::EFBIG,
            E::EINTR,
            E::EINVAL,
            E::EIO,
            E::ENOSPC,
            E::EPERM,
            E::EPIPE,
            E::ESPIPE,
        ],
        S::Mkdirat
        | S::Mknodat
        | S::Linkat
        | S::Symlinkat
        | S::Unlinkat
        | S::Renameat
        | S::Renameat2
        | S::Fchmodat
        | S::Fchmodat2
        | S::Fchownat
        | S::Utimensat
        | S::Truncate => &[
            E::EACCES,
            E::EBUSY,
            E::EDQUOT,
            E::EEXIST,
            E::EFBIG,
            E::EINVAL,
            E::EIO,
            E::EISDIR,
            E::ELOOP,
            E::EMLINK,
            E::ENAMETOOLONG,
            E::ENOENT,
            E::ENOMEM,
            E::ENOSPC,
            E::ENOTDIR,
            E::ENOTEMPTY,
            E::EOPNOTSUPP,
            E::EPERM,
            E::EROFS,
            E::ETXTBSY,
            E::EXDEV,
        ],
        S::Fgetxattr | S::Fsetxattr | S::Flistxattr | S::Fremovexattr | S::Getxattr | S::Setxattr => &[
            E::E2BIG,
            E::EACCES,
            E::EDQUOT,
            E::EEXIST,
            E::ENODATA,
            E::ENOSPC,
            E::EOPNOTSUPP,
            E::EPERM,
            E::ERANGE,
        ],
        S::Fcntl | S::Ioctl | S::Flock => {
            &[E::EACCES, E::EBADF, E::EBUSY, E::EINTR, E::EINVAL, E::EMFILE, E::ENOLCK, E::ENOTTY, E::EPERM]
        }
        S::Mmap | S::Munmap | S::Mprotect | S::Madvise | S::Msync | S::Mlock | S::Munlock => {
            &[E::EACCES, E::EBADF, E::EBUSY, E::EINVAL, E::EIO, E::ENFILE, E::ENODEV, E::ENOMEM, E::EPERM]
        }
        _ => &[E::EACCES, E::EBADF, E::EINTR, E::EINVAL, E::EIO, E::ENOENT, E::ENOMEM, E::EPERM, E::ESRCH],
    }
}

#[test]
fn every_documented_error_is_survived_and_leaks_nothing() {
    for index in 0..good_calls(&prepared()).len() {
        let (k, name, ..) = run(index, Plan::none());
        let closes =
            |call: Sysno| matches!(call, Sysno::Close | Sysno::Munmap) && !matches!(name, "close" | "munmap");
        for (n, call) in (1..).zip(k.calls().iter().map(|call| call.nr)) {
            // Linux closes whatever it answers.
            if closes(call) {
                continue;
            }
            for errno in documented(call) {
                let (k, _, before, reply) = run(index, Plan::nth_of_any(n, *errno));
                let what = format!("{name}: call {n}, {call:?}, failed with {errno}: {reply:?}");
                assert_ne!(reply, Reply::Invalid, "{what}");
                if matches!(reply, Reply::Error(_)) && name != "close" {
                    assert_eq!(k.descriptors().into_iter().collect::<BTreeSet<_>>(), before, "{what}");
                }
            }
        }
    }
}
