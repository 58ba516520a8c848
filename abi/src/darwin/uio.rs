//! Scattered buffers (`bsd/sys/_types/_iovec_t.h`, `man 2 readv`).

use crate::layout::layouts;

layouts! {
    /// One buffer of `readv`, `writev` and their kin; Linux's is the same.
    #[repr(C)]
    struct Iovec = "iovec", 16 bytes, align 8 {
        0 iov_base: u64,
        8 iov_len: u64,
    }
}
