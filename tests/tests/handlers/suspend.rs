//! Waiting for signals, and ends that come with a reason.

use crate::support::*;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::ptrace::PtraceRequest;
use xnu_core::signal::Info;

const fn bit(signal: u32) -> u32 {
    1 << (signal - 1)
}

#[test]
fn a_suspended_thread_has_the_other_mask_until_a_signal_was_delivered() {
    let k = machine();
    xnu!(k, sigprocmask(SIG_SETMASK, k.place(&bit(30).to_le_bytes()), NULL) => 0);
    xnu!(k, sigsuspend(u32::MAX) => EINTR);
    assert_eq!(k.with(|cx| thread(cx).signals.mask), !(bit(9) | bit(17)));
    assert!(k.with(|cx| thread(cx).signals.restore_mask()));
    assert_eq!(k.with(|cx| thread(cx).signals.mask), bit(30));
}

#[test]
fn a_noted_signal_ends_the_wait_at_once() {
    let k = machine();
    k.with(|cx| thread(cx).signals.note(Info::bare(SIGSEGV)));
    k.clear_calls();
    xnu!(k, sigsuspend(0) => EINTR);
    assert!(k.calls().is_empty());
}

#[test]
fn a_signal_that_waits_is_taken() {
    let k = machine();
    let set = k.place(&(bit(30) | bit(31)).to_le_bytes());
    let told = k.place(&[0xff; 4]);
    xnu!(k, sigprocmask(SIG_BLOCK, set, NULL) => 0);
    xnu!(k, kill(1000, SIGUSR2, 1) => 0);
    xnu!(k, __sigwait(set, told) => 0);
    assert_eq!(k.peek(told, 4), 31u32.to_le_bytes());
    xnu!(k, sigpending(told) => 0);
    assert_eq!(k.peek(told, 4), [0; 4]);
    // The thread's mask is what it was.
    xnu!(k, sigprocmask(SIG_BLOCK, NULL, told) => 0);
    assert_eq!(k.peek(told, 4), (bit(30) | bit(31)).to_le_bytes());
}

#[test]
fn a_noted_signal_is_taken_as_well() {
    let k = machine();
    let set = k.place(&bit(11).to_le_bytes());
    let told = k.place(&[0xff; 4]);
    k.with(|cx| thread(cx).signals.note(Info::bare(SIGSEGV)));
    xnu!(k, __sigwait(set, told) => 0);
    assert_eq!(k.peek(told, 4), 11u32.to_le_bytes());
    assert_eq!(k.with(|cx| thread(cx).signals.pending()), 0);
}

#[test]
fn there_must_be_something_to_wait_for() {
    let k = machine();
    let told = k.alloc(4);
    xnu!(k, __sigwait(NULL, told) => EINVAL);
    xnu!(k, __sigwait(k.place(&[0; 4]), told) => EINVAL);
    xnu!(k, __sigwait(k.place(&(bit(9) | bit(17)).to_le_bytes()), told) => EINVAL);
    faults(&k, "__sigwait", &[0, told.get()], 0, 4, IN_OR_NULL);
}

#[test]
fn a_thread_that_ends_wants_no_signals() {
    let k = machine();
    xnu!(k, __disable_threadsignal(1) => 0);
    assert_eq!(k.with(|cx| thread(cx).signals.mask), !(bit(9) | bit(17)));
}

#[test]
fn ends_with_a_reason_are_signals() {
    let k = machine();
    let reason = [6, 7, NULL, 0, NULL, 0];
    let terminate = |process: i64| {
        let words: Vec<u64> = [process as u64].into_iter().chain(reason).collect();
        k.by_name("terminate_with_payload", &words)
    };
    assert_eq!(terminate(0), xnu_core::Reply::Error(EINVAL));
    assert_eq!(terminate(-1000), xnu_core::Reply::Error(EINVAL));
    assert_eq!(terminate(4711), xnu_core::Reply::Error(ESRCH));
    assert_eq!(terminate(1), xnu_core::Reply::Error(EPERM));
    assert_eq!(value(k.by_name("abort_with_payload", &reason)), 0);
    assert_eq!(k.signals().last().unwrap().number, 6);
    assert_eq!(value(terminate(1000)), 0);
    assert_eq!(k.signals().last().unwrap().number, 9);
    for _ in 0..5 {
        assert_eq!(value(k.by_name("os_fault_with_payload", &reason)), 0);
    }
    assert_eq!(k.by_name("os_fault_with_payload", &reason), xnu_core::Reply::Error(Errno::EQFULL));
}

