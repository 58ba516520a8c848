//! Extended attributes.

use crate::support::*;
use xnu_backend_mock::Mock;
use xnu_core::Reply;

const NOFOLLOW: u32 = 1;
const CREATE: u32 = 2;
const REPLACE: u32 = 4;
const NOFOLLOW_ANY: u32 = 0x40;
const FINDER: &str = "com.apple.FinderInfo";
const FORK: &str = "com.apple.ResourceFork";

fn set(k: &Machine<Mock>, path: &str, name: &str, value: &[u8], position: u64, options: u32) -> Reply {
    let words = [path, name].map(|text| k.place_str(text).get());
    let at = if value.is_empty() { 0 } else { k.place(value).get() };
    k.by_name("setxattr", &[words[0], words[1], at, value.len() as u64, position, options.into()])
}

/// Reads with this much room, from a position on.
fn get(k: &Machine<Mock>, path: &str, name: &str, room: usize, position: u64) -> Result<Vec<u8>, Reply> {
    let words = [path, name].map(|text| k.place_str(text).get());
    let to = k.alloc_guarded(room.max(1));
    match k.by_name("getxattr", &[words[0], words[1], to.get(), room as u64, position, 0]) {
        Reply::Value(length, 0) => Ok(k.peek(to, length as usize)),
        other => Err(other),
    }
}

fn list(k: &Machine<Mock>, path: &str) -> Vec<String> {
    let to = k.alloc(70_000);
    let Reply::Value(length, 0) = k.by_name("listxattr", &[k.place_str(path).get(), to.get(), 70_000, 0])
    else {
        panic!("{path} has a list")
    };
    xnu!(k, listxattr(path, NULL, 0, 0) => length);
    let bytes = k.peek(to, length as usize);
    let names = bytes.strip_suffix(b"\0").unwrap_or_default().split(|byte| *byte == 0);
    let mut names: Vec<_> = names.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    names.retain(|name| !name.is_empty());
    names.sort();
    names
}

fn err(errno: xnu_abi::darwin::Errno) -> Result<Vec<u8>, Reply> {
    Err(Reply::Error(errno))
}

#[test]
fn what_is_set_is_read_listed_and_removed() {
    let k = machine();
    assert_eq!(set(&k, "/tmp/link", "colour", b"green", 0, 0), Answer::reply(0));
    assert_eq!(get(&k, "/tmp/own", "colour", 5, 0).as_deref(), Ok(&b"green"[..]));
    assert_eq!(get(&k, "/tmp/own", "colour", 4, 0), err(ERANGE));
    assert_eq!(get(&k, "/tmp/own", "colour", 0, 0), err(ERANGE), "room for nothing");
    assert_eq!(set(&k, "/tmp/own", "empty", b"", 0, 0), Answer::reply(0));
    assert_eq!(get(&k, "/tmp/own", "empty", 0, 0).as_deref(), Ok(&b""[..]));
    assert_eq!(list(&k, "/tmp/own"), ["colour", "empty"]);
    xnu!(k, removexattr("/tmp/own", "colour", 0) => 0);
    xnu!(k, removexattr("/tmp/own", "colour", 0) => ENOATTR);
    assert_eq!(get(&k, "/tmp/own", "colour", 5, 0), err(ENOATTR));
    assert_eq!(list(&k, "/tmp/own"), ["empty"]);
    assert_eq!(list(&k, "/tmp/dir"), [""; 0]);
}

#[test]
fn the_length_is_asked_for_in_three_ways() {
    let k = machine();
    assert_eq!(set(&k, "/tmp/own", "a", b"12345", 0, 0), Answer::reply(0));
    let buf = k.alloc(16);
    xnu!(k, getxattr("/tmp/own", "a", NULL, 0, 0, 0) => 5);
    xnu!(k, getxattr("/tmp/own", "a", NULL, 3, 7, 0) => 5);
    xnu!(k, getxattr("/tmp/own", "a", buf, u64::MAX, 0, 0) => 5);
    xnu!(k, getxattr("/tmp/own", "a", buf, 0xffff_ffffu64, 0, 0) => 5);
    assert_eq!(k.peek(buf, 16), [0; 16]);
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, fgetxattr(3, "a", buf, 0, 0, 0) => 5);
    xnu!(k, fgetxattr(3, "a", buf, u64::MAX, 0, 0) => 5);
    assert_eq!(k.peek(buf, 5), b"12345");
    xnu!(k, getxattr("/tmp/own", "a", buf, 5, 1, 0) => EINVAL);
    assert_eq!(set(&k, "/tmp/own", "a", b"12345", 1, 0), Answer::reply(EINVAL));
}

