//! Messages of the random operations: sent, waiting for room while others go on, received, given back and destroyed.

use super::common::message::{
    Message as Sent, RECEIVE_NOW, ROOM, Received, SEND, SEND_NOW, guarded_descriptor, port_descriptor,
    ports_descriptor,
};
use super::model::{
    Blocked, Home, IMMOVABLE, Kind, Message, Model, Name, Object, Part, Ref, Shape, UNGUARDED, Wait,
};
use super::{Both, ONCE, Random};
use std::cell::RefCell;
use std::rc::Rc;
use xnu_abi::darwin::kern_return::{MachMsgReturn as Mach, MachMsgReturnBits};
use xnu_abi::darwin::mach_message::{MsgOption, MsgType as Type};
use xnu_lkm::{Caller, Wake};

const PAGE: u64 = 4096;
const NO_ROOM: i32 = MachMsgReturnBits::MACH_MSG_VM_SPACE.bits() as i32;
/// Room for no message at all.
const TOO_SMALL: u32 = 28;
/// Where no memory is.
const NOWHERE: u64 = 0x10;

/// How a message comes to a task.
struct Arrival<'a> {
    by: Caller,
    task: usize,
    /// What was received; none if it could not be written.
    got: Option<&'a Received>,
    address: u64,
    /// Guarded ports are welcome.
    guards: bool,
    /// There is no memory for arrays.
    refused: bool,
    /// It was not sent.
    back: bool,
    /// The name that is new, where only one can be.
    fresh: Option<Name>,
}

impl Both {
    fn part(&mut self, task: usize) -> Part {
        let disposition = self.disposition();
        let (shape, count) = match self.random.below(10) {
            0..5 => (Shape::Port, 1),
            5..8 => {
                let count = self.random.below(5);
                (Shape::Array(count), count)
            }
            _ => return self.guarded_part(task),
        };
        let name = |both: &mut Both| match both.random.below(16) {
            0 => 0,
            1 => u32::MAX,
            _ => both.name(task),
        };
        let names: Vec<(Name, Type)> = (0..count).map(|_| (name(self), disposition)).collect();
        let array = matches!(shape, Shape::Array(1..));
        let readable = !array || count < 2 || self.random.below(12) > 0;
        Part { shape, names, readable, deallocate: array && self.random.below(2) == 0 }
    }

    fn guarded_part(&mut self, task: usize) -> Part {
        let mut name = self.name(task);
        if self.random.below(8) > 0 {
            name = self.receiver(task).unwrap_or(0);
        }
        let port = self.model.entry(task, name).ok().and_then(|entry| entry.port);
        let guard = port.and_then(|port| self.model.ports[port].guard);
        // Mostly what fits the port.
        let flags = match guard {
            Some(1..) => IMMOVABLE,
            _ => self.random.of(&[IMMOVABLE, UNGUARDED, IMMOVABLE | UNGUARDED, IMMOVABLE | UNGUARDED]),
        };
        let context = if flags & UNGUARDED != 0 {
            0
        } else if self.random.below(6) == 0 {
            7
        } else {
            guard.unwrap_or(0)
        };
        let names = vec![(name, Type::MACH_MSG_TYPE_MOVE_RECEIVE)];
        Part { shape: Shape::Guarded(context, flags), names, readable: true, deallocate: false }
    }

    fn voucher_to_send(&mut self, task: usize) -> Option<(Name, Type)> {
        let disposition = self.random.of(&[Type::MACH_MSG_TYPE_COPY_SEND, Type::MACH_MSG_TYPE_MOVE_SEND]);
        let name = match self.random.below(60) {
            0 => self.name(task),
            1..30 => self.object_name(task, |object| matches!(object, Object::Voucher(_)))?,
            _ => return None,
        };
        Some((name, disposition))
    }

    /// Writes a descriptor; where its array is, that page.
    fn descriptor(&self, by: Caller, part: &Part) -> (Vec<u8>, Option<u64>) {
        match part.shape {
            Shape::Port => (port_descriptor(part.names[0].0, part.names[0].1), None),
            Shape::Guarded(context, flags) => (guarded_descriptor(part.names[0].0, context, flags), None),
            Shape::Array(0) => (ports_descriptor(NOWHERE, 0, ONCE, part.deallocate), None),
            Shape::Array(count) => {
                let page = self.world.alloc(by, PAGE);
                let bytes: Vec<u8> = part.names.iter().flat_map(|(name, _)| name.to_le_bytes()).collect();
                // An array that cannot be read goes over the end of memory.
                let at = if part.readable { page } else { page + PAGE - 4 };
                let there = bytes.len().min((page + PAGE - at) as usize);
                self.world.write(by, at, &bytes[..there]);
                (ports_descriptor(at, count as u32, part.names[0].1, part.deallocate), Some(page))
            }
        }
    }

