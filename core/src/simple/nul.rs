//! The NUL of a C string.
//!
//! # Safety
//! [`find`] has one contract, which its callers in [`super::cstr`] hand on: the string has a NUL or `limit` bytes. The
//! scan reads whole aligned blocks and so may look at bytes around the string, but never in a page that holds no byte
//! of it. The loads are assembly because no Rust load may leave its object.
#![allow(unsafe_code)]

pub(super) use blocks::find;

/// Sixteen bytes at a time, with SSE2, which every x86-64 has.
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod blocks {
    use core::arch::asm;
    use core::arch::x86_64::{
        __cpuid, __cpuid_count, __m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_setzero_si128,
    };
    use core::sync::atomic::{AtomicU8, Ordering};

    const BLOCK: usize = 16;
    /// What a long string is passed over by.
    const LINE: usize = 128;
    /// Bytes after which a string is called long.
    const LONG: usize = 512;

    /// Which bytes of `block` are NUL, the first in bit 0.
    #[inline(always)]
    fn nuls(block: __m128i) -> u32 {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { _mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_setzero_si128())) as u32 }
    }

    /// # Safety
    /// `from` is a multiple of 16 in a page that can be read.
    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m128i {
        let block;
        // SAFETY: an aligned load stays in its page. Assembly: bytes of other objects may be part of the block.
        unsafe {
            asm!("movdqa {}, [{}]", out(xmm_reg) block, in(reg) from,
                options(pure, readonly, nostack, preserves_flags));
        }
        block
    }

    /// The least of each sixteenth byte of a line, which is 0 if one of them is.
    ///
    /// # Safety
    /// `from` is a multiple of [`LINE`] in a page that can be read.
    #[inline(always)]
    unsafe fn least(from: *const u8) -> __m128i {
        let least: __m128i;
        // SAFETY: as for `load`: so aligned, the line is in one page.
        unsafe {
            asm!(
                "movdqa {a}, [{p}]",
                "movdqa {b}, [{p} + 16]",
                "pminub {a}, [{p} + 32]",
                "pminub {b}, [{p} + 48]",
                "pminub {a}, [{p} + 64]",
                "pminub {b}, [{p} + 80]",
                "pminub {a}, [{p} + 96]",
                "pminub {b}, [{p} + 112]",
                "pminub {a}, {b}",
                a = out(xmm_reg) least, b = out(xmm_reg) _, p = in(reg) from,
                options(pure, readonly, nostack, preserves_flags)
            );
        }
        least
    }

    /// The first line from `block` on that holds a NUL or begins at `end` or later.
    ///
    /// # Safety
    /// `block` is a multiple of [`LINE`] and before `end`; there is a NUL at or behind it, or all up to `end` can be
    /// read.
    unsafe fn line_with_nul(mut block: *const u8, end: usize) -> *const u8 {
        // SAFETY: no NUL before `block`, which is before the end: its first byte is the caller's.
        while block.addr() < end && nuls(unsafe { least(block) }) == 0 {
            block = block.wrapping_add(LINE);
        }
        block
    }

    /// The same by 32 bytes at a time: half the loads, which are what a long scan waits for.
    ///
    /// # Safety
    /// As for [`line_with_nul`], and the processor has AVX2.
    unsafe fn line_with_nul_avx2(mut block: *const u8, end: usize) -> *const u8 {
        // SAFETY: reads the lines that `line_with_nul` reads. `vzeroupper` changes all sixteen registers, for code
        // compiled for AVX.
        unsafe {
            asm!(
                "vpxor xmm2, xmm2, xmm2",
                "2:",
                "vmovdqa ymm0, [{p}]",
                "vmovdqa ymm1, [{p} + 64]",
                "vpminub ymm0, ymm0, [{p} + 32]",
                "vpminub ymm1, ymm1, [{p} + 96]",
                "vpminub ymm0, ymm0, ymm1",
                "vpcmpeqb ymm0, ymm0, ymm2",
                "vpmovmskb {found:e}, ymm0",
                "test {found:e}, {found:e}",
                "jnz 3f",
                "add {p}, 128",
                "cmp {p}, {end}",
                "jb 2b",
                "3:",
                "vzeroupper",
                p = inout(reg) block, end = in(reg) end, found = out(reg) _,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(readonly, nostack)
            );
        }
        block
    }

    /// Whether the processor has AVX2 and the system keeps its registers. Asked once: a virtual machine's answer
    /// takes as long as thousands of short strings.
    fn has_avx2() -> bool {
        const UNKNOWN: u8 = 0;
        const NO: u8 = 1;
        const YES: u8 = 2;
        static AVX2: AtomicU8 = AtomicU8::new(UNKNOWN);
        match AVX2.load(Ordering::Relaxed) {
            UNKNOWN => {
                let yes = ask_for_avx2();
                AVX2.store(if yes { YES } else { NO }, Ordering::Relaxed);
                yes
            }
            known => known == YES,
        }
    }

    #[cold]
    fn ask_for_avx2() -> bool {
        // CPUID.1:ECX bits 27 and 28 (OSXSAVE, AVX), XCR0 bits 1 and 2 (SSE and AVX state), CPUID.7.0:EBX bit 5.
        const OSXSAVE_AND_AVX: u32 = 0b11 << 27;
        if __cpuid(0).eax < 7 || __cpuid(1).ecx & OSXSAVE_AND_AVX != OSXSAVE_AND_AVX {
            return false;
        }
        let kept: u32;
        // SAFETY: OSXSAVE says that the instruction may be used; it reads a register.
        unsafe {
            asm!("xgetbv", in("ecx") 0, out("eax") kept, out("edx") _, options(nomem, nostack, preserves_flags));
        }
        kept & 0b110 == 0b110 && __cpuid_count(7, 0).ebx & 1 << 5 != 0
    }

    /// # Safety
    /// `limit` is not 0, and `string` has a NUL or `limit` bytes.
    #[inline]
    pub(in crate::simple) unsafe fn find(string: *const u8, limit: usize) -> usize {
        let end = string.addr().saturating_add(limit);
        let length = |block: *const u8, found: u32| {
            let nul = block.addr().wrapping_add(found.trailing_zeros() as usize);
            nul.min(end).wrapping_sub(string.addr())
        };
        let skew = string.addr() % BLOCK;
        let mut block = string.wrapping_sub(skew);
        // SAFETY: this block holds the first byte.
        let found = nuls(unsafe { load(block) }) >> skew;
        if found != 0 {
            return length(string, found);
        }
        // From here on, no byte before `block` is NUL. Where `block` is before the end, its first byte is the
        // caller's, and what shares its page can be read.
        block = block.wrapping_add(BLOCK);
        while block.addr() < end && !block.addr().is_multiple_of(LINE) {
            // SAFETY: see above.
            let found = nuls(unsafe { load(block) });
            if found != 0 {
                return length(block, found);
            }
            block = block.wrapping_add(BLOCK);
        }
        let long = block.addr().saturating_add(LONG).min(end);
        // SAFETY: see above.
        while block.addr() < long && nuls(unsafe { least(block) }) == 0 {
            block = block.wrapping_add(LINE);
        }
        if block.addr() >= long && block.addr() < end {
            // SAFETY: see above; the wide form only where the processor has it.
            block = unsafe {
                if has_avx2() { line_with_nul_avx2(block, end) } else { line_with_nul(block, end) }
            };
        }
        while block.addr() < end {
            // SAFETY: see above.
            let found = nuls(unsafe { load(block) });
            if found != 0 {
                return length(block, found);
            }
            block = block.wrapping_add(BLOCK);
        }
        limit
    }
}

