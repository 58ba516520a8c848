//! Every trap that the engine serves, with arguments that it refuses: the exact answer, and nothing changed.

mod common;

use common::World;
use xnu_abi::darwin::kern_return::{KernReturn as Kern, MachMsgReturn as Mach};
use xnu_abi::darwin::mach_message::MsgType;
use xnu_abi::darwin::mach_port::{PortRight, PortType};
use xnu_abi::linux::Errno;
use xnu_abi::lkm::{ArgKind, Trap};
use xnu_lkm::{Caller, Process, TrapGrade, Usage, trap_grade};

const ROWS: &str = include_str!("../../tests/data/lkm_traps.tsv");

/// What a field holds; what is no number is made by [`Setting`].
#[derive(Clone, Copy, PartialEq, Debug)]
enum Arg {
    Is(u64),
    /// The caller's task.
    Own,
    /// A receive right with a send right.
    Port,
    /// A receive right alone.
    Receive,
    /// A send-once right.
    Once,
    /// A dead name.
    Dead,
    Set,
    Semaphore,
    Timer,
    Thread,
    Host,
    /// Another task.
    Other,
    /// A name that was let go.
    Old,
    /// Memory that can be written.
    Out,
    /// The last two bytes of it.
    Half,
}

use Arg::*;

const NULL: Arg = Is(0);
const NEVER: Arg = Is(0x77_7703);
const LAST: Arg = Is(u32::MAX as u64);
const KERNEL: Arg = Is(0xffff_8000_0000_0000);
const HUGE: Arg = Is(u64::MAX);

type Answer = Result<isize, Errno>;

const fn kern(result: Kern) -> Answer {
    Ok(result.number() as isize)
}

const ELSEWHERE: Answer = Ok(Mach::MACH_SEND_INVALID_DEST.number() as isize);
const NAME: Answer = kern(Kern::KERN_INVALID_NAME);
const RIGHT: Answer = kern(Kern::KERN_INVALID_RIGHT);
const VALUE: Answer = kern(Kern::KERN_INVALID_VALUE);
const ARGUMENT: Answer = kern(Kern::KERN_INVALID_ARGUMENT);
const CAPABILITY: Answer = kern(Kern::KERN_INVALID_CAPABILITY);
const NO_SPACE: Answer = kern(Kern::KERN_NO_SPACE);
const FAILURE: Answer = kern(Kern::KERN_FAILURE);
const EFAULT: Answer = Err(Errno::EFAULT);
const EINVAL: Answer = Err(Errno::EINVAL);
const ESRCH: Answer = Err(Errno::ESRCH);

/// Names of no right at all.
const NAMELESS: &[Arg] = &[NEVER, Old];
/// Tasks that are not the caller's own.
const NOT_OWN: &[Arg] = &[NULL, NEVER, LAST, Old, Port, Once, Dead, Set, Host, Other];
/// Addresses that nothing can be written to.
const POINTERS: &[Arg] = &[NULL, Is(8), Half, KERNEL, HUGE];

/// A trap, its fields one after the other, one of which is each of several, and the answer to all of them.
struct Bad {
    trap: Trap,
    fields: &'static [&'static [Arg]],
    answer: Answer,
}

macro_rules! bad {
    ($($trap:ident ($($field:expr),*) => $answer:expr;)*) => {
        &[$(Bad { trap: Trap::$trap, fields: &[$(bad!(@field $field)),*], answer: $answer }),*]
    };
    (@field $field:expr) => { &$field };
}

