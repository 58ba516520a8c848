//! `poll`.

use crate::support::*;
use xnu_abi::linux::Sysno;
use xnu_backend_mock::Credentials;
use xnu_core::{Reply, UserAddr};

/// Entries: descriptor and events; what happened is rubbish before.
fn entries(k: &xnu_backend_mock::Mock, of: &[(i32, u16)]) -> UserAddr {
    let bytes: Vec<u8> = of
        .iter()
        .flat_map(|(fd, events)| [&fd.to_le_bytes()[..], &events.to_le_bytes(), &[0xaa; 2]].concat())
        .collect();
    let at = k.alloc_guarded(bytes.len());
    k.poke(at, &bytes);
    at
}

fn happened(k: &xnu_backend_mock::Mock, at: UserAddr, count: usize) -> Vec<u16> {
    k.peek(at, 8 * count).chunks_exact(8).map(|entry| u16::from_le_bytes([entry[6], entry[7]])).collect()
}

const IN: u16 = 1;
const PRI: u16 = 2;
const OUT: u16 = 4;
const ERR: u16 = 8;
const HUP: u16 = 0x10;
const NVAL: u16 = 0x20;
const RDNORM: u16 = 0x40;
const WRBAND: u16 = 0x100;
const EXTEND: u16 = 0x200;

#[track_caller]
fn polled(k: &Machine<xnu_backend_mock::Mock>, of: &[(i32, u16)], expected: &[u16]) {
    let at = entries(k, of);
    let ready = expected.iter().filter(|events| **events != 0).count();
    assert_eq!(k.by_name("poll", &[at.get(), of.len() as u64, 0]), Reply::Value(ready as u64, 0), "{of:x?}");
    assert_eq!(happened(k, at, of.len()), expected, "{of:x?}");
    let kept: Vec<_> = k.peek(at, 8 * of.len()).chunks_exact(8).map(|entry| entry[..6].to_vec()).collect();
    let given: Vec<_> =
        of.iter().map(|(fd, events)| [&fd.to_le_bytes()[..], &events.to_le_bytes()].concat()).collect();
    assert_eq!(kept, given);
}

#[test]
fn pipes_tell_input_room_and_their_ends() {
    let k = machine();
    xnu!(k, pipe() => (3, 4));
    polled(&k, &[(3, IN), (4, OUT)], &[0, OUT]);
    polled(&k, &[(3, OUT), (4, IN)], &[0, 0]);
    xnu!(k, write(4, b"x", 1) => 1);
    polled(&k, &[(3, IN | RDNORM | OUT), (4, OUT | WRBAND)], &[IN | RDNORM, OUT | WRBAND]);
    xnu!(k, close(4) => 0);
    polled(&k, &[(3, IN)], &[HUP | IN]);
    xnu!(k, read(3, k.alloc(1), 1) => 1);
    // The end of input is input, urgent as well; it is told whoever asks for something.
    polled(&k, &[(3, IN | PRI), (3, OUT), (3, HUP), (3, ERR), (3, 0)], &[HUP | IN | PRI, HUP, HUP, 0, 0]);
    xnu!(k, pipe() => (4, 5));
    xnu!(k, close(4) => 0);
    polled(&k, &[(5, OUT), (5, IN), (5, 0)], &[HUP, HUP | IN, 0]);
}

#[test]
fn files_and_devices_are_ready_and_directories_cannot_be_watched() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, open("/tmp/dir", O_RDONLY) => 4);
    xnu!(k, open("/dev/null", O_RDWR) => 5);
    polled(
        &k,
        &[(3, IN | OUT), (4, IN), (4, OUT), (4, 0), (5, IN | OUT)],
        &[IN | OUT, NVAL, NVAL, 0, IN | OUT],
    );
    polled(&k, &[(0, IN), (1, OUT)], &[0, OUT]);
    k.tty_input(b"line\n");
    polled(&k, &[(0, IN | RDNORM)], &[IN | RDNORM]);
}

