//! All of the mock's state, and which method serves which call.

use crate::address_space::AddressSpace;
use crate::args::Args;
use crate::child::Children;
use crate::descriptor::Descriptors;
use crate::fs::Protections;
use crate::fs::inode::{Ino, Inodes, ROOT_INO};
use crate::log::Call;
use crate::process::Process;
use crate::program::Executed;
use crate::random::Random;
use crate::signal::Signals;
use crate::socket::Sockets;
use crate::terminal::Settings;
use crate::thread::Threads;
use crate::time::Clock;
use std::collections::{BTreeMap, VecDeque};
use xnu_abi::linux::{Errno, Sysno};

/// The result of a call.
pub(crate) type Answer = Result<usize, Errno>;

/// Everything behind the mock's lock.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) memory: AddressSpace,
    pub(crate) inodes: Inodes,
    /// The last names of removed directories that something still refers to.
    pub(crate) removed_names: BTreeMap<Ino, Vec<u8>>,
    pub(crate) descriptors: Descriptors,
    pub(crate) sockets: Sockets,
    pub(crate) process: Process,
    pub(crate) children: Children,
    pub(crate) executed: Vec<Executed>,
    pub(crate) signals: Signals,
    pub(crate) threads: Threads,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) tty_input: VecDeque<u8>,
    pub(crate) tty_output: Vec<u8>,
    pub(crate) tty_settings: Settings,
    pub(crate) protections: Protections,
    pub(crate) calls: Vec<Call>,
    pub(crate) keep_calls: bool,
    pub(crate) unserved: Vec<Sysno>,
}

impl State {
    /// An empty root directory, no descriptors, root's credentials.
    pub(crate) fn new(seed: u64) -> State {
        let clock = Clock::new();
        State {
            memory: AddressSpace::new(),
            inodes: Inodes::new(clock.now()),
            removed_names: BTreeMap::new(),
            descriptors: Descriptors::default(),
            sockets: Sockets::default(),
            process: Process::new(ROOT_INO),
            children: Children::default(),
            executed: Vec::new(),
            signals: Signals::default(),
            threads: Threads::default(),
            clock,
            random: Random::new(seed),
            tty_input: VecDeque::new(),
            tty_output: Vec::new(),
            tty_settings: Settings::new(),
            protections: Protections::default(),
            calls: Vec::new(),
            keep_calls: true,
            unserved: Vec::new(),
        }
    }

