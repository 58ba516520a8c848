//! Host paths and guest paths: expand, unexpand, fdpath, and where they must fail.

use crate::scratch::Scratch;
use crate::world::{ALL, BOTH, FOLDED, Own, SEALED, WITH_EXIT, World, apart, process_at};
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use xnu_abi::linux::Errno;
use xnu_abi::vchroot::{
    EXIT_PATH, PATH_BYTES, VCHROOT_FOLLOW, VchrootExpandArgs, VchrootUnexpandArgs, WORKING_DIRECTORY,
};

fn expand_from(process: &Own, dfd: i32, path: &str, flags: u32) -> Result<String, Errno> {
    let mut args = VchrootExpandArgs { path: [b'?'; PATH_BYTES], flags, dfd };
    args.path[..path.len()].copy_from_slice(path.as_bytes());
    if path.len() < PATH_BYTES {
        args.path[path.len()] = 0;
    }
    process.vchroot_expand(&mut args)?;
    Ok(text(&args.path))
}

fn expand(process: &Own, path: &str) -> Result<String, Errno> {
    expand_from(process, WORKING_DIRECTORY, path, VCHROOT_FOLLOW)
}

fn unexpand(process: &Own, path: &str) -> Result<String, Errno> {
    let mut args = VchrootUnexpandArgs { path: [b'?'; PATH_BYTES] };
    args.path[..path.len()].copy_from_slice(path.as_bytes());
    if path.len() < PATH_BYTES {
        args.path[path.len()] = 0;
    }
    process.vchroot_unexpand(&mut args)?;
    Ok(text(&args.path))
}

fn fdpath(process: &Own, file: i32, room: usize) -> Result<String, Errno> {
    let mut out = vec![b'?'; room];
    let length = process.vchroot_fdpath(file, &mut out)?;
    assert_eq!(out[length], 0);
    Ok(text(&out))
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).expect("a terminator");
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[allow(unsafe_code)]
fn open(path: impl AsRef<Path>) -> i32 {
    let path = CString::new(path.as_ref().as_os_str().as_bytes()).expect("a path without NUL");
    // SAFETY: the string ends with a NUL.
    let file = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    assert!(file >= 0, "{path:?}");
    file
}

fn world(name: &str) -> World {
    let world = World::new(name);
    world.dir("d/e").file("leaf").file("d/leaf").link("link", "/d/leaf").link("dangling", "d/new");
    fs::create_dir(world.beside("root-evil")).unwrap();
    fs::write(world.beside("root-evil/leaf"), "outside").unwrap();
    world
}

#[test]
fn what_is_inside_comes_back_without_the_prefix() {
    let world = world("inside");
    let host = world.prefix().display().to_string();
    world.each(&ALL, |process| {
        for (guest, full) in
            [("/leaf", "/leaf"), ("/link", "/d/leaf"), ("/d/../d//e/.", "/d/e"), ("/", ""), ("/d/..", "")]
        {
            assert_eq!(expand(process, guest), Ok(format!("{host}{full}")), "{guest}");
        }
        assert_eq!(expand(process, "/d/new"), Ok(format!("{host}/d/new")));
        assert_eq!(expand(process, "/dangling"), Ok(format!("{host}/d/new")));
        assert_eq!(expand_from(process, -100, "/dangling", 0), Ok(format!("{host}/dangling")));
        assert_eq!(expand(process, "/no/new"), Err(Errno::ENOENT));
        assert_eq!(expand(process, "/d/new/"), Ok(format!("{host}/d/new/")));
        let file = open(world.at("d/leaf"));
        assert_eq!(expand_from(process, open(world.at("d")), "../leaf", 0), Ok(format!("{host}/leaf")));
        assert_eq!(fdpath(process, file, 4096), Ok("/d/leaf".into()));
        assert_eq!(fdpath(process, open(world.prefix()), 4096), Ok("/".into()));
        for (path, guest) in
            [("/d/leaf", "/d/leaf"), ("", "/"), ("/", "/"), ("/nothing here", "/nothing here")]
        {
            assert_eq!(unexpand(process, &format!("{host}{path}")), Ok(guest.into()));
        }
    });
}

