//! A fuzzer's paths in a tree that stays the same, on the mock.

use super::generator::{Generator, Words};
use super::on_mock::{machine, place_top, starts};
use super::subject::{AT_FDCWD, Case, Op, Prefixed, Rooted, Seen, Subject, sys};
use super::tree::{Kind, Node, Tree, inode};
use super::{Bytes, Dice, show};
use xnu_abi::linux::{Errno, Sysno, flags};
use xnu_abi::vchroot::{PATH_BYTES, VchrootExpandArgs, VchrootUnexpandArgs};
use xnu_backend_mock::{Credentials, Fault, Mock, Module, Plan};
use xnu_core::linux::LinuxFd;
use xnu_core::linux::descriptor::OpenHow;
use xnu_core::vchroot::Options;
use xnu_core::{Arg, Process};

/// Names as in [`Generator`], and links to everywhere: up, out, round, to nothing, with slashes, long ones.
fn tree() -> Tree {
    let directory = |path: &[u8]| Node { path: path.to_vec(), kind: Kind::Directory(0o755) };
    let file = |path: &[u8]| Node { path: path.to_vec(), kind: Kind::File(0o644) };
    let link = |path: &[u8], target: &[u8]| Node { path: path.to_vec(), kind: Kind::Link(target.to_vec()) };
    let mut nodes: Vec<Node> = ["a", "a/b", "a/b/c", "a/b/c/d", "d", "\u{e9}", "Dir", "Volumes", "f f"]
        .map(|path| directory(path.as_bytes()))
        .into();
    nodes.push(directory(&[b'x'; 255]));
    nodes.push(directory(b"\n"));
    for path in ["b", "a/a", "a/b/c/d/e.x", "d/a", "\u{e9}/b", "Dir/Leaf", "...", "f f/a"] {
        nodes.push(file(path.as_bytes()));
    }
    nodes.push(file(b"\xff\xfe"));
    for (path, target) in [
        ("c", "a/b"),
        ("a/c", "../../../a/b/c"),
        ("a/d", "/d"),
        ("a/b/a", "/b"),
        ("a/b/b", "c/"),
        ("a/b/d", "/"),
        ("d/b", ".."),
        ("d/c", "c"),
        ("d/d", "e"),
        ("d/e", "../d/d"),
        ("Dir/b", "nowhere"),
        ("Dir/c", "/nowhere/../b"),
        ("Dir/d", "../a/../b/"),
        ("e", "/Volumes/SystemRoot/a"),
        ("f f/b", "/a/b/../../../some/prefix-b"),
    ] {
        nodes.push(link(path.as_bytes(), target.as_bytes()));
    }
    nodes.push(link(b"f f/c", &[&b"./".repeat(400)[..], b"a"].concat()));
    Tree { nodes }
}

/// Where relative paths start: the working directory, a closed descriptor, directories, a file.
const STARTS: [usize; 5] = [0, 1, 3, 7, 12];

struct Place {
    options: Options,
    prefixed: Prefixed<'static, Fault<Mock>, Module>,
}

/// A machine for every kind of prefix and either road, and one whose root is the tree.
pub struct Fuzzed {
    places: Vec<Place>,
    rooted: Rooted<'static, Mock>,
}

impl Default for Fuzzed {
    fn default() -> Fuzzed {
        Fuzzed::new()
    }
}

impl Fuzzed {
    /// Makes all of them.
    pub fn new() -> Fuzzed {
        let mut places = Vec::new();
        for kind in 0..8 {
            let options = Options { case_insensitive: kind & 1 != 0, root_exit: kind & 2 != 0 };
            let plan = if kind & 4 != 0 { Plan::every(Sysno::Openat2, Errno::ENOSYS) } else { Plan::none() };
            let kernel = Fault::new(machine(1), plan);
            let top = place_top(&kernel);
            let labels = tree().make(&kernel, top);
            let starts = starts(&kernel, &tree(), top, &STARTS);
            let process = &*Box::leak(Box::new(Process::new(kernel, Module::new())));
            process.set_prefix(LinuxFd(top), options).expect("a directory");
            let mock = process.kernel.inner();
            mock.set_credentials(Credentials::user(0, 0));
            let memory = mock.alloc(4096);
            places.push(Place { options, prefixed: Prefixed { process, labels, starts, memory } });
        }
        let kernel = &*Box::leak(Box::new(machine(1)));
        let top = place_top(kernel);
        let labels = tree().make(kernel, top);
        kernel.set_root(super::on_mock::TOP);
        let starts = starts(kernel, &tree(), top, &STARTS);
        Fuzzed { places, rooted: Rooted { kernel, labels, starts } }
    }

