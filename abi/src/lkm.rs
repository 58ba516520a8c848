//! Darling's kernel module API, version 19: the requests of `ioctl` on `/dev/mach`.

pub mod args;
pub mod own_args;

use crate::layout::Layout;

/// The layout of every argument structure of Darling's traps.
pub const LAYOUTS: &[Layout] = args::LAYOUTS;

/// The layout of every argument structure of our own traps.
pub const OWN_LAYOUTS: &[Layout] = own_args::LAYOUTS;

/// What a trap takes as the argument of its `ioctl`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgKind {
    /// Nothing; callers pass 0.
    None,
    /// A number.
    Value,
    /// The address of a structure of this layout.
    Struct(&'static Layout),
}

/// The version that `get_api_version` answers.
pub const API_VERSION: u32 = 19;

/// The string after the environment by which a loader passes a descriptor of the device, in decimal digits.
pub const KERNFD_KEY: &str = "kernfd=";

/// The string after the environment by which a loader passes the address of a function that serves traps inside the
/// process, in hexadecimal: `long (unsigned trap, void *argument)`, which answers a value or Linux's negative error.
pub const ENTRY_KEY: &str = "lkm_entry=0x";

/// The string by which a loader passes a descriptor of the directory that is the process's root, in decimal digits, and the
/// one that says the rules below it, as [`PREFIX_FOLDS`] and [`PREFIX_HAS_EXIT`]; without it there is the exit alone.
pub const PREFIX_KEY: &str = "vchroot=";
/// See [`PREFIX_KEY`].
pub const PREFIX_RULES_KEY: &str = "vchroot_rules=";
/// Names are found whatever their case and normal form.
pub const PREFIX_FOLDS: u64 = 1;
/// `/Volumes/SystemRoot` leads to Linux's root.
pub const PREFIX_HAS_EXIT: u64 = 2;

/// The segment and the section of a Mach-O image that has the emulation linked in, and so makes Linux calls itself.
pub const LINKED_SECTION: (&str, &str) = ("__DATA", "__xnu_emu");

/// The device node that serves the traps.
pub const DEVICE: &core::ffi::CStr = c"/dev/mach";

/// The first number of our own traps: what Mach has and Darling's interface has no trap for. Darling's module answers
/// `ENOSYS`, and so may everything else that serves `/dev/mach`.
const OWN_FIRST: u32 = 0x1800;

macro_rules! traps {
    (
        darling { $($name:ident = $module:literal $number:literal $kind:ident $(($args:ident))?,)* }
        own { $($own:ident = $own_name:literal $own_number:literal $own_kind:ident $(($own_args:ident))?,)* }
    ) => {
        /// A trap of the module, or one of our own: the `ioctl` request number.
        #[allow(missing_docs)]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr(u32)]
        pub enum Trap {
            $($name = $number,)*
            $($own = $own_number,)*
        }

        impl Trap {
            /// Every trap of Darling's module, in the order of its number.
            pub const ALL: &'static [Trap] = &[$(Trap::$name),*];

            /// Every trap of our own, in the order of its number.
            pub const OWN: &'static [Trap] = &[$(Trap::$own),*];

            /// The trap with this request number.
            pub fn new(number: u32) -> Option<Trap> {
                // They follow one another from the first on.
                let (traps, first) = match number.checked_sub(OWN_FIRST) {
                    Some(_) => (Trap::OWN, OWN_FIRST),
                    None => (Trap::ALL, Trap::GetApiVersion.number()),
                };
                traps.get(usize::try_from(number.checked_sub(first)?).ok()?).copied()
            }

            /// The request number.
            pub const fn number(self) -> u32 {
                self as u32
            }

            /// The module's own name, without `NR_`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Trap::$name => $module,)*
                    $(Trap::$own => $own_name,)*
                }
            }

            /// What the trap takes.
            pub const fn argument(self) -> ArgKind {
                match self {
                    $(Trap::$name => ArgKind::$kind $((&args::$args::LAYOUT))?,)*
                    $(Trap::$own => ArgKind::$own_kind $((&own_args::$own_args::LAYOUT))?,)*
                }
            }
        }
    };
}

