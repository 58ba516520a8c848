//! `statfs` and its kin, `pathconf` and `fpathconf`.

use crate::support::*;
use xnu_abi::darwin::unistd::PathconfName as Pc;
use xnu_backend_mock::Mock;
use xnu_core::{Reply, UserAddr};

/// Two mounts: the root, and one whose name has a space in it.
const MOUNTS: &str = "22 1 0:21 / /tmp/dir\\040x rw,nosuid shared:7 master:1 - proc none rw\n\
    2049 0 8:1 / / rw,relatime - ext4 /dev/root rw,data=ordered\n";

fn with_mounts() -> Machine<Mock> {
    let k = machine();
    k.add_dir("/tmp/dir x");
    k.add_file("/proc/self/mountinfo", MOUNTS.as_bytes());
    k
}

fn text(k: &Mock, at: UserAddr, offset: u64, room: usize) -> String {
    let bytes = k.peek(UserAddr::new(at.get() + offset), room);
    let end = bytes.iter().position(|byte| *byte == 0).expect("a terminator");
    assert!(bytes[end..].iter().all(|byte| *byte == 0));
    String::from_utf8(bytes[..end].to_vec()).expect("text")
}

#[test]
fn statfs64_tells_numbers_and_names() {
    let k = with_mounts();
    let (buf, stat) = (k.alloc_guarded(2168), k.alloc(144));
    k.poke(buf, &[0xff; 2168]);
    xnu!(k, statfs64("/tmp/own", buf) => 0);
    let field = |offset, size| number(&k, buf, offset, size);
    assert_eq!((field(0, 4), field(4, 4)), (4096, 4096));
    assert_eq!((field(8, 8), field(16, 8), field(24, 8)), (1 << 20, 1 << 19, 1 << 19));
    assert_eq!((field(32, 8), field(40, 8)), (1 << 18, 1 << 17));
    xnu!(k, stat64("/tmp/own", stat) => 0);
    assert_eq!(field(48, 4), number(&k, stat, 0, 4), "the device");
    assert_eq!(field(64, 4), 0x5000, "MNT_LOCAL, MNT_ROOTFS");
    assert_eq!(text(&k, buf, 72, 16), "ext4");
    assert_eq!(text(&k, buf, 88, 1024), "/");
    assert_eq!(text(&k, buf, 1112, 1024), "/dev/root");
    assert_eq!(k.peek(buf, 2168)[2136..], [0; 32]);
    let whole = k.peek(buf, 2168);
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, fstatfs64(3, buf) => 0);
    assert_eq!(k.peek(buf, 2168), whole);
    faults(&k, "fstatfs64", &[3, 0], 1, 2168, OUT);
}

#[test]
fn the_old_statfs_leaves_out_its_end() {
    let k = with_mounts();
    let buf = k.alloc(336);
    k.poke(buf, &[0xff; 336]);
    xnu!(k, statfs("/tmp/own", buf) => 0);
    let field = |offset, size| number(&k, buf, offset, size);
    assert_eq!((field(8, 8), field(16, 8), field(24, 8), field(80, 8)), (4096, 4096, 1 << 20, 0x5000));
    assert_eq!(text(&k, buf, 104, 15), "ext4");
    assert_eq!(text(&k, buf, 119, 90), "/");
    assert_eq!(text(&k, buf, 209, 90), "/dev/root");
    assert_eq!(k.peek(buf, 336)[303..], [0xff; 33]);
    path_limits(&k, "statfs", &[0, buf.get()], 0);
    path_limits(&k, "statfs64", &[0, k.alloc(2168).get()], 0);
    xnu!(k, fstatfs(9, buf) => EBADF);
    xnu!(k, pipe() => (3, 4));
    xnu!(k, fstatfs(3, buf) => EINVAL);
}

