//! The process: ids, credentials, limits, its end, and what the system says about itself.

use crate::args::Args;
use crate::fs::inode::Ino;
use crate::layout::{field, layout};
use crate::state::{Answer, State};
use linux_raw_sys::general::{RLIMIT_CORE, RLIMIT_NOFILE, RLIMIT_STACK, rlimit64, rusage};
use linux_raw_sys::system::{new_utsname, sysinfo};
use std::collections::BTreeMap;
use xnu_abi::linux::{Errno, Sysno};

const RLIM_INFINITY: u64 = u64::MAX;
const RLIM_NLIMITS: u32 = 16;
/// `/proc/sys/fs/nr_open`
const NR_OPEN: u64 = 1 << 20;
const FUTEX_CMD_MASK: u32 = !(128 | 256);

/// Who the process is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// Real user id.
    pub uid: u32,
    /// Effective user id; 0 has every capability.
    pub euid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

impl Credentials {
    /// uid and gid 0, no further groups.
    pub fn root() -> Credentials {
        Credentials::user(0, 0)
    }

    /// Real and effective ids alike, no further groups.
    pub fn user(uid: u32, gid: u32) -> Credentials {
        Credentials { uid, euid: uid, gid, egid: gid, groups: Vec::new() }
    }
}

/// The only process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) ppid: i32,
    pub(crate) pgid: i32,
    pub(crate) sid: i32,
    pub(crate) credentials: Credentials,
    /// The saved user and group, where they are not the effective ones.
    pub(crate) saved: [Option<u32>; 2],
    /// How far from the default its priority is.
    pub(crate) nice: i32,
    pub(crate) root: Ino,
    pub(crate) cwd: Ino,
    /// `/proc/PID`, the parent of the only directory that is not listed by name.
    pub(crate) proc_dir: Ino,
    pub(crate) umask: u32,
    limits: BTreeMap<u32, (u64, u64)>,
    pub(crate) exited: Option<i32>,
    pub(crate) killed: Option<i32>,
    pub(crate) fs_base: u64,
    pub(crate) gs_base: u64,
    /// The local descriptor table.
    pub(crate) segments: Vec<u64>,
    /// Whether the next fork goes on as its child.
    pub(crate) forks_into_child: bool,
    /// The number of the youngest child, or our own.
    youngest: i32,
}

impl Process {
    pub(crate) fn new(root: Ino) -> Process {
        let limits = [
            (RLIMIT_NOFILE, (1024, 4096)),
            (RLIMIT_STACK, (8 << 20, RLIM_INFINITY)),
            (RLIMIT_CORE, (0, RLIM_INFINITY)),
        ];
        Process {
            pid: 1000,
            ppid: 999,
            pgid: 999,
            sid: 999,
            credentials: Credentials::root(),
            saved: [None; 2],
            nice: 0,
            root,
            cwd: root,
            proc_dir: root,
            umask: 0o022,
            limits: limits.into_iter().collect(),
            exited: None,
            killed: None,
            fs_base: 0,
            gs_base: 0,
            segments: Vec::new(),
            forks_into_child: false,
            youngest: 1000,
        }
    }

    /// Soft and hard limit of a resource.
    pub(crate) fn limit(&self, resource: u32) -> (u64, u64) {
        self.limits.get(&resource).copied().unwrap_or((RLIM_INFINITY, RLIM_INFINITY))
    }

    pub(crate) fn set_limit(&mut self, resource: u32, soft: u64, hard: u64) {
        self.limits.insert(resource, (soft, hard));
    }

    /// The first descriptor number that is out of reach.
    pub(crate) fn nofile(&self) -> u64 {
        self.limit(RLIMIT_NOFILE).0.min(i32::MAX as u64)
    }
}

impl State {
    pub(crate) fn identity(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let process = &self.process;
        Ok(match a.nr() {
            Sysno::Getpid | Sysno::Gettid => process.pid as usize,
            Sysno::Getppid => process.ppid as usize,
            Sysno::Getuid => process.credentials.uid as usize,
            Sysno::Geteuid => process.credentials.euid as usize,
            Sysno::Getgid => process.credentials.gid as usize,
            _ => process.credentials.egid as usize,
        })
    }

    /// A fork. There is one process: what goes on is the parent, whose child is never heard of again, or the child
    /// itself.
    pub(crate) fn clone(&mut self, a: &mut Args<'_, '_>) -> Answer {
        const SIGCHLD: u64 = 17;
        const CLONE_VFORK: u64 = 0x4000;
        if a.num(0) & !CLONE_VFORK != SIGCHLD {
            return Err(Errno::EINVAL);
        }
        let process = &mut self.process;
        process.youngest += 1;
        if process.forks_into_child {
            (process.ppid, process.pid) = (process.pid, process.youngest);
            return Ok(0);
        }
        Ok(process.youngest as usize)
    }

