// The three entries as wrappers in assembly call them: what arrives, what comes back, what is kept. Every call goes
// through call_*.S, which fills registers and stack with patterns, and through `call_with`, which checks them.

#define _GNU_SOURCE
#include "call.h"
#include "check.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <xnu_emu.h>

// Darwin's numbers: tests/data/bsd_syscalls.tsv and its neighbours.
enum {
    BSD_EXIT = 1,
    BSD_FORK = 2,
    BSD_READ = 3,
    BSD_WRITE = 4,
    BSD_OPEN = 5,
    BSD_CLOSE = 6,
    BSD_GETPID = 20,
    BSD_FCNTL = 92,
    BSD_PIPE = 42,
    BSD_PREAD = 153,
    BSD_MMAP = 197,
    BSD_FSTAT64 = 339,
};
enum { MACH_REPLY_PORT = 26, MACH_THREAD_SELF, MACH_TASK_SELF, MACH_HOST_SELF, MACH_MSG = 31, MACH_TIMEBASE = 89 };
enum { CLASS_MACH = 0x1000000, CLASS_BSD = 0x2000000, CLASS_MACHDEP = 0x3000000 };
enum { DARWIN_EAGAIN = 35, DARWIN_ENOSYS = 78, KERN_INVALID_ARGUMENT = 4 };
enum { DARWIN_MAP_PRIVATE = 2, DARWIN_MAP_ANON = 0x1000, DARWIN_O_NONBLOCK = 4, DARWIN_F_SETFL = 4 };

// Functions to the linker alone: the assembler's names.
extern const char bsd[] __asm__("__darling_bsd_syscall");
extern const char mach[] __asm__("__darling_mach_syscall");
extern const char machdep[] __asm__("__darling_machdep_syscall");
extern void *const bsd_entry_slot __asm__("__darling_bsd_syscall_entry");
extern void *const bsd_exit_slot __asm__("__darling_bsd_syscall_exit");
extern void *const mach_entry_slot __asm__("__darling_mach_syscall_entry");
extern void *const mach_exit_slot __asm__("__darling_mach_syscall_exit");

#if defined(__x86_64__)
// Arithmetic flags and ID, which anybody may change; rounding, masks and flush-to-zero; rounding and precision.
static const uint64_t controls[CONTROL_COUNT] = {0x2008d7, 0xffc0, 0x0c7f};
// Of the flags, a function keeps those of the system and hands back the direction flag clear. The status of mxcsr is
// its own.
static const uint64_t kept_controls[CONTROL_COUNT] = {0x200400, 0xffc0, 0xffff};
static const uint64_t skews[] = {0, 8, 3};
// What a call pushes, and a hook's call below it.
enum { OVERWRITTEN = 1, OVERWRITTEN_HOOKED = 2 };
#else
static const uint64_t controls[CONTROL_COUNT] = {0x3c00000};
static const uint64_t kept_controls[CONTROL_COUNT] = {0x3c00000};
static const uint64_t skews[] = {0, 16, 48};
enum { OVERWRITTEN = 0, OVERWRITTEN_HOOKED = 0 };
#endif
enum { SKEWS = sizeof skews / sizeof *skews };

static struct trial trial;
static uint64_t skew;
static int overwritten = OVERWRITTEN;

// Makes a call and checks what it is to keep. Answers the first word.
static int64_t call_with(const char *entry, uint32_t number, const uint64_t *arguments) {
    memset(&trial, 0, sizeof trial);
    trial.entry = entry;
    // The upper half of the register is not looked at.
    trial.number = 0xabad1dea00000000 | number;
    trial.skew = skew;
    memcpy(trial.argument, arguments, sizeof trial.argument);
    uint64_t kept[KEPT_COUNT];
    for (int i = 0; i < KEPT_COUNT; i++) {
        trial.kept[i] = kept[i] = 0xfeed000000000000 + (uint64_t)(i + 1) * 0x10001000100;
    }
    memcpy(trial.control, controls, sizeof controls);
    make_call(&trial);
    CHECK_NUMBER(trial.stack_after, trial.stack_before);
    for (int i = 0; i < KEPT_COUNT; i++) {
        CHECK_NUMBER(trial.kept[i], kept[i]);
    }
    for (int i = 0; i < CONTROL_COUNT; i++) {
        CHECK_NUMBER(trial.control[i] & kept_controls[i], controls[i] & kept_controls[i]);
    }
    for (int i = overwritten; i < RED_ZONE_COUNT; i++) {
        CHECK_NUMBER(trial.red_zone[RED_ZONE_COUNT - 1 - i], RED_ZONE_PATTERN + 1 + i);
    }
    return (int64_t)trial.result[0];
}

