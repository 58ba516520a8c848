//! `fcntl`: room, places on the device, and paths.

use crate::support::*;

/// A `struct fstore`.
fn store(flags: u32, position: i32, offset: i64, length: i64) -> Vec<u8> {
    bytes([u64::from(flags) | u64::from(position as u32) << 32, offset as u64, length as u64, 77])
}

const FROM_END: i32 = 3;
const FROM_VOLUME: i32 = 4;

#[test]
fn room_is_set_aside_behind_the_file() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    let request = k.place(&store(6, FROM_END, 0, 5000));
    xnu!(k, fcntl(3, F_PREALLOCATE, request) => 0);
    assert_eq!(number(&k, request, 24, 8), 8192);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"hello");
    let stat = k.alloc(144);
    xnu!(k, fstat64(3, stat) => 0);
    assert_eq!(number(&k, stat, 104, 8), 24, "three blocks: what it had and two more");
    let nothing = k.place(&store(0, FROM_END, 0, 0));
    xnu!(k, fcntl(3, F_PREALLOCATE, nothing) => 0);
    assert_eq!(number(&k, nothing, 24, 8), 0);
    // With a place on the volume the length is that of the whole file.
    let whole = k.place(&store(0, FROM_VOLUME, 1, 16384));
    xnu!(k, fcntl(3, F_PREALLOCATE, whole) => 0);
    assert_eq!(number(&k, whole, 24, 8), 4096);
    xnu!(k, fcntl(3, F_PREALLOCATE, store(0, FROM_VOLUME, 1, 4096)) => EINVAL);
}

#[test]
fn room_that_cannot_be_set_aside() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    for (position, offset, length, want) in [
        (FROM_END, 1, 1, EINVAL),
        (FROM_VOLUME, 0, 1, EINVAL),
        (FROM_VOLUME, -1, 1, EINVAL),
        (0, 0, 1, EINVAL),
        (FROM_END, 0, -1, EINVAL),
        (FROM_END, 0, 1 << 30, ENOSPC),
        (FROM_END, 0, i64::MAX, EFBIG),
    ] {
        xnu!(k, fcntl(3, F_PREALLOCATE, store(0, position, offset, length)) => want);
    }
    // What was allocated is told even then.
    let request = k.place(&store(0, FROM_END, 0, 1 << 30));
    xnu!(k, fcntl(3, F_PREALLOCATE, request) => ENOSPC);
    assert_eq!(number(&k, request, 24, 8), 0);
    faults(&k, "fcntl", &[3, F_PREALLOCATE.number() as u64, 0], 2, 32, IN);
    xnu!(k, open("/tmp/own", O_RDONLY) => 4);
    xnu!(k, fcntl(4, F_PREALLOCATE, store(0, FROM_END, 0, 1)) => EBADF);
    xnu!(k, open("/dev/null", O_WRONLY) => 5);
    xnu!(k, fcntl(5, F_PREALLOCATE, store(0, FROM_END, 0, 1)) => ENOTSUP);
}

#[test]
fn holes_are_whole_blocks() {
    let k = machine();
    k.add_file("/tmp/big", &[7; 12288]);
    k.set_owner("/tmp/big", 1000, 1000);
    xnu!(k, open("/tmp/big", O_RDWR) => 3);
    xnu!(k, fcntl(3, F_PUNCHHOLE, bytes([0, 4096, 4096])) => 0);
    let left = k.contents("/tmp/big").unwrap();
    assert_eq!((left.len(), left[4095], left[4096], left[8191], left[8192]), (12288, 7, 0, 0, 7));
    for (offset, length) in [(1, 4096), (4096, 1), (-4096, 4096), (0, -4096), (0, 0)] {
        xnu!(k, fcntl(3, F_PUNCHHOLE, bytes([0, offset as u64, length as i64 as u64])) => EINVAL);
    }
    xnu!(k, open("/tmp/big", O_RDONLY) => 4);
    xnu!(k, fcntl(4, F_PUNCHHOLE, bytes([0, 0, 4096])) => EPERM);
    faults(&k, "fcntl", &[3, F_PUNCHHOLE.number() as u64, 0], 2, 24, IN);
}

