//! What each call does with rights and what it answers.

use super::{Entry, Kind, Message, Model, Name, Object, Ref, Shape};
use xnu_abi::darwin::kern_return::{KernReturn as Kern, MachMsgReturn as Mach};
use xnu_abi::darwin::mach_message::MsgType as Type;
use xnu_abi::darwin::mach_port::{NotifyId, PortRight as Right};

const ONCE: Type = Type::MACH_MSG_TYPE_MAKE_SEND_ONCE;

/// A descriptor of a message to be sent.
#[derive(Clone, Debug)]
pub struct Part {
    pub shape: Shape,
    pub names: Vec<(Name, Type)>,
    /// The array is where memory is.
    pub readable: bool,
    pub deallocate: bool,
}

impl Model {
    pub fn mod_refs(&mut self, task: usize, name: Name, right: Right, delta: i32) -> Result<(), Kern> {
        let entry = self.entry(task, name)?.clone();
        let (bad, range) = (Err(Kern::KERN_INVALID_RIGHT), Err(Kern::KERN_INVALID_VALUE));
        let one = |has: bool| match delta {
            _ if !has => bad,
            0 | -1 => Ok(()),
            _ => range,
        };
        match right {
            Right::MACH_PORT_RIGHT_SEND if entry.send == 0 => bad,
            Right::MACH_PORT_RIGHT_SEND => {
                let after = entry.send as i32 + delta;
                match after {
                    ..0 => return range,
                    0.. if delta < 0 => return self.drop_urefs(task, name, delta.unsigned_abs()),
                    _ => self.tasks[task].get_mut(&name).unwrap().send = after as u32,
                }
                Ok(())
            }
            Right::MACH_PORT_RIGHT_DEAD_NAME if entry.dead == 0 => bad,
            Right::MACH_PORT_RIGHT_DEAD_NAME => {
                match entry.dead as i32 + delta {
                    ..0 => return range,
                    0 => drop(self.tasks[task].remove(&name)),
                    after => self.tasks[task].get_mut(&name).unwrap().dead = after as u32,
                }
                Ok(())
            }
            Right::MACH_PORT_RIGHT_RECEIVE => {
                one(entry.receive)?;
                if delta == -1 {
                    if self.guarded(entry.port.unwrap()) {
                        return bad;
                    }
                    self.end_receive_name(task, name);
                }
                Ok(())
            }
            Right::MACH_PORT_RIGHT_SEND_ONCE => {
                one(entry.once)?;
                if delta == -1 {
                    self.end_name(task, name);
                }
                Ok(())
            }
            _ => {
                one(entry.set.is_some())?;
                if delta == -1 {
                    self.end_name(task, name);
                }
                Ok(())
            }
        }
    }

    pub fn port_request(
        &mut self,
        task: usize,
        name: Name,
        id: NotifyId,
        sync: u32,
        to: usize,
    ) -> Result<Option<usize>, Kern> {
        let destroyed = id == NotifyId::MACH_NOTIFY_PORT_DESTROYED;
        if destroyed && sync != 0 {
            return Err(Kern::KERN_INVALID_VALUE);
        }
        let entry = self.entry(task, name)?.clone();
        if entry.dead > 0 {
            return Err(Kern::KERN_INVALID_NAME);
        }
        let port = entry.port.filter(|_| entry.receive).ok_or(Kern::KERN_INVALID_RIGHT)?;
        let senders = self.count(port, Kind::Send);
        let state = &mut self.ports[port];
        if destroyed {
            if state.special_of.is_some() || state.object.is_some() {
                return Err(Kern::KERN_INVALID_RIGHT);
            }
            if state.backup.is_some() {
                return Err(Kern::KERN_FAILURE);
            }
            state.backup = Some(to);
            return Ok(None);
        }
        let makes = state.makes;
        let now = senders == 0 && sync <= makes;
        let previous = std::mem::replace(&mut state.no_senders, if now { None } else { Some(to) });
        if now {
            self.told_no_senders(to, makes);
        }
        Ok(previous)
    }