const CALLS: &[Bad] = bad! {
    KernelrpcMachPortModRefs(*NOT_OWN, [Port], [Is(0)], [Is(1)]) => ELSEWHERE;
    KernelrpcMachPortModRefs([Own], *NAMELESS, [Is(0), Is(1), Is(2), Is(3), Is(4)], [Is(1)]) => NAME;
    KernelrpcMachPortModRefs([Own], [Port], [Is(6), Is(99), LAST], [Is(1)]) => VALUE;
    KernelrpcMachPortModRefs([Own], [Receive], [Is(0), Is(2), Is(3), Is(4)], [LAST]) => RIGHT;
    KernelrpcMachPortModRefs([Own], [Port], [Is(0)], [Is(0xffff_fffe)]) => VALUE;
    KernelrpcMachPortModRefs([Own], [Port], [Is(1)], [Is(1), Is(0xffff_fffe)]) => VALUE;
    KernelrpcMachPortModRefs([Own], [Once], [Is(2)], [Is(1)]) => VALUE;
    KernelrpcMachPortModRefs([Own], [Dead], [Is(0)], [Is(1)]) => RIGHT;
    KernelrpcMachPortAllocate(*NOT_OWN, [Is(1)], [Out]) => ELSEWHERE;
    KernelrpcMachPortAllocate([Own], [NULL, Is(2), Is(5), Is(99), LAST], [Out]) => VALUE;
    KernelrpcMachPortDeallocate(*NOT_OWN, [Port]) => ELSEWHERE;
    KernelrpcMachPortDeallocate([Own], *NAMELESS) => NAME;
    KernelrpcMachPortDeallocate([Own], [Receive]) => RIGHT;
    KernelrpcMachPortDestroy(*NOT_OWN, [Port]) => ELSEWHERE;
    KernelrpcMachPortDestroy([Own], *NAMELESS) => NAME;
    SemaphoreSignalTrap([NULL, LAST, NEVER, Old]) => NAME;
    SemaphoreSignalTrap([Port, Host, Own]) => CAPABILITY;
    SemaphoreSignalTrap([Receive, Once, Set]) => RIGHT;
    SemaphoreSignalAllTrap([NULL, LAST, NEVER, Old]) => NAME;
    SemaphoreSignalAllTrap([Port, Host, Own]) => CAPABILITY;
    SemaphoreSignalAllTrap([Receive, Once, Set]) => RIGHT;
    SemaphoreWaitTrap([NULL, LAST, NEVER, Old]) => NAME;
    SemaphoreWaitTrap([Port, Host, Own]) => CAPABILITY;
    SemaphoreWaitTrap([Receive, Once, Set]) => RIGHT;
    SemaphoreWaitSignalTrap([NULL, LAST, NEVER, Old], [Semaphore]) => NAME;
    SemaphoreWaitSignalTrap([Semaphore], [NULL, LAST, NEVER, Old]) => NAME;
    SemaphoreWaitSignalTrap([Semaphore], [Port, Host, Own]) => CAPABILITY;
    SemaphoreTimedwaitSignalTrap([NULL, NEVER, Old], [Semaphore], [Is(0)], [Is(0)]) => NAME;
    SemaphoreTimedwaitSignalTrap([Semaphore], [NULL, NEVER], [Is(0)], [Is(0)]) => NAME;
    SemaphoreTimedwaitSignalTrap([Semaphore], [Semaphore], [Is(0)], [Is(1_000_000_000), LAST]) => VALUE;
    SemaphoreTimedwaitTrap([NULL, LAST, NEVER, Old], [Is(0)], [Is(0)]) => NAME;
    SemaphoreTimedwaitTrap([Port, Host], [Is(0)], [Is(0)]) => CAPABILITY;
    SemaphoreTimedwaitTrap([Semaphore], [Is(0), LAST], [Is(1_000_000_000), LAST]) => VALUE;
    SemaphoreTimedwaitTrap([Semaphore], [Is(0)], [Is(1)]) => kern(Kern::KERN_OPERATION_TIMED_OUT);
    PthreadKillTrap([NULL, LAST, NEVER, Old, Port, Own, Host, Dead], [Is(0)]) => ESRCH;
    PthreadKillTrap([Thread], [Is(65), Is(1000), LAST]) => EINVAL;
    MkTimerArmTrap([NULL, LAST, NEVER, Old], [Is(9)]) => NAME;
    MkTimerArmTrap([Port, Receive], [Is(9)]) => ARGUMENT;
    MkTimerArmTrap([Host, Once, Set], [Is(9)]) => RIGHT;
    MkTimerCancelTrap([NULL, LAST, NEVER, Old], [Out]) => NAME;
    MkTimerCancelTrap([Port, Receive], [Out]) => ARGUMENT;
    MkTimerCancelTrap([Host, Once, Set], [Out]) => RIGHT;
    MkTimerDestroyTrap([NULL, LAST, NEVER, Old]) => NAME;
    MkTimerDestroyTrap([Port, Receive]) => ARGUMENT;
    MkTimerDestroyTrap([Host, Once, Set]) => RIGHT;
    KernelrpcMachPortMoveMemberTrap(*NOT_OWN, [Port], [Set]) => ELSEWHERE;
    KernelrpcMachPortMoveMemberTrap([Own], [NEVER, Old], [Set]) => NAME;
    KernelrpcMachPortMoveMemberTrap([Own], [Port], [NEVER, Old]) => NAME;
    KernelrpcMachPortMoveMemberTrap([Own], [NULL, LAST, Host, Once, Dead], [Set]) => RIGHT;
    KernelrpcMachPortMoveMemberTrap([Own], [Port], [LAST, Port, Host]) => RIGHT;
    KernelrpcMachPortInsertMemberTrap(*NOT_OWN, [Port], [Set]) => ELSEWHERE;
    KernelrpcMachPortInsertMemberTrap([Own], [NEVER, Old], [Set]) => NAME;
    KernelrpcMachPortInsertMemberTrap([Own], [Port], [NEVER, Old]) => NAME;
    KernelrpcMachPortInsertMemberTrap([Own], [NULL, LAST, Host, Once, Dead], [Set]) => RIGHT;
    KernelrpcMachPortInsertMemberTrap([Own], [Port], [NULL, LAST, Port, Host]) => RIGHT;
    KernelrpcMachPortExtractMemberTrap(*NOT_OWN, [Port], [Set]) => ELSEWHERE;
    KernelrpcMachPortExtractMemberTrap([Own], [NEVER, Old], [Set]) => NAME;
    KernelrpcMachPortExtractMemberTrap([Own], [NULL, LAST, Host], [Set]) => RIGHT;
    KernelrpcMachPortExtractMemberTrap([Own], [Port], [Set]) => kern(Kern::KERN_NOT_IN_SET);
    KernelrpcMachPortInsertRightTrap(*NOT_OWN, [Port], [Port], [Is(20)]) => ELSEWHERE;
    KernelrpcMachPortInsertRightTrap([Own], [NULL, LAST], [Port], [Is(20)]) => VALUE;
    KernelrpcMachPortInsertRightTrap([Own], [Port], [Port], [NULL, Is(15), Is(22), LAST]) => RIGHT;
    KernelrpcMachPortInsertRightTrap([Own], [Port], [NEVER, Old], [Is(20)]) => NAME;
    KernelrpcMachPortInsertRightTrap([Own], [Port], [Host, Once], [Is(20)]) => RIGHT;
    KernelrpcMachPortInsertRightTrap([Own], [Host, NEVER], [Port], [Is(20)]) => kern(Kern::KERN_RIGHT_EXISTS);
    TaskForPidTrap([NULL, Is(12), LAST], [Out]) => FAILURE;
    PidForTaskTrap([NULL, LAST, NEVER, Old, Port, Receive, Host, Dead, Thread], [Out]) => ESRCH;
    PidForTaskTrap([Own], *POINTERS) => kern(Kern::KERN_INVALID_ADDRESS);
    TaskNameForPidTrap([Own], [Is(12), LAST], [Is(0)]) => FAILURE;
    SetTracer([Is(12)], [Is(7)]) => ESRCH;
    KernelrpcMachVmAllocateTrap(*NOT_OWN, [NULL], [Is(4096)], [Is(1)]) => ELSEWHERE;
    KernelrpcMachVmAllocateTrap([Own], [NULL], [Is(4096)], [Is(0x40), LAST]) => ARGUMENT;
    KernelrpcMachVmAllocateTrap([Own], [NULL], [HUGE, Is(u64::MAX - 4094)], [Is(1)]) => ARGUMENT;
    KernelrpcMachVmAllocateTrap([Own], [NULL], [Is(1 << 60)], [Is(1)]) => NO_SPACE;
    KernelrpcMachVmAllocateTrap([Own], [KERNEL], [Is(1 << 47)], [Is(0)]) => ARGUMENT;
    KernelrpcMachVmAllocateTrap([Own], [Out], [Is(4096)], [Is(0)]) => NO_SPACE;
    KernelrpcMachVmDeallocateTrap(*NOT_OWN, [Out], [Is(4096)]) => ELSEWHERE;
    KernelrpcMachVmDeallocateTrap([Own], [Out, Is(8)], [HUGE]) => ARGUMENT;
    KernelrpcMachPortRequestNotificationTrap(*NOT_OWN, [Port], [Is(72)], [Is(0)], [Port], [Is(21)], [Out]) => ELSEWHERE;
    KernelrpcMachPortRequestNotificationTrap([Own], [NEVER, Old], [Is(72)], [Is(0)], [Port], [Is(21)], [Out]) => NAME;
    KernelrpcMachPortRequestNotificationTrap([Own], [Host], [Is(70)], [Is(0)], [Port], [Is(21)], [Out]) => RIGHT;
    KernelrpcMachPortRequestNotificationTrap([Own], [Port], [Is(70)], [Is(0)], [NULL, LAST], [Is(21)], [Out]) => ELSEWHERE;
    KernelrpcMachPortRequestNotificationTrap([Own], [Port], [Is(70)], [Is(0)], [NEVER, Old], [Is(21)], [Out]) => NAME;
    KernelrpcMachPortRequestNotificationTrap([Own], [Port], [Is(70)], [Is(0)], [Host], [Is(21)], [Out]) => RIGHT;
    KernelrpcMachPortRequestNotificationTrap([Own], [Port], [Is(70)], [Is(0)], [Port], [NULL, Is(16), Is(19), Is(99)], [Out]) => ELSEWHERE;
    KernelrpcMachPortRequestNotificationTrap([Own], [Port], [NULL, Is(71), Is(99)], [Is(0)], [Port], [Is(21)], [Out]) => VALUE;
    KernelrpcMachPortTypeTrap(*NOT_OWN, [Port], [Out]) => ELSEWHERE;
    KernelrpcMachPortTypeTrap([Own], [NULL, NEVER, Old], [Out]) => NAME;
    KernelrpcMachPortTypeTrap([Own], [Port], *POINTERS) => EFAULT;
    KernelrpcMachPortGetAttributesTrap(*NOT_OWN, [Port], [Is(1)], [Out], [Out]) => ELSEWHERE;
    KernelrpcMachPortGetAttributesTrap([Own], [Port], [Is(1)], [Out], *POINTERS) => EFAULT;
    KernelrpcMachPortConstructTrap(*NOT_OWN, [Out], [Is(0)], [Out]) => ELSEWHERE;
    KernelrpcMachPortConstructTrap([Own], *POINTERS, [Is(0)], [Out]) => EFAULT;
    KernelrpcMachPortDestructTrap(*NOT_OWN, [Port], [Is(0)], [Is(0)]) => ELSEWHERE;
    KernelrpcMachPortDestructTrap([Own], [NULL, LAST, NEVER, Old], [Is(0)], [Is(0)]) => NAME;
    KernelrpcMachPortDestructTrap([Own], [Host, Once, Set, Dead], [Is(0)], [Is(0)]) => RIGHT;
    KernelrpcMachPortGuardTrap(*NOT_OWN, [Port], [Is(1)], [Is(0)]) => ELSEWHERE;
    KernelrpcMachPortGuardTrap([Own], [NULL, LAST, NEVER, Old, Dead], [Is(1)], [Is(0)]) => NAME;
    KernelrpcMachPortGuardTrap([Own], [Host, Once, Set], [Is(1)], [Is(0)]) => RIGHT;
    KernelrpcMachPortUnguardTrap(*NOT_OWN, [Port], [Is(1)]) => ELSEWHERE;
    KernelrpcMachPortUnguardTrap([Own], [NULL, LAST, NEVER, Old, Dead], [Is(1)]) => NAME;
    KernelrpcMachPortUnguardTrap([Own], [Host, Once, Set], [Is(1)]) => RIGHT;
    KernelrpcMachPortUnguardTrap([Own], [Port], [Is(1)]) => ARGUMENT;
};