#[test]
fn a_prefix_does_not_contain_what_begins_like_it() {
    let world = world("evil");
    let evil = world.beside("root-evil").display().to_string();
    world.each(&ALL, |process| {
        let file = open(world.beside("root-evil/leaf"));
        let (outside, by_fd) = (unexpand(process, &evil), fdpath(process, file, 4096));
        if process.vchroot.options().root_exit {
            assert_eq!(outside, Ok(format!("{EXIT_PATH}{evil}")));
            assert_eq!(by_fd, Ok(format!("{EXIT_PATH}{evil}/leaf")));
            assert_eq!(unexpand(process, "/"), Ok(EXIT_PATH.into()));
            assert_eq!(fdpath(process, open("/"), 4096), Ok(EXIT_PATH.into()));
        } else {
            assert_eq!((outside, by_fd), (Err(Errno::ENOENT), Err(Errno::ENOENT)));
        }
    });
}

#[test]
fn unexpanding_dot_dot_names_the_same_object() {
    let world = world("updown");
    let host = world.prefix().display().to_string();
    world.each(&[WITH_EXIT], |process| {
        assert_eq!(unexpand(process, &format!("{host}/d/../leaf")), Ok("/leaf".into()));
        let evil = format!("{host}/../root-evil/leaf");
        let found = format!("{EXIT_PATH}{}", world.beside("root-evil/leaf").display());
        assert_eq!(unexpand(process, &evil), Ok(found));
        assert_eq!(unexpand(process, &format!("{host}/no/../leaf")), Err(Errno::ENOENT));
    });
}

#[test]
fn paths_that_are_too_long_are_not_cut_off() {
    let world = world("long");
    let host = world.prefix().display().to_string();
    world.each(&[SEALED, BOTH], |process| {
        let of = |length: usize, end: &str| format!("{}{end}", "/".repeat(length - end.len()));
        for length in [1023, 1024, 1500, 4094, 4095] {
            assert_eq!(expand(process, &of(length, "leaf")), Ok(format!("{host}/leaf")), "{length}");
        }
        assert_eq!(expand(process, &of(4096, "leaf")), Err(Errno::ENAMETOOLONG));
        assert_eq!(unexpand(process, &of(4096, "leaf")), Err(Errno::ENAMETOOLONG));
        // Inside, a path only gets shorter; outside, it may not fit any more.
        let inside = format!("{host}{}", of(4090 - host.len(), "x"));
        assert_eq!(unexpand(process, &inside).map(|path| path.len()), Ok(4090 - host.len()));
        let outside = unexpand(process, &of(4090, "x"));
        let sealed = !process.vchroot.options().root_exit;
        assert_eq!(outside, Err(if sealed { Errno::ENOENT } else { Errno::ENAMETOOLONG }));
        let last = 4095 - EXIT_PATH.len();
        assert_eq!(unexpand(process, &of(last, "x")).is_ok(), !sealed);
        assert_eq!(expand(process, ""), Err(Errno::ENOENT));
        assert_eq!(unexpand(process, "leaf"), Err(Errno::EINVAL));
        assert_eq!(unexpand(process, ""), Err(Errno::ENOENT));
    });
}