    pub(crate) fn send(&mut self, task: usize) {
        let (dest, reply) = (self.name(task), self.name(task));
        let dest_disposition = self.random.of(&[
            Type::MACH_MSG_TYPE_COPY_SEND,
            Type::MACH_MSG_TYPE_MOVE_SEND,
            Type::MACH_MSG_TYPE_MOVE_SEND_ONCE,
            Type::MACH_MSG_TYPE_MAKE_SEND,
            ONCE,
        ]);
        let reply_disposition = match self.random.below(8) {
            0 => Type::MACH_MSG_TYPE_COPY_SEND,
            1 => Type::MACH_MSG_TYPE_MOVE_SEND,
            2 => Type::MACH_MSG_TYPE_MOVE_SEND_ONCE,
            3 => ONCE,
            _ => Type::MACH_MSG_TYPE_PORT_NONE,
        };
        // Pairs of one name are for the tests of messages.
        if dest == reply && reply_disposition != Type::MACH_MSG_TYPE_PORT_NONE {
            return;
        }
        let port = self.model.entry(task, dest).ok().and_then(|entry| entry.port);
        if port.is_some_and(|port| self.model.ports[port].home == Home::Engine) {
            // What objects answer is for the tests of their calls.
            return;
        }
        self.next_id += 1;
        let id = self.next_id;
        let mut message = Sent::to(dest, dest_disposition, id);
        if reply_disposition != Type::MACH_MSG_TYPE_PORT_NONE {
            message = message.reply(reply, reply_disposition);
        }
        let voucher = self.voucher_to_send(task).filter(|(name, _)| ![dest, reply].contains(name));
        if let Some((name, disposition)) = voucher {
            message.bits |= disposition.number() << 16;
            message.voucher = name;
        }
        let by = self.world.thread(self.tasks[task], 2);
        let before = self.world.memory(by, |memory| memory.ranges());
        let parts: Vec<Part> = (0..self.random.below(3)).map(|_| self.part(task)).collect();
        let mut pages = Vec::new();
        for part in &parts {
            let (descriptor, page) = self.descriptor(by, part);
            message = message.with(descriptor);
            pages.push(page);
        }
        self.note(format!(
            "{task} send {id} to {dest:#x} {dest_disposition:?} reply {reply:#x} {reply_disposition:?} voucher {voucher:x?} {parts:x?}",
        ));
        let mut given = Vec::new();
        let taken = self.model.message(
            id,
            task,
            [(dest, dest_disposition), (reply, reply_disposition)],
            voucher,
            &parts,
            &mut given,
        );
        let bytes = message.bytes();
        let address = self.world.alloc(by, bytes.len() as u64);
        self.world.write(by, address, &bytes);
        let refused = self.random.below(8) == 0;
        let (done, left) = match taken {
            Ok(message) => {
                let Ref::Port(port) = message.dest.0 else { unreachable!() };
                let room = message.circular || message.dest.1 == Kind::Once || !self.model.ports[port].alive;
                if room || !self.model.is_full(port) {
                    self.model.send(message);
                    (self.world.send_at(by, address, &bytes, SEND_NOW, 0), Err(Mach::MACH_MSG_SUCCESS))
                } else if self.model.blocked.is_none() && self.random.below(2) == 0 {
                    self.wait_for_room(task, by, address, &bytes, message)
                } else {
                    self.refuse_memory(refused);
                    let done = self.world.send_at(by, address, &bytes, SEND_NOW, 0);
                    (done, Ok((message, Mach::MACH_SEND_TIMED_OUT, refused)))
                }
            }
            Err(error) => (self.world.send_at(by, address, &bytes, SEND_NOW, 0), Err(error)),
        };
        self.refuse_memory(false);
        match left {
            Err(expected) => assert_eq!(done, expected),
            Ok((message, error, refused)) => {
                self.given_back(task, by, address, message, done, error, refused)
            }
        }
        if by.task != self.tasks[task].task {
            // A task that ended has no memory to look at.
            return;
        }
        self.world.memory(by, |memory| memory.deallocate(address));
        for (index, page) in pages.iter().enumerate() {
            let Some(page) = *page else { continue };
            let there = self.world.memory(by, |memory| memory.has(page));
            assert_ne!(there, given.contains(&index), "array {index}");
            self.world.memory(by, |memory| memory.deallocate(page));
        }
        assert_eq!(self.world.memory(by, |memory| memory.ranges()), before, "the task's memory");
    }

