//! Ports of the engine's objects: what their rights keep alive, and what ends them.

use super::{Home, Kind, Message, Model, Name, Port, PortState, Ref};
use xnu_abi::darwin::kern_return::KernReturn as Kern;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Object {
    Task(usize),
    Thread(usize),
    Host,
    Clock(u32),
    /// Its content; equal ones are one.
    Voucher(u8),
    /// The task that may destroy it, and the count.
    Semaphore(Option<usize>, u32),
    /// The task has the receive right, the timer a send right.
    Timer,
}

impl Model {
    /// The port of an object, which is there if it has one already.
    pub fn object(&mut self, object: Object) -> Port {
        let known = self.ports.iter().position(|state| state.alive && state.object == Some(object));
        known.unwrap_or_else(|| self.new_object(object))
    }

    pub fn new_object(&mut self, object: Object) -> Port {
        self.ports.push(PortState { object: Some(object), ..PortState::new(Home::Engine) });
        self.ports.len() - 1
    }

    pub fn new_timer(&mut self, task: usize, name: Name) {
        self.new_port(task, name);
        let state = self.ports.last_mut().unwrap();
        (state.object, state.immovable, state.makes) = (Some(Object::Timer), true, 1);
    }

    /// No send right for a port is left: what lives by its rights goes.
    pub fn unused(&mut self, port: Port) {
        if let Some(Object::Semaphore(..) | Object::Voucher(_)) = self.ports[port].object {
            self.end_receive(port);
        }
    }

    /// Before a task's names go: its thread and its semaphores.
    pub fn end_of_task_begins(&mut self, task: usize) {
        let thread = self.object(Object::Thread(task));
        self.end_receive(thread);
        for state in &mut self.ports {
            if let Some(Object::Semaphore(owner, count)) = &mut state.object
                && *owner == Some(task)
            {
                (*owner, *count) = (None, 0);
            }
        }
    }

    /// After a task's names are gone.
    pub fn end_of_task(&mut self, task: usize) {
        let port = self.object(Object::Task(task));
        self.end_receive(port);
    }

    fn semaphore(&mut self, task: usize, name: Name) -> Result<(&mut Option<usize>, &mut u32), Kern> {
        let entry = self.entry(task, name)?.clone();
        if entry.dead > 0 {
            return Err(Kern::KERN_INVALID_NAME);
        }
        let port = entry.port.filter(|_| entry.send > 0).ok_or(Kern::KERN_INVALID_RIGHT)?;
        match &mut self.ports[port].object {
            Some(Object::Semaphore(owner, count)) => Ok((owner, count)),
            _ => Err(Kern::KERN_INVALID_CAPABILITY),
        }
    }

    pub fn semaphore_destroy(&mut self, task: usize, name: Name) -> Result<(), Kern> {
        let (owner, count) = self.semaphore(task, name).map_err(|_| Kern::KERN_INVALID_ARGUMENT)?;
        if *owner == Some(task) {
            (*owner, *count) = (None, 0);
        }
        Ok(())
    }

    pub fn semaphore_signal(&mut self, task: usize, name: Name) -> Result<(), Kern> {
        let (owner, count) = self.semaphore(task, name)?;
        owner.ok_or(Kern::KERN_TERMINATED)?;
        *count += 1;
        Ok(())
    }

    /// A wait that takes no time.
    pub fn semaphore_try(&mut self, task: usize, name: Name) -> Result<(), Kern> {
        let (owner, count) = self.semaphore(task, name)?;
        owner.ok_or(Kern::KERN_TERMINATED)?;
        *count = count.checked_sub(1).ok_or(Kern::KERN_OPERATION_TIMED_OUT)?;
        Ok(())
    }

    fn timer(&self, task: usize, name: Name) -> Result<Port, Kern> {
        let entry = self.entry(task, name)?;
        if entry.dead > 0 {
            return Err(Kern::KERN_INVALID_NAME);
        }
        let port = entry.port.filter(|_| entry.receive).ok_or(Kern::KERN_INVALID_RIGHT)?;
        let is_timer = self.ports[port].object == Some(Object::Timer);
        is_timer.then_some(port).ok_or(Kern::KERN_INVALID_ARGUMENT)
    }

    /// A timer expires: it has one message, with a send right.
    pub fn timer_expires(&mut self, task: usize, name: Name) -> Result<(), Kern> {
        let port = self.timer(task, name)?;
        if !self.ports[port].queue.iter().any(|message| message.id == 0) {
            self.send(Message::new(0, (Ref::Port(port), Kind::Send)));
        }
        Ok(())
    }

    pub fn timer_destroy(&mut self, task: usize, name: Name) -> Result<(), Kern> {
        match self.timer(task, name) {
            Err(Kern::KERN_INVALID_NAME) if self.tasks[task].contains_key(&name) => {
                Err(Kern::KERN_INVALID_RIGHT)
            }
            Err(error) => Err(error),
            Ok(_) => self.destroy(task, name),
        }
    }

    /// How many objects there are that live by rights: semaphores, vouchers and timers.
    pub fn objects(&self) -> [usize; 3] {
        let count = |is: fn(Object) -> bool| {
            self.ports.iter().filter(|state| state.alive && state.object.is_some_and(is)).count()
        };
        [
            count(|object| matches!(object, Object::Semaphore(..))),
            count(|object| matches!(object, Object::Voucher(_))),
            count(|object| object == Object::Timer),
        ]
    }

    /// Messages in queues and on their way.
    pub fn messages(&self) -> usize {
        self.ports.iter().map(|state| state.queue.len()).sum::<usize>() + self.held.len()
    }
}