    /// Takes the rights of a message; of which arrays the memory is given up goes to `given`.
    pub fn message(
        &mut self,
        id: i32,
        task: usize,
        [dest, reply]: [(Name, Type); 2],
        voucher: Option<(Name, Type)>,
        parts: &[Part],
        given: &mut Vec<usize>,
    ) -> Result<Message, Mach> {
        let none = reply.1 == Type::MACH_MSG_TYPE_PORT_NONE;
        if let Some((name, _)) = voucher {
            let entry = self.entry(task, name).cloned().unwrap_or_default();
            let object = entry.port.filter(|_| entry.send > 0).and_then(|port| self.ports[port].object);
            if !matches!(object, Some(Object::Voucher(_))) {
                return Err(Mach::MACH_SEND_INVALID_VOUCHER);
            }
        }
        if self.entry(task, dest.0).ok().and_then(|entry| entry.port).is_none() {
            return Err(Mach::MACH_SEND_INVALID_DEST);
        }
        if !none {
            let bad = Mach::MACH_SEND_INVALID_REPLY;
            let entry = self.entry(task, reply.0).map_err(|_| bad)?;
            let has = match reply.1 {
                ONCE => entry.receive,
                Type::MACH_MSG_TYPE_MOVE_SEND_ONCE => entry.once,
                _ => entry.send > 0,
            };
            if !has || entry.port.is_none() {
                return Err(bad);
            }
        }
        let taken = self.copy_in(task, dest.0, dest.1).map_err(|_| Mach::MACH_SEND_INVALID_DEST)?;
        let answer = if none { (Ref::Null, None) } else { self.copy_in(task, reply.0, reply.1).unwrap() };
        self.deleted(taken.1, dest.0);
        self.deleted(answer.1, reply.0);
        let mut message = Message::new(id, (taken.0, Kind::of(dest.1).unwrap()));
        message.reply = (answer.0, Kind::of(reply.1).unwrap_or(Kind::Send));
        if let Some((name, disposition)) = voucher {
            let (Ref::Port(port), deleted) = self.copy_in(task, name, disposition).unwrap() else {
                unreachable!("a voucher lives")
            };
            self.deleted(deleted, name);
            message.voucher = Some(port);
        }
        self.held.push(message);
        for (index, part) in parts.iter().enumerate() {
            if !part.readable {
                self.drop_held();
                return Err(Mach::MACH_SEND_INVALID_MEMORY);
            }
            given.extend(part.deallocate.then_some(index));
            if let Err(error) = self.take_part(task, part) {
                self.drop_held();
                return Err(error);
            }
        }
        Ok(self.held.pop().unwrap())
    }

    /// Takes the rights of one descriptor into the held message; those of an array come together or not at all.
    fn take_part(&mut self, task: usize, part: &Part) -> Result<(), Mach> {
        let mut shape = part.shape;
        let (Ref::Port(to), _) = self.top().dest else { unreachable!() };
        let rest = Message::new(0, (Ref::Null, Kind::Send));
        self.held.push(rest);
        for (name, disposition) in &part.names {
            let kind = Kind::of(*disposition).unwrap();
            if [0, u32::MAX].contains(name) {
                let none = if *name == 0 { Ref::Null } else { Ref::Dead };
                self.top().body.push_back((none, kind));
                continue;
            }
            let guard =
                if let Shape::Guarded(context, flags) = &mut shape { Some((*context, flags)) } else { None };
            let Ok((right, deleted)) = self.copy_in_guarded(task, *name, *disposition, guard) else {
                while let Some((right, kind)) = self.top().body.pop_front() {
                    self.gone(right, kind);
                }
                self.held.pop();
                return Err(Mach::MACH_SEND_INVALID_RIGHT);
            };
            self.deleted(deleted, *name);
            let circular = match (right, kind) {
                (Ref::Port(port), Kind::Receive) => self.in_transit(port, to),
                _ => false,
            };
            let top = self.top();
            top.circular |= circular;
            top.body.push_back((right, kind));
        }
        let rest = self.held.pop().unwrap();
        let top = self.top();
        top.circular |= rest.circular;
        top.body.extend(rest.body);
        top.shapes.push(shape);
        Ok(())
    }

