//! The traps of `/dev/mach`, row by row of `tests/data/lkm_traps.tsv`, and by what they do.

mod common;

use common::message::Message;
use common::{RECEIVE, World};
use xnu_abi::darwin::kern_return::{KernReturn, MachMsgReturn};
use xnu_abi::darwin::mach_message::{MsgOption, MsgType as Type};
use xnu_abi::linux::Errno;
use xnu_abi::lkm::args::*;
use xnu_abi::lkm::{ArgKind, Trap};
use xnu_lkm::{Caller, Process, TrapGrade, trap_grade};
use zerocopy::{FromBytes, Immutable, IntoBytes};

const ROWS: &str = include_str!("../../tests/data/lkm_traps.tsv");

/// The rows of the table, as columns.
fn rows() -> Vec<Vec<&'static str>> {
    let rows: Vec<_> =
        ROWS.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 82);
    rows
}

fn number(row: &[&str]) -> u32 {
    u32::from_str_radix(row[1].trim_start_matches("0x"), 16).unwrap()
}

fn kern(result: KernReturn) -> Result<isize, Errno> {
    Ok(result.number() as isize)
}

const ELSEWHERE: Result<isize, Errno> = Ok(MachMsgReturn::MACH_SEND_INVALID_DEST.number() as isize);

/// A task, its own name, and a page for what traps write.
struct Setting {
    world: World,
    a: Caller,
    own: u32,
    page: u64,
}

impl Setting {
    fn value(&self, trap: Trap, value: u64) -> Result<isize, Errno> {
        self.world.trap(self.a, trap.number(), value)
    }

    fn args(&self, trap: Trap, args: impl IntoBytes + Immutable) -> Result<isize, Errno> {
        self.args_back(trap, args).0
    }

    fn args_back<T: IntoBytes + Immutable>(&self, trap: Trap, args: T) -> (Result<isize, Errno>, Vec<u8>) {
        let size = args.as_bytes().len();
        let at = self.world.alloc(self.a, size as u64);
        self.world.write(self.a, at, args.as_bytes());
        let result = self.world.trap(self.a, trap.number(), at);
        (result, self.world.read(self.a, at, size))
    }

    fn word(&self) -> u32 {
        u32::from_le_bytes(self.world.read(self.a, self.page, 4).try_into().unwrap())
    }

    fn allocate(&self) -> u32 {
        let args =
            MachPortAllocateArgs { task_right_name: self.own, right_type: 1, out_right_name: self.page };
        assert_eq!(self.args(Trap::KernelrpcMachPortAllocate, args), Ok(0));
        self.word()
    }
}

fn setting() -> Setting {
    let world = World::new();
    let a = world.task(10);
    let own = world.task_self(a);
    let page = world.alloc(a, 4096);
    Setting { world, a, own, page }
}

#[test]
fn every_row_has_a_grade() {
    let mut served = 0;
    for row in rows() {
        let trap = Trap::new(number(&row)).expect(row[0]);
        assert_eq!(format!("NR_{}", trap.name()), row[0]);
        match trap_grade(trap) {
            TrapGrade::Served => served += 1,
            TrapGrade::Host(reason) | TrapGrade::Refused(reason) => assert!(reason.len() > 10, "{trap:?}"),
            TrapGrade::Reserved => assert!(row[10].contains("ENOSYS always"), "{trap:?}"),
        }
    }
    assert_eq!(served, 53);
}

#[test]
fn bad_pointers_are_efault_in_every_row_with_a_structure() {
    for row in rows() {
        let trap = Trap::new(number(&row)).unwrap();
        let ArgKind::Struct(layout) = trap.argument() else { continue };
        assert_eq!(layout.size.to_string(), row[3], "{trap:?}");
        let Setting { world, a, page, .. } = setting();
        let expected = if trap_grade(trap) == TrapGrade::Reserved { Errno::ENOSYS } else { Errno::EFAULT };
        for bad in [0, 8, 0xffff_8000_0000_0000, u64::MAX, page + 4096 - layout.size as u64 % 4096 + 1] {
            assert_eq!(world.trap(a, trap.number(), bad), Err(expected), "{trap:?} at {bad:#x}");
        }
    }
}