    /// A message that was not sent comes back with all its rights.
    #[allow(clippy::too_many_arguments)]
    fn given_back(
        &mut self,
        task: usize,
        by: Caller,
        address: u64,
        message: Message,
        done: Mach,
        error: Mach,
        refused: bool,
    ) {
        let arrays = message.shapes.iter().any(|shape| matches!(shape, Shape::Array(1..)));
        let more = if refused && arrays { NO_ROOM } else { 0 };
        assert_eq!(done.number(), error.number() | more);
        let got = Received { bytes: self.world.read(by, address, PAGE as usize) };
        let (dest, reply) = (message.dest, message.reply);
        self.model.held.push(message);
        self.model.top().dest.0 = Ref::Null;
        self.model.copy_out(task, dest.0, dest.1, got.remote());
        self.model.top().reply.0 = Ref::Null;
        self.model.copy_out(task, reply.0, reply.1, got.local());
        if let Some(port) = self.model.top().voucher.take() {
            if got.bits() >> 16 & 0x1f == Type::MACH_MSG_TYPE_MOVE_SEND.number() {
                self.model.copy_out(task, Ref::Port(port), Kind::Send, got.word(16));
            } else {
                self.model.gone(Ref::Port(port), Kind::Send);
            }
        }
        let got = Some(&got);
        self.body_arrives(&Arrival {
            by,
            task,
            got,
            address,
            guards: true,
            refused,
            back: true,
            fresh: None,
        });
    }

    fn refuse_memory(&self, refuse: bool) {
        self.world.engine.host().refuse_memory.set(refuse);
    }

    /// Sends a message that must wait for room, while others go on.
    #[allow(clippy::type_complexity)]
    fn wait_for_room(
        &mut self,
        task: usize,
        by: Caller,
        address: u64,
        bytes: &[u8],
        message: Message,
    ) -> (Mach, Result<(Message, Mach, bool), Mach>) {
        let Ref::Port(port) = message.dest.0 else { unreachable!() };
        self.note(format!("{task} waits for room"));
        self.model.held.push(message);
        self.model.blocked = Some(Blocked { task, port, wait: Wait::Waiting });
        let world = self.world.clone();
        let hollow = Both {
            world: world.clone(),
            model: Model::default(),
            opens: Vec::new(),
            tasks: Vec::new(),
            random: Random(1),
            next_id: 0,
            log: self.log.clone(),
        };
        let all = Rc::new(RefCell::new(std::mem::replace(self, hollow)));
        let others = all.clone();
        let step = Box::new(move |_: &_| others.borrow_mut().meanwhile());
        world.engine.host().steps.borrow_mut().push_back(step);
        let done = world.send_at(by, address, bytes, SEND, 0);
        *self = Rc::into_inner(all).expect("the others are done").into_inner();
        let wait = self.model.blocked.take().unwrap().wait;
        self.note(format!("{task} waited: {wait:?}"));
        let message = self.model.held.pop().unwrap();
        match wait {
            Wait::Waiting => return (done, Ok((message, Mach::MACH_SEND_INTERRUPTED, false))),
            Wait::Promised => self.model.send(message),
            Wait::Broken => self.model.destroy_message(message),
            Wait::Ended => {
                self.model.destroy_message(message);
                return (Mach::MACH_MSG_SUCCESS, Err(Mach::MACH_MSG_SUCCESS));
            }
        }
        (done, Err(Mach::MACH_MSG_SUCCESS))
    }

    /// What others do while a sender waits: often something about the port.
    fn meanwhile(&mut self) -> Wake {
        for _ in 0..self.random.below(8) {
            let blocked = self.model.blocked.unwrap();
            let home = self.model.ports[blocked.port].home;
            match (self.random.below(20), home, blocked.wait) {
                (0..4, Home::Task(task, name), _) => self.receive_from(task, name),
                (4, Home::Task(task, _), _) => self.die(task),
                (5, _, Wait::Waiting | Wait::Broken) => self.die(blocked.task),
                (5..12, _, Wait::Promised) => self.die(blocked.task),
                (6, Home::Task(task, name), _) => self.limit_to(task, name, 5),
                (7, Home::Task(task, name), _) => self.destroy_one(task, name),
                _ => {
                    self.step();
                    continue;
                }
            }
            self.compare();
        }
        if self.random.below(2) == 0 { Wake::Interrupted } else { Wake::Woken }
    }

    pub(crate) fn receive(&mut self, task: usize) {
        let mut name = self.name(task);
        match self.random.below(4) {
            0 => {}
            1 => name = self.set_name(task).unwrap_or(name),
            _ => name = self.receiver(task).unwrap_or(name),
        }
        self.receive_from(task, name);
    }

