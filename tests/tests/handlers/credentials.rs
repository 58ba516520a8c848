//! Changing users and groups.

use crate::support::*;
use xnu_backend_mock::Credentials;

fn as_root() -> Machine<xnu_backend_mock::Mock> {
    let k = machine();
    k.set_credentials(Credentials::root());
    k
}

#[test]
fn the_superuser_becomes_another_for_good() {
    let k = as_root();
    xnu!(k, issetugid() => 0);
    xnu!(k, setgid(20) => 0);
    xnu!(k, setuid(501) => 0);
    for (name, id) in [("getuid", 501), ("geteuid", 501), ("getgid", 20), ("getegid", 20)] {
        assert_eq!(k.by_name(name, &[]), xnu_core::Reply::Value(id, 0), "{name}");
    }
    xnu!(k, issetugid() => 1);
    for call in ["setuid", "seteuid", "setgid", "setegid"] {
        assert_eq!(k.by_name(call, &[0]), xnu_core::Reply::Error(EPERM), "{call}");
        assert_eq!(k.by_name(call, &[u64::MAX]), xnu_core::Reply::Error(EPERM), "{call}");
    }
    xnu!(k, setreuid(0, -1) => EPERM);
    xnu!(k, setregid(-1, 0) => EPERM);
}

#[test]
fn the_superuser_lends_itself_and_takes_back() {
    let k = as_root();
    xnu!(k, seteuid(501) => 0);
    xnu!(k, geteuid() => 501);
    xnu!(k, getuid() => 0);
    xnu!(k, seteuid(502) => EPERM);
    xnu!(k, seteuid(0) => 0);
    xnu!(k, geteuid() => 0);
    // No number is no change.
    xnu!(k, setuid(-1) => 0);
    xnu!(k, seteuid(-1) => 0);
    xnu!(k, getuid() => 0);
}

#[test]
fn real_and_effective_change_places() {
    let k = machine();
    k.set_credentials(Credentials { uid: 1, euid: 2, gid: 3, egid: 4, groups: Vec::new() });
    // Linux has no way from the saved to the real one by this name; XNU has.
    xnu!(k, setreuid(2, 1) => 0);
    xnu!(k, getuid() => 2);
    xnu!(k, geteuid() => 1);
    xnu!(k, setregid(4, 3) => 0);
    xnu!(k, getgid() => 4);
    xnu!(k, getegid() => 3);
    xnu!(k, setreuid(-1, -1) => 0);
    xnu!(k, setreuid(9, 1) => EPERM);
    xnu!(k, setreuid(1, 9) => EPERM);
}

#[test]
fn the_effective_group_is_listed_first_and_once() {
    let k = machine();
    let buf = k.alloc_guarded(64);
    let groups: Vec<u32> = (100..130).chain([1000]).collect();
    k.set_credentials(Credentials { groups, ..Credentials::user(1000, 1000) });
    xnu!(k, getgroups(0, NULL) => 16);
    xnu!(k, getgroups(15, buf) => EINVAL);
    xnu!(k, getgroups(-1, buf) => EINVAL);
    xnu!(k, getgroups(16, buf) => 16);
    assert_eq!(number(&k, buf, 0, 4), 1000);
    assert_eq!(number(&k, buf, 4, 4), 100);
    assert_eq!(number(&k, buf, 60, 4), 114);
    xnu!(k, getgroups(dirty(100), buf) => 16);
    faults(&k, "getgroups", &[16, 0], 1, 64, OUT);
    // More than a Mac or we could keep.
    k.set_credentials(Credentials { groups: (0..200).collect(), ..Credentials::user(1000, 1000) });
    xnu!(k, getgroups(16, buf) => 1);
}

