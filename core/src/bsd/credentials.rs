//! Changing users and groups (`bsd/kern/kern_prot.c`).
//!
//! XNU keeps them per process, Linux per thread: only the calling thread changes here. Who may do what is decided by
//! XNU's rules first; what Linux then refuses, for want of a capability or in a user namespace, is refused.

use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::linux::credentials::{Ids, Kind};
use crate::process::Context;
use crate::table::SysResult;
use crate::user::UserAddr;
use core::sync::atomic::Ordering::Relaxed;
use xnu_abi::darwin::Errno;
use zerocopy::IntoBytes;

/// `-1`: leave it as it is.
const KEEP: u32 = u32::MAX;

/// The most groups that XNU keeps (`NGROUPS`).
const NGROUPS: usize = 16;

/// The most groups that Linux is asked for. Of a longer list, which XNU could not have either, only the effective
/// group is told.
const LINUX_GROUPS: usize = 128;

/// `EPERM` for all but the superuser (`suser`).
pub(crate) fn superuser<K: Kernel>(kernel: &K) -> SysResult<()> {
    if is_superuser(kernel)? { Ok(()) } else { Err(Errno::EPERM) }
}

/// Whether the caller is the superuser.
pub(super) fn is_superuser<K: Kernel>(kernel: &K) -> SysResult<bool> {
    Ok(super::object::effective_user(kernel)? == 0)
}

/// Computes new ids from the old ones, told whether the caller is the superuser; sets them if they differ.
fn change<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    kind: Kind,
    rule: impl FnOnce(Ids, bool) -> SysResult<Ids>,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let old = linux::credentials::get(kernel, kind).to_bsd()?;
    let is_superuser = match kind {
        Kind::User => old.effective == 0,
        Kind::Group => is_superuser(kernel)?,
    };
    let new = rule(old, is_superuser)?;
    if new != old {
        linux::credentials::set(kernel, kind, new).to_bsd()?;
        cx.process.standing.changed_ids.store(true, Relaxed);
        cx.process.standing.id_changes.fetch_add(1, Relaxed);
    }
    Ok(())
}

/// `setuid`, `setgid`: the superuser sets all three; others the effective one, to the real or the saved one.
fn set_all(wanted: u32) -> impl FnOnce(Ids, bool) -> SysResult<Ids> {
    move |old, is_superuser| match wanted {
        KEEP if is_superuser => Ok(old),
        _ if is_superuser => Ok(Ids { real: wanted, effective: wanted, saved: wanted }),
        _ => set_effective(wanted)(old, false),
    }
}

/// `seteuid`, `setegid`.
fn set_effective(wanted: u32) -> impl FnOnce(Ids, bool) -> SysResult<Ids> {
    move |old, is_superuser| {
        if !is_superuser && wanted != old.real && wanted != old.saved {
            return Err(Errno::EPERM);
        }
        Ok(if wanted == KEEP { old } else { Ids { effective: wanted, ..old } })
    }
}

/// `setreuid`, `setregid`: the saved one becomes the effective one unless it is one of those that are asked for.
fn set_both(real: u32, effective: u32) -> impl FnOnce(Ids, bool) -> SysResult<Ids> {
    move |old, is_superuser| {
        let is_own = |id: u32| [KEEP, old.real, old.effective, old.saved].contains(&id);
        let may = is_superuser || (is_own(real) && is_own(effective));
        if !may {
            return Err(Errno::EPERM);
        }
        let or_old = |wanted: u32, old: u32| if wanted == KEEP { old } else { wanted };
        let new_effective = or_old(effective, old.effective);
        let keeps_saved = old.saved == real || old.saved == effective;
        Ok(Ids {
            real: or_old(real, old.real),
            effective: new_effective,
            saved: if keeps_saved { old.saved } else { new_effective },
        })
    }
}

/// `man 2 setuid`.
pub fn setuid<K: Kernel, L>(cx: &mut Context<'_, K, L>, user: u32) -> SysResult<()> {
    change(cx, Kind::User, set_all(user))
}

/// `man 2 seteuid`.
pub fn seteuid<K: Kernel, L>(cx: &mut Context<'_, K, L>, user: u32) -> SysResult<()> {
    change(cx, Kind::User, set_effective(user))
}

/// `man 2 setreuid`.
pub fn setreuid<K: Kernel, L>(cx: &mut Context<'_, K, L>, real: u32, effective: u32) -> SysResult<()> {
    change(cx, Kind::User, set_both(real, effective))
}

/// `man 2 setgid`.
pub fn setgid<K: Kernel, L>(cx: &mut Context<'_, K, L>, group: u32) -> SysResult<()> {
    change(cx, Kind::Group, set_all(group))
}

