//! Twins of names: one scenario, run by libc on Linux and by the emulation as a guest would make it, each in a tree of
//! its own; then results and trees are compared. Where a Mac differs from Linux by design, `DEVIATIONS` says so and why.
//!
//! As root, every scenario is run as root and as user 1000, each in a thread of its own; otherwise as whoever runs the
//! tests.
//!
//! # Safety
//! Only libc's own functions are called, with strings that outlive the call.
#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use xnu_abi::linux;
use xnu_backend_linux::Linux;
use xnu_backend_mock::Module;
use xnu_core::convert::errno::errno;
use xnu_core::{Call as Trap, Context, Process, Reply, Thread, bsd};

/// What paths lead to; `LONG` is a name of 256 bytes.
const OBJECTS: &[&str] = &[
    "file",
    "other",
    "empty",
    "full",
    "full/sub",
    "full/file",
    "to-file",
    "to-empty",
    "dangling",
    "loop",
    "fifo",
    "socket",
    "missing",
    "missing/below",
    "file/below",
    "loop/below",
    "to-full/sub",
    "locked/child",
    "LONG",
    "file/",
    "empty/",
    "missing/",
    "to-file/",
    "full/.",
    "full/sub/..",
    "",
];

/// The user that scenarios are run as beside root.
const PLAIN: u32 = 1000;
const CWD: u64 = -2i64 as u64;
const FOLLOW: i32 = libc::AT_SYMLINK_FOLLOW;

/// A call of two paths, or of one.
struct Call {
    name: &'static str,
    paths: usize,
    native: fn(&CStr, &CStr) -> i32,
    guest: fn(u64, u64) -> (&'static str, Vec<u64>),
}

macro_rules! call {
    ($name:literal, $paths:literal, |$from:ident, $to:ident| $native:expr, $guest:literal [$($word:expr),*]) => {
        Call {
            name: $name,
            paths: $paths,
            // SAFETY: the strings end with their NUL and live until the call returns.
            #[allow(unused_unsafe)]
            native: |$from: &CStr, $to: &CStr| unsafe {
                let (_, _) = ($from, $to);
                $native as i32
            },
            guest: |$from: u64, $to: u64| {
                let (_, _) = ($from, $to);
                ($guest, vec![$($word),*])
            },
        }
    };
}

fn renameat2(from: &CStr, to: &CStr, flags: u32) -> i64 {
    // SAFETY: the strings end with their NUL and live until the call returns.
    unsafe {
        libc::syscall(libc::SYS_renameat2, libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags)
    }
}

const CALLS: &[Call] = &[
    call!("mkdir", 1, |path, _b| libc::mkdir(path.as_ptr(), 0o751), "mkdir"[path, 0o751]),
    call!("mkfifo", 1, |path, _b| libc::mkfifo(path.as_ptr(), 0o640), "mkfifo"[path, 0o640]),
    call!("mknod fifo", 1, |path, _b| libc::mknod(path.as_ptr(), libc::S_IFIFO | 0o604, 0), "mknod"[
        path, 0o010604, 0
    ]),
    call!("symlink", 1, |path, _b| libc::symlink(c"/some/where".as_ptr(), path.as_ptr()), "symlink"[
        c"/some/where".as_ptr() as u64, path
    ]),
    call!("rmdir", 1, |path, _b| libc::rmdir(path.as_ptr()), "rmdir"[path]),
    call!("unlink", 1, |path, _b| libc::unlink(path.as_ptr()), "unlink"[path]),
    call!("delete", 1, |path, _b| libc::unlink(path.as_ptr()), "delete"[path]),
    call!("rename", 2, |from, to| libc::rename(from.as_ptr(), to.as_ptr()), "rename"[from, to]),
    call!("rename excl", 2, |from, to| renameat2(from, to, libc::RENAME_NOREPLACE), "renameatx_np"[
        CWD, from, CWD, to, 4
    ]),
    call!("rename swap", 2, |from, to| renameat2(from, to, libc::RENAME_EXCHANGE), "renameatx_np"[
        CWD, from, CWD, to, 2
    ]),
    call!("link", 2,
        |from, to| libc::linkat(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), FOLLOW),
        "link"[from, to]),
    call!("linkat", 2, |from, to| libc::linkat(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), 0),
        "linkat"[CWD, from, CWD, to, 0]),
];

