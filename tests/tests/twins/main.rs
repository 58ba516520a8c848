//! Twins: one scenario, run by libc on Linux and by the emulation as a guest would make it, each in a tree of its own; then
//! results, error names and trees are compared. Where a Mac differs from Linux by design, `DEVIATIONS` says so and why.
//!
//! As root, every scenario is run as root and as user 1000, each in a thread of its own; otherwise as whoever runs the
//! tests, to whom everything in the tree then belongs.
//!
//! # Safety
//! Only libc's own functions are called, with strings and buffers that outlive the call and are as long as it is told.
#![allow(unsafe_code)]

mod calls;
mod sockets;
mod tree;

use calls::{CALLS, Call, Seen, run_emulated, run_native};
use std::collections::BTreeSet;
use tree::{OBJECTS, Object, Tree};

/// A difference that is meant.
struct Deviation {
    calls: &'static [&'static str],
    /// For which objects; empty for all.
    objects: &'static [&'static str],
    /// What libc answers, what the guest gets; empty for anything.
    native: &'static str,
    emulated: &'static str,
    why: &'static str,
}

const CHOWNS: &[&str] = &["chown", "chown group", "chown away", "chown to owner", "lchown"];
const READS: &[&str] = &["getxattr", "getxattr nofollow"];
const WRITES: &[&str] =
    &["setxattr", "setxattr create", "setxattr replace", "setxattr nofollow", "removexattr"];

const DEVIATIONS: &[Deviation] = &[
    Deviation {
        calls: &["chmod 6755"],
        objects: &["others-group"],
        native: "0",
        emulated: "EPERM",
        why: "bsd/vfs/vfs_subr.c, vnode_authattr: the set-gid bit is for members; Linux leaves it out",
    },
    Deviation {
        calls: &["chmod 600", "chmod as it is"],
        objects: &[],
        native: "EPERM",
        emulated: "0",
        why: "bsd/vfs/vfs_subr.c, vnode_authattr: who changes nothing needs no right to it",
    },
    Deviation {
        calls: CHOWNS,
        objects: &["theirs", "secret", "link-to-theirs", "locked", "directory/.."],
        native: "EPERM",
        emulated: "0",
        why: "bsd/vfs/vfs_subr.c, vnode_authattr: who changes nothing needs no right to it",
    },
    Deviation {
        calls: CHOWNS,
        objects: &["directory-set-id"],
        native: "0",
        emulated: "0",
        why: "bsd/vfs/vfs_subr.c, vnode_authattr: a directory loses its set-id bits as well",
    },
    Deviation {
        calls: &["chown nothing"],
        objects: &["set-id"],
        native: "0",
        emulated: "0",
        why: "bsd/vfs/vfs_syscalls.c, vn_chown_internal: nothing is set, so nothing is taken away",
    },
    Deviation {
        calls: READS,
        objects: &[],
        native: "ENODATA",
        emulated: "ENOATTR",
        why: "man 2 getxattr: the name of the error",
    },
    Deviation {
        calls: WRITES,
        objects: &[],
        native: "ENODATA",
        emulated: "ENOATTR",
        why: "man 2 setxattr, man 2 removexattr: the name of the error",
    },
    Deviation {
        calls: WRITES,
        objects: &["fifo", "link", "link-to-theirs", "link-to-directory", "dangling", "loop"],
        native: "EPERM",
        emulated: "ENOTSUP",
        why: "man 2 setxattr: a Mac keeps attributes on links and fifos; that Linux cannot is not for want of a right",
    },
    Deviation {
        calls: &["listxattr"],
        objects: &[],
        native: "0",
        emulated: "EACCES",
        why: "bsd/vfs/vfs_xattr.c, vn_listxattr: the names are for those who may read the file",
    },
];

/// Who makes the calls.
#[derive(Clone, Copy, Debug)]
enum User {
    Root,
    Plain,
    Self_,
}

/// The user, the call, the object, and what both sides did.
fn compare(user: User, call: &Call, object: &Object, used: &mut BTreeSet<usize>) -> Option<String> {
    let (native_tree, emulated_tree) = (Tree::new("native"), Tree::new("emulated"));
    let run = |tree: &Tree, run: fn(&Call, &str) -> Seen| {
        let path = tree.path(object.name);
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    if matches!(user, User::Plain) {
                        tree::become_plain();
                    }
                    run(call, &path)
                })
                .join()
                .expect("the thread")
        })
    };
    let native = run(&native_tree, run_native);
    let emulated = run(&emulated_tree, run_emulated);
    let (before, after) = (native_tree.snapshot(), emulated_tree.snapshot());
    if native == emulated && before == after {
        return None;
    }
    let fits = |wanted: &str, seen: &Seen| wanted.is_empty() || wanted == seen.outcome;
    let excused = DEVIATIONS.iter().position(|deviation| {
        deviation.calls.contains(&call.name)
            && (deviation.objects.is_empty() || deviation.objects.contains(&object.name))
            && fits(deviation.native, &native)
            && fits(deviation.emulated, &emulated)
    });
    if let Some(index) = excused {
        used.insert(index);
        return None;
    }
    let trees: Vec<_> = before.iter().zip(&after).filter(|(native, emulated)| native != emulated).collect();
    Some(format!("{user:?} {} {}: {native:?} / {emulated:?}\n    {trees:?}", call.name, object.name))
}

#[test]
fn calls_on_every_kind_of_object_do_what_linuxs_do() {
    let users: &[User] = if tree::is_root() { &[User::Root, User::Plain] } else { &[User::Self_] };
    let (mut wrong, mut used, mut count) = (Vec::new(), BTreeSet::new(), 0);
    for user in users {
        for call in CALLS {
            for object in OBJECTS {
                wrong.extend(compare(*user, call, object, &mut used));
                count += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 300, "{count} scenarios");
    if tree::is_root() {
        for (index, deviation) in DEVIATIONS.iter().enumerate() {
            let Deviation { calls, objects, why, .. } = deviation;
            assert!(used.contains(&index), "{calls:?} {objects:?} do not differ any more: {why}");
        }
    }
}
