//! Waiting for children.

use crate::support::*;
use xnu_abi::linux::{Errno, Sysno};
use xnu_backend_mock::ChildChange::{Continued, Dumped, Exited, Killed, Stopped};
use xnu_backend_mock::Plan;

const WNOHANG: u32 = 1;
const WUNTRACED: u32 = 2;
const WEXITED: u32 = 4;
const WSTOPPED: u32 = 8;
const WCONTINUED: u32 = 0x10;
const WNOWAIT: u32 = 0x20;
const P_ALL: i32 = 0;
const P_PID: i32 = 1;
const P_PGID: i32 = 2;
const LINUX_SIGBUS: i32 = 7;
const LINUX_SIGTSTP: i32 = 20;

#[test]
fn a_status_tells_how_a_child_ended_stopped_or_went_on() {
    for (change, status) in [
        (Exited(0), 0),
        (Exited(3), 0x300),
        (Exited(255), 0xff00),
        (Killed(9), 9),
        (Killed(LINUX_SIGBUS), 10),
        (Dumped(LINUX_SIGBUS), 0x8a),
        (Stopped(LINUX_SIGTSTP), 0x127f),
        (Continued, 0x137f),
    ] {
        let k = machine();
        k.set_child(2001, 999, Some(change));
        let to = k.alloc_guarded(4);
        xnu!(k, wait4(-1, to, WUNTRACED | WCONTINUED, NULL) => 2001);
        assert_eq!(number(&k, to, 0, 4), status, "{change:?}");
        let is_end = !matches!(change, Stopped(_) | Continued);
        assert_eq!(k.children().is_empty(), is_end, "{change:?}");
        xnu!(k, wait4(-1, to, WNOHANG | WUNTRACED | WCONTINUED, NULL) => if is_end { ECHILD.reply() } else { 0.reply() });
    }
}

#[test]
fn a_child_is_chosen_by_number_or_group() {
    let k = machine();
    k.set_child(2001, 999, Some(Exited(1)));
    k.set_child(2002, 2002, Some(Exited(2)));
    k.set_child(2003, 2002, Some(Exited(3)));
    k.set_child(2004, 999, None);
    xnu!(k, wait4(2003, NULL, 0, NULL) => 2003);
    xnu!(k, wait4(2003, NULL, 0, NULL) => ECHILD);
    xnu!(k, wait4(-2002, NULL, 0, NULL) => 2002);
    xnu!(k, wait4(-2002, NULL, 0, NULL) => ECHILD);
    xnu!(k, wait4(0, NULL, 0, NULL) => 2001);
    xnu!(k, wait4(0, NULL, WNOHANG, NULL) => 0);
    xnu!(k, wait4(2004, NULL, 0, NULL) => EINTR);
    xnu!(k, wait4(i32::MIN, NULL, 0, NULL) => EINVAL);
    xnu!(k, wait4(dirty(-1), NULL, dirty(WNOHANG as i32), NULL) => 0);
    // Options that mean nothing are ignored.
    xnu!(k, wait4(-1, NULL, 0xffff_ffc0u32 | WNOHANG, NULL) => 0);
}

#[test]
fn stops_are_told_to_those_who_ask() {
    let k = machine();
    k.set_child(2001, 999, Some(Stopped(LINUX_SIGTSTP)));
    xnu!(k, wait4(-1, NULL, WNOHANG, NULL) => 0);
    // WEXITED and WSTOPPED are waitid's.
    xnu!(k, wait4(-1, NULL, WNOHANG | WEXITED | WSTOPPED, NULL) => 0);
    xnu!(k, wait4(-1, NULL, WNOHANG | WUNTRACED, NULL) => 2001);
}

#[test]
fn what_a_child_used_is_told_at_its_end() {
    let k = machine();
    k.set_child(2001, 999, Some(Stopped(LINUX_SIGTSTP)));
    let used = k.alloc_guarded(144);
    xnu!(k, wait4(-1, NULL, WUNTRACED, used) => 2001);
    assert_eq!(k.peek(used, 144), [0; 144]);
    k.set_child(2001, 999, Some(Exited(0)));
    xnu!(k, wait4(-1, NULL, 0, used) => 2001);
    assert_eq!(number(&k, used, 0, 8), 1);
    assert_eq!(number(&k, used, 32, 8), 4096 * 1024);
    assert_eq!(number(&k, used, 128, 8), 2001);
}

#[test]
fn a_status_that_cannot_be_written_leaves_the_child() {
    let k = machine();
    k.set_child(2001, 999, Some(Exited(0)));
    faults(&k, "wait4", &[u64::MAX, 0, 0, 0], 1, 4, OUT_OR_NULL);
    faults(&k, "wait4", &[u64::MAX, 0, 0, 0], 3, 144, OUT_OR_NULL);
    assert_eq!(k.children(), [2001]);
    faults(&k, "waitid", &[0, 0, 0, 4], 2, 104, OUT);
    assert_eq!(k.children(), [2001]);
}

