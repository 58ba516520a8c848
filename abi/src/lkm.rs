//! Darling's kernel module API, version 19: the requests of `ioctl` on `/dev/mach`.

/// The version that `get_api_version` answers.
pub const API_VERSION: u32 = 19;

/// The device node that serves the traps.
pub const DEVICE: &core::ffi::CStr = c"/dev/mach";

macro_rules! traps {
    ($($name:ident = $module:literal $number:literal,)*) => {
        /// A trap of the module: the `ioctl` request number.
        #[allow(missing_docs)]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr(u32)]
        pub enum Trap {
            $($name = $number,)*
        }

        impl Trap {
            /// Every trap, in the order of its number.
            pub const ALL: &'static [Trap] = &[$(Trap::$name),*];

            /// The request number.
            pub const fn number(self) -> u32 {
                self as u32
            }

            /// The module's own name, without `NR_`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Trap::$name => $module,)*
                }
            }
        }
    };
}

traps! {
    GetApiVersion = "get_api_version" 0x1000,
    MachReplyPort = "mach_reply_port" 0x1001,
    KernelrpcMachPortModRefs = "_kernelrpc_mach_port_mod_refs" 0x1002,
    TaskSelfTrap = "task_self_trap" 0x1003,
    HostSelfTrap = "host_self_trap" 0x1004,
    KernelrpcMachPortAllocate = "_kernelrpc_mach_port_allocate" 0x1005,
    MachMsgOverwriteTrap = "mach_msg_overwrite_trap" 0x1006,
    KernelrpcMachPortDeallocate = "_kernelrpc_mach_port_deallocate" 0x1007,
    KernelrpcMachPortDestroy = "_kernelrpc_mach_port_destroy" 0x1008,
    SemaphoreSignalTrap = "semaphore_signal_trap" 0x1009,
    SemaphoreSignalAllTrap = "semaphore_signal_all_trap" 0x100a,
    SemaphoreWaitTrap = "semaphore_wait_trap" 0x100b,
    SemaphoreWaitSignalTrap = "semaphore_wait_signal_trap" 0x100c,
    SemaphoreTimedwaitSignalTrap = "semaphore_timedwait_signal_trap" 0x100d,
    SemaphoreTimedwaitTrap = "semaphore_timedwait_trap" 0x100e,
    BsdIoctlTrap = "bsd_ioctl_trap" 0x100f,
    ThreadSelfTrap = "thread_self_trap" 0x1010,
    BsdthreadTerminateTrap = "bsdthread_terminate_trap" 0x1011,
    PsynchMutexwaitTrap = "psynch_mutexwait_trap" 0x1012,
    PsynchMutexdropTrap = "psynch_mutexdrop_trap" 0x1013,
    PthreadKillTrap = "pthread_kill_trap" 0x1014,
    PsynchCvwaitTrap = "psynch_cvwait_trap" 0x1015,
    PsynchCvsignalTrap = "psynch_cvsignal_trap" 0x1016,
    PsynchCvbroadTrap = "psynch_cvbroad_trap" 0x1017,
    MkTimerCreateTrap = "mk_timer_create_trap" 0x1018,
    MkTimerArmTrap = "mk_timer_arm_trap" 0x1019,
    MkTimerCancelTrap = "mk_timer_cancel_trap" 0x101a,
    MkTimerDestroyTrap = "mk_timer_destroy_trap" 0x101b,
    KernelrpcMachPortMoveMemberTrap = "_kernelrpc_mach_port_move_member_trap" 0x101c,
    KernelrpcMachPortInsertMemberTrap = "_kernelrpc_mach_port_insert_member_trap" 0x101d,
    KernelrpcMachPortExtractMemberTrap = "_kernelrpc_mach_port_extract_member_trap" 0x101e,
    ThreadDeathAnnounce = "thread_death_announce" 0x101f,
    KernelrpcMachPortInsertRightTrap = "_kernelrpc_mach_port_insert_right_trap" 0x1020,
    ForkWaitForChild = "fork_wait_for_child" 0x1021,
    TaskForPidTrap = "task_for_pid_trap" 0x1022,
    PidForTaskTrap = "pid_for_task_trap" 0x1023,
    SetDyldInfo = "set_dyld_info" 0x1024,
    StopAfterExec = "stop_after_exec" 0x1025,
    KernelPrintk = "kernel_printk" 0x1026,
    PathAt = "path_at" 0x1027,
    PsynchRwRdlock = "psynch_rw_rdlock" 0x1028,
    PsynchRwWrlock = "psynch_rw_wrlock" 0x1029,
    PsynchRwUnlock = "psynch_rw_unlock" 0x102a,
    PsynchCvclrprepost = "psynch_cvclrprepost" 0x102b,
    GetTracer = "get_tracer" 0x102c,
    TidForThread = "tid_for_thread" 0x102d,
    Getuidgid = "getuidgid" 0x102e,
    Setuidgid = "setuidgid" 0x102f,
    TaskNameForPidTrap = "task_name_for_pid_trap" 0x1030,
    SetTracer = "set_tracer" 0x1031,
    PthreadMarkcancel = "pthread_markcancel" 0x1032,
    PthreadCanceled = "pthread_canceled" 0x1033,
    PidGetState = "pid_get_state" 0x1034,
    StartedSuspended = "started_suspended" 0x1035,
    Task64bit = "task_64bit" 0x1036,
    KernelrpcMachVmAllocateTrap = "_kernelrpc_mach_vm_allocate_trap" 0x1037,
    KernelrpcMachVmDeallocateTrap = "_kernelrpc_mach_vm_deallocate_trap" 0x1038,
    LastTriggeredWatchpoint = "last_triggered_watchpoint" 0x1039,
    Vchroot = "vchroot" 0x103a,
    VchrootExpand = "vchroot_expand" 0x103b,
    VchrootFdpath = "vchroot_fdpath" 0x103c,
    HandleToPath = "handle_to_path" 0x103d,
    FileportMakeport = "fileport_makeport" 0x103e,
    FileportMakefd = "fileport_makefd" 0x103f,
    Sigprocess = "sigprocess" 0x1040,
    PtraceThupdate = "ptrace_thupdate" 0x1041,
    PtraceSigexc = "ptrace_sigexc" 0x1042,
    ThreadSuspended = "thread_suspended" 0x1043,
    SetThreadHandles = "set_thread_handles" 0x1044,
    ThreadGetSpecialReplyPort = "thread_get_special_reply_port" 0x1045,
    KernelrpcMachPortRequestNotificationTrap = "_kernelrpc_mach_port_request_notification_trap" 0x1046,
    KernelrpcMachPortTypeTrap = "_kernelrpc_mach_port_type_trap" 0x1047,
    KernelrpcMachPortGetAttributesTrap = "_kernelrpc_mach_port_get_attributes_trap" 0x1048,
    KernelrpcMachPortConstructTrap = "_kernelrpc_mach_port_construct_trap" 0x1049,
    KernelrpcMachPortDestructTrap = "_kernelrpc_mach_port_destruct_trap" 0x104a,
    KernelrpcMachPortGuardTrap = "_kernelrpc_mach_port_guard_trap" 0x104b,
    KernelrpcMachPortUnguardTrap = "_kernelrpc_mach_port_unguard_trap" 0x104c,
    KqueueCreate = "kqueue_create" 0x104d,
    Kevent = "kevent" 0x104e,
    Kevent64 = "kevent64" 0x104f,
    KeventQos = "kevent_qos" 0x1050,
    ClosingDescriptor = "closing_descriptor" 0x1051,
}
