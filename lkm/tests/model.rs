//! Random operations of eight tasks, on the engine and on a small model of XNU's rules; what can be seen of both is compared
//! after each one. Tasks die at any point, and while senders wait for room.
//!
//! `LKM_MODEL_STEPS` and `LKM_MODEL_SEED` say how many steps and which ones.

mod common;
#[path = "model/kernel.rs"]
mod kernel;
#[path = "model/mod.rs"]
mod model;
#[path = "model/traffic.rs"]
mod traffic;

use common::World;
use model::{Entry, Kind, Model, Name, Ref, Wait};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use xnu_abi::darwin::mach_message::MsgType as Type;
use xnu_abi::darwin::mach_port::{
    NotifyId, PortFlavor, PortGuardFlags, PortRight as Right, PortStatusFlags as Status, PortType,
};
use xnu_lkm::{Caller, OpenId, Process, Usage};

const TASKS: usize = 8;
const NAMES: usize = 14;
/// Steps before everything begins anew.
const LIFE: usize = 1000;
const ONCE: Type = Type::MACH_MSG_TYPE_MAKE_SEND_ONCE;

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

struct Both {
    world: World,
    model: Model,
    opens: Vec<OpenId>,
    tasks: Vec<Caller>,
    random: Random,
    next_id: i32,
    /// What was done, for the report of a difference.
    log: Rc<RefCell<VecDeque<String>>>,
}

impl Both {
    fn new(seed: u64) -> Both {
        let world = World::new();
        let mut both = Both {
            world,
            model: Model::default(),
            opens: Vec::new(),
            tasks: Vec::new(),
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            next_id: 1000,
            log: Rc::default(),
        };
        for task in 0..TASKS {
            let (open, caller) = both.birth(task);
            both.opens.push(open);
            both.tasks.push(caller);
            both.model.tasks.push(BTreeMap::new());
        }
        // The ports that stay: of the host and of its clocks.
        let by = both.tasks[0];
        for clock in 0..2 {
            let name = both.clock(0, clock);
            both.world.mach_port_deallocate(by, by.task, name).unwrap();
        }
        both
    }

    fn birth(&self, task: usize) -> (OpenId, Caller) {
        let process = Process { pid: 100 + task as i32, ..Process::default() };
        let open = self.world.open(process).unwrap();
        (open, self.world.caller(open, process, 1).unwrap())
    }

    fn note(&mut self, what: String) {
        let mut log = self.log.borrow_mut();
        if log.len() > 12 {
            log.pop_front();
        }
        log.push_back(what);
    }

    /// A name of a task, or now and then one of nothing.
    fn name(&mut self, task: usize) -> Name {
        let names: Vec<Name> = self.model.tasks[task].keys().copied().collect();
        if names.is_empty() || self.random.below(40) == 0 {
            return 0x00f0_0003;
        }
        self.random.of(&names)
    }

    /// A name of a task with a receive right, if there is one.
    fn receiver(&mut self, task: usize) -> Option<Name> {
        let names: Vec<Name> =
            self.model.tasks[task].iter().filter(|(_, entry)| entry.receive).map(|(name, _)| *name).collect();
        if names.is_empty() { None } else { Some(self.random.of(&names)) }
    }

    /// A name of a task that is a set, if there is one.
    fn set_name(&mut self, task: usize) -> Option<Name> {
        let names: Vec<Name> = self.model.tasks[task]
            .iter()
            .filter(|(_, entry)| entry.set.is_some())
            .map(|(name, _)| *name)
            .collect();
        if names.is_empty() { None } else { Some(self.random.of(&names)) }
    }

    fn step(&mut self) {
        let task = self.random.below(TASKS);
        match self.random.below(100) {
            0..9 => self.allocate(task),
            9..14 => self.objects(task),
            14 => self.special(task),
            15..20 => self.mod_refs(task),
            20..23 => self.deallocate(task),
            23..26 => self.destroy(task),
            26..31 => self.insert(task),
            31..42 => self.extract(task),
            42..51 => self.request(task),
            51..71 => self.send(task),
            71..86 => self.receive(task),
            86..93 => self.members(task),
            93..95 => self.destruct(task),
            95..97 => self.limit(task),
            97..99 => self.guard(task),
            _ => {
                if self.random.below(12) == 0 {
                    self.die(task);
                }
            }
        }
        self.compare();
    }

