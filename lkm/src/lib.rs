//! What stands behind `/dev/mach`: tasks and their threads, ports and rights, messages, semaphores and timers.
//!
//! [`Engine`] is the whole of it, above one trait: [`Host`] is the clock, the threads and the memory of tasks. So the same
//! engine runs inside a process, inside a mock with a clock of its own, and inside a process that serves many. It knows
//! nothing of Linux.
//!
//! One short lock guards everything and is never held while anything blocks: a wait is registered under the lock, the
//! thread blocks without it, and looks under it what happened. Memory of tasks is read and written without it. Nothing
//! here panics, and a failing allocation is an answer (`KERN_RESOURCE_SHORTAGE`).
//!
//! Behaviour is XNU's, file by file: the modules say which.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used))]

extern crate alloc;

mod attributes;
mod body;
mod copy;
mod descriptor;
mod engine;
mod exception;
mod guard;
mod host;
mod kmsg;
mod legacy;
mod mach_port;
mod message;
mod mig;
mod notification;
mod port;
mod port_set;
mod queue;
mod raise;
mod receive;
mod right;
mod semaphore;
mod send;
mod slab;
mod sleep;
mod space;
mod special;
mod state;
mod stop;
mod task;
mod thread_state;
mod timer;
mod trailer;
mod trap;
mod voucher;
mod write;

pub use attributes::Peeked;
pub use engine::Engine;
pub use guard::{GuardException, GuardReason};
pub use host::{Caller, Fault, Host, Lock, Machine, TaskUsage, Times, Wake};
pub use legacy::Legacy;
pub use message::{MachMsg, MachMsg2};
pub use mig::{MIG_ROUTINES, MigField, MigGrade, MigRoutine, mig_grade};
pub use slab::Id;
pub use space::{ENTRIES_MAX, UREFS_MAX};
pub use state::Usage;
pub use stop::{Parked, Stop};
pub use task::{End, Identity, Open, OpenId, Process, Task, TaskId, Thread, ThreadId};
pub use thread_state::ThreadState;
pub use trap::{TrapArgument, TrapGrade, trap_grade};
