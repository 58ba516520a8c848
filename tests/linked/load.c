/* A loader for the processors that xnurun does not know: what it does for x86-64, as far as the images here need it.
 *
 * load DYLD PROGRAM [ARGUMENT]...: maps both, builds a stack as XNU's exec does, with one string that hands an LKM over,
 * and goes to the dynamic linker. A Linux program, run under qemu-user where the machine is another. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "image.h"

enum { LC_UNIXTHREAD = 5, PAGE = 0x4000 };

struct image {
	char *header;
	uintptr_t entry;
};

static void fail(const char *path, const char *what)
{
	fprintf(stderr, "load: %s: %s\n", path, what);
	exit(126);
}

/* Maps the segments behind each other in a place of their own. __PAGEZERO is left out: the place has no page 0. */
static struct image map(const char *path)
{
	static _Alignas(struct header) char start[PAGE];
	struct image image = { NULL, 0 };
	int fd = open(path, O_RDONLY);
	if (fd < 0 || pread(fd, start, sizeof start, 0) < (ssize_t)sizeof(struct header))
		fail(path, "cannot be read");
	const struct header *header = (const struct header *)start;
	uint64_t lowest = UINT64_MAX, highest = 0;
	char *base = NULL;
	for (int maps = 0; maps < 2; maps++) {
		const char *at = (const char *)(header + 1);
		for (uint32_t count = header->ncmds; count > 0; count--) {
			const struct segment *segment = (const struct segment *)at;
			at += segment->cmdsize;
			if (segment->cmd == LC_UNIXTHREAD && maps)
				/* pc is the 33rd register behind flavor and count. */
				memcpy(&image.entry, (const char *)segment + 16 + 32 * 8, sizeof image.entry);
			if (segment->cmd != LC_SEGMENT_64 || segment->maxprot == 0 || segment->vmsize == 0)
				continue;
			if (!maps) {
				lowest = segment->vmaddr < lowest ? segment->vmaddr : lowest;
				uint64_t end = segment->vmaddr + segment->vmsize;
				highest = end > highest ? end : highest;
				continue;
			}
			char *place = base + (segment->vmaddr - lowest);
			if (pread(fd, place, segment->filesize, (off_t)segment->fileoff) != (ssize_t)segment->filesize
			    || mprotect(place, segment->vmsize, (int)segment->initprot) != 0)
				fail(path, "a segment cannot be mapped");
			if (segment->fileoff == 0 && segment->filesize != 0)
				image.header = place;
		}
		if (!maps) {
			base = mmap(NULL, highest - lowest, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (base == MAP_FAILED)
				fail(path, "there is no memory for it");
		}
	}
	close(fd);
	image.entry += (uintptr_t)base - lowest;
	return image;
}

/* Stands behind /dev/mach: reply ports, and threads by their numbers. */
static long serve(unsigned trap, void *argument)
{
	static unsigned ports;
	(void)argument;
	switch (trap) {
	case 0x1001:
		return (long)++ports << 8 | 3;
	case 0x1010:
		return syscall(SYS_gettid) << 8 | 7;
	default:
		return -38;
	}
}

int main(int argc, char **argv, char **envp)
{
	static char hand_over[64];
	if (argc < 3)
		fail("usage", "load DYLD PROGRAM [ARGUMENT]...");
	struct image dyld = map(argv[1]), program = map(argv[2]);
	snprintf(hand_over, sizeof hand_over, "lkm_entry=%#lx", (unsigned long)(uintptr_t)serve);

	size_t words = 0, variables = 0;
	while (envp[variables] != NULL)
		variables++;
	uintptr_t *stack = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack += (4 << 20) / sizeof *stack;
	stack[words++] = (uintptr_t)program.header;
	stack[words++] = (uintptr_t)argc - 2;
	for (int i = 2; i < argc; i++)
		stack[words++] = (uintptr_t)argv[i];
	stack[words++] = 0;
	for (size_t i = 0; i < variables; i++)
		stack[words++] = (uintptr_t)envp[i];
	stack[words++] = 0;
	stack[words++] = (uintptr_t)"executable_path=program";
	stack[words++] = (uintptr_t)hand_over;
	stack[words] = 0;
#if defined(__aarch64__)
	__asm__ volatile("mov sp, %0\n\tbr %1" : : "r"(stack), "r"(dyld.entry) : "memory");
#else
	__asm__ volatile("mov %0, %%rsp\n\tjmp *%1" : : "r"(stack), "r"(dyld.entry) : "memory");
#endif
	__builtin_unreachable();
}
