//! The packed structures that the traps take (`lkm/api.h` of Darling's module; offsets of x86-64).
//!
//! Pointers and guest addresses are `u64`. Structures of the psynch, kevent and bsdthread traps keep each field in
//! a slot of eight bytes. None needs alignment.

use crate::layout::layouts;

layouts! {
    /// Where the registers of a thread are read and written back: general ones, and those of the floating-point
    /// unit, as the Mach states of those names.
    #[repr(C, packed)]
    struct ThreadStatePointers = "thread_state", 16 bytes, align 1 {
        0 thread: u64,
        8 float: u64,
    }

    /// Of [`super::Trap::KernelrpcMachPortModRefs`]: in.
    #[repr(C, packed)]
    struct MachPortModRefsArgs = "mach_port_mod_refs_args", 16 bytes, align 1 {
         0 task_right_name: u32,
         4 port_right_name: u32,
         8 right_type: i32,
        12 delta: i32,
    }

    /// Of [`super::Trap::KernelrpcMachPortAllocate`]: in; name written through `out_right_name`.
    #[repr(C, packed)]
    struct MachPortAllocateArgs = "mach_port_allocate_args", 16 bytes, align 1 {
        0 task_right_name: u32,
        4 right_type: i32,
        8 out_right_name: u64,
    }

    /// Of [`super::Trap::MachMsgOverwriteTrap`]: in; messages come through `msg`, or `rcv_msg` when that is not 0.
    #[repr(C, packed)]
    struct MachMsgOverwriteArgs = "mach_msg_overwrite_args", 44 bytes, align 1 {
         0 msg: u64,
         8 option: u32,
        12 send_size: u32,
        16 recv_size: u32,
        20 rcv_name: u32,
        24 timeout: u32,
        28 notify: u32,
        32 rcv_msg: u64,
        40 rcv_limit: u32,
    }

    /// Of [`super::Trap::KernelrpcMachPortDeallocate`]: in.
    #[repr(C, packed)]
    struct MachPortDeallocateArgs = "mach_port_deallocate_args", 8 bytes, align 1 {
        0 task_right_name: u32,
        4 port_right_name: u32,
    }

    /// Of [`super::Trap::KernelrpcMachPortDestroy`]: in.
    #[repr(C, packed)]
    struct MachPortDestroyArgs = "mach_port_destroy_args", 8 bytes, align 1 {
        0 task_right_name: u32,
        4 port_right_name: u32,
    }

    /// Of [`super::Trap::SemaphoreSignalTrap`]: in.
    #[repr(C, packed)]
    struct SemaphoreSignalArgs = "semaphore_signal_args", 4 bytes, align 1 {
        0 signal: u32,
    }

    /// Of [`super::Trap::SemaphoreSignalAllTrap`]: in.
    #[repr(C, packed)]
    struct SemaphoreSignalAllArgs = "semaphore_signal_all_args", 4 bytes, align 1 {
        0 signal: u32,
    }

    /// Of [`super::Trap::SemaphoreWaitTrap`]: in.
    #[repr(C, packed)]
    struct SemaphoreWaitArgs = "semaphore_wait_args", 4 bytes, align 1 {
        0 signal: u32,
    }

    /// Of [`super::Trap::SemaphoreWaitSignalTrap`]: in.
    #[repr(C, packed)]
    struct SemaphoreWaitSignalArgs = "semaphore_wait_signal_args", 8 bytes, align 1 {
        0 wait: u32,
        4 signal: u32,
    }

    /// Of [`super::Trap::SemaphoreTimedwaitSignalTrap`]: in.
    #[repr(C, packed)]
    struct SemaphoreTimedwaitSignalArgs = "semaphore_timedwait_signal_args", 16 bytes, align 1 {
         0 wait: u32,
         4 signal: u32,
         8 sec: u32,
        12 nsec: u32,
    }

    /// Of [`super::Trap::SemaphoreTimedwaitTrap`]: in.
    #[repr(C, packed)]
    struct SemaphoreTimedwaitArgs = "semaphore_timedwait_args", 12 bytes, align 1 {
        0 wait: u32,
        4 sec: u32,
        8 nsec: u32,
    }

    /// Of [`super::Trap::BsdIoctlTrap`]: in.
    #[repr(C, packed)]
    struct BsdIoctlArgs = "bsd_ioctl_args", 20 bytes, align 1 {
         0 fd: i32,
         4 request: u64,
        12 arg: u64,
    }

    /// Of [`super::Trap::BsdthreadTerminateTrap`]: in.
    #[repr(C, packed)]
    struct BsdthreadTerminateArgs = "bsdthread_terminate_args", 32 bytes, align 1 {
         0 stackaddr: u64,
         8 freesize: u64,
        16 port: u32,
        20 _pad: u32,
        24 sem: u32,
        28 _pad1: u32,
    }

    /// Of [`super::Trap::PsynchMutexwaitTrap`]: in.
    #[repr(C, packed)]
    struct PsynchMutexwaitArgs = "psynch_mutexwait_args", 40 bytes, align 1 {
         0 mutex: u64,
         8 mgen: u32,
        12 _pad: u32,
        16 ugen: u32,
        20 _pad1: u32,
        24 tid: u64,
        32 flags: u32,
        36 _pad2: u32,
    }

    /// Of [`super::Trap::PsynchMutexdropTrap`]: in.
    #[repr(C, packed)]
    struct PsynchMutexdropArgs = "psynch_mutexdrop_args", 40 bytes, align 1 {
         0 mutex: u64,
         8 mgen: u32,
        12 _pad: u32,
        16 ugen: u32,
        20 _pad1: u32,
        24 tid: u64,
        32 flags: u32,
        36 _pad2: u32,
    }

    /// Of [`super::Trap::PthreadKillTrap`]: in.
    #[repr(C, packed)]
    struct PthreadKillArgs = "pthread_kill_args", 8 bytes, align 1 {
        0 thread_port: i32,
        4 sig: i32,
    }

    /// Of [`super::Trap::PsynchCvwaitTrap`]: in.
    #[repr(C, packed)]
    struct PsynchCvwaitArgs = "psynch_cvwait_args", 64 bytes, align 1 {
         0 cv: u64,
         8 cvlsgen: u64,
        16 cvugen: u32,
        20 _pad: u32,
        24 mutex: u64,
        32 mugen: u64,
        40 flags: u32,
        44 _pad1: u32,
        48 sec: i64,
        56 nsec: u32,
        60 _pad2: u32,
    }

    /// Of [`super::Trap::PsynchCvsignalTrap`]: in.
    #[repr(C, packed)]
    struct PsynchCvsignalArgs = "psynch_cvsignal_args", 64 bytes, align 1 {
         0 cv: u64,
         8 cvlsgen: u64,
        16 cvugen: u32,
        20 _pad: u32,
        24 thread_port: i32,
        28 _pad1: u32,
        32 mutex: u64,
        40 mugen: u64,
        48 tid: u64,
        56 flags: u32,
        60 _pad2: u32,
    }

    /// Of [`super::Trap::PsynchCvbroadTrap`]: in.
    #[repr(C, packed)]
    struct PsynchCvbroadArgs = "psynch_cvbroad_args", 56 bytes, align 1 {
         0 cv: u64,
         8 cvlsgen: u64,
        16 cvudgen: u64,
        24 flags: u32,
        28 _pad: u32,
        32 mutex: u64,
        40 mugen: u64,
        48 tid: u64,
    }

    /// Of [`super::Trap::MkTimerArmTrap`]: in.
    #[repr(C, packed)]
    struct MkTimerArmArgs = "mk_timer_arm_args", 12 bytes, align 1 {
        0 timer_port: u32,
        4 expire_time: u64,
    }

    /// Of [`super::Trap::MkTimerCancelTrap`]: in; old expiry written through `result_time` when that is not 0.
    #[repr(C, packed)]
    struct MkTimerCancelArgs = "mk_timer_cancel_args", 12 bytes, align 1 {
        0 timer_port: u32,
        4 result_time: u64,
    }

    /// Of [`super::Trap::MkTimerDestroyTrap`]: in.
    #[repr(C, packed)]
    struct MkTimerDestroyArgs = "mk_timer_destroy_args", 4 bytes, align 1 {
        0 timer_port: u32,
    }

    /// Of [`super::Trap::KernelrpcMachPortMoveMemberTrap`]: in.
    #[repr(C, packed)]
    struct MachPortMoveMemberArgs = "mach_port_move_member_args", 12 bytes, align 1 {
        0 task_right_name: u32,
        4 port_right_name: u32,
        8 pset_right_name: u32,
    }

    /// Of [`super::Trap::KernelrpcMachPortInsertMemberTrap`]: in.
    #[repr(C, packed)]
    struct MachPortInsertMemberArgs = "mach_port_insert_member_args", 12 bytes, align 1 {
        0 task_right_name: u32,
        4 port_right_name: u32,
        8 pset_right_name: u32,
    }

    /// Of [`super::Trap::KernelrpcMachPortExtractMemberTrap`]: in.
    #[repr(C, packed)]
    struct MachPortExtractMemberArgs = "mach_port_extract_member_args", 12 bytes, align 1 {
        0 task_right_name: u32,
        4 port_right_name: u32,
        8 pset_right_name: u32,
    }

    /// Of [`super::Trap::KernelrpcMachPortInsertRightTrap`]: in.
    #[repr(C, packed)]
    struct MachPortInsertRightArgs = "mach_port_insert_right_args", 16 bytes, align 1 {
         0 task_right_name: u32,
         4 port_name: u32,
         8 right_name: u32,
        12 right_type: i32,
    }

    /// Of [`super::Trap::TaskForPidTrap`]: in; name written through `task_port`.
    #[repr(C, packed)]
    struct TaskForPidArgs = "task_for_pid", 12 bytes, align 1 {
        0 pid: u32,
        4 task_port: u64,
    }

    /// Of [`super::Trap::PidForTaskTrap`]: in; pid written through `pid`.
    #[repr(C, packed)]
    struct PidForTaskArgs = "pid_for_task", 12 bytes, align 1 {
        0 task_port: u32,
        4 pid: u64,
    }

    /// Of [`super::Trap::SetDyldInfo`]: in.
    #[repr(C, packed)]
    struct SetDyldInfoArgs = "set_dyld_info_args", 12 bytes, align 1 {
        0 all_images_address: u64,
        8 all_images_length: u32,
    }

    /// Of [`super::Trap::KernelPrintk`]: in.
    #[repr(C, packed)]
    struct KernelPrintkArgs = "kernel_printk_args", 512 bytes, align 1 {
        0 buf: [u8; 512],
    }

    /// Of [`super::Trap::PathAt`]: in; path written through `path_out`.
    #[repr(C, packed)]
    struct PathAtArgs = "path_at_args", 24 bytes, align 1 {
         0 fd: i32,
         4 path: u64,
        12 path_out: u64,
        20 max_path_out: u32,
    }

    /// Of [`super::Trap::PsynchRwRdlock`]: in.
    #[repr(C, packed)]
    struct PsynchRwRdlockArgs = "psynch_rw_rdlock_args", 40 bytes, align 1 {
         0 rwlock: u64,
         8 lgenval: u32,
        12 _pad: u32,
        16 ugenval: u32,
        20 _pad1: u32,
        24 rw_wc: u32,
        28 _pad2: u32,
        32 flags: i32,
        36 _pad3: u32,
    }

    /// Of [`super::Trap::PsynchRwWrlock`]: in.
    #[repr(C, packed)]
    struct PsynchRwWrlockArgs = "psynch_rw_wrlock_args", 40 bytes, align 1 {
         0 rwlock: u64,
         8 lgenval: u32,
        12 _pad: u32,
        16 ugenval: u32,
        20 _pad1: u32,
        24 rw_wc: u32,
        28 _pad2: u32,
        32 flags: i32,
        36 _pad3: u32,
    }

    /// Of [`super::Trap::PsynchRwUnlock`]: in.
    #[repr(C, packed)]
    struct PsynchRwUnlockArgs = "psynch_rw_unlock_args", 40 bytes, align 1 {
         0 rwlock: u64,
         8 lgenval: u32,
        12 _pad: u32,
        16 ugenval: u32,
        20 _pad1: u32,
        24 rw_wc: u32,
        28 _pad2: u32,
        32 flags: i32,
        36 _pad3: u32,
    }

    /// Of [`super::Trap::PsynchCvclrprepost`]: in.
    #[repr(C, packed)]
    struct PsynchCvclrprepostArgs = "psynch_cvclrprepost_args", 56 bytes, align 1 {
         0 cv: u64,
         8 cvgen: u32,
        12 _pad: u32,
        16 cvugen: u32,
        20 _pad1: u32,
        24 cvsgen: u32,
        28 _pad2: u32,
        32 prepocnt: u32,
        36 _pad3: u32,
        40 preposeq: u32,
        44 _pad4: u32,
        48 flags: u32,
        52 _pad5: u32,
    }

    /// Of [`super::Trap::Getuidgid`] and [`super::Trap::Setuidgid`]: in when setting, out when getting.
    #[repr(C, packed)]
    struct UidgidArgs = "uidgid", 8 bytes, align 1 {
        0 uid: i32,
        4 gid: i32,
    }

    /// Of [`super::Trap::TaskNameForPidTrap`]: in `pid`, out `name_out`; `task_port` is ignored.
    #[repr(C, packed)]
    struct TaskNameForPidArgs = "task_name_for_pid", 12 bytes, align 1 {
        0 task_port: i32,
        4 pid: i32,
        8 name_out: i32,
    }

    /// Of [`super::Trap::SetTracer`]: in.
    #[repr(C, packed)]
    struct SetTracerArgs = "set_tracer_args", 8 bytes, align 1 {
        0 target: i32,
        4 tracer: i32,
    }

    /// Of [`super::Trap::KernelrpcMachVmAllocateTrap`]: in; `address` out as well.
    #[repr(C, packed)]
    struct MachVmAllocateArgs = "mach_vm_allocate_args", 24 bytes, align 1 {
         0 target: u32,
         4 address: u64,
        12 size: u64,
        20 flags: u32,
    }

    /// Of [`super::Trap::KernelrpcMachVmDeallocateTrap`]: in.
    #[repr(C, packed)]
    struct MachVmDeallocateArgs = "mach_vm_deallocate_args", 20 bytes, align 1 {
         0 target: u32,
         4 address: u64,
        12 size: u64,
    }

    /// Of [`super::Trap::LastTriggeredWatchpoint`]: out.
    #[repr(C, packed)]
    struct LastTriggeredWatchpointArgs = "last_triggered_watchpoint_args", 12 bytes, align 1 {
        0 address: u64,
        8 flags: u32,
    }

    /// Of [`super::Trap::VchrootExpand`]: in; `path` is replaced in place.
    #[repr(C, packed)]
    struct VchrootExpandArgs = "vchroot_expand_args", 4104 bytes, align 1 {
           0 path: [u8; 4096],
        4096 flags: u32,
        4100 dfd: i32,
    }

    /// Of [`super::Trap::VchrootFdpath`]: in; path written through `path`.
    #[repr(C, packed)]
    struct VchrootFdpathArgs = "vchroot_fdpath_args", 16 bytes, align 1 {
         0 fd: i32,
         4 path: u64,
        12 maxlen: u32,
    }

    /// Of [`super::Trap::HandleToPath`]: in `mfd` and `fh`, out `path`.
    #[repr(C, packed)]
    struct HandleToPathArgs = "handle_to_path_args", 4180 bytes, align 1 {
         0 mfd: i32,
         4 fh: [u8; 80],
        84 path: [u8; 4096],
    }

    /// Of [`super::Trap::FileportMakeport`]: in `fd`, out `port_out`.
    #[repr(C, packed)]
    struct FileportMakeportArgs = "fileport_makeport_args", 8 bytes, align 1 {
        0 fd: i32,
        4 port_out: i32,
    }

    /// Of [`super::Trap::Sigprocess`]: in; `signum` out as well, and the registers through the pointers of `state`.
    /// `siginfo` is Linux's structure.
    #[repr(C, packed)]
    struct SigprocessArgs = "sigprocess_args", 148 bytes, align 1 {
         0 signum: i32,
         4 state: ThreadStatePointers,
        20 siginfo: [u8; 128],
    }

    /// Of [`super::Trap::PtraceThupdate`]: in.
    #[repr(C, packed)]
    struct PtraceThupdateArgs = "ptrace_thupdate_args", 8 bytes, align 1 {
        0 tid: i32,
        4 signum: i32,
    }

    /// Of [`super::Trap::PtraceSigexc`]: in.
    #[repr(C, packed)]
    struct PtraceSigexcArgs = "ptrace_sigexc_args", 8 bytes, align 1 {
        0 pid: i32,
        4 sigexc: i32,
    }

    /// Of [`super::Trap::ThreadSuspended`]: in; the registers are read and written back through the pointers.
    #[repr(C, packed)]
    struct ThreadSuspendedArgs = "thread_suspended_args", 16 bytes, align 1 {
        0 state: ThreadStatePointers,
    }

    /// Of [`super::Trap::SetThreadHandles`]: in.
    #[repr(C, packed)]
    struct SetThreadHandlesArgs = "set_thread_handles_args", 16 bytes, align 1 {
        0 pthread_handle: u64,
        8 dispatch_qaddr: u64,
    }

    /// Of [`super::Trap::KernelrpcMachPortRequestNotificationTrap`]: in; previous name written through
    /// `previous_destination_port_name_out`.
    #[repr(C, packed)]
    struct MachPortRequestNotificationArgs = "mach_port_request_notification_args", 32 bytes, align 1 {
         0 task_right_name: u32,
         4 port_right_name: u32,
         8 message_id: i32,
        12 make_send_count: u32,
        16 notification_destination_port_name: u32,
        20 message_type: u32,
        24 previous_destination_port_name_out: u64,
    }

    /// Of [`super::Trap::KernelrpcMachPortTypeTrap`]: in; type bits written through `port_type_out`.
    #[repr(C, packed)]
    struct MachPortTypeArgs = "mach_port_type_args", 16 bytes, align 1 {
        0 task_right_name: u32,
        4 port_right_name: u32,
        8 port_type_out: u64,
    }

    /// Of [`super::Trap::KernelrpcMachPortGetAttributesTrap`]: in; data and count written through
    /// `info_out` and `count_out`.
    #[repr(C, packed)]
    struct MachPortGetAttributesArgs = "mach_port_get_attributes_args", 28 bytes, align 1 {
         0 task_right_name: u32,
         4 port_right_name: u32,
         8 flavor: i32,
        12 info_out: u64,
        20 count_out: u64,
    }

    /// Of [`super::Trap::KernelrpcMachPortConstructTrap`]: in; name written through `port_right_name_out`.
    #[repr(C, packed)]
    struct MachPortConstructArgs = "mach_port_construct_args", 28 bytes, align 1 {
         0 task_right_name: u32,
         4 options: u64,
        12 context: u64,
        20 port_right_name_out: u64,
    }

    /// Of [`super::Trap::KernelrpcMachPortDestructTrap`]: in.
    #[repr(C, packed)]
    struct MachPortDestructArgs = "mach_port_destruct_args", 24 bytes, align 1 {
         0 task_right_name: u32,
         4 port_right_name: u32,
         8 srdelta: u64,
        16 guard: u64,
    }

    /// Of [`super::Trap::KernelrpcMachPortGuardTrap`]: in.
    #[repr(C, packed)]
    struct MachPortGuardArgs = "mach_port_guard_args", 17 bytes, align 1 {
         0 task_right_name: u32,
         4 port_right_name: u32,
         8 guard: u64,
        16 strict: u8,
    }

    /// Of [`super::Trap::KernelrpcMachPortUnguardTrap`]: in.
    #[repr(C, packed)]
    struct MachPortUnguardArgs = "mach_port_unguard_args", 16 bytes, align 1 {
        0 task_right_name: u32,
        4 port_right_name: u32,
        8 guard: u64,
    }

    /// Of [`super::Trap::Kevent`]: in; events written through `eventlist`.
    #[repr(C, packed)]
    struct KeventArgs = "kevent_args", 48 bytes, align 1 {
         0 fd: i32,
         4 _pad: u32,
         8 changelist: u64,
        16 nchanges: i32,
        20 _pad1: u32,
        24 eventlist: u64,
        32 nevents: i32,
        36 _pad2: u32,
        40 timeout: u64,
    }

    /// Of [`super::Trap::Kevent64`]: in; events written through `eventlist`.
    #[repr(C, packed)]
    struct Kevent64Args = "kevent64_args", 56 bytes, align 1 {
         0 fd: i32,
         4 _pad: u32,
         8 changelist: u64,
        16 nchanges: i32,
        20 _pad1: u32,
        24 eventlist: u64,
        32 nevents: i32,
        36 _pad2: u32,
        40 flags: u32,
        44 _pad3: u32,
        48 timeout: u64,
    }

    /// Of [`super::Trap::KeventQos`]: in; events written through `eventlist`, data through `data_out` and
    /// `data_available`.
    #[repr(C, packed)]
    struct KeventQosArgs = "kevent_qos_args", 64 bytes, align 1 {
         0 fd: i32,
         4 _pad: u32,
         8 changelist: u64,
        16 nchanges: i32,
        20 _pad1: u32,
        24 eventlist: u64,
        32 nevents: i32,
        36 _pad2: u32,
        40 data_out: u64,
        48 data_available: u64,
        56 flags: u32,
        60 _pad3: u32,
    }

    /// Of [`super::Trap::ClosingDescriptor`]: in.
    #[repr(C, packed)]
    struct ClosingDescriptorArgs = "closing_descriptor_args", 4 bytes, align 1 {
        0 fd: i32,
    }
}
