//! `sysctl`, `sysctlbyname`: named facts of the system (`man 3 sysctl`, `bsd/kern/kern_newsysctl.c`).
//!
//! `tree` is the table of names and numbers; `values` finds what is not a constant.

mod arguments;
mod network;
mod processes;
mod request;
mod tree;
mod values;

use super::credentials::superuser;
use crate::kernel::Kernel;
use crate::process::Context;
use crate::table::{SysResult, UserPath};
use crate::user::{UserAddr, UserPtr};
use request::Request;
use tree::{Oid, Query, TREE, Value};
pub(super) use values::boot_time;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::sysctl::CTL_MAXNAME;
use zerocopy::IntoBytes;

/// The longest name that may be asked for (`MAXPATHLEN`).
const NAME_MAX: usize = 1024;

/// The longest name in the tree with a NUL and a dot behind it; a longer one is not there.
const NAME_BYTES: usize = 64;

/// The numbers of a name: all twelve, and how many of them count.
type Numbers = ([i32; CTL_MAXNAME], usize);

/// `sysctl`: by numbers. All names have at least two.
pub fn sysctl<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    name: UserAddr,
    count: u32,
    old: UserAddr,
    old_length: UserPtr<u64>,
    new: UserAddr,
    new_length: usize,
) -> SysResult<()> {
    let mut numbers = [0i32; CTL_MAXNAME];
    let count = count as usize;
    if count < 2 {
        return Err(Errno::EINVAL);
    }
    let wanted = numbers.get_mut(..count).ok_or(Errno::EINVAL)?;
    cx.kernel().copy_in(name, wanted.as_mut_bytes())?;
    let mut request = Request::new(cx.kernel(), old, old_length, new, new_length);
    let told = by_numbers(cx, numbers.get(..count).unwrap_or_default(), &mut request);
    request.finish(told)
}

/// `sysctlbyname`: by name.
pub fn sysctlbyname<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    name: UserPath,
    length: usize,
    old: UserAddr,
    old_length: UserPtr<u64>,
    new: UserAddr,
    new_length: usize,
) -> SysResult<()> {
    if length >= NAME_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    let mut text = [0; NAME_BYTES];
    let length = read_name(cx.kernel(), name.0, length, &mut text)?;
    let mut request = Request::new(cx.kernel(), old, old_length, new, new_length);
    let found = named(text.get(..length).unwrap_or_default()).ok_or(Errno::ENOENT)?;
    let told = answer(cx, found, &[], &mut request);
    request.finish(told)
}

/// Reads a name of a given length up to a NUL in it, without a dot at its end; answers how long it is. Of a longer one
/// than the tree has, the first bytes, which are no name either.
fn read_name<K: Kernel>(
    kernel: &K,
    from: UserAddr,
    length: usize,
    text: &mut [u8; NAME_BYTES],
) -> SysResult<usize> {
    let shown = length.min(NAME_BYTES);
    kernel.copy_in(from, text.get_mut(..shown).unwrap_or_default())?;
    let mut seen = shown;
    while seen < length {
        kernel.copy_in(from.checked_add(seen as u64)?, &mut [0])?;
        seen = seen.wrapping_add(1);
    }
    let text = text.get(..shown).unwrap_or_default();
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(text.strip_suffix(b".").unwrap_or(text).len())
}

/// The entry of a name; none of the kernel's own first number has one for itself.
fn named(name: &[u8]) -> Option<&'static Oid> {
    TREE.iter().find(|oid| oid.name.as_bytes() == name)
}

/// What is behind some numbers.
enum Found {
    /// An entry, and how many numbers it takes.
    Entry(&'static Oid, usize),
    /// Numbers go on behind an entry that has nothing below it.
    Beyond,
    Nothing,
}

fn find(numbers: &[i32]) -> Found {
    let fits = |oid: &&Oid| numbers.starts_with(oid.numbers);
    let Some(oid) = TREE.iter().filter(fits).max_by_key(|oid| oid.numbers.len()) else {
        return Found::Nothing;
    };
    match oid.value {
        Value::Node if oid.numbers.len() < numbers.len() => Found::Nothing,
        Value::Node => Found::Entry(oid, oid.numbers.len()),
        value if value.takes_numbers() => Found::Entry(oid, oid.numbers.len()),
        _ if oid.numbers.len() < numbers.len() => Found::Beyond,
        _ => Found::Entry(oid, oid.numbers.len()),
    }
}

fn by_numbers<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    numbers: &[i32],
    request: &mut Request<'_, K>,
) -> SysResult<()> {
    match find(numbers) {
        Found::Entry(oid, taken) => answer(cx, oid, numbers.get(taken..).unwrap_or_default(), request),
        Found::Beyond => Err(Errno::EISDIR),
        Found::Nothing => Err(Errno::ENOENT),
    }
}

