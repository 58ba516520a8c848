//! Processes and who they are.

use super::{LinuxResult, call, int, unit, value};
use crate::kernel::{Arg, Kernel};
use crate::user::UserAddr;
use xnu_abi::linux::{LinuxRusage, Rlimit, Sysinfo, Sysno, Utsname};
use zerocopy::{FromZeros, IntoBytes};

/// `man 2 exit_group`. Does not return on Linux; a mock notes it and returns.
pub fn exit_group<K: Kernel>(kernel: &K, status: i32) {
    let _ = call!(kernel, ExitGroup, value(status));
}

/// `man 2 fork`, which Linux has as `clone` without sharing anything. 0 in the child.
pub fn fork<K: Kernel>(kernel: &K) -> LinuxResult<i32> {
    const SIGCHLD: usize = 17;
    let none = || Arg::Val(0);
    int(call!(kernel, Clone, Arg::Val(SIGCHLD), none(), none(), none(), none()))
}

macro_rules! identities {
    ($($(#[$doc:meta])* $function:ident => $name:ident,)*) => {
        $($(#[$doc])*
        #[inline(always)]
        pub fn $function<K: Kernel>(kernel: &K) -> LinuxResult<i32> {
            int(call!(kernel, $name))
        })*
    };
}

identities! {
    /// `man 2 getpid`.
    getpid => Getpid,
    /// `man 2 getppid`.
    getppid => Getppid,
    /// `man 2 gettid`.
    gettid => Gettid,
    /// `man 2 getuid`.
    getuid => Getuid,
    /// `man 2 geteuid`.
    geteuid => Geteuid,
    /// `man 2 getgid`.
    getgid => Getgid,
    /// `man 2 getegid`.
    getegid => Getegid,
}

/// `man 2 getpgid`.
pub fn getpgid<K: Kernel>(kernel: &K, process: i32) -> LinuxResult<i32> {
    int(call!(kernel, Getpgid, value(process)))
}

/// `man 2 getsid`.
pub fn getsid<K: Kernel>(kernel: &K, process: i32) -> LinuxResult<i32> {
    int(call!(kernel, Getsid, value(process)))
}

/// `man 2 setsid`: the new session.
pub fn setsid<K: Kernel>(kernel: &K) -> LinuxResult<i32> {
    int(call!(kernel, Setsid))
}

/// `man 2 setpgid`.
pub fn setpgid<K: Kernel>(kernel: &K, process: i32, group: i32) -> LinuxResult<()> {
    unit(call!(kernel, Setpgid, value(process), value(group)))
}

/// `man 2 getpriority`, as the call itself answers: 20 less the nice value, so 1 to 40.
pub fn getpriority<K: Kernel>(kernel: &K, which: i32, who: i32) -> LinuxResult<i32> {
    int(call!(kernel, Getpriority, value(which), value(who)))
}

/// `man 2 setpriority`.
pub fn setpriority<K: Kernel>(kernel: &K, which: i32, who: i32, nice: i32) -> LinuxResult<()> {
    unit(call!(kernel, Setpriority, value(which), value(who), value(nice)))
}

/// `man 2 getrusage`.
pub fn getrusage<K: Kernel>(kernel: &K, who: i32) -> LinuxResult<LinuxRusage> {
    let mut usage = LinuxRusage::new_zeroed();
    unit(call!(kernel, Getrusage, value(who), Arg::Out(usage.as_mut_bytes())))?;
    Ok(usage)
}

/// `man 2 uname`.
pub fn uname<K: Kernel>(kernel: &K) -> LinuxResult<Utsname> {
    let mut names = Utsname::new_zeroed();
    unit(call!(kernel, Uname, Arg::Out(names.as_mut_bytes())))?;
    Ok(names)
}

/// `man 2 sched_getaffinity`: on how many processors the calling thread may run, of the first 4096.
pub fn processors<K: Kernel>(kernel: &K) -> LinuxResult<u32> {
    let mut set = [0u64; 64];
    let length = Arg::Val(size_of_val(&set));
    unit(call!(kernel, SchedGetaffinity, Arg::Val(0), length, Arg::Out(set.as_mut_bytes())))?;
    Ok(set.iter().fold(0u32, |count, word| count.wrapping_add(word.count_ones())))
}

/// `man 2 sysinfo`.
pub fn sysinfo<K: Kernel>(kernel: &K) -> LinuxResult<Sysinfo> {
    let mut info = Sysinfo::new_zeroed();
    unit(call!(kernel, Sysinfo, Arg::Out(info.as_mut_bytes())))?;
    Ok(info)
}

/// `man 2 getgroups`: how many were filled in; `EINVAL` where there is room for too few.
pub fn getgroups<K: Kernel>(kernel: &K, groups: &mut [u32]) -> LinuxResult<usize> {
    let count = Arg::Val(groups.len());
    call!(kernel, Getgroups, count, Arg::Out(groups.as_mut_bytes()))
}

/// `man 2 prlimit` of the calling process: the old limits, after setting new ones if there are any.
pub fn prlimit<K: Kernel>(kernel: &K, resource: u32, new: Option<&Rlimit>) -> LinuxResult<Rlimit> {
    let mut old = Rlimit::new_zeroed();
    let new = new.map_or(Arg::Val(0), |limits| Arg::In(limits.as_bytes()));
    let resource = Arg::Val(resource as usize);
    unit(call!(kernel, Prlimit64, Arg::Val(0), resource, new, Arg::Out(old.as_mut_bytes())))?;
    Ok(old)
}

/// `man 2 getrandom`, into guest memory.
pub fn getrandom<K: Kernel>(kernel: &K, buf: UserAddr, length: usize) -> LinuxResult<usize> {
    call!(kernel, Getrandom, Arg::User(buf), Arg::Val(length), Arg::Val(0))
}

/// `man 2 getrandom`, into our own memory: so few bytes come all at once.
pub fn random_word<K: Kernel>(kernel: &K) -> LinuxResult<u64> {
    let mut bytes = [0; 8];
    unit(call!(kernel, Getrandom, Arg::Out(&mut bytes), Arg::Val(8), Arg::Val(0)))?;
    Ok(u64::from_ne_bytes(bytes))
}

/// `man 2 arch_prctl` with `ARCH_SET_GS`: the base of the guest's thread data.
#[cfg(target_arch = "x86_64")]
pub fn set_gs_base<K: Kernel>(kernel: &K, base: u64) -> LinuxResult<()> {
    const ARCH_SET_GS: usize = 0x1001;
    unit(call!(kernel, ArchPrctl, Arg::Val(ARCH_SET_GS), Arg::Val(base as usize)))
}

/// `man 2 prctl` with `PR_SET_NAME`: names the calling thread, with the first 15 bytes. `name` ends with a NUL.
pub fn set_thread_name<K: Kernel>(kernel: &K, name: &[u8]) -> LinuxResult<()> {
    const PR_SET_NAME: usize = 15;
    let none = || Arg::Val(0);
    unit(call!(kernel, Prctl, Arg::Val(PR_SET_NAME), Arg::In(name), none(), none(), none()))
}

/// `man 2 unshare`.
pub fn unshare<K: Kernel>(kernel: &K, flags: u32) -> LinuxResult<()> {
    unit(call!(kernel, Unshare, Arg::Val(flags as usize)))
}

/// `man 2 kcmp` of something that is one to a process: 0 where both have the same.
pub fn kcmp<K: Kernel>(kernel: &K, one: i32, other: i32, what: i32) -> LinuxResult<i32> {
    int(call!(kernel, Kcmp, value(one), value(other), value(what), Arg::Val(0), Arg::Val(0)))
}

/// `man 2 sched_yield`, which cannot fail.
pub fn sched_yield<K: Kernel>(kernel: &K) {
    let _ = call!(kernel, SchedYield);
}
