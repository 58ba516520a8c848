//! Code signing, labels and system integrity.

use crate::support::*;

const ENOPOLICY: xnu_abi::darwin::Errno = xnu_abi::darwin::Errno::ENOPOLICY;

#[test]
fn a_program_is_unsigned() {
    let k = machine();
    let buf = k.alloc_guarded(64);
    k.poke(buf, &[0xff; 64]);
    xnu!(k, csops(0, 0, buf, 4) => 0);
    assert_eq!(number(&k, buf, 0, 4), 0);
    xnu!(k, csops(1000, 0, NULL, 0) => 0);
    for blob in [7, 10, 16, 17] {
        xnu!(k, csops(0, blob, buf, 64) => EINVAL);
    }
    for name in [11, 14] {
        xnu!(k, csops(0, name, buf, 7) => ERANGE);
        xnu!(k, csops(0, name, buf, 8) => EINVAL);
    }
    xnu!(k, csops(0, 5, buf, 19) => EINVAL);
    xnu!(k, csops(0, 5, buf, 20) => EBADEXEC);
    xnu!(k, csops(0, 6, buf, 8) => 0);
    assert_eq!(number(&k, buf, 0, 8), 0);
    xnu!(k, csops(0, 6, NULL, 8) => EFAULT);
    xnu!(k, csops(0, 1, NULL, 0) => 0);
    xnu!(k, csops(0, 9, buf, 3) => ERANGE);
    xnu!(k, csops(0, 9, NULL, 4) => EFAULT);
    xnu!(k, csops(0, 9, buf, 4) => EINVAL);
    xnu!(k, csops(0, 12, NULL, 0) => 0);
    xnu!(k, csops(0, 13, NULL, 0) => ENOTSUP);
    xnu!(k, csops(0, 15, NULL, 0) => EPERM);
    for unknown in [4, 18, u32::MAX] {
        xnu!(k, csops(0, unknown, buf, 64) => EINVAL);
    }
    faults(&k, "csops", &[0, 6, 0, 8], 2, 8, OUT);
}

#[test]
fn marks_stay_with_the_process() {
    let k = machine();
    let buf = k.alloc_guarded(4);
    xnu!(k, csops(0, 8, NULL, 0) => 0);
    xnu!(k, csops(0, 2, NULL, 0) => EINVAL);
    xnu!(k, csops(0, 0, buf, 4) => 0);
    assert_eq!(number(&k, buf, 0, 4), 0x900);
    assert_eq!(k.killed(), None);
    // What is to be killed when it is not valid is not valid.
    xnu!(k, csops(0, 3, NULL, 0) => 0);
    assert_eq!(k.killed(), Some(9));
}

#[test]
fn of_others_only_what_is_for_all_is_told() {
    let k = machine();
    let buf = k.alloc_guarded(4);
    xnu!(k, csops(77, 0, buf, 4) => ESRCH);
    xnu!(k, csops(77, 8, NULL, 0) => EPERM);
    xnu!(k, csops(-1, 0, buf, 4) => ESRCH);
    let token = |process: u32| -> Vec<u8> {
        [0, 0, 0, 0, 0, process, 0, 0].iter().flat_map(|word: &u32| word.to_le_bytes()).collect()
    };
    xnu!(k, csops_audittoken(0, 0, buf, 4, NULL) => EINVAL);
    xnu!(k, csops_audittoken(0, 0, buf, 4, token(1000)) => 0);
    xnu!(k, csops_audittoken(0, 0, buf, 4, token(1001)) => ESRCH);
    faults(&k, "csops_audittoken", &[0, 0, buf.get(), 4, 0], 4, 32, Pointer { nullable: true, ..IN });
}

#[test]
fn system_integrity_is_protected() {
    let k = machine();
    let config = k.place(&[0xff; 4]);
    xnu!(k, csrctl(1, config, 4) => 0);
    assert_eq!(number(&k, config, 0, 4), 0);
    xnu!(k, csrctl(0, config, 4) => 0);
    k.poke(config, &[1]);
    xnu!(k, csrctl(0, config, 4) => EPERM);
    for operation in [0, 1] {
        xnu!(k, csrctl(operation, config, 8) => EINVAL);
        xnu!(k, csrctl(operation, NULL, 4) => EINVAL);
    }
    xnu!(k, csrctl(2, config, 4) => ENOSYS);
    xnu!(k, csrctl(0, 1, 4) => EFAULT);
    xnu!(k, crossarch_trap(0) => ENOTSUP);
    xnu!(k, crossarch_trap(1) => EINVAL);
}

