//! `posix_spawn`: what the parent is told, and what the child does before its program.

use crate::exec::macho;
use crate::support::*;
use xnu_abi::darwin::fcntl::OpenFlags;
use xnu_backend_mock::{ChildChange, Mock};

const SETPGROUP: u16 = 2;
const SETSIGDEF: u16 = 4;
const SETSIGMASK: u16 = 8;
const SETEXEC: u16 = 0x40;
const START_SUSPENDED: u16 = 0x80;
const SETSID: u16 = 0x400;
const CLOEXEC_DEFAULT: u16 = 0x4000;

/// A machine with a program and somebody who starts it.
fn ready() -> Machine<Mock> {
    let k = machine();
    k.add_file("/tmp/macho", &macho());
    k.set_mode("/tmp/macho", 0o755);
    k.process.loader.set(k.place_str("/loader"), k.place_str("OPTIONS="));
    k
}

/// A file action: kind, descriptor, and what follows.
fn action(kind: u32, fd: i32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = [kind.to_le_bytes(), fd.to_le_bytes()].concat();
    bytes.extend_from_slice(rest);
    bytes.resize(1040, 0);
    bytes
}

fn open(fd: i32, path: &str, flags: OpenFlags) -> Vec<u8> {
    let mut rest = flags.bits().to_le_bytes().to_vec();
    rest.extend(0o600u16.to_le_bytes());
    rest.extend(path.as_bytes());
    action(0, fd, &rest)
}

fn close(fd: i32) -> Vec<u8> {
    action(1, fd, &[])
}

fn dup2(from: i32, to: i32) -> Vec<u8> {
    action(2, from, &to.to_le_bytes())
}

fn inherit(fd: i32) -> Vec<u8> {
    action(3, fd, &[])
}

fn chdir(path: &str) -> Vec<u8> {
    action(5, 0, path.as_bytes())
}

fn fchdir(fd: i32) -> Vec<u8> {
    action(6, fd, &[])
}

/// Attributes: flags, signals at their defaults, mask, group.
fn attributes(flags: u16, default: u32, mask: u32, group: i32) -> Vec<u8> {
    let mut bytes = [&flags.to_le_bytes()[..], &[0; 2], &default.to_le_bytes(), &mask.to_le_bytes()].concat();
    bytes.extend(group.to_le_bytes());
    bytes.resize(192, 0);
    bytes
}

/// The third argument.
fn description(k: &Mock, attributes: &[u8], actions: &[Vec<u8>]) -> Vec<u8> {
    let mut list =
        [actions.len() as u32; 2].iter().flat_map(|count| count.to_le_bytes()).collect::<Vec<u8>>();
    list.extend(actions.concat());
    let actions_size = if actions.is_empty() { 0 } else { list.len() as u64 };
    let mut words = [0; 18];
    words[..2].copy_from_slice(&[if attributes.is_empty() { 0 } else { 248 }, k.place(attributes).get()]);
    words[2..4].copy_from_slice(&[actions_size, k.place(&list).get()]);
    bytes(words)
}

