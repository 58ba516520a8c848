//! The stack of a new program: what XNU's exec leaves between the stack pointer and the top of the stack.
//!
//! From low to high: the address of the main image's Mach-O header (only for a start through a dynamic linker),
//! argc, the pointers argv, 0, envp, 0, apple, 0, and the strings they point to: the path, the arguments, the
//! environment, the rest of apple. The strings end exactly at the top. XNU aligns to 8 bytes and no further; entry
//! code aligns the stack pointer itself. (`bsd/kern/kern_exec.c`, `exec_copyout_strings`; the 16 bytes above the
//! strings in its drawing are not in its code.)
//!
//! Nothing here touches memory of the program: addresses follow from `top`, the caller copies the bytes.

use std::fmt;
use xnu_abi::darwin::exec::{ARG_MAX, MAXPATHLEN, apple};
use xnu_abi::lkm::{ENTRY_KEY, KERNFD_KEY, PREFIX_KEY, PREFIX_RULES_KEY};

/// Bytes of a pointer, and what each part of the string area is padded to.
const POINTER_BYTES: usize = 8;

/// Random words that the apple strings take, in the order in which exec draws them.
const RANDOM_WORDS: usize = 4;

/// Random bytes that [`Start::random`] holds.
pub const RANDOM_BYTES: usize = RANDOM_WORDS * 8;

/// A file as the apple strings name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileId {
    /// The file system, as `st_dev` shows it to the program.
    pub fsid: u64,
    /// The file number, as `st_ino` shows it to the program.
    pub fileid: u64,
}

/// Hashes of a signed program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signature {
    /// The code directory's hash.
    pub cdhash: [u8; 20],
    /// The first bytes of SHA-256 over a salt of this boot, the boot session's UUID and `cdhash`.
    pub boothash: [u8; 20],
}

/// The main thread's stack, below the `top` given to [`build`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stack {
    /// Bytes that the program may use, without the guard: RLIMIT_STACK, or what LC_MAIN asks for.
    pub size: u64,
    /// The lowest address of the allocation, guard included; 0 if the program brought its own stack.
    pub allocation: u64,
    /// Bytes of the allocation, 0 likewise.
    pub allocation_size: u64,
}

/// What the stack is built from. Strings come without their terminating NUL and must not contain one.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// argv; may be empty.
    pub arguments: &'a [&'a [u8]],
    /// envp; may be empty.
    pub environment: &'a [&'a [u8]],
    /// The path as it was given to exec, not resolved.
    pub executable_path: &'a [u8],
    /// The address of the main image's Mach-O header, if a dynamic linker starts it.
    pub mach_header: Option<u64>,
    /// Where the page of preemption-free routines is (`COMM_PAGE_TEXT_START` of old). XNU always says so; without
    /// it libplatform takes the page's unslid address.
    pub pfz: Option<u64>,
    /// The small-object allocator is on (`_POSIX_SPAWN_NANO_ALLOCATOR`).
    pub nano_zone: bool,
    /// The stack itself.
    pub stack: Stack,
    /// The program's file.
    pub executable_file: Option<FileId>,
    /// The dynamic linker's file; None without one.
    pub dyld_file: Option<FileId>,
    /// The program's hashes; None if it is not signed.
    pub signature: Option<Signature>,
    /// The main thread's port name, with a reference that the program owns.
    pub thread_port: Option<u32>,
    /// Where an image that has the emulation linked in finds its LKM.
    pub lkm: Option<HandOver>,
    /// A descriptor of the prefix for such an image, and its rules ([`xnu_abi::lkm::PREFIX_RULES_KEY`]).
    pub prefix: Option<(i32, u64)>,
    /// From the kernel's random generator, and used for nothing else.
    pub random: &'a [u8; RANDOM_BYTES],
}

/// What a linked image is given to reach Mach ports by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandOver {
    /// A descriptor of `/dev/mach`.
    Device(i32),
    /// The address of a function that serves traps ([`xnu_abi::lkm::ENTRY_KEY`]).
    Entry(u64),
}

/// A built stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// The initial stack pointer, and where [`Image::bytes`] go. They end at `top`.
    pub rsp: u64,
    /// Everything from `rsp` to `top`.
    pub bytes: Vec<u8>,
    /// Where the strings begin, with `executable_path=`; sysctl KERN_PROCARGS2 copies from here to `top`.
    pub strings: u64,
}

/// Why no stack was built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// E2BIG: arguments and environment, with their pointers, take this many bytes; ARG_MAX is the limit.
    TooBig(usize),
    /// E2BIG: the image takes this many bytes, more than the stack has.
    StackTooSmall(usize),
    /// ENAMETOOLONG: the path of the program takes this many bytes with its NUL; MAXPATHLEN is the limit.
    PathTooLong(usize),
    /// EINVAL: a NUL inside a string, which no C caller can pass.
    InteriorNul,
    /// EINVAL: `top` is not a multiple of 8.
    Unaligned,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::TooBig(bytes) => {
                write!(f, "arguments and environment take {bytes} bytes, more than {ARG_MAX}")
            }
            Error::StackTooSmall(bytes) => write!(f, "the stack has no room for {bytes} bytes of arguments"),
            Error::PathTooLong(bytes) => write!(f, "a path of {bytes} bytes is longer than {MAXPATHLEN}"),
            Error::InteriorNul => f.write_str("an argument contains a NUL"),
            Error::Unaligned => f.write_str("the top of the stack is not aligned to 8 bytes"),
        }
    }
}

impl std::error::Error for Error {}

