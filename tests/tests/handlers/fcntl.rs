//! `fcntl`.

use crate::support::*;
use xnu_abi::darwin::fcntl::FcntlCommand;
use xnu_core::{Reply, UserAddr};

#[test]
fn copies_start_at_the_number_asked_for() {
    let k = machine();
    xnu!(k, fcntl(0, F_DUPFD, 10) => 10);
    xnu!(k, fcntl(0, F_DUPFD, 10) => 11);
    xnu!(k, fcntl(0, F_DUPFD_CLOEXEC, 0) => 3);
    xnu!(k, fcntl(3, F_GETFD, 0) => 1);
    xnu!(k, fcntl(10, F_GETFD, 0) => 0);
    for least in [-1, 1024, i32::MAX, i32::MIN] {
        xnu!(k, fcntl(0, F_DUPFD, least) => EINVAL);
        xnu!(k, fcntl(0, F_DUPFD_CLOEXEC, least) => EINVAL);
    }
    xnu!(k, fcntl(0, F_DUPFD, dirty(20)) => 20);
    xnu!(k, fcntl(0, F_DUPFD, 1023) => 1023);
    xnu!(k, fcntl(0, F_DUPFD, 1023) => EMFILE);
}

#[test]
fn bad_descriptors_are_found_before_anything_else() {
    let k = machine();
    for fd in [-1, 99, i32::MAX, i32::MIN] {
        for command in 0..130 {
            for argument in [0, -1, i64::MIN] {
                let reply = k.by_name("fcntl", &[fd as u64, command, argument as u64]);
                assert_eq!(reply, Reply::Error(EBADF), "fcntl({fd}, {command}, {argument})");
            }
        }
        xnu!(k, fcntl(fd, F_SETLK, &[0xff; 24]) => EBADF);
    }
}

#[test]
fn commands_that_nobody_knows_are_the_file_systems() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, pipe() => (4, 5));
    for command in (0..200).chain([0x7fff, 0x1_0000, 0x2000_6601, -1]) {
        if FcntlCommand::new(command).name().is_some() {
            continue;
        }
        // With its directions, -1 has a parameter and has none.
        let (file, pipe) = if command == -1 { (EINVAL, EINVAL) } else { (ENOTTY, EBADF) };
        xnu!(k, fcntl(3, command, 0) => file);
        xnu!(k, fcntl(4, command, 0) => pipe);
    }
    // Something of 72 bytes that the file system should read.
    let with_parameter = 0x8048_4a01u32 as i32;
    xnu!(k, fcntl(3, with_parameter, k.alloc_guarded(72)) => ENOTTY);
    xnu!(k, fcntl(3, with_parameter, k.alloc_guarded(71)) => EFAULT);
}

#[test]
fn no_command_is_enotsup_that_can_be_done() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    for command in
        [F_NOCACHE, F_NODIRECT, F_SINGLE_WRITER, F_RDAHEAD, F_GLOBAL_NOCACHE, F_CHECK_OPENEVT, F_NOCACHE_EXT]
    {
        for on in [0, 1, -1] {
            xnu!(k, fcntl(3, command, on) => 0);
        }
    }
    xnu!(k, open("/tmp/dir", O_RDONLY) => 4);
    xnu!(k, fcntl(4, F_NOCACHE, 1) => 0);
    xnu!(k, fcntl(4, F_NOCACHE_EXT, 1) => EBADF);
    xnu!(k, open("/tmp/fifo", O_RDWR) => 5);
    xnu!(k, fcntl(5, F_NOCACHE, 1) => 0);
    xnu!(k, fcntl(5, F_RDAHEAD, 0) => 0);
}

#[test]
fn commands_for_files_are_ebadf_on_pipes() {
    let k = machine();
    xnu!(k, pipe() => (3, 4));
    let there = k.alloc(1024);
    for command in FcntlCommand::CONSTANTS {
        let want = match command.name {
            "F_DUPFD" | "F_DUPFD_CLOEXEC" | "F_GETFD" | "F_SETFD" | "F_GETFL" | "F_SETFL" | "F_GETOWN"
            | "F_SETOWN" | "F_SETNOSIGPIPE" | "F_GETNOSIGPIPE" | "F_GETCONFINED" => continue,
            "F_FINDSIGS" | "F_GETCODEDIR" => ENOTSUP,
            "F_RECYCLE" | "F_ASSERT_BG_ACCESS" | "F_RELEASE_BG_ACCESS" | "F_MOVEDATAEXTENTS" => EPERM,
            "F_SETIOTYPE" | "F_MARKDEPENDENCY" => EINVAL,
            "F_TRIM_ACTIVE_FILE" => EACCES,
            _ => EBADF,
        };
        let reply = k.by_name("fcntl", &[3, command.value as u64, there.get()]);
        assert_eq!(reply, Reply::Error(want), "{}", command.name);
    }
}

