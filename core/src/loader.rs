//! Who starts Mach-O programs.

use crate::user::UserAddr;
use core::sync::atomic::{AtomicU64, Ordering};

/// What `execve` puts in front of a Mach-O program, since Linux cannot start one: a program of Linux's, which finds in
/// its environment first [`EXEC_KEY`] and then a string of its own. The program's own environment follows; its arguments
/// are all of the arguments.
///
/// Both are addresses of C strings in this process, which stay. Set before the process has threads.
#[derive(Debug)]
pub struct Loader {
    path: AtomicU64,
    options: AtomicU64,
}

impl Loader {
    /// Nobody: Linux is asked to start the file itself.
    pub(crate) const fn new() -> Loader {
        Loader { path: AtomicU64::new(0), options: AtomicU64::new(0) }
    }

    /// Names the program of Linux's and the string that it is to find.
    pub fn set(&self, path: UserAddr, options: UserAddr) {
        self.options.store(options.get(), Ordering::Release);
        self.path.store(path.get(), Ordering::Release);
    }

    /// The path and the string, if somebody was named.
    pub fn get(&self) -> Option<(UserAddr, UserAddr)> {
        let path = UserAddr::new(self.path.load(Ordering::Acquire));
        let options = UserAddr::new(self.options.load(Ordering::Acquire));
        (!path.is_null()).then_some((path, options))
    }
}

/// The variable that says what is executed: after the equals sign five numbers of eight hexadecimal digits, each with a
/// comma behind it, then the program's path as it was given. The numbers: the program's descriptor, the prefix's (all
/// ones for none), the mask of signals and the ignored ones, and whether there is not even a first argument.
pub const EXEC_KEY: &str = "XNURUN_EXEC=";
