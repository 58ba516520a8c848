// /dev/mach without the module: seccomp turns the device's ioctls into a signal, whose handler serves them.

#define _GNU_SOURCE
#include "check.h"
#include "parts.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

static volatile long version;
static volatile int calls;
static void *volatile argument;

static void serve(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)info;
    ucontext_t *interrupted = context;
#if defined(__x86_64__)
    greg_t *registers = interrupted->uc_mcontext.gregs;
    long trap = registers[REG_RSI];
    argument = (void *)registers[REG_RDX];
    greg_t *result = &registers[REG_RAX];
#else
    unsigned long long *registers = interrupted->uc_mcontext.regs;
    long trap = (long)registers[1];
    argument = (void *)registers[2];
    unsigned long long *result = &registers[0];
#endif
    calls++;
    *result = trap == GET_API_VERSION ? version : trap == KEVENT_QOS ? -EAGAIN : (trap & 0xff);
}

int make_device(void) {
    struct sigaction action = {.sa_sigaction = serve, .sa_flags = SA_SIGINFO};
    NEED(sigaction(SIGSYS, &action, NULL) == 0);
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, GET_API_VERSION, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, CLOSING_DESCRIPTOR, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    NEED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
    int fd = open("/dev/null", O_RDWR);
    NEED(fd >= 0);
    return fd;
}

void set_device_version(long number) {
    version = number;
}

int device_calls(void) {
    return calls;
}

void *device_argument(void) {
    return argument;
}
