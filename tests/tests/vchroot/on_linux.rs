//! Random paths on the Linux that the test runs on. As root the other side is a thread in a real chroot, and every call is
//! compared; otherwise it is `openat2` with `RESOLVE_IN_ROOT`, and only what looks objects up is.
//!
//! A worker is a process of its own: the core finds its descriptors in `/proc/self`, which shows those of all threads.
//!
//! # Safety
//! The calls of libc take strings that end with a NUL, and numbers.
#![allow(unsafe_code)]

use crate::{is_root, number, scratch::Scratch};
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;
use xnu_abi::linux::{Errno, Sysno, flags};
use xnu_backend_linux::{Linux, PortNames};
use xnu_backend_mock::{Fault, Plan};
use xnu_core::linux::LinuxFd;
use xnu_core::linux::descriptor::OpenHow;
use xnu_core::vchroot::{Links, Options};
use xnu_core::{Arg, Kernel, Process, UserAddr};
use xnu_tests::paths::Random;
use xnu_tests::paths::generator::{Generator, Words};
use xnu_tests::paths::subject::{AT_FDCWD, Case, Op, Prefixed, Rooted, Seen, Subject, open, sys};
use xnu_tests::paths::tree::{Labels, Tree, place, snapshot};

/// Calls on one tree.
const CALLS: u64 = 100;
/// A user without privileges.
const USER: u32 = 1000;
/// A descriptor that is never open: below the ones that the core keeps for itself, above all others.
const CLOSED: i32 = 900;

#[test]
fn random_paths_are_those_of_a_root() {
    let cases = number("VCHROOT_CASES", 20_000);
    let seed = number("VCHROOT_SEED", 1);
    let trees = cases.div_ceil(CALLS);
    // Two processors are common, and most of the time is Linux's.
    let workers = trees.min(2);
    let mut running = Vec::new();
    for worker in 0..workers {
        let test = std::env::current_exe().expect("the test program has a path");
        let mut command = Command::new(test);
        command.args(["on_linux::worker", "--exact", "--include-ignored", "--test-threads=1", "--nocapture"]);
        command.env("VCHROOT_SEED", (seed + worker * trees.div_ceil(workers)).to_string());
        command.env("VCHROOT_TREES", trees.div_ceil(workers).to_string());
        running
            .push(command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn());
    }
    for worker in running {
        let output = worker.and_then(|worker| worker.wait_with_output()).expect("a worker");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{out}\n{err}");
        print!("{out}");
    }
}

#[test]
#[ignore = "part of random_paths_are_those_of_a_root"]
fn worker() {
    let (seed, trees) = (number("VCHROOT_SEED", 1), number("VCHROOT_TREES", 1));
    let scratch = Scratch::new("random");
    let mut done = 0;
    for seed in seed..seed + trees {
        done += compare(seed, &scratch);
    }
    println!("VCHROOT_SEED={seed}: {trees} trees, {} calls, {done} of them successful", trees * CALLS);
    assert!(done > trees * CALLS / 10, "the generator makes too few paths that lead somewhere");
}

/// What is tried on a tree: by the seed, so that all of it comes in turn.
#[derive(Clone, Copy, Debug)]
struct Setting {
    options: Options,
    has_openat2: bool,
    /// Whether to give up root's rights, if we have them.
    drops_root: bool,
}

impl Setting {
    fn new(seed: u64) -> Setting {
        let options = Options { case_insensitive: seed & 2 != 0, root_exit: seed & 4 != 0 };
        Setting { options, has_openat2: seed & 1 != 0, drops_root: is_root() && seed & 8 != 0 }
    }

    fn user(&self) -> u32 {
        if self.drops_root { USER } else { 0 }
    }
}

fn make_prefix(scratch: &Scratch, name: &str) -> i32 {
    let top = scratch.path().join(name);
    fs::create_dir_all(top.join("a")).expect("a fresh directory");
    fs::create_dir(top.join("root")).expect("a fresh directory");
    fs::write(top.join("b"), b"outside").expect("a fresh file");
    let top = [top.as_os_str().as_bytes(), b"/root"].concat();
    place(&Linux::new(), AT_FDCWD, &top)
}

fn starts<K: Kernel>(kernel: &K, tree: &Tree, top: i32, nodes: &[usize]) -> Vec<i32> {
    let path = |label: usize| label.checked_sub(1).map_or(&b""[..], |node| tree.nodes[node].path.as_slice());
    let mut starts: Vec<i32> = nodes.iter().map(|label| place(kernel, top, path(*label))).collect();
    sys(kernel, Sysno::Fchdir, &mut [Arg::Val(starts[0] as usize)]).expect("a directory");
    close(starts[0]);
    starts[0] = AT_FDCWD;
    close(starts[1]);
    starts[1] = CLOSED;
    starts
}

