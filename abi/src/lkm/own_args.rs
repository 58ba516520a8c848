//! The packed structures of our own traps, in the manner of Darling's ([`super::args`]): the words of the Mach trap, in
//! its order.

use crate::layout::layouts;

layouts! {
    /// Of [`super::Trap::MachMsg2Trap`]: in; messages come through `data`. Two halves share a word as in the trap.
    #[repr(C, packed)]
    struct MachMsg2Args = "mach_msg2_args", 64 bytes, align 1 {
         0 data: u64,
         8 options: u64,
        16 bits_and_send_size: u64,
        24 remote_and_local_port: u64,
        32 voucher_and_id: u64,
        40 desc_count_and_rcv_name: u64,
        48 rcv_size_and_priority: u64,
        56 timeout: u64,
    }

    /// Of [`super::Trap::SemaphoreSignalThreadTrap`]: in; `thread` 0 is whoever waits.
    #[repr(C, packed)]
    struct SemaphoreSignalThreadArgs = "semaphore_signal_thread_args", 8 bytes, align 1 {
        0 signal: u32,
        4 thread: u32,
    }

    /// Of [`super::Trap::ClockSleepTrap`]: in; `sec` and `nsec` out as well, the time of the wake.
    #[repr(C, packed)]
    struct ClockSleepArgs = "clock_sleep_args", 16 bytes, align 1 {
         0 clock: u32,
         4 kind: i32,
         8 sec: i32,
        12 nsec: i32,
    }
}