#define CALL(entry, number, ...) call_with(entry, (uint32_t)(number), (const uint64_t[8]){__VA_ARGS__})
#define WORD(pointer) ((uint64_t)(uintptr_t)(pointer))

// Runs for every position of the stack.
static void each_skew(const char *name, void (*test)(void)) {
    topic = name;
    for (int i = 0; i < SKEWS; i++) {
        skew = skews[i];
        test();
    }
    skew = 0;
}

static void numbers(void) {
    CHECK_NUMBER(CALL(bsd, BSD_GETPID, 0), getpid());
    CHECK_NUMBER(trial.result[1], 0);
    CHECK_NUMBER(CALL(bsd, CLASS_BSD | BSD_GETPID, 0), getpid());
    // Class bits of another table are no number of this one.
    const uint32_t unknown[] = {8,          63,         9999,       0xffff,     0x7fffffff, 0x80000000,
                                0xffffffff, 0xffffffec, CLASS_MACH | BSD_GETPID, CLASS_MACHDEP | BSD_GETPID,
                                CLASS_BSD | 0xffffff};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        CHECK_NUMBER(CALL(bsd, unknown[i], 1, 2, 3), -DARWIN_ENOSYS);
        CHECK_NUMBER(trial.result[1], 0);
    }
}

// No served call takes the eighth word yet. But the entry puts all eight on the stack in order, and there they are.
static void all_arguments_arrive(void) {
    const uint64_t words[8] = {0x1111111111111111, 0x2222222222222222, 0x3333333333333333, 0x4444444444444444,
                               0x5555555555555555, 0x6666666666666666, 0x7777777777777777, 0x8888888888888888};
    const char *const entries[] = {bsd, mach, machdep};
    for (int entry = 0; entry < 3; entry++) {
        const uint32_t none = entry == 2 ? 200 : 9999;
        CHECK_NUMBER(call_with(entries[entry], none, words), entry == 0 ? -DARWIN_ENOSYS : KERN_INVALID_ARGUMENT);
        CHECK(memmem(trial.spare, sizeof trial.spare, words, sizeof words) != NULL);
    }
}

static void two_words(void) {
    int64_t input = CALL(bsd, BSD_PIPE, 0);
    int64_t output = (int64_t)trial.result[1];
    CHECK(input > 2 && output > 2 && input != output);
    CHECK_NUMBER(CALL(bsd, BSD_WRITE, (uint64_t)output, WORD("text"), 4), 4);
    char text[5] = "";
    CHECK_NUMBER(CALL(bsd, BSD_READ, (uint64_t)input, WORD(text), 5), 4);
    CHECK_TEXT(text, "text");
    // Linux's error is 11.
    CHECK_NUMBER(CALL(bsd, BSD_FCNTL, (uint64_t)input, DARWIN_F_SETFL, DARWIN_O_NONBLOCK), 0);
    CHECK_NUMBER(CALL(bsd, BSD_READ, (uint64_t)input, WORD(text), 5), -DARWIN_EAGAIN);
    CHECK_NUMBER(trial.result[1], 0);
    CHECK_NUMBER(CALL(bsd, BSD_CLOSE, (uint64_t)input), 0);
    CHECK_NUMBER(CALL(bsd, BSD_CLOSE, (uint64_t)input), -EBADF);
    CHECK_NUMBER(CALL(bsd, BSD_CLOSE, (uint64_t)output), 0);
    CHECK_NUMBER(CALL(bsd, BSD_READ, (uint64_t)-1, WORD(text), 5), -EBADF);
}

