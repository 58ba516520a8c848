//! Resource limits.

use xnu_abi::darwin::resource::{self, RlimitResource, Rusage};
use xnu_abi::darwin::time::Timeval;
use xnu_abi::linux;

/// Linux's number of a resource.
pub fn resource_to_linux(from: RlimitResource) -> Option<u32> {
    Some(match from {
        RlimitResource::RLIMIT_CPU => 0,
        RlimitResource::RLIMIT_FSIZE => 1,
        RlimitResource::RLIMIT_DATA => 2,
        RlimitResource::RLIMIT_STACK => 3,
        RlimitResource::RLIMIT_CORE => 4,
        RlimitResource::RLIMIT_AS => 9,
        RlimitResource::RLIMIT_MEMLOCK => 8,
        RlimitResource::RLIMIT_NPROC => 6,
        RlimitResource::RLIMIT_NOFILE => 7,
        _ => return None,
    })
}

/// A limit for the guest: what it cannot express is no limit.
pub fn limit_to_darwin(from: u64) -> u64 {
    from.min(resource::RLIM_INFINITY)
}

/// A limit for Linux.
pub fn limit_to_linux(from: u64) -> u64 {
    if from >= resource::RLIM_INFINITY { linux::RLIM_INFINITY } else { from }
}

/// What was used. The largest resident size is in bytes on Darwin, in KiB on Linux.
pub fn rusage_to_darwin(from: &linux::LinuxRusage) -> Rusage {
    const KIB: i64 = 1024;
    let time =
        |from: &linux::LinuxTimeval| Timeval { tv_sec: from.tv_sec, tv_usec: from.tv_usec as i32, _pad: 0 };
    Rusage {
        ru_utime: time(&from.ru_utime),
        ru_stime: time(&from.ru_stime),
        ru_maxrss: from.ru_maxrss.saturating_mul(KIB),
        ru_ixrss: from.ru_ixrss,
        ru_idrss: from.ru_idrss,
        ru_isrss: from.ru_isrss,
        ru_minflt: from.ru_minflt,
        ru_majflt: from.ru_majflt,
        ru_nswap: from.ru_nswap,
        ru_inblock: from.ru_inblock,
        ru_oublock: from.ru_oublock,
        ru_msgsnd: from.ru_msgsnd,
        ru_msgrcv: from.ru_msgrcv,
        ru_nsignals: from.ru_nsignals,
        ru_nvcsw: from.ru_nvcsw,
        ru_nivcsw: from.ru_nivcsw,
    }
}

/// A nice value out of what Linux's raw `getpriority` answers, which is never below 1.
pub fn nice_to_darwin(raw: i32) -> i32 {
    raw.wrapping_neg().wrapping_add(resource::PRIO_MAX)
}

/// A nice value for Linux, whose last is one before Darwin's.
pub fn nice_to_linux(nice: i32) -> i32 {
    nice.clamp(resource::PRIO_MIN, resource::PRIO_MAX.wrapping_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_stays_no_limit() {
        assert_eq!(limit_to_linux(limit_to_darwin(linux::RLIM_INFINITY)), linux::RLIM_INFINITY);
        assert_eq!(limit_to_linux(limit_to_darwin(4096)), 4096);
    }

    #[test]
    fn nice_values_stay_what_they_are_up_to_the_last() {
        for nice in -20..20 {
            assert_eq!(nice_to_darwin(20 - nice_to_linux(nice)), nice);
        }
        assert_eq!(nice_to_linux(20), 19);
        assert_eq!(nice_to_linux(i32::MAX), 19);
        assert_eq!(nice_to_linux(i32::MIN), -20);
    }

    #[test]
    fn resident_sizes_are_bytes() {
        let mut from: linux::LinuxRusage = zerocopy::FromZeros::new_zeroed();
        (from.ru_maxrss, from.ru_utime.tv_usec, from.ru_nivcsw) = (3, 999_999, 7);
        let to = rusage_to_darwin(&from);
        assert_eq!((to.ru_maxrss, to.ru_utime.tv_usec, to.ru_nivcsw), (3072, 999_999, 7));
        from.ru_maxrss = i64::MAX;
        assert_eq!(rusage_to_darwin(&from).ru_maxrss, i64::MAX);
    }
}
