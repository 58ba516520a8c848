//! A tree of files, made the same in several places.

use super::show;
use super::subject::{open, sys};
use std::collections::HashMap;
use std::fmt;
use xnu_abi::linux::{Errno, Sysno, flags};
use xnu_core::{Arg, Kernel};

/// What a node is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// With these permissions.
    Directory(u32),
    /// With these permissions.
    File(u32),
    /// With this target.
    Link(Vec<u8>),
    /// A FIFO.
    Fifo,
}

/// A node: its path from the top, without a slash in front, and what it is. Parents come before children.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it is.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", show(&self.path))?;
        match &self.kind {
            Kind::Directory(mode) => write!(f, "/ {mode:o}"),
            Kind::File(mode) => write!(f, " {mode:o}"),
            Kind::Link(target) => write!(f, " -> {}", show(target)),
            Kind::Fifo => f.write_str(" |"),
        }
    }
}

/// A tree.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Everything but the top.
    pub nodes: Vec<Node>,
}

/// Which node an inode is: the top is 0, the first node 1.
pub type Labels = HashMap<u64, usize>;

fn with_nul(path: &[u8]) -> Vec<u8> {
    [path, b"\0"].concat()
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nodes.iter().enumerate().try_for_each(|(index, node)| writeln!(f, "{:3} {node}", index + 1))
    }
}

impl Tree {
    /// The paths of all directories, the top's being empty.
    pub fn directories(&self) -> Vec<&[u8]> {
        let below = self.nodes.iter().filter(|node| matches!(node.kind, Kind::Directory(_)));
        std::iter::once(&b""[..]).chain(below.map(|node| node.path.as_slice())).collect()
    }

    /// Makes the tree in an open directory, and answers which inode is which node. Permissions come last, so that
    /// everything can be made.
    ///
    /// # Panics
    /// Something cannot be made.
    pub fn make<K: Kernel>(&self, kernel: &K, top: i32) -> Labels {
        let mut labels = HashMap::from([(inode(kernel, top, b"").expect("the top"), 0)]);
        for (index, Node { path, kind }) in self.nodes.iter().enumerate() {
            let name = with_nul(path);
            let made = match kind {
                Kind::Directory(_) => {
                    sys(kernel, Sysno::Mkdirat, &mut [fd(top), Arg::In(&name), Arg::Val(0o700)])
                }
                Kind::File(_) => open(kernel, top, &name, flags::O_CREAT | flags::O_EXCL | 1, 0o600)
                    .and_then(|file| sys(kernel, Sysno::Close, &mut [fd(file)])),
                Kind::Link(target) => {
                    let target = with_nul(target);
                    sys(kernel, Sysno::Symlinkat, &mut [Arg::In(&target), fd(top), Arg::In(&name)])
                }
                Kind::Fifo => sys(
                    kernel,
                    Sysno::Mknodat,
                    &mut [fd(top), Arg::In(&name), Arg::Val(0o010600), Arg::Val(0)],
                ),
            };
            assert!(made.is_ok(), "{}: {made:?}", show(path));
            labels.insert(inode(kernel, top, path).expect("what was made"), index + 1);
        }
        for Node { path, kind } in self.nodes.iter().rev() {
            if let Kind::Directory(mode) | Kind::File(mode) = kind {
                let name = with_nul(path);
                let changed =
                    sys(kernel, Sysno::Fchmodat, &mut [fd(top), Arg::In(&name), Arg::Val(*mode as usize)]);
                assert!(changed.is_ok(), "{}: {changed:?}", show(path));
            }
        }
        labels
    }
}

fn fd(number: i32) -> Arg<'static> {
    Arg::Val(number as isize as usize)
}

/// The inode of what a path leads to, the last link not followed; of the directory itself where the path is empty.
///
/// # Errors
/// Linux's.
pub fn inode<K: Kernel>(kernel: &K, directory: i32, path: &[u8]) -> Result<u64, Errno> {
    stat(kernel, directory, path).map(|(inode, _)| inode)
}

/// The same, and `st_mode`.
///
/// # Errors
/// Linux's.
pub fn stat<K: Kernel>(kernel: &K, directory: i32, path: &[u8]) -> Result<(u64, u32), Errno> {
    let mut answer = [0u8; 256];
    let path = with_nul(path);
    let how = flags::AT_SYMLINK_NOFOLLOW | flags::AT_EMPTY_PATH;
    sys(
        kernel,
        Sysno::Statx,
        &mut [fd(directory), Arg::In(&path), Arg::Val(how as usize), Arg::Val(0x7ff), Arg::Out(&mut answer)],
    )?;
    let word = |at: usize, length: usize| {
        answer[at..at + length].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    };
    Ok((word(32, 8), word(28, 2) as u32))
}

/// Everything below an open directory, as lines to compare: paths, types, permissions, targets, sizes.
///
/// # Panics
/// Something cannot be read.
pub fn snapshot<K: Kernel>(kernel: &K, top: i32) -> Vec<String> {
    let mut lines = Vec::new();
    list(kernel, top, &mut Vec::new(), &mut lines);
    lines.sort();
    lines
}

fn list<K: Kernel>(kernel: &K, directory: i32, path: &mut Vec<u8>, lines: &mut Vec<String>) {
    for name in names(kernel, directory) {
        let (_, mode) = stat(kernel, directory, &name).expect("a name that was listed");
        let length = path.len();
        path.push(b'/');
        path.extend(&name);
        let mut line = format!("{} {mode:o}", path.escape_ascii());
        let text = with_nul(&name);
        match mode & flags::S_IFMT {
            flags::S_IFLNK => {
                let mut target = [0; 4096];
                let read = sys(
                    kernel,
                    Sysno::Readlinkat,
                    &mut [fd(directory), Arg::In(&text), Arg::Out(&mut target), Arg::Val(4096)],
                );
                line += &format!(" -> {}", target[..read.expect("a link")].escape_ascii());
            }
            flags::S_IFDIR => {
                let open_up = [fd(directory), Arg::In(&text), Arg::Val(0o700)];
                sys(kernel, Sysno::Fchmodat, &mut { open_up }).expect("our own directory");
                let below = open(kernel, directory, &text, flags::O_DIRECTORY, 0).expect("a directory");
                list(kernel, below, path, lines);
                sys(kernel, Sysno::Close, &mut [fd(below)]).expect("an open directory");
            }
            _ => {}
        }
        lines.push(line);
        path.truncate(length);
    }
}

/// The names in an open directory.
fn names<K: Kernel>(kernel: &K, directory: i32) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let mut bytes = [0u8; 8192];
    loop {
        let length =
            sys(kernel, Sysno::Getdents64, &mut [fd(directory), Arg::Out(&mut bytes), Arg::Val(8192)])
                .expect("a directory");
        if length == 0 {
            return names;
        }
        let mut at = 0;
        while at < length {
            let size = usize::from(u16::from_le_bytes([bytes[at + 16], bytes[at + 17]]));
            let name = &bytes[at + 19..at + size];
            let name = &name[..name.iter().position(|byte| *byte == 0).unwrap_or(name.len())];
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
            at += size;
        }
    }
}

/// Opens a place to start from.
///
/// # Panics
/// It is not there.
pub fn place<K: Kernel>(kernel: &K, directory: i32, path: &[u8]) -> i32 {
    let text = if path.is_empty() { b".\0".to_vec() } else { with_nul(path) };
    let named = flags::O_PATH | flags::O_NOFOLLOW | flags::O_CLOEXEC;
    open(kernel, directory, &text, named, 0)
        .unwrap_or_else(|error| panic!("{} from {directory}: {error}", show(path)))
}
