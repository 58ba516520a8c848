//! What every guest program shares: entry code, XNU system calls, printing, strict checks.
//!
//! A guest is one `#![no_std] #![no_main]` file that includes this one by `mod support;`. `cargo xtask guests`
//! builds it as an ELF file and turns that into a Mach-O file for x86-64 macOS. Guests talk to the kernel
//! by the `syscall` instruction alone, with the numbers and registers of XNU.
//!
//! # Safety
//! The calls below are not marked unsafe, although a system call can write anywhere: handing the kernel wrong
//! pointers is what these programs are for, and a guest whose memory is damaged fails its own checks.
#![allow(dead_code, unused_macros, unused_imports)]

use core::arch::asm;
use core::ffi::CStr;
use core::fmt::{self, Write};
use core::panic::PanicInfo;

/// Classes of a call number in `eax` (osfmk/mach/i386/syscall_sw.h).
pub const MACH: u64 = 0x0100_0000;
pub const UNIX: u64 = 0x0200_0000;
pub const MACHDEP: u64 = 0x0300_0000;

/// BSD call numbers that several guests use (bsd/kern/syscalls.master).
pub mod nr {
    pub const EXIT: u64 = 1;
    pub const READ: u64 = 3;
    pub const WRITE: u64 = 4;
    pub const OPEN: u64 = 5;
    pub const CLOSE: u64 = 6;
    pub const GETPID: u64 = 20;
    pub const KILL: u64 = 37;
    pub const GETPPID: u64 = 39;
    pub const PIPE: u64 = 42;
    pub const SIGACTION: u64 = 46;
    pub const MUNMAP: u64 = 73;
    pub const MPROTECT: u64 = 74;
    pub const GETTIMEOFDAY: u64 = 116;
    pub const MMAP: u64 = 197;
}

/// Darwin errnos (bsd/sys/errno.h).
pub const EINTR: u64 = 4;
pub const EBADF: u64 = 9;
pub const ENOMEM: u64 = 12;
pub const EFAULT: u64 = 14;
pub const EINVAL: u64 = 22;
pub const ENOSYS: u64 = 78;

pub const PAGE: u64 = 4096;
/// Arguments of mmap(2) (bsd/sys/mman.h).
pub const PROT_NONE: u64 = 0;
pub const PROT_READ: u64 = 1;
pub const PROT_RW: u64 = 3;
pub const MAP_PRIVATE: u64 = 0x2;
pub const MAP_FIXED: u64 = 0x10;
pub const MAP_ANON: u64 = 0x1000;
pub const MAP_UNIX03: u64 = 0x40000;
pub const NO_FD: u64 = u64::MAX;

/// Both return words (rax, rdx), or the errno.
pub type SysResult = Result<(u64, u64), u64>;

/// A call of any class: `number` is the whole of `eax`; the carry flag decides between the two results.
#[inline(never)]
pub fn call<const N: usize>(number: u64, args: [u64; N]) -> SysResult {
    let mut a = [0u64; 6];
    a.iter_mut().zip(args).for_each(|(slot, value)| *slot = value);
    let (rax, rdx, carry): (u64, u64, u8);
    // SAFETY: the register contract is XNU's: rax and rdx are results, rcx and r11 are destroyed.
    unsafe {
        asm!("syscall", "setc {carry}", carry = out(reg_byte) carry,
            inlateout("rax") number => rax, in("rdi") a[0], in("rsi") a[1], inlateout("rdx") a[2] => rdx,
            in("r10") a[3], in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _);
    }
    if carry == 0 { Ok((rax, rdx)) } else { Err(rax) }
}

/// A BSD call.
pub fn bsd<const N: usize>(number: u64, args: [u64; N]) -> SysResult {
    call(UNIX | number, args)
}

/// A Mach trap: no carry flag, the result is rax alone.
pub fn mach<const N: usize>(number: u64, args: [u64; N]) -> u64 {
    match call(MACH | number, args) {
        Ok((rax, _)) | Err(rax) => rax,
    }
}