static void many_words(void) {
    enum { PAGE = 4096 };
    int file = (int)syscall(SYS_memfd_create, "file", 0);
    NEED(file >= 0 && ftruncate(file, 3 * PAGE) == 0);
    NEED(pwrite(file, "second", 6, PAGE) == 6 && pwrite(file, "third", 5, 2 * PAGE) == 5);
    char text[8] = "";
    CHECK_NUMBER(CALL(bsd, BSD_PREAD, (uint64_t)file, WORD(text), 6, PAGE), 6);
    CHECK_TEXT(text, "second");

    // Six, and through the indirect call seven.
    int64_t mapped = CALL(bsd, BSD_MMAP, 0, PAGE, PROT_READ, DARWIN_MAP_PRIVATE, (uint64_t)file, PAGE);
    CHECK(mapped > 0);
    CHECK_TEXT(mapped > 0 ? (char *)mapped : NULL, "second");
    munmap((void *)mapped, PAGE);
    mapped = CALL(bsd, 0, BSD_MMAP, 0, PAGE, PROT_READ, DARWIN_MAP_PRIVATE, (uint64_t)file, 2 * PAGE);
    CHECK(mapped > 0);
    CHECK_TEXT(mapped > 0 ? (char *)mapped : NULL, "third");
    munmap((void *)mapped, PAGE);
    close(file);

    CHECK_NUMBER(CALL(bsd, 0, BSD_GETPID), getpid());
    CHECK_NUMBER(CALL(bsd, CLASS_BSD, BSD_GETPID), getpid());
    CHECK_NUMBER(CALL(bsd, 0, 0, BSD_GETPID), -DARWIN_ENOSYS);
    CHECK_NUMBER(CALL(bsd, 0, 9999), -DARWIN_ENOSYS);
    CHECK_NUMBER(CALL(bsd, 0, BSD_CLOSE, (uint64_t)-1), -EBADF);
}

static void files(void) {
    CHECK_NUMBER(CALL(bsd, BSD_OPEN, WORD("/no/such/file"), 0, 0), -ENOENT);
    int64_t null = CALL(bsd, BSD_OPEN, WORD("/dev/null"), 1, 0);
    CHECK(null > 2);
    CHECK_NUMBER(CALL(bsd, BSD_WRITE, (uint64_t)null, WORD("text"), 4), 4);
    char status[256];
    memset(status, 0, sizeof status);
    CHECK_NUMBER(CALL(bsd, BSD_FSTAT64, (uint64_t)null, WORD(status)), 0);
    uint16_t mode;
    memcpy(&mode, status + 4, sizeof mode);
    CHECK_NUMBER(mode & S_IFMT, S_IFCHR);
    CHECK_NUMBER(CALL(bsd, BSD_CLOSE, (uint64_t)null), 0);
}

static void bad_pointers(void) {
    int ends[2];
    NEED(pipe(ends) == 0 && write(ends[1], "text", 4) == 4);
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(page != MAP_FAILED);
    const uint64_t bad[] = {0, 8, WORD(page), 0x7ffffffff000, 0x800000000000, 0xffff800000000000, 0xfffffffffffffff8};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_NUMBER(CALL(bsd, BSD_READ, (uint64_t)ends[0], bad[i], 4), -EFAULT);
        CHECK_NUMBER(CALL(bsd, BSD_WRITE, (uint64_t)ends[1], bad[i], 4), -EFAULT);
        CHECK_NUMBER(CALL(bsd, BSD_OPEN, bad[i], 0, 0), -EFAULT);
        CHECK_NUMBER(CALL(bsd, BSD_FSTAT64, (uint64_t)ends[0], bad[i]), -EFAULT);
        CHECK_NUMBER(CALL(bsd, 0, BSD_OPEN, bad[i], 0, 0), -EFAULT);
        // As on XNU, a bad address is no error of this one.
        CHECK_NUMBER(CALL(mach, MACH_TIMEBASE, bad[i]), 0);
    }
    munmap(page, 4096);
    close(ends[0]);
    close(ends[1]);
}

