//! Linux's interface, where `linux-raw-sys` lacks it or a name or a byte view is better.

mod errno;
pub mod flags;
mod layout;
pub mod socket;
mod sysno;

pub use errno::Errno;
pub use layout::{
    Flock, KernelSigaction, LinuxItimerval, LinuxRusage, LinuxTimeval, LinuxTimex, RLIM_INFINITY, Rlimit,
    STATX_BASIC_STATS, STATX_BTIME, STATX_MNT_ID, SignalStack, Statfs, Statx, StatxTimestamp, Sysinfo,
    Termios2, Timespec, Utsname,
};
pub use sysno::Sysno;