traps! {
darling {
    GetApiVersion = "get_api_version" 0x1000 None,
    MachReplyPort = "mach_reply_port" 0x1001 None,
    KernelrpcMachPortModRefs = "_kernelrpc_mach_port_mod_refs" 0x1002 Struct(MachPortModRefsArgs),
    TaskSelfTrap = "task_self_trap" 0x1003 None,
    HostSelfTrap = "host_self_trap" 0x1004 None,
    KernelrpcMachPortAllocate = "_kernelrpc_mach_port_allocate" 0x1005 Struct(MachPortAllocateArgs),
    MachMsgOverwriteTrap = "mach_msg_overwrite_trap" 0x1006 Struct(MachMsgOverwriteArgs),
    KernelrpcMachPortDeallocate = "_kernelrpc_mach_port_deallocate" 0x1007 Struct(MachPortDeallocateArgs),
    KernelrpcMachPortDestroy = "_kernelrpc_mach_port_destroy" 0x1008 Struct(MachPortDestroyArgs),
    SemaphoreSignalTrap = "semaphore_signal_trap" 0x1009 Struct(SemaphoreSignalArgs),
    SemaphoreSignalAllTrap = "semaphore_signal_all_trap" 0x100a Struct(SemaphoreSignalAllArgs),
    SemaphoreWaitTrap = "semaphore_wait_trap" 0x100b Struct(SemaphoreWaitArgs),
    SemaphoreWaitSignalTrap = "semaphore_wait_signal_trap" 0x100c Struct(SemaphoreWaitSignalArgs),
    SemaphoreTimedwaitSignalTrap = "semaphore_timedwait_signal_trap" 0x100d Struct(SemaphoreTimedwaitSignalArgs),
    SemaphoreTimedwaitTrap = "semaphore_timedwait_trap" 0x100e Struct(SemaphoreTimedwaitArgs),
    BsdIoctlTrap = "bsd_ioctl_trap" 0x100f Struct(BsdIoctlArgs),
    ThreadSelfTrap = "thread_self_trap" 0x1010 None,
    BsdthreadTerminateTrap = "bsdthread_terminate_trap" 0x1011 Struct(BsdthreadTerminateArgs),
    PsynchMutexwaitTrap = "psynch_mutexwait_trap" 0x1012 Struct(PsynchMutexwaitArgs),
    PsynchMutexdropTrap = "psynch_mutexdrop_trap" 0x1013 Struct(PsynchMutexdropArgs),
    PthreadKillTrap = "pthread_kill_trap" 0x1014 Struct(PthreadKillArgs),
    PsynchCvwaitTrap = "psynch_cvwait_trap" 0x1015 Struct(PsynchCvwaitArgs),
    PsynchCvsignalTrap = "psynch_cvsignal_trap" 0x1016 Struct(PsynchCvsignalArgs),
    PsynchCvbroadTrap = "psynch_cvbroad_trap" 0x1017 Struct(PsynchCvbroadArgs),
    MkTimerCreateTrap = "mk_timer_create_trap" 0x1018 None,
    MkTimerArmTrap = "mk_timer_arm_trap" 0x1019 Struct(MkTimerArmArgs),
    MkTimerCancelTrap = "mk_timer_cancel_trap" 0x101a Struct(MkTimerCancelArgs),
    MkTimerDestroyTrap = "mk_timer_destroy_trap" 0x101b Struct(MkTimerDestroyArgs),
    KernelrpcMachPortMoveMemberTrap = "_kernelrpc_mach_port_move_member_trap" 0x101c Struct(MachPortMoveMemberArgs),
    KernelrpcMachPortInsertMemberTrap = "_kernelrpc_mach_port_insert_member_trap" 0x101d Struct(MachPortInsertMemberArgs),
    KernelrpcMachPortExtractMemberTrap = "_kernelrpc_mach_port_extract_member_trap" 0x101e Struct(MachPortExtractMemberArgs),
    ThreadDeathAnnounce = "thread_death_announce" 0x101f None,
    KernelrpcMachPortInsertRightTrap = "_kernelrpc_mach_port_insert_right_trap" 0x1020 Struct(MachPortInsertRightArgs),
    ForkWaitForChild = "fork_wait_for_child" 0x1021 None,
    TaskForPidTrap = "task_for_pid_trap" 0x1022 Struct(TaskForPidArgs),
    PidForTaskTrap = "pid_for_task_trap" 0x1023 Struct(PidForTaskArgs),
    SetDyldInfo = "set_dyld_info" 0x1024 Struct(SetDyldInfoArgs),
    StopAfterExec = "stop_after_exec" 0x1025 None,
    KernelPrintk = "kernel_printk" 0x1026 Struct(KernelPrintkArgs),
    PathAt = "path_at" 0x1027 Struct(PathAtArgs),
    PsynchRwRdlock = "psynch_rw_rdlock" 0x1028 Struct(PsynchRwRdlockArgs),
    PsynchRwWrlock = "psynch_rw_wrlock" 0x1029 Struct(PsynchRwWrlockArgs),
    PsynchRwUnlock = "psynch_rw_unlock" 0x102a Struct(PsynchRwUnlockArgs),
    PsynchCvclrprepost = "psynch_cvclrprepost" 0x102b Struct(PsynchCvclrprepostArgs),
    GetTracer = "get_tracer" 0x102c Value,
    TidForThread = "tid_for_thread" 0x102d Value,
    Getuidgid = "getuidgid" 0x102e Struct(UidgidArgs),
    Setuidgid = "setuidgid" 0x102f Struct(UidgidArgs),
    TaskNameForPidTrap = "task_name_for_pid_trap" 0x1030 Struct(TaskNameForPidArgs),
    SetTracer = "set_tracer" 0x1031 Struct(SetTracerArgs),
    PthreadMarkcancel = "pthread_markcancel" 0x1032 Value,
    PthreadCanceled = "pthread_canceled" 0x1033 Value,
    PidGetState = "pid_get_state" 0x1034 Value,
    StartedSuspended = "started_suspended" 0x1035 None,
    Task64bit = "task_64bit" 0x1036 Value,
    KernelrpcMachVmAllocateTrap = "_kernelrpc_mach_vm_allocate_trap" 0x1037 Struct(MachVmAllocateArgs),
    KernelrpcMachVmDeallocateTrap = "_kernelrpc_mach_vm_deallocate_trap" 0x1038 Struct(MachVmDeallocateArgs),
    LastTriggeredWatchpoint = "last_triggered_watchpoint" 0x1039 Struct(LastTriggeredWatchpointArgs),
    Vchroot = "vchroot" 0x103a Value,
    VchrootExpand = "vchroot_expand" 0x103b Struct(VchrootExpandArgs),
    VchrootFdpath = "vchroot_fdpath" 0x103c Struct(VchrootFdpathArgs),
    HandleToPath = "handle_to_path" 0x103d Struct(HandleToPathArgs),
    FileportMakeport = "fileport_makeport" 0x103e Struct(FileportMakeportArgs),
    FileportMakefd = "fileport_makefd" 0x103f Value,
    Sigprocess = "sigprocess" 0x1040 Struct(SigprocessArgs),
    PtraceThupdate = "ptrace_thupdate" 0x1041 Struct(PtraceThupdateArgs),
    PtraceSigexc = "ptrace_sigexc" 0x1042 Struct(PtraceSigexcArgs),
    ThreadSuspended = "thread_suspended" 0x1043 Struct(ThreadSuspendedArgs),
    SetThreadHandles = "set_thread_handles" 0x1044 Struct(SetThreadHandlesArgs),
    ThreadGetSpecialReplyPort = "thread_get_special_reply_port" 0x1045 None,
    KernelrpcMachPortRequestNotificationTrap = "_kernelrpc_mach_port_request_notification_trap" 0x1046 Struct(MachPortRequestNotificationArgs),
    KernelrpcMachPortTypeTrap = "_kernelrpc_mach_port_type_trap" 0x1047 Struct(MachPortTypeArgs),
    KernelrpcMachPortGetAttributesTrap = "_kernelrpc_mach_port_get_attributes_trap" 0x1048 Struct(MachPortGetAttributesArgs),
    KernelrpcMachPortConstructTrap = "_kernelrpc_mach_port_construct_trap" 0x1049 Struct(MachPortConstructArgs),
    KernelrpcMachPortDestructTrap = "_kernelrpc_mach_port_destruct_trap" 0x104a Struct(MachPortDestructArgs),
    KernelrpcMachPortGuardTrap = "_kernelrpc_mach_port_guard_trap" 0x104b Struct(MachPortGuardArgs),
    KernelrpcMachPortUnguardTrap = "_kernelrpc_mach_port_unguard_trap" 0x104c Struct(MachPortUnguardArgs),
    KqueueCreate = "kqueue_create" 0x104d None,
    Kevent = "kevent" 0x104e Struct(KeventArgs),
    Kevent64 = "kevent64" 0x104f Struct(Kevent64Args),
    KeventQos = "kevent_qos" 0x1050 Struct(KeventQosArgs),
    ClosingDescriptor = "closing_descriptor" 0x1051 Struct(ClosingDescriptorArgs),
}
own {
    MachMsg2Trap = "mach_msg2_trap" 0x1800 Struct(MachMsg2Args),
    SemaphoreSignalThreadTrap = "semaphore_signal_thread_trap" 0x1801 Struct(SemaphoreSignalThreadArgs),
    ClockSleepTrap = "clock_sleep_trap" 0x1802 Struct(ClockSleepArgs),
    HostCreateMachVoucherTrap = "host_create_mach_voucher_trap" 0x1803 Struct(HostCreateMachVoucherArgs),
    MachVoucherExtractAttrRecipeTrap = "mach_voucher_extract_attr_recipe_trap" 0x1804 Struct(MachVoucherExtractAttrRecipeArgs),
    DebugControlPortForPidTrap = "debug_control_port_for_pid_trap" 0x1805 Struct(DebugControlPortForPidArgs),
}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_finds_its_trap_and_no_other_does() {
        for trap in Trap::ALL.iter().chain(Trap::OWN) {
            assert_eq!(Trap::new(trap.number()), Some(*trap));
        }
        for number in [0, 0xfff, 0x1052, OWN_FIRST - 1, OWN_FIRST + 6, u32::MAX] {
            assert_eq!(Trap::new(number), None, "{number:#x}");
        }
    }
}