fn close(file: i32) {
    // SAFETY: a descriptor of ours.
    unsafe { libc::close(file) };
}

fn close_starts(starts: &[i32]) {
    starts.iter().filter(|file| **file >= 0 && **file != CLOSED).for_each(|file| close(*file));
}

/// Compares the calls on one tree; answers how many succeeded.
fn compare(seed: u64, scratch: &Scratch) -> u64 {
    let setting = Setting::new(seed);
    let Setting { options, has_openat2, drops_root } = setting;
    let mut random = Random(seed);
    let mut generator =
        Generator::new(&mut random, Words { twins: !options.case_insensitive, modes: drops_root });
    let tree = generator.tree();
    let nodes = generator.starts(&tree);
    let mut cases: Vec<Case> = (0..CALLS).map(|_| generator.case()).collect();
    if !is_root() {
        cases.retain(|case| match case.op {
            Op::Open { flags, .. } => flags & flags::O_PATH != 0,
            Op::Stat(_) | Op::Expand { .. } => true,
            _ => false,
        });
    }
    if drops_root {
        cases.retain(|case| !matches!(case.op, Op::ExpandAndCreate | Op::ExpandAndMkdir));
    }
    let linux = Linux::new();
    let (ours_top, theirs_top) = (make_prefix(scratch, "ours"), make_prefix(scratch, "theirs"));
    let (our_labels, their_labels) = (tree.make(&linux, ours_top), tree.make(&linux, theirs_top));
    // What is removed stays open, so that nothing new gets its inode.
    for node in &tree.nodes {
        place(&linux, ours_top, &node.path);
        place(&linux, theirs_top, &node.path);
    }
    if is_root() {
        for name in ["ours", "theirs"] {
            give_away(&scratch.path().join(name));
        }
    }

    let theirs = theirs(setting, &tree, (theirs_top, their_labels), &nodes, &cases, scratch);
    let before = descriptors();
    let plan = if has_openat2 { Plan::none() } else { Plan::every(Sysno::Openat2, Errno::ENOSYS) };
    linux.handle_faults();
    let process = Process::new(Fault::new(linux, plan), PortNames::new());
    process.set_prefix(LinuxFd(ours_top), options).expect("a directory");
    let own = starts(&process.kernel, &tree, ours_top, &nodes);
    let memory = Box::leak(Box::new([0u8; 4096])).as_ptr() as u64;
    let mut ours =
        Prefixed { process: &process, labels: our_labels, starts: own, memory: UserAddr::new(memory) };
    become_user(setting.user());
    let mut done = 0;
    for (index, (case, wanted)) in cases.iter().zip(&theirs).enumerate() {
        let given = ours.make(case);
        let from = index.saturating_sub(10);
        let last: Vec<String> = cases[from..=index]
            .iter()
            .zip(&theirs[from..])
            .map(|(case, seen)| format!("{case} = {seen:?}"))
            .collect();
        assert!(
            given.agrees(wanted, &case.op),
            "VCHROOT_SEED={seed} {setting:?}: {given:?}\n{tree}\n{}",
            last.join("\n")
        );
        done += u64::from(!matches!(wanted, Seen::Error(_)));
    }
    become_user(0);
    close_starts(&ours.starts);
    // SAFETY: the string ends with a NUL.
    unsafe { libc::chdir(c"/".as_ptr()) };
    process
        .set_prefix(LinuxFd(place(&process.kernel, AT_FDCWD, b"/")), Options::default())
        .expect("the root");
    let after = descriptors();
    assert_eq!(after.len(), before.len() + 1, "VCHROOT_SEED={seed}: {before:?} became {after:?}");
    // SAFETY: nothing above these is used any more.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };

    let listed = |name: &str| {
        let top = [scratch.path().join(name).as_os_str().as_bytes(), b"\0"].concat();
        let top = open(&process.kernel, AT_FDCWD, &top, flags::O_DIRECTORY, 0).expect("the top");
        let lines = snapshot(&process.kernel, top);
        close(top);
        lines
    };
    assert_eq!(listed("ours"), listed("theirs"), "VCHROOT_SEED={seed}");
    for name in ["ours", "theirs"] {
        fs::remove_dir_all(scratch.path().join(name)).expect("our own directory");
    }
    done
}

