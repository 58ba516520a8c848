//! `chflags` and `fchflags`.

use crate::support::*;
use xnu_backend_mock::{Credentials, Mock};

const UF_NODUMP: u32 = 1;
const UF_IMMUTABLE: u32 = 2;
const UF_APPEND: u32 = 4;
const UF_HIDDEN: u32 = 0x8000;
const SF_ARCHIVED: u32 = 0x1_0000;
const SF_IMMUTABLE: u32 = 0x2_0000;
const SF_APPEND: u32 = 0x4_0000;

fn flags(k: &Machine<Mock>, path: &str) -> u32 {
    let buf = k.alloc(144);
    xnu!(k, stat64(path, buf) => 0);
    number(k, buf, 116, 4) as u32
}

#[test]
fn flags_are_kept_and_shown_and_hidden_from_the_attributes() {
    let k = machine();
    let names = k.alloc(100);
    for wanted in [UF_HIDDEN, UF_HIDDEN | UF_NODUMP, UF_NODUMP, UF_IMMUTABLE | UF_APPEND, 0xff0f, 0] {
        xnu!(k, chflags("/tmp/link", wanted) => 0);
        assert_eq!(flags(&k, "/tmp/own"), wanted, "{wanted:#x}");
        xnu!(k, listxattr("/tmp/own", names, 100, 0) => 0);
    }
    xnu!(k, open("/tmp/dir", O_RDONLY) => 3);
    xnu!(k, fchflags(3, UF_HIDDEN) => 0);
    assert_eq!(flags(&k, "/tmp/dir"), UF_HIDDEN);
    let old = k.alloc(120);
    xnu!(k, fstat(3, old) => 0);
    assert_eq!(number(&k, old, 92, 4) as u32, UF_HIDDEN);
}

#[test]
fn a_file_without_flags_costs_stat_nothing() {
    let k = machine();
    let buf = k.alloc(144);
    k.clear_calls();
    xnu!(k, stat64("/tmp/own", buf) => 0);
    assert_eq!(k.calls().len(), 1);
}

#[test]
fn the_superusers_flags_are_enforced() {
    let k = machine();
    k.set_credentials(Credentials::user(0, 0));
    for (wanted, also) in [(SF_IMMUTABLE, 0), (UF_IMMUTABLE, 0), (SF_APPEND, UF_HIDDEN), (SF_ARCHIVED, 0)] {
        xnu!(k, chflags("/tmp/own", wanted | also) => 0);
        assert_eq!(flags(&k, "/tmp/own"), wanted | also, "{wanted:#x}");
        let frozen = wanted != SF_ARCHIVED;
        let expected = if frozen { Answer::reply(EPERM) } else { Answer::reply(0) };
        let path = k.place_str("/tmp/own").get();
        assert_eq!(k.by_name("chmod", &[path, 0o600]), expected, "{wanted:#x}");
    }
    xnu!(k, chflags("/tmp/own", 0) => 0);
    assert_eq!(flags(&k, "/tmp/own"), 0);
    xnu!(k, chmod("/tmp/own", 0o640) => 0);
}

#[test]
fn flags_are_for_the_owner_and_the_superuser() {
    let k = machine();
    xnu!(k, chflags("/tmp/theirs", UF_HIDDEN) => EPERM);
    xnu!(k, chflags("/tmp/theirs", 0) => 0);
    xnu!(k, chflags("/tmp/own", SF_ARCHIVED) => EPERM);
    xnu!(k, chflags("/tmp/own", UF_HIDDEN | SF_IMMUTABLE) => EPERM);
    // What the kernel sets by itself is left out.
    xnu!(k, chflags("/tmp/own", 0xc000_0000u32) => 0);
    k.set_credentials(Credentials::user(0, 0));
    xnu!(k, chflags("/tmp/own", SF_IMMUTABLE) => 0);
    k.set_credentials(Credentials::user(1000, 1000));
    xnu!(k, chflags("/tmp/own", 0) => EPERM);
    xnu!(k, chflags("/tmp/own", SF_IMMUTABLE | UF_HIDDEN) => EPERM);
}

#[test]
fn only_files_and_directories_have_flags() {
    let k = machine();
    xnu!(k, chflags("/tmp/fifo", UF_HIDDEN) => ENOTSUP);
    k.set_credentials(Credentials::user(0, 0));
    xnu!(k, chflags("/dev/null", UF_HIDDEN) => ENOTSUP);
    xnu!(k, fchflags(9, UF_HIDDEN) => EBADF);
    xnu!(k, pipe() => (3, 4));
    xnu!(k, fchflags(3, UF_HIDDEN) => EINVAL);
    path_limits(&k, "chflags", &[0, 1], 0);
}
