//! What Linux tells of the machine, the process and the thread.

use crate::Linux;
use xnu_abi::linux::{LinuxRusage, flags};
use xnu_core::linux::{self, LinuxFd};
use xnu_core::version::Version;
use xnu_lkm::{Machine, TaskUsage, Times};

const PAGE: u64 = 4096;
const RUSAGE_SELF: i32 = 0;
const RUSAGE_THREAD: i32 = 1;

/// The machine as `host_info` tells it: a core runs one thread, as the commpage says where nothing else is known.
pub(super) fn machine(linux: &Linux) -> Machine {
    /// `CPU_TYPE_X86`, `CPU_SUBTYPE_X86_ARCH1`, `CPU_THREADTYPE_NONE` (`osfmk/mach/machine.h`).
    const X86: (u32, u32, u32) = (7, 8, 0);
    let cpus = linux::process::processors(linux).unwrap_or(1).max(1);
    let memory = linux::process::sysinfo(linux)
        .map_or(0, |info| info.totalram.saturating_mul(u64::from(info.mem_unit)));
    let (cpu_type, cpu_subtype, cpu_thread_type) = X86;
    Machine {
        logical_cpus: cpus,
        physical_cpus: cpus,
        memory,
        cpu_type,
        cpu_subtype,
        cpu_thread_type,
        kernel_version: Version::DEFAULT.kernel,
    }
}

/// What the process takes. Threads that ended are not told apart from those that live.
pub(super) fn task(linux: &Linux) -> TaskUsage {
    let usage = linux::process::getrusage(linux, RUSAGE_SELF).ok();
    let (size, resident) = pages(linux).unwrap_or_default();
    TaskUsage {
        size: size.saturating_mul(PAGE),
        resident: resident.saturating_mul(PAGE),
        resident_max: usage.as_ref().map_or(0, |usage| (usage.ru_maxrss as u64).saturating_mul(1024)),
        times: Times::default(),
        live_times: usage.as_ref().map(times).unwrap_or_default(),
    }
}

/// The time of the calling thread.
pub(super) fn thread(linux: &Linux) -> Times {
    linux::process::getrusage(linux, RUSAGE_THREAD).as_ref().map(times).unwrap_or_default()
}

fn times(usage: &LinuxRusage) -> Times {
    let ns = |seconds: i64, microseconds: i64| {
        (seconds as u64)
            .saturating_mul(1_000_000_000)
            .saturating_add((microseconds as u64).saturating_mul(1000))
    };
    Times {
        user_ns: ns(usage.ru_utime.tv_sec, usage.ru_utime.tv_usec),
        system_ns: ns(usage.ru_stime.tv_sec, usage.ru_stime.tv_usec),
    }
}

/// Pages of addresses and of memory (`man 5 proc_pid_statm`); `None` without `/proc`.
fn pages(linux: &Linux) -> Option<(u64, u64)> {
    let path = b"/proc/self/statm\0";
    let file = linux::descriptor::openat(linux, LinuxFd::CWD, path, flags::O_CLOEXEC, 0).ok()?;
    let mut text = [0; 128];
    let read = linux::descriptor::read_own(linux, file, &mut text);
    // Nothing was written.
    let _ = linux::descriptor::close(linux, file);
    let text = core::str::from_utf8(text.get(..read.ok()?)?).ok()?;
    let mut numbers = text.split_ascii_whitespace().map_while(|word| word.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}
