//! Code signatures: `F_ADDSIGS`, `F_ADDFILESIGS` and their kin, `F_CHECK_LV`, `F_GETSIGSINFO` (`bsd/kern/kern_descrip.c`,
//! `sys_fcntl_nocancel`; `bsd/kern/ubc_subr.c`, `cs_validate_csblob`, `ubc_cs_blob_add`; `osfmk/kern/cs_blobs.h`).
//!
//! A signature is checked for its form as XNU does, and what is told of it is read from it. Nothing is enforced: no page
//! is compared with its hash and no signer is looked up, as on a Mac that runs unsigned code. Nothing is kept either,
//! so a file has no signature that `F_GETSIGSINFO` could find.

use super::file::vnode;
use crate::bsd::fcntl::hash::{self, Digest};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::{Fchecklv, Fsignatures};

/// `CS_MAX_BLOB_SIZE`.
const BLOB_MAX: u64 = 40 * 1024 * 1024;

const EMBEDDED_SIGNATURE: u32 = 0xfade_0cc0;
const CODE_DIRECTORY: u32 = 0xfade_0c02;
/// Slots of a signature that hold a code directory (`CSSLOT_CODEDIRECTORY`, `CSSLOT_ALTERNATE_CODEDIRECTORIES`).
const DIRECTORY_SLOTS: [core::ops::Range<u32>; 2] = [0..1, 0x1000..0x1005];
/// Slots that may hold only this kind of blob, and only once (entitlements, DER entitlements, launch constraints).
const SINGLE_SLOTS: [(u32, u32); 6] = [
    (5, 0xfade_7171),
    (7, 0xfade_7172),
    (8, 0xfade_8181),
    (9, 0xfade_8181),
    (10, 0xfade_8181),
    (11, 0xfade_8181),
];

/// `sizeof(CS_SuperBlob)`, `sizeof(CS_BlobIndex)` and `sizeof(CS_GenericBlob)`.
const SUPER_BLOB: u64 = 12;
const BLOB_INDEX: u64 = 8;
const GENERIC_BLOB: u64 = 8;

/// Where the commands find the signature, and what they answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Command {
    /// `F_ADDSIGS`: in memory.
    FromMemory,
    /// `F_ADDFILESIGS`: in the file.
    FromFile,
    /// `F_ADDFILESIGS_RETURN` and `_FOR_DYLD_SIM`: in the file; told is how far it covers the file.
    TellingEnd,
    /// `F_ADDFILESIGS_INFO`: in the file; told are its end and its hash.
    TellingHash,
}

/// `F_ADDSIGS` and its kin.
pub(super) fn add<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    command: Command,
    address: UserAddr,
) -> SysResult<i32> {
    vnode(kernel, file)?;
    let [start, blob_start, blob_size] = UserPtr::<[u64; 3]>::new(address).read(kernel)?;
    let room = match command {
        Command::TellingHash => UserPtr::<u64>::new(address.checked_add(24)?).read(kernel)?,
        _ => 0,
    };
    if blob_size > BLOB_MAX {
        return Err(Errno::E2BIG);
    }
    let place = match command {
        Command::FromMemory => Place::Memory(UserAddr::new(blob_start)),
        _ => Place::File(file, start.wrapping_add(blob_start) as i64),
    };
    let blob = Blob { kernel, place, start: 0, length: blob_size };
    blob.check_readable()?;
    let directory = best_directory(&blob)?;
    if matches!(command, Command::TellingEnd | Command::TellingHash) {
        UserPtr::new(address).write(kernel, &directory.end)?;
    }
    if room >= size_of::<Fsignatures>() as u64 {
        let digest = directory.cd_hash()?;
        UserPtr::new(address.checked_add(32)?).write(kernel, &digest)?;
        let kind = i32::from(directory.hash_type);
        UserPtr::new(address.checked_add(52)?).write(kernel, &kind)?;
    }
    Ok(0)
}

/// Where a signature lies.
#[derive(Clone, Copy)]
enum Place {
    Memory(UserAddr),
    File(LinuxFd, i64),
}

/// Some bytes of a signature.
struct Blob<'a, K> {
    kernel: &'a K,
    place: Place,
    start: u64,
    length: u64,
}

