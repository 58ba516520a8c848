//! Process groups and sessions.

use crate::support::*;

#[test]
fn groups_and_sessions_are_linuxs() {
    let k = machine();
    xnu!(k, getpgrp() => 999);
    for own in [0, 1000] {
        xnu!(k, getpgid(own) => 999);
        xnu!(k, getsid(own) => 999);
    }
    for nobody in [-1, 4, i32::MAX, i32::MIN] {
        xnu!(k, getpgid(nobody) => ESRCH);
        xnu!(k, getsid(nobody) => ESRCH);
    }
    xnu!(k, getpgid(dirty(1000)) => 999);
}

#[test]
fn a_leader_of_a_group_starts_no_session() {
    let k = machine();
    xnu!(k, setpgid(0, 0) => 0);
    xnu!(k, getpgrp() => 1000);
    xnu!(k, setsid() => EPERM);
}

#[test]
fn a_session_is_led_by_who_started_it() {
    let k = machine();
    xnu!(k, setsid() => 1000);
    xnu!(k, getsid(0) => 1000);
    xnu!(k, getpgrp() => 1000);
    xnu!(k, setsid() => EPERM);
    // Its leader stays where it is.
    xnu!(k, setpgid(0, 0) => EPERM);
    xnu!(k, setpgid(0, -1) => EPERM);
}

#[test]
fn a_group_below_zero_is_looked_at_last() {
    let k = machine();
    xnu!(k, setpgid(77, -1) => ESRCH);
    xnu!(k, setpgid(77, i32::MIN) => ESRCH);
    xnu!(k, setpgid(0, -1) => EINVAL);
    xnu!(k, setpgid(1000, i32::MIN) => EINVAL);
    xnu!(k, getpgrp() => 999);
    xnu!(k, setpgid(77, 0) => ESRCH);
    xnu!(k, setpgid(0, 12345) => EPERM);
    xnu!(k, setpgid(1000, 1000) => 0);
}

#[test]
fn a_child_that_has_ended_is_found_no_more() {
    let k = machine();
    k.set_child(2001, 999, Some(xnu_backend_mock::ChildChange::Exited(0)));
    xnu!(k, setpgid(2001, 2001) => ESRCH);
    xnu!(k, setpgid(2001, -1) => ESRCH);
    xnu!(k, getpgid(2001) => ESRCH);
    xnu!(k, getsid(2001) => ESRCH);
    assert_eq!(k.children(), [2001], "it is still there to be waited for");
}
