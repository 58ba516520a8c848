//! `openat` and `openat2`.

use super::inode::{Body, Device, Ino};
use super::walk::{Found, Last};
use super::{READ, WRITE};
use crate::args::Args;
use crate::descriptor::{Dentry, FileOwner, OpenFile};
use crate::layout::field;
use crate::state::{Answer, State};
use linux_raw_sys::general::{
    FASYNC, O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECT, O_DIRECTORY, O_EXCL, O_LARGEFILE, O_NOATIME, O_NOCTTY,
    O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, O_SYNC, O_TMPFILE, O_TRUNC, O_WRONLY, RESOLVE_BENEATH,
    RESOLVE_CACHED, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV, open_how,
};
use xnu_abi::linux::Errno;

const O_ACCMODE: u32 = 3;
/// `VALID_OPEN_FLAGS` of `include/linux/fcntl.h`. `O_LARGEFILE` is set for every 64-bit caller.
const VALID_FLAGS: u32 = O_ACCMODE
    | O_CREAT
    | O_EXCL
    | O_NOCTTY
    | O_TRUNC
    | O_APPEND
    | O_NONBLOCK
    | O_SYNC
    | FASYNC
    | O_DIRECT
    | O_LARGEFILE
    | O_DIRECTORY
    | O_NOFOLLOW
    | O_NOATIME
    | O_CLOEXEC
    | O_PATH
    | O_TMPFILE;
const VALID_RESOLVE: u64 = (RESOLVE_NO_XDEV
    | RESOLVE_NO_MAGICLINKS
    | RESOLVE_NO_SYMLINKS
    | RESOLVE_BENEATH
    | RESOLVE_IN_ROOT
    | RESOLVE_CACHED) as u64;

/// Flags and mode after the checks of `build_open_flags`.
struct How {
    flags: u32,
    mode: u32,
    resolve: u32,
    /// What the opener wants of the permission bits.
    access: u32,
}

impl How {
    fn new(mut flags: u32, mode: u32, resolve: u32) -> Result<How, Errno> {
        if flags & O_PATH != 0 {
            flags &= O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
        }
        let tmpfile = flags & (O_TMPFILE & !O_DIRECTORY) != 0;
        if tmpfile && (flags & (O_DIRECTORY | O_CREAT) != O_DIRECTORY || flags & O_ACCMODE == O_RDONLY) {
            return Err(Errno::EINVAL);
        }
        if flags & (O_DIRECTORY | O_CREAT) == O_DIRECTORY | O_CREAT {
            return Err(Errno::EINVAL);
        }
        let mut access = [READ, WRITE, READ | WRITE, READ | WRITE][(flags & O_ACCMODE) as usize];
        if flags & O_TRUNC != 0 {
            access |= WRITE;
        }
        if flags & O_PATH != 0 {
            access = 0;
        }
        Ok(How {
            flags,
            mode: if flags & O_CREAT != 0 || tmpfile { mode & 0o7777 } else { 0 },
            resolve,
            access,
        })
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag == flag
    }

    fn follows(&self) -> bool {
        !self.has(O_NOFOLLOW) && !self.has(O_CREAT | O_EXCL)
    }
}

impl State {
    pub(crate) fn openat(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let how = How::new(a.uint(2) & VALID_FLAGS | O_LARGEFILE, a.uint(3), 0)?;
        let path = a.path(&self.memory, 1)?;
        self.open(a.int(0), &path, how)
    }

    pub(crate) fn openat2(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let size = a.num(3) as usize;
        if size < size_of::<open_how>() {
            return Err(Errno::EINVAL);
        }
        if size > 4096 {
            return Err(Errno::E2BIG);
        }
        let bytes = a.read(&self.memory, 2, size)?;
        if bytes[size_of::<open_how>()..].iter().any(|&byte| byte != 0) {
            return Err(Errno::E2BIG);
        }
        let flags = field!(bytes, open_how, flags);
        let mode = field!(bytes, open_how, mode);
        let resolve = field!(bytes, open_how, resolve);
        let makes = flags & u64::from(O_CREAT | (O_TMPFILE & !O_DIRECTORY)) != 0;
        let scopes = u64::from(RESOLVE_BENEATH | RESOLVE_IN_ROOT);
        if flags & !u64::from(VALID_FLAGS) != 0
            || resolve & !VALID_RESOLVE != 0
            || resolve & scopes == scopes
            || if makes { mode & !0o7777 != 0 } else { mode != 0 }
        {
            return Err(Errno::EINVAL);
        }
        let path_flags = u64::from(O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC);
        if flags & u64::from(O_PATH) != 0 && flags & !path_flags != 0 {
            return Err(Errno::EINVAL);
        }
        let how = How::new(flags as u32 | O_LARGEFILE, mode as u32, resolve as u32)?;
        if resolve & u64::from(RESOLVE_CACHED) != 0 && (makes || how.has(O_TRUNC)) {
            return Err(Errno::EAGAIN);
        }
        let path = a.path(&self.memory, 1)?;
        self.open(a.int(0), &path, how)
    }

