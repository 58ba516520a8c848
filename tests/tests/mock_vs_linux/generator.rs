//! Random calls on files and descriptors.

use xnu_abi::linux::Sysno;
use xnu_backend_mock::Mock;
use xnu_core::Arg;

pub(crate) const AT_FDCWD: i32 = -100;
const O_CREAT: u32 = 0o100;
pub(crate) const O_NONBLOCK: u32 = 0o4000;
pub(crate) const O_DIRECTORY: u32 = 0o200000;

/// An argument that owns its memory.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    Num(i64),
    Path(Vec<u8>),
    /// Read by Linux.
    Bytes(Vec<u8>),
    /// Read and written.
    Both(Vec<u8>),
    /// Written.
    Room(usize),
}

pub(crate) use Given::{Both, Bytes, Num, Path, Room};

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) nr: Sysno,
    pub(crate) args: Vec<Given>,
}

pub(crate) fn op(nr: Sysno, args: Vec<Given>) -> Op {
    Op { nr, args }
}

pub(crate) fn int(value: impl Into<i64>) -> Given {
    Num(value.into())
}

pub(crate) fn path(text: &str) -> Given {
    Path(text.as_bytes().to_vec())
}

pub(crate) fn word(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len].iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

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
pub(crate) struct Generator<'m> {
    pub(crate) random: Random,
    pub(crate) mock: &'m Mock,
    /// Stay inside the working directory.
    pub(crate) confined: bool,
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
        match self.random.below(35) {
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
            // Who is told of input, and by which signal; nobody, for the pids differ.
            29 => {
                let (command, value) = self.random.pick(&[
                    (10, 29),
                    (10, 0),
                    (10, 65),
                    (10, -1),
                    (11, 0),
                    (8, 0),
                    (9, 0),
                    (9, 7),
                ]);
                op(S::Fcntl, vec![self.fd(), int(command), int(value)])
            }
            30 => {
                let owner = Both([self.random.pick(&[0u32, 1, 2, 3]), 0].map(u32::to_le_bytes).concat());
                op(S::Fcntl, vec![self.fd(), int(self.random.pick(&[15, 16])), owner])
            }
            31 => {
                let advice = self.random.pick(&[0, 1, 2, 3, 4, 5, 6, -1]);
                op(S::Fadvise64, vec![self.fd(), self.offset(), self.offset(), int(advice)])
            }
            32 => {
                let flags = self.random.pick(&[0, 1, 2, 4, 7, 8]);
                op(S::SyncFileRange, vec![self.fd(), self.offset(), self.offset(), int(flags)])
            }
            33 => {
                // Holes; where room that was set aside counts as data, the file system decides by what it has cached.
                let mode = self.random.pick(&[0, 1, 2, 3, 3, 0x200]);
                let length = match mode {
                    0 | 1 => self.random.pick(&[0i64, -1]),
                    _ => self.random.pick(&[0, 1, 4096, 5000, 100_000, -1]),
                };
                op(S::Fallocate, vec![self.fd(), int(mode), self.offset(), int(length)])
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
    pub(crate) fn next(&mut self) -> Vec<Op> {
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

pub(crate) fn show(op: &Op) -> String {
    let args = op.args.iter().map(|arg| match arg {
        Num(value) => value.to_string(),
        Path(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        Bytes(bytes) | Both(bytes) => format!("{:?}..{}", &bytes[..bytes.len().min(24)], bytes.len()),
        Room(len) => format!("[{len}]"),
    });
    format!("{}({})", op.nr.name(), args.collect::<Vec<_>>().join(", "))
}
