//! The engine behind `/dev/mach` in the mock's world: guest memory, the virtual clock, and a schedule that the test writes.
//!
//! There is one real thread. When the engine blocks it, the next step of the schedule runs in its place, as another
//! thread would; without a step the clock moves to the deadline, and without that the wait is interrupted. So nothing
//! waits for ever, and the same calls and steps give the same answers.

use crate::address_space::{PAGE, PROT_READ, PROT_WRITE};
use crate::mock::Mock;
use crate::module::TrapCall;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use xnu_abi::linux::Errno;
use xnu_abi::lkm::Trap;
use xnu_core::{Lkm, TrapArg, UserAddr};
use xnu_lkm::{
    Caller, Engine, Fault, Host, Lock, Machine, OpenId, Process, TaskId, TaskUsage, ThreadId, Times,
    TrapArgument, Usage, Wake,
};

/// A lock that fails the test when it is taken twice.
struct OnceAtATime<T>(Mutex<T>);

impl<T> Lock<T> for OnceAtATime<T> {
    fn new(value: T) -> OnceAtATime<T> {
        OnceAtATime(Mutex::new(value))
    }

    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.0.try_lock().expect("the engine's lock is free"))
    }
}

/// What runs while the thread under test is blocked.
type Step = Box<dyn FnOnce() -> Wake + Send>;

#[derive(Default)]
struct Book {
    steps: VecDeque<Step>,
    woken: Vec<ThreadId>,
    signals: Vec<(ThreadId, i32)>,
    printed: Vec<String>,
    calls: Vec<TrapCall>,
    open: Option<OpenId>,
    pid: i32,
    kept: Vec<(u64, u64)>,
}

struct World {
    mock: Mock,
    book: Mutex<Book>,
}

impl World {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_kept(&self, start: u64, end: u64) -> bool {
        self.book().kept.iter().any(|(from, to)| *from < end && start < *to)
    }
}

/// What a thread that blocks is told.
const STEPS_MAX: usize = 10_000;

impl Host for World {
    type Lock<T> = OnceAtATime<T>;
    type Region = Vec<u8>;

    fn now(&self) -> u64 {
        self.mock.now_ns()
    }

    fn random(&self) -> u64 {
        7
    }

    fn block(&self, thread: ThreadId, deadline: Option<u64>) -> Wake {
        let step = {
            let mut book = self.book();
            if let Some(at) = book.woken.iter().position(|of| *of == thread) {
                book.woken.remove(at);
                return Wake::Woken;
            }
            book.steps.pop_front()
        };
        match (step, deadline) {
            (Some(step), _) => {
                let wake = step();
                self.book().woken.retain(|of| *of != thread);
                wake
            }
            (None, Some(deadline)) => {
                let left = deadline.saturating_sub(self.mock.now_ns());
                self.mock.advance_ns(left);
                Wake::TimedOut
            }
            (None, None) => Wake::Interrupted,
        }
    }

    fn wake(&self, thread: ThreadId) {
        let mut book = self.book();
        assert!(book.woken.len() < STEPS_MAX, "nobody wakes");
        book.woken.push(thread);
    }

    fn give_way(&self, _: ThreadId) {}

    fn copy_in(&self, _: TaskId, from: u64, to: &mut [u8]) -> Result<(), Fault> {
        self.mock.read_guest(UserAddr::new(from), to).map_err(|_| Fault)
    }

    fn copy_out(&self, _: TaskId, to: u64, from: &[u8]) -> Result<(), Fault> {
        self.mock.write_guest(UserAddr::new(to), from).map_err(|_| Fault)
    }

    fn capture(&self, task: TaskId, address: u64, size: u64) -> Result<Vec<u8>, Fault> {
        const MOST: u64 = 1 << 30;
        if size > MOST {
            return Err(Fault);
        }
        let mut bytes = vec![0; size as usize];
        self.copy_in(task, address, &mut bytes)?;
        Ok(bytes)
    }

    fn region(&self, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        Ok(bytes.to_vec())
    }

    fn read_region(&self, region: &Vec<u8>, to: &mut [u8]) -> Result<(), Fault> {
        to.copy_from_slice(region.get(..to.len()).ok_or(Fault)?);
        Ok(())
    }

    fn calendar(&self) -> u64 {
        self.mock.now_ns()
    }

    fn machine(&self) -> Machine {
        Machine {
            logical_cpus: 4,
            physical_cpus: 2,
            memory: 8 << 30,
            cpu_type: 7,
            cpu_subtype: 8,
            cpu_thread_type: 1,
            kernel_version: "The kernel of the mock",
        }
    }

