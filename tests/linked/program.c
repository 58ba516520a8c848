/* A program whose LC_LOAD_DYLINKER names the dynamic linker beside it. It says what it was given. */
#include "kernel.h"

int main(int argc, char **argv, char **envp, char **apple, const struct kernel *kernel)
{
	int count = 0, status = 0;
	while (envp[count] != 0)
		count++;
	kernel->print("program: argc %d, first %s, %s\n", argc, argc > 1 ? argv[1] : "none",
		      apple[0] != 0 && envp[count] == 0 ? "apple strings" : "no apple strings");
	for (const char *digit = argc > 1 ? argv[1] : ""; *digit >= '0' && *digit <= '9'; digit++)
		status = status * 10 + *digit - '0';
	return kernel->getpid() > 0 ? status : 99;
}
