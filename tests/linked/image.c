#include "image.h"
#include "wrappers.h"

typedef struct {
	uint32_t cmd, cmdsize, rebase_off, rebase_size;
} dyld_info;

typedef struct {
	uint32_t cmd, cmdsize, symoff, nsyms, stroff, strsize;
} symtab;

typedef struct {
	uint32_t strx;
	uint8_t type, sect;
	uint16_t desc;
	uint64_t value;
} symbol;

static const struct command *first(const struct header *header)
{
	return (const struct command *)(header + 1);
}

static const struct command *after(const struct command *command)
{
	return (const struct command *)((const char *)command + command->cmdsize);
}

const void *find_command(const struct header *header, uint32_t kind)
{
	const struct command *command = first(header);
	for (uint32_t count = header->ncmds; count > 0; count--, command = after(command))
		if (command->cmd == kind)
			return command;
	return NULL;
}

static const struct segment *segment_number(const struct header *header, uint32_t number)
{
	const struct command *command = first(header);
	for (uint32_t count = header->ncmds; count > 0; count--, command = after(command))
		if (command->cmd == LC_SEGMENT_64 && number-- == 0)
			return (const struct segment *)command;
	return NULL;
}

/* The segment that begins with the header: after __PAGEZERO in a program, the first in all else. */
uintptr_t slide_of(const struct header *header)
{
	const struct segment *segment;
	for (uint32_t number = 0; (segment = segment_number(header, number)) != NULL; number++)
		if (segment->fileoff == 0 && segment->filesize != 0)
			return (uintptr_t)header - segment->vmaddr;
	return 0;
}

/* Where an offset in the file is in memory. */
static const uint8_t *at_offset(const struct header *header, uint32_t offset)
{
	const struct segment *segment;
	for (uint32_t number = 0; (segment = segment_number(header, number)) != NULL; number++)
		if (offset >= segment->fileoff && offset - segment->fileoff < segment->filesize)
			return (const uint8_t *)(slide_of(header) + segment->vmaddr + offset - segment->fileoff);
	return NULL;
}

static uint64_t uleb(const uint8_t **next)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;
	do {
		byte = *(*next)++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return value;
}

static uintptr_t slide_pointers(uintptr_t at, uint64_t count, uint64_t gap, uintptr_t slide)
{
	for (; count > 0; count--, at += sizeof(uintptr_t) + gap)
		*(uintptr_t *)at += slide;
	return at;
}

void rebase(const struct header *header)
{
	const dyld_info *info = find_command(header, LC_DYLD_INFO_ONLY);
	uintptr_t slide = slide_of(header);
	if (info == NULL || info->rebase_size == 0 || slide == 0)
		return;
	const uint8_t *next = at_offset(header, info->rebase_off), *end = next + info->rebase_size;
	uintptr_t at = 0;
	while (next < end) {
		uint8_t operation = *next & 0xf0, operand = *next & 0x0f;
		uint64_t count;
		next++;
		switch (operation) {
		case 0x00: /* done */
			return;
		case 0x10: /* type: pointers, the only one there is on 64 bits */
			break;
		case 0x20: /* segment and offset */
			at = slide + segment_number(header, operand)->vmaddr;
			at += uleb(&next);
			break;
		case 0x30: /* go on by an offset */
			at += uleb(&next);
			break;
		case 0x40: /* go on by so many pointers */
			at += operand * sizeof(uintptr_t);
			break;
		case 0x50: /* so many in a row */
			at = slide_pointers(at, operand, 0, slide);
			break;
		case 0x60:
			at = slide_pointers(at, uleb(&next), 0, slide);
			break;
		case 0x70: /* one, then go on */
			at = slide_pointers(at, 1, 0, slide);
			at += uleb(&next);
			break;
		case 0x80: /* so many with a gap between */
			count = uleb(&next);
			at = slide_pointers(at, count, uleb(&next), slide);
			break;
		}
	}
}

static int equal(const char *one, const char *other)
{
	while (*one != 0 && *one == *other)
		one++, other++;
	return *one == *other;
}

void *find_symbol(const struct header *header, const char *name)
{
	enum { N_EXT = 1, N_TYPE = 0xe, N_SECT = 0xe };
	const symtab *table = find_command(header, LC_SYMTAB);
	if (table == NULL)
		return NULL;
	const symbol *symbols = (const symbol *)at_offset(header, table->symoff);
	const char *names = (const char *)at_offset(header, table->stroff);
	for (uint32_t number = 0; number < table->nsyms; number++) {
		const symbol *one = symbols + number;
		if ((one->type & N_EXT) && (one->type & N_TYPE) == N_SECT && equal(names + one->strx, name))
			return (void *)(slide_of(header) + one->value);
	}
	return NULL;
}

const struct header *load(const char *path)
{
	static _Alignas(struct header) char start[0x4000];
	int fd = sys_open(path, O_RDONLY, 0);
	if (fd < 0 || sys_pread(fd, start, sizeof start, 0) < (long)sizeof(struct header))
		return NULL;
	const struct header *header = (const struct header *)start;
	const struct segment *segment;
	uint64_t end = 0;
	for (uint32_t number = 0; (segment = segment_number(header, number)) != NULL; number++)
		if (segment->vmaddr + segment->vmsize > end)
			end = segment->vmaddr + segment->vmsize;
	char *base = sys_mmap(NULL, end, 0, MAP_PRIVATE | MAP_ANON, -1, 0);
	if ((intptr_t)base == -1)
		return NULL;
	for (uint32_t number = 0; (segment = segment_number(header, number)) != NULL; number++) {
		char *at = base + segment->vmaddr;
		int protection = (int)segment->initprot;
		if (segment->filesize > 0
		    && sys_mmap(at, segment->filesize, protection, MAP_PRIVATE | MAP_FIXED, fd,
				(int64_t)segment->fileoff) != at)
			return NULL;
		uint64_t mapped = (segment->filesize + 0xfff) & ~(uint64_t)0xfff;
		if (segment->vmsize > mapped
		    && sys_mmap(at + mapped, segment->vmsize - mapped, protection,
				MAP_PRIVATE | MAP_FIXED | MAP_ANON, -1, 0) != at + mapped)
			return NULL;
	}
	sys_close(fd);
	rebase((const struct header *)base);
	return (const struct header *)base;
}
