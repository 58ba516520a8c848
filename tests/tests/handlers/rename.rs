//! Renaming.

use crate::support::*;
use xnu_abi::darwin::unistd::RenameFlags;

const EXCL: u32 = RenameFlags::RENAME_EXCL.bits();
const SWAP: u32 = RenameFlags::RENAME_SWAP.bits();
const SECLUDE: u32 = RenameFlags::RENAME_SECLUDE.bits();
const NOFOLLOW_ANY: u32 = RenameFlags::RENAME_NOFOLLOW_ANY.bits();

/// The machine, and the directories `/tmp/empty` and `/tmp/full` (with `x` in it) that are the guest's.
fn furnished() -> Machine<xnu_backend_mock::Mock> {
    let k = machine();
    for directory in ["/tmp/empty", "/tmp/full", "/tmp/full/sub"] {
        k.add_dir(directory);
        k.set_owner(directory, 1000, 1000);
    }
    k.add_file("/tmp/full/x", b"");
    k
}

#[test]
fn a_file_takes_the_place_of_another() {
    let k = furnished();
    xnu!(k, rename("/tmp/own", "/tmp/dir/file") => 0);
    assert_eq!(k.contents("/tmp/dir/file").as_deref(), Some(&b"hello"[..]));
    assert!(!k.exists("/tmp/own"));
    xnu!(k, open("/tmp/dir", O_RDONLY) => 3);
    xnu!(k, renameat(3, "file", AT_FDCWD, "/tmp/back") => 0);
    xnu!(k, renameat(AT_FDCWD, "/tmp/back", 3, "again") => 0);
    xnu!(k, renameat(9, "again", 3, "x") => EBADF);
    xnu!(k, renameat(3, "again", 9, "x") => EBADF);
    xnu!(k, renameat(3, "none", 9, "x") => ENOENT);
    assert!(k.exists("/tmp/dir/again"));
    assert_eq!(k.descriptors(), [0, 1, 2, 3]);
}

