// Calls every function of the C interface but the three entries of wrappers (registers.c). Links two copies of the
// library, as a process has them: dyld's, and libsystem_kernel's with `second_` before its names.
//
// every_symbol TABLE [--without device]: TABLE is errno_linux_to_darwin.tsv.

#define _GNU_SOURCE
#include "check.h"
#include "parts.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <xnu_emu.h>

enum { BSD_EINVAL = 22, BSD_ENOSYS = 78, LINUX_ENOSYS = 38, LINUX_EAGAIN = 11, BSD_EAGAIN = 35 };

extern int32_t second_xnu_emu_adopt(const void *state);
extern const void *const second_xnu_emu_state;
extern int32_t second_lkm_call(int32_t call_nr, void *arg);
extern int32_t second_mach_driver_get_fd(void);
extern uint32_t second_xnu_emu_thread_init(void);

static void errors(const char *table_path) {
    topic = "errno_linux_to_bsd";
    short wanted[4096];
    for (int error = 0; error < 4096; error++) {
        wanted[error] = error == 0 ? 0 : 5;
    }
    FILE *table = fopen(table_path, "r");
    NEED(table);
    char line[512];
    int named = 0;
    while (fgets(line, sizeof line, table)) {
        int linux_number, darwin_number;
        char name[64], darwin_name[64];
        if (sscanf(line, "%d\t%63s\t%63s\t%d", &linux_number, name, darwin_name, &darwin_number) == 4
            && strcmp(name, "-") != 0) {
            wanted[linux_number] = (short)darwin_number;
            named++;
        }
    }
    fclose(table);
    CHECK(named > 120);
    for (int error = 0; error < 4096; error++) {
        CHECK_NUMBER(errno_linux_to_bsd(error), wanted[error]);
        CHECK_NUMBER(errno_linux_to_bsd(-error), -wanted[error]);
    }
    CHECK_NUMBER(errno_linux_to_bsd(4096), 5);
    CHECK_NUMBER(errno_linux_to_bsd(INT32_MAX), 5);
    CHECK_NUMBER(errno_linux_to_bsd(INT32_MIN), -5);
}

// An LKM in the process: notes its last trap and answers what it is told to.
static unsigned served, last_trap;
static void *last_argument;
static long answer;
static char log_text[513];

static long serve(unsigned trap, void *argument) {
    served++;
    last_trap = trap;
    last_argument = argument;
    if (trap == KERNEL_PRINTK) {
        memcpy(log_text, argument, 512);
    }
    return answer;
}

static void start(const char *string) {
    const char *apple[] = {"executable_path=/bin/x", string, "th_port=0x203", NULL};
    mach_driver_init(apple);
}

static const char *entry_string(void) {
    static char text[64];
    snprintf(text, sizeof text, "lkm_entry=0x%lx", (unsigned long)serve);
    return text;
}

static int has_device(void) {
    return access("/dev/mach", F_OK) == 0;
}

// Whatever else is said, the device itself may be there.
static void check_no_device(void) {
    if (!has_device()) {
        CHECK_NUMBER(mach_driver_get_fd(), -1);
        CHECK_NUMBER(lkm_call(MK_TIMER_CREATE, NULL), -BSD_ENOSYS);
        CHECK_NUMBER(lkm_call_raw(MK_TIMER_CREATE, NULL), -LINUX_ENOSYS);
        CHECK(lkm_call(TASK_SELF, NULL) > 0);
        CHECK(lkm_call(MACH_REPLY_PORT, NULL) != lkm_call(MACH_REPLY_PORT, NULL));
        CHECK_NUMBER(lkm_call(THREAD_SELF, NULL), xnu_emu_thread_init());
    }
}

static void before_init(void) {
    CHECK_NUMBER(mach_driver_get_fd(), -1);
    CHECK_NUMBER(lkm_call(MK_TIMER_CREATE, NULL), -BSD_ENOSYS);
    CHECK(xnu_emu_thread_init() != 0);
    xnu_emu_thread_exit();
    xnu_emu_fork_child();
}

static void init_null(void) {
    mach_driver_init(NULL);
    CHECK_NUMBER(mach_driver_get_fd(), -1);
    CHECK_NUMBER(served, 0);
}

static void init_empty_list(void) {
    const char *none = NULL;
    mach_driver_init(&none);
    check_no_device();
}

static void init_neither(void) {
    start("kernfd");
    check_no_device();
}

