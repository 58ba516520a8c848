//! A system call may change rax, rdx, rcx, r11 and the carry flag; every other register must survive it.
//!
//! Fills the general registers, the flags, the widest vector registers that the processor and the system offer,
//! mxcsr and the x87 control word with patterns, makes a call, compares. On an error and in a Mach trap
//! rdx must survive too, and a Mach trap has no business with carry.
use crate::support::ensure;
use core::arch::{global_asm, x86_64};

pub const NAMES: [&str; 15] =
    ["rax", "rbx", "rcx", "rdx", "rdi", "rsi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
const RAX: usize = 0;
const RCX: usize = 2;
const RDX: usize = 3;
const R11: usize = 10;

const CARRY: u64 = 1;
/// Parity, adjust, zero, sign and overflow: what arithmetic sets besides carry.
const ARITHMETIC: u64 = 0x8d4;
const DIRECTION: u64 = 0x400;

/// What `probe` loads before the call and what it stores after it; the assembly knows the offsets.
#[repr(C, align(64))]
#[derive(Clone)]
struct State {
    general: [u64; 15],
    rflags: u64,
    mxcsr: u32,
    x87_control: u32,
    mask: [u64; 8],
    _pad: [u64; 7],
    vector: [[u8; 64]; 32],
}

const EMPTY: State = State {
    general: [0; 15],
    rflags: 0,
    mxcsr: 0,
    x87_control: 0,
    mask: [0; 8],
    _pad: [0; 7],
    vector: [[0; 64]; 32],
};

static mut BEFORE: State = EMPTY;
static mut AFTER: State = EMPTY;
/// 0: xmm0–15, 1: ymm0–15, 2: zmm0–31 and k0–7.
static mut LEVEL: u32 = 0;

// probe(before, after). Loads everything, calls, stores everything; nothing but the `syscall` between.
global_asm!(
    "probe:",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "sub rsp, 8",
    "stmxcsr [rsp]",
    "fnstcw [rsp + 4]",
    "push rsi",
    "ldmxcsr [rdi + 128]",
    "fldcw [rdi + 132]",
    "mov eax, [rip + {level}]",
    "lea rsi, [rdi + 256]",
    "cmp eax, 1",
    "je 21f",
    "ja 22f",
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "movdqa xmm\\i, [rsi + 64 * \\i]",
    ".endr",
    "jmp 23f",
    "21:",
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "vmovdqa ymm\\i, [rsi + 64 * \\i]",
    ".endr",
    "jmp 23f",
    "22:",
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "vmovdqa64 zmm\\i, [rsi + 64 * \\i]",
    ".endr",
    ".irp i, 0,1,2,3,4,5,6,7",
    "kmovw k\\i, [rdi + 136 + 8 * \\i]",
    ".endr",
    "23:",
    "mov rax, [rdi]",
    "mov rbx, [rdi + 8]",
    "mov rcx, [rdi + 16]",
    "mov rdx, [rdi + 24]",
    "mov rsi, [rdi + 40]",
    "mov rbp, [rdi + 48]",
    "mov r8, [rdi + 56]",
    "mov r9, [rdi + 64]",
    "mov r10, [rdi + 72]",
    "mov r11, [rdi + 80]",
    "mov r12, [rdi + 88]",
    "mov r13, [rdi + 96]",
    "mov r14, [rdi + 104]",
    "mov r15, [rdi + 112]",
    "push [rdi + 120]",
    "mov rdi, [rdi + 32]",
    "popfq",
    "syscall",
    "pushfq",
    "cld",
    "push rax",
    "mov rax, [rsp + 16]",
    "mov [rax + 8], rbx",
    "mov [rax + 16], rcx",
    "mov [rax + 24], rdx",
    "mov [rax + 32], rdi",
    "mov [rax + 40], rsi",
    "mov [rax + 48], rbp",
    "mov [rax + 56], r8",
    "mov [rax + 64], r9",
    "mov [rax + 72], r10",
    "mov [rax + 80], r11",
    "mov [rax + 88], r12",
    "mov [rax + 96], r13",
    "mov [rax + 104], r14",
    "mov [rax + 112], r15",
    "pop [rax]",
    "pop [rax + 120]",
    "stmxcsr [rax + 128]",
    "fnstcw [rax + 132]",
    "mov ecx, [rip + {level}]",
    "lea rsi, [rax + 256]",
    "cmp ecx, 1",
    "je 21f",
    "ja 22f",
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "movdqa [rsi + 64 * \\i], xmm\\i",
    ".endr",
    "jmp 23f",
    "21:",
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "vmovdqa [rsi + 64 * \\i], ymm\\i",
    ".endr",
    "vzeroupper",
    "jmp 23f",
    "22:",
    ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "vmovdqa64 [rsi + 64 * \\i], zmm\\i",
    ".endr",
    ".irp i, 0,1,2,3,4,5,6,7",
    "kmovw [rax + 136 + 8 * \\i], k\\i",
    ".endr",
    "vzeroupper",
    "23:",
    "pop rsi",
    "ldmxcsr [rsp]",
    "fldcw [rsp + 4]",
    "add rsp, 8",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "ret",
    level = sym LEVEL,
);

unsafe extern "C" {
    fn probe(before: *const State, after: *mut State);
}

/// The widest vectors that may be used: what the processor has and the system saves (xgetbv).
fn vector_level() -> u32 {
    let osxsave_and_avx = 1 << 27 | 1 << 28;
    if x86_64::__cpuid(1).ecx & osxsave_and_avx != osxsave_and_avx {
        return 0;
    }
    let (low, _high): (u32, u32);
    // SAFETY: OSXSAVE says that xgetbv exists.
    unsafe { core::arch::asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _high) };
    let avx512f = x86_64::__cpuid(0).eax >= 7 && x86_64::__cpuid_count(7, 0).ebx & 1 << 16 != 0;
    match () {
        () if avx512f && low & 0xe6 == 0xe6 => 2,
        () if low & 6 == 6 => 1,
        () => 0,
    }
}

