//! The page that the kernel shares with every process (`osfmk/i386/cpu_capabilities.h`, `bsd/sys/commpage.h`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// What the processor can do, in `cpu_capabilities64`. Bits 16 to 23 are the number of processors.
    flags CpuCapabilities: u64 = "osfmk/i386/cpu_capabilities.h" {
        kHasMMX = 1,
        kHasSSE = 2,
        kHasSSE2 = 4,
        kHasSSE3 = 8,
        kCache32 = 0x10,
        kCache64 = 0x20,
        kCache128 = 0x40,
        kFastThreadLocalStorage = 0x80,
        kHasSupplementalSSE3 = 0x100,
        k64Bit = 0x200,
        kHasSSE4_1 = 0x400,
        kHasSSE4_2 = 0x800,
        kHasAES = 0x1000,
        kInOrderPipeline = 0x2000,
        kSlow = 0x4000,
        kUP = 0x8000,
        kHasAVX1_0 = 0x0100_0000,
        kHasRDRAND = 0x0200_0000,
        kHasF16C = 0x0400_0000,
        kHasENFSTRG = 0x0800_0000,
        kHasFMA = 0x1000_0000,
        kHasAVX2_0 = 0x2000_0000,
        kHasBMI1 = 0x4000_0000,
        kHasBMI2 = 0x8000_0000,
        kHasRTM = 0x0001_0000_0000,
        kHasHLE = 0x0002_0000_0000,
        kHasADX = 0x0004_0000_0000,
        kHasRDSEED = 0x0008_0000_0000,
        kHasMPX = 0x0010_0000_0000,
        kHasSGX = 0x0020_0000_0000,
        kHasAVX512F = 0x0040_0000_0000,
        kHasAVX512CD = 0x0080_0000_0000,
        kHasAVX512DQ = 0x0100_0000_0000,
        kHasAVX512BW = 0x0200_0000_0000,
        kHasAVX512IFMA = 0x0400_0000_0000,
        kHasAVX512VBMI = 0x0800_0000_0000,
        kHasAVX512VL = 0x1000_0000_0000,
        kHasVAES = 0x2000_0000_0000,
        kHasVPCLMULQDQ = 0x4000_0000_0000,
        kHasAVX512VNNI = 0x8000_0000_0000,
        kHasAVX512BITALG = 0x0001_0000_0000_0000,
        kHasAVX512VPOPCNTDQ = 0x0002_0000_0000_0000,
        kIsTranslated = 0x4000_0000_0000_0000,
    }

    /// Where the page is, and how long; and the page of code, which is slid by a random count of pages below the
    /// top of memory.
    constants ADDRESSES: u64 = "osfmk/i386/cpu_capabilities.h" {
        _COMM_PAGE64_BASE_ADDRESS = 0x7fff_ffe0_0000,
        _COMM_PAGE64_AREA_LENGTH = 0x1000,
        _COMM_PAGE64_TEXT_START = 0x7fff_ffe0_1000,
        _COMM_PAGE_TEXT_AREA_LENGTH = 0x1000,
        _PFZ64_SLIDE_RANGE = 510,
    }

    /// Offsets of the routines in the page of code.
    constants TEXT_OFFSETS: u64 = "osfmk/i386/cpu_capabilities.h" {
        _COMM_TEXT_PREEMPT_OFFSET = 0x5a0,
        _COMM_TEXT_BACKOFF_OFFSET = 0x600,
        _COMM_TEXT_RET_OFFSET = 0x680,
        _COMM_TEXT_PFZ_START_OFFSET = 0xc00,
        _COMM_TEXT_PFZ_ENQUEUE_OFFSET = 0xc00,
        _COMM_TEXT_PFZ_DEQUEUE_OFFSET = 0xc80,
        _COMM_TEXT_PFZ_END_OFFSET = 0xd00,
    }

    /// The version of the layout.
    constants VERSIONS: u16 = "osfmk/i386/cpu_capabilities.h" {
        _COMM_PAGE_THIS_VERSION = 14,
    }

    /// The number of processors in [`CpuCapabilities`].
    constants CPU_COUNT_BITS: u64 = "osfmk/i386/cpu_capabilities.h" {
        kNumCPUs = 0x00ff_0000,
        kNumCPUsShift = 16,
    }
}

/// The first bytes of the page.
pub const SIGNATURE: [u8; 16] = *b"commpage 64-bit\0";

layouts! {
    /// The page of data. Field `name` is the header's `_COMM_PAGE_NAME`.
    #[repr(C)]
    struct Commpage = "commpage", 4096 bytes, align 8 {
            0 signature: [u8; 16],
         0x10 cpu_capabilities64: u64,
         0x18 _pad: [u8; 6],
         0x1e version: u16,
        /// The low half of `cpu_capabilities64`; its third byte is the header's `_COMM_PAGE_NCPUS`.
         0x20 cpu_capabilities: u32,
         0x24 _pad1: u16,
         0x26 cache_linesize: u16,
         0x28 _pad2: u32,
         0x2c memory_pressure: u32,
         0x30 _pad3: u32,
         0x34 active_cpus: u8,
         0x35 physical_cpus: u8,
         0x36 logical_cpus: u8,
         0x37 cpu_clusters: u8,
         0x38 memory_size: u64,
         0x40 cpufamily: u32,
         0x44 kdebug_enable: u32,
         0x48 atm_diagnostic_config: u32,
         0x4c dtrace_dof_enabled: u8,
         0x4d kernel_page_shift: u8,
         0x4e user_page_shift_64: u8,
         0x4f _pad4: u8,
         0x50 nt_tsc_base: u64,
         0x58 nt_scale: u32,
         0x5c nt_shift: u32,
         0x60 nt_ns_base: u64,
        /// Counts updates. While it is 0, readers spin.
         0x68 nt_generation: u32,
         0x6c gtod_generation: u32,
         0x70 gtod_ns_base: u64,
         0x78 gtod_sec_base: u64,
         0x80 approx_time: u64,
         0x88 approx_time_supported: u8,
         0x89 _pad5: [u8; 55],
         0xc0 cont_timebase: u64,
         0xc8 boottime_usec: u64,
         0xd0 newtimeofday_data: TimeofdayData,
         0xf8 _pad6: u64,
        0x100 dyld_flags: u64,
        0x108 cpu_to_cluster: [u8; 256],
        0x208 _pad7: [u8; 0x118],
        0x320 asb_target_value: u64,
        0x328 asb_target_address: u64,
        0x330 asb_target_kern_value: u64,
        0x338 asb_target_kern_address: u64,
        0x340 _pad8: [u8; 0xcc0],
    }

    /// From which `gettimeofday` computes the time without a call. With a tick of 0 it makes the call.
    #[repr(C)]
    #[derive(Default)]
    struct TimeofdayData = "commpage_timeofday_data", 40 bytes, align 8 {
         0 timestamp_tick: u64,
         8 timestamp_sec: u64,
        16 timestamp_frac: u64,
        24 ticks_scale: u64,
        32 ticks_per_sec: u64,
    }
}