fn label(k: &Machine<xnu_backend_mock::Mock>, text: &str) -> Vec<u8> {
    bytes([text.len() as u64 + 1, k.place_str(text).get()])
}

#[test]
fn nothing_has_a_label() {
    let k = machine();
    for may_be_missing in ["?mac", "*", "?a,?b", "*,?x"] {
        xnu!(k, __mac_get_proc(label(&k, may_be_missing)) => 0);
        xnu!(k, __mac_get_file("/tmp/own", label(&k, may_be_missing)) => 0);
        xnu!(k, __mac_get_link("/tmp/loop", label(&k, may_be_missing)) => 0);
        xnu!(k, __mac_get_pid(1000, label(&k, may_be_missing)) => 0);
    }
    for must_be_there in ["", "sebsd", "?a,b", "a,?b", "?a,", "**"] {
        xnu!(k, __mac_get_proc(label(&k, must_be_there)) => ENOENT);
        xnu!(k, __mac_get_file("/tmp/own", label(&k, must_be_there)) => ENOENT);
    }
    xnu!(k, __mac_get_file("/tmp/none", label(&k, "*")) => ENOENT);
    xnu!(k, __mac_get_file("/tmp/loop", label(&k, "*")) => ELOOP);
    xnu!(k, __mac_get_pid(77, label(&k, "*")) => ESRCH);
    xnu!(k, __mac_set_proc(label(&k, "sebsd")) => EINVAL);
    xnu!(k, __mac_set_proc(label(&k, "sebsd/value")) => ENOPOLICY);
    xnu!(k, __mac_set_file("/tmp/own", label(&k, "a/b")) => ENOSYS);
    xnu!(k, __mac_set_link("/tmp/link", label(&k, "a/b")) => ENOSYS);
}

#[test]
fn labels_are_read_before_anything_is_looked_up() {
    let k = machine();
    let text = k.place_str("*");
    for room in [0, 8193, u64::MAX] {
        xnu!(k, __mac_get_proc(bytes([room, text.get()])) => EINVAL);
        xnu!(k, __mac_set_proc(bytes([room, text.get()])) => EINVAL);
    }
    xnu!(k, __mac_get_proc(bytes([1, text.get()])) => ENAMETOOLONG);
    xnu!(k, __mac_get_proc(bytes([8192, 1])) => EFAULT);
    xnu!(k, __mac_get_proc(bytes([8192, k.place(b"no end").get()])) => EFAULT);
    let word = text.get();
    for (name, words, index) in [
        ("__mac_get_proc", vec![0], 0),
        ("__mac_set_proc", vec![0], 0),
        ("__mac_get_file", vec![word, 0], 1),
        ("__mac_set_file", vec![word, 0], 1),
        ("__mac_get_link", vec![word, 0], 1),
        ("__mac_set_link", vec![word, 0], 1),
        ("__mac_get_fd", vec![99, 0], 1),
        ("__mac_set_fd", vec![99, 0], 1),
        ("__mac_get_pid", vec![77, 0], 1),
    ] {
        faults(&k, name, &words, index, 8, IN);
    }
    // What was read only may not be written either.
    let read_only = k.alloc(8);
    k.poke(read_only, b"*\0");
    k.protect(read_only, 8, 1);
    xnu!(k, __mac_get_proc(bytes([2, read_only.get()])) => EFAULT);
}

#[test]
fn only_files_could_have_labels() {
    let k = machine();
    xnu!(k, open("/tmp/own", 0) => 3);
    xnu!(k, pipe() => (4, 5));
    xnu!(k, __mac_get_fd(3, label(&k, "*")) => 0);
    xnu!(k, __mac_get_fd(4, label(&k, "*")) => ENOSYS);
    xnu!(k, __mac_get_fd(99, label(&k, "*")) => EBADF);
    xnu!(k, __mac_set_fd(3, label(&k, "*")) => ENOSYS);
    xnu!(k, __mac_set_fd(99, label(&k, "*")) => EBADF);
}

#[test]
fn no_policy_has_calls() {
    let k = machine();
    for policy in ["Sandbox", "AMFI", "", "x"] {
        xnu!(k, __mac_syscall(policy, 2, NULL) => ENOPOLICY);
    }
    xnu!(k, __mac_syscall("a".repeat(31), 0, NULL) => ENOPOLICY);
    xnu!(k, __mac_syscall("a".repeat(32), 0, NULL) => ENAMETOOLONG);
    xnu!(k, __mac_syscall(NULL, 0, NULL) => EFAULT);
    xnu!(k, __mac_syscall(k.place(b"abc"), 0, NULL) => EFAULT);
}
