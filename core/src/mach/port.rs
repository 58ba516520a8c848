//! Ports and the names of rights (`osfmk/ipc/mach_kernelrpc.c`, `osfmk/kern/ipc_tt.c`).

use super::{name, serve};
use crate::kernel::Kernel;
use crate::lkm::Lkm;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserAddr;
use xnu_abi::lkm::Trap;
use xnu_abi::lkm::args::{
    MachPortAllocateArgs, MachPortConstructArgs, MachPortDeallocateArgs, MachPortDestructArgs,
    MachPortExtractMemberArgs, MachPortGetAttributesArgs, MachPortGuardArgs, MachPortInsertMemberArgs,
    MachPortInsertRightArgs, MachPortModRefsArgs, MachPortMoveMemberArgs, MachPortRequestNotificationArgs,
    MachPortTypeArgs, MachPortUnguardArgs,
};

/// `mach_reply_port`: a new receive right.
pub fn reply_port<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    Ok(name(cx.lkm(), Trap::MachReplyPort))
}

/// `thread_get_special_reply_port`: the thread's own receive right for answers.
pub fn special_reply_port<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>) -> SysResult<u32> {
    Ok(name(cx.lkm(), Trap::ThreadGetSpecialReplyPort))
}

/// `mach_port_allocate`: a new receive right, port set or dead name.
pub fn allocate<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    right: u32,
    name: UserAddr,
) -> SysResult<i32> {
    let args = MachPortAllocateArgs {
        task_right_name: target,
        right_type: right as i32,
        out_right_name: name.get(),
    };
    serve(cx.lkm(), Trap::KernelrpcMachPortAllocate, args)
}

/// `mach_port_deallocate`: one reference less of a send right, send-once right or dead name.
pub fn deallocate<K: Kernel, L: Lkm>(cx: &mut Context<'_, K, L>, target: u32, name: u32) -> SysResult<i32> {
    let args = MachPortDeallocateArgs { task_right_name: target, port_right_name: name };
    serve(cx.lkm(), Trap::KernelrpcMachPortDeallocate, args)
}

/// `mach_port_mod_refs`: more or fewer references of a right.
pub fn mod_refs<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    name: u32,
    right: u32,
    delta: i32,
) -> SysResult<i32> {
    let args = MachPortModRefsArgs {
        task_right_name: target,
        port_right_name: name,
        right_type: right as i32,
        delta,
    };
    serve(cx.lkm(), Trap::KernelrpcMachPortModRefs, args)
}

/// `mach_port_move_member`: a receive right goes into this port set and out of all others.
pub fn move_member<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    member: u32,
    after: u32,
) -> SysResult<i32> {
    let args =
        MachPortMoveMemberArgs { task_right_name: target, port_right_name: member, pset_right_name: after };
    serve(cx.lkm(), Trap::KernelrpcMachPortMoveMemberTrap, args)
}

/// `mach_port_insert_member`: a receive right goes into one more port set.
pub fn insert_member<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    name: u32,
    set: u32,
) -> SysResult<i32> {
    let args =
        MachPortInsertMemberArgs { task_right_name: target, port_right_name: name, pset_right_name: set };
    serve(cx.lkm(), Trap::KernelrpcMachPortInsertMemberTrap, args)
}

/// `mach_port_extract_member`: a receive right goes out of a port set.
pub fn extract_member<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    name: u32,
    set: u32,
) -> SysResult<i32> {
    let args =
        MachPortExtractMemberArgs { task_right_name: target, port_right_name: name, pset_right_name: set };
    serve(cx.lkm(), Trap::KernelrpcMachPortExtractMemberTrap, args)
}

/// `mach_port_insert_right`: a right of the caller's under a name of its choice.
pub fn insert_right<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    name: u32,
    right: u32,
    disposition: u32,
) -> SysResult<i32> {
    let args = MachPortInsertRightArgs {
        task_right_name: target,
        port_name: name,
        right_name: right,
        right_type: disposition as i32,
    };
    serve(cx.lkm(), Trap::KernelrpcMachPortInsertRightTrap, args)
}

/// `mach_port_construct`: a new receive right with the options and the guard that are wanted.
pub fn construct<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    options: UserAddr,
    context: u64,
    name: UserAddr,
) -> SysResult<i32> {
    let args = MachPortConstructArgs {
        task_right_name: target,
        options: options.get(),
        context,
        port_right_name_out: name.get(),
    };
    serve(cx.lkm(), Trap::KernelrpcMachPortConstructTrap, args)
}

/// `mach_port_destruct`: a receive right goes, with so many references of the send right of its name.
pub fn destruct<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    name: u32,
    srdelta: i32,
    guard: u64,
) -> SysResult<i32> {
    let args = MachPortDestructArgs {
        task_right_name: target,
        port_right_name: name,
        srdelta: i64::from(srdelta) as u64,
        guard,
    };
    serve(cx.lkm(), Trap::KernelrpcMachPortDestructTrap, args)
}

/// `mach_port_get_attributes`.
pub fn get_attributes<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    name: u32,
    flavor: i32,
    info: UserAddr,
    count: UserAddr,
) -> SysResult<i32> {
    let args = MachPortGetAttributesArgs {
        task_right_name: target,
        port_right_name: name,
        flavor,
        info_out: info.get(),
        count_out: count.get(),
    };
    serve(cx.lkm(), Trap::KernelrpcMachPortGetAttributesTrap, args)
}

/// `mach_port_guard`: only who knows the guard can do away with the receive right.
pub fn guard<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    name: u32,
    guard: u64,
    strict: i32,
) -> SysResult<i32> {
    let args = MachPortGuardArgs {
        task_right_name: target,
        port_right_name: name,
        guard,
        strict: u8::from(strict != 0),
    };
    serve(cx.lkm(), Trap::KernelrpcMachPortGuardTrap, args)
}

/// `mach_port_unguard`.
pub fn unguard<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    name: u32,
    guard: u64,
) -> SysResult<i32> {
    let args = MachPortUnguardArgs { task_right_name: target, port_right_name: name, guard };
    serve(cx.lkm(), Trap::KernelrpcMachPortUnguardTrap, args)
}

/// `mach_port_type`: which rights a name stands for.
pub fn kinds<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    name: u32,
    kinds: UserAddr,
) -> SysResult<i32> {
    let args =
        MachPortTypeArgs { task_right_name: target, port_right_name: name, port_type_out: kinds.get() };
    serve(cx.lkm(), Trap::KernelrpcMachPortTypeTrap, args)
}

/// `mach_port_request_notification`: a message when something becomes of a right.
#[allow(clippy::too_many_arguments)]
pub fn request_notification<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    target: u32,
    name: u32,
    id: i32,
    sync: u32,
    notify: u32,
    disposition: u32,
    previous: UserAddr,
) -> SysResult<i32> {
    let args = MachPortRequestNotificationArgs {
        task_right_name: target,
        port_right_name: name,
        message_id: id,
        make_send_count: sync,
        notification_destination_port_name: notify,
        message_type: disposition,
        previous_destination_port_name_out: previous.get(),
    };
    serve(cx.lkm(), Trap::KernelrpcMachPortRequestNotificationTrap, args)
}