pub fn exit(code: i32) -> ! {
    let _ = bsd(nr::EXIT, [code as u64]);
    // A kernel that returns from exit(2) must not run on into data.
    loop {
        // SAFETY: `ud2` raises SIGILL and touches nothing.
        unsafe { asm!("ud2") }
    }
}

/// Private zero-filled pages wherever the kernel likes. Ends the guest with code 90 if there are none.
pub fn map_pages(pages: u64, prot: u64) -> u64 {
    match bsd(nr::MMAP, [0, pages * PAGE, prot, MAP_PRIVATE | MAP_ANON, NO_FD, 0]) {
        Ok((addr, _)) => addr,
        Err(errno) => wrong(90, format_args!("mmap of {pages} pages: errno {errno}")),
    }
}

pub fn protect(addr: u64, pages: u64, prot: u64) {
    if let Err(errno) = bsd(nr::MPROTECT, [addr, pages * PAGE, prot]) {
        wrong(91, format_args!("mprotect of {addr:#x}: errno {errno}"));
    }
}

/// Descriptor 1, one write(2) a line; ends the guest with code 92 when it cannot write.
pub struct Stdout {
    line: [u8; 256],
    used: usize,
}

impl Stdout {
    pub const fn new() -> Self {
        Self { line: [0; 256], used: 0 }
    }

    pub fn flush(&mut self) {
        let mut rest = &self.line[..self.used];
        while !rest.is_empty() {
            match bsd(nr::WRITE, [1, rest.as_ptr() as u64, rest.len() as u64]) {
                Ok((count, _)) if count > 0 && count as usize <= rest.len() => rest = &rest[count as usize..],
                _ => exit(92),
            }
        }
        self.used = 0;
    }
}

impl Write for Stdout {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.used == self.line.len() {
                self.flush();
            }
            self.line[self.used] = byte;
            self.used += 1;
        }
        Ok(())
    }
}

pub fn print(text: fmt::Arguments<'_>) {
    let mut out = Stdout::new();
    let _ = out.write_fmt(text);
    out.flush();
}

macro_rules! println {
    ($($arg:tt)*) => { $crate::support::print(format_args!("{}\n", format_args!($($arg)*))) };
}
pub(crate) use println;

/// Says what is wrong and ends the guest with `code`.
pub fn wrong(code: i32, text: fmt::Arguments<'_>) -> ! {
    print(format_args!("wrong: {text}\n"));
    exit(code)
}

/// Ends the guest with `code` and a message unless the condition holds.
macro_rules! ensure {
    ($code:expr, $cond:expr, $($arg:tt)*) => {
        if !$cond { $crate::support::wrong($code, format_args!($($arg)*)) }
    };
}
pub(crate) use ensure;

/// A C string of the start-up stack; not UTF-8 is shown as such.
pub fn text<'a>(string: *const u8) -> &'a str {
    // SAFETY: the kernel's exec put NUL-terminated strings there, and nobody writes to them.
    unsafe { CStr::from_ptr(string.cast()) }.to_str().unwrap_or("(not UTF-8)")
}

/// A decimal or 0x-prefixed number.
pub fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The address of a number as a C string of decimal digits.
pub fn decimal(mut number: u64, into: &mut [u8; 24]) -> u64 {
    let mut at = into.len() - 1;
    loop {
        at -= 1;
        into[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return into.as_ptr() as u64 + at as u64;
        }
    }
}

/// A NULL-terminated vector of C strings.
#[derive(Clone, Copy)]
pub struct Strings(pub *const *const u8);

impl Iterator for Strings {
    type Item = *const u8;

    fn next(&mut self) -> Option<*const u8> {
        // SAFETY: stays at the terminating NULL once it is there.
        unsafe {
            let string = *self.0;
            if string.is_null() {
                return None;
            }
            self.0 = self.0.add(1);
            Some(string)
        }
    }
}

/// What a program is started with.
pub struct Args {
    pub argc: u64,
    pub argv: Strings,
    pub envp: Strings,
    pub apple: Strings,
}

