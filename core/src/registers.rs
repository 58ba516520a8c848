//! The guest's registers at a call or a signal.

pub use xnu_abi::darwin::thread_state::X86ThreadState64 as Registers;

/// The carry flag of `rflags`: set where a BSD call failed.
pub const CARRY: u64 = 1;

/// The bits of `rflags` that a program may set (`osfmk/i386/eflags.h`, `EFL_USER_SET`): CF PF AF ZF SF TF DF OF
/// NT AC ID, without NT, which would make the return from the call fault.
pub const RFLAGS_USER: u64 = 0x24_0dd5;

/// The bits of `rflags` that are always set in a program: the reserved bit 1 and interrupts.
pub const RFLAGS_FIXED: u64 = 0x202;

/// Room for the vector and floating-point registers in the format of `xsavec`: x87, SSE, AVX and AVX-512.
///
/// The first 832 bytes lie as in the standard format: the legacy area, the header, and the upper halves of the
/// AVX registers, which is always the first extended part.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct VectorState(pub [u8; VectorState::LENGTH]);

impl VectorState {
    /// What `xsave` needs for these in its standard format, on every processor; `xsavec` needs less.
    pub const LENGTH: usize = 2752;
    /// The components that are kept: x87, SSE, AVX, and the three of AVX-512.
    pub const COMPONENTS: u64 = 0b1110_0111;
    /// Bytes of the legacy area (`fxsave`).
    pub const LEGACY: usize = 512;
    /// Where the header's bitmap of stored components is.
    pub const STORED: usize = 512;
    /// Where the upper halves of the AVX registers are.
    pub const AVX: usize = 576;
    /// How long they are.
    pub const AVX_LENGTH: usize = 256;
}

impl Default for VectorState {
    fn default() -> VectorState {
        VectorState([0; VectorState::LENGTH])
    }
}