/// The same for the traps that take a value.
const VALUES: &[(Trap, &[Arg], Answer)] = &[
    (Trap::GetTracer, &[Is(12), LAST], ESRCH),
    (Trap::TidForThread, &[NULL, LAST, NEVER, Old, Port, Own, Host, Dead], Ok(-1)),
    (Trap::PthreadMarkcancel, &[NULL, LAST, NEVER, Old, Port, Own, Host, Dead], ESRCH),
    (Trap::PthreadCanceled, &[NULL, Is(3), LAST], EINVAL),
    (Trap::Task64bit, &[Is(12), LAST], ESRCH),
];

/// Traps with an argument that any content is good for, or that say in the message what is wrong.
const OTHERS: &[(Trap, &str)] = &[
    (Trap::MachMsgOverwriteTrap, "lkm/tests/codes.rs has every code of sending and receiving"),
    (Trap::SetDyldInfo, "any address is kept, and looked at by who asks for it"),
    (Trap::KernelPrintk, "any bytes are a line"),
    (Trap::Getuidgid, "it is only written"),
    (Trap::Setuidgid, "any numbers are ids, and those below 0 change nothing"),
    (Trap::SetThreadHandles, "any addresses are kept"),
];

struct Setting {
    world: World,
    a: Caller,
    names: Vec<(Arg, u32)>,
    page: u64,
}