static void forks(void) {
    const pid_t parent = getpid();
    fflush(NULL);
    const unsigned wrong_before = failures;
    const int64_t result = CALL(bsd, BSD_FORK, 0);
    if (getpid() != parent) {
        CHECK_NUMBER(result, 0);
        CHECK_NUMBER(trial.result[1], 1);
        CHECK_NUMBER(CALL(bsd, BSD_GETPID, 0), getpid());
        CHECK(CALL(mach, -MACH_TASK_SELF, 0) > 0);
        CALL(bsd, BSD_EXIT, failures == wrong_before ? 7 : 8);
        _exit(9);
    }
    CHECK(result > 0);
    CHECK_NUMBER(trial.result[1], 0);
    int status = -1;
    CHECK_NUMBER(waitpid((pid_t)result, &status, 0), result);
    CHECK(WIFEXITED(status));
    CHECK_NUMBER(WEXITSTATUS(status), 7);
}

static void mach_traps(void) {
    int64_t found[4];
    for (int trap = MACH_REPLY_PORT; trap <= MACH_HOST_SELF; trap++) {
        const int64_t name = found[trap - MACH_REPLY_PORT] = CALL(mach, trap, 0);
        CHECK(name > 0 && name <= UINT32_MAX);
        CHECK_NUMBER(trial.result[1], 0);
        const int64_t negative = CALL(mach, -trap, 0), with_class = CALL(mach, CLASS_MACH | trap, 0);
        if (trap == MACH_REPLY_PORT) {
            CHECK(negative > 0 && negative != name);
            CHECK(with_class > 0 && with_class != name && with_class != negative);
        } else {
            CHECK_NUMBER(negative, name);
            CHECK_NUMBER(with_class, name);
        }
    }
    CHECK(found[1] != found[2] && found[2] != found[3] && found[1] != found[3]);
    uint32_t timebase[2] = {0, 0};
    CHECK_NUMBER(CALL(mach, -MACH_TIMEBASE, WORD(timebase)), 0);
    CHECK_NUMBER(timebase[0], 1);
    CHECK_NUMBER(timebase[1], 1);
    const uint32_t none[] = {0,          9,              128,            9999,              0x7fffffff,
                             0x80000000, (uint32_t)-128, CLASS_BSD | 28, CLASS_MACHDEP | 28};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        CHECK_NUMBER(CALL(mach, none[i], 1, 2, 3), KERN_INVALID_ARGUMENT);
    }
}

static void machdep_calls(void) {
    static const uint64_t data[2] = {0x1234567812345678, 0xabcdef};
    const uint32_t set_base[] = {3, CLASS_MACHDEP | 3, 0xffffff03};
    for (size_t i = 0; i < sizeof set_base / sizeof *set_base; i++) {
        const int64_t result = CALL(machdep, set_base[i], WORD(data) + 8 * (i % 2));
#if defined(__x86_64__)
        CHECK_NUMBER(result, 15);
        uint64_t first;
        __asm__ volatile("mov %%gs:0, %0" : "=r"(first));
        CHECK_NUMBER(first, data[i % 2]);
#else
        // Of arm64's table this is the read of a register that Linux lets nobody write.
        CHECK_NUMBER(result, -DARWIN_ENOSYS);
#endif
        CHECK_NUMBER(trial.result[1], 0);
    }
#if defined(__x86_64__)
    const uint32_t none[] = {0, 1, 2, 4, 7, 99, 0xff, 0x103 + 1, CLASS_MACHDEP | 7};
#else
    // Flushes of caches do nothing; the base cannot be set.
    CHECK_NUMBER(CALL(machdep, 0, 1, 2, 3), 0);
    CHECK_NUMBER(CALL(machdep, 1, 1, 2, 3), 0);
    CHECK_NUMBER(CALL(machdep, 2, 1, 2, 3), -DARWIN_ENOSYS);
    const uint32_t none[] = {4, 7, 99, 0xff, 0x103 + 1, CLASS_MACHDEP | 7};
#endif
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        CHECK_NUMBER(CALL(machdep, none[i], 1, 2, 3), KERN_INVALID_ARGUMENT);
    }
}

