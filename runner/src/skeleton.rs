//! `--init-prefix`: the directories, links and files of a macOS root that programs expect before anything is installed.
//!
//! What is there already stays as it is, so it can be run again. The layout is a macOS system's (`man 7 hier`), with the
//! system's volatile directories in `/private`; `/Volumes/SystemRoot` is where the Linux root appears
//! ([`xnu_core::vchroot`]), and `/dev` leads there, since devices cannot be made without privileges.

use std::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Directories, parents first, with their modes.
const DIRECTORIES: &[(&str, u32)] = &[
    ("Applications", 0o775),
    ("Library", 0o755),
    ("Library/Caches", 0o1777),
    ("Library/Frameworks", 0o755),
    ("Library/Preferences", 0o755),
    ("System", 0o755),
    ("System/Library", 0o755),
    ("System/Library/Frameworks", 0o755),
    ("System/Library/PrivateFrameworks", 0o755),
    ("Users", 0o755),
    ("Users/Shared", 0o1777),
    ("Volumes", 0o755),
    ("Volumes/SystemRoot", 0o755),
    ("bin", 0o755),
    ("cores", 0o1775),
    ("opt", 0o755),
    ("private", 0o755),
    ("private/etc", 0o755),
    ("private/tmp", 0o1777),
    ("private/var", 0o755),
    ("private/var/db", 0o755),
    ("private/var/empty", 0o555),
    ("private/var/folders", 0o755),
    ("private/var/log", 0o755),
    ("private/var/root", 0o750),
    ("private/var/run", 0o775),
    ("private/var/tmp", 0o1777),
    ("sbin", 0o755),
    ("usr", 0o755),
    ("usr/bin", 0o755),
    ("usr/lib", 0o755),
    ("usr/lib/system", 0o755),
    ("usr/libexec", 0o755),
    ("usr/local", 0o755),
    ("usr/local/bin", 0o755),
    ("usr/local/lib", 0o755),
    ("usr/sbin", 0o755),
    ("usr/share", 0o755),
];

/// Links and their targets.
const LINKS: &[(&str, &str)] = &[
    ("etc", "private/etc"),
    ("tmp", "private/tmp"),
    ("var", "private/var"),
    ("dev", "Volumes/SystemRoot/dev"),
    ("Volumes/Macintosh HD", "/"),
    ("private/etc/resolv.conf", "/Volumes/SystemRoot/etc/resolv.conf"),
    ("private/etc/localtime", "/Volumes/SystemRoot/etc/localtime"),
];

/// Files and their contents: the accounts that every macOS has, and the names of this machine.
const FILES: &[(&str, &str)] = &[
    (
        "private/etc/passwd",
        "nobody:*:-2:-2:Unprivileged User:/var/empty:/usr/bin/false\n\
         root:*:0:0:System Administrator:/var/root:/bin/sh\n\
         daemon:*:1:1:System Services:/var/root:/usr/bin/false\n",
    ),
    (
        "private/etc/group",
        "nobody:*:-2:\nwheel:*:0:root\ndaemon:*:1:root\nadmin:*:80:root\nstaff:*:20:root\n",
    ),
    ("private/etc/hosts", "127.0.0.1\tlocalhost\n255.255.255.255\tbroadcasthost\n::1\tlocalhost\n"),
    ("private/etc/shells", "/bin/bash\n/bin/sh\n/bin/zsh\n"),
];

/// Why the skeleton is not complete.
#[derive(Debug)]
pub struct Error {
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: cannot be made: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for Error {}

/// Makes what is missing below `prefix`, and `prefix` itself; answers how many things were made.
///
/// # Errors
/// Something that is missing cannot be made; what was made before stays.
pub fn make(prefix: &Path) -> Result<usize, Error> {
    let mut made = 0;
    let mut count = |path: PathBuf, result: io::Result<()>| match result {
        Ok(()) => {
            made += 1;
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Error { path, error }),
    };
    count(prefix.to_path_buf(), DirBuilder::new().mode(0o755).create(prefix))?;
    for (name, mode) in DIRECTORIES {
        let path = prefix.join(name);
        let result = fs::create_dir(&path)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(*mode)));
        count(path, result)?;
    }
    for (name, target) in LINKS {
        let path = prefix.join(name);
        let result = symlink(target, &path);
        count(path, result)?;
    }
    for (name, contents) in FILES {
        let path = prefix.join(name);
        let result = write_new(&path, contents);
        count(path, result)?;
    }
    Ok(made)
}

fn write_new(path: &Path, contents: &str) -> io::Result<()> {
    use io::Write;
    fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(contents.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parent_comes_before_its_children() {
        for (at, (name, _)) in DIRECTORIES.iter().enumerate() {
            if let Some((parent, _)) = name.rsplit_once('/') {
                assert!(DIRECTORIES[..at].iter().any(|(earlier, _)| *earlier == parent), "{name}");
            }
        }
    }
}