#[test]
fn nobody_is_traced() {
    let k = machine();
    let ask = |request: PtraceRequest, process: i32| {
        let number = request.number();
        xnu!(k, ptrace(number, process, NULL, 0))
    };
    let refused = xnu_core::Reply::Error;
    assert_eq!(value(ask(PtraceRequest::PT_DENY_ATTACH, 0)), 0);
    assert_eq!(ask(PtraceRequest::PT_FORCEQUOTA, 0), refused(EPERM));
    assert_eq!(ask(PtraceRequest::PT_TRACE_ME, 0), refused(ENOTSUP));
    assert_eq!(ask(PtraceRequest::PT_SIGEXC, 0), refused(EINVAL));
    for request in [PtraceRequest::PT_ATTACH, PtraceRequest::PT_ATTACHEXC] {
        assert_eq!(ask(request, 1000), refused(ENOTSUP));
        assert_eq!(ask(request, 1), refused(EPERM));
        assert_eq!(ask(request, -5), refused(EPERM));
        assert_eq!(ask(request, 4711), refused(ESRCH));
    }
    for request in [PtraceRequest::PT_CONTINUE, PtraceRequest::PT_KILL, PtraceRequest::new(99)] {
        assert_eq!(ask(request, 1000), refused(EPERM));
        assert_eq!(ask(request, 4711), refused(ESRCH));
    }
    k.set_credentials(xnu_backend_mock::Credentials::root());
    assert_eq!(value(ask(PtraceRequest::PT_FORCEQUOTA, 0)), 0);
}

#[test]
fn a_thread_is_told_by_its_port() {
    let k = machine();
    let own = value(xnu!(k, thread_self_trap()));
    xnu!(k, __pthread_kill(own, SIGUSR1) => 0);
    xnu!(k, __pthread_kill(own, 0) => 0);
    for wrong in [32, -1, 64, i32::MAX, i32::MIN] {
        xnu!(k, __pthread_kill(own, wrong) => EINVAL);
    }
    for port in [0, value(xnu!(k, mach_reply_port())), 0xdead_0003, u64::from(u32::MAX)] {
        xnu!(k, __pthread_kill(port, SIGUSR1) => ESRCH);
        xnu!(k, __pthread_kill(port, 99) => ESRCH);
    }
}

#[test]
fn a_sleep_is_a_wait_at_a_semaphore() {
    let k = machine();
    let (one, other) = (crate::mach::semaphore(&k), crate::mach::semaphore(&k));
    for _ in 0..3 {
        xnu!(k, __semwait_signal(one, 0, 0, 0, 0, 0) => 0);
    }
    // The clock moves while it waits.
    let before = k.now_ns();
    xnu!(k, __semwait_signal(one, 0, 1, 1, 2, 500) => ETIMEDOUT);
    assert_eq!(k.now_ns() - before, 2_000_000_500);
    // Until a time of day that is over.
    xnu!(k, __semwait_signal(one, 0, 1, 0, 0, 1) => ETIMEDOUT);
    // Nothing wakes it but a signal.
    xnu!(k, __semwait_signal(one, 0, 0, 0, 0, 0) => EINTR);
    xnu!(k, __semwait_signal(other, one, 0, 0, 0, 0) => 0);
    xnu!(k, __semwait_signal(one, 0, 1, 1, 1i64 << 32, 0) => EINTR);
    for wrong in [0u32, 0xdead_0003] {
        xnu!(k, __semwait_signal(wrong, 0, 0, 0, 0, 0) => EINVAL);
        xnu!(k, __semwait_signal(wrong, one, 1, 1, 1, 0) => EINVAL);
    }
    xnu!(k, __semwait_signal(one, 0, 1, 1, 0, -1) => EINVAL);
}
