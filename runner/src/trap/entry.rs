//! The door between the guest and the core.
//!
//! # Safety
//! The assembly is entered with the thread in rdi and the top of its call stack in rsp: by a jump from the handler of
//! `SIGSYS`, or by changing the registers that another handler returns to, when the vector registers are still the
//! guest's. It saves those, calls Rust, loads everything from the thread and jumps. Between `xnu_trap_exit` and `xnu_trap_exit_end` it reads the thread and changes
//! nothing in it but the `iretq` frame, so a handler may send it back to `xnu_trap_leave` from anywhere there.
#![allow(unsafe_code)]

use super::area::GuestThread;
use super::serve::{leave, serve};
use super::threads::first_steps;
use std::arch::{asm, global_asm};
use std::io;
use std::mem::offset_of;
use std::ops::Range;
use xnu_abi::linux::Errno;

// Text that every call runs through lies together: a forked child fetches its pages anew.
global_asm!(
    ".pushsection .text.xnu_trap, \"ax\", @progbits",
    ".globl xnu_trap_call",
    ".globl xnu_trap_interrupt",
    ".globl xnu_trap_leave",
    ".globl xnu_trap_exit",
    ".globl xnu_trap_exit_end",
    ".globl xnu_trap_restorer",
    ".p2align 4",
    // The guest made a call; its vector registers are in the thread already.
    "xnu_trap_call:",
    "mov r12, rdi",
    "call {serve}",
    "jmp 5f",
    // A signal found the guest running.
    "xnu_trap_interrupt:",
    "mov r12, rdi",
    "mov eax, [rdi + {components}]",
    "xor edx, edx",
    "cmp byte ptr [rdi + {compact}], 0",
    "je 4f",
    "xsavec64 [rdi + {vectors}]",
    "jmp 5f",
    "4:",
    "xsave64 [rdi + {vectors}]",
    "jmp 5f",
    "xnu_trap_leave:",
    "mov r12, rdi",
    "5:",
    "mov rdi, r12",
    "call {leave}",
    "mov rdi, r12",
    "xnu_trap_exit:",
    "cmp dword ptr [rdi + {inbox}], 0",
    "jne xnu_trap_leave",
    "mov eax, [rdi + {components}]",
    "xor edx, edx",
    "xrstor64 [rdi + {vectors}]",
    "mov rbx, [rdi + {rbx}]",
    "mov rbp, [rdi + {rbp}]",
    "mov rsi, [rdi + {rsi}]",
    "mov rdx, [rdi + {rdx}]",
    "mov r8, [rdi + {r8}]",
    "mov r9, [rdi + {r9}]",
    "mov r10, [rdi + {r10}]",
    "mov r12, [rdi + {r12}]",
    "mov r13, [rdi + {r13}]",
    "mov r14, [rdi + {r14}]",
    "mov r15, [rdi + {r15}]",
    "mov rcx, [rdi + {rip}]",
    "mov r11, [rdi + {rflags}]",
    "cmp byte ptr [rdi + {all_registers}], 0",
    "jne 6f",
    "mov rax, [rdi + {rax}]",
    "push r11",
    "popfq",
    "mov rsp, [rdi + {rsp}]",
    "mov rdi, [rdi + {rdi}]",
    "jmp rcx",
    "6:",
    "mov [rdi + {frame}], rcx",
    "mov qword ptr [rdi + {frame} + 8], 0x33",
    "mov [rdi + {frame} + 16], r11",
    "mov rax, [rdi + {rsp}]",
    "mov [rdi + {frame} + 24], rax",
    "mov qword ptr [rdi + {frame} + 32], 0x2b",
    "mov rax, [rdi + {rax}]",
    "mov rcx, [rdi + {rcx}]",
    "mov r11, [rdi + {r11}]",
    "lea rsp, [rdi + {frame}]",
    "mov rdi, [rdi + {rdi}]",
    "iretq",
    "xnu_trap_exit_end:",
    "ud2",
    // What Linux's signal frames return to: rt_sigreturn.
    "xnu_trap_restorer:",
    "mov eax, 15",
    "syscall",
    "ud2",
    // rdi = first, rsi = length of the text that may make calls: prctl.
    "xnu_trap_arm:",
    "mov rdx, rdi",
    "mov r10, rsi",
    "mov edi, {set_dispatch}",
    "mov esi, {dispatch_on}",
    "xor r8d, r8d",
    "mov eax, 157",
    "syscall",
    "ret",
    "xnu_trap_arm_end:",
    // rdi = flags, rsi = the new thread's stack, rdx and rcx = where its number is kept, r8 = its state, r9 = what it is
    // told: clone. The thread itself does not come back from here.
    "xnu_trap_clone:",
    "mov r10, rcx",
    "mov eax, 56",
    "syscall",
    "test rax, rax",
    "jz 8f",
    "ret",
    "8:",
    "xor ebp, ebp",
    "mov rdi, r8",
    "mov rsi, r9",
    "call {first_steps}",
    "ud2",
    // Where the C library keeps what Linux tells it of the processor, from the thread pointer; 0 for one that does not.
    ".weak __rseq_offset",
    "xnu_rseq_offset:",
    "mov rax, [rip + __rseq_offset@GOTPCREL]",
    "test rax, rax",
    "je 7f",
    "mov rax, [rax]",
    "7:",
    "ret",
    ".popsection",
    components = const offset_of!(GuestThread, components),
    compact = const offset_of!(GuestThread, compact),
    vectors = const offset_of!(GuestThread, thread.vectors),
    inbox = const offset_of!(GuestThread, inbox),
    all_registers = const offset_of!(GuestThread, all_registers),
    frame = const offset_of!(GuestThread, return_frame),
    rax = const offset_of!(GuestThread, thread.registers.rax),
    rbx = const offset_of!(GuestThread, thread.registers.rbx),
    rcx = const offset_of!(GuestThread, thread.registers.rcx),
    rdx = const offset_of!(GuestThread, thread.registers.rdx),
    rdi = const offset_of!(GuestThread, thread.registers.rdi),
    rsi = const offset_of!(GuestThread, thread.registers.rsi),
    rbp = const offset_of!(GuestThread, thread.registers.rbp),
    rsp = const offset_of!(GuestThread, thread.registers.rsp),
    r8 = const offset_of!(GuestThread, thread.registers.r8),
    r9 = const offset_of!(GuestThread, thread.registers.r9),
    r10 = const offset_of!(GuestThread, thread.registers.r10),
    r11 = const offset_of!(GuestThread, thread.registers.r11),
    r12 = const offset_of!(GuestThread, thread.registers.r12),
    r13 = const offset_of!(GuestThread, thread.registers.r13),
    r14 = const offset_of!(GuestThread, thread.registers.r14),
    r15 = const offset_of!(GuestThread, thread.registers.r15),
    rip = const offset_of!(GuestThread, thread.registers.rip),
    rflags = const offset_of!(GuestThread, thread.registers.rflags),
    serve = sym serve,
    first_steps = sym first_steps,
    leave = sym leave,
    set_dispatch = const PR_SET_SYSCALL_USER_DISPATCH,
    dispatch_on = const PR_SYS_DISPATCH_ON,
);

