//! Priorities and I/O policies.

use crate::support::*;
use xnu_backend_mock::Credentials;

const PROCESS: i32 = 0;
const GROUP: i32 = 1;
const USER: i32 = 2;
const DARWIN_THREAD: i32 = 3;
const DARWIN_PROCESS: i32 = 4;
const DARWIN_GPU: i32 = 5;
const DARWIN_ROLE: i32 = 6;
const BACKGROUND: i32 = 0x1000;

#[test]
fn a_priority_goes_down_and_not_up() {
    let k = machine();
    for (which, who) in [(PROCESS, 0), (PROCESS, 1000), (GROUP, 0), (GROUP, 999), (USER, 0), (USER, 1000)] {
        xnu!(k, getpriority(which, who) => 0);
    }
    xnu!(k, setpriority(PROCESS, 0, 5) => 0);
    xnu!(k, getpriority(PROCESS, 0) => 5);
    xnu!(k, setpriority(PROCESS, 0, 4) => EACCES);
    xnu!(k, setpriority(PROCESS, 0, -21) => EACCES);
    xnu!(k, setpriority(PROCESS, 0, 1000) => 0);
    xnu!(k, getpriority(PROCESS, 0) => 19);
    k.set_credentials(Credentials::root());
    xnu!(k, setpriority(PROCESS, 0, -1000) => 0);
    xnu!(k, getpriority(PROCESS, 0) => -20i64 as u64);
}

#[test]
fn nobody_has_no_priority() {
    let k = machine();
    for which in [PROCESS, GROUP, USER, DARWIN_PROCESS, DARWIN_ROLE, 7, 8] {
        xnu!(k, getpriority(which, 77) => ESRCH);
        xnu!(k, setpriority(which, 77, 0) => ESRCH);
    }
    for which in [-1, 9, i32::MAX, i32::MIN] {
        xnu!(k, getpriority(which, 0) => EINVAL);
        xnu!(k, setpriority(which, 0, 0) => EINVAL);
    }
    for which in [PROCESS, GROUP, USER, DARWIN_THREAD, DARWIN_PROCESS, DARWIN_GPU, DARWIN_ROLE] {
        xnu!(k, getpriority(which, -1) => EINVAL);
        xnu!(k, setpriority(which, i32::MIN, 0) => EINVAL);
    }
}

#[test]
fn the_background_is_remembered() {
    let k = machine();
    for which in [DARWIN_THREAD, DARWIN_PROCESS] {
        xnu!(k, getpriority(which, 0) => 0);
        xnu!(k, setpriority(which, 0, BACKGROUND) => 0);
        xnu!(k, getpriority(which, 0) => 1);
    }
    xnu!(k, getpriority(DARWIN_PROCESS, 1000) => 1);
    // Ignored, for the sake of old programs.
    xnu!(k, setpriority(DARWIN_PROCESS, 1000, 0x1001) => 0);
    xnu!(k, getpriority(DARWIN_PROCESS, 0) => 1);
    xnu!(k, setpriority(DARWIN_PROCESS, 0, 0) => 0);
    xnu!(k, getpriority(DARWIN_PROCESS, 0) => 0);
    xnu!(k, setpriority(DARWIN_THREAD, 0, 0x1001) => 0);
    xnu!(k, getpriority(DARWIN_THREAD, 0) => 0);
    xnu!(k, getpriority(DARWIN_THREAD, 1000) => EINVAL);
    xnu!(k, setpriority(DARWIN_THREAD, 1000, 0) => EINVAL);
}

#[test]
fn roles_and_modes_are_not_for_everyone() {
    let k = machine();
    xnu!(k, getpriority(DARWIN_ROLE, 0) => 0);
    xnu!(k, setpriority(DARWIN_ROLE, 0, 1) => ENOTSUP);
    xnu!(k, getpriority(DARWIN_GPU, 0) => EINVAL);
    xnu!(k, setpriority(DARWIN_GPU, 0, 1) => EINVAL);
    xnu!(k, setpriority(DARWIN_GPU, 1000, 1) => EPERM);
    for mode in [7, 8] {
        xnu!(k, getpriority(mode, 0) => EPERM);
        xnu!(k, setpriority(mode, 0, 1) => EPERM);
    }
    k.set_credentials(Credentials::root());
    xnu!(k, getpriority(7, 0) => 0);
    xnu!(k, setpriority(7, 0, 1) => EPERM);
}

