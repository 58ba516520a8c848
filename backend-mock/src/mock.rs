//! The mock itself: calls, guest memory, and what a test may look at.

use crate::address_space::page_up;
use crate::args::Args;
use crate::fs::Protections;
use crate::log::{Call, Logged};
use crate::process::Credentials;
use crate::signal::Signal;
use crate::signature;
use crate::state::State;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use xnu_abi::linux::{Errno, Sysno};
use xnu_core::{Arg, Fault, UserAddr};

/// A deterministic in-memory Linux. Two mocks with the same seed that get the same calls give the same answers.
#[derive(Debug)]
pub struct Mock {
    state: Arc<Mutex<State>>,
}

impl Mock {
    /// A machine as a test wants it: `/dev`, `/proc`, `/etc`, `/tmp`, `/home/user` (the working directory); uid and
    /// gid 1000; descriptors 0, 1 and 2 open on a terminal.
    pub fn new(seed: u64) -> Mock {
        let mock = Mock::bare(seed);
        mock.furnish();
        mock
    }

    /// An empty root directory, no descriptors, uid 0.
    pub fn bare(seed: u64) -> Mock {
        Mock { state: Arc::new(Mutex::new(State::new(seed))) }
    }

    /// The same machine once more, for what stands beside the kernel.
    pub(crate) fn share(&self) -> Mock {
        Mock { state: self.state.clone() }
    }

    /// Another machine in the state that this one is in.
    pub fn copy(&self) -> Mock {
        Mock { state: Arc::new(Mutex::new(self.state().clone())) }
    }

    /// Puts this machine into the state that another one is in.
    pub fn restore(&self, from: &Mock) {
        self.state().clone_from(&from.state());
    }

    /// A handler's panic must not hide what the mock knows.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one call; safe, because the mock follows no pointer.
    ///
    /// # Panics
    /// When the arguments do not fit the call (see the crate's documentation).
    pub fn call(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
        signature::check(nr, args);
        let mut state = self.state();
        let step_ns = state.clock.step_ns;
        state.clock.advance(step_ns);
        state.fire_timers();
        let logged = if state.keep_calls { Logged::all(nr, args) } else { Vec::new() };
        let logged: Vec<Logged> =
            logged.into_iter().enumerate().map(|(i, arg)| state.spell(nr, i, arg)).collect();
        let result = state.serve(&mut Args::new(nr, args));
        if state.keep_calls {
            state.calls.push(Call { nr, args: logged, result });
        }
        result
    }

    /// Reads guest memory as the core does.
    pub(crate) fn read_guest(&self, from: UserAddr, to: &mut [u8]) -> Result<(), Fault> {
        let bytes = self.state().memory.read_some(from.get(), to.len());
        to[..bytes.len()].copy_from_slice(&bytes);
        if bytes.len() == to.len() { Ok(()) } else { Err(Fault) }
    }

    /// Writes guest memory as the core does.
    pub(crate) fn write_guest(&self, to: UserAddr, from: &[u8]) -> Result<(), Fault> {
        if self.state().memory.write_some(to.get(), from) == from.len() { Ok(()) } else { Err(Fault) }
    }

    /// Maps zeroed, writable guest memory that starts on a page, between unmapped pages.
    pub fn alloc(&self, len: usize) -> UserAddr {
        UserAddr::new(self.state().memory.alloc(len as u64, false))
    }

    /// Maps guest memory whose last byte lies directly before an unmapped page.
    pub fn alloc_guarded(&self, len: usize) -> UserAddr {
        UserAddr::new(self.state().memory.alloc(len as u64, true))
    }

    /// Puts bytes into a guarded allocation.
    pub fn place(&self, bytes: &[u8]) -> UserAddr {
        let address = self.alloc_guarded(bytes.len());
        self.poke(address, bytes);
        address
    }

    /// Puts a C string into a guarded allocation: one byte behind its NUL is a fault.
    pub fn place_str(&self, text: impl AsRef<[u8]>) -> UserAddr {
        let mut bytes = text.as_ref().to_vec();
        bytes.push(0);
        self.place(&bytes)
    }

    /// Writes guest memory whatever its protection.
    ///
    /// # Panics
    /// When a byte is not mapped.
    pub fn poke(&self, address: UserAddr, bytes: &[u8]) {
        let mut state = self.state();
        let mapped = state.memory.is_mapped(address.get(), bytes.len() as u64);
        assert!(mapped, "poke: {} bytes at {address:?} are not mapped", bytes.len());
        state.memory.store(address.get(), bytes);
    }