#[test]
fn getfsstat_counts_and_tells_as_many_as_fit() {
    let k = with_mounts();
    for (name, size, point) in [("getfsstat64", 2168, 88), ("getfsstat", 336, 119)] {
        assert_eq!(k.by_name(name, &[0, 0, 2]), Answer::reply(2), "{name}");
        assert_eq!(k.by_name(name, &[0, 7, 1]), Answer::reply(2), "{name}");
        let buf = k.alloc_guarded(2 * size);
        assert_eq!(k.by_name(name, &[buf.get(), 5 * size as u64, 2]), Answer::reply(2), "{name}");
        assert_eq!(text(&k, buf, point, 90), "/tmp/dir x", "{name}");
        assert_eq!(text(&k, buf, point + size as u64, 90), "/", "{name}");
        let one = k.alloc_guarded(size);
        assert_eq!(k.by_name(name, &[one.get(), 2 * size as u64 - 1, 2]), Answer::reply(1), "{name}");
        assert_eq!(k.by_name(name, &[one.get(), size as u64 - 1, 2]), Answer::reply(0), "{name}");
        assert_eq!(k.by_name(name, &[one.get(), dirty(-1), 2]), Answer::reply(EINVAL), "{name}");
        assert_eq!(k.by_name(name, &[one.get(), 2 * size as u64, 2]), Answer::reply(EFAULT), "{name}");
    }
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn a_mount_that_is_not_listed_has_no_names() {
    let k = machine();
    k.add_file("/proc/self/mountinfo", b"77 1 8:1 / /elsewhere rw - ext4 /dev/other rw\n\n77 gar");
    let buf = k.alloc(2168);
    xnu!(k, statfs64("/tmp/own", buf) => 0);
    assert_eq!(text(&k, buf, 88, 1024), "");
    assert_eq!(number(&k, buf, 64, 4), 0x1000);
}

#[test]
fn limits_depend_on_the_kind_of_file() {
    let k = machine();
    let of = |path: &str, name: Pc| k.by_name("pathconf", &[k.place_str(path).get(), name.number() as u64]);
    for path in ["/tmp/own", "/tmp/dir"] {
        assert_eq!(of(path, Pc::_PC_NAME_MAX), Answer::reply(255));
        assert_eq!(of(path, Pc::_PC_PATH_MAX), Answer::reply(1024));
        assert_eq!(of(path, Pc::_PC_CASE_SENSITIVE), Answer::reply(1));
        assert_eq!(of(path, Pc::_PC_MIN_HOLE_SIZE), Answer::reply(4096));
        assert_eq!(of(path, Pc::_PC_MAX_CANON), Answer::reply(EINVAL));
    }
    assert_eq!(of("/tmp/fifo", Pc::_PC_PIPE_BUF), Answer::reply(512));
    assert_eq!(of("/tmp/fifo", Pc::_PC_NAME_MAX), Answer::reply(EINVAL));
    assert_eq!(of("/dev/tty", Pc::_PC_MAX_CANON), Answer::reply(1024));
    assert_eq!(of("/dev/tty", Pc::_PC_VDISABLE), Answer::reply(255));
    assert_eq!(of("/tmp/own", Pc::_PC_SYMLINK_MAX), Answer::reply(255));
    for wrong in [0, 28, -1, i32::MAX] {
        assert_eq!(of("/tmp/own", Pc::new(wrong)), Answer::reply(EINVAL), "{wrong}");
    }
    path_limits(&k, "pathconf", &[0, 4], 0);
    xnu!(k, pipe() => (3, 4));
    let of_open = |fd: u64, name: Pc| k.by_name("fpathconf", &[fd, name.number() as u64]);
    assert_eq!(of_open(3, Pc::_PC_PIPE_BUF), Answer::reply(512));
    assert_eq!(of_open(3, Pc::_PC_NAME_MAX), Answer::reply(EINVAL));
    assert_eq!(of_open(9, Pc::_PC_NAME_MAX), Answer::reply(EBADF));
    assert_eq!(of_open(0, Pc::_PC_VDISABLE), Answer::reply(255));
    assert!(matches!(of_open(0, Pc::_PC_ASYNC_IO), Reply::Value(1, 0)));
}