unsafe extern "C" {
    fn xnu_trap_call();
    fn xnu_trap_interrupt();
    fn xnu_trap_leave();
    fn xnu_trap_exit();
    fn xnu_trap_exit_end();
    fn xnu_trap_restorer();
    fn xnu_trap_arm(start: u64, length: u64) -> i64;
    fn xnu_trap_arm_end();
    fn xnu_trap_clone(
        flags: u64,
        stack: u64,
        number: *mut u32,
        cleared: *mut u32,
        thread: u64,
        told: u64,
    ) -> i64;
    fn xnu_rseq_offset() -> isize;
    // The linker's: the beginning of the image, the end of its text, the end of its variables.
    static __executable_start: u8;
    static etext: u8;
    static end: u8;
}

/// Where a handler resumes a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Resume {
    /// To deliver what is in the inbox, or the fault.
    Interrupt,
    /// To the beginning of the way out, with the guest's registers already in the thread.
    Leave,
}

impl Resume {
    /// The address to put into rip.
    pub(super) fn address(self) -> u64 {
        let function = match self {
            Resume::Interrupt => xnu_trap_interrupt as *const (),
            Resume::Leave => xnu_trap_leave as *const (),
        };
        function as u64
    }
}

/// The addresses of the way out: from the look at the inbox to the jump to the guest.
pub(super) fn way_out() -> Range<u64> {
    xnu_trap_exit as *const () as u64..xnu_trap_exit_end as *const () as u64
}

