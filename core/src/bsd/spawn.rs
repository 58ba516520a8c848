//! `posix_spawn` (`bsd/kern/kern_exec.c`).
//!
//! The child is forked, changes itself as it was asked, and executes the program; the parent sleeps until then. What goes
//! wrong in the child is written to memory that both share, and is the parent's error: such a child is never seen.
//!
//! Differs from XNU: suspended children; groups, sessions and signals are changed before the program is looked at, not after; with
//! `POSIX_SPAWN_SETEXEC`, what was changed before an error stays changed.

mod suspended;

use super::exec::{Request, execute};
use super::{descriptor, open};
use crate::convert::errno::ToBsd;
use crate::kernel::Kernel;
use crate::linux::child::{Which, waitid};
use crate::linux::{self, LinuxFd};
use crate::lkm::Lkm;
use crate::process::Context;
use crate::signal::{Action, CANNOT_MASK, install};
use crate::table::{DirFd, Fd, SysResult, UserPath};
use crate::user::{UserAddr, UserPtr};
use crate::vchroot::{GuestPath, Links, Opening, Target};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::OpenFlags;
use xnu_abi::darwin::signal::Signal;
use xnu_abi::darwin::spawn::{FileAction, FileActions, SpawnArgs, SpawnAttr, SpawnFlags, file_action};
use xnu_abi::darwin::stat::Mode;
use xnu_abi::linux::flags;

/// What the child is to do before it executes the program.
#[derive(Clone, Copy, Debug)]
struct Changes {
    flags: SpawnFlags,
    default: u32,
    mask: u32,
    group: i32,
    /// File actions: the first, and how many.
    actions: UserAddr,
    count: u32,
}

impl Changes {
    const NONE: Changes = Changes {
        flags: SpawnFlags::empty(),
        default: 0,
        mask: 0,
        group: 0,
        actions: UserAddr::NULL,
        count: 0,
    };
}

/// `man 2 posix_spawn`. As on XNU, a bad address for the child's number is not an error.
pub fn posix_spawn<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    pid: UserPtr<i32>,
    path: UserPath,
    description: UserPtr<SpawnArgs>,
    argv: UserAddr,
    envp: UserAddr,
) -> SysResult<()> {
    let changes = if description.is_null() { Changes::NONE } else { read(cx.kernel(), description)? };
    let request = Request { path, argv, envp };
    if changes.flags.contains(SpawnFlags::POSIX_SPAWN_SETEXEC) {
        return become_it(cx, &changes, &request);
    }
    let child = start(cx, &changes, &request)?;
    if !pid.is_null() {
        let _ = pid.write(cx.kernel(), &child);
    }
    Ok(())
}

/// Reads the attributes and looks at what is not supported or not allowed.
#[inline(never)]
fn read<K: Kernel>(kernel: &K, description: UserPtr<SpawnArgs>) -> SysResult<Changes> {
    let args = description.read(kernel)?;
    let mut changes = Changes::NONE;
    if args.attr_size != 0 {
        let attributes = UserPtr::<SpawnAttr>::new(UserAddr::new(args.attrp)).read(kernel)?;
        changes.flags = attributes.psa_flags;
        changes.default = attributes.psa_sigdefault;
        changes.mask = attributes.psa_sigmask;
        changes.group = attributes.psa_pgroup;
    }
    if args.file_actions_size != 0 {
        let header = UserPtr::<FileActions>::new(UserAddr::new(args.file_actions));
        let most = linux::process::prlimit(kernel, flags::RLIMIT_NOFILE, None).to_bsd()?.current;
        let size = |count: u64| {
            count
                .checked_mul(file_action::SIZE)
                .and_then(|size| size.checked_add(size_of::<FileActions>() as u64))
        };
        if args.file_actions_size < size(1).unwrap_or(u64::MAX)
            || size(most).is_some_and(|largest| args.file_actions_size > largest)
        {
            return Err(Errno::EINVAL);
        }
        let count = u64::try_from(header.read(kernel)?.psfa_act_count).map_err(|_| Errno::EINVAL)?;
        if size(count) != Some(args.file_actions_size) {
            return Err(Errno::EINVAL);
        }
        changes.actions = header.element(1)?.address();
        changes.count = count as u32;
    }
    // No task has another's ports to give, nor a persona; and credentials are the superuser's to choose.
    if args.port_actions_size != 0 {
        return Err(Errno::EINVAL);
    }
    if args.persona_info_size != 0 && args.persona_info != 0 {
        return Err(Errno::EPERM);
    }
    if args.posix_cred_info_size != 0 && args.posix_cred_info != 0 {
        return Err(Errno::EPERM);
    }
    // Nobody is there to accompany a process that becomes another one.
    let both = SpawnFlags::POSIX_SPAWN_START_SUSPENDED | SpawnFlags::POSIX_SPAWN_SETEXEC;
    if changes.flags.contains(both) {
        return Err(Errno::ENOTSUP);
    }
    Ok(changes)
}

