//! The runner's memory once the guest runs.
//!
//! Threads of the guest have no thread data of the C library's, and it does not know of their forks: its `malloc` is for
//! the start alone. From [`take_over`] on memory comes from a range of addresses that is set aside for it, which the
//! guest can neither have nor unmap. Only the engine of Mach ports asks for any.
//!
//! # Safety
//! The allocator is used with its lock held. What was allocated before the switch is the C library's, which its address
//! tells, and is given back to it only as long as there is no guest.
#![allow(unsafe_code)]

use dlmalloc::Dlmalloc;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::io;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use xnu_backend_linux::RawLock;

/// Addresses to set aside: only what is used is memory. Less where the process may not have so many.
const RANGE: usize = 16 << 30;
const RANGE_LEAST: usize = 16 << 20;

/// Where they are best: far from all else, so that the first mappings that the guest makes lie by the runner's image and
/// share its tables of pages, of which a fork makes copies; and between what sanitizers of macOS use.
const PLACE: usize = 0x2800_0000_0000;

const PAGE: usize = 4096;

static START: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);
/// Where what is not used begins.
static TOP: AtomicUsize = AtomicUsize::new(0);
static IN_USE: AtomicBool = AtomicBool::new(false);

/// Sets the addresses aside.
///
/// # Errors
/// There are not even a few.
pub fn reserve() -> io::Result<Range<u64>> {
    let mut size = RANGE;
    loop {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping, there or wherever there is room.
        let start = unsafe { libc::mmap(PLACE as *mut libc::c_void, size, protection, flags, -1, 0) };
        if start != libc::MAP_FAILED {
            let start = start as usize;
            START.store(start, Ordering::Release);
            TOP.store(start, Ordering::Release);
            END.store(start + size, Ordering::Release);
            return Ok(start as u64..(start + size) as u64);
        }
        size /= 4;
        if size < RANGE_LEAST {
            return Err(io::Error::last_os_error());
        }
    }
}

/// From here on memory comes from what was set aside. Before the guest starts, and never undone.
pub fn take_over() {
    IN_USE.store(START.load(Ordering::Acquire) != 0, Ordering::Release);
}

/// The children of a fork do without what the C library allocated for the start, its thread data too. For the moment before
/// the guest starts: nobody needs that from then on, and Linux must not either.
pub fn leave_behind() {
    // SAFETY: these ask only. A program without a dynamic loader has its thread data at the start of its heap.
    let (start, end) = unsafe { (libc::pthread_self() as usize & !(PAGE - 1), libc::sbrk(0) as usize) };
    if start < end {
        // SAFETY: changes what a fork does and no more. Linux may refuse.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTFORK) };
    }
}

/// In the child of a fork: gives back everything that was allocated since [`take_over`], whatever state it is in.
pub fn forget() {
    let start = START.load(Ordering::Acquire);
    if TOP.load(Ordering::Acquire) == start && HEAP.lock.is_free() {
        // Nothing is allocated, so nothing need be touched.
        return;
    }
    discard(start, TOP.load(Ordering::Acquire));
    TOP.store(start, Ordering::Release);
    HEAP.lock.forget();
    // SAFETY: the child's only thread, and nobody uses what was there.
    unsafe { HEAP.memory.get().write(Dlmalloc::new_with_allocator(Pages)) };
}

fn discard(start: usize, end: usize) {
    if start < end {
        // SAFETY: pages of the range that nobody uses any more; they are zeros when they are used again. Not by the C
        // library, whose error number is thread data.
        let _ = unsafe { sc::platform::syscall3(MADVISE, start, end - start, libc::MADV_DONTNEED as usize) };
    }
}

const MADVISE: usize = libc::SYS_madvise as usize;

/// The pages of the range, handed out from its start on and taken back from its end.
struct Pages;

// SAFETY: what is handed out lies in the mapping, is nobody else's, and is zeroed; calls come with the lock held.
unsafe impl dlmalloc::Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let nothing = (ptr::null_mut(), 0, 0);
        let at = TOP.load(Ordering::Acquire);
        let Some(top) = size.checked_next_multiple_of(PAGE).and_then(|size| at.checked_add(size)) else {
            return nothing;
        };
        if top > END.load(Ordering::Acquire) {
            return nothing;
        }
        TOP.store(top, Ordering::Release);
        (at as *mut u8, top - at, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, start: *mut u8, old: usize, new: usize) -> bool {
        let (end, keep) = (start as usize + old, start as usize + new);
        if end != TOP.load(Ordering::Acquire) {
            return false;
        }
        discard(keep, end);
        TOP.store(keep, Ordering::Release);
        true
    }

    fn free(&self, start: *mut u8, size: usize) -> bool {
        self.free_part(start, size, 0)
    }

    fn can_release_part(&self, _: u32) -> bool {
        true
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE
    }
}

struct Heap {
    lock: RawLock,
    memory: UnsafeCell<Dlmalloc<Pages>>,
}

// SAFETY: the memory is used with the lock held.
unsafe impl Sync for Heap {}

static HEAP: Heap =
    Heap { lock: RawLock::new(), memory: UnsafeCell::new(Dlmalloc::new_with_allocator(Pages)) };

/// The allocator of the program.
#[derive(Debug)]
pub struct Allocator;

// SAFETY: both allocators keep the promises, and an address tells which one a block is of.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !IN_USE.load(Ordering::Relaxed) {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        }
        // SAFETY: the lock is held; the caller's promise.
        HEAP.lock.with(|| unsafe { (*HEAP.memory.get()).malloc(layout.size(), layout.align()) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let ours = START.load(Ordering::Relaxed)..END.load(Ordering::Relaxed);
        if ours.contains(&(block as usize)) {
            // SAFETY: the lock is held, and the block is of this memory.
            HEAP.lock.with(|| unsafe { (*HEAP.memory.get()).free(block, layout.size(), layout.align()) });
        } else if !IN_USE.load(Ordering::Relaxed) {
            // SAFETY: the caller's promise; it is the C library's.
            unsafe { System.dealloc(block, layout) };
        }
    }
}
