//! Trees with links that go everywhere, and paths that have a fair chance to lead somewhere.

use super::Dice;
use super::subject::{Case, Op};
use super::tree::{Kind, Node, Tree};
use xnu_abi::linux::flags;
use xnu_core::vchroot::Links;

/// What trees and paths are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Words {
    /// Names that differ only in case or normal form as well.
    pub twins: bool,
    /// Directories and files without some permissions.
    pub modes: bool,
}

const NAMES: &[&[u8]] =
    &[b"a", b"b", b"c", b"d", b"e.x", b"f f", b"\n", "\u{e9}".as_bytes(), b"\xff\xfe", b"..."];
const TWINS: &[&[u8]] = &[b"A", b"B", "e\u{301}".as_bytes(), "\u{c9}".as_bytes()];
const STARTS: usize = 5;

/// Makes the tree, and then cases.
pub struct Generator<'d, D> {
    dice: &'d mut D,
    words: Words,
    names: Vec<Vec<u8>>,
}

impl<'d, D: Dice> Generator<'d, D> {
    /// A generator of such trees and paths.
    pub fn new(dice: &'d mut D, words: Words) -> Generator<'d, D> {
        let mut names: Vec<Vec<u8>> = NAMES.iter().map(|name| name.to_vec()).collect();
        names.push(vec![b'x'; 255]);
        if words.twins {
            names.extend(TWINS.iter().map(|name| name.to_vec()));
        }
        // Few names, so that paths find them.
        let wanted = 4 + dice.below(4);
        while names.len() > wanted {
            let unwanted = dice.below(names.len());
            names.swap_remove(unwanted);
        }
        Generator { dice, words, names }
    }

    /// A generator of paths in a tree that has all the names.
    pub fn with_all_names(dice: &'d mut D, words: Words) -> Generator<'d, D> {
        Generator { dice, words, names: NAMES.iter().map(|name| name.to_vec()).collect() }
    }

    fn name(&mut self) -> Vec<u8> {
        let index = self.dice.below(self.names.len());
        self.names[index].clone()
    }

    /// A tree of up to 40 nodes.
    pub fn tree(&mut self) -> Tree {
        let mut tree = Tree::default();
        let count = 8 + self.dice.below(32);
        for _ in 0..count {
            let parent = {
                let directories = tree.directories();
                directories[self.dice.below(directories.len())].to_vec()
            };
            let mut path = parent;
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend(self.name());
            if path.len() > 900 || tree.nodes.iter().any(|node| node.path == path) {
                continue;
            }
            let kind = match self.dice.below(20) {
                0..8 => Kind::Directory(self.mode(0o755, &[0, 0o400, 0o100, 0o311])),
                8..11 => Kind::File(self.mode(0o644, &[0, 0o200])),
                11 => Kind::Fifo,
                _ => Kind::Link(self.target()),
            };
            tree.nodes.push(Node { path, kind });
        }
        tree
    }

    fn mode(&mut self, usual: u32, odd: &[u32]) -> u32 {
        if self.words.modes && self.dice.chance(15) { self.dice.pick(odd) } else { usual }
    }

    /// What a link says. Long targets are the corner tests' business.
    fn target(&mut self) -> Vec<u8> {
        let mut target = self.path();
        target.truncate(600);
        if target.is_empty() { b".".to_vec() } else { target }
    }

    /// A path of up to nine components.
    pub fn path(&mut self) -> Vec<u8> {
        let mut path = Vec::new();
        if self.dice.chance(45) {
            path.extend(&b"///"[..1 + self.dice.below(20) / 18]);
        }
        let count = self.dice.pick(&[0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 8]);
        for index in 0..count {
            if index > 0 {
                path.extend(&b"///"[..1 + self.dice.below(20) / 18]);
            }
            match self.dice.below(40) {
                0..3 => path.push(b'.'),
                3..11 => path.extend(b".."),
                11 => path.extend([b'y'; 256]),
                12 => path.extend(b"nowhere"),
                _ => path.extend(self.name()),
            }
        }
        if self.dice.chance(10) {
            path.push(b'/');
        }
        path.truncate(1000);
        path
    }

    /// A call on a path.
    pub fn case(&mut self) -> Case {
        let op = match self.dice.below(40) {
            0..6 => Op::Stat(self.links()),
            6..12 => Op::Expand { follow: self.dice.chance(60) },
            12..15 => Op::ReadLink,
            15 => Op::Unlink,
            16 => Op::Rmdir,
            17 => Op::Mkdir,
            18 => Op::Symlink(self.target()),
            19 => Op::Rename { to: self.path() },
            20 => Op::ExpandAndCreate,
            21 => Op::ExpandAndMkdir,
            22..26 => {
                let flags = [flags::O_CREAT, flags::O_CREAT | flags::O_EXCL, flags::O_CREAT | flags::O_TRUNC];
                let access = self.dice.pick(&[0, 1, 2]);
                Op::Open {
                    flags: self.dice.pick(&flags) | access,
                    mode: 0o640,
                    refuses_links: self.dice.chance(10),
                }
            }
            26..30 => {
                let flags = [0, 1, 2, flags::O_DIRECTORY, flags::O_TRUNC | 2];
                let nofollow = if self.dice.chance(30) { flags::O_NOFOLLOW } else { 0 };
                Op::Open {
                    flags: self.dice.pick(&flags) | nofollow,
                    mode: 0,
                    refuses_links: self.dice.chance(10),
                }
            }
            _ => {
                let nofollow = if self.dice.chance(40) { flags::O_NOFOLLOW } else { 0 };
                Op::Open { flags: flags::O_PATH | nofollow, mode: 0, refuses_links: self.dice.chance(10) }
            }
        };
        let mut path = self.path();
        // Whether a slash at the end is in order depends on the call, which the host path does not know.
        while matches!(op, Op::ExpandAndCreate | Op::ExpandAndMkdir) && path.ends_with(b"/") {
            path.pop();
        }
        Case { start: self.dice.below(STARTS), path, op }
    }

    fn links(&mut self) -> Links {
        self.dice.pick(&[Links::Follow, Links::Follow, Links::Stay, Links::Refuse])
    }

    /// Directories, and anything else, that relative paths start from: nodes of the tree, 0 being its top.
    pub fn starts(&mut self, tree: &Tree) -> Vec<usize> {
        let directories: Vec<usize> = (0..=tree.nodes.len())
            .filter(|label| {
                label.checked_sub(1).is_none_or(|node| matches!(tree.nodes[node].kind, Kind::Directory(_)))
            })
            .collect();
        let mut starts: Vec<usize> =
            (0..STARTS - 1).map(|_| directories[self.dice.below(directories.len())]).collect();
        starts.push(self.dice.below(tree.nodes.len() + 1));
        starts
    }
}
