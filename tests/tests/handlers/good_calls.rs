//! A call of each handler that works, and the machine on which they do.

use crate::support::*;
use std::collections::BTreeSet;
use xnu_abi::darwin;
use xnu_backend_mock::{ChildChange, Fault, Mock, Plan};
use xnu_core::{Reply, UserAddr};

const SYNC_VOLUME: u64 = 0x8004_4101;

pub(crate) type Failing = Machine<Fault<Mock>>;

/// A call of each handler that works and comes by as many Linux calls as it can: name and arguments. Descriptor 3 is
/// `/tmp/own`, 4 and 5 are a pipe with bytes in it, 6 is `/tmp/dir`, 7 is `/tmp`, 8 is `/tmp/own` again, guarded by 9
/// against everything, 9 the link `/tmp/link`, 10 to 18 are sockets.
pub(crate) fn good_calls(k: &Machine<Mock>) -> Vec<(&'static str, Vec<u64>)> {
    let text = |text: &str| k.place_str(text).get();
    let room = |len: usize| k.alloc_guarded(len).get();
    let place = |bytes: &[u8]| k.place(bytes).get();
    let cwd = AT_FDCWD as u64;
    let (buf, own) = (room(5), text("/tmp/own"));
    let iov = place(&bytes([buf, 5]));
    let lock = || place(&bytes([0, 0, 3 << 32]));
    let open_flags = |flags: darwin::fcntl::OpenFlags| u64::from(flags.bits());
    let command = |command: darwin::fcntl::FcntlCommand| command.number() as u64;
    let dirlink = text("/tmp/link");
    // All that a file has; all that a volume has; name, parent and Finder information; times, and Finder information.
    let list = |common, volume, file, extended| place(&attribute_list(common, volume, 0, file, extended));
    let everything = list(0xbfff_ffff & !0x1038_0000, 0, 0x362f, 0xf4);
    let volume = list(0x8000_7fff, !0x0f00_0000, 0, 0);
    let entries = list(0x8400_4001, 0, 0, 0);
    let settable = list(0x7400, 0, 0, 0);
    let local = |path: &str| place(&local_address(path));
    let inet = |port: u16| place(&loopback(port));
    let label = place(&bytes([2, text("*")]));
    let mut calls = vec![
        ("read", vec![3, buf, 5]),
        ("write", vec![3, buf, 5]),
        ("pread", vec![3, buf, 5, 0]),
        ("pread", vec![3, buf, 5, -7i64 as u64]),
        ("pwrite", vec![3, buf, 5, 0]),
        ("readv", vec![3, iov, 1]),
        ("writev", vec![3, iov, 1]),
        ("preadv", vec![3, iov, 1, 0]),
        ("pwritev", vec![3, iov, 1, 0]),
        ("close", vec![3]),
        ("lseek", vec![3, 0, 0]),
        ("lseek", vec![3, 0, 77]),
        ("dup", vec![3]),
        ("dup2", vec![3, 9]),
        ("dup2", vec![3, 3]),
        ("pipe", vec![]),
        ("fsync", vec![3]),
        ("fdatasync", vec![3]),
        ("open", vec![own, open_flags(O_RDWR | O_EXLOCK | O_ASYNC), 0]),
        ("open", vec![dirlink, open_flags(O_SYMLINK), 0]),
        ("open", vec![text("/tmp/dir"), open_flags(O_CREAT), 0]),
        (
            "openat",
            vec![cwd, text("/tmp/x"), open_flags(O_RDWR | O_CREAT | O_RESOLVE_BENEATH | O_SHLOCK), 0o600],
        ),
        ("openat", vec![cwd, own, open_flags(O_NOFOLLOW_ANY), 0]),
        ("access", vec![own, 4]),
        ("faccessat", vec![cwd, own, 4, 0x10]),
        ("unlink", vec![own]),
        ("unlinkat", vec![cwd, own, 0]),
        ("readlink", vec![dirlink, buf, 5]),
        ("readlinkat", vec![cwd, dirlink, buf, 0]),
        ("freadlink", vec![9, buf, 5]),
        ("access_extended", {
            let mut table = bytes([16 | 4 << 32, 0]);
            table.extend(b"/tmp/own\0");
            vec![place(&table), table.len() as u64, room(4), 0]
        }),
        ("chdir", vec![text("/tmp/dir")]),
        ("fchdir", vec![7]),
        ("__pthread_chdir", vec![text("/tmp/dir")]),
        ("__pthread_fchdir", vec![7]),
        ("chroot", vec![text("/tmp")]),
        ("pivot_root", vec![0, 0]),
        ("clonefileat", vec![cwd, own, 7, text("copy"), 0]),
        ("clonefileat", vec![cwd, dirlink, 7, text("copy"), 1]),
        ("fclonefileat", vec![3, 7, text("copy"), 0]),
        ("copyfile", vec![own, text("/tmp/new"), 0, 0]),
        ("exchangedata", vec![own, text("/tmp/dir/file"), 0]),
        ("delete", vec![own]),
        ("undelete", vec![own]),
        ("fsgetpath", vec![buf, 5, room(8), 2]),
        ("fsgetpath_ext", vec![buf, 5, room(8), 2, 0]),
        ("searchfs", {
            let list = room(24);
            vec![own, place(&bytes([list, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])), 0, 0, 0, room(564)]
        }),
        ("revoke", vec![text("/dev/null")]),
        ("getdirentries", vec![7, room(4096), 4096, room(8)]),
        ("getdirentries64", vec![7, room(4096), 4096, room(8)]),
        ("getdirentries64", vec![7, room(90), 90, room(8)]),
        ("getdirentriesattr", vec![7, room(24), 0, 0, room(4), 0, 0, 0]),
        ("mount", vec![text("apfs"), text("/tmp/dir"), 0, 0]),
        ("__mac_mount", vec![text("apfs"), text("/tmp/dir"), 0, 0, place(&bytes([2, own]))]),
        ("fmount", vec![text("apfs"), 7, 0, 0]),
        ("unmount", vec![text("/tmp"), 0]),
        ("quotactl", vec![text("/tmp"), 0x1_0000, 0, own]),
        ("fs_snapshot", vec![1, 7, 0, 0, 0, 0]),
        ("graftdmg", vec![7, 0, 0, 0]),
        ("ungraftdmg", vec![0, 0]),
        ("acct", vec![0]),
        ("nfssvc", vec![4, 0]),
        ("swapon", vec![]),
        ("__mac_get_mount", vec![text("/tmp"), place(&bytes([9, own]))]),
        ("__mac_getfsstat", vec![0, 1 << 20, 0, 0, 0]),
        ("link", vec![own, text("/tmp/new")]),
        ("linkat", vec![cwd, own, 7, text("new"), 0]),
        ("symlink", vec![own, text("/tmp/new")]),
        ("symlink", vec![text(""), text("/tmp/own/")]),
        ("symlinkat", vec![own, 7, text("new")]),
        ("rename", vec![own, text("/tmp/dir/new")]),
        ("renameat", vec![cwd, own, 7, text("new")]),
        ("renameatx_np", vec![cwd, own, 7, text("dir/file"), 2 | 16]),
        ("mkdir", vec![text("/tmp/new"), 0o755]),
        ("mkdirat", vec![7, text("new"), 0o755]),
        ("mkdir_extended", vec![text("/tmp/new"), 0, 0, 0o755, 0]),
        ("rmdir", vec![text("/tmp/empty")]),
        ("mkfifo", vec![text("/tmp/new"), 0o644]),
        ("mkfifoat", vec![7, text("new"), 0o644]),
        ("mkfifo_extended", vec![text("/tmp/new"), 1000, 1000, 0o644, 0]),
        ("mknod", vec![text("/tmp/new"), 0o010644, 0]),
        ("mknodat", vec![7, text("new"), 0o010644, 0]),
        ("proc_info", vec![1, 6, 1000, 0, room(8), 8]),
        ("proc_info", vec![2, 2001, 3, 0, room(136), 136]),
        ("proc_info", vec![2, 2001, 18, 0, room(192), 192]),
        ("proc_info", vec![2, 2001, 1, 0, room(16), 16]),
        ("proc_info", vec![2, 1000, 1, 0, room(64), 64]),
        ("proc_info", vec![2, 2001, 9, 0, room(2352), 2352]),
        ("proc_info", vec![2, 1000, 11, 0, room(1024), 1024]),
        ("proc_info", vec![2, 2001, 15, 9001, room(112), 112]),
        ("proc_info", vec![2, 2001, 28, 0, room(16), 16]),
        ("proc_info", vec![2, 2001, 8, 0, room(1272), 1272]),
        ("proc_info", vec![3, 1000, 2, 3, room(1200), 1200]),
        ("proc_info", vec![3, 2001, 2, 1, room(1200), 1200]),
        ("proc_info", vec![3, 1000, 6, 4, room(184), 184]),
        ("proc_info", vec![9, 2001, 6, 0, room(464), 464]),
        ("proc_info_extended_id", vec![2, 2001, 13, 1, 7001, 0, room(64), 64]),
        ("sysctl", vec![place(&numbers([1, 14, 1, 2001])), 4, room(648), place(&bytes([648])), 0, 0]),
        ("sysctl", vec![place(&numbers([1, 49, 2001, 0])), 3, room(2000), place(&bytes([2000])), 0, 0]),
        ("stat64", vec![own, room(144)]),
        ("lstat64", vec![own, room(144)]),
        ("fstat64", vec![3, room(144)]),
        ("fstatat64", vec![cwd, own, room(144), 0x20]),
        ("fstatat64", vec![cwd, own, room(144), 0x800]),
        ("stat", vec![own, room(120)]),
        ("lstat", vec![own, room(120)]),
        ("fstat", vec![3, room(120)]),
        ("fstatat", vec![cwd, own, room(120), 0x20]),
        ("stat_extended", vec![own, room(120), room(8), room(8)]),
        ("lstat_extended", vec![own, room(120), room(8), room(8)]),
        ("fstat_extended", vec![3, room(120), room(8), room(8)]),
        ("stat64_extended", vec![own, room(144), room(8), room(8)]),
        ("lstat64_extended", vec![own, room(144), room(8), room(8)]),
        ("fstat64_extended", vec![3, room(144), room(8), room(8)]),
        ("chmod", vec![own, 0o2600]),
        ("fchmod", vec![3, 0o600]),
        ("fchmodat", vec![cwd, own, 0o600, 0x20]),
        ("fchmodat", vec![cwd, own, 0o600, 0x800]),
        ("chmod_extended", vec![own, 1000, 1000, 0o600, 0]),
        ("chmod_extended", vec![own, 1000, 1000, 0o600, place(&filesec(0x012c_c16d, 2))]),
        ("fchmod_extended", vec![3, 1000, 1000, 0o600, 0]),
        ("umask", vec![0o22]),
        ("umask_extended", vec![0o22, 0]),
        ("chown", vec![own, 1000, 1000]),
        ("lchown", vec![own, 1000, 1000]),
        ("fchown", vec![3, 1000, 1000]),
        ("fchownat", vec![cwd, own, 1000, 1000, 0]),
        ("utimes", vec![own, place(&bytes([1, 2, 3, 4]))]),
        ("utimes", vec![own, 0]),
        ("futimes", vec![3, place(&bytes([1, 2, 3, 4]))]),
        ("truncate", vec![own, 3]),
        ("ftruncate", vec![3, 3]),
        ("vfs_purge", vec![]),
        ("chflags", vec![own, 0x8000]),
        ("fchflags", vec![3, 0x8000]),
        ("getattrlist", vec![own, everything, room(4096), 4096, 0x20]),
        ("getattrlistat", vec![cwd, own, volume, room(4096), 4096, 0x800]),
        ("fgetattrlist", vec![3, everything, room(4096), 4096, 0x20]),
        ("getattrlistbulk", vec![6, entries, room(1000), 1000, 0]),
        ("setattrlist", vec![own, settable, place(&[1; 120]), 120, 0]),
        ("setattrlistat", vec![cwd, own, settable, place(&[1; 120]), 120, 0]),
        ("fsetattrlist", vec![3, settable, place(&[1; 120]), 120, 0]),
        ("statfs", vec![own, room(336)]),
        ("fstatfs", vec![3, room(336)]),
        ("getfsstat", vec![0, 0, 2]),
        ("statfs64", vec![own, room(2168)]),
        ("fstatfs64", vec![3, room(2168)]),
        ("getfsstat64", vec![0, 0, 2]),
        ("pathconf", vec![own, 4]),
        ("fpathconf", vec![3, 4]),
        ("setxattr", vec![own, text("name"), buf, 5, 0, 0]),
        ("setxattr", vec![own, text("com.apple.FinderInfo"), place(&[1; 32]), 32, 0, 2]),
        ("setxattr", vec![own, text("com.apple.ResourceFork"), buf, 5, 1, 0]),
        ("fsetxattr", vec![3, text("name"), buf, 5, 0, 0]),
        ("getxattr", vec![own, text("there"), buf, 5, 0, 0]),
        ("getxattr", vec![own, text("com.apple.ResourceFork"), buf, 5, 1, 0x41]),
        ("fgetxattr", vec![3, text("there"), buf, 5, 0, 0]),
        ("removexattr", vec![own, text("there"), 0]),
        ("fremovexattr", vec![3, text("there"), 0]),
        ("listxattr", vec![own, room(400), 400, 0]),
        ("flistxattr", vec![3, room(400), 400, 0]),
        ("mmap", vec![0, 4096, 3, 2, 3, 0]),
        ("msync", vec![k.alloc(4096).get(), 4096, 0x10]),
        ("mincore", vec![k.alloc(8192).get(), 8192, room(2)]),
        ("mlock", vec![k.alloc(4096).get(), 4096]),
        ("munlock", vec![k.alloc(4096).get(), 4096]),
        ("minherit", vec![k.alloc(4096).get(), 4096, 1]),
        ("vm_pressure_monitor", vec![0, 1, room(4)]),
        ("shared_region_check_np", vec![u64::MAX]),
        ("shared_region_map_and_slide_2_np", vec![0, 0, 0, 0]),
        ("map_with_linking_np", vec![0, 0, 0, 0]),
        ("mremap_encrypted", vec![0, 0, 0, 0, 0]),
        ("shm_open", vec![text("shared"), open_flags(O_RDWR | O_CREAT), 0o600]),
        ("shm_open", vec![text("there"), open_flags(O_RDWR | O_CREAT | O_TRUNC), 0o600]),
        ("shm_unlink", vec![text("there")]),
        ("sigsuspend", vec![0]),
        ("__sigwait", vec![place(&(1u32 << 30).to_le_bytes()), room(4)]),
        ("__disable_threadsignal", vec![1]),
        ("ptrace", vec![31, 0, 0, 0]),
        ("terminate_with_payload", vec![1000, 0, 0, 0, 0, 0, 0]),
        ("abort_with_payload", vec![0, 0, 0, 0, 0, 0]),
        ("os_fault_with_payload", vec![0, 0, 0, 0, 0, 0]),
        ("munmap", vec![k.alloc(4096).get(), 4096]),
        ("mprotect", vec![k.alloc(4096).get(), 4096, 1]),
        ("madvise", vec![k.alloc(4096).get(), 4096, 0]),
        ("fork", vec![]),
        ("execve", vec![text("/tmp/script"), iov_of(k), iov_of(k)]),
        ("__mac_execve", vec![text("/tmp/macho"), iov_of(k), iov_of(k), room(16)]),
        ("posix_spawn", vec![room(4), text("/tmp/macho"), place(&[0; 144]), 0, 0]),
        ("wait4", vec![2001, room(4), 0, room(144)]),
        ("waitid", vec![1, 2001, room(104), 4]),
        ("madvise", vec![k.alloc(4096).get(), 4096, 11]),
        ("madvise", vec![k.alloc(4096).get(), 4096, 4]),
        ("mmap", vec![0, 8192, 1, 0x4002, 3, 0]),
        ("getpid", vec![]),
        ("getppid", vec![]),
        ("exit", vec![0]),
        ("getrlimit", vec![8, room(16)]),
        ("setrlimit", vec![8, place(&bytes([64, 64]))]),
        ("getuid", vec![]),
        ("geteuid", vec![]),
        ("getgid", vec![]),
        ("getegid", vec![]),
        ("issetugid", vec![]),
        ("getentropy", vec![buf, 5]),
        ("gettimeofday", vec![room(16), room(8), room(8)]),
        ("getitimer", vec![0, room(32)]),
        ("setitimer", vec![0, place(&[0; 32]), room(32)]),
        ("sigaction", vec![30, place(&action(0x1234, 0, 0)), room(16)]),
        ("sigprocmask", vec![1, place(&[1, 0, 0, 0]), room(4)]),
        ("__pthread_sigmask", vec![1, place(&[1, 0, 0, 0]), room(4)]),
        ("sigpending", vec![room(4)]),
        ("sigaltstack", vec![place(&bytes([0x7000, 8192, 0])), room(24)]),
        ("kill", vec![1000, 0, 0]),
        ("sigreturn", {
            let frame = own_frame(k);
            vec![frame, 1, frame]
        }),
        ("select", vec![6, place(&[0x38, 0, 0, 0]), place(&[0x28, 0, 0, 0]), 0, place(&[0; 16])]),
        ("select", vec![64, place(&bytes([0x38])), 0, 0, 0]),
        ("pselect", vec![6, place(&[0x38, 0, 0, 0]), 0, 0, place(&[0; 16]), place(&[0xff; 4])]),
        ("poll", vec![place(&bytes([4 | 1 << 32, 5 | 4 << 32, 3 | 0x201 << 32])), 3, 1]),
        ("guarded_open_np", vec![own, place(&bytes([7])), 3, 0x0100_0000, 0]),
        ("guarded_open_dprotected_np", vec![own, place(&bytes([7])), 3, 0x0100_0000, 4, 1, 0]),
        ("guarded_close_np", vec![8, place(&bytes([9]))]),
        ("change_fdguard_np", vec![3, 0, 0, place(&bytes([7])), 0x1f, place(&[3, 0, 0, 0])]),
        ("change_fdguard_np", vec![8, place(&bytes([9])), 0x1f, 0, 0, place(&[3, 0, 0, 0])]),
        ("change_fdguard_np", vec![8, place(&bytes([9])), 0x1f, place(&bytes([7])), 2, 0]),
        ("guarded_write_np", vec![8, place(&bytes([9])), buf, 5]),
        ("guarded_pwrite_np", vec![8, place(&bytes([9])), buf, 5, 0]),
        ("guarded_writev_np", vec![8, place(&bytes([9])), iov, 1]),
        ("write", vec![8, buf, 5]),
        ("close", vec![8]),
        ("fcntl", vec![8, command(F_SETFD), 0]),
        ("ioctl", vec![3, 0x2000_6601, 0]),
        ("ioctl", vec![4, 0x8004_667e, place(&[0; 4])]),
        ("ioctl", vec![4, 0x8004_667d, place(&[1, 0, 0, 0])]),
        ("ioctl", vec![3, 0x4004_667f, room(4)]),
        ("ioctl", vec![4, 0x4004_667f, room(4)]),
        ("ioctl", vec![4, 0x8004_7476, place(&[0; 4])]),
        ("ioctl", vec![0, 0x4048_7413, room(72)]),
        ("ioctl", vec![0, 0x8048_7414, place(&[0; 72])]),
        ("ioctl", vec![0, 0x8008_7467, place(&[0; 8])]),
        ("ioctl", vec![0, 0x8004_7410, place(&[0; 4])]),
        ("ioctl", vec![0, 0x2000_7471, 0]),
        ("sync", vec![]),
        ("getdtablesize", vec![]),
        ("flock", vec![3, 2]),
        ("getfh", vec![own, room(4)]),
        ("fhopen", vec![0, 0]),
        ("fsctl", vec![own, SYNC_VOLUME, place(&[0; 4]), 0]),
        ("ffsctl", vec![3, SYNC_VOLUME, place(&[0; 4]), 0]),
        ("open_extended", vec![text("/tmp/x"), 0x201, 1000, 1000, 0o600, 0]),
        ("open_extended", vec![own, 0x200, 1000, 1000, 0o600, place(&filesec(0x012c_c16d, 1))]),
        ("open_dprotected_np", vec![own, 0, 4, 1, 0]),
        ("openat_dprotected_np", vec![cwd, own, 0, 4, 4, 0, 3]),
        ("sendfile", vec![3, 4, 0, room(8), 0, 0]),
        ("fcntl", vec![3, command(F_DUPFD), 7]),
        ("fcntl", vec![3, command(F_SETFL), 4]),
        ("fcntl", vec![3, command(F_GETFL), 0]),
        ("fcntl", vec![3, command(F_GETLK), lock()]),
        ("fcntl", vec![3, command(F_SETLKW), lock()]),
        ("fcntl", vec![3, command(F_FULLFSYNC), 0]),
        ("fcntl", vec![3, command(F_GETPATH), room(1024)]),
        ("fcntl", vec![3, command(F_GETOWN), 0]),
        ("fcntl", vec![4, command(F_GETOWN), 0]),
        ("fcntl", vec![4, command(F_SETOWN), 1000]),
        ("fcntl", vec![0, command(F_SETOWN), 1000]),
        ("fcntl", vec![4, command(F_SETNOSIGPIPE), 1]),
        ("fcntl", vec![4, command(F_GETNOSIGPIPE), 0]),
        ("fcntl", vec![3, command(F_PREALLOCATE), place(&bytes([3 << 32, 0, 4096, 0]))]),
        ("fcntl", vec![3, command(F_PUNCHHOLE), place(&bytes([0, 0, 4096]))]),
        ("fcntl", vec![3, command(F_LOG2PHYS), room(20)]),
        ("fcntl", vec![3, command(F_PATHPKG_CHECK), own]),
        ("fcntl", vec![3, command(F_CHECK_LV), place(&[0; 24])]),
        ("socket", vec![1, 1, 0]),
        ("socketpair", vec![1, 1, 0, room(8)]),
        ("bind", vec![12, local("/tmp/name"), 11]),
        ("connect", vec![14, inet(80), 16]),
        ("connect", vec![12, local("/tmp/listener"), 15]),
        ("listen", vec![13, 5]),
        ("accept", vec![13, room(16), place(&[16, 0, 0, 0])]),
        ("getsockname", vec![13, room(15), place(&[15, 0, 0, 0])]),
        ("getpeername", vec![10, room(16), place(&[16, 0, 0, 0])]),
        ("sendto", vec![10, buf, 5, 0, 0, 0]),
        ("sendto", vec![15, buf, 5, 0, inet(81), 16]),
        ("recvfrom", vec![11, buf, 5, 0, room(16), place(&[16, 0, 0, 0])]),
        (
            "sendmsg",
            vec![10, place(&message(k, UserAddr::new(buf), 5, (0, 0), (place(&rights(&[3])), 16))), 0],
        ),
        ("recvmsg", vec![11, place(&message(k, UserAddr::new(buf), 5, (0, 0), (room(16), 16))), 0]),
        (
            "sendmsg_x",
            vec![10, place(&[message(k, UserAddr::new(buf), 5, (0, 0), (0, 0)), vec![0; 8]].concat()), 1, 0],
        ),
        (
            "recvmsg_x",
            vec![11, place(&[message(k, UserAddr::new(buf), 5, (0, 0), (0, 0)), vec![0; 8]].concat()), 1, 0],
        ),
        ("setsockopt", vec![10, 0xffff, 8, place(&[1, 0, 0, 0]), 4]),
        ("setsockopt", vec![10, 0xffff, 0x1022, place(&[1, 0, 0, 0]), 4]),
        ("getsockopt", vec![10, 0xffff, 0x1008, room(4), place(&[4, 0, 0, 0])]),
        ("getsockopt", vec![10, 0, 1, room(76), place(&[76, 0, 0, 0])]),
        ("getsockopt", vec![10, 0xffff, 0x1020, room(4), place(&[4, 0, 0, 0])]),
        ("shutdown", vec![10, 1]),
        ("connectx", {
            let ends = place(&bytes([0, inet(0), 16, inet(80), 16]));
            vec![14, ends, 0, 0, iov, 1, room(8), room(4)]
        }),
        ("disconnectx", vec![16, 0, 0]),
        ("peeloff", vec![7, 0]),
        ("socket_delegate", vec![1, 1, 0, 1000]),
        ("netagent_trigger", vec![place(&[1; 16]), 16]),
        ("necp_open", vec![0]),
        ("necp_client_action", vec![3, 0, 0, 0, 0, 0]),
        ("necp_session_open", vec![0]),
        ("necp_session_action", vec![3, 0, 0, 0, 0, 0]),
        ("__nexus_register", vec![3, 0, 0, 0, 0]),
        ("__nexus_deregister", vec![3, 0, 0]),
        ("__nexus_create", vec![3, 0, 0, 0, 0]),
        ("__nexus_destroy", vec![3, 0, 0]),
        ("__nexus_get_opt", vec![3, 0, 0, 0]),
        ("__nexus_set_opt", vec![3, 0, 0, 0]),
        ("__channel_get_info", vec![3, 0, 0]),
        ("__channel_sync", vec![3, 0, 0]),
        ("__channel_get_opt", vec![3, 0, 0, 0]),
        ("__channel_set_opt", vec![3, 0, 0, 0]),
        ("net_qos_guideline", vec![place(&[0; 16]), 16]),
        ("tracker_action", vec![0, 0, 0]),
        ("getpgrp", vec![]),
        ("getpgid", vec![1000]),
        ("getsid", vec![1000]),
        ("setsid", vec![]),
        ("setpgid", vec![0, 0]),
        ("setpgid", vec![0, u64::MAX]),
        ("getpriority", vec![0, 0]),
        ("getpriority", vec![2, 0]),
        ("getpriority", vec![4, 1000]),
        ("setpriority", vec![0, 0, 1]),
        ("setpriority", vec![4, 1000, 0x1000]),
        ("iopolicysys", vec![1, place(&[0; 12])]),
        ("proc_rlimit_control", vec![1000, 1, 0]),
        ("process_policy", vec![1, 11, 4, 3, room(24), 1000, 0]),
        ("getrusage", vec![0, room(144)]),
        ("thread_selfusage", vec![]),
        ("thread_selfid", vec![]),
        ("bsdthread_register", {
            let mut data = bytes([56, 0, 0, 0, 0, 0, 0]);
            data.truncate(56);
            vec![1, 2, 4096, place(&data), 56, 0, 0]
        }),
        ("bsdthread_create", vec![1, 2, 3, 4, 0x0100_0000]),
        ("bsdthread_terminate", vec![room(8192), 8192, 0, place(&[0; 4])]),
        ("bsdthread_ctl", vec![0x800, 6, 0, 0]),
        ("ulock_wait", vec![1, place(&[0; 4]), 0, 1000]),
        ("ulock_wait2", vec![5, place(&[0; 8]), 0, 1000, 0]),
        ("ulock_wake", vec![0x101, place(&[0; 4]), 0]),
        ("memorystatus_get_level", vec![room(4)]),
        ("memorystatus_available_memory", vec![]),
        ("memorystatus_control", vec![1, 0, 0, 0, 0]),
        ("setprivexec", vec![1]),
        ("persona", vec![5, 0, 0, place(&[1; 4]), 0, 0]),
        ("coalition_info", vec![1, place(&[0; 8]), 0, 0]),
        ("work_interval_ctl", vec![4, 0, place(&[0; 16]), 16]),
        ("sfi_ctl", vec![2, 0, 0, room(8)]),
        ("sfi_pidctl", vec![2, 1000, 0, room(4)]),
        ("telemetry", vec![0, 0, 0, 0, 0, 0]),
        ("pid_suspend", vec![1000]),
        ("pid_resume", vec![1000]),
        ("pid_shutdown_sockets", vec![1000, 1]),
        ("task_inspect_for_pid", vec![0, 1000, 0]),
        ("task_read_for_pid", vec![0, 1000, 0]),
        ("ledger", vec![1, 1000, 0, place(&[0; 4])]),
        ("setuid", vec![1000]),
        ("seteuid", vec![1000]),
        ("setreuid", vec![1000, 1000]),
        ("setgid", vec![1000]),
        ("setegid", vec![1000]),
        ("setregid", vec![1000, 1000]),
        ("getgroups", vec![1, room(4)]),
        ("setgroups", vec![1, place(&[0; 4])]),
        ("initgroups", vec![1, place(&[0; 4]), 0]),
        ("getlogin", vec![room(8), 8]),
        ("setlogin", vec![text("name")]),
        ("settid", vec![0, 0]),
        ("settid_with_pid", vec![1000, 1]),
        ("gethostuuid", vec![room(16), place(&[0; 16])]),
        ("settimeofday", vec![place(&[0; 16]), 0]),
        ("adjtime", vec![place(&[0; 16]), 0]),
        ("ntp_adjtime", vec![place(&[0; 136])]),
        ("ntp_gettime", vec![room(48)]),
        ("__mach_bridge_remote_time", vec![0]),
        ("getauid", vec![room(4)]),
        ("setauid", vec![place(&[0; 4])]),
        ("getaudit_addr", vec![room(48), 48]),
        ("setaudit_addr", vec![place(&[4; 48]), 48]),
        ("auditon", vec![34, place(&[0; 4]), 4]),
        ("audit_session_port", vec![7, 0]),
        ("csops", vec![0, 0, room(4), 4]),
        ("csops_audittoken", vec![1000, 6, room(8), 8, place(&[0; 32])]),
        ("csrctl", vec![1, room(4), 4]),
        ("crossarch_trap", vec![0]),
        ("__mac_get_proc", vec![label]),
        ("__mac_set_proc", vec![label]),
        ("__mac_get_pid", vec![1000, label]),
        ("__mac_get_fd", vec![3, label]),
        ("__mac_set_fd", vec![3, label]),
        ("__mac_get_file", vec![own, label]),
        ("__mac_set_file", vec![own, label]),
        ("__mac_get_link", vec![own, label]),
        ("__mac_set_link", vec![own, label]),
        ("__mac_syscall", vec![text("policy"), 0, 0]),
        ("sysctl", vec![place(&[1, 0, 0, 0, 10, 0, 0, 0]), 2, room(8), place(&bytes([8])), 0, 0]),
        ("sysctlbyname", vec![text("kern.boottime"), 13, room(16), place(&bytes([16])), 0, 0]),
        ("kdebug_typefilter", vec![room(8), room(8)]),
        ("kdebug_trace", vec![0, 0, 0, 0, 0]),
        ("kdebug_trace64", vec![0, 0, 0, 0, 0]),
        ("kdebug_trace_string", vec![0, 0, 0]),
    ];
    calls.extend(crate::good_traps::good_traps(k));
    calls
}