/// `man 2 setegid`.
pub fn setegid<K: Kernel, L>(cx: &mut Context<'_, K, L>, group: u32) -> SysResult<()> {
    change(cx, Kind::Group, set_effective(group))
}

/// `man 2 setregid`.
pub fn setregid<K: Kernel, L>(cx: &mut Context<'_, K, L>, real: u32, effective: u32) -> SysResult<()> {
    change(cx, Kind::Group, set_both(real, effective))
}

/// The groups as XNU lists them: the effective one first, and no more than [`NGROUPS`].
fn list<K: Kernel>(kernel: &K, groups: &mut [u32; NGROUPS]) -> SysResult<usize> {
    let effective = linux::process::getegid(kernel).to_bsd()? as u32;
    let mut all = [0; LINUX_GROUPS];
    let found = match linux::process::getgroups(kernel, &mut all).to_bsd() {
        Err(Errno::EINVAL) => 0,
        other => other?,
    };
    let others = all.iter().take(found).copied().filter(|group| *group != effective);
    let listed = core::iter::once(effective).chain(others);
    let mut count: usize = 0;
    for (to, group) in groups.iter_mut().zip(listed) {
        *to = group;
        count = count.wrapping_add(1);
    }
    Ok(count)
}

/// `man 2 getgroups`: the effective group is the first. A size of 0 asks for the number.
pub fn getgroups<K: Kernel, L>(cx: &mut Context<'_, K, L>, size: i32, groups: UserAddr) -> SysResult<i32> {
    let mut own = [0; NGROUPS];
    let count = list(cx.kernel(), &mut own)?;
    if size == 0 {
        return Ok(count as i32);
    }
    if size < count as i32 {
        return Err(Errno::EINVAL);
    }
    let told = own.get(..count).unwrap_or(&own);
    cx.kernel().copy_out(groups, told.as_bytes())?;
    Ok(count as i32)
}

/// `man 2 setgroups` (`setgroups1`): for the superuser. The first group becomes the effective one; of none at all the
/// first is 0.
pub fn setgroups<K: Kernel, L>(cx: &mut Context<'_, K, L>, count: u32, groups: UserAddr) -> SysResult<()> {
    let mut new = [0u32; NGROUPS];
    let wanted = new.get_mut(..count as usize).ok_or(Errno::EINVAL)?;
    if !wanted.is_empty() {
        cx.kernel().copy_in(groups, wanted.as_mut_bytes())?;
    }
    superuser(cx.kernel())?;
    let kept = new.get(..(count as usize).max(1)).unwrap_or(&new);
    let [first, ..] = new;
    linux::credentials::setgroups(cx.kernel(), kept).to_bsd()?;
    change(cx, Kind::Group, |old, _| Ok(Ids { effective: first, ..old }))?;
    cx.process.standing.changed_ids.store(true, Relaxed);
    Ok(())
}

/// `man 3 initgroups`, the call behind it: the user for whom a directory service knows more groups is not asked for.
pub fn initgroups<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    count: u32,
    groups: UserAddr,
    _user: i32,
) -> SysResult<()> {
    setgroups(cx, count, groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Ids = Ids { real: 1, effective: 2, saved: 3 };

    #[test]
    fn the_saved_one_follows_unless_it_was_asked_for() {
        let both = |real, effective| set_both(real, effective)(OLD, false);
        assert_eq!(both(KEEP, KEEP), Ok(Ids { saved: 2, ..OLD }));
        assert_eq!(both(KEEP, 3), Ok(Ids { effective: 3, ..OLD }));
        assert_eq!(both(3, KEEP), Ok(Ids { real: 3, ..OLD }));
        assert_eq!(both(2, 1), Ok(Ids { real: 2, effective: 1, saved: 1 }));
        assert_eq!(both(4, KEEP), Err(Errno::EPERM));
        assert_eq!(both(KEEP, 4), Err(Errno::EPERM));
        assert_eq!(set_both(4, 5)(OLD, true), Ok(Ids { real: 4, effective: 5, saved: 5 }));
    }

    #[test]
    fn others_than_the_superuser_choose_between_real_and_saved() {
        assert_eq!(set_all(3)(OLD, false), Ok(Ids { effective: 3, ..OLD }));
        assert_eq!(set_all(2)(OLD, false), Err(Errno::EPERM));
        assert_eq!(set_all(9)(OLD, true), Ok(Ids { real: 9, effective: 9, saved: 9 }));
        assert_eq!(set_all(KEEP)(OLD, true), Ok(OLD));
        assert_eq!(set_effective(KEEP)(OLD, false), Err(Errno::EPERM));
        assert_eq!(set_effective(9)(OLD, true), Ok(Ids { effective: 9, ..OLD }));
    }
}
