//! From a call's number and words to its reply.

use crate::kernel::Kernel;
use crate::lkm::Lkm;
use crate::process::Context;
use crate::registers::{CARRY, Registers};
use crate::table::{Class, Reply, Row};
use crate::user::UserAddr;
use crate::{bsd, mach, machdep};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::kern_return::KernReturn;

/// One call as the entry decoded it from the registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// The table.
    pub class: Class,
    /// The number in it, without class bits.
    pub number: u32,
    /// The arguments; those that the call does not take are not looked at.
    pub words: [u64; 8],
}

/// Why no call could be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Undecodable {
    /// The class bits name no table: `EXC_SYSCALL`.
    Class,
    /// Arguments 7 and 8 are on the stack, which cannot be read.
    Stack(Class),
}

/// The number of the indirect system call.
pub const SYS_SYSCALL: u32 = 0;

impl Call {
    /// Decodes an x86-64 `syscall` (`bsd/dev/i386/systemcalls.c`, `unix_syscall64`; `osfmk/i386/bsd_i386.c`,
    /// `mach_call_munger64`): class and number in `eax`, arguments in rdi rsi rdx r10 r8 r9, then above the stub's
    /// return address. The stack is only read for calls that take more than the registers hold.
    #[inline]
    pub fn decode<K: Kernel>(registers: &Registers, kernel: &K) -> Result<Call, Undecodable> {
        let eax = registers.rax as u32;
        let class = Class::new(eax >> 24).ok_or(Undecodable::Class)?;
        let mut number = eax & 0x00ff_ffff;
        let r = registers;
        let mut words = [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9, 0, 0];
        let mut in_registers = 6;
        if class == Class::Bsd && number == SYS_SYSCALL {
            number = r.rdi as u32;
            words = [r.rsi, r.rdx, r.r10, r.r8, r.r9, 0, 0, 0];
            in_registers = 5;
        }
        let taken = parameter_count(class, number).min(words.len());
        for index in in_registers..taken {
            let slot = index.wrapping_sub(in_registers).wrapping_add(1).wrapping_mul(8) as u64;
            let mut bytes = [0; 8];
            UserAddr::new(r.rsp)
                .checked_add(slot)
                .and_then(|at| kernel.copy_in(at, &mut bytes))
                .map_err(|_| Undecodable::Stack(class))?;
            if let Some(word) = words.get_mut(index) {
                *word = u64::from_ne_bytes(bytes);
            }
        }
        Ok(Call { class, number, words })
    }

    /// The row that serves this call.
    pub fn row(&self) -> Option<Row> {
        row(self.class, self.number)
    }

    /// Runs the handler.
    #[inline(always)]
    pub fn dispatch<K: Kernel, L: Lkm>(&self, cx: &mut Context<'_, K, L>) -> Reply {
        match self.class {
            Class::Bsd => bsd::dispatch(cx, self.number, &self.words),
            Class::Mach => mach::dispatch(cx, self.number, &self.words),
            Class::Machdep => machdep::dispatch(cx, self.number, &self.words),
        }
    }
}

/// The row of a call.
pub fn row(class: Class, number: u32) -> Option<Row> {
    match class {
        Class::Bsd => bsd::row(number),
        Class::Mach => mach::row(number),
        Class::Machdep => machdep::row(number),
    }
}

/// Every row of every table.
pub fn rows() -> impl Iterator<Item = Row> {
    bsd::rows().chain(mach::rows()).chain(machdep::rows())
}

/// How many parameters a call has.
fn parameter_count(class: Class, number: u32) -> usize {
    match class {
        Class::Bsd => bsd::parameter_count(number),
        Class::Mach => mach::parameter_count(number),
        Class::Machdep => machdep::parameter_count(number),
    }
}

impl Undecodable {
    /// The table whose rules the reply follows.
    pub fn class(self) -> Option<Class> {
        match self {
            Undecodable::Class => None,
            Undecodable::Stack(class) => Some(class),
        }
    }