#[test]
fn what_only_some_may_do_says_so() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, open("/tmp/own", O_RDONLY) => 4);
    xnu!(k, open("/tmp/dir", O_RDONLY) => 5);
    xnu!(k, open("/dev/null", O_RDWR) => 6);
    for command in [F_FREEZE_FS, F_THAW_FS, F_TRIM_ACTIVE_FILE] {
        xnu!(k, fcntl(3, command, k.alloc(16)) => EACCES);
    }
    for command in [F_RECYCLE, F_ASSERT_BG_ACCESS, F_RELEASE_BG_ACCESS, F_MOVEDATAEXTENTS] {
        xnu!(k, fcntl(3, command, 4) => EPERM);
    }
    xnu!(k, fcntl(3, F_TRANSFEREXTENTS, -1) => EINVAL);
    xnu!(k, fcntl(3, F_TRANSFEREXTENTS, 4) => ENOTSUP);
    for kind in [1, 2, 3, 1 | 5 << 2] {
        xnu!(k, fcntl(3, F_SETLEASE, kind) => EPERM);
    }
    xnu!(k, fcntl(3, F_SETLEASE, 0) => EINVAL);
    xnu!(k, fcntl(5, F_SETLEASE, 3) => ENOTSUP);
    xnu!(k, fcntl(5, F_SETLEASE, 1) => EPERM);
    xnu!(k, fcntl(6, F_SETLEASE, 1) => EBADF);
    xnu!(k, fcntl(3, F_GETLEASE, 0) => 2);
    xnu!(k, fcntl(6, F_GETLEASE, 0) => EBADF);
    k.set_credentials(xnu_backend_mock::Credentials::user(0, 0));
    xnu!(k, fcntl(3, F_FREEZE_FS, 0) => ENOTSUP);
    xnu!(k, fcntl(3, F_MOVEDATAEXTENTS, 4) => ENOTSUP);
    xnu!(k, fcntl(3, F_TRIM_ACTIVE_FILE, k.alloc(16)) => ENOTTY);
    xnu!(k, fcntl(3, F_TRIM_ACTIVE_FILE, k.alloc_guarded(15)) => EFAULT);
    xnu!(k, fcntl(4, F_TRIM_ACTIVE_FILE, k.alloc(16)) => EPERM);
}

#[test]
fn what_linux_has_no_equal_for_answers_as_a_volume_without_it() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, open("/tmp/dir", O_RDONLY) => 4);
    for command in [F_GETPROTECTIONCLASS, F_SETPROTECTIONCLASS, F_FINDSIGS, F_GETCODEDIR] {
        xnu!(k, fcntl(3, command, 0) => ENOTSUP);
    }
    for command in
        [F_TRANSCODEKEY, F_GETPROTECTIONLEVEL, F_GETDEFAULTPROTLEVEL, F_MAKECOMPRESSED, F_ADDFILESUPPL]
    {
        xnu!(k, fcntl(3, command, 0) => ENOTTY);
    }
    xnu!(k, fcntl(3, F_ATTRIBUTION_TAG, k.alloc_guarded(272)) => ENOTTY);
    xnu!(k, fcntl(3, F_ATTRIBUTION_TAG, k.alloc_guarded(271)) => EFAULT);
    xnu!(k, fcntl(4, F_MAKECOMPRESSED, 0) => EBADF);
    xnu!(k, fcntl(3, F_SETBACKINGSTORE, 1) => EINVAL);
    xnu!(k, fcntl(3, F_CHKCLEAN, 0) => ENOTTY);
    xnu!(k, fcntl(4, F_CHKCLEAN, 0) => EINVAL);
    xnu!(k, fcntl(3, F_MARKDEPENDENCY, 0) => EINVAL);
    // Hints, for those who may write the file, however they opened it.
    xnu!(k, open("/tmp/own", O_RDONLY) => 5);
    k.add_file("/tmp/roots", b"");
    xnu!(k, open("/tmp/roots", O_RDONLY) => 6);
    for (command, argument) in [(F_SETSTATICCONTENT, 1), (F_SET_GREEDY_MODE, 0), (F_SETIOTYPE, 1)] {
        xnu!(k, fcntl(5, command, argument) => 0);
        xnu!(k, fcntl(6, command, argument) => EBADF);
    }
    xnu!(k, fcntl(5, F_SETIOTYPE, 0) => EINVAL);
    xnu!(k, fcntl(5, F_SETIOTYPE, 2) => EINVAL);
}

