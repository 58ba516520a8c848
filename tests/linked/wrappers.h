/* What wrappers.S defines. A call that fails answers -1 and leaves the error in `error`. */
#pragma once
#include <stddef.h>
#include <stdint.h>

extern int error;

void sys_exit(int status) __attribute__((noreturn));
int sys_fork(void);
long sys_read(int fd, void *buffer, size_t size);
long sys_write(int fd, const void *buffer, size_t size);
int sys_open(const char *path, int flags, int mode);
int sys_close(int fd);
int sys_unlink(const char *path);
int sys_getpid(void);
int sys_access(const char *path, int mode);
int sys_getppid(void);
int sys_pipe(int fds[2]);
long sys_pread(int fd, void *buffer, size_t size, int64_t offset);
void *sys_mmap(void *at, size_t size, int protection, int flags, int fd, int64_t offset);
int64_t sys_lseek(int fd, int64_t offset, int whence);
unsigned thread_self_trap(void);
unsigned task_self_trap(void);
int mach_port_allocate_trap(unsigned task, unsigned right, unsigned *name);
int mach_port_deallocate_trap(unsigned task, unsigned name);
int mach_port_mod_refs_trap(unsigned task, unsigned name, unsigned right, int delta);
int mach_port_insert_right_trap(unsigned task, unsigned name, unsigned right, unsigned disposition);
int mach_msg_trap(void *message, unsigned options, unsigned size, unsigned room, unsigned from, unsigned timeout,
		  unsigned notify);

enum { O_RDONLY = 0, O_RDWR = 2, O_CREAT = 0x200, O_TRUNC = 0x400 };
enum { ENOENT = 2, EBADF = 9, EFAULT = 14 };
enum { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };
enum { MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANON = 0x1000 };
