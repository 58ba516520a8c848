//! Argument types: each decodes itself from a register word and renders itself for a trace.

use crate::kernel::Kernel;
use crate::user::{UserAddr, UserPtr};
use core::fmt::{self, Write};

/// What a parameter may look at when it is written out after the call.
pub struct Rendering<'a> {
    /// All argument words of the call.
    pub words: &'a [u64; 8],
    /// Which of them to write.
    pub index: usize,
    /// The first return word of a call that succeeded.
    pub result: Option<u64>,
    /// Guest memory.
    pub kernel: &'a dyn Kernel,
}

impl Rendering<'_> {
    /// The word to write.
    pub fn word(&self) -> u64 {
        self.words.get(self.index).copied().unwrap_or(0)
    }

    /// The word after it, which is the length where this is a buffer.
    pub fn next_word(&self) -> u64 {
        self.index.checked_add(1).and_then(|next| self.words.get(next)).copied().unwrap_or(0)
    }
}

/// A type that can stand in the argument list of a table.
pub trait Argument: Sized {
    /// Takes the bits of the register word that XNU's prototype takes; the rest is ignored, as XNU does.
    fn decode(word: u64) -> Self;

    /// The descriptor that this is.
    #[inline(always)]
    fn descriptor(&self) -> Option<i32> {
        None
    }

    /// Writes the argument as a person would read it.
    fn render(what: &Rendering<'_>, out: &mut dyn Write) -> fmt::Result;
}

macro_rules! numbers {
    ($($type:ty),*) => {
        $(impl Argument for $type {
            #[inline(always)]
            fn decode(word: u64) -> Self {
                word as $type
            }

            fn render(what: &Rendering<'_>, out: &mut dyn Write) -> fmt::Result {
                write!(out, "{}", what.word() as $type)
            }
        })*
    };
}

numbers!(i32, u32, i64, u64, isize, usize);

impl Argument for UserAddr {
    #[inline(always)]
    fn decode(word: u64) -> Self {
        UserAddr::new(word)
    }

    fn render(what: &Rendering<'_>, out: &mut dyn Write) -> fmt::Result {
        render_address(what.word(), out)
    }
}

impl<T> Argument for UserPtr<T> {
    #[inline(always)]
    fn decode(word: u64) -> Self {
        UserPtr::new(UserAddr::new(word))
    }

    fn render(what: &Rendering<'_>, out: &mut dyn Write) -> fmt::Result {
        render_address(what.word(), out)
    }
}

fn render_address(word: u64, out: &mut dyn Write) -> fmt::Result {
    if word == 0 { out.write_str("NULL") } else { write!(out, "{word:#x}") }
}

/// A descriptor of the guest's. The guest's descriptors are Linux's, number for number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fd(pub i32);

impl Argument for Fd {
    #[inline(always)]
    fn decode(word: u64) -> Self {
        Fd(word as i32)
    }

    #[inline(always)]
    fn descriptor(&self) -> Option<i32> {
        Some(self.0)
    }

    fn render(what: &Rendering<'_>, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{}", what.word() as i32)
    }
}

/// The directory that a relative path starts from: a descriptor or `AT_FDCWD` (−2; Linux's is −100).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DirFd(pub i32);

impl DirFd {
    /// The working directory.
    pub const CWD: DirFd = DirFd(-2);
}

impl Argument for DirFd {
    #[inline(always)]
    fn decode(word: u64) -> Self {
        DirFd(word as i32)
    }

    #[inline(always)]
    fn descriptor(&self) -> Option<i32> {
        Some(self.0)
    }

    fn render(what: &Rendering<'_>, out: &mut dyn Write) -> fmt::Result {
        match Self::decode(what.word()) {
            DirFd::CWD => out.write_str("AT_FDCWD"),
            DirFd(fd) => write!(out, "{fd}"),
        }
    }
}

/// Memory that the call reads; its length is the next argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserBuf(pub UserAddr);

impl Argument for UserBuf {
    #[inline(always)]
    fn decode(word: u64) -> Self {
        UserBuf(UserAddr::new(word))
    }

    fn render(what: &Rendering<'_>, out: &mut dyn Write) -> fmt::Result {
        render_bytes(what.kernel, what.word(), what.next_word(), out)
    }
}

/// Memory that the call fills; the result says how far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserOut(pub UserAddr);

impl Argument for UserOut {
    #[inline(always)]
    fn decode(word: u64) -> Self {
        UserOut(UserAddr::new(word))
    }

    fn render(what: &Rendering<'_>, out: &mut dyn Write) -> fmt::Result {
        match what.result {
            Some(length) => render_bytes(what.kernel, what.word(), length, out),
            None => render_address(what.word(), out),
        }
    }
}

/// A path: a C string of at most `PATH_MAX` bytes with its terminator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserPath(pub UserAddr);

impl Argument for UserPath {
    #[inline(always)]
    fn decode(word: u64) -> Self {
        UserPath(UserAddr::new(word))
    }

    fn render(what: &Rendering<'_>, out: &mut dyn Write) -> fmt::Result {
        render_c_string(what.kernel, what.word(), out)
    }
}

/// As many bytes of a buffer as a trace shows.
const SHOWN_BYTES: usize = 32;

/// As many bytes of a string as a trace shows: a whole path.
const SHOWN_STRING: u64 = 1024;

fn render_bytes(kernel: &dyn Kernel, address: u64, length: u64, out: &mut dyn Write) -> fmt::Result {
    let mut bytes = [0; SHOWN_BYTES];
    let shown = usize::try_from(length).unwrap_or(SHOWN_BYTES).min(SHOWN_BYTES);
    let Some(bytes) = bytes.get_mut(..shown) else { return Ok(()) };
    if kernel.copy_in(UserAddr::new(address), bytes).is_err() {
        return render_address(address, out);
    }
    out.write_char('"')?;
    bytes.iter().try_for_each(|byte| render_byte(*byte, out))?;
    out.write_char('"')?;
    if length > shown as u64 { out.write_str("...") } else { Ok(()) }
}

fn render_c_string(kernel: &dyn Kernel, address: u64, out: &mut dyn Write) -> fmt::Result {
    let mut bytes = [0; SHOWN_BYTES];
    let mut shown: u64 = 0;
    while shown < SHOWN_STRING {
        let Some(at) = address.checked_add(shown) else { break };
        // No piece crosses a boundary of its own size, so none reaches into a page that the string does not.
        let into = at & (SHOWN_BYTES as u64).wrapping_sub(1);
        let Some(piece) = bytes.get_mut(into as usize..) else { break };
        if kernel.copy_in(UserAddr::new(at), piece).is_err() {
            break;
        }
        if shown == 0 {
            out.write_char('"')?;
        }
        for byte in piece.iter() {
            match byte {
                0 => return out.write_char('"'),
                byte => render_byte(*byte, out)?,
            }
        }
        shown = shown.wrapping_add(piece.len() as u64);
    }
    if shown == 0 { render_address(address, out) } else { out.write_str("\"...") }
}

fn render_byte(byte: u8, out: &mut dyn Write) -> fmt::Result {
    match byte {
        b'"' => out.write_str("\\\""),
        b'\\' => out.write_str("\\\\"),
        b'\n' => out.write_str("\\n"),
        b'\t' => out.write_str("\\t"),
        b'\r' => out.write_str("\\r"),
        b' '..=b'~' => out.write_char(char::from(byte)),
        _ => write!(out, "\\x{byte:02x}"),
    }
}
