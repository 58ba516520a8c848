/* A static dynamic linker such as dyld: the first copy of the emulation in the process.
 *
 * It rebases itself, uses every kind of call, loads the library that the program names, hands its state to it, and calls
 * the program. One line per thing that it has seen; a thing that is wrong ends it with a status of its own. */
#include "image.h"
#include "kernel.h"
#include "wrappers.h"
#include "xnu_emu.h"

extern const struct header __dso_handle;

typedef int entry(int argc, char **argv, char **envp, char **apple, const struct kernel *kernel);

static void need(int status, int is_true, const char *what)
{
	if (is_true)
		return;
	__simple_fprintf(2, "dyld: wrong: %s (error %d)\n", what, error);
	sys_exit(status);
}

static int same(const char *one, const char *other, size_t size)
{
	for (size_t at = 0; at < size; at++)
		if (one[at] != other[at])
			return 0;
	return 1;
}

static void files(const char *scratch)
{
	char text[64];
	int size = __simple_snprintf(text, sizeof text, "%s %d %#x %5.2s|", "written", -7, 0xbeef, "xyz");
	need(10, size == 24 && same(text, "written -7 0xbeef    xy|", 25), text);
	int fd = sys_open(scratch, O_RDWR | O_CREAT | O_TRUNC, 0600);
	need(11, fd >= 0, "a file is made");
	need(12, sys_write(fd, text, (size_t)size) == size, "it is written");
	need(13, sys_lseek(fd, 0, 0) == 0, "it is wound back");
	char again[64];
	need(14, sys_read(fd, again, sizeof again) == size && same(text, again, (size_t)size), "it is read again");
	need(15, sys_close(fd) == 0 && sys_close(fd) == -1 && error == EBADF, "it is closed, once");
	need(16, sys_access(scratch, 0) == 0, "it has a name");
	need(17, sys_unlink(scratch) == 0, "the name is removed");
	need(18, sys_access(scratch, 0) == -1 && error == ENOENT, "the name is gone");
	need(19, sys_open("/no/such/file", O_RDONLY, 0) == -1 && error == ENOENT, "a missing file is missing");
	need(20, sys_open((const char *)8, O_RDONLY, 0) == -1 && error == EFAULT, "a bad pointer is an error");
	__simple_printf("dyld: files: %s\n", again[0] == 'w' ? "as they should be" : "?");
}

static void children(void)
{
	int ends[2];
	need(30, sys_pipe(ends) == 0 && ends[0] != ends[1], "a pipe has two ends");
	int own = sys_getpid(), child = sys_fork();
	if (child == 0) {
		int said[3] = { sys_getpid(), sys_getppid(), lkm_call(0x1010, NULL) };
		sys_write(ends[1], said, sizeof said);
		sys_exit(0);
	}
	int heard[3] = { 0 };
	need(31, child > 0 && sys_getpid() == own, "the parent goes on");
	/* One that dies is then heard of too. */
	need(35, sys_close(ends[1]) == 0, "the child alone can speak");
	need(32, sys_read(ends[0], heard, sizeof heard) == sizeof heard, "the child speaks");
	need(33, heard[0] == child && heard[1] == own, "it is who it should be");
	need(34, heard[2] > 0, "its thread has a name");
	__simple_printf("dyld: a child: %s\n", "as it should be");
}

static void traps(void)
{
	enum { EINVAL = 22, ENOSYS = 78, LINUX_ENOSYS = 38 };
	need(40, lkm_call(0x1001, NULL) > 0, "there are reply ports");
	need(41, lkm_call(0x7fff, NULL) == -ENOSYS && lkm_call_raw(0x7fff, NULL) == -LINUX_ENOSYS, "no such trap");
	need(42, thread_self_trap() == (unsigned)lkm_call(0x1010, NULL), "the thread has one name");
	need(43, xnu_emu_thread_init() == thread_self_trap(), "it keeps that name");
	__simple_printf("dyld: traps: as they should be, device %d\n", mach_driver_get_fd());
}

