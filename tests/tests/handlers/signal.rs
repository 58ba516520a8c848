//! The calls about signals; frames are in `frames.rs`.

use crate::support::*;
use std::ops::Deref;
use xnu_abi::linux::{Errno, Sysno};
use xnu_backend_mock::{Disposition, Plan};
use xnu_core::{Arg, Reply};

const BIT: fn(i32) -> u32 = |number| 1 << (number - 1);

#[test]
fn an_action_is_told_as_it_was_set() {
    let k = machine();
    let old = k.alloc_guarded(16);
    let flags = SA_ONSTACK | SA_RESETHAND | SA_SIGINFO | SA_NODEFER;
    xnu!(k, sigaction(SIGUSR1, action(0x1234, u32::MAX, flags.bits() | 0xffff_ff80), NULL) => 0);
    xnu!(k, sigaction(SIGUSR1, NULL, old) => 0);
    assert_eq!(number(&k, old, 0, 8), 0x1234);
    assert_eq!(number(&k, old, 8, 4) as u32, !(BIT(9) | BIT(17)), "KILL and STOP cannot be masked");
    assert_eq!(number(&k, old, 12, 4) as u32, (SA_ONSTACK | SA_SIGINFO | SA_NODEFER).bits());
    let all = 0x7f;
    xnu!(k, sigaction(SIGCHLD, action(0x1, 0, all), NULL) => 0);
    xnu!(k, sigaction(SIGCHLD, NULL, old) => 0);
    assert_eq!(number(&k, old, 12, 4) as u32, 0x7f & !SA_RESETHAND.bits());
}

#[test]
fn calls_restart_until_a_handler_says_otherwise() {
    let k = machine();
    let old = k.alloc(16);
    xnu!(k, sigaction(SIGUSR2, NULL, old) => 0);
    assert_eq!(k.peek(old, 16), bytes([0, u64::from(SA_RESTART.bits()) << 32]));
    xnu!(k, sigaction(SIGUSR2, action(0, 0, 0), NULL) => 0);
    xnu!(k, sigaction(SIGUSR2, NULL, old) => 0);
    assert_eq!(k.peek(old, 16), [0; 16]);
}

#[test]
fn signals_that_cannot_be_caught_are_einval() {
    let k = machine();
    for signal in [0, 9, 17, 32, -1, 64, i32::MAX, i32::MIN] {
        xnu!(k, sigaction(signal, action(0, 0, 0), NULL) => EINVAL);
        xnu!(k, sigaction(signal, NULL, NULL) => EINVAL);
        xnu!(k, sigaction(signal, 1, 1) => EINVAL);
    }
    xnu!(k, sigaction(dirty(31), NULL, NULL) => 0);
}

#[test]
fn a_bad_address_leaves_the_action_as_it_was() {
    let k = machine();
    xnu!(k, sigaction(SIGUSR1, action(0x1234, 0, 0), NULL) => 0);
    let new = k.place(&action(0x5678, 0, 0)).get();
    faults(&k, "sigaction", &[30, 0, 0], 1, 24, IN_OR_NULL);
    faults(&k, "sigaction", &[30, 0, 0], 2, 16, OUT_OR_NULL);
    for at in NOWHERE.into_iter().filter(|at| *at != 0) {
        xnu!(k, sigaction(SIGUSR1, new, at) => EFAULT);
    }
    let old = k.alloc(16);
    xnu!(k, sigaction(SIGUSR1, NULL, old) => 0);
    assert_eq!(number(&k, old, 0, 8), 0x1234);
}

