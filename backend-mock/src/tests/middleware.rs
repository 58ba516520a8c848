//! Fault injection, recording and replaying.

use super::{AT_FDCWD, linux};
use crate::{Fault, Mock, Plan, Record};
use linux_raw_sys::general::*;
use xnu_abi::linux::{Errno, Sysno};
use xnu_core::{Kernel, UserAddr};

#[test]
fn the_third_open_fails_and_the_fourth_does_not() {
    let kernel = Fault::new(Mock::new(1), Plan::nth(Sysno::Openat, 3, Errno::EMFILE));
    let open = || linux!(kernel, Openat(AT_FDCWD, c"/dev/null", O_RDONLY, 0));
    assert_eq!([open(), open(), open(), open()], [Ok(3), Ok(4), Err(Errno::EMFILE), Ok(5)]);
    assert_eq!(kernel.injected(), 1);
    assert_eq!(kernel.inner().calls().len(), 3, "the failed call never reached the mock");
}

#[test]
fn short_counts_are_short_in_truth() {
    let plan = Plan::short(Sysno::Write, 1, 2).and(Plan::always_short(Sysno::Read, 1));
    let kernel = Fault::new(Mock::new(1), plan);
    linux!(kernel, Openat(AT_FDCWD, c"a", O_CREAT | O_RDWR, 0o600) => 3);
    linux!(kernel, Write(3, &b"hello"[..], 5) => 2);
    linux!(kernel, Write(3, &b"llo"[..], 3) => 3);
    linux!(kernel, Lseek(3, 0, SEEK_SET) => 0);
    linux!(kernel, Read(3, &mut [0; 5][..], 5) => 1);
    linux!(kernel, Read(3, &mut [0; 5][..], 5) => 1);
    assert_eq!(kernel.inner().contents("a").unwrap(), b"hello");
}

#[test]
fn interruptions_strike_only_what_can_wait() {
    let kernel = Fault::new(Mock::new(1), Plan::interrupt(2));
    linux!(kernel, Write(1, &b"a"[..], 1) => 1);
    linux!(kernel, Getpid() => 1000);
    linux!(kernel, Write(1, &b"b"[..], 1) => Errno::EINTR);
    linux!(kernel, Write(1, &b"c"[..], 1) => 1);
    assert_eq!(kernel.inner().tty_output(), b"ac");
}

#[test]
fn copies_can_fault_too() {
    let kernel = Fault::new(Mock::new(1), Plan::copy_fault(2));
    let at = kernel.inner().place(b"x");
    assert!(kernel.copy_in(at, &mut [0]).is_ok());
    assert!(kernel.copy_out(at, b"y").is_err());
    assert!(kernel.copy_out(at, b"y").is_ok());
    assert_eq!(kernel.inner().peek(at, 1), b"y");
}

#[test]
fn random_faults_follow_their_seed() {
    let pattern = |seed| {
        let kernel = Fault::new(Mock::new(1), Plan::random(seed, 30, Errno::ENOMEM));
        (0..200).map(|_| linux!(kernel, Getpid()).is_err()).collect::<Vec<_>>()
    };
    assert_eq!(pattern(5), pattern(5));
    assert_ne!(pattern(5), pattern(6));
    let struck = pattern(5).iter().filter(|&&failed| failed).count();
    assert!((40..80).contains(&struck), "{struck} of 200 at 30 %");
}

#[test]
fn failing_each_call_in_turn_ends_when_none_is_left() {
    let copy = |kernel: &Fault<Mock>| -> Result<(), Errno> {
        let fd = linux!(kernel, Openat(AT_FDCWD, c"/tmp/a", O_RDONLY, 0))?;
        let read = linux!(kernel, Read(fd, &mut [0; 9][..], 9));
        linux!(kernel, Close(fd))?;
        read.map(drop)
    };
    let mut runs = 0;
    for n in 1.. {
        let mock = Mock::new(1);
        mock.add_file("/tmp/a", b"x");
        let kernel = Fault::new(mock, Plan::nth_of_any(n, Errno::ENOMEM));
        let result = copy(&kernel);
        if kernel.injected() == 0 {
            assert_eq!(result, Ok(()));
            break;
        }
        assert_eq!(result, Err(Errno::ENOMEM));
        runs += 1;
    }
    assert_eq!(runs, 3);
}

/// A little program whose answers depend on the kernel.
fn session(kernel: &impl Kernel, name: &std::ffi::CStr) -> (Vec<u8>, Result<(), xnu_core::Fault>) {
    let mut seen = vec![0; 8];
    let fd = linux!(*kernel, Openat(AT_FDCWD, name, O_RDONLY, 0)).unwrap_or(99);
    let n = linux!(*kernel, Read(fd, &mut seen[..], 8)).unwrap_or(0);
    seen.truncate(n);
    let copied = kernel.copy_out(UserAddr::new(0x1000), b"x");
    (seen, copied)
}

#[test]
fn a_replay_answers_as_the_recorded_kernel_did() {
    let mock = Mock::new(1);
    mock.add_file("/tmp/a", b"content");
    let recorder = Record::new(mock);
    let live = session(&recorder, c"/tmp/a");
    assert_eq!(live.0, b"content");
    let shown: Vec<_> = recorder.events().iter().map(ToString::to_string).collect();
    let expected =
        ["openat(AT_FDCWD, \"/tmp/a\", 0, 0) = 3", "read(3, [8], 8) = 7", "copy_out(0x1000, 1) = fault"];
    assert_eq!(shown, expected);
    let replay = recorder.replay();
    assert_eq!(session(&replay, c"/tmp/a"), live);
    assert_eq!(replay.finish(), Ok(()));
}

#[test]
fn a_replay_names_the_first_difference() {
    let mock = Mock::new(1);
    mock.add_file("/tmp/a", b"content");
    let recorder = Record::new(mock);
    let _ = session(&recorder, c"/tmp/a");
    let replay = recorder.replay();
    assert_eq!(session(&replay, c"/tmp/b").0, b"");
    let mismatch = replay.finish().unwrap_err();
    let text = "event 0: the record has openat(AT_FDCWD, \"/tmp/a\", 0, 0), \
                the run asked for openat(AT_FDCWD, \"/tmp/b\", 0, 0)";
    assert_eq!(mismatch.to_string(), text);
    let unfinished = recorder.replay().finish().unwrap_err();
    assert_eq!((unfinished.at, unfinished.asked), (0, None));
}

#[test]
fn middleware_stacks() {
    let kernel = Record::new(Fault::new(Mock::new(1), Plan::every(Sysno::Openat2, Errno::ENOSYS)));
    linux!(kernel, Openat2(AT_FDCWD, c"/", &[0; 24][..], 24) => Errno::ENOSYS);
    linux!(kernel, Openat(AT_FDCWD, c"/", O_RDONLY, 0) => 3);
    assert_eq!(kernel.events().len(), 2);
    assert_eq!(kernel.inner().inner().descriptors(), [0, 1, 2, 3]);
}
