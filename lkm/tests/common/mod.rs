//! A world for the engine: a clock that moves when somebody waits, memory of tasks, and a schedule that the test writes.
//!
//! There is one real thread. When the engine blocks it, the next step of the schedule runs in its place, as another
//! thread would; without a step, the clock moves to the deadline, or the wait is interrupted.
#![allow(dead_code, unreachable_pub)]

mod facts;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::{Rc, Weak};
use xnu_abi::darwin::mach_message::MsgType;
use xnu_abi::darwin::mach_port::{PortRight, PortType};
use xnu_abi::linux::Errno;
use xnu_lkm::{
    Caller, Engine, Fault, Host, Lock, Machine, OpenId, Process, TaskId, TaskUsage, ThreadId, Times, Wake,
};

pub mod message;

pub const PAGE: u64 = 4096;

/// Bytes that a task gets at once at most.
const SIZE_MAX: u64 = 64 << 20;

/// The time of day.
pub const CALENDAR: u64 = 1_700_000_000_000_000_005;

/// The time at which a world begins.
const START: u64 = 1_000_000;

/// A lock that fails the test when it is taken twice, so nothing can run under it.
pub struct TestLock<T>(RefCell<T>);

impl<T> Lock<T> for TestLock<T> {
    fn new(value: T) -> TestLock<T> {
        TestLock(RefCell::new(value))
    }

    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.0.try_borrow_mut().expect("the engine's lock is held"))
    }
}

thread_local! {
    static OWN: Cell<u32> = const { Cell::new(0) };
}

/// While there is one, what is allocated is the host's and not the engine's.
struct Own;

impl Own {
    fn new() -> Own {
        OWN.set(OWN.get() + 1);
        Own
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        OWN.set(OWN.get() - 1);
    }
}

/// Whether the host is at work, whose memory is never short.
pub fn in_host() -> bool {
    OWN.get() > 0
}

/// A step of another thread, run while the one under test is blocked.
pub type Step = Box<dyn FnOnce(&World) -> Wake>;

#[derive(Default)]
pub struct Memory {
    ranges: BTreeMap<u64, Vec<u8>>,
    next: u64,
}

impl Memory {
    pub fn allocate(&mut self, size: u64) -> u64 {
        let pages = size.max(1).next_multiple_of(PAGE);
        self.next = self.next.max(0x10_0000);
        let address = self.next;
        // A page is left out, so that running over the end is seen.
        self.next += pages + PAGE;
        self.ranges.insert(address, vec![0; pages as usize]);
        address
    }

    pub fn allocate_at(&mut self, address: u64, size: u64, overwrite: bool) -> Result<(), Fault> {
        let end = address.checked_add(size).filter(|_| size <= SIZE_MAX).ok_or(Fault)?;
        let taken = self.ranges.iter().find(|(at, bytes)| **at < end && address < **at + bytes.len() as u64);
        match taken.map(|(at, _)| *at) {
            Some(at) if overwrite => drop(self.ranges.remove(&at)),
            Some(_) => return Err(Fault),
            None => {}
        }
        self.ranges.insert(address, vec![0; size as usize]);
        Ok(())
    }

    fn range(&mut self, address: u64, size: usize) -> Result<&mut [u8], Fault> {
        let (start, bytes) = self.ranges.range_mut(..=address).next_back().ok_or(Fault)?;
        let at = (address - start) as usize;
        bytes.get_mut(at..at.checked_add(size).ok_or(Fault)?).ok_or(Fault)
    }

    pub fn deallocate(&mut self, address: u64) {
        self.ranges.remove(&(address / PAGE * PAGE));
    }

    pub fn ranges(&self) -> usize {
        self.ranges.len()
    }

    pub fn has(&self, address: u64) -> bool {
        self.ranges.contains_key(&address)
    }

    /// Gives back what was allocated since then.
    pub fn forget_after(&mut self, address: u64) {
        self.ranges.split_off(&address);
    }
}

pub struct TestHost {
    pub clock: Cell<u64>,
    memory: RefCell<HashMap<TaskId, Memory>>,
    pub steps: RefCell<VecDeque<Step>>,
    world: RefCell<Weak<Engine<TestHost>>>,
    woken: RefCell<Vec<ThreadId>>,
    pub blocks: Cell<usize>,
    pub refuse_memory: Cell<bool>,
    pub signals: RefCell<Vec<(ThreadId, i32)>>,
    pub interrupted: RefCell<Vec<ThreadId>>,
    pub lines: RefCell<Vec<String>>,
    pub regions: Rc<Cell<isize>>,
}

/// Memory on its way, counted.
pub struct Region {
    bytes: Vec<u8>,
    count: Rc<Cell<isize>>,
}

impl Drop for Region {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
    }
}

impl Host for TestHost {
    type Lock<T> = TestLock<T>;
    type Region = Region;

    fn now(&self) -> u64 {
        self.clock.get()
    }

