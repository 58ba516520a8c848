//! Values that have to be found out.

use super::network::Setting;
use super::request::Request;
use super::tree::Shape;
use crate::bsd::proc_info::Subject;
use crate::bsd::usage::free_percent;
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::SysResult;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::time::Timeval;
use xnu_abi::linux::Sysinfo;
use zerocopy::IntoBytes;

/// What is to be found out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fact {
    Release,
    KernelVersion,
    Product,
    CompatibleProduct,
    IosSupport,
    Build,
    Hostname,
    ClockRate,
    BootTime,
    FreeMemory,
    LoadAverage,
    SwapUsage,
    PageSize,
    PageSize32,
    Processors,
    Memory,
    MemoryCut,
    Vendor,
    Brand,
    Family,
    ModelNumber,
    Stepping,
    MaxBasic,
    /// The top of the program's stack, and as many bits of it as an `int` has.
    UserStack,
    UserStackCut,
    ProcessName,
    /// The size of a cache, where there is such a one.
    Cache(Cache),
    CacheCut(Cache),
    /// What Linux's network does.
    Network(Setting),
}

/// A cache of the processor's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cache {
    FirstInstructions,
    FirstData,
    Second,
    Third,
}

impl Fact {
    pub(super) fn shape(self) -> Shape {
        use Fact::*;
        match self {
            Release | KernelVersion | Product | CompatibleProduct | IosSupport | Build | Hostname
            | Vendor | Brand | ProcessName => Shape::Text,
            ClockRate => Shape::Structure("S,clockinfo"),
            BootTime => Shape::Structure("S,timeval"),
            LoadAverage => Shape::Structure("S,loadavg"),
            SwapUsage => Shape::Structure("S,xsw_usage"),
            PageSize | Memory | UserStack | Cache(_) => Shape::Quad,
            UserStackCut | CacheCut(_) | Network(_) | FreeMemory | PageSize32 | Processors | MemoryCut
            | Family | ModelNumber | Stepping | MaxBasic => Shape::Int,
        }
    }
}

const INT: usize = size_of::<i32>();
const QUAD: usize = size_of::<i64>();

/// Bytes of a page of XNU's on the processor that this runs on.
const PAGE_BYTES: i64 = if cfg!(target_arch = "x86_64") { 4096 } else { 16384 };

/// Finds a value and writes it.
#[inline(never)]
pub(super) fn found<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    what: Fact,
    request: &mut Request<'_, K>,
) -> SysResult<()> {
    let (kernel, version) = (cx.kernel(), cx.process.version.get());
    match what {
        Fact::Release => request.text(version.release.as_bytes()),
        Fact::KernelVersion => request.text(version.kernel.as_bytes()),
        Fact::Product => request.text(version.product.as_bytes()),
        Fact::CompatibleProduct => request.text(version.compatible_product.as_bytes()),
        Fact::IosSupport => request.text(version.ios_support.as_bytes()),
        Fact::Build => request.text(version.build.as_bytes()),
        Fact::Hostname => hostname(kernel, request),
        // A hundredth of a second (`bsd/kern/kern_clock.c`).
        Fact::ClockRate => request.out([100i32, 10_000, 0, 100, 100].as_bytes()),
        Fact::BootTime => request.out(boot_time(kernel)?.as_bytes()),
        Fact::FreeMemory | Fact::LoadAverage | Fact::SwapUsage | Fact::Memory | Fact::MemoryCut => {
            of_system(kernel, what, request)
        }
        Fact::PageSize => request.number(PAGE_BYTES, QUAD),
        Fact::PageSize32 => request.number(PAGE_BYTES, INT),
        Fact::Processors => processors(kernel, request),
        Fact::Vendor => request.text(trimmed(&processor::vendor())),
        Fact::Brand => request.text(trimmed(&processor::brand())),
        Fact::Family => request.number(processor::signature().0.into(), INT),
        Fact::ModelNumber => request.number(processor::signature().1.into(), INT),
        Fact::Stepping => request.number(processor::signature().2.into(), INT),
        Fact::MaxBasic => request.number(processor::max_basic().into(), INT),
        Fact::UserStack => request.number(user_stack(cx) as i64, QUAD),
        Fact::UserStackCut => request.number(i64::from(user_stack(cx) as i32), INT),
        Fact::ProcessName => process_name(kernel, request),
        Fact::Cache(which) => request.number(cache(which)?, QUAD),
        Fact::Network(setting) => request.number(setting.value(kernel), INT),
        Fact::CacheCut(which) => request.number(i64::from(cache(which)? as i32), INT),
    }
}

