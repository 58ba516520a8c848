//! Fault injection: a [`Kernel`](xnu_core::Kernel) around another that fails on purpose.

use crate::random::Random;
use std::sync::{Mutex, MutexGuard, PoisonError};
use xnu_abi::linux::{Errno, Sysno};
use xnu_core::Arg;

/// When to fail and how. Counting starts at 1; plans are joined with [`Plan::and`], and the first rule that strikes
/// decides.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    rules: Vec<Rule>,
    seed: u64,
}

#[derive(Clone, Debug)]
struct Rule {
    when: When,
    what: What,
    /// Calls that the rule was asked about so far.
    seen: usize,
}

#[derive(Clone, Copy, Debug)]
enum When {
    /// The n-th call of this number.
    Nth(Sysno, usize),
    /// Every call of this number.
    Every(Sysno),
    /// The n-th call of any number.
    NthOfAny(usize),
    /// The n-th call that can wait.
    NthBlocking(usize),
    /// This many calls of a hundred.
    Percent(u8),
    /// The n-th copy to or from the guest.
    NthCopy(usize),
}

#[derive(Clone, Copy, Debug)]
enum What {
    Fail(Errno),
    /// Lets the call move at most so many bytes.
    Shorten(usize),
}

impl Plan {
    fn rule(when: When, what: What) -> Plan {
        Plan { rules: vec![Rule { when, what, seen: 0 }], seed: 0 }
    }

    /// Fails nothing.
    pub fn none() -> Plan {
        Plan::default()
    }

    /// Fails the n-th call of this number.
    pub fn nth(nr: Sysno, n: usize, errno: Errno) -> Plan {
        Plan::rule(When::Nth(nr, n), What::Fail(errno))
    }

    /// Fails every call of this number, as an older kernel or a seccomp filter would.
    pub fn every(nr: Sysno, errno: Errno) -> Plan {
        Plan::rule(When::Every(nr), What::Fail(errno))
    }

    /// Fails the n-th call, whatever it is: run with 1, 2, 3… until [`Fault::injected`] stays 0.
    pub fn nth_of_any(n: usize, errno: Errno) -> Plan {
        Plan::rule(When::NthOfAny(n), What::Fail(errno))
    }

    /// `EINTR` on the n-th call that can wait.
    pub fn interrupt(n: usize) -> Plan {
        Plan::rule(When::NthBlocking(n), What::Fail(Errno::EINTR))
    }

    /// Lets the n-th call of this number move at most `bytes` bytes. Of vectors, at most the first element.
    pub fn short(nr: Sysno, n: usize, bytes: usize) -> Plan {
        Plan::rule(When::Nth(nr, n), What::Shorten(bytes))
    }

    /// Lets every call of this number move at most `bytes` bytes.
    pub fn always_short(nr: Sysno, bytes: usize) -> Plan {
        Plan::rule(When::Every(nr), What::Shorten(bytes))
    }

    /// Faults the n-th copy to or from the guest.
    pub fn copy_fault(n: usize) -> Plan {
        Plan::rule(When::NthCopy(n), What::Fail(Errno::EFAULT))
    }

    /// Fails so many calls of a hundred, chosen by the seed.
    pub fn random(seed: u64, percent: u8, errno: Errno) -> Plan {
        Plan { seed, ..Plan::rule(When::Percent(percent), What::Fail(errno)) }
    }

    /// Both plans.
    pub fn and(mut self, other: Plan) -> Plan {
        self.rules.extend(other.rules);
        self.seed ^= other.seed;
        self
    }
}

/// Calls that can wait, and so end with `EINTR`.
fn can_block(nr: Sysno) -> bool {
    use Sysno as S;
    matches!(
        nr,
        S::Read
            | S::Write
            | S::Readv
            | S::Writev
            | S::Openat
            | S::Openat2
            | S::Fcntl
            | S::Flock
            | S::Ppoll
            | S::Pselect6
            | S::EpollPwait
            | S::EpollPwait2
            | S::Nanosleep
            | S::ClockNanosleep
            | S::Futex
            | S::FutexWait
            | S::FutexWaitv
            | S::Wait4
            | S::Waitid
            | S::Accept
            | S::Accept4
            | S::Connect
            | S::Recvfrom
            | S::Recvmsg
            | S::Recvmmsg
            | S::Sendto
            | S::Sendmsg
            | S::Sendmmsg
            | S::RtSigsuspend
            | S::RtSigtimedwait
            | S::Semtimedop
            | S::Msgrcv
            | S::Msgsnd
    )
}