    fn random(&self) -> u64 {
        7
    }

    fn block(&self, thread: ThreadId, deadline: Option<u64>) -> Wake {
        let _own = Own::new();
        self.blocks.set(self.blocks.get() + 1);
        assert!(self.blocks.get() < 1_000_000, "the engine blocks without end");
        let mut woken = self.woken.borrow_mut();
        if let Some(at) = woken.iter().position(|of| *of == thread) {
            woken.remove(at);
            return Wake::Woken;
        }
        drop(woken);
        let step = self.steps.borrow_mut().pop_front();
        if let Some(step) = step {
            let world = World { engine: self.world.borrow().upgrade().expect("an engine") };
            let wake = step(&world);
            self.woken.borrow_mut().retain(|of| *of != thread);
            return wake;
        }
        match deadline {
            Some(deadline) => {
                self.clock.set(self.clock.get().max(deadline));
                Wake::TimedOut
            }
            None => Wake::Interrupted,
        }
    }

    fn wake(&self, thread: ThreadId) {
        let _own = Own::new();
        self.woken.borrow_mut().push(thread);
    }

    fn give_way(&self, _: ThreadId) {}

    fn copy_in(&self, task: TaskId, from: u64, to: &mut [u8]) -> Result<(), Fault> {
        let _own = Own::new();
        let mut memory = self.memory.borrow_mut();
        to.copy_from_slice(memory.entry(task).or_default().range(from, to.len())?);
        Ok(())
    }

    fn copy_out(&self, task: TaskId, to: u64, from: &[u8]) -> Result<(), Fault> {
        let _own = Own::new();
        let mut memory = self.memory.borrow_mut();
        memory.entry(task).or_default().range(to, from.len())?.copy_from_slice(from);
        Ok(())
    }

    fn capture(&self, task: TaskId, address: u64, size: u64) -> Result<Region, Fault> {
        let _own = Own::new();
        if size > SIZE_MAX {
            return Err(Fault);
        }
        let mut bytes = vec![0; size as usize];
        self.copy_in(task, address, &mut bytes)?;
        self.regions.set(self.regions.get() + 1);
        Ok(Region { bytes, count: self.regions.clone() })
    }

    fn place(&self, task: TaskId, region: Region) -> Result<u64, Fault> {
        let _own = Own::new();
        let address = self.allocate(task, region.bytes.len() as u64)?;
        self.copy_out(task, address, &region.bytes)?;
        Ok(address)
    }

    fn allocate(&self, task: TaskId, size: u64) -> Result<u64, Fault> {
        let _own = Own::new();
        if self.refuse_memory.get() || size > SIZE_MAX {
            return Err(Fault);
        }
        Ok(self.memory.borrow_mut().entry(task).or_default().allocate(size))
    }

    fn deallocate(&self, task: TaskId, address: u64, _: u64) {
        let _own = Own::new();
        self.memory.borrow_mut().entry(task).or_default().deallocate(address);
    }

    fn region(&self, bytes: &[u8]) -> Result<Region, Fault> {
        let _own = Own::new();
        self.regions.set(self.regions.get() + 1);
        Ok(Region { bytes: bytes.to_vec(), count: self.regions.clone() })
    }

    fn read_region(&self, region: &Region, to: &mut [u8]) -> Result<(), Fault> {
        to.copy_from_slice(region.bytes.get(..to.len()).ok_or(Fault)?);
        Ok(())
    }

    fn calendar(&self) -> u64 {
        CALENDAR
    }

    fn machine(&self) -> Machine {
        facts::MACHINE
    }

    fn task_usage(&self, _: TaskId) -> TaskUsage {
        facts::TASK_USAGE
    }

    fn thread_times(&self, _: ThreadId) -> Times {
        facts::THREAD_TIMES
    }

    fn allocate_at(&self, task: TaskId, address: u64, size: u64, overwrite: bool) -> Result<(), Fault> {
        let _own = Own::new();
        if self.refuse_memory.get() {
            return Err(Fault);
        }
        self.memory.borrow_mut().entry(task).or_default().allocate_at(address, size, overwrite)
    }

    fn signal(&self, thread: ThreadId, signal: i32) -> Result<(), Errno> {
        let _own = Own::new();
        self.signals.borrow_mut().push((thread, signal));
        Ok(())
    }

    fn interrupt(&self, thread: ThreadId) {
        let _own = Own::new();
        self.interrupted.borrow_mut().push(thread);
    }

    fn log(&self, line: &str) {
        let _own = Own::new();
        self.lines.borrow_mut().push(line.to_string());
    }
}

/// An engine in its world.
#[derive(Clone)]
pub struct World {
    pub engine: Rc<Engine<TestHost>>,
}

impl std::ops::Deref for World {
    type Target = Engine<TestHost>;

    fn deref(&self) -> &Engine<TestHost> {
        &self.engine
    }
}

