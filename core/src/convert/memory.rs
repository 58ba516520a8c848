//! Protections, mapping flags and advice.

use xnu_abi::darwin::mman::{Advice, MapFlags, Prot};
use xnu_abi::linux::flags;

/// Protections have the same bits. Writing or executing implies reading (`bsd/kern/kern_mman.c`, `mmap`); bits that
/// are no protection are dropped there too.
pub fn protection_to_linux(from: Prot) -> u32 {
    let known = from & (Prot::PROT_READ | Prot::PROT_WRITE | Prot::PROT_EXEC);
    if known.intersects(Prot::PROT_WRITE | Prot::PROT_EXEC) {
        (known | Prot::PROT_READ).bits()
    } else {
        known.bits()
    }
}

/// Every flag that XNU's `mmap` knows; programs built since 2020 get `EINVAL` for others.
pub const KNOWN_MAP_FLAGS: u32 = 0x000e_ffff & !0x1_0000;

/// Linux's flags for a mapping. XNU maps privately unless `MAP_SHARED` is there.
pub fn map_flags_to_linux(from: MapFlags) -> u32 {
    let mut to = if from.contains(MapFlags::MAP_SHARED) { flags::MAP_SHARED } else { flags::MAP_PRIVATE };
    for (darwin, linux) in [
        (MapFlags::MAP_FIXED, flags::MAP_FIXED),
        (MapFlags::MAP_ANON, flags::MAP_ANONYMOUS),
        (MapFlags::MAP_NORESERVE, flags::MAP_NORESERVE),
        (MapFlags::MAP_32BIT, flags::MAP_32BIT),
    ] {
        if from.contains(darwin) {
            to |= linux;
        }
    }
    to
}

/// What becomes of an advice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinuxAdvice {
    /// This `madvise`.
    Advice(i32),
    /// This `madvise`, which throws contents away, so memory that cannot be written keeps them.
    Discard(i32),
    /// Nothing: the advice has no effect that a program could see.
    Nothing,
    /// Zeros, at once.
    Zero,
}

/// Linux's advice. Darwin's `MADV_DONTNEED` keeps the contents, as Linux's `MADV_COLD` does and its namesake does not;
/// `MADV_FREE` and `MADV_FREE_REUSABLE` let the pages go when memory is short.
pub fn advice_to_linux(from: Advice) -> Option<LinuxAdvice> {
    const MADV_NORMAL: i32 = 0;
    const MADV_RANDOM: i32 = 1;
    const MADV_SEQUENTIAL: i32 = 2;
    const MADV_WILLNEED: i32 = 3;
    const MADV_FREE: i32 = 8;
    const MADV_COLD: i32 = 20;
    Some(match from {
        Advice::MADV_NORMAL => LinuxAdvice::Advice(MADV_NORMAL),
        Advice::MADV_RANDOM => LinuxAdvice::Advice(MADV_RANDOM),
        Advice::MADV_SEQUENTIAL => LinuxAdvice::Advice(MADV_SEQUENTIAL),
        Advice::MADV_WILLNEED => LinuxAdvice::Advice(MADV_WILLNEED),
        Advice::MADV_DONTNEED => LinuxAdvice::Advice(MADV_COLD),
        Advice::MADV_FREE | Advice::MADV_FREE_REUSABLE => LinuxAdvice::Discard(MADV_FREE),
        Advice::MADV_ZERO_WIRED_PAGES | Advice::MADV_FREE_REUSE | Advice::MADV_CAN_REUSE => {
            LinuxAdvice::Nothing
        }
        Advice::MADV_ZERO => LinuxAdvice::Zero,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_implies_reading() {
        assert_eq!(protection_to_linux(Prot::PROT_WRITE), 3);
        assert_eq!(protection_to_linux(Prot::PROT_EXEC), 5);
        assert_eq!(protection_to_linux(Prot::empty()), 0);
        assert_eq!(protection_to_linux(Prot::from_bits_retain(0xff0)), 0);
    }

    #[test]
    fn no_sharing_flag_means_private() {
        assert_eq!(map_flags_to_linux(MapFlags::MAP_ANON), flags::MAP_PRIVATE | flags::MAP_ANONYMOUS);
        let shared = MapFlags::MAP_SHARED | MapFlags::MAP_PRIVATE;
        assert_eq!(map_flags_to_linux(shared), flags::MAP_SHARED);
    }
}
