//! The Mach-O reader: from the bytes of a file to a plan that the loader carries out.
//!
//! Everything is checked here: addresses, file ranges and the entry point of a [`Program`] are in range, so the
//! loader maps segments and never looks at the file's structures. The checks are those of XNU's exec
//! (`bsd/kern/mach_loader.c`, `bsd/kern/mach_fat.c`); comments that begin "Differs from XNU" say where not.
//!
//! Files: `identify` tells Mach-O from everything else, `universal` chooses a slice, `image` walks the load
//! commands, `segment` and `thread` read the two that matter most, `error` is what the user sees.

mod error;
mod identify;
mod image;
mod segment;
#[doc(hidden)]
pub mod testing;
#[cfg(test)]
mod tests;
mod thread;
mod universal;

pub use error::{Error, Kind};
pub use identify::Architecture;
pub use segment::{FileRange, Protection, Segment};
pub use thread::Registers;

use std::fmt;
use std::ops::Range;

/// The page size of x86-64 XNU and Linux, in bytes.
pub const PAGE_SIZE: u64 = 0x1000;

/// The end of a 64-bit task's address space, where the commpage begins (`osfmk/mach/i386/vm_param.h`,
/// `VM_MAX_PAGE_ADDRESS`). No segment reaches beyond it.
pub const ADDRESS_LIMIT: u64 = 0x7fff_ffe0_0000;

/// What the processor can do, as far as the choice of a slice depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cpu {
    /// Any x86-64: runs `x86_64` slices.
    Generic,
    /// Has what XNU asks for before it runs an `x86_64h` slice, and then prefers that.
    Haswell,
}

impl Cpu {
    /// The processor this runs on (`osfmk/i386/cpuid.c`, `cpuid_set_info`).
    pub fn host() -> Cpu {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let basic = has!("fma") && has!("sse4.2") && has!("movbe") && has!("popcnt") && has!("avx");
            if basic && has!("lzcnt") && has!("bmi1") && has!("bmi2") && has!("avx2") {
                return Cpu::Haswell;
            }
        }
        Cpu::Generic
    }
}

/// An image that can be mapped and started.
///
/// Addresses are those of the file. Where [`Program::pie`] holds, the loader adds one page-aligned slide to all
/// of them, chosen so that [`Program::span`] ends up in free memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// Where the x86-64 image lies in the file, in bytes; all of the file when it is not universal.
    pub slice: Range<u64>,
    /// What to map: by rising address, no two in the same page, none of size 0, `__PAGEZERO` left out.
    pub segments: Vec<Segment>,
    /// The end of `__PAGEZERO`: from 0 to here, plus the slide, nothing may ever be mapped. 0 for a dynamic linker.
    pub page_zero: u64,
    /// Where the Mach-O header is mapped, if a segment has it. Always there if [`Program::dylinker`] is.
    pub header_address: Option<u64>,
    /// Where execution begins.
    pub entry: Entry,
    /// The path of the dynamic linker (`LC_LOAD_DYLINKER`), not empty, without the NUL. When there is one, it is
    /// loaded too and execution begins at its entry point.
    pub dylinker: Option<Vec<u8>>,
    /// Whether the image may be slid (`MH_PIE`, or a dynamic linker).
    pub pie: bool,
    /// The size of the main thread's stack in bytes, where `LC_MAIN` asks for one; never 0.
    pub stack_size: Option<u64>,
    /// Whether the stack may be executed (`MH_ALLOW_STACK_EXECUTION`).
    pub allow_stack_execution: bool,
    /// Whether data may not be executed even where the system would usually let it (`MH_NO_HEAP_EXECUTION`).
    pub no_heap_execution: bool,
    /// The build's identity (`LC_UUID`).
    pub uuid: Option<[u8; 16]>,
    /// The system it was built for (`LC_BUILD_VERSION` or `LC_VERSION_MIN_*`; the first one counts).
    pub build: Option<Build>,
    /// Whether it names any library to load.
    pub needs_libraries: bool,
    /// Whether it has the emulation linked in, and so makes Linux calls of its own
    /// ([`xnu_abi::lkm::LINKED_SECTION`]).
    pub linked: bool,
    /// Where a dynamic linker keeps its list of images (section `__all_image_info`), which
    /// `task_info(TASK_DYLD_INFO)` reports; `None` for programs.
    pub all_image_info: Option<Range<u64>>,
}

impl Program {
    /// The lowest and the highest page-aligned address that is mapped; `__PAGEZERO` does not count.
    pub fn span(&self) -> Range<u64> {
        match (self.segments.first(), self.segments.last()) {
            (Some(first), Some(last)) => first.address..last.pages().end,
            _ => 0..0,
        }
    }

    /// The segment that holds this address of the file's, if one does.
    pub fn segment_at(&self, address: u64) -> Option<&Segment> {
        let after = self.segments.partition_point(|segment| segment.address <= address);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        (address - segment.address < segment.memory_size).then_some(segment)
    }

    /// The stack pointer that an `LC_UNIXTHREAD` asks for; `None` means the usual stack.
    ///
    /// It lies in or at the end of a writable segment. XNU rounds it down to a page and puts the arguments below.
    pub fn custom_stack(&self) -> Option<u64> {
        match self.entry {
            Entry::Thread(ref registers) if registers.rsp != 0 => Some(registers.rsp),
            _ => None,
        }
    }
}

/// Where execution of an image begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// `LC_UNIXTHREAD`: with these registers. An rsp that is not 0 asks for another stack; rflags and the segments are
    /// as the file has them, not fit to be loaded. `rip` is inside a readable and executable segment.
    Thread(Registers),
    /// `LC_MAIN`: the dynamic linker finds and calls it.
    Main {
        /// Counted from the Mach-O header, as the load command says.
        offset: u64,
        /// The address that follows from it, inside a readable and executable segment.
        address: u64,
    },
}

impl Entry {
    /// The address of the first instruction.
    pub fn address(&self) -> u64 {
        match *self {
            Entry::Thread(ref registers) => registers.rip,
            Entry::Main { address, .. } => address,
        }
    }
}

/// The system an image was built for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Build {
    /// `PLATFORM_*` of `<mach-o/loader.h>`: 1 is macOS.
    pub platform: u32,
    /// The oldest version of that system.
    pub minimum: Version,
    /// The version of the SDK.
    pub sdk: Version,
}

/// A version as load commands pack it: 16 bits, 8 bits, 8 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version(pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0 >> 16, (self.0 >> 8) & 0xff, self.0 & 0xff)
    }
}

/// Reads a file for the processor this runs on.
///
/// # Errors
/// The file is not a Mach-O file of the wanted kind, is for other processors, or is damaged.
pub fn parse(file: &[u8], kind: Kind) -> Result<Program, Error> {
    parse_for(file, kind, Cpu::host())
}

/// Reads a file for a given processor. Work and memory are bounded by the size of the load commands.
///
/// # Errors
/// As [`parse`].
pub fn parse_for(file: &[u8], kind: Kind, cpu: Cpu) -> Result<Program, Error> {
    let slice = universal::select(file, cpu)?;
    image::parse(file, &slice, kind, cpu)
}

/// Rounds up to a whole page; `None` on overflow.
fn page_up(bytes: u64) -> Option<u64> {
    bytes.checked_next_multiple_of(PAGE_SIZE)
}
