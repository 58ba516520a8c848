//! Calls on paths, and who makes them: the core below a prefix, or a process whose root the prefix is.
//!
//! # Safety
//! `sys` passes slices whose lengths are the call's own, and addresses of memory that lives as long as the subject.
#![allow(unsafe_code)]

use super::show;
use super::tree::{self, Labels};
use xnu_abi::darwin::fcntl::AtFlags;
use xnu_abi::darwin::stat::Stat64;
use xnu_abi::linux::{Errno, Statx, Sysno, flags};
use xnu_abi::vchroot::{PATH_BYTES, VCHROOT_FOLLOW, VchrootExpandArgs, VchrootUnexpandArgs};
use xnu_core::bsd::metadata;
use xnu_core::linux::descriptor::OpenHow;
use xnu_core::linux::{self, LinuxFd};
use xnu_core::table::{DirFd, UserPath};
use xnu_core::vchroot::{GuestPath, Links, Opening, Target, Use};
use xnu_core::{Arg, Context, Kernel, Process, UserAddr, UserPtr};

/// Linux's working directory.
pub const AT_FDCWD: i32 = -100;

/// One Linux call.
///
/// # Errors
/// Linux's.
pub fn sys<K: Kernel>(kernel: &K, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
    // SAFETY: see the module.
    unsafe { kernel.syscall(nr, args) }
}

fn number(value: i32) -> Arg<'static> {
    Arg::Val(value as isize as usize)
}

/// `openat`. `path` ends with a NUL.
///
/// # Errors
/// Linux's.
pub fn open<K: Kernel>(kernel: &K, directory: i32, path: &[u8], flags: u32, mode: u32) -> Result<i32, Errno> {
    let args = &mut [number(directory), Arg::In(path), Arg::Val(flags as usize), Arg::Val(mode as usize)];
    sys(kernel, Sysno::Openat, args).map(|file| file as i32)
}

fn close<K: Kernel>(kernel: &K, file: i32) {
    sys(kernel, Sysno::Close, &mut [number(file)]).expect("an open file");
}

/// A call.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Op {
    Open {
        flags: u32,
        mode: u32,
        refuses_links: bool,
    },
    Stat(Links),
    ReadLink,
    Unlink,
    Rmdir,
    Mkdir,
    Symlink(Vec<u8>),
    Rename {
        to: Vec<u8>,
    },
    /// Names the object by way of its host path, and back.
    Expand {
        follow: bool,
    },
    /// Makes a file at the host path.
    ExpandAndCreate,
    /// Makes a directory at the host path.
    ExpandAndMkdir,
}

/// A call on a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// Which of the starts a relative path begins at.
    pub start: usize,
    /// The path.
    pub path: Vec<u8>,
    /// The call.
    pub op: Op,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.op {
            Op::Rename { to } => write!(f, "Rename to {}", show(to))?,
            Op::Symlink(target) => write!(f, "Symlink to {}", show(target))?,
            op => write!(f, "{op:?}")?,
        }
        write!(f, " from {} on {}", self.start, show(&self.path))
    }
}

/// What a call answers, in terms that are the same for every subject.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    /// It failed.
    Error(Errno),
    /// It led to this node, or to one that is new, of this type.
    Object(Option<usize>, u32),
    /// There is a host path that the process may not use, or none any more.
    Unreachable,
    /// The target of a link.
    Text(Vec<u8>),
    /// It did what it does.
    Done,
}

impl Seen {
    /// Whether both may be answers of the same call. Of two paths that are both wrong, or two calls in place of one,
    /// either error will do.
    pub fn agrees(&self, other: &Seen, op: &Op) -> bool {
        // The host path leads through all directories above, which may not let everybody through, or there is none.
        if matches!(op, Op::Expand { .. }) && *self == Seen::Unreachable {
            return true;
        }
        let errors = matches!((self, other), (Seen::Error(_), Seen::Error(_)));
        let either = matches!(op, Op::Rename { .. } | Op::ExpandAndCreate | Op::ExpandAndMkdir);
        self == other || errors && either
    }
}

/// Somebody who makes calls.
pub trait Subject {
    /// Makes a call.
    fn make(&mut self, case: &Case) -> Seen;
}

/// How a relative path begins: with a descriptor, or with the working directory where that is the same.
const NONBLOCK: u32 = flags::O_NONBLOCK | flags::O_CLOEXEC;

fn object<K: Kernel>(kernel: &K, labels: &Labels, file: i32) -> Seen {
    let (inode, mode) = tree::stat(kernel, file, b"").expect("an open file");
    Seen::Object(labels.get(&inode).copied(), mode & flags::S_IFMT)
}