    fn receive_from(&mut self, task: usize, name: Name) {
        let by = self.tasks[task];
        let mut options = RECEIVE_NOW;
        let guards = self.random.below(3) > 0;
        options.set(MsgOption::MACH64_RCV_GUARDED_DESC, guards);
        options.set(MsgOption::MACH64_RCV_VOUCHER, self.random.below(2) == 0);
        let small = self.random.below(12) == 0;
        options.set(MsgOption::MACH64_RCV_LARGE, small && self.random.below(2) == 0);
        let refused = self.random.below(8) == 0;
        let size = if small { TOO_SMALL } else { ROOM };
        let entry = self.model.entry(task, name).cloned().unwrap_or_default();
        let source = match (entry.receive, entry.port, entry.set) {
            (true, Some(port), _) => Ok(Some(port)),
            (_, _, Some(set)) => {
                let ready = &mut self.model.sets.get_mut(&set).unwrap().ready;
                ready.rotate_left(usize::from(!ready.is_empty()));
                Ok(ready.back().copied())
            }
            _ => Err(Mach::MACH_RCV_INVALID_NAME),
        };
        let first = source.ok().flatten().and_then(|port| self.model.ports[port].queue.front().cloned());
        let lost = !small && first.as_ref().is_some_and(|first| self.one_fresh(task, first));
        let lost = lost && self.random.below(8) == 0;
        self.note(format!("{task} receive {name:#x} {options:?} {size}, refused {refused}, lost {lost}"));
        let before = self.world.memory(by, |memory| memory.ranges());
        let place = self.world.alloc(by, u64::from(ROOM));
        let address = if lost { NOWHERE } else { place };
        self.refuse_memory(refused);
        let done = self.world.receive_at(by, address, name, options, size, 0);
        self.refuse_memory(false);
        let got = Received { bytes: self.world.read(by, place, ROOM as usize) };
        self.world.memory(by, |memory| memory.deallocate(place));
        let port = match source {
            Err(error) => return assert_eq!(done, error),
            Ok(port) => port,
        };
        if first.is_none() {
            return assert_eq!(done, Mach::MACH_RCV_TIMED_OUT);
        }
        if small && options.contains(MsgOption::MACH64_RCV_LARGE) {
            return assert_eq!(done, Mach::MACH_RCV_TOO_LARGE);
        }
        let port = port.unwrap();
        let message = self.model.take(port);
        let arrays = message.shapes.iter().any(|shape| matches!(shape, Shape::Array(1..)));
        let (id, dest, reply) = (message.id, message.dest, message.reply);
        let expected = match () {
            () if small => Mach::MACH_RCV_TOO_LARGE,
            () if lost => Mach::MACH_RCV_INVALID_DATA,
            () if refused && arrays => Mach::new(Mach::MACH_RCV_BODY_ERROR.number() | NO_ROOM),
            () => Mach::MACH_MSG_SUCCESS,
        };
        assert_eq!(done, expected);
        let Home::Task(_, local) = self.model.ports[port].home else { panic!("received from nobody's port") };
        if !lost {
            assert_eq!((got.id(), got.local()), (id, local), "the order of messages");
        }
        if let Some(word) = message.notice.and_then(|notice| notice.word())
            && !small
            && !lost
        {
            assert_eq!(got.word(32), word, "{:?}", message.notice);
        }
        // The rights that are not given out yet still count.
        self.model.held.push(message);
        if small {
            self.model.top().dest.0 = Ref::Null;
            self.model.dest_used(port, dest.1);
            return self.model.drop_held();
        }
        let fresh = if lost { self.fresh_name(task) } else { None };
        let got = if lost { None } else { Some(&got) };
        self.model.told_possible(port);
        let remote = got.map_or_else(|| self.guess(task, reply, fresh), Received::remote);
        self.model.top().reply.0 = Ref::Null;
        self.model.copy_out(task, reply.0, reply.1, remote);
        if let Some(port) = self.model.top().voucher.take() {
            let voucher = (Ref::Port(port), Kind::Send);
            if options.contains(MsgOption::MACH64_RCV_VOUCHER) {
                let name = got.map_or_else(|| self.guess(task, voucher, fresh), |got| got.word(16));
                self.model.copy_out(task, voucher.0, voucher.1, name);
            } else {
                assert_eq!(got.map_or(0, |got| got.word(16)), 0);
                self.model.gone(voucher.0, voucher.1);
            }
        }
        self.model.top().dest.0 = Ref::Null;
        self.model.dest_used(port, dest.1);
        self.body_arrives(&Arrival { by, task, got, address, guards, refused, back: false, fresh });
        if lost {
            // Nobody knows where arrays are that came with it.
            self.world.memory(by, |memory| memory.forget_after(place));
        }
        assert_eq!(self.world.memory(by, |memory| memory.ranges()), before, "the task's memory");
    }

