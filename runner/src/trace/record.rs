//! One record and its two forms: a line as `strace` writes it, and a JSON object on a line.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::errno_text::text;
use super::line::{Cut, Line};
use super::outcome::Outcome;
use std::fmt::{self, Write};
use xnu_abi::darwin::signal::{
    BusCode, CldCode, FpeCode, IllCode, PollCode, SegvCode, SiCode, Signal, TrapCode,
};
use xnu_core::signal::Info;
use xnu_core::table::{Class, Grade, Rendering, Row};
use xnu_core::{Call, Kernel};

/// Who made the record and when.
#[derive(Clone, Copy)]
pub(super) struct Head {
    /// The process, for JSON.
    pub(super) pid: i32,
    /// The thread, whose number is the process's where it is the first.
    pub(super) tid: i32,
    /// Whether it is the one that the trace began with; in text, only others show their number.
    pub(super) is_first: bool,
    /// Since the trace began.
    pub(super) time_ns: u64,
}

/// A call.
pub(super) struct CallRecord<'a> {
    pub(super) head: Head,
    pub(super) call: &'a Call,
    pub(super) row: Option<Row>,
    pub(super) outcome: Outcome,
    /// None where the call does not return.
    pub(super) duration_ns: Option<u64>,
    /// Whether the text says how far the call is served.
    pub(super) notes_grade: bool,
    pub(super) kernel: &'a dyn Kernel,
}

/// A call that could not be decoded: its arguments are not known.
pub(super) struct UndecodableRecord {
    pub(super) head: Head,
    /// The whole of `rax`.
    pub(super) rax: u64,
    pub(super) outcome: Outcome,
}

/// As many arguments of an unknown call as registers hold.
const REGISTER_ARGUMENTS: usize = 6;

/// A row of a call that has a name of its own: empty rows are all called the same.
fn named(row: Option<Row>) -> Option<Row> {
    row.filter(|row| !matches!(row.name, "nosys" | "enosys" | "kern_invalid"))
}

/// The name of a call; one that has none is named by its number.
pub(super) fn write_name(class: Class, number: u32, row: Option<Row>, out: &mut dyn Write) -> fmt::Result {
    match named(row) {
        Some(row) if row.twin == Some(number) => write!(out, "{}_nocancel", row.name),
        Some(row) => out.write_str(row.name),
        None => write!(out, "{}#{number}", class.name()),
    }
}

/// The class bits and the number in an `rax`.
pub(super) fn class_and_number(rax: u64) -> (u32, u32) {
    let eax = rax as u32;
    (eax >> 24, eax & 0x00ff_ffff)
}

/// The name of a call that could not be decoded.
fn write_undecodable_name(rax: u64, out: &mut dyn Write) -> fmt::Result {
    let (class, number) = class_and_number(rax);
    match Class::new(class) {
        Some(known) => write_name(known, number, xnu_core::dispatch::row(known, number), out),
        None => write!(out, "class{class}#{number}"),
    }
}

/// What the trace says of a call that is not served to the full; empty of one that is.
fn write_grade(grade: Grade, out: &mut dyn Write) -> fmt::Result {
    match grade {
        Grade::Faithful | Grade::Refused(_) => Ok(()),
        Grade::Todo => out.write_str(" [todo: XNU serves it, xnurun does not yet]"),
        Grade::Invalid => out.write_str(" [invalid: not a call of XNU's]"),
        Grade::Partial(note) | Grade::Fake(note) | Grade::Enosys(note) | Grade::Nosys(note) => {
            write!(out, " [{}: {note}]", grade.name())
        }
    }
}