#[test]
fn the_parent_is_told_the_childs_number() {
    let k = ready();
    let pid = k.alloc_guarded(4);
    xnu!(k, posix_spawn(pid, "/tmp/macho", NULL, NULL, NULL) => 0);
    assert_eq!(number(&k, pid, 0, 4), 1001);
    // A number that cannot be told is lost.
    for at in NOWHERE {
        xnu!(k, posix_spawn(at, "/tmp/macho", NULL, NULL, NULL) => 0);
    }
    assert_eq!(k.executed(), []);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn file_actions_are_done_in_their_order() {
    let k = ready();
    k.fork_into_child();
    xnu!(k, open("/tmp/own", O_CLOEXEC) => 3);
    xnu!(k, open("/tmp/dir", O_RDONLY) => 4);
    let actions = [
        open(9, "/tmp/new", O_RDWR | O_CREAT),
        dup2(9, 1),
        close(9),
        inherit(3),
        fchdir(4),
        open(7, "file", O_RDONLY),
        chdir("/tmp"),
        open(8, "own", O_RDONLY),
    ];
    xnu!(k, posix_spawn(NULL, "macho", description(&k, &[], &actions), NULL, NULL) => 0);
    let executed = k.executed();
    assert!(String::from_utf8_lossy(&executed[0].environment[0]).ends_with(",macho"));
    assert_eq!(executed[0].descriptors, [0, 1, 2, 3, 4, 6, 7, 8]);
    assert!(k.exists("/tmp/new"));
    xnu!(k, getpid() => 1001);
}

#[test]
fn with_close_by_default_the_named_ones_stay() {
    let k = ready();
    k.fork_into_child();
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, open("/tmp/own", O_RDONLY) => 4);
    let actions = [inherit(0), dup2(4, 4), dup2(4, 6), open(7, "/tmp/own", O_CLOEXEC)];
    let what = description(&k, &attributes(CLOEXEC_DEFAULT, 0, 0, 0), &actions);
    xnu!(k, posix_spawn(NULL, "/tmp/macho", what, NULL, NULL) => 0);
    // The program is 8 or 9: the lowest that is free.
    let kept = &k.executed()[0].descriptors;
    assert_eq!(kept[..4], [0, 4, 6, 7]);
    assert_eq!(kept.len(), 5);
}

#[test]
fn groups_sessions_and_signals_are_chosen() {
    let k = ready();
    k.fork_into_child();
    xnu!(k, sigaction(SIGUSR1, bytes([1, 0, 0]), NULL) => 0);
    xnu!(k, sigaction(SIGUSR2, bytes([1, 0, 0]), NULL) => 0);
    let what = attributes(SETSIGDEF | SETSIGMASK | SETPGROUP, 1 << 29, 1 | 1 << 8, 0);
    xnu!(k, posix_spawn(NULL, "/tmp/macho", description(&k, &what, &[]), NULL, NULL) => 0);
    let told = String::from_utf8(k.executed()[0].environment[0].clone()).unwrap();
    // The mask without SIGKILL; SIGUSR2 alone is ignored.
    assert!(told.contains(",00000001,40000000,"), "{told}");
    assert!(k.transcript().iter().any(|call| call.starts_with("setpgid(")));
    let what = attributes(SETSID, 0, 0, 0);
    xnu!(k, posix_spawn(NULL, "/tmp/macho", description(&k, &what, &[]), NULL, NULL) => 0);
    assert!(k.transcript().iter().any(|call| call.starts_with("setsid(")));
}

#[test]
fn set_exec_is_execve_with_changes() {
    let k = ready();
    let what = description(&k, &attributes(SETEXEC, 0, 0, 0), &[close(0)]);
    xnu!(k, posix_spawn(NULL, "/tmp/macho", what, NULL, NULL) => 0);
    assert_eq!(k.executed()[0].descriptors[..2], [1, 2]);
    xnu!(k, getpid() => 1000);
    xnu!(k, posix_spawn(NULL, "/tmp/nothing", description(&k, &attributes(SETEXEC, 0, 0, 0), &[]), NULL, NULL) => ENOENT);
}

#[test]
fn what_fails_in_the_child_is_its_end() {
    for (path, actions, errno) in [
        ("/tmp/nothing", vec![], ENOENT),
        ("/tmp/own", vec![], EACCES),
        ("/tmp/macho", vec![close(77)], EBADF),
        ("/tmp/macho", vec![dup2(77, 1)], EBADF),
        ("/tmp/macho", vec![inherit(77)], EBADF),
        ("/tmp/macho", vec![fchdir(0)], ENOTDIR),
        ("/tmp/macho", vec![chdir("/tmp/own")], ENOTDIR),
        ("/tmp/macho", vec![open(5, "/tmp/nothing", O_RDONLY)], ENOENT),
        ("/tmp/macho", vec![action(4, 3, &[])], EINVAL),
        ("/tmp/macho", vec![action(7, 3, &[])], EINVAL),
    ] {
        let k = ready();
        k.fork_into_child();
        xnu!(k, posix_spawn(NULL, path, description(&k, &[], &actions), NULL, NULL) => errno);
        assert_eq!((k.exited(), k.executed().len()), (Some(127), 0), "{path}");
    }
}

