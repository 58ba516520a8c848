//! Mapping a Mach-O image into the process.
//!
//! # Safety
//! Every mapping is made where nothing was (`MAP_FIXED_NOREPLACE`), or over such a mapping of this module's own, so no
//! memory of the runner's is replaced.
#![allow(unsafe_code)]

use crate::macho::{Program, Segment};
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::{Deref, Range};
use std::os::fd::AsRawFd;
use std::ptr;
use std::slice;

/// A file's bytes, mapped for reading.
#[derive(Debug)]
pub struct Bytes {
    start: *mut libc::c_void,
    length: usize,
}

impl Bytes {
    /// Maps a whole file.
    ///
    /// # Errors
    /// As of `man 2 mmap`; a directory is one.
    pub fn map(file: &File) -> io::Result<Bytes> {
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        if length == 0 {
            return Ok(Bytes { start: ptr::null_mut(), length });
        }
        // SAFETY: a new private mapping.
        let start = unsafe {
            libc::mmap(ptr::null_mut(), length, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0)
        };
        if start == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Bytes { start, length }) }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: mapped for that length until dropped. A file that somebody cuts meanwhile ends the runner with
        // SIGBUS before the guest has started.
        unsafe { slice::from_raw_parts(self.start.cast(), self.length) }
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        if self.length != 0 {
            // SAFETY: the mapping is this value's own, and its bytes are borrowed from it.
            unsafe { libc::munmap(self.start, self.length) };
        }
    }
}

/// Why an image could not be mapped.
#[derive(Debug)]
pub enum Error {
    /// Something of the process's own is there already. Another start may have it elsewhere.
    Taken(String),
    /// Linux refuses.
    Refused(String, io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Taken(what) => write!(f, "{what}: the addresses are taken in this process"),
            Error::Refused(what, error) if error.raw_os_error() == Some(libc::EPERM) => {
                write!(f, "{what}: Linux lets nobody map so low: lower vm.mmap_min_addr ({error})")
            }
            Error::Refused(what, error) => write!(f, "{what}: cannot be mapped: {error}"),
        }
    }
}

/// An image in memory.
#[derive(Debug)]
pub struct Loaded {
    /// What was added to the file's addresses.
    pub slide: u64,
    /// The address of the first instruction.
    pub entry: u64,
    /// Where the Mach-O header is.
    pub header: Option<u64>,
}

/// Maps a program or a dynamic linker. One that may be slid goes where Linux finds room.
///
/// # Errors
/// The addresses are taken or Linux refuses them.
pub fn load(file: &File, program: &Program) -> Result<Loaded, Error> {
    let slide = if program.pie { find_room(program)? } else { 0 };
    for segment in &program.segments {
        map_segment(file, segment, slide)?;
    }
    Ok(Loaded {
        slide,
        entry: program.entry.address().wrapping_add(slide),
        header: program.header_address.map(|address| address.wrapping_add(slide)),
    })
}

/// Asks Linux for room for the whole image and gives it back at once: nothing else maps memory meanwhile.
fn find_room(program: &Program) -> Result<u64, Error> {
    let span = program.span();
    let length = span.end - span.start;
    let start = map(0, length, 0, NEW).map_err(|error| Error::Refused("the image".into(), error))?;
    // SAFETY: mapped by the line above.
    unsafe { libc::munmap(start as *mut libc::c_void, length as usize) };
    Ok(start.wrapping_sub(span.start))
}

const NEW: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;

