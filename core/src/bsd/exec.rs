//! Executing programs (`bsd/kern/kern_exec.c`).
//!
//! A path becomes an open file once, which is checked and read, and then executed by that descriptor: by Linux where it
//! is a program of Linux's, by the [`Loader`](crate::loader::Loader) where it is a Mach-O file. A script is its
//! interpreter with more arguments.
//!
//! Differs from XNU: a file that may be executed and not read is `EACCES`, but for scripts' interpreters no more than for
//! programs; set-user-id bits of Mach-O files mean nothing; one string of more than 128 KiB is `E2BIG`; a Mach-O file
//! that is damaged behind its header is found out when there is no way back, and ends the process with status 126.

mod image;
mod vectors;

use crate::convert::errno::ToBsd;
use crate::convert::signal::{bit, mask_to_darwin, mask_to_linux, to_linux};
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Context;
use crate::signal::{self, DEFAULTS_DIFFER, KEPT, SIG_DFL, SIG_IGN};
use crate::table::{DirFd, SysResult, Unchanged, UserPath};
use crate::user::{UserAddr, UserPtr};
use crate::vchroot::{GuestPath, Links, Opening, Target};
use image::Image;
use vectors::{HandOver, Vectors};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::signal::Signal;
use xnu_abi::darwin::stat::{FileType, Mode};
use xnu_abi::linux::{KernelSigaction, flags};

/// What is to be executed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// The program or script.
    pub(super) path: UserPath,
    /// Its arguments; null for none.
    pub(super) argv: UserAddr,
    /// Its environment; null for none.
    pub(super) envp: UserAddr,
}

/// `man 2 execve`. Does not return where it succeeds.
pub fn execve<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    argv: UserAddr,
    envp: UserAddr,
) -> SysResult<Unchanged> {
    execute(cx, &Request { path, argv, envp })
}

/// `execve` with a label for the program (`security/mac_process.c`, `mac_execve_enter`). There is no policy that knows
/// labels: one is only looked at.
pub fn mac_execve<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    path: UserPath,
    argv: UserAddr,
    envp: UserAddr,
    label: UserPtr<[u64; 2]>,
) -> SysResult<Unchanged> {
    if !label.is_null() {
        label.read(cx.kernel())?;
    }
    execute(cx, &Request { path, argv, envp })
}

/// Executes a program in place of this one.
pub(super) fn execute<K: Kernel, L>(cx: &mut Context<'_, K, L>, request: &Request) -> SysResult<Unchanged> {
    let found = open(cx, request.path)?;
    match image::identify(cx.kernel(), found) {
        Ok(Image::Script) => {
            let interpreter = run_script(cx, request, found);
            close(cx.kernel(), found);
            interpreter
        }
        Ok(image) => run(cx, request, found, image, None),
        Err(error) => {
            close(cx.kernel(), found);
            Err(error)
        }
    }
}

/// Executes the interpreter of a script, which may not be a script itself (`exec_shell_imgact`).
fn run_script<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    request: &Request,
    script: LinuxFd,
) -> SysResult<Unchanged> {
    let line = image::interpreter(cx.kernel(), script)?;
    let path = UserPath(line.first()?);
    let found = open(cx, path)?;
    match image::identify(cx.kernel(), found) {
        Ok(Image::Script) => {
            close(cx.kernel(), found);
            Err(Errno::ENOEXEC)
        }
        Ok(image) => run(cx, request, found, image, Some(&line)),
        Err(error) => {
            close(cx.kernel(), found);
            Err(error)
        }
    }
}

fn close<K: Kernel>(kernel: &K, file: LinuxFd) {
    // Ours alone and only read: closing it cannot fail in a way that matters.
    let _ = linux::descriptor::close(kernel, file);
}

/// Opens a program for reading: a regular file that the caller may execute (`exec_check_permissions`).
#[inline(never)]
fn open<K: Kernel, L>(cx: &Context<'_, K, L>, path: UserPath) -> SysResult<LinuxFd> {
    let kernel = cx.kernel();
    let named = name(cx, path)?;
    let opened = check(kernel, named).and_then(|()| {
        let link = linux::name::proc_path(named);
        linux::descriptor::openat(kernel, LinuxFd::CWD, &link, flags::O_CLOEXEC, 0).to_bsd()
    });
    close(kernel, named);
    opened
}

#[inline(never)]
fn name<K: Kernel, L>(cx: &Context<'_, K, L>, path: UserPath) -> SysResult<LinuxFd> {
    let mut room = GuestPath::new();
    Target::read(cx.process, DirFd::CWD, path, &mut room)?.open(&Opening::path(Links::Follow)).to_bsd()
}

#[inline(never)]
fn check<K: Kernel>(kernel: &K, file: LinuxFd) -> SysResult<()> {
    const X_OK: i32 = 1;
    const ANY_EXECUTE: u16 = 0o111;
    let stat = linux::metadata::fstatx(kernel, file).to_bsd()?;
    let is_regular = Mode::from_bits_retain(stat.stx_mode).file_type() == FileType::S_IFREG;
    if !is_regular || stat.stx_mode & ANY_EXECUTE == 0 {
        return Err(Errno::EACCES);
    }
    if stat.stx_size == 0 {
        return Err(Errno::ENOEXEC);
    }
    let how = flags::AT_EMPTY_PATH | flags::AT_EACCESS;
    linux::name::faccessat(kernel, file, b"\0", X_OK, how).to_bsd()
}

