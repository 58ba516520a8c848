//! Paths below a prefix, against Linux's own look-up of the full path of the same file.
//!
//! # Safety
//! Strings end with a NUL and live as long as the side that uses them; descriptors are the side's own. [`Watched`] hands
//! calls on unchanged.
#![allow(unsafe_code)]

use super::{Row, Side};
use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::hint::black_box;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;
use xnu_abi::linux::{Errno, Sysno};
use xnu_abi::vchroot::{PATH_BYTES, VCHROOT_FOLLOW};
use xnu_backend_linux::{Linux, PortNames};
use xnu_core::linux::LinuxFd;
use xnu_core::table::Reply;
use xnu_core::vchroot::Options;
use xnu_core::{Arg, Context, Fault, Kernel, Process, Thread, UserAddr, bsd};

const FULL: &str = "open and close of the full Linux path";
const FULL_STAT: &str = "stat of the full Linux path";

/// What a stat of more than one name may cost. Linux's stat cannot be kept below a root, so it takes an open, the stat and
/// a close: three calls for one.
const SEVERAL: f64 = 2.4;

/// What an expansion at depth 8 may cost. The aim is 2.1; runs give 1.99 to 2.10, all of it Linux's.
const EXPAND: f64 = 2.2;

macro_rules! row {
    ($name:literal, $what:literal, $against:expr, $goal:expr, $sides:expr) => {
        Row { name: $name, what: $what, against: $against, goal: $goal, sides: || $sides }
    };
}

pub(super) const ROWS: &[Row] = &[
    row!("open-1", "open and close in a prefix, depth 1", FULL, 1.1, open(1)),
    row!("open-4", "the same, depth 4", FULL, 1.1, open(4)),
    row!("open-8", "the same, depth 8", FULL, 1.1, open(8)),
    row!("open-16", "the same, depth 16", FULL, 1.1, open(16)),
    row!("stat-1", "stat in a prefix, depth 1", FULL_STAT, 1.3, stat(1)),
    row!("stat-4", "the same, depth 4", FULL_STAT, SEVERAL, stat(4)),
    row!("stat-8", "the same, depth 8", FULL_STAT, SEVERAL, stat(8)),
    row!("stat-16", "the same, depth 16", FULL_STAT, SEVERAL, stat(16)),
    row!("expand-1", "vchroot_expand, depth 1", FULL, 2.1, expand(1, 0)),
    row!("expand-1-1", "the same, 1 link", FULL, 3.0, expand(1, 1)),
    row!("expand-4", "the same, depth 4", FULL, 2.2, expand(4, 0)),
    row!("expand-4-1", "the same, 1 link", FULL, 2.2, expand(4, 1)),
    row!("expand-4-3", "the same, 3 links", FULL, 2.1, expand(4, 3)),
    row!("expand-8", "the same, depth 8", FULL, EXPAND, expand(8, 0)),
    row!("expand-8-1", "the same, 1 link", FULL, EXPAND, expand(8, 1)),
    row!("expand-8-3", "the same, 3 links", FULL, 2.1, expand(8, 3)),
    row!("expand-16", "the same, depth 16", FULL, 2.1, expand(16, 0)),
    row!("expand-16-1", "the same, 1 link", FULL, 2.1, expand(16, 1)),
    row!("expand-16-3", "the same, 3 links", FULL, 2.1, expand(16, 3)),
    row!("expand-missing", "the same, depth 8, a missing leaf", FULL, 5.0, expand_missing()),
    row!("walk-1", "vchroot_expand, depth 1", "the component walk", 1.05, against_walk(1)),
    row!("walk-4", "the same, depth 4", "the component walk", 1.05, against_walk(4)),
    row!("walk-16", "the same, depth 16", "the component walk", 1.05, against_walk(16)),
    row!("fold-hit-first", "open in another case, 10,000 names", SCAN, 1.5, fold(Leaf::Other, Time::First)),
    row!("fold-miss-first", "open of a missing name there", SCAN, 1.5, fold(Leaf::Missing, Time::First)),
    row!("fold-hit", "open in another case, once more", FULL, 4.0, fold(Leaf::Other, Time::Again)),
    row!("fold-miss", "open of the missing name, once more", FULL, 4.0, fold(Leaf::Missing, Time::Again)),
    row!(
        "fold-as-spelled",
        "open of a name as it is spelled there",
        FULL,
        1.1,
        fold(Leaf::Same, Time::Again)
    ),
];

/// What `first` includes on either side: the directory has changed, so it has to be read.
const SCAN: &str = "reading the directory once, by getdents64";

const OPEN: u32 = 5;
const CLOSE: u32 = 6;
const STAT64: u32 = 338;
const AT_FDCWD: i32 = -100;

/// Linux, with or without `openat2`, and how many calls were made.
struct Watched {
    linux: Linux,
    has_openat2: AtomicBool,
    calls: AtomicU64,
}

