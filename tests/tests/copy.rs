//! A guest copies a tree; Linux's own calls say whether the copy is the same.
//!
//! # Safety
//! The calls of libc take strings that end with a NUL, and buffers with their lengths.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};
use xnu_tests::guests::{Scratch, run_guest};

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path without NUL")
}

/// Whether the file system has room for attributes of users.
fn set_attribute(path: &Path, name: &str, value: &[u8]) -> bool {
    let (at, name) = (c_path(path), CString::new(name).expect("a name without NUL"));
    // SAFETY: see the module.
    let result = unsafe { libc::setxattr(at.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    if result == 0 {
        return true;
    }
    let error = std::io::Error::last_os_error();
    assert_eq!(error.raw_os_error(), Some(libc::ENOTSUP), "{error}");
    false
}

/// The attributes that a guest sees, with their values.
fn attributes(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let at = c_path(path);
    let mut names = [0u8; 4096];
    // SAFETY: see the module.
    let length = unsafe { libc::llistxattr(at.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    let names = &names[..usize::try_from(length).unwrap_or(0)];
    let mut found: Vec<_> = names
        .split_inclusive(|byte| *byte == 0)
        .filter(|name| name.starts_with(b"user."))
        .map(|name| {
            let mut value = vec![0u8; 65536];
            // SAFETY: see the module; each name in the list ends with a NUL.
            let length = unsafe {
                libc::lgetxattr(at.as_ptr(), name.as_ptr().cast(), value.as_mut_ptr().cast(), value.len())
            };
            value.truncate(usize::try_from(length).expect("an attribute that was listed"));
            (name.to_vec(), value)
        })
        .collect();
    found.sort();
    found
}

/// Everything that a copy has in common with its source, a line a file.
fn describe(path: &Path, below: &Path, lines: &mut Vec<String>) {
    let metadata = path.symlink_metadata().expect("a file that is there");
    let kind = metadata.file_type();
    let mut line = format!("{:?} {:o}", path.strip_prefix(below).expect("below"), metadata.mode());
    if kind.is_symlink() {
        line += &format!(" -> {:?}", fs::read_link(path).expect("a link"));
    } else if !kind.is_fifo() {
        line += &format!(" {}.{:09} {:?}", metadata.mtime(), metadata.mtime_nsec(), attributes(path));
    }
    if kind.is_file() {
        let content = fs::read(path).expect("a file that may be read");
        let sum = content.iter().fold(0u64, |sum, byte| sum.rotate_left(5) ^ u64::from(*byte));
        line += &format!(" {} bytes, {sum:x}", content.len());
    }
    lines.push(line);
    if kind.is_dir() {
        for entry in fs::read_dir(path).expect("a directory").flatten() {
            describe(&entry.path(), below, lines);
        }
    }
}

fn described(path: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(path).expect("a directory").flatten() {
        describe(&entry.path(), path, &mut lines);
    }
    lines.sort();
    lines
}

/// Some of everything; whether there are attributes in it.
fn make(top: &Path) -> bool {
    let deep = top.join("a/b/c/d/e/f");
    fs::create_dir_all(&deep).expect("a fresh directory");
    for (name, length) in [("empty", 0), ("one", 1), ("page", 4096), ("large", 1_000_003)] {
        let content: Vec<u8> = (0..length).map(|at| (at * 31 % 251) as u8).collect();
        fs::write(deep.join(name), content).expect("a fresh file");
    }
    for index in 0..500 {
        fs::write(top.join(format!("a/{index} of many, with a rather long name")), b"x")
            .expect("a fresh file");
    }
    for name in [&b"caf\xc3\xa9"[..], b"line\nfeed", b"...", &[b'x'; 255]] {
        fs::write(top.join(std::ffi::OsString::from_vec(name.to_vec())), name).expect("a fresh file");
    }
    symlink("../a/b", top.join("a/link")).expect("a fresh link");
    symlink("nowhere/".repeat(100), top.join("a/b/dangling")).expect("a fresh link");
    let fifo = c_path(&top.join("a/fifo"));
    // SAFETY: see the module.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    let has_attributes = set_attribute(&deep, "user.com.apple.metadata:kind", b"\0binary\xff");
    if has_attributes {
        set_attribute(&deep.join("one"), "user.empty", b"");
        set_attribute(&deep.join("one"), "user.long", &[7; 1500]);
    }
    for (name, mode) in [("a/b/c/d/e/f/one", 0o4751), ("a/b/c/d/e/f/page", 0o400), ("a/b/c", 0o2755)] {
        fs::set_permissions(top.join(name), Permissions::from_mode(mode)).expect("our own file");
    }
    let mut age = Duration::from_nanos(123_456_789);
    for name in ["a/b/c/d/e/f/one", "a/b/c/d/e/f/large", "a/b/c/d", "a"] {
        age += Duration::new(86_400 * 400, 1_000_000_007 % 999);
        let times = FileTimes::new().set_modified(SystemTime::now() - age);
        File::open(top.join(name)).and_then(|file| file.set_times(times)).expect("our own file");
    }
    has_attributes
}

#[test]
fn a_tree_is_copied_with_permissions_times_and_attributes() {
    let scratch = Scratch::new().expect("a scratch directory");
    let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
    fs::create_dir(&from).expect("a fresh directory");
    if !make(&from) {
        eprintln!("{}: a file system without extended attributes", from.display());
    }
    let wanted = described(&from);
    let path = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let finished = run_guest("copy", &[&path(&from), &path(&to)]);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{finished:#?}");
    assert_eq!(finished.stdout, format!("{} copied\n", wanted.len()));
    assert_eq!(described(&to), wanted);
}
