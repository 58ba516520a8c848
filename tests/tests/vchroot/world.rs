//! A prefix of real files, and the two who answer for it: the core, and a process that is really rooted there.
//!
//! # Safety
//! Forked children use only what their thread brought along, and end without running anything of the test's. The calls
//! of libc take strings that end with a NUL, and numbers.
#![allow(unsafe_code)]

use crate::scratch::Scratch;
use crate::{is_root, number};
use std::ffi::CString;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::{fs, panic};
use xnu_abi::linux::{Errno, Sysno, flags};
use xnu_backend_linux::{Linux, PortNames};
use xnu_backend_mock::{Fault, Plan};
use xnu_core::linux::LinuxFd;
use xnu_core::vchroot::Options;
use xnu_core::{Process, UserAddr};
use xnu_tests::paths::subject::{AT_FDCWD, Case, Op, Prefixed, Rooted, Subject};
use xnu_tests::paths::tree::{Labels, inode, snapshot};

pub(crate) const SEALED: Options = Options { case_insensitive: false, root_exit: false };
pub(crate) const WITH_EXIT: Options = Options { root_exit: true, ..SEALED };
pub(crate) const FOLDED: Options = Options { case_insensitive: true, ..SEALED };
pub(crate) const BOTH: Options = Options { case_insensitive: true, root_exit: true };
pub(crate) const ALL: [Options; 4] = [SEALED, WITH_EXIT, FOLDED, BOTH];

/// A process of the core's on Linux.
pub(crate) type Own = Process<Fault<Linux>, PortNames>;

/// A directory with a prefix `root` in it, and room beside it.
pub(crate) struct World {
    scratch: Scratch,
}

impl World {
    pub(crate) fn new(name: &str) -> World {
        let world = World { scratch: Scratch::new(name) };
        fs::create_dir(world.prefix()).expect("a fresh directory");
        world
    }

    /// The prefix.
    pub(crate) fn prefix(&self) -> PathBuf {
        self.scratch.path().join("root")
    }

    /// Something beside the prefix.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Something in the prefix.
    pub(crate) fn at(&self, path: impl AsRef<std::ffi::OsStr>) -> PathBuf {
        self.prefix().join(path.as_ref())
    }

    pub(crate) fn dir(&self, path: &str) -> &World {
        fs::create_dir_all(self.at(path)).expect("a directory");
        self
    }

    pub(crate) fn file(&self, path: &str) -> &World {
        fs::write(self.at(path), path).expect("a file");
        self
    }

    pub(crate) fn link(&self, path: &str, target: impl AsRef<Path>) -> &World {
        symlink(target, self.at(path)).expect("a link");
        self
    }

