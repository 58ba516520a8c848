//! `getattrlist`, `getattrlistbulk`, `setattrlist` and their kin.

use crate::support::*;
use std::collections::BTreeMap;
use xnu_abi::darwin::Errno;
use xnu_backend_mock::{Credentials, Mock};
use xnu_core::Reply;

const NAME: u32 = 1;
const DEVID: u32 = 2;
const FSID: u32 = 4;
const OBJTYPE: u32 = 8;
const SCRIPT: u32 = 0x100;
const CRTIME: u32 = 0x200;
const MODTIME: u32 = 0x400;
const ACCTIME: u32 = 0x1000;
const FNDRINFO: u32 = 0x4000;
const OWNERID: u32 = 0x8000;
const ACCESSMASK: u32 = 0x2_0000;
const FLAGS: u32 = 0x4_0000;
const USERACCESS: u32 = 0x20_0000;
const EXTENDED_SECURITY: u32 = 0x40_0000;
const UUID: u32 = 0x80_0000;
const FILEID: u32 = 0x200_0000;
const PARENTID: u32 = 0x400_0000;
const FULLPATH: u32 = 0x800_0000;
const ADDEDTIME: u32 = 0x1000_0000;
const ERROR: u32 = 0x2000_0000;
const RETURNED: u32 = 0x8000_0000;

const NOFOLLOW: u64 = 1;
const FULLSIZE: u64 = 4;
const PACK_INVALID: u64 = 8;
const EXTENDED: u64 = 0x20;
const NOFOLLOW_ANY: u64 = 0x800;

/// What a reply has after its length.
fn ask(k: &Machine<Mock>, path: &str, list: &[u8], options: u64) -> Result<Vec<u8>, Errno> {
    let buf = k.alloc(8192);
    k.poke(buf, &[0xee; 8192]);
    let words = [k.place_str(path).get(), k.place(list).get(), buf.get(), 8192, options];
    match k.by_name("getattrlist", &words) {
        Reply::Value(0, 0) => {
            let length = number(k, buf, 0, 4) as usize;
            assert_eq!(k.peek(buf, length + 1)[length], 0xee, "nothing beyond its end");
            Ok(k.peek(buf, length)[4..].to_vec())
        }
        Reply::Error(errno) => Err(errno),
        other => panic!("{other:?}"),
    }
}

fn common(k: &Machine<Mock>, path: &str, attributes: u32) -> Result<Vec<u8>, Errno> {
    ask(k, path, &attribute_list(attributes, 0, 0, 0, 0), 0)
}

fn word(bytes: &[u8], at: usize, size: usize) -> u64 {
    let mut word = [0; 8];
    word[..size].copy_from_slice(&bytes[at..at + size]);
    u64::from_le_bytes(word)
}

/// The string that a reference at `at` leads to.
fn text(bytes: &[u8], at: usize) -> String {
    let (offset, length) = (word(bytes, at, 4) as usize, word(bytes, at + 4, 4) as usize);
    let string = &bytes[at + offset..at + offset + length];
    String::from_utf8(string.strip_suffix(b"\0").expect("a terminator").to_vec()).expect("text")
}

#[test]
fn values_stand_in_the_order_of_their_bits() {
    let k = machine();
    let stat = k.alloc(144);
    xnu!(k, stat64("/tmp/own", stat) => 0);
    let reply = common(&k, "/tmp/link", NAME | DEVID | OBJTYPE | MODTIME | OWNERID | ACCESSMASK | FILEID);
    let reply = reply.expect("a reply");
    assert_eq!(reply.len(), 8 + 4 + 4 + 16 + 4 + 4 + 8 + 4);
    assert_eq!(text(&reply, 0), "own");
    assert_eq!(word(&reply, 8, 4), number(&k, stat, 0, 4));
    assert_eq!(word(&reply, 12, 4), 1, "VREG");
    assert_eq!(reply[16..32], k.peek(stat, 144)[48..64]);
    assert_eq!((word(&reply, 32, 4), word(&reply, 36, 4)), (1000, 0o100644));
    assert_eq!(word(&reply, 40, 8), number(&k, stat, 8, 8));
}