#[test]
fn rows_that_nobody_serves_are_enosys() {
    for trap in Trap::ALL.iter().copied().filter(|trap| trap_grade(*trap) != TrapGrade::Served) {
        let Setting { world, a, .. } = setting();
        let argument = world.alloc(a, 8192);
        assert_eq!(world.trap(a, trap.number(), argument), Err(Errno::ENOSYS), "{trap:?}");
    }
}

#[test]
fn unknown_numbers_are_enosys() {
    let Setting { world, a, page, .. } = setting();
    for number in [0, 1, 0xfff, 0x1052, 0x1053, 0x2000, 0x8000_1000, u32::MAX] {
        assert_eq!(world.trap(a, number, page), Err(Errno::ENOSYS), "{number:#x}");
    }
}

#[test]
fn every_served_row_takes_zeros() {
    // No trap does harm with a structure of zeros; those that wait forever find nothing to wait at.
    for trap in Trap::ALL.iter().copied().filter(|trap| trap_grade(*trap) == TrapGrade::Served) {
        let Setting { world, a, .. } = setting();
        let argument = match trap.argument() {
            ArgKind::Struct(_) => world.alloc(a, 4096),
            _ => 0,
        };
        let result = world.trap(a, trap.number(), argument);
        assert!(result.is_ok() || result.is_err_and(|error| error != Errno::ENOSYS), "{trap:?}: {result:?}");
    }
}

#[test]
fn names_are_answered() {
    let setting = setting();
    assert_eq!(setting.value(Trap::GetApiVersion, 0), Ok(19));
    assert_eq!(setting.value(Trap::TaskSelfTrap, 0), Ok(setting.own as isize));
    for trap in [Trap::HostSelfTrap, Trap::ThreadSelfTrap, Trap::MachReplyPort, Trap::MkTimerCreateTrap] {
        let name = setting.value(trap, 0).unwrap() as u32;
        assert!(setting.world.kinds(setting.a, name).is_some(), "{trap:?}");
    }
}

#[test]
fn ports_are_made_changed_and_destroyed() {
    let setting = setting();
    let Setting { world, a, own, page, .. } = &setting;
    let name = setting.allocate();
    assert_eq!(world.kinds(*a, name), Some(RECEIVE));
    let insert = MachPortInsertRightArgs {
        task_right_name: *own,
        port_name: name,
        right_name: name,
        right_type: Type::MACH_MSG_TYPE_MAKE_SEND.number() as i32,
    };
    assert_eq!(setting.args(Trap::KernelrpcMachPortInsertRightTrap, insert), Ok(0));
    let refs = MachPortModRefsArgs { task_right_name: *own, port_right_name: name, right_type: 0, delta: 3 };
    assert_eq!(setting.args(Trap::KernelrpcMachPortModRefs, refs), Ok(0));
    let drop = MachPortModRefsArgs { delta: -5, ..refs };
    assert_eq!(setting.args(Trap::KernelrpcMachPortModRefs, drop), kern(KernReturn::KERN_INVALID_VALUE));
    let kinds = MachPortTypeArgs { task_right_name: *own, port_right_name: name, port_type_out: *page };
    assert_eq!(setting.args(Trap::KernelrpcMachPortTypeTrap, kinds), Ok(0));
    assert_eq!(setting.word(), 0x3_0000);
    let unwritable = MachPortTypeArgs { port_type_out: 8, ..kinds };
    assert_eq!(setting.args(Trap::KernelrpcMachPortTypeTrap, unwritable), Err(Errno::EFAULT));
    let one = MachPortDeallocateArgs { task_right_name: *own, port_right_name: name };
    assert_eq!(setting.args(Trap::KernelrpcMachPortDeallocate, one), Ok(0));
    let all = MachPortDestroyArgs { task_right_name: *own, port_right_name: name };
    assert_eq!(setting.args(Trap::KernelrpcMachPortDestroy, all), Ok(0));
    assert_eq!(world.kinds(*a, name), None);
    assert_eq!(setting.args(Trap::KernelrpcMachPortDestroy, all), kern(KernReturn::KERN_INVALID_NAME));
}