/// Answers for one entry. What may be written may be so by the superuser, but nothing here keeps it: `EPERM`.
fn answer<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    oid: &Oid,
    rest: &[i32],
    request: &mut Request<'_, K>,
) -> SysResult<()> {
    let is_question = matches!(oid.value, Value::Query(Query::NameToNumbers));
    if request.is_write() && !is_question {
        if oid.is_writable {
            superuser(cx.kernel())?;
        }
        if !matches!(oid.value, Value::Node) {
            return Err(Errno::EPERM);
        }
    }
    match oid.value {
        Value::Node => Err(Errno::ENOENT),
        Value::Text(text) => request.text(text.as_bytes()),
        Value::Int(number) => request.number(number.into(), size_of::<i32>()),
        Value::Quad(number) => request.number(number, size_of::<i64>()),
        Value::Found(what) => values::found(cx, what, request),
        Value::Query(query) => ask(query, rest, request),
        Value::Processes(what) => processes::processes(cx, what, rest, request),
        Value::Arguments(counted) => arguments::arguments(cx, counted, rest, request),
    }
}

/// Questions about the tree itself (`sysctl.name` and its kin).
fn ask<K: Kernel>(query: Query, rest: &[i32], request: &mut Request<'_, K>) -> SysResult<()> {
    match query {
        Query::Name => name_of(rest, request),
        Query::Next => {
            let next = TREE.iter().find(|oid| !matches!(oid.value, Value::Node) && oid.numbers > rest);
            request.out(next.ok_or(Errno::ENOENT)?.numbers.as_bytes())
        }
        Query::NameToNumbers => {
            let (numbers, count) = asked_name(request)?;
            request.out(numbers.get(..count).unwrap_or_default().as_bytes())
        }
        Query::Format => match find(rest) {
            Found::Entry(oid, taken) if taken == rest.len() || oid.value.takes_numbers() => {
                request.out(&oid.kind().to_ne_bytes())?;
                request.text(oid.format().as_bytes())
            }
            Found::Beyond => Err(Errno::EISDIR),
            _ => Err(Errno::ENOENT),
        },
        Query::Description => match find(rest) {
            Found::Entry(oid, _) => request.text(oid.description.as_bytes()),
            Found::Beyond => Err(Errno::EISDIR),
            Found::Nothing => Err(Errno::ENOENT),
        },
    }
}

/// Reads the name that is given as a new value, and finds its numbers.
fn asked_name<K: Kernel>(request: &mut Request<'_, K>) -> SysResult<Numbers> {
    let (from, length) = request.new_value();
    if length < 1 || from.is_null() {
        return Err(Errno::ENOENT);
    }
    if length >= NAME_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    let mut text = [0; NAME_BYTES];
    let length = read_name(request.kernel(), from, length, &mut text)?;
    let found = named(text.get(..length).unwrap_or_default()).ok_or(Errno::ENOENT)?;
    let mut numbers = [0; CTL_MAXNAME];
    for (to, from) in numbers.iter_mut().zip(found.numbers) {
        *to = *from;
    }
    Ok((numbers, found.numbers.len().min(CTL_MAXNAME)))
}

/// The name of some numbers; those that have none are written as they are.
fn name_of<K: Kernel>(numbers: &[i32], request: &mut Request<'_, K>) -> SysResult<()> {
    let known =
        TREE.iter().filter(|oid| numbers.starts_with(oid.numbers)).max_by_key(|oid| oid.numbers.len());
    let taken = match known {
        Some(oid) => {
            request.out(oid.name.as_bytes())?;
            oid.numbers.len()
        }
        None => 0,
    };
    for number in numbers.get(taken..).unwrap_or_default() {
        if request.has_written() {
            request.out(b".")?;
        }
        request.decimal(*number)?;
    }
    request.out(&[0])
}
