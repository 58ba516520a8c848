//! Recording what a kernel was asked and answered, and answering from such a record without any kernel.
//!
//! A record holds everything that the core can see: numbers, the bytes it lent, the bytes it got back and its own
//! copies to and from the guest. What Linux itself puts into guest memory the core only sees by copying it in.

use crate::log::Logged;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use xnu_abi::linux::{Errno, Sysno};
use xnu_core::{Arg, Fault, UserAddr};

/// One argument as it was given.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Given {
    Val(usize),
    In(Vec<u8>),
    Out(usize),
    User(UserAddr),
}

/// What was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Asked {
    Call { nr: Sysno, args: Vec<Given>, shown: String },
    CopyIn { from: UserAddr, len: usize },
    CopyOut { to: UserAddr, bytes: Vec<u8> },
}

/// What was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The result of a call, and the bytes of its `Out` arguments afterwards, in order.
    Call(Result<usize, Errno>, Vec<Vec<u8>>),
    /// The bytes of a copy from the guest.
    CopyIn(Result<Vec<u8>, Fault>),
    /// The result of a copy to the guest.
    CopyOut(Result<(), Fault>),
}

/// One thing that was asked, with its answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    asked: Asked,
    outcome: Outcome,
}

impl Event {
    /// The answer.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The call's number, if it was a call.
    pub fn sysno(&self) -> Option<Sysno> {
        match self.asked {
            Asked::Call { nr, .. } => Some(nr),
            _ => None,
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Call { nr, shown, .. } => write!(f, "{}({shown})", nr.name()),
            Asked::CopyIn { from, len } => write!(f, "copy_in({from:?}, {len})"),
            Asked::CopyOut { to, bytes } => write!(f, "copy_out({to:?}, {})", bytes.len()),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = ", self.asked)?;
        match &self.outcome {
            Outcome::Call(Ok(value), _) if *value < 0x10_0000 => write!(f, "{value}"),
            Outcome::Call(Ok(value), _) => write!(f, "{value:#x}"),
            Outcome::Call(Err(errno), _) => write!(f, "-1 {errno}"),
            Outcome::CopyIn(Ok(_)) | Outcome::CopyOut(Ok(())) => f.write_str("ok"),
            Outcome::CopyIn(Err(_)) | Outcome::CopyOut(Err(_)) => f.write_str("fault"),
        }
    }
}

fn given(args: &[Arg<'_>]) -> Vec<Given> {
    args.iter()
        .map(|arg| match arg {
            Arg::Val(value) => Given::Val(*value),
            Arg::In(bytes) => Given::In(bytes.to_vec()),
            Arg::Out(bytes) => Given::Out(bytes.len()),
            Arg::User(address) => Given::User(*address),
        })
        .collect()
}

fn show(nr: Sysno, args: &[Arg<'_>]) -> String {
    Logged::all(nr, args).iter().map(Logged::to_string).collect::<Vec<_>>().join(", ")
}

/// A kernel that writes down what passes through it.
#[derive(Debug)]
pub struct Record<K> {
    inner: K,
    events: Mutex<Vec<Event>>,
}

/// Arguments as they were before the call: `Out` memory has changed afterwards.
pub(crate) struct Before(Vec<Given>);

impl<K> Record<K> {
    /// Starts with nothing written.
    pub fn new(inner: K) -> Record<K> {
        Record { inner, events: Mutex::new(Vec::new()) }
    }

    /// The kernel behind.
    pub fn inner(&self) -> &K {
        &self.inner
    }

    /// What was written so far.
    pub fn events(&self) -> Vec<Event> {
        self.locked().clone()
    }

    /// A kernel that answers the same to the same questions.
    pub fn replay(&self) -> Replay {
        Replay::new(self.events())
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn given(&self, args: &[Arg<'_>]) -> Before {
        Before(given(args))
    }

    pub(crate) fn add_call(&self, nr: Sysno, before: Before, args: &[Arg<'_>], result: Result<usize, Errno>) {
        let outs = args.iter().filter_map(|arg| match arg {
            Arg::Out(bytes) => Some(bytes.to_vec()),
            _ => None,
        });
        let outcome = Outcome::Call(result, outs.collect());
        let asked = Asked::Call { nr, args: before.0, shown: show(nr, args) };
        self.locked().push(Event { asked, outcome });
    }

    pub(crate) fn add_copy_in(&self, from: UserAddr, to: &[u8], result: Result<(), Fault>) {
        let asked = Asked::CopyIn { from, len: to.len() };
        let outcome = Outcome::CopyIn(result.map(|()| to.to_vec()));
        self.locked().push(Event { asked, outcome });
    }

    pub(crate) fn add_copy_out(&self, to: UserAddr, from: &[u8], result: Result<(), Fault>) {
        let asked = Asked::CopyOut { to, bytes: from.to_vec() };
        self.locked().push(Event { asked, outcome: Outcome::CopyOut(result) });
    }
}

/// The first place where a run left its record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mismatch {
    /// Index into the record.
    pub at: usize,
    /// What the record has there; `None` when it was at its end.
    pub expected: Option<String>,
    /// What was asked; `None` when the run ended early.
    pub asked: Option<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nothing = "nothing more".to_string();
        let expected = self.expected.as_ref().unwrap_or(&nothing);
        let asked = self.asked.as_ref().unwrap_or(&nothing);
        write!(f, "event {}: the record has {expected}, the run asked for {asked}", self.at)
    }
}

impl std::error::Error for Mismatch {}

#[derive(Debug)]
struct Tape {
    events: VecDeque<Event>,
    at: usize,
    mismatch: Option<Mismatch>,
}

/// A kernel that answers from a record. From the first question that the record does not have, every call is
/// `ENOSYS` and every copy a fault, and [`Replay::finish`] says where that was.
#[derive(Debug)]
pub struct Replay {
    tape: Mutex<Tape>,
}

impl Replay {
    /// Answers from these events, in order.
    pub fn new(events: Vec<Event>) -> Replay {
        Replay { tape: Mutex::new(Tape { events: events.into(), at: 0, mismatch: None }) }
    }

    /// Whether the run asked exactly what the record has.
    pub fn finish(self) -> Result<(), Mismatch> {
        let mut tape = self.tape.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(mismatch) = tape.mismatch {
            return Err(mismatch);
        }
        match tape.events.pop_front() {
            None => Ok(()),
            Some(event) => {
                Err(Mismatch { at: tape.at, expected: Some(event.asked.to_string()), asked: None })
            }
        }
    }

    fn next(&self, asked: Asked) -> Option<Outcome> {
        let mut tape = self.tape.lock().unwrap_or_else(PoisonError::into_inner);
        if tape.mismatch.is_some() {
            return None;
        }
        match tape.events.pop_front() {
            Some(event) if event.asked.same(&asked) => {
                tape.at += 1;
                Some(event.outcome)
            }
            other => {
                let expected = other.map(|event| event.asked.to_string());
                tape.mismatch = Some(Mismatch { at: tape.at, expected, asked: Some(asked.to_string()) });
                None
            }
        }
    }

    pub(crate) fn answer_call(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
        let asked = Asked::Call { nr, args: given(args), shown: show(nr, args) };
        let Some(Outcome::Call(result, outs)) = self.next(asked) else { return Err(Errno::ENOSYS) };
        let slices = args.iter_mut().filter_map(|arg| match arg {
            Arg::Out(bytes) => Some(bytes),
            _ => None,
        });
        for (slice, bytes) in slices.zip(outs) {
            slice.copy_from_slice(&bytes);
        }
        result
    }

    pub(crate) fn answer_copy_in(&self, from: UserAddr, to: &mut [u8]) -> Result<(), Fault> {
        match self.next(Asked::CopyIn { from, len: to.len() }) {
            Some(Outcome::CopyIn(Ok(bytes))) => {
                to.copy_from_slice(&bytes);
                Ok(())
            }
            _ => Err(Fault),
        }
    }

    pub(crate) fn answer_copy_out(&self, to: UserAddr, from: &[u8]) -> Result<(), Fault> {
        match self.next(Asked::CopyOut { to, bytes: from.to_vec() }) {
            Some(Outcome::CopyOut(result)) => result,
            _ => Err(Fault),
        }
    }
}

impl Asked {
    /// Equality of the questions, whatever they look like.
    fn same(&self, other: &Asked) -> bool {
        match (self, other) {
            (Asked::Call { nr, args, .. }, Asked::Call { nr: other_nr, args: other_args, .. }) => {
                nr == other_nr && args == other_args
            }
            _ => self == other,
        }
    }
}