    pub(crate) fn session(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let process = &mut self.process;
        let is_self = |pid: i32| pid == 0 || pid == process.pid;
        match a.nr() {
            Sysno::Setsid if process.pgid == process.pid => Err(Errno::EPERM),
            Sysno::Setsid => {
                (process.sid, process.pgid) = (process.pid, process.pid);
                Ok(process.pid as usize)
            }
            Sysno::Setpgid => {
                let pgid = if a.int(1) == 0 { process.pid } else { a.int(1) };
                if pgid < 0 {
                    return Err(Errno::EINVAL);
                }
                if !is_self(a.int(0)) {
                    return Err(Errno::ESRCH);
                }
                if process.sid == process.pid || pgid != process.pid && pgid != process.pgid {
                    return Err(Errno::EPERM);
                }
                process.pgid = pgid;
                Ok(0)
            }
            _ if !is_self(a.int(0)) => Err(Errno::ESRCH),
            Sysno::Getpgid => Ok(process.pgid as usize),
            _ => Ok(process.sid as usize),
        }
    }

    pub(crate) fn getgroups(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let size = usize::try_from(a.int(0)).map_err(|_| Errno::EINVAL)?;
        let groups = self.process.credentials.groups.clone();
        if size == 0 {
            return Ok(groups.len());
        }
        if size < groups.len() {
            return Err(Errno::EINVAL);
        }
        let bytes: Vec<u8> = groups.iter().flat_map(|group| group.to_le_bytes()).collect();
        a.write(&mut self.memory, 1, &bytes)?;
        Ok(groups.len())
    }

    pub(crate) fn getresid(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let credentials = &self.process.credentials;
        let [user, group] = self.process.saved;
        let ids = match a.nr() {
            Sysno::Getresuid => [credentials.uid, credentials.euid, user.unwrap_or(credentials.euid)],
            _ => [credentials.gid, credentials.egid, group.unwrap_or(credentials.egid)],
        };
        for (i, id) in ids.into_iter().enumerate() {
            a.write(&mut self.memory, i, &id.to_le_bytes())?;
        }
        Ok(0)
    }

    /// Real, effective and saved: the superuser sets any, others one of the three that there are.
    pub(crate) fn setresid(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let is_superuser = self.capable();
        let Process { credentials, saved: [saved_user, saved_group], .. } = &mut self.process;
        let (real, effective, saved) = match a.nr() {
            Sysno::Setresuid => (&mut credentials.uid, &mut credentials.euid, saved_user),
            _ => (&mut credentials.gid, &mut credentials.egid, saved_group),
        };
        let old = [*real, *effective, saved.unwrap_or(*effective)];
        let mut new = old;
        for (i, id) in new.iter_mut().enumerate() {
            let wanted = a.uint(i);
            if wanted == u32::MAX {
                continue;
            }
            if !is_superuser && !old.contains(&wanted) {
                return Err(Errno::EPERM);
            }
            *id = wanted;
        }
        [*real, *effective, _] = new;
        *saved = Some(new[2]);
        Ok(0)
    }

    pub(crate) fn setgroups(&mut self, a: &mut Args<'_, '_>) -> Answer {
        const NGROUPS_MAX: usize = 65_536;
        if !self.capable() {
            return Err(Errno::EPERM);
        }
        let count =
            usize::try_from(a.int(0)).ok().filter(|&count| count <= NGROUPS_MAX).ok_or(Errno::EINVAL)?;
        let bytes = if count == 0 { Vec::new() } else { a.read(&self.memory, 1, count * 4)? };
        let groups = bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
        self.process.credentials.groups = groups.collect();
        Ok(0)
    }

    /// Priorities. There is one process, and its group and user are the only ones that have any.
    pub(crate) fn priority(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let process = &self.process;
        let who = a.int(1);
        let is_own = match a.uint(0) {
            0 => who == 0 || who == process.pid,
            1 => who == 0 || who == process.pgid,
            2 => who == 0 || who as u32 == process.credentials.uid,
            _ => return Err(Errno::EINVAL),
        };
        if !is_own {
            return Err(Errno::ESRCH);
        }
        if a.nr() == Sysno::Getpriority {
            return Ok((20 - process.nice) as usize);
        }
        let nice = a.int(2).clamp(-20, 19);
        if nice < process.nice && !self.capable() {
            return Err(Errno::EACCES);
        }
        self.process.nice = nice;
        Ok(0)
    }

