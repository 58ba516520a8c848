//! Messages to the kernel's objects: the table against `tests/data/mig_routines.tsv`, and what routines do.

mod common;

use common::message::{Message, Received, memory_descriptor, port_descriptor};
use common::{CALENDAR, RECEIVE, SEND, World};
use xnu_abi::darwin::kern_return::{KernReturn, MigReturn};
use xnu_abi::darwin::mach_message::MsgType as Type;
use xnu_lkm::{Caller, MIG_ROUTINES, MigField, MigGrade, mig_grade};

const ROWS: &str = include_str!("../../tests/data/mig_routines.tsv");

const NDR: [u8; 8] = [0, 0, 0, 0, 1, 0, 0, 0];
const BAD_ARGUMENTS: i32 = MigReturn::MIG_BAD_ARGUMENTS.number();
const TYPE_ERROR: i32 = MigReturn::MIG_TYPE_ERROR.number();

fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    ROWS.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

/// The number behind `max `, or the first number in brackets.
fn number(kind: &str, before: &str) -> u16 {
    let rest = &kind[kind.find(before).unwrap() + before.len()..];
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// A field of the table as a field of a layout.
fn field(kind: &str) -> MigField {
    let words = |kind: &str| kind.contains("of int32");
    match kind {
        _ if kind.starts_with("int32") => MigField::Word,
        "int64" => MigField::Long,
        "port polymorphic" => MigField::AnyPort,
        "port copy_send" | "port move_send" | "port make_send" => MigField::Port(17),
        "var[max 32] of port copy_send" => MigField::Handlers,
        "port send_once" | "port move_send_once" | "port make_send_once" => MigField::Port(18),
        "ool struct[3] of int64" => MigField::Memory(24),
        _ if kind.starts_with("ool[] of int32") => MigField::MemoryWords,
        "ool[] of port copy_send" => MigField::Ports,
        _ if kind.starts_with("var") && words(kind) => MigField::Counted(number(kind, "max ")),
        _ if kind.starts_with("var") => MigField::Bytes(number(kind, "max ")),
        _ if kind.starts_with("cstring") => MigField::Text(number(kind, "max ")),
        _ if kind.starts_with("struct") && words(kind) => MigField::Words(number(kind, "struct[") as u8),
        _ => panic!("{kind}"),
    }
}

/// What a row says of its request and its reply.
fn layouts(arguments: &str) -> (Vec<MigField>, Vec<MigField>) {
    let (mut request, mut reply) = (vec![], vec![]);
    for argument in arguments.split(';').skip(1) {
        let (direction, rest) = argument.split_once(' ').unwrap();
        let kind = &rest[rest.find('{').unwrap() + 1..rest.rfind('}').unwrap()];
        let field = |kind: &str| match rest.contains("[SameCount]") && kind.contains("of int32") {
            true => MigField::SameCount,
            false => field(kind),
        };
        if direction.starts_with("in") {
            request.push(field(kind));
        }
        if direction.ends_with("out") {
            reply.push(field(kind));
            if rest.ends_with("[CountInOut]") {
                request.push(MigField::Word);
            }
        }
    }
    (request, reply)
}

#[test]
fn the_table_says_what_the_definitions_say() {
    for routine in MIG_ROUTINES {
        let row = rows().find(|row| row[3] == routine.id.to_string()).unwrap();
        assert_eq!(row[2], routine.name);
        let (request, reply) = layouts(row[6]);
        assert_eq!((routine.request, routine.reply), (&request[..], &reply[..]), "{}", routine.name);
    }
    assert!(MIG_ROUTINES.is_sorted_by_key(|routine| routine.id));
}

#[test]
fn every_row_has_a_grade() {
    let (mut served, mut refused) = (0, 0);
    for row in rows() {
        let id = row[3].parse().unwrap();
        match mig_grade(id) {
            MigGrade::Served(routine) => {
                assert_eq!((routine.name, row[7]), (row[2], "yes"));
                served += 1;
            }
            // Some numbers have a row for each width of words.
            MigGrade::Refused => {
                let any = rows().any(|other| other[3] == row[3] && other[7].starts_with("yes"));
                assert!(any, "{row:?}");
                refused += usize::from(row[7].starts_with("yes"));
            }
            MigGrade::Unknown => assert!(!row[7].starts_with("yes"), "{row:?}"),
        }
    }
    assert_eq!((served, refused), (MIG_ROUTINES.len(), 176));
}

/// A task with names of its own ports.
struct Setting {
    world: World,
    a: Caller,
    task: u32,
    host: u32,
    thread: u32,
}

fn setting() -> Setting {
    let world = World::new();
    let a = world.task(10);
    let (task, host, thread) = (world.task_self(a), world.host_self(a), world.thread_self(a));
    Setting { world, a, task, host, thread }
}

impl Setting {
    /// Sends a request as it is and receives the reply.
    fn raw(&self, message: Message) -> Received {
        let id = message.id;
        let reply = self.world.receive_right(self.a);
        let message = message.reply(reply, Type::MACH_MSG_TYPE_MAKE_SEND_ONCE);
        assert_eq!(self.world.send(self.a, &message).number(), 0);
        let received = self.world.receive(self.a, reply).expect("a reply");
        assert_eq!((received.id(), received.remote()), (id + 100, 0));
        self.world.mach_port_destroy(self.a, self.a.task, reply).unwrap();
        received
    }

    fn request(to: u32, id: i32, words: &[u32]) -> Message {
        let mut data = if words.is_empty() { vec![] } else { NDR.to_vec() };
        data.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        Message::to(to, Type::MACH_MSG_TYPE_COPY_SEND, id).data(&data)
    }

    /// The words behind the result of a reply, or the error.
    fn call(&self, to: u32, id: i32, words: &[u32]) -> Result<Vec<u32>, i32> {
        let reply = self.raw(Setting::request(to, id, words));
        match reply.word(32) as i32 {
            0 => Ok((36..reply.size()).step_by(4).map(|at| reply.word(at)).collect()),
            error => {
                assert_eq!(reply.size(), 36);
                Err(error)
            }
        }
    }

    /// The name of the right that a reply with one descriptor brings.
    fn right(&self, to: u32, id: i32, words: &[u32]) -> u32 {
        let reply = self.raw(Setting::request(to, id, words));
        assert_eq!((reply.size(), reply.word(24)), (40, 1), "routine {id}");
        reply.word(28)
    }

    fn error(&self, message: Message) -> i32 {
        let reply = self.raw(message);
        assert_eq!(reply.size(), 36);
        reply.word(32) as i32
    }
}

fn kern(error: KernReturn) -> Result<Vec<u32>, i32> {
    Err(error.number())
}

#[test]
fn wrong_sizes_and_shapes_are_bad_arguments() {
    let setting = setting();
    let own = setting.world.receive_right(setting.a);
    for routine in MIG_ROUTINES {
        let mut right = Setting::request(setting.host, routine.id, &[]);
        let mut inline = vec![];
        for field in routine.request {
            match field {
                MigField::Word | MigField::Counted(_) => inline.extend([0; 4]),
                MigField::Long => inline.extend([0; 8]),
                MigField::Port(17) => right = right.with(port_descriptor(own, Type::MACH_MSG_TYPE_MAKE_SEND)),
                MigField::Port(_) | MigField::AnyPort => {
                    right = right.with(port_descriptor(own, Type::MACH_MSG_TYPE_MAKE_SEND_ONCE));
                }
                MigField::Memory(size) => {
                    let address = setting.world.alloc(setting.a, 64);
                    right = right.with(memory_descriptor(address, u32::from(*size), 1, false));
                }
                _ => panic!("{field:?}"),
            }
        }
        if !inline.is_empty() {
            right.data = [&NDR[..], &inline].concat();
        }
        let mut long = right.clone();
        long.data.extend([0; 4]);
        assert_eq!(setting.error(long), BAD_ARGUMENTS, "{}", routine.name);
        if !inline.is_empty() {
            let mut short = right.clone();
            short.data.truncate(short.data.len() - 4);
            assert_eq!(setting.error(short), BAD_ARGUMENTS, "{}", routine.name);
        }
        let more = right.clone().with(port_descriptor(own, Type::MACH_MSG_TYPE_MAKE_SEND));
        if more.descriptors.len() <= 3 {
            assert_eq!(setting.error(more), BAD_ARGUMENTS, "{}", routine.name);
        }
        if !right.descriptors.is_empty() {
            let mut other = right.clone();
            let wants_memory = matches!(routine.request[0], MigField::Memory(_));
            other.descriptors[0] = if wants_memory {
                port_descriptor(own, Type::MACH_MSG_TYPE_MAKE_SEND)
            } else {
                memory_descriptor(0, 0, 1, false)
            };
            let error = setting.error(other);
            assert_eq!(error, TYPE_ERROR, "{}", routine.name);
        }
    }
    let counted = Setting::request(setting.task, 3218, &[0, 1, 18]);
    assert_eq!(setting.error(counted), BAD_ARGUMENTS, "more words than there may be");
    let unused = setting.world.drain(setting.a, own);
    assert!(
        !unused.is_empty() && unused.iter().all(|id| *id == 71),
        "of send-once rights that died: {unused:?}"
    );
    assert_eq!(setting.world.usage().messages, 0);
    assert_eq!(setting.world.engine.host().regions.get(), 0);
}

#[test]
fn numbers_without_a_routine_are_told_apart() {
    let setting = setting();
    for (id, error) in [(3202, -303), (424_242, -303), (-5, -303), (3407, 46), (3609, 46)] {
        assert_eq!(setting.call(setting.task, id, &[]), Err(error), "{id}");
    }
}

#[test]
fn objects_of_the_wrong_kind_are_refused() {
    let setting = setting();
    let Setting { task, host, thread, .. } = setting;
    let invalid = kern(KernReturn::KERN_INVALID_ARGUMENT);
    assert_eq!(setting.call(task, 200, &[1, 12]), invalid);
    assert_eq!(setting.call(task, 1000, &[]), invalid);
    assert_eq!(setting.call(host, 3204, &[1]), kern(KernReturn::KERN_INVALID_TASK));
    assert_eq!(setting.call(host, 3405, &[20, 12]), invalid);
    assert_eq!(setting.call(thread, 3402, &[]), invalid);
    assert_eq!(setting.call(task, 3612, &[3, 10]), invalid);
    assert_eq!(setting.call(host, 412, &[u32::MAX, 2]), invalid);
}

#[test]
fn the_host_tells_of_itself() {
    let setting = setting();
    let host = setting.host;
    let all = setting.call(host, 200, &[1, 12]).unwrap();
    assert_eq!(all, [12, 8, 8, 1 << 31, 7, 8, 1, 4, 4, 8, 8, 1 << 30, 1]);
    assert_eq!(setting.call(host, 200, &[1, 5]).unwrap().len(), 6);
    assert_eq!(setting.call(host, 200, &[1, 4]), kern(KernReturn::KERN_FAILURE));
    assert_eq!(setting.call(host, 200, &[5, 8]).unwrap(), [8, 80, 80, 64, 31, 0, 0, 0, 79]);
    assert_eq!(setting.call(host, 200, &[8, 0]).unwrap(), [0]);
    assert_eq!(setting.call(host, 200, &[99, 68]), kern(KernReturn::KERN_INVALID_ARGUMENT));
    assert_eq!(setting.call(host, 202, &[]).unwrap(), [4096, 0]);
    let version = setting.raw(Setting::request(host, 201, &[]));
    assert_eq!((version.word(36), version.word(40), version.size()), (0, 18, 44 + 20));
    assert_eq!(&version.bytes[44..62], b"A kernel of tests\0");
}

#[test]
fn clocks_tell_the_time() {
    let setting = setting();
    let clock = |id| setting.right(setting.host, 206, &[id]);
    let (system, calendar) = (clock(0), clock(1));
    assert_eq!(clock(0), system, "one port a clock");
    setting.world.engine.host().clock.set(3_000_000_007);
    assert_eq!(setting.call(system, 1000, &[]).unwrap(), [3, 7]);
    let now = [(CALENDAR / 1_000_000_000) as u32, 5];
    assert_eq!(setting.call(calendar, 1000, &[]).unwrap(), now);
    assert_eq!(setting.call(system, 1001, &[1, 1]).unwrap(), [1, 10_000_000]);
    assert_eq!(setting.call(calendar, 1001, &[3, 1]).unwrap(), [1, 0]);
    assert_eq!(setting.call(system, 1001, &[2, 1]), kern(KernReturn::KERN_INVALID_VALUE));
    assert_eq!(setting.call(system, 1001, &[1, 0]), kern(KernReturn::KERN_FAILURE));
    assert_eq!(setting.call(setting.host, 206, &[2]), kern(KernReturn::KERN_INVALID_ARGUMENT));
}

#[test]
fn ports_of_another_task_are_reached_by_message() {
    let setting = setting();
    let (world, a) = (&setting.world, setting.a);
    let b = world.task(11);
    let theirs = world.task_self(b);
    let other = world.give(b, theirs, Type::MACH_MSG_TYPE_COPY_SEND, a);
    let name = setting.call(other, 3204, &[1]).unwrap()[0];
    assert_eq!(world.kinds(b, name), Some(RECEIVE));
    let mine = world.receive_right(a);
    let insert =
        Setting::request(other, 3214, &[0x40_03]).with(port_descriptor(mine, Type::MACH_MSG_TYPE_MAKE_SEND));
    assert_eq!(setting.error(insert), 0);
    assert_eq!(world.kinds(b, 0x40_03), Some(SEND));
    let taken = setting.right(other, 3215, &[name, Type::MACH_MSG_TYPE_MOVE_RECEIVE.number()]);
    assert_eq!((world.kinds(b, name), world.kinds(a, taken)), (None, Some(RECEIVE)));
    assert_eq!(setting.call(other, 3206, &[0x40_03]), Ok(vec![]));
    assert_eq!(setting.call(other, 3201, &[0x40_03]), kern(KernReturn::KERN_INVALID_NAME));
}

#[test]
fn a_right_that_is_refused_dies_with_the_message() {
    let setting = setting();
    let mine = setting.world.receive_right(setting.a);
    let insert =
        Setting::request(setting.task, 3214, &[0]).with(port_descriptor(mine, Type::MACH_MSG_TYPE_MAKE_SEND));
    assert_eq!(setting.error(insert), KernReturn::KERN_INVALID_VALUE.number());
    assert_eq!(setting.call(setting.task, 3222, &[mine]).unwrap(), [0]);
}

#[test]
fn names_references_and_attributes() {
    let setting = setting();
    let Setting { ref world, a, task, .. } = setting;
    let name = setting.call(task, 3204, &[1]).unwrap()[0];
    assert_eq!(setting.call(task, 3203, &[1, 0x50_03]), Ok(vec![]));
    let dead = setting.call(task, 3204, &[4]).unwrap()[0];
    assert_eq!(setting.call(task, 3208, &[dead, 4, 2]), Ok(vec![]));
    assert_eq!(setting.call(task, 3207, &[dead, 4]).unwrap(), [3]);
    assert_eq!(setting.call(task, 3201, &[name]).unwrap(), [0x2_0000]);
    let status = setting.call(task, 3217, &[name, 2, 17]).unwrap();
    assert_eq!((status[0], status.len(), status[4]), (10, 11, 5));
    assert_eq!(setting.call(task, 3218, &[name, 1, 1, 9]), Ok(vec![]));
    assert_eq!(setting.call(task, 3217, &[name, 1, 1]).unwrap(), [1, 9]);
    assert_eq!(setting.call(task, 3229, &[name, 7, 8]), Ok(vec![]));
    assert_eq!(setting.call(task, 3228, &[name]).unwrap(), [7, 8]);
    assert_eq!(setting.call(task, 3229, &[name, 0, 0]), Ok(vec![]));
    assert_eq!(setting.call(task, 3233, &[name, 5, 0, 1]), Ok(vec![]));
    let invalid = kern(KernReturn::KERN_INVALID_ARGUMENT);
    assert_eq!(setting.call(task, 3234, &[name, 6, 0]), invalid);
    assert_eq!(setting.call(task, 3232, &[name, 0, 5, 0]), Ok(vec![]));
    assert_eq!(world.kinds(a, name), None);

    let set = world.set(a);
    let member = world.receive_right(a);
    assert_eq!(setting.call(task, 3226, &[member, set]), Ok(vec![]));
    let members = setting.raw(Setting::request(task, 3211, &[set]));
    assert_eq!((members.word(24), members.word(40), members.size()), (1, 4, 28 + 16 + 8 + 4));
    assert_eq!(members.word(52), 1);
    assert_eq!(world.read(a, members.double(28), 4), member.to_le_bytes());
    assert_eq!(setting.call(task, 3227, &[member, set]), Ok(vec![]));

    let names = setting.raw(Setting::request(task, 3200, &[]));
    let count = names.word(68);
    assert_eq!((names.word(24), names.word(72), names.size()), (2, count, 76));
    assert!(count >= 6);
    let found = world.read(a, names.double(28), count as usize * 4);
    assert!(found.chunks(4).any(|name| name == member.to_le_bytes()));
    assert_eq!(world.usage().regions, 0);
}

#[test]
fn notifications_are_requested_and_taken_back() {
    let setting = setting();
    let (name, notify) = (setting.world.receive_right(setting.a), setting.world.receive_right(setting.a));
    let ask = |name, right, kind| {
        let message = Setting::request(setting.task, 3213, &[name, 70, 1]).with(port_descriptor(right, kind));
        setting.raw(message)
    };
    let first = ask(name, notify, Type::MACH_MSG_TYPE_MAKE_SEND_ONCE);
    assert_eq!((first.word(24), first.word(28), first.size()), (1, 0, 40));
    let back = ask(name, 0, Type::MACH_MSG_TYPE_MOVE_SEND_ONCE);
    assert_eq!(setting.world.kinds(setting.a, back.word(28)), Some(common::SEND_ONCE));
    let wrong = ask(name, notify, Type::MACH_MSG_TYPE_MAKE_SEND);
    assert_eq!(wrong.word(32) as i32, TYPE_ERROR);
    let refused = ask(0x77_03, notify, Type::MACH_MSG_TYPE_MAKE_SEND_ONCE);
    assert_eq!(refused.word(32) as i32, KernReturn::KERN_INVALID_NAME.number());
    assert_eq!(setting.world.receive(setting.a, notify).unwrap().id(), 71, "the right was not used");
}

#[test]
fn ports_are_constructed_by_options_in_memory() {
    let setting = setting();
    let options = setting.world.alloc(setting.a, 24);
    setting.world.write(setting.a, options, &[0x12, 0, 0, 0, 9, 0, 0, 0]);
    let message =
        Setting::request(setting.task, 3231, &[5, 0]).with(memory_descriptor(options, 24, 1, false));
    let reply = setting.raw(message);
    assert_eq!((reply.word(32), reply.size()), (0, 40));
    assert_eq!(setting.call(setting.task, 3217, &[reply.word(36), 1, 1]).unwrap(), [1, 9]);
    assert_eq!(setting.world.engine.host().regions.get(), 0);
}

#[test]
fn tasks_and_threads_tell_of_themselves() {
    let setting = setting();
    let Setting { ref world, a, task, thread, .. } = setting;
    let info = |flavor, room| setting.call(task, 3405, &[flavor, room]);
    assert_eq!(info(20, 94).unwrap(), [12, 0, 6, 7 << 20, 0, 8 << 20, 0, 3, 4, 5, 6, 1, 0]);
    assert_eq!(info(5, 10).unwrap(), [10, 0, 0, 6, 7 << 20, 0, 3, 4, 5, 6, 1]);
    assert_eq!(info(4, 8).unwrap(), [8, 0, 0, 7 << 20, 3, 4, 5, 6, 1]);
    assert_eq!(info(15, 8).unwrap()[6], 10, "the pid of an audit token");
    assert_eq!(info(3, 4).unwrap(), [4, 7, 8, 0, 0]);
    assert_eq!(info(20, 11), kern(KernReturn::KERN_INVALID_ARGUMENT));
    assert_eq!(info(22, 94), kern(KernReturn::KERN_NOT_SUPPORTED));
    assert_eq!(info(77, 94), kern(KernReturn::KERN_INVALID_ARGUMENT));
    assert_eq!(setting.call(task, 3455, &[]).unwrap(), [1]);

    let basic = setting.call(thread, 3612, &[3, 32]).unwrap();
    assert_eq!(basic, [10, 1, 2, 2, 3, 0, 1, 1, 0, 0, 0]);
    let who = setting.call(thread, 3612, &[4, 6]).unwrap();
    assert_eq!(who, [6, 10, 0, 0, 0, 0, 0]);

    world.thread(a, 12);
    let threads = setting.raw(Setting::request(task, 3402, &[]));
    assert_eq!((threads.word(24), threads.word(52), threads.size()), (1, 2, 56));
    let names = world.read(a, threads.double(28), 8);
    assert_eq!(names[..4], thread.to_le_bytes());
}

#[test]
fn special_and_registered_ports_are_kept_and_inherited() {
    let setting = setting();
    let Setting { ref world, a, task, host, .. } = setting;
    let port = world.send_receive(a);
    let give = |id, words: &[u32], rights: &[u32]| {
        let mut message = Setting::request(task, id, words);
        for right in rights {
            message = message.with(port_descriptor(*right, Type::MACH_MSG_TYPE_COPY_SEND));
        }
        setting.error(message)
    };
    assert_eq!(give(3410, &[4], &[port]), 0);
    assert_eq!(give(3410, &[1], &[port]), KernReturn::KERN_NO_ACCESS.number());
    assert_eq!(give(3410, &[12], &[port]), KernReturn::KERN_INVALID_ARGUMENT.number());
    assert_eq!((give(3410, &[9], &[port]), give(3410, &[9], &[port])), (0, 8));
    let special = |which| setting.right(task, 3409, &[which]);
    assert_eq!((special(1), special(2), special(4), special(10)), (task, host, port, 0));
    assert_eq!(give(3403, &[], &[port, 0, port]), 0);
    let child = xnu_lkm::Process { pid: 20, parent: 10, uid: 0, gid: 0 };
    let open = world.open(child).unwrap();
    let b = world.caller(open, child, 20).unwrap();
    let there = Setting { world: world.clone(), a: b, task: world.task_self(b), host: 0, thread: 0 };
    let found = there.raw(Setting::request(there.task, 3404, &[]));
    assert_eq!((found.word(24), found.size(), found.word(40)), (3, 28 + 36, 0));
    assert_eq!(found.word(28), found.word(52));
    assert_eq!(there.right(there.task, 3409, &[4]), found.word(28));
    world.release(open);
    assert_eq!(give(3410, &[4], &[0]), 0);
    assert_eq!(special(4), 0);
}

#[test]
fn semaphores_are_created_and_destroyed() {
    let setting = setting();
    let Setting { ref world, a, task, .. } = setting;
    let semaphore = setting.right(task, 3418, &[0, 1]);
    assert_eq!(world.semaphore_wait(a, semaphore, None, None), Ok(()));
    let destroy = |name| {
        setting.error(
            Setting::request(task, 3419, &[]).with(port_descriptor(name, Type::MACH_MSG_TYPE_COPY_SEND)),
        )
    };
    assert_eq!(destroy(semaphore), 0);
    assert_eq!(world.semaphore_signal(a, semaphore), Err(KernReturn::KERN_TERMINATED));
    assert_eq!(destroy(task), KernReturn::KERN_INVALID_ARGUMENT.number());
    assert_eq!(setting.call(task, 3418, &[0, u32::MAX]), kern(KernReturn::KERN_INVALID_ARGUMENT));
    world.mach_port_deallocate(a, a.task, semaphore).unwrap();
    assert_eq!(world.usage().semaphores, 0);
}

#[test]
fn messages_are_peeked_at() {
    let setting = setting();
    let port = setting.world.send_receive(setting.a);
    let message = Message::to(port, Type::MACH_MSG_TYPE_COPY_SEND, 88).data(b"four");
    assert_eq!(setting.world.send(setting.a, &message).number(), 0);
    let words = setting.call(setting.task, 3209, &[port, 0, 0, 68]).unwrap();
    assert_eq!((words[1], words[2], words[3], words.len()), (28, 88, 8, 6));
}

#[test]
fn no_answer_is_sent_where_none_is_wanted() {
    let setting = setting();
    let message = Setting::request(setting.task, 3204, &[1]);
    let before = setting.world.usage();
    assert_eq!(setting.world.send(setting.a, &message).number(), 0);
    let after = setting.world.usage();
    assert_eq!((after.ports, after.messages), (before.ports + 1, 0));
}
