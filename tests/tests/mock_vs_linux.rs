//! The mock against the real Linux: the same random calls on files and descriptors, compared one by one.
//!
//! Each run is a thread of its own that shares no descriptors, no root and no working directory with the test
//! process. As root it chroots into an empty directory, once stays root and once becomes uid 1000; otherwise it keeps
//! away from absolute paths and `..`. Compared are results, errnos, bytes read, what `stat` says but for times,
//! blocks and the size of directories, and in the end the whole tree.
//!
//! `MOCK_ROUNDS` and `MOCK_SEED` choose how many sequences of 3,000 calls are run, and from which seed on.
//!
//! # Safety
//! `Native` passes on pointers made from slices whose lengths the generator keeps in step with the length arguments.
#![allow(unsafe_code)]

#[path = "mock_vs_linux/generator.rs"]
mod generator;

use generator::{
    AT_FDCWD, Both, Bytes, Generator, Num, O_DIRECTORY, O_NONBLOCK, Op, Path, Random, Room, int, op, path,
    show, word,
};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use xnu_abi::linux::{Errno, Sysno};
use xnu_backend_mock::{Credentials, Mock, Protections};
use xnu_core::{Arg, Kernel, UserAddr};

/// The Linux that the test runs on.
struct Native;

impl Kernel for Native {
    unsafe fn syscall(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
        let mut words = [0; 6];
        for (word, arg) in words.iter_mut().zip(args) {
            *word = match arg {
                Arg::Val(value) => *value,
                Arg::In(bytes) => bytes.as_ptr() as usize,
                Arg::Out(bytes) => bytes.as_mut_ptr() as usize,
                Arg::User(address) => address.get() as usize,
            };
        }
        let [a, b, c, d, e, f] = words;
        // SAFETY: the caller's promise.
        let result = unsafe { libc::syscall(nr.number() as libc::c_long, a, b, c, d, e, f) };
        if result != -1 {
            return Ok(result as usize);
        }
        let number = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        Err(Errno::new(number as u16).expect("Linux has names for its errors"))
    }

    fn copy_in(&self, _: UserAddr, _: &mut [u8]) -> Result<(), xnu_core::Fault> {
        Err(xnu_core::Fault)
    }

    fn copy_out(&self, _: UserAddr, _: &[u8]) -> Result<(), xnu_core::Fault> {
        Err(xnu_core::Fault)
    }
}

/// What came of a call: its result and the memory it wrote.
type Seen = (Result<usize, Errno>, Vec<Vec<u8>>);

fn run(kernel: &impl Kernel, op: &Op) -> Seen {
    let mut memory: Vec<Vec<u8>> = op
        .args
        .iter()
        .map(|arg| match arg {
            Num(_) => Vec::new(),
            Path(bytes) => [bytes.as_slice(), b"\0"].concat(),
            Bytes(bytes) | Both(bytes) => bytes.clone(),
            Room(len) => vec![0; *len],
        })
        .collect();
    let mut args: Vec<Arg<'_>> = memory
        .iter_mut()
        .zip(&op.args)
        .map(|(bytes, arg)| match arg {
            Num(value) => Arg::Val(*value as usize),
            Path(_) => Arg::In(bytes),
            Bytes(_) => Arg::In(bytes),
            Both(_) | Room(_) => Arg::Out(bytes),
        })
        .collect();
    // SAFETY: the generator gives every memory the length that the call expects.
    let result = unsafe { kernel.syscall(op.nr, &mut args) };
    let written = |arg: &generator::Given| matches!(arg, Room(_) | Both(_));
    let outs = memory.into_iter().zip(&op.args).filter(|(_, arg)| written(arg)).map(|(bytes, _)| bytes);
    (result, outs.collect())
}

/// Splits directory records into (name, type), sorted.
fn names(bytes: &[u8]) -> Vec<(Vec<u8>, u8)> {
    let mut names = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let len = u16::from_le_bytes([bytes[at + 16], bytes[at + 17]]) as usize;
        let name = &bytes[at + 19..at + len];
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        names.push((name[..end].to_vec(), bytes[at + 18]));
        at += len;
    }
    names.sort();
    names
}