    pub(crate) fn prlimit64(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (pid, resource) = (a.int(0), a.uint(1));
        if resource >= RLIM_NLIMITS {
            return Err(Errno::EINVAL);
        }
        let new = if a.is_null(2) { None } else { Some(a.read(&self.memory, 2, size_of::<rlimit64>())?) };
        if pid != 0 && pid != self.process.pid {
            return Err(Errno::ESRCH);
        }
        let (soft, hard) = self.process.limit(resource);
        if let Some(bytes) = new {
            let new = (field!(bytes, rlimit64, rlim_cur), field!(bytes, rlimit64, rlim_max));
            if new.0 > new.1 {
                return Err(Errno::EINVAL);
            }
            if resource == RLIMIT_NOFILE && new.1 > NR_OPEN || new.1 > hard && !self.capable() {
                return Err(Errno::EPERM);
            }
            self.process.set_limit(resource, new.0, new.1);
        }
        let old = layout!(rlimit64 { rlim_cur = soft, rlim_max = hard });
        a.write_unless_null(&mut self.memory, 3, &old)?;
        Ok(0)
    }

    pub(crate) fn getrusage(&mut self, a: &mut Args<'_, '_>) -> Answer {
        // RUSAGE_CHILDREN, RUSAGE_SELF, RUSAGE_THREAD
        let used_ns = match a.int(0) {
            -1 => 0,
            0 | 1 => self.clock.now_ns,
            _ => return Err(Errno::EINVAL),
        };
        let bytes = layout!(rusage {
            ru_utime.tv_sec = used_ns / 1_000_000_000,
            ru_utime.tv_usec = used_ns / 1000 % 1_000_000,
            ru_maxrss = 4096u32,
        });
        a.write(&mut self.memory, 1, &bytes)?;
        Ok(0)
    }

    pub(crate) fn uname(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let machine: &str = if cfg!(target_arch = "x86_64") { "x86_64" } else { "aarch64" };
        let mut bytes = vec![0; size_of::<new_utsname>()];
        for (i, text) in ["Linux", "mock", "6.18.0", "#1 SMP mock", machine, "(none)"].into_iter().enumerate()
        {
            bytes[i * 65..i * 65 + text.len()].copy_from_slice(text.as_bytes());
        }
        a.write(&mut self.memory, 0, &bytes)?;
        Ok(0)
    }

    /// Two processors, and room for 64 in the mask.
    pub(crate) fn affinity(&mut self, a: &mut Args<'_, '_>) -> Answer {
        const MASK_BYTES: u64 = 8;
        if a.num(1) < MASK_BYTES || !a.num(1).is_multiple_of(8) {
            return Err(Errno::EINVAL);
        }
        if a.int(0) != 0 && a.int(0) != self.process.pid {
            return Err(Errno::ESRCH);
        }
        a.write(&mut self.memory, 2, &3u64.to_le_bytes())?;
        Ok(MASK_BYTES as usize)
    }

    pub(crate) fn sysinfo(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let bytes = layout!(sysinfo {
            uptime = self.clock.now_ns / 1_000_000_000,
            totalram = 1u64 << 32,
            freeram = 1u64 << 31,
            procs = 2u16,
            mem_unit = 1u32,
        });
        a.write(&mut self.memory, 0, &bytes)?;
        Ok(0)
    }

    /// Records the end of the process, which nobody can make the caller obey.
    pub(crate) fn exit(&mut self, a: &mut Args<'_, '_>) -> Answer {
        self.process.exited.get_or_insert(a.int(0) & 0xff);
        Ok(0)
    }

