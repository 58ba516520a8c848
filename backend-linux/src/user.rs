//! Copies to and from the guest that survive bad addresses.
//!
//! # Safety
//! The assembly copies between a slice of ours and an address that may be anything. Its instructions lie between two
//! labels; the fault handler sends a fault there to a landing pad ([`recover`]), so a bad address ends the copy and
//! nothing else. It runs only after [`crate::Linux::handle_faults`] was told that there is such a handler. Callers
//! pass our side as a slice, so its pointer and length are good.
#![allow(unsafe_code)]

use crate::Linux;
use core::sync::atomic::Ordering;
use xnu_abi::linux::{Errno, Sysno, flags};
use xnu_core::{Arg, Fault, Kernel, UserAddr};

// Names and sections as the object format wants them. A Mach-O linker may move apart what two global labels begin;
// alternative entries stay with what is before them.
#[cfg(all(target_arch = "x86_64", target_vendor = "apple"))]
macro_rules! object {
    (begin) => {
        ".text"
    };
    (label $name:literal) => {
        concat!(".globl _", $name, "\n.private_extern _", $name, "\n_", $name, ":")
    };
    (entry $name:literal) => {
        concat!(".alt_entry _", $name, "\n", object!(label $name))
    };
    (end) => {
        ""
    };
}
#[cfg(all(target_arch = "x86_64", not(target_vendor = "apple")))]
macro_rules! object {
    (begin) => {
        ".pushsection .text.xnu_user_copy,\"ax\",@progbits"
    };
    (label $name:literal) => {
        concat!(".globl ", $name, "\n.hidden ", $name, "\n", $name, ":")
    };
    (entry $name:literal) => {
        object!(label $name)
    };
    (end) => {
        ".popsection"
    };
}

#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    object!(begin),
    ".p2align 5",
    // rdi = to, rsi = from, rdx = length; answers 0, or 1 after a fault. Overlapping moves of 16 and 8 bytes up to
    // 32, moves of 32 at a time up to 512, then the string instruction, which is fastest from there.
    object!(label "xnu_user_copy"),
    "cmp rdx, 16",
    "jb 3f",
    "cmp rdx, 32",
    "ja 5f",
    "movups xmm0, [rsi]",
    "movups xmm1, [rsi + rdx - 16]",
    "movups [rdi], xmm0",
    "movups [rdi + rdx - 16], xmm1",
    "xor eax, eax",
    "ret",
    "3:",
    "cmp rdx, 8",
    "jb 4f",
    "mov rcx, [rsi]",
    "mov r8, [rsi + rdx - 8]",
    "mov [rdi], rcx",
    "mov [rdi + rdx - 8], r8",
    "xor eax, eax",
    "ret",
    "4:",
    "mov rcx, rdx",
    "rep movsb",
    "xor eax, eax",
    "ret",
    "5:",
    "cmp rdx, 512",
    "ja 7f",
    "lea r8, [rsi + rdx - 32]",
    "lea r9, [rdi + rdx - 32]",
    "movups xmm2, [r8]",
    "movups xmm3, [r8 + 16]",
    "6:",
    "movups xmm0, [rsi]",
    "movups xmm1, [rsi + 16]",
    "movups [rdi], xmm0",
    "movups [rdi + 16], xmm1",
    "add rsi, 32",
    "add rdi, 32",
    "cmp rsi, r8",
    "jb 6b",
    "movups [r9], xmm2",
    "movups [r9 + 16], xmm3",
    "xor eax, eax",
    "ret",
    "7:",
    "mov rcx, rdx",
    "rep movsb",
    "xor eax, eax",
    "ret",
    object!(entry "xnu_user_copy_end"),
    object!(entry "xnu_user_copy_fault"),
    "mov eax, 1",
    "ret",
    object!(end),
);

#[cfg(target_arch = "x86_64")]
unsafe extern "sysv64" {
    fn xnu_user_copy(to: u64, from: u64, length: usize) -> u64;
    static xnu_user_copy_end: u8;
    static xnu_user_copy_fault: u8;
}

/// Where a thread that faulted at `rip` goes on, if the fault was a copy's.
///
/// For the handler of `SIGSEGV` and `SIGBUS`: put the answer into the interrupted rip and return. Nothing else of the
/// interrupted state needs a change.
#[cfg(target_arch = "x86_64")]
pub fn recover(rip: u64) -> Option<u64> {
    let (end, fault) = (&raw const xnu_user_copy_end as u64, &raw const xnu_user_copy_fault as u64);
    (rip >= xnu_user_copy as *const () as u64 && rip < end).then_some(fault)
}

