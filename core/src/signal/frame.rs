//! Signal frames on the guest's stack (`bsd/dev/i386/unix_signal.c`, `sendsig` and `sigreturn`).

use super::{Action, CANNOT_MASK, Info, SS_DISABLE};
use crate::convert::signal::bit;
use crate::kernel::{Fault, Kernel};
use crate::linux;
use crate::process::Thread;
use crate::registers::{RFLAGS_FIXED, RFLAGS_USER, Registers, VectorState};
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::signal::{InfoStyle, SigactionFlags, Sigaltstack, Siginfo, Ucontext64};
use xnu_abi::darwin::thread_state::{
    Mcontext64, McontextAvx64, McontextAvx512, X86Avx512State64, X86AvxState64, X86ExceptionState64,
};
use zerocopy::FromZeros;

/// What a program on x86-64 may use below its stack pointer without moving it.
const RED_ZONE: u64 = 128;

/// The code segment of 64-bit programs, as XNU numbers it.
const USER64_CS: u64 = 0x2b;

/// Where the legacy area of `fxsave` lies in an [`McontextAvx64`].
const LEGACY: u64 = (offset_of!(McontextAvx64, fs) + offset_of!(X86AvxState64, fpu_fcw)) as u64;
/// Where the upper halves of the AVX registers lie in it.
const AVX: u64 = (offset_of!(McontextAvx64, fs) + offset_of!(X86AvxState64, fpu_ymmh)) as u64;
/// Where AVX-512's parts begin in a [`McontextAvx512`], whose start is the same; they end with it.
const WIDE: u64 = (offset_of!(McontextAvx512, fs) + offset_of!(X86Avx512State64, fpu_k)) as u64;
/// Where the general registers lie in it.
const GENERAL: u64 = offset_of!(McontextAvx64, ss) as u64;

/// Components of [`VectorState`], as bits of its header.
const STORED_X87: u64 = 1;
const STORED_SSE: u64 = 2;
const STORED_AVX: u64 = 4;
/// Masks, upper halves of the first sixteen registers, and the other sixteen.
const STORED_WIDE: [u64; 3] = [1 << 5, 1 << 6, 1 << 7];
const STORED_AVX_512: u64 = 0b1110_0000;

/// AVX-512's parts one behind the other, as in the frame.
const WIDE_LENGTH: usize = size_of::<X86Avx512State64>() - offset_of!(X86Avx512State64, fpu_k);

/// The x87 part of the legacy area ends here, the SSE registers follow.
const XMM: usize = 160;