impl CallRecord<'_> {
    /// How many arguments are shown.
    fn arguments(&self) -> usize {
        named(self.row).map_or(REGISTER_ARGUMENTS, |row| row.parameters.len())
    }

    /// Writes one argument; what does not fit is left out.
    fn write_argument(&self, index: usize, mut out: Cut<'_>) -> fmt::Result {
        let result = match self.outcome {
            Outcome::Words(first, _) => Some(first),
            _ => None,
        };
        let what = Rendering { words: &self.call.words, index, result, kernel: self.kernel };
        // The only error is that the place is full, which `finish` marks.
        let _ = match self.row.and_then(|row| row.parameters.get(index)) {
            // The words end before the parameters of the longest calls do.
            Some(_) if index >= self.call.words.len() => out.write_str("?"),
            Some(parameter) => (parameter.render)(&what, &mut out),
            None => write!(out, "{:#x}", what.word()),
        };
        out.finish()
    }

    /// `open("/etc/passwd", O_RDONLY, 0000) = 3`.
    pub(super) fn write_text(&self, out: &mut Line) -> fmt::Result {
        self.head.write_text(out)?;
        write_name(self.call.class, self.call.number, self.row, out)?;
        out.write_char('(')?;
        let count = self.arguments();
        for index in 0..count {
            if index > 0 {
                out.write_str(", ")?;
            }
            let after = count.saturating_sub(index).saturating_sub(1);
            self.write_argument(index, out.argument(after))?;
        }
        out.write_str(") = ")?;
        write_result(self.outcome, self.row, out)?;
        if let Some(row) = self.row.filter(|_| self.notes_grade) {
            write_grade(row.grade, out)?;
        }
        out.write_char('\n')
    }

    /// The same as a JSON object.
    pub(super) fn write_json(&self, out: &mut Line) -> fmt::Result {
        self.head.write_json(out)?;
        match self.duration_ns {
            Some(duration_ns) => write!(out, ",\"duration_ns\":{duration_ns}")?,
            None => out.write_str(",\"duration_ns\":null")?,
        }
        let Call { class, number, .. } = *self.call;
        write!(out, ",\"class\":\"{}\",\"number\":{number},\"name\":\"", class.name())?;
        write_name(class, number, self.row, out)?;
        out.write_str("\",\"args\":{")?;
        let count = self.arguments();
        for index in 0..count {
            let separator = if index > 0 { "," } else { "" };
            match self.row.and_then(|row| row.parameters.get(index)) {
                Some(parameter) => write!(out, "{separator}\"{}\":\"", parameter.name)?,
                None => write!(out, "{separator}\"{index}\":\"")?,
            }
            let after = count.saturating_sub(index).saturating_sub(1);
            self.write_argument(index, out.argument(after).escaped())?;
            out.write_char('"')?;
        }
        out.write_char('}')?;
        write_json_result(self.outcome, out)?;
        writeln!(out, ",\"grade\":\"{}\"}}", self.row.map_or("unknown", |row| row.grade.name()))
    }
}

impl UndecodableRecord {
    /// `class5#7(...) = KERN_INVALID_ARGUMENT`.
    pub(super) fn write_text(&self, out: &mut Line) -> fmt::Result {
        self.head.write_text(out)?;
        write_undecodable_name(self.rax, out)?;
        out.write_str("(...) = ")?;
        write_result(self.outcome, None, out)?;
        out.write_char('\n')
    }

    /// The same as a JSON object.
    pub(super) fn write_json(&self, out: &mut Line) -> fmt::Result {
        self.head.write_json(out)?;
        let (class, number) = class_and_number(self.rax);
        out.write_str(",\"duration_ns\":null,\"class\":\"")?;
        match Class::new(class) {
            Some(known) => out.write_str(known.name())?,
            None => write!(out, "class{class}")?,
        }
        write!(out, "\",\"number\":{number},\"name\":\"")?;
        write_undecodable_name(self.rax, out)?;
        out.write_str("\",\"args\":{}")?;
        write_json_result(self.outcome, out)?;
        out.write_str(",\"grade\":\"unknown\"}\n")
    }
}

fn write_result(outcome: Outcome, row: Option<Row>, out: &mut dyn Write) -> fmt::Result {
    match outcome {
        Outcome::None => out.write_char('?'),
        Outcome::Words(first, second) => {
            match row {
                Some(row) => (row.render_return)(first, out)?,
                None => write!(out, "{}", first.cast_signed())?,
            }
            if second != 0 { write!(out, ", {}", second.cast_signed()) } else { Ok(()) }
        }
        Outcome::Errno(errno) => write!(out, "-1 {} ({})", errno.name(), text(errno)),
        Outcome::Kern(_) | Outcome::Message(_) => outcome.write_name(out),
        Outcome::Port(name) => write!(out, "{name:#x}"),
        Outcome::Hex(word) => write!(out, "{word:#x}"),
    }
}

/// `result` and `error`; `second_result` only of calls that have one, such as `pipe`.
fn write_json_result(outcome: Outcome, out: &mut dyn Write) -> fmt::Result {
    match outcome {
        Outcome::None | Outcome::Errno(_) => out.write_str(",\"result\":null")?,
        Outcome::Words(first, 0) => write!(out, ",\"result\":{}", first.cast_signed())?,
        Outcome::Words(first, second) => {
            write!(out, ",\"result\":{},\"second_result\":{}", first.cast_signed(), second.cast_signed())?;
        }
        Outcome::Kern(number) | Outcome::Message(number) => write!(out, ",\"result\":{number}")?,
        Outcome::Port(name) => write!(out, ",\"result\":{name}")?,
        Outcome::Hex(word) => write!(out, ",\"result\":{}", word.cast_signed())?,
    }
    if !outcome.is_error() {
        return out.write_str(",\"error\":null");
    }
    out.write_str(",\"error\":\"")?;
    outcome.write_name(out)?;
    out.write_char('"')
}