/// The comparable part of a `struct statx`: links, owner, mode, size, device, and the time if it was set by hand.
fn statx_facts(bytes: &[u8]) -> Vec<u64> {
    let (nlink, uid, gid, mode) =
        (word(bytes, 16, 4), word(bytes, 20, 4), word(bytes, 24, 4), word(bytes, 28, 2));
    let size = if mode & 0o170000 == 0o040000 { 0 } else { word(bytes, 40, 8) };
    let mtime = if times_are_comparable() { word(bytes, 112, 8) } else { u64::MAX };
    vec![nlink, uid, gid, mode, size, word(bytes, 128, 8), if mtime < 2_000_000 { mtime } else { 0 }]
}

/// The mock keeps times as ext4 does; tmpfs, for one, does not call a file changed that is truncated to its own length.
fn times_are_comparable() -> bool {
    const EXT4: u64 = 0xef53;
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let dir = std::env::temp_dir().into_os_string().into_encoded_bytes();
        let (result, outs) = run(&Native, &op(Sysno::Statfs, vec![Path(dir), Room(120)]));
        result.is_ok() && word(&outs[0], 0, 8) == EXT4
    })
}

/// What two systems must agree on.
fn facts(op: &Op, seen: &Seen) -> String {
    let (result, outs) = seen;
    let Ok(value) = result else { return format!("{result:?}") };
    let out = outs.first().map_or(&[][..], Vec::as_slice);
    match op.nr {
        Sysno::Read
        | Sysno::Pread64
        | Sysno::Readlinkat
        | Sysno::Getcwd
        | Sysno::Getxattr
        | Sysno::Lgetxattr
        | Sysno::Fgetxattr => {
            format!("{result:?} {:?}", out[..(*value).min(out.len())].escape_ascii().to_string())
        }
        Sysno::Getdents64 => format!("{result:?} {:?}", names(&out[..*value])),
        Sysno::Listxattr | Sysno::Flistxattr => {
            let mut names: Vec<_> = out[..(*value).min(out.len())].split(|&byte| byte == 0).collect();
            names.sort_unstable();
            format!("{result:?} {names:?}")
        }
        Sysno::Statx => format!("{result:?} {:?}", statx_facts(out)),
        Sysno::Pipe2 | Sysno::Ppoll | Sysno::Fcntl | Sysno::Ioctl => format!("{result:?} {out:?}"),
        _ => format!("{result:?}"),
    }
}

/// Everything below a directory: path, facts and contents. Inode numbers are replaced by the first path that
/// has them, so hard links show.
fn snapshot(kernel: &impl Kernel, top: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut first_names = BTreeMap::new();
    let mut todo = vec![top.as_bytes().to_vec()];
    while let Some(name) = todo.pop() {
        let stat =
            op(Sysno::Statx, vec![int(AT_FDCWD), Path(name.clone()), int(0x100), int(0x7ff), Room(256)]);
        let (result, outs) = run(kernel, &stat);
        if result.is_err() {
            lines.push(format!("{} {result:?}", name.escape_ascii()));
            continue;
        }
        let facts = statx_facts(&outs[0]);
        let same_as = first_names.entry(word(&outs[0], 32, 8)).or_insert_with(|| name.clone());
        let mut line = format!("{} = {} {facts:?}", name.escape_ascii(), same_as.escape_ascii());
        match facts[3] & 0o170000 {
            0o040000 => {
                let flags = int(O_DIRECTORY | O_NONBLOCK);
                let (fd, _) =
                    run(kernel, &op(Sysno::Openat, vec![int(AT_FDCWD), Path(name.clone()), flags, int(0)]));
                let Ok(fd) = fd else { continue };
                let (len, outs) =
                    run(kernel, &op(Sysno::Getdents64, vec![int(fd as i64), Room(65536), int(65536)]));
                let _ = run(kernel, &op(Sysno::Close, vec![int(fd as i64)]));
                for (child, _) in names(&outs[0][..len.unwrap_or(0)]) {
                    if child != b"." && child != b".." {
                        todo.push([&name[..], b"/", &child].concat());
                    }
                }
            }
            0o120000 => {
                let link =
                    op(Sysno::Readlinkat, vec![int(AT_FDCWD), Path(name.clone()), Room(4096), int(4096)]);
                line += &self::facts(&link, &run(kernel, &link));
            }
            0o100000 => {
                let (fd, _) =
                    run(kernel, &op(Sysno::Openat, vec![int(AT_FDCWD), Path(name), int(O_NONBLOCK), int(0)]));
                if let Ok(fd) = fd {
                    let read = op(Sysno::Read, vec![int(fd as i64), Room(20_000), int(20_000)]);
                    line += &self::facts(&read, &run(kernel, &read));
                    let _ = run(kernel, &op(Sysno::Close, vec![int(fd as i64)]));
                }
            }
            _ => {}
        }
        lines.push(line);
    }
    lines.sort();
    lines
}