/// The argument that says how much a call moves, and whether it counts vector elements.
fn count_argument(nr: Sysno) -> Option<(usize, bool)> {
    use Sysno as S;
    match nr {
        S::Read | S::Write | S::Pread64 | S::Pwrite64 | S::Sendto | S::Recvfrom => Some((2, false)),
        S::Readv | S::Writev | S::Preadv | S::Pwritev | S::Pwritev2 => Some((2, true)),
        S::Getrandom => Some((1, false)),
        _ => None,
    }
}

#[derive(Debug)]
struct Progress {
    plan: Plan,
    random: Random,
    calls: usize,
    injected: usize,
    failed: Option<Sysno>,
}

/// A kernel that fails as planned. A failed call never reaches the kernel behind it, but for `close`: whatever it says,
/// the descriptor is gone (`man 2 close`).
#[derive(Debug)]
pub struct Fault<K> {
    inner: K,
    progress: Mutex<Progress>,
}

impl<K> Fault<K> {
    /// Puts a plan in front of a kernel.
    pub fn new(inner: K, plan: Plan) -> Fault<K> {
        let random = Random::new(plan.seed);
        Fault { inner, progress: Mutex::new(Progress { plan, random, calls: 0, injected: 0, failed: None }) }
    }

    /// The kernel behind.
    pub fn inner(&self) -> &K {
        &self.inner
    }

    /// Calls and copies seen.
    pub fn calls(&self) -> usize {
        self.progress().calls
    }

    /// Faults injected so far.
    pub fn injected(&self) -> usize {
        self.progress().injected
    }

    /// The last call that was failed.
    pub fn failed(&self) -> Option<Sysno> {
        self.progress().failed
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides about a call and shortens it.
    pub(crate) fn before_call(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<(), Errno> {
        match self.progress().strike(Some(nr)) {
            None => Ok(()),
            Some(What::Fail(errno)) => Err(errno),
            Some(What::Shorten(bytes)) => {
                if let Some((i, is_vector)) = count_argument(nr)
                    && let Some(Arg::Val(count)) = args.get_mut(i)
                {
                    *count = (*count).min(if is_vector { 1 } else { bytes });
                }
                Ok(())
            }
        }
    }

    /// Decides about a copy.
    pub(crate) fn before_copy(&self) -> Result<(), xnu_core::Fault> {
        if self.progress().strike(None).is_some() { Err(xnu_core::Fault) } else { Ok(()) }
    }
}

impl Progress {
    /// What is to happen to a call, or to a copy when there is no number.
    fn strike(&mut self, nr: Option<Sysno>) -> Option<What> {
        self.calls += 1;
        let mut struck = None;
        for rule in &mut self.plan.rules {
            let (asked, hit_at) = match (rule.when, nr) {
                (When::Nth(of, n), Some(nr)) => (of == nr, Some(n)),
                (When::Every(of), Some(nr)) => (of == nr, None),
                (When::NthOfAny(n), Some(_)) => (true, Some(n)),
                (When::NthBlocking(n), Some(nr)) => (can_block(nr), Some(n)),
                (When::Percent(percent), Some(_)) => (self.random.below(100) < u64::from(percent), None),
                (When::NthCopy(n), None) => (true, Some(n)),
                _ => (false, None),
            };
            if !asked {
                continue;
            }
            rule.seen += 1;
            if hit_at.is_none_or(|n| n == rule.seen) && struck.is_none() {
                struck = Some(rule.what);
            }
        }
        self.injected += usize::from(struck.is_some());
        if let Some(What::Fail(_)) = struck {
            self.failed = nr;
        }
        struck
    }
}
