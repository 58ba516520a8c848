/* The system calls of the images in this folder, as Apple's own wrappers are made: a number and a trap each. */
#include "xnu_emu_asm.h"

XNU_EMU_BSD_STUB(sys_exit, 1)
XNU_EMU_BSD_STUB(sys_fork, 2)
XNU_EMU_BSD_STUB(sys_read, 3)
XNU_EMU_BSD_STUB(sys_write, 4)
XNU_EMU_BSD_STUB(sys_open, 5)
XNU_EMU_BSD_STUB(sys_close, 6)
XNU_EMU_BSD_STUB(sys_unlink, 10)
XNU_EMU_BSD_STUB(sys_getpid, 20)
XNU_EMU_BSD_STUB(sys_access, 33)
XNU_EMU_BSD_STUB(sys_getppid, 39)
XNU_EMU_BSD_STUB(sys_pread, 153)
XNU_EMU_BSD_STUB(sys_mmap, 197)
XNU_EMU_BSD_STUB(sys_lseek, 199)
XNU_EMU_MACH_STUB(mach_port_allocate_trap, 16)
XNU_EMU_MACH_STUB(mach_port_deallocate_trap, 18)
XNU_EMU_MACH_STUB(mach_port_mod_refs_trap, 19)
XNU_EMU_MACH_STUB(mach_port_insert_right_trap, 21)
XNU_EMU_MACH_STUB(thread_self_trap, 27)
XNU_EMU_MACH_STUB(task_self_trap, 28)
XNU_EMU_MACH_STUB(mach_msg_trap, 31)

/* Two words come back from a pipe: the second is what the plain stub drops. */
	.text
	.p2align 4
	.globl _sys_pipe
_sys_pipe:
#if defined(__x86_64__)
	pushq	%rdi
	movl	$42, %eax
	call	__darling_bsd_syscall
	popq	%rdi
	cmpq	$-4095, %rax
	jae	1f
	movl	%eax, (%rdi)
	movl	%edx, 4(%rdi)
	xorl	%eax, %eax
	ret
1:	movq	%rax, %rdi
	negq	%rdi
	jmp	_cerror
#else
	stp	x29, x30, [sp, #-32]!
	str	x0, [sp, #16]
	mov	x16, #42
	bl	__darling_bsd_syscall
	ldr	x9, [sp, #16]
	ldp	x29, x30, [sp], #32
	cmn	x0, #4095
	b.hs	1f
	stp	w0, w1, [x9]
	mov	x0, #0
	ret
1:	neg	x0, x0
	b	_cerror
#endif