impl<'a, K: Kernel> Blob<'a, K> {
    /// Reads at an offset into the blob. What lies behind the end of the blob is bad; what lies behind the end of the
    /// file is zero, as it is in XNU's buffer.
    fn read(&self, offset: u64, to: &mut [u8]) -> SysResult<()> {
        let end = offset.checked_add(to.len() as u64).ok_or(Errno::EBADEXEC)?;
        if end > self.length {
            return Err(Errno::EBADEXEC);
        }
        let at = self.start.wrapping_add(offset);
        match self.place {
            Place::Memory(address) => Ok(self.kernel.copy_in(address.checked_add(at)?, to)?),
            Place::File(file, start) => {
                let mut done = 0;
                while let Some(rest) = to.get_mut(done..).filter(|rest| !rest.is_empty()) {
                    let from = start.wrapping_add(at as i64).wrapping_add(done as i64);
                    match linux::descriptor::pread_own(self.kernel, file, rest, from).to_bsd()? {
                        0 => {
                            rest.fill(0);
                            break;
                        }
                        read => done = done.wrapping_add(read),
                    }
                }
                Ok(())
            }
        }
    }

    /// The whole signature is copied before it is looked at: a fault or a reading error comes first.
    fn check_readable(&self) -> SysResult<()> {
        const STEP: u64 = 4096;
        let mut byte = [0];
        let mut at = 0;
        while at < self.length {
            self.read(at, &mut byte)?;
            at = match self.place {
                Place::Memory(_) => at.saturating_add(STEP),
                Place::File(..) => break,
            };
        }
        match self.length.checked_sub(1) {
            Some(last) => self.read(last, &mut byte),
            None => Ok(()),
        }
    }

    fn word(&self, offset: u64) -> SysResult<u32> {
        let mut bytes = [0; 4];
        self.read(offset, &mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// The blob that starts at an offset, cut to the length that it says (`cs_validate_blob`).
    fn inner(&self, offset: u64) -> SysResult<Blob<'a, K>> {
        let room =
            self.length.checked_sub(offset).filter(|room| *room >= GENERIC_BLOB).ok_or(Errno::EBADEXEC)?;
        let length = u64::from(self.word(offset.wrapping_add(4))?);
        if length > room {
            return Err(Errno::EBADEXEC);
        }
        Ok(Blob { kernel: self.kernel, place: self.place, start: self.start.wrapping_add(offset), length })
    }
}

/// A code directory that was found good.
struct Directory<'a, K> {
    blob: Blob<'a, K>,
    hash_type: u8,
    /// How strong its hash is.
    rank: usize,
    /// How far the hashed pages reach.
    end: u64,
}

/// Hash types by rank (`hash_rank`), each with the size of its hashes.
const HASHES: [(u8, u8); 4] = [(1, 20), (3, 20), (2, 32), (4, 48)];

