// The C interface of capi/src, until include/xnu_emu.h is generated from it.
#ifndef XNU_EMU_H
#define XNU_EMU_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct State;
struct simple_readline_buf {
    uint8_t buf[512];
    int32_t used;
};

int32_t errno_linux_to_bsd(int32_t err);
void mach_driver_init(const char *const *applep);
int32_t mach_driver_get_fd(void);
int32_t lkm_call(int32_t call_nr, void *arg);
int32_t lkm_call_raw(int32_t call_nr, void *arg);
uint32_t xnu_emu_thread_init(void);
void xnu_emu_thread_exit(void);
void xnu_emu_fork_child(void);
extern const struct State *const xnu_emu_state;
int32_t xnu_emu_adopt(const struct State *state);

void __simple_printf(const char *format, ...);
void __simple_kprintf(const char *format, ...);
void __simple_fprintf(int32_t fd, const char *format, ...);
int32_t __simple_sprintf(char *buffer, const char *format, ...);
int32_t __simple_snprintf(char *buffer, size_t max_length, const char *format, ...);
void __simple_vprintf(const char *format, va_list args);
void __simple_vkprintf(const char *format, va_list args);
void __simple_vfprintf(int32_t fd, const char *format, va_list args);
int32_t __simple_vsprintf(char *buf, const char *format, va_list vl);
int32_t __simple_vsnprintf(char *buffer, size_t max_length, const char *format, va_list args);
int32_t __simple_strlen(const char *str);
uint64_t __simple_atoi(const char *str, const char **endp);
uint64_t __simple_atoi16(const char *str, const char **endp);
void __simple_readline_init(struct simple_readline_buf *buf);
char *__simple_readline(int32_t fd, struct simple_readline_buf *buf, char *out, int32_t max_out);
_Noreturn void __simple_abort(void);

#endif
