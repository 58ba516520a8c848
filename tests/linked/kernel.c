/* A library such as libsystem_kernel: a second copy of the emulation, which works on dyld's state. */
#include "kernel.h"
#include "wrappers.h"
#include "xnu_emu.h"

static const struct kernel table = { __simple_printf, sys_getpid, sys_exit };

kernel_init libsystem_kernel_init;

const struct kernel *libsystem_kernel_init(const struct xnu_emu_state_t *state, const char **wrong)
{
	enum { EINVAL = 22, NR_mach_reply_port = 0x1001 };
	static const uint64_t other[16] = { 1, 2, 3 };

	*wrong = NULL;
	if (xnu_emu_adopt(NULL) != -EINVAL)
		*wrong = "no state is adopted";
	if (xnu_emu_adopt((const struct xnu_emu_state_t *)other) != -EINVAL)
		*wrong = "something that is no state is adopted";
	int own = lkm_call(NR_mach_reply_port, NULL);
	if (xnu_emu_adopt(state) != 0)
		*wrong = "dyld's state is refused";
	int shared = lkm_call(NR_mach_reply_port, NULL);
	if (own <= 0 || shared <= 0)
		*wrong = "there are no reply ports";
	return &table;
}
