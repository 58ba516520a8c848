//! What Linux tells of processes in `/proc` (`man 5 proc`). Its paths are the host's: no prefix has a say in them.
//!
//! What is in the files is parsed by pure functions: other programs choose some of it, such as their names.

mod lines;
mod maps;
mod stat;
mod status;
mod text;

pub use lines::Lines;
pub use maps::{Extent, Mapping};
pub use stat::Stat;
pub use status::Status;
pub use text::{Name, decimal};

use super::{LinuxFd, LinuxResult, descriptor, directory, metadata, name, path};
use crate::kernel::Kernel;
use xnu_abi::linux::{Errno, Statx, flags};

/// The directory of a process or of one of its threads, which stays that of the same process. Closed when dropped.
pub struct Entry<'a, K: Kernel> {
    kernel: &'a K,
    directory: LinuxFd,
}

impl<K: Kernel> Drop for Entry<'_, K> {
    fn drop(&mut self) {
        // Ours alone, and only a name: closing it cannot fail in a way that matters.
        let _ = descriptor::close(self.kernel, self.directory);
    }
}

const DIRECTORY: u32 = flags::O_PATH | flags::O_DIRECTORY | flags::O_CLOEXEC;

impl<'a, K: Kernel> Entry<'a, K> {
    /// That of a process. Linux finds threads by their numbers as well.
    ///
    /// # Errors
    /// `ENOENT` where there is no such process, or no `/proc`.
    pub fn of_process(kernel: &'a K, process: i32) -> LinuxResult<Entry<'a, K>> {
        let path = Name::new(b"/proc/").decimal(process.unsigned_abs());
        let directory = descriptor::openat(kernel, LinuxFd::CWD, path.path(), DIRECTORY, 0)?;
        Ok(Entry { kernel, directory })
    }

    /// That of a thread of this process.
    ///
    /// # Errors
    /// `ENOENT` where it has no such thread.
    pub fn thread(&self, thread: u32) -> LinuxResult<Entry<'a, K>> {
        let path = Name::new(b"task/").decimal(thread);
        let directory = descriptor::openat(self.kernel, self.directory, path.path(), DIRECTORY, 0)?;
        Ok(Entry { kernel: self.kernel, directory })
    }

    /// The descriptor of the directory, which lists of descriptors must leave out.
    pub fn own_descriptor(&self) -> LinuxFd {
        self.directory
    }

    /// Opens a file of it for reading. `name` ends with a NUL.
    ///
    /// # Errors
    /// `ENOENT`; `EACCES` for what others may not see.
    pub fn open(&self, name: &[u8]) -> LinuxResult<LinuxFd> {
        descriptor::openat(self.kernel, self.directory, name, flags::O_CLOEXEC, 0)
    }

    /// Reads the start of a file of it, as much as there is room for. `name` ends with a NUL.
    ///
    /// # Errors
    /// As [`Entry::open`]; `ESRCH` where the process is gone.
    pub fn read_start(&self, name: &[u8], buf: &mut [u8]) -> LinuxResult<usize> {
        let file = self.open(name)?;
        let count = descriptor::read_own(self.kernel, file, buf);
        let _ = descriptor::close(self.kernel, file);
        count
    }