    pub fn members(&mut self, task: usize, what: usize, name: Name, set: Name) -> Result<(), Kern> {
        let entry = self.entry(task, name)?.clone();
        let set = self.entry(task, set)?.clone().set;
        let (Some(port), true, Some(set)) = (entry.port, entry.receive, set) else {
            return Err(Kern::KERN_INVALID_RIGHT);
        };
        let waiting = !self.ports[port].queue.is_empty();
        let is_member = self.sets[&set].members.contains(&port);
        match what {
            0 if is_member => return Err(Kern::KERN_ALREADY_IN_SET),
            1 if !is_member => return Err(Kern::KERN_NOT_IN_SET),
            1 => {
                let set = self.sets.get_mut(&set).unwrap();
                set.members.retain(|member| *member != port);
                set.ready.retain(|member| *member != port);
                return Ok(());
            }
            _ => {}
        }
        if !is_member {
            let set = self.sets.get_mut(&set).unwrap();
            set.members.push(port);
            if waiting {
                set.ready.push_back(port);
            }
        }
        if what == 2 {
            for (_, other) in self.sets.iter_mut().filter(|(number, _)| **number != set) {
                other.members.retain(|member| *member != port);
                other.ready.retain(|member| *member != port);
            }
        }
        Ok(())
    }

    /// Whoever waited for a name's end is told.
    pub fn deleted(&mut self, notify: Option<usize>, name: Name) {
        if let Some(port) = notify {
            self.told_deleted(port, name);
        }
    }

    pub fn deallocate(&mut self, task: usize, name: Name) -> Result<(), Kern> {
        match self.entry(task, name).cloned() {
            Err(error) => Err(error),
            Ok(entry) if entry.set.is_some() || entry.once => {
                self.end_name(task, name);
                Ok(())
            }
            Ok(entry) if entry.send > 0 => self.drop_urefs(task, name, 1),
            Ok(entry) if entry.dead > 0 => self.mod_refs(task, name, Right::MACH_PORT_RIGHT_DEAD_NAME, -1),
            Ok(_) => Err(Kern::KERN_INVALID_RIGHT),
        }
    }

    pub fn destroy(&mut self, task: usize, name: Name) -> Result<(), Kern> {
        match self.entry(task, name).cloned() {
            Err(error) => Err(error),
            Ok(Entry { receive: true, port: Some(port), .. })
                if self.ports[port].guard.is_some_and(|guard| guard != 0) =>
            {
                Err(Kern::KERN_INVALID_RIGHT)
            }
            Ok(_) => {
                self.end_name(task, name);
                Ok(())
            }
        }
    }

    pub fn insert(&mut self, task: usize, name: Name, kind: Type) -> Result<(), Kern> {
        let make = kind == Type::MACH_MSG_TYPE_MAKE_SEND;
        match self.entry(task, name).cloned() {
            Err(error) => Err(error),
            Ok(Entry { dead: 1.., .. }) => Err(Kern::KERN_INVALID_CAPABILITY),
            Ok(entry) if if make { entry.receive } else { entry.send > 0 } => {
                self.ports[entry.port.unwrap()].makes += u32::from(make);
                self.tasks[task].get_mut(&name).unwrap().send += 1;
                Ok(())
            }
            Ok(_) => Err(Kern::KERN_INVALID_RIGHT),
        }
    }

    pub fn destruct(&mut self, task: usize, name: Name, delta: i32, guard: u64) -> Result<(), Kern> {
        let entry = self.entry(task, name)?.clone();
        if !entry.receive || delta != 0 && entry.send == 0 {
            return Err(Kern::KERN_INVALID_RIGHT);
        }
        if delta > 0 {
            return Err(Kern::KERN_INVALID_VALUE);
        }
        let port = entry.port.unwrap();
        if self.ports[port].guard.is_some_and(|of| of != guard) {
            return Err(Kern::KERN_INVALID_ARGUMENT);
        }
        if delta.unsigned_abs() > entry.send {
            return Err(Kern::KERN_INVALID_VALUE);
        }
        if delta != 0 {
            self.drop_urefs(task, name, delta.unsigned_abs())?;
        }
        self.end_receive_name(task, name);
        Ok(())
    }
}
