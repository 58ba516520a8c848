//! Calls on attributes act on what a path leads to below the prefix, and tell paths as the guest knows them.

use crate::is_root;
use crate::world::{ALL, BOTH, FOLDED, Own, SEALED, WITH_EXIT, World};
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use xnu_abi::darwin::Errno;
use xnu_core::{Call, Context, Reply, bsd};

const AT_FDCWD: u64 = -2i64 as u64;

/// Makes a call.
fn call(process: &'static Own, name: &str, arguments: &[u64]) -> Reply {
    let row = bsd::rows().find(|row| row.name == name).unwrap_or_else(|| panic!("no call {name}"));
    let mut words = [0; 8];
    words[..arguments.len()].copy_from_slice(arguments);
    let call = Call { class: row.class, number: row.number, words };
    call.dispatch(&mut Context { process, thread: None })
}

/// A string for the guest, left to the end of the test's process.
fn text(text: &str) -> u64 {
    format!("{text}\0").leak().as_ptr() as u64
}

fn address<T>(of: &T) -> u64 {
    std::ptr::from_ref(of) as u64
}

fn address_mut<T>(of: &mut T) -> u64 {
    std::ptr::from_mut(of) as u64
}

const DONE: Reply = Reply::Value(0, 0);

/// Whether a call is served; where the file system lacks what it needs, it says so.
#[track_caller]
fn is_served(reply: Reply) -> bool {
    match reply {
        Reply::Error(Errno::ENOTSUP) => false,
        reply => {
            assert_eq!(reply, DONE);
            true
        }
    }
}

/// The string at the start of some memory.
fn string(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).expect("a terminator");
    String::from_utf8(bytes[..end].to_vec()).expect("text")
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

const NAME: u32 = 1;
const OBJTYPE: u32 = 8;
const PARENTID: u32 = 0x400_0000;
const FULLPATH: u32 = 0x800_0000;
const VOL_INFO: u32 = 0x8000_0000;
const VOL_MOUNTPOINT: u32 = 0x1000;
const VOL_MOUNTEDDEVICE: u32 = 0x8000;
const RELPATH: u32 = 4;
const NOFIRMLINKPATH: u32 = 0x20;
const FSOPT_NOFOLLOW: u64 = 1;
const FSOPT_ATTR_CMN_EXTENDED: u64 = 0x20;

/// What `getattrlist` says, without the length; the sets are those of common, volume and extended attributes.
fn attributes(
    process: &'static Own,
    path: &str,
    sets: (u32, u32, u32),
    options: u64,
) -> Result<Vec<u8>, Errno> {
    let list = [5, sets.0, sets.1, 0, 0, sets.2];
    let mut reply = [0u8; 8192];
    let words = [text(path), address(&list), address_mut(&mut reply), 8192, options];
    match call(process, "getattrlist", &words) {
        DONE => Ok(reply[4..word(&reply, 0) as usize].to_vec()),
        Reply::Error(errno) => Err(errno),
        other => panic!("{other:?}"),
    }
}

/// The string that a reference leads to.
fn referred(bytes: &[u8], at: usize) -> String {
    string(&bytes[at + word(bytes, at) as usize..])
}

fn path_of(process: &'static Own, path: &str, options: u64) -> Result<String, Errno> {
    attributes(process, path, (FULLPATH, 0, 0), options).map(|reply| referred(&reply, 0))
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("the descriptors").count()
}

/// A file, an absolute link to it that leads nowhere on the host, and something beside the prefix.
fn world(name: &str) -> World {
    let world = World::new(name);
    world.dir("tree/dir").dir("Volumes").file("tree/dir/leaf").link("abs", "/tree/dir/leaf");
    world.link("dirlink", "/tree/dir");
    fs::write(world.beside("outside"), "outside").expect("a file");
    world
}

fn leaf(world: &World) -> fs::Metadata {
    fs::metadata(world.at("tree/dir/leaf")).expect("the file")
}