/// A vector of one string.
fn iov_of(k: &Mock) -> u64 {
    k.place(&bytes([k.place_str("string").get(), 0])).get()
}

/// A frame that `sigreturn` takes: all zero but for what it must say.
fn own_frame(k: &Mock) -> u64 {
    let registers = k.place(&[0; 1032]).get();
    k.place(&bytes([0, 0, 0, 0, 0, 1032, registers])).get()
}

fn numbers(numbers: [i32; 4]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The machine on which the good calls work.
pub(crate) fn prepared() -> Machine<Mock> {
    let prepared = machine();
    xnu!(prepared, open("/tmp/own", O_RDWR) => 3);
    xnu!(prepared, pipe() => (4, 5));
    xnu!(prepared, dup2(3, 8) => 8);
    xnu!(prepared, change_fdguard_np(8, NULL, 0, bytes([9]), 0x1f, NULL) => 0);
    xnu!(prepared, write(5, b"bytes", 5) => 5);
    xnu!(prepared, open("/tmp/dir", O_RDONLY) => 6);
    xnu!(prepared, open("/tmp", O_RDONLY) => 7);
    xnu!(prepared, open("/tmp/link", O_SYMLINK) => 9);
    xnu!(prepared, mkdir("/tmp/empty", 0o755) => 0);
    prepared.add_file("/tmp/macho", &crate::exec::macho());
    prepared.add_file("/tmp/script", b"#!/tmp/macho -x\n");
    for program in ["/tmp/macho", "/tmp/script"] {
        prepared.set_mode(program, 0o755);
    }
    xnu!(prepared, shm_open("there", O_RDWR | O_CREAT, 0o600) => 10);
    xnu!(prepared, ftruncate(10, 0) => 0);
    xnu!(prepared, close(10) => 0);
    prepared.set_child(2001, 999, Some(ChildChange::Exited(3)));
    for name in
        ["there", "com.apple.ResourceFork", &"long".repeat(31), &"name".repeat(31), &"lung".repeat(31)]
    {
        prepared.set_xattr("/tmp/own", &format!("user.{name}"), b"value");
    }
    // 10 and 11 are connected, with bytes; 12 has no name yet, 13 listens and is connected to; the internet's 17 listens,
    // 14 is a stream, 15 and 16 are for datagrams, of which the last has a peer.
    let pair = prepared.alloc(8);
    xnu!(prepared, socketpair(1, 1, 0, pair) => 0);
    xnu!(prepared, sendto(10, b"bytes", 5, 0, NULL, 0) => 5);
    xnu!(prepared, socket(1, 1, 0) => 12);
    xnu!(prepared, socket(1, 1, 0) => 13);
    xnu!(prepared, bind(13, local_address("/tmp/listener"), 15) => 0);
    xnu!(prepared, listen(13, 5) => 0);
    xnu!(prepared, socket(2, 1, 0) => 14);
    xnu!(prepared, socket(2, 2, 0) => 15);
    xnu!(prepared, socket(2, 2, 0) => 16);
    xnu!(prepared, connect(16, loopback(82), 16) => 0);
    xnu!(prepared, socket(2, 1, 0) => 17);
    xnu!(prepared, bind(17, loopback(80), 16) => 0);
    xnu!(prepared, listen(17, 5) => 0);
    xnu!(prepared, socket(1, 1, 0) => 18);
    xnu!(prepared, connect(18, local_address("/tmp/listener"), 15) => 0);
    crate::processes::furnish(&prepared);
    prepared.add_file("/proc/self/mountinfo", b"2049 0 8:1 / / rw - ext4 /dev/root rw\n");
    prepared
}

/// Runs a call on a machine that fails as planned; the machine is set up before the plan starts to count.
pub(crate) fn run(index: usize, plan: Plan) -> (Failing, &'static str, BTreeSet<i32>, Reply) {
    let prepared = prepared();
    let (name, words) = good_calls(&prepared).swap_remove(index);
    let k = Machine::new(Fault::new(prepared.process.kernel, plan), prepared.process.lkm);
    let guard = prepared.process.descriptors.guards.get(8).expect("a guard");
    assert!(k.process.descriptors.guards.set(8, guard));
    k.process.loader.set(k.place_str("/loader"), k.place_str("OPTIONS="));
    let before = k.descriptors().into_iter().collect();
    k.clear_calls();
    let reply = k.by_name(name, &words);
    (k, name, before, reply)
}
