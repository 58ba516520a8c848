//! Requests of disks (`bsd/sys/disk.h`).

use super::Asked;
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::table::SysResult;
use crate::user::UserPtr;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::ioctl::IoctlRequest as R;
use zerocopy::IntoBytes;

/// `DKIOCSETBLOCKSIZE`, which no process may make.
pub(super) const SETBLOCKSIZE: u32 = 0x8004_6418;
/// `DKIOCSYNCHRONIZECACHE`, `DKIOCISFORMATTED`, `DKIOCGETMAXBLOCKCOUNTWRITE`.
const SYNCHRONIZECACHE: u32 = 0x2000_6416;
const ISFORMATTED: u32 = 0x4004_6417;
const GETMAXBLOCKCOUNTWRITE: u32 = 0x4008_6441;

/// Linux's numbers: the size of a block, of the disk in bytes, whether it can be written, the drive's own size of a
/// block, and how many 512 bytes one transfer moves.
const BLKSSZGET: u32 = 0x1268;
const BLKGETSIZE64: u32 = 0x8008_1272;
const BLKROGET: u32 = 0x125e;
const BLKPBSZGET: u32 = 0x127b;
const BLKSECTGET: u32 = 0x1267;

/// What a disk tells of itself; what changes it is not served.
pub(super) fn serve<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    match asked.request {
        R::DKIOCGETBLOCKSIZE => {
            let size = asked.linux(kernel, BLKSSZGET, 0)?;
            asked.tell(kernel, size)
        }
        R::DKIOCGETPHYSICALBLOCKSIZE => {
            let size = asked.linux(kernel, BLKPBSZGET, 0)?;
            asked.tell(kernel, size)
        }
        R::DKIOCISWRITABLE => {
            let read_only = asked.linux(kernel, BLKROGET, 0)?;
            asked.tell(kernel, i32::from(read_only == 0))
        }
        R::DKIOCGETBLOCKCOUNT => {
            let mut bytes = 0u64;
            linux::descriptor::ioctl(kernel, asked.file, BLKGETSIZE64, bytes.as_mut_bytes()).to_bsd()?;
            tell_blocks(kernel, asked, bytes)
        }
        R::DKIOCSYNCHRONIZE => linux::descriptor::fsync(kernel, asked.file).to_bsd(),
        R::DKIOCGETMAXBLOCKCOUNTREAD => tell_most(kernel, asked),
        request => match request.number() {
            SYNCHRONIZECACHE => linux::descriptor::fsync(kernel, asked.file).to_bsd(),
            ISFORMATTED => {
                let size = asked.linux(kernel, BLKSSZGET, 0)?;
                asked.tell(kernel, i32::from(size != 0))
            }
            GETMAXBLOCKCOUNTWRITE => tell_most(kernel, asked),
            _ => Err(Errno::ENOTTY),
        },
    }
}

fn tell_most<K: Kernel>(kernel: &K, asked: &Asked) -> SysResult<()> {
    // An `unsigned short`.
    let sectors = asked.linux(kernel, BLKSECTGET, 0)? as u32 & 0xffff;
    tell_blocks(kernel, asked, u64::from(sectors).saturating_mul(512))
}

/// Writes so many bytes as a number of blocks.
fn tell_blocks<K: Kernel>(kernel: &K, asked: &Asked, bytes: u64) -> SysResult<()> {
    let size = asked.linux(kernel, BLKSSZGET, 0)?;
    let blocks = bytes.checked_div(size.max(0) as u64).ok_or(Errno::EIO)?;
    Ok(UserPtr::new(asked.data).write(kernel, &blocks)?)
}
