//! Where the program of a process is in its memory.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

/// The program, and what it was started with. Set before the process has threads.
#[derive(Debug)]
pub struct Program {
    image: AtomicU64,
    strings: AtomicU64,
    top: AtomicU64,
    arguments: AtomicU64,
}

impl Program {
    /// Nobody said.
    pub(crate) const fn new() -> Program {
        Program {
            image: AtomicU64::new(0),
            strings: AtomicU64::new(0),
            top: AtomicU64::new(0),
            arguments: AtomicU64::new(0),
        }
    }

    /// Says where it is: any address in its text, the strings on its stack from `executable_path=` to the top, and how
    /// many of them are arguments.
    pub fn set(&self, image: u64, strings: Range<u64>, arguments: u64) {
        self.strings.store(strings.start, Ordering::Relaxed);
        self.top.store(strings.end, Ordering::Relaxed);
        self.arguments.store(arguments, Ordering::Relaxed);
        self.image.store(image, Ordering::Release);
    }

    /// An address in its text.
    pub fn image(&self) -> Option<u64> {
        Some(self.image.load(Ordering::Acquire)).filter(|image| *image != 0)
    }

    /// The strings that it was started with, and how many of them are arguments.
    pub fn strings(&self) -> Option<(Range<u64>, u64)> {
        self.image()?;
        let range = self.strings.load(Ordering::Relaxed)..self.top.load(Ordering::Relaxed);
        Some((range, self.arguments.load(Ordering::Relaxed)))
    }
}
