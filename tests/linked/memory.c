/* The memory functions that a compiler's code calls: libplatform's, in a real image. And where failed wrappers go. */
#include "wrappers.h"

int error;

long cerror(int number)
{
	error = number;
	return -1;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	for (size_t at = 0; at < size; at++)
		((volatile char *)to)[at] = ((const char *)from)[at];
	return to;
}

void *memmove(void *to, const void *from, size_t size)
{
	if ((uintptr_t)to - (uintptr_t)from >= size)
		return memcpy(to, from, size);
	while (size-- > 0)
		((volatile char *)to)[size] = ((const char *)from)[size];
	return to;
}

void *memset(void *to, int byte, size_t size)
{
	for (size_t at = 0; at < size; at++)
		((volatile char *)to)[at] = (char)byte;
	return to;
}

void __bzero(void *to, size_t size)
{
	memset(to, 0, size);
}

void bzero(void *to, size_t size)
{
	memset(to, 0, size);
}

int memcmp(const void *one, const void *other, size_t size)
{
	const unsigned char *a = one, *b = other;
	for (size_t at = 0; at < size; at++)
		if (a[at] != b[at])
			return a[at] - b[at];
	return 0;
}

int bcmp(const void *one, const void *other, size_t size)
{
	return memcmp(one, other, size);
}
