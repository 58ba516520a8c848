//! Files with their paths.

use super::subject::told;
use super::{Subject, zero};
use crate::bsd::flags::shown;
use crate::bsd::object::Object;
use crate::convert::errno::ToBsd;
use crate::convert::vnode::vnode_info;
use crate::kernel::Kernel;
use crate::linux::proc::Entry;
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::process::Process;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::exec::PATH_MAX;
use xnu_abi::darwin::proc_info::{self as abi, VnodeInfo};
use xnu_abi::linux::flags;

/// Bytes of `struct vnode_info`, and of `struct vnode_info_path`.
const INFO: u64 = size_of::<VnodeInfo>() as u64;
pub(super) const WITH_PATH: u64 = INFO.saturating_add(PATH_MAX as u64);

/// A file that is open: for its name alone and closed when dropped, or the guest's own.
pub(super) struct Opened<'a, K: Kernel> {
    kernel: &'a K,
    file: LinuxFd,
    is_ours: bool,
}

impl<K: Kernel> Drop for Opened<'_, K> {
    fn drop(&mut self) {
        if self.is_ours {
            // Ours alone, and only a name: closing it cannot fail in a way that matters.
            let _ = linux::descriptor::close(self.kernel, self.file);
        }
    }
}

impl<'a, K: Kernel> Opened<'a, K> {
    /// What a link of a process leads to, whatever it is.
    pub(super) fn link(kernel: &'a K, entry: &Entry<'_, K>, name: &[u8]) -> LinuxResult<Opened<'a, K>> {
        let how = flags::O_PATH | flags::O_CLOEXEC;
        let file = linux::descriptor::openat(kernel, entry.own_descriptor(), name, how, 0)?;
        Ok(Opened { kernel, file, is_ours: true })
    }

    /// What a path of the host's leads to, links at its end not followed.
    pub(super) fn path(kernel: &'a K, path: &[u8]) -> LinuxResult<Opened<'a, K>> {
        let how = flags::O_PATH | flags::O_CLOEXEC | flags::O_NOFOLLOW;
        let file = linux::descriptor::openat(kernel, LinuxFd::CWD, path, how, 0)?;
        Ok(Opened { kernel, file, is_ours: true })
    }

    /// A descriptor of the caller's.
    pub(super) fn own(kernel: &'a K, file: LinuxFd) -> Opened<'a, K> {
        Opened { kernel, file, is_ours: false }
    }

    pub(super) fn file(&self) -> LinuxFd {
        self.file
    }
}

/// `struct vnode_info` of an open file (`fill_vnodeinfo`).
#[inline(never)]
pub(super) fn write<K: Kernel>(kernel: &K, file: LinuxFd, to: UserAddr) -> SysResult<()> {
    let stat = linux::metadata::fstatx(kernel, file).to_bsd()?;
    let mut info = vnode_info(&shown(kernel, &Object::open(file), &stat));
    let [_, kind] = &mut info.vi_fsid.val;
    *kind = linux::metadata::file_system(kernel, file).to_bsd()? as i32;
    Ok(UserPtr::new(to).write(kernel, &info)?)
}

/// `struct vnode_info_path` of an open file. One that is gone, or out of the guest's sight, has no path.
pub(super) fn write_with_path<K: Kernel, L>(
    process: &Process<K, L>,
    file: LinuxFd,
    to: UserAddr,
) -> SysResult<()> {
    write(&process.kernel, file, to)?;
    write_path(process, file, to.checked_add(INFO)?)
}

/// The path of an open file into a field of `MAXPATHLEN` bytes.
#[inline(never)]
pub(super) fn write_path<K: Kernel, L>(
    process: &Process<K, L>,
    file: LinuxFd,
    to: UserAddr,
) -> SysResult<()> {
    let mut path = [0; PATH_MAX];
    let length = match process.vchroot_fdpath(file.0, &mut path).to_bsd() {
        Err(Errno::ENOENT | Errno::ENAMETOOLONG) => 0,
        other => other?,
    };
    let kernel = &process.kernel;
    kernel.copy_out(to, path.get(..length).unwrap_or_default())?;
    zero(kernel, to.checked_add(length as u64)?, PATH_MAX.saturating_sub(length) as u64)
}

/// `PROC_PIDVNODEPATHINFO`: the working directory, and the root where that is another than the system's, which it never
/// is to a guest.
#[inline(never)]
pub(super) fn directories<K: Kernel, L>(
    process: &Process<K, L>,
    subject: &Subject<'_, K>,
    buffer: UserAddr,
) -> SysResult<i32> {
    let directory = told(Opened::link(subject.kernel, subject.entry()?, b"cwd\0"))?;
    write_with_path(process, directory.file(), buffer)?;
    zero(subject.kernel, buffer.checked_add(WITH_PATH)?, WITH_PATH)?;
    Ok(abi::PROC_PIDVNODEPATHINFO_SIZE as i32)
}