#[test]
fn host_paths_longer_than_the_room_for_them() {
    let scratch = Scratch::new("deep");
    // The prefix's own path is long, what is below it is not.
    let long = scratch
        .path()
        .join("p".repeat(255))
        .join("q".repeat(255))
        .join("r".repeat(255))
        .join("s".repeat(255));
    fs::create_dir_all(long.join("d")).unwrap();
    fs::write(long.join("d/leaf"), "").unwrap();
    for options in ALL {
        apart(|| {
            let process = process_at(&long, options, true);
            let file = open(long.join("d/leaf"));
            for room in [8, 9, 100, 1024, 1100, 4096] {
                assert_eq!(fdpath(process, file, room), Ok("/d/leaf".into()), "{room}");
            }
            assert_eq!(fdpath(process, file, 7), Err(Errno::ENAMETOOLONG));
            assert_eq!(expand(process, "/d/leaf"), Ok(long.join("d/leaf").display().to_string()));
            // So far up that the host path of what is inside cannot be told.
            let deep = format!("/d/{}", "x".repeat(255));
            fs::create_dir_all(long.join(&deep[1..])).unwrap();
            assert_eq!(
                expand(process, &deep).map(|path| path.len()),
                Ok(long.as_os_str().len() + deep.len())
            );
        });
    }
}

#[test]
fn fdpath_fits_or_says_that_it_does_not() {
    let world = world("room");
    let host = world.prefix();
    world.each(&ALL, |process| {
        let (file, top) = (open(world.at("leaf")), open(&host));
        for room in 0..6 {
            assert_eq!(fdpath(process, file, room), Err(Errno::ENAMETOOLONG), "{room}");
        }
        assert_eq!(fdpath(process, file, 6), Ok("/leaf".into()));
        assert_eq!(fdpath(process, top, 0), Err(Errno::ENAMETOOLONG));
        assert_eq!(fdpath(process, top, 1), Err(Errno::ENAMETOOLONG));
        assert_eq!(fdpath(process, top, 2), Ok("/".into()));
        for file in [-1, -7, -100, 800, i32::MAX, i32::MIN] {
            assert_eq!(fdpath(process, file, 4096), Err(Errno::EBADF), "{file}");
            assert_eq!(fdpath(process, file, 0), Err(Errno::EBADF), "{file}");
        }
        let outside = open("/");
        for room in 0..=EXIT_PATH.len() {
            assert!(fdpath(process, outside, room).is_err(), "{room}");
        }
    });
}

#[test]
fn what_has_no_path_has_none() {
    let world = world("pathless");
    world.each(&ALL, |process| {
        let mut ends = [0; 2];
        #[allow(unsafe_code)]
        // SAFETY: room for both ends.
        let piped = unsafe { libc::pipe(ends.as_mut_ptr()) };
        assert_eq!(piped, 0);
        assert_eq!(fdpath(process, ends[0], 4096), Err(Errno::ENOENT));
        assert_eq!(fdpath(process, ends[0], 3), Err(Errno::ENOENT));
        world.file("gone").file("kept (deleted)").dir("gone-dir");
        let (gone, kept, directory) =
            (open(world.at("gone")), open(world.at("kept (deleted)")), open(world.at("gone-dir")));
        fs::remove_file(world.at("gone")).unwrap();
        fs::remove_dir(world.at("gone-dir")).unwrap();
        assert_eq!(fdpath(process, gone, 4096), Err(Errno::ENOENT));
        assert_eq!(fdpath(process, directory, 4096), Err(Errno::ENOENT));
        assert_eq!(fdpath(process, kept, 4096), Ok("/kept (deleted)".into()));
        // Something else has the name now.
        world.file("gone (deleted)");
        assert_eq!(fdpath(process, gone, 4096), Err(Errno::ENOENT));
        fs::remove_file(world.at("gone (deleted)")).unwrap();
    });
}

#[test]
fn without_a_prefix_paths_stay() {
    let world = world("none");
    let file = world.at("d/leaf").display().to_string();
    apart(|| {
        for process in
            [process_at(Path::new("/"), WITH_EXIT, true), process_at(Path::new("/"), FOLDED, false)]
        {
            assert!(!process.vchroot.is_set());
            assert_eq!(expand(process, &file), Ok(file.clone()));
            assert_eq!(expand(process, "d/leaf"), Ok("d/leaf".into()));
            assert_eq!(expand(process, ""), Err(Errno::ENOENT));
            assert_eq!(unexpand(process, &file), Ok(file.clone()));
            assert_eq!(fdpath(process, open(&file), 4096), Ok(file.clone()));
            assert_eq!(fdpath(process, open("/"), 4096), Ok("/".into()));
            assert_eq!(fdpath(process, open("/"), 1), Err(Errno::ENAMETOOLONG));
            assert_eq!(fdpath(process, open("/"), 0), Err(Errno::ENAMETOOLONG));
            assert_eq!(fdpath(process, 800, 0), Err(Errno::EBADF));
        }
    });
}