    #[cfg(target_arch = "x86_64")]
    /// Descriptors are kept as the processor has them, marked as accessed. One that is not present is nothing.
    pub(crate) fn modify_ldt(&mut self, a: &mut Args<'_, '_>) -> Answer {
        const READ: u32 = 0;
        const WRITE: u32 = 0x11;
        const MOST: usize = 8192;
        let table = &mut self.process.segments;
        match a.uint(0) {
            READ if table.is_empty() => Ok(0),
            READ => {
                let length = (a.num(2) as usize).min(MOST * 8);
                let mut bytes: Vec<u8> = table.iter().flat_map(|word| word.to_le_bytes()).collect();
                bytes.resize(length, 0);
                a.write(&mut self.memory, 1, &bytes)?;
                Ok(length)
            }
            WRITE if a.num(2) != 16 => Err(Errno::EINVAL),
            WRITE => {
                let bytes = a.read(&self.memory, 1, 16)?;
                let field = |at: usize| {
                    bytes[at..].iter().take(4).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
                };
                let (index, base, limit, flags) = (field(0) as usize, field(4), field(8), field(12));
                let bit = |bit: u32| flags >> bit & 1;
                let (contents, not_present) = (flags >> 1 & 3, bit(5));
                if index >= MOST || contents == 3 && not_present == 0 {
                    return Err(Errno::EINVAL);
                }
                let access = 0x71 | (not_present ^ 1) << 7 | contents << 2 | (bit(3) ^ 1) << 1;
                let granularity = bit(6) | bit(0) << 2 | bit(4) << 3;
                let present = limit & 0xffff
                    | (base & 0xff_ffff) << 16
                    | access << 40
                    | (limit >> 16 & 0xf) << 48
                    | granularity << 52
                    | base >> 24 << 56;
                table.resize(table.len().max(index + 1), 0);
                table[index] = if not_present == 1 { 0 } else { present };
                Ok(0)
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    pub(crate) fn arch_prctl(&mut self, a: &mut Args<'_, '_>) -> Answer {
        const ARCH_SET_GS: u32 = 0x1001;
        const ARCH_SET_FS: u32 = 0x1002;
        const ARCH_GET_FS: u32 = 0x1003;
        const ARCH_GET_GS: u32 = 0x1004;
        match a.uint(0) {
            code @ (ARCH_SET_GS | ARCH_SET_FS) => {
                let base = a.num(1);
                if base >= crate::address_space::TASK_SIZE {
                    return Err(Errno::EPERM);
                }
                *(if code == ARCH_SET_GS { &mut self.process.gs_base } else { &mut self.process.fs_base }) =
                    base;
            }
            code @ (ARCH_GET_GS | ARCH_GET_FS) => {
                let base = if code == ARCH_GET_GS { self.process.gs_base } else { self.process.fs_base };
                a.write(&mut self.memory, 1, &base.to_le_bytes())?;
            }
            _ => return Err(Errno::EINVAL),
        }
        Ok(0)
    }

    /// There is one thread: nobody waits, and waiting ends at its timeout, or at once when it has none.
    pub(crate) fn futex(&mut self, a: &mut Args<'_, '_>) -> Answer {
        const WAIT: u32 = 0;
        const WAKE: u32 = 1;
        const REQUEUE: u32 = 3;
        const CMP_REQUEUE: u32 = 4;
        const WAIT_BITSET: u32 = 9;
        const WAKE_BITSET: u32 = 10;
        let operation = a.uint(1);
        let command = operation & FUTEX_CMD_MASK;
        if a.user(0).is_some_and(|address| address.get() % 4 != 0) {
            return Err(Errno::EINVAL);
        }
        if matches!(command, WAIT_BITSET | WAKE_BITSET) && a.uint(5) == 0 {
            return Err(Errno::EINVAL);
        }
        match command {
            WAKE | WAKE_BITSET | REQUEUE => Ok(0),
            WAIT | WAIT_BITSET => {
                let timeout = self.timeout_ns(a, 3)?;
                let value = a.read(&self.memory, 0, 4)?;
                if value != a.uint(2).to_le_bytes() {
                    return Err(Errno::EAGAIN);
                }
                let Some(ns) = timeout else { return Err(Errno::EAGAIN) };
                let realtime = operation & 256 != 0;
                let now = self.clock.now();
                let now_ns = if realtime {
                    now.sec as u64 * 1_000_000_000 + u64::from(now.nsec)
                } else {
                    self.clock.now_ns
                };
                self.clock.advance(if command == WAIT { ns } else { ns.saturating_sub(now_ns) });
                Err(Errno::ETIMEDOUT)
            }
            CMP_REQUEUE => {
                let value = a.read(&self.memory, 0, 4)?;
                if value == a.uint(5).to_le_bytes() { Ok(0) } else { Err(Errno::EAGAIN) }
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    pub(crate) fn getrandom(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (len, flags) = (a.num(1).min(i32::MAX as u64) as usize, a.uint(2));
        // GRND_RANDOM and GRND_INSECURE exclude each other.
        if flags & !7 != 0 || flags & 6 == 6 {
            return Err(Errno::EINVAL);
        }
        let bytes = self.random.bytes(len);
        let done = a.write_some(&mut self.memory, 0, 0, &bytes);
        if done == 0 && len > 0 { Err(Errno::EFAULT) } else { Ok(done) }
    }
}
