//! Calls on attributes below a prefix, beside files of the host's at the same paths.

use crate::support::*;
use xnu_backend_mock::Mock;
use xnu_core::UserAddr;
use xnu_core::linux::LinuxFd;
use xnu_core::vchroot::Options;

/// Where the guest's root is, something that is mounted there, a device in a sealed prefix, and mounts of the host's.
const MOUNTS: &str = "30 2049 0:30 / /prefix/dev rw - tmpfs none rw\n\
    31 2049 0:31 / /prefixed rw - ext4 /dev/other rw\n\
    32 2049 0:32 / /prefix/tmp rw - ext4 /prefix/dev/disk rw\n\
    2049 0 8:1 / / rw,relatime - ext4 /dev/root rw\n";

/// `/tmp/own` is `inside`, and `/tmp/abs` an absolute link to it; both are on the host as well.
fn below_a_prefix(root_exit: bool) -> Machine<Mock> {
    let k = machine();
    for directory in ["/prefix", "/prefix/tmp", "/prefix/dev", "/prefix/Volumes", "/prefixed"] {
        k.add_dir(directory);
        k.set_owner(directory, 1000, 1000);
    }
    k.add_file("/prefix/tmp/own", b"inside");
    k.set_owner("/prefix/tmp/own", 1000, 1000);
    k.add_symlink("/prefix/tmp/abs", "/tmp/own");
    k.add_symlink("/tmp/abs", "/tmp/theirs");
    k.add_file("/proc/self/mountinfo", MOUNTS.as_bytes());
    xnu!(k, open("/prefix", O_RDONLY) => 3);
    k.process.set_prefix(LinuxFd(3), Options { case_insensitive: false, root_exit }).expect("a directory");
    xnu!(k, close(3) => 0);
    k
}

/// What `stat64` says: mode, size and flags.
fn seen(k: &Machine<Mock>, path: &str) -> (u64, u64, u64) {
    let buf = k.alloc(144);
    xnu!(k, stat64(path, buf) => 0);
    (number(k, buf, 4, 2) & 0o7777, number(k, buf, 96, 8), number(k, buf, 116, 4))
}

#[test]
fn the_file_below_the_prefix_is_changed_and_not_the_hosts() {
    const UF_HIDDEN: u32 = 0x8000;
    for root_exit in [false, true] {
        let k = below_a_prefix(root_exit);
        let before = k.descriptors();
        for path in ["/tmp/abs", "/tmp/own", "/tmp/../tmp/abs", "/tmp/../../tmp/own"] {
            xnu!(k, chmod(path, 0o640) => 0);
            xnu!(k, truncate(path, 2) => 0);
            xnu!(k, chflags(path, UF_HIDDEN) => 0);
            xnu!(k, chown(path, 1000, 1000) => 0);
            assert_eq!(seen(&k, "/tmp/own"), (0o640, 2, UF_HIDDEN.into()), "{path}");
            xnu!(k, setxattr(path, "note", b"value", 5, 0, 0) => 0);
            let buf = k.alloc(10);
            xnu!(k, getxattr("/tmp/own", "note", buf, 10, 0, 0) => 5);
            xnu!(k, listxattr(path, buf, 10, 0) => 5);
            xnu!(k, getxattr("/tmp/abs", "note", buf, 10, 0, 1) => ENOATTR);
            xnu!(k, removexattr(path, "note", 0) => 0);
            xnu!(k, removexattr("/tmp/own", "note", 0) => ENOATTR);
            xnu!(k, utimes(path, bytes([3, 0, 4, 0])) => 0);
            let stat = k.alloc(144);
            xnu!(k, stat64("/tmp/own", stat) => 0);
            assert_eq!((number(&k, stat, 32, 8), number(&k, stat, 48, 8)), (3, 4));
            // ATTR_CMN_ACCESSMASK.
            xnu!(k, setattrlist(path, attribute_list(0x2_0000, 0, 0, 0, 0), 0o600u32.to_le_bytes().as_slice(), 4, 0) => 0);
            assert_eq!(seen(&k, path).0, 0o600);
            xnu!(k, chflags(path, 0) => 0);
            xnu!(k, chmod(path, 0o644) => 0);
            assert_eq!(k.descriptors(), before, "{path}");
        }
        for missing in ["/tmp/theirs", "/tmp/link", "/prefix", "/prefix/tmp/own"] {
            xnu!(k, chmod(missing, 0o600) => ENOENT);
            xnu!(k, truncate(missing, 0) => ENOENT);
            xnu!(k, pathconf(missing, 4) => ENOENT);
        }
        assert_eq!(k.contents("/tmp/own").as_deref(), Some(&b"hello"[..]), "the host's file");
        assert_eq!(k.contents("/prefix/tmp/own").as_deref(), Some(&b"in"[..]));
    }
}

fn text(k: &Mock, at: UserAddr, offset: u64) -> String {
    let bytes = k.peek(UserAddr::new(at.get() + offset), 1024);
    let end = bytes.iter().position(|byte| *byte == 0).expect("a terminator");
    String::from_utf8(bytes[..end].to_vec()).expect("text")
}

/// Mount points and sources, as `getfsstat64` lists them.
fn mounts(k: &Machine<Mock>) -> Vec<(String, String)> {
    const SIZE: u64 = 2168;
    let buf = k.alloc(SIZE as usize * 8);
    let count = value(xnu!(k, getfsstat64(buf, SIZE * 8, 0)));
    xnu!(k, getfsstat64(NULL, 0, 0) => count);
    (0..count).map(|entry| (text(k, buf, entry * SIZE + 88), text(k, buf, entry * SIZE + 1112))).collect()
}

#[test]
fn mounts_have_the_guests_names_and_those_beyond_reach_none() {
    let named = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(point, source)| (point.to_string(), source.to_string())).collect()
    };
    let sealed = [("/dev", "none"), ("/tmp", "/dev/disk"), ("/", "ext4")];
    assert_eq!(mounts(&below_a_prefix(false)), named(&sealed));
    let exit = [
        ("/dev", "none"),
        ("/Volumes/SystemRoot/prefixed", "/Volumes/SystemRoot/dev/other"),
        ("/tmp", "/dev/disk"),
        ("/", "/Volumes/SystemRoot/dev/root"),
    ];
    assert_eq!(mounts(&below_a_prefix(true)), named(&exit));
}

#[test]
fn the_prefix_is_the_root_of_its_file_system() {
    let k = below_a_prefix(false);
    let buf = k.alloc(2168);
    xnu!(k, statfs64("/tmp/abs", buf) => 0);
    assert_eq!((text(&k, buf, 88).as_str(), number(&k, buf, 64, 4)), ("/", 0x5000));
    // The mount point, and what the caller may do with it: the prefix is the caller's own, the host's root is not.
    let list = attribute_list(0x20_0000, 0x8000_1000, 0, 0, 0);
    xnu!(k, getattrlist("/tmp/own", list, buf, 2168, 0) => 0);
    assert_eq!(number(&k, buf, 4, 4), 7, "R_OK, W_OK, X_OK");
    assert_eq!(text(&k, buf, 8 + number(&k, buf, 8, 4)), "/");
}