    /// The arguments of a `vchroot_expand`, as they are. The object at the host path is that of the path in the prefix, and
    /// its path leads back to it.
    ///
    /// # Panics
    /// It is another, or a path that has no end has an answer.
    pub fn expand(&mut self, bytes: &[u8]) {
        let Some((first, path)) = bytes.split_first() else { return };
        let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
        let (kind, follow) = (usize::from(first % 8), first & 8 != 0);
        let start = usize::from(first / 16) % STARTS.len();
        if end < 1024 {
            return self.check(kind, &Case { start, path: path[..end].to_vec(), op: Op::Expand { follow } });
        }
        let prefixed = &self.places[kind].prefixed;
        let dfd = prefixed.starts[start];
        let mut args = VchrootExpandArgs { path: [b'/'; PATH_BYTES], flags: follow.into(), dfd };
        let length = path.len().min(PATH_BYTES);
        args.path[..length].copy_from_slice(&path[..length]);
        let given = prefixed.process.vchroot_expand(&mut args);
        if end >= PATH_BYTES {
            assert_eq!(given, Err(Errno::ENAMETOOLONG));
        } else if given.is_ok() {
            assert!(args.path.starts_with(b"/") && args.path.contains(&0), "{}", show(path));
        }
    }

    /// A path that has a fair chance to lead somewhere.
    ///
    /// # Panics
    /// As [`Fuzzed::expand`].
    pub fn round_trip(&mut self, bytes: &[u8]) {
        let mut dice = Bytes(bytes);
        let (kind, follow, start) = (dice.below(8), dice.below(2) != 0, dice.below(STARTS.len()));
        let path = Generator::with_all_names(&mut dice, Words { twins: false, modes: false }).path();
        self.check(kind, &Case { start, path, op: Op::Expand { follow } });
    }

    fn check(&mut self, kind: usize, case: &Case) {
        let Place { options, prefixed } = &mut self.places[kind];
        let given = prefixed.make(case);
        // What is out by the exit, or there in other letters, is not there where the prefix is the root.
        let answers = |seen: &Seen| !matches!(seen, Seen::Error(_));
        let wanted = self.rooted.make(case);
        let comparable = !options.root_exit && (!options.case_insensitive || answers(&wanted));
        assert!(!comparable || given.agrees(&wanted, &case.op), "{case}: {given:?}, {wanted:?}, {options:?}");
    }

    /// The arguments of a `vchroot_unexpand`. What no link leads to has a path in the prefix that leads back to it.
    ///
    /// # Panics
    /// That leads elsewhere.
    pub fn unexpand(&mut self, bytes: &[u8]) {
        let Some((first, path)) = bytes.split_first() else { return };
        let Place { prefixed, options } = &self.places[usize::from(first % 8)];
        let process = prefixed.process;
        let kernel = process.kernel.inner();
        let mut args = VchrootUnexpandArgs { path: [b'x'; PATH_BYTES] };
        // Half of them begin as most do.
        let text = if first & 8 != 0 { [b"/some/prefix", path].concat() } else { path.to_vec() };
        let length = text.len().min(PATH_BYTES - 1);
        args.path[..length].copy_from_slice(&text[..length]);
        if first & 16 == 0 {
            args.path[length] = 0;
        }
        let host = args.path;
        if process.vchroot_unexpand(&mut args).is_err() {
            return;
        }
        let how = OpenHow {
            flags: u64::from(flags::O_PATH | flags::O_CLOEXEC),
            mode: 0,
            resolve: u64::from(flags::RESOLVE_NO_SYMLINKS),
        };
        let how = zerocopy::IntoBytes::as_bytes(&how);
        let named = [Arg::Val(AT_FDCWD as isize as usize), Arg::In(&host), Arg::In(how), Arg::Val(how.len())];
        let Ok(file) = sys(kernel, Sysno::Openat2, &mut { named }) else { return };
        let mut back = VchrootExpandArgs { path: args.path, flags: 0, dfd: AT_FDCWD };
        let found = process.vchroot_expand(&mut back);
        let until = |path: &[u8]| path.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        let is_same = || inode(kernel, AT_FDCWD, &until(&back.path)) == inode(kernel, file as i32, b"");
        assert!(found.is_ok() && is_same(), "{}: {found:?}, {options:?}", show(&until(&host)));
        sys(kernel, Sysno::Close, &mut [Arg::Val(file)]).expect("an open file");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::Random;

    #[test]
    fn random_bytes_are_taken() {
        let (mut fuzzed, mut random) = (Fuzzed::new(), Random(1));
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..random.below(40)).map(|_| random.pick(b"abcd/./..\n \xff\0x")).collect();
            let first = [random.below(256) as u8];
            fuzzed.expand(&[&first, &bytes[..]].concat());
            fuzzed.unexpand(&[&first, &bytes[..]].concat());
            fuzzed.round_trip(&bytes);
        }
    }
}