fn map_segment(file: &File, segment: &Segment, slide: u64) -> Result<(), Error> {
    let at = |range: Range<u64>| range.start.wrapping_add(slide)..range.end.wrapping_add(slide);
    let refused = |error: io::Error| match error.raw_os_error() {
        Some(libc::EEXIST) => Error::Taken(segment.to_string()),
        _ => Error::Refused(segment.to_string(), error),
    };
    let protection = protection(segment.initial.bits());
    let pages = at(segment.pages());
    let zeros = NEW | libc::MAP_FIXED_NOREPLACE;
    let got = map(pages.start, pages.end - pages.start, protection, zeros).map_err(refused)?;
    // Linux before 4.17 takes the flag for a hint.
    if got != pages.start {
        return Err(Error::Taken(segment.to_string()));
    }
    let Some(range) = segment.file else { return Ok(()) };
    let pages = at(segment.file_pages());
    let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
    // SAFETY: over the mapping that was just made for this segment.
    let mapped = unsafe {
        libc::mmap(
            pages.start as *mut libc::c_void,
            (pages.end - pages.start) as usize,
            protection,
            flags,
            file.as_raw_fd(),
            range.offset as libc::off_t,
        )
    };
    if mapped == libc::MAP_FAILED { Err(refused(io::Error::last_os_error())) } else { Ok(()) }
}

/// Writing or executing implies reading, as in XNU on this processor.
fn protection(bits: u8) -> i32 {
    let bits = i32::from(bits);
    if bits & (libc::PROT_WRITE | libc::PROT_EXEC) != 0 { bits | libc::PROT_READ } else { bits }
}

fn map(start: u64, length: u64, protection: i32, flags: i32) -> io::Result<u64> {
    // SAFETY: without MAP_FIXED, Linux replaces nothing.
    let got = unsafe { libc::mmap(start as *mut libc::c_void, length as usize, protection, flags, -1, 0) };
    if got == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(got as u64) }
}

/// A new stack below `top`'s guard: its addresses. The page under it faults.
///
/// # Errors
/// There is no memory.
pub fn stack(length: u64, executable: bool) -> io::Result<Range<u64>> {
    const GUARD: u64 = 0x1000;
    let start = map(0, length + GUARD, 0, NEW)?;
    let mut protection = libc::PROT_READ | libc::PROT_WRITE;
    if executable {
        protection |= libc::PROT_EXEC;
    }
    // SAFETY: the upper part of the mapping made by the line above.
    let result = unsafe { libc::mprotect((start + GUARD) as *mut libc::c_void, length as usize, protection) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(start + GUARD..start + GUARD + length)
}

/// A page of the guest's at a fixed address, mapped but not yet filled.
#[derive(Debug)]
pub struct FixedPage {
    address: u64,
}

impl FixedPage {
    const LENGTH: usize = 4096;

    /// Maps the page where nothing was.
    ///
    /// # Errors
    /// The address is taken or Linux refuses it.
    pub fn map(address: u64) -> Result<FixedPage, Error> {
        let writable = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        let page = FixedPage { address };
        match map(address, FixedPage::LENGTH as u64, writable, flags) {
            Ok(got) if got == address => Ok(page),
            Ok(_) => Err(Error::Taken(page.name())),
            Err(error) => Err(page.refused(error)),
        }
    }

    /// Fills the page and makes it read-only; what does not fit is left out.
    ///
    /// # Errors
    /// Linux refuses the protection.
    pub fn fill(self, contents: &[u8]) -> Result<(), Error> {
        let contents = contents.get(..FixedPage::LENGTH).unwrap_or(contents);
        // SAFETY: the page was mapped by `map`, writable, and nobody else knows of it.
        let result = unsafe {
            ptr::copy_nonoverlapping(contents.as_ptr(), self.address as *mut u8, contents.len());
            libc::mprotect(self.address as *mut libc::c_void, FixedPage::LENGTH, libc::PROT_READ)
        };
        if result == 0 { Ok(()) } else { Err(self.refused(io::Error::last_os_error())) }
    }

    fn name(&self) -> String {
        format!("the commpage ({:#x})", self.address)
    }

    fn refused(&self, error: io::Error) -> Error {
        match error.raw_os_error() {
            Some(libc::EEXIST) => Error::Taken(self.name()),
            _ => Error::Refused(self.name(), error),
        }
    }
}

/// Copies bytes to memory that this module mapped.
///
/// # Safety
/// `address..address + bytes.len()` must be mapped, writable, and nobody else's.
pub unsafe fn fill(address: u64, bytes: &[u8]) {
    // SAFETY: the caller's promise.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), address as *mut u8, bytes.len()) };
}