/* A message to a port of one's own comes back, where the loader serves ports. */
static void ports(void)
{
	enum { SEND = 1, RECEIVE = 2, MAKE_SEND = 20, COPY_SEND = 19, RIGHT_RECEIVE = 1 };
	enum { NOT_SUPPORTED = 46, INVALID_NAME = 0x10004002 };
	struct {
		unsigned bits, size, remote, local, voucher;
		int id;
		char text[16];
		unsigned trailer[2];
	} message = { COPY_SEND, 0, 0, 0, 0, 4711, "there and back", { 0 } };
	enum { SIZE = sizeof message - sizeof message.trailer };
	unsigned task = task_self_trap(), port = 0;
	int result = mach_port_allocate_trap(task, RIGHT_RECEIVE, &port);
	if (result == NOT_SUPPORTED) {
		__simple_printf("dyld: ports: none\n");
		return;
	}
	error = result;
	need(60, result == 0 && port != 0, "a port is made");
	need(61, mach_port_insert_right_trap(task, port, port, MAKE_SEND) == 0, "it can be sent to");
	message.remote = port;
	need(62, mach_msg_trap(&message, SEND, SIZE, 0, 0, 0, 0) == 0, "a message is sent");
	message.text[0] = 'x';
	need(63, mach_msg_trap(&message, RECEIVE, 0, sizeof message, port, 0, 0) == 0, "it is received");
	need(64, message.size == SIZE && message.id == 4711 && message.local == port, "its header is right");
	need(65, mach_port_deallocate_trap(task, port) == 0, "the send right goes");
	need(66, mach_port_mod_refs_trap(task, port, RIGHT_RECEIVE, -1) == 0, "the receive right goes");
	need(67, mach_msg_trap(&message, RECEIVE, 0, sizeof message, port, 0, 0) == INVALID_NAME, "the name is gone");
	__simple_printf("dyld: ports: %s\n", message.text);
}

__attribute__((noreturn, used)) void dyld_main(uintptr_t *stack)
{
	rebase(&__dso_handle);
	const struct header *header = (const struct header *)stack[0];
	int argc = (int)stack[1];
	char **argv = (char **)(stack + 2), **envp = argv + argc + 1, **apple = envp;
	while (*apple++ != NULL)
		;
	mach_driver_init((const char **)apple);
	__simple_printf("dyld: slide is %s of pages\n", slide_of(&__dso_handle) % 0x1000 == 0 ? "a number" : "no number");

	files(argc > 2 ? argv[2] : "linked.scratch");
	children();
	traps();
	ports();

	const uint32_t *library = find_command(header, LC_LOAD_DYLIB);
	need(50, library != NULL, "the program names a library");
	const struct header *loaded = load((const char *)library + library[2]);
	need(51, loaded != NULL, (const char *)library + library[2]);
	kernel_init *init = (kernel_init *)find_symbol(loaded, "_libsystem_kernel_init");
	need(52, init != NULL, "the library has its entry");
	const char *wrong;
	const struct kernel *kernel = init(xnu_emu_state, &wrong);
	need(53, wrong == NULL, wrong);
	__simple_printf("dyld: the library has adopted the state\n");

	const struct {
		uint32_t cmd, cmdsize;
		uint64_t entryoff;
	} *main = find_command(header, LC_MAIN);
	need(54, main != NULL, "the program has an entry");
	entry *call = (entry *)((uintptr_t)header + main->entryoff);
	kernel->exit(call(argc, argv, envp, apple, kernel));
}

/* The first instruction: no return address, the stack as exec leaves it. */
#if defined(__x86_64__)
__asm__(".globl _start\n"
	"_start:\n"
	"	xorl	%ebp, %ebp\n"
	"	movq	%rsp, %rdi\n"
	"	andq	$-16, %rsp\n"
	"	call	_dyld_main\n"
	"	ud2\n");
#else
__asm__(".globl _start\n"
	".p2align 2\n"
	"_start:\n"
	"	mov	x29, #0\n"
	"	mov	x30, #0\n"
	"	mov	x0, sp\n"
	"	and	sp, x0, #-16\n"
	"	bl	_dyld_main\n"
	"	brk	#1\n");
#endif
