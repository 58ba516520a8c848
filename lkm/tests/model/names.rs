//! Names: how rights leave them and come to them, and what goes with a name.

use super::{Entry, Home, Kind, Model, Name, Notice, Port, Ref, Request, UNGUARDED};
use std::collections::BTreeMap;
use xnu_abi::darwin::kern_return::KernReturn as Kern;
use xnu_abi::darwin::mach_message::MsgType as Type;

type Done = Result<(), Kern>;

/// A right, and whom to tell that its name is gone.
type Taken = Result<(Ref, Option<Port>), Kern>;

impl Model {
    /// Takes back what a name asked, with the port to tell.
    fn cancel(&mut self, task: usize, name: Name) -> Option<Port> {
        let entry = self.tasks[task].get_mut(&name)?;
        let request = entry.request.take()?;
        let asked = &mut self.ports[entry.port?].asked;
        for place in asked.iter_mut() {
            if *place == Some((task, name)) {
                *place = None;
            }
        }
        request.notify
    }

    fn remove(&mut self, task: usize, name: Name) -> Option<Port> {
        let notify = self.cancel(task, name);
        self.tasks[task].remove(&name);
        notify
    }

    fn tell_deleted(&mut self, notify: Option<Port>, name: Name) {
        if let Some(notify) = notify {
            self.notify(notify, Notice::Deleted(name), None);
        }
    }

    /// Everything under a name is given up.
    pub fn end_name(&mut self, task: usize, name: Name) {
        let entry = self.tasks[task][&name].clone();
        let notify = self.remove(task, name);
        if let Some(set) = entry.set {
            self.sets.remove(&set);
        }
        let Some(port) = entry.port else { return };
        if entry.receive {
            let last = entry.send > 0 && self.count(port, Kind::Send) == 0;
            let told = if last { self.ports[port].no_senders.take() } else { None };
            let makes = self.ports[port].makes;
            self.end_receive(port);
            if let Some(told) = told {
                self.notify(told, Notice::NoSenders(makes), None);
            }
        } else if entry.once {
            self.once_died(port);
        } else {
            self.sent_away(port);
        }
        self.tell_deleted(notify, name);
    }

    /// The receive right under a name is given up; send rights stay.
    pub fn end_receive_name(&mut self, task: usize, name: Name) {
        let entry = self.tasks[task].get_mut(&name).unwrap();
        let port = entry.port.unwrap();
        if entry.send == 0 {
            let notify = self.remove(task, name);
            self.end_receive(port);
            self.tell_deleted(notify, name);
        } else if self.ports[port].backup.is_some() {
            entry.receive = false;
            self.end_receive(port);
        } else {
            let dead = entry.send + u32::from(entry.request.is_some());
            let notify = entry.request.and_then(|request| request.notify);
            *entry = Entry { dead, ..Entry::default() };
            // The request stays with the port, which tells of its death in the order of requests.
            let asked = self.ports[port].asked.clone();
            let place = asked.iter().position(|at| *at == Some((task, name)));
            self.end_receive_telling(port, place, notify, name);
        }
    }

    fn end_receive_telling(&mut self, port: Port, place: Option<usize>, notify: Option<Port>, name: Name) {
        let (Some(place), Some(notify)) = (place, notify) else {
            self.end_receive(port);
            return;
        };
        // Split the table, so that the own request is told of at its place.
        let ghost = self.tasks.len();
        self.tasks.push(BTreeMap::new());
        let request = Some(Request { notify: Some(notify), possible: false, armed: false });
        self.tasks[ghost].insert(name, Entry { request, ..Entry::default() });
        self.ports[port].asked[place] = Some((ghost, name));
        self.end_receive(port);
        self.tasks.pop();
    }

    pub fn guarded(&self, port: Port) -> bool {
        self.ports[port].guard.is_some()
    }

    pub fn copy_in(&mut self, task: usize, name: Name, disposition: Type) -> Taken {
        self.copy_in_guarded(task, name, disposition, None)
    }

    /// The same for a message that names the guard, which the flags tell of afterwards.
    pub fn copy_in_guarded(
        &mut self,
        task: usize,
        name: Name,
        disposition: Type,
        guard: Option<(u64, &mut u16)>,
    ) -> Taken {
        let entry = self.entry(task, name)?.clone();
        let bad = Err(Kern::KERN_INVALID_RIGHT);
        match disposition {
            Type::MACH_MSG_TYPE_MAKE_SEND | Type::MACH_MSG_TYPE_MAKE_SEND_ONCE if entry.receive => {
                let port = entry.port.unwrap();
                self.ports[port].makes += u32::from(disposition == Type::MACH_MSG_TYPE_MAKE_SEND);
                Ok((Ref::Port(port), None))
            }
            Type::MACH_MSG_TYPE_MOVE_RECEIVE if entry.receive => {
                let port = entry.port.unwrap();
                let state = &self.ports[port];
                if state.special_of.is_some() || state.immovable {
                    return Err(Kern::KERN_INVALID_CAPABILITY);
                }
                if let Some((context, flags)) = guard {
                    let fits = match state.guard {
                        None => *flags & UNGUARDED != 0 && context == 0,
                        Some(of) => of == context,
                    };
                    if !fits {
                        return Err(Kern::KERN_INVALID_ARGUMENT);
                    }
                    *flags |= UNGUARDED;
                }
                let mut notify = None;
                if entry.send > 0 {
                    self.tasks[task].get_mut(&name).unwrap().receive = false;
                } else {
                    notify = self.remove(task, name);
                }
                self.clear(port);
                Ok((Ref::Port(port), notify))
            }
            Type::MACH_MSG_TYPE_COPY_SEND if entry.dead > 0 => Ok((Ref::Dead, None)),
            Type::MACH_MSG_TYPE_MOVE_SEND | Type::MACH_MSG_TYPE_MOVE_SEND_ONCE if entry.dead > 0 => {
                if entry.dead == 1 {
                    self.tasks[task].remove(&name);
                } else {
                    self.tasks[task].get_mut(&name).unwrap().dead -= 1;
                }
                Ok((Ref::Dead, None))
            }
            Type::MACH_MSG_TYPE_COPY_SEND if entry.send > 0 => Ok((Ref::Port(entry.port.unwrap()), None)),
            Type::MACH_MSG_TYPE_MOVE_SEND if entry.send > 0 => {
                let mut notify = None;
                if entry.send == 1 && !entry.receive {
                    notify = self.remove(task, name);
                } else {
                    self.tasks[task].get_mut(&name).unwrap().send -= 1;
                }
                Ok((Ref::Port(entry.port.unwrap()), notify))
            }
            Type::MACH_MSG_TYPE_MOVE_SEND_ONCE if entry.once => {
                Ok((Ref::Port(entry.port.unwrap()), self.remove(task, name)))
            }
            _ => bad,
        }
    }

