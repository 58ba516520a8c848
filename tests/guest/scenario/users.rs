//! Users and groups: pairs of calls that change them, and what the kernel has of them then.

use super::system::{SetId, System};
use super::{child, scenario, tell, word};

const USERS: [SetId; 9] = [
    SetId::Uid(1000),
    SetId::Uid(0),
    SetId::Euid(1000),
    SetId::Euid(0),
    SetId::Reuid(1000, 1000),
    SetId::Reuid(-1, 1000),
    SetId::Reuid(1000, -1),
    SetId::Reuid(1000, 0),
    SetId::Reuid(2000, 1000),
];

const GROUPS: [SetId; 9] = [
    SetId::Gid(1000),
    SetId::Gid(0),
    SetId::Egid(1000),
    SetId::Egid(0),
    SetId::Regid(1000, 1000),
    SetId::Regid(-1, 1000),
    SetId::Regid(1000, -1),
    SetId::Regid(1000, 0),
    SetId::Regid(2000, 1000),
];

pub(crate) fn all<S: System>() {
    for first in USERS {
        for second in USERS {
            scenario::<S>(format_args!("{first:?} {second:?}"), || pair::<S>(first, second, false));
        }
    }
    for first in GROUPS {
        for second in GROUPS {
            scenario::<S>(format_args!("{first:?} {second:?}"), || pair::<S>(first, second, true));
        }
    }
    for count in [0, 1, 3, 16, 17, -1] {
        for root in [true, false] {
            let name = if root { "root" } else { "user" };
            scenario::<S>(format_args!("groups {count} {name}"), || groups::<S>(count, root));
        }
    }
}

fn is_root<S: System>() -> bool {
    let is_root = S::geteuid() == 0;
    if !is_root {
        tell!(S, "skipped: not the superuser");
    }
    is_root
}

/// The line of `/proc/self/status` that begins so.
fn status<S: System>(what: &str) {
    let mut text = [0u8; 4096];
    let Ok(file) = S::open(c"/proc/self/status") else { return tell!(S, "no status") };
    let length = S::read(file, &mut text).unwrap_or(0);
    let _ = S::close(file);
    let told = core::str::from_utf8(text.get(..length).unwrap_or_default()).unwrap_or_default();
    for line in told.lines().filter(|line| line.starts_with(what)) {
        tell!(S, "{line}");
    }
}

/// The second of two calls on groups is made by an ordinary user, since the superuser may do all.
fn pair<S: System>(first: SetId, second: SetId, of_groups: bool) {
    if !is_root::<S>() {
        return;
    }
    let _ = S::setgroups(1, &[0; 32]);
    let line = if of_groups { "Gid" } else { "Uid" };
    tell!(S, "{}", word(S::set_id(first)));
    status::<S>(line);
    if of_groups {
        let _ = S::set_id(SetId::Euid(1000));
    }
    tell!(S, "{}", word(S::set_id(second)));
    status::<S>(line);
    let process = child::<S>(|| status::<S>(line));
    let _ = S::wait4(process, 0);
}

fn groups<S: System>(count: i32, root: bool) {
    if !is_root::<S>() {
        return;
    }
    let mut wanted = [0u32; 32];
    for (index, group) in (0u32..).zip(wanted.iter_mut()) {
        *group = 3000 + 7 * index;
    }
    if !root {
        let _ = S::set_id(SetId::Euid(1000));
    }
    tell!(S, "set {}", word(S::setgroups(count, &wanted)));
    status::<S>("Groups");
    status::<S>("Gid");
    for size in [0, 2, 32] {
        let mut found = [0u32; 32];
        match S::getgroups(size, &mut found) {
            Ok(count) if size == 0 => tell!(S, "{count} groups"),
            Ok(count) => tell!(S, "{:?}", found.get(..count).unwrap_or_default()),
            Err(error) => tell!(S, "{error}"),
        }
    }
}