#[test]
fn create_and_replace_are_the_opposite() {
    let k = machine();
    for (name, value) in [("plain", &b"abc"[..]), (FINDER, &[7; 32]), (FORK, b"fork")] {
        let errno = |reply: Reply, errno| assert_eq!(reply, Answer::reply(errno), "{name}");
        errno(set(&k, "/tmp/own", name, value, 0, REPLACE), ENOATTR);
        errno(set(&k, "/tmp/own", name, value, 0, CREATE | REPLACE), EINVAL);
        assert_eq!(set(&k, "/tmp/own", name, value, 0, CREATE), Answer::reply(0), "{name}");
        errno(set(&k, "/tmp/own", name, value, 0, CREATE), EEXIST);
        assert_eq!(set(&k, "/tmp/own", name, value, 0, REPLACE), Answer::reply(0), "{name}");
        assert_eq!(get(&k, "/tmp/own", name, 64, 0).as_deref(), Ok(value), "{name}");
    }
    assert_eq!(list(&k, "/tmp/own"), [FINDER, FORK, "plain"]);
}

#[test]
fn finder_information_is_32_bytes_or_none() {
    let k = machine();
    for size in [0, 1, 31, 33] {
        assert_eq!(set(&k, "/tmp/own", FINDER, &vec![1; size], 0, 0), Answer::reply(ERANGE), "{size}");
    }
    assert_eq!(set(&k, "/tmp/own", FINDER, &[1; 32], 1, 0), Answer::reply(EINVAL));
    assert_eq!(get(&k, "/tmp/own", FINDER, 32, 0), err(ENOATTR));
    assert_eq!(set(&k, "/tmp/own", FINDER, &[0; 32], 0, 0), Answer::reply(0), "nothing to remove");
    assert_eq!(set(&k, "/tmp/own", FINDER, &[1; 32], 0, 0), Answer::reply(0));
    assert_eq!(get(&k, "/tmp/own", FINDER, 31, 0), err(ERANGE));
    assert_eq!(get(&k, "/tmp/own", FINDER, 40, 0), Ok(vec![1; 32]));
    xnu!(k, getxattr("/tmp/own", FINDER, NULL, 0, 0, 0) => 32);
    assert_eq!(set(&k, "/tmp/own", FINDER, &[0; 32], 0, REPLACE), Answer::reply(0));
    assert_eq!(list(&k, "/tmp/own"), [""; 0]);
    k.set_xattr("/tmp/own", "user.com.apple.FinderInfo", &[0; 32]);
    assert_eq!(get(&k, "/tmp/own", FINDER, 32, 0), err(ENOATTR), "zeros of the host's");
    assert_eq!(list(&k, "/tmp/own"), [""; 0]);
}

#[test]
fn a_resource_fork_is_read_and_written_like_a_file() {
    let k = machine();
    assert_eq!(set(&k, "/tmp/own", FORK, b"hello", 0, 0), Answer::reply(0));
    assert_eq!(get(&k, "/tmp/own", FORK, 3, 0).as_deref(), Ok(&b"hel"[..]), "as much as fits");
    assert_eq!(get(&k, "/tmp/own", FORK, 9, 3).as_deref(), Ok(&b"lo"[..]));
    assert_eq!(get(&k, "/tmp/own", FORK, 9, 5).as_deref(), Ok(&b""[..]));
    assert_eq!(get(&k, "/tmp/own", FORK, 9, 0xffff_ffff).as_deref(), Ok(&b""[..]));
    assert_eq!(get(&k, "/tmp/own", FORK, 0, 0).as_deref(), Ok(&b""[..]));
    assert_eq!(set(&k, "/tmp/own", FORK, b"J", 0, 0), Answer::reply(0));
    assert_eq!(set(&k, "/tmp/own", FORK, b"!", 7, 0), Answer::reply(0));
    assert_eq!(get(&k, "/tmp/own", FORK, 99, 0).as_deref(), Ok(&b"Jello\0\0!"[..]));
    xnu!(k, getxattr("/tmp/own", FORK, NULL, 0, 3, 0) => 8);
    let long: Vec<u8> = (0..3000u32).map(|at| (at % 251) as u8).collect();
    assert_eq!(set(&k, "/tmp/own", FORK, &long, 4000, 0), Answer::reply(0));
    assert_eq!(get(&k, "/tmp/own", FORK, 2000, 4500).as_deref(), Ok(&long[500..2500]));
    assert_eq!(set(&k, "/tmp/own", FORK, b"x", 0xffff_ffff, 0), Answer::reply(EINVAL));
    assert_eq!(set(&k, "/tmp/own", FORK, b"x", 65_536, 0), Answer::reply(E2BIG));
    assert_eq!(set(&k, "/tmp/dir", FORK, b"x", 0, 0), Answer::reply(EPERM));
    assert_eq!(get(&k, "/tmp/dir", FORK, 9, 0), err(EPERM));
    xnu!(k, removexattr("/tmp/own", FORK, 0) => 0);
    assert_eq!(get(&k, "/tmp/own", FORK, 9, 0), err(ENOATTR));
}

