// One call through an entry, as the assembly in call_x86_64.S and call_aarch64.S makes it: offsets for it, and the
// structure for C.
#ifndef CALL_H
#define CALL_H

#if defined(__x86_64__)
#define KEPT_COUNT 6 // rbx rbp r12 r13 r14 r15
#define CONTROL_COUNT 3 // flags, mxcsr, x87 control word
#else
#define KEPT_COUNT 19 // x19 to x29, d8 to d15
#define CONTROL_COUNT 1 // fpcr
#endif
#define RED_ZONE_COUNT 16 // words below the stack pointer
#define SPARE_COUNT 128 // words below those

#define TRIAL_ENTRY 0
#define TRIAL_NUMBER 8
#define TRIAL_SKEW 16
#define TRIAL_ARGUMENT 24
#define TRIAL_KEPT (TRIAL_ARGUMENT + 8 * 8)
#define TRIAL_CONTROL (TRIAL_KEPT + KEPT_COUNT * 8)
#define TRIAL_RESULT (TRIAL_CONTROL + CONTROL_COUNT * 8)
#define TRIAL_BEFORE (TRIAL_RESULT + 16)
#define TRIAL_AFTER (TRIAL_BEFORE + 8)
#define TRIAL_SPARE (TRIAL_AFTER + 8)
#define TRIAL_RED_ZONE (TRIAL_SPARE + SPARE_COUNT * 8)

// Word I below the stack pointer, counted from 1, is this.
#define RED_ZONE_PATTERN 0x5eed0000

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

struct trial {
    // In.
    const void *entry;
    uint64_t number;
    // By how many bytes the stack pointer of the wrapper is moved.
    uint64_t skew;
    uint64_t argument[8];
    // In, and what was found after the call.
    uint64_t kept[KEPT_COUNT];
    uint64_t control[CONTROL_COUNT];
    // Out.
    uint64_t result[2];
    uint64_t stack_before;
    uint64_t stack_after;
    // What is on the stack afterwards, from low to high.
    uint64_t spare[SPARE_COUNT];
    uint64_t red_zone[RED_ZONE_COUNT];
};

_Static_assert(offsetof(struct trial, red_zone) == TRIAL_RED_ZONE, "the assembly's offsets");

void make_call(struct trial *trial);

// Hooks for the slots of the entries: count, note registers, and change none.
void entry_hook(void);
void exit_hook(void);
extern uint64_t entry_hook_calls, entry_hook_number, entry_hook_argument;
extern uint64_t exit_hook_calls, exit_hook_result[2];
// arm64's hooks jump back to these.
extern uint64_t entry_hook_back, exit_hook_back;

#endif
#endif
