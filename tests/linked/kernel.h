/* What the libsystem_kernel-like library offers: dyld asks it to start, programs call through the table. */
#pragma once

struct kernel {
	/* As printf to standard output. */
	void (*print)(const char *format, ...);
	int (*getpid)(void);
	void (*exit)(int status) __attribute__((noreturn));
};

struct xnu_emu_state_t;

/* Adopts dyld's state, and says what is wrong in `wrong`, if anything is. */
typedef const struct kernel *kernel_init(const struct xnu_emu_state_t *state, const char **wrong);