    fn open(&mut self, dfd: i32, path: &[u8], how: How) -> Answer {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        // Linux takes the number before it looks for the file.
        let fd = self.descriptors.lowest(0, self.process.nofile())?;
        let (found, created) = self.open_lookup(dfd, path, &how)?;
        if !how.has(O_PATH) {
            self.open_checks(&found, created, &how)?;
        }
        let access = if how.has(O_PATH) {
            0
        } else {
            [READ, WRITE, READ | WRITE, 0][(how.flags & O_ACCMODE) as usize]
        };
        let file = OpenFile {
            ino: found.ino,
            dentry: found.dentry.clone(),
            flags: how.flags & !(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC),
            pos: 0,
            readable: access & READ != 0,
            writable: access & WRITE != 0,
            awaits_writer: if how.has(O_PATH) { None } else { self.count_fifo_open(found.ino, access) },
            owner: FileOwner::default(),
            linkable: how.has(O_TMPFILE) && !how.has(O_EXCL),
        };
        self.descriptors.install(fd, file, how.has(O_CLOEXEC));
        Ok(fd as usize)
    }

    /// Finds or makes the file; says whether it was made.
    fn open_lookup(&mut self, dfd: i32, path: &[u8], how: &How) -> Result<(Found, bool), Errno> {
        let mut walk = self.walk(dfd, path, how.resolve)?;
        if how.has(O_TMPFILE) {
            return self.open_tmpfile(walk, how);
        }
        if !how.has(O_CREAT) {
            let found = self.walk_all(&mut walk, how.follows())?;
            if how.has(O_DIRECTORY) && !self.inodes.get(found.ino).is_dir() {
                return Err(Errno::ENOTDIR);
            }
            return Ok((found, false));
        }
        loop {
            let parent = self.walk_parent(&mut walk)?;
            if let Last::Normal(name) = &parent.last {
                if parent.slash {
                    return Err(Errno::EISDIR);
                }
                if self.child(parent.dir, name)?.is_none() {
                    self.may_create(parent.dir)?;
                    let perm = how.mode & !self.process.umask;
                    let ino = self.make_in(parent.dir, Body::File(Default::default()), perm);
                    self.attach(parent.dir, name, ino)?;
                    return Ok((Found { ino, dentry: Dentry::new(parent.dir, name) }, true));
                }
            }
            if let Some(found) = self.walk_last(&mut walk, &parent, how.follows())? {
                return Ok((found, false));
            }
        }
    }

    fn open_tmpfile(&mut self, mut walk: super::walk::Walk, how: &How) -> Result<(Found, bool), Errno> {
        let dir = self.walk_all(&mut walk, how.follows())?.ino;
        if !self.inodes.get(dir).is_dir() {
            return Err(Errno::ENOTDIR);
        }
        self.may_create(dir)?;
        let perm = how.mode & !self.process.umask;
        let ino = self.make_in(dir, Body::File(Default::default()), perm);
        let dentry = Dentry { deleted: true, ..Dentry::new(dir, format!("#{ino}").as_bytes()) };
        Ok((Found { ino, dentry }, true))
    }

    /// `do_open` of `fs/namei.c`: what may be opened how, then truncation.
    fn open_checks(&mut self, found: &Found, created: bool, how: &How) -> Result<(), Errno> {
        let inode = self.inodes.get(found.ino);
        if how.has(O_CREAT) && !created {
            if how.has(O_EXCL) {
                return Err(Errno::EEXIST);
            }
            if inode.is_dir() {
                return Err(Errno::EISDIR);
            }
            self.may_open_in_sticky(found.dentry.parent, found.ino)?;
        }
        if inode.is_link() {
            return Err(Errno::ELOOP);
        }
        if inode.is_dir() && how.access & WRITE != 0 {
            return Err(Errno::EISDIR);
        }
        if !created {
            self.may(found.ino, how.access)?;
        }
        if how.has(O_NOATIME) && !self.owns(found.ino) {
            return Err(Errno::EPERM);
        }
        match &self.inodes.get(found.ino).body {
            Body::Socket | Body::Device(Device::Other { .. }) => return Err(Errno::ENXIO),
            Body::Fifo(_) => self.open_fifo(found.ino, how)?,
            _ => {}
        }
        if how.has(O_TRUNC)
            && !created
            && let Some(content) = self.inodes.get_mut(found.ino).file()
        {
            content.set_len(0);
            self.kill_set_ids(found.ino);
            self.touch(found.ino);
        }
        Ok(())
    }

    /// An end without a peer would wait for it: `EAGAIN`, or what `O_NONBLOCK` says.
    fn open_fifo(&self, ino: Ino, how: &How) -> Result<(), Errno> {
        let nonblock = how.has(O_NONBLOCK);
        match how.flags & O_ACCMODE {
            O_ACCMODE => Err(Errno::EINVAL),
            O_RDONLY if !nonblock && !self.descriptors.has_writer(ino) => Err(Errno::EAGAIN),
            O_WRONLY if !self.descriptors.has_reader(ino) => {
                Err(if nonblock { Errno::ENXIO } else { Errno::EAGAIN })
            }
            _ => Ok(()),
        }
    }

    /// Counts writers; for a reader without one, answers how many there were.
    fn count_fifo_open(&mut self, ino: Ino, access: u32) -> Option<u64> {
        let has_writer = self.descriptors.has_writer(ino);
        let pipe = self.inodes.get_mut(ino).pipe()?;
        if access & WRITE != 0 {
            pipe.writer_opens += 1;
        }
        (access == READ && !has_writer).then_some(pipe.writer_opens)
    }
}
