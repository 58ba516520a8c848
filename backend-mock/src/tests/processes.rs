//! Ids, limits, signals, clocks, futexes, the end.

use super::linux;
use crate::layout::{field, layout};
use crate::{Credentials, Disposition, Mock};
use linux_raw_sys::general::*;
use xnu_abi::linux::Errno;

#[test]
fn a_mock_is_one_process_of_uid_1000() {
    let mock = Mock::new(1);
    linux!(mock, Getpid() => 1000);
    linux!(mock, Gettid() => 1000);
    linux!(mock, Getppid() => 999);
    linux!(mock, Getuid() => 1000);
    linux!(mock, Getegid() => 1000);
    linux!(mock, Setsid() => 1000);
    linux!(mock, Setsid() => Errno::EPERM);
    linux!(mock, Getsid(0) => 1000);
    linux!(mock, Getpgid(5) => Errno::ESRCH);
    mock.set_credentials(Credentials { groups: vec![4, 5], ..Credentials::user(1, 2) });
    let mut groups = [0; 8];
    linux!(mock, Getgroups(1, &mut groups[..]) => Errno::EINVAL);
    linux!(mock, Getgroups(2, &mut groups[..]) => 2);
    assert_eq!(groups, [4, 0, 0, 0, 5, 0, 0, 0]);
}

#[test]
fn the_end_is_recorded_and_survived() {
    let mock = Mock::new(1);
    assert_eq!(mock.exited(), None);
    linux!(mock, ExitGroup(0x103) => 0);
    linux!(mock, ExitGroup(9) => 0);
    assert_eq!(mock.exited(), Some(3));
}

#[test]
fn limits_may_be_lowered_but_not_raised() {
    let mock = Mock::new(1);
    let limit = |soft: u64, hard: u64| layout!(rlimit64 { rlim_cur = soft, rlim_max = hard });
    let mut old = [0; 16];
    let new = limit(10, 100);
    linux!(mock, Prlimit64(0, RLIMIT_NOFILE, &new[..], &mut old[..]) => 0);
    assert_eq!((field!(old, rlimit64, rlim_cur), field!(old, rlimit64, rlim_max)), (1024, 4096));
    let new = limit(10, 101);
    linux!(mock, Prlimit64(0, RLIMIT_NOFILE, &new[..], 0) => Errno::EPERM);
    let new = limit(10, 9);
    linux!(mock, Prlimit64(0, RLIMIT_NOFILE, &new[..], 0) => Errno::EINVAL);
    linux!(mock, Prlimit64(0, 16, 0, 0) => Errno::EINVAL);
    linux!(mock, Prlimit64(1, RLIMIT_NOFILE, 0, &mut old[..]) => Errno::ESRCH);
}

#[test]
fn a_blocked_signal_waits_until_it_is_unblocked() {
    let mock = Mock::new(1);
    let set = (1u64 << (SIGUSR1 - 1) | 1 << (SIGKILL - 1)).to_le_bytes();
    let mut old = [0; 8];
    linux!(mock, RtSigprocmask(0, &set[..], &mut old[..], 8) => 0);
    linux!(mock, RtSigprocmask(0, 0, &mut old[..], 8) => 0);
    assert_eq!(u64::from_le_bytes(old), 1 << (SIGUSR1 - 1), "SIGKILL cannot be blocked");
    linux!(mock, Tgkill(1000, 1000, SIGUSR1) => 0);
    linux!(mock, RtSigpending(&mut old[..], 8) => 0);
    assert_eq!(u64::from_le_bytes(old), 1 << (SIGUSR1 - 1));
    let mut action = [0; 32];
    action[..8].copy_from_slice(&0x1234u64.to_le_bytes());
    linux!(mock, RtSigaction(SIGUSR1, &action[..], 0, 8) => 0);
    let mut before = [0; 32];
    linux!(mock, RtSigaction(SIGUSR1, 0, &mut before[..], 8) => 0);
    assert_eq!(before, action);
    linux!(mock, RtSigprocmask(1, &set[..], 0, 8) => 0);
    let fates: Vec<_> = mock.signals().iter().map(|signal| signal.disposition).collect();
    assert_eq!(fates, [Disposition::Pending, Disposition::Handled]);
    assert_eq!(mock.killed(), None);
}

#[test]
fn kill_knows_only_this_process_and_init() {
    let mock = Mock::new(1);
    linux!(mock, Kill(1000, 0) => 0);
    linux!(mock, Kill(1, 0) => Errno::EPERM);
    linux!(mock, Kill(4242, 0) => Errno::ESRCH);
    linux!(mock, Kill(1000, 65) => Errno::EINVAL);
    linux!(mock, Tgkill(1000, -1, 0) => Errno::EINVAL);
    linux!(mock, Tkill(999, SIGTERM) => Errno::ESRCH);
    linux!(mock, Kill(0, SIGTERM) => 0);
    assert_eq!(mock.killed(), Some(SIGTERM as i32));
    linux!(mock, RtSigaction(SIGKILL, &[0; 32][..], 0, 8) => Errno::EINVAL);
    linux!(mock, RtSigaction(SIGTERM, 0, 0, 16) => Errno::EINVAL);
}

#[test]
fn the_alternate_stack_is_checked() {
    let mock = Mock::new(1);
    let stack =
        |flags: u32, size: u64| layout!(sigaltstack { ss_sp = 0x5000u64, ss_flags = flags, ss_size = size });
    let (good, small, odd) = (stack(0, 8192), stack(0, 100), stack(8, 8192));
    let mut old = [0; 24];
    linux!(mock, Sigaltstack(&small[..], 0) => Errno::ENOMEM);
    linux!(mock, Sigaltstack(&odd[..], 0) => Errno::EINVAL);
    linux!(mock, Sigaltstack(&good[..], &mut old[..]) => 0);
    assert_eq!(field!(old, sigaltstack, ss_flags) as u32, SS_DISABLE);
    linux!(mock, Sigaltstack(0, &mut old[..]) => 0);
    assert_eq!(old, *good);
}

