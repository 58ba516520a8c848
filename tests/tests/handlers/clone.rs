//! Clones, copies, exchanges; files by number; the working directory; many questions of access.

use crate::support::*;
use xnu_backend_mock::{Credentials, Mock};

#[test]
fn a_clone_is_a_file_of_its_own() {
    let k = machine();
    let (at, stat) = (AT_FDCWD, k.alloc(144));
    k.set_mode("/tmp/own", 0o640);
    xnu!(k, clonefileat(at, "/tmp/link", at, "/tmp/dir/copy", 0) => 0);
    assert_eq!(k.contents("/tmp/dir/copy").as_deref(), Some(&b"hello"[..]));
    xnu!(k, stat64("/tmp/dir/copy", stat) => 0);
    assert_eq!(number(&k, stat, 4, 2), 0o100640);
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, write(3, b"later", 5) => 5);
    assert_eq!(k.contents("/tmp/dir/copy").as_deref(), Some(&b"hello"[..]));
    xnu!(k, fclonefileat(3, at, "/tmp/second", 0) => 0);
    assert_eq!(k.contents("/tmp/second").as_deref(), Some(&b"later"[..]));
    // A link itself.
    let buf = k.alloc(16);
    xnu!(k, clonefileat(at, "/tmp/link", at, "/tmp/copy", 1) => 0);
    xnu!(k, readlink("/tmp/copy", buf, 16) => 3);
    assert_eq!(k.descriptors(), [0, 1, 2, 3]);
}