/// [`vector_level`], from here on the level of all probes.
pub fn use_vector_level() -> u32 {
    let level = vector_level();
    // SAFETY: nothing else writes the static, and no probe runs.
    unsafe { (&raw mut LEVEL).write(level) };
    level
}

/// Fills `state` with words that differ from each other and between rounds.
fn fill(state: &mut State, number: u64, round: u64) {
    for (i, word) in state.general.iter_mut().enumerate() {
        *word = 0x1357_9bdf_0246_8ace ^ (i as u64).wrapping_mul(0x0101_0101_1111_1111) ^ round << 32;
    }
    state.general[RAX] = number;
    state.rflags = 0x202 | ARITHMETIC;
    // Flush-to-zero, denormals-are-zero, round up; x87: round down, single precision. All exceptions masked.
    state.mxcsr = 0xdfc0;
    state.x87_control = 0x047f;
    for (i, mask) in state.mask.iter_mut().enumerate() {
        *mask = 0x5a5a ^ (i as u64 * 0x111);
    }
    for (i, vector) in state.vector.iter_mut().enumerate() {
        for (j, byte) in vector.iter_mut().enumerate() {
            *byte = (i * 7 + j * 3 + round as usize) as u8;
        }
    }
}

/// What the call is allowed to do with carry and rdx.
pub enum Kind {
    Success,
    Error(u64),
    Mach,
}

/// Makes the call and compares; answers rax. Ends the guest where a register is lost.
pub fn check(name: &str, number: u64, kind: Kind, round: u64, level: u32) -> u64 {
    let (before, after) = (&raw mut BEFORE, &raw mut AFTER);
    // SAFETY: the statics belong to this single-threaded program, and no reference outlives its statement.
    let (before, after) = unsafe {
        fill(&mut *before, number, round);
        if matches!(kind, Kind::Success) || round & 1 == 1 {
            (*before).rflags |= CARRY;
        }
        *after = EMPTY;
        probe(before, after);
        (&*before, &*after)
    };

    let rdx_is_result = matches!(kind, Kind::Success);
    for (i, register) in NAMES.iter().enumerate() {
        let (was, is) = (before.general[i], after.general[i]);
        let free = matches!(i, RAX | RCX | R11) || (i == RDX && rdx_is_result);
        ensure!(10 + i as i32, free || was == is, "{name}: {register} was {was:#x}, is {is:#x}");
    }
    let carry = after.rflags & CARRY;
    match kind {
        Kind::Success => ensure!(1, carry == 0, "{name}: carry is set, rax {:#x}", after.general[RAX]),
        Kind::Error(errno) => ensure!(
            2,
            carry == 1 && after.general[RAX] == errno,
            "{name}: carry {carry}, rax {:#x}, not errno {errno}",
            after.general[RAX]
        ),
        Kind::Mach => ensure!(3, carry == before.rflags & CARRY, "{name}: carry became {carry}"),
    }
    let flags = ARITHMETIC | DIRECTION;
    ensure!(
        4,
        before.rflags & flags == after.rflags & flags,
        "{name}: rflags were {:#x}, are {:#x}",
        before.rflags,
        after.rflags
    );
    ensure!(5, before.mxcsr == after.mxcsr, "{name}: mxcsr is {:#x}", after.mxcsr);
    ensure!(6, before.x87_control == after.x87_control, "{name}: x87 control is {:#x}", after.x87_control);
    let (count, bytes) = [(16, 16), (16, 32), (32, 64)][level as usize];
    for (i, (was, is)) in before.vector.iter().zip(&after.vector).take(count).enumerate() {
        ensure!(7, was[..bytes] == is[..bytes], "{name}: vector register {i} is {:x?}", &is[..bytes]);
    }
    ensure!(8, level < 2 || before.mask == after.mask, "{name}: masks are {:x?}", after.mask);
    after.general[RAX]
}