/// Pushes the frame of a caught signal and points the registers at the guest's trampoline.
///
/// The trampoline gets the handler in rdi, the style in esi, the signal in edx, and the addresses of siginfo and
/// ucontext and a token in rcx, r8 and r9. The frame has the AVX form, or the AVX-512 form where such registers are in
/// use. A stack that cannot be written is a fault: XNU ends the process with `SIGILL` then.
pub fn deliver<K: Kernel>(
    kernel: &K,
    thread: &mut Thread,
    action: &Action,
    info: &Info,
) -> Result<(), Fault> {
    let signals = &mut thread.signals;
    let was_on_stack = signals.on_stack;
    let has_stack = signals.stack.ss_flags & SS_DISABLE == 0;
    let switches = action.has(SigactionFlags::SA_ONSTACK) && has_stack && !was_on_stack;
    let (top, stack_size) = if switches {
        (signals.stack.ss_sp.wrapping_add(signals.stack.ss_size), signals.stack.ss_size)
    } else {
        (thread.registers.rsp, 0)
    };

    let wide = stored(&thread.vectors) & STORED_AVX_512 != 0;
    let mcontext_size = if wide { size_of::<McontextAvx512>() } else { size_of::<McontextAvx64>() };
    if signals.token == 0 {
        // Without randomness the token is what it was: a check of the program's own, no protection of ours.
        signals.token = linux::process::random_word(kernel).unwrap_or(signals.token);
    }
    signals.wide |= wide;

    let ucontext_at = below(top.wrapping_sub(RED_ZONE), size_of::<Ucontext64>());
    let siginfo_at = below(ucontext_at, size_of::<Siginfo>());
    let mcontext_at = below(siginfo_at, mcontext_size);
    let frame = (mcontext_at & !15).wrapping_sub(8);

    let ucontext = Ucontext64 {
        uc_onstack: i32::from(was_on_stack),
        uc_sigmask: signals.put_away.take().unwrap_or(signals.mask),
        uc_stack: Sigaltstack {
            ss_sp: frame,
            ss_size: stack_size,
            ss_flags: i32::from(was_on_stack),
            _pad: 0,
        },
        uc_link: 0,
        uc_mcsize: mcontext_size as u64,
        uc_mcontext: mcontext_at,
    };
    UserPtr::new(UserAddr::new(ucontext_at)).write(kernel, &ucontext)?;

    let (trapno, err, faultvaddr) = info.fault;
    let exception = X86ExceptionState64 { trapno, cpu: 0, err, faultvaddr };
    UserPtr::new(UserAddr::new(mcontext_at)).write(kernel, &exception)?;
    let interrupted = Registers { cs: USER64_CS, fs: 0, gs: 0, ..thread.registers };
    UserPtr::new(UserAddr::new(mcontext_at.wrapping_add(GENERAL))).write(kernel, &interrupted)?;
    write_vectors(kernel, mcontext_at, &thread.vectors)?;
    if wide {
        write_wide(kernel, mcontext_at.wrapping_add(WIDE), &thread.vectors)?;
    }

    UserPtr::new(UserAddr::new(siginfo_at)).write(kernel, &siginfo(info, &thread.registers))?;

    let style =
        if action.has(SigactionFlags::SA_SIGINFO) { InfoStyle::UC_FLAVOR } else { InfoStyle::UC_TRAD };
    let registers = &mut thread.registers;
    registers.rdi = action.handler;
    registers.rsi = u64::from(style.number());
    registers.rdx = info.signal.number() as u64;
    registers.rcx = siginfo_at;
    registers.r8 = ucontext_at;
    registers.r9 = ucontext_at ^ signals.token;
    registers.rip = action.trampoline;
    registers.rsp = frame;
    registers.rflags = RFLAGS_FIXED;

    signals.on_stack = was_on_stack || switches;
    signals.mask |= action.mask & !CANNOT_MASK;
    if !action.has(SigactionFlags::SA_NODEFER) {
        signals.mask |= bit(info.signal);
    }
    Ok(())
}

fn below(top: u64, size: usize) -> u64 {
    top.wrapping_sub(size as u64)
}

/// `si_addr` is the interrupted instruction unless the cause says more: XNU's siginfo starts that way.
fn siginfo(info: &Info, interrupted: &Registers) -> Siginfo {
    let mut siginfo = Siginfo::new_zeroed();
    siginfo.si_signo = info.signal.number();
    siginfo.si_code = info.code;
    siginfo.si_pid = info.pid;
    siginfo.si_uid = info.uid;
    siginfo.si_status = info.status;
    siginfo.si_addr = if info.address != 0 || info.fault.0 != 0 { info.address } else { interrupted.rip };
    siginfo.si_value = info.value;
    if let Some(first) = siginfo.__pad.first_mut() {
        *first = interrupted.rsp;
    }
    siginfo
}

