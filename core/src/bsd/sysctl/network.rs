//! Settings of the network (`bsd/netinet/in_proto.c`, `bsd/netinet/tcp_subr.c`, `bsd/kern/uipc_socket.c`): as Linux has
//! them, since it is Linux that keeps to them.

use crate::kernel::Kernel;
use crate::linux;
use crate::simple::atoi;

/// A setting that both systems have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Setting {
    LargestBuffer,
    Backlog,
    Forwarding,
    TimeToLive,
    FirstPort,
    LastPort,
    /// Milliseconds, as the next.
    KeepIdle,
    KeepInterval,
    SendBuffer,
    ReceiveBuffer,
    DatagramBuffer,
}

impl Setting {
    /// Linux's file, the number in it that is meant, what it is in units of XNU's, and XNU's own value, for where the file
    /// cannot be read.
    fn source(self) -> (&'static [u8], usize, i64, i64) {
        match self {
            Setting::LargestBuffer => (b"/proc/sys/net/core/wmem_max\0", 0, 1, 8 << 20),
            Setting::Backlog => (b"/proc/sys/net/core/somaxconn\0", 0, 1, 128),
            Setting::Forwarding => (b"/proc/sys/net/ipv4/ip_forward\0", 0, 1, 0),
            Setting::TimeToLive => (b"/proc/sys/net/ipv4/ip_default_ttl\0", 0, 1, 64),
            Setting::FirstPort => (b"/proc/sys/net/ipv4/ip_local_port_range\0", 0, 1, 49_152),
            Setting::LastPort => (b"/proc/sys/net/ipv4/ip_local_port_range\0", 1, 1, 65_535),
            Setting::KeepIdle => (b"/proc/sys/net/ipv4/tcp_keepalive_time\0", 0, 1000, 7_200_000),
            Setting::KeepInterval => (b"/proc/sys/net/ipv4/tcp_keepalive_intvl\0", 0, 1000, 75_000),
            Setting::SendBuffer => (b"/proc/sys/net/ipv4/tcp_wmem\0", 1, 1, 131_072),
            Setting::ReceiveBuffer => (b"/proc/sys/net/ipv4/tcp_rmem\0", 1, 1, 131_072),
            Setting::DatagramBuffer => (b"/proc/sys/net/core/rmem_default\0", 0, 1, 786_896),
        }
    }

    /// Its value.
    #[inline(never)]
    pub(super) fn value<K: Kernel>(self, kernel: &K) -> i64 {
        let (path, index, unit, usual) = self.source();
        let mut text = [0; 64];
        let count = linux::files::read_start(kernel, path, &mut text).unwrap_or(0);
        let text = text.get(..count).unwrap_or_default();
        let mut fields = text.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        match fields.nth(index).map(atoi) {
            Some((number, digits)) if digits > 0 => (number as i64).saturating_mul(unit).min(i32::MAX.into()),
            _ => usual,
        }
    }
}