/// Makes both trees the same before the race starts.
fn furnish(kernel: &impl Kernel, root: bool) {
    let mut ops = vec![op(Sysno::Umask, vec![int(0)])];
    for (name, mode, owner) in
        [("home", 0o755, 1000), ("tmp", 0o1777, 0), ("locked", 0o700, 0), ("c", 0o755, 0)]
    {
        ops.push(op(Sysno::Mkdirat, vec![int(AT_FDCWD), path(name), int(mode)]));
        if root {
            ops.push(op(Sysno::Fchownat, vec![int(AT_FDCWD), path(name), int(owner), int(owner), int(0)]));
        }
    }
    for (name, mode) in [("a", 0o644), ("tmp/a", 0o666), ("tmp/b", 0o600), ("locked/a", 0o644)] {
        ops.push(op(Sysno::Mknodat, vec![int(AT_FDCWD), path(name), int(0o100000 | mode), int(0)]));
    }
    ops.push(op(Sysno::Symlinkat, vec![path("home"), int(AT_FDCWD), path("l")]));
    ops.push(op(Sysno::Chdir, vec![path("home")]));
    for op in ops {
        assert!(run(kernel, &op).0.is_ok(), "{op:?}");
    }
}

/// How a run is set up.
#[derive(Clone, Copy, Debug)]
struct Setting {
    seed: u64,
    calls: usize,
    /// Chroot; else stay confined.
    chroot: bool,
    /// Become uid 1000.
    drop_root: bool,
}

/// Runs one sequence; answers how many calls succeeded and failed, or the first difference.
fn race(setting: Setting, base: PathBuf) -> Result<(usize, usize), String> {
    let protections = protections();
    // Asked while the temporary directory can still be seen.
    times_are_comparable();
    let base =
        std::ffi::CString::new(base.into_os_string().into_encoded_bytes()).expect("no NUL in the path");
    // SAFETY: this thread shares nothing with others once unshared; the closed descriptors are its own copies.
    unsafe {
        assert_eq!(libc::unshare(libc::CLONE_FS | libc::CLONE_FILES), 0);
        assert_eq!(libc::chdir(base.as_ptr()), 0);
        if setting.chroot {
            assert_eq!(libc::chroot(c".".as_ptr()), 0);
        }
        libc::syscall(libc::SYS_close_range, 0, u32::MAX, 0);
    }
    let mock = Mock::bare(setting.seed);
    mock.keep_calls(false);
    mock.set_protections(protections);
    mock.set_pid(std::process::id() as i32);
    // SAFETY: these have no arguments.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    mock.set_owner("/", uid, gid);
    mock.set_credentials(Credentials { groups: groups(), ..Credentials::user(uid, gid) });
    furnish(&Native, uid == 0);
    furnish(&mock, uid == 0);
    if setting.drop_root {
        // The raw calls concern this thread only.
        // SAFETY: one group id is read.
        unsafe {
            assert_eq!(libc::syscall(libc::SYS_setgroups, 1, [2000u32].as_ptr()), 0);
            assert_eq!(libc::syscall(libc::SYS_setresgid, 1000, 1000, 1000), 0);
            assert_eq!(libc::syscall(libc::SYS_setresuid, 1000, 1000, 1000), 0);
        }
        mock.set_credentials(Credentials { groups: vec![2000], ..Credentials::user(1000, 1000) });
    }
    let home = op(Sysno::Openat, vec![int(AT_FDCWD), path("."), int(O_DIRECTORY), int(0)]);
    assert_eq!(run(&Native, &home).0, run(&mock, &home).0);
    compare(setting, &mock)
}

