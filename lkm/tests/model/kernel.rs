//! What the random operations do with objects of the engine.

use super::common::message::Message as Sent;
use super::model::{Kind, Name, Object, Ref};
use super::{Both, NAMES, ONCE, Right};
use xnu_abi::darwin::mach_message::MsgType as Type;

/// `host_get_clock_service`.
const GET_CLOCK: i32 = 206;
/// The key of a program's own bytes in vouchers, and the command that stores them.
const USER_DATA: u32 = 7;
const STORE: u32 = 211;

impl Both {
    pub(crate) fn objects(&mut self, task: usize) {
        let by = self.tasks[task];
        let what = self.random.below(12);
        if what < 7 && self.model.tasks[task].len() >= NAMES {
            return;
        }
        let (object, name) = match what {
            0 => (Object::Task(task), self.world.task_self(by)),
            1 => (Object::Thread(task), self.world.thread_self(by)),
            2 => (Object::Host, self.world.host_self(by)),
            3 => {
                let clock = self.random.below(2) as u32;
                (Object::Clock(clock), self.clock(task, clock))
            }
            4 => {
                let content = self.random.below(3) as u8;
                (Object::Voucher(content), self.voucher(task, content))
            }
            5 => {
                let name = self.world.mk_timer_create(by);
                self.note(format!("{task} timer {name:#x}"));
                return self.model.new_timer(task, name);
            }
            6 => {
                let count = self.random.below(2);
                let name = self.world.semaphore_create(by, by.task, 0, count as i32).unwrap();
                self.note(format!("{task} semaphore {name:#x} {count}"));
                let port = self.model.new_object(Object::Semaphore(Some(task), count as u32));
                return self.model.copy_out(task, Ref::Port(port), Kind::Send, name);
            }
            _ => return self.use_object(task),
        };
        self.note(format!("{task} gets {object:?} {name:#x}"));
        let port = self.model.object(object);
        self.model.copy_out(task, Ref::Port(port), Kind::Send, name);
    }

    /// A name of an object, if there is one.
    pub(crate) fn object_name(&mut self, task: usize, is: fn(Object) -> bool) -> Option<Name> {
        let ports = &self.model.ports;
        let is = |port: Option<usize>| port.and_then(|port| ports[port].object).is_some_and(is);
        let names = self.model.tasks[task].iter().filter(|(_, entry)| is(entry.port));
        let names: Vec<Name> = names.map(|(name, _)| *name).collect();
        if names.is_empty() { None } else { Some(self.random.of(&names)) }
    }

    fn use_object(&mut self, task: usize) {
        let by = self.tasks[task];
        let any = self.name(task);
        let timer = self.random.below(2) == 0;
        let is: fn(Object) -> bool = if timer {
            |object| object == Object::Timer
        } else {
            |object| matches!(object, Object::Semaphore(..))
        };
        let name = self.object_name(task, is).filter(|_| self.random.below(8) > 0).unwrap_or(any);
        let what = self.random.below(8);
        self.note(format!("{task} uses timer {timer} {name:#x} {what}"));
        let (done, expected) = match (timer, what) {
            (true, 0) => (self.world.mk_timer_destroy(by, name), self.model.timer_destroy(task, name)),
            (true, _) => (self.world.mk_timer_arm(by, name, 0), self.model.timer_expires(task, name)),
            (false, 0) => {
                (self.world.semaphore_destroy(by, by.task, name), self.model.semaphore_destroy(task, name))
            }
            (false, 1..4) => (self.world.semaphore_signal(by, name), self.model.semaphore_signal(task, name)),
            (false, 4..7) => (
                self.world.semaphore_wait(by, name, None, Some((0, 0))),
                self.model.semaphore_try(task, name),
            ),
            // The receive right of an object is nobody's to take.
            _ => {
                let Some(name) = self.object_name(task, |_| true) else { return };
                let done =
                    self.world.mach_port_extract_right(by, by.task, name, Type::MACH_MSG_TYPE_MOVE_RECEIVE);
                let Err(error) = self.model.copy_in(task, name, Type::MACH_MSG_TYPE_MOVE_RECEIVE) else {
                    panic!("no object has the name {name:#x}")
                };
                (done.map(|_| ()), Err(error))
            }
        };
        assert_eq!(done, expected);
    }

    /// The port of a clock, as the host gives it; what that takes is gone afterwards.
    pub(crate) fn clock(&self, task: usize, clock: u32) -> Name {
        let (world, by) = (&self.world, self.tasks[task]);
        let (host, reply) = (world.host_self(by), world.mach_reply_port(by));
        let mut data = vec![0, 0, 0, 0, 1, 0, 0, 0];
        data.extend_from_slice(&clock.to_le_bytes());
        let message = Sent::to(host, Type::MACH_MSG_TYPE_COPY_SEND, GET_CLOCK).reply(reply, ONCE).data(&data);
        assert_eq!(world.send(by, &message).number(), 0);
        let name = world.receive(by, reply).unwrap().word(28);
        world.mach_port_mod_refs(by, by.task, reply, Right::MACH_PORT_RIGHT_RECEIVE, -1).unwrap();
        world.mach_port_deallocate(by, by.task, host).unwrap();
        name
    }

    fn voucher(&self, task: usize, content: u8) -> Name {
        let (world, by) = (&self.world, self.tasks[task]);
        let host = world.host_self(by);
        let at = world.alloc(by, 64);
        let words = [USER_DATA, STORE, 0, 4, u32::from(content)];
        let recipe: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        world.write(by, at, &recipe);
        world.host_create_mach_voucher(by, host, (at, recipe.len() as i32), at + 32).unwrap();
        let name = world.read(by, at + 32, 4);
        world.memory(by, |memory| memory.deallocate(at));
        world.mach_port_deallocate(by, by.task, host).unwrap();
        u32::from_le_bytes(name.try_into().unwrap())
    }
}
