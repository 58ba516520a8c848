/* Calls the wrappers of wrappers.S; exits with 0 if all of them do what they should. */

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <xnu_emu.h>

int stub_getpid(void);
long stub_read(int fd, void *buffer, size_t size);
long stub_write(int fd, const void *buffer, size_t size);
int stub_close(int fd);
int stub_task_self(void);
int stub_machdep(void);
int trap_task_self(void);
int trap_close(int fd);
int trap_pipe(int *fds);
long trap_keeps(void);
int trap_machdep(void);

static int darwin_errno;

long cerror(int error)
{
	darwin_errno = error;
	return -1;
}

static int failures;

static void expect(const char *what, long found, long wanted)
{
	if (found != wanted) {
		printf("%s: %ld, not %ld\n", what, found, wanted);
		failures++;
	}
}

int main(void)
{
	const int EBADF_OF_DARWIN = 9;
	const int KERN_INVALID_ARGUMENT = 4;
	const char *applep[] = {NULL};
	int fds[2] = {-1, -1};
	char text[4] = "";

	mach_driver_init(applep);
	expect("getpid", stub_getpid(), getpid());
	expect("pipe", trap_pipe(fds), 0);
	expect("write", stub_write(fds[1], "abc", 3), 3);
	expect("read", stub_read(fds[0], text, 3), 3);
	expect("what was read", strcmp(text, "abc"), 0);
	expect("close", trap_close(fds[0]), 0);
	expect("close, the other", stub_close(fds[1]), 0);

	expect("no error so far", darwin_errno, 0);
	expect("close(-1)", stub_close(-1), -1);
	expect("its errno", darwin_errno, EBADF_OF_DARWIN);
	darwin_errno = 0;
	expect("close(-1), a replaced trap", trap_close(-1), -1);
	expect("its errno, positive", darwin_errno, EBADF_OF_DARWIN);

	expect("task_self has a name", stub_task_self() != 0, 1);
	expect("task_self, a replaced trap", trap_task_self(), stub_task_self());
	expect("an unknown machine-dependent call", stub_machdep(), KERN_INVALID_ARGUMENT);
	expect("the same, a replaced trap", trap_machdep(), KERN_INVALID_ARGUMENT);
	expect("registers that a trap changes", trap_keeps(), 0);
	return failures != 0;
}