#[test]
fn linux_hears_of_actions_by_its_own_numbers_and_never_of_those_the_runner_needs() {
    let k = machine();
    k.process.actions.set_host(0xaaaa, 0xbbbb);
    xnu!(k, sigaction(SIGUSR1, action(0x1234, 0, 0), NULL) => 0);
    assert!(k.transcript().last().unwrap().starts_with("rt_sigaction(10, "), "{:?}", k.transcript());
    k.clear_calls();
    for signal in [SIGBUS, SIGSEGV, SIGSYS] {
        xnu!(k, sigaction(signal, action(0x1234, 0, 0), NULL) => 0);
    }
    assert_eq!(k.transcript(), [""; 0]);
    xnu!(k, kill(1000, SIGUSR1, 0) => 0);
    assert_eq!(k.signals()[0].disposition, Disposition::Handled);
    xnu!(k, sigaction(SIGUSR1, action(1, 0, 0), NULL) => 0);
    xnu!(k, kill(1000, SIGUSR1, 0) => 0);
    assert_eq!(k.signals()[1].disposition, Disposition::Ignored);
    // By default SIGINFO does nothing, and Linux's number for it would end the process.
    xnu!(k, sigaction(SIGINFO, action(0, 0, 0), NULL) => 0);
    xnu!(k, kill(1000, SIGINFO, 0) => 0);
    assert_eq!((k.signals()[2].number, k.signals()[2].disposition), (30, Disposition::Ignored));
}

#[test]
fn masks_are_added_taken_away_and_set() {
    let k = machine();
    let old = k.alloc_guarded(4);
    let mask = |bits: u32| bits.to_le_bytes().to_vec();
    xnu!(k, sigprocmask(SIG_BLOCK, mask(BIT(1) | BIT(2)), old) => 0);
    assert_eq!(k.peek(old, 4), [0; 4]);
    xnu!(k, sigprocmask(SIG_UNBLOCK, mask(BIT(1)), old) => 0);
    assert_eq!(number(&k, old, 0, 4) as u32, BIT(1) | BIT(2));
    xnu!(k, __pthread_sigmask(SIG_SETMASK, mask(u32::MAX), old) => 0);
    assert_eq!(number(&k, old, 0, 4) as u32, BIT(2));
    xnu!(k, sigprocmask(SIG_SETMASK, NULL, old) => 0);
    assert_eq!(number(&k, old, 0, 4) as u32, !(BIT(9) | BIT(17)));
    // The origin of the change is only looked at where there is one.
    for how in [0, 4, -1, i32::MIN] {
        xnu!(k, sigprocmask(how, NULL, old) => 0);
        xnu!(k, sigprocmask(how, mask(0), old) => EINVAL);
        xnu!(k, sigprocmask(how, 1, old) => EFAULT);
    }
    assert_eq!(k.with(|cx| thread(cx).signals.mask), !(BIT(9) | BIT(17)));
}

#[test]
fn a_mask_that_cannot_be_read_is_efault_and_one_that_cannot_be_written_is_lost() {
    let k = machine();
    faults(&k, "sigprocmask", &[1, 0, 0], 1, 4, IN_OR_NULL);
    faults(&k, "__pthread_sigmask", &[1, 0, 0], 1, 4, IN_OR_NULL);
    for at in NOWHERE {
        xnu!(k, sigprocmask(SIG_BLOCK, BIT(1).to_le_bytes().to_vec(), at) => 0);
        xnu!(k, sigpending(at) => 0);
    }
    assert_eq!(k.with(|cx| thread(cx).signals.mask), BIT(1));
}

#[test]
fn blocked_signals_are_pending() {
    let k = machine();
    let set = k.alloc_guarded(4);
    xnu!(k, sigprocmask(SIG_BLOCK, (BIT(30) | BIT(31)).to_le_bytes().to_vec(), NULL) => 0);
    xnu!(k, kill(1000, SIGUSR1, 0) => 0);
    xnu!(k, sigpending(set) => 0);
    assert_eq!(number(&k, set, 0, 4) as u32, BIT(30));
    k.with(|cx| thread(cx).signals.note(xnu_core::signal::Info::bare(SIGSEGV)));
    xnu!(k, sigpending(set) => 0);
    assert_eq!(number(&k, set, 0, 4) as u32, BIT(30) | BIT(11));
}

