//! What is for the system's own daemons.

use crate::support::*;
use xnu_core::Reply;

#[test]
fn setprivexec_tells_what_it_was_given() {
    let k = machine();
    xnu!(k, setprivexec(7) => 0);
    xnu!(k, setprivexec(0) => 1);
    xnu!(k, setprivexec(0) => 0);
}

#[test]
fn what_needs_a_privilege_is_eperm() {
    let k = machine();
    for name in [
        "coalition",
        "coalition_ledger",
        "coalition_policy_set",
        "coalition_policy_get",
        "proc_uuid_policy",
        "proc_trace_log",
        "reboot",
        "kas_info",
        "usrctl",
        "system_override",
        "settimeofday",
        "adjtime",
    ] {
        assert_eq!(k.by_name(name, &[]), Reply::Error(EPERM), "{name}");
    }
    for name in ["debug_syscall_reject", "debug_syscall_reject_config", "thread_selfcounts"] {
        assert_eq!(k.by_name(name, &[]), Reply::Error(ENOTSUP), "{name}");
    }
}

#[test]
fn policies_of_processes_follow_their_scopes() {
    let k = machine();
    for scope in [0, 3, -1] {
        xnu!(k, process_policy(scope, 1, 1, 0, NULL, 0, 0) => EINVAL);
    }
    xnu!(k, process_policy(1, 1, 1, 0, NULL, 77, 0) => ESRCH);
    for own in [0, 1000] {
        xnu!(k, process_policy(1, 1, 1, 0, NULL, own, 0) => ENOTSUP);
        xnu!(k, process_policy(2, 1, 2, 0, NULL, own, 0) => ENOTSUP);
        xnu!(k, process_policy(1, 1, 3, 0, NULL, own, 0) => EINVAL);
        xnu!(k, process_policy(1, 5, 6, 6, NULL, own, 0) => 0);
        xnu!(k, process_policy(1, 1, 6, 6, NULL, own, 0) => EINVAL);
        xnu!(k, process_policy(2, 5, 6, 6, NULL, own, 0) => EINVAL);
        xnu!(k, process_policy(1, 5, 6, 7, NULL, own, 0) => ENOTSUP);
        for unknown in [0, 5, 7, 10, -1] {
            xnu!(k, process_policy(1, 1, unknown, 0, NULL, own, 0) => EINVAL);
        }
    }
    let buf = k.alloc_guarded(24);
    xnu!(k, process_policy(1, 11, 4, 3, buf, 0, 0) => 0);
    xnu!(k, process_policy(1, 10, 4, 3, buf, 0, 0) => ENOTSUP);
    xnu!(k, process_policy(1, 2, 4, 3, NULL, 0, 0) => 0);
    xnu!(k, process_policy(1, 13, 4, 3, NULL, 0, 0) => EINVAL);
    xnu!(k, process_policy(1, 11, 4, 1, buf, 0, 0) => ENOTSUP);
    xnu!(k, process_policy(1, 11, 4, 7, buf, 0, 0) => EINVAL);
    faults(&k, "process_policy", &[1, 11, 4, 3, 0, 0, 0], 4, 24, OUT);
    faults(&k, "process_policy", &[1, 10, 4, 3, 0, 0, 0], 4, 24, IN);
}

#[test]
fn there_is_no_persona() {
    let k = machine();
    let id = |id: u32| id.to_le_bytes();
    for operation in [1, 2, 3] {
        xnu!(k, persona(operation, 0, NULL, NULL, NULL, NULL) => EPERM);
    }
    xnu!(k, persona(4, 0, NULL, NULL, NULL, NULL) => ESRCH);
    xnu!(k, persona(5, 0, NULL, &id(0), NULL, NULL) => ESRCH);
    xnu!(k, persona(5, 0, NULL, &id(u32::MAX), NULL, NULL) => ESRCH);
    xnu!(k, persona(5, 0, NULL, &id(501), NULL, NULL) => EPERM);
    xnu!(k, persona(5, 0, NULL, NULL, NULL, NULL) => EFAULT);
    xnu!(k, persona(6, 0, NULL, &id(1000), NULL, NULL) => ESRCH);
    xnu!(k, persona(6, 0, NULL, &id(1), NULL, NULL) => EPERM);
    xnu!(k, persona(8, 0, NULL, NULL, NULL, NULL) => EINVAL);
    xnu!(k, persona(8, 0, NULL, &id(0), NULL, 1) => ESRCH);
    for operation in [0, 10, u32::MAX] {
        xnu!(k, persona(operation, 0, NULL, NULL, NULL, NULL) => ENOSYS);
    }
    let mut info = vec![0; 348];
    let length = k.place(&[7; 8]);
    for (version, told) in [(1, ESRCH), (2, ESRCH), (0, EINVAL), (3, EINVAL)] {
        info[0] = version;
        xnu!(k, persona(7, 0, info.clone(), NULL, length, NULL) => told);
        assert_eq!(number(&k, length, 0, 8), 0);
    }
    info[0] = 2;
    xnu!(k, persona(9, 0, info[..347].to_vec(), NULL, length, NULL) => EFAULT);
    xnu!(k, persona(7, 0, info, NULL, NULL, NULL) => EFAULT);
}