#[test]
fn the_prefix_is_renamed_while_in_use() {
    world("rename").each(&ALL, |_| {});
    for options in ALL {
        for has_openat2 in [true, false] {
            let world = world("rename");
            apart(|| {
                let process = world.process(options, has_openat2);
                let (file, directory) = (open(world.at("d/leaf")), open(world.at("d")));
                assert_eq!(fdpath(process, file, 4096), Ok("/d/leaf".into()));
                // As long as the old name, then longer; something else takes the old name's place.
                for name in ["tour", "another root", "r"] {
                    fs::rename(world.prefix(), world.beside(name)).unwrap();
                    fs::create_dir_all(world.at("d")).unwrap();
                    fs::write(world.at("d/leaf"), "impostor").unwrap();
                    let host = world.beside(name).display().to_string();
                    assert_eq!(fdpath(process, file, 4096), Ok("/d/leaf".into()), "{name}");
                    assert_eq!(expand(process, "/link"), Ok(format!("{host}/d/leaf")));
                    assert_eq!(expand(process, "/leaf"), Ok(format!("{host}/leaf")));
                    assert_eq!(expand_from(process, directory, "../../leaf", 0), Ok(format!("{host}/leaf")));
                    assert_eq!(unexpand(process, &format!("{host}/d")), Ok("/d".into()));
                    let impostor = unexpand(process, &world.at("d/leaf").display().to_string());
                    if options.root_exit {
                        assert_eq!(impostor, Ok(format!("{EXIT_PATH}{}", world.at("d/leaf").display())));
                    } else {
                        assert_eq!(impostor, Err(Errno::ENOENT));
                    }
                    fs::remove_dir_all(world.prefix()).unwrap();
                    fs::rename(world.beside(name), world.prefix()).unwrap();
                }
            });
        }
    }
}

#[test]
fn the_prefix_is_removed_while_in_use() {
    let world = World::new("removed");
    apart(|| {
        for options in ALL {
            let process = world.process(options, true);
            fs::remove_dir(world.prefix()).unwrap();
            assert_eq!(expand(process, "/leaf"), Err(Errno::ENOENT));
            assert_eq!(expand(process, "/"), Err(Errno::ENOENT));
            fs::create_dir(world.prefix()).unwrap();
            assert_eq!(expand(process, "/leaf/x"), Err(Errno::ENOENT));
        }
    });
}

#[test]
fn a_prefix_is_a_directory() {
    use xnu_core::linux::LinuxFd;
    let world = world("set");
    apart(|| {
        let process = world.process(SEALED, true);
        let set = |file: i32| process.set_prefix(LinuxFd(file), SEALED);
        assert_eq!(set(open(world.at("leaf"))), Err(Errno::ENOTDIR));
        assert_eq!(set(800), Err(Errno::EBADF));
        assert_eq!(expand(process, "/leaf"), Ok(world.at("leaf").display().to_string()));
        // Another one takes its place, and its descriptor.
        let count = || fs::read_dir("/proc/self/fd").unwrap().count();
        let before = count();
        let other = open(world.at("d"));
        assert_eq!(set(other), Ok(()));
        assert_eq!(count(), before + 1);
        assert_eq!(expand(process, "/leaf"), Ok(world.at("d/leaf").display().to_string()));
        assert_eq!(set(open("/")), Ok(()));
        assert!(!process.vchroot.is_set());
        assert_eq!(count(), before + 1);
    });
}