#[test]
fn each_kind_of_file_has_its_set() {
    let k = machine();
    let list = attribute_list(0, 0, 0x3f, 0x62f, 0);
    let file = ask(&k, "/tmp/own", &list, 0).expect("a file");
    let blocks = 4096;
    assert_eq!(word(&file, 0, 4), 1, "links");
    assert_eq!((word(&file, 4, 8), word(&file, 12, 8)), (5, blocks), "size, allocated");
    assert_eq!((word(&file, 20, 4), word(&file, 24, 4)), (4096, 0), "block, device");
    assert_eq!((word(&file, 28, 8), word(&file, 36, 8)), (5, blocks));
    assert_eq!(file.len(), 44);
    let directory = ask(&k, "/tmp/dir", &list, 0).expect("a directory");
    assert_eq!((word(&directory, 0, 4), word(&directory, 4, 4), word(&directory, 8, 4)), (1, 1, 0));
    assert_eq!(directory.len(), 4 + 4 + 4 + 8 + 4 + 8);
    let root = ask(&k, "/", &attribute_list(NAME, 0, 4, 0, 0), 0).expect("the root");
    assert_eq!((text(&root, 0).as_str(), word(&root, 8, 4)), ("/", 1));
    for (path, kind) in [("/tmp/fifo", 7), ("/tmp/link", 5), ("/dev/null", 4), ("/tmp", 2)] {
        let reply = ask(&k, path, &attribute_list(OBJTYPE, 0, 0, 0, 0), NOFOLLOW).expect(path);
        assert_eq!(word(&reply, 0, 4), kind, "{path}");
    }
}

#[test]
fn a_resource_fork_counts() {
    let k = machine();
    k.set_xattr("/tmp/own", "user.com.apple.ResourceFork", b"1234567");
    let file = ask(&k, "/tmp/own", &attribute_list(0, 0, 0, 2 | 0x200 | 0x1000 | 0x2000, 0), 0);
    let file = file.expect("a file");
    assert_eq!([0, 8, 16, 24].map(|at| word(&file, at, 8)), [12, 5, 7, 4096]);
}

#[test]
fn paths_and_parents_are_found() {
    let k = machine();
    let reply = common(&k, "/tmp/dirlink/file", NAME | PARENTID | FULLPATH).expect("a reply");
    assert_eq!((text(&reply, 0).as_str(), text(&reply, 16).as_str()), ("file", "/tmp/dir/file"));
    let parent = common(&k, "/tmp/dir", FILEID).expect("the parent");
    assert_eq!(word(&reply, 8, 8), word(&parent, 0, 8));
    let more = ask(&k, "/tmp/own", &attribute_list(0, 0, 0, 0, 0xf4), EXTENDED).expect("extended");
    assert_eq!(text(&more, 0), "/tmp/own");
    assert_eq!(text(&more, 16), "/tmp/own");
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, unlink("/tmp/own") => 0);
    let buf = k.alloc(100);
    xnu!(k, fgetattrlist(3, attribute_list(FULLPATH, 0, 0, 0, 0), buf, 100, 0) => ENOENT);
    xnu!(k, fgetattrlist(3, attribute_list(OWNERID, 0, 0, 0, 0), buf, 100, 0) => 0);
    assert_eq!(number(&k, buf, 4, 4), 1000);
}

#[test]
fn what_was_told_is_said() {
    let k = machine();
    let asked = RETURNED | ERROR | NAME | SCRIPT | FNDRINFO | EXTENDED_SECURITY | UUID | ADDEDTIME | FLAGS;
    // Places of what is not told stay empty at the end of the fixed part.
    let reply = common(&k, "/tmp/own", asked).expect("a reply");
    assert_eq!(word(&reply, 0, 4) as u32, RETURNED | NAME | FLAGS);
    assert_eq!(text(&reply, 20), "own");
    assert_eq!(word(&reply, 28, 4), 0, "flags");
    let fixed = 20 + 4 + 8 + 4 + 32 + 8 + 16 + 16 + 4;
    assert_eq!(reply.len(), fixed + 4);
    let packed = ask(&k, "/tmp/own", &attribute_list(asked, 0, 0, 0, 0), PACK_INVALID).expect("a reply");
    assert_eq!(word(&packed, 0, 4) as u32, RETURNED | ERROR | NAME | FNDRINFO | FLAGS);
    assert_eq!(packed.len(), fixed + 4);
    assert_eq!((word(&packed, 20, 4), text(&packed, 24).as_str(), word(&packed, 32, 4)), (0, "own", 0x7e));
    // Who does not want to know what there is must ask for what there is.
    assert_eq!(common(&k, "/tmp/own", ADDEDTIME), Err(EINVAL));
    assert_eq!(common(&k, "/tmp/own", SCRIPT).expect("a reply"), [0x7e, 0, 0, 0]);
    assert_eq!(common(&k, "/tmp/own", EXTENDED_SECURITY | UUID).expect("a reply").len(), 24);
}

