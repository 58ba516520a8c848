//! `kern.procargs` and `kern.procargs2`: what a process was started with (`bsd/kern/kern_sysctl.c`, `sysctl_procargsx`).
//!
//! Of the caller that is on its own stack, as it left it. Of others Linux has arguments and environment, which are put
//! together here behind the path of the program; of programs that a guest executed the runner's own two variables are
//! left out.

use super::request::Request;
use crate::bsd::proc_info::{Subject, executable_path, zero};
use crate::bsd::scratch::{Scratch, copy};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::loader::EXEC_KEY;
use crate::process::Context;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::exec::{ARG_MAX, PATH_MAX, apple};

/// Bytes of an alignment, of the number in front of `kern.procargs2`, and of a page.
const WORD: u64 = 8;
const INT: u64 = 4;
const PAGE: u64 = 4096;

/// The strings of a process: where they end in the caller's memory, how long they are, and how many are arguments.
struct Strings {
    end: UserAddr,
    length: u64,
    count: i32,
}

/// Answers for a process; `counted` says whether the number of arguments is in front.
#[inline(never)]
pub(super) fn arguments<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    counted: bool,
    rest: &[i32],
    request: &mut Request<'_, K>,
) -> SysResult<()> {
    let Some(pid) = rest.first() else { return Err(Errno::EINVAL) };
    let front = if counted { INT } else { 0 };
    let room = match request.room_for_old() {
        // XNU's own subtraction: no room at all is far too much.
        Some(room) => match room.wrapping_sub(front) {
            0 => return Err(Errno::EINVAL),
            room if room > ARG_MAX as u64 => return Err(Errno::EINVAL),
            room => Some(room),
        },
        None => None,
    };
    let kernel = cx.kernel();
    let mut subject = Subject::new(kernel);
    subject.find(*pid, false).map_err(unknown)?;
    let of_self = if subject.is_self { cx.process.program.strings() } else { None };
    if let Some((range, count)) = of_self {
        // The path is told without its key.
        let length = range.end.saturating_sub(range.start).saturating_sub(KEY);
        let strings = Strings { end: UserAddr::new(range.end), length, count: count as i32 };
        return deliver(&strings, counted, room, request);
    }
    // The caller may ask for the length alone of anybody.
    if room.is_some() {
        subject.check_same_user().map_err(unknown)?;
    }
    let memory = Scratch::new(kernel, CAPACITY)?;
    let strings = collect(cx, &subject, &memory)?;
    deliver(&strings, counted, room, request)
}

/// Bytes of the key that the first string begins with.
const KEY: u64 = apple::EXECUTABLE_KEY.len() as u64;

/// As XNU has it, whoever it is and whatever is wrong with it.
fn unknown(error: Errno) -> Errno {
    match error {
        Errno::ESRCH | Errno::EPERM => Errno::EINVAL,
        other => other,
    }
}

/// Writes strings, or the end of them where there is not room for all: that is followed by zeros, as much as the room
/// lacks to a whole page.
#[inline(never)]
fn deliver<K: Kernel>(
    strings: &Strings,
    counted: bool,
    room: Option<u64>,
    request: &mut Request<'_, K>,
) -> SysResult<()> {
    let front = if counted { INT } else { TAIL };
    let Some(room) = room else {
        request.count(strings.length.wrapping_add(front).next_multiple_of(INT));
        return Ok(());
    };
    let kernel = request.kernel();
    check_readable(kernel, strings)?;
    let length = strings.length.min(room);
    let zeros = if strings.length > room {
        let page = room.next_multiple_of(PAGE).min(strings.length.next_multiple_of(PAGE));
        page.wrapping_sub(room).min(length)
    } else {
        0
    };
    let front = if counted { INT } else { 0 };
    if counted {
        request.put_at(0, &strings.count.to_ne_bytes())?;
    }
    let to = request.old_at(front)?;
    let from = UserAddr::new(strings.end.get().wrapping_sub(length));
    let shown = length.wrapping_sub(zeros);
    copy(kernel, from, to, shown as usize)?;
    zero(kernel, to.checked_add(shown)?, zeros)?;
    let tail = if counted || room <= length { 0 } else { path_again(from, length, room, request)? };
    request.count(length.wrapping_add(front).wrapping_add(tail));
    Ok(())
}

/// What the caller has done to its stack is no bad pointer: `EIO`.
fn check_readable<K: Kernel>(kernel: &K, strings: &Strings) -> SysResult<()> {
    let mut left = strings.length;
    while left > 0 {
        let at = UserAddr::new(strings.end.get().wrapping_sub(left));
        UserPtr::<u8>::new(at).read(kernel).map_err(|_| Errno::EIO)?;
        left = left.saturating_sub(PAGE);
    }
    Ok(())
}

/// More room than the strings take is asked for by `kern.procargs`: for the path once more.
const TAIL: u64 = (PATH_MAX as u64).saturating_add(6 * INT);

