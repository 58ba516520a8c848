//! Who is asked about exceptions (`osfmk/kern/ipc_tt.c`).

use crate::port::PortId;
use crate::slab::Id;

/// Kinds of exceptions, counted from 0, which is none (`EXC_TYPES_COUNT`).
pub(crate) const EXCEPTIONS: usize = 14;

/// What is done about a kind of exceptions (`struct exception_action`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Action {
    /// A send right for the port of who is asked.
    pub(crate) port: PortId,
    /// How it is asked: `EXCEPTION_DEFAULT` and its like, with `MACH_EXCEPTION_CODES`.
    pub(crate) behavior: u32,
    /// Which registers it is told.
    pub(crate) flavor: u32,
}

impl Action {
    pub(crate) const NONE: Action = Action { port: Id::NONE, behavior: 0, flavor: 0 };
}