#[test]
fn finder_information_and_access_are_looked_up() {
    let k = machine();
    k.set_xattr("/tmp/own", "user.com.apple.FinderInfo", &[9; 32]);
    let reply = common(&k, "/tmp/own", FNDRINFO | USERACCESS).expect("a reply");
    assert_eq!((&reply[..32], word(&reply, 32, 4)), (&[9; 32][..], 6));
    k.set_mode("/tmp/own", 0o500);
    assert_eq!(word(&common(&k, "/tmp/own", USERACCESS).expect("a reply"), 0, 4), 5);
    let theirs = common(&k, "/tmp/theirs", OWNERID | USERACCESS).expect("a reply");
    assert_eq!((word(&theirs, 0, 4), word(&theirs, 4, 4)), (0, 0));
}

#[test]
fn wrong_requests_are_einval() {
    let k = machine();
    let wrong = |list: Vec<u8>, options: u64| {
        assert_eq!(ask(&k, "/tmp/own", &list, options), Err(EINVAL), "{list:?} {options}");
    };
    let mut four = attribute_list(NAME, 0, 0, 0, 0);
    four[0] = 4;
    wrong(four, 0);
    wrong(attribute_list(0, 1, 1, 0, 0), 0);
    wrong(attribute_list(0, 1, 0, 1, 0), 0);
    wrong(attribute_list(0, 1, 0, 0, 4), 0);
    wrong(attribute_list(0x8_0000, 0, 0, 0, 0), 0);
    wrong(attribute_list(0, 0, 0, 0, 4), 0);
    wrong(attribute_list(0, 0, 0, 0, 1), EXTENDED);
    wrong(attribute_list(0, 0, 0, 0x40, 0), 0);
    wrong(attribute_list(NAME, 0, 0, 0, 0), PACK_INVALID);
    wrong(attribute_list(0, 0x0100_0000, 0, 0, 0), 0);
    wrong(attribute_list(FILEID, 1, 0, 0, 0), 0);
    // What the kind of file does not have is not looked at.
    assert_eq!(ask(&k, "/tmp/own", &attribute_list(0, 0, 0xff00, 0, 0), 0), Ok(vec![]));
    assert_eq!(ask(&k, "/tmp/dir", &attribute_list(0, 0, 0, 0xff00, 0), 0), Ok(vec![]));
    assert_eq!(ask(&k, "/tmp/none", &attribute_list(0, 0, 0, 0, 0), 0), Err(ENOENT));
    assert_eq!(ask(&k, "/tmp/dirlink/file", &attribute_list(0, 0, 0, 0, 0), NOFOLLOW_ANY), Err(ELOOP));
    let list = k.place(&attribute_list(NAME, 0, 0, 0, 0)).get();
    let buf = k.alloc(100).get();
    xnu!(k, getattrlist("/tmp/own", list, buf, 3, 0) => ERANGE);
    xnu!(k, getattrlist("/tmp/none", 8, buf, 3, 0) => EFAULT);
    xnu!(k, fgetattrlist(9, 8, buf, 3, 0) => EBADF);
    xnu!(k, pipe() => (3, 4));
    xnu!(k, fgetattrlist(3, list, buf, 100, 0) => EINVAL);
    xnu!(k, getattrlistat(9, "own", list, buf, 100, 0) => EBADF);
    path_limits(&k, "getattrlist", &[0, list, buf, 100, 0], 0);
    path_limits(&k, "getattrlistat", &[AT_FDCWD as u64, 0, list, buf, 100, 0], 1);
    faults(&k, "getattrlist", &[k.place_str("/tmp/own").get(), 0, buf, 100, 0], 1, 24, IN);
    faults(&k, "getattrlist", &[k.place_str("/tmp/own").get(), list, 0, 100, 0], 2, 16, OUT);
}

