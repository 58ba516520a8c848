//! What a reply says, by the rules of the call's class.

use std::fmt::{self, Write};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::kern_return::{KernReturn, MachMsgReturn, MachMsgReturnBits, MigReturn};
use xnu_core::Reply;
use xnu_core::table::{Class, Grade, Row};

/// A reply as a reader of the trace takes it; agrees with [`xnu_core::dispatch::reply`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// There is none: the call does not return, or sets the registers itself.
    None,
    /// The two return words.
    Words(u64, u64),
    /// The call failed with an error of BSD's.
    Errno(Errno),
    /// A `kern_return_t`, success or not.
    Kern(i32),
    /// A `mach_msg_return_t`, success or not.
    Message(i32),
    /// A port name.
    Port(u32),
    /// A selector, or another number that is read in hexadecimal.
    Hex(u64),
}

/// What a Mach or machine-dependent call returns.
#[derive(Clone, Copy)]
enum Kind {
    Kern,
    Message,
    Port,
    Boolean,
    Selector,
}

/// The Mach and machine-dependent calls that return something other than a `kern_return_t`
/// (`osfmk/mach/mach_traps.h`, `osfmk/kern/syscall_subr.c`, `osfmk/i386/machdep_call.c`).
const OTHER_RESULTS: &[(&str, Kind)] = &[
    ("mach_reply_port", Kind::Port),
    ("thread_self_trap", Kind::Port),
    ("task_self_trap", Kind::Port),
    ("host_self_trap", Kind::Port),
    ("thread_get_special_reply_port", Kind::Port),
    ("mk_timer_create_trap", Kind::Port),
    ("mach_msg_trap", Kind::Message),
    ("mach_msg_overwrite_trap", Kind::Message),
    ("mach_msg2_trap", Kind::Message),
    ("swtch_pri", Kind::Boolean),
    ("swtch", Kind::Boolean),
    ("thread_fast_set_cthread_self64", Kind::Selector),
];

fn kind(row: &Row) -> Kind {
    // A call that is not served answers KERN_INVALID_ARGUMENT, whatever it would return.
    if matches!(row.grade, Grade::Todo | Grade::Invalid) {
        return Kind::Kern;
    }
    OTHER_RESULTS.iter().find(|(name, _)| *name == row.name).map_or(Kind::Kern, |(_, kind)| *kind)
}

impl Outcome {
    /// Reads a reply.
    pub(super) fn of(class: Option<Class>, row: Option<&Row>, reply: &Reply) -> Outcome {
        match (class, *reply) {
            (_, Reply::Unchanged) => Outcome::None,
            (Some(Class::Bsd), Reply::Value(first, second)) => Outcome::Words(first, second),
            (_, Reply::Flagged(word)) => Outcome::Words(word, 0),
            (Some(Class::Bsd | Class::Machdep), Reply::Error(errno)) => Outcome::Errno(errno),
            (Some(Class::Bsd), Reply::Invalid) => Outcome::Errno(Errno::ENOSYS),
            (Some(_), Reply::Value(first, _)) => match row.map_or(Kind::Kern, kind) {
                Kind::Kern => Outcome::Kern(first as i32),
                Kind::Message => Outcome::Message(first as i32),
                Kind::Port => Outcome::Port(first as u32),
                Kind::Boolean => Outcome::Words(first, 0),
                Kind::Selector => Outcome::Hex(first),
            },
            (_, Reply::Error(_)) | (None, Reply::Value(..)) => {
                Outcome::Kern(KernReturn::KERN_FAILURE.number())
            }
            (_, Reply::Invalid) => Outcome::Kern(KernReturn::KERN_INVALID_ARGUMENT.number()),
        }
    }

    /// Whether the call counts as failed.
    pub(super) fn is_error(self) -> bool {
        match self {
            Outcome::Errno(_) => true,
            Outcome::Kern(number) | Outcome::Message(number) => number != 0,
            Outcome::None | Outcome::Words(..) | Outcome::Port(_) | Outcome::Hex(_) => false,
        }
    }

    /// Writes the name of an error or of a Mach result.
    pub(super) fn write_name(self, out: &mut dyn Write) -> fmt::Result {
        match self {
            Outcome::Errno(errno) => out.write_str(errno.name()),
            Outcome::Kern(number) => {
                let mig = || MigReturn::new(number).name();
                match KernReturn::new(number).name().or_else(mig) {
                    Some(name) => out.write_str(name),
                    None => write_message_name(number, out),
                }
            }
            Outcome::Message(number) => write_message_name(number, out),
            Outcome::None | Outcome::Words(..) | Outcome::Port(_) | Outcome::Hex(_) => Ok(()),
        }
    }
}

/// The bits of a `mach_msg_return_t` that say which resource ran out.
const MESSAGE_BITS: MachMsgReturnBits = MachMsgReturnBits::MACH_MSG_IPC_SPACE
    .union(MachMsgReturnBits::MACH_MSG_VM_SPACE)
    .union(MachMsgReturnBits::MACH_MSG_IPC_KERNEL)
    .union(MachMsgReturnBits::MACH_MSG_VM_KERNEL);

/// A `mach_msg_return_t`: its name, and [`MESSAGE_BITS`] as a number.
fn write_message_name(number: i32, out: &mut dyn Write) -> fmt::Result {
    let all = MESSAGE_BITS.bits().cast_signed();
    let (bits, rest) = (number & all, number & !all);
    match (MachMsgReturn::new(number).name(), MachMsgReturn::new(rest).name()) {
        (Some(name), _) => out.write_str(name),
        (None, Some(name)) if rest != 0 => write!(out, "{name}|{bits:#x}"),
        _ => write!(out, "{number:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_with_other_results_are_in_the_tables() {
        for (name, _) in OTHER_RESULTS {
            let mut rows = xnu_core::mach::rows().chain(xnu_core::machdep::rows());
            assert!(rows.any(|row| row.name == *name), "{name}");
        }
    }
}
