//! A descriptor that is closed when nobody needs it any more, if it is ours to close.

use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};

/// A descriptor on the way of a resolution: opened for it and closed after it, or only borrowed.
pub(crate) struct Handle<'a, K: Kernel> {
    kernel: &'a K,
    file: LinuxFd,
    owned: bool,
}

impl<'a, K: Kernel> Handle<'a, K> {
    /// A descriptor that stays open: the guest's, the prefix's, the working directory.
    pub(crate) fn borrowed(kernel: &'a K, file: LinuxFd) -> Handle<'a, K> {
        Handle { kernel, file, owned: false }
    }

    /// A descriptor that was opened for this resolution.
    pub(crate) fn owned(kernel: &'a K, file: LinuxFd) -> Handle<'a, K> {
        Handle { kernel, file, owned: true }
    }

    /// Leaves the descriptor open, for whoever takes it over.
    pub(crate) fn keep(mut self) -> LinuxFd {
        self.owned = false;
        self.file
    }

    /// Whether it is closed in the end.
    pub(crate) fn is_owned(&self) -> bool {
        self.owned
    }

    /// The descriptor, and whether it is now the caller's to close.
    pub(crate) fn into_parts(self) -> (LinuxFd, bool) {
        let is_owned = self.owned;
        (self.keep(), is_owned)
    }

    /// The descriptor's number.
    pub(crate) fn file(&self) -> LinuxFd {
        self.file
    }
}

impl<K: Kernel> Drop for Handle<'_, K> {
    fn drop(&mut self) {
        if self.owned {
            // Opened with O_PATH and ours alone: closing it cannot fail in a way that matters.
            let _ = linux::descriptor::close(self.kernel, self.file);
        }
    }
}