/// The switches of this machine.
fn protections() -> Protections {
    let read = |name| {
        let text = std::fs::read_to_string(format!("/proc/sys/fs/protected_{name}")).unwrap_or_default();
        text.trim().parse().unwrap_or(0u8)
    };
    let (hardlinks, symlinks) = (read("hardlinks") != 0, read("symlinks") != 0);
    Protections { hardlinks, symlinks, fifos: read("fifos"), regular: read("regular") }
}

fn groups() -> Vec<u32> {
    let mut groups = [0; 64];
    // SAFETY: the length is that of the array.
    let count = unsafe { libc::getgroups(64, groups.as_mut_ptr()) };
    groups[..usize::try_from(count).unwrap_or(0)].to_vec()
}

fn compare(setting: Setting, mock: &Mock) -> Result<(usize, usize), String> {
    let mut generator = Generator { random: Random(setting.seed), mock, confined: !setting.chroot };
    let mut history: Vec<String> = Vec::new();
    let (mut done, mut failed) = (0, 0);
    while done + failed < setting.calls {
        for op in generator.next() {
            let (native, mocked) = (run(&Native, &op), run(mock, &op));
            let (expected, given) = (facts(&op, &native), facts(&op, &mocked));
            history.push(format!("{} = {expected}", show(&op)));
            if expected != given {
                let tail = history[history.len().saturating_sub(40)..].join("\n");
                return Err(format!("{setting:?}\n{tail}\nthe mock says {given}"));
            }
            if native.0.is_ok() { done += 1 } else { failed += 1 }
        }
    }
    let top = if setting.chroot { "/" } else { "." };
    let (native, mocked) = (snapshot(&Native, top), snapshot(mock, top));
    let only = |these: &[String], those: &[String]| {
        these.iter().filter(|line| !those.contains(line)).cloned().collect::<Vec<_>>()
    };
    let (native, mocked) = (only(&native, &mocked), only(&mocked, &native));
    if !native.is_empty() || !mocked.is_empty() {
        return Err(format!("{setting:?}\nthe trees differ: Linux {native:#?}, the mock {mocked:#?}"));
    }
    Ok((done, failed))
}

/// An empty directory that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("mock-vs-linux-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).expect("a fresh directory");
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Directories that nobody may enter are among what is left.
        open_up(&self.0);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open_up(dir: &std::path::Path) {
    let _ = std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

/// Whether this Linux is new enough: the mock imitates 6.18, and 6.13 was the last to change what is compared here.
fn is_recent_linux() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map(|part| part.trim().parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(13))
}

fn race_all(name: &str, drop_root: bool, chroot: bool) {
    if !is_recent_linux() {
        eprintln!("not compared: this Linux is older than 6.13");
        return;
    }
    let (mut done, mut failed) = (0, 0);
    let rounds = std::env::var("MOCK_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let start = std::env::var("MOCK_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    for seed in start..start + rounds {
        let scratch = Scratch::new(&format!("{name}-{seed}"));
        let setting = Setting { seed, calls: 3000, chroot, drop_root };
        let base = scratch.0.clone();
        let result =
            std::thread::spawn(move || race(setting, base)).join().expect("the run itself does not fail");
        match result {
            Ok(counts) => (done, failed) = (done + counts.0, failed + counts.1),
            Err(difference) => panic!("{difference}"),
        }
    }
    println!("{name}: {done} calls succeeded, {failed} failed, all alike");
    assert!(done > failed / 6, "the generator makes too few calls that succeed: {done} of {}", done + failed);
}

fn is_root() -> bool {
    // SAFETY: it has no arguments.
    unsafe { libc::geteuid() == 0 }
}

#[test]
fn random_file_calls_give_the_same_as_the_test_user() {
    race_all("self", false, is_root());
}

#[test]
fn random_file_calls_give_the_same_without_privileges() {
    // Only root can become another user; everyone else is already without privileges in the other test.
    if is_root() {
        race_all("user", true, true);
    }
}