// Apart, each of these, since much is told and little kept.

#[inline(never)]
fn hostname<K: Kernel>(kernel: &K, request: &mut Request<'_, K>) -> SysResult<()> {
    let names = linux::process::uname(kernel).to_bsd()?;
    let name = names.nodename.split(|byte| *byte == 0).next().unwrap_or_default();
    request.cut_text(name)
}

#[inline(never)]
fn processors<K: Kernel>(kernel: &K, request: &mut Request<'_, K>) -> SysResult<()> {
    let count = linux::process::processors(kernel).to_bsd()?;
    request.number(count.max(1).into(), INT)
}

#[inline(never)]
fn of_system<K: Kernel>(kernel: &K, what: Fact, request: &mut Request<'_, K>) -> SysResult<()> {
    let info = linux::process::sysinfo(kernel).to_bsd()?;
    match what {
        Fact::FreeMemory => request.number(free_percent(&info).into(), INT),
        Fact::LoadAverage => request.out(load_average(&info).as_bytes()),
        Fact::SwapUsage => request.out(swap_usage(&info).as_bytes()),
        // As much of it as 31 bits can tell (`bsd/kern/kern_mib.c`).
        Fact::MemoryCut => request.number(memory_bytes(&info).min(0x8000_0000) as i32 as i64, INT),
        _ => request.number(memory_bytes(&info) as i64, QUAD),
    }
}

/// Where the strings on the stack end; where that is not known, where they do on a Mac (`VM_USRSTACK64`).
fn user_stack<K: Kernel, L>(cx: &Context<'_, K, L>) -> u64 {
    const USUAL: u64 = 0x7ff7_bff0_0000;
    cx.process.program.strings().map_or(USUAL, |(strings, _)| strings.end)
}

#[inline(never)]
fn process_name<K: Kernel>(kernel: &K, request: &mut Request<'_, K>) -> SysResult<()> {
    let own = linux::process::getpid(kernel).to_bsd()?;
    let mut subject = Subject::new(kernel);
    subject.find(own, false)?;
    request.cut_text(subject.stat.name())
}

/// The size of a cache; `EINVAL` where there is none (`bsd/kern/kern_mib.c`, `sysctl_hw_generic`).
fn cache(which: Cache) -> SysResult<i64> {
    match processor::cache(which) {
        0 => Err(Errno::EINVAL),
        bytes => Ok(bytes as i64),
    }
}

fn memory_bytes(info: &Sysinfo) -> u64 {
    info.totalram.saturating_mul(info.mem_unit.into())
}

/// When the clock that counts from the start was at 0: to a hundredth of a second, so that it does not change from one
/// reading of the two clocks to the next.
pub(in crate::bsd) fn boot_time<K: Kernel>(kernel: &K) -> SysResult<Timeval> {
    const NANOSECONDS: i64 = 1_000_000_000;
    const HUNDREDTH: i64 = 10_000_000;
    let wall = linux::time::clock_gettime(kernel, linux::time::CLOCK_REALTIME).to_bsd()?;
    let up = linux::time::clock_gettime(kernel, linux::time::CLOCK_BOOTTIME).to_bsd()?;
    let nanoseconds = wall.tv_nsec.wrapping_sub(up.tv_nsec).wrapping_add(HUNDREDTH / 2);
    let nanoseconds = nanoseconds.wrapping_sub(nanoseconds.rem_euclid(HUNDREDTH));
    let seconds = wall.tv_sec.saturating_sub(up.tv_sec).saturating_add(nanoseconds.div_euclid(NANOSECONDS));
    let tv_usec = (nanoseconds.rem_euclid(NANOSECONDS) / 1000) as i32;
    Ok(Timeval { tv_sec: seconds, tv_usec, _pad: 0 })
}

/// `struct loadavg`: three averages in units of 1/2048, that unit, and padding between.
fn load_average(info: &Sysinfo) -> [u32; 6] {
    const LINUX_BITS: u32 = 16;
    const BITS: u32 = 11;
    let [one, five, fifteen] = info.loads.map(|load| load.wrapping_shr(LINUX_BITS.wrapping_sub(BITS)) as u32);
    [one, five, fifteen, 0, 1u32.wrapping_shl(BITS), 0]
}

/// `struct xsw_usage`: all, free and used; the size of a page, and that it is encrypted.
fn swap_usage(info: &Sysinfo) -> [u64; 4] {
    let unit = u64::from(info.mem_unit);
    let (all, free) = (info.totalswap.saturating_mul(unit), info.freeswap.saturating_mul(unit));
    [all, free, all.saturating_sub(free), PAGE_BYTES as u64 | 1 << 32]
}

