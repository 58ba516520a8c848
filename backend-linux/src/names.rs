//! Port names where nothing serves Mach ports.

use crate::Linux;
use core::sync::atomic::{AtomicU32, Ordering};
use xnu_abi::linux::Errno;
use xnu_abi::lkm::Trap;
use xnu_core::{Lkm, TrapArg, linux};

/// Hands out the names that every thread starts with, and serves no other trap (`ENOSYS`).
///
/// Programs tell threads apart by these names and take 0 for a failure, so each is unique in its task, as on XNU.
/// No message reaches what they name. The low byte, which XNU uses for generations, keeps the kinds apart.
#[derive(Debug, Default)]
pub struct PortNames {
    linux: Linux,
    reply_ports: AtomicU32,
}

const THREAD: u32 = 0x03;
const TASK: u32 = 0x07;
const HOST: u32 = 0x0b;
const REPLY: u32 = 0x0f;

impl PortNames {
    /// No reply port has been handed out.
    pub const fn new() -> PortNames {
        PortNames { linux: Linux::new(), reply_ports: AtomicU32::new(0) }
    }
}

impl Lkm for PortNames {
    fn call_raw(&self, trap: Trap, _: TrapArg<'_>) -> Result<isize, Errno> {
        let (number, kind) = match trap {
            Trap::ThreadSelfTrap => (linux::process::gettid(&self.linux)? as u32, THREAD),
            Trap::TaskSelfTrap => (1, TASK),
            Trap::HostSelfTrap => (1, HOST),
            Trap::MachReplyPort => (self.reply_ports.fetch_add(1, Ordering::Relaxed).wrapping_add(1), REPLY),
            _ => return Err(Errno::ENOSYS),
        };
        Ok((number << 8 | kind) as isize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(ports: &PortNames, trap: Trap) -> Result<isize, Errno> {
        ports.call_raw(trap, TrapArg::None)
    }

    #[test]
    fn reply_ports_are_new_and_the_others_stay() {
        let ports = PortNames::new();
        assert_ne!(name(&ports, Trap::MachReplyPort), name(&ports, Trap::MachReplyPort));
        for trap in [Trap::TaskSelfTrap, Trap::HostSelfTrap, Trap::ThreadSelfTrap] {
            assert_eq!(name(&ports, trap), name(&ports, trap));
            assert!(name(&ports, trap).is_ok_and(|name| name > 0));
        }
        assert_eq!(name(&ports, Trap::SemaphoreWaitTrap), Err(Errno::ENOSYS));
    }
}