#[test]
fn other_tasks_are_asked_by_message() {
    let setting = setting();
    let there = setting.world.task(11);
    let pid = TaskForPidArgs { pid: 11, task_port: setting.page };
    assert_eq!(setting.args(Trap::TaskForPidTrap, pid), Ok(0));
    let other = setting.word();
    for target in [other, 0, 0x12303, u32::MAX] {
        let args =
            MachPortAllocateArgs { task_right_name: target, right_type: 1, out_right_name: setting.page };
        assert_eq!(setting.args(Trap::KernelrpcMachPortAllocate, args), ELSEWHERE);
        let args = MachVmDeallocateArgs { target, address: 0x1000, size: 1 };
        assert_eq!(setting.args(Trap::KernelrpcMachVmDeallocateTrap, args), ELSEWHERE);
    }
    assert_eq!(setting.world.mach_port_names(there, there.task).unwrap().len(), 0);
}

#[test]
fn sets_guards_and_attributes() {
    let setting = setting();
    let own = setting.own;
    let (name, set) = (setting.allocate(), setting.world.set(setting.a));
    let join = MachPortInsertMemberArgs { task_right_name: own, port_right_name: name, pset_right_name: set };
    assert_eq!(setting.args(Trap::KernelrpcMachPortInsertMemberTrap, join), Ok(0));
    assert_eq!(
        setting.args(Trap::KernelrpcMachPortInsertMemberTrap, join),
        kern(KernReturn::KERN_ALREADY_IN_SET)
    );
    let leave =
        MachPortExtractMemberArgs { task_right_name: own, port_right_name: name, pset_right_name: set };
    assert_eq!(setting.args(Trap::KernelrpcMachPortExtractMemberTrap, leave), Ok(0));
    let none = MachPortMoveMemberArgs { task_right_name: own, port_right_name: name, pset_right_name: 0 };
    assert_eq!(setting.args(Trap::KernelrpcMachPortMoveMemberTrap, none), kern(KernReturn::KERN_NOT_IN_SET));
    let guard = MachPortGuardArgs { task_right_name: own, port_right_name: name, guard: 77, strict: 1 };
    assert_eq!(setting.args(Trap::KernelrpcMachPortGuardTrap, guard), Ok(0));
    let (count, info) = (setting.page, setting.page + 8);
    setting.world.write(setting.a, count, &100_u32.to_le_bytes());
    let status = MachPortGetAttributesArgs {
        task_right_name: own,
        port_right_name: name,
        flavor: 2,
        info_out: info,
        count_out: count,
    };
    assert_eq!(setting.args(Trap::KernelrpcMachPortGetAttributesTrap, status), Ok(0));
    assert_eq!(setting.word(), 10);
    let flags = setting.world.read(setting.a, info + 36, 4);
    assert_eq!(flags, [6, 0, 0, 0], "guarded, strictly");
    let wrong = MachPortUnguardArgs { task_right_name: own, port_right_name: name, guard: 78 };
    assert_eq!(
        setting.args(Trap::KernelrpcMachPortUnguardTrap, wrong),
        kern(KernReturn::KERN_INVALID_ARGUMENT)
    );
    let destruct =
        MachPortDestructArgs { task_right_name: own, port_right_name: name, srdelta: 0, guard: 77 };
    assert_eq!(setting.args(Trap::KernelrpcMachPortDestructTrap, destruct), Ok(0));
}

