//! Users and groups, and randomness.

use crate::support::*;
use xnu_abi::linux::{Errno, Sysno};
use xnu_backend_mock::{Credentials, Plan};

#[test]
fn ids_are_real_and_effective() {
    let k = machine();
    k.set_credentials(Credentials { uid: 1, euid: 2, gid: 3, egid: u32::MAX - 1, groups: Vec::new() });
    xnu!(k, getuid() => 1);
    xnu!(k, geteuid() => 2);
    xnu!(k, getgid() => 3);
    xnu!(k, getegid() => u64::from(u32::MAX - 1));
}

#[test]
fn other_rights_than_the_users_own_show() {
    let k = machine();
    xnu!(k, issetugid() => 0);
    k.set_credentials(Credentials { euid: 0, ..Credentials::user(1000, 1000) });
    xnu!(k, issetugid() => 1);
    k.set_credentials(Credentials { egid: 0, ..Credentials::user(1000, 1000) });
    xnu!(k, issetugid() => 1);
}

#[test]
fn entropy_comes_in_at_most_256_bytes() {
    let k = machine();
    let buf = k.alloc_guarded(256);
    xnu!(k, getentropy(buf, 256) => 0);
    assert_ne!(k.peek(buf, 256), [0; 256]);
    xnu!(k, getentropy(buf, 0) => 0);
    xnu!(k, getentropy(NULL, 0) => 0);
    for length in [257, INT_MAX, INT_MAX + 1, u64::MAX] {
        xnu!(k, getentropy(buf, length) => EINVAL);
    }
    faults(&k, "getentropy", &[0, 256], 0, 256, OUT);
    faults(&k, "getentropy", &[0, 1], 0, 1, OUT);
}

#[test]
fn entropy_is_whole_even_where_linux_gives_it_in_pieces() {
    let pieces = Plan::always_short(Sysno::Getrandom, 7).and(Plan::nth(Sysno::Getrandom, 2, Errno::EINTR));
    let k = failing(pieces);
    let buf = k.alloc_guarded(64);
    xnu!(k, getentropy(buf, 64) => 0);
    assert_ne!(k.peek(buf, 64)[57..], [0; 7]);
    let k = failing(Plan::every(Sysno::Getrandom, Errno::ENOSYS));
    xnu!(k, getentropy(k.alloc(8), 8) => ENOSYS);
}