    /// Reads guest memory whatever its protection.
    ///
    /// # Panics
    /// When a byte is not mapped.
    pub fn peek(&self, address: UserAddr, len: usize) -> Vec<u8> {
        let state = self.state();
        let mapped = state.memory.is_mapped(address.get(), len as u64);
        assert!(mapped, "peek: {len} bytes at {address:?} are not mapped");
        state.memory.load(address.get(), len)
    }

    /// Sets the protection (`PROT_READ` 1, `PROT_WRITE` 2, `PROT_EXEC` 4) of the pages of a range.
    pub fn protect(&self, address: UserAddr, len: usize, prot: u32) {
        let start = address.get() & !0xfff;
        let span = page_up(address.get() - start + len as u64).expect("a range below the end of memory");
        assert!(self.state().memory.protect(start, span, prot), "protect: {address:?} is not mapped");
    }

    /// Whether all of a range is mapped.
    pub fn is_mapped(&self, address: UserAddr, len: usize) -> bool {
        self.state().memory.is_mapped(address.get(), len as u64)
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// The log as lines, for comparisons with a transcript.
    pub fn transcript(&self) -> Vec<String> {
        self.state().calls.iter().map(Call::to_string).collect()
    }

    /// Forgets the log.
    pub fn clear_calls(&self) {
        self.state().calls.clear();
    }

    /// Whether calls are logged; long fuzzing runs turn it off.
    pub fn keep_calls(&self, keep: bool) {
        self.state().keep_calls = keep;
    }

    /// Calls that the mock does not know and answered `ENOSYS`.
    pub fn unserved(&self) -> Vec<Sysno> {
        self.state().unserved.clone()
    }

    /// Open descriptors, ascending.
    pub fn descriptors(&self) -> Vec<i32> {
        self.state().descriptors.numbers()
    }

    /// Changes who the process is.
    pub fn set_credentials(&self, credentials: Credentials) {
        let process = &mut self.state().process;
        process.credentials = credentials;
        process.saved = [None; 2];
    }

    /// Sets a resource limit (`RLIMIT_NOFILE` is 7) without asking.
    pub fn set_limit(&self, resource: u32, soft: u64, hard: u64) {
        self.state().process.set_limit(resource, soft, hard);
    }

    /// Changes the process id, which is 1000 otherwise. `/proc` keeps the old name.
    pub fn set_pid(&self, pid: i32) {
        self.state().process.pid = pid;
    }

    /// Sets the switches `fs.protected_*`.
    pub fn set_protections(&self, protections: Protections) {
        self.state().protections = protections;
    }

    /// The status that `exit` or `exit_group` was first called with. Later calls are served all the same: the caller
    /// must not make any.
    pub fn exited(&self) -> Option<i32> {
        self.state().process.exited
    }

    /// The first signal that would have ended the process.
    pub fn killed(&self) -> Option<i32> {
        self.state().process.killed
    }

    /// Every signal that was sent, and what became of it.
    pub fn signals(&self) -> Vec<Signal> {
        self.state().signals.sent.clone()
    }

    /// What `arch_prctl(ARCH_SET_GS)` set.
    pub fn gs_base(&self) -> u64 {
        self.state().process.gs_base
    }

    /// What `arch_prctl(ARCH_SET_FS)` set.
    pub fn fs_base(&self) -> u64 {
        self.state().process.fs_base
    }

    /// The monotonic clock.
    pub fn now_ns(&self) -> u64 {
        self.state().clock.now_ns
    }

    /// Moves the clock on.
    pub fn advance_ns(&self, ns: u64) {
        self.state().clock.advance(ns);
    }

    /// What each call takes; 1 µs by default.
    pub fn set_step_ns(&self, step_ns: u64) {
        self.state().clock.step_ns = step_ns;
    }

    /// Everything that was written to the terminal.
    pub fn tty_output(&self) -> Vec<u8> {
        self.state().tty_output.clone()
    }

    /// Types at the terminal.
    pub fn tty_input(&self, bytes: &[u8]) {
        self.state().tty_input.extend(bytes);
    }
}

impl State {
    /// Replaces a guest address by the path that lies there, for the log.
    fn spell(&self, nr: Sysno, i: usize, arg: Logged) -> Logged {
        let Logged::User(address) = arg else { return arg };
        let is_path = signature::signature(nr)
            .and_then(|(_, kinds)| kinds.get(i))
            .is_some_and(|kind| matches!(kind, signature::Kind::Path));
        let bytes = if is_path { self.memory.read_some(address.get(), 4096) } else { Vec::new() };
        match bytes.iter().position(|&byte| byte == 0) {
            Some(end) => Logged::Path(bytes[..end].to_vec()),
            None => arg,
        }
    }
}
