#include "call.h"

    .intel_syntax noprefix
    .text

// void make_call(struct trial *)
    .globl make_call
    .type make_call, %function
make_call:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    sub rsp, 24
    stmxcsr [rsp]
    fnstcw [rsp + 4]
    mov [rip + saved_stack], rsp
    mov [rip + saved_trial], rdi
    mov r10, rdi

    // The wrapper's frame: its return address, arguments 7 and 8.
    sub rsp, [r10 + TRIAL_SKEW]
    push [r10 + TRIAL_ARGUMENT + 56]
    push [r10 + TRIAL_ARGUMENT + 48]
    push -1
    mov [r10 + TRIAL_BEFORE], rsp

    lea rdi, [rsp - 8 * (RED_ZONE_COUNT + SPARE_COUNT)]
    mov ecx, SPARE_COUNT
    xor eax, eax
    rep stosq
    mov ecx, RED_ZONE_COUNT
1:  lea eax, [rcx + RED_ZONE_PATTERN]
    stosq
    dec ecx
    jnz 1b

    mov rbx, [r10 + TRIAL_KEPT]
    mov rbp, [r10 + TRIAL_KEPT + 8]
    mov r12, [r10 + TRIAL_KEPT + 16]
    mov r13, [r10 + TRIAL_KEPT + 24]
    mov r14, [r10 + TRIAL_KEPT + 32]
    mov r15, [r10 + TRIAL_KEPT + 40]
    ldmxcsr [r10 + TRIAL_CONTROL + 8]
    fldcw [r10 + TRIAL_CONTROL + 16]
    mov rdi, [r10 + TRIAL_ARGUMENT]
    mov rsi, [r10 + TRIAL_ARGUMENT + 8]
    mov rdx, [r10 + TRIAL_ARGUMENT + 16]
    mov rcx, [r10 + TRIAL_ARGUMENT + 24]
    mov r8, [r10 + TRIAL_ARGUMENT + 32]
    mov r9, [r10 + TRIAL_ARGUMENT + 40]
    mov rax, [r10 + TRIAL_NUMBER]
    push [r10 + TRIAL_CONTROL]
    popfq
    call [r10 + TRIAL_ENTRY]

    pushfq
    pop [rip + found_flags]
    cld
    mov [rip + found_rax], rax
    mov rax, [rip + saved_trial]
    mov [rax + TRIAL_AFTER], rsp
    mov [rax + TRIAL_RESULT + 8], rdx
    mov [rax + TRIAL_KEPT], rbx
    mov [rax + TRIAL_KEPT + 8], rbp
    mov [rax + TRIAL_KEPT + 16], r12
    mov [rax + TRIAL_KEPT + 24], r13
    mov [rax + TRIAL_KEPT + 32], r14
    mov [rax + TRIAL_KEPT + 40], r15
    mov rcx, [rip + found_rax]
    mov [rax + TRIAL_RESULT], rcx
    mov rcx, [rip + found_flags]
    mov [rax + TRIAL_CONTROL], rcx
    stmxcsr [rax + TRIAL_CONTROL + 8]
    fnstcw [rax + TRIAL_CONTROL + 16]
    mov rsi, [rax + TRIAL_BEFORE]
    sub rsi, 8 * (RED_ZONE_COUNT + SPARE_COUNT)
    lea rdi, [rax + TRIAL_SPARE]
    mov ecx, SPARE_COUNT + RED_ZONE_COUNT
    rep movsq

    mov rsp, [rip + saved_stack]
    ldmxcsr [rsp]
    fldcw [rsp + 4]
    add rsp, 24
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret
    .size make_call, . - make_call

// Called from a slot. Keep to the eight bytes of the red zone that this call has overwritten.
    .globl entry_hook
    .type entry_hook, %function
entry_hook:
    inc qword ptr [rip + entry_hook_calls]
    mov [rip + entry_hook_number], rax
    mov [rip + entry_hook_argument], rdi
    ret
    .size entry_hook, . - entry_hook

    .globl exit_hook
    .type exit_hook, %function
exit_hook:
    inc qword ptr [rip + exit_hook_calls]
    mov [rip + exit_hook_result], rax
    mov [rip + exit_hook_result + 8], rdx
    ret
    .size exit_hook, . - exit_hook

    .bss
    .p2align 3
    .lcomm saved_stack, 8
    .lcomm saved_trial, 8
    .lcomm found_flags, 8
    .lcomm found_rax, 8
    .comm entry_hook_calls, 8
    .comm entry_hook_number, 8
    .comm entry_hook_argument, 8
    .comm exit_hook_calls, 8
    .comm exit_hook_result, 16
    .comm entry_hook_back, 8
    .comm exit_hook_back, 8
    .section .note.GNU-stack, "", %progbits
