//! Registers of a thread (`osfmk/mach/i386/thread_status.h`, `osfmk/mach/i386/_structs.h`,
//! `bsd/i386/_mcontext.h`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// Flavors of `thread_get_state` on x86-64.
    numbers X86Flavor: i32 = "thread-state" {
        x86_THREAD_STATE32 = 1,
        x86_FLOAT_STATE32 = 2,
        x86_EXCEPTION_STATE32 = 3,
        x86_THREAD_STATE64 = 4,
        x86_FLOAT_STATE64 = 5,
        x86_EXCEPTION_STATE64 = 6,
        x86_THREAD_STATE = 7,
        x86_FLOAT_STATE = 8,
        x86_EXCEPTION_STATE = 9,
        x86_DEBUG_STATE32 = 10,
        x86_DEBUG_STATE64 = 11,
        x86_DEBUG_STATE = 12,
        THREAD_STATE_NONE = 13,
        x86_AVX_STATE32 = 16,
        x86_AVX_STATE64 = 17,
        x86_AVX_STATE = 18,
        x86_AVX512_STATE32 = 19,
        x86_AVX512_STATE64 = 20,
        x86_AVX512_STATE = 21,
        x86_PAGEIN_STATE = 22,
        x86_THREAD_FULL_STATE64 = 23,
    }

    /// Words of 32 bits in a state, as `thread_get_state` counts them.
    constants X86_STATE_COUNTS: u32 = "thread-state" {
        x86_THREAD_STATE64_COUNT = 42,
        x86_FLOAT_STATE64_COUNT = 131,
        x86_EXCEPTION_STATE64_COUNT = 4,
    }
}

layouts! {
    /// The general registers.
    #[repr(C)]
    #[derive(Default)]
    struct X86ThreadState64 = "x86_thread_state64", 168 bytes, align 8 {
          0 rax: u64,
          8 rbx: u64,
         16 rcx: u64,
         24 rdx: u64,
         32 rdi: u64,
         40 rsi: u64,
         48 rbp: u64,
         56 rsp: u64,
         64 r8: u64,
         72 r9: u64,
         80 r10: u64,
         88 r11: u64,
         96 r12: u64,
        104 r13: u64,
        112 r14: u64,
        120 r15: u64,
        128 rip: u64,
        136 rflags: u64,
        144 cs: u64,
        152 fs: u64,
        160 gs: u64,
    }

    /// The general registers and the segments that [`X86ThreadState64`] lacks.
    #[repr(C)]
    #[derive(Default)]
    struct X86ThreadFullState64 = "x86_thread_full_state64", 200 bytes, align 8 {
          0 ss64: X86ThreadState64,
        168 ds: u64,
        176 es: u64,
        184 ss: u64,
        192 gsbase: u64,
    }

    /// What the processor said of a fault.
    #[repr(C)]
    #[derive(Default)]
    struct X86ExceptionState64 = "x86_exception_state64", 16 bytes, align 8 {
        0 trapno: u16,
        2 cpu: u16,
        4 err: u32,
        8 faultvaddr: u64,
    }

    /// The debug registers.
    #[repr(C)]
    #[derive(Default)]
    struct X86DebugState64 = "x86_debug_state64", 64 bytes, align 8 {
        0 dr: [u64; 8],
    }

    /// x87 and SSE registers: two words, the 512 bytes of `fxsave`, one word.
    #[repr(C)]
    struct X86FloatState64 = "x86_float_state64", 524 bytes, align 4 {
          0 fpu_reserved: [i32; 2],
          8 fpu_fcw: u16,
         10 fpu_fsw: u16,
         12 fpu_ftw: u8,
         13 fpu_rsrv1: u8,
         14 fpu_fop: u16,
         16 fpu_ip: u32,
         20 fpu_cs: u16,
         22 fpu_rsrv2: u16,
         24 fpu_dp: u32,
         28 fpu_ds: u16,
         30 fpu_rsrv3: u16,
         32 fpu_mxcsr: u32,
         36 fpu_mxcsrmask: u32,
         40 fpu_stmm: [[u8; 16]; 8],
        168 fpu_xmm: [[u8; 16]; 16],
        424 fpu_rsrv4: [u8; 96],
        520 fpu_reserved1: i32,
    }

    /// The same, then the upper halves of the AVX registers.
    #[repr(C)]
    struct X86AvxState64 = "x86_avx_state64", 844 bytes, align 4 {
          0 fpu_reserved: [i32; 2],
          8 fpu_fcw: u16,
         10 fpu_fsw: u16,
         12 fpu_ftw: u8,
         13 fpu_rsrv1: u8,
         14 fpu_fop: u16,
         16 fpu_ip: u32,
         20 fpu_cs: u16,
         22 fpu_rsrv2: u16,
         24 fpu_dp: u32,
         28 fpu_ds: u16,
         30 fpu_rsrv3: u16,
         32 fpu_mxcsr: u32,
         36 fpu_mxcsrmask: u32,
         40 fpu_stmm: [[u8; 16]; 8],
        168 fpu_xmm: [[u8; 16]; 16],
        424 fpu_rsrv4: [u8; 96],
        520 fpu_reserved1: i32,
        524 avx_reserved1: [u8; 64],
        588 fpu_ymmh: [[u8; 16]; 16],
    }

    /// The same, then AVX-512's masks, upper halves and further registers.
    #[repr(C)]
    struct X86Avx512State64 = "x86_avx512_state64", 2444 bytes, align 4 {
           0 fpu_reserved: [i32; 2],
           8 fpu_fcw: u16,
          10 fpu_fsw: u16,
          12 fpu_ftw: u8,
          13 fpu_rsrv1: u8,
          14 fpu_fop: u16,
          16 fpu_ip: u32,
          20 fpu_cs: u16,
          22 fpu_rsrv2: u16,
          24 fpu_dp: u32,
          28 fpu_ds: u16,
          30 fpu_rsrv3: u16,
          32 fpu_mxcsr: u32,
          36 fpu_mxcsrmask: u32,
          40 fpu_stmm: [[u8; 16]; 8],
         168 fpu_xmm: [[u8; 16]; 16],
         424 fpu_rsrv4: [u8; 96],
         520 fpu_reserved1: i32,
         524 avx_reserved1: [u8; 64],
         588 fpu_ymmh: [[u8; 16]; 16],
         844 fpu_k: [[u8; 8]; 8],
         908 fpu_zmmh: [[u8; 32]; 16],
        /// `zmm16` to `zmm31`.
        1420 fpu_zmm: [[u8; 64]; 16],
    }

    /// The registers in a signal frame.
    #[repr(C)]
    struct Mcontext64 = "mcontext64", 712 bytes, align 8 {
          0 es: X86ExceptionState64,
         16 ss: X86ThreadState64,
        184 fs: X86FloatState64,
        708 _pad: u32,
    }

    /// The registers in a signal frame of a thread that uses AVX.
    #[repr(C)]
    struct McontextAvx64 = "mcontext_avx64", 1032 bytes, align 8 {
           0 es: X86ExceptionState64,
          16 ss: X86ThreadState64,
         184 fs: X86AvxState64,
        1028 _pad: u32,
    }

    /// The registers in a signal frame of a thread that uses AVX-512.
    #[repr(C)]
    struct McontextAvx512 = "mcontext_avx512_64", 2632 bytes, align 8 {
           0 es: X86ExceptionState64,
          16 ss: X86ThreadState64,
         184 fs: X86Avx512State64,
        2628 _pad: u32,
    }
}