#[test]
fn who_asks_for_nothing_is_told_nothing() {
    let k = machine();
    polled(&k, &[(99, 0), (99, ERR | NVAL), (99, IN), (-1, IN), (i32::MIN, OUT)], &[0, 0, NVAL, 0, 0]);
    polled(&k, &[(99, OUT), (99, IN), (99, HUP), (99, EXTEND)], &[NVAL; 4]);
}

#[test]
fn changes_are_those_of_files() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, pipe() => (4, 5));
    for change in [0x200, 0x400, 0x800, 0x1000] {
        polled(&k, &[(3, change), (4, change)], &[0, NVAL]);
        polled(&k, &[(3, change | IN)], &[IN]);
    }
}

#[test]
fn waiting_ends_with_the_time_or_at_once_where_something_cannot_be_watched() {
    let k = machine();
    xnu!(k, pipe() => (3, 4));
    let waited = |of: &[(i32, u16)], time: i32| {
        let before = k.now_ns();
        let reply = k.by_name("poll", &[entries(&k, of).get(), of.len() as u64, time as u64]);
        (reply, (k.now_ns() - before) / 1_000_000)
    };
    assert_eq!(waited(&[(3, IN)], 1500), (Reply::Value(0, 0), 1500));
    assert_eq!(waited(&[], 7), (Reply::Value(0, 0), 7));
    assert_eq!(waited(&[(-1, IN)], 7), (Reply::Value(0, 0), 7));
    assert_eq!(waited(&[(3, IN)], -2), (Reply::Value(0, 0), 0xffff_fffe));
    assert_eq!(waited(&[(3, IN)], -1).0, Reply::Error(EINTR));
    assert_eq!(waited(&[(3, IN), (99, IN)], -1), (Reply::Value(1, 0), 0));
    assert_eq!(waited(&[(3, IN), (4, EXTEND)], -1), (Reply::Value(1, 0), 0));
    assert_eq!(waited(&[(4, OUT)], -1), (Reply::Value(1, 0), 0));
    xnu!(k, poll(NULL, 0, 0) => 0);
}

#[test]
fn many_entries_are_as_good_as_few() {
    let k = machine();
    k.set_limit(7, 10_240, 10_240);
    xnu!(k, pipe() => (3, 4));
    for count in [1, 31, 32, 33, 1000, 10_240] {
        let mut of = vec![(3, IN); count];
        let mut expected = vec![0; count];
        *of.last_mut().unwrap() = (4, OUT);
        *expected.last_mut().unwrap() = OUT;
        of[count / 2] = (99, IN);
        expected[count / 2] = NVAL;
        polled(&k, &of, &expected);
        let size = 8 * count;
        if count <= 1000 {
            faults(&k, "poll", &[0, count as u64, 0], 0, size, crate::support::OUT);
        }
    }
    let calls = k.calls();
    let count = |name| calls.iter().filter(|call| call.nr == name).count();
    assert!(count(Sysno::Mmap) > 0);
    assert_eq!(count(Sysno::Mmap), count(Sysno::Munmap));
}

#[test]
fn more_entries_than_descriptors_are_allowed_are_einval() {
    let k = machine();
    k.set_limit(7, 64, 64);
    let at = entries(&k, &vec![(-1, 0); 10_241]);
    xnu!(k, poll(at, 64, 0) => 0);
    for count in [65, 1024, 1025, 10_240, 10_241, -1, i32::MIN] {
        xnu!(k, poll(at, count, 0) => EINVAL);
    }
    k.set_limit(7, 20_000, 20_000);
    xnu!(k, poll(at, 10_240, 0) => 0);
    xnu!(k, poll(at, 10_241, 0) => EINVAL);
    k.set_credentials(Credentials::root());
    k.set_limit(7, 2000, 2000);
    xnu!(k, poll(at, 2001, 0) => EINVAL);
}
