//! The C library that is there before the C library: formatted printing, numbers from text, lines from a descriptor.
//!
//! dyld and libsystem_kernel print, parse and read with these before any libc is usable, so they stand alone. The
//! C symbols (`__simple_printf` and its family) are thin shims over the functions here.
//!
//! # The format
//! `%[flags][width][.precision][length]conversion`, the flags, width, precision and length in any order and number, as
//! in macOS's libc:
//!
//! | part | accepted |
//! | --- | --- |
//! | flags | `-` `+` space `#` `0`, and `'`, which groups nothing in the C locale |
//! | width, precision | digits or `*`; a negative `*` width means `-`, a negative `*` precision means none |
//! | length | `hh` `h` `l` `ll` `q` `j` `z` `t`; `L` changes nothing for an integer |
//! | conversion | `d i u o x X c s p %`, and macOS's `D` `O` `U` for `ld` `lo` `lu` |
//!
//! Where C leaves the behaviour open, macOS's is followed:
//!
//! * a null `%s` prints `(null)`, which a precision cuts; a null `%p` prints `0x0`; `%p` never has a sign;
//! * `0` without `-` also fills `%s`, `%c` and `%%` with zeros;
//! * an unknown conversion takes no argument and prints its own character as `%c` would (`%3y` is `  y`, `%%` is `%`);
//! * a format that ends inside a conversion ends the output there, without an error.
//!
//! Differs from macOS: `%a %e %f %g` (and upper case), `%ls %lc %S %C` take their argument but print as they stand
//! in the format; `%n` takes its argument and stores nothing, so a hostile format cannot write; `%1$d` is not known.
//!
//! # Results
//! Every printing function returns the number of bytes that the whole text has, however much of it was kept. More
//! than `INT_MAX` is [`Error::Overflow`] (C: -1 and `EOVERFLOW`); the fields before the one that is too long have
//! then been delivered, and a buffer is terminated all the same.

mod args;
pub mod cstr;
mod digits;
mod fd;
mod format;
mod line;
mod nul;
mod parse;
mod print;
mod sink;

pub use args::{Args, Value, Values};
pub use format::{Error, INT_MAX, format};
pub use line::{Line, LineReader};
pub use parse::{atoi, atoi16};
pub use print::{KPRINTF_BYTES, fprintf, kprintf, printf, snprintf};
pub use sink::{Buffer, Sink};
