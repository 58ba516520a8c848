//! A world of threads that run at once, with locks and waits of [`super::sync`]: the standard library's, or those of a
//! schedule that a test explores.
#![allow(dead_code, unreachable_pub)]

#[path = "facts.rs"]
mod facts;

use super::sync::{Arc, Clock, Condvar, Mutex, thread};
use std::collections::HashSet;
use xnu_abi::darwin::kern_return::MachMsgReturn as Mach;
use xnu_abi::darwin::mach_message::{MsgOption, MsgType as Type};
use xnu_abi::darwin::mach_port::PortRight as Right;
use xnu_abi::linux::Errno;
use xnu_lkm::{
    Caller, Engine, Fault, Host, Lock, MachMsg, Machine, OpenId, Process, TaskId, TaskUsage, ThreadId, Times,
    Usage, Wake,
};

/// The engine's lock.
pub struct ThreadLock<T>(Mutex<T>);

impl<T> Lock<T> for ThreadLock<T> {
    fn new(value: T) -> ThreadLock<T> {
        ThreadLock(Mutex::new(value))
    }

    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.0.lock().expect("no thread panics under the lock"))
    }
}

/// Every thread's memory is one page at an address that its number gives; addresses are not shared.
pub struct Threads {
    clock: Clock,
    woken: Mutex<HashSet<ThreadId>>,
    changed: Condvar,
    pages: Vec<Mutex<[u8; PAGE]>>,
}

pub const PAGE: usize = 4096;

impl Threads {
    fn new(pages: usize) -> Threads {
        Threads {
            clock: Clock::new(),
            woken: Mutex::new(HashSet::new()),
            changed: Condvar::new(),
            pages: (0..pages).map(|_| Mutex::new([0; PAGE])).collect(),
        }
    }

    fn at(&self, address: u64) -> Result<(&Mutex<[u8; PAGE]>, usize), Fault> {
        let page = (address as usize / PAGE).checked_sub(1).ok_or(Fault)?;
        Ok((self.pages.get(page).ok_or(Fault)?, address as usize % PAGE))
    }
}

impl Host for Threads {
    type Lock<T> = ThreadLock<T>;
    type Region = Vec<u8>;

    fn now(&self) -> u64 {
        self.clock.now()
    }

    fn random(&self) -> u64 {
        3
    }

    fn block(&self, thread: ThreadId, deadline: Option<u64>) -> Wake {
        let mut woken = self.woken.lock().unwrap();
        loop {
            if woken.remove(&thread) {
                return Wake::Woken;
            }
            woken = match deadline {
                None => self.changed.wait(woken).unwrap(),
                Some(deadline) => match self.clock.wait(&self.woken, &self.changed, woken, deadline) {
                    Some(woken) => woken,
                    None => return Wake::TimedOut,
                },
            };
        }
    }

    fn wake(&self, thread: ThreadId) {
        self.woken.lock().unwrap().insert(thread);
        self.changed.notify_all();
    }

    fn give_way(&self, _: ThreadId) {
        thread::yield_now();
    }

    fn copy_in(&self, _: TaskId, from: u64, to: &mut [u8]) -> Result<(), Fault> {
        let (page, at) = self.at(from)?;
        to.copy_from_slice(page.lock().unwrap().get(at..at + to.len()).ok_or(Fault)?);
        Ok(())
    }

    fn copy_out(&self, _: TaskId, to: u64, from: &[u8]) -> Result<(), Fault> {
        let (page, at) = self.at(to)?;
        page.lock().unwrap().get_mut(at..at + from.len()).ok_or(Fault)?.copy_from_slice(from);
        Ok(())
    }

    fn capture(&self, task: TaskId, address: u64, size: u64) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; size as usize];
        self.copy_in(task, address, &mut bytes)?;
        Ok(bytes)
    }

    fn place(&self, _: TaskId, _: Vec<u8>) -> Result<u64, Fault> {
        Err(Fault)
    }

    fn allocate(&self, _: TaskId, _: u64) -> Result<u64, Fault> {
        Err(Fault)
    }

    fn deallocate(&self, _: TaskId, _: u64, _: u64) {}

    fn region(&self, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        Ok(bytes.to_vec())
    }

    fn read_region(&self, region: &Vec<u8>, to: &mut [u8]) -> Result<(), Fault> {
        to.copy_from_slice(region.get(..to.len()).ok_or(Fault)?);
        Ok(())
    }

    fn calendar(&self) -> u64 {
        0
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

    fn allocate_at(&self, _: TaskId, _: u64, _: u64, _: bool) -> Result<(), Fault> {
        Err(Fault)
    }

    fn signal(&self, _: ThreadId, _: i32) -> Result<(), Errno> {
        Err(Errno::ESRCH)
    }

    fn interrupt(&self, _: ThreadId) {}

    fn log(&self, _: &str) {}
}

pub type Shared = Arc<Engine<Threads>>;

pub fn page(thread: usize) -> u64 {
    (thread as u64 + 1) * PAGE as u64
}

pub fn send(engine: &Shared, by: Caller, page: u64, to: u32, words: [u32; 2], timeout: Option<u32>) -> Mach {
    let header = [Type::MACH_MSG_TYPE_COPY_SEND.number(), 0, to, 0, 0, 7];
    let bytes: Vec<u8> = header.iter().chain(&words).flat_map(|word| word.to_le_bytes()).collect();
    engine.host().copy_out(by.task, page, &bytes).unwrap();
    let mut options = MsgOption::MACH64_SEND_MSG;
    options.set(MsgOption::MACH64_SEND_TIMEOUT, timeout.is_some());
    let call = MachMsg {
        address: page,
        options: options.bits() as u32,
        send_size: 32,
        timeout_ms: timeout.unwrap_or(0),
        ..MachMsg::default()
    };
    engine.mach_msg(by, &call)
}

pub fn receive(
    engine: &Shared,
    by: Caller,
    page: u64,
    from: u32,
    timeout: Option<u32>,
) -> Result<(i32, [u32; 2]), Mach> {
    let mut options = MsgOption::MACH64_RCV_MSG;
    options.set(MsgOption::MACH64_RCV_TIMEOUT, timeout.is_some());
    let call = MachMsg {
        address: page,
        options: options.bits() as u32,
        receive_size: 256,
        receive_name: from,
        timeout_ms: timeout.unwrap_or(0),
        ..MachMsg::default()
    };
    match engine.mach_msg(by, &call) {
        Mach::MACH_MSG_SUCCESS => {
            let mut bytes = [0; 32];
            engine.host().copy_in(by.task, page, &mut bytes).unwrap();
            let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            Ok((word(20) as i32, [word(24), word(28)]))
        }
        error => Err(error),
    }
}

pub fn start(pages: usize) -> (Shared, OpenId, TaskId) {
    let engine = Arc::new(Engine::new(Threads::new(pages)));
    let open = engine.open(Process { pid: 1, ..Process::default() }).unwrap();
    let caller = engine.caller(open, Process { pid: 1, ..Process::default() }, 0).unwrap();
    (engine, open, caller.task)
}

pub fn port(engine: &Shared, by: Caller) -> u32 {
    let name = engine.mach_port_allocate(by, by.task, Right::MACH_PORT_RIGHT_RECEIVE, None).unwrap();
    engine.mach_port_insert_right(by, by.task, name, name, Type::MACH_MSG_TYPE_MAKE_SEND).unwrap();
    name
}

/// Ends the task of [`start`]: nothing is left.
pub fn end(engine: &Shared, open: OpenId) {
    engine.release(open);
    assert_eq!(Usage { bytes: 0, ..engine.usage() }, Usage::default());
}