fn descriptors() -> Vec<String> {
    let list = fs::read_dir("/proc/self/fd").expect("a list of descriptors");
    list.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Makes everything below a directory the unprivileged user's.
fn give_away(path: &Path) {
    std::os::unix::fs::lchown(path, Some(USER), Some(USER)).expect("we are root");
    if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
        for entry in fs::read_dir(path).expect("we are root").flatten() {
            give_away(&entry.path());
        }
    } else {
        return;
    }
    chown(path, Some(USER), Some(USER)).expect("we are root");
}

/// Changes the calling thread's effective user, and nothing where that cannot be.
fn become_user(user: u32) {
    if !is_root() {
        return;
    }
    // SAFETY: numbers; the raw calls concern this thread only.
    unsafe {
        if user != 0 {
            libc::syscall(libc::SYS_setresgid, -1, user, -1);
        }
        libc::syscall(libc::SYS_setresuid, -1, user, -1);
        if user == 0 {
            libc::syscall(libc::SYS_setresgid, -1, 0, -1);
        }
    }
}

/// What the calls answer where the top is really the root.
fn theirs(
    setting: Setting,
    tree: &Tree,
    (top, labels): (i32, Labels),
    nodes: &[usize],
    cases: &[Case],
    scratch: &Scratch,
) -> Vec<Seen> {
    if !is_root() {
        let path =
            |label: usize| label.checked_sub(1).map_or(&b""[..], |node| tree.nodes[node].path.as_slice());
        let mut starts: Vec<Option<Vec<u8>>> =
            nodes.iter().map(|label| Some(path(*label).to_vec())).collect();
        starts[1] = None;
        let mut in_root = InRoot { kernel: Linux::new(), top, starts, labels };
        return cases.iter().map(|case| in_root.make(case)).collect();
    }
    let new_root = CString::new([scratch.path().as_os_str().as_bytes(), b"/theirs/root"].concat());
    let new_root = new_root.expect("a path without NUL");
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: the string ends with a NUL; only this thread's root and directory change.
            unsafe {
                assert_eq!(libc::unshare(libc::CLONE_FS), 0);
                assert_eq!(libc::chroot(new_root.as_ptr()), 0);
                assert_eq!(libc::chdir(c"/".as_ptr()), 0);
            }
            let linux = Linux::new();
            let starts = starts(&linux, tree, top, nodes);
            become_user(setting.user());
            let mut rooted = Rooted { kernel: &linux, labels, starts };
            let seen = cases.iter().map(|case| rooted.make(case)).collect();
            close_starts(&rooted.starts);
            seen
        });
        thread.join().expect("the calls themselves do not fail")
    })
}

/// Linux's own idea of a root, without privileges: relative paths get their start in front.
struct InRoot {
    kernel: Linux,
    top: i32,
    starts: Vec<Option<Vec<u8>>>,
    labels: Labels,
}

impl Subject for InRoot {
    fn make(&mut self, case: &Case) -> Seen {
        let nofollow = match &case.op {
            Op::Open { flags, .. } => flags & flags::O_NOFOLLOW,
            Op::Stat(Links::Follow) | Op::Expand { follow: true } => 0,
            _ => flags::O_NOFOLLOW,
        };
        let refuses = matches!(case.op, Op::Stat(Links::Refuse) | Op::Open { refuses_links: true, .. });
        let mut path = Vec::new();
        if !case.path.starts_with(b"/") && !case.path.is_empty() {
            match &self.starts[case.start % self.starts.len()] {
                Some(start) => path.extend([start, &b"/"[..]].concat()),
                None => return Seen::Error(Errno::EBADF),
            }
        }
        path.extend(&case.path);
        path.push(0);
        let flags = u64::from(flags::O_PATH | flags::O_CLOEXEC | nofollow);
        let no_links = if refuses { flags::RESOLVE_NO_SYMLINKS } else { 0 };
        let how = OpenHow { flags, mode: 0, resolve: u64::from(flags::RESOLVE_IN_ROOT | no_links) };
        let how = zerocopy::IntoBytes::as_bytes(&how);
        let args = &mut [Arg::Val(self.top as usize), Arg::In(&path), Arg::In(how), Arg::Val(how.len())];
        match sys(&self.kernel, Sysno::Openat2, args) {
            Err(error) => Seen::Error(error),
            Ok(file) => {
                let (inode, mode) =
                    xnu_tests::paths::tree::stat(&self.kernel, file as i32, b"").expect("an open file");
                close(file as i32);
                Seen::Object(self.labels.get(&inode).copied(), mode & flags::S_IFMT)
            }
        }
    }
}