const FILL: u8 = 0x5a;

fn setting() -> Setting {
    let world = World::new();
    let (a, b) = (world.task(10), world.task(11));
    let page = world.alloc(a, 4096);
    world.write(a, page, &[FILL; 4096]);
    let gone = world.send_receive(b);
    let (once, dead) = (world.send_receive(b), world.give(b, gone, MsgType::MACH_MSG_TYPE_COPY_SEND, a));
    world.mach_port_mod_refs(b, b.task, gone, PortRight::MACH_PORT_RIGHT_RECEIVE, -1).unwrap();
    let old = world.receive_right(a);
    let names = vec![
        (Own, world.task_self(a)),
        (Port, world.send_receive(a)),
        (Receive, world.receive_right(a)),
        (Once, world.give(b, once, MsgType::MACH_MSG_TYPE_MAKE_SEND_ONCE, a)),
        (Dead, dead),
        (Set, world.set(a)),
        (Semaphore, world.semaphore_create(a, a.task, 0, 0).unwrap()),
        (Timer, world.mk_timer_create(a)),
        (Thread, world.thread_self(a)),
        (Host, world.host_self(a)),
        (Other, {
            let name = world.task_self(b);
            world.give(b, name, MsgType::MACH_MSG_TYPE_COPY_SEND, a)
        }),
        (Old, old),
    ];
    world.mach_port_destroy(a, a.task, old).unwrap();
    // The right becomes a dead name when it is looked at.
    assert_eq!(world.kinds(a, dead), Some(PortType::MACH_PORT_TYPE_DEAD_NAME));
    Setting { world, a, names, page }
}