fn seen(result: Result<Seen, Errno>) -> Seen {
    result.unwrap_or_else(Seen::Error)
}

/// What is known of what a path leads to.
///
/// # Errors
/// Linux's.
pub fn look<K: Kernel>(kernel: &K, target: &mut Target<'_, K>, links: Links) -> Result<Statx, Errno> {
    let at = target.object(links)?;
    linux::metadata::statx(kernel, at.directory(), at.path(), at.flags())
}

/// `fstatat` as a guest calls it: inode and type. Room for the answer is behind the path.
///
/// # Errors
/// The guest's, under their Linux names.
pub fn stat<K: Kernel, L: xnu_core::Lkm>(
    process: &Process<K, L>,
    start: i32,
    path: UserPath,
    links: Links,
    room: UserAddr,
) -> Result<(u64, u32), Errno> {
    let start = if start == AT_FDCWD { DirFd::CWD } else { DirFd(start) };
    let flags = match links {
        Links::Follow => AtFlags::empty(),
        Links::Stay => AtFlags::AT_SYMLINK_NOFOLLOW,
        Links::Refuse => AtFlags::AT_SYMLINK_NOFOLLOW_ANY,
    };
    let cx = &mut Context { process, thread: None };
    let buf = UserPtr::<Stat64>::new(room.checked_add(STAT_AT).expect("room behind the path"));
    match metadata::fstatat(cx, start, path, buf, flags) {
        Ok(()) => {
            let stat = buf.read(&process.kernel).expect("what was written");
            Ok((stat.st_ino, u32::from(stat.st_mode) & flags::S_IFMT))
        }
        Err(error) => {
            let name = error.name();
            Err(*Errno::ALL.iter().find(|linux| linux.name() == name).expect("an error that Linux has, too"))
        }
    }
}

/// Where the room for an answer begins, behind that for a path.
const STAT_AT: u64 = 2048;

/// The core, below a prefix.
pub struct Prefixed<'a, K, L> {
    /// The process.
    pub process: &'a Process<K, L>,
    /// The nodes of the tree below its prefix.
    pub labels: Labels,
    /// Where relative paths start.
    pub starts: Vec<i32>,
    /// Guest memory of 4 KiB for a path.
    pub memory: UserAddr,
}

impl<'a, K: Kernel, L: xnu_core::Lkm> Prefixed<'a, K, L> {
    fn target<'t>(&'t self, start: i32, path: &[u8], room: &'t mut GuestPath) -> Target<'t, K> {
        let text = [path, b"\0"].concat();
        self.process.kernel.copy_out(self.memory, &text).expect("the memory for a path");
        let start = if start == AT_FDCWD { DirFd::CWD } else { DirFd(start) };
        Target::read(self.process, start, UserPath(self.memory), room).expect("a path that is short enough")
    }

    fn expand(&self, start: i32, path: &[u8], follow: bool) -> Result<Vec<u8>, Errno> {
        let flags = if follow { VCHROOT_FOLLOW } else { 0 };
        let mut args = VchrootExpandArgs { path: [0xee; PATH_BYTES], flags, dfd: start };
        args.path[..path.len()].copy_from_slice(path);
        args.path[path.len()] = 0;
        self.process.vchroot_expand(&mut args)?;
        Ok(until_nul(&args.path))
    }

    /// Whether an object is there that no path leads to any more: a directory that was removed while it was open.
    fn lost_its_path(&self, target: &mut Target<'_, K>, follow: bool) -> bool {
        let links = if follow { Links::Follow } else { Links::Stay };
        let Ok(LinuxFd(file)) = target.open(&Opening::path(links)) else { return false };
        let path = self.process.vchroot_fdpath(file, &mut [0; PATH_BYTES]);
        close(&self.process.kernel, file);
        path == Err(Errno::ENOENT)
    }

    /// The object at a host path; unexpanding it and expanding the result leads to the same.
    fn at_host(&self, path: &[u8], kernel: &K) -> Result<Seen, Errno> {
        let text = [path, b"\0"].concat();
        let named = flags::O_PATH | flags::O_NOFOLLOW | flags::O_CLOEXEC;
        let file = match open(kernel, AT_FDCWD, &text, named, 0) {
            Err(Errno::EACCES) => return Ok(Seen::Unreachable),
            other => other?,
        };
        let seen = object(kernel, &self.labels, file);
        close(kernel, file);
        let mut args = VchrootUnexpandArgs { path: [0xee; PATH_BYTES] };
        args.path[..text.len()].copy_from_slice(&text);
        self.process.vchroot_unexpand(&mut args).expect("the path of an object inside");
        let back = self.expand(AT_FDCWD, &until_nul(&args.path), false).expect("the path of an object");
        assert_eq!(back.escape_ascii().to_string(), path.escape_ascii().to_string());
        Ok(seen)
    }