    fn task_usage(&self, _: TaskId) -> TaskUsage {
        TaskUsage { size: 1 << 32, resident: 2 << 20, resident_max: 3 << 20, ..TaskUsage::default() }
    }

    fn thread_times(&self, _: ThreadId) -> Times {
        Times { user_ns: self.mock.now_ns(), system_ns: 0 }
    }

    fn place(&self, task: TaskId, region: Vec<u8>) -> Result<u64, Fault> {
        let address = self.allocate(task, region.len() as u64)?;
        self.copy_out(task, address, &region)?;
        Ok(address)
    }

    fn allocate(&self, _: TaskId, size: u64) -> Result<u64, Fault> {
        let size = size.checked_next_multiple_of(PAGE).filter(|size| *size < 1 << 46).ok_or(Fault)?;
        let memory = &mut self.mock.state().memory;
        let start = memory.find_gap(size).ok_or(Fault)?;
        memory.map(start, size, PROT_READ | PROT_WRITE);
        Ok(start)
    }

    fn deallocate(&self, _: TaskId, address: u64, size: u64) {
        let start = address / PAGE * PAGE;
        let Some(end) = address.checked_add(size).and_then(|end| end.checked_next_multiple_of(PAGE)) else {
            return;
        };
        if end <= crate::address_space::TASK_SIZE && !self.is_kept(start, end) {
            self.mock.state().memory.unmap(start, end - start);
        }
    }

    fn allocate_at(&self, _: TaskId, address: u64, size: u64, overwrite: bool) -> Result<(), Fault> {
        let end = address.checked_add(size).filter(|end| *end <= crate::address_space::TASK_SIZE);
        let end = end.ok_or(Fault)?;
        let memory = &mut self.mock.state().memory;
        if address < 0x1_0000 || self.is_kept(address, end) || !overwrite && memory.overlaps(address, size) {
            return Err(Fault);
        }
        memory.map(address, size, PROT_READ | PROT_WRITE);
        Ok(())
    }

    fn signal(&self, thread: ThreadId, signal: i32) -> Result<(), Errno> {
        self.book().signals.push((thread, signal));
        Ok(())
    }

    fn interrupt(&self, _: ThreadId) {}

    fn log(&self, line: &str) {
        self.book().printed.push(line.to_string());
    }
}

/// What stands behind `/dev/mach`: the engine that the runner has too, in the mock's world. Its tasks are those of the
/// mock's process and its children, all with the mock's one memory.
#[derive(Clone)]
pub struct Ports {
    engine: Arc<Engine<World>>,
    /// Of another thread than the process's first.
    thread: Option<u64>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").field("thread", &self.thread).finish_non_exhaustive()
    }
}

/// How the step of another thread ends the wait that it ran in: [`Other::Ran`] is looked at, as a wake is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Other {
    /// The thread that waits looks for itself.
    Ran,
    /// The thread that waits is interrupted, as by a signal.
    Interrupted,
}

impl Ports {
    /// No task yet: the process has one from its first call on.
    pub fn new(mock: &Mock) -> Ports {
        let world = World { mock: mock.share(), book: Mutex::default() };
        Ports { engine: Arc::new(Engine::new(world)), thread: None }
    }

    /// Ends the process's task and forgets steps, calls and lines: the next call makes a new task. For many short runs,
    /// because an engine is dear to make.
    pub fn start_over(&self) {
        let open = std::mem::take(&mut *self.engine.host().book()).open;
        if let Some(open) = open {
            self.engine.release(open);
        }
    }

    /// The machine around the engine, which is the one that it was made for.
    pub fn machine(&self) -> Mock {
        self.engine.host().mock.share()
    }

    /// The same engine for calls of another thread of the process.
    pub fn thread(&self, tid: u64) -> Ports {
        Ports { engine: self.engine.clone(), thread: Some(tid) }
    }

    /// Adds what runs when a thread blocks, in place of waiting.
    pub fn schedule(&self, step: impl FnOnce() -> Other + Send + 'static) {
        let step = move || match step() {
            Other::Ran => Wake::Woken,
            Other::Interrupted => Wake::Interrupted,
        };
        self.engine.host().book().steps.push_back(Box::new(step));
    }

    /// Keeps a range of memory from being unmapped and mapped over: what is not the guest's.
    pub fn keep(&self, start: UserAddr, size: u64) {
        self.engine.host().book().kept.push((start.get(), start.get() + size));
    }

    /// Every trap so far.
    pub fn calls(&self) -> Vec<TrapCall> {
        self.engine.host().book().calls.clone()
    }