#[test]
fn a_short_buffer_gets_the_beginning() {
    let k = machine();
    let list = k.place(&attribute_list(NAME | OWNERID, 0, 0, 0, 0)).get();
    for size in [4, 5, 12, 19] {
        let buf = k.alloc_guarded(size);
        xnu!(k, getattrlist("/tmp/own", list, buf, size, 0) => 0);
        assert_eq!(number(&k, buf, 0, 4), 20, "{size}");
    }
}

#[test]
fn volumes_tell_of_themselves() {
    let k = machine();
    let mounts = "2049 0 8:1 / / rw,relatime - ext4 /dev/root rw\n";
    k.add_file("/proc/self/mountinfo", mounts.as_bytes());
    let list = attribute_list(RETURNED | NAME | FSID, 0x8000_0000 | 4 | 0x1000 | 0x8000 | 0x10_0000, 0, 0, 0);
    let reply = ask(&k, "/tmp/own", &list, 0).expect("a volume");
    assert_eq!(word(&reply, 0, 4) as u32, RETURNED | NAME | FSID);
    assert_eq!(word(&reply, 4, 4), 4 | 0x1000 | 0x8000 | 0x10_0000);
    assert_eq!(text(&reply, 20), "/");
    let stat = k.alloc(144);
    xnu!(k, stat64("/", stat) => 0);
    assert_eq!(word(&reply, 28, 4), number(&k, stat, 0, 4));
    assert_eq!(word(&reply, 36, 8), 4096 << 20);
    assert_eq!(
        ["/", "/dev/root", "ext4"],
        [44, 52, 60].map(|at| text(&reply, at)).each_ref().map(|s| s.as_str())
    );
    let buf = k.alloc(200);
    let words =
        |size: u64, options: u64| [k.place_str("/").get(), k.place(&list).get(), buf.get(), size, options];
    assert_eq!(k.by_name("getattrlist", &words(10, 0)), Answer::reply(0));
    assert_eq!(number(&k, buf, 0, 4), 10);
    assert_eq!(k.by_name("getattrlist", &words(10, FULLSIZE)), Answer::reply(0));
    assert_eq!(number(&k, buf, 0, 4) as usize, reply.len() + 4);
    let capabilities = ask(&k, "/", &attribute_list(0, 0x8002_0000, 0, 0, 0), 0).expect("capabilities");
    assert_eq!(word(&capabilities, 0, 4) & 0x306, 0x306, "links, case");
    assert_eq!(ask(&k, "/", &attribute_list(0, 0x4_0000, 0, 0, 0), 0), Err(EINVAL), "no UUID");
}

/// Entries of a reply to `getattrlistbulk` with their names and inode numbers.
fn entries(bytes: &[u8], count: usize) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    let mut at = 0;
    for _ in 0..count {
        let length = word(bytes, at, 4) as usize;
        let entry = &bytes[at + 4..at + length];
        assert_eq!(word(entry, 0, 4) as u32, RETURNED | NAME | OBJTYPE | FILEID);
        found.insert(text(entry, 20), word(entry, 32, 8));
        at += length;
        assert_eq!(at % 8, 0);
    }
    found
}

