//! Waiting for descriptors (`bsd/sys/poll.h`, `bsd/sys/_types/_fd_def.h`, `man 2 poll`, `man 2 select`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// What can happen to a descriptor.
    flags PollEvents: u16 = "poll" {
        POLLIN = 1,
        POLLPRI = 2,
        POLLOUT = 4,
        POLLRDNORM = 0x40,
        POLLWRNORM = 4,
        POLLRDBAND = 0x80,
        POLLWRBAND = 0x100,
        POLLEXTEND = 0x200,
        POLLATTRIB = 0x400,
        POLLNLINK = 0x800,
        POLLWRITE = 0x1000,
        POLLERR = 8,
        POLLHUP = 0x10,
        POLLNVAL = 0x20,
    }

    /// The events that are not Darwin's own.
    constants POLL_MASKS: u16 = "poll" {
        POLLSTANDARD = 0x1ff,
    }

    /// Descriptors in a set of `select`, which is words of 32 bits. The unlimited form of the call takes more.
    constants SELECT_SIZES: usize = "bsd/sys/_types/_fd_def.h" {
        FD_SETSIZE = 1024,
    }
}

layouts! {
    /// One descriptor of `poll`; Linux's has the same layout, but not the same events.
    #[repr(C)]
    struct Pollfd = "pollfd", 8 bytes, align 4 {
        0 fd: i32,
        4 events: i16,
        6 revents: i16,
    }
}
