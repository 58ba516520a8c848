//! A deterministic in-memory Linux for tests and fuzzing.
//!
//! * [`Mock`] is a [`Kernel`](xnu_core::Kernel): a file tree, descriptors, pipes, one process with one thread, a guest
//!   address space, a virtual clock and seeded randomness. It never blocks: a read or write that would wait answers
//!   `EAGAIN`, a poll without end `EINTR`. Compared call by call with the real Linux in `tests/tests/mock_vs_linux.rs`.
//! * [`Ports`] is an [`Lkm`](xnu_core::Lkm): the whole engine behind `/dev/mach`, on the mock's clock and memory.
//! * [`Module`] is another: names and a log, for kernels that are no mock.
//! * [`Fault`], [`Record`] and [`Replay`] are middleware over the same trait.
//! * [`MockKernel`] and [`MockLkm`] hold scripted expectations, for the few tests that are about the calls themselves.
//!
//! The mock checks what a handler passes. A wrong number of arguments, a guest address given as a plain number where
//! Linux would follow it, or a slice shorter than the call's length argument is a bug of the handler and panics.
//!
//! ```
//! use xnu_abi::linux::{Errno, Sysno};
//! use xnu_backend_mock::Mock;
//! use xnu_core::Arg;
//!
//! let mock = Mock::new(1);
//! mock.add_file("/tmp/a", b"hello");
//! let at_fdcwd = -100isize as usize;
//! let path = mock.place_str("/tmp/a");
//! let fd = mock.call(Sysno::Openat, &mut [Arg::Val(at_fdcwd), Arg::User(path), Arg::Val(0), Arg::Val(0)]).unwrap();
//! // The buffer's last byte lies directly before an unmapped page.
//! let buffer = mock.alloc_guarded(3);
//! assert_eq!(mock.call(Sysno::Read, &mut [Arg::Val(fd), Arg::User(buffer), Arg::Val(5)]), Ok(3));
//! assert_eq!(mock.call(Sysno::Close, &mut [Arg::Val(99)]), Err(Errno::EBADF));
//! assert_eq!(mock.calls().last().unwrap().to_string(), "close(99) = -1 EBADF");
//! ```

mod address_space;
mod args;
mod child;
mod descriptor;
mod expectations;
mod fault;
mod file;
mod fs;
mod kernel;
mod layout;
mod lock;
mod log;
mod memory;
mod mock;
mod module;
mod pipe;
mod poll;
mod ports;
mod process;
mod program;
mod random;
mod record;
mod setup;
mod signal;
mod signature;
mod socket;
mod space;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod thread;
mod time;

pub use child::ChildChange;
pub use expectations::{Answer, FlatArg, FlatTrapArg, MockKernel, MockLkm, TrapAnswer};
pub use fault::{Fault, Plan};
pub use fs::Protections;
pub use log::{Call, Logged};
pub use mock::Mock;
pub use module::{Module, TrapCall};
pub use ports::{Other, Ports};
pub use process::Credentials;
pub use program::Executed;
pub use record::{Event, Mismatch, Outcome, Record, Replay};
pub use signal::{Disposition, Signal};
