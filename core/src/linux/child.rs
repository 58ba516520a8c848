//! Children: what became of them.

use super::{LinuxResult, call, unit, value};
use crate::kernel::{Arg, Kernel};
use xnu_abi::linux::{LinuxRusage, Sysno};
use zerocopy::IntoBytes;

/// Whose change is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// Any child.
    All,
    /// One child; never 0.
    Process(i32),
    /// A group; 0 is the caller's own (Linux 5.4).
    Group(i32),
}

/// What Linux tells of a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// `CLD_…`, the same numbers as Darwin's.
    pub code: i32,
    /// Who.
    pub pid: i32,
    /// The exit status, or Linux's number of a signal.
    pub status: i32,
}

/// `siginfo_t`.
const SIGINFO: usize = 128;

/// `man 2 waitid`, the kernel's own form, which tells what the child used too. `None` where nothing has changed and
/// waiting was not wanted.
pub fn waitid<K: Kernel>(
    kernel: &K,
    which: Which,
    options: u32,
    used: Option<&mut LinuxRusage>,
) -> LinuxResult<Option<Change>> {
    const P_ALL: i32 = 0;
    const P_PID: i32 = 1;
    const P_PGID: i32 = 2;
    let (kind, id) = match which {
        Which::All => (P_ALL, 0),
        Which::Process(id) => (P_PID, id),
        Which::Group(id) => (P_PGID, id),
    };
    let mut info = [0; SIGINFO];
    let used = used.map_or(Arg::Val(0), |used| Arg::Out(used.as_mut_bytes()));
    let (kind, id, options) = (value(kind), value(id), Arg::Val(options as usize));
    unit(call!(kernel, Waitid, kind, id, Arg::Out(&mut info), options, used))?;
    let field = |at: usize| {
        let bytes =
            at.checked_add(4).and_then(|end| info.get(at..end)).and_then(|field| field.try_into().ok());
        i32::from_ne_bytes(bytes.unwrap_or_default())
    };
    let change = Change { code: field(8), pid: field(16), status: field(24) };
    Ok((change.pid != 0).then_some(change))
}