#if defined(__x86_64__)
enum { SLOT_BYTES = 13 };
// movabs r10, hook; call r10
static void fill_slot(uint8_t *slot, void (*hook)(void)) {
    const uint64_t address = WORD(hook);
    memcpy(slot, "\x49\xba", 2);
    memcpy(slot + 2, &address, sizeof address);
    memcpy(slot + 10, "\x41\xff\xd2", 3);
}
static int is_empty(const uint8_t *slot) {
    return memcmp(slot, "\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90", SLOT_BYTES) == 0;
}
#else
enum { SLOT_BYTES = 16 };
// ldr x17, hook; br x17; hook
static void fill_slot(uint8_t *slot, void (*hook)(void)) {
    const uint32_t code[] = {0x58000051, 0xd61f0220};
    const uint64_t address = WORD(hook);
    memcpy(slot, code, sizeof code);
    memcpy(slot + 8, &address, sizeof address);
    *(hook == entry_hook ? &entry_hook_back : &exit_hook_back) = WORD(slot) + SLOT_BYTES;
}
static int is_empty(const uint8_t *slot) {
    return memcmp(slot, "\x1f\x20\x03\xd5\x1f\x20\x03\xd5\x1f\x20\x03\xd5\x1f\x20\x03\xd5", SLOT_BYTES) == 0;
}
#endif

// As a tracer does it: makes the page writable, overwrites the slot, and back.
static void patch(void *slot, void (*hook)(void)) {
    const uintptr_t page = WORD(slot) & ~0xfffUL;
    NEED(mprotect((void *)page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
    CHECK(is_empty(slot));
    fill_slot(slot, hook);
    NEED(mprotect((void *)page, 8192, PROT_READ | PROT_EXEC) == 0);
    __builtin___clear_cache(slot, (char *)slot + SLOT_BYTES);
}

static void check_hooks(const char *entry, uint32_t number, int64_t result) {
    const uint64_t entries = entry_hook_calls, exits = exit_hook_calls;
    CHECK_NUMBER(CALL(entry, number, 0x7007), result);
    CHECK_NUMBER(entry_hook_calls, entries + 1);
    CHECK_NUMBER(exit_hook_calls, exits + 1);
    CHECK_NUMBER((uint32_t)entry_hook_number, number);
    CHECK_NUMBER(entry_hook_argument, 0x7007);
    CHECK_NUMBER(exit_hook_result[0], result);
    CHECK_NUMBER(exit_hook_result[1], trial.result[1]);
}

static void hooked_bsd(void) {
    check_hooks(bsd, BSD_GETPID, getpid());
    check_hooks(bsd, 9999, -DARWIN_ENOSYS);
    CHECK(CALL(bsd, BSD_PIPE, 0) > 0);
    CHECK_NUMBER(exit_hook_result[0], trial.result[0]);
    CHECK_NUMBER(exit_hook_result[1], trial.result[1]);
    close((int)trial.result[0]);
    close((int)trial.result[1]);
}

static void hooked_mach(void) {
    check_hooks(mach, 9999, KERN_INVALID_ARGUMENT);
    check_hooks(mach, (uint32_t)-9999, KERN_INVALID_ARGUMENT);
}

static void not_hooked(void) {
    const uint64_t entries = entry_hook_calls, exits = exit_hook_calls;
    CHECK_NUMBER(CALL(mach, 9999, 0), KERN_INVALID_ARGUMENT);
    CHECK_NUMBER(CALL(machdep, 7, 0), KERN_INVALID_ARGUMENT);
    CHECK_NUMBER(entry_hook_calls, entries);
    CHECK_NUMBER(exit_hook_calls, exits);
}

static void all(void) {
    each_skew("numbers", numbers);
    each_skew("arguments", all_arguments_arrive);
    each_skew("two words", two_words);
    each_skew("many words", many_words);
    each_skew("files", files);
    each_skew("bad pointers", bad_pointers);
    each_skew("fork", forks);
    each_skew("Mach", mach_traps);
    each_skew("machine-dependent", machdep_calls);
}

// Children, as arm64's hooks jump back to one slot each.
static void bsd_with_hooks(void) {
    patch(bsd_entry_slot, entry_hook);
    patch(bsd_exit_slot, exit_hook);
    each_skew("BSD with hooks", hooked_bsd);
    each_skew("the others without hooks", not_hooked);
    all();
}

static void mach_with_hooks(void) {
    patch(mach_entry_slot, entry_hook);
    patch(mach_exit_slot, exit_hook);
    each_skew("Mach with hooks", hooked_mach);
    all();
}

int main(void) {
    all();
    overwritten = OVERWRITTEN_HOOKED;
    in_child("BSD with hooks", bsd_with_hooks);
    in_child("Mach with hooks", mach_with_hooks);
    return finish();
}