/// A difference that is meant. Empty lists and names stand for all.
struct Deviation {
    calls: &'static [&'static str],
    from: &'static [&'static str],
    to: &'static [&'static str],
    native: &'static [&'static str],
    emulated: &'static [&'static str],
    why: &'static str,
}

const RENAMES: &[&str] = &["rename", "rename excl", "rename swap"];
const LINKS: &[&str] = &["link", "linkat"];
const MAKES: &[&str] = &["mkdir", "mkfifo", "mknod fifo", "symlink"];
const DIRECTORIES: &[&str] =
    &["empty", "full", "full/sub", "to-empty", "to-full/sub", "empty/", "full/.", "full/sub/.."];
const FILES: &[&str] = &[
    "file",
    "other",
    "full/file",
    "locked/child",
    "to-file",
    "to-empty",
    "dangling",
    "loop",
    "fifo",
    "socket",
];

const DEVIATIONS: &[Deviation] = &[
    Deviation {
        calls: RENAMES,
        from: FILES,
        to: &["empty/"],
        native: &["ENOTDIR"],
        emulated: &["EISDIR"],
        why: "bsd/vfs/vfs_subr.c, vn_authorize_renamex_with_paths: a directory may have a slash, so the types are told",
    },
    Deviation {
        calls: &["unlink", "delete"],
        from: &[],
        to: &[],
        native: &["EISDIR"],
        emulated: &["EPERM"],
        why: "man 2 unlink: a directory is EPERM",
    },
    Deviation {
        calls: MAKES,
        from: &["file/", "to-file/"],
        to: &[],
        native: &["EEXIST"],
        emulated: &["ENOTDIR"],
        why: "bsd/vfs/vfs_lookup.c, lookup_handle_found_vnode: what has a slash must be a directory",
    },
    Deviation {
        calls: LINKS,
        from: &[],
        to: &["file/", "to-file/"],
        native: &["EEXIST"],
        emulated: &["ENOTDIR"],
        why: "bsd/vfs/vfs_lookup.c, lookup_handle_found_vnode: what has a slash must be a directory",
    },
    Deviation {
        calls: LINKS,
        from: DIRECTORIES,
        to: &[],
        native: &["EEXIST", "ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EACCES"],
        emulated: &["EPERM"],
        why: "bsd/vfs/vfs_syscalls.c, linkat_internal: a directory is refused before the place is looked at",
    },
    Deviation {
        calls: RENAMES,
        from: &[],
        to: &[],
        native: &["EBUSY", "EEXIST", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EACCES", "ENOENT"],
        emulated: &["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EACCES"],
        why: "bsd/vfs/vfs_syscalls.c, renameat_internal: what is missing is so before the other path is looked at",
    },
    Deviation {
        calls: RENAMES,
        from: &["full/.", "full/sub/.."],
        to: &[],
        native: &["EBUSY"],
        emulated: &["EINVAL"],
        why: "bsd/vfs/vfs_subr.c, vn_authorize_renamex_with_paths: . and .. are no names",
    },
    Deviation {
        calls: RENAMES,
        from: DIRECTORIES,
        to: &["full/.", "full/sub/.."],
        native: &["EBUSY", "EEXIST"],
        emulated: &["EINVAL"],
        why: "bsd/vfs/vfs_syscalls.c, renameat_internal: a directory does not take the place of . or ..",
    },
    Deviation {
        calls: RENAMES,
        from: FILES,
        to: &["full/.", "full/sub/.."],
        native: &["EBUSY", "EEXIST"],
        emulated: &["EISDIR", "EINVAL"],
        why: "bsd/vfs/vfs_lookup.c: . and .. are directories",
    },
    Deviation {
        calls: &["rename"],
        from: &["full/file"],
        to: &["full"],
        native: &["ENOTEMPTY"],
        emulated: &["EISDIR"],
        why: "bsd/vfs/vfs_subr.c, vn_authorize_renamex_with_paths: types are looked at first",
    },
];

/// What came of a scenario: `0` or the name of the error, and the tree.
#[derive(PartialEq, Eq, Debug)]
struct Seen {
    outcome: String,
    tree: Vec<String>,
}

fn is_root() -> bool {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Makes the calling thread, and it alone, an ordinary user.
fn become_plain() {
    // The system calls themselves: libc's functions change all threads.
    // SAFETY: the calls take numbers, and no list where its length is 0.
    let done = unsafe {
        libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) == 0
            && libc::syscall(libc::SYS_setresgid, PLAIN, PLAIN, PLAIN) == 0
            && libc::syscall(libc::SYS_setresuid, PLAIN, PLAIN, PLAIN) == 0
    };
    assert!(done, "{}", std::io::Error::last_os_error());
}

fn run_native(call: &Call, from: &CStr, to: &CStr) -> String {
    if (call.native)(from, to) >= 0 {
        return "0".into();
    }
    let number = std::io::Error::last_os_error().raw_os_error().expect("an error") as u16;
    format!("{}", errno(linux::Errno::new(number).expect("Linux has names for its errors")))
}

fn run_emulated(call: &Call, from: &CStr, to: &CStr) -> String {
    let (name, arguments) = (call.guest)(from.as_ptr() as u64, to.as_ptr() as u64);
    let row = bsd::rows().find(|row| row.name == name).expect("a call of this name");
    let process = Process::new(Linux::new(), Module::new());
    let mut words = [0; 8];
    words[..arguments.len()].copy_from_slice(&arguments);
    let trap = Trap { class: row.class, number: row.number, words };
    match trap.dispatch(&mut Context { process: &process, thread: Some(&mut Thread::default()) }) {
        Reply::Value(..) => "0".into(),
        Reply::Error(errno) => format!("{errno}"),
        other => panic!("{other:?}"),
    }
}

/// A tree of its own for one run, removed afterwards.
struct Tree {
    root: PathBuf,
}

impl Tree {
    fn new() -> Tree {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("twin-names-{}-{number}", std::process::id()));
        let tree = Tree { root };
        tree.furnish().expect("a tree in the temporary directory");
        tree
    }

    fn furnish(&self) -> std::io::Result<()> {
        let at = |name: &str| self.root.join(name);
        for name in ["", "empty", "full", "full/sub", "locked"] {
            fs::create_dir(at(name))?;
        }
        for name in ["file", "other", "full/file", "locked/child"] {
            fs::write(at(name), name)?;
        }
        for (link, target) in [
            ("to-file", "file"),
            ("to-empty", "empty"),
            ("to-full", "full"),
            ("dangling", "nowhere"),
            ("loop", "loop"),
        ] {
            symlink(target, at(link))?;
        }
        let fifo = CString::new(at("fifo").as_os_str().as_bytes())?;
        // SAFETY: the string lives until the call returns.
        unsafe { libc::mkfifo(fifo.as_ptr(), 0o644) };
        drop(UnixListener::bind(at("socket"))?);
        if is_root() {
            for name in ["", "file", "other", "empty", "full", "full/sub", "full/file", "fifo", "socket"] {
                chown(at(name), Some(PLAIN), Some(PLAIN))?;
            }
        }
        let mode = if is_root() { 0o700 } else { 0 };
        fs::set_permissions(at("locked"), fs::Permissions::from_mode(mode))
    }

    fn path(&self, name: &str) -> CString {
        let long = "n".repeat(256);
        let name = if name == "LONG" { &long } else { name };
        let whole = self.root.join(name);
        let bytes = if name.is_empty() { &[][..] } else { whole.as_os_str().as_bytes() };
        CString::new(bytes).expect("no NUL in it")
    }

    fn snapshot(&self) -> Vec<String> {
        let mut lines = Vec::new();
        list(&self.root, Path::new(""), &mut lines);
        lines.sort();
        lines
    }
}