#[test]
fn what_is_ignored_is_forgotten_even_while_it_is_blocked() {
    let k = machine();
    k.process.actions.set_host(0xaaaa, 0xbbbb);
    let set = k.alloc_guarded(4);
    let all = BIT(1) | BIT(19) | BIT(20) | BIT(30);
    xnu!(k, sigaction(SIGUSR1, action(1, 0, 0), NULL) => 0);
    xnu!(k, sigaction(SIGCONT, action(1, 0, 0), NULL) => 0);
    xnu!(k, sigprocmask(SIG_BLOCK, all.to_le_bytes().to_vec(), NULL) => 0);
    for signal in [SIGHUP, SIGCONT, SIGCHLD, SIGUSR1] {
        xnu!(k, kill(1000, signal, 0) => 0);
    }
    xnu!(k, sigpending(set) => 0);
    assert_eq!(
        number(&k, set, 0, 4) as u32,
        BIT(1) | BIT(19),
        "SIGCHLD is ignored by default, SIGCONT never"
    );
    // A handler that comes later does not bring them back.
    for signal in [SIGHUP, SIGCHLD, SIGUSR1] {
        xnu!(k, sigaction(signal, action(0x1234, 0, 0), NULL) => 0);
    }
    xnu!(k, sigpending(set) => 0);
    assert_eq!(number(&k, set, 0, 4) as u32, BIT(1) | BIT(19));
}

#[test]
fn linux_never_blocks_what_the_runner_needs() {
    let k = machine();
    xnu!(k, sigprocmask(SIG_SETMASK, u32::MAX.to_le_bytes().to_vec(), NULL) => 0);
    // SIGSYS, SIGBUS and SIGSEGV by Linux's numbers.
    for number in [31, 7, 11] {
        let mut kill = [Arg::Val(1000), Arg::Val(number)];
        assert_eq!(k.deref().call(Sysno::Kill, &mut kill), Ok(0));
        let sent = k.signals().last().unwrap().disposition;
        assert_ne!(sent, Disposition::Pending, "{number}");
    }
}

#[test]
fn a_mask_that_linux_refuses_stays_as_it_was() {
    let k = failing(Plan::nth(Sysno::RtSigprocmask, 1, Errno::EPERM));
    xnu!(k, sigprocmask(SIG_BLOCK, BIT(1).to_le_bytes().to_vec(), NULL) => EPERM);
    assert_eq!(k.with(|cx| thread(cx).signals.mask), 0);
}

/// A `stack_t`.
fn stack(at: u64, size: u64, flags: u64) -> Vec<u8> {
    bytes([at, size, flags])
}

#[test]
fn an_alternate_stack_is_set_told_and_disabled() {
    let k = machine();
    let old = k.alloc_guarded(24);
    xnu!(k, sigaltstack(NULL, old) => 0);
    assert_eq!(k.peek(old, 24), stack(0, 0, 4));
    xnu!(k, sigaltstack(stack(0x7000, 8192, 0xdead_0000_0000), old) => 0);
    xnu!(k, sigaltstack(NULL, old) => 0);
    assert_eq!(k.peek(old, 24), stack(0x7000, 8192, 0));
    xnu!(k, sigaltstack(stack(0x7000, 8191, 0), NULL) => ENOMEM);
    xnu!(k, sigaltstack(stack(0x7000, 0, 0), NULL) => ENOMEM);
    for flags in [1, 2, 5, 8, 1 << 31] {
        xnu!(k, sigaltstack(stack(0x7000, 8192, flags), NULL) => EINVAL);
    }
    xnu!(k, sigaltstack(stack(0, 0, 4), old) => 0);
    xnu!(k, sigaltstack(NULL, old) => 0);
    assert_eq!(number(&k, old, 16, 4), 4);
    faults(&k, "sigaltstack", &[0, 0], 0, 24, IN_OR_NULL);
    faults(&k, "sigaltstack", &[0, 0], 1, 24, OUT_OR_NULL);
}

