/*
 * Wrappers of XNU's system calls, in assembly, that call xnu-emu: for the C preprocessor, then GNU's assembler or LLVM's,
 * for ELF and Mach-O, x86-64 and arm64.
 *
 *     XNU_EMU_BSD_STUB(read, 3)                   ssize_t read(int, void *, size_t)
 *     XNU_EMU_MACH_STUB(mach_task_self_, 28)      mach_port_t mach_task_self_(void)
 *     XNU_EMU_MACHDEP_STUB(set_base, 3)           int set_base(uint64_t)
 *
 * Each is a whole function with the C convention; names are C's. A number is a constant in one word, without blanks. A
 * BSD stub that fails goes to `cerror` (or what XNU_EMU_CERROR names) with Darwin's errno as its argument, and that function's
 * result is the stub's. The second word of a result (fork, pipe) is in rdx or x1.
 *
 * With XNU_EMU_REPLACE_TRAPS defined, and included after Apple's SYS.h and mach/syscall_sw.h (or a compiler option
 * -include), the macros with which these enter the kernel call xnu-emu instead: UNIX_SYSCALL_TRAP, UNIX_SYSCALL_SYSCALL,
 * MACHDEP_SYSCALL_TRAP and kernel_trap on x86-64, `svc` and kernel_trap on arm64. What surrounds them finds what the
 * instruction would have left: the carry flag is set on an error, whose positive errno is in rax or x0, and but for the
 * results and what the instruction itself changes, registers are as they were. On x86-64 they are kept in the lower end of
 * the red zone, from 128 to 88 bytes below rsp, and `call` changes the eight bytes below rsp: code that has something there
 * cannot use these.
 */

#ifndef XNU_EMU_ASM_H
#define XNU_EMU_ASM_H

#ifndef XNU_EMU_CERROR
#define XNU_EMU_CERROR cerror
#endif

/* A C name as the object format spells it. */
#ifdef __APPLE__
#define XNU_EMU_C(name) XNU_EMU_JOIN(_, name)
#else
#define XNU_EMU_C(name) name
#endif
#define XNU_EMU_JOIN(a, b) XNU_EMU_JOIN_NOW(a, b)
#define XNU_EMU_JOIN_NOW(a, b) a##b

#define XNU_EMU_BSD_STUB(name, number) xnu_emu_bsd_stub XNU_EMU_C(name), number, XNU_EMU_C(XNU_EMU_CERROR)
#define XNU_EMU_MACH_STUB(name, number) xnu_emu_stub XNU_EMU_C(name), number, __darling_mach_syscall
#define XNU_EMU_MACHDEP_STUB(name, number) xnu_emu_stub XNU_EMU_C(name), number, __darling_machdep_syscall

.macro xnu_emu_begin name
	.text
	.p2align 4
	.globl \name
#ifndef __APPLE__
	.type \name, %function
#endif
\name:
	.cfi_startproc
.endm

.macro xnu_emu_end name
	.cfi_endproc
#ifndef __APPLE__
	.size \name, . - \name
#endif
.endm

#if defined(__x86_64__)

/* The entry finds the seventh and eighth argument above the return address of whoever calls it: no frame here. */
.macro xnu_emu_call entry
#ifdef __APPLE__
	call \entry
#else
	call \entry\()@PLT
#endif
.endm

.macro xnu_emu_jump target
#ifdef __APPLE__
	jmp \target
#else
	jmp \target\()@PLT
#endif
.endm

.macro xnu_emu_stub name, number, entry
	xnu_emu_begin \name
	movl $\number, %eax
	xnu_emu_call \entry
	ret
	xnu_emu_end \name
.endm

.macro xnu_emu_bsd_stub name, number, cerror
	xnu_emu_begin \name
	movl $\number, %eax
	xnu_emu_call __darling_bsd_syscall
	cmpq $-4095, %rax
	jae 91f
	ret
91:
	negl %eax
	movl %eax, %edi
	xnu_emu_jump \cerror
	xnu_emu_end \name
.endm

