//! Real threads on one engine: nothing is lost, nothing comes twice, the order of each sender is kept, and deaths in the
//! middle of everything leave nothing behind.
//!
//! `LKM_MESSAGES` says how many messages each sender sends.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use xnu_abi::darwin::kern_return::MachMsgReturn as Mach;
use xnu_abi::darwin::mach_message::{MsgOption, MsgType as Type};
use xnu_abi::darwin::mach_port::PortRight as Right;
use xnu_abi::linux::Errno;
use xnu_lkm::{
    Caller, Engine, Fault, Host, Lock, MachMsg, Machine, Process, TaskId, TaskUsage, ThreadId, Times, Usage,
    Wake,
};

struct StdLock<T>(Mutex<T>);

impl<T> Lock<T> for StdLock<T> {
    fn new(value: T) -> StdLock<T> {
        StdLock(Mutex::new(value))
    }

    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.0.lock().expect("no thread panics under the lock"))
    }
}

/// Every thread's memory is one page at an address that its number gives; addresses are not shared.
struct Threads {
    start: Instant,
    woken: Mutex<HashMap<ThreadId, bool>>,
    changed: Condvar,
    pages: Vec<Mutex<[u8; PAGE]>>,
}

const PAGE: usize = 4096;

impl Threads {
    fn new(pages: usize) -> Threads {
        Threads {
            start: Instant::now(),
            woken: Mutex::default(),
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
    type Lock<T> = StdLock<T>;
    type Region = Vec<u8>;

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64 + 1
    }

    fn random(&self) -> u64 {
        3
    }

    fn block(&self, thread: ThreadId, deadline: Option<u64>) -> Wake {
        let mut woken = self.woken.lock().unwrap();
        loop {
            if woken.remove(&thread).is_some() {
                return Wake::Woken;
            }
            woken = match deadline {
                None => self.changed.wait(woken).unwrap(),
                Some(deadline) => {
                    let Some(rest) = deadline.checked_sub(self.now()).filter(|rest| *rest > 0) else {
                        return Wake::TimedOut;
                    };
                    self.changed.wait_timeout(woken, Duration::from_nanos(rest)).unwrap().0
                }
            };
        }
    }

    fn wake(&self, thread: ThreadId) {
        self.woken.lock().unwrap().insert(thread, true);
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
        Machine {
            logical_cpus: 8,
            physical_cpus: 4,
            memory: 5 << 30,
            cpu_type: 7,
            cpu_subtype: 8,
            cpu_thread_type: 1,
            kernel_version: "A kernel of tests",
        }
    }

    fn task_usage(&self, _: TaskId) -> TaskUsage {
        TaskUsage {
            size: 6 << 32,
            resident: 7 << 20,
            resident_max: 8 << 20,
            times: Times { user_ns: 3_000_004_000, system_ns: 5_000_006_000 },
            live_times: Times { user_ns: 7_000_008_000, system_ns: 0 },
        }
    }

    fn thread_times(&self, _: ThreadId) -> Times {
        Times { user_ns: 1_000_002_000, system_ns: 2_000_003_000 }
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

type Shared = Arc<Engine<Threads>>;

fn page(thread: usize) -> u64 {
    (thread as u64 + 1) * PAGE as u64
}

fn send(engine: &Shared, by: Caller, page: u64, to: u32, words: [u32; 2], timeout: Option<u32>) -> Mach {
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

fn receive(
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

fn messages(otherwise: u32) -> u32 {
    std::env::var("LKM_MESSAGES").ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

fn start(pages: usize) -> (Shared, xnu_lkm::OpenId, TaskId) {
    let engine = Arc::new(Engine::new(Threads::new(pages)));
    let open = engine.open(Process { pid: 1, ..Process::default() }).unwrap();
    let caller = engine.caller(open, Process { pid: 1, ..Process::default() }, 0).unwrap();
    (engine, open, caller.task)
}

fn port(engine: &Shared, by: Caller) -> u32 {
    let name = engine.mach_port_allocate(by, by.task, Right::MACH_PORT_RIGHT_RECEIVE, None).unwrap();
    engine.mach_port_insert_right(by, by.task, name, name, Type::MACH_MSG_TYPE_MAKE_SEND).unwrap();
    name
}

#[test]
fn every_message_arrives_once_and_in_order() {
    const SENDERS: usize = 4;
    const RECEIVERS: usize = 4;
    let count = messages(5_000);
    let (engine, open, task) = start(SENDERS + RECEIVERS);
    let main = engine.thread(task, 1).unwrap();
    let set = engine.mach_port_allocate(main, task, Right::MACH_PORT_RIGHT_PORT_SET, None).unwrap();
    let ports: Vec<u32> = (0..2).map(|_| port(&engine, main)).collect();
    for name in &ports {
        engine.mach_port_insert_member(main, task, *name, set).unwrap();
    }
    let seen = Arc::new(Mutex::new(vec![Vec::new(); SENDERS]));
    let receivers: Vec<_> = (0..RECEIVERS)
        .map(|n| {
            let (engine, seen) = (engine.clone(), seen.clone());
            thread::spawn(move || {
                let by = engine.thread(task, 100 + n as u64).unwrap();
                let mut last = [None; SENDERS];
                loop {
                    let (_, [sender, number]) = receive(&engine, by, page(n), set, None).unwrap();
                    if sender == u32::MAX {
                        return;
                    }
                    // One receiver sees each sender's messages in their order.
                    let last = &mut last[sender as usize];
                    assert!(last.is_none_or(|last| last < number), "{last:?} before {number}");
                    *last = Some(number);
                    seen.lock().unwrap()[sender as usize].push(number);
                }
            })
        })
        .collect();
    let senders: Vec<_> = (0..SENDERS)
        .map(|n| {
            let engine = engine.clone();
            let to = ports[n % ports.len()];
            thread::spawn(move || {
                let by = engine.thread(task, 200 + n as u64).unwrap();
                for number in 0..count {
                    let sent = send(&engine, by, page(RECEIVERS + n), to, [n as u32, number], None);
                    assert_eq!(sent, Mach::MACH_MSG_SUCCESS);
                }
            })
        })
        .collect();
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    for _ in 0..RECEIVERS {
        assert_eq!(
            send(&engine, main, page(RECEIVERS), ports[0], [u32::MAX, 0], None),
            Mach::MACH_MSG_SUCCESS
        );
    }
    receivers.into_iter().for_each(|receiver| receiver.join().unwrap());
    for numbers in seen.lock().unwrap().iter_mut() {
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..count), "{} of {count}", numbers.len());
    }
    engine.release(open);
    assert_eq!(Usage { bytes: 0, ..engine.usage() }, Usage::default());
}

#[test]
fn deaths_and_timeouts_in_the_middle_leave_nothing() {
    const THREADS: usize = 6;
    let rounds = messages(5_000) / 5;
    let (engine, open, task) = start(THREADS);
    let main = engine.thread(task, 1).unwrap();
    let shared = Arc::new(Mutex::new(port(&engine, main)));
    let workers: Vec<_> = (0..THREADS)
        .map(|n| {
            let (engine, shared) = (engine.clone(), shared.clone());
            thread::spawn(move || {
                let by = engine.thread(task, 100 + n as u64).unwrap();
                for round in 0..rounds {
                    let name = *shared.lock().unwrap();
                    match n % 3 {
                        0 => {
                            let sent = send(&engine, by, page(n), name, [n as u32, round], Some(1));
                            let known = [
                                Mach::MACH_MSG_SUCCESS,
                                Mach::MACH_SEND_TIMED_OUT,
                                Mach::MACH_SEND_INVALID_DEST,
                            ];
                            assert!(known.contains(&sent), "{sent:?}");
                        }
                        1 => {
                            let got = receive(&engine, by, page(n), name, Some(1)).map(|_| ());
                            let known = [
                                Ok(()),
                                Err(Mach::MACH_RCV_TIMED_OUT),
                                Err(Mach::MACH_RCV_PORT_CHANGED),
                                Err(Mach::MACH_RCV_INVALID_NAME),
                            ];
                            assert!(known.contains(&got), "{got:?}");
                        }
                        _ => {
                            let mut current = shared.lock().unwrap();
                            let new = port(&engine, by);
                            let old = std::mem::replace(&mut *current, new);
                            drop(current);
                            // The other of this kind may have been faster.
                            let _ = engine.mach_port_destroy(by, task, old);
                        }
                    }
                }
                engine.thread_exit(by);
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    engine.release(open);
    assert_eq!(Usage { bytes: 0, ..engine.usage() }, Usage::default());
}

#[test]
fn semaphores_hand_over_between_threads() {
    let count = messages(5_000);
    let (engine, open, task) = start(1);
    let main = engine.thread(task, 1).unwrap();
    let (ping, pong) = (
        engine.semaphore_create(main, task, 0, 0).unwrap(),
        engine.semaphore_create(main, task, 0, 0).unwrap(),
    );
    let other = {
        let engine = engine.clone();
        thread::spawn(move || {
            let by = engine.thread(task, 2).unwrap();
            for _ in 0..count {
                engine.semaphore_wait(by, ping, None, None).unwrap();
                engine.semaphore_signal(by, pong).unwrap();
            }
        })
    };
    for _ in 0..count {
        engine.semaphore_signal(main, ping).unwrap();
        engine.semaphore_wait(main, pong, None, Some((10, 0))).unwrap();
    }
    other.join().unwrap();
    engine.release(open);
    assert_eq!(Usage { bytes: 0, ..engine.usage() }, Usage::default());
}

#[test]
fn a_timer_wakes_a_blocked_thread() {
    let (engine, _, task) = start(1);
    let by = engine.thread(task, 1).unwrap();
    let timer = engine.mk_timer_create(by);
    let waiter = {
        let engine = engine.clone();
        thread::spawn(move || {
            let by = engine.thread(task, 2).unwrap();
            receive(&engine, by, page(0), timer, None).unwrap();
            engine.host().now()
        })
    };
    thread::sleep(Duration::from_millis(20));
    let due = engine.host().now() + 30_000_000;
    engine.mk_timer_arm(by, timer, due).unwrap();
    assert!(waiter.join().unwrap() >= due);
}