fn parameter(scope: i32, kind: i32, policy: i32) -> Vec<u8> {
    [scope, kind, policy].iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Sets a policy and tells what is read afterwards.
fn set_and_get(
    k: &Machine<xnu_backend_mock::Mock>,
    scope: i32,
    kind: i32,
    policy: i32,
) -> Result<u64, xnu_abi::darwin::Errno> {
    let at = k.place(&parameter(scope, kind, policy));
    if let xnu_core::Reply::Error(errno) = k.by_name("iopolicysys", &[2, at.get()]) {
        return Err(errno);
    }
    xnu!(k, iopolicysys(1, at) => 0);
    Ok(number(k, at, 8, 4))
}

#[test]
fn disk_policies_are_told_as_tiers() {
    let k = machine();
    for (scope, policy, told) in [
        (0, 0, Ok(0)),
        (0, 1, Ok(0)),
        (0, 2, Ok(2)),
        (1, 3, Ok(3)),
        (1, 4, Ok(4)),
        (1, 5, Ok(5)),
        (2, 0, Ok(4)),
        (2, 3, Ok(3)),
        (2, 1, Err(EINVAL)),
        (2, 2, Err(EINVAL)),
        (0, 6, Err(EINVAL)),
        (0, -1, Err(EINVAL)),
        (3, 1, Err(EINVAL)),
        (-1, 1, Err(EINVAL)),
    ] {
        assert_eq!(set_and_get(&k, scope, 0, policy), told, "scope {scope}, policy {policy}");
    }
    // Nothing of one scope is seen in another.
    let at = k.place(&parameter(0, 0, 9));
    xnu!(k, iopolicysys(1, at) => 0);
    assert_eq!(number(&k, at, 8, 4), 2);
}

#[test]
fn policies_of_files_follow_their_rules() {
    let k = machine();
    for (scope, kind, policy, told) in [
        (0, 1, 1, Err(EPERM)),
        (0, 1, 2, Err(EINVAL)),
        (1, 1, 0, Err(EINVAL)),
        (1, 2, 1, Ok(1)),
        (0, 3, 2, Ok(2)),
        (0, 3, 3, Err(EINVAL)),
        (0, 4, 1, Err(EPERM)),
        (0, 5, 1, Ok(1)),
        (1, 5, 1, Err(EINVAL)),
        (0, 6, 1, Err(EPERM)),
        (0, 7, 7, Err(EPERM)),
        (0, 8, 0, Err(EINVAL)),
        (0, 9, 1, Err(EPERM)),
        (0, 10, 1, Err(EPERM)),
        (0, 11, 1, Ok(1)),
        (0, 11, 0, Err(EINVAL)),
        (1, 12, 1, Ok(1)),
        (1, 12, 0, Err(EINVAL)),
        (0, 13, 1, Err(EPERM)),
        (2, 13, 1, Err(EINVAL)),
        (0, 14, 0, Err(EINVAL)),
        (0, -1, 0, Err(EINVAL)),
    ] {
        let told = if (kind, policy) == (8, 0) { Err(EPERM) } else { told };
        assert_eq!(set_and_get(&k, scope, kind, policy), told, "{scope} {kind} {policy}");
    }
    k.set_credentials(Credentials::root());
    assert_eq!(set_and_get(&k, 0, 1, 1), Ok(1));
    assert_eq!(set_and_get(&k, 0, 8, 1), Err(EPERM));
    for command in [0, 3, -1] {
        xnu!(k, iopolicysys(command, parameter(0, 0, 0)) => EINVAL);
        xnu!(k, iopolicysys(command, parameter(0, 2, 0)) => EINVAL);
    }
    faults(&k, "iopolicysys", &[1, 0], 1, 12, IN);
}

#[test]
fn limits_of_processes_are_few() {
    let k = machine();
    for process in [-1, 1000] {
        xnu!(k, proc_rlimit_control(process, 1, NULL) => 0);
        xnu!(k, proc_rlimit_control(process, 2, 0x1000) => 0);
        xnu!(k, proc_rlimit_control(process, 2, 1) => EINVAL);
        xnu!(k, proc_rlimit_control(process, 4, 1) => 0);
        xnu!(k, proc_rlimit_control(process, 4, 0) => EINVAL);
        xnu!(k, proc_rlimit_control(process, 5, 0) => EINVAL);
    }
    xnu!(k, proc_rlimit_control(-1, 3, 50) => ENOTSUP);
    xnu!(k, proc_rlimit_control(-1, 3, 100) => EINVAL);
    xnu!(k, proc_rlimit_control(1000, 3, 50) => EINVAL);
    xnu!(k, proc_rlimit_control(77, 1, NULL) => ESRCH);
    xnu!(k, proc_rlimit_control(0, 1, NULL) => EACCES);
}
