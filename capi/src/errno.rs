//! Errors.

/// Linux's error as Darwin's, either sign; what is no error of Linux's is `EIO`'s.
#[unsafe(no_mangle)]
pub extern "C" fn errno_linux_to_bsd(err: i32) -> i32 {
    xnu_core::convert::errno::errno_linux_to_bsd(err)
}
