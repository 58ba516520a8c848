/* Wrappers made by the macros of xnu_emu_asm.h; wrappers.c calls them. */

#define SYS_exit 1
#define SYS_read 3
#define SYS_write 4
#define SYS_close 6
#define SYS_getpid 20
#define SYS_pipe 42
#define SWI_SYSCALL 0x80

/* As a kernel's own headers enter the kernel: would be Linux's calls here, of numbers that Linux does not have. */
#if defined(__x86_64__)
#define UNIX_SYSCALL_TRAP syscall
#define UNIX_SYSCALL_SYSCALL movq %rcx, %r10; syscall
#define MACHDEP_SYSCALL_TRAP syscall
#endif
#define kernel_trap(trap_name, trap_number, number_args) .error "not replaced"

#define XNU_EMU_REPLACE_TRAPS
#include "xnu_emu_asm.h"

XNU_EMU_BSD_STUB(stub_getpid, 20)
XNU_EMU_BSD_STUB(stub_read, SYS_read)
XNU_EMU_BSD_STUB(stub_write, SYS_write)
XNU_EMU_BSD_STUB(stub_close, SYS_close)
XNU_EMU_MACH_STUB(stub_task_self, 28)
/* A number that no machine-dependent call has. */
XNU_EMU_MACHDEP_STUB(stub_machdep, 200)
kernel_trap(trap_task_self, -28, 0)

#if defined(__x86_64__)

	.text
	.globl XNU_EMU_C(trap_close)
XNU_EMU_C(trap_close):
	movl $(0x2000000 | SYS_close), %eax
	UNIX_SYSCALL_SYSCALL
	jnb 2f
	movq %rax, %rdi
	jmp XNU_EMU_C(cerror)
2:
	ret

	/* The argument is needed after the call. */
	.globl XNU_EMU_C(trap_pipe)
XNU_EMU_C(trap_pipe):
	movl $(0x2000000 | SYS_pipe), %eax
	UNIX_SYSCALL_TRAP
	jnb 2f
	movq %rax, %rdi
	jmp XNU_EMU_C(cerror)
2:
	movl %eax, (%rdi)
	movl %edx, 4(%rdi)
	xorl %eax, %eax
	ret

	/* Whether a call changes no register but rax, rdx, rcx and r11: 0, or which of them. */
	.globl XNU_EMU_C(trap_keeps)
XNU_EMU_C(trap_keeps):
	movq $0x11, %rdi
	movq $0x12, %rsi
	movq $0x13, %r8
	movq $0x14, %r9
	movq $0x15, %r10
	movl $(0x2000000 | SYS_getpid), %eax
	UNIX_SYSCALL_TRAP
	movl $-1, %eax
	jc 3f
	subq $0x11, %rdi
	subq $0x12, %rsi
	subq $0x13, %r8
	subq $0x14, %r9
	subq $0x15, %r10
	movq %rdi, %rax
	orq %rsi, %rax
	orq %r8, %rax
	orq %r9, %rax
	orq %r10, %rax
3:
	ret

	.globl XNU_EMU_C(trap_machdep)
XNU_EMU_C(trap_machdep):
	movl $(0x3000000 | 200), %eax
	MACHDEP_SYSCALL_TRAP
	ret

#else

	.text
	.p2align 2
	.globl XNU_EMU_C(trap_close)
XNU_EMU_C(trap_close):
	mov x16, #SYS_close
	svc #SWI_SYSCALL
	b.cc 2f
	b XNU_EMU_C(cerror)
2:
	ret

	.globl XNU_EMU_C(trap_pipe)
XNU_EMU_C(trap_pipe):
	mov x9, x0
	mov x16, #SYS_pipe
	svc #SWI_SYSCALL
	b.cc 2f
	b XNU_EMU_C(cerror)
2:
	stp w0, w1, [x9]
	mov x0, #0
	ret

	/* Whether a call changes no register but x0 and x1: 0, or which of them. */
	.globl XNU_EMU_C(trap_keeps)
XNU_EMU_C(trap_keeps):
	mov x2, #0x12
	mov x8, #0x18
	mov x9, #0x19
	mov x15, #0x1f
	mov x17, #0x21
	mov x16, #SYS_getpid
	svc #SWI_SYSCALL
	b.cs 3f
	sub x2, x2, #0x12
	sub x8, x8, #0x18
	sub x9, x9, #0x19
	sub x15, x15, #0x1f
	sub x17, x17, #0x21
	sub x16, x16, #SYS_getpid
	orr x0, x2, x8
	orr x0, x0, x9
	orr x0, x0, x15
	orr x0, x0, x16
	orr x0, x0, x17
	ret
3:
	mov x0, #-1
	ret

	.globl XNU_EMU_C(trap_machdep)
XNU_EMU_C(trap_machdep):
	mov w16, #200
	stp x29, x30, [sp, #-16]!
	bl __darling_machdep_syscall
	ldp x29, x30, [sp], #16
	ret

#endif

#ifndef __APPLE__
	.section .note.GNU-stack, "", %progbits
#endif