#[test]
fn a_directory_is_listed_with_attributes() {
    let k = machine();
    k.add_dir("/tmp/many");
    let names: Vec<String> = (0..60).map(|at| format!("{}{at}", "n".repeat(at % 20 + 1))).collect();
    for name in &names {
        k.add_file(&format!("/tmp/many/{name}"), b"");
    }
    xnu!(k, open("/tmp/many", O_RDONLY) => 3);
    let list = k.place(&attribute_list(RETURNED | NAME | OBJTYPE | FILEID, 0, 0, 0, 0)).get();
    for size in [80, 200, 1000, 8192] {
        let mut seen = BTreeMap::new();
        let buf = k.alloc_guarded(size);
        xnu!(k, lseek(3, 0, SEEK_SET) => 0);
        loop {
            let count = match k.by_name("getattrlistbulk", &[3, list, buf.get(), size as u64, 0]) {
                Reply::Value(0, 0) => break,
                Reply::Value(count, 0) => count as usize,
                other => panic!("{size}: {other:?}"),
            };
            let new = entries(&k.peek(buf, size), count);
            assert_eq!(new.len(), count);
            for (name, inode) in new {
                assert_eq!(seen.insert(name, inode), None);
            }
        }
        assert_eq!(
            seen.keys().collect::<Vec<_>>(),
            names.iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>(),
            "{size}"
        );
        let stat = k.alloc(144);
        xnu!(k, stat64(format!("/tmp/many/{}", names[7]), stat) => 0);
        assert_eq!(seen[&names[7]], number(&k, stat, 8, 8));
    }
    xnu!(k, lseek(3, 0, SEEK_SET) => 0);
    xnu!(k, getattrlistbulk(3, list, k.alloc(40), 40, 0) => ERANGE);
    assert_eq!(k.descriptors(), [0, 1, 2, 3]);
}

#[test]
fn bulk_wants_a_directory_open_for_reading() {
    let k = machine();
    let list = |common| k.place(&attribute_list(common, 0, 0, 0, 0)).get();
    let buf = k.alloc(1000).get();
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, open("/tmp/dir", O_RDONLY) => 4);
    xnu!(k, open("/tmp/own", O_WRONLY) => 5);
    xnu!(k, pipe() => (6, 7));
    xnu!(k, getattrlistbulk(3, list(RETURNED | NAME), buf, 1000, 0) => ENOTDIR);
    xnu!(k, getattrlistbulk(5, list(RETURNED | NAME), buf, 1000, 0) => EBADF);
    xnu!(k, getattrlistbulk(6, list(RETURNED | NAME), buf, 1000, 0) => ENOTSUP);
    xnu!(k, getattrlistbulk(9, list(RETURNED | NAME), buf, 1000, 0) => EBADF);
    xnu!(k, getattrlistbulk(4, list(NAME), buf, 1000, 0) => EINVAL);
    xnu!(k, getattrlistbulk(4, list(RETURNED), buf, 1000, 0) => EINVAL);
    xnu!(k, getattrlistbulk(4, list(RETURNED | NAME), buf, 1000, 0x40) => EINVAL);
    xnu!(k, getattrlistbulk(4, list(RETURNED | NAME), 8, 1000, 0) => EFAULT);
    xnu!(k, getattrlistbulk(4, list(RETURNED | NAME), buf, 1000, 0) => 1);
    xnu!(k, getattrlistbulk(4, list(RETURNED | NAME), buf, 1000, 0) => 0);
    // An attribute that does not exist is each entry's error.
    xnu!(k, lseek(4, 0, SEEK_SET) => 0);
    let wrong = k.place(&attribute_list(RETURNED | NAME | ERROR, 0, 0, 0x40, 0)).get();
    xnu!(k, getattrlistbulk(4, wrong, buf, 1000, 0) => 1);
    let entry = k.peek(xnu_core::UserAddr::new(buf), 100);
    assert_eq!(word(&entry, 4, 4) as u32, RETURNED | NAME | ERROR);
    assert_eq!((word(&entry, 24, 4), text(&entry, 28).as_str()), (22, "file"));
}