/// Text without the NULs and spaces around it.
fn trimmed(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii()
}

/// What the processor says of itself.
#[cfg(target_arch = "x86_64")]
mod processor {
    use super::Cache;
    use core::arch::x86_64::{__cpuid, __cpuid_count};

    /// Bytes of a cache, 0 for none: by leaf 4, or where AMD has the same.
    pub(super) fn cache(which: Cache) -> u64 {
        const INTEL: u32 = 4;
        const AMD: u32 = 0x8000_001d;
        let (level, kind) = match which {
            Cache::FirstInstructions => (1, 2),
            Cache::FirstData => (1, 1),
            Cache::Second => (2, 3),
            Cache::Third => (3, 3),
        };
        for (leaf, last) in [(AMD, __cpuid(0x8000_0000).eax), (INTEL, __cpuid(0).eax)] {
            if last < leaf {
                continue;
            }
            for index in 0..8 {
                let id = __cpuid_count(leaf, index);
                if id.eax & 0x1f == kind && id.eax.wrapping_shr(5) & 7 == level {
                    let field =
                        |from: u32, mask: u32| u64::from(id.ebx.wrapping_shr(from) & mask).wrapping_add(1);
                    let sets = u64::from(id.ecx).wrapping_add(1);
                    let lines =
                        field(22, 0x3ff).saturating_mul(field(12, 0x3ff)).saturating_mul(field(0, 0xfff));
                    return lines.saturating_mul(sets);
                }
            }
        }
        0
    }

    pub(super) fn max_basic() -> u32 {
        __cpuid(0).eax
    }

    pub(super) fn vendor() -> [u8; 12] {
        let id = __cpuid(0);
        let mut text = [0; 12];
        let (words, _) = text.as_chunks_mut::<4>();
        for (to, from) in words.iter_mut().zip([id.ebx, id.edx, id.ecx]) {
            *to = from.to_le_bytes();
        }
        text
    }

    pub(super) fn brand() -> [u8; 48] {
        const FIRST: u32 = 0x8000_0002;
        const LAST: u32 = 0x8000_0004;
        let mut text = [0; 48];
        if __cpuid(0x8000_0000).eax < LAST {
            return text;
        }
        let (leaves, _) = text.as_chunks_mut::<16>();
        for (leaf, to) in (FIRST..=LAST).zip(leaves) {
            let id = __cpuid(leaf);
            let (words, _) = to.as_chunks_mut::<4>();
            for (to, from) in words.iter_mut().zip([id.eax, id.ebx, id.ecx, id.edx]) {
                *to = from.to_le_bytes();
            }
        }
        text
    }

    /// Family, model and stepping (`osfmk/i386/cpuid.c`).
    pub(super) fn signature() -> (u32, u32, u32) {
        let id = __cpuid(1).eax;
        let field = |from: u32, mask: u32| id.wrapping_shr(from) & mask;
        let (mut family, mut model) = (field(8, 0xf), field(4, 0xf));
        if family == 0xf {
            family = family.wrapping_add(field(20, 0xff));
        }
        if family >= 6 {
            model = model.wrapping_add(field(16, 0xf).wrapping_shl(4));
        }
        (family, model, field(0, 0xf))
    }
}

/// What a Mac with this processor says of itself.
#[cfg(not(target_arch = "x86_64"))]
mod processor {
    use super::Cache;

    pub(super) fn cache(which: Cache) -> u64 {
        match which {
            Cache::FirstInstructions => 128 << 10,
            Cache::FirstData => 64 << 10,
            Cache::Second => 4 << 20,
            Cache::Third => 0,
        }
    }

    pub(super) fn max_basic() -> u32 {
        0
    }

    pub(super) fn vendor() -> [u8; 5] {
        *b"Apple"
    }

    pub(super) fn brand() -> [u8; 12] {
        *b"Apple M1 Pro"
    }

    pub(super) fn signature() -> (u32, u32, u32) {
        (0, 0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromZeros;

    #[test]
    fn averages_and_sizes_are_converted() {
        let mut info = Sysinfo::new_zeroed();
        (info.loads, info.mem_unit) = ([1 << 16, 1 << 15, 0], 4096);
        (info.totalswap, info.freeswap, info.totalram) = (10, 4, 3);
        assert_eq!(load_average(&info), [2048, 1024, 0, 0, 2048, 0]);
        assert_eq!(swap_usage(&info)[..3], [40_960, 16_384, 24_576]);
        assert_eq!(memory_bytes(&info), 12_288);
    }
}