/* Calls an entry; changes no register that `syscall` does not change. */
.macro xnu_emu_keeping entry
	movq %rdi, -128(%rsp)
	movq %rsi, -120(%rsp)
	movq %r8, -112(%rsp)
	movq %r9, -104(%rsp)
	movq %r10, -96(%rsp)
	xnu_emu_call \entry
	movq -128(%rsp), %rdi
	movq -120(%rsp), %rsi
	movq -112(%rsp), %r8
	movq -104(%rsp), %r9
	movq -96(%rsp), %r10
.endm

/* Negative errnos become positive ones with the carry flag. */
.macro xnu_emu_carry
	cmpq $-4095, %rax
	jb 91f
	/* Sets the carry flag, as no errno is 0. */
	negq %rax
	jmp 92f
91:
	clc
92:
.endm

/* The fourth argument is in rcx, as C passes it. */
.macro xnu_emu_unix_function
	xnu_emu_keeping __darling_bsd_syscall
	xnu_emu_carry
.endm

/* The fourth argument is in r10, as `syscall` wants it. */
.macro xnu_emu_unix_trap
	movq %r10, %rcx
	xnu_emu_unix_function
.endm

/* None of the calls that are served fails; the carry flag is clear. */
.macro xnu_emu_machdep_trap
	movq %r10, %rcx
	xnu_emu_keeping __darling_machdep_syscall
	clc
.endm

#elif defined(__aarch64__) || defined(__arm64__)

.macro xnu_emu_stub name, number, entry
	xnu_emu_begin \name
	mov x16, #\number
	b \entry
	xnu_emu_end \name
.endm

.macro xnu_emu_bsd_stub name, number, cerror
	xnu_emu_begin \name
	stp x29, x30, [sp, #-16]!
	.cfi_def_cfa_offset 16
	.cfi_offset 29, -16
	.cfi_offset 30, -8
	mov x29, sp
	mov x16, #\number
	bl __darling_bsd_syscall
	ldp x29, x30, [sp], #16
	.cfi_def_cfa_offset 0
	.cfi_restore 29
	.cfi_restore 30
	/* Carries for what is not below -4095. */
	cmn x0, #4095
	b.hs 91f
	ret
91:
	neg w0, w0
	b \cerror
	xnu_emu_end \name
.endm

/* Calls BSD's entry or, for a negative number, Mach's; changes no register but x0, x1 and the flags. */
.macro xnu_emu_svc immediate
	stp x29, x30, [sp, #-144]!
	mov x29, sp
	stp x2, x3, [sp, #16]
	stp x4, x5, [sp, #32]
	stp x6, x7, [sp, #48]
	stp x8, x9, [sp, #64]
	stp x10, x11, [sp, #80]
	stp x12, x13, [sp, #96]
	stp x14, x15, [sp, #112]
	stp x16, x17, [sp, #128]
	tbnz w16, #31, 91f
	bl __darling_bsd_syscall
	/* Carries for what is not below -4095: a negative errno becomes a positive one. */
	cmn x0, #4095
	cneg x0, x0, hs
	b 92f
91:
	bl __darling_mach_syscall
	cmn xzr, xzr
92:
	ldp x2, x3, [sp, #16]
	ldp x4, x5, [sp, #32]
	ldp x6, x7, [sp, #48]
	ldp x8, x9, [sp, #64]
	ldp x10, x11, [sp, #80]
	ldp x12, x13, [sp, #96]
	ldp x14, x15, [sp, #112]
	ldp x16, x17, [sp, #128]
	ldp x29, x30, [sp], #144
.endm

#else
#error xnu-emu knows x86-64 and arm64
#endif

#endif /* XNU_EMU_ASM_H */

#if defined(XNU_EMU_REPLACE_TRAPS) && !defined(XNU_EMU_TRAPS_REPLACED)
#define XNU_EMU_TRAPS_REPLACED

#undef kernel_trap
#define kernel_trap(trap_name, trap_number, number_args) XNU_EMU_MACH_STUB(trap_name, trap_number)

#if defined(__x86_64__)
#undef UNIX_SYSCALL_TRAP
#undef UNIX_SYSCALL_SYSCALL
#undef MACHDEP_SYSCALL_TRAP
#define UNIX_SYSCALL_TRAP xnu_emu_unix_trap
#define UNIX_SYSCALL_SYSCALL xnu_emu_unix_function
#define MACHDEP_SYSCALL_TRAP xnu_emu_machdep_trap
#else
#define svc xnu_emu_svc
#endif

#endif