#[test]
fn the_owner_is_the_files_own_kind_of_owner() {
    let k = machine();
    // The mock's process is 1000, of group 999.
    xnu!(k, pipe() => (3, 4));
    xnu!(k, fcntl(3, F_GETOWN, 0) => 0);
    xnu!(k, fcntl(3, F_SETOWN, 1000) => 0);
    xnu!(k, fcntl(3, F_GETOWN, 0) => -1000);
    xnu!(k, fcntl(4, F_GETOWN, 0) => 0);
    xnu!(k, fcntl(3, F_SETOWN, -999) => 0);
    xnu!(k, fcntl(3, F_GETOWN, 0) => 999);
    for nobody in [77, -77, i32::MIN, i32::MAX] {
        xnu!(k, fcntl(3, F_SETOWN, nobody) => 0);
        xnu!(k, fcntl(3, F_GETOWN, 0) => 0);
    }
    // The terminal's foreground group.
    xnu!(k, fcntl(0, F_GETOWN, 0) => -999);
    xnu!(k, fcntl(0, F_SETOWN, 1000) => 0);
    xnu!(k, fcntl(0, F_SETOWN, -999) => 0);
    xnu!(k, fcntl(0, F_SETOWN, 77) => ESRCH);
    xnu!(k, fcntl(0, F_SETOWN, -77) => EINVAL);
    xnu!(k, open("/tmp/own", O_RDWR) => 5);
    xnu!(k, fcntl(5, F_GETOWN, 0) => ENOTTY);
    xnu!(k, fcntl(5, F_SETOWN, 1000) => ENOTTY);
    xnu!(k, fcntl(5, F_SETOWN, 77) => ESRCH);
    xnu!(k, open("/tmp/fifo", O_RDWR) => 6);
    xnu!(k, fcntl(6, F_GETOWN, 0) => EOPNOTSUPP);
    xnu!(k, fcntl(6, F_SETOWN, -5) => EOPNOTSUPP);
    xnu!(k, open("/dev/null", O_RDWR) => 7);
    xnu!(k, fcntl(7, F_GETOWN, 0) => ENOTTY);
}

#[test]
fn only_what_was_opened_to_be_closed_on_fork_is_confined() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, fcntl(3, F_GETCONFINED, 0) => 0);
    xnu!(k, fcntl(3, F_SETCONFINED, 1) => EBADF);
    xnu!(k, fcntl(3, F_SETCONFINED, 0) => EPERM);
    xnu!(k, fcntl(99, F_GETCONFINED, 0) => EBADF);
    k.process.descriptors.close_on_fork.insert(3);
    xnu!(k, fcntl(3, F_SETCONFINED, 1) => 0);
    xnu!(k, fcntl(3, F_SETCONFINED, 1) => 0);
    xnu!(k, fcntl(3, F_GETCONFINED, 0) => 1);
    xnu!(k, fcntl(3, F_SETCONFINED, 0) => EPERM);
    // Every copy is, and a number that is used again is not.
    xnu!(k, dup(3) => 4);
    xnu!(k, dup2(3, 7) => 7);
    xnu!(k, fcntl(3, F_DUPFD, 8) => 8);
    for copy in [4, 7, 8] {
        xnu!(k, fcntl(copy, F_GETCONFINED, 0) => 1);
    }
    assert_eq!(k.process.descriptors.close_on_fork.iter().collect::<Vec<_>>(), [3, 4, 7, 8]);
    xnu!(k, close(3) => 0);
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, fcntl(3, F_GETCONFINED, 0) => 0);
    xnu!(k, dup2(3, 4) => 4);
    xnu!(k, fcntl(4, F_GETCONFINED, 0) => 0);
}