#[test]
fn groups_are_set_by_the_superuser_the_first_as_effective_one() {
    let k = as_root();
    let buf = k.alloc_guarded(64);
    let list: Vec<u8> = [20u32, 12, 61].iter().flat_map(|group| group.to_le_bytes()).collect();
    xnu!(k, setgroups(3, list.clone()) => 0);
    xnu!(k, getegid() => 20);
    xnu!(k, getgid() => 0);
    xnu!(k, getgroups(16, buf) => 3);
    assert_eq!(k.peek(buf, 12), list);
    xnu!(k, initgroups(3, list.clone(), 501) => 0);
    xnu!(k, setgroups(0, NULL) => 0);
    xnu!(k, getgroups(16, buf) => 1);
    xnu!(k, getegid() => 0);
    xnu!(k, setgroups(17, buf) => EINVAL);
    xnu!(k, setgroups(-1, buf) => EINVAL);
    faults(&k, "setgroups", &[3, 0], 1, 12, IN);
    k.set_credentials(Credentials::user(1000, 1000));
    xnu!(k, setgroups(3, list.clone()) => EPERM);
    xnu!(k, initgroups(3, list, 1000) => EPERM);
    // What is given is read first.
    xnu!(k, setgroups(1, NULL) => EFAULT);
    xnu!(k, setgroups(17, NULL) => EINVAL);
}

#[test]
fn a_login_name_is_given_by_the_superuser() {
    let k = as_root();
    let buf = k.alloc_guarded(255);
    xnu!(k, getlogin(buf, 255) => 0);
    assert_eq!(k.peek(buf, 255), [0; 255]);
    xnu!(k, setlogin("somebody") => 0);
    xnu!(k, getlogin(buf, u32::MAX) => 0);
    assert_eq!(&k.peek(buf, 10), b"somebody\0\0");
    xnu!(k, getlogin(k.alloc_guarded(4), 4) => 0);
    xnu!(k, getlogin(NULL, 0) => 0);
    xnu!(k, setlogin("x".repeat(253)) => 0);
    xnu!(k, setlogin("y".repeat(254)) => EINVAL);
    xnu!(k, getlogin(buf, 255) => 0);
    assert_eq!(k.peek(buf, 255)[253..], [b'y', 0]);
    faults(&k, "getlogin", &[0, 255], 0, 255, OUT);
    xnu!(k, setlogin(NULL) => EFAULT);
    xnu!(k, setlogin(k.place(b"abc")) => EFAULT);
    k.set_credentials(Credentials::user(1000, 1000));
    xnu!(k, setlogin("nobody") => EPERM);
    xnu!(k, setlogin(NULL) => EPERM);
}

#[test]
fn no_thread_gets_another_identity() {
    let k = as_root();
    xnu!(k, gettid(NULL, NULL) => ESRCH);
    xnu!(k, settid(501, 20) => EPERM);
    xnu!(k, settid_with_pid(0, 1) => ESRCH);
    xnu!(k, settid_with_pid(4, 1) => ESRCH);
    xnu!(k, settid_with_pid(1000, 1) => EPERM);
    xnu!(k, settid_with_pid(4, 0) => EPERM);
    for name in ["setsgroups", "getsgroups", "setwgroups", "getwgroups"] {
        assert_eq!(k.by_name(name, &[0, 0]), xnu_core::Reply::Error(ENOTSUP), "{name}");
    }
    xnu!(k, identitysvc(1, NULL) => EPERM);
}

#[test]
fn the_machine_is_named_by_its_id() {
    let k = machine();
    let (uuid, timeout) = (k.alloc_guarded(16), k.place(&[0; 16]));
    xnu!(k, gethostuuid(uuid, timeout) => EAGAIN);
    k.add_file("/etc/machine-id", b"0123456789abcdef0123456789abcdef\n");
    xnu!(k, gethostuuid(uuid, timeout) => 0);
    assert_eq!(k.peek(uuid, 8), [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
    assert_eq!(k.descriptors(), [0, 1, 2]);
    faults(&k, "gethostuuid", &[0, timeout.get()], 0, 16, OUT);
    faults(&k, "gethostuuid", &[uuid.get(), 0], 1, 16, IN);
}