    /// A file of it, line by line. `name` ends with a NUL.
    ///
    /// # Errors
    /// As [`Entry::open`].
    pub fn lines(&self, name: &[u8]) -> LinuxResult<Lines<'a, K>> {
        Ok(Lines::new(self.kernel, self.open(name)?))
    }

    /// Where a link of it leads, as text: its length, or that of `out` where it may have been cut off. `name` ends with
    /// a NUL.
    ///
    /// # Errors
    /// As [`Entry::open`].
    pub fn link(&self, name: &[u8], out: &mut [u8]) -> LinuxResult<usize> {
        name::readlinkat_own(self.kernel, self.directory, name, out)
    }

    /// What is known of the file that a link of it leads to. `name` ends with a NUL.
    ///
    /// # Errors
    /// As [`Entry::open`].
    #[inline(never)]
    pub fn statx(&self, name: &[u8]) -> LinuxResult<Statx> {
        metadata::statx(self.kernel, self.directory, name, 0)
    }

    /// `stat`.
    ///
    /// # Errors
    /// As [`Entry::read_start`].
    #[inline(never)]
    pub fn read_stat(&self, stat: &mut Stat) -> LinuxResult<()> {
        let mut text = [0; 512];
        let length = self.read_start(b"stat\0", &mut text)?;
        // What is none is that of a process which went just now.
        *stat = Stat::parse(text.get(..length).unwrap_or_default()).ok_or(Errno::ESRCH)?;
        Ok(())
    }

    /// The same, told.
    ///
    /// # Errors
    /// As [`Entry::read_start`].
    pub fn stat(&self) -> LinuxResult<Stat> {
        let mut stat = Stat::default();
        self.read_stat(&mut stat)?;
        Ok(stat)
    }

    /// `status`.
    ///
    /// # Errors
    /// As [`Entry::read_start`].
    #[inline(never)]
    pub fn read_status(&self, status: &mut Status) -> LinuxResult<()> {
        let mut lines = Lines::new(self.kernel, self.open(b"status\0")?);
        while let Some(line) = lines.next()? {
            status.line(line);
        }
        Ok(())
    }

    /// The same, told.
    ///
    /// # Errors
    /// As [`Entry::read_start`].
    pub fn status(&self) -> LinuxResult<Status> {
        let mut status = Status::default();
        self.read_status(&mut status)?;
        Ok(status)
    }
}

/// The numbers that a directory has for names, in its order: of processes, threads or descriptors.
pub struct Numbers<'a, K: Kernel> {
    kernel: &'a K,
    file: LinuxFd,
    buf: [u8; 512],
    at: usize,
    filled: usize,
}

impl<K: Kernel> Drop for Numbers<'_, K> {
    fn drop(&mut self) {
        // Ours alone, and only read.
        let _ = descriptor::close(self.kernel, self.file);
    }
}

impl<'a, K: Kernel> Numbers<'a, K> {
    /// The processes.
    ///
    /// # Errors
    /// `ENOENT` where there is no `/proc`.
    pub fn of_processes(kernel: &'a K) -> LinuxResult<Numbers<'a, K>> {
        let how = flags::O_DIRECTORY | flags::O_CLOEXEC;
        let file = descriptor::openat(kernel, LinuxFd::CWD, b"/proc\0", how, 0)?;
        Ok(Numbers { kernel, file, buf: [0; 512], at: 0, filled: 0 })
    }

    /// A directory of a process. `name` ends with a NUL.
    ///
    /// # Errors
    /// As [`Entry::open`].
    pub fn of(entry: &Entry<'a, K>, name: &[u8]) -> LinuxResult<Numbers<'a, K>> {
        let file = entry.open(name)?;
        Ok(Numbers { kernel: entry.kernel, file, buf: [0; 512], at: 0, filled: 0 })
    }

    /// The descriptor of the directory, which lists of descriptors must leave out.
    pub fn own_descriptor(&self) -> LinuxFd {
        self.file
    }

    /// The next number.
    ///
    /// # Errors
    /// `ESRCH` where the process is gone.
    #[allow(clippy::should_implement_trait, reason = "as lines have it")]
    pub fn next(&mut self) -> LinuxResult<Option<u32>> {
        loop {
            let rest = self.buf.get(self.at..self.filled).unwrap_or_default();
            match directory::Entry::first(rest) {
                Some(entry) => {
                    self.at = self.at.wrapping_add(entry.length.max(1));
                    if let Some(number) = decimal(entry.name).and_then(|number| u32::try_from(number).ok()) {
                        return Ok(Some(number));
                    }
                }
                None => {
                    self.filled = path::getdents64(self.kernel, self.file, &mut self.buf)?;
                    self.at = 0;
                    if self.filled == 0 {
                        return Ok(None);
                    }
                }
            }
        }
    }
}
