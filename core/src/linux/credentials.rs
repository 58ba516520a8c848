//! Changing who the calling thread is. Linux keeps it per thread; a C library would tell the others by a signal.

use super::{LinuxResult, call, unit};
use crate::kernel::{Arg, Kernel};
use xnu_abi::linux::Sysno;
use zerocopy::IntoBytes;

/// Real, effective and saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ids {
    /// Who started it.
    pub real: u32,
    /// Whose rights it has.
    pub effective: u32,
    /// Whose rights it may have again.
    pub saved: u32,
}

/// Users or groups: both have the same two calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Users.
    User,
    /// Groups.
    Group,
}

/// `man 2 getresuid`, `man 2 getresgid`.
pub fn get<K: Kernel>(kernel: &K, kind: Kind) -> LinuxResult<Ids> {
    let mut ids = Ids::default();
    let real = Arg::Out(ids.real.as_mut_bytes());
    let effective = Arg::Out(ids.effective.as_mut_bytes());
    let saved = Arg::Out(ids.saved.as_mut_bytes());
    unit(match kind {
        Kind::User => call!(kernel, Getresuid, real, effective, saved),
        Kind::Group => call!(kernel, Getresgid, real, effective, saved),
    })?;
    Ok(ids)
}

/// `man 2 setresuid`, `man 2 setresgid`, of the calling thread.
pub fn set<K: Kernel>(kernel: &K, kind: Kind, ids: Ids) -> LinuxResult<()> {
    let word = |id: u32| Arg::Val(id as usize);
    let (real, effective, saved) = (word(ids.real), word(ids.effective), word(ids.saved));
    unit(match kind {
        Kind::User => call!(kernel, Setresuid, real, effective, saved),
        Kind::Group => call!(kernel, Setresgid, real, effective, saved),
    })
}

/// `man 2 setgroups`, of the calling thread.
pub fn setgroups<K: Kernel>(kernel: &K, groups: &[u32]) -> LinuxResult<()> {
    unit(call!(kernel, Setgroups, Arg::Val(groups.len()), Arg::In(groups.as_bytes())))
}