    fn allocate(&mut self, task: usize) {
        if self.model.tasks[task].len() >= NAMES {
            return;
        }
        let right = self.random.of(&[
            Right::MACH_PORT_RIGHT_RECEIVE,
            Right::MACH_PORT_RIGHT_RECEIVE,
            Right::MACH_PORT_RIGHT_RECEIVE,
            Right::MACH_PORT_RIGHT_PORT_SET,
            Right::MACH_PORT_RIGHT_DEAD_NAME,
        ]);
        let by = self.tasks[task];
        let name = self.world.mach_port_allocate(by, by.task, right, None).unwrap();
        self.note(format!("{task} allocate {right:?} {name:#x}"));
        match right {
            Right::MACH_PORT_RIGHT_RECEIVE => self.model.new_port(task, name),
            Right::MACH_PORT_RIGHT_PORT_SET => self.model.new_set(task, name),
            _ => self.model.new_dead(task, name),
        }
    }

    /// The thread's own port for answers, which stays where it is until the thread has another.
    fn special(&mut self, task: usize) {
        if self.model.tasks[task].len() >= NAMES {
            return;
        }
        let name = self.world.thread_get_special_reply_port(self.tasks[task]);
        self.note(format!("{task} special reply port {name:#x}"));
        self.model.new_special(task, name);
    }

    fn mod_refs(&mut self, task: usize) {
        let name = self.name(task);
        let right = Right::new(self.random.below(5) as u32);
        let delta = self.random.below(6) as i32 - 3;
        self.note(format!("{task} mod_refs {name:#x} {right:?} {delta}"));
        let by = self.tasks[task];
        let done = self.world.mach_port_mod_refs(by, by.task, name, right, delta);
        assert_eq!(done, self.model.mod_refs(task, name, right, delta));
    }

    fn deallocate(&mut self, task: usize) {
        let name = self.name(task);
        self.note(format!("{task} deallocate {name:#x}"));
        let by = self.tasks[task];
        let done = self.world.mach_port_deallocate(by, by.task, name);
        assert_eq!(done, self.model.deallocate(task, name));
    }

    fn destroy(&mut self, task: usize) {
        let name = self.name(task);
        self.destroy_one(task, name);
    }

    fn destroy_one(&mut self, task: usize, name: Name) {
        self.note(format!("{task} destroy {name:#x}"));
        let by = self.tasks[task];
        let done = self.world.mach_port_destroy(by, by.task, name);
        assert_eq!(done, self.model.destroy(task, name));
    }

    fn insert(&mut self, task: usize) {
        let name = self.name(task);
        let kind = self.random.of(&[Type::MACH_MSG_TYPE_MAKE_SEND, Type::MACH_MSG_TYPE_COPY_SEND]);
        self.note(format!("{task} insert {name:#x} {kind:?}"));
        let by = self.tasks[task];
        let done = self.world.mach_port_insert_right(by, by.task, name, name, kind);
        assert_eq!(done, self.model.insert(task, name, kind));
    }

    fn disposition(&mut self) -> Type {
        Type::new(16 + self.random.below(6) as u32)
    }

    fn extract(&mut self, task: usize) {
        let to = self.random.below(TASKS);
        if self.model.tasks[to].len() >= NAMES {
            return;
        }
        let (name, disposition) = (self.name(task), self.disposition());
        self.note(format!("{to} extract from {task} {name:#x} {disposition:?}"));
        let (from, by) = (self.tasks[task], self.tasks[to]);
        let done = self.world.mach_port_extract_right(by, from.task, name, disposition);
        match self.model.copy_in(task, name, disposition) {
            Ok((right, deleted)) => {
                let (new, _) = done.unwrap();
                self.model.deleted(deleted, name);
                self.model.copy_out(to, right, Kind::of(disposition).unwrap(), new);
            }
            Err(error) => assert_eq!(done.unwrap_err(), error),
        }
    }

    fn request(&mut self, task: usize) {
        let Some(notify) = self.receiver(task) else { return };
        if self.model.tasks[task].len() >= NAMES {
            return;
        }
        let name = self.name(task);
        let sync = self.random.below(2) as u32;
        let id = self.random.of(&[
            NotifyId::MACH_NOTIFY_DEAD_NAME,
            NotifyId::MACH_NOTIFY_SEND_POSSIBLE,
            NotifyId::MACH_NOTIFY_NO_SENDERS,
            NotifyId::MACH_NOTIFY_PORT_DESTROYED,
        ]);
        self.note(format!("{task} request {id:?} {name:#x} sync {sync} to {notify:#x}"));
        let by = self.tasks[task];
        let done = self.world.mach_port_request_notification(by, by.task, name, id, sync, notify, ONCE);
        let to = self.model.entry(task, notify).unwrap().port.unwrap();
        let asked = match id {
            NotifyId::MACH_NOTIFY_DEAD_NAME | NotifyId::MACH_NOTIFY_SEND_POSSIBLE => {
                let possible = id == NotifyId::MACH_NOTIFY_SEND_POSSIBLE;
                self.model.request(task, name, possible, sync != 0, to)
            }
            _ => self.model.port_request(task, name, id, sync, to),
        };
        match asked {
            Ok(previous) => {
                let name = done.unwrap();
                let right = previous.map_or(Ref::Null, Ref::Port);
                self.model.copy_out(task, right, Kind::Once, name);
            }
            Err(error) => {
                assert_eq!(done.unwrap_err(), error);
                self.model.refuse(to);
            }
        }
    }