impl Args {
    /// Reads the stack that exec left: argc, argv…, 0, envp…, 0, apple…, 0.
    ///
    /// # Safety
    /// `stack` is the address of argc.
    pub unsafe fn from_stack(stack: *const u64) -> Self {
        // SAFETY: the caller's promise; each vector ends in NULL and the next follows it.
        unsafe {
            let argv = Strings(stack.add(1).cast());
            let envp = after(argv);
            Self { argc: *stack, argv, envp, apple: after(envp) }
        }
    }

    /// argv[index] as text.
    pub fn arg(&self, index: usize) -> Option<&str> {
        let mut argv = self.argv;
        argv.nth(index).map(text)
    }

    /// argv[index] as a number, or `default` when it is absent.
    pub fn number(&self, index: usize, default: u64) -> u64 {
        self.arg(index).and_then(number).unwrap_or(default)
    }
}

fn after(mut strings: Strings) -> Strings {
    while strings.next().is_some() {}
    // SAFETY: the terminating NULL is part of the vector, so its end is still inside the stack.
    Strings(unsafe { strings.0.add(1) })
}

/// Applies the relative relocations of a position-independent guest; harmless to repeat, empty in others.
/// Nothing in here may use an address that needs relocation itself.
///
/// # Safety
/// Runs before any other code of the guest.
pub unsafe fn relocate_self() {
    let (header, mut rela, end): (*const u8, *const [u64; 3], *const [u64; 3]);
    // SAFETY: the three symbols come from the link script; the table holds (offset, kind, addend) for data in
    // this image. The Mach-O header in front of the text says where the image was linked.
    unsafe {
        asm!("lea {}, [rip + __mach_header]", "lea {}, [rip + __rela_start]", "lea {}, [rip + __rela_end]",
            out(reg) header, out(reg) rela, out(reg) end);
        let slide = (header as u64).wrapping_sub(linked_at(header));
        while rela < end {
            let [offset, _, addend] = *rela;
            *(offset.wrapping_add(slide) as *mut u64) = addend.wrapping_add(slide);
            rela = rela.add(1);
        }
    }
}

/// The address for which an image was linked: vmaddr of the segment that maps its header.
///
/// # Safety
/// `header` is a mapped mach_header_64 with its load commands.
pub unsafe fn linked_at(header: *const u8) -> u64 {
    // SAFETY: the caller's promise; an LC_SEGMENT_64 has vmaddr at 24, fileoff at 40 and filesize at 48.
    unsafe {
        let mut command = header.add(32);
        for _ in 0..header.add(16).cast::<u32>().read() {
            let file_offset = || command.add(40).cast::<u64>().read();
            let file_size = || command.add(48).cast::<u64>().read();
            if command.cast::<u32>().read() == 0x19 && file_offset() == 0 && file_size() != 0 {
                return command.add(24).cast::<u64>().read();
            }
            command = command.add(command.add(4).cast::<u32>().read() as usize);
        }
    }
    0
}

/// The general registers at the entry of a static program, in the order rax rbx rcx rdx rdi rsi rbp r8…r15.
pub static mut ENTRY_REGISTERS: [u64; 15] = [0; 15];

/// Entry by LC_UNIXTHREAD: `fn main(&Args) -> i32`.
macro_rules! unixthread {
    ($main:path) => {
        core::arch::global_asm!(
            ".globl _start",
            "_start:",
            "mov [rip + {regs}], rax",
            "mov [rip + {regs} + 8], rbx",
            "mov [rip + {regs} + 16], rcx",
            "mov [rip + {regs} + 24], rdx",
            "mov [rip + {regs} + 32], rdi",
            "mov [rip + {regs} + 40], rsi",
            "mov [rip + {regs} + 48], rbp",
            "mov [rip + {regs} + 56], r8",
            "mov [rip + {regs} + 64], r9",
            "mov [rip + {regs} + 72], r10",
            "mov [rip + {regs} + 80], r11",
            "mov [rip + {regs} + 88], r12",
            "mov [rip + {regs} + 96], r13",
            "mov [rip + {regs} + 104], r14",
            "mov [rip + {regs} + 112], r15",
            "mov rdi, rsp",
            "and rsp, -16",
            "call {start}",
            "ud2",
            regs = sym $crate::support::ENTRY_REGISTERS,
            start = sym start,
        );

        unsafe extern "C" fn start(stack: *const u64) -> ! {
            // SAFETY: this is the first Rust code of the guest, on the stack that exec made.
            let args = unsafe {
                $crate::support::relocate_self();
                $crate::support::Args::from_stack(stack)
            };
            $crate::support::exit($main(&args))
        }
    };
}
pub(crate) use unixthread;