impl Kernel for Watched {
    #[inline(always)]
    unsafe fn syscall(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
        // One thread: no need for a locked addition.
        self.calls.store(self.calls.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if nr == Sysno::Openat2 && !self.has_openat2.load(Ordering::Relaxed) {
            return Err(Errno::ENOSYS);
        }
        // SAFETY: the caller's promise, handed on unchanged.
        unsafe { self.linux.syscall(nr, args) }
    }

    #[inline(always)]
    fn copy_in(&self, from: UserAddr, to: &mut [u8]) -> Result<(), Fault> {
        self.linux.copy_in(from, to)
    }

    #[inline(always)]
    fn copy_out(&self, to: UserAddr, from: &[u8]) -> Result<(), Fault> {
        self.linux.copy_out(to, from)
    }
}

type Prefixed = Process<Watched, PortNames>;

/// A prefix of directories `d` in each other, each with a file `f` and a link `k` to the `d` in it. Gone when dropped.
struct Tree(PathBuf);

const DEPTH: usize = 16;

impl Tree {
    fn new() -> Result<Tree, String> {
        let root = std::env::temp_dir().join(format!("xnu-bench-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let tree = Tree(root);
        let mut directory = tree.0.clone();
        for _ in 0..=DEPTH {
            let made = fs::create_dir(&directory)
                .and_then(|()| fs::write(directory.join("f"), ""))
                .and_then(|()| symlink("d", directory.join("k")))
                .and_then(|()| symlink("f", directory.join("l")));
            made.map_err(|error| format!("{}: {error}", directory.display()))?;
            directory.push("d");
        }
        Ok(tree)
    }

    /// A directory `many` of 10,000 files.
    fn add_many(&self) -> Result<(), String> {
        let many = self.0.join("many");
        fs::create_dir(&many)
            .and_then(|()| {
                (0..10_000).try_for_each(|n| fs::write(many.join(format!("Library.{n}.dylib")), ""))
            })
            .map_err(|error| format!("{}: {error}", many.display()))
    }

    fn process(&self, options: Options, has_openat2: bool) -> Result<&'static Prefixed, String> {
        let linux = Linux::new();
        linux.handle_faults();
        let watched = Watched { linux, has_openat2: AtomicBool::new(has_openat2), calls: AtomicU64::new(0) };
        let process = Box::leak(Box::new(Process::new(watched, PortNames::new())));
        let root = File::open(&self.0).map_err(|error| format!("{}: {error}", self.0.display()))?;
        process
            .set_prefix(LinuxFd(root.as_raw_fd()), options)
            .map_err(|error| format!("{}: {error:?}", self.0.display()))?;
        Ok(process)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A path of so many components, the first of which are links.
fn path(depth: usize, links: usize, leaf: &str) -> String {
    let parts = (1..depth).map(|part| if part <= links { "/k" } else { "/d" });
    let leaf = if depth <= links && leaf == "f" { "l" } else { leaf };
    parts.collect::<String>() + "/" + leaf
}

fn c_string(path: impl AsRef<Path>) -> CString {
    CString::new(path.as_ref().as_os_str().as_bytes()).expect("paths here have no NUL")
}

fn full(tree: &Tree, path: &str) -> CString {
    c_string(tree.0.join(path.trim_start_matches('/')))
}

/// A side that calls, with the number of Linux calls that one makes.
fn watched<T>(process: &'static Prefixed, mut call: impl FnMut() -> T + 'static) -> Side {
    call();
    let before = process.kernel.calls.load(Ordering::Relaxed);
    call();
    let calls = process.kernel.calls.load(Ordering::Relaxed) - before;
    Side::call(call).with_calls(calls)
}

/// A call of the guest's through the table: its result, or nothing if it failed.
fn dispatch(process: &'static Prefixed, thread: &mut Thread, number: u32, args: [u64; 3]) -> Option<u64> {
    let mut cx = Context { process, thread: Some(thread) };
    let [a, b, c] = args;
    match black_box(bsd::dispatch(&mut cx, black_box(number), &black_box([a, b, c, 0, 0, 0, 0, 0]))) {
        Reply::Value(value, _) => Some(value),
        _ => None,
    }
}

fn native_open(path: &CStr) {
    // SAFETY: see the module.
    unsafe {
        let file = libc::open(black_box(path.as_ptr()), libc::O_RDONLY);
        if file >= 0 {
            libc::close(file);
        }
    }
}

/// Opens a path as the guest and closes what was found: whether it was.
fn opener(tree: Rc<Tree>, process: &'static Prefixed, path: &str) -> impl FnMut() -> bool + 'static {
    let guest = c_string(path);
    let mut thread = Thread::default();
    move || {
        let _keeps = &tree;
        let file = dispatch(process, &mut thread, OPEN, [guest.as_ptr() as u64, 0, 0]);
        file.is_some_and(|file| dispatch(process, &mut thread, CLOSE, [file, 0, 0]).is_some())
    }
}

fn check(exists: bool, found: bool, path: &str) -> Result<(), String> {
    if exists == found {
        Ok(())
    } else {
        Err(format!("{path}: should be there: {exists}, was found: {found}"))
    }
}

fn native(path: CString, exists: bool) -> Side {
    Side::call(move || native_open(&path)).with_calls(1 + u64::from(exists))
}

fn open(depth: usize) -> Result<(Side, Side), String> {
    let tree = Rc::new(Tree::new()?);
    let process = tree.process(Options::default(), true)?;
    let path = path(depth, 0, "f");
    let theirs = native(full(&tree, &path), true);
    let mut ours = opener(tree, process, &path);
    check(true, ours(), &path)?;
    Ok((watched(process, ours), theirs))
}

fn stat(depth: usize) -> Result<(Side, Side), String> {
    let tree = Tree::new()?;
    let process = tree.process(Options::default(), true)?;
    let path = path(depth, 0, "f");
    let (guest, native) = (c_string(&path), full(&tree, &path));
    let mut thread = Thread::default();
    let mut room = [0u8; 256];
    let ours = move || {
        let _keeps = &tree;
        let at = room.as_mut_ptr() as u64;
        dispatch(process, &mut thread, STAT64, [guest.as_ptr() as u64, at, 0])
    };
    let theirs = move || {
        let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
        // SAFETY: room for the structure.
        black_box(unsafe { libc::stat(black_box(native.as_ptr()), stat.as_mut_ptr()) })
    };
    Ok((watched(process, ours), Side::call(theirs).with_calls(1)))
}

/// One expansion, of a path that is copied to its place first.
fn expander(tree: Rc<Tree>, process: &'static Prefixed, path: &str) -> Result<Side, String> {
    let guest = c_string(path);
    let mut room = Box::new([0; PATH_BYTES]);
    let mut call = move || {
        let _keeps = &tree;
        let text = guest.as_bytes_with_nul();
        room[..text.len()].copy_from_slice(black_box(text));
        process.vchroot_expand_path(&mut room, black_box(VCHROOT_FOLLOW), black_box(AT_FDCWD))
    };
    match call() {
        Ok(()) => Ok(watched(process, call)),
        Err(error) => Err(format!("{path}: {error:?}")),
    }
}

fn expand_path(path: &str, exists: bool) -> Result<(Side, Side), String> {
    let tree = Rc::new(Tree::new()?);
    let process = tree.process(Options::default(), true)?;
    let theirs = native(full(&tree, path), exists);
    Ok((expander(tree, process, path)?, theirs))
}

fn expand(depth: usize, links: usize) -> Result<(Side, Side), String> {
    expand_path(&path(depth, links, "f"), true)
}

fn expand_missing() -> Result<(Side, Side), String> {
    expand_path(&path(8, 0, "nothing"), false)
}

fn against_walk(depth: usize) -> Result<(Side, Side), String> {
    let tree = Rc::new(Tree::new()?);
    let [quick, walk] = [true, false].map(|has_openat2| tree.process(Options::default(), has_openat2));
    let path = path(depth, 0, "f");
    Ok((expander(tree.clone(), quick?, &path)?, expander(tree, walk?, &path)?))
}

enum Leaf {
    Same,
    Other,
    Missing,
}

enum Time {
    First,
    Again,
}

fn fold(leaf: Leaf, time: Time) -> Result<(Side, Side), String> {
    const FOLDED: Options = Options { case_insensitive: true, root_exit: false };
    /// A directory that changed so long ago that its time says whether it has changed since.
    const SETTLES: Duration = Duration::from_secs(3);
    let tree = Rc::new(Tree::new()?);
    tree.add_many()?;
    let (path, exists) = match leaf {
        Leaf::Same => ("/many/Library.5000.dylib", true),
        Leaf::Other => ("/many/LIBRARY.5000.DYLIB", true),
        Leaf::Missing => ("/many/nothing", false),
    };
    let directory = c_string(tree.0.join("many"));
    let theirs = native(full(&tree, if exists { "/many/Library.5000.dylib" } else { path }), exists);
    let process = tree.process(FOLDED, true)?;
    let mut ours = opener(tree, process, path);
    match time {
        Time::Again => {
            sleep(SETTLES);
            check(exists, ours(), path)?;
            Ok((watched(process, ours), theirs))
        }
        Time::First => {
            check(exists, ours(), path)?;
            let changed = directory.clone();
            let ours = move || {
                touch(&changed);
                ours()
            };
            let theirs = move || {
                touch(&directory);
                read_directory(&directory)
            };
            Ok((watched(process, ours), Side::call(theirs)))
        }
    }
}

fn touch(path: &CStr) {
    // SAFETY: see the module; no times means now.
    unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), std::ptr::null(), 0) };
}

fn read_directory(path: &CStr) -> usize {
    let mut room = [0u8; 8192];
    let mut total = 0;
    // SAFETY: see the module; Linux writes no more than there is room for.
    unsafe {
        let file = libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY);
        loop {
            match libc::syscall(libc::SYS_getdents64, file, room.as_mut_ptr(), room.len()) {
                length if length > 0 => total += length as usize,
                _ => break,
            }
        }
        libc::close(file);
    }
    black_box(total)
}