    fn members(&mut self, task: usize) {
        let (mut name, mut set) = (self.name(task), self.name(task));
        if self.random.below(8) > 0 {
            name = self.receiver(task).unwrap_or(name);
            set = self.set_name(task).unwrap_or(set);
        }
        let what = self.random.below(3);
        self.note(format!("{task} member {what} {name:#x} {set:#x}"));
        let by = self.tasks[task];
        let done = match what {
            0 => self.world.mach_port_insert_member(by, by.task, name, set),
            1 => self.world.mach_port_extract_member(by, by.task, name, set),
            _ => self.world.mach_port_move_member(by, by.task, name, set),
        };
        assert_eq!(done, self.model.members(task, what, name, set));
    }

    fn destruct(&mut self, task: usize) {
        let name = self.name(task);
        let delta = self.random.below(4) as i32 - 2;
        let guard = self.random.below(2) as u64 * 7;
        self.note(format!("{task} destruct {name:#x} {delta} {guard}"));
        let by = self.tasks[task];
        let done = self.world.mach_port_destruct(by, by.task, name, delta, guard);
        assert_eq!(done, self.model.destruct(task, name, delta, guard));
    }

    fn limit(&mut self, task: usize) {
        let Some(name) = self.receiver(task) else { return };
        let limit = self.random.of(&[0, 1, 2, 5, 5, 5]);
        self.limit_to(task, name, limit);
    }

    fn limit_to(&mut self, task: usize, name: Name, limit: u32) {
        self.note(format!("{task} limit {name:#x} {limit}"));
        let by = self.tasks[task];
        let flavor = PortFlavor::MACH_PORT_LIMITS_INFO;
        self.world.mach_port_set_attributes(by, by.task, name, flavor, &[limit]).unwrap();
        let port = self.model.entry(task, name).unwrap().port.unwrap();
        self.model.set_limit(port, limit);
    }

    fn guard(&mut self, task: usize) {
        let Some(name) = self.receiver(task) else { return };
        let by = self.tasks[task];
        let port = self.model.entry(task, name).unwrap().port.unwrap();
        let state = &mut self.model.ports[port];
        self.log.borrow_mut().push_back(format!("{task} guard {name:#x} {:?}", state.guard));
        match state.guard {
            None => {
                let guard = self.random.of(&[7, 7, 0]);
                let mut flags = PortGuardFlags::empty();
                flags.set(PortGuardFlags::MPG_IMMOVABLE_RECEIVE, self.random.below(8) == 0);
                state.guard = Some(guard);
                state.immovable |= !flags.is_empty();
                self.world.mach_port_guard(by, by.task, name, guard, flags).unwrap();
            }
            Some(guard) => {
                state.guard = None;
                self.world.mach_port_unguard(by, by.task, name, guard).unwrap();
            }
        }
    }

    fn die(&mut self, task: usize) {
        self.note(format!("{task} dies"));
        self.world.release(self.opens[task]);
        if let Some(blocked) = self.model.blocked.as_mut().filter(|blocked| blocked.task == task) {
            blocked.wait = Wait::Ended;
        }
        self.model.end_of_task_begins(task);
        self.model.end_task(task);
        self.model.end_of_task(task);
        (self.opens[task], self.tasks[task]) = self.birth(task);
    }

    /// Everybody dies, and nothing is left but what stays.
    fn end(self) {
        for open in self.opens {
            self.world.release(open);
        }
        let usage = self.world.usage();
        assert_eq!(Usage { bytes: 0, ..usage }, Usage { ports: 3, ..Usage::default() });
    }

