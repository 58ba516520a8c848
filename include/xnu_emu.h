/*
 * The C interface of xnu-emu: XNU's system calls on Linux.
 *
 * Wrappers of system calls are assembly: their macros are in xnu_emu_asm.h.
 */

#ifndef XNU_EMU_H
#define XNU_EMU_H

/* Made by `cargo xtask capi --write-header`: change capi/src or capi/cbindgen.toml instead. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/** What one copy of this library shares with another. */
struct xnu_emu_state_t;

#ifdef __GNUC__
/** The compiler compares the format, of this position, with the arguments, from that position on. */
#define XNU_EMU_PRINTF(format, arguments) __attribute__((__format__(__printf__, format, arguments)))
#define XNU_EMU_NORETURN __attribute__((__noreturn__))
#else
#define XNU_EMU_PRINTF(format, arguments)
#define XNU_EMU_NORETURN
#endif

/** Of vchroot_expand: a link at the end of the path is followed. */
#define VCHROOT_FOLLOW 1

/** Of vchroot_expand. */
struct vchroot_expand_args {
  /** In and out. */
  char path[4096];
  unsigned int flags;
  /** Where a relative path starts; -100 is the working directory. */
  int dfd;
};

/** Of vchroot_fdpath. */
struct vchroot_fdpath_args {
  int fd;
  /** Where the path goes, with its NUL. */
  char *path;
  /** Bytes there. */
  unsigned int maxlen;
};

/** Of vchroot_unexpand. */
struct vchroot_unexpand_args {
  /** In and out. */
  char path[4096];
};

#ifdef __cplusplus
extern "C" {
#endif

/** `man 3 printf` to standard output, by raw writes; like all of these, without floating point. */
void __simple_printf(const char *format, ...) XNU_EMU_PRINTF(1, 2);

/** Formats into the log of the Linux kernel, through what stands behind `/dev/mach`. */
void __simple_kprintf(const char *format, ...) XNU_EMU_PRINTF(1, 2);

/** `man 3 dprintf`, by raw writes. */
void __simple_fprintf(int fd, const char *format, ...) XNU_EMU_PRINTF(2, 3);

/** `man 3 sprintf`. */
int __simple_sprintf(char *buf, const char *format, ...) XNU_EMU_PRINTF(2, 3);

/** `man 3 snprintf`. */
int __simple_snprintf(char *buffer, size_t max_length, const char *format, ...) XNU_EMU_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif


/**
 * What `__simple_readline` has read ahead.
 */
struct simple_readline_buf {
  /**
   * Bytes of the descriptor.
   */
  uint8_t buf[512];
  /**
   * How many of them are there.
   */
  int32_t used;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The state of this copy: what dyld's copy exports for the other to adopt. In a Mach-O image its section tells the loader
 * that Linux calls in it are meant (`xnu_abi::lkm::LINKED_SECTION`), so it stays even where nobody names it.
 */
extern const struct xnu_emu_state_t *xnu_emu_state;

/**
 * Finds what stands behind `/dev/mach`. `applep` is the null-terminated list of the loader's strings; null says that
 * this is the child of a fork that the caller made itself.
 *
 * A device that is missing or speaks another version of the interface is no device: `mach_driver_get_fd` tells.
 */
void mach_driver_init(const char **applep);

/**
 * The descriptor of the device; -1 where there is none.
 */
int32_t mach_driver_get_fd(void);

/**
 * Makes one trap: its result, or Darwin's error, negated.
 */
int32_t lkm_call(int32_t call_nr, void *arg);

/**
 * Makes one trap: its result, or Linux's error, negated.
 */
int32_t lkm_call_raw(int32_t call_nr, void *arg);

/**
 * Makes the calling thread known to what stands behind `/dev/mach`, before its first call: the name of its port, or 0.
 */
uint32_t xnu_emu_thread_init(void);

/**
 * Says that the calling thread is about to end.
 */
void xnu_emu_thread_exit(void);

/**
 * Says that this is the child of a fork that the caller made without the entry's help.
 */
void xnu_emu_fork_child(void);

/**
 * Linux's error as Darwin's, either sign; what is no error of Linux's is `EIO`'s.
 */
int32_t errno_linux_to_bsd(int32_t err);

/**
 * `man 3 vsnprintf`, without floating point.
 */
int32_t __simple_vsnprintf(char *buffer, size_t max_length, const char *format, va_list args);

/**
 * `man 3 vsprintf`, without floating point.
 */
int32_t __simple_vsprintf(char *buf, const char *format, va_list vl);

/**
 * `man 3 vdprintf` to standard output, by raw writes.
 */
void __simple_vprintf(const char *format, va_list args);

/**
 * `man 3 vdprintf`, by raw writes.
 */
void __simple_vfprintf(int32_t fd, const char *format, va_list args);

/**
 * Formats into the log of the Linux kernel, through what stands behind `/dev/mach`.
 */
void __simple_vkprintf(const char *format, va_list args);

/**
 * `man 3 strlen`; more than an `int` holds is `INT_MAX`.
 */
int32_t __simple_strlen(const char *str);

/**
 * Decimal digits at the front of a string; neither spaces nor a sign.
 */
uint64_t __simple_atoi(const char *str, const char **endp);

/**
 * Hexadecimal digits at the front of a string, without `0x`.
 */
uint64_t __simple_atoi16(const char *str, const char **endp);

/**
 * Starts with nothing read.
 */
void __simple_readline_init(struct simple_readline_buf *buf);

/**
 * Reads the next line of a descriptor, without its end, into `max_out` bytes with a NUL: `out`, or null at the end of the
 * file and on an error. A longer line comes in pieces.
 */
char *__simple_readline(int32_t fd,
                        struct simple_readline_buf *buf,
                        char *out,
                        int32_t max_out);

/**
 * `man 3 abort`: a handler of `SIGABRT` may run; if it returns, and where the signal is ignored or blocked, the process
 * is ended by that signal all the same.
 */
void __simple_abort(void) XNU_EMU_NORETURN;

/**
 * From now on this copy works on the state of another one. 0, or `-EINVAL` if `state` is none of this library's, or of
 * another version or compiler than this copy: then nothing changes.
 */
int32_t xnu_emu_adopt(const struct xnu_emu_state_t *state);

/**
 * Replaces the path of a program's by the path that Linux knows it by. A relative one starts at `dfd`, where -100 is the
 * working directory; with `VCHROOT_FOLLOW` a link at its end is followed. 0, or Linux's error, negated.
 */
int vchroot_expand(struct vchroot_expand_args *args);

/**
 * Replaces a path of Linux's by the path that a program knows it by. 0, or Linux's error, negated.
 */
int vchroot_unexpand(struct vchroot_unexpand_args *args);

/**
 * Writes the path that a program knows an open file by. 0, or Linux's error, negated.
 */
int vchroot_fdpath(struct vchroot_fdpath_args *args);

/**
 * Makes a directory the root of the process, which `/Volumes/SystemRoot` leads out of. 0, or Darwin's error, negated.
 *
 * Before the process has threads. The descriptor stays the caller's.
 */
int __darling_vchroot(int dfd);

/**
 * Writes the path that Linux knows a path of a program's by into `out`, links followed. 0, or Linux's error, negated.
 */
int __darling_vchroot_expand(const char *path,
                             char *out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* XNU_EMU_H */