#[test]
fn only_the_superuser_sets_the_size() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, fcntl(3, F_SETSIZE, bytes([2])) => EACCES);
    k.set_credentials(xnu_backend_mock::Credentials::user(0, 0));
    xnu!(k, fcntl(3, F_SETSIZE, bytes([2])) => 0);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"he");
    xnu!(k, fcntl(3, F_SETSIZE, bytes([4])) => 0);
    assert_eq!(k.contents("/tmp/own").unwrap(), b"he\0\0");
    xnu!(k, fcntl(3, F_SETSIZE, bytes([u64::MAX])) => EINVAL);
    xnu!(k, open("/tmp/own", O_RDONLY) => 4);
    xnu!(k, fcntl(4, F_SETSIZE, bytes([0])) => EBADF);
    faults(&k, "fcntl", &[3, F_SETSIZE.number() as u64, 0], 2, 8, IN);
}

#[test]
fn advice_about_reading_is_checked_and_taken() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    let range = |offset: i64, count: i32| {
        let mut bytes = bytes([offset as u64, u64::from(count as u32)]);
        bytes.truncate(12);
        bytes
    };
    xnu!(k, fcntl(3, F_RDADVISE, range(0, 100)) => 0);
    xnu!(k, fcntl(3, F_RDADVISE, range(4, 0)) => 0);
    xnu!(k, fcntl(3, F_RDADVISE, range(5, 1)) => EFBIG);
    xnu!(k, fcntl(3, F_RDADVISE, range(-1, 1)) => EINVAL);
    xnu!(k, fcntl(3, F_RDADVISE, range(0, -1)) => EINVAL);
    xnu!(k, open("/tmp/dir", O_RDONLY) => 4);
    xnu!(k, fcntl(4, F_RDADVISE, range(0, 1)) => EINVAL);
    faults(&k, "fcntl", &[3, F_RDADVISE.number() as u64, 0], 2, 12, IN);
    let speculative = |offset: i64, length: i64| bytes([0, offset as u64, length as u64]);
    xnu!(k, fcntl(3, F_SPECULATIVE_READ, speculative(4095, 1)) => 0);
    xnu!(k, fcntl(3, F_SPECULATIVE_READ, speculative(-1, 1)) => EINVAL);
    xnu!(k, fcntl(3, F_SPECULATIVE_READ, speculative(0, -1)) => EINVAL);
    xnu!(k, fcntl(3, F_SPECULATIVE_READ, speculative(1, i64::MAX)) => EOVERFLOW);
    xnu!(k, fcntl(3, F_SPECULATIVE_READ, speculative(8192, i64::MAX - 8191)) => EOVERFLOW);
    faults(&k, "fcntl", &[3, F_SPECULATIVE_READ.number() as u64, 0], 2, 24, IN);
}

#[test]
fn bytes_have_places_and_holes_have_none() {
    let k = machine();
    k.add_file("/tmp/big", &[7; 12288]);
    k.set_owner("/tmp/big", 1000, 1000);
    xnu!(k, open("/tmp/big", O_RDWR) => 3);
    xnu!(k, fcntl(3, F_PUNCHHOLE, bytes([0, 4096, 4096])) => 0);
    const START: i64 = 1 << 30;
    let place = |offset: i64, length: i64| {
        let mut request = vec![0; 4];
        request.extend(bytes([length as u64, offset as u64]));
        let request = k.place(&request);
        xnu!(k, fcntl(3, F_LOG2PHYS_EXT, request) => 0);
        (number(&k, request, 12, 8) as i64, number(&k, request, 4, 8))
    };
    assert_eq!(place(0, 100), (START, 100));
    assert_eq!(place(5, 1 << 20), (START + 5, 4091));
    assert_eq!(place(5000, 100), (-1, 100));
    assert_eq!(place(5000, 1 << 20), (-1, 8192 - 5000));
    assert_eq!(place(12287, 9), (START + 12287, 1));
    assert_eq!(place(0, 0), (START, 0));
    let refused = |offset: i64, length: i64| {
        let mut request = vec![0; 4];
        request.extend(bytes([length as u64, offset as u64]));
        xnu!(k, fcntl(3, F_LOG2PHYS_EXT, request))
    };
    assert_eq!(refused(12288, 1), Answer::reply(ERANGE));
    assert_eq!(refused(-1, 1), Answer::reply(ERANGE));
    assert_eq!(refused(0, -1), Answer::reply(EINVAL));
    xnu!(k, lseek(3, 8193, SEEK_SET) => 8193);
    let at = k.alloc_guarded(20);
    xnu!(k, fcntl(3, F_LOG2PHYS, at) => 0);
    assert_eq!((number(&k, at, 12, 8) as i64, number(&k, at, 4, 8)), (START + 8193, 0));
    xnu!(k, open("/tmp/dir", O_RDONLY) => 4);
    xnu!(k, fcntl(4, F_LOG2PHYS, at) => ENOTSUP);
    faults(&k, "fcntl", &[3, F_LOG2PHYS.number() as u64, 0], 2, 20, OUT);
    faults(&k, "fcntl", &[3, F_LOG2PHYS_EXT.number() as u64, 0], 2, 20, IN);
}

