//! POSIX shared memory (`bsd/kern/posix_shm.c`). XNU's names are words and no paths; here each is a file in Linux's
//! `/dev/shm`, so that all processes of the machine have the same, as there.

use crate::convert::errno::{ToBsd, errno};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::table::{Fd, SysResult, UserPath};
use crate::user::UserAddr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::OpenFlags;
use xnu_abi::linux::{self as abi, flags};

/// `PSHMNAMLEN`.
const NAME_MAX: usize = 31;

const FOLDER: &[u8] = b"/dev/shm/xnu-";

/// Two digits for each byte, and a NUL.
const PATH_BYTES: usize = FOLDER.len() + 2 * NAME_MAX + 1;

/// The file of a name.
struct Name([u8; PATH_BYTES]);

impl Name {
    /// `ENAMETOOLONG` beyond 31 bytes, `EINVAL` where there is none.
    fn read<K: Kernel>(kernel: &K, name: UserAddr) -> SysResult<Name> {
        let mut path = [0; PATH_BYTES];
        let (folder, digits) = path.split_at_mut(FOLDER.len());
        folder.copy_from_slice(FOLDER);
        let mut from = name;
        let mut length = 0usize;
        for pair in digits.chunks_mut(2) {
            let mut byte = [0];
            kernel.copy_in(from, &mut byte)?;
            let [byte] = byte;
            if byte == 0 {
                return if length == 0 { Err(Errno::EINVAL) } else { Ok(Name(path)) };
            }
            // What is left at the end is the place of the NUL alone.
            let [high, low] = pair else { break };
            (*high, *low) = (digit(byte >> 4), digit(byte & 0xf));
            from = from.checked_add(1)?;
            length = length.wrapping_add(1);
        }
        Err(Errno::ENAMETOOLONG)
    }
}

fn digit(value: u8) -> u8 {
    if value < 10 { b'0'.wrapping_add(value) } else { b'a'.wrapping_add(value).wrapping_sub(10) }
}

/// `man 2 shm_open`. The mode is taken as it is, whatever the mask; `O_TRUNC` is only for what has no length yet.
///
/// Differs from XNU: what is opened is a file, which can be read, written, and given another length.
pub fn shm_open<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    name: UserPath,
    flags: OpenFlags,
    mode: i32,
) -> SysResult<Fd> {
    const ALLPERMS: u32 = 0o7777;
    let kernel = cx.kernel();
    let name = Name::read(kernel, name.0)?;
    let access = match flags.bits() & 3 {
        0 => 0,
        1 => flags::O_WRONLY,
        2 => flags::O_RDWR,
        _ => return Err(Errno::EINVAL),
    };
    let how = access | flags::O_CLOEXEC | flags::O_NOFOLLOW;
    let creates = flags.contains(OpenFlags::O_CREAT);
    let root = LinuxFd::CWD;
    // Between two looks somebody may have made it or done away with it.
    for _ in 0..8 {
        if creates {
            let made = how | flags::O_CREAT | flags::O_EXCL;
            match linux::descriptor::openat(kernel, root, &name.0, made, 0) {
                Ok(file) => {
                    linux::descriptor::fchmod(kernel, file, mode as u32 & ALLPERMS)
                        .map_err(|error| forget(kernel, file, &name, error))?;
                    return Ok(Fd(file.0));
                }
                Err(abi::Errno::EEXIST) if flags.contains(OpenFlags::O_EXCL) => return Err(Errno::EEXIST),
                Err(abi::Errno::EEXIST) => {}
                Err(error) => return Err(error).to_bsd(),
            }
        }
        match linux::descriptor::openat(kernel, root, &name.0, how, 0) {
            Ok(file) => return existing(kernel, file, flags),
            Err(abi::Errno::ENOENT) if creates => {}
            Err(error) => return Err(error).to_bsd(),
        }
    }
    Err(Errno::ENOENT)
}

#[cold]
fn forget<K: Kernel>(kernel: &K, file: LinuxFd, name: &Name, error: abi::Errno) -> Errno {
    // The first error is the one to tell.
    let _ = linux::descriptor::close(kernel, file);
    let _ = linux::name::unlinkat(kernel, LinuxFd::CWD, &name.0, 0);
    errno(error)
}

fn existing<K: Kernel>(kernel: &K, file: LinuxFd, flags: OpenFlags) -> SysResult<Fd> {
    if !flags.contains(OpenFlags::O_TRUNC) {
        return Ok(Fd(file.0));
    }
    let answer = match linux::metadata::fstatx(kernel, file).to_bsd() {
        Ok(stat) if stat.stx_size == 0 => return Ok(Fd(file.0)),
        Ok(_) => Errno::EINVAL,
        Err(error) => error,
    };
    // Nothing was written.
    let _ = linux::descriptor::close(kernel, file);
    Err(answer)
}

/// `man 2 shm_unlink`. A name that cannot be read is `EINVAL`, whatever is wrong with it.
///
/// Differs from XNU: only who made it may do away with it (`EACCES`), not everybody who may write to it.
pub fn shm_unlink<K: Kernel, L>(cx: &mut Context<'_, K, L>, name: UserPath) -> SysResult<()> {
    let kernel = cx.kernel();
    let name = Name::read(kernel, name.0).map_err(|_| Errno::EINVAL)?;
    match linux::name::unlinkat(kernel, LinuxFd::CWD, &name.0, 0) {
        Err(abi::Errno::EPERM) => Err(Errno::EACCES),
        other => other.to_bsd(),
    }
}