/// Memory that parent and child share, for an error.
struct Shared<'a, K: Kernel> {
    kernel: &'a K,
    at: UserAddr,
}

impl<'a, K: Kernel> Shared<'a, K> {
    const LENGTH: usize = 4096;

    fn new(kernel: &'a K) -> SysResult<Shared<'a, K>> {
        let how = flags::MAP_SHARED | flags::MAP_ANONYMOUS;
        let protection = flags::PROT_READ | flags::PROT_WRITE;
        let (length, none) = (Self::LENGTH, LinuxFd(-1));
        let at = linux::memory::mmap(kernel, UserAddr::NULL, length, protection, how, none, 0).to_bsd()?;
        Ok(Shared { kernel, at })
    }
}

impl<K: Kernel> Drop for Shared<'_, K> {
    fn drop(&mut self) {
        // Ours alone: that it stays mapped would be all that could go wrong.
        let _ = linux::memory::munmap(self.kernel, self.at, Self::LENGTH);
    }
}

/// Forks and waits until the child has executed the program, or has failed to.
#[inline(never)]
fn start<K: Kernel, L: Lkm>(
    cx: &mut Context<'_, K, L>,
    changes: &Changes,
    request: &Request,
) -> SysResult<i32> {
    const FAILED: i32 = 127;
    const SIGKILL: i32 = 9;
    let kernel = cx.kernel();
    let shared = Shared::new(kernel)?;
    let word = UserPtr::<u32>::new(shared.at);
    let before = linux::signal::block(kernel, u64::MAX).to_bsd()?;
    let is_suspended = changes.flags.contains(SpawnFlags::POSIX_SPAWN_START_SUSPENDED);
    let child =
        if is_suspended { linux::process::fork(kernel) } else { linux::program::fork_until_exec(kernel) };
    if child == Ok(0) {
        cx.lkm().forked();
        cx.process.descriptors.forked(kernel);
        if let Some(thread) = &mut cx.thread {
            thread.signals.forget();
        }
        let invited = if is_suspended { suspended::invite(kernel) } else { Ok(()) };
        let failed = invited.and_then(|()| become_it(cx, changes, request));
        if let Err(error) = failed {
            let _ = word.write(kernel, &u32::from(error.number()));
            linux::process::exit_group(kernel, FAILED);
        }
        return failed.map(|()| 0);
    }
    let accompanied = match child {
        Ok(child) if is_suspended => suspended::accompany(kernel, child).inspect_err(|_| {
            // Nobody will ever know of it. Where it is gone already, so much the better.
            let _ = linux::signal::kill(kernel, child, SIGKILL);
            let _ = waitid(kernel, Which::Process(child), flags::WEXITED, None);
        }),
        _ => Ok(()),
    };
    let _ = linux::signal::set_mask(kernel, before);
    let child = child.to_bsd()?;
    accompanied?;
    match word.read(kernel)? {
        0 => Ok(child),
        error => {
            // It ended before anybody knew its number.
            let _ = waitid(kernel, Which::Process(child), flags::WEXITED, None);
            Err(Errno::new(error as u16).unwrap_or(Errno::EIO))
        }
    }
}