    /// The rights of the held message's body come to a task.
    fn body_arrives(&mut self, arrival: &Arrival<'_>) {
        let Arrival { by, task, got, .. } = *arrival;
        let mut at = 28;
        for shape in std::mem::take(&mut self.model.top().shapes) {
            match shape {
                Shape::Port => {
                    self.right_arrives(arrival, got.map(|got| got.word(at)));
                    at += 12;
                }
                Shape::Array(count) => {
                    let place = got.map_or(NOWHERE, |got| got.double(at));
                    let size = got.map_or(count, |got| got.word(at + 12) as usize);
                    assert_eq!(size, count);
                    if arrival.refused || count == 0 {
                        assert!(got.is_none() || place == 0);
                        (0..count).for_each(|_| self.right_goes());
                    } else {
                        let names = got.map(|_| self.world.read(by, place, count * 4));
                        for index in 0..count {
                            let name = names.as_ref().map(|bytes| bytes.as_chunks().0[index]);
                            self.right_arrives(arrival, name.map(u32::from_le_bytes));
                        }
                        self.world.memory(by, |memory| memory.deallocate(place));
                    }
                    at += 16;
                }
                Shape::Guarded(context, flags) => {
                    let right = self.model.top().body[0].0;
                    let name = got.map(|got| got.word(at + 12));
                    let mut told = (context, flags);
                    if arrival.guards {
                        self.right_arrives(arrival, name);
                    } else {
                        assert_eq!(name.unwrap_or(0), 0);
                        self.right_goes();
                        told.0 = 0;
                    }
                    if let Ref::Port(port) = right
                        && arrival.guards
                        && flags & IMMOVABLE != 0
                    {
                        assert!(matches!(self.model.ports[port].home, Home::Task(to, _) if to == task));
                        let state = &mut self.model.ports[port];
                        (state.guard, state.immovable) = (Some(arrival.address), !arrival.back);
                        told = (arrival.address, flags & !UNGUARDED);
                    }
                    if let Some(got) = got {
                        assert_eq!((got.double(at), got.word(at + 8) as u16), told, "the guard");
                    }
                    at += 16;
                }
            }
        }
        assert!(self.model.held.pop().unwrap().body.is_empty());
    }

    fn right_arrives(&mut self, arrival: &Arrival<'_>, name: Option<Name>) {
        let (right, kind) = self.model.top().body.pop_front().unwrap();
        let name = name.unwrap_or_else(|| self.guess(arrival.task, (right, kind), arrival.fresh));
        self.model.copy_out(arrival.task, right, kind, name);
    }

    fn right_goes(&mut self) {
        let (right, kind) = self.model.top().body.pop_front().unwrap();
        self.model.gone(right, kind);
    }

    /// The name that a right must get.
    fn guess(&self, task: usize, (right, kind): (Ref, Kind), fresh: Option<Name>) -> Name {
        match right {
            Ref::Null => 0,
            Ref::Dead => u32::MAX,
            Ref::Port(port) if !self.model.ports[port].alive => u32::MAX,
            Ref::Port(port) if kind != Kind::Once => self.model.known(task, port).or(fresh).unwrap(),
            Ref::Port(_) => fresh.unwrap(),
        }
    }

    /// Whether a message brings one new name at most.
    fn one_fresh(&self, task: usize, message: &Message) -> bool {
        let mut known = Vec::new();
        let mut new = 0;
        let voucher = (message.voucher.map_or(Ref::Null, Ref::Port), Kind::Send);
        for (right, kind) in message.body.iter().chain([&message.reply, &voucher]) {
            let Ref::Port(port) = *right else { continue };
            let has =
                *kind != Kind::Once && (known.contains(&port) || self.model.known(task, port).is_some());
            if self.model.ports[port].alive && !has {
                new += 1;
                known.extend(Some(port).filter(|_| *kind != Kind::Once));
            }
        }
        new <= 1
    }

    /// The name that only the engine knows.
    fn fresh_name(&self, task: usize) -> Option<Name> {
        let by = self.tasks[task];
        let listed = self.world.mach_port_names(by, by.task).unwrap();
        listed.into_iter().map(|(name, _)| name).find(|name| !self.model.tasks[task].contains_key(name))
    }
}