/// Executes an open file, which is closed where that fails.
fn run<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    request: &Request,
    file: LinuxFd,
    image: Image,
    line: Option<&image::Line<'_, K>>,
) -> SysResult<Unchanged> {
    let kernel = cx.kernel();
    let failed = match hold(cx) {
        Ok(held) => {
            let failed = match (image, cx.process.loader.get()) {
                (Image::MachO, Some(loader)) => by_loader(cx, request, file, line, loader, &held),
                _ => by_linux(cx, request, file, line, &held),
            };
            if failed.is_err() {
                let _ = linux::signal::set_mask(kernel, held.before);
            }
            failed
        }
        failed => failed.map(|_| ()),
    };
    if failed.is_err() {
        close(kernel, file);
    }
    failed.map(|()| Unchanged)
}

/// Signals while a program is executed: all are blocked, so none can come in between.
struct Held {
    /// Linux's mask of before.
    before: u64,
    /// The guest's mask, and the signals that it ignores.
    mask: u32,
    ignored: u32,
}

/// Blocks all signals. What came to the core and was not delivered waits in Linux then, to be the new program's.
#[inline(never)]
fn hold<K: Kernel, L>(cx: &mut Context<'_, K, L>) -> SysResult<Held> {
    let kernel = cx.kernel();
    let before = linux::signal::block(kernel, u64::MAX).to_bsd()?;
    let mut mask = mask_to_darwin(before);
    let mut ignored = 0;
    let signals = || (1..32).map(Signal::new);
    for signal in signals() {
        if cx.process.actions.get(signal).handler == SIG_IGN {
            ignored |= bit(signal);
        }
    }
    if let Some(thread) = &mut cx.thread {
        mask = thread.signals.mask;
        let waiting = thread.signals.pending();
        for number in signals().filter(|signal| waiting & bit(*signal) != 0).filter_map(to_linux) {
            // To the thread itself, and blocked: nothing can fail.
            if let (Ok(own), Ok(thread)) = (linux::process::getpid(kernel), linux::process::gettid(kernel)) {
                let _ = linux::signal::tgkill(kernel, own, thread, number);
            }
        }
        thread.signals.forget_some(waiting);
    }
    Ok(Held { before, mask, ignored })
}

/// A Mach-O program: the loader is executed, and gets the open file.
#[inline(never)]
fn by_loader<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    request: &Request,
    file: LinuxFd,
    line: Option<&image::Line<'_, K>>,
    (loader, options): (UserAddr, UserAddr),
    held: &Held,
) -> SysResult<()> {
    const FD_CLOEXEC: i64 = 1;
    let kernel = cx.kernel();
    let root = cx.lookup_root();
    let path = match line {
        Some(line) => line.first()?,
        None => request.path.0,
    };
    let hand_over = HandOver { file, root, path, options, mask: held.mask, ignored: held.ignored };
    let vectors = Vectors::build(kernel, request, line, Some(&hand_over))?;
    let pass = |flag: i64| {
        for descriptor in [Some(file), root].into_iter().flatten() {
            linux::descriptor::fcntl(kernel, descriptor, flags::F_SETFD, flag)?;
        }
        Ok(())
    };
    let executed = pass(0)
        .and_then(|()| linux::program::execve(kernel, loader, vectors.arguments(), vectors.environment()));
    if executed.is_err() {
        // They were ours to change a moment ago.
        let _ = pass(FD_CLOEXEC);
    }
    executed.to_bsd()
}

/// A program of Linux's, which gets the guest's signals as they are.
#[inline(never)]
fn by_linux<K: Kernel, L>(
    cx: &Context<'_, K, L>,
    request: &Request,
    file: LinuxFd,
    line: Option<&image::Line<'_, K>>,
    held: &Held,
) -> SysResult<()> {
    let kernel = cx.kernel();
    let vectors = Vectors::build(kernel, request, line, None)?;
    let mut kept = [None; 3];
    if cx.thread.is_some() {
        let ignored = |signal: &Signal| held.ignored & bit(*signal) != 0;
        let own = [Signal::SIGBUS, Signal::SIGSEGV, Signal::SIGSYS];
        for (signal, place) in own.into_iter().filter(ignored).zip(&mut kept) {
            let Some(number) = to_linux(signal) else { continue };
            *place =
                linux::signal::swap_action(kernel, number, &plain(SIG_IGN)).ok().map(|old| (number, old));
        }
        for number in DEFAULTS_DIFFER.into_iter().filter(|signal| !ignored(signal)).filter_map(to_linux) {
            let _ = linux::signal::rt_sigaction(kernel, number, &plain(SIG_DFL));
        }
        let _ = linux::signal::set_mask(kernel, mask_to_linux(held.mask));
    }
    let executed = linux::program::fexecve(kernel, file, vectors.arguments(), vectors.environment());
    if executed.is_err() && cx.thread.is_some() {
        // As it was before: that worked then.
        let _ = linux::signal::block(kernel, u64::MAX);
        for (number, action) in kept.into_iter().flatten() {
            let _ = linux::signal::rt_sigaction(kernel, number, &action);
        }
        for signal in DEFAULTS_DIFFER {
            signal::install(kernel, &cx.process.actions, signal);
        }
    }
    executed.to_bsd()
}

fn plain(handler: u64) -> KernelSigaction {
    KernelSigaction { handler, flags: 0, restorer: 0, mask: 0 }
}

const _: () = assert!(KEPT == 1 << 9 | 1 << 10 | 1 << 11);

impl<K: Kernel, L> Context<'_, K, L> {
    /// The prefix's own descriptor.
    fn lookup_root(&self) -> Option<LinuxFd> {
        self.process.lookup().map(|lookup| lookup.root)
    }
}
