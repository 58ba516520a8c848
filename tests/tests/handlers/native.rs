//! Handlers on the Linux that the tests run on, where the mock's word is not enough.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use xnu_abi::darwin::Errno;
use xnu_backend_linux::Linux;
use xnu_backend_mock::Module;
use xnu_core::Reply;

use crate::support::*;

type Native = Machine<Linux, Module>;

fn native() -> Native {
    Machine::new(Linux::new(), Module::new())
}

/// Makes a call of plain words.
fn call(k: &Native, name: &str, words: &[u64]) -> Reply {
    k.by_name(name, words)
}

fn fcntl(k: &Native, fd: i32, command: xnu_abi::darwin::fcntl::FcntlCommand, argument: u64) -> Reply {
    call(k, "fcntl", &[fd as u64, command.number() as u64, argument])
}

fn ok(value: i32) -> Reply {
    Answer::reply(value)
}

fn err(errno: Errno) -> Reply {
    Answer::reply(errno)
}

/// A file of the test's own, removed at the end.
struct Scratch {
    path: PathBuf,
    file: fs::File,
}

impl Scratch {
    fn new(name: &str, contents: &[u8]) -> Scratch {
        let path = std::env::temp_dir().join(format!("handlers-{}-{name}", std::process::id()));
        fs::write(&path, contents).expect("a file in the temporary directory");
        let file = fs::OpenOptions::new().read(true).write(true).open(&path).expect("the file just made");
        Scratch { path, file }
    }

