//! The objects that calls are made on.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Something in the tree.
pub(crate) struct Object {
    pub(crate) name: &'static str,
}

macro_rules! objects {
    ($($name:literal)*) => {
        pub(crate) const OBJECTS: &[Object] = &[$(Object { name: $name }),*];
    };
}

objects! {
    "own" "theirs" "secret" "sealed" "set-id" "others-group" "directory" "directory/child" "directory-set-id" "link"
    "link-to-theirs" "link-to-directory" "link-to-directory/child" "dangling" "loop" "loop/below" "fifo" "missing"
    "missing/below" "own/below" "own/" "directory/" "directory/.." "locked" "locked/child" "attributes"
}

/// The user that scenarios are run as beside root.
const PLAIN: u32 = 1000;

/// A tree of its own for one run, removed afterwards.
pub(crate) struct Tree {
    root: PathBuf,
}

pub(crate) fn is_root() -> bool {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Makes the calling thread, and it alone, an ordinary user.
pub(crate) fn become_plain() {
    // The system calls themselves: libc's functions change all threads.
    // SAFETY: the calls take numbers, and no list where its length is 0.
    let done = unsafe {
        libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) == 0
            && libc::syscall(libc::SYS_setresgid, PLAIN, PLAIN, PLAIN) == 0
            && libc::syscall(libc::SYS_setresuid, PLAIN, PLAIN, PLAIN) == 0
    };
    assert!(done, "{}", std::io::Error::last_os_error());
}

impl Tree {
    pub(crate) fn new(side: &str) -> Tree {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("twins-{}-{number}-{side}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let tree = Tree { root };
        tree.furnish().expect("a tree in the temporary directory");
        tree
    }

    fn furnish(&self) -> std::io::Result<()> {
        let at = |name: &str| self.root.join(name);
        let own = |name: &str, uid: u32, gid: u32, mode: u32| {
            if is_root() {
                chown(at(name), Some(uid), Some(gid))?;
            }
            fs::set_permissions(at(name), fs::Permissions::from_mode(mode))
        };
        fs::create_dir(&self.root)?;
        fs::set_permissions(&self.root, fs::Permissions::from_mode(0o755))?;
        for name in ["directory", "directory-set-id", "locked"] {
            fs::create_dir(at(name))?;
        }
        let files = [
            "own",
            "theirs",
            "secret",
            "sealed",
            "set-id",
            "others-group",
            "directory/child",
            "locked/child",
            "attributes",
        ];
        for name in files {
            fs::write(at(name), b"hello")?;
        }
        for (link, target) in [
            ("link", "own"),
            ("link-to-theirs", "theirs"),
            ("link-to-directory", "directory"),
            ("dangling", "nowhere"),
            ("loop", "loop"),
        ] {
            symlink(target, at(link))?;
        }
        let fifo = CString::new(at("fifo").into_os_string().into_encoded_bytes()).expect("no NUL in it");
        let name = CString::new("user.there").expect("no NUL in it");
        let attributes =
            CString::new(at("attributes").into_os_string().into_encoded_bytes()).expect("no NUL");
        // SAFETY: the strings live until the calls return, and the value is 5 bytes long.
        unsafe {
            libc::mkfifo(fifo.as_ptr(), 0o644);
            libc::setxattr(attributes.as_ptr(), name.as_ptr(), b"value".as_ptr().cast(), 5, 0);
        }
        own("own", PLAIN, PLAIN, 0o644)?;
        own("theirs", 0, 0, 0o644)?;
        own("secret", 0, 0, 0o600)?;
        own("sealed", PLAIN, PLAIN, 0)?;
        own("set-id", PLAIN, PLAIN, 0o6755)?;
        own("others-group", PLAIN, 7, 0o644)?;
        own("directory/child", PLAIN, PLAIN, 0o644)?;
        own("directory", PLAIN, PLAIN, 0o755)?;
        own("directory-set-id", PLAIN, PLAIN, 0o6755)?;
        own("fifo", PLAIN, PLAIN, 0o644)?;
        own("locked/child", PLAIN, PLAIN, 0o644)?;
        own("locked", 0, 0, 0o700)?;
        own("attributes", PLAIN, PLAIN, 0o644)
    }

    /// The path of an object.
    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.root.display())
    }

    /// What is left of the tree: type and mode, owner, size, and the time of modification if a call set it.
    pub(crate) fn snapshot(&self) -> Vec<String> {
        let mut lines = Vec::new();
        list(&self.root, Path::new(""), &mut lines);
        lines.sort();
        lines
    }
}

fn list(root: &Path, below: &Path, lines: &mut Vec<String>) {
    let directory = root.join(below);
    let Ok(entries) = fs::read_dir(&directory) else { return };
    for entry in entries.flatten() {
        let path = below.join(entry.file_name());
        let Ok(data) = fs::symlink_metadata(root.join(&path)) else { continue };
        let set = |time: i64| if time < 1_000_000 { time } else { 0 };
        lines.push(format!(
            "{} {:o} {}:{} {} {} {}",
            path.display(),
            data.mode(),
            data.uid(),
            data.gid(),
            if data.is_dir() { 0 } else { data.size() },
            set(data.atime()),
            set(data.mtime())
        ));
        if data.is_dir() {
            list(root, &path, lines);
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::set_permissions(self.root.join("directory"), fs::Permissions::from_mode(0o755));
        let _ = fs::remove_dir_all(&self.root);
    }
}