/// Type, mode, owner, links and contents of everything below.
fn list(root: &Path, below: &Path, lines: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(root.join(below)) else { return };
    for entry in entries.flatten() {
        let path = below.join(entry.file_name());
        let whole = root.join(&path);
        let Ok(data) = fs::symlink_metadata(&whole) else { continue };
        let kind = data.file_type();
        let contents = match () {
            () if kind.is_symlink() => fs::read_link(&whole).map(|to| to.display().to_string()),
            () if kind.is_file() => fs::read_to_string(&whole),
            () => Ok(format!("fifo {} socket {}", kind.is_fifo(), kind.is_socket())),
        };
        lines.push(format!(
            "{} {:o} {}:{} {} {contents:?}",
            path.display(),
            data.mode(),
            data.uid(),
            data.gid(),
            data.nlink()
        ));
        if data.is_dir() {
            list(root, &path, lines);
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::set_permissions(self.root.join("locked"), fs::Permissions::from_mode(0o755));
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// One side of the twins: how it makes a call, and a tree that no call has changed yet.
struct Side {
    make: fn(&Call, &CStr, &CStr) -> String,
    tree: Option<(Tree, Vec<String>)>,
}

fn run(plain: bool, call: &Call, from: &str, to: &str, side: &mut Side) -> Seen {
    let (tree, before) = side.tree.take().unwrap_or_else(|| {
        let tree = Tree::new();
        let before = tree.snapshot();
        (tree, before)
    });
    let make = side.make;
    let (from, to) = (tree.path(from), tree.path(to));
    let outcome = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                if plain {
                    become_plain();
                }
                make(call, &from, &to)
            })
            .join()
            .expect("the thread")
    });
    let after = tree.snapshot();
    if before == after {
        side.tree = Some((tree, before));
    }
    Seen { outcome, tree: after }
}

