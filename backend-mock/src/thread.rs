//! Threads that the core begins: noted, and never run.

use crate::mock::Mock;
use xnu_abi::linux::Errno;
use xnu_core::UserAddr;
use xnu_core::threads::NewThread;

/// Threads of the mock's process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Threads {
    begun: Vec<NewThread>,
    limit: Option<usize>,
}

impl Mock {
    /// Begins a thread: its port has a name of its own, which is written where that is wanted.
    pub(crate) fn begin_thread(&self, new: &NewThread) -> Result<(), Errno> {
        const FIRST_NAME: u64 = 0x10_0003;
        let mut state = self.state();
        let count = state.threads.begun.len();
        if state.threads.limit.is_some_and(|limit| count >= limit) {
            return Err(Errno::EAGAIN);
        }
        let name = FIRST_NAME + 0x100 * count as u64;
        let to: UserAddr = new.port_at;
        if !to.is_null() && state.memory.write_some(to.get(), &name.to_ne_bytes()) != size_of_val(&name) {
            return Err(Errno::EFAULT);
        }
        state.threads.begun.push(new.clone());
        Ok(())
    }

    /// The threads that were begun, in their order.
    pub fn threads(&self) -> Vec<NewThread> {
        self.state().threads.begun.clone()
    }

    /// From here on there can be so many threads besides the first.
    pub fn limit_threads(&self, most: usize) {
        self.state().threads.limit = Some(most);
    }
}