    /// Everything that tasks can see is as the model says.
    fn compare(&self) {
        let usage = self.world.usage();
        assert_eq!([usage.semaphores, usage.vouchers, usage.timers], self.model.objects(), "objects");
        assert_eq!((usage.messages, usage.regions), (self.model.messages(), 0));
        for (task, names) in self.model.tasks.iter().enumerate() {
            let by = self.tasks[task];
            let listed = self.world.mach_port_names(by, by.task).unwrap();
            let found: Vec<Name> = listed.iter().map(|(name, _)| *name).collect();
            let mut expected: Vec<Name> = names.keys().copied().collect();
            expected.sort_by_key(|name| name >> 8);
            assert_eq!(found, expected, "names of {task}");
            for (name, kinds) in listed {
                self.compare_name(task, name, kinds, &names[&name]);
            }
        }
    }

    fn compare_name(&self, task: usize, name: Name, kinds: PortType, entry: &Entry) {
        let by = self.tasks[task];
        let mut expected = PortType::empty();
        expected.set(common::SEND, entry.send > 0);
        expected.set(common::RECEIVE, entry.receive);
        expected.set(common::SEND_ONCE, entry.once);
        expected.set(common::DEAD_NAME, entry.dead > 0);
        expected.set(common::PORT_SET, entry.set.is_some());
        if let Some(request) = entry.request.filter(|request| request.notify.is_some()) {
            expected |= common::DNREQUEST;
            expected.set(PortType::MACH_PORT_TYPE_SPREQUEST, request.possible);
            let delayed = request.possible && !request.armed;
            expected.set(PortType::MACH_PORT_TYPE_SPREQUEST_DELAYED, delayed);
        }
        assert_eq!(kinds, expected, "{name:#x} of {task}");
        let refs = |right| self.world.refs(by, name, right);
        assert_eq!(refs(Right::MACH_PORT_RIGHT_SEND), entry.send, "send rights {name:#x} of {task}");
        assert_eq!(refs(Right::MACH_PORT_RIGHT_DEAD_NAME), entry.dead, "dead names {name:#x} of {task}");
        let (Some(port), true) = (entry.port, entry.receive) else { return };
        let state = &self.model.ports[port];
        let status =
            self.world.mach_port_get_attributes(by, by.task, name, PortFlavor::MACH_PORT_RECEIVE_STATUS, 10);
        let in_set = self.model.sets.values().any(|set| set.members.contains(&port));
        let mut flags = Status::empty();
        flags.set(Status::MACH_PORT_STATUS_FLAG_GUARDED, state.guard.is_some());
        let immovable = state.guard.is_some() && state.immovable;
        flags.set(Status::MACH_PORT_STATUS_FLAG_GUARD_IMMOVABLE_RECEIVE, immovable);
        let expected = [
            u32::from(in_set),
            state.seqno,
            state.makes,
            state.limit,
            self.model.load(port) as u32,
            self.model.count(port, Kind::Once) as u32,
            u32::from(self.model.count(port, Kind::Send) > 0),
            u32::from(state.backup.is_some()),
            u32::from(state.no_senders.is_some()),
            flags.bits(),
        ];
        assert_eq!(status.unwrap(), expected, "status of {name:#x} of {task}");
        if state.guard.is_some() {
            let context = self.world.mach_port_get_context(by, by.task, name).ok();
            assert_eq!(context, state.guard, "guard of {name:#x} of {task}");
        }
    }
}

fn run(seed: u64, steps: usize) {
    let mut both = Both::new(seed);
    for step in 0..steps {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| both.step()));
        if let Err(panic) = result {
            let log: Vec<String> = both.log.borrow().iter().cloned().collect();
            eprintln!("seed {seed}, step {step}:\n{}", log.join("\n"));
            std::panic::resume_unwind(panic);
        }
    }
    both.end();
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

/// A few steps, then one task dies, then more steps.
fn run_with_death(seed: u64, before: usize, task: usize) {
    let mut both = Both::new(seed);
    (0..before).for_each(|_| both.step());
    both.die(task);
    both.compare();
    (0..5).for_each(|_| both.step());
    both.end();
}

#[test]
fn a_task_may_die_after_any_step() {
    let seed = from_environment("LKM_MODEL_SEED", 1);
    for seed in seed..seed + from_environment("LKM_MODEL_STEPS", 20_000) / 10_000 {
        for before in (0..200).step_by(3) {
            run_with_death(seed, before, before % TASKS);
        }
    }
}

#[test]
fn the_engine_follows_the_rules_of_rights() {
    let steps = from_environment("LKM_MODEL_STEPS", 20_000) as usize;
    let seed = from_environment("LKM_MODEL_SEED", 1);
    // Short lives find more than one long one.
    for part in 0..steps.div_ceil(LIFE) {
        run(seed + part as u64, LIFE.min(steps));
    }
}
