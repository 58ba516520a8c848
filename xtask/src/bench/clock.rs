//! The clock for work of this thread, which another program on the same processor does not move.
//!
//! # Safety
//! One call of the C library with a structure of its own type.
#![allow(unsafe_code)]

use std::time::Duration;

/// How long the processor has worked for this thread, in the program and in Linux.
pub(crate) fn thread_time() -> Result<Duration, String> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec to fill.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) } != 0 {
        return Err(format!("no clock for this thread: {}", std::io::Error::last_os_error()));
    }
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}