/// Does in this process what was asked for, and executes the program.
#[inline(never)]
fn become_it<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    changes: &Changes,
    request: &Request,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let has = |flag: SpawnFlags| changes.flags.contains(flag);
    let closes = has(SpawnFlags::POSIX_SPAWN_CLOEXEC_DEFAULT);
    if closes {
        linux::program::close_all_on_exec(kernel).to_bsd()?;
    }
    for index in 0..changes.count {
        act(cx, action_at(changes.actions, index)?, closes)?;
    }
    if has(SpawnFlags::POSIX_SPAWN_RESETIDS) {
        let group = linux::process::getgid(kernel).to_bsd()?;
        let user = linux::process::getuid(kernel).to_bsd()?;
        let effective =
            (linux::process::geteuid(kernel).to_bsd()?, linux::process::getegid(kernel).to_bsd()?);
        if effective != (user, group) {
            linux::program::set_effective_ids(kernel, user, group).to_bsd()?;
        }
    }
    if has(SpawnFlags::POSIX_SPAWN_SETPGROUP) {
        linux::program::setpgid(kernel, 0, changes.group).to_bsd()?;
    }
    if has(SpawnFlags::POSIX_SPAWN_SETSID) {
        linux::program::setsid(kernel).to_bsd()?;
    }
    if has(SpawnFlags::POSIX_SPAWN_SETSIGMASK)
        && let Some(thread) = &mut cx.thread
    {
        thread.signals.mask = changes.mask & !CANNOT_MASK;
    }
    if has(SpawnFlags::POSIX_SPAWN_SETSIGDEF) {
        for signal in (1..32).map(Signal::new) {
            let chosen = changes.default & crate::convert::signal::bit(signal) & !CANNOT_MASK != 0;
            if chosen {
                cx.process.actions.set(signal, Action::default());
                install(kernel, &cx.process.actions, signal);
            }
        }
    }
    execute(cx, request).map(|_| ())
}

fn action_at(first: UserAddr, index: u32) -> SysResult<UserAddr> {
    let offset = u64::from(index).wrapping_mul(file_action::SIZE);
    Ok(first.checked_add(offset)?)
}

/// One file action (`exec_handle_file_actions`).
#[inline(never)]
fn act<K: Kernel, L>(cx: &mut Context<'_, K, L>, action: UserAddr, closes: bool) -> SysResult<()> {
    let kernel = cx.kernel();
    let number =
        |offset: u64| -> SysResult<i32> { Ok(UserPtr::new(action.checked_add(offset)?).read(kernel)?) };
    let fd = Fd(number(file_action::DESCRIPTOR)?);
    let given = match FileAction::new(number(file_action::KIND)?) {
        FileAction::PSFA_OPEN => {
            let wanted = OpenFlags::from_bits_retain(number(file_action::OPEN_FLAGS)? as u32);
            let mode = UserPtr::<u16>::new(action.checked_add(file_action::OPEN_MODE)?).read(kernel)?;
            let path = UserPath(action.checked_add(file_action::OPEN_PATH)?);
            let opened = open::open(cx, path, wanted, Mode::from_bits_retain(mode))?;
            if opened != fd {
                descriptor::dup2(cx, opened, fd)?;
                descriptor::close(cx, opened)?;
            }
            fd
        }
        FileAction::PSFA_DUP2 => descriptor::dup2(cx, fd, Fd(number(file_action::NEW_DESCRIPTOR)?))?,
        FileAction::PSFA_INHERIT => fd,
        FileAction::PSFA_CLOSE => return descriptor::close(cx, fd),
        FileAction::PSFA_CHDIR => {
            return chdir(cx, UserPath(action.checked_add(file_action::DIRECTORY)?));
        }
        FileAction::PSFA_FCHDIR => return linux::program::fchdir(kernel, fd.to_linux()?).to_bsd(),
        // There are no file ports.
        _ => return Err(Errno::EINVAL),
    };
    if closes || given == fd && number(file_action::KIND)? == FileAction::PSFA_INHERIT.number() {
        linux::descriptor::fcntl(kernel, given.to_linux()?, flags::F_SETFD, 0).to_bsd()?;
    }
    Ok(())
}

#[inline(never)]
fn chdir<K: Kernel, L>(cx: &Context<'_, K, L>, path: UserPath) -> SysResult<()> {
    let kernel = cx.kernel();
    let mut room = GuestPath::new();
    let how = flags::O_PATH | flags::O_DIRECTORY | flags::O_CLOEXEC;
    let opening = Opening { flags: how, ..Opening::path(Links::Follow) };
    let directory = Target::read(cx.process, DirFd::CWD, path, &mut room)?.open(&opening).to_bsd()?;
    let changed = linux::program::fchdir(kernel, directory).to_bsd();
    // Ours alone, and only a name: closing it cannot fail in a way that matters.
    let _ = linux::descriptor::close(kernel, directory);
    changed
}