#[test]
fn names_have_limits() {
    let k = machine();
    let longest = "n".repeat(127);
    assert_eq!(set(&k, "/tmp/own", &longest, b"v", 0, 0), Answer::reply(0));
    assert_eq!(get(&k, "/tmp/own", &longest, 1, 0).as_deref(), Ok(&b"v"[..]));
    assert_eq!(set(&k, "/tmp/own", &"n".repeat(128), b"v", 0, 0), Answer::reply(ENAMETOOLONG));
    assert_eq!(set(&k, "/tmp/own", "", b"v", 0, 0), Answer::reply(EINVAL));
    let path = k.place_str("/tmp/own").get();
    let wrong = k.place(b"\xff\0").get();
    for (name, words) in [
        ("getxattr", vec![path, wrong, 0, 0, 0, 0]),
        ("setxattr", vec![path, wrong, path, 1, 0, 0]),
        ("removexattr", vec![path, wrong, 0]),
    ] {
        assert_eq!(k.by_name(name, &words), Answer::reply(EINVAL), "{name}");
        faults(&k, name, &words, 1, 2, IN);
        path_limits(
            &k,
            name,
            &{
                let mut w = words;
                w[1] = k.place_str("n").get();
                w
            },
            0,
        );
    }
    xnu!(k, getxattr("/tmp/none", 8, NULL, 0, 0, 0) => ENOENT);
    xnu!(k, setxattr("/tmp/none", 8, NULL, 0, 0, 0) => EFAULT);
    for name in ["com.apple.system.Security", "com.apple.system.x"] {
        assert_eq!(get(&k, "/tmp/own", name, 9, 0), err(EPERM));
        assert_eq!(set(&k, "/tmp/own", name, b"v", 0, 0), Answer::reply(EPERM));
        xnu!(k, removexattr("/tmp/own", name, 0) => EPERM);
    }
}

#[test]
fn the_hosts_own_attributes_stay_its_own() {
    let k = machine();
    for name in ["user.shown", "security.selinux", "user.xnu.flags", "user.com.apple.system.Security"] {
        k.set_xattr("/tmp/own", name, b"value");
    }
    assert_eq!(list(&k, "/tmp/own"), ["shown"]);
    assert_eq!(get(&k, "/tmp/own", "shown", 9, 0).as_deref(), Ok(&b"value"[..]));
    assert_eq!(get(&k, "/tmp/own", "selinux", 9, 0), err(ENOATTR));
    assert_eq!(get(&k, "/tmp/own", "xnu.flags", 9, 0), err(ENOATTR));
    assert_eq!(set(&k, "/tmp/own", "xnu.flags", b"1234", 0, 0), Answer::reply(EPERM));
    xnu!(k, removexattr("/tmp/own", "xnu.flags", 0) => ENOATTR);
}

#[test]
fn long_lists_are_complete() {
    let k = machine();
    let names: Vec<String> = (0..120).map(|at| format!("attribute-number-{at:03}")).collect();
    for name in &names {
        assert_eq!(set(&k, "/tmp/own", name, b"v", 0, 0), Answer::reply(0));
    }
    assert_eq!(list(&k, "/tmp/own"), names);
    let buf = k.alloc(10_000);
    let total: u64 = names.iter().map(|name| name.len() as u64 + 1).sum();
    xnu!(k, listxattr("/tmp/own", buf, total - 1, 0) => ERANGE);
    xnu!(k, listxattr("/tmp/own", buf, total, 0) => total);
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, flistxattr(3, buf, total, 0) => total);
    xnu!(k, flistxattr(3, buf, 0, 0) => total);
    faults(&k, "listxattr", &[k.place_str("/tmp/own").get(), 0, total, 0], 1, total as usize, OUT_OR_NULL);
}