impl Head {
    fn write_text(self, out: &mut dyn Write) -> fmt::Result {
        if self.is_first { Ok(()) } else { write!(out, "[pid {}] ", self.tid) }
    }

    /// Opens the object.
    fn write_json(self, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{{\"pid\":{},\"tid\":{},\"time_ns\":{}", self.pid, self.tid, self.time_ns)
    }
}

/// The name of a signal; one that has none is named by its number.
pub(super) fn write_signal_name(signal: Signal, out: &mut dyn Write) -> fmt::Result {
    match signal.name() {
        Some(name) => out.write_str(name),
        None => write!(out, "signal {}", signal.number()),
    }
}

/// The name of a signal's `si_code`, where there is one.
fn code_name(info: &Info) -> Option<&'static str> {
    let code = info.code;
    SiCode::new(code).name().or(match info.signal {
        Signal::SIGILL => IllCode::new(code).name(),
        Signal::SIGFPE => FpeCode::new(code).name(),
        Signal::SIGSEGV => SegvCode::new(code).name(),
        Signal::SIGBUS => BusCode::new(code).name(),
        Signal::SIGTRAP => TrapCode::new(code).name(),
        Signal::SIGCHLD => CldCode::new(code).name(),
        Signal::SIGIO => PollCode::new(code).name(),
        _ => None,
    })
}

/// Whether the signal tells of a fault, so that `si_addr` means something.
fn is_fault(info: &Info) -> bool {
    let signals = [Signal::SIGILL, Signal::SIGTRAP, Signal::SIGFPE, Signal::SIGBUS, Signal::SIGSEGV];
    signals.contains(&info.signal) && SiCode::new(info.code).name().is_none()
}

/// `--- SIGSEGV {si_code=SEGV_MAPERR, si_addr=0x10} ---`.
pub(super) fn write_signal_text(head: Head, info: &Info, out: &mut dyn Write) -> fmt::Result {
    head.write_text(out)?;
    out.write_str("--- ")?;
    write_signal_name(info.signal, out)?;
    match code_name(info) {
        Some(name) => write!(out, " {{si_code={name}")?,
        None => write!(out, " {{si_code={}", info.code)?,
    }
    if is_fault(info) {
        write!(out, ", si_addr={:#x}", info.address)?;
    } else if info.pid != 0 {
        write!(out, ", si_pid={}, si_uid={}", info.pid, info.uid)?;
    }
    if info.signal == Signal::SIGCHLD && info.pid != 0 {
        write!(out, ", si_status={}", info.status)?;
    }
    out.write_str("} ---\n")
}

/// The same as a JSON object; `code` is a number where it has no name.
pub(super) fn write_signal_json(head: Head, info: &Info, out: &mut dyn Write) -> fmt::Result {
    head.write_json(out)?;
    out.write_str(",\"event\":\"signal\",\"signal\":\"")?;
    write_signal_name(info.signal, out)?;
    match code_name(info) {
        Some(name) => write!(out, "\",\"code\":\"{name}\"")?,
        None => write!(out, "\",\"code\":{}", info.code)?,
    }
    if is_fault(info) {
        write!(out, ",\"address\":{}", info.address)?;
    } else if info.pid != 0 {
        write!(out, ",\"sender\":{},\"uid\":{}", info.pid, info.uid)?;
    }
    if info.signal == Signal::SIGCHLD && info.pid != 0 {
        write!(out, ",\"status\":{}", info.status)?;
    }
    out.write_str("}\n")
}

/// `+++ log: text +++`: what would begin a line of its own, or change a terminal, is escaped.
pub(super) fn write_log_text(head: Head, text: &str, out: &mut Line) -> fmt::Result {
    head.write_text(out)?;
    out.write_str("+++ log: ")?;
    write_escaped(text, out)?;
    out.write_str(" +++\n")
}

/// The same as a JSON object.
pub(super) fn write_log_json(head: Head, text: &str, out: &mut Line) -> fmt::Result {
    head.write_json(out)?;
    out.write_str(",\"event\":\"log\",\"text\":\"")?;
    write_escaped(text, out)?;
    out.write_str("\"}\n")
}

/// Writes text as in a JSON string; what does not fit is left out.
fn write_escaped(text: &str, out: &mut Line) -> fmt::Result {
    let mut escaped = out.argument(0).escaped();
    // The only error is that the place is full, which `finish` marks.
    let _ = escaped.write_str(text);
    escaped.finish()
}
