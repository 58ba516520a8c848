//! The prefix of a start: which directory is the program's root, and where the runner itself finds files below it.

use crate::cli::Cli;
use crate::ports::Ports;
use crate::trap::{GuestProcess, Trapped};
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use xnu_abi::linux::Errno;
use xnu_abi::lkm::{PREFIX_FOLDS, PREFIX_HAS_EXIT};
use xnu_abi::vchroot::{PATH_BYTES, VCHROOT_FOLLOW, WORKING_DIRECTORY};
use xnu_core::Process;
use xnu_core::linux::LinuxFd;
use xnu_core::vchroot::Options;

/// A directory that is not Linux's root, and the rules below it.
pub struct Prefix {
    directory: OwnedFd,
    options: Options,
    /// For the runner's own look-ups, which are the program's: `/usr/lib/dyld` is the prefix's.
    process: Box<GuestProcess>,
}

impl Prefix {
    /// Opens the prefix of a command line; `None` where it is `/`.
    ///
    /// # Errors
    /// It cannot be opened, or is no directory.
    pub fn open(cli: &Cli) -> io::Result<Option<Prefix>> {
        if cli.prefix == Path::new("/") {
            return Ok(None);
        }
        let open = |path: &Path| {
            File::options().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(path)
        };
        let directory = OwnedFd::from(open(&cli.prefix)?);
        let options =
            Options { case_insensitive: cli.case_insensitive, root_exit: !cli.no_root_exit && !cli.sandbox };
        let process = Box::new(Process::new(Trapped::new(), Ports::new()));
        set(&process, &directory, options)?;
        Ok(Some(Prefix { directory, options, process }))
    }

    /// Makes it the root of a process.
    ///
    /// # Errors
    /// There are too many open files.
    pub fn apply(&self, process: &GuestProcess) -> io::Result<()> {
        set(process, &self.directory, self.options)
    }

    /// A descriptor for an image that has the emulation linked in, which closes it, and the rules that go with it.
    ///
    /// # Errors
    /// There are too many open files.
    pub fn hand_over(&self) -> io::Result<(i32, u64)> {
        let folds = if self.options.case_insensitive { PREFIX_FOLDS } else { 0 };
        let exit = if self.options.root_exit { PREFIX_HAS_EXIT } else { 0 };
        Ok((self.directory.try_clone()?.into_raw_fd(), folds | exit))
    }

    /// The host's path of what a path of the program's leads to.
    ///
    /// # Errors
    /// As for opening it.
    pub fn host_path(&self, path: &Path) -> io::Result<PathBuf> {
        let mut buffer = [0; PATH_BYTES];
        let text = CString::new(path.as_os_str().as_bytes())?;
        let bytes = text.as_bytes_with_nul();
        let room = buffer.get_mut(..bytes.len()).ok_or_else(|| error(Errno::ENAMETOOLONG))?;
        room.copy_from_slice(bytes);
        self.process.vchroot_expand_path(&mut buffer, VCHROOT_FOLLOW, WORKING_DIRECTORY).map_err(error)?;
        let length = buffer.iter().position(|byte| *byte == 0).unwrap_or(buffer.len());
        Ok(PathBuf::from(OsStr::from_bytes(&buffer[..length])))
    }
}

fn set(process: &GuestProcess, directory: &OwnedFd, options: Options) -> io::Result<()> {
    process.set_prefix(LinuxFd(directory.as_raw_fd()), options).map_err(error)
}

fn error(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(i32::from(errno.number()))
}

impl Drop for Prefix {
    /// The look-ups' own descriptor goes too: the guest's process has its own.
    fn drop(&mut self) {
        self.process.clear_prefix();
    }
}
