//! Calls as they were made, shown as `strace` shows them.

use crate::signature::{Kind, signature};
use std::fmt;
use xnu_abi::linux::{Errno, Sysno};
use xnu_core::{Arg, UserAddr};

/// Bytes of a buffer that a log keeps and shows.
const SHOWN: usize = 32;

/// One argument, copied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Logged {
    /// A number.
    Val(usize),
    /// A number that Linux reads as an `int`, such as a descriptor.
    Int(i32),
    /// A C string, without its NUL.
    Path(Vec<u8>),
    /// The first bytes of what Linux read, and the whole length.
    In(Vec<u8>, usize),
    /// The length of what Linux could write.
    Out(usize),
    /// An address in the guest.
    User(UserAddr),
}

/// One call and its result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// Which call.
    pub nr: Sysno,
    /// Its arguments.
    pub args: Vec<Logged>,
    /// What Linux answered.
    pub result: Result<usize, Errno>,
}

impl Logged {
    /// Copies an argument; paths are recognised by the call's signature.
    pub(crate) fn new(arg: &Arg<'_>, kind: Option<Kind>) -> Logged {
        match arg {
            // A small negative number was an int: AT_FDCWD, -1.
            Arg::Val(value) if *value as isize > -4096 && (*value as isize) < 0 => Logged::Int(*value as i32),
            Arg::Val(value) if matches!(kind, Some(Kind::Num)) && *value as u32 as usize == *value => {
                if *value > i32::MAX as usize {
                    Logged::Int(*value as i32)
                } else {
                    Logged::Val(*value)
                }
            }
            Arg::Val(value) => Logged::Val(*value),
            Arg::In(bytes) => match (kind, bytes.iter().position(|&byte| byte == 0)) {
                (Some(Kind::Path), Some(end)) => Logged::Path(bytes[..end].to_vec()),
                _ => Logged::In(bytes[..bytes.len().min(SHOWN)].to_vec(), bytes.len()),
            },
            Arg::Out(bytes) => Logged::Out(bytes.len()),
            Arg::User(address) => Logged::User(*address),
        }
    }

    /// Copies all arguments of a call.
    pub(crate) fn all(nr: Sysno, args: &[Arg<'_>]) -> Vec<Logged> {
        let kinds = signature(nr).map_or(&[][..], |(_, kinds)| kinds);
        args.iter().enumerate().map(|(i, arg)| Logged::new(arg, kinds.get(i).copied())).collect()
    }
}

impl fmt::Display for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Logged::Int(-100) => f.write_str("AT_FDCWD"),
            Logged::Int(value) => write!(f, "{value}"),
            Logged::Val(value) if *value < 0x1000 => write!(f, "{value}"),
            Logged::Val(value) => write!(f, "{value:#x}"),
            Logged::Path(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Logged::In(bytes, len) => {
                write!(f, "\"{}\"", bytes.escape_ascii())?;
                if bytes.len() < *len { f.write_str("...") } else { Ok(()) }
            }
            Logged::Out(len) => write!(f, "[{len}]"),
            Logged::User(address) => write!(f, "{address:?}"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.nr.name())?;
        for (i, arg) in self.args.iter().enumerate() {
            write!(f, "{}{arg}", if i == 0 { "" } else { ", " })?;
        }
        match self.result {
            Ok(value) if value < 0x10_0000 => write!(f, ") = {value}"),
            Ok(value) => write!(f, ") = {value:#x}"),
            Err(errno) => write!(f, ") = -1 {errno}"),
        }
    }
}