#[test]
fn what_another_thread_takes_first_is_waited_for_again() {
    // The second call is the one that takes.
    let k = failing(Plan::nth(Sysno::Waitid, 2, Errno::ECHILD));
    k.set_child(2001, 999, Some(Exited(7)));
    let to = k.alloc_guarded(104);
    xnu!(k, wait4(-1, to, 0, NULL) => 2001);
    assert_eq!(number(&k, to, 0, 4), 0x700);
    assert_eq!(k.children(), []);
}

#[test]
fn a_blocked_sigchld_goes_with_the_last_child() {
    let k = machine();
    let set = k.alloc(4);
    // Without a handler it would not even wait.
    xnu!(k, sigaction(SIGCHLD, action(0x1234, 0, 0), NULL) => 0);
    xnu!(k, sigprocmask(SIG_BLOCK, (1u32 << 19).to_le_bytes().to_vec(), NULL) => 0);
    for pid in [2001, 2002] {
        k.set_child(pid, 999, Some(Exited(0)));
    }
    xnu!(k, kill(1000, SIGCHLD, 0) => 0);
    xnu!(k, wait4(-1, NULL, 0, NULL) => 2001);
    xnu!(k, sigpending(set) => 0);
    assert_eq!(number(&k, set, 0, 4), 1 << 19);
    k.with(|cx| thread(cx).signals.note(xnu_core::signal::Info::bare(SIGCHLD)));
    xnu!(k, wait4(-1, NULL, 0, NULL) => 2002);
    xnu!(k, sigpending(set) => 0);
    assert_eq!(number(&k, set, 0, 4), 0);
}

/// Signal, code, child, user, status.
fn told(k: &xnu_backend_mock::Mock, info: xnu_core::UserAddr) -> [u64; 5] {
    [0, 8, 12, 16, 20].map(|at| number(k, info, at, 4))
}

#[test]
fn waitid_tells_of_the_kinds_that_are_asked_for() {
    let k = machine();
    let info = k.alloc_guarded(104);
    k.set_child(2001, 999, Some(Killed(LINUX_SIGBUS)));
    xnu!(k, waitid(P_ALL, 0, info, WEXITED | WNOWAIT) => 0);
    assert_eq!(told(&k, info), [20, 2, 2001, 0, 10]);
    assert_eq!(k.children(), [2001]);
    xnu!(k, waitid(P_PID, 2001, info, WEXITED) => 0);
    assert_eq!(k.children(), []);
    k.set_child(2002, 7, Some(Stopped(LINUX_SIGTSTP)));
    xnu!(k, waitid(P_PGID, 7, info, WEXITED | WNOHANG) => 0);
    assert_eq!(told(&k, info)[2], 2001, "nothing is written where nothing was found");
    xnu!(k, waitid(P_PGID, 7, info, WSTOPPED) => 0);
    assert_eq!(told(&k, info), [20, 5, 2002, 0, 18]);
    k.set_child(2002, 7, Some(Continued));
    xnu!(k, waitid(P_ALL, 0, info, WCONTINUED) => 0);
    assert_eq!(told(&k, info), [20, 6, 2002, 0, 19]);
    xnu!(k, waitid(P_ALL, 0, info, WEXITED) => EINTR);
    // Any other kind of id is everyone.
    xnu!(k, waitid(3, 4711, info, WEXITED | WNOHANG) => 0);
}

#[test]
fn waitid_refuses_what_it_does_not_know() {
    let k = machine();
    let info = k.alloc(104);
    xnu!(k, waitid(P_ALL, 0, info, WEXITED) => ECHILD);
    xnu!(k, waitid(P_ALL, 0, info, WNOHANG) => ECHILD);
    k.set_child(2001, 999, Some(Exited(0)));
    for options in [0, WUNTRACED, WEXITED | WUNTRACED, WEXITED | 0x40, 1 << 31, WNOWAIT] {
        xnu!(k, waitid(P_ALL, 0, info, options) => EINVAL);
    }
    xnu!(k, waitid(P_ALL, 0, NULL, WNOHANG) => 0);
    for kind in [P_PID, P_PGID] {
        xnu!(k, waitid(kind, -1, info, WEXITED) => EINVAL);
        xnu!(k, waitid(kind, i32::MIN, info, WEXITED) => EINVAL);
        xnu!(k, waitid(kind, 0, info, WEXITED) => ECHILD);
        xnu!(k, waitid(kind, 4711, info, WEXITED) => ECHILD);
    }
    assert_eq!(k.children(), [2001]);
}