/// The parts that `xsavec` left out are in their initial state: zero, but for the x87 control word.
fn write_vectors<K: Kernel>(kernel: &K, mcontext_at: u64, vectors: &VectorState) -> Result<(), Fault> {
    let stored = stored(vectors);
    let mut legacy = [0; VectorState::LEGACY];
    if let Some(from) = vectors.0.get(..VectorState::LEGACY) {
        legacy.copy_from_slice(from);
    }
    if stored & STORED_X87 == 0 {
        let (x87, _) = legacy.split_at_mut(XMM);
        // The control word alone is not zero at start; bytes 24..32 are mxcsr and its mask, which are SSE's.
        if let Some(control) = x87.get_mut(..24) {
            control.fill(0);
        }
        if let Some(registers) = x87.get_mut(32..) {
            registers.fill(0);
        }
        if let Some(word) = x87.first_chunk_mut() {
            *word = X87_INITIAL_CONTROL.to_le_bytes();
        }
    }
    if stored & STORED_SSE == 0
        && let Some(registers) = legacy.get_mut(XMM..XMM_END)
    {
        registers.fill(0);
    }
    kernel.copy_out(UserAddr::new(mcontext_at.wrapping_add(LEGACY)), &legacy)?;
    let mut upper = [0; VectorState::AVX_LENGTH];
    if stored & STORED_AVX != 0
        && let Some(from) = vectors.0.get(VectorState::AVX..).and_then(|rest| rest.first_chunk())
    {
        upper = *from;
    }
    kernel.copy_out(UserAddr::new(mcontext_at.wrapping_add(AVX)), &upper)
}

/// Where AVX-512's parts lie among the stored registers, and how long they are. In the compact format they follow each
/// other; in the standard one the processor decides.
fn wide_parts(vectors: &VectorState) -> [(usize, usize); 3] {
    const COMPACT: u64 = 1 << 63;
    let format = vectors.0.get(VectorState::STORED.wrapping_add(8)..).and_then(|rest| rest.first_chunk());
    if format.is_some_and(|bytes| u64::from_le_bytes(*bytes) & COMPACT != 0) {
        return [(832, 64), (896, 512), (1408, 1024)];
    }
    let offsets = standard_offsets();
    let offset = |index: u32| (offsets.wrapping_shr(index.wrapping_mul(16)) & 0xffff) as usize;
    [(offset(0), 64), (offset(1), 512), (offset(2), 1024)]
}

/// The three offsets in the standard format, 16 bits each. The processor is asked once: under a hypervisor that is a
/// trap.
fn standard_offsets() -> u64 {
    static KNOWN: AtomicU64 = AtomicU64::new(0);
    let known = KNOWN.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    #[cfg(target_arch = "x86_64")]
    let offset = |component| u64::from(core::arch::x86_64::__cpuid_count(0xd, component).ebx & 0xffff);
    // Other processors have no such registers; nothing lies there.
    #[cfg(not(target_arch = "x86_64"))]
    let offset = |_: u32| VectorState::LENGTH as u64;
    let offsets = offset(5) | offset(6) << 16 | offset(7) << 32 | 1 << 63;
    KNOWN.store(offsets, Ordering::Relaxed);
    offsets
}

/// AVX-512's parts, zero where they are in their initial state.
fn write_wide<K: Kernel>(kernel: &K, at: u64, vectors: &VectorState) -> Result<(), Fault> {
    let mut bytes = [0; WIDE_LENGTH];
    let mut rest = bytes.as_mut_slice();
    for ((offset, length), bit) in wide_parts(vectors).into_iter().zip(STORED_WIDE) {
        let Some((part, behind)) = rest.split_at_mut_checked(length) else { break };
        rest = behind;
        let from = vectors.0.get(offset..).and_then(|from| from.get(..length));
        if let Some(from) = from.filter(|_| stored(vectors) & bit != 0) {
            part.copy_from_slice(from);
        }
    }
    kernel.copy_out(UserAddr::new(at), &bytes)
}

/// Takes AVX-512's parts back.
fn take_wide(vectors: &mut VectorState, bytes: &[u8; WIDE_LENGTH]) {
    let mut rest = bytes.as_slice();
    for (offset, length) in wide_parts(vectors) {
        let Some((part, behind)) = rest.split_at_checked(length) else { break };
        rest = behind;
        if let Some(into) = vectors.0.get_mut(offset..).and_then(|into| into.get_mut(..length)) {
            into.copy_from_slice(part);
        }
    }
}

const X87_INITIAL_CONTROL: u16 = 0x37f;

/// Where the SSE registers end in the legacy area.
const XMM_END: usize = XMM + 256;

