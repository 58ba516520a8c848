//! The mock against the real Linux: the same random calls on files and descriptors, compared one by one.
//!
//! Each run is a thread of its own that shares no descriptors, no root and no working directory with the test
//! process. As root it chroots into an empty directory, once stays root and once becomes uid 1000; otherwise it keeps
//! away from absolute paths and `..`. Compared are results, errnos, bytes read, what `stat` says but for times,
//! blocks and the size of directories, and in the end the whole tree.
//!
//! # Safety
//! `Native` passes on pointers made from slices whose lengths the generator keeps in step with the length arguments.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use xnu_abi::linux::{Errno, Sysno};
use xnu_backend_mock::{Credentials, Mock, Protections};
use xnu_core::{Arg, Kernel, UserAddr};

const AT_FDCWD: i32 = -100;
const O_CREAT: u32 = 0o100;
const O_NONBLOCK: u32 = 0o4000;
const O_DIRECTORY: u32 = 0o200000;

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

/// An argument that owns its memory.
#[derive(Clone, Debug)]
enum Given {
    Num(i64),
    Path(Vec<u8>),
    /// Read by Linux.
    Bytes(Vec<u8>),
    /// Read and written.
    Both(Vec<u8>),
    /// Written.
    Room(usize),
}

use Given::{Both, Bytes, Num, Path, Room};

/// One call.
#[derive(Clone, Debug)]
struct Op {
    nr: Sysno,
    args: Vec<Given>,
}

fn op(nr: Sysno, args: Vec<Given>) -> Op {
    Op { nr, args }
}

fn int(value: impl Into<i64>) -> Given {
    Num(value.into())
}