    fn fd(&self) -> i32 {
        self.file.as_raw_fd()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[test]
fn a_socket_keeps_its_owner_as_it_is() {
    let k = native();
    let (socket, _other) = UnixStream::pair().expect("two sockets");
    let fd = socket.as_raw_fd();
    let pid = std::process::id() as i32;
    let group = call(&k, "getpid", &[]);
    assert_eq!(group, ok(pid));
    assert_eq!(fcntl(&k, fd, F_GETOWN, 0), ok(0));
    assert_eq!(fcntl(&k, fd, F_SETOWN, pid as u64), ok(0));
    assert_eq!(fcntl(&k, fd, F_GETOWN, 0), ok(pid));
    assert_eq!(fcntl(&k, fd, F_SETOWN, u64::MAX - 0x7fff_fff0), ok(0));
    assert_eq!(fcntl(&k, fd, F_GETOWN, 0), ok(0));
    // Locks, paths and room are for files.
    for command in [F_GETLK, F_SETLK, F_GETPATH, F_PREALLOCATE, F_FULLFSYNC, F_NOCACHE, F_CHECK_LV] {
        assert_eq!(fcntl(&k, fd, command, 0), err(EBADF), "{command:?}");
    }
}

#[test]
fn a_pipe_tells_its_owner_the_other_way_round() {
    let k = native();
    let Reply::Value(read, write) = call(&k, "pipe", &[]) else { panic!("a pipe") };
    let pid = std::process::id() as i32;
    assert_eq!(fcntl(&k, read as i32, F_SETOWN, pid as u64), ok(0));
    assert_eq!(fcntl(&k, read as i32, F_GETOWN, 0), ok(-pid));
    assert_eq!(fcntl(&k, write as i32, F_GETOWN, 0), ok(0));
    assert_eq!(fcntl(&k, write as i32, F_GETLK, 0), err(EBADF));
    for fd in [read, write] {
        assert_eq!(call(&k, "close", &[fd]), ok(0));
    }
}

#[test]
fn files_have_no_owner() {
    let k = native();
    let scratch = Scratch::new("owner", b"");
    assert_eq!(fcntl(&k, scratch.fd(), F_GETOWN, 0), err(ENOTTY));
    assert_eq!(fcntl(&k, scratch.fd(), F_SETOWN, u64::from(std::process::id())), err(ENOTTY));
    assert_eq!(fcntl(&k, scratch.fd(), F_SETOWN, 0x7fff_fff0), err(ESRCH));
}

#[test]
fn room_and_holes_are_the_file_systems() {
    let k = native();
    let scratch = Scratch::new("room", &[7; 16384]);
    let mut request = [3u64 << 32, 0, 8192, 77];
    match fcntl(&k, scratch.fd(), F_PREALLOCATE, request.as_mut_ptr() as u64) {
        // A file system without the feature.
        Reply::Error(ENOTSUP) => return,
        reply => assert_eq!(reply, ok(0)),
    }
    assert_eq!(request[3], 8192);
    assert_eq!(scratch.file.metadata().map(|data| data.len()).ok(), Some(16384));
    let hole = [0u64, 4096, 8192];
    assert_eq!(fcntl(&k, scratch.fd(), F_PUNCHHOLE, hole.as_ptr() as u64), ok(0));
    let left = fs::read(&scratch.path).expect("the file");
    assert!(left[..4096].iter().all(|byte| *byte == 7) && left[4096..12288].iter().all(|byte| *byte == 0));
    let mut place = [0u8; 20];
    place[4..12].copy_from_slice(&100u64.to_le_bytes());
    place[12..].copy_from_slice(&5000u64.to_le_bytes());
    match fcntl(&k, scratch.fd(), F_LOG2PHYS_EXT, place.as_mut_ptr() as u64) {
        Reply::Error(ENOTSUP) => {}
        reply => {
            assert_eq!(reply, ok(0));
            assert_eq!(place[4..12], 100u64.to_le_bytes());
            assert_eq!(place[12..], u64::MAX.to_le_bytes(), "a hole lies nowhere");
        }
    }
    for command in [F_FLUSH_DATA, F_FULLFSYNC, F_BARRIERFSYNC, F_RDAHEAD, F_NOCACHE] {
        assert_eq!(fcntl(&k, scratch.fd(), command, 0), ok(0), "{command:?}");
    }
}

#[test]
fn an_open_file_of_the_host_knows_its_path() {
    let k = native();
    let scratch = Scratch::new("path", b"");
    let mut path = [0u8; 1024];
    assert_eq!(fcntl(&k, scratch.fd(), F_GETPATH, path.as_mut_ptr() as u64), ok(0));
    let expected = fs::canonicalize(&scratch.path).expect("the file").into_os_string().into_encoded_bytes();
    assert_eq!(path[..expected.len()], expected[..]);
    assert_eq!(path[expected.len()], 0);
    fs::remove_file(&scratch.path).expect("the file");
    assert_eq!(fcntl(&k, scratch.fd(), F_GETPATH, path.as_mut_ptr() as u64), err(ENOENT));
}

#[test]
fn a_lock_with_a_timeout_gives_up() {
    let k = native();
    let scratch = Scratch::new("lock", b"");
    let other = fs::OpenOptions::new().write(true).open(&scratch.path).expect("the file");
    // Locks of open files, so that one process can stand in its own way.
    let mut lock = [0u64, 0, 3 << 32, 0, 30_000_000];
    let address = lock.as_mut_ptr() as u64;
    assert_eq!(fcntl(&k, scratch.fd(), F_OFD_SETLK, address), ok(0));
    let start = std::time::Instant::now();
    assert_eq!(fcntl(&k, other.as_raw_fd(), F_OFD_SETLKWTIMEOUT, address), err(ETIMEDOUT));
    assert!(start.elapsed() >= std::time::Duration::from_millis(30));
    assert_eq!(fcntl(&k, other.as_raw_fd(), F_OFD_SETLK, address), err(EAGAIN));
    assert_eq!(fcntl(&k, other.as_raw_fd(), F_OFD_GETLK, address), ok(0));
    assert_eq!(lock[2] as i32, -1, "an open file's lock has no process");
}

/// The address of `len` bytes before the end of memory.
fn before_the_end(k: &Native, len: u64) -> u64 {
    const ANONYMOUS: u64 = 0x1002;
    let pages = value(call(k, "mmap", &[0, 8192, 3, ANONYMOUS, u64::MAX, 0]));
    assert_eq!(call(k, "munmap", &[pages + 4096, 4096]), ok(0));
    pages + 4096 - len
}

#[test]
fn memory_ends_with_efault_on_the_host_too() {
    let k = native();
    let scratch = Scratch::new("ended", &[7; 10_000]);
    let fd = scratch.fd() as u64;
    for len in [1, 7, 63, 64, 100, 3000] {
        let room = before_the_end(&k, len);
        assert_eq!(call(&k, "pread", &[fd, room, 5000, 0]), err(EFAULT), "{len}");
        assert_eq!(
            call(&k, "pread", &[fd, room, 5000, 10_000 - len]),
            Answer::reply(len),
            "{len}: the end of the file"
        );
        assert_eq!(call(&k, "pwrite", &[fd, room, 5000, 0]), err(EFAULT), "{len}");
        let pieces = [room, len, 0x10, 5];
        assert_eq!(call(&k, "preadv", &[fd, pieces.as_ptr() as u64, 2, 0]), err(EFAULT), "{len}");
        let Reply::Value(read, write) = call(&k, "pipe", &[]) else { panic!("a pipe") };
        let data = [7u8; 5000];
        assert_eq!(call(&k, "write", &[write, data.as_ptr() as u64, 5000]), ok(5000));
        assert_eq!(call(&k, "read", &[read, room, 5000]), err(EFAULT), "{len}: from a pipe");
        for fd in [read, write] {
            assert_eq!(call(&k, "close", &[fd]), ok(0));
        }
    }
}

#[test]
fn an_offset_counts_on_the_host_too() {
    let k = native();
    let scratch = Scratch::new("append", b"hello");
    let file = fs::OpenOptions::new().append(true).open(&scratch.path).expect("the file");
    let fd = file.as_raw_fd() as u64;
    assert_eq!(call(&k, "pwrite", &[fd, b"J".as_ptr() as u64, 1, 0]), ok(1));
    assert_eq!(call(&k, "write", &[fd, b"!".as_ptr() as u64, 1]), ok(1));
    assert_eq!(fs::read(&scratch.path).expect("the file"), b"Jello!");
}

#[test]
fn quiet_pipes_and_sockets_break_without_a_signal() {
    // The tests ignore the signal, as Rust programs do. That none is sent is seen on the mock; here, that Linux takes
    // such writes.
    let k = native();
    let (socket, other) = UnixStream::pair().expect("two sockets");
    drop(other);
    let Reply::Value(read, write) = call(&k, "pipe", &[]) else { panic!("a pipe") };
    assert_eq!(call(&k, "close", &[read]), ok(0));
    for fd in [socket.as_raw_fd(), write as i32] {
        assert_eq!(fcntl(&k, fd, F_SETNOSIGPIPE, 1), ok(0));
        assert_eq!(fcntl(&k, fd, F_GETNOSIGPIPE, 0), ok(1));
        assert_eq!(call(&k, "write", &[fd as u64, b"x".as_ptr() as u64, 1]), err(EPIPE));
        let piece = [b"x".as_ptr() as u64, 1];
        assert_eq!(call(&k, "writev", &[fd as u64, piece.as_ptr() as u64, 1]), err(EPIPE));
    }
    assert_eq!(call(&k, "close", &[write]), ok(0));
}

#[test]
fn flags_and_attribute_lists_work_on_the_host_too() {
    let k = native();
    let scratch = Scratch::new("flags", b"hello");
    let fd = scratch.fd() as u64;
    let mut stat = [0u8; 144];
    let mut flags = |wanted: u64| {
        let answer = call(&k, "fchflags", &[fd, wanted]);
        assert_eq!(call(&k, "fstat64", &[fd, stat.as_mut_ptr() as u64]), ok(0));
        (answer, u32::from_le_bytes(stat[116..120].try_into().expect("four bytes")))
    };
    match flags(0x8001) {
        // A file system without the attributes.
        (Reply::Error(ENOTSUP), shown) => assert_eq!(shown, 0),
        seen => {
            assert_eq!(seen, (ok(0), 0x8001));
            assert_eq!(flags(1), (ok(0), 1));
            assert_eq!(flags(0), (ok(0), 0));
        }
    }
    // Name, kind and length of each entry of a directory.
    let directory = fs::File::open("/proc/self").expect("a directory");
    let list: [u32; 6] = [5, 0x8000_0009, 0, 0, 0x200, 0];
    let mut reply = [0u8; 4096];
    let fd = directory.as_raw_fd() as u64;
    let mut count = 0;
    loop {
        let words = [fd, list.as_ptr() as u64, reply.as_mut_ptr() as u64, 4096, 0];
        match value(call(&k, "getattrlistbulk", &words)) {
            0 => break,
            more => count += more,
        }
    }
    // Entries of the process itself come and go while it is looked at.
    let listed = fs::read_dir("/proc/self").expect("a directory").count() as u64;
    assert!(count > 20 && count.abs_diff(listed) < 5, "{count} of {listed}");
}
