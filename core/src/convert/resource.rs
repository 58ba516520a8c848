//! Resource limits.

use xnu_abi::darwin::resource::{self, RlimitResource};
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_stays_no_limit() {
        assert_eq!(limit_to_linux(limit_to_darwin(linux::RLIM_INFINITY)), linux::RLIM_INFINITY);
        assert_eq!(limit_to_linux(limit_to_darwin(4096)), 4096);
    }
}