#[test]
fn sleeping_moves_the_clock_and_nothing_else() {
    let mock = Mock::new(1);
    mock.set_step_ns(0);
    let half = layout!(timespec { tv_nsec = 500_000_000u32 });
    let before = mock.now_ns();
    linux!(mock, Nanosleep(&half[..], 0) => 0);
    linux!(mock, ClockNanosleep(CLOCK_MONOTONIC, 0, &half[..], 0) => 0);
    assert_eq!(mock.now_ns() - before, 1_000_000_000);
    let past = layout!(timespec { tv_sec = 1u32 });
    linux!(mock, ClockNanosleep(CLOCK_MONOTONIC, 1, &past[..], 0) => 0);
    assert_eq!(mock.now_ns() - before, 1_000_000_000);
    let bad = layout!(timespec { tv_nsec = 1_000_000_000u32 });
    linux!(mock, Nanosleep(&bad[..], 0) => Errno::EINVAL);
    let mut now = [0; 16];
    linux!(mock, ClockGettime(CLOCK_MONOTONIC, &mut now[..]) => 0);
    assert_eq!(field!(now, timespec, tv_sec), 2);
    linux!(mock, ClockGettime(CLOCK_REALTIME, &mut now[..]) => 0);
    assert_eq!(field!(now, timespec, tv_sec), 1_577_836_802);
    linux!(mock, ClockGettime(99, &mut now[..]) => Errno::EINVAL);
}

#[test]
fn every_call_takes_the_same_time() {
    let mock = Mock::new(1);
    let before = mock.now_ns();
    for _ in 0..5 {
        linux!(mock, SchedYield() => 0);
    }
    assert_eq!(mock.now_ns() - before, 5_000);
}

#[test]
fn a_futex_wait_ends_at_once_or_at_its_timeout() {
    let mock = Mock::new(1);
    mock.set_step_ns(0);
    let word = mock.alloc(4);
    linux!(mock, Futex(word, FUTEX_WAKE, 1) => 0);
    linux!(mock, Futex(word, FUTEX_WAIT, 1, 0) => Errno::EAGAIN);
    let timeout = layout!(timespec { tv_sec = 3u32 });
    let before = mock.now_ns();
    linux!(mock, Futex(word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, &timeout[..]) => Errno::ETIMEDOUT);
    assert_eq!(mock.now_ns() - before, 3_000_000_000);
    linux!(mock, Futex(word.checked_add(1).unwrap(), FUTEX_WAKE, 1) => Errno::EINVAL);
    linux!(mock, Futex(xnu_core::UserAddr::NULL, FUTEX_WAIT, 0, 0) => Errno::EFAULT);
}

#[test]
fn randomness_is_the_seeds() {
    let bytes = |seed| {
        let mock = Mock::new(seed);
        let mut buffer = [0; 32];
        linux!(mock, Getrandom(&mut buffer[..], 32, 0) => 32);
        buffer
    };
    assert_eq!(bytes(3), bytes(3));
    assert_ne!(bytes(3), bytes(4));
    linux!(Mock::new(1), Getrandom(&mut [0; 4][..], 4, 8) => Errno::EINVAL);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn segment_bases_are_recorded() {
    let mock = Mock::new(1);
    linux!(mock, ArchPrctl(0x1001, 0x7000_0000) => 0);
    let mut base = [0; 8];
    linux!(mock, ArchPrctl(0x1004, &mut base[..]) => 0);
    assert_eq!(u64::from_le_bytes(base), 0x7000_0000);
    assert_eq!(mock.gs_base(), 0x7000_0000);
    linux!(mock, ArchPrctl(0x1001, -1) => Errno::EPERM);
    linux!(mock, ArchPrctl(0x9999, 0) => Errno::EINVAL);
}

#[test]
fn timers_strike_when_their_time_has_come_and_again() {
    let mock = Mock::new(1);
    let every = |value_us: u64, interval_us: u64| layout!(itimerval { it_value.tv_usec = value_us, it_interval.tv_usec = interval_us });
    let mut left = [0; 32];
    linux!(mock, Getitimer(0, &mut left[..]) => 0);
    assert_eq!(left, [0; 32]);
    linux!(mock, Setitimer(0, &every(500, 300)[..], 0) => 0);
    linux!(mock, Getitimer(0, &mut left[..]) => 0);
    assert_eq!(
        (field!(left, itimerval, it_value.tv_usec), field!(left, itimerval, it_interval.tv_usec)),
        (499, 300)
    );
    mock.advance_ns(900_000);
    linux!(mock, Getitimer(0, &mut left[..]) => 0);
    assert_eq!(mock.signals().len(), 1, "missed ones are not made up for");
    assert_eq!(mock.killed(), Some(SIGALRM as i32));
    linux!(mock, Setitimer(1, &every(1, 0)[..], 0) => 0);
    linux!(mock, Getpid() => 1000);
    assert_eq!(mock.signals().last().map(|signal| signal.number), Some(SIGVTALRM as i32));
    linux!(mock, Getitimer(1, &mut left[..]) => 0);
    assert_eq!(left, [0; 32], "a timer without an interval strikes once");
    linux!(mock, Setitimer(2, &every(1_000_000, 0)[..], 0) => Errno::EINVAL);
    linux!(mock, Setitimer(3, &every(1, 0)[..], 0) => Errno::EINVAL);
    linux!(mock, Getitimer(3, &mut left[..]) => Errno::EINVAL);
}