#[test]
fn calls_that_change_attributes_follow_absolute_links_below_the_prefix() {
    let world = world("attributes-change");
    world.each(&ALL, |process| {
        world.file("tree/dir/leaf").mode("tree/dir/leaf", 0o600);
        let before = descriptors();
        let (own_user, own_group) = (leaf(&world).uid(), leaf(&world).gid());
        let owner = if is_root() { (12, 34) } else { (own_user, own_group) };
        for path in ["/abs", "abs/../abs", "/dirlink/leaf", "/tree/dir/../../abs"] {
            // A relative one starts at the working directory, which is not below the prefix.
            let is_relative = !path.starts_with('/');
            let at = text(path);
            if is_relative {
                assert_eq!(call(process, "chmod", &[at, 0o640]), Reply::Error(Errno::ENOENT));
                continue;
            }
            assert_eq!(call(process, "chmod", &[at, 0o640]), DONE, "{path}");
            assert_eq!(leaf(&world).mode() & 0o7777, 0o640);
            assert_eq!(call(process, "fchmodat", &[AT_FDCWD, at, 0o604, 0]), DONE);
            assert_eq!(leaf(&world).mode() & 0o7777, 0o604);
            let times = [1u64, 500_000, 2, 250_000];
            assert_eq!(call(process, "utimes", &[at, address(&times)]), DONE);
            let now = leaf(&world);
            assert_eq!((now.atime(), now.atime_nsec()), (1, 500_000_000));
            assert_eq!((now.mtime(), now.mtime_nsec()), (2, 250_000_000));
            assert_eq!(call(process, "truncate", &[at, 3]), DONE);
            assert_eq!(fs::read(world.at("tree/dir/leaf")).expect("the file"), b"tre");
            assert_eq!(call(process, "chown", &[at, owner.0.into(), owner.1.into()]), DONE);
            assert_eq!((leaf(&world).uid(), leaf(&world).gid()), owner);
            assert_eq!(
                call(process, "fchownat", &[AT_FDCWD, at, own_user.into(), own_group.into(), 0]),
                DONE
            );
            assert_eq!((leaf(&world).uid(), leaf(&world).gid()), (own_user, own_group));
            // ATTR_CMN_ACCESSMASK.
            let (list, mode) = ([5u32, 0x2_0000, 0, 0, 0, 0], 0o620u32);
            assert_eq!(call(process, "setattrlist", &[at, address(&list), address(&mode), 4, 0]), DONE);
            assert_eq!(leaf(&world).mode() & 0o7777, 0o620);
            let mut stat = [0u8; 144];
            if is_served(call(process, "chflags", &[at, 0x8001])) {
                assert_eq!(call(process, "stat64", &[at, address_mut(&mut stat)]), DONE);
                assert_eq!(word(&stat, 116), 0x8001);
                assert_eq!(call(process, "chflags", &[at, 0]), DONE);
            }
            assert_eq!(call(process, "stat64", &[at, address_mut(&mut stat)]), DONE);
            let inode = u64::from_le_bytes(stat[8..16].try_into().expect("eight bytes"));
            assert_eq!((inode, word(&stat, 116)), (leaf(&world).ino(), 0));
        }
        assert_eq!(descriptors(), before, "descriptors were left open");
    });
}

#[test]
fn links_themselves_and_what_is_missing() {
    let world = world("attributes-links");
    world.link("dangling", "/nowhere");
    world.each(&ALL, |process| {
        let before = descriptors();
        let owner = if is_root() { (56u32, 78u32) } else { (leaf(&world).uid(), leaf(&world).gid()) };
        let target = (leaf(&world).uid(), leaf(&world).gid());
        assert_eq!(call(process, "lchown", &[text("/abs"), owner.0.into(), owner.1.into()]), DONE);
        let link = fs::symlink_metadata(world.at("abs")).expect("the link");
        assert_eq!((link.uid(), link.gid()), owner);
        assert_eq!((leaf(&world).uid(), leaf(&world).gid()), target);
        for missing in ["/dangling", "/none", "/tree/none", "/dirlink/none"] {
            let at = text(missing);
            let mut memory = [0u8; 2200];
            let memory = address_mut(&mut memory);
            let list = [5u32, NAME, 0, 0, 0, 0];
            let calls: [(&str, &[u64]); 12] = [
                ("chmod", &[at, 0o600]),
                ("chown", &[at, 0, 0]),
                ("utimes", &[at, 0]),
                ("truncate", &[at, 0]),
                ("chflags", &[at, 0]),
                ("getxattr", &[at, text("a"), memory, 10, 0, 0]),
                ("setxattr", &[at, text("a"), memory, 10, 0, 0]),
                ("removexattr", &[at, text("a"), 0]),
                ("listxattr", &[at, memory, 10, 0]),
                ("getattrlist", &[at, address(&list), memory, 100, 0]),
                ("statfs64", &[at, memory]),
                ("pathconf", &[at, 4]),
            ];
            for (name, words) in calls {
                assert_eq!(call(process, name, words), Reply::Error(Errno::ENOENT), "{name} {missing}");
            }
        }
        assert_eq!(descriptors(), before, "descriptors were left open");
    });
}

