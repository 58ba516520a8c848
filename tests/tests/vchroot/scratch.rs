//! A directory for a test.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs};

/// An empty directory that is removed at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Memory is sooner written than a disk. The path as Linux has it: a directory may be behind a link.
        let name = format!("vchroot-{}-{count}-{name}", std::process::id());
        let parents = [PathBuf::from("/dev/shm"), env::temp_dir()];
        let path = parents
            .iter()
            .filter_map(|parent| parent.canonicalize().ok())
            .map(|parent| parent.join(&name))
            .find(|path| fs::create_dir(path).is_ok())
            .expect("a place for files");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own directory");
        Scratch(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        open_up(&self.0);
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Directories that nobody may enter are among what is left.
fn open_up(directory: &Path) {
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}