    pub(crate) fn mode(&self, path: &str, mode: u32) -> &World {
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).expect("permissions");
        self
    }

    /// Every file in the world, by inode.
    fn labels(&self) -> Labels {
        fn add(path: &Path, labels: &mut Labels) {
            let number = inode(&Linux::new(), AT_FDCWD, path.as_os_str().as_bytes()).expect("a file");
            let next = labels.len();
            labels.entry(number).or_insert(next);
            if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
                let mut entries: Vec<_> = fs::read_dir(path).into_iter().flatten().flatten().collect();
                entries.sort_by_key(fs::DirEntry::file_name);
                entries.iter().for_each(|entry| add(&entry.path(), labels));
            }
        }
        let mut labels = Labels::new();
        add(self.scratch.path(), &mut labels);
        labels
    }

    /// The core's process, with the prefix.
    pub(crate) fn process(&self, options: Options, has_openat2: bool) -> &'static Own {
        process_at(&self.prefix(), options, has_openat2)
    }

    /// Runs something with each kind of prefix, by each road, in a process of its own.
    pub(crate) fn each(&self, options: &[Options], check: impl Fn(&'static Own)) {
        for options in options {
            for has_openat2 in [true, false] {
                println!("{options:?}, openat2 {has_openat2}");
                apart(|| check(self.process(*options, has_openat2)));
            }
        }
    }

    /// Every call answers what it answers where the prefix is the root, with each kind of prefix and by each road.
    /// Relative paths start at the first of `starts`, which is the working directory, or at another.
    pub(crate) fn agrees(&self, starts: &[&str], cases: &[Case]) {
        self.agrees_with(&ALL, starts, cases, 0);
    }

    /// The same, for some kinds of prefix, as another user if we are root.
    pub(crate) fn agrees_with(&self, options: &[Options], starts: &[&str], cases: &[Case], user: u32) {
        self.compare(&self.prefix(), options, starts, cases, user);
    }

    /// The same, where the prefix was opened by another path.
    pub(crate) fn agrees_by_way_of(&self, path: &Path, starts: &[&str], cases: &[Case]) {
        self.compare(path, &ALL, starts, cases, 0);
    }

    fn compare(&self, prefix: &Path, options: &[Options], starts: &[&str], cases: &[Case], user: u32) {
        let labels = self.labels();
        let wanted = self.rooted(starts, cases, user, &labels);
        for options in options {
            for has_openat2 in [true, false] {
                let given = self.prefixed(prefix, (*options, has_openat2), starts, cases, user, &labels);
                for ((case, given), wanted) in cases.iter().zip(given.lines()).zip(wanted.lines()) {
                    assert_eq!(given, wanted, "{case}: {options:?}, openat2 {has_openat2}");
                }
                assert_eq!(given.lines().count(), cases.len());
            }
        }
    }

    /// What the core answers, a line for each case. No descriptor is left open.
    fn prefixed(
        &self,
        prefix: &Path,
        (options, has_openat2): (Options, bool),
        starts: &[&str],
        cases: &[Case],
        user: u32,
        labels: &Labels,
    ) -> String {
        told_apart(|| {
            let process = process_at(prefix, options, has_openat2);
            let starts = self.enter(starts);
            let memory = UserAddr::new(Box::leak(Box::new([0u8; 4096])).as_ptr() as u64);
            let before = descriptors();
            become_user(user);
            let mut ours = Prefixed { process, labels: labels.clone(), starts, memory };
            let said = answers(&mut ours, cases);
            if user == 0 {
                assert_eq!(descriptors(), before, "descriptors were left open");
            }
            said
        })
    }

    fn files(&self) -> String {
        let top = self.open_start("");
        let path = format!("/proc/self/fd/{top}\0");
        let opened =
            xnu_tests::paths::subject::open(&Linux::new(), AT_FDCWD, path.as_bytes(), flags::O_DIRECTORY, 0);
        let lines = snapshot(&Linux::new(), opened.expect("the prefix"));
        lines.join("\n")
    }

    /// What a rooted process answers, a line for each case.
    fn rooted(&self, starts: &[&str], cases: &[Case], user: u32, labels: &Labels) -> String {
        told_apart(|| {
            let starts = self.enter(starts);
            let root = CString::new(self.prefix().as_os_str().as_bytes()).expect("a path without NUL");
            // SAFETY: the string ends with a NUL; this process is a child of the test's.
            unsafe {
                if !is_root() {
                    assert_eq!(libc::unshare(libc::CLONE_NEWUSER), 0, "neither root nor user namespaces");
                }
                assert_eq!(libc::chroot(root.as_ptr()), 0);
            }
            become_user(user);
            let linux = Linux::new();
            answers(&mut Rooted { kernel: &linux, labels: labels.clone(), starts }, cases)
        })
    }

    /// Opens the places that relative paths start from and goes to the first. What is in no place is a number.
    fn enter(&self, starts: &[&str]) -> Vec<i32> {
        let mut opened: Vec<i32> = starts.iter().map(|start| self.open_start(start)).collect();
        if let Some(first) = opened.first_mut() {
            // SAFETY: a number.
            assert_eq!(unsafe { libc::fchdir(*first) }, 0, "{}", starts[0]);
            *first = AT_FDCWD;
        } else {
            opened.push(AT_FDCWD);
        }
        opened
    }

    fn open_start(&self, start: &str) -> i32 {
        if let Ok(number) = start.parse() {
            return number;
        }
        if start == "a pipe" {
            let mut ends = [0; 2];
            // SAFETY: room for both ends.
            assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
            return ends[0];
        }
        let path = match start.strip_prefix("beside:") {
            Some(name) => self.beside(name),
            None => self.at(start),
        };
        let path = CString::new(path.as_os_str().as_bytes()).expect("a path without NUL");
        // SAFETY: the string ends with a NUL.
        let opened = unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
        assert!(opened >= 0, "{start}");
        opened
    }
}

