//! The region that all programs share, with the libraries of the system (`bsd/vm/vm_unix.c`). No process has one here:
//! dyld loads each library by itself then.

use super::memory::{PAGE, pages};
use crate::kernel::Kernel;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserAddr;
use xnu_abi::darwin::Errno;
use zerocopy::{FromBytes, IntoBytes};

/// dyld's word that it maps nothing more with `map_with_linking_np` (`osfmk/mach/dyld_pager.h`, `DYLD_VM_END_MWL`).
const END: u64 = u64::MAX;

/// `shared_region_check_np`: `EINVAL` where there is no region.
pub fn shared_region_check_np<K: Kernel, L>(_cx: &mut Context<'_, K, L>, start: UserAddr) -> SysResult<()> {
    if start.get() == END { Ok(()) } else { Err(Errno::EINVAL) }
}

/// `struct shared_file_np` (`bsd/sys/mman.h`).
#[derive(Clone, Copy, FromBytes, IntoBytes)]
#[repr(C)]
struct SharedFile {
    descriptor: i32,
    mappings: u32,
    slide: u32,
}

/// `struct shared_file_mapping_slide_np`, as far as it is looked at.
#[derive(Clone, Copy, FromBytes, IntoBytes)]
#[repr(C)]
struct SharedMapping {
    address: u64,
    size: u64,
    rest: [u64; 4],
}

/// `shared_region_map_and_slide_2_np`: what it is given is looked at, and then there is no region to put it in
/// (`EINVAL`). As on XNU, `KERN_FAILURE` comes back as if it were an errno.
pub fn shared_region_map_and_slide_2_np<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    file_count: u32,
    files: UserAddr,
    mapping_count: u32,
    mappings: UserAddr,
) -> SysResult<()> {
    const FILES_MAX: u32 = 256;
    const MAPPINGS_MAX: u32 = FILES_MAX * 8;
    const KERN_FAILURE: Errno = Errno::EIO;
    if file_count == 0 || file_count <= FILES_MAX && mapping_count == 0 {
        return Ok(());
    }
    if file_count > FILES_MAX || mapping_count > MAPPINGS_MAX {
        return Err(KERN_FAILURE);
    }
    let kernel = cx.kernel();
    let mut wanted = 0u32;
    for index in 0..u64::from(file_count) {
        let at = index.wrapping_mul(size_of::<SharedFile>() as u64);
        let file: SharedFile = read(kernel, files.checked_add(at)?)?;
        wanted = wanted.saturating_add(file.mappings);
    }
    for index in 0..u64::from(mapping_count) {
        let at = index.wrapping_mul(size_of::<SharedMapping>() as u64);
        let mapping: SharedMapping = read(kernel, mappings.checked_add(at)?)?;
        pages(UserAddr::new(mapping.address), mapping.size as usize).ok_or(Errno::EINVAL)?;
    }
    if wanted > mapping_count { Err(KERN_FAILURE) } else { Err(Errno::EINVAL) }
}

fn read<K: Kernel, T: FromBytes + IntoBytes>(kernel: &K, from: UserAddr) -> SysResult<T> {
    let mut value = T::new_zeroed();
    kernel.copy_in(from, value.as_mut_bytes())?;
    Ok(value)
}

/// `map_with_linking_np`, by which dyld leaves fix-ups to the kernel: `EINVAL`, as for a file without a signature. dyld
/// does them by itself then.
pub fn map_with_linking_np<K: Kernel, L>(
    _cx: &mut Context<'_, K, L>,
    _regions: UserAddr,
    _region_count: u32,
    _link_info: UserAddr,
    _link_info_size: u32,
) -> SysResult<()> {
    Err(Errno::EINVAL)
}

/// `mremap_encrypted` (`bsd/kern/kern_mman.c`): what is not encrypted stays as it is; for the rest there is no decrypter,
/// which is `ENOTSUP`.
pub fn mremap_encrypted<K: Kernel, L>(
    _cx: &mut Context<'_, K, L>,
    address: UserAddr,
    length: usize,
    cryptid: u32,
    _cputype: u32,
    _cpusubtype: u32,
) -> SysResult<()> {
    const CRYPTID_NO_ENCRYPTION: u32 = 0;
    const CRYPTID_APP_ENCRYPTION: u32 = 1;
    const CRYPTID_MODEL_ENCRYPTION: u32 = 2;
    const CRYPTID_NULL: u32 = 0x10;
    if !address.get().is_multiple_of(PAGE) || pages(address, length).is_none() {
        return Err(Errno::EINVAL);
    }
    match cryptid {
        CRYPTID_NO_ENCRYPTION => Ok(()),
        CRYPTID_APP_ENCRYPTION | CRYPTID_MODEL_ENCRYPTION | CRYPTID_NULL => Err(Errno::ENOTSUP),
        _ => Err(Errno::EINVAL),
    }
}
