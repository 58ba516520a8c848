//! Mappings of a process (`osfmk/vm/bsd_vm.c`). Memory that is not the guest's own is not told of.

use super::subject::told;
use super::vnode::{self, Opened};
use super::{Request, Subject, executable, zero};
use crate::convert::errno::ToBsd;
use crate::convert::stat::device;
use crate::convert::vnode::region;
use crate::kernel::Kernel;
use crate::linux;
use crate::linux::proc::{Extent, Mapping};
use crate::process::Process;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::proc_info::{self as abi, PidInfo};

/// Where a program's memory ends; what Linux lists beyond is its own.
const END: u64 = 0x7fff_ffff_f000;

/// What to look for.
#[derive(Clone, Copy)]
struct Wanted {
    from: u64,
    /// Only files.
    files: bool,
    /// How much there is of it.
    extent: bool,
}

/// The `PROC_PIDREGION…` flavors: of the mapping that the address is in, or the next one.
#[inline(never)]
pub(super) fn info<K: Kernel, L>(
    process: &Process<K, L>,
    subject: &Subject<'_, K>,
    flavor: PidInfo,
    request: &Request,
) -> SysResult<i32> {
    type Info = PidInfo;
    let (kernel, buffer) = (subject.kernel, request.buffer);
    let is_whole = matches!(flavor, Info::PROC_PIDREGIONINFO | Info::PROC_PIDREGIONPATHINFO);
    // The third is asked for a file system, not for an address.
    let by_device = flavor == Info::PROC_PIDREGIONPATHINFO3;
    let mut wanted =
        Wanted { from: if by_device { 0 } else { request.argument }, files: !is_whole, extent: is_whole };
    loop {
        let (mapping, extent) = find(process, subject, wanted)?.ok_or(Errno::EINVAL)?;
        let file = match mapping.inode {
            0 => None,
            _ if flavor == Info::PROC_PIDREGIONINFO => None,
            _ => executable::open(kernel, subject.entry()?, &mapping)?,
        };
        if by_device && device_of(kernel, &mapping, file.as_ref())? as u32 as u64 != request.argument {
            wanted.from = mapping.end;
            continue;
        }
        if flavor == Info::PROC_PIDREGIONPATH {
            UserPtr::new(buffer).write(kernel, &[mapping.start, mapping.end.wrapping_sub(mapping.start)])?;
            write_path(process, file.as_ref(), buffer.checked_add(16)?)?;
            return Ok(abi::PROC_PIDREGIONPATH_SIZE as i32);
        }
        UserPtr::new(buffer).write(kernel, &region(&mapping, is_whole.then_some(&extent)))?;
        if flavor == Info::PROC_PIDREGIONINFO {
            return Ok(abi::PROC_PIDREGIONINFO_SIZE as i32);
        }
        write_file(
            process,
            &mapping,
            file.as_ref(),
            buffer.checked_add(abi::PROC_PIDREGIONINFO_SIZE.into())?,
        )?;
        return Ok(abi::PROC_PIDREGIONPATHINFO_SIZE as i32);
    }
}

/// The device that the file of a mapping is on, as `stat` tells it; some file systems tell another one in mappings.
#[inline(never)]
fn device_of<K: Kernel>(kernel: &K, mapping: &Mapping, file: Option<&Opened<'_, K>>) -> SysResult<i32> {
    match file {
        Some(file) => {
            let stat = linux::metadata::fstatx(kernel, file.file()).to_bsd()?;
            Ok(device(stat.stx_dev_major, stat.stx_dev_minor))
        }
        None => Ok(device(mapping.device.0, mapping.device.1)),
    }
}

fn write_path<K: Kernel, L>(
    process: &Process<K, L>,
    file: Option<&Opened<'_, K>>,
    to: UserAddr,
) -> SysResult<()> {
    match file {
        Some(file) => vnode::write_path(process, file.file(), to),
        None => zero(&process.kernel, to, abi::PROC_PIDPATHINFO_SIZE.into()),
    }
}

/// `struct vnode_info_path`. Of a file that is not to be had any more, its numbers.
fn write_file<K: Kernel, L>(
    process: &Process<K, L>,
    mapping: &Mapping,
    file: Option<&Opened<'_, K>>,
    to: UserAddr,
) -> SysResult<()> {
    let kernel = &process.kernel;
    if let Some(file) = file {
        return vnode::write_with_path(process, file.file(), to);
    }
    zero(kernel, to, vnode::WITH_PATH)?;
    if mapping.inode != 0 {
        let (major, minor) = mapping.device;
        UserPtr::new(to).write(kernel, &device(major, minor))?;
        UserPtr::new(to.checked_add(8)?).write(kernel, &mapping.inode)?;
    }
    Ok(())
}

/// Looks for a mapping; what is measured of it is behind its line.
#[inline(never)]
fn find<K: Kernel, L>(
    process: &Process<K, L>,
    subject: &Subject<'_, K>,
    wanted: Wanted,
) -> SysResult<Option<(Mapping, Extent)>> {
    let name: &[u8] = if wanted.extent { b"smaps\0" } else { b"maps\0" };
    let mut lines = told(subject.entry()?.lines(name))?;
    let mut found: Option<(Mapping, Extent)> = None;
    while let Some(line) = told(lines.next())? {
        match (Mapping::parse(line), &mut found) {
            (Some(_), Some(_)) => break,
            (None, Some((_, extent))) => extent.line(line),
            (None, None) => {}
            (Some((mapping, _)), None) => {
                let kept = mapping.start..mapping.end;
                let is_hidden = mapping.start >= END || subject.is_self && process.reserved.overlaps(&kept);
                let is_it = mapping.end > wanted.from && (mapping.inode != 0 || !wanted.files);
                if is_it && !is_hidden {
                    found = Some((mapping, Extent::default()));
                    if !wanted.extent {
                        break;
                    }
                }
            }
        }
    }
    Ok(found)
}
