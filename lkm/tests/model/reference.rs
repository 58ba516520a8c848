//! XNU's rules of rights, as small as they can be said: who has which right, and what follows when one goes.
//!
//! Nothing is counted here but user references: how many rights for a port there are is found by looking everywhere.

#![allow(unreachable_pub)]

use std::collections::{BTreeMap, VecDeque};
use xnu_abi::darwin::kern_return::KernReturn as Kern;
use xnu_abi::darwin::mach_message::MsgType as Type;

pub type Port = usize;
pub type Name = u32;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Send,
    Once,
    Receive,
}

impl Kind {
    pub fn of(disposition: Type) -> Option<Kind> {
        Some(match disposition {
            Type::MACH_MSG_TYPE_MOVE_RECEIVE => Kind::Receive,
            Type::MACH_MSG_TYPE_MOVE_SEND_ONCE | Type::MACH_MSG_TYPE_MAKE_SEND_ONCE => Kind::Once,
            Type::MACH_MSG_TYPE_MOVE_SEND | Type::MACH_MSG_TYPE_COPY_SEND | Type::MACH_MSG_TYPE_MAKE_SEND => {
                Kind::Send
            }
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ref {
    Null,
    Dead,
    Port(Port),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    Deleted(Name),
    Possible(Name),
    Destroyed,
    NoSenders(u32),
    Once,
    Dead(Name),
}

impl Notice {
    pub fn id(self) -> i32 {
        match self {
            Notice::Deleted(_) => 65,
            Notice::Possible(_) => 66,
            Notice::Destroyed => 69,
            Notice::NoSenders(_) => 70,
            Notice::Once => 71,
            Notice::Dead(_) => 72,
        }
    }

    pub fn word(self) -> Option<u32> {
        match self {
            Notice::Deleted(word) | Notice::Possible(word) | Notice::NoSenders(word) | Notice::Dead(word) => {
                Some(word)
            }
            _ => None,
        }
    }
}

/// What an entry asked of its port; no port to tell once it was told.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub notify: Option<Port>,
    pub possible: bool,
    pub armed: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub port: Option<Port>,
    pub send: u32,
    pub receive: bool,
    pub once: bool,
    pub dead: u32,
    pub set: Option<usize>,
    pub request: Option<Request>,
}

#[derive(Clone, Debug)]
pub struct Message {
    pub id: i32,
    pub dest: (Ref, Kind),
    pub reply: (Ref, Kind),
    pub body: VecDeque<(Ref, Kind)>,
    pub notice: Option<Notice>,
    pub circular: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    Task(usize, Name),
    Transit(Port),
    Limbo,
}

#[derive(Clone, Debug)]
pub struct PortState {
    pub alive: bool,
    pub home: Home,
    pub queue: VecDeque<Message>,
    pub limit: u32,
    pub makes: u32,
    pub seqno: u32,
    pub no_senders: Option<Port>,
    pub backup: Option<Port>,
    pub guard: Option<u64>,
    /// Who asked, by place in the table of requests.
    pub asked: Vec<Option<(usize, Name)>>,
}

#[derive(Clone, Debug, Default)]
pub struct Set {
    pub members: Vec<Port>,
    pub ready: VecDeque<Port>,
}

#[derive(Default)]
pub struct Model {
    pub tasks: Vec<BTreeMap<Name, Entry>>,
    pub ports: Vec<PortState>,
    pub sets: BTreeMap<usize, Set>,
    next_set: usize,
    doomed: VecDeque<Message>,
    reaping: bool,
}

type Done = Result<(), Kern>;

impl Model {
    pub fn new_port(&mut self, task: usize, name: Name) {
        assert!(!self.tasks[task].contains_key(&name), "{name:#x} is in use");
        self.ports.push(PortState {
            alive: true,
            home: Home::Task(task, name),
            queue: VecDeque::new(),
            limit: 5,
            makes: 0,
            seqno: 0,
            no_senders: None,
            backup: None,
            guard: None,
            asked: Vec::new(),
        });
        let port = Some(self.ports.len() - 1);
        self.tasks[task].insert(name, Entry { port, receive: true, ..Entry::default() });
    }

    pub fn new_set(&mut self, task: usize, name: Name) {
        self.next_set += 1;
        self.sets.insert(self.next_set, Set::default());
        self.tasks[task].insert(name, Entry { set: Some(self.next_set), ..Entry::default() });
    }

    pub fn new_dead(&mut self, task: usize, name: Name) {
        self.tasks[task].insert(name, Entry { dead: 1, ..Entry::default() });
    }

    pub fn entry(&self, task: usize, name: Name) -> Result<&Entry, Kern> {
        self.tasks[task].get(&name).ok_or(Kern::KERN_INVALID_NAME)
    }

    /// How many rights of a kind there are for a port, wherever they are.
    pub fn count(&self, port: Port, kind: Kind) -> usize {
        let mut count = 0;
        for entry in self.tasks.iter().flat_map(BTreeMap::values) {
            if entry.port == Some(port) {
                count += usize::from(match kind {
                    Kind::Send => entry.send > 0,
                    Kind::Once => entry.once,
                    Kind::Receive => entry.receive,
                });
            }
            let asks = entry.request.and_then(|request| request.notify) == Some(port);
            count += usize::from(kind == Kind::Once && asks);
        }
        for state in &self.ports {
            let asks = |of: Option<Port>| usize::from(kind == Kind::Once && of == Some(port));
            count += asks(state.no_senders) + asks(state.backup);
        }
        let queued = self.ports.iter().flat_map(|state| &state.queue).chain(&self.doomed);
        for message in queued {
            let rights = message.body.iter().chain([&message.dest, &message.reply]);
            count += rights.filter(|(right, of)| *right == Ref::Port(port) && *of == kind).count();
        }
        count
    }

    /// A send right went: of the last one the receiver is told.
    fn sent_away(&mut self, port: Port) {
        if self.ports[port].alive && self.count(port, Kind::Send) == 0 {
            let makes = self.ports[port].makes;
            if let Some(notify) = self.ports[port].no_senders.take() {
                self.notify(notify, Notice::NoSenders(makes), None);
            }
        }
    }

    fn once_died(&mut self, port: Port) {
        if self.ports[port].alive {
            self.notify(port, Notice::Once, None);
        }
    }

    /// A right that is nowhere any more.
    fn gone(&mut self, right: Ref, kind: Kind) {
        if let Ref::Port(port) = right {
            match kind {
                Kind::Send => self.sent_away(port),
                Kind::Once => self.once_died(port),
                Kind::Receive => self.end_receive(port),
            }
        }
    }

    pub fn in_transit(&mut self, port: Port, to: Port) -> bool {
        let mut at = to;
        loop {
            if at == port {
                return true;
            }
            match self.ports[at].home {
                Home::Transit(next) if self.ports[at].alive => at = next,
                _ => break,
            }
        }
        self.ports[port].home = Home::Transit(to);
        false
    }

    fn notify(&mut self, to: Port, notice: Notice, carried: Option<Port>) {
        let circular = carried.is_some_and(|port| self.in_transit(port, to));
        let body = carried.map(|port| (Ref::Port(port), Kind::Receive)).into_iter().collect();
        let none = (Ref::Null, Kind::Send);
        let dest = (Ref::Port(to), Kind::Once);
        self.post(Message { id: notice.id(), dest, reply: none, body, notice: Some(notice), circular });
    }

    fn post(&mut self, message: Message) {
        let (Ref::Port(to), _) = message.dest else { unreachable!() };
        if message.circular || !self.ports[to].alive {
            self.destroy_message(message);
            return;
        }
        self.ports[to].queue.push_back(message);
        for set in self.sets.values_mut() {
            if set.members.contains(&to) && !set.ready.contains(&to) {
                set.ready.push_back(to);
            }
        }
    }

    pub fn destroy_message(&mut self, message: Message) {
        self.doomed.push_back(message);
        self.reap();
    }

    fn reap(&mut self) {
        if std::mem::replace(&mut self.reaping, true) {
            return;
        }
        while let Some(message) = self.doomed.front_mut() {
            let (dest, kind) = std::mem::replace(&mut message.dest, (Ref::Null, Kind::Send));
            self.gone(dest, kind);
            let first = &mut self.doomed[0];
            let (reply, kind) = std::mem::replace(&mut first.reply, (Ref::Null, Kind::Send));
            self.gone(reply, kind);
            while let Some((right, kind)) = self.doomed[0].body.pop_front() {
                self.gone(right, kind);
            }
            self.doomed.pop_front();
        }
        self.reaping = false;
    }

    /// The receiver is nobody any more.
    fn clear(&mut self, port: Port) {
        for set in self.sets.values_mut() {
            set.members.retain(|member| *member != port);
            set.ready.retain(|member| *member != port);
        }
        let state = &mut self.ports[port];
        (state.makes, state.seqno, state.guard, state.home) = (0, 0, None, Home::Limbo);
    }

    pub fn end_receive(&mut self, port: Port) {
        if let Some(backup) = self.ports[port].backup.take() {
            self.clear(port);
            self.notify(backup, Notice::Destroyed, Some(port));
            return;
        }
        self.clear(port);
        self.ports[port].alive = false;
        let no_senders = self.ports[port].no_senders.take();
        let queue = std::mem::take(&mut self.ports[port].queue);
        self.doomed.extend(queue);
        self.reap();
        if let Some(notify) = no_senders {
            self.once_died(notify);
        }
        let asked = std::mem::take(&mut self.ports[port].asked);
        for (task, name) in asked.iter().copied().flatten() {
            let request = self.tasks[task].get_mut(&name).and_then(|entry| entry.request.as_mut());
            if let Some(request) = request
                && let Some(notify) = request.notify.take()
            {
                // The right was told of, which costs a reference when the name is looked at.
                request.armed = true;
                request.possible = false;
                self.notify(notify, Notice::Dead(name), None);
                self.tasks[task].get_mut(&name).unwrap().dead = 1;
            }
        }
        for entry in self.tasks.iter_mut().flat_map(BTreeMap::values_mut) {
            if entry.port == Some(port) {
                let told = entry.dead;
                *entry = Entry { dead: entry.send + u32::from(entry.once) + told, ..Entry::default() };
            }
        }
    }

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

    pub fn copy_in(
        &mut self,
        task: usize,
        name: Name,
        disposition: Type,
    ) -> Result<(Ref, Option<Port>), Kern> {
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
        let known = self.tasks[task].iter().find(|(_, entry)| entry.port == Some(port) && !entry.once);
        if kind != Kind::Once
            && let Some((known, _)) = known
        {
            assert_eq!(name, *known, "the port has a name");
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
            let room = self.ports[port].queue.len() < self.ports[port].limit as usize;
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

    /// A refused right to notify with.
    pub fn refuse(&mut self, notify: Port) {
        self.once_died(notify);
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

    pub fn send(&mut self, message: Message) {
        self.post(message);
    }

    pub fn told_deleted(&mut self, notify: Port, name: Name) {
        self.tell_deleted(Some(notify), name);
    }

    /// The right that a received message came by is used up.
    pub fn dest_used(&mut self, port: Port, kind: Kind) {
        if kind == Kind::Send {
            self.sent_away(port);
        }
    }

    pub fn told_no_senders(&mut self, notify: Port, makes: u32) {
        self.notify(notify, Notice::NoSenders(makes), None);
    }

    /// Keeps a message whose rights are not all given out, so that they count.
    pub fn hold(&mut self, message: Message) {
        assert!(self.doomed.is_empty());
        self.reaping = true;
        self.doomed.push_back(message);
    }

    /// Takes the held message; what was doomed meanwhile is destroyed.
    pub fn release(&mut self) -> Message {
        let message = self.doomed.pop_front().unwrap();
        self.reaping = false;
        self.reap();
        message
    }
}
