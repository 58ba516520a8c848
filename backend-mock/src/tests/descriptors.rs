//! Descriptor limits, pipes, locks of others, polling.

use super::{AT_FDCWD, linux};
use crate::layout::{field, layout};
use crate::{Disposition, Mock};
use linux_raw_sys::general::*;
use xnu_abi::linux::Errno;

#[test]
fn the_descriptor_limit_is_emfile() {
    let mock = Mock::new(1);
    mock.set_limit(RLIMIT_NOFILE, 4, 4096);
    linux!(mock, Dup(0) => 3);
    linux!(mock, Dup(0) => Errno::EMFILE);
    linux!(mock, Openat(AT_FDCWD, c"/missing", O_RDONLY, 0) => Errno::EMFILE);
    linux!(mock, Fcntl(0, F_DUPFD, 4) => Errno::EINVAL);
    linux!(mock, Dup3(0, 4, 0) => Errno::EBADF);
    linux!(mock, Close(1) => 0);
    linux!(mock, Pipe2(&mut [0; 8][..], 0) => Errno::EMFILE);
    linux!(mock, Dup(0) => 1);
}

#[test]
fn a_pipe_never_blocks() {
    let mock = Mock::new(1);
    let mut buffer = [0; 8];
    linux!(mock, Pipe2(&mut buffer[..], O_CLOEXEC) => 0);
    assert_eq!(buffer, [3, 0, 0, 0, 4, 0, 0, 0]);
    linux!(mock, Fcntl(3, F_GETFD, 0) => 1);
    linux!(mock, Read(3, &mut buffer[..], 8) => Errno::EAGAIN);
    linux!(mock, Write(4, &[7; 70_000][..], 70_000) => 65_536);
    linux!(mock, Write(4, &[7][..], 1) => Errno::EAGAIN);
    linux!(mock, Fcntl(3, F_SETPIPE_SZ, 4096) => Errno::EBUSY);
    linux!(mock, Read(3, &mut buffer[..], 8) => 8);
    linux!(mock, Close(4) => 0);
    linux!(mock, Read(3, &mut [0; 70_000][..], 70_000) => 65_528);
    linux!(mock, Read(3, &mut buffer[..], 8) => 0);
}

#[test]
fn writing_to_a_pipe_without_readers_is_epipe_and_sigpipe() {
    let mock = Mock::new(1);
    linux!(mock, Pipe2(&mut [0; 8][..], 0) => 0);
    linux!(mock, Close(3) => 0);
    linux!(mock, Write(4, &b"x"[..], 1) => Errno::EPIPE);
    let signals = mock.signals();
    assert_eq!((signals[0].number, signals[0].disposition), (13, Disposition::Fatal));
    assert_eq!(mock.killed(), Some(13));
}

#[test]
fn the_lock_of_another_process_is_in_the_way() {
    let mock = Mock::new(1);
    linux!(mock, Openat(AT_FDCWD, c"a", O_CREAT | O_RDWR, 0o600) => 3);
    mock.hold_lock("a", 77, true, 10, 20);
    let wish = |start: u32| layout!(flock { l_type = F_WRLCK, l_start = start, l_len = 5u32 });
    let mut lock = wish(8);
    linux!(mock, Fcntl(3, F_SETLK, &lock[..]) => Errno::EAGAIN);
    linux!(mock, Fcntl(3, F_GETLK, &mut lock[..]) => 0);
    assert_eq!(
        (field!(lock, flock, l_pid), field!(lock, flock, l_start), field!(lock, flock, l_len)),
        (77, 10, 10)
    );
    let lock = wish(20);
    linux!(mock, Fcntl(3, F_SETLK, &lock[..]) => 0);
}

#[test]
fn polling_waits_in_virtual_time() {
    let mock = Mock::new(1);
    mock.set_step_ns(0);
    linux!(mock, Pipe2(&mut [0; 8][..], 0) => 0);
    let poll = |fd: i32, events: u32| layout!(pollfd { fd = fd, events = events });
    let timeout = layout!(timespec { tv_sec = 2u32 });
    let (before, mut fds) = (mock.now_ns(), poll(3, POLLIN));
    linux!(mock, Ppoll(&mut fds[..], 1, &timeout[..], 0, 0) => 0);
    assert_eq!(mock.now_ns() - before, 2_000_000_000);
    linux!(mock, Ppoll(&mut fds[..], 1, 0, 0, 0) => Errno::EINTR);
    linux!(mock, Write(4, &b"x"[..], 1) => 1);
    linux!(mock, Ppoll(&mut fds[..], 1, 0, 0, 0) => 1);
    assert_eq!(field!(fds, pollfd, revents) as u32, POLLIN);
    let mut fds = [0b1_1000u64].map(u64::to_le_bytes).concat();
    linux!(mock, Pselect6(5, &mut fds[..], 0, 0, 0, 0) => 1);
    assert_eq!(fds[0], 0b1000, "the read end is readable, the write end is not");
}

#[test]
fn fifo_ends_find_each_other() {
    let mock = Mock::new(1);
    mock.add_fifo("/tmp/f");
    mock.set_mode("/tmp/f", 0o666);
    linux!(mock, Openat(AT_FDCWD, c"/tmp/f", O_WRONLY | O_NONBLOCK, 0) => Errno::ENXIO);
    linux!(mock, Openat(AT_FDCWD, c"/tmp/f", O_RDONLY, 0) => Errno::EAGAIN);
    linux!(mock, Openat(AT_FDCWD, c"/tmp/f", O_RDONLY | O_NONBLOCK, 0) => 3);
    linux!(mock, Openat(AT_FDCWD, c"/tmp/f", O_WRONLY, 0) => 4);
    linux!(mock, Write(4, &b"abc"[..], 3) => 3);
    let mut buffer = [0; 8];
    linux!(mock, Read(3, &mut buffer[..], 8) => 3);
}