/// A call that changes something: answers and leaves behind what it does where the prefix is the root. Every side has a
/// world of its own.
pub(crate) fn agrees_once(make: impl Fn() -> World, starts: &[&str], case: &Case) {
    let cases = std::slice::from_ref(case);
    let world = make();
    let wanted = world.rooted(starts, cases, 0, &world.labels());
    let files = told_apart(|| world.files());
    for options in ALL {
        for has_openat2 in [true, false] {
            let world = make();
            let setting = (options, has_openat2);
            let given = world.prefixed(&world.prefix(), setting, starts, cases, 0, &world.labels());
            assert_eq!(given, wanted, "{case}: {setting:?}");
            assert_eq!(told_apart(|| world.files()), files, "{case}: {setting:?}");
        }
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("the descriptors").count()
}

fn answers(subject: &mut impl Subject, cases: &[Case]) -> String {
    cases.iter().map(|case| format!("{:?}\n", subject.make(case))).collect()
}

/// A process of the core's whose prefix is this directory.
pub(crate) fn process_at(prefix: &Path, options: Options, has_openat2: bool) -> &'static Own {
    let plan = if has_openat2 { Plan::none() } else { Plan::every(Sysno::Openat2, Errno::ENOSYS) };
    let linux = Linux::new();
    linux.handle_faults();
    let process: &'static Own = Box::leak(Box::new(Process::new(Fault::new(linux, plan), PortNames::new())));
    let path = CString::new(prefix.as_os_str().as_bytes()).expect("a path without NUL");
    // SAFETY: the string ends with a NUL.
    let directory = unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
    assert!(directory >= 0, "{}", prefix.display());
    process.set_prefix(LinuxFd(directory), options).expect("a directory");
    // SAFETY: a number.
    unsafe { libc::close(directory) };
    process
}

/// A call that names the object a path leads to.
pub(crate) fn follow(start: usize, path: impl AsRef<[u8]>) -> Case {
    Case { start, path: path.as_ref().to_vec(), op: open(flags::O_PATH) }
}

/// The same, of a link itself.
pub(crate) fn nofollow(start: usize, path: impl AsRef<[u8]>) -> Case {
    Case { start, path: path.as_ref().to_vec(), op: open(flags::O_PATH | flags::O_NOFOLLOW) }
}

fn open(flags: u32) -> Op {
    Op::Open { flags, mode: 0, refuses_links: false }
}

/// Every call that only looks, on each of these paths from the first start.
pub(crate) fn looks<P: AsRef<[u8]>>(paths: &[P]) -> Vec<Case> {
    looks_from(0, paths)
}

/// The same, from another start.
pub(crate) fn looks_from<P: AsRef<[u8]>>(start: usize, paths: &[P]) -> Vec<Case> {
    use xnu_core::vchroot::Links::{Follow, Refuse, Stay};
    let ops = [
        open(flags::O_PATH),
        open(flags::O_PATH | flags::O_NOFOLLOW),
        open(0),
        open(flags::O_DIRECTORY),
        Op::Stat(Follow),
        Op::Stat(Stay),
        Op::Stat(Refuse),
        Op::ReadLink,
        Op::Expand { follow: true },
        Op::Expand { follow: false },
    ];
    let case = |path: &P, op: &Op| Case { start, path: path.as_ref().to_vec(), op: op.clone() };
    paths.iter().flat_map(|path| ops.iter().map(move |op| case(path, op))).collect()
}

/// Makes the process another user's, if it is root's.
pub(crate) fn become_user(user: u32) {
    if is_root() && user != 0 {
        // SAFETY: numbers.
        unsafe {
            assert_eq!(libc::setresgid(user, user, user), 0);
            assert_eq!(libc::setresuid(user, user, user), 0);
        }
    }
}

/// Runs something in a process of its own.
pub(crate) fn apart(run: impl FnOnce()) {
    told_apart(|| {
        run();
        String::new()
    });
}

/// Runs something in a process of its own, and answers what it says. A panic there is one here.
pub(crate) fn told_apart(run: impl FnOnce() -> String) -> String {
    let mut ends = [0; 2];
    // SAFETY: room for both ends.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: see the module.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    // SAFETY: each descriptor is used by one owner in each process.
    let (read, write) = unsafe { (fs::File::from_raw_fd(ends[0]), fs::File::from_raw_fd(ends[1])) };
    if child == 0 {
        drop(read);
        // Another thread may have held the lock of standard error.
        panic::set_hook(Box::new(|_| {}));
        let mut write = write;
        let (status, text) = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(text) => (0, text),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                (
                    1,
                    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
                        .unwrap_or_default(),
                )
            }
        };
        let told = write.write_all(text.as_bytes()).is_ok();
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(if told { status } else { 2 }) };
    }
    drop(write);
    let mut text = Vec::new();
    let mut read = read;
    read.read_to_end(&mut text).expect("what the child says");
    let mut status = 0;
    // SAFETY: room for the status.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(status, 0, "{text}");
    text
}

/// How often something is tried: `VCHROOT_RACES` for the races.
pub(crate) fn races() -> u64 {
    number("VCHROOT_RACES", 20_000)
}