#[test]
fn a_file_remembers_that_it_raises_no_signal_for_all_its_descriptors() {
    let k = machine();
    xnu!(k, pipe() => (3, 4));
    xnu!(k, dup(4) => 5);
    xnu!(k, fcntl(4, F_GETNOSIGPIPE, 0) => 0);
    xnu!(k, fcntl(5, F_SETNOSIGPIPE, dirty(1)) => 0);
    xnu!(k, fcntl(4, F_GETNOSIGPIPE, 0) => 1);
    xnu!(k, fcntl(3, F_GETNOSIGPIPE, 0) => 0);
    xnu!(k, fcntl(4, F_SETNOSIGPIPE, dirty(0)) => 0);
    xnu!(k, fcntl(5, F_GETNOSIGPIPE, 0) => 0);
}

#[test]
fn what_was_opened_to_be_executed_says_so() {
    let k = machine();
    k.set_mode("/tmp/own", 0o755);
    xnu!(k, open("/tmp/own", O_EXEC) => 3);
    xnu!(k, fcntl(3, F_GETFL, 0) => O_EXEC.bits() as i32);
    xnu!(k, open("/tmp/link", O_SYMLINK) => 4);
    xnu!(k, fcntl(4, F_GETFL, 0) => 0);
}

#[test]
fn of_the_descriptor_flags_only_close_on_exec_is_kept() {
    let k = machine();
    xnu!(k, fcntl(0, F_SETFD, -1) => 0);
    xnu!(k, fcntl(0, F_GETFD, 0) => 1);
    xnu!(k, fcntl(0, F_SETFD, 2) => 0);
    xnu!(k, fcntl(0, F_GETFD, 0) => 0);
    xnu!(k, fcntl(dirty(0), dirty(2), dirty(1)) => 0);
    xnu!(k, fcntl(0, F_GETFD, 0) => 1);
}

#[test]
fn status_flags_change_and_the_access_mode_does_not() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_WRONLY) => 3);
    xnu!(k, fcntl(3, F_SETFL, O_NONBLOCK | O_APPEND | O_RDWR | O_CREAT | O_TRUNC) => 0);
    xnu!(k, fcntl(3, F_GETFL, 0) => (O_WRONLY | O_NONBLOCK | O_APPEND).bits() as i32);
    xnu!(k, fcntl(3, F_SETFL, 0) => 0);
    xnu!(k, fcntl(3, F_GETFL, 0) => 1);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"hello");
}

#[test]
fn an_open_file_knows_its_path() {
    let k = machine();
    let buf = k.alloc_guarded(13);
    xnu!(k, open("/tmp/dirlink/file", O_RDONLY) => 3);
    xnu!(k, fcntl(3, F_GETPATH, k.alloc(1024)) => 0);
    let short = k.alloc_guarded(14);
    xnu!(k, fcntl(3, F_GETPATH, short) => 0);
    assert_eq!(k.peek(short, 14), b"/tmp/dir/file\0");
    xnu!(k, fcntl(3, F_GETPATH, buf) => EFAULT);
    faults(&k, "fcntl", &[3, F_GETPATH.number() as u64, 0], 2, 14, OUT);
    xnu!(k, unlink("/tmp/dir/file") => 0);
    xnu!(k, fcntl(3, F_GETPATH, short) => ENOENT);
    xnu!(k, pipe() => (4, 5));
    xnu!(k, fcntl(4, F_GETPATH_NOFIRMLINK, short) => EBADF);
    xnu!(k, fcntl(0, F_GETPATH, short) => 0);
    assert_eq!(k.peek(short, 9), b"/dev/tty\0");
    xnu!(k, fcntl(0, F_GETPATH, UserAddr::new(u64::MAX)) => EFAULT);
}

#[test]
fn files_can_be_flushed_by_fcntl() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, fcntl(3, F_FULLFSYNC, 0) => 0);
    xnu!(k, fcntl(3, F_BARRIERFSYNC, 0) => 0);
    xnu!(k, fcntl(3, F_FLUSH_DATA, 0) => 0);
    xnu!(k, pipe() => (4, 5));
    xnu!(k, fcntl(4, F_FULLFSYNC, 0) => EBADF);
    xnu!(k, fcntl(0, F_FULLFSYNC, 0) => ENOTTY);
    xnu!(k, fcntl(0, F_FLUSH_DATA, 0) => 0);
}