#[test]
fn idleness_and_intervals_are_told_and_not_set() {
    let k = machine();
    let out = k.place(&[7; 8]);
    xnu!(k, sfi_ctl(2, 0, 0, out) => 0);
    assert_eq!(number(&k, out, 0, 8), 0);
    xnu!(k, sfi_ctl(4, 3, 0, out) => 0);
    xnu!(k, sfi_ctl(2, 1, 0, out) => EINVAL);
    xnu!(k, sfi_ctl(2, 0, 1, out) => EINVAL);
    xnu!(k, sfi_ctl(1, 0, 0, out) => EINVAL);
    xnu!(k, sfi_ctl(1, 0, 0, NULL) => EPERM);
    xnu!(k, sfi_ctl(3, 3, 0, NULL) => EPERM);
    xnu!(k, sfi_ctl(5, 0, 0, NULL) => ENOTSUP);
    xnu!(k, sfi_ctl(2, 0, 0, NULL) => EFAULT);
    xnu!(k, sfi_pidctl(2, 1000, 0, out) => 0);
    assert_eq!(number(&k, out, 0, 4), 2);
    xnu!(k, sfi_pidctl(2, 0, 0, out) => EINVAL);
    xnu!(k, sfi_pidctl(2, 77, 0, out) => ESRCH);
    xnu!(k, sfi_pidctl(1, 1000, 1, NULL) => EPERM);
    xnu!(k, sfi_pidctl(1, 1000, 3, NULL) => EINVAL);
    xnu!(k, sfi_pidctl(3, 1000, 0, NULL) => ENOTSUP);
    xnu!(k, work_interval_ctl(1, 0, NULL, 0) => ENOTSUP);
    xnu!(k, work_interval_ctl(4, 0, &[0; 16], 16) => EPERM);
    xnu!(k, work_interval_ctl(4, 0, &[0; 16], 15) => EINVAL);
    xnu!(k, work_interval_ctl(4, 1, &[0; 16], 16) => EINVAL);
    xnu!(k, work_interval_ctl(4, 0, 1, 16) => EFAULT);
    xnu!(k, work_interval_ctl(9, 0, NULL, 0) => EINVAL);
    xnu!(k, telemetry(1, 0, 0, 0, 0, 0) => ENOTSUP);
    xnu!(k, telemetry(2, 0, 0, 0, 0, 0) => EINVAL);
}

#[test]
fn other_processes_are_left_alone() {
    let k = machine();
    let port = k.place(&[7; 4]);
    for name in ["pid_suspend", "pid_resume"] {
        assert_eq!(k.by_name(name, &[0]), Reply::Error(EPERM), "{name}");
        assert_eq!(k.by_name(name, &[1000]), Reply::Error(EPERM), "{name}");
        assert_eq!(k.by_name(name, &[77]), Reply::Error(ESRCH), "{name}");
    }
    xnu!(k, pid_shutdown_sockets(1000, 1) => EPERM);
    xnu!(k, pid_shutdown_sockets(77, 2) => ESRCH);
    xnu!(k, pid_shutdown_sockets(1000, 0) => EINVAL);
    for name in ["task_inspect_for_pid", "task_read_for_pid"] {
        k.poke(port, &[7; 4]);
        assert_eq!(k.by_name(name, &[0, 1000, port.get()]), Reply::Error(EPERM), "{name}");
        assert_eq!(number(&k, port, 0, 4), 0);
        assert_eq!(k.by_name(name, &[0, 0, 0]), Reply::Error(EPERM), "{name}");
        assert_eq!(k.by_name(name, &[0, 77, 0]), Reply::Error(ESRCH), "{name}");
    }
    xnu!(k, coalition_info(1, &[0; 8], NULL, NULL) => ESRCH);
    xnu!(k, coalition_info(1, NULL, NULL, NULL) => EFAULT);
    for command in [18, 19, 24] {
        xnu!(k, memorystatus_control(command, 1000, 0, NULL, 0) => EINVAL);
    }
    for command in [0, 1, 7, 35, 1000] {
        xnu!(k, memorystatus_control(command, 1000, 0, NULL, 0) => EPERM);
    }
}

#[test]
fn a_ledger_is_empty() {
    let k = machine();
    let (info, length) = (k.alloc_guarded(48), k.place(&[9, 0, 0, 0]));
    xnu!(k, ledger(0, 1000, info, NULL) => 0);
    xnu!(k, ledger(0, 77, info, NULL) => ESRCH);
    xnu!(k, ledger(1, 1000, NULL, length) => 0);
    assert_eq!(number(&k, length, 0, 4), 0);
    xnu!(k, ledger(2, NULL, length, NULL) => 0);
    xnu!(k, ledger(2, NULL, &[0xff; 4], NULL) => EINVAL);
    for command in [-1, 3, 4] {
        xnu!(k, ledger(command, 1000, info, length) => EINVAL);
    }
    faults(&k, "ledger", &[0, 1000, 0, 0], 2, 48, OUT);
    faults(&k, "ledger", &[1, 1000, 0, 0], 3, 4, IN);
    faults(&k, "ledger", &[2, 0, 0, 0], 2, 4, IN);
}