    /// Serves one call whose arguments were checked.
    #[rustfmt::skip]
    pub(crate) fn serve(&mut self, a: &mut Args<'_, '_>) -> Answer {
        use Sysno as S;
        match a.nr() {
            S::Read => self.read(a),
            S::Write => self.write(a),
            S::Readv => self.readv(a),
            S::Writev => self.writev(a),
            S::Pread64 => self.pread64(a),
            S::Pwrite64 => self.pwrite64(a),
            S::Preadv => self.preadv(a),
            S::Pwritev => self.pwritev(a),
            S::Pwritev2 => self.pwritev2(a),
            S::Lseek => self.lseek(a),
            S::Getdents64 => self.getdents64(a),
            S::Ftruncate => self.ftruncate(a),
            S::Truncate => self.truncate(a),
            S::Fsync | S::Fdatasync | S::Syncfs => self.fsync(a),
            S::Sync => Ok(0),
            S::Fallocate => self.fallocate(a),
            S::Fadvise64 => self.fadvise64(a),
            S::SyncFileRange => self.sync_file_range(a),
            S::Openat => self.openat(a),
            S::Openat2 => self.openat2(a),
            S::Close => self.close(a),
            S::CloseRange => self.close_range(a),
            S::Dup => self.dup(a),
            S::Dup3 => self.dup3(a),
            S::Fcntl => self.fcntl(a),
            S::Flock => self.flock(a),
            S::Pipe2 => self.pipe2(a),
            S::Ioctl => self.ioctl(a),
            S::Fstat => self.fstat(a),
            S::Newfstatat => self.newfstatat(a),
            S::Statx => self.statx(a),
            S::Statfs => self.statfs(a),
            S::Fstatfs => self.fstatfs(a),
            S::Faccessat | S::Faccessat2 => self.faccessat(a),
            S::Readlinkat => self.readlinkat(a),
            S::Mkdirat => self.mkdirat(a),
            S::Mknodat => self.mknodat(a),
            S::Unlinkat => self.unlinkat(a),
            S::Renameat | S::Renameat2 => self.renameat(a),
            S::Linkat => self.linkat(a),
            S::Symlinkat => self.symlinkat(a),
            S::Fchmod => self.fchmod(a),
            S::Fchmodat | S::Fchmodat2 => self.fchmodat(a),
            S::Fchown => self.fchown(a),
            S::Fchownat => self.fchownat(a),
            S::Utimensat => self.utimensat(a),
            S::Chdir => self.chdir(a),
            S::Fchdir => self.fchdir(a),
            S::Getcwd => self.getcwd(a),
            S::Umask => self.umask(a),
            // One thread shares nothing with others.
            S::Unshare => Ok(0),
            S::Getxattr | S::Lgetxattr | S::Fgetxattr => self.getxattr(a),
            S::Setxattr | S::Lsetxattr | S::Fsetxattr => self.setxattr(a),
            S::Listxattr | S::Llistxattr | S::Flistxattr => self.listxattr(a),
            S::Removexattr | S::Lremovexattr | S::Fremovexattr => self.removexattr(a),
            S::Ppoll => self.ppoll(a),
            S::Pselect6 => self.pselect6(a),
            S::Mmap => self.mmap(a),
            S::Munmap => self.munmap(a),
            S::Mprotect => self.mprotect(a),
            S::Mremap => self.mremap(a),
            S::Madvise => self.madvise(a),
            S::Msync => self.msync(a),
            S::Mincore => self.mincore(a),
            S::Mlock | S::Munlock => self.mlock(a),
            S::Getpid | S::Getppid | S::Gettid | S::Getuid | S::Geteuid | S::Getgid | S::Getegid => self.identity(a),
            S::Clone => self.clone(a),
            S::Execve | S::Execveat => self.execute(a),
            S::Waitid => self.waitid(a),
            S::Ptrace => self.ptrace(a),
            S::Getpgid | S::Getsid | S::Setsid | S::Setpgid => self.session(a),
            S::Getgroups => self.getgroups(a),
            S::Getresuid | S::Getresgid => self.getresid(a),
            S::Setresuid | S::Setresgid => self.setresid(a),
            S::SchedGetaffinity => self.affinity(a),
            S::Setgroups => self.setgroups(a),
            S::Getpriority | S::Setpriority => self.priority(a),
            S::ClockSettime => self.clock_settime(a),
            S::Adjtimex => self.adjtimex(a),
            S::Prlimit64 => self.prlimit64(a),
            S::Getrusage => self.getrusage(a),
            S::Uname => self.uname(a),
            S::Sysinfo => self.sysinfo(a),
            S::SchedYield => Ok(0),
            S::Exit | S::ExitGroup => self.exit(a),
            #[cfg(target_arch = "x86_64")]
            S::ModifyLdt => self.modify_ldt(a),
            #[cfg(target_arch = "x86_64")]
            S::ArchPrctl => self.arch_prctl(a),
            S::Futex => self.futex(a),
            S::Getrandom => self.getrandom(a),
            S::Times => self.times(a),
            S::ClockGettime => self.clock_gettime(a),
            S::ClockGetres => self.clock_getres(a),
            S::Gettimeofday => self.gettimeofday(a),
            S::Nanosleep | S::ClockNanosleep => self.nanosleep(a),
            S::Getitimer => self.getitimer(a),
            S::Setitimer => self.setitimer(a),
            S::RtSigaction => self.rt_sigaction(a),
            S::RtSigprocmask => self.rt_sigprocmask(a),
            S::RtSigtimedwait => self.rt_sigtimedwait(a),
            S::RtSigsuspend => self.rt_sigsuspend(a),
            S::RtSigpending => self.rt_sigpending(a),
            S::Sigaltstack => self.sigaltstack(a),
            S::Kill | S::Tkill | S::Tgkill => self.kill(a),
            S::Socket => self.socket(a),
            S::Socketpair => self.socketpair(a),
            S::Bind => self.bind(a),
            S::Connect => self.connect(a),
            S::Listen => self.listen(a),
            S::Accept4 => self.accept4(a),
            S::Getsockname => self.getsockname(a),
            S::Getpeername => self.getpeername(a),
            S::Shutdown => self.shutdown(a),
            S::Sendto => self.sendto(a),
            S::Recvfrom => self.recvfrom(a),
            S::Sendmsg => self.sendmsg(a),
            S::Recvmsg => self.recvmsg(a),
            S::Setsockopt => self.setsockopt(a),
            S::Getsockopt => self.getsockopt(a),
            nr => {
                self.unserved.push(nr);
                Err(Errno::ENOSYS)
            }
        }
    }
}
