/* Mach-O images in memory: what a dynamic linker does with them, as far as these tests need it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct header {
	uint32_t magic, cputype, cpusubtype, filetype, ncmds, sizeofcmds, flags, reserved;
};

struct command {
	uint32_t cmd, cmdsize;
};

struct segment {
	uint32_t cmd, cmdsize;
	char segname[16];
	uint64_t vmaddr, vmsize, fileoff, filesize;
	uint32_t maxprot, initprot, nsects, flags;
};

enum {
	LC_SYMTAB = 2,
	LC_LOAD_DYLIB = 0xc,
	LC_SEGMENT_64 = 0x19,
	LC_DYLD_INFO_ONLY = 0x80000022,
	LC_MAIN = 0x80000028,
};

/* The first load command of a kind, or null. */
const void *find_command(const struct header *header, uint32_t kind);

/* How far the image is from where it was linked. */
uintptr_t slide_of(const struct header *header);

/* Adds the slide to every pointer that the image says it has. */
void rebase(const struct header *header);

/* The address of a global symbol, or null. */
void *find_symbol(const struct header *header, const char *name);

/* Maps a dylib and rebases it; null where that fails. */
const struct header *load(const char *path);