/// What Linux's signal frames return through.
pub(super) fn restorer() -> u64 {
    xnu_trap_restorer as *const () as u64
}

/// The runner's text. The program is linked statically, so this is all of it.
pub(super) fn text() -> Range<u64> {
    &raw const __executable_start as u64..&raw const etext as u64
}

/// Everything of the program that Linux mapped: text, tables, variables.
pub(super) fn image() -> Range<u64> {
    let last = &raw const end as u64;
    &raw const __executable_start as u64..last.next_multiple_of(0x1000)
}

/// `PR_SET_SYSCALL_USER_DISPATCH` and `PR_SYS_DISPATCH_ON`.
const PR_SET_SYSCALL_USER_DISPATCH: i32 = 59;
const PR_SYS_DISPATCH_ON: i32 = 1;

/// From here on, calls that the thread makes from outside `text` are `SIGSYS`.
///
/// Safe in the handler whatever is let through at present: the instruction is in the part that always is.
pub(super) fn arm(text: &Range<u64>) -> io::Result<()> {
    // SAFETY: no selector is given, so Linux writes nothing; the handler for SIGSYS is there.
    match unsafe { xnu_trap_arm(text.start, text.end - text.start) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error as i32)),
    }
}

/// Makes a thread that begins at [`first_steps`] on its call stack, told `told`. Its number is in `number` before it
/// begins, and 0 when it is gone.
///
/// The caller must not be watched: the call has to be made from where it stands.
pub(super) fn clone_thread(thread: &mut GuestThread, number: *mut u32, told: u64) -> Result<(), Errno> {
    const FLAGS: i32 = libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD
        | libc::CLONE_SYSVSEM
        | libc::CLONE_PARENT_SETTID
        | libc::CLONE_CHILD_CLEARTID;
    // SAFETY: the stack is unused and the thread's own, as its state is; the word outlives it.
    let result = unsafe {
        let state = std::ptr::from_mut(thread) as u64;
        xnu_trap_clone(FLAGS as u64, thread.call_stack_top(), number, number, state, told)
    };
    if result >= 0 { Ok(()) } else { Err(Errno::new(result.wrapping_neg() as u16).unwrap_or(Errno::EIO)) }
}

/// Ends what the C library has Linux note down at each return to the thread (`rseq`): nobody reads it any more, and each
/// trap would pay for it. Where it was never begun nothing happens. Whether Linux is known to write nothing more there.
pub(super) fn end_rseq() -> bool {
    const LENGTH: usize = 32;
    const UNREGISTER: usize = 1;
    const SIGNATURE: usize = 0x5305_3053;
    // SAFETY: Linux forgets an address, and writes to it once more; the C library has it for as long as the thread lives.
    unsafe {
        let offset = xnu_rseq_offset();
        if offset == 0 {
            return true;
        }
        let thread: isize;
        asm!("mov {}, fs:0", out(reg) thread, options(nostack, readonly));
        let address = (thread + offset) as usize;
        sc::platform::syscall4(libc::SYS_rseq as usize, address, LENGTH, UNREGISTER, SIGNATURE) == 0
    }
}

/// The least that must be let through: the return from a handler, and [`arm`].
pub(super) fn watched_text() -> Range<u64> {
    restorer()..xnu_trap_arm_end as *const () as u64
}

/// Serves the call in the thread's registers and goes back to the guest. The handler's stack is left for good.
pub(super) fn serve_call(thread: &mut GuestThread) -> ! {
    // SAFETY: the guest was running, so the call stack is unused; registers and vectors are in the thread.
    unsafe {
        asm!(
            "mov rsp, {stack}",
            "jmp {call}",
            stack = in(reg) thread.call_stack_top(),
            call = sym xnu_trap_call,
            in("rdi") thread,
            options(noreturn),
        )
    }
}

/// Enters the guest with the registers in the thread.
pub(super) fn enter(thread: &mut GuestThread) -> ! {
    // SAFETY: the thread is complete and its call stack unused; the present stack is left for good.
    unsafe {
        asm!(
            "mov rsp, {stack}",
            "jmp {leave}",
            stack = in(reg) thread.call_stack_top(),
            leave = sym xnu_trap_leave,
            in("rdi") thread,
            options(noreturn),
        )
    }
}