fn path(text: &str) -> Given {
    Path(text.as_bytes().to_vec())
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
    let written = |arg: &Given| matches!(arg, Room(_) | Both(_));
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

fn word(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len].iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

/// The comparable part of a `struct statx`: links, owner, mode, size, device, and the time if it was set by hand.
fn statx_facts(bytes: &[u8]) -> Vec<u64> {
    let (nlink, uid, gid, mode) =
        (word(bytes, 16, 4), word(bytes, 20, 4), word(bytes, 24, 4), word(bytes, 28, 2));
    let size = if mode & 0o170000 == 0o040000 { 0 } else { word(bytes, 40, 8) };
    let mtime = word(bytes, 112, 8);
    vec![nlink, uid, gid, mode, size, word(bytes, 128, 8), if mtime < 2_000_000 { mtime } else { 0 }]
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

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Makes calls that have a fair chance to succeed, and a fair chance not to.
struct Generator<'m> {
    random: Random,
    mock: &'m Mock,
    /// Stay inside the working directory.
    confined: bool,
}

impl Generator<'_> {
    fn path_bytes(&mut self) -> Vec<u8> {
        const USUAL: &[&str] = &["a", "a", "b", "b", "c", "d", "l"];
        let odd: [&[u8]; 6] = [b".", b".", b"..", b"..", &[b'x'; 255], &[b'y'; 256]];
        match self.random.below(200) {
            0 => return Vec::new(),
            1 => return [&b"a/"[..], &vec![b'/'; 4093]].concat(),
            2 => return [&b"a/"[..], &vec![b'/'; 4094]].concat(),
            3 if !self.confined => return b"/".to_vec(),
            _ => {}
        }
        let mut bytes = Vec::new();
        if !self.confined && self.random.chance(20) {
            bytes.push(b'/');
        }
        for i in 0..[1, 1, 1, 1, 2, 2, 3][self.random.below(7)] {
            if i > 0 {
                bytes.extend(if self.random.chance(5) { &b"//"[..] } else { b"/" });
            }
            if self.random.chance(12) {
                let mut part = self.random.pick(&odd);
                if self.confined && part == b".." {
                    part = b".";
                }
                bytes.extend(part);
            } else {
                bytes.extend(self.random.pick(USUAL).as_bytes());
            }
        }
        if self.random.chance(8) {
            bytes.push(b'/');
        }
        bytes
    }

    fn path(&mut self) -> Given {
        if self.random.chance(1) { Num(0) } else { Path(self.path_bytes()) }
    }

    fn fd(&mut self) -> Given {
        let open = self.mock.descriptors();
        if open.is_empty() || self.random.chance(5) {
            // Not AT_FDCWD: since 6.13 Linux takes it for the working directory in `fsetxattr`.
            return int(self.random.pick(&[-1, 77, -101, 1 << 20]));
        }
        int(self.random.pick(&open))
    }

    fn dfd(&mut self) -> Given {
        if self.random.chance(75) { int(AT_FDCWD) } else { self.fd() }
    }

    fn mode(&mut self) -> Given {
        int(self
            .random
            .pick(&[0o777, 0o755, 0o700, 0o644, 0o600, 0o000, 0o4755, 0o2755, 0o2644, 0o1777, 0o111, 0o444]))
    }

    fn open_flags(&mut self) -> u32 {
        const BITS: [u32; 9] =
            [O_CREAT, O_CREAT, 0o200, 0o1000, 0o2000, O_DIRECTORY, 0o400000, 0o10000000, 0o2000000];
        let mut flags = self.random.pick(&[0, 1, 2, 2, 3]) | O_NONBLOCK;
        for bit in BITS {
            if self.random.chance(20) {
                flags |= bit;
            }
        }
        if self.random.chance(2) {
            flags |= 0o20000000 | O_DIRECTORY;
        }
        flags
    }

    fn data(&mut self) -> Vec<u8> {
        let len = self.random.pick(&[0, 1, 5, 100, 600, 5000]);
        let first = self.random.below(200) as u8;
        (0..len).map(|i| first.wrapping_add(i as u8)).collect()
    }

    fn offset(&mut self) -> Given {
        int(self.random.pick(&[0i64, 0, 1, 7, 4095, 4096, 10_000, 1 << 33, -1, -9]))
    }

    fn is_dir(&self, fd: &Given) -> bool {
        let Num(fd) = fd else { return false };
        let mut stat = [0; 256];
        let args = &mut [Arg::Val(*fd as usize), Arg::Out(&mut stat)];
        self.mock.call(Sysno::Fstat, args).is_ok() && word(&stat, 24, 4) & 0o170000 == 0o040000
    }

    fn xattr_name(&mut self) -> Given {
        path(self.random.pick(&["user.a", "user.a", "user.b", "trusted.t", "user.", "plain", "", "none.x"]))
    }

    fn id(&mut self) -> Given {
        int(self.random.pick(&[-1, -1, 0, 1000, 1000, 1001, 2000]))
    }

    fn lock(&mut self, fd: &Given) -> Given {
        let mut bytes = vec![0; 32];
        bytes[0] = self.random.pick(&[0, 1, 2, 2, 3]);
        // The size of a directory is the filesystem's own.
        bytes[2] = if self.is_dir(fd) { 0 } else { self.random.pick(&[0, 0, 1, 2, 3]) };
        bytes[8..16].copy_from_slice(&self.random.pick(&[0i64, 5, 100, -5]).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.random.pick(&[0i64, 1, 50, -3]).to_le_bytes());
        Both(bytes)
    }

    /// A call on names.
    fn name_op(&mut self) -> Op {
        use Sysno as S;
        match self.random.below(20) {
            0..4 => op(S::Openat, vec![self.dfd(), self.path(), int(self.open_flags()), self.mode()]),
            4 => {
                let flags = self.open_flags() & !(if self.random.chance(90) { 0o20000000 } else { 0 });
                let resolve = self.random.pick(&[0u64, 1, 2, 4, 8, 8, 16, 16, 16, 24, 64]);
                let mode = if flags & O_CREAT != 0 { 0o640u64 } else { 0 };
                let how =
                    [u64::from(flags), mode, resolve].iter().flat_map(|word| word.to_le_bytes()).collect();
                op(S::Openat2, vec![self.dfd(), self.path(), Bytes(how), int(24)])
            }
            5 | 6 => op(S::Mkdirat, vec![self.dfd(), self.path(), self.mode()]),
            7 => {
                let kinds = [0, 0o100000, 0o010000, 0o010000, 0o140000, 0o020000, 0o040000, 0o070000];
                let mode = self.random.pick(&kinds) | 0o644;
                op(S::Mknodat, vec![self.dfd(), self.path(), int(mode), int(0x103)])
            }
            8 => op(S::Symlinkat, vec![self.path(), self.dfd(), self.path()]),
            9 => {
                let flags = self.random.pick(&[0, 0, 0x400, 0x1000, 1]);
                op(S::Linkat, vec![self.dfd(), self.path(), self.dfd(), self.path(), int(flags)])
            }
            10 => op(
                S::Unlinkat,
                vec![self.dfd(), self.path(), int(self.random.pick(&[0, 0, 0x200, 0x200, 1]))],
            ),
            11 | 12 => {
                let flags = self.random.pick(&[0, 0, 0, 1, 2, 3, 8]);
                op(S::Renameat2, vec![self.dfd(), self.path(), self.dfd(), self.path(), int(flags)])
            }
            13 => op(
                S::Readlinkat,
                vec![self.dfd(), self.path(), Room(300), int(self.random.pick(&[300, 3, 0, -1]))],
            ),
            14 | 15 => {
                let flags = self.random.pick(&[0, 0x100, 0x1000, 0x1100, 0x6000, 1]);
                op(S::Statx, vec![self.dfd(), self.path(), int(flags), int(0x7ff), Room(256)])
            }
            16 => {
                let flags = self.random.pick(&[0, 0x100, 0x200, 0x1000, 1]);
                op(S::Faccessat2, vec![self.dfd(), self.path(), int(self.random.below(9) as i64), int(flags)])
            }
            17 => op(S::Fchmodat, vec![self.dfd(), self.path(), self.mode()]),
            18 => {
                let flags = self.random.pick(&[0, 0x100, 0x1000, 1]);
                op(S::Fchownat, vec![self.dfd(), self.path(), self.id(), self.id(), int(flags)])
            }
            _ => op(S::Chdir, vec![self.path()]),
        }
    }

    /// A call on descriptors.
    fn descriptor_op(&mut self) -> Op {
        use Sysno as S;
        match self.random.below(30) {
            0..3 => {
                let len = self.random.pick(&[0usize, 1, 10, 700]);
                op(S::Read, vec![self.fd(), Room(len), int(len as i64)])
            }
            3..6 => {
                let data = self.data();
                op(S::Write, vec![self.fd(), Bytes(data.clone()), int(data.len() as i64)])
            }
            6 => op(S::Pread64, vec![self.fd(), Room(50), int(50), self.offset()]),
            7 => {
                let data = self.data();
                op(S::Pwrite64, vec![self.fd(), Bytes(data.clone()), int(data.len() as i64), self.offset()])
            }
            8 => {
                let fd = self.fd();
                if self.is_dir(&fd) {
                    return op(S::Lseek, vec![fd, int(0), int(0)]);
                }
                op(S::Lseek, vec![fd, self.offset(), int(self.random.below(7) as i64)])
            }
            9 | 10 => op(S::Close, vec![self.fd()]),
            11 => op(S::Dup, vec![self.fd()]),
            12 => op(S::Dup3, vec![self.fd(), self.fd(), int(self.random.pick(&[0, 0o2000000, 1]))]),
            13 => {
                let (command, value) =
                    self.random.pick(&[(0, 3), (1030, 9), (0, -1), (1, 0), (2, 1), (2, 0), (3, 0)]);
                op(S::Fcntl, vec![self.fd(), int(command), int(value)])
            }
            14 => {
                let flags = self.random.pick(&[0, 0o2000, 0o1000000, 0o3]) | O_NONBLOCK;
                op(S::Fcntl, vec![self.fd(), int(4), int(flags)])
            }
            15 | 16 => {
                let command = self.random.pick(&[5, 6, 6, 36, 37, 37]);
                let fd = self.fd();
                let lock = self.lock(&fd);
                op(S::Fcntl, vec![fd, int(command), lock])
            }
            17 => op(S::Flock, vec![self.fd(), int(self.random.pick(&[1, 2, 8, 3, 0]) | 4)]),
            18 => op(S::Pipe2, vec![Room(8), int(O_NONBLOCK | self.random.pick(&[0, 0o2000000, 1]))]),
            19 => op(S::Statx, vec![self.fd(), path(""), int(0x1000), int(0x7ff), Room(256)]),
            20 => op(S::Ftruncate, vec![self.fd(), self.offset()]),
            21 => op(S::Fchmod, vec![self.fd(), self.mode()]),
            22 => op(S::Fchown, vec![self.fd(), self.id(), self.id()]),
            23 => op(S::Fchdir, vec![self.fd()]),
            24 => op(S::Fsync, vec![self.fd()]),
            25 => {
                let mut bytes = Vec::new();
                for _ in 0..3 {
                    let Num(fd) = self.fd() else { continue };
                    bytes.extend((fd as i32).to_le_bytes());
                    bytes.extend([self.random.pick(&[0, 1, 4, 5]), 0, 0, 0]);
                }
                op(S::Ppoll, vec![Both(bytes), int(3), Bytes(vec![0; 16]), int(0), int(0)])
            }
            26 => op(S::Ioctl, vec![self.fd(), int(self.random.pick(&[0x541b, 0x5401])), Room(64)]),
            27 => {
                let first = self.random.below(8) as i64 + 6;
                let flags = self.random.pick(&[0, 4, 4, 9]);
                op(S::CloseRange, vec![int(first), int(first + self.random.below(4) as i64 - 1), int(flags)])
            }
            28 => op(S::Fsetxattr, vec![self.fd(), self.xattr_name(), Bytes(b"f".to_vec()), int(1), int(0)]),
            _ => op(S::Fgetxattr, vec![self.fd(), self.xattr_name(), Room(9), int(9)]),
        }
    }

    /// A call on something else.
    fn other_op(&mut self) -> Op {
        use Sysno as S;
        match self.random.below(10) {
            0 => op(S::Umask, vec![int(self.random.pick(&[0, 0o022, 0o077, 0o777]))]),
            1 if !self.confined => op(S::Getcwd, vec![Room(4096), int(4096)]),
            1 => op(S::Getcwd, vec![Room(1), int(1)]),
            2 => op(S::Truncate, vec![self.path(), self.offset()]),
            3 => {
                let nsec = self.random.pick(&[5i64, 0x3fff_ffff, 0x3fff_fffe, -1]);
                let times = [100, nsec, 5000, self.random.pick(&[7, 7, 0x3fff_ffff, 0x3fff_fffe])];
                let times = times.iter().flat_map(|word| word.to_le_bytes()).collect();
                let times = if self.random.chance(30) { int(0) } else { Bytes(times) };
                let flags = self.random.pick(&[0, 0, 0x100, 1]);
                op(S::Utimensat, vec![self.dfd(), self.path(), times, int(flags)])
            }
            4 | 5 => {
                let flags = self.random.pick(&[0, 0, 1, 2, 4]);
                let nr = self.random.pick(&[S::Setxattr, S::Lsetxattr]);
                op(nr, vec![self.path(), self.xattr_name(), Bytes(b"value".to_vec()), int(5), int(flags)])
            }
            6 => {
                let room = self.random.pick(&[0, 3, 20]);
                let nr = self.random.pick(&[S::Getxattr, S::Lgetxattr]);
                op(nr, vec![self.path(), self.xattr_name(), Room(room), int(room as i64)])
            }
            7 => op(S::Listxattr, vec![self.path(), Room(200), int(200)]),
            8 => op(S::Removexattr, vec![self.path(), self.xattr_name()]),
            _ => op(S::Flistxattr, vec![self.fd(), Room(200), int(200)]),
        }
    }

    /// The next calls; a directory is always listed from its start and left there: positions are the filesystem's own.
    fn next(&mut self) -> Vec<Op> {
        if self.mock.descriptors().len() > 24 {
            return vec![op(Sysno::CloseRange, vec![int(4), int(30), int(0)])];
        }
        match self.random.below(100) {
            0..52 => vec![self.name_op()],
            52..84 => vec![self.descriptor_op()],
            84..94 => vec![self.other_op()],
            _ => {
                let fd = self.fd();
                if !self.is_dir(&fd) {
                    return vec![op(Sysno::Getdents64, vec![fd, Room(8192), int(8192)])];
                }
                vec![
                    op(Sysno::Lseek, vec![fd.clone(), int(0), int(0)]),
                    op(Sysno::Getdents64, vec![fd.clone(), Room(8192), int(8192)]),
                    op(Sysno::Lseek, vec![fd, int(0), int(0)]),
                ]
            }
        }
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

fn show(op: &Op) -> String {
    let args = op.args.iter().map(|arg| match arg {
        Num(value) => value.to_string(),
        Path(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        Bytes(bytes) | Both(bytes) => format!("{:?}..{}", &bytes[..bytes.len().min(24)], bytes.len()),
        Room(len) => format!("[{len}]"),
    });
    format!("{}({})", op.nr.name(), args.collect::<Vec<_>>().join(", "))
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
        // As uid 1000 a test may have left directories that nobody may enter; root can, and nobody else needs to.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn race_all(name: &str, drop_root: bool, chroot: bool) {
    let (mut done, mut failed) = (0, 0);
    let rounds = std::env::var("MOCK_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
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