/// What the engine holds, names with their kinds and references, the page, and how many ranges of memory there are.
type State = (Usage, Vec<Right>, Vec<u8>, usize);
type Right = (u32, u32, Vec<u32>);

impl Setting {
    fn word(&self, arg: Arg) -> u64 {
        match arg {
            Is(word) => word,
            Out => self.page,
            Half => self.page + 4094,
            name => self.names.iter().find(|(of, _)| *of == name).expect("a name").1.into(),
        }
    }

    /// Everything that a refused call may not change.
    fn state(&self) -> State {
        let of = self.a;
        let names = self.world.mach_port_names(of, of.task).unwrap();
        let names = names
            .into_iter()
            .map(|(name, kinds)| {
                let refs = (0..5).map(|right| {
                    self.world.mach_port_get_refs(of, of.task, name, PortRight::new(right)).unwrap_or(0)
                });
                (name, kinds.bits(), refs.collect())
            })
            .collect();
        let usage = Usage { bytes: 0, ..self.world.usage() };
        let ranges = self.world.memory(of, |memory| memory.ranges());
        (usage, names, self.world.read(of, self.page, 4096), ranges)
    }

    /// Makes a call; whether it changed anything.
    fn call(&self, trap: Trap, argument: u64) -> (Answer, bool) {
        let before = self.state();
        let answer = self.world.trap(self.a, trap.number(), argument);
        let _ = self.world.take_guard_exception(self.a);
        // A right that was taken for a notification tells its port that it goes unused.
        self.world.drain(self.a, self.word(Port) as u32);
        (answer, self.state() != before)
    }
}