#[test]
fn nothing_is_a_package() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, fcntl(3, F_PATHPKG_CHECK, "/Applications/Some.app/Contents") => -1);
    xnu!(k, fcntl(3, F_PATHPKG_CHECK, "Some.app") => EINVAL);
    xnu!(k, fcntl(3, F_PATHPKG_CHECK, "") => EINVAL);
    xnu!(k, fcntl(3, F_PATHPKG_CHECK, "/".repeat(1024)) => ENAMETOOLONG);
    faults(&k, "fcntl", &[3, F_PATHPKG_CHECK.number() as u64, 0], 2, 4, IN);
}

#[test]
fn a_name_that_only_looks_deleted_is_a_name() {
    let k = machine();
    k.add_file("/tmp/a (deleted)", b"");
    let room = k.alloc(1024);
    xnu!(k, open("/tmp/a (deleted)", O_RDONLY) => 3);
    xnu!(k, fcntl(3, F_GETPATH, room) => 0);
    assert_eq!(k.peek(room, 17), b"/tmp/a (deleted)\0");
    k.add_file("/tmp/dir/a", b"");
    k.add_file("/tmp/dir/a (deleted)", b"");
    xnu!(k, open("/tmp/dir/a", O_RDONLY) => 4);
    xnu!(k, unlink("/tmp/dir/a") => 0);
    xnu!(k, fcntl(4, F_GETPATH, room) => ENOENT);
    xnu!(k, fcntl(3, F_GETPATH_MTMINFO, room) => 0);
}

#[test]
fn files_are_opened_and_unlinked_from_a_directory() {
    let k = machine();
    xnu!(k, open("/tmp/dir", O_RDONLY) => 3);
    let request = |flags: u32, mode: u16, path: &str| {
        bytes([u64::from(flags) | u64::from(mode) << 32, k.place_str(path).get()])
    };
    xnu!(k, fcntl(3, F_OPENFROM, request(2, 0, "file")) => 4);
    xnu!(k, fcntl(3, F_OPENFROM, request(0x202, 0o600, "new")) => 5);
    assert!(k.exists("/tmp/dir/new"));
    xnu!(k, fcntl(3, F_OPENFROM, request(3, 0, "file")) => EINVAL);
    xnu!(k, fcntl(3, F_OPENFROM, request(0, 0, "none")) => ENOENT);
    xnu!(k, fcntl(4, F_OPENFROM, request(0, 0, "file")) => ENOTDIR);
    faults(&k, "fcntl", &[3, F_OPENFROM.number() as u64, 0], 2, 16, IN);
    xnu!(k, fcntl(3, F_UNLINKFROM, "new") => 0);
    assert!(!k.exists("/tmp/dir/new"));
    xnu!(k, fcntl(3, F_UNLINKFROM, "new") => ENOENT);
    xnu!(k, fcntl(4, F_UNLINKFROM, "new") => ENOTDIR);
    xnu!(k, fcntl(3, F_UNLINKFROM, NULL) => EFAULT);
    xnu!(k, open("/tmp/own", O_WRONLY) => 6);
    xnu!(k, fcntl(6, F_UNLINKFROM, "x") => EBADF);
    xnu!(k, fcntl(6, F_OPENFROM, NULL) => EBADF);
}