fn stored(vectors: &VectorState) -> u64 {
    let bytes = vectors.0.get(VectorState::STORED..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Takes a frame back: registers, vectors, mask and whether the alternate stack is in use.
///
/// `style` may also set or reset the alternate-stack mark alone (`UC_SET_ALT_STACK`, `UC_RESET_ALT_STACK`), which is
/// how `longjmp` leaves a handler. Segments and the privileged part of rflags are not taken from the guest. Without a
/// `good` token no registers are, which is `EINVAL`.
pub fn sigreturn<K: Kernel>(
    kernel: &K,
    thread: &mut Thread,
    ucontext: UserPtr<Ucontext64>,
    style: InfoStyle,
    good: bool,
) -> SysResult<()> {
    match style {
        InfoStyle::UC_SET_ALT_STACK => {
            thread.signals.on_stack = true;
            return Ok(());
        }
        InfoStyle::UC_RESET_ALT_STACK => {
            thread.signals.on_stack = false;
            return Ok(());
        }
        _ => {}
    }
    let context = ucontext.read(kernel)?;
    let length = context.uc_mcsize as usize;
    let has_wide = length == size_of::<McontextAvx512>() && thread.signals.wide;
    let has_avx = has_wide || length == size_of::<McontextAvx64>();
    if !has_avx && length != size_of::<Mcontext64>() {
        return Err(Errno::EINVAL);
    }
    let mcontext = UserAddr::new(context.uc_mcontext);
    let registers: Registers = UserPtr::new(mcontext.checked_add(GENERAL)?).read(kernel)?;

    // The legacy area, the header and AVX lie in one piece, so everything is read before anything is changed.
    let mut legacy = [0; VectorState::LEGACY];
    let mut upper = [0; VectorState::AVX_LENGTH];
    kernel.copy_in(mcontext.checked_add(LEGACY)?, &mut legacy)?;
    if has_avx {
        kernel.copy_in(mcontext.checked_add(AVX)?, &mut upper)?;
    }
    let mut wide = [0; WIDE_LENGTH];
    if has_wide {
        kernel.copy_in(mcontext.checked_add(WIDE)?, &mut wide)?;
    }
    thread.signals.on_stack = context.uc_onstack & 1 != 0;
    thread.signals.mask = context.uc_sigmask & !CANNOT_MASK;
    if !good {
        return Err(Errno::EINVAL);
    }
    take_vectors(&mut thread.vectors, &legacy, has_avx.then_some(&upper), has_wide);
    if has_wide {
        take_wide(&mut thread.vectors, &wide);
    }

    thread.registers = Registers {
        rflags: registers.rflags & RFLAGS_USER | RFLAGS_FIXED,
        cs: thread.registers.cs,
        fs: thread.registers.fs,
        gs: thread.registers.gs,
        ..registers
    };
    Ok(())
}

/// The bits of mxcsr that may be set: others would make the restore fault.
const MXCSR_ALLOWED: u32 = 0xffff;

fn take_vectors(
    vectors: &mut VectorState,
    legacy: &[u8; VectorState::LEGACY],
    upper: Option<&[u8; VectorState::AVX_LENGTH]>,
    wide: bool,
) {
    let mut taken = STORED_X87 | STORED_SSE;
    if wide {
        taken |= STORED_AVX_512;
    }
    if let Some(into) = vectors.0.get_mut(..VectorState::LEGACY) {
        into.copy_from_slice(legacy);
        if let Some(mxcsr) = into.get_mut(24..).and_then(|rest| rest.first_chunk_mut()) {
            *mxcsr = (u32::from_le_bytes(*mxcsr) & MXCSR_ALLOWED).to_le_bytes();
        }
    }
    if let Some(upper) = upper {
        taken |= STORED_AVX;
        if let Some(into) = vectors.0.get_mut(VectorState::AVX..).and_then(|rest| rest.first_chunk_mut()) {
            *into = *upper;
        }
    }
    // Where the frame has no AVX-512, none was in use: what the handler left there goes.
    let kept = stored(vectors) & !STORED_AVX_512;
    let all = (kept | taken).to_le_bytes();
    if let Some(into) = vectors.0.get_mut(VectorState::STORED..).and_then(|rest| rest.first_chunk_mut()) {
        *into = all;
    }
}