#[test]
fn what_is_missing_is_so_before_the_other_path_is_looked_at() {
    let k = furnished();
    for to in ["/none/x", "/tmp/own/x", "/tmp/loop/x", "", ".", "/", "/tmp/full", "/tmp/fresh/"] {
        xnu!(k, rename("/tmp/none", to) => ENOENT);
    }
    xnu!(k, rename("/tmp/none", NULL) => ENOENT);
    xnu!(k, rename("/tmp/own", NULL) => EFAULT);
    xnu!(k, rename("/tmp/own", "") => ENOENT);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn types_must_fit() {
    let k = furnished();
    xnu!(k, rename("/tmp/own", "/tmp/empty") => EISDIR);
    xnu!(k, rename("/tmp/own", "/tmp/full") => EISDIR);
    xnu!(k, rename("/tmp/full/x", "/tmp/full") => EISDIR);
    xnu!(k, rename("/tmp/full/sub", "/tmp/full") => ENOTEMPTY);
    xnu!(k, rename("/tmp/empty", "/tmp/own") => ENOTDIR);
    xnu!(k, rename("/tmp/empty", "/tmp/full") => ENOTEMPTY);
    xnu!(k, rename("/tmp/full", "/tmp/full/sub/below") => EINVAL);
    xnu!(k, rename("/tmp/full", "/tmp/empty") => 0);
    assert!(k.exists("/tmp/empty/x"));
    xnu!(k, rename("/tmp/own", "/dev/x") => EXDEV);
}

#[test]
fn names_that_are_none_cannot_be_renamed() {
    let k = furnished();
    for from in ["/tmp/full/.", "/tmp/full/sub/..", ".", ".."] {
        xnu!(k, rename(from, "/tmp/x") => EINVAL);
    }
    xnu!(k, rename("/", "/tmp/x") => EISDIR);
    for to in ["/tmp/empty/.", "/"] {
        xnu!(k, rename("/tmp/own", to) => EISDIR);
        xnu!(k, rename("/tmp/full", to) => EINVAL);
    }
    xnu!(k, rename("/tmp/own", "/tmp/full/sub/..") => EISDIR);
    xnu!(k, rename("/tmp/empty", "/tmp/full/sub/..") => EINVAL);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn a_slash_asks_for_a_directory() {
    let k = furnished();
    xnu!(k, rename("/tmp/own/", "/tmp/x") => ENOTDIR);
    xnu!(k, rename("/tmp/own", "/tmp/x/") => ENOENT);
    xnu!(k, rename("/tmp/own", "/tmp/dir/file/") => ENOTDIR);
    xnu!(k, rename("/tmp/dirlink/", "/tmp/x") => ENOTDIR);
    xnu!(k, rename("/tmp/empty/", "/tmp/x/") => 0);
    assert!(k.exists("/tmp/x") && k.exists("/tmp/own"));
}

#[test]
fn excl_makes_only_and_swap_exchanges_only() {
    let k = furnished();
    let at = AT_FDCWD;
    xnu!(k, renameatx_np(at, "/tmp/own", at, "/tmp/dir/file", EXCL) => EEXIST);
    xnu!(k, renameatx_np(at, "/tmp/own", at, "/tmp/own", EXCL) => EEXIST);
    xnu!(k, renameatx_np(at, "/tmp/own", at, "/tmp/new", EXCL) => 0);
    xnu!(k, renameatx_np(at, "/tmp/new", at, "/tmp/own", SWAP) => ENOENT);
    xnu!(k, renameatx_np(at, "/tmp/new", at, "/tmp/dir/file", SWAP) => 0);
    assert_eq!(k.contents("/tmp/dir/file").as_deref(), Some(&b"hello"[..]));
    assert_eq!(k.contents("/tmp/new").as_deref(), Some(&b"inside"[..]));
    xnu!(k, renameatx_np(at, "/tmp/new", at, "/tmp/full", SWAP) => 0);
    assert!(k.exists("/tmp/new/x"));
    xnu!(k, renameatx_np(at, "/tmp/new/sub", at, "/tmp/new", SWAP) => EINVAL);
    xnu!(k, renameatx_np(at, "/tmp/new", at, "/tmp/new/sub", SWAP) => EINVAL);
    xnu!(k, renameatx_np(at, NULL, at, NULL, EXCL | SWAP) => EINVAL);
    for bit in [3, 5, 31] {
        xnu!(k, renameatx_np(at, NULL, at, NULL, 1u32 << bit) => EINVAL);
    }
    xnu!(k, renameatx_np(at, "/tmp/empty", at, "/tmp/e", SECLUDE) => ENOTSUP);
    xnu!(k, renameatx_np(at, "/tmp/none", at, "/tmp/e", SECLUDE) => ENOENT);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn no_link_on_the_way_where_that_is_asked_for() {
    let k = furnished();
    let at = AT_FDCWD;
    xnu!(k, renameatx_np(at, "/tmp/dirlink/file", at, "/tmp/x", NOFOLLOW_ANY) => ELOOP);
    xnu!(k, renameatx_np(at, "/tmp/own", at, "/tmp/dirlink/x", NOFOLLOW_ANY) => ELOOP);
    xnu!(k, renameatx_np(at, "/tmp/none", at, "/tmp/dirlink/x", NOFOLLOW_ANY) => ENOENT);
    xnu!(k, symlink("own", "/tmp/ours") => 0);
    xnu!(k, renameatx_np(at, "/tmp/ours", at, "/tmp/dir/link", NOFOLLOW_ANY) => 0);
    xnu!(k, renameatx_np(at, "/tmp/dirlink/file", at, "/tmp/x", 0) => 0);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn rights_to_both_directories_are_needed() {
    let k = furnished();
    xnu!(k, rename("/tmp/own", "/etc/x") => EACCES);
    k.add_file("/etc/file", b"");
    xnu!(k, rename("/etc/file", "/tmp/x") => EACCES);
    k.set_mode("/tmp/full", 0o600);
    xnu!(k, rename("/tmp/full/x", "/tmp/x") => EACCES);
    xnu!(k, rename("/tmp/own", "/tmp/full/y") => EACCES);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn bad_pointers_and_long_paths_of_renames() {
    let k = furnished();
    let (own, new) = (k.place_str("/tmp/own").get(), k.place_str("/tmp/new").get());
    let cwd = AT_FDCWD as u64;
    path_limits(&k, "rename", &[0, new], 0);
    faults(&k, "rename", &[0, new], 0, 2, IN);
    faults(&k, "rename", &[own, 0], 1, 2, IN);
    faults(&k, "renameat", &[cwd, own, cwd, 0], 3, 2, IN);
    faults(&k, "renameatx_np", &[cwd, own, cwd, 0, u64::from(SWAP)], 3, 2, IN);
    for (length, answer) in [(255, 0), (256, 63)] {
        let to = k.place_str(format!("/tmp/{}", "n".repeat(length))).get();
        let got = k.by_name("rename", &[own, to]);
        let want = if answer == 0 { Answer::reply(0) } else { Answer::reply(ENAMETOOLONG) };
        assert_eq!(got, want, "{length}");
        if answer == 0 {
            assert_eq!(k.by_name("rename", &[to, own]), Answer::reply(0));
        }
    }
}

#[test]
fn where_case_does_not_matter_a_name_takes_its_new_spelling() {
    let k = furnished();
    xnu!(k, open("/tmp", O_RDONLY) => 3);
    let options = xnu_core::vchroot::Options { case_insensitive: true, root_exit: false };
    k.process.set_prefix(xnu_core::linux::LinuxFd(3), options).expect("a directory");
    let before = k.descriptors();
    xnu!(k, rename("/own", "/OWN") => 0);
    assert!(k.exists("/tmp/OWN") && !k.exists("/tmp/own"));
    xnu!(k, renameatx_np(AT_FDCWD, "/own", AT_FDCWD, "/Own", EXCL) => 0);
    assert!(k.exists("/tmp/Own") && !k.exists("/tmp/OWN"));
    xnu!(k, renameatx_np(AT_FDCWD, "/OWN", AT_FDCWD, "/DIR/FILE", EXCL) => EEXIST);
    xnu!(k, rename("/OWN", "/DIR/FILE") => 0);
    assert!(k.exists("/tmp/dir/file") && !k.exists("/tmp/dir/FILE"));
    xnu!(k, mkdir("/EMPTY", 0o755) => EEXIST);
    xnu!(k, link("/DIR/FILE", "/Empty") => EEXIST);
    xnu!(k, symlink("x", "/EMPTY") => EEXIST);
    xnu!(k, rmdir("/EMPTY") => 0);
    xnu!(k, chdir("/FULL") => 0);
    xnu!(k, rename("X", "/../Y") => 0);
    assert!(k.exists("/tmp/Y") && !k.exists("/tmp/full/x"));
    assert_eq!(k.descriptors(), before);
}