#[test]
fn what_cannot_be_cloned_leaves_nothing() {
    let k = machine();
    let at = AT_FDCWD;
    for to in ["/tmp/own", "/tmp/dir", "/tmp/dangling"] {
        xnu!(k, clonefileat(at, "/tmp/own", at, to, 0) => EEXIST);
    }
    xnu!(k, clonefileat(at, "/tmp/own", at, "/none/x", 0) => ENOENT);
    xnu!(k, clonefileat(at, "/tmp/own", at, "/tmp/x/", 0) => ENOENT);
    xnu!(k, clonefileat(at, "/tmp/none", at, "/tmp/x", 0) => ENOENT);
    xnu!(k, clonefileat(at, "/tmp/fifo", at, "/tmp/x", 0) => EINVAL);
    xnu!(k, clonefileat(at, "/tmp/dir", at, "/tmp/x", 0) => ENOTSUP);
    xnu!(k, clonefileat(at, "/tmp/theirs", at, "/tmp/x", 0) => EACCES);
    xnu!(k, clonefileat(at, "/tmp/own", at, "/etc/x", 0) => EACCES);
    xnu!(k, clonefileat(at, "/tmp/dirlink/file", at, "/tmp/x", 8) => ELOOP);
    xnu!(k, clonefileat(9, NULL, 9, NULL, 16) => EINVAL);
    xnu!(k, clonefileat(at, "/tmp/own", at, NULL, 0) => EFAULT);
    xnu!(k, open("/tmp/own", O_WRONLY) => 3);
    xnu!(k, pipe() => (4, 5));
    xnu!(k, fclonefileat(3, at, "/tmp/x", 0) => EBADF);
    xnu!(k, fclonefileat(4, at, "/tmp/x", 0) => ENOTSUP);
    xnu!(k, fclonefileat(9, at, "/tmp/x", 0) => EBADF);
    xnu!(k, fclonefileat(9, at, "/tmp/x", 16) => EINVAL);
    assert!(!k.exists("/tmp/x"));
    assert_eq!(k.descriptors(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn copies_and_exchanges_are_for_volumes_that_have_them() {
    let k = machine();
    xnu!(k, copyfile("/tmp/own", "/tmp/x", 0, 0) => ENOTSUP);
    xnu!(k, copyfile("/tmp/own", "/tmp/dir/file", 0, 0) => EEXIST);
    xnu!(k, copyfile("/tmp/own", "/tmp/dir/file", 0, 1) => ENOTSUP);
    xnu!(k, copyfile("/tmp/own", "/tmp/own", 0, 1) => 0);
    xnu!(k, copyfile("/tmp/own", "/tmp/dir", 0, 1) => EISDIR);
    xnu!(k, copyfile("/tmp/dir", "/tmp/x", 0, 0) => EISDIR);
    xnu!(k, copyfile("/tmp/theirs", "/tmp/x", 0, 0) => EACCES);
    xnu!(k, copyfile("/tmp/none", NULL, 0, 0) => ENOENT);
    xnu!(k, copyfile("/tmp/own", NULL, 0, 0) => EFAULT);
    xnu!(k, copyfile(NULL, NULL, 0, 4) => EINVAL);
    xnu!(k, exchangedata("/tmp/own", "/tmp/dir/file", 0) => ENOTSUP);
    xnu!(k, exchangedata("/tmp/own", "/tmp/link", 0) => EINVAL);
    xnu!(k, exchangedata("/tmp/own", "/tmp/link", 1) => EINVAL);
    xnu!(k, exchangedata("/tmp/own", "/tmp/dir", 0) => EINVAL);
    xnu!(k, exchangedata("/tmp/own", "/dev/null", 0) => EXDEV);
    xnu!(k, exchangedata("/tmp/own", "/tmp/theirs", 0) => EACCES);
    xnu!(k, exchangedata("/tmp/none", NULL, 0) => ENOENT);
    xnu!(k, exchangedata("/tmp/own", NULL, 0) => EFAULT);
    xnu!(k, delete("/tmp/own") => 0);
    xnu!(k, delete("/tmp/dir") => EPERM);
    xnu!(k, undelete(NULL) => ENOTSUP);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn nothing_is_found_but_by_its_name() {
    let k = machine();
    let (buf, fsid) = (k.alloc(8192), k.alloc(8));
    xnu!(k, fsgetpath(buf, 1024, fsid, 2) => ENOTSUP);
    for size in [0, 8193, u64::MAX] {
        xnu!(k, fsgetpath(buf, size, fsid, 2) => EINVAL);
    }
    xnu!(k, fsgetpath_ext(buf, 1024, fsid, 2, 0x280) => ENOTSUP);
    xnu!(k, fsgetpath_ext(buf, 1024, NULL, 2, 1) => EINVAL);
    faults(&k, "fsgetpath", &[buf.get(), 1024, 0, 2], 2, 8, IN);
    let block = k.alloc(104);
    let state = k.alloc(564);
    k.poke(block, &buf.get().to_le_bytes());
    xnu!(k, searchfs("/", block, buf, 0, 0, state) => ENOTSUP);
    xnu!(k, searchfs("/none", block, buf, 0, 0, state) => ENOENT);
    xnu!(k, searchfs("/", block, buf, 0, 0, NULL) => EFAULT);
    faults(&k, "searchfs", &[0, 0, 0, 0, 0, 0], 1, 104, IN);
    k.poke(xnu_core::UserAddr::new(block.get() + 56), &4097u64.to_le_bytes());
    xnu!(k, searchfs(NULL, block, buf, 0, 0, NULL) => EINVAL);
    xnu!(k, revoke("/tmp/own") => ENOTSUP);
    xnu!(k, revoke("/dev/null") => EPERM);
    xnu!(k, revoke("/tmp/none") => ENOENT);
    k.set_credentials(Credentials::root());
    xnu!(k, revoke("/dev/null") => ENOTSUP);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

fn is_here(k: &Machine<Mock>, name: &str) -> bool {
    k.by_name("access", &[k.place_str(name).get(), 0]) == Answer::reply(0)
}

#[test]
fn the_working_directory_is_where_relative_paths_begin() {
    let k = machine();
    xnu!(k, chdir("/tmp/dirlink") => 0);
    assert!(is_here(&k, "file"));
    xnu!(k, open("/tmp", O_RDONLY) => 3);
    xnu!(k, fchdir(3) => 0);
    assert!(is_here(&k, "own"));
    xnu!(k, open("own", O_RDONLY) => 4);
    xnu!(k, pipe() => (5, 6));
    xnu!(k, fchdir(4) => ENOTDIR);
    xnu!(k, fchdir(5) => EINVAL);
    for fd in [-1, -2, -100, 9] {
        xnu!(k, fchdir(fd) => EBADF);
    }
    xnu!(k, chdir("own") => ENOTDIR);
    xnu!(k, chdir("fifo") => ENOTDIR);
    k.set_mode("/tmp/dir", 0o600);
    xnu!(k, chdir("dir") => EACCES);
    xnu!(k, __pthread_chdir("dir") => EACCES);
    path_limits(&k, "chdir", &[0], 0);
    faults(&k, "chdir", &[0], 0, 2, IN);
    faults(&k, "__pthread_chdir", &[0], 0, 2, IN);
    k.set_mode("/tmp/dir", 0o700);
    xnu!(k, __pthread_chdir("dir") => 0);
    assert!(is_here(&k, "file"));
    xnu!(k, __pthread_fchdir(3) => 0);
    assert!(is_here(&k, "own"));
    xnu!(k, __pthread_fchdir(4) => ENOTDIR);
    xnu!(k, __pthread_fchdir(5) => EINVAL);
    for fd in [-1, -2, 9] {
        xnu!(k, __pthread_fchdir(fd) => EBADF);
    }
    assert_eq!(k.descriptors(), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn the_root_is_not_the_guests_to_choose() {
    let k = machine();
    xnu!(k, chroot(NULL) => EPERM);
    xnu!(k, pivot_root(NULL, NULL) => EPERM);
    k.set_credentials(Credentials::root());
    xnu!(k, chroot("/tmp") => EPERM);
    xnu!(k, chroot("/tmp/own") => ENOTDIR);
    xnu!(k, chroot("/none") => ENOENT);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn many_questions_of_access_have_an_answer_each() {
    let k = machine();
    let mut table = Vec::new();
    let strings = b"/tmp/own\0/tmp/theirs\0/tmp/none\0";
    // Own: reading, and executing; theirs: reading; none: being there.
    for (offset, rights) in [(64u32, 4u32), (0, 1), (73, 4), (85, 0)] {
        table.extend(offset.to_le_bytes());
        table.extend(rights.to_le_bytes());
        table.extend([0; 8]);
    }
    table.extend(strings);
    let results = k.alloc_guarded(16);
    xnu!(k, access_extended(table.clone(), table.len(), results, 0) => 0);
    let answers = [0, 4, 8, 12].map(|at| number(&k, results, at, 4));
    assert_eq!(answers, [0, 13, 13, 2]);
    let size = table.len();
    faults(&k, "access_extended", &[0, size as u64, results.get(), 0], 0, size, IN);
    faults(&k, "access_extended", &[k.place(&table).get(), size as u64, 0, 0], 2, 16, OUT);
    xnu!(k, access_extended(NULL, 16385, results, 0) => ENOMEM);
    xnu!(k, access_extended(NULL, 17, results, 0) => EINVAL);
    // Offsets: none for the first, into its own entry, behind the end.
    for offset in [0u32, 8, size as u32, u32::MAX] {
        table[..4].copy_from_slice(&offset.to_le_bytes());
        xnu!(k, access_extended(table.clone(), size, results, 0) => EINVAL);
    }
    // A look-up that fails in another way is the call's.
    let mut table = bytes([16, 0]);
    table.extend(b"/tmp/loop\0");
    xnu!(k, access_extended(table.clone(), table.len(), results, 0) => ELOOP);
    table.pop();
    xnu!(k, access_extended(table.clone(), table.len(), results, 0) => EINVAL);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}