static void init_entry(void) {
    start(entry_string());
    CHECK_NUMBER(mach_driver_get_fd(), -1);

    // The argument goes through as it is, the answer comes back as it is.
    char structure[64];
    answer = 0x1234567;
    CHECK_NUMBER(lkm_call(SEMAPHORE_WAIT, structure), 0x1234567);
    CHECK_NUMBER(served, 1);
    CHECK_NUMBER(last_trap, SEMAPHORE_WAIT);
    CHECK(last_argument == structure);
    CHECK_NUMBER(lkm_call_raw(CLOSING_DESCRIPTOR, (void *)-1L), 0x1234567);
    CHECK_NUMBER(last_trap, CLOSING_DESCRIPTOR);
    CHECK(last_argument == (void *)-1L);

    // Errors: Darwin's from one, Linux's from the other; kern_return_t of Mach's are positive.
    answer = -LINUX_EAGAIN;
    CHECK_NUMBER(lkm_call(SEMAPHORE_WAIT, structure), -BSD_EAGAIN);
    CHECK_NUMBER(lkm_call_raw(SEMAPHORE_WAIT, structure), -LINUX_EAGAIN);
    answer = 14;
    CHECK_NUMBER(lkm_call(SEMAPHORE_WAIT, structure), 14);
    answer = -4095;
    CHECK_NUMBER(lkm_call(SEMAPHORE_WAIT, structure), -5);
    answer = -4096;
    CHECK_NUMBER(lkm_call_raw(SEMAPHORE_WAIT, structure), -4096);
    answer = 0x80000003L;
    CHECK_NUMBER((uint32_t)lkm_call(MACH_REPLY_PORT, NULL), 0x80000003U);

    // Numbers that are no trap's do not get there.
    answer = 0;
    unsigned before = served;
    int none[] = {0, 1, -1, GET_API_VERSION - 1, CLOSING_DESCRIPTOR + 1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        CHECK_NUMBER(lkm_call(none[i], structure), -BSD_ENOSYS);
        CHECK_NUMBER(lkm_call_raw(none[i], structure), -LINUX_ENOSYS);
    }
    CHECK_NUMBER(served, before);

    answer = 0x903;
    CHECK_NUMBER(xnu_emu_thread_init(), 0x903);
    CHECK_NUMBER(last_trap, THREAD_SELF);
    xnu_emu_thread_exit();
    CHECK_NUMBER(last_trap, THREAD_DEATH_ANNOUNCE);
    xnu_emu_fork_child();
    CHECK_NUMBER(last_trap, GET_API_VERSION);
    answer = -LINUX_EAGAIN;
    CHECK_NUMBER(xnu_emu_thread_init(), 0);
    last_trap = 0;
    mach_driver_init(NULL);
    CHECK_NUMBER(last_trap, GET_API_VERSION);
}

static void init_bad_entry(void) {
    start("lkm_entry=0x");
    check_no_device();
    start("lkm_entry=0x0");
    check_no_device();
    start("lkm_entry=1234");
    check_no_device();
    start("lkm_entry=0x8z");
    check_no_device();
}

// A descriptor that is not the device's is left alone.
static void init_foreign_descriptor(void) {
    int null = open("/dev/null", O_RDWR);
    NEED(null >= 0);
    char text[32];
    snprintf(text, sizeof text, "kernfd=%d", null);
    start(text);
    check_no_device();
    CHECK(fcntl(null, F_GETFD) >= 0);

    const char *bad[] = {"kernfd=", "kernfd=-1", "kernfd=999999", "kernfd=18446744073709551619"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        start(bad[i]);
        check_no_device();
    }
}

static void init_device(void) {
    int device = make_device();
    char text[32];
    snprintf(text, sizeof text, "kernfd=%d", device);

    set_device_version(18);
    start(text);
    check_no_device();
    CHECK(fcntl(device, F_GETFD) >= 0);

    set_device_version(19);
    // Descriptor 0 is the device, but nothing names it.
    NEED(dup2(device, 0) == 0);
    const char *bad[] = {"kernfd=", "kernfd=x", "kernfd=-0", "kernfd= 0", "kernfd=0x", "kernfd=4294967296"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        start(bad[i]);
        check_no_device();
    }

    start(text);
    CHECK_NUMBER(mach_driver_get_fd(), device);
    char structure[8];
    CHECK_NUMBER(lkm_call(SEMAPHORE_WAIT, structure), SEMAPHORE_WAIT & 0xff);
    CHECK(device_argument() == structure);
    CHECK_NUMBER(lkm_call_raw(KEVENT_QOS, (void *)8), -LINUX_EAGAIN);
    CHECK_NUMBER(lkm_call(KEVENT_QOS, (void *)8), -BSD_EAGAIN);
    CHECK(device_argument() == (void *)8);
    CHECK_NUMBER(xnu_emu_thread_init(), THREAD_SELF & 0xff);
    int before = device_calls();
    xnu_emu_thread_exit();
    mach_driver_init(NULL);
    xnu_emu_fork_child();
    CHECK_NUMBER(device_calls(), before + 3);
}