/// The path once more, behind three words and before another, where there is room for all that: how much it is.
#[inline(never)]
fn path_again<K: Kernel>(path: UserAddr, length: u64, room: u64, request: &Request<'_, K>) -> SysResult<u64> {
    const MARK: u32 = 0xbfff_0000;
    let kernel = request.kernel();
    let most = length.min(PATH_MAX as u64).saturating_sub(1);
    let mut size: u64 = 0;
    while size < most && UserPtr::<u8>::new(path.checked_add(size)?).read(kernel)? != 0 {
        size = size.wrapping_add(1);
    }
    size = size.wrapping_add(u64::from(size < most));
    let lacking = |number: u64| number.next_multiple_of(INT).wrapping_sub(number);
    let start = request.old_at(length)?;
    let padding = lacking(start.get());
    let extra = lacking(size).wrapping_add(padding).wrapping_add(size).wrapping_add(4 * INT);
    if room & !(INT - 1) < length.wrapping_add(extra) {
        return Ok(0);
    }
    let start = start.checked_add(padding)?;
    UserPtr::new(start).write(kernel, &[0, MARK, 0])?;
    let to = start.checked_add(3 * INT)?;
    copy(kernel, path, to, size as usize)?;
    UserPtr::new(to.checked_add(size)?).write(kernel, &0u32)?;
    Ok(extra)
}

/// Room for all that Linux may tell: as much as it starts programs with, and a path.
const STRINGS: usize = 6 << 20;
const CAPACITY: usize = STRINGS.saturating_add(PATH_MAX).saturating_add(PAGE as usize);

/// Puts the strings of another process together.
#[inline(never)]
fn collect<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    subject: &Subject<'_, K>,
    memory: &Scratch<'_, K>,
) -> SysResult<Strings> {
    let kernel = cx.kernel();
    let path = executable_path(cx.process, subject, memory.at(0)?).map_err(unknown)?;
    let start = path.wrapping_add(1).next_multiple_of(WORD);
    let arguments = read(subject, b"cmdline\0", memory, start, STRINGS as u64)?;
    let count = strings_in(kernel, memory, start, arguments)?;
    let environment = start.wrapping_add(arguments);
    let left = (STRINGS as u64).saturating_sub(arguments);
    let length = read(subject, b"environ\0", memory, environment, left)?;
    let skipped = own_variables(kernel, memory, environment, length)?;
    let kept = length.saturating_sub(skipped);
    if skipped > 0 {
        move_down(kernel, memory, environment, skipped, kept)?;
    }
    let end = environment.wrapping_add(kept);
    let padded = end.next_multiple_of(WORD);
    zero(kernel, memory.at(end as usize)?, padded.wrapping_sub(end))?;
    Ok(Strings { end: memory.at(padded as usize)?, length: padded, count })
}

/// Reads a file of the process's: how long it is. One that the caller may not read is empty.
#[inline(never)]
fn read<K: Kernel>(
    subject: &Subject<'_, K>,
    name: &[u8],
    memory: &Scratch<'_, K>,
    at: u64,
    room: u64,
) -> SysResult<u64> {
    let Some(file) = subject.file(name)? else { return Ok(0) };
    let told = read_all(subject.kernel, file, memory, at, room);
    // Ours alone, and only read.
    let _ = linux::descriptor::close(subject.kernel, file);
    told
}

fn read_all<K: Kernel>(
    kernel: &K,
    file: LinuxFd,
    memory: &Scratch<'_, K>,
    at: u64,
    room: u64,
) -> SysResult<u64> {
    let mut done: u64 = 0;
    while done < room {
        let to = memory.at(at.wrapping_add(done) as usize)?;
        match linux::descriptor::read(kernel, file, to, room.wrapping_sub(done) as usize) {
            Ok(0) | Err(xnu_abi::linux::Errno::ESRCH) => break,
            other => done = done.wrapping_add(other.to_bsd()? as u64),
        }
    }
    Ok(done)
}

/// How many strings end in a piece of memory.
#[inline(never)]
fn strings_in<K: Kernel>(kernel: &K, memory: &Scratch<'_, K>, at: u64, length: u64) -> SysResult<i32> {
    let mut piece = [0; 256];
    let (mut done, mut count) = (0u64, 0i32);
    while done < length {
        let size = length.wrapping_sub(done).min(piece.len() as u64);
        let bytes = piece.get_mut(..size as usize).unwrap_or_default();
        kernel.copy_in(memory.at(at.wrapping_add(done) as usize)?, bytes)?;
        count = bytes.iter().fold(count, |count, byte| count.wrapping_add(i32::from(*byte == 0)));
        done = done.wrapping_add(size);
    }
    Ok(count)
}

/// Bytes of the two variables that are the runner's, where the environment begins with them.
#[inline(never)]
fn own_variables<K: Kernel>(kernel: &K, memory: &Scratch<'_, K>, at: u64, length: u64) -> SysResult<u64> {
    const OWN: u32 = 2;
    let mut start = [0; EXEC_KEY.len()];
    if length < EXEC_KEY.len() as u64 {
        return Ok(0);
    }
    kernel.copy_in(memory.at(at as usize)?, &mut start)?;
    if start != *EXEC_KEY.as_bytes() {
        return Ok(0);
    }
    let (mut done, mut ended) = (0u64, 0u32);
    while done < length && ended < OWN {
        let byte = UserPtr::<u8>::new(memory.at(at.wrapping_add(done) as usize)?).read(kernel)?;
        ended = ended.wrapping_add(u32::from(byte == 0));
        done = done.wrapping_add(1);
    }
    Ok(done)
}

/// Moves bytes to where they are further in front.
fn move_down<K: Kernel>(kernel: &K, memory: &Scratch<'_, K>, to: u64, by: u64, length: u64) -> SysResult<()> {
    let mut done: u64 = 0;
    while done < length {
        // No piece is longer than the way, so none overlaps itself.
        let size = length.wrapping_sub(done).min(by);
        let from = memory.at(to.wrapping_add(by).wrapping_add(done) as usize)?;
        copy(kernel, from, memory.at(to.wrapping_add(done) as usize)?, size as usize)?;
        done = done.wrapping_add(size);
    }
    Ok(())
}
