//! Helpers with which a test furnishes the file tree. They act as root and leave no trace in the log.

use crate::descriptor::{Dentry, FileOwner, OpenFile};
use crate::fs::inode::{Body, Content, DEVTMPFS_DEV, Device, Directory, Ino, Magic, PROC_DEV};
use crate::lock::{Lock, Owner};
use crate::mock::Mock;
use crate::pipe::Pipe;
use crate::process::Credentials;
use crate::state::State;
use linux_raw_sys::general::{AT_FDCWD, O_RDWR};

/// Splits a path into its parent and last component.
fn split(path: &str) -> (&str, &str) {
    let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
    (if parent.is_empty() { "/" } else { parent }, name)
}

impl Mock {
    /// Runs with root's credentials and no umask.
    fn as_root<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let credentials = std::mem::replace(&mut state.process.credentials, Credentials::root());
        let umask = std::mem::replace(&mut state.process.umask, 0);
        let result = f(&mut state);
        state.process.credentials = credentials;
        state.process.umask = umask;
        result
    }

    fn add(&self, path: &str, body: Body, perm: u32) -> Ino {
        self.as_root(|state| {
            let (parent, name) = split(path);
            let dir = state.find(parent);
            let body = match body {
                Body::Directory(_) => Body::Directory(Directory::new(dir)),
                other => other,
            };
            let ino = state.make_in(dir, body, perm);
            let taken = state.child(dir, name.as_bytes()).ok().flatten().is_some();
            assert!(!taken, "{path} exists already");
            state.attach(dir, name.as_bytes(), ino).unwrap_or_else(|errno| panic!("{path}: {errno}"));
            ino
        })
    }

    /// Makes a file, mode 0644, owned by root.
    ///
    /// # Panics
    /// Here as in all of these helpers: when the parent is missing or the name is taken.
    pub fn add_file(&self, path: &str, bytes: &[u8]) {
        let mut content = Content::default();
        content.write(0, bytes);
        self.add(path, Body::File(content), 0o644);
    }

    /// Makes a directory, mode 0755, owned by root.
    pub fn add_dir(&self, path: &str) {
        self.add(path, Body::Directory(Directory::new(0)), 0o755);
    }

    /// Makes a symbolic link.
    pub fn add_symlink(&self, path: &str, target: &str) {
        self.add(path, Body::Symlink(target.as_bytes().to_vec()), 0o777);
    }

    /// Makes a fifo, mode 0644, owned by root.
    pub fn add_fifo(&self, path: &str) {
        self.add(path, Body::Fifo(Pipe::new()), 0o644);
    }

    /// Sets permission bits.
    pub fn set_mode(&self, path: &str, mode: u32) {
        self.as_root(|state| {
            let ino = state.find(path);
            state.inodes.get_mut(ino).perm = mode & 0o7777;
        });
    }

    /// Sets the owner.
    pub fn set_owner(&self, path: &str, uid: u32, gid: u32) {
        self.as_root(|state| {
            let ino = state.find(path);
            let inode = state.inodes.get_mut(ino);
            (inode.uid, inode.gid) = (uid, gid);
        });
    }

    /// Gives a file an extended attribute, whatever its namespace.
    pub fn set_xattr(&self, path: &str, name: &str, value: &[u8]) {
        self.as_root(|state| {
            let ino = state.find(path);
            state.inodes.get_mut(ino).xattrs.insert(name.into(), value.to_vec());
        });
    }

    /// The contents of a regular file, links followed; `None` when there is none.
    pub fn contents(&self, path: &str) -> Option<Vec<u8>> {
        self.as_root(|state| {
            let found = state.lookup(AT_FDCWD, path.as_bytes(), true, false).ok()?;
            match &state.inodes.get(found.ino).body {
                Body::File(content) => Some(content.read(0, usize::MAX)),
                _ => None,
            }
        })
    }

    /// Whether a name exists, links not followed.
    pub fn exists(&self, path: &str) -> bool {
        self.as_root(|state| state.lookup(AT_FDCWD, path.as_bytes(), false, false).is_ok())
    }

    /// From now on a fork goes on as the child; else as the parent.
    pub fn fork_into_child(&self) {
        self.state().process.forks_into_child = true;
    }

    /// Makes the process see only what lies below a directory, as `chroot` and `chdir` do.
    pub fn set_root(&self, path: &str) {
        self.as_root(|state| {
            let ino = state.find(path);
            (state.process.root, state.process.cwd) = (ino, ino);
        });
    }

    /// Takes a record lock on bytes `start..end` of a file in the name of another process.
    pub fn hold_lock(&self, path: &str, pid: i32, write: bool, start: u64, end: u64) {
        self.as_root(|state| {
            let ino = state.find(path);
            state.inodes.get_mut(ino).locks.push(Lock { owner: Owner::Process(pid), write, start, end });
        });
    }

    /// Inodes in existence: a run that leaks none ends with as many as it began with.
    pub fn inode_count(&self) -> usize {
        self.state().inodes.iter().count()
    }

    /// The machine that [`Mock::new`] promises.
    pub(crate) fn furnish(&self) {
        for (path, mode) in [
            ("/dev", 0o755),
            ("/etc", 0o755),
            ("/home", 0o755),
            ("/proc", 0o555),
            ("/tmp", 0o1777),
            ("/dev/shm", 0o1777),
        ] {
            self.add_dir(path);
            self.set_mode(path, mode);
        }
        self.add_dir("/home/user");
        self.set_owner("/home/user", 1000, 1000);
        self.as_root(|state| {
            let dev = state.find("/dev");
            state.inodes.get_mut(dev).dev = DEVTMPFS_DEV;
            let proc_dir = state.find("/proc");
            state.inodes.get_mut(proc_dir).dev = PROC_DEV;
        });
        let devices = [
            ("/dev/null", Device::Null),
            ("/dev/zero", Device::Zero),
            ("/dev/full", Device::Full),
            ("/dev/random", Device::Random),
            ("/dev/urandom", Device::Random),
            ("/dev/tty", Device::Tty),
        ];
        for (path, device) in devices {
            self.add(path, Body::Device(device), 0o666);
        }
        let pid = self.state().process.pid;
        self.add_symlink("/proc/self", &pid.to_string());
        let own = format!("/proc/{pid}");
        self.add_dir(&own);
        self.add(&format!("{own}/fd"), Body::ProcFd, 0o500);
        self.add(&format!("{own}/cwd"), Body::Magic(Magic::Cwd), 0o777);
        self.add(&format!("{own}/root"), Body::Magic(Magic::Root), 0o777);
        for name in ["", "/fd", "/cwd", "/root"] {
            self.set_owner_of_link(&format!("{own}{name}"));
        }
        self.as_root(|state| {
            state.process.proc_dir = state.find(&own);
            let tty = state.find("/dev/tty");
            let dentry = Dentry::new(state.find("/dev"), b"tty");
            let file = OpenFile {
                ino: tty,
                dentry,
                flags: O_RDWR,
                pos: 0,
                readable: true,
                writable: true,
                linkable: false,
                awaits_writer: None,
                owner: FileOwner::default(),
            };
            for fd in 0..3 {
                state.descriptors.install(fd, file.clone(), false);
            }
            let home = state.find("/home/user");
            state.process.cwd = home;
        });
        let mut state = self.state();
        state.process.credentials = Credentials::user(1000, 1000);
    }

    fn set_owner_of_link(&self, path: &str) {
        self.as_root(|state| {
            if let Ok(found) = state.lookup(AT_FDCWD, path.as_bytes(), false, false) {
                let inode = state.inodes.get_mut(found.ino);
                (inode.uid, inode.gid) = (1000, 1000);
            }
        });
    }
}

impl State {
    fn find(&mut self, path: &str) -> Ino {
        let found = self.lookup(AT_FDCWD, path.as_bytes(), true, false);
        found.unwrap_or_else(|errno| panic!("{path}: {errno}")).ino
    }
}
