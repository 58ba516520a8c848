//! Audit, in the default session.

use crate::support::*;
use xnu_backend_mock::Credentials;

#[test]
fn the_default_session_has_no_user() {
    let k = machine();
    let (user, info) = (k.alloc_guarded(4), k.alloc_guarded(48));
    xnu!(k, getauid(user) => 0);
    assert_eq!(number(&k, user, 0, 4), 0xffff_ffff);
    xnu!(k, getaudit_addr(info, 48) => 0);
    assert_eq!((number(&k, info, 0, 4), number(&k, info, 4, 8)), (0xffff_ffff, u64::MAX));
    assert_eq!((number(&k, info, 36, 4), number(&k, info, 40, 8)), (0, 0));
    // As much as there is room for.
    xnu!(k, getaudit_addr(k.alloc_guarded(7), 7) => 0);
    xnu!(k, getaudit_addr(NULL, 0) => 0);
    xnu!(k, getaudit_addr(info, 4096) => 0);
    faults(&k, "getauid", &[0], 0, 4, OUT);
    faults(&k, "getaudit_addr", &[0, 48], 0, 48, OUT);
    k.set_credentials(Credentials::root());
    xnu!(k, getaudit_addr(info, 48) => 0);
    assert_eq!(number(&k, info, 4, 8), 0);
}

#[test]
fn changing_it_is_refused_after_a_look_at_what_is_given() {
    let k = machine();
    xnu!(k, setauid(NULL) => EFAULT);
    xnu!(k, setauid(&[0; 4]) => EPERM);
    let mut info = [0u8; 48];
    xnu!(k, setaudit_addr(&info, 48) => EINVAL);
    info[16] = 4;
    xnu!(k, setaudit_addr(&info, 48) => EPERM);
    xnu!(k, setaudit_addr(&info, 16) => EINVAL);
    faults(&k, "setaudit_addr", &[0, 48], 0, 48, IN);
    xnu!(k, audit(NULL, 0) => EPERM);
    xnu!(k, auditctl(NULL) => EPERM);
}

#[test]
fn only_the_sessions_own_flags_are_told() {
    const GETSFLAGS: i32 = 39;
    let k = machine();
    let flags = k.place(&[0xff; 8]);
    xnu!(k, auditon(GETSFLAGS, flags, 8) => 0);
    assert_eq!(number(&k, flags, 0, 8), 0);
    xnu!(k, auditon(GETSFLAGS, flags, 4) => EINVAL);
    for length in [0, -1, 57, i32::MIN, i32::MAX] {
        xnu!(k, auditon(GETSFLAGS, flags, length) => EINVAL);
    }
    xnu!(k, auditon(GETSFLAGS, NULL, 8) => EFAULT);
    let read_only = k.alloc(8);
    k.protect(read_only, 8, 1);
    xnu!(k, auditon(GETSFLAGS, read_only, 8) => ENOSYS);
    xnu!(k, auditon(33, NULL, 4) => EPERM);
    xnu!(k, auditon(34, NULL, 4) => EFAULT);
    xnu!(k, auditon(34, &[0; 4], 4) => EPERM);
    xnu!(k, auditon(32, &[0; 48], 48) => EINVAL);
}

#[test]
fn there_are_no_ports_of_sessions() {
    let k = machine();
    xnu!(k, audit_session_self() => EINVAL);
    xnu!(k, audit_session_join(1) => EINVAL);
    for own in [-1, 0] {
        xnu!(k, audit_session_port(own, NULL) => EINVAL);
    }
    xnu!(k, audit_session_port(100_000, NULL) => EPERM);
}
