//! The comparison on the mock: one whose process has the tree as its prefix, one whose process has it as its root.

use super::Dice;
use super::generator::{Generator, Words};
use super::subject::{AT_FDCWD, Prefixed, Rooted, Subject, sys};
use super::tree::{Tree, place, snapshot};
use xnu_abi::linux::{Errno, Sysno};
use xnu_backend_mock::{Credentials, Fault, Mock, Module, Plan};
use xnu_core::linux::LinuxFd;
use xnu_core::vchroot::Options;
use xnu_core::{Arg, Kernel, Process};

/// The directory that the tree is in.
pub(super) const TOP: &str = "/some/prefix";

/// A descriptor that is never open.
const CLOSED: i32 = 999;

pub(super) fn machine(seed: u64) -> Mock {
    let mock = Mock::new(seed);
    mock.keep_calls(false);
    mock.set_credentials(Credentials::root());
    mock.add_dir("/some");
    mock.add_dir(TOP);
    // What nobody may find: outside, and beside the prefix with a name that begins like it.
    for path in ["/a", "/b", "/some/a", "/some/prefix-b"] {
        mock.add_dir(path);
    }
    mock
}

/// Opens it.
pub(super) fn place_top<K: Kernel>(kernel: &K) -> i32 {
    place(kernel, AT_FDCWD, TOP.as_bytes())
}

pub(super) fn starts<K: Kernel>(kernel: &K, tree: &Tree, top: i32, nodes: &[usize]) -> Vec<i32> {
    let path = |label: usize| label.checked_sub(1).map_or(&b""[..], |node| tree.nodes[node].path.as_slice());
    let mut starts: Vec<i32> = nodes.iter().map(|label| place(kernel, top, path(*label))).collect();
    // The first is the working directory.
    sys(kernel, Sysno::Fchdir, &mut [Arg::Val(starts[0] as usize)]).expect("a directory");
    starts[0] = AT_FDCWD;
    if nodes.len() > 2 {
        starts[1] = CLOSED;
    }
    starts
}

/// Compares so many calls on a random tree, for a kernel with `openat2` or without.
///
/// # Panics
/// A call answers something else below a prefix than with the prefix as root, the trees differ afterwards, or a
/// descriptor is left open.
pub fn compare(dice: &mut impl Dice, options: Options, has_openat2: bool, calls: usize) {
    let words = Words { twins: !options.case_insensitive, modes: true };
    let mut generator = Generator::new(dice, words);
    let tree = generator.tree();
    let nodes = generator.starts(&tree);

    let plan = if has_openat2 { Plan::none() } else { Plan::every(Sysno::Openat2, Errno::ENOSYS) };
    let prefixed = Fault::new(machine(1), plan);
    let top = place_top(&prefixed);
    let labels = tree.make(&prefixed, top);
    let own = starts(&prefixed, &tree, top, &nodes);
    let process = Process::new(prefixed, Module::new());
    process.set_prefix(LinuxFd(top), options).expect("a directory");
    let mock = process.kernel.inner();
    mock.set_credentials(Credentials::user(0, 0));
    let memory = mock.alloc(4096);
    let mut ours = Prefixed { process: &process, labels, starts: own, memory };

    let rooted = machine(1);
    let top = place_top(&rooted);
    let labels = tree.make(&rooted, top);
    rooted.set_root(TOP);
    let own = starts(&rooted, &tree, top, &nodes);
    let mut theirs = Rooted { kernel: &rooted, labels, starts: own };

    let before = mock.descriptors();
    let mut history = Vec::new();
    for _ in 0..calls {
        let case = generator.case();
        let (given, wanted) = (ours.make(&case), theirs.make(&case));
        history.push(format!("{case} = {wanted:?}"));
        let last = history[history.len().saturating_sub(10)..].join("\n");
        let agree = given.agrees(&wanted, &case.op);
        assert!(agree, "{given:?}: {options:?}, openat2 {has_openat2}\n{tree}\n{last}");
    }
    assert_eq!(mock.descriptors(), before, "{}", history.join("\n"));
    let listed = |kernel: &Mock, path: &str| {
        let top =
            super::subject::open(kernel, AT_FDCWD, path.as_bytes(), xnu_abi::linux::flags::O_DIRECTORY, 0);
        snapshot(kernel, top.expect("the top"))
    };
    let (given, wanted) = (listed(mock, "/some/prefix\0"), listed(&rooted, "/\0"));
    assert_eq!(given, wanted, "{}", history.join("\n"));
}