impl<'a, K: Kernel> Directory<'a, K> {
    /// `cs_validate_codedirectory`.
    fn new(blob: Blob<'a, K>) -> SysResult<Directory<'a, K>> {
        /// `sizeof(CS_CodeDirectory)` of today, which older ones must reach as well.
        const HEADER: u64 = 112;
        if blob.length < HEADER || blob.word(0)? != CODE_DIRECTORY {
            return Err(Errno::EBADEXEC);
        }
        let [hash_size, hash_type, _, page_shift] = blob.word(36)?.to_be_bytes();
        let ranked = HASHES.iter().position(|(kind, size)| (*kind, *size) == (hash_type, hash_size));
        let rank = ranked.ok_or(Errno::EBADEXEC)?;
        // Pages of 4 KiB; of 16 KiB only where memory has such pages.
        if page_shift != 12 && !(cfg!(target_arch = "aarch64") && page_shift == 14) {
            return Err(Errno::EBADEXEC);
        }
        let (version, hashes, names) = (blob.word(8)?, u64::from(blob.word(16)?), u64::from(blob.word(20)?));
        let size = u64::from(hash_size);
        let behind = blob.length.checked_sub(hashes).ok_or(Errno::EBADEXEC)?;
        let fits =
            |room: u64, count: u32| room.checked_div(size).is_some_and(|most| most >= u64::from(count));
        if !fits(hashes, blob.word(24)?) || !fits(behind, blob.word(28)?) {
            return Err(Errno::EBADEXEC);
        }
        check_text(&blob, names)?;
        let optional = |since: u32, offset: u64| if version >= since { blob.word(offset) } else { Ok(0) };
        check_text(&blob, u64::from(optional(0x2_0200, 48)?))?;
        let scatter = u64::from(optional(0x2_0100, 44)?);
        let first_page = if scatter == 0 { 0 } else { check_scatter(&blob, scatter)? };
        if version >= 0x2_0600 && blob.word(96)?.to_be_bytes().first() != Some(&0) {
            let linkage = u64::from(blob.word(100)?).saturating_add(u64::from(blob.word(104)?));
            if linkage > blob.length {
                return Err(Errno::EBADEXEC);
            }
        }
        let page = 1u64.wrapping_shl(u32::from(page_shift));
        let end = u64::from(blob.word(32)?).next_multiple_of(page);
        if u64::from(first_page).saturating_mul(page) >= end {
            return Err(Errno::EINVAL);
        }
        Ok(Directory { blob, hash_type, rank, end })
    }

    /// The first twenty bytes of the directory's own hash.
    fn cd_hash(&self) -> SysResult<Digest> {
        let mut hasher = hash::Hasher::new(self.hash_type).ok_or(Errno::ENOTSUP)?;
        let mut piece = [0; 256];
        let mut at = 0;
        while at < self.blob.length {
            let length = self.blob.length.wrapping_sub(at).min(piece.len() as u64);
            let Some(piece) = piece.get_mut(..length as usize) else { break };
            self.blob.read(at, piece)?;
            hasher.update(piece);
            at = at.saturating_add(length);
        }
        Ok(hasher.finish())
    }
}

/// A string at an offset must end inside the blob; offset 0 is none.
fn check_text<K: Kernel>(blob: &Blob<'_, K>, offset: u64) -> SysResult<()> {
    let mut piece = [0; 64];
    let mut at = offset;
    if offset == 0 {
        return Ok(());
    }
    loop {
        let left = blob.length.checked_sub(at).filter(|left| *left > 0).ok_or(Errno::EBADEXEC)?;
        let length = left.min(piece.len() as u64);
        let piece = piece.get_mut(..length as usize).unwrap_or_default();
        blob.read(at, piece)?;
        if piece.contains(&0) {
            return Ok(());
        }
        at = at.saturating_add(length);
    }
}

/// The list at an offset must end inside the blob; answers its first page.
fn check_scatter<K: Kernel>(blob: &Blob<'_, K>, offset: u64) -> SysResult<u32> {
    /// `sizeof(SC_Scatter)`.
    const ENTRY: u64 = 24;
    let first = blob.word(offset.saturating_add(4));
    let (mut at, mut pages) = (offset, 0u32);
    loop {
        let mut entry = [0; ENTRY as usize];
        blob.read(at, &mut entry)?;
        match blob.word(at)? {
            0 => return first,
            count => pages = pages.checked_add(count).ok_or(Errno::EBADEXEC)?,
        }
        at = at.saturating_add(ENTRY);
    }
}

/// The code directory with the strongest hash (`cs_validate_csblob`); one per kind of hash is allowed.
fn best_directory<'a, K: Kernel>(blob: &Blob<'a, K>) -> SysResult<Directory<'a, K>> {
    let signature = blob.inner(0)?;
    match signature.word(0)? {
        EMBEDDED_SIGNATURE => {}
        CODE_DIRECTORY => return Directory::new(signature),
        _ => return Err(Errno::EBADEXEC),
    }
    let count = u64::from(signature.word(8)?);
    let room = signature.length.checked_sub(SUPER_BLOB).ok_or(Errno::EBADEXEC)?;
    if room / BLOB_INDEX < count {
        return Err(Errno::EBADEXEC);
    }
    let mut best: Option<Directory<'a, K>> = None;
    let mut seen = [false; SINGLE_SLOTS.len()];
    for index in 0..count {
        let entry = SUPER_BLOB.saturating_add(index.saturating_mul(BLOB_INDEX));
        let (slot, offset) = (signature.word(entry)?, signature.word(entry.saturating_add(4))?);
        let inner = signature.inner(u64::from(offset))?;
        if DIRECTORY_SLOTS.iter().any(|slots| slots.contains(&slot)) {
            let candidate = Directory::new(inner)?;
            match best.as_ref().map(|best| candidate.rank.cmp(&best.rank)) {
                Some(core::cmp::Ordering::Equal) => return Err(Errno::EBADEXEC),
                Some(core::cmp::Ordering::Less) => {}
                _ => best = Some(candidate),
            }
            continue;
        }
        for ((single, magic), seen) in SINGLE_SLOTS.iter().zip(&mut seen) {
            if *single == slot && (core::mem::replace(seen, true) || inner.word(0)? != *magic) {
                return Err(Errno::EBADEXEC);
            }
        }
    }
    best.ok_or(Errno::EBADEXEC)
}

/// `F_CHECK_LV`: every library may be mapped, as where library validation is off.
pub(super) fn check_library<K: Kernel>(kernel: &K, file: LinuxFd, address: UserAddr) -> SysResult<i32> {
    vnode(kernel, file)?;
    UserPtr::<Fchecklv>::new(address).read(kernel)?;
    Ok(0)
}

/// `F_GETSIGSINFO`: no signature is kept, so none is found.
pub(super) fn information<K: Kernel>(kernel: &K, file: LinuxFd, address: UserAddr) -> SysResult<i32> {
    vnode(kernel, file)?;
    // `struct fgetsigsinfo`: start in the file, what is asked, the answer.
    UserPtr::<[u64; 2]>::new(address).read(kernel)?;
    Err(Errno::ENOENT)
}
