//! XNU's rules of rights, as small as they can be said: who has which right, and what follows when one goes.
//!
//! Nothing is counted here but user references: how many rights for a port there are is found by looking everywhere.

#![allow(unreachable_pub)]

mod calls;
mod names;
mod objects;

pub use calls::Part;
pub use objects::Object;

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

/// How a descriptor carries rights.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    Port,
    /// So many in an array.
    Array(usize),
    /// A receive right with a guard and its flags.
    Guarded(u64, u16),
}

/// `MACH_MSG_GUARD_FLAGS_IMMOVABLE_RECEIVE`.
pub const IMMOVABLE: u16 = 1;
/// `MACH_MSG_GUARD_FLAGS_UNGUARDED_ON_SEND`.
pub const UNGUARDED: u16 = 2;

#[derive(Clone, Debug)]
pub struct Message {
    pub id: i32,
    pub dest: (Ref, Kind),
    pub reply: (Ref, Kind),
    pub voucher: Option<Port>,
    pub shapes: Vec<Shape>,
    /// The rights of all descriptors, in their order.
    pub body: VecDeque<(Ref, Kind)>,
    pub notice: Option<Notice>,
    pub circular: bool,
}

impl Message {
    pub fn new(id: i32, dest: (Ref, Kind)) -> Message {
        let none = (Ref::Null, Kind::Send);
        Message {
            id,
            dest,
            reply: none,
            voucher: None,
            shapes: Vec::new(),
            body: VecDeque::new(),
            notice: None,
            circular: false,
        }
    }
}

/// A sender that waits for room; its message is held.
#[derive(Clone, Copy, Debug)]
pub struct Blocked {
    pub task: usize,
    pub port: Port,
    pub wait: Wait,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    Waiting,
    /// A place in the queue is kept for it.
    Promised,
    /// Its port died.
    Broken,
    /// Its task died.
    Ended,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    Task(usize, Name),
    Transit(Port),
    Limbo,
    /// It stands for an object.
    Engine,
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
    pub immovable: bool,
    pub object: Option<Object>,
    /// The port for answers of a task's thread, which cannot be moved.
    pub special_of: Option<usize>,
    /// Who asked, by place in the table of requests.
    pub asked: Vec<Option<(usize, Name)>>,
}

impl PortState {
    fn new(home: Home) -> PortState {
        PortState {
            alive: true,
            home,
            queue: VecDeque::new(),
            limit: 5,
            makes: 0,
            seqno: 0,
            no_senders: None,
            backup: None,
            guard: None,
            immovable: false,
            object: None,
            special_of: None,
            asked: Vec::new(),
        }
    }
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
    pub blocked: Option<Blocked>,
    /// Messages on their way, whose rights count.
    pub held: Vec<Message>,
    doomed: VecDeque<Message>,
    reaping: bool,
}

impl Model {
    pub fn new_port(&mut self, task: usize, name: Name) {
        assert!(!self.tasks[task].contains_key(&name), "{name:#x} is in use");
        self.ports.push(PortState::new(Home::Task(task, name)));
        let port = Some(self.ports.len() - 1);
        self.tasks[task].insert(name, Entry { port, receive: true, ..Entry::default() });
    }

    pub fn new_special(&mut self, task: usize, name: Name) {
        for port in &mut self.ports {
            port.special_of = port.special_of.filter(|of| *of != task);
        }
        self.new_port(task, name);
        let port = self.ports.last_mut().unwrap();
        (port.special_of, port.makes) = (Some(task), 1);
        self.tasks[task].get_mut(&name).unwrap().send = 1;
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
        let state = &self.ports[port];
        // A timer has a send right of its own.
        count += usize::from(kind == Kind::Send && state.alive && state.object == Some(Object::Timer));
        let queued = self.ports.iter().flat_map(|state| &state.queue).chain(&self.doomed).chain(&self.held);
        for message in queued {
            let rights = message.body.iter().chain([&message.dest, &message.reply]);
            count += rights.filter(|(right, of)| *right == Ref::Port(port) && *of == kind).count();
            count += usize::from(kind == Kind::Send && message.voucher == Some(port));
        }
        count
    }