pub const SEND: PortType = PortType::MACH_PORT_TYPE_SEND;
pub const RECEIVE: PortType = PortType::MACH_PORT_TYPE_RECEIVE;
pub const SEND_ONCE: PortType = PortType::MACH_PORT_TYPE_SEND_ONCE;
pub const DEAD_NAME: PortType = PortType::MACH_PORT_TYPE_DEAD_NAME;
pub const PORT_SET: PortType = PortType::MACH_PORT_TYPE_PORT_SET;
pub const DNREQUEST: PortType = PortType::MACH_PORT_TYPE_DNREQUEST;

impl World {
    pub fn new() -> World {
        let host = TestHost {
            clock: Cell::new(START),
            memory: RefCell::default(),
            steps: RefCell::default(),
            world: RefCell::default(),
            woken: RefCell::default(),
            blocks: Cell::new(0),
            refuse_memory: Cell::new(false),
            signals: RefCell::default(),
            interrupted: RefCell::default(),
            lines: RefCell::default(),
            regions: Rc::default(),
        };
        let engine = Rc::new(Engine::new(host));
        *engine.host().world.borrow_mut() = Rc::downgrade(&engine);
        World { engine }
    }

    /// Puts the host into the state that it began in, for other tasks; those that were are gone.
    pub fn start_over(&self) {
        let host = self.engine.host();
        host.clock.set(START);
        host.memory.borrow_mut().clear();
        host.steps.borrow_mut().clear();
        host.woken.borrow_mut().clear();
        host.blocks.set(0);
        host.refuse_memory.set(false);
        host.signals.borrow_mut().clear();
        host.interrupted.borrow_mut().clear();
        host.lines.borrow_mut().clear();
    }

    /// A process with one thread.
    pub fn task(&self, pid: i32) -> Caller {
        self.opened(pid).1
    }

    /// The same, with its open descriptor.
    pub fn opened(&self, pid: i32) -> (OpenId, Caller) {
        let process = Process { pid, parent: 1, uid: 501, gid: 20 };
        let open = self.engine.open(process).unwrap();
        (open, self.engine.caller(open, process, pid as u64).unwrap())
    }

    /// Another thread of a task.
    pub fn thread(&self, of: Caller, tid: u64) -> Caller {
        self.engine.thread(of.task, tid).unwrap()
    }

    pub fn memory<T>(&self, task: Caller, work: impl FnOnce(&mut Memory) -> T) -> T {
        work(self.engine.host().memory.borrow_mut().entry(task.task).or_default())
    }

    pub fn alloc(&self, task: Caller, size: u64) -> u64 {
        self.memory(task, |memory| memory.allocate(size))
    }

    pub fn read(&self, task: Caller, address: u64, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        self.engine.host().copy_in(task.task, address, &mut bytes).expect("readable memory");
        bytes
    }

    pub fn write(&self, task: Caller, address: u64, bytes: &[u8]) {
        self.engine.host().copy_out(task.task, address, bytes).expect("writable memory");
    }

    /// Adds a step of another thread to the schedule.
    pub fn step(&self, step: impl FnOnce(&World) + 'static) {
        self.engine.host().steps.borrow_mut().push_back(Box::new(|world| {
            step(world);
            Wake::Woken
        }));
    }

    /// Adds an interruption to the schedule.
    pub fn interrupt(&self) {
        self.engine.host().steps.borrow_mut().push_back(Box::new(|_| Wake::Interrupted));
    }

    pub fn receive_right(&self, of: Caller) -> u32 {
        self.mach_port_allocate(of, of.task, PortRight::MACH_PORT_RIGHT_RECEIVE, None).unwrap()
    }

    pub fn set(&self, of: Caller) -> u32 {
        self.mach_port_allocate(of, of.task, PortRight::MACH_PORT_RIGHT_PORT_SET, None).unwrap()
    }

    /// A receive right with a send right under the same name.
    pub fn send_receive(&self, of: Caller) -> u32 {
        let name = self.receive_right(of);
        let make = MsgType::MACH_MSG_TYPE_MAKE_SEND;
        self.mach_port_insert_right(of, of.task, name, name, make).unwrap();
        name
    }

    /// Gives another task a right of this one's.
    pub fn give(&self, from: Caller, name: u32, disposition: MsgType, to: Caller) -> u32 {
        self.mach_port_extract_right(to, from.task, name, disposition).unwrap().0
    }

    pub fn kinds(&self, of: Caller, name: u32) -> Option<PortType> {
        self.mach_port_type(of, of.task, name).ok()
    }

    pub fn refs(&self, of: Caller, name: u32, right: PortRight) -> u32 {
        self.mach_port_get_refs(of, of.task, name, right).unwrap()
    }

    pub fn guard_reason(&self, of: Caller) -> Option<u32> {
        self.take_guard_exception(of).map(|exception| exception.reason())
    }
}