#[test]
fn attributes_with_names_are_those_of_what_a_link_leads_to() {
    let world = world("attributes-names");
    world.each(&ALL, |process| {
        let before = descriptors();
        let (abs, value) = (text("/abs"), b"value");
        if is_served(call(process, "setxattr", &[abs, text("note"), address(value), 5, 0, 0])) {
            let leaf = text("/tree/dir/leaf");
            for path in [abs, leaf] {
                let mut read = [0u8; 10];
                let words = [path, text("note"), address_mut(&mut read), 10, 0, 0];
                assert_eq!(call(process, "getxattr", &words), Reply::Value(5, 0));
                assert_eq!(&read[..6], b"value\0");
                let words = [path, address_mut(&mut read), 10, 0];
                assert_eq!(call(process, "listxattr", &words), Reply::Value(5, 0));
                assert_eq!(&read[..5], b"note\0");
            }
            // A link has none of its own.
            let words = [abs, text("note"), 0, 0, 0, 1];
            assert_eq!(call(process, "getxattr", &words), Reply::Error(Errno::ENOATTR));
            assert_eq!(call(process, "removexattr", &[abs, text("note"), 0]), DONE);
            assert_eq!(call(process, "removexattr", &[leaf, text("note"), 0]), Reply::Error(Errno::ENOATTR));
        }
        assert_eq!(call(process, "pathconf", &[abs, 4]), Reply::Value(255, 0));
        assert_eq!(descriptors(), before, "descriptors were left open");
    });
}

#[test]
fn attribute_lists_tell_the_guests_paths() {
    let world = world("attributes-paths");
    let directory = fs::metadata(world.at("tree/dir")).expect("the directory").ino();
    let top = fs::metadata(world.prefix()).expect("the prefix").ino();
    world.each(&ALL, |process| {
        let before = descriptors();
        assert_eq!(path_of(process, "/abs", 0).as_deref(), Ok("/tree/dir/leaf"));
        assert_eq!(path_of(process, "/abs", FSOPT_NOFOLLOW).as_deref(), Ok("/abs"));
        assert_eq!(path_of(process, "/dirlink/.", 0).as_deref(), Ok("/tree/dir"));
        assert_eq!(path_of(process, "/..", 0).as_deref(), Ok("/"));
        let told = attributes(process, "/abs", (NAME | OBJTYPE | PARENTID, 0, 0), 0).expect("a reply");
        assert_eq!((referred(&told, 0).as_str(), word(&told, 8)), ("leaf", 1));
        assert_eq!(told[12..20], directory.to_le_bytes());
        for (path, name) in [("/", "/"), ("/tree", "tree"), ("/Volumes/..", "/")] {
            let told = attributes(process, path, (NAME | PARENTID, 0, 0), 0).expect("a reply");
            assert_eq!(referred(&told, 0), name, "{path}");
            assert_eq!(told[8..16], top.to_le_bytes(), "{path}");
        }
        let sets = (0, 0, RELPATH | NOFIRMLINKPATH);
        let told = attributes(process, "/dirlink/leaf", sets, FSOPT_ATTR_CMN_EXTENDED).expect("a reply");
        assert_eq!(referred(&told, 0), "/tree/dir/leaf");
        assert_eq!(referred(&told, 8), "/tree/dir/leaf");
        assert_eq!(descriptors(), before, "descriptors were left open");
    });
    world.each(&[FOLDED, BOTH], |process| {
        assert_eq!(path_of(process, "/Abs", 0).as_deref(), Ok("/tree/dir/leaf"));
        assert_eq!(call(process, "chmod", &[text("/TREE/Dir/LEAF"), 0o600]), DONE);
    });
}