    /// The name that a task has for a port, by which more rights for it come.
    pub fn known(&self, task: usize, port: Port) -> Option<Name> {
        let found = self.tasks[task].iter().find(|(_, entry)| entry.port == Some(port) && !entry.once);
        found.map(|(name, _)| *name)
    }

    /// A right arrives under a name that the engine chose.
    pub fn copy_out(&mut self, task: usize, right: Ref, kind: Kind, name: Name) {
        let port = match right {
            Ref::Null => return assert_eq!(name, 0),
            Ref::Dead => return assert_eq!(name, u32::MAX),
            Ref::Port(port) if !self.ports[port].alive => {
                assert_eq!(name, u32::MAX, "a right for a dead port");
                return self.gone(right, kind);
            }
            Ref::Port(port) => port,
        };
        let known = self.known(task, port).filter(|_| kind != Kind::Once);
        if let Some(known) = known {
            assert_eq!(name, known, "the port has a name");
        } else {
            assert!(!self.tasks[task].contains_key(&name), "{name:#x} is in use");
            self.tasks[task].insert(name, Entry { port: Some(port), ..Entry::default() });
        }
        let entry = self.tasks[task].get_mut(&name).unwrap();
        match kind {
            Kind::Send => entry.send += 1,
            Kind::Once => entry.once = true,
            Kind::Receive => {
                entry.receive = true;
                self.ports[port].home = Home::Task(task, name);
            }
        }
    }

    pub fn request(
        &mut self,
        task: usize,
        name: Name,
        possible: bool,
        armed: bool,
        notify: Port,
    ) -> Result<Option<Port>, Kern> {
        let entry = self.entry(task, name)?.clone();
        if let Some(port) = entry.port {
            let previous = self.cancel(task, name);
            let room = !self.is_full(port);
            if possible && armed && (entry.once || room) {
                self.notify(notify, Notice::Possible(name), None);
                return Ok(previous);
            }
            let asked = &mut self.ports[port].asked;
            match asked.iter_mut().find(|place| place.is_none()) {
                Some(place) => *place = Some((task, name)),
                None => asked.push(Some((task, name))),
            }
            let request = Request { notify: Some(notify), possible, armed: armed && possible };
            self.tasks[task].get_mut(&name).unwrap().request = Some(request);
            return Ok(previous);
        }
        if possible && entry.dead > 0 {
            self.tasks[task].get_mut(&name).unwrap().dead += 1;
            self.notify(notify, Notice::Dead(name), None);
            return Ok(None);
        }
        Err(if entry.dead > 0 { Kern::KERN_INVALID_ARGUMENT } else { Kern::KERN_INVALID_RIGHT })
    }

    /// Whoever waits for room at a port hears that a message is taken.
    pub fn told_possible(&mut self, port: Port) {
        for (task, name) in self.ports[port].asked.clone().into_iter().flatten() {
            let entry = self.tasks[task].get_mut(&name).unwrap();
            if let Some(request) = entry.request.as_mut()
                && request.armed
                && let Some(notify) = request.notify.take()
            {
                self.notify(notify, Notice::Possible(name), None);
            }
        }
    }

    pub fn drop_urefs(&mut self, task: usize, name: Name, count: u32) -> Done {
        let entry = self.tasks[task].get_mut(&name).unwrap();
        let (port, receive) = (entry.port.unwrap(), entry.receive);
        if entry.send > count {
            entry.send -= count;
        } else if receive {
            entry.send = 0;
            self.sent_away(port);
        } else {
            self.end_name(task, name);
        }
        Ok(())
    }

    /// A task ends: its names in the order of their numbers.
    pub fn end_task(&mut self, task: usize) {
        let mut names: Vec<Name> = self.tasks[task].keys().copied().collect();
        names.sort_by_key(|name| name >> 8);
        for name in names {
            if self.tasks[task].contains_key(&name) {
                self.end_name(task, name);
            }
        }
    }

    pub fn told_deleted(&mut self, notify: Port, name: Name) {
        self.tell_deleted(Some(notify), name);
    }
}
