//! Sets of ports, received from as one (`osfmk/ipc/ipc_pset.c`, `osfmk/ipc/ipc_mqueue.c`).
//!
//! A set keeps its members with messages in a row. Receiving takes from the first and puts it last if it has more, so no
//! busy member keeps another waiting.

use crate::port::PortId;
use crate::slab::{Id, Links, List, Node};
use crate::state::State;
use crate::task::{Outcome, TaskId, Thread};
use xnu_abi::darwin::kern_return::KernReturn;
use xnu_abi::darwin::mach_port::PortType;

/// The number of a set.
pub(crate) type SetId = Id<PortSet>;

/// A set of ports.
pub(crate) struct PortSet {
    pub(crate) members: List<Link, 1>,
    /// Members that have messages.
    pub(crate) ready: List<Link, 2>,
    pub(crate) receivers: List<Thread>,
}

impl PortSet {
    pub(crate) const fn new() -> PortSet {
        PortSet { members: List::new(), ready: List::new(), receivers: List::new() }
    }
}

/// A port's membership in a set.
pub(crate) struct Link {
    pub(crate) port: PortId,
    pub(crate) set: SetId,
    ready: bool,
    of_port: Links<Link>,
    of_set: Links<Link>,
    of_ready: Links<Link>,
}

impl Link {
    pub(crate) const fn new(port: PortId, set: SetId) -> Link {
        Link { port, set, ready: false, of_port: Links::new(), of_set: Links::new(), of_ready: Links::new() }
    }

    /// The next membership of the same port.
    pub(crate) fn next_of_port(&self) -> Id<Link> {
        self.of_port.next()
    }

    /// The next member of the same set.
    pub(crate) fn next_of_set(&self) -> Id<Link> {
        self.of_set.next()
    }
}

impl Node<0> for Link {
    fn links(&mut self) -> &mut Links<Link> {
        &mut self.of_port
    }
}

impl Node<1> for Link {
    fn links(&mut self) -> &mut Links<Link> {
        &mut self.of_set
    }
}

impl Node<2> for Link {
    fn links(&mut self) -> &mut Links<Link> {
        &mut self.of_ready
    }
}

impl<R> State<R> {
    /// An empty set, under a new name or the one given.
    pub(crate) fn set_new(&mut self, task: TaskId, name: Option<u32>) -> Result<u32, KernReturn> {
        if name.is_none() {
            self.space(task).hold()?;
        }
        let set = self.sets.insert(PortSet::new()).map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
        let kinds = PortType::MACH_PORT_TYPE_PORT_SET;
        let claimed = match name {
            Some(name) => self.space(task).claim_name(name, kinds, 0, set.to_bits()).map(|()| name),
            None => self.space(task).claim(kinds, 0, set.to_bits()),
        };
        if claimed.is_err() {
            self.sets.remove(set);
        }
        claimed
    }

    /// Ends a set; its members stay what they are (`ipc_pset_destroy`).
    pub(crate) fn set_destroy(&mut self, set: SetId) {
        let receivers = core::mem::replace(&mut self.sets.at_mut(set).receivers, List::new());
        self.wake_all(receivers, Outcome::Restart);
        loop {
            let link = self.sets.at(set).members.first();
            if link.is_none() {
                break;
            }
            self.link_remove(link);
        }
        self.sets.remove(set);
    }

    fn link_of(&self, port: PortId, set: SetId) -> Option<Id<Link>> {
        let mut at = self.ports.at(port).sets.first();
        while !at.is_none() {
            let link = self.links.at(at);
            if link.set == set {
                return Some(at);
            }
            at = link.next_of_port();
        }
        None
    }

    fn link_remove(&mut self, id: Id<Link>) {
        self.link_not_ready(id);
        let Link { port, set, .. } = *self.links.at(id);
        self.ports.at_mut(port).sets.remove(&mut self.links, id);
        self.sets.at_mut(set).members.remove(&mut self.links, id);
        self.links.remove(id);
    }

    fn link_ready(&mut self, id: Id<Link>) {
        let link = self.links.at_mut(id);
        if !core::mem::replace(&mut link.ready, true) {
            let set = link.set;
            self.sets.at_mut(set).ready.push_back(&mut self.links, id);
        }
    }

    fn link_not_ready(&mut self, id: Id<Link>) {
        let link = self.links.at_mut(id);
        if core::mem::replace(&mut link.ready, false) {
            let set = link.set;
            self.sets.at_mut(set).ready.remove(&mut self.links, id);
        }
    }

    /// Puts a port into a set, which hands what it has to those who wait there (`ipc_mqueue_add_locked`).
    ///
    /// # Errors
    /// `KERN_ALREADY_IN_SET`, `KERN_RESOURCE_SHORTAGE`.
    pub(crate) fn set_join(&mut self, port: PortId, set: SetId) -> Result<(), KernReturn> {
        if self.link_of(port, set).is_some() {
            return Err(KernReturn::KERN_ALREADY_IN_SET);
        }
        let link = self.links.insert(Link::new(port, set)).map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
        self.ports.at_mut(port).sets.push_back(&mut self.links, link);
        self.sets.at_mut(set).members.push_back(&mut self.links, link);
        self.hand_out(port);
        self.poke_receivers(set);
        Ok(())
    }

    /// Takes a port out of a set.
    ///
    /// # Errors
    /// `KERN_NOT_IN_SET`.
    pub(crate) fn set_leave(&mut self, port: PortId, set: SetId) -> Result<(), KernReturn> {
        let link = self.link_of(port, set).ok_or(KernReturn::KERN_NOT_IN_SET)?;
        self.link_remove(link);
        Ok(())
    }

    /// Takes a port out of all sets but one.
    pub(crate) fn set_leave_all(&mut self, port: PortId, but: SetId) {
        let mut at = self.ports.at(port).sets.first();
        while !at.is_none() {
            let link = self.links.at(at);
            let next = link.next_of_port();
            if link.set != but {
                self.link_remove(at);
            }
            at = next;
        }
    }

    /// The sets of a port hear that its queue became empty or no longer is.
    pub(crate) fn sets_ready(&mut self, port: PortId, ready: bool) {
        let mut at = self.ports.at(port).sets.first();
        while !at.is_none() {
            if ready {
                self.link_ready(at);
            } else {
                self.link_not_ready(at);
            }
            at = self.links.at(at).next_of_port();
        }
    }

    /// The member whose turn it is, which goes to the end of the row.
    pub(crate) fn set_turn(&mut self, set: SetId) -> Option<PortId> {
        let link = self.sets.at_mut(set).ready.pop_front(&mut self.links)?;
        self.sets.at_mut(set).ready.push_back(&mut self.links, link);
        Some(self.links.at(link).port)
    }
}