static void adopt(void) {
    CHECK(xnu_emu_state != NULL);
    CHECK(second_xnu_emu_state != NULL);
    CHECK((const void *)xnu_emu_state != second_xnu_emu_state);
    start(entry_string());
    answer = 77;
    CHECK_NUMBER(lkm_call(MK_TIMER_CREATE, NULL), 77);

    // Until it adopts, and where it refuses to, the second copy has a state of its own.
    static uint64_t page[512];
    memset(page, 0xff, sizeof page);
    const void *bad[8] = {NULL, page};
    int count = 2;
    const uint64_t *good = (const void *)xnu_emu_state;
    CHECK(memcmp(good, "xnu-emu", 8) == 0);
    static uint64_t changed[3][8];
    for (int word = 0; word < 3; word++) {
        memcpy(changed[word], good, 3 * sizeof *good);
        changed[word][word] ^= 1ULL << (word * 8);
        bad[count++] = changed[word];
    }
    for (int i = 0; i < count; i++) {
        CHECK_NUMBER(second_xnu_emu_adopt(bad[i]), -BSD_EINVAL);
        CHECK_NUMBER(second_lkm_call(MK_TIMER_CREATE, NULL), -BSD_ENOSYS);
        CHECK_NUMBER(xnu_emu_adopt(bad[i]), -BSD_EINVAL);
    }

    CHECK_NUMBER(second_xnu_emu_adopt(xnu_emu_state), 0);
    CHECK_NUMBER(second_lkm_call(MK_TIMER_CREATE, NULL), 77);
    CHECK_NUMBER(second_xnu_emu_thread_init(), 77);
    CHECK_NUMBER(second_mach_driver_get_fd(), mach_driver_get_fd());
    // Refusing later does not take back what was adopted; adopting oneself changes nothing.
    CHECK_NUMBER(second_xnu_emu_adopt(page), -BSD_EINVAL);
    CHECK_NUMBER(second_lkm_call(MK_TIMER_CREATE, NULL), 77);
    CHECK_NUMBER(xnu_emu_adopt(xnu_emu_state), 0);
    CHECK_NUMBER(lkm_call(MK_TIMER_CREATE, NULL), 77);
}

__attribute__((format(printf, 1, 2))) static void vkprintf(const char *format, ...) {
    va_list list;
    va_start(list, format);
    __simple_vkprintf(format, list);
    va_end(list);
}

static void kernel_log(void) {
    start(entry_string());
    __simple_kprintf("%s %d%%", "text", -5);
    CHECK_TEXT(log_text, "text -5%");
    CHECK_NUMBER(last_trap, KERNEL_PRINTK);
    vkprintf("%lx|%5c|%-4u|", 0xffffffffffUL, 'c', 7U);
    CHECK_TEXT(log_text, "ffffffffff|    c|7   |");
    // The rest is zeros, and no text reaches the last byte.
    for (int i = 23; i < 512; i++) {
        CHECK_NUMBER(log_text[i], 0);
    }
    __simple_kprintf("%600d", 1);
    CHECK_NUMBER(strlen(log_text), 511);
    __simple_kprintf("%s", "");
    CHECK_TEXT(log_text, "");
    unsigned before = served;
    answer = -LINUX_EAGAIN;
    __simple_kprintf("nobody listens");
    CHECK_NUMBER(served, before + 1);
}

int main(int argc, char **argv) {
    NEED(argc > 1);
    int device = 1;
    for (int i = 2; i + 1 < argc; i += 2) {
        NEED(strcmp(argv[i], "--without") == 0);
        device &= strcmp(argv[i + 1], "device") != 0;
    }
    errors(argv[1]);
    in_child("before mach_driver_init", before_init);
    in_child("mach_driver_init(NULL)", init_null);
    in_child("mach_driver_init, empty list", init_empty_list);
    in_child("mach_driver_init, neither", init_neither);
    in_child("mach_driver_init, lkm_entry", init_entry);
    in_child("mach_driver_init, bad lkm_entry", init_bad_entry);
    in_child("mach_driver_init, foreign kernfd", init_foreign_descriptor);
    if (device) {
        in_child("mach_driver_init, kernfd", init_device);
    }
    in_child("xnu_emu_adopt", adopt);
    in_child("kprintf", kernel_log);
    simple_family();
    return finish();
}