/// Entry of a dynamic linker: the stack begins with the main image's header. `fn main(*const u8, &Args) -> i32`.
macro_rules! dyld {
    ($main:path) => {
        core::arch::global_asm!(
            ".globl _start",
            "_start:",
            "mov rdi, rsp",
            "and rsp, -16",
            "call {start}",
            "ud2",
            start = sym start,
        );

        unsafe extern "C" fn start(stack: *const u64) -> ! {
            // SAFETY: this is the first Rust code of the guest, on the stack that exec made.
            let (header, args) = unsafe {
                $crate::support::relocate_self();
                (*stack as *const u8, $crate::support::Args::from_stack(stack.add(1)))
            };
            $crate::support::exit($main(header, &args))
        }
    };
}
pub(crate) use dyld;

/// Entry by LC_MAIN, called by the dynamic linker as a C function: `fn main(&Args) -> i32`.
macro_rules! lc_main {
    ($main:path) => {
        core::arch::global_asm!(".globl _start", "_start: jmp {start}", start = sym start);

        unsafe extern "C" fn start(
            argc: u64,
            argv: *const *const u8,
            envp: *const *const u8,
            apple: *const *const u8,
        ) -> i32 {
            use $crate::support::{Args, Strings, relocate_self};
            // SAFETY: this is the first Rust code of this image.
            unsafe { relocate_self() };
            $main(&Args { argc, argv: Strings(argv), envp: Strings(envp), apple: Strings(apple) })
        }
    };
}
pub(crate) use lc_main;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    print(format_args!("{info}\n"));
    exit(101)
}

/// The symbols that rustc expects of a C library. Written with string instructions, since a loop would be
/// compiled back into a call of the same function.
mod symbols {
    use core::arch::asm;

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
        // SAFETY: the caller's buffers hold `len` bytes.
        unsafe {
            asm!("rep movsb", inout("rdi") to => _, inout("rsi") from => _, inout("rcx") len => _,
                options(nostack, preserves_flags));
        }
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
        if (to as usize).wrapping_sub(from as usize) >= len {
            // SAFETY: the target does not begin inside the source, so copying upwards is right.
            return unsafe { memcpy(to, from, len) };
        }
        // SAFETY: the caller's buffers hold `len` bytes, which is not 0 here; copies from the last byte down.
        unsafe {
            asm!("std", "rep movsb", "cld", inout("rdi") to.add(len - 1) => _,
                inout("rsi") from.add(len - 1) => _, inout("rcx") len => _, options(nostack));
        }
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
        // SAFETY: the caller's buffer holds `len` bytes.
        unsafe {
            asm!("rep stosb", inout("rdi") to => _, in("al") byte as u8, inout("rcx") len => _,
                options(nostack, preserves_flags));
        }
        to
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
        for i in 0..len {
            // SAFETY: the caller's buffers hold `len` bytes; volatile keeps this from becoming a memcmp.
            let (x, y) = unsafe { (a.add(i).read_volatile(), b.add(i).read_volatile()) };
            if x != y {
                return i32::from(x) - i32::from(y);
            }
        }
        0
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
        // SAFETY: as for memcmp.
        unsafe { memcmp(a, b, len) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn strlen(string: *const u8) -> usize {
        let mut len = 0;
        // SAFETY: the caller's string is NUL-terminated; volatile keeps this from becoming a strlen.
        while unsafe { string.add(len).read_volatile() } != 0 {
            len += 1;
        }
        len
    }

    /// Named by the precompiled core, never called: guests abort on panic.
    #[unsafe(no_mangle)]
    extern "C" fn rust_eh_personality() {}
}