#[test]
fn what_is_outside_of_the_prefix_has_a_path_where_there_is_a_way_to_it() {
    let world = world("attributes-outside");
    let outside = world.beside("outside");
    let file = fs::File::open(&outside).expect("the file");
    let mut reply = [0u8; 1200];
    let reply = address_mut(&mut reply);
    let ask = |process, set: u32| {
        let list = [5u32, set, 0, 0, 0, 0];
        call(process, "fgetattrlist", &[file.as_raw_fd() as u64, address(&list), reply, 1200, 0])
    };
    world.each(&[WITH_EXIT, BOTH], |process| {
        let way = format!("/Volumes/SystemRoot{}", outside.display());
        assert_eq!(path_of(process, &way, 0).as_deref(), Ok(way.as_str()));
        assert_eq!(path_of(process, "/Volumes/SystemRoot", 0).as_deref(), Ok("/Volumes/SystemRoot"));
        assert_eq!(ask(process, FULLPATH), DONE);
    });
    world.each(&[SEALED, FOLDED], |process| {
        assert_eq!(ask(process, FULLPATH), Reply::Error(Errno::ENOENT));
        assert_eq!(ask(process, NAME), DONE);
    });
}

/// Where things are mounted, as `getfsstat64` lists it.
fn mounts(process: &'static Own) -> Vec<(String, u32)> {
    const SIZE: usize = 2168;
    let mut list = vec![0u8; SIZE * 256];
    let words = [list.as_mut_ptr() as u64, list.len() as u64, 2];
    let Reply::Value(count, _) = call(process, "getfsstat64", &words) else { panic!("a list") };
    assert_eq!(call(process, "getfsstat64", &[0, 0, 2]), Reply::Value(count, 0), "as many without a buffer");
    let entries = list.chunks(SIZE).take(count as usize);
    entries.map(|entry| (string(&entry[88..1112]), word(entry, 64))).collect()
}

#[test]
fn file_systems_are_where_the_guest_finds_them() {
    const MNT_ROOTFS: u32 = 0x4000;
    let world = world("attributes-statfs");
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").expect("the mounts");
    let device = fs::metadata("/proc").expect("the file system of processes").dev();
    world.each(&ALL, |process| {
        let before = descriptors();
        let mut statfs = [0u8; 2168];
        for path in ["/abs", "/", "/dirlink"] {
            assert_eq!(call(process, "statfs64", &[text(path), address_mut(&mut statfs)]), DONE, "{path}");
            assert_eq!(string(&statfs[88..1112]), "/", "{path}");
            assert_eq!(word(&statfs, 64) & MNT_ROOTFS, MNT_ROOTFS, "{path}");
            let source = string(&statfs[1112..2136]);
            let sets = (0, VOL_INFO | VOL_MOUNTPOINT | VOL_MOUNTEDDEVICE, 0);
            let told = attributes(process, path, sets, 0).expect("a reply");
            assert_eq!((referred(&told, 0), referred(&told, 8)), ("/".to_string(), source), "{path}");
        }
        let listed = mounts(process);
        assert_eq!(listed.iter().filter(|(path, _)| path == "/").count(), 1, "{listed:?}");
        assert!(listed.iter().all(|(path, flags)| (path == "/") == (flags & MNT_ROOTFS != 0)), "{listed:?}");
        assert!(listed.iter().all(|(path, _)| path.starts_with('/')), "{listed:?}");
        assert_eq!(descriptors(), before, "descriptors were left open");
    });
    world.each(&[WITH_EXIT, BOTH], |process| {
        let mut statfs = [0u8; 2168];
        let proc = "/Volumes/SystemRoot/proc";
        assert_eq!(call(process, "statfs64", &[text(proc), address_mut(&mut statfs)]), DONE);
        assert_eq!(string(&statfs[88..1112]), proc);
        assert_eq!(string(&statfs[72..88]), "proc");
        assert_eq!(word(&statfs, 48), {
            let mut stat = [0u8; 144];
            assert_eq!(call(process, "stat64", &[text(proc), address_mut(&mut stat)]), DONE);
            word(&stat, 0)
        });
        assert!(mounts(process).iter().any(|(path, _)| path == proc));
        assert!(mountinfo.contains(" /proc ") && device != 0);
    });
    world.each(&[SEALED, FOLDED], |process| {
        // Nothing is mounted below the prefix.
        assert_eq!(mounts(process).len(), 1);
        // An open file of a file system that has no place below the prefix.
        let file = fs::File::open(Path::new("/proc/self/stat")).expect("a file");
        let mut statfs = [0u8; 2168];
        let words = [file.as_raw_fd() as u64, address_mut(&mut statfs)];
        assert_eq!(call(process, "fstatfs64", &words), DONE);
        assert_eq!((string(&statfs[88..1112]).as_str(), string(&statfs[72..88]).as_str()), ("", "proc"));
    });
}
