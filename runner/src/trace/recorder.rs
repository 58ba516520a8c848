//! The guest's side: turns calls and signals into records and counts.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::Format;
use super::line::Line;
use super::outcome::Outcome;
use super::record::{
    CallRecord, Head, UndecodableRecord, class_and_number, write_log_json, write_log_text, write_signal_json,
    write_signal_text,
};
use super::shared::Channel;
use std::fmt::{self, Write};
use std::ops::Range;
use xnu_core::linux::process::{getpid, gettid};
use xnu_core::linux::time::{CLOCK_MONOTONIC, clock_gettime};
use xnu_core::signal::Info;
use xnu_core::table::{Class, Grade, Row};
use xnu_core::{Call, Kernel, Reply};

/// What [`Recorder::enter`] knows and [`Recorder::leave`] needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entered {
    start_ns: u64,
    is_written: bool,
}

/// The guest's side of the trace: `Sync`, for a static of the runner's.
///
/// Every method may run in the guest's process: no allocation, no lock of the standard library, no thread-local, no
/// panic, less than 16 KiB of stack, system calls from the program's own text. A method returns when the record is in
/// the shared memory, or nobody reads it any more. Not for signal handlers that may interrupt another method of the
/// same thread: there the record could be lost.
#[derive(Debug)]
pub struct Recorder {
    channel: Channel,
    format: Format,
    summary: bool,
    first_pid: i32,
    start_ns: u64,
}

/// Monotonic time.
fn now<K: Kernel>(kernel: &K) -> u64 {
    clock_gettime(kernel, CLOCK_MONOTONIC).map_or(0, |time| {
        time.tv_sec.cast_unsigned().wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec.cast_unsigned())
    })
}

/// Whether a call leaves the return registers alone when it succeeds: it does not return, or sets them all. Only such
/// a row writes its result as `?`.
fn does_not_return(row: &Row) -> bool {
    struct IsQuestionMark(bool);
    impl Write for IsQuestionMark {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 = text == "?";
            Ok(())
        }
    }
    let mut written = IsQuestionMark(false);
    (row.render_return)(0, &mut written).is_ok() && written.0
}

impl Recorder {
    /// The recorder of the calling process.
    pub(super) fn new<K: Kernel>(kernel: &K, channel: Channel, format: Format, summary: bool) -> Recorder {
        let first_pid = getpid(kernel).unwrap_or(0);
        Recorder { channel, format, summary, first_pid, start_ns: now(kernel) }
    }

    /// The shared memory in this process, for [`xnu_core::reserved::Reserved`].
    pub fn memory(&self) -> Range<u64> {
        self.channel.memory()
    }

    /// Before the call runs. A call that does not return is written here.
    pub fn enter<K: Kernel>(&self, kernel: &K, call: &Call) -> Entered {
        let row = call.row();
        let start_ns = now(kernel);
        let is_written = row.as_ref().is_some_and(does_not_return);
        if is_written {
            if self.summary {
                self.channel.counters().of(Some(call.class), call.number).add(false, 0);
            }
            self.write_call(kernel, call, row, Outcome::None, None);
        }
        Entered { start_ns, is_written }
    }

    /// After the call ran, before the guest goes on.
    ///
    /// A call that is not served to the full is marked as such the first time. Which were is kept in the shared
    /// memory, so forked children do not repeat it.
    pub fn leave<K: Kernel>(&self, kernel: &K, call: &Call, entered: Entered, reply: &Reply) {
        if entered.is_written && *reply == Reply::Unchanged {
            return;
        }
        let row = call.row();
        let duration_ns = now(kernel).saturating_sub(entered.start_ns);
        let outcome = Outcome::of(Some(call.class), row.as_ref(), reply);
        if self.summary {
            let counter = self.channel.counters().of(Some(call.class), call.number);
            if entered.is_written {
                counter.add_outcome(outcome.is_error(), duration_ns);
            } else {
                counter.add(outcome.is_error(), duration_ns);
            }
        }
        self.write_call(kernel, call, row, outcome, Some((entered.start_ns, duration_ns)));
    }

    /// A call that [`Call::decode`] refused; `rax` as the guest gave it, `reply` from
    /// [`xnu_core::dispatch::Undecodable::reply`].
    pub fn undecodable<K: Kernel>(&self, kernel: &K, rax: u64, reply: &Reply) {
        let (class, number) = class_and_number(rax);
        let class = Class::new(class);
        let outcome = Outcome::of(class, None, reply);
        if self.summary {
            self.channel.counters().of(class, number).add(outcome.is_error(), 0);
        }
        if self.format == Format::None {
            return;
        }
        let record = UndecodableRecord { head: self.head(kernel, now(kernel)), rax, outcome };
        self.push(|line| match self.format {
            Format::Json => record.write_json(line),
            Format::Text | Format::None => record.write_text(line),
        });
    }

    /// A signal that is about to be delivered to the guest, or to end it.
    pub fn signal<K: Kernel>(&self, kernel: &K, info: &Info) {
        if self.format == Format::None {
            return;
        }
        let head = self.head(kernel, now(kernel));
        self.push(|line| match self.format {
            Format::Json => write_signal_json(head, info, line),
            Format::Text | Format::None => write_signal_text(head, info, line),
        });
    }

    /// A line that the guest wrote to the kernel's log.
    #[cold]
    #[inline(never)]
    pub fn log<K: Kernel>(&self, kernel: &K, text: &str) {
        if self.format == Format::None {
            return;
        }
        let head = self.head(kernel, now(kernel));
        self.push(|line| match self.format {
            Format::Json => write_log_json(head, text, line),
            Format::Text | Format::None => write_log_text(head, text, line),
        });
    }

    fn head<K: Kernel>(&self, kernel: &K, time_ns: u64) -> Head {
        let tid = gettid(kernel).unwrap_or(0);
        // In text the thread's number is enough, as for `strace`.
        let pid = if self.format == Format::Json { getpid(kernel).unwrap_or(0) } else { tid };
        Head { pid, tid, is_first: tid == self.first_pid, time_ns: time_ns.saturating_sub(self.start_ns) }
    }

    fn write_call<K: Kernel>(
        &self,
        kernel: &K,
        call: &Call,
        row: Option<Row>,
        outcome: Outcome,
        times_ns: Option<(u64, u64)>,
    ) {
        if self.format == Format::None {
            return;
        }
        let (start_ns, duration_ns) = match times_ns {
            Some((start_ns, duration_ns)) => (start_ns, Some(duration_ns)),
            None => (now(kernel), None),
        };
        let notes_grade = self.format == Format::Text
            && row.is_some_and(|row| !matches!(row.grade, Grade::Faithful | Grade::Refused(_)))
            // A row's twin shares its note.
            && row.is_some_and(|row| self.channel.counters().of(Some(row.class), row.number).note());
        let head = self.head(kernel, start_ns);
        let record = CallRecord { head, call, row, outcome, duration_ns, notes_grade, kernel };
        self.push(|line| match self.format {
            Format::Json => record.write_json(line),
            Format::Text | Format::None => record.write_text(line),
        });
    }

    fn push(&self, write: impl FnOnce(&mut Line) -> fmt::Result) {
        let mut line = Line::new();
        // A line has room for all that is written without a limit; an error could only cut its end off.
        if write(&mut line).is_ok() {
            self.channel.push(line.as_bytes());
        }
    }
}
