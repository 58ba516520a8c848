//! Processes: who they are, their limits, their end.

use crate::support::*;
use xnu_core::Reply;

#[test]
fn a_process_knows_itself_and_its_parent() {
    let k = machine();
    xnu!(k, getpid() => 1000);
    xnu!(k, getppid() => 999);
}

#[test]
fn fork_tells_parent_and_child_apart_by_the_second_word() {
    let k = machine();
    xnu!(k, fork() => (1001, 0));
    xnu!(k, getpid() => 1000);
    k.fork_into_child();
    xnu!(k, fork() => (1002, 1));
    xnu!(k, getpid() => 1002);
    xnu!(k, getppid() => 1000);
}

#[test]
fn descriptors_opened_for_it_are_closed_in_the_child() {
    const O_CLOFORK: u32 = 0x0800_0000;
    let k = machine();
    xnu!(k, open("/tmp/own", O_CLOFORK) => 3);
    xnu!(k, open("/tmp/own", 0) => 4);
    xnu!(k, fork() => (1001, 0));
    assert_eq!(k.descriptors(), [0, 1, 2, 3, 4]);
    k.fork_into_child();
    xnu!(k, fork() => (1002, 1));
    assert_eq!(k.descriptors(), [0, 1, 2, 4]);
}

#[test]
fn exit_takes_the_whole_process_and_returns_nothing() {
    let k = machine();
    xnu!(k, exit(0x1_0003u32) => Reply::Unchanged);
    assert_eq!(k.exited(), Some(3));
    assert_eq!(k.transcript().last().unwrap(), "exit_group(0x10003) = 0");
}

#[test]
fn limits_are_read_and_set() {
    let k = machine();
    let buf = k.alloc_guarded(16);
    k.set_limit(7, 100, 200);
    xnu!(k, getrlimit(RLIMIT_NOFILE, buf) => 0);
    assert_eq!((number(&k, buf, 0, 8), number(&k, buf, 8, 8)), (100, 200));
    // The C library's bit for POSIX's meaning.
    xnu!(k, getrlimit(RLIMIT_NOFILE.number() | 0x1000, buf) => 0);
    xnu!(k, getrlimit(dirty(RLIMIT_NOFILE.number()), buf) => 0);
    xnu!(k, setrlimit(RLIMIT_NOFILE, bytes([4, 150])) => 0);
    xnu!(k, getrlimit(RLIMIT_NOFILE, buf) => 0);
    assert_eq!((number(&k, buf, 0, 8), number(&k, buf, 8, 8)), (4, 150));
    xnu!(k, dup(0) => 3);
    xnu!(k, dup(0) => EMFILE);
    xnu!(k, setrlimit(RLIMIT_NOFILE, bytes([4, 151])) => EPERM);
    xnu!(k, setrlimit(RLIMIT_NOFILE, bytes([151, 150])) => EINVAL);
}

#[test]
fn no_limit_is_the_largest_number_of_63_bits() {
    let k = machine();
    let buf = k.alloc(16);
    const INFINITY: u64 = i64::MAX as u64;
    for resource in [RLIMIT_CPU, RLIMIT_AS, RLIMIT_NPROC, RLIMIT_MEMLOCK] {
        xnu!(k, getrlimit(resource, buf) => 0);
        assert_eq!((number(&k, buf, 0, 8), number(&k, buf, 8, 8)), (INFINITY, INFINITY));
        xnu!(k, setrlimit(resource, bytes([7, INFINITY])) => 0);
        xnu!(k, setrlimit(resource, bytes([INFINITY, INFINITY])) => 0);
        xnu!(k, setrlimit(resource, bytes([u64::MAX, u64::MAX])) => 0);
        xnu!(k, getrlimit(resource, buf) => 0);
        assert_eq!(number(&k, buf, 0, 8), INFINITY);
    }
    xnu!(k, getrlimit(RLIMIT_STACK, buf) => 0);
    assert_eq!(number(&k, buf, 0, 8), 8 << 20);
}

#[test]
fn resources_that_do_not_exist_are_einval() {
    let k = machine();
    let buf = k.alloc(16);
    for resource in [9, 10, 0xfff, 0x2000, -1, i32::MAX, i32::MIN] {
        xnu!(k, getrlimit(resource, buf) => EINVAL);
        xnu!(k, setrlimit(resource, bytes([1, 1])) => EINVAL);
        // Reading comes first where there is something to read.
        xnu!(k, setrlimit(resource, NULL) => EFAULT);
        xnu!(k, getrlimit(resource, NULL) => EINVAL);
    }
}

#[test]
fn limits_that_cannot_be_copied_are_efault() {
    let k = machine();
    let resource = RLIMIT_NOFILE.number() as u64;
    faults(&k, "getrlimit", &[resource, 0], 1, 16, OUT);
    faults(&k, "setrlimit", &[resource, 0], 1, 16, IN);
}