    /// What `kernel_printk` wrote, one entry per trap.
    pub fn printed(&self) -> Vec<String> {
        self.engine.host().book().printed.clone()
    }

    /// Linux signals that traps sent.
    pub fn signals(&self) -> Vec<i32> {
        self.engine.host().book().signals.iter().map(|(_, signal)| *signal).collect()
    }

    /// How much the engine holds.
    pub fn usage(&self) -> Usage {
        self.engine.usage()
    }

    /// The engine and the process's first thread, for what no trap does.
    pub fn engine(&self) -> (&Engine<impl Host>, Caller) {
        (&self.engine, self.caller().expect("room for a task"))
    }

    fn caller(&self) -> Result<Caller, Errno> {
        let world = self.engine.host();
        let process = {
            let process = &world.mock.state().process;
            Process {
                pid: process.pid,
                parent: process.ppid,
                uid: process.credentials.euid,
                gid: process.credentials.egid,
            }
        };
        let open = world.book().open;
        let open = match open {
            Some(open) => open,
            None => {
                let open = self.engine.open(process).map_err(|_| Errno::ENOMEM)?;
                let mut book = world.book();
                book.pid = process.pid;
                *book.open.insert(open)
            }
        };
        let tid = self.thread.unwrap_or(process.pid as u64);
        self.engine.caller(open, process, tid).map_err(|_| Errno::ENOMEM)
    }
}

impl Lkm for Ports {
    fn call_raw(&self, trap: Trap, arg: TrapArg<'_>) -> Result<isize, Errno> {
        let argument = match arg {
            TrapArg::None => TrapArgument::Word(0),
            TrapArg::Value(value) => TrapArgument::Word(value as u64),
            TrapArg::Struct(bytes) => TrapArgument::Struct(bytes),
            TrapArg::User(address) => TrapArgument::Word(address.get()),
        };
        let result = self.caller().and_then(|caller| self.engine.trap_with(caller, Some(trap), argument));
        self.engine.host().book().calls.push(TrapCall { trap, result });
        result
    }