    fn try_make(&self, case: &Case) -> Result<Seen, Errno> {
        let kernel = &self.process.kernel;
        let start = self.starts[case.start % self.starts.len()];
        let (mut room, mut other_room) = (GuestPath::new(), GuestPath::new());
        let target_path = UserPath(self.memory);
        let mut target = self.target(start, &case.path, &mut room);
        let done = |result: Result<usize, Errno>| result.map(|_| Seen::Done);
        match &case.op {
            Op::Open { flags, mode, refuses_links } => {
                let extra = if flags & flags::O_PATH != 0 { flags::O_CLOEXEC } else { NONBLOCK };
                let (flags, mode, refuses_links) = (flags | extra, *mode, *refuses_links);
                let opening = Opening { flags, mode, refuses_links, stays_beneath: false };
                let LinuxFd(file) = target.open(&opening)?;
                let seen = object(kernel, &self.labels, file);
                close(kernel, file);
                Ok(seen)
            }
            Op::Stat(links) => {
                let (inode, kind) = stat(self.process, start, target_path, *links, self.memory)?;
                Ok(Seen::Object(self.labels.get(&inode).copied(), kind))
            }
            Op::ReadLink => {
                let mut text = [0; 4096];
                let at = target.object(Links::Stay)?;
                let by_object = at.flags() & flags::AT_EMPTY_PATH != 0;
                let args =
                    &mut [number(at.directory().0), Arg::In(at.path()), Arg::Out(&mut text), Arg::Val(4096)];
                match sys(kernel, Sysno::Readlinkat, args) {
                    Err(Errno::ENOENT) if by_object => Err(Errno::EINVAL),
                    other => Ok(Seen::Text(text[..other?].to_vec())),
                }
            }
            Op::Unlink | Op::Rmdir => {
                let flags = if case.op == Op::Rmdir { flags::AT_REMOVEDIR } else { 0 };
                done(target.name(Use::Existing, false)?.act(|directory, name| {
                    let args = &mut [number(directory.0), Arg::In(name), Arg::Val(flags as usize)];
                    sys(kernel, Sysno::Unlinkat, args)
                }))
            }
            Op::Mkdir => done(target.name(Use::New, false)?.act(|directory, name| {
                sys(kernel, Sysno::Mkdirat, &mut [number(directory.0), Arg::In(name), Arg::Val(0o750)])
            })),
            Op::Symlink(text) => {
                let text = [text, &b"\0"[..]].concat();
                done(target.name(Use::New, false)?.act(|directory, name| {
                    sys(kernel, Sysno::Symlinkat, &mut [Arg::In(&text), number(directory.0), Arg::In(name)])
                }))
            }
            Op::Rename { to } => {
                let mut to = self.target(start, to, &mut other_room);
                let mut from = target.name(Use::Existing, false)?;
                let to = to.name(Use::Existing, false)?;
                done(from.act(|directory, name| {
                    let args = &mut [
                        number(directory.0),
                        Arg::In(name),
                        number(to.directory().0),
                        Arg::In(to.path()),
                    ];
                    sys(kernel, Sysno::Renameat, args)
                }))
            }
            Op::Expand { follow } => match self.expand(start, &case.path, *follow) {
                Err(Errno::ENOENT) if self.lost_its_path(&mut target, *follow) => Ok(Seen::Unreachable),
                path => self.at_host(&path?, kernel),
            },
            Op::ExpandAndCreate => {
                let path = [self.expand(start, &case.path, true)?.as_slice(), b"\0"].concat();
                let flags = flags::O_CREAT | flags::O_WRONLY | flags::O_NOFOLLOW | NONBLOCK;
                let file = open(kernel, AT_FDCWD, &path, flags, 0o600)?;
                let seen = object(kernel, &self.labels, file);
                close(kernel, file);
                Ok(seen)
            }
            Op::ExpandAndMkdir => {
                let path = [self.expand(start, &case.path, false)?.as_slice(), b"\0"].concat();
                done(sys(kernel, Sysno::Mkdirat, &mut [number(AT_FDCWD), Arg::In(&path), Arg::Val(0o700)]))
            }
        }
    }
}

