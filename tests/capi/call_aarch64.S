#include "call.h"

    .text

// Loads what is at a symbol, or stores there.
    .macro load register, symbol
    adrp \register, \symbol
    ldr \register, [\register, :lo12:\symbol]
    .endm
    .macro store register, symbol, scratch
    adrp \scratch, \symbol
    str \register, [\scratch, :lo12:\symbol]
    .endm

// void make_call(struct trial *)
    .globl make_call
    .type make_call, %function
make_call:
    stp x29, x30, [sp, #-176]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mrs x9, fpcr
    str x9, [sp, #160]
    mov x9, sp
    store x9, saved_stack, x11
    store x0, saved_trial, x11
    mov x10, x0

    ldr x9, [x10, #TRIAL_SKEW]
    sub sp, sp, x9
    mov x9, sp
    str x9, [x10, #TRIAL_BEFORE]

    sub x9, x9, #(8 * (RED_ZONE_COUNT + SPARE_COUNT))
    mov x11, #SPARE_COUNT
1:  str xzr, [x9], #8
    sub x11, x11, #1
    cbnz x11, 1b
    mov x11, #RED_ZONE_COUNT
    ldr x12, =RED_ZONE_PATTERN
2:  add x13, x12, x11
    str x13, [x9], #8
    sub x11, x11, #1
    cbnz x11, 2b

    add x9, x10, #TRIAL_KEPT
    ldp x19, x20, [x9]
    ldp x21, x22, [x9, #16]
    ldp x23, x24, [x9, #32]
    ldp x25, x26, [x9, #48]
    ldp x27, x28, [x9, #64]
    ldr x29, [x9, #80]
    ldp d8, d9, [x9, #88]
    ldp d10, d11, [x9, #104]
    ldp d12, d13, [x9, #120]
    ldp d14, d15, [x9, #136]
    ldr x9, [x10, #TRIAL_CONTROL]
    msr fpcr, x9
    ldr x16, [x10, #TRIAL_NUMBER]
    ldr x17, [x10, #TRIAL_ENTRY]
    ldp x0, x1, [x10, #TRIAL_ARGUMENT]
    ldp x2, x3, [x10, #TRIAL_ARGUMENT + 16]
    ldp x4, x5, [x10, #TRIAL_ARGUMENT + 32]
    ldp x6, x7, [x10, #TRIAL_ARGUMENT + 48]
    blr x17

    load x10, saved_trial
    mov x9, sp
    str x9, [x10, #TRIAL_AFTER]
    stp x0, x1, [x10, #TRIAL_RESULT]
    add x9, x10, #TRIAL_KEPT
    stp x19, x20, [x9]
    stp x21, x22, [x9, #16]
    stp x23, x24, [x9, #32]
    stp x25, x26, [x9, #48]
    stp x27, x28, [x9, #64]
    str x29, [x9, #80]
    stp d8, d9, [x9, #88]
    stp d10, d11, [x9, #104]
    stp d12, d13, [x9, #120]
    stp d14, d15, [x9, #136]
    mrs x9, fpcr
    str x9, [x10, #TRIAL_CONTROL]
    ldr x9, [x10, #TRIAL_BEFORE]
    sub x9, x9, #(8 * (RED_ZONE_COUNT + SPARE_COUNT))
    add x11, x10, #TRIAL_SPARE
    mov x12, #(SPARE_COUNT + RED_ZONE_COUNT)
3:  ldr x13, [x9], #8
    str x13, [x11], #8
    sub x12, x12, #1
    cbnz x12, 3b

    load x9, saved_stack
    mov sp, x9
    ldr x9, [sp, #160]
    msr fpcr, x9
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #176
    ret
    .size make_call, . - make_call

// Jumped to from a slot, with the entry's own return address in x30.
    .globl entry_hook
    .type entry_hook, %function
entry_hook:
    load x9, entry_hook_calls
    add x9, x9, #1
    store x9, entry_hook_calls, x10
    store x16, entry_hook_number, x10
    store x0, entry_hook_argument, x10
    load x17, entry_hook_back
    br x17
    .size entry_hook, . - entry_hook

    .globl exit_hook
    .type exit_hook, %function
exit_hook:
    load x9, exit_hook_calls
    add x9, x9, #1
    store x9, exit_hook_calls, x10
    store x0, exit_hook_result, x10
    adrp x10, exit_hook_result
    add x10, x10, :lo12:exit_hook_result
    str x1, [x10, #8]
    load x17, exit_hook_back
    br x17
    .size exit_hook, . - exit_hook
    .ltorg

    .bss
    .p2align 3
    .lcomm saved_stack, 8
    .lcomm saved_trial, 8
    .comm entry_hook_calls, 8, 8
    .comm entry_hook_number, 8, 8
    .comm entry_hook_argument, 8, 8
    .comm exit_hook_calls, 8, 8
    .comm exit_hook_result, 16, 8
    .comm entry_hook_back, 8, 8
    .comm exit_hook_back, 8, 8
    .section .note.GNU-stack, "", %progbits
