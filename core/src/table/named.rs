//! How the named numbers and flag sets of [`xnu_abi::darwin`] stand in argument lists.

use super::argument::{Argument, Rendering};
use bitflags::{Bits, Flags};
use core::fmt::{self, LowerHex, Write};
use xnu_abi::darwin::attr::AttributeOptions;
use xnu_abi::darwin::fcntl::{AtFlags, FcntlCommand, FlockOperation, OpenFlags};
use xnu_abi::darwin::ioctl::IoctlRequest;
use xnu_abi::darwin::mman::{Advice, Inherit, MapFlags, MsyncFlags, Prot};
use xnu_abi::darwin::proc_info::ProcInfoCall;
use xnu_abi::darwin::ptrace::PtraceRequest;
use xnu_abi::darwin::resource::{IoPolicyCommand, PriorityWhich, RlimitControl, RlimitResource, RusageWho};
use xnu_abi::darwin::security::CsOps;
use xnu_abi::darwin::signal::{InfoStyle, Signal, SigprocmaskHow};
use xnu_abi::darwin::socket::{MessageFlags, SocketDomain, SocketType};
use xnu_abi::darwin::stat::{FileFlags, Mode};
use xnu_abi::darwin::time::Itimer;
use xnu_abi::darwin::unistd::{AccessFlags, PathconfName, RenameFlags, Whence};
use xnu_abi::darwin::wait::{IdType, WaitOptions};
use xnu_abi::darwin::xattr::XattrOptions;

/// Writes the names of the bits that are set, joined by `|`, and what has no name as a number.
fn render_flags<F>(flags: F, first: Option<&str>, out: &mut dyn Write) -> fmt::Result
where
    F: Flags + Copy,
    F::Bits: LowerHex + PartialEq,
{
    let mut separator = "";
    if let Some(name) = first {
        out.write_str(name)?;
        separator = "|";
    }
    let mut names = flags.iter_names();
    for (name, _) in names.by_ref() {
        write!(out, "{separator}{name}")?;
        separator = "|";
    }
    let rest = names.remaining().bits();
    if rest != F::Bits::EMPTY {
        write!(out, "{separator}{rest:#x}")?;
    } else if separator.is_empty() {
        out.write_char('0')?;
    }
    Ok(())
}

macro_rules! flag_arguments {
    ($($type:ty as $bits:ty,)*) => {
        $(impl Argument for $type {
            #[inline(always)]
            fn decode(word: u64) -> Self {
                Self::from_bits_retain(word as $bits)
            }

            fn render(what: &Rendering<'_>, out: &mut dyn Write) -> fmt::Result {
                render_flags(Self::decode(what.word()), None, out)
            }
        })*
    };
}

flag_arguments! {
    AtFlags as u32,
    AttributeOptions as u32,
    FileFlags as u32,
    FlockOperation as u32,
    MapFlags as u32,
    MsyncFlags as u32,
    MessageFlags as u32,
    RenameFlags as u32,
    WaitOptions as u32,
    XattrOptions as u32,
}

/// Flag sets whose empty set has a name.
macro_rules! named_when_empty {
    ($($type:ty as $bits:ty, $none:literal;)*) => {
        $(impl Argument for $type {
            #[inline(always)]
            fn decode(word: u64) -> Self {
                Self::from_bits_retain(word as $bits)
            }

            fn render(what: &Rendering<'_>, out: &mut dyn Write) -> fmt::Result {
                match Self::decode(what.word()) {
                    none if none.is_empty() => out.write_str($none),
                    some => render_flags(some, None, out),
                }
            }
        })*
    };
}

named_when_empty! {
    AccessFlags as u32, "F_OK";
    Prot as u32, "PROT_NONE";
}

/// The third argument of `fcntl`: a number or an address, as the command has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FcntlArgument(pub i64);

impl Argument for FcntlArgument {
    #[inline(always)]
    fn decode(word: u64) -> Self {
        FcntlArgument(word as i64)
    }

    fn render(what: &Rendering<'_>, out: &mut dyn Write) -> fmt::Result {
        // No number that a command takes is as large as an address.
        match what.word() as i64 {
            number @ -4096..4096 => write!(out, "{number}"),
            address => write!(out, "{address:#x}"),
        }
    }
}

/// The number of a request of `ioctl`, of which XNU looks at the whole register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IoctlNumber(pub u64);

impl Argument for IoctlNumber {
    #[inline(always)]
    fn decode(word: u64) -> Self {
        IoctlNumber(word)
    }

    fn render(what: &Rendering<'_>, out: &mut dyn Write) -> fmt::Result {
        let request = u32::try_from(what.word()).ok().and_then(|number| IoctlRequest::new(number).name());
        match request {
            Some(name) => out.write_str(name),
            None => write!(out, "{:#x}", what.word()),
        }
    }
}

impl Argument for OpenFlags {
    #[inline(always)]
    fn decode(word: u64) -> Self {
        Self::from_bits_retain(word as u32)
    }

    fn render(what: &Rendering<'_>, out: &mut dyn Write) -> fmt::Result {
        let flags = Self::decode(what.word());
        let mode = flags.access_mode();
        render_flags(flags.difference(OpenFlags::from_bits_retain(3)), mode.name().or(Some("O_ACCMODE")), out)
    }
}

impl Argument for Mode {
    #[inline(always)]
    fn decode(word: u64) -> Self {
        Self::from_bits_retain(word as u16)
    }

    fn render(what: &Rendering<'_>, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{:04o}", what.word() as u16)
    }
}

macro_rules! number_arguments {
    ($($type:ty as $number:ty,)*) => {
        $(impl Argument for $type {
            #[inline(always)]
            fn decode(word: u64) -> Self {
                Self::new(word as $number)
            }

            fn render(what: &Rendering<'_>, out: &mut dyn Write) -> fmt::Result {
                let number = what.word() as $number;
                match Self::new(number).name() {
                    Some(name) => out.write_str(name),
                    None => write!(out, "{number}"),
                }
            }
        })*
    };
}

number_arguments! {
    CsOps as u32,
    IoPolicyCommand as i32,
    PriorityWhich as i32,
    RlimitControl as i32,
    RusageWho as i32,
    Advice as i32,
    Inherit as i32,
    PtraceRequest as i32,
    FcntlCommand as i32,
    IdType as i32,
    InfoStyle as u32,
    Itimer as i32,
    PathconfName as i32,
    ProcInfoCall as i32,
    RlimitResource as i32,
    Signal as i32,
    SigprocmaskHow as i32,
    SocketDomain as i32,
    SocketType as i32,
    Whence as i32,
}