/// Where the fields of a trap's structure are: offset and size.
fn fields(trap: Trap) -> Vec<(usize, usize)> {
    let row = ROWS.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let name = format!("NR_{}", trap.name());
    let row = row.into_iter().find(|row| row[0] == name).expect("a row of the trap's");
    let number = |text: &str| text.parse::<usize>().unwrap();
    row[6]
        .split(';')
        .map(|field| {
            let parts: Vec<&str> = field.split(':').collect();
            (number(parts[2]), number(parts[3]))
        })
        .collect()
}

/// Every choice of one of each.
fn choices(fields: &[&[Arg]]) -> Vec<Vec<Arg>> {
    fields.iter().fold(vec![vec![]], |before, field| {
        before.iter().flat_map(|first| field.iter().map(|arg| [first.as_slice(), &[*arg]].concat())).collect()
    })
}

#[test]
fn bad_arguments_have_their_codes_and_change_nothing() {
    let setting = setting();
    let (mut wrong, mut count) = (vec![], 0);
    for Bad { trap, fields: values, answer } in CALLS {
        let places = fields(*trap);
        assert_eq!(places.len(), values.len(), "{trap:?}");
        let ArgKind::Struct(layout) = trap.argument() else { panic!("{trap:?}") };
        for choice in choices(values) {
            let mut bytes = vec![0; layout.size];
            for ((offset, size), arg) in places.iter().zip(&choice) {
                bytes[*offset..offset + size].copy_from_slice(&setting.word(*arg).to_le_bytes()[..*size]);
            }
            let at = setting.world.alloc(setting.a, layout.size as u64);
            setting.world.write(setting.a, at, &bytes);
            let (found, changed) = setting.call(*trap, at);
            setting.world.memory(setting.a, |memory| memory.deallocate(at));
            count += 1;
            if found != *answer || changed {
                wrong.push(format!("{trap:?}{choice:?}: {found:?}, not {answer:?}; changed {changed}"));
            }
        }
    }
    for (trap, values, answer) in VALUES {
        for value in *values {
            let (found, changed) = setting.call(*trap, setting.word(*value));
            count += 1;
            if found != *answer || changed {
                wrong.push(format!("{trap:?} {value:?}: {found:?}, not {answer:?}; changed {changed}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_trap_that_takes_something_is_called_badly() {
    for trap in Trap::ALL.iter().filter(|trap| trap_grade(**trap) == TrapGrade::Served) {
        let called = CALLS.iter().any(|bad| bad.trap == *trap) || VALUES.iter().any(|bad| bad.0 == *trap);
        let other = OTHERS.iter().any(|(other, _)| other == trap);
        let takes = !matches!(trap.argument(), ArgKind::None);
        assert_eq!(called || other, takes, "{trap:?}");
        assert!(!(called && other), "{trap:?}");
    }
}

#[test]
fn a_replaced_task_is_enxio_in_every_trap() {
    let setting = setting();
    setting.world.open(Process { pid: 10, parent: 1, uid: 501, gid: 20 }).unwrap();
    for trap in Trap::ALL.iter().chain(Trap::OWN) {
        assert_eq!(setting.call(*trap, setting.page), (Err(Errno::ENXIO), false), "{trap:?}");
    }
}