    /// The child has a task of its own, and nothing of its parent's.
    fn forked(&self) {
        let (open, parent) = {
            let book = self.engine.host().book();
            (book.open, book.pid)
        };
        let Some(open) = open else { return };
        if let Ok(child) = self.caller() {
            self.engine.exit(open, parent);
            let pid = self.engine.process_of(child.task).map_or(parent, |process| process.pid);
            self.engine.host().book().pid = pid;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xnu_abi::lkm::API_VERSION;
    use xnu_abi::lkm::args::{KernelPrintkArgs, MachMsgOverwriteArgs, SemaphoreWaitArgs};
    use zerocopy::{FromZeros, IntoBytes};

    #[test]
    fn names_are_the_same_in_every_run() {
        let names = || {
            let ports = Ports::new(&Mock::new(1));
            let traps = [Trap::TaskSelfTrap, Trap::MachReplyPort, Trap::TaskSelfTrap, Trap::MachReplyPort];
            traps.map(|trap| ports.call_raw(trap, TrapArg::None).unwrap())
        };
        let [task, port, task_again, other] = names();
        assert_eq!(task, task_again);
        assert!(task > 0 && port > 0 && port != other && port != task);
        assert_eq!(names(), names());
    }

    #[test]
    fn a_structure_is_in_own_memory_or_the_guests() {
        let mock = Mock::new(1);
        let ports = Ports::new(&mock);
        let mut line = KernelPrintkArgs::new_zeroed();
        line.buf[..5].copy_from_slice(b"hello");
        let at = mock.place(line.as_bytes());
        assert_eq!(ports.call_raw(Trap::KernelPrintk, TrapArg::User(at)), Ok(0));
        assert_eq!(ports.call_raw(Trap::KernelPrintk, TrapArg::Struct(line.as_mut_bytes())), Ok(0));
        assert_eq!(ports.printed(), ["hello", "hello"]);
        assert_eq!(ports.call_raw(Trap::KernelPrintk, TrapArg::User(UserAddr::NULL)), Err(Errno::EFAULT));
        let short = &mut line.as_mut_bytes()[..511];
        assert_eq!(ports.call_raw(Trap::KernelPrintk, TrapArg::Struct(short)), Err(Errno::EFAULT));
        assert_eq!(ports.call_raw(Trap::GetApiVersion, TrapArg::None), Ok(API_VERSION as isize));
    }

    #[test]
    fn a_step_runs_in_place_of_waiting() {
        let ports = Ports::new(&Mock::new(1));
        let (engine, caller) = ports.engine();
        let name = engine.semaphore_create(caller, caller.task, 0, 0).unwrap();
        let wait = || {
            let mut args = SemaphoreWaitArgs { signal: name };
            ports.call_raw(Trap::SemaphoreWaitTrap, TrapArg::Struct(args.as_mut_bytes()))
        };
        const KERN_ABORTED: isize = 14;
        assert_eq!(wait(), Ok(KERN_ABORTED));
        let other = ports.thread(77);
        ports.schedule(move || {
            let mut args = SemaphoreWaitArgs { signal: name };
            let signal = TrapArg::Struct(args.as_mut_bytes());
            assert_eq!(other.call_raw(Trap::SemaphoreSignalTrap, signal), Ok(0));
            Other::Ran
        });
        assert_eq!(wait(), Ok(0));
        ports.schedule(|| Other::Interrupted);
        assert_eq!(wait(), Ok(KERN_ABORTED));
    }

    #[test]
    fn a_child_has_names_of_its_own() {
        let mock = Mock::new(1);
        let ports = Ports::new(&mock);
        let before = ports.usage();
        for _ in 0..10 {
            assert!(ports.call_raw(Trap::MachReplyPort, TrapArg::None).unwrap() > 0);
        }
        let parents = ports.usage();
        mock.set_pid(1001);
        ports.forked();
        assert!(ports.usage().ports < parents.ports, "{before:?} {parents:?}");
        assert!(ports.call_raw(Trap::TaskSelfTrap, TrapArg::None).unwrap() > 0);
    }

    /// Makes a call of `mach_msg` with this message in guest memory; what is there afterwards.
    fn message(mock: &Mock, ports: &Ports, words: &[u32], options: u32, from: u32) -> Vec<u32> {
        let mut room = [0_u32; 64];
        room[..words.len()].copy_from_slice(words);
        let at = mock.place(room.as_bytes());
        let mut args = MachMsgOverwriteArgs {
            msg: at.get(),
            option: options,
            send_size: words.len() as u32 * 4,
            recv_size: 256,
            rcv_name: from,
            timeout: 0,
            notify: 0,
            rcv_msg: 0,
            rcv_limit: 0,
        };
        let call = TrapArg::Struct(args.as_mut_bytes());
        assert_eq!(ports.call_raw(Trap::MachMsgOverwriteTrap, call), Ok(0));
        mock.read_guest(at, room.as_mut_bytes()).unwrap();
        room.to_vec()
    }

    #[test]
    fn another_thread_handles_an_exception() {
        const SEND: u32 = 1;
        const RECEIVE: u32 = 2;
        const COMPLEX: u32 = 0x8000_0000;
        const STATE64: u32 = 4;
        let mock = Mock::new(1);
        let ports = Ports::new(&mock);
        let (engine, caller) = ports.engine();
        let name = |trap| ports.call_raw(trap, TrapArg::None).unwrap() as u32;
        let (task, port, reply) =
            (name(Trap::TaskSelfTrap), name(Trap::MachReplyPort), name(Trap::MachReplyPort));
        let make = xnu_abi::darwin::mach_message::MsgType::MACH_MSG_TYPE_MAKE_SEND;
        engine.mach_port_insert_right(caller, caller.task, port, port, make).unwrap();
        // task_set_exception_ports: copied rights, an answer by a right made for it, the state with the question.
        let set =
            [19 | 21 << 8 | COMPLEX, 60, task, reply, 0, 3413, 1, port, 0, 19 << 16, 0, 1, 2, 2, STATE64];
        assert_eq!(message(&mock, &ports, &set, SEND | RECEIVE, reply)[8], 0);

        let other = ports.thread(77);
        let world = mock.share();
        ports.schedule(move || {
            let question = message(&world, &other, &[], RECEIVE, port);
            assert_eq!((question[5], question[8], question[10]), (2402, 1, 13));
            let mut answer = vec![18, 0, question[2], 0, 0, 2502, 0, 1, 0];
            answer.extend(&question[12..56]);
            // rip is the 33rd word of the state.
            answer[11 + 32] += 2;
            message(&world, &other, &answer, SEND, 0);
            Other::Ran
        });
        let mut state = xnu_lkm::ThreadState::default();
        state.general.rip = 0x1000;
        let kind = xnu_abi::darwin::exception::ExceptionType::EXC_BAD_ACCESS;
        assert!(engine.raise_exception(caller, kind, [13, 0], &mut state));
        assert_eq!(state.general.rip, 0x1002);
    }
}