#[test]
fn other_kinds_of_files_have_none() {
    let k = machine();
    k.set_credentials(xnu_backend_mock::Credentials::user(0, 0));
    assert_eq!(set(&k, "/tmp/fifo", "a", b"v", 0, 0), Answer::reply(ENOTSUP));
    assert_eq!(get(&k, "/tmp/fifo", "a", 9, 0), err(ENOATTR));
    assert_eq!(list(&k, "/tmp/fifo"), [""; 0]);
    assert_eq!(set(&k, "/tmp/link", "a", b"v", 0, NOFOLLOW), Answer::reply(ENOTSUP));
    assert_eq!(set(&k, "/dev/null", "a", b"v", 0, 0), Answer::reply(EPERM));
    assert_eq!(get(&k, "/dev/null", "a", 9, 0), err(EPERM));
    xnu!(k, listxattr("/dev/null", NULL, 0, 0) => EPERM);
    xnu!(k, pipe() => (3, 4));
    xnu!(k, fgetxattr(3, "a", NULL, 0, 0, 0) => EINVAL);
    xnu!(k, flistxattr(9, NULL, 0, 0) => EBADF);
    xnu!(k, fsetxattr(9, "a", NULL, 0, 0, 0) => EBADF);
    xnu!(k, fremovexattr(9, "a", 0) => EBADF);
}

#[test]
fn options_are_checked_first() {
    let k = machine();
    for options in [8u32, 0x10] {
        xnu!(k, getxattr(NULL, NULL, NULL, 0, 0, options) => EINVAL);
        xnu!(k, setxattr(NULL, NULL, NULL, 0, 0, options) => EINVAL);
        xnu!(k, removexattr(NULL, NULL, options) => EINVAL);
        xnu!(k, listxattr(NULL, NULL, 0, options) => EINVAL);
    }
    for options in [1u32, 8, 0x10, 0x40] {
        xnu!(k, fgetxattr(9, NULL, NULL, 0, 0, options) => EINVAL);
        xnu!(k, fsetxattr(9, NULL, NULL, 0, 0, options) => EINVAL);
        xnu!(k, fremovexattr(9, NULL, options) => EINVAL);
        xnu!(k, flistxattr(9, NULL, 0, options) => EINVAL);
    }
    xnu!(k, setxattr("/tmp/own", "a", NULL, 1, 0, 0) => EINVAL);
    xnu!(k, setxattr("/tmp/own", "a", 8, 1u64 << 31, 0, 0) => E2BIG);
    xnu!(k, setxattr("/tmp/own", "a", 8, 65_537, 0, 0) => E2BIG);
    xnu!(k, listxattr("/tmp/link", NULL, 0, NOFOLLOW_ANY) => ELOOP);
    xnu!(k, listxattr("/tmp/link", NULL, 0, NOFOLLOW_ANY | NOFOLLOW) => 0);
    xnu!(k, listxattr("/tmp/dirlink/file", NULL, 0, NOFOLLOW_ANY | NOFOLLOW) => ELOOP);
    xnu!(k, listxattr("/tmp/theirs", NULL, 0, 0) => EACCES);
    assert_eq!(get(&k, "/tmp/theirs", "a", 9, 0), err(EACCES));
}

#[test]
fn descriptors_do_as_paths_do() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, fsetxattr(3, "a", b"value", 5, 0, 0) => 0);
    assert_eq!(get(&k, "/tmp/own", "a", 9, 0).as_deref(), Ok(&b"value"[..]));
    xnu!(k, fsetxattr(3, FORK, b"value", 5, 2, 0) => 0);
    let buf = k.alloc(9);
    xnu!(k, fgetxattr(3, FORK, buf, 9, 1, 0) => 6);
    assert_eq!(k.peek(buf, 6), b"\0value");
    xnu!(k, fremovexattr(3, "a", 0) => 0);
    k.set_credentials(xnu_backend_mock::Credentials::user(0, 0));
    xnu!(k, open("/tmp/link", O_SYMLINK) => 4);
    xnu!(k, fgetxattr(4, "a", buf, 9, 0, 0) => ENOATTR);
    xnu!(k, fsetxattr(4, "a", b"v", 1, 0, 0) => ENOTSUP);
}