#[test]
fn ports_are_constructed_by_options_in_memory() {
    let setting = setting();
    let options = setting.page + 64;
    // MPO_QLIMIT and MPO_INSERT_SEND_RIGHT, a limit of 9.
    let words: Vec<u8> = [0x12_u32, 9, 0, 0, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect();
    setting.world.write(setting.a, options, &words);
    let args = MachPortConstructArgs {
        task_right_name: setting.own,
        options,
        context: 5,
        port_right_name_out: setting.page,
    };
    assert_eq!(setting.args(Trap::KernelrpcMachPortConstructTrap, args), Ok(0));
    let name = setting.word();
    assert_eq!(setting.world.kinds(setting.a, name), Some(RECEIVE | common::SEND));
    assert_eq!(setting.world.mach_port_get_context(setting.a, setting.a.task, name), Ok(5));
    let bad = MachPortConstructArgs { options: 16, ..args };
    assert_eq!(setting.args(Trap::KernelrpcMachPortConstructTrap, bad), Err(Errno::EFAULT));
}

#[test]
fn notifications_are_requested() {
    let setting = setting();
    let (name, notify) = (setting.allocate(), setting.allocate());
    let args = MachPortRequestNotificationArgs {
        task_right_name: setting.own,
        port_right_name: name,
        message_id: 70,
        make_send_count: 1,
        notification_destination_port_name: notify,
        message_type: Type::MACH_MSG_TYPE_MAKE_SEND_ONCE.number(),
        previous_destination_port_name_out: setting.page,
    };
    assert_eq!(setting.args(Trap::KernelrpcMachPortRequestNotificationTrap, args), Ok(0));
    assert_eq!(setting.word(), 0);
    let none = MachPortRequestNotificationArgs { notification_destination_port_name: 0, ..args };
    assert_eq!(setting.args(Trap::KernelrpcMachPortRequestNotificationTrap, none), ELSEWHERE);
    let wrong = MachPortRequestNotificationArgs { message_type: 19, ..args };
    assert_eq!(setting.args(Trap::KernelrpcMachPortRequestNotificationTrap, wrong), ELSEWHERE);
}

#[test]
fn messages_go_and_come() {
    let setting = setting();
    let name = setting.world.send_receive(setting.a);
    let bytes = Message::to(name, Type::MACH_MSG_TYPE_COPY_SEND, 77).data(b"ping").bytes();
    setting.world.write(setting.a, setting.page, &bytes);
    let both = (MsgOption::MACH64_SEND_MSG | MsgOption::MACH64_RCV_MSG).bits() as u32;
    let args = MachMsgOverwriteArgs {
        msg: setting.page,
        option: both,
        send_size: bytes.len() as u32,
        recv_size: 256,
        rcv_name: name,
        timeout: 0,
        notify: 0,
        rcv_msg: setting.page + 1024,
        rcv_limit: 0,
    };
    assert_eq!(setting.args(Trap::MachMsgOverwriteTrap, args), Ok(0));
    assert_eq!(setting.world.read(setting.a, setting.page + 1024 + 24, 4), b"ping");
    let late = MachMsgOverwriteArgs { option: MsgOption::MACH64_RCV_MSG.bits() as u32, ..args };
    setting.world.interrupt();
    assert_eq!(setting.args(Trap::MachMsgOverwriteTrap, late), Ok(0x1000_4005));
}

#[test]
fn semaphores_and_timers() {
    let setting = setting();
    let (world, a) = (&setting.world, setting.a);
    let semaphore = world.semaphore_create(a, a.task, 0, 0).unwrap();
    assert_eq!(setting.args(Trap::SemaphoreSignalTrap, SemaphoreSignalArgs { signal: semaphore }), Ok(0));
    assert_eq!(setting.args(Trap::SemaphoreWaitTrap, SemaphoreWaitArgs { signal: semaphore }), Ok(0));
    world.interrupt();
    assert_eq!(
        setting.args(Trap::SemaphoreWaitTrap, SemaphoreWaitArgs { signal: semaphore }),
        kern(KernReturn::KERN_ABORTED)
    );
    let late = SemaphoreTimedwaitArgs { wait: semaphore, sec: 0, nsec: 5 };
    let timed_out = kern(KernReturn::KERN_OPERATION_TIMED_OUT);
    assert_eq!(setting.args(Trap::SemaphoreTimedwaitTrap, late), timed_out);
    let bad = SemaphoreTimedwaitArgs { nsec: 1_000_000_000, ..late };
    assert_eq!(setting.args(Trap::SemaphoreTimedwaitTrap, bad), kern(KernReturn::KERN_INVALID_VALUE));
    let both = SemaphoreWaitSignalArgs { wait: semaphore, signal: semaphore };
    world.step(move |world| world.semaphore_signal(a, semaphore).unwrap());
    world.interrupt();
    setting.args(Trap::SemaphoreWaitSignalTrap, both).unwrap();
    let none = SemaphoreTimedwaitSignalArgs { wait: 0, signal: semaphore, sec: 0, nsec: 0 };
    assert_eq!(setting.args(Trap::SemaphoreTimedwaitSignalTrap, none), kern(KernReturn::KERN_INVALID_NAME));
    let all = SemaphoreSignalAllArgs { signal: 0 };
    assert_eq!(setting.args(Trap::SemaphoreSignalAllTrap, all), kern(KernReturn::KERN_INVALID_NAME));

    let timer_port = setting.value(Trap::MkTimerCreateTrap, 0).unwrap() as u32;
    let arm = MkTimerArmArgs { timer_port, expire_time: 5_000_000 };
    assert_eq!(setting.args(Trap::MkTimerArmTrap, arm), Ok(0));
    let cancel = MkTimerCancelArgs { timer_port, result_time: setting.page };
    assert_eq!(setting.args(Trap::MkTimerCancelTrap, cancel), Ok(0));
    assert_eq!(world.read(a, setting.page, 8), 5_000_000_u64.to_le_bytes());
    let destroy = MkTimerDestroyArgs { timer_port };
    assert_eq!(setting.args(Trap::MkTimerDestroyTrap, destroy), Ok(0));
    assert_eq!(setting.args(Trap::MkTimerArmTrap, arm), kern(KernReturn::KERN_INVALID_NAME));
}

#[test]
fn tasks_are_found_by_pid_and_pids_by_task() {
    let setting = setting();
    setting.world.task(11);
    let unwritable = TaskForPidArgs { pid: 11, task_port: 0 };
    let bad_address = kern(KernReturn::KERN_INVALID_ADDRESS);
    assert_eq!(setting.args(Trap::TaskForPidTrap, unwritable), bad_address);
    let nobody = TaskForPidArgs { pid: 12, task_port: setting.page };
    assert_eq!(setting.args(Trap::TaskForPidTrap, nobody), kern(KernReturn::KERN_FAILURE));
    let named = TaskNameForPidArgs { task_port: 0, pid: 11, name_out: 0 };
    let (result, back) = setting.args_back(Trap::TaskNameForPidTrap, named);
    let name = TaskNameForPidArgs::read_from_bytes(&back).unwrap().name_out as u32;
    assert_eq!(result, Ok(0));
    assert_eq!(
        setting.args(Trap::PidForTaskTrap, PidForTaskArgs { task_port: name, pid: setting.page }),
        Ok(0)
    );
    assert_eq!(setting.word(), 11);
    let host = setting.value(Trap::HostSelfTrap, 0).unwrap() as u32;
    let wrong = PidForTaskArgs { task_port: host, pid: setting.page };
    assert_eq!(setting.args(Trap::PidForTaskTrap, wrong), Err(Errno::ESRCH));
    assert_eq!(setting.value(Trap::Task64bit, 11), Ok(1));
    assert_eq!(setting.value(Trap::Task64bit, 12), Err(Errno::ESRCH));
}

#[test]
fn threads_are_signalled_and_cancelled() {
    let setting = setting();
    let (world, a) = (&setting.world, setting.a);
    let name = setting.value(Trap::ThreadSelfTrap, 0).unwrap();
    let kill = |thread_port, sig| setting.args(Trap::PthreadKillTrap, PthreadKillArgs { thread_port, sig });
    assert_eq!(kill(name as i32, 0), Ok(0));
    assert_eq!(kill(name as i32, 10), Ok(0));
    assert_eq!(*world.engine.host().signals.borrow(), [(a.thread, 10)]);
    assert_eq!(kill(name as i32, 65), Err(Errno::EINVAL));
    assert_eq!(kill(setting.own as i32, 10), Err(Errno::ESRCH));
    assert_eq!(setting.value(Trap::TidForThread, name as u64), Ok(10));
    assert_eq!(setting.value(Trap::TidForThread, 0), Ok(-1));

    let query = || setting.value(Trap::PthreadCanceled, 0);
    assert_eq!(query(), Err(Errno::EINVAL));
    assert_eq!(setting.value(Trap::PthreadCanceled, 2), Ok(0));
    assert_eq!(setting.value(Trap::PthreadMarkcancel, name as u64), Ok(0));
    assert!(world.engine.host().interrupted.borrow().is_empty());
    assert_eq!(query(), Err(Errno::EINVAL));
    assert_eq!(setting.value(Trap::PthreadCanceled, 1), Ok(0));
    assert_eq!(query(), Ok(0));
    assert_eq!(setting.value(Trap::PthreadCanceled, 3), Err(Errno::EINVAL));
    assert_eq!(setting.value(Trap::PthreadMarkcancel, 0), Err(Errno::ESRCH));
}

#[test]
fn cancellation_ends_a_wait() {
    let setting = setting();
    let (world, a) = (&setting.world, setting.a);
    let name = setting.value(Trap::ThreadSelfTrap, 0).unwrap() as u64;
    let semaphore = world.semaphore_create(a, a.task, 0, 0).unwrap();
    let other = world.thread(a, 99);
    world.step(move |world| {
        assert_eq!(world.trap(other, Trap::PthreadMarkcancel.number(), name), Ok(0));
    });
    assert_eq!(
        setting.args(Trap::SemaphoreWaitTrap, SemaphoreWaitArgs { signal: semaphore }),
        kern(KernReturn::KERN_ABORTED)
    );
    assert_eq!(*world.engine.host().interrupted.borrow(), [a.thread]);
}

#[test]
fn ids_and_tracers_are_inherited() {
    let setting = setting();
    let ids = |setting: &Setting| {
        let (result, back) = setting.args_back(Trap::Getuidgid, UidgidArgs { uid: 9, gid: 9 });
        assert_eq!(result, Ok(0));
        let UidgidArgs { uid, gid } = UidgidArgs::read_from_bytes(&back).unwrap();
        (uid, gid)
    };
    assert_eq!(ids(&setting), (0, 0));
    assert_eq!(setting.args(Trap::Setuidgid, UidgidArgs { uid: 501, gid: -1 }), Ok(0));
    assert_eq!(ids(&setting), (501, 0));
    let trace = |target, tracer| setting.args(Trap::SetTracer, SetTracerArgs { target, tracer });
    assert_eq!(trace(0, 7), Ok(0));
    assert_eq!(trace(10, 8), Err(Errno::EPERM));
    assert_eq!(trace(999, 8), Err(Errno::ESRCH));
    let child = Process { pid: 20, parent: 10, uid: 501, gid: 20 };
    let open = setting.world.open(child).unwrap();
    let b = setting.world.caller(open, child, 20).unwrap();
    let page = setting.world.alloc(b, 64);
    let there = Setting { world: setting.world.clone(), a: b, own: 0, page };
    assert_eq!(ids(&there), (501, 0));
    assert_eq!(there.value(Trap::GetTracer, 0), Ok(7));
    assert_eq!(setting.value(Trap::GetTracer, 20), Ok(7));
    assert_eq!(setting.value(Trap::GetTracer, 21), Err(Errno::ESRCH));
    assert_eq!(trace(20, 0), Ok(0));
    assert_eq!(there.value(Trap::GetTracer, 0), Ok(0));
}

#[test]
fn a_parent_waits_for_its_child() {
    let setting = setting();
    let child = |pid| Process { pid, parent: 10, uid: 501, gid: 20 };
    setting.world.step(move |world| assert!(world.open(child(20)).is_ok()));
    assert_eq!(setting.value(Trap::ForkWaitForChild, 0), Ok(0));
    assert_eq!(setting.world.engine.host().blocks.get(), 1);
    setting.world.open(child(21)).unwrap();
    assert_eq!(setting.value(Trap::ForkWaitForChild, 0), Ok(0));
    assert_eq!(setting.world.engine.host().blocks.get(), 1, "it was there already");
    setting.world.interrupt();
    assert_eq!(setting.value(Trap::ForkWaitForChild, 0), Ok(0));
}

#[test]
fn an_exec_replaces_the_task() {
    let setting = setting();
    assert_eq!(setting.value(Trap::StartedSuspended, 0), Ok(0));
    assert_eq!(setting.value(Trap::StopAfterExec, 0), Ok(0));
    let process = Process { pid: 10, parent: 1, uid: 501, gid: 20 };
    let open = setting.world.open(process).unwrap();
    let after = setting.world.caller(open, process, 10).unwrap();
    assert_eq!(setting.value(Trap::GetApiVersion, 0), Err(Errno::ENXIO));
    assert_eq!(setting.value(Trap::ThreadDeathAnnounce, 0), Err(Errno::ENXIO));
    let started = || setting.world.trap(after, Trap::StartedSuspended.number(), 0);
    assert_eq!((started(), started()), (Ok(1), Ok(0)));
}

#[test]
fn a_thread_announces_its_end() {
    let setting = setting();
    let threads = setting.world.usage().threads;
    assert_eq!(setting.value(Trap::ThreadDeathAnnounce, 0), Ok(0));
    assert_eq!(setting.world.usage().threads, threads - 1);
    assert_eq!(setting.value(Trap::ThreadDeathAnnounce, 0), Err(Errno::ESRCH));
}

#[test]
fn lines_go_to_the_log() {
    let setting = setting();
    let print = |bytes: &[u8]| {
        let mut buf = [0; 512];
        buf[..bytes.len()].copy_from_slice(bytes);
        assert_eq!(setting.args(Trap::KernelPrintk, KernelPrintkArgs { buf }), Ok(0));
    };
    print(b"hello\0rest");
    print(b"a\xffb\xc3");
    print(&[b'x'; 512]);
    let lines = setting.world.engine.host().lines.borrow();
    assert_eq!((lines[0].as_str(), lines[1].as_str(), lines[2].len()), ("hello", "a?b?", 511));
}

#[test]
fn memory_is_allocated_and_taken_back() {
    let setting = setting();
    let target = setting.own;
    let allocate = |address, size, flags| {
        let args = MachVmAllocateArgs { target, address, size, flags };
        let (result, back) = setting.args_back(Trap::KernelrpcMachVmAllocateTrap, args);
        (result, MachVmAllocateArgs::read_from_bytes(&back).unwrap().address)
    };
    let (result, address) = allocate(0, 5000, 1);
    assert_eq!(result, Ok(0));
    assert_eq!(setting.world.read(setting.a, address + 4999, 1), [0]);
    assert_eq!(allocate(0x7000_0123, 100, 0), (Ok(0), 0x7000_0000));
    let no_space = kern(KernReturn::KERN_NO_SPACE);
    assert_eq!(allocate(0x7000_0000, 100, 0).0, no_space);
    assert_eq!(allocate(0x7000_0000, 100, 0x4000), (Ok(0), 0x7000_0000));
    assert_eq!(allocate(77, 0, 1), (Ok(0), 0));
    let invalid = kern(KernReturn::KERN_INVALID_ARGUMENT);
    assert_eq!(allocate(0, 100, 0x800).0, invalid);
    assert_eq!(allocate(0, u64::MAX, 1).0, invalid);
    assert_eq!(allocate(u64::MAX - 4096, 8192, 0).0, invalid);
    let free = |address, size| {
        setting.args(Trap::KernelrpcMachVmDeallocateTrap, MachVmDeallocateArgs { target, address, size })
    };
    let ranges = setting.world.memory(setting.a, |memory| memory.ranges());
    assert_eq!(free(0x7000_0000, 4096), Ok(0));
    assert!(setting.world.memory(setting.a, |memory| memory.ranges()) <= ranges);
    assert_eq!(free(0x7000_0000, 0), Ok(0));
    assert_eq!(free(u64::MAX - 10, 100), invalid);
}