/// No copy can fault on this architecture: Linux makes them all.
#[cfg(not(target_arch = "x86_64"))]
pub fn recover(_: u64) -> Option<u64> {
    None
}

#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn copy_in(from: UserAddr, to: &mut [u8]) -> Result<(), Fault> {
    if to.is_empty() {
        return Ok(());
    }
    // SAFETY: `to` is writable for its length; a bad `from` is caught (see the module).
    match unsafe { xnu_user_copy(to.as_mut_ptr() as u64, from.get(), to.len()) } {
        0 => Ok(()),
        _ => Err(Fault),
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn copy_out(to: UserAddr, from: &[u8]) -> Result<(), Fault> {
    if from.is_empty() {
        return Ok(());
    }
    // SAFETY: `from` is readable for its length; a bad `to` is caught (see the module). What is written there is the
    // guest's own memory, at its request.
    match unsafe { xnu_user_copy(to.get(), from.as_ptr() as u64, from.len()) } {
        0 => Ok(()),
        _ => Err(Fault),
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn copy_in(from: UserAddr, to: &mut [u8]) -> Result<(), Fault> {
    copy_in_by_kernel(&Linux::new(), from, to)
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn copy_out(to: UserAddr, from: &[u8]) -> Result<(), Fault> {
    copy_out_by_kernel(&Linux::new(), to, from)
}

/// Copies from one place of the guest's to another; both may be bad.
#[cfg(feature = "embedded")]
pub(crate) fn copy(kernel: &Linux, to: UserAddr, from: UserAddr, size: u64) -> Result<(), Fault> {
    const PIECE: usize = 512;
    #[cfg(target_arch = "x86_64")]
    if kernel.handles_faults() {
        // SAFETY: neither side is ours, and both are caught (see the module).
        return match unsafe { xnu_user_copy(to.get(), from.get(), size as usize) } {
            0 => Ok(()),
            _ => Err(Fault),
        };
    }
    let mut piece = [0; PIECE];
    let mut done = 0;
    while done < size {
        let length = size.wrapping_sub(done).min(PIECE as u64);
        let bytes = piece.get_mut(..length as usize).ok_or(Fault)?;
        kernel.copy_in(from.checked_add(done)?, bytes)?;
        kernel.copy_out(to.checked_add(done)?, bytes)?;
        done = done.wrapping_add(length);
    }
    Ok(())
}

/// `struct iovec`, for the two calls below.
fn iovec(address: u64, length: usize) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (base, size) = bytes.split_at_mut(8);
    base.copy_from_slice(&address.to_ne_bytes());
    size.copy_from_slice(&(length as u64).to_ne_bytes());
    bytes
}

/// `process_vm_readv` on the process itself: slow, needs no handler.
#[cold]
pub(crate) fn copy_in_by_kernel(kernel: &Linux, from: UserAddr, to: &mut [u8]) -> Result<(), Fault> {
    if !kernel.copies_by_pipe.load(Ordering::Relaxed) {
        let ours = iovec(to.as_mut_ptr() as u64, to.len());
        let guests = iovec(from.get(), to.len());
        if let Some(result) = by_kernel(kernel, Sysno::ProcessVmReadv, &ours, &guests, to.len()) {
            return result;
        }
    }
    let pipe = Pipe::new(kernel)?;
    let mut from = from;
    for piece in to.chunks_mut(Pipe::LENGTH) {
        let length = piece.len();
        pipe.write(Arg::User(from), length)?;
        pipe.read(Arg::Out(piece), length)?;
        from = from.checked_add(length as u64)?;
    }
    Ok(())
}

/// `process_vm_writev` on the process itself.
#[cold]
pub(crate) fn copy_out_by_kernel(kernel: &Linux, to: UserAddr, from: &[u8]) -> Result<(), Fault> {
    if !kernel.copies_by_pipe.load(Ordering::Relaxed) {
        let ours = iovec(from.as_ptr() as u64, from.len());
        let guests = iovec(to.get(), from.len());
        if let Some(result) = by_kernel(kernel, Sysno::ProcessVmWritev, &ours, &guests, from.len()) {
            return result;
        }
    }
    let pipe = Pipe::new(kernel)?;
    let mut to = to;
    for piece in from.chunks(Pipe::LENGTH) {
        pipe.write(Arg::In(piece), piece.len())?;
        pipe.read(Arg::User(to), piece.len())?;
        to = to.checked_add(piece.len() as u64)?;
    }
    Ok(())
}

/// One of the two calls; `None` where Linux has neither or forbids them, which is remembered.
fn by_kernel(
    kernel: &Linux,
    call: Sysno,
    ours: &[u8; 16],
    guests: &[u8; 16],
    length: usize,
) -> Option<Result<(), Fault>> {
    // SAFETY: neither call touches our memory.
    let Ok(pid) = (unsafe { kernel.syscall(Sysno::Getpid, &mut []) }) else { return Some(Err(Fault)) };
    let mut args = [Arg::Val(pid), Arg::In(ours), Arg::Val(1), Arg::In(guests), Arg::Val(1), Arg::Val(0)];
    // SAFETY: `ours` names a slice that the caller of this module borrowed for as long, and in the right direction.
    match unsafe { kernel.syscall(call, &mut args) } {
        Ok(copied) if copied == length => Some(Ok(())),
        Err(Errno::ENOSYS | Errno::EPERM) => {
            kernel.copies_by_pipe.store(true, Ordering::Relaxed);
            None
        }
        _ => Some(Err(Fault)),
    }
}

/// A pipe of ours for the time of a copy: Linux answers `EFAULT` for a bad address at either end. What emulators of
/// Linux and strict sandboxes leave.
struct Pipe<'k> {
    kernel: &'k Linux,
    ends: [u32; 2],
}

impl<'k> Pipe<'k> {
    /// A write of so many bytes to an empty pipe is whole and does not wait.
    const LENGTH: usize = 4096;

    fn new(kernel: &'k Linux) -> Result<Pipe<'k>, Fault> {
        let mut ends = [0; 8];
        // SAFETY: Linux fills in two descriptors.
        unsafe {
            kernel.syscall(Sysno::Pipe2, &mut [Arg::Out(&mut ends), Arg::Val(flags::O_CLOEXEC as usize)])
        }
        .map_err(|_| Fault)?;
        let [a, b, c, d, e, f, g, h] = ends;
        Ok(Pipe { kernel, ends: [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])] })
    }

    fn move_bytes(&self, call: Sysno, end: u32, bytes: Arg<'_>, length: usize) -> Result<(), Fault> {
        // SAFETY: bytes of ours, of this length, or an address of the guest's.
        let moved =
            unsafe { self.kernel.syscall(call, &mut [Arg::Val(end as usize), bytes, Arg::Val(length)]) };
        if moved == Ok(length) { Ok(()) } else { Err(Fault) }
    }

    fn write(&self, bytes: Arg<'_>, length: usize) -> Result<(), Fault> {
        let [_, end] = self.ends;
        self.move_bytes(Sysno::Write, end, bytes, length)
    }

    fn read(&self, bytes: Arg<'_>, length: usize) -> Result<(), Fault> {
        let [end, _] = self.ends;
        self.move_bytes(Sysno::Read, end, bytes, length)
    }
}

impl Drop for Pipe<'_> {
    fn drop(&mut self) {
        for end in self.ends {
            // SAFETY: ours, and not used again.
            let _ = unsafe { self.kernel.syscall(Sysno::Close, &mut [Arg::Val(end as usize)]) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way of copying, by a process that can do without the others.
    #[test]
    fn bytes_arrive_and_bad_addresses_are_faults() {
        for copies_by_pipe in [false, true] {
            let kernel = Linux::new();
            kernel.copies_by_pipe.store(copies_by_pipe, Ordering::Relaxed);
            let guests: [u8; 10_000] = core::array::from_fn(|i| i as u8);
            let mut ours = [0; 10_000];
            let at = UserAddr::new(guests.as_ptr() as u64);
            assert_eq!(copy_in_by_kernel(&kernel, at, &mut ours), Ok(()));
            assert_eq!(ours, guests);

            let mut guests = [0u8; 10_000];
            let at = UserAddr::new(guests.as_mut_ptr() as u64);
            assert_eq!(copy_out_by_kernel(&kernel, at, &ours), Ok(()));
            assert_eq!(core::hint::black_box(&mut guests), &ours);

            for bad in [0, 8, 0x8000_0000_0000, u64::MAX - 16] {
                assert_eq!(copy_in_by_kernel(&kernel, UserAddr::new(bad), &mut ours), Err(Fault));
                assert_eq!(copy_out_by_kernel(&kernel, UserAddr::new(bad), &ours), Err(Fault));
            }
        }
    }
}
