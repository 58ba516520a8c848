//! Why a file cannot be run, in words for the user.

use super::Architecture;
use super::identify::file_type_name;
use std::fmt;

/// What the file should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A program (`MH_EXECUTE`).
    Program,
    /// The dynamic linker (`MH_DYLINKER`).
    Dylinker,
}

/// Why a file cannot be run. `Display` is one line without the file's name; text from the file is escaped.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing in it.
    Empty,
    /// A script; `interpreter` is the rest of its first line.
    Script {
        /// Path and argument, escaped for display.
        interpreter: String,
    },
    /// Text without `#!`.
    Text,
    /// A program for Linux.
    Elf,
    /// An Actually Portable Executable that is still in its portable form.
    ActuallyPortable,
    /// A program for DOS or Windows.
    Windows,
    /// A Java class file, which shares its magic number with universal files.
    JavaClass,
    /// None of the above and not Mach-O; these are its first bytes.
    Unrecognised {
        /// Up to eight bytes.
        start: Vec<u8>,
    },
    /// Mach-O for another processor.
    Architecture {
        /// The one it is for.
        found: Architecture,
    },
    /// A universal file without a slice for this processor.
    NoSlice {
        /// Those it has.
        found: Vec<Architecture>,
    },
    /// Mach-O, but a library or the like.
    FileType {
        /// `MH_*` of `<mach-o/loader.h>`.
        found: u32,
        /// What it should be.
        wanted: Kind,
    },
    /// Its code is encrypted.
    Encrypted {
        /// The load command that says so.
        place: String,
    },
    /// It ends before something that its structures announce.
    Truncated {
        /// What does not fit.
        detail: String,
    },
    /// Its structures contradict themselves or the rules.
    Malformed {
        /// Where and what.
        detail: String,
    },
}

impl Error {
    /// The exit status for "found but cannot be run", as shells have it.
    pub const EXIT_STATUS: u8 = 126;

    /// The exit status that the runner ends with; 127, for a missing file, is the caller's to give.
    pub fn exit_status(&self) -> u8 {
        Error::EXIT_STATUS
    }

    pub(super) fn malformed(detail: impl fmt::Display) -> Error {
        Error::Malformed { detail: detail.to_string() }
    }

    pub(super) fn truncated(detail: impl fmt::Display) -> Error {
        Error::Truncated { detail: detail.to_string() }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Empty => f.write_str("the file is empty: copy or build it again"),
            Error::Script { interpreter } if interpreter.is_empty() => {
                f.write_str("is a script with an empty #! line: name its interpreter there")
            }
            Error::Script { interpreter } => {
                write!(f, "is a script for `{interpreter}`: run that interpreter with the script as argument")
            }
            Error::Text => {
                f.write_str("is a text file, not a program: if it is a shell script, run it with sh")
            }
            Error::Elf => f.write_str("is a Linux ELF program: run it directly"),
            Error::ActuallyPortable => f.write_str(
                "is an Actually Portable Executable in its portable form: assimilate it for macOS first \
                 (Cosmopolitan's `assimilate -m`)",
            ),
            Error::Windows => f.write_str("is a DOS or Windows program: get the macOS version of it"),
            Error::JavaClass => f.write_str("is a Java class file: run it with java"),
            Error::Unrecognised { start } => {
                f.write_str("is not a Mach-O file (it starts with")?;
                start.iter().try_for_each(|byte| write!(f, " {byte:02x}"))?;
                f.write_str("): give a program for macOS")
            }
            Error::Architecture { found } => {
                write!(f, "is a Mach-O file for {found}: get a version for x86_64")
            }
            Error::NoSlice { found } if found.is_empty() => {
                f.write_str("is a universal file without any architecture: copy or build it again")
            }
            Error::NoSlice { found } => {
                f.write_str("is a universal file without x86_64 (it has ")?;
                for (index, architecture) in found.iter().enumerate() {
                    write!(f, "{}{architecture}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("): get a version for x86_64")
            }
            Error::FileType { found, wanted } => {
                let name = file_type_name(*found);
                match wanted {
                    Kind::Program => write!(f, "is {name}, not a program: give the program that uses it"),
                    Kind::Dylinker => {
                        write!(
                            f,
                            "is {name}, not a dynamic linker: install dyld at the path the program names"
                        )
                    }
                }
            }
            Error::Encrypted { place } => {
                write!(
                    f,
                    "{place}: the code is encrypted and only macOS has the key: get an unencrypted version"
                )
            }
            Error::Truncated { detail } => write!(f, "{detail}: the file is truncated"),
            Error::Malformed { detail } => f.write_str(detail),
        }
    }
}