/// Eight bytes at a time in an ordinary register.
#[cfg(all(any(test, not(target_arch = "x86_64")), not(miri)))]
#[cfg_attr(target_arch = "x86_64", allow(dead_code))]
mod words {
    use core::arch::asm;

    const BLOCK: usize = 8;
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;

    /// # Safety
    /// `from` is a multiple of 8 in a page that can be read.
    #[inline(always)]
    unsafe fn load(from: *const u8) -> u64 {
        let word: u64;
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an aligned load stays in its page. Assembly: bytes of other objects may be part of the word.
        unsafe {
            asm!("mov {}, [{}]", out(reg) word, in(reg) from,
                options(pure, readonly, nostack, preserves_flags));
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        unsafe {
            asm!("ldr {}, [{}]", out(reg) word, in(reg) from,
                options(pure, readonly, nostack, preserves_flags));
        }
        word
    }

    /// # Safety
    /// `limit` is not 0, and `string` has a NUL or `limit` bytes.
    #[inline]
    pub(in crate::simple) unsafe fn find(string: *const u8, limit: usize) -> usize {
        let skew = string.addr() % BLOCK;
        let mut block = string.wrapping_sub(skew);
        // Bytes before the string are made to differ from NUL.
        let before = !(u64::MAX << skew.wrapping_mul(8));
        // SAFETY: this word holds the first byte.
        let mut word = unsafe { load(block) } | before;
        let mut at: usize = 0;
        let mut ahead = skew;
        loop {
            // The lowest NUL gets its high bit set; wrong marks are only above it.
            let found = word.wrapping_sub(ONES) & !word & HIGHS;
            if found != 0 {
                let index = (found.trailing_zeros() / 8) as usize;
                return limit.min(at.saturating_add(index).saturating_sub(ahead));
            }
            at = at.saturating_add(BLOCK).saturating_sub(ahead);
            ahead = 0;
            if at >= limit {
                return limit;
            }
            block = block.wrapping_add(BLOCK);
            // SAFETY: there is no NUL before `at`, which is below the limit: byte `at` is the caller's.
            word = unsafe { load(block) };
        }
    }
}

#[cfg(all(not(target_arch = "x86_64"), not(miri)))]
use words as blocks;

/// Byte by byte, for an interpreter that checks every load.
#[cfg(miri)]
mod blocks {
    /// # Safety
    /// `string` has a NUL or `limit` bytes.
    pub(in crate::simple) unsafe fn find(string: *const u8, limit: usize) -> usize {
        let mut at: usize = 0;
        // SAFETY: byte `at` is before the NUL or below the limit.
        while at < limit && unsafe { string.add(at).read() } != 0 {
            at = at.wrapping_add(1);
        }
        at
    }
}

#[cfg(all(test, target_arch = "x86_64", not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn every_alignment_length_and_limit_has_the_right_length() {
        let mut memory = [0; 1200];
        for start in 0..130 {
            for len in (0..200).chain(500..540).chain(630..800) {
                for (at, byte) in memory.iter_mut().enumerate() {
                    // Marks that only just differ from NUL, and NULs where they do not count.
                    *byte = match at {
                        _ if at < start || at == start + len => 0,
                        _ if at % 3 == 0 => 1,
                        _ => 0x80,
                    };
                }
                let string = memory.as_ptr().wrapping_add(start);
                for limit in [0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 65, len, len + 1, usize::MAX] {
                    // SAFETY: the string ends inside `memory`.
                    assert_eq!(unsafe { find(string, limit) }, len.min(limit), "{start} {len} {limit}");
                    if limit > 0 {
                        // SAFETY: as above.
                        assert_eq!(unsafe { words::find(string, limit) }, len.min(limit));
                    }
                }
            }
        }
    }
}
