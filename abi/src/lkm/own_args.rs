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

    /// Of [`super::Trap::HostCreateMachVoucherTrap`]: in; the name comes through `voucher`.
    #[repr(C, packed)]
    struct HostCreateMachVoucherArgs = "host_create_mach_voucher_args", 24 bytes, align 1 {
         0 host: u32,
         4 recipes: u64,
        12 recipes_size: i32,
        16 voucher: u64,
    }

    /// Of [`super::Trap::MachVoucherExtractAttrRecipeTrap`]: in; the recipe and its size come through the addresses.
    #[repr(C, packed)]
    struct MachVoucherExtractAttrRecipeArgs = "mach_voucher_extract_attr_recipe_args", 24 bytes, align 1 {
         0 voucher_name: u32,
         4 key: u32,
         8 recipe: u64,
        16 recipe_size: u64,
    }

    /// Of [`super::Trap::DebugControlPortForPidTrap`]: in; `port` out, the name of the port.
    #[repr(C, packed)]
    struct DebugControlPortForPidArgs = "debug_control_port_for_pid_args", 8 bytes, align 1 {
        0 pid: u32,
        4 port: u32,
    }
}