/// Builds the stack that ends at `top`.
pub fn build(start: &Start<'_>, top: u64) -> Result<Image, Error> {
    check(start, top)?;
    let mut strings = Strings::default();
    let mut path = apple::EXECUTABLE_KEY.as_bytes().to_vec();
    path.extend_from_slice(start.executable_path);
    let path = strings.push(&path);
    strings.pad();
    let arguments: Vec<usize> = start.arguments.iter().map(|string| strings.push(string)).collect();
    let environment: Vec<usize> = start.environment.iter().map(|string| strings.push(string)).collect();
    strings.pad();
    let mut apple = vec![path];
    apple.extend(apple_strings(start, top).iter().map(|string| strings.push(string.as_bytes())));
    strings.pad();

    // Three terminators and argc, and the header where there is a dynamic linker.
    let slots = arguments.len() + environment.len() + apple.len() + 4;
    let slots = slots + usize::from(start.mach_header.is_some());
    let length = slots * POINTER_BYTES + strings.0.len();
    let too_small = Error::StackTooSmall(length);
    if length as u64 > start.stack.size {
        return Err(too_small);
    }
    let rsp = top.checked_sub(length as u64).ok_or(too_small)?;
    let area = top - strings.0.len() as u64;

    let mut bytes = Vec::with_capacity(length);
    let mut slot = |value: u64| bytes.extend_from_slice(&value.to_le_bytes());
    start.mach_header.into_iter().for_each(&mut slot);
    slot(arguments.len() as u64);
    for vector in [arguments, environment, apple] {
        vector.into_iter().for_each(|offset| slot(area + offset as u64));
        slot(0);
    }
    bytes.extend_from_slice(&strings.0);
    Ok(Image { rsp, bytes, strings: area })
}

/// The limits of `exec_save_path` and `exec_extract_strings`.
fn check(start: &Start<'_>, top: u64) -> Result<(), Error> {
    if !top.is_multiple_of(POINTER_BYTES as u64) {
        return Err(Error::Unaligned);
    }
    let path_bytes = start.executable_path.len() + 1;
    if path_bytes > MAXPATHLEN {
        return Err(Error::PathTooLong(path_bytes));
    }
    let vectors = || start.arguments.iter().chain(start.environment);
    if vectors().chain([&start.executable_path]).any(|string| string.contains(&0)) {
        return Err(Error::InteriorNul);
    }
    // The padding after the environment and both terminators count; the path and the apple strings do not.
    let strings: usize = vectors().map(|string| string.len() + 1).sum();
    let pointers = vectors().count() + 2;
    let charged = strings.next_multiple_of(POINTER_BYTES) + pointers * POINTER_BYTES;
    if charged > ARG_MAX { Err(Error::TooBig(charged)) } else { Ok(()) }
}

/// The apple strings after the first, in exec's order (`exec_add_apple_strings`). `dyld_flags=` exists only in
/// development kernels.
fn apple_strings(start: &Start<'_>, top: u64) -> Vec<String> {
    let [guard, entropy @ .., munge] = random_words(start.random);
    // A NUL as second byte stops a string copy that runs over the guard.
    let guard = guard & !0xff00;
    let mut strings = Vec::new();
    strings.extend(start.pfz.map(|address| format!("{}{address:#x}", apple::PFZ_KEY)));
    strings.extend(start.nano_zone.then(|| apple::NANO_ENGAGE.to_string()));
    strings.push(format!("{}{guard:#x}", apple::GUARD_KEY));
    strings.push(format!("{}{:#x},{:#x}", apple::ENTROPY_KEY, entropy[0], entropy[1]));
    strings.push(format!("{}{munge:#x}", apple::PTR_MUNGE_KEY));
    let Stack { size, allocation, allocation_size } = start.stack;
    let key = apple::MAIN_STACK_KEY;
    strings.push(format!("{key}{top:#x},{size:#x},{allocation:#x},{allocation_size:#x}"));
    let file = |key: &str, id: FileId| format!("{key}{:#x},{:#x}", id.fsid, id.fileid);
    strings.extend(start.executable_file.map(|id| file(apple::FSID_KEY, id)));
    strings.extend(start.dyld_file.map(|id| file(apple::DYLD_FSID_KEY, id)));
    if let Some(Signature { cdhash, boothash }) = start.signature {
        strings.push(hex(apple::CDHASH_KEY, &cdhash));
        strings.push(hex(apple::APP_BOOT_SESSION_KEY, &boothash));
    }
    strings.extend(start.lkm.map(|lkm| match lkm {
        HandOver::Device(fd) => format!("{KERNFD_KEY}{fd}"),
        HandOver::Entry(address) => format!("{ENTRY_KEY}{address:x}"),
    }));
    if let Some((directory, rules)) = start.prefix {
        strings.push(format!("{PREFIX_KEY}{directory}"));
        strings.push(format!("{PREFIX_RULES_KEY}{rules}"));
    }
    strings.extend(start.thread_port.map(|name| format!("{}{name:#x}", apple::MAIN_TH_PORT_KEY)));
    strings
}

fn random_words(bytes: &[u8; RANDOM_BYTES]) -> [u64; RANDOM_WORDS] {
    let (words, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|i| u64::from_le_bytes(words[i]))
}

fn hex(key: &str, bytes: &[u8]) -> String {
    bytes.iter().fold(key.to_string(), |text, byte| format!("{text}{byte:02x}"))
}

/// The string area under construction.
#[derive(Default)]
struct Strings(Vec<u8>);

impl Strings {
    /// Appends a string and its NUL; where it begins in the area.
    fn push(&mut self, string: &[u8]) -> usize {
        let offset = self.0.len();
        self.0.extend_from_slice(string);
        self.0.push(0);
        offset
    }

    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(POINTER_BYTES), 0);
    }
}

#[cfg(test)]
mod tests;