fn until_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

impl<K: Kernel, L: xnu_core::Lkm> Subject for Prefixed<'_, K, L> {
    fn make(&mut self, case: &Case) -> Seen {
        seen(self.try_make(case))
    }
}

/// A process whose root is the prefix.
pub struct Rooted<'a, K> {
    /// Linux as that process sees it.
    pub kernel: &'a K,
    /// The nodes of the tree.
    pub labels: Labels,
    /// Where relative paths start.
    pub starts: Vec<i32>,
}

impl<K: Kernel> Rooted<'_, K> {
    fn open(&self, start: i32, path: &[u8], flags: u32, mode: u32, refuses: bool) -> Result<Seen, Errno> {
        let path = [path, b"\0"].concat();
        let file = if refuses {
            let mode = if flags & flags::O_CREAT != 0 { mode } else { 0 };
            let resolve = u64::from(flags::RESOLVE_NO_SYMLINKS);
            let how = OpenHow { flags: flags.into(), mode: mode.into(), resolve };
            let how = zerocopy::IntoBytes::as_bytes(&how);
            let args = &mut [number(start), Arg::In(&path), Arg::In(how), Arg::Val(how.len())];
            sys(self.kernel, Sysno::Openat2, args)? as i32
        } else {
            open(self.kernel, start, &path, flags, mode)?
        };
        let seen = object(self.kernel, &self.labels, file);
        close(self.kernel, file);
        Ok(seen)
    }

    fn try_make(&mut self, case: &Case) -> Result<Seen, Errno> {
        let kernel = self.kernel;
        let start = self.starts[case.start % self.starts.len()];
        let path = [case.path.as_slice(), b"\0"].concat();
        let named = flags::O_PATH | flags::O_CLOEXEC;
        let done = |result: Result<usize, Errno>| result.map(|_| Seen::Done);
        match &case.op {
            Op::Open { flags, mode, refuses_links } => {
                let extra = if flags & flags::O_PATH != 0 { flags::O_CLOEXEC } else { NONBLOCK };
                self.open(start, &case.path, flags | extra, *mode, *refuses_links)
            }
            Op::Stat(Links::Follow) | Op::Expand { follow: true } => {
                self.open(start, &case.path, named, 0, false)
            }
            Op::Stat(links) => {
                self.open(start, &case.path, named | flags::O_NOFOLLOW, 0, *links == Links::Refuse)
            }
            Op::Expand { follow: false } => self.open(start, &case.path, named | flags::O_NOFOLLOW, 0, false),
            Op::ReadLink => {
                let mut text = [0; 4096];
                let args = &mut [number(start), Arg::In(&path), Arg::Out(&mut text), Arg::Val(4096)];
                // Linux takes an empty path for the descriptor itself here.
                let length = if case.path.is_empty() {
                    Err(Errno::ENOENT)
                } else {
                    sys(kernel, Sysno::Readlinkat, args)
                };
                Ok(Seen::Text(text[..length?].to_vec()))
            }
            Op::Unlink | Op::Rmdir => {
                let flags = if case.op == Op::Rmdir { flags::AT_REMOVEDIR } else { 0 };
                let args = &mut [number(start), Arg::In(&path), Arg::Val(flags as usize)];
                done(sys(kernel, Sysno::Unlinkat, args))
            }
            Op::Mkdir => {
                done(sys(kernel, Sysno::Mkdirat, &mut [number(start), Arg::In(&path), Arg::Val(0o750)]))
            }
            Op::Symlink(text) => {
                let text = [text, &b"\0"[..]].concat();
                done(sys(kernel, Sysno::Symlinkat, &mut [Arg::In(&text), number(start), Arg::In(&path)]))
            }
            Op::Rename { to } => {
                let to = [to, &b"\0"[..]].concat();
                let args = &mut [number(start), Arg::In(&path), number(start), Arg::In(&to)];
                done(sys(kernel, Sysno::Renameat, args))
            }
            Op::ExpandAndCreate => {
                self.open(start, &case.path, flags::O_CREAT | flags::O_WRONLY | NONBLOCK, 0o600, false)
            }
            Op::ExpandAndMkdir => {
                done(sys(kernel, Sysno::Mkdirat, &mut [number(start), Arg::In(&path), Arg::Val(0o700)]))
            }
        }
    }
}

impl<K: Kernel> Subject for Rooted<'_, K> {
    fn make(&mut self, case: &Case) -> Seen {
        seen(self.try_make(case))
    }
}