fn compare(
    plain: bool,
    call: &Call,
    (from, to): (&str, &str),
    [native, emulated]: &mut [Side; 2],
    used: &mut BTreeSet<usize>,
) -> Option<String> {
    let native = run(plain, call, from, to, native);
    let emulated = run(plain, call, from, to, emulated);
    if native == emulated {
        return None;
    }
    let has = |list: &[&str], name: &str| list.is_empty() || list.contains(&name);
    let excused = DEVIATIONS.iter().position(|deviation| {
        has(deviation.calls, call.name)
            && has(deviation.from, from)
            && has(deviation.to, to)
            && has(deviation.native, &native.outcome)
            && has(deviation.emulated, &emulated.outcome)
            && native.tree == emulated.tree
    });
    if let Some(index) = excused {
        used.insert(index);
        return None;
    }
    let trees: Vec<_> = native.tree.iter().filter(|line| !emulated.tree.contains(line)).collect();
    let user = if plain { "user" } else { "self" };
    let (before, after) = (native.outcome, emulated.outcome);
    Some(format!("{user}: {} {from} {to}: {before} / {after} {trees:?}", call.name))
}

#[test]
fn calls_on_names_do_what_linuxs_do() {
    let (mut wrong, mut used, mut count) = (Vec::new(), BTreeSet::new(), 0);
    let users: &[bool] = if is_root() { &[false, true] } else { &[false] };
    let mut sides = [Side { make: run_native, tree: None }, Side { make: run_emulated, tree: None }];
    for plain in users {
        for call in CALLS {
            for from in OBJECTS {
                let targets = if call.paths == 2 { OBJECTS } else { &[""][..] };
                for to in targets {
                    wrong.extend(compare(*plain, call, (from, to), &mut sides, &mut used));
                    count += 1;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 200, "{count} scenarios");
    if is_root() {
        for (index, deviation) in DEVIATIONS.iter().enumerate() {
            let Deviation { calls, from, why, .. } = deviation;
            assert!(used.contains(&index), "{calls:?} {from:?} do not differ any more: {why}");
        }
    }
}