#[test]
fn descriptions_that_do_not_fit_are_refused_before_a_fork() {
    let k = ready();
    let refuse = |change: &dyn Fn(&mut [u64; 18]), errno| {
        let good = description(&k, &attributes(0, 0, 0, 0), &[close(0)]);
        let mut words: [u64; 18] =
            std::array::from_fn(|i| u64::from_le_bytes(good[8 * i..8 * i + 8].try_into().unwrap()));
        change(&mut words);
        xnu!(k, posix_spawn(NULL, "/tmp/macho", bytes(words), NULL, NULL) => errno);
    };
    refuse(&|words| words[2] -= 1, EINVAL);
    refuse(&|words| words[2] += 1, EINVAL);
    refuse(&|words| words[2] = u64::MAX, EINVAL);
    refuse(&|words| words[1] = 8, EFAULT);
    refuse(&|words| words[3] = 8, EFAULT);
    refuse(&|words| words[4] = 32, EINVAL);
    refuse(&|words| (words[10], words[11]) = (24, 0x1000), EPERM);
    refuse(&|words| (words[12], words[13]) = (24, 0x1000), EPERM);
    let suspended = description(&k, &attributes(START_SUSPENDED | SETEXEC, 0, 0, 0), &[]);
    xnu!(k, posix_spawn(NULL, "/tmp/macho", suspended, NULL, NULL) => ENOTSUP);
    faults(&k, "posix_spawn", &[0, 0, 0, 0, 0], 2, 144, IN_OR_NULL);
    assert!(!k.transcript().iter().any(|call| call.starts_with("clone(0x4011")), "nothing was forked");
}

#[test]
fn suspended_child_is_stopped_before_its_parent_goes_on() {
    let k = ready();
    let pid = k.alloc_guarded(4);
    k.set_child(1001, 1000, Some(ChildChange::Stopped(19)));
    let suspended = description(&k, &attributes(START_SUSPENDED, 0, 0, 0), &[]);
    xnu!(k, posix_spawn(pid, "/tmp/macho", suspended, NULL, NULL) => 0);
    assert_eq!(number(&k, pid, 0, 4), 1001);
    let status = k.alloc_guarded(4);
    xnu!(k, wait4(1001, status, 2, NULL) => 1001);
    assert_eq!(number(&k, status, 0, 4), 0x117f, "stopped by SIGSTOP");
}

#[test]
fn suspended_child_lets_its_parent_look_on_first() {
    let k = ready();
    k.fork_into_child();
    let suspended = description(&k, &attributes(START_SUSPENDED, 0, 0, 0), &[]);
    xnu!(k, posix_spawn(NULL, "/tmp/macho", suspended, NULL, NULL) => 0);
    let calls = k.transcript();
    let at = |start: &str| calls.iter().position(|call| call.starts_with(start));
    assert!(at("ptrace(").is_some() && at("ptrace(") < at("kill("), "{calls:?}");
    assert!(at("kill(") < at("execve("), "{calls:?}");
}

#[test]
fn suspended_child_that_cannot_be_accompanied_is_no_child() {
    let k = ready();
    // It is not there any more, and the wait for it fails.
    k.set_child(1001, 1000, None);
    let suspended = description(&k, &attributes(START_SUSPENDED, 0, 0, 0), &[]);
    xnu!(k, posix_spawn(NULL, "/tmp/macho", suspended, NULL, NULL) => EINTR);
    let calls = k.transcript();
    assert!(calls.iter().any(|call| call.starts_with("kill(1001, 9")), "{calls:?}");
}