    /// What the guest gets.
    pub fn reply(self) -> Reply {
        match self {
            Undecodable::Stack(Class::Bsd) => Reply::Error(Errno::EFAULT),
            Undecodable::Stack(_) => Reply::Value(word(KernReturn::KERN_INVALID_ARGUMENT), 0),
            Undecodable::Class => Reply::Invalid,
        }
    }
}

/// Writes a reply into the registers, as XNU's trap entry does.
///
/// BSD: carry clear and both words, or carry set and the error in rax. Mach and machine-dependent: rax alone; carry
/// and rdx stay; but machine-dependent calls in BSD's style tell an error by carry (`osfmk/i386/bsd_i386.c`,
/// `machdep_syscall64`). Answers whether the thread is to get `SIGSYS`.
#[inline]
pub fn reply(class: Option<Class>, reply: Reply, registers: &mut Registers) -> bool {
    match (class, reply) {
        (_, Reply::Unchanged) => false,
        (Some(Class::Bsd), Reply::Value(first, second)) => {
            registers.rflags &= !CARRY;
            registers.rax = first;
            registers.rdx = second;
            false
        }
        (_, Reply::Flagged(word)) => {
            registers.rflags &= !CARRY;
            registers.rax = word;
            false
        }
        (Some(Class::Bsd | Class::Machdep), Reply::Error(errno)) => {
            registers.rflags |= CARRY;
            registers.rax = u64::from(errno.number());
            false
        }
        (Some(Class::Bsd), Reply::Invalid) => {
            registers.rflags |= CARRY;
            registers.rax = u64::from(Errno::ENOSYS.number());
            true
        }
        (Some(_), Reply::Value(first, _)) => {
            registers.rax = first;
            false
        }
        (_, Reply::Error(_)) | (None, Reply::Value(..)) => {
            registers.rax = word(KernReturn::KERN_FAILURE);
            false
        }
        (Some(Class::Machdep), Reply::Invalid) => {
            registers.rax = word(KernReturn::KERN_INVALID_ARGUMENT);
            false
        }
        (Some(Class::Mach) | None, Reply::Invalid) => {
            registers.rax = word(KernReturn::KERN_INVALID_ARGUMENT);
            true
        }
    }
}

/// The bare number of a call that a wrapper makes as a function: it may carry the class bits that `syscall` needs, or a
/// minus sign for Mach.
#[inline(always)]
pub fn linked_number(class: Class, number: u32) -> u32 {
    const CLASS_SHIFT: u32 = 24;
    const NUMBER: u32 = 0x00ff_ffff;
    match number {
        carries if carries >> CLASS_SHIFT == class.number() => carries & NUMBER,
        minus if class == Class::Mach && minus as i32 <= 0 => minus.wrapping_neg(),
        bare => bare,
    }
}

/// The call that a linked call of number 0 of BSD stands for: its number is the first argument.
pub fn linked_indirect(words: &[u64; 8]) -> Call {
    let [number, a, b, c, d, e, f, g] = *words;
    Call { class: Class::Bsd, number: number as u32, words: [a, b, c, d, e, f, g, 0] }
}

/// A reply as the two words that a linked call returns: BSD's errors are negative, in the first.
#[inline]
pub fn linked_reply(class: Class, reply: Reply) -> (u64, u64) {
    let error = |errno: Errno| (i64::from(errno.number()).wrapping_neg() as u64, 0);
    match (class, reply) {
        (Class::Bsd, Reply::Value(first, second)) => (first, second),
        (_, Reply::Flagged(word)) => (word, 0),
        (Class::Bsd | Class::Machdep, Reply::Error(errno)) => error(errno),
        (Class::Bsd, Reply::Invalid) => error(Errno::ENOSYS),
        (_, Reply::Value(first, _)) => (first, 0),
        (_, Reply::Error(_)) => (word(KernReturn::KERN_FAILURE), 0),
        (_, Reply::Invalid) => (word(KernReturn::KERN_INVALID_ARGUMENT), 0),
        // What returns nothing does not return.
        (_, Reply::Unchanged) => (0, 0),
    }
}

/// A Mach result as it stands in rax: sign-extended.
fn word(result: KernReturn) -> u64 {
    i64::from(result.number()) as u64
}