#[test]
fn a_stack_in_use_is_not_changed() {
    let k = machine();
    let old = k.alloc(24);
    xnu!(k, sigaltstack(stack(0x7000, 8192, 0), NULL) => 0);
    k.with(|cx| thread(cx).signals.on_stack = true);
    xnu!(k, sigaltstack(stack(0x9000, 8192, 0), old) => EPERM);
    assert_eq!(k.peek(old, 24), stack(0x7000, 8192, 1));
    xnu!(k, sigaltstack(stack(0, 0, 4), NULL) => EINVAL);
    xnu!(k, sigaltstack(stack(0, 0, 1), NULL) => EINVAL);
}

#[test]
fn kill_sends_by_linuxs_numbers() {
    let k = machine();
    for (signal, linux) in
        [(SIGUSR1, 10), (SIGUSR2, 12), (SIGBUS, 7), (SIGSYS, 31), (SIGCHLD, 17), (SIGSTOP, 19)]
    {
        xnu!(k, kill(1000, signal, 1) => 0);
        assert_eq!(k.signals().last().unwrap().number, linux);
    }
    let sent = k.signals().len();
    xnu!(k, kill(1000, 0, 0) => 0);
    xnu!(k, kill(4711, SIGTERM, 0) => ESRCH);
    xnu!(k, kill(4711, 0, 0) => ESRCH);
    xnu!(k, kill(1, SIGTERM, 0) => EPERM);
    xnu!(k, kill(-4711, SIGTERM, 0) => ESRCH);
    xnu!(k, kill(i32::MIN, SIGTERM, 0) => ESRCH);
    for signal in [32, -1, 64, i32::MAX, i32::MIN] {
        xnu!(k, kill(4711, signal, 0) => EINVAL);
    }
    assert_eq!(k.signals().len(), sent);
    xnu!(k, kill(dirty(1000), dirty(15), 0) => 0);
    xnu!(k, kill(0, SIGTERM, 0) => 0);
    assert_eq!(k.signals().len(), sent + 2);
}

#[test]
fn everyone_includes_the_caller_by_posix() {
    let k = machine();
    // Nobody else is there: process 1 is never meant.
    xnu!(k, kill(-1, SIGTERM, 0) => ESRCH);
    assert_eq!(k.signals().len(), 0);
    xnu!(k, kill(-1, SIGTERM, 1) => 0);
    assert_eq!(k.signals().len(), 1);
    xnu!(k, kill(-1, 0, 1) => 0);
    assert_eq!(k.signals().len(), 1);
    xnu!(k, kill(-1, 32, 1) => EINVAL);
    xnu!(k, kill(1, SIGKILL, 1) => EPERM);
    k.set_credentials(xnu_backend_mock::Credentials::root());
    xnu!(k, kill(1, SIGKILL, 1) => EPERM);
    xnu!(k, kill(1, SIGTERM, 1) => 0);
}

#[test]
fn a_group_that_may_not_be_told_is_nobody_without_posix() {
    let k = failing(Plan::every(Sysno::Kill, Errno::EPERM));
    xnu!(k, kill(-5, SIGTERM, 0) => ESRCH);
    xnu!(k, kill(-5, SIGTERM, 1) => EPERM);
    xnu!(k, kill(0, SIGTERM, 0) => ESRCH);
    xnu!(k, kill(5, SIGTERM, 0) => EPERM);
}

#[test]
fn the_stack_mark_alone_can_be_set_and_reset() {
    let k = machine();
    xnu!(k, sigreturn(NULL, 0x4000_0000, 0) => Reply::Unchanged);
    assert!(k.with(|cx| thread(cx).signals.on_stack));
    xnu!(k, sigreturn(NULL, 0x8000_0000u64, 0) => Reply::Unchanged);
    assert!(!k.with(|cx| thread(cx).signals.on_stack));
}