#[test]
fn attributes_are_set_in_their_order() {
    let k = machine();
    let mut values = Vec::new();
    values.extend(bytes([1, 2, 3, 4, 7, 1_500_000_000]));
    values.extend([5; 32]);
    values.extend([1000u32.to_le_bytes(), 0o7640u32.to_le_bytes(), 0x8000u32.to_le_bytes()].concat());
    let asked = CRTIME | MODTIME | ACCTIME | FNDRINFO | OWNERID | ACCESSMASK | FLAGS;
    let list = attribute_list(asked, 0, 0, 0, 0);
    xnu!(k, setattrlist("/tmp/link", &list[..], &values[..], values.len(), 0) => 0);
    let reply = common(&k, "/tmp/own", MODTIME | ACCTIME | FNDRINFO | OWNERID | ACCESSMASK | FLAGS);
    let reply = reply.expect("a reply");
    assert_eq!([0, 8, 16, 24].map(|at| word(&reply, at, 8)), [3, 4, 8, 500_000_000]);
    assert_eq!(reply[32..64], [5; 32]);
    assert_eq!([64, 68, 72].map(|at| word(&reply, at, 4)), [1000, 0o107640, 0x8000]);
    // Too little.
    let short = values.len() - 1;
    xnu!(k, setattrlist("/tmp/own", &list[..], &values[..], short, 0) => EINVAL);
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    let mode = attribute_list(ACCESSMASK, 0, 0, 0, 0);
    xnu!(k, fsetattrlist(3, &mode[..], 0o600u32.to_le_bytes().to_vec(), 4, 0) => 0);
    xnu!(k, setattrlistat(AT_FDCWD, "/tmp/dir", &mode[..], 0o711u32.to_le_bytes().to_vec(), 4, NOFOLLOW) => 0);
    assert_eq!((mode_and_owner(&k, "/tmp/own").0, mode_and_owner(&k, "/tmp/dir").0), (0o600, 0o711));
}

#[test]
fn what_cannot_be_set_is_refused() {
    let k = machine();
    let set = |path: &str, list: &[u8], size: usize, options: u64| {
        let words = [path].map(|path| k.place_str(path).get());
        let values = k.place(&[0; 64]).get();
        k.by_name("setattrlist", &[words[0], k.place(list).get(), values, size as u64, options])
    };
    for list in [
        attribute_list(NAME, 0, 0, 0, 0),
        attribute_list(0, 1, 0, 0, 0),
        attribute_list(0, 0, 1, 0, 0),
        attribute_list(0, 0, 0, 1, 0),
        attribute_list(0, 0, 0, 0, 4),
        attribute_list(0, 0, 0, 0x20, 0),
        attribute_list(OWNERID, 0x8000_0000, 0, 0, 0),
        attribute_list(FNDRINFO, 0x8000_0000, 0, 0, 0),
        attribute_list(EXTENDED_SECURITY, 0, 0, 0, 0),
    ] {
        assert_eq!(set("/tmp/own", &list, 64, 0), Answer::reply(EINVAL), "{list:?}");
    }
    assert_eq!(set("/tmp/own", &attribute_list(UUID, 0, 0, 0, 0), 64, 0), Answer::reply(ENOTSUP));
    assert_eq!(set("/tmp/own", &attribute_list(0, 0, 0, 0, 0), 1 << 40, 0), Answer::reply(0), "nothing");
    assert_eq!(set("/tmp/own", &attribute_list(OWNERID, 0, 0, 0, 0), 8193, 0), Answer::reply(ENOMEM));
    assert_eq!(set("/tmp/own", &attribute_list(OWNERID, 0, 0, 0, 0), 65, 0), Answer::reply(EFAULT));
    assert_eq!(set("/tmp/none", &attribute_list(OWNERID, 0, 0, 0, 0), 64, 0), Answer::reply(ENOENT));
    // What only the owner may do is not permitted otherwise than by chmod.
    assert_eq!(set("/tmp/theirs", &attribute_list(ACCESSMASK, 0, 0, 0, 0), 64, 0), Answer::reply(EACCES));
    assert_eq!(set("/tmp/theirs", &attribute_list(MODTIME, 0, 0, 0, 0), 64, 0), Answer::reply(EACCES));
    assert_eq!(set("/tmp/own", &attribute_list(OWNERID, 0, 0, 0, 0), 64, 0), Answer::reply(EPERM));
    k.set_mode("/tmp/theirs", 0o666);
    assert_eq!(
        set("/tmp/theirs", &attribute_list(MODTIME | ACCTIME, 0, 0, 0, 0), 64, 0x400),
        Answer::reply(0)
    );
    k.set_credentials(Credentials::user(0, 0));
    assert_eq!(set("/tmp/own", &attribute_list(OWNERID, 0, 0, 0, 0), 64, 0), Answer::reply(0));
    path_limits(&k, "setattrlist", &[0, k.place(&attribute_list(OWNERID, 0, 0, 0, 0)).get(), 8, 4, 0], 0);
}
