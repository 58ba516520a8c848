// The files of every_symbol.
#ifndef PARTS_H
#define PARTS_H

// Traps of Darling's module: tests/data/lkm_traps.tsv.
enum {
    GET_API_VERSION = 0x1000,
    MACH_REPLY_PORT = 0x1001,
    TASK_SELF = 0x1003,
    SEMAPHORE_WAIT = 0x100b,
    THREAD_SELF = 0x1010,
    MK_TIMER_CREATE = 0x1018,
    THREAD_DEATH_ANNOUNCE = 0x101f,
    KERNEL_PRINTK = 0x1026,
    KEVENT_QOS = 0x1050,
    CLOSING_DESCRIPTOR = 0x1051,
};

// device.c: a descriptor on which this process finds /dev/mach. A trap answers the low byte of its number, KEVENT_QOS
// an EAGAIN, GET_API_VERSION what is set.
int make_device(void);
void set_device_version(long version);
int device_calls(void);
void *device_argument(void);

// simple.c: the __simple family but the kernel's log.
void simple_family(void);

#endif