    /// A send right went: of the last one the receiver is told.
    pub fn sent_away(&mut self, port: Port) {
        if self.ports[port].alive && self.count(port, Kind::Send) == 0 {
            let makes = self.ports[port].makes;
            if let Some(notify) = self.ports[port].no_senders.take() {
                self.notify(notify, Notice::NoSenders(makes), None);
            }
            self.unused(port);
        }
    }

    pub fn once_died(&mut self, port: Port) {
        if self.ports[port].alive {
            self.notify(port, Notice::Once, None);
        }
    }

    /// A right that is nowhere any more.
    pub fn gone(&mut self, right: Ref, kind: Kind) {
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

    pub fn notify(&mut self, to: Port, notice: Notice, carried: Option<Port>) {
        let circular = carried.is_some_and(|port| self.in_transit(port, to));
        let mut message = Message::new(notice.id(), (Ref::Port(to), Kind::Once));
        message.body.extend(carried.map(|port| (Ref::Port(port), Kind::Receive)));
        message.shapes.extend(carried.map(|_| Shape::Port));
        self.post(Message { notice: Some(notice), circular, ..message });
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
            let voucher = message.voucher.take();
            let (dest, kind) = std::mem::replace(&mut message.dest, (Ref::Null, Kind::Send));
            self.gone(voucher.map_or(Ref::Null, Ref::Port), Kind::Send);
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
    pub fn clear(&mut self, port: Port) {
        for set in self.sets.values_mut() {
            set.members.retain(|member| *member != port);
            set.ready.retain(|member| *member != port);
        }
        let state = &mut self.ports[port];
        (state.makes, state.seqno, state.home) = (0, 0, Home::Limbo);
        (state.guard, state.immovable) = (None, false);
    }

    pub fn end_receive(&mut self, port: Port) {
        if let Some(backup) = self.ports[port].backup.take() {
            self.clear(port);
            self.notify(backup, Notice::Destroyed, Some(port));
            return;
        }
        self.clear(port);
        self.ports[port].alive = false;
        if let Some(blocked) = self.blocked.as_mut().filter(|blocked| blocked.port == port)
            && blocked.wait != Wait::Ended
        {
            blocked.wait = Wait::Broken;
        }
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

    /// A refused right to notify with.
    pub fn refuse(&mut self, notify: Port) {
        self.once_died(notify);
    }

    pub fn send(&mut self, message: Message) {
        self.post(message);
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

    /// The first message of a queue is received.
    pub fn take(&mut self, port: Port) -> Message {
        let state = &mut self.ports[port];
        let message = state.queue.pop_front().unwrap();
        state.seqno += 1;
        if state.queue.is_empty() {
            for set in self.sets.values_mut() {
                set.ready.retain(|member| *member != port);
            }
        }
        if !self.is_full(port) {
            self.promise(port);
        }
        message
    }

    /// The held message.
    pub fn top(&mut self) -> &mut Message {
        self.held.last_mut().unwrap()
    }

    /// Destroys what is left of the held message's body, and what else is in it.
    pub fn drop_held(&mut self) {
        let message = self.held.pop().unwrap();
        self.destroy_message(message);
    }

    /// Messages in a queue, and places kept in it.
    pub fn load(&self, port: Port) -> usize {
        let promised =
            self.blocked.is_some_and(|blocked| blocked.port == port && blocked.wait == Wait::Promised);
        self.ports[port].queue.len() + usize::from(promised)
    }

    pub fn is_full(&self, port: Port) -> bool {
        self.load(port) >= self.ports[port].limit as usize
    }

    /// There may be room for who waits.
    pub fn promise(&mut self, port: Port) {
        if let Some(blocked) = self.blocked.as_mut().filter(|blocked| blocked.port == port)
            && blocked.wait == Wait::Waiting
        {
            blocked.wait = Wait::Promised;
        }
    }

    pub fn set_limit(&mut self, port: Port, limit: u32) {
        let more = limit > self.ports[port].limit;
        self.ports[port].limit = limit;
        if more {
            self.promise(port);
        }
    }
}
