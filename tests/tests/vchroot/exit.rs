//! `/Volumes/SystemRoot`, and prefixes without it.

use crate::is_root;
use crate::world::{ALL, BOTH, FOLDED, Own, SEALED, WITH_EXIT, World, apart, become_user};
use std::fs;
use std::path::Path;
use xnu_abi::linux::{Errno, flags};
use xnu_abi::vchroot::EXIT_PATH;
use xnu_core::UserAddr;
use xnu_core::linux::LinuxFd;
use xnu_core::table::{DirFd, UserPath};
use xnu_core::vchroot::{GuestPath, Links, Opening, Target, Use};
use xnu_tests::paths::subject::{AT_FDCWD, look};
use xnu_tests::paths::tree;

/// What the core opens; the descriptor is left to the end of the test's process.
fn open_from(process: &'static Own, start: i32, path: &str, flags: u32) -> Result<i32, Errno> {
    let text: &'static [u8] = format!("{path}\0").into_bytes().leak();
    let start = if start == AT_FDCWD { DirFd::CWD } else { DirFd(start) };
    let at = UserPath(UserAddr::new(text.as_ptr() as u64));
    let mut room = GuestPath::new();
    let mut target = Target::read(process, start, at, &mut room).expect("a path");
    let opening = Opening { flags, mode: 0o600, refuses_links: false, stays_beneath: false };
    target.open(&opening).map(|LinuxFd(file)| file)
}

fn open(process: &'static Own, path: &str) -> Result<i32, Errno> {
    open_from(process, AT_FDCWD, path, flags::O_PATH)
}

fn identity(file: i32) -> u64 {
    tree::inode(&xnu_backend_linux::Linux::new(), file, b"").expect("an open file")
}

/// That a guest's path leads to a file of the host's.
#[track_caller]
fn leads_to(process: &'static Own, path: &str, host: impl AsRef<Path>) {
    leads_from(process, AT_FDCWD, path, host);
}

#[track_caller]
fn leads_from(process: &'static Own, start: i32, path: &str, host: impl AsRef<Path>) {
    let opened =
        open_from(process, start, path, flags::O_PATH).unwrap_or_else(|error| panic!("{path}: {error}"));
    let host = host.as_ref();
    assert_eq!(identity(opened), inode(host), "{path} is {}", host.display());
}

fn inode(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(
        &fs::metadata(path).unwrap_or_else(|error| panic!("{path:?}: {error}")),
    )
}

fn world(name: &str) -> World {
    let world = World::new(name);
    world.dir("Volumes/disk").dir("d").file("leaf").file("d/leaf");
    world
        .link("out", "/Volumes/SystemRoot")
        .link("d/host", "../Volumes/SystemRoot/")
        .link("Volumes/sys", "SystemRoot");
    fs::create_dir_all(world.beside("far/away")).unwrap();
    fs::write(world.beside("far/leaf"), "outside").unwrap();
    std::os::unix::fs::symlink("/leaf", world.beside("far/abs")).unwrap();
    std::os::unix::fs::symlink("leaf", world.beside("far/rel")).unwrap();
    std::os::unix::fs::symlink("/proc/self", world.beside("far/proc")).unwrap();
    world
}

#[test]
fn the_exit_leads_to_linuxs_root() {
    let world = world("exit");
    let far = world.beside("far");
    let host = far.display().to_string();
    let ways = [
        "/Volumes/SystemRoot",
        "/Volumes/SystemRoot/",
        "/Volumes/SystemRoot/.",
        "/out",
        "/out/",
        "/d/host",
        "/Volumes//./SystemRoot",
        "/d/../Volumes/disk/../SystemRoot",
        "/Volumes/sys",
    ];
    world.each(&[WITH_EXIT, BOTH], |process| {
        for way in ways {
            leads_to(process, way, "/");
            leads_to(process, &format!("{way}{host}/leaf"), far.join("leaf"));
            leads_to(process, &format!("{way}{host}/away/../rel"), far.join("leaf"));
            leads_to(process, &format!("{way}/.."), world.at("Volumes"));
            leads_to(process, &format!("{way}/../../leaf"), world.at("leaf"));
            leads_to(process, &format!("{way}/../disk"), world.at("Volumes/disk"));
            assert_eq!(open(process, &format!("{way}{host}/none")), Err(Errno::ENOENT));
            assert_eq!(open(process, &format!("{way}{host}/leaf/..")), Err(Errno::ENOTDIR));
            // Links of the host's are absolute from the prefix, as with a mount; but for those to /proc.
            leads_to(process, &format!("{way}{host}/abs"), world.at("leaf"));
        }
        leads_to(process, &format!("/out{host}/proc/fd/.."), "/proc/self");
        for missing in ["/Volumes/SystemRootX", "/d/SystemRoot", "/SystemRoot", "/Volumes/disk/SystemRoot"] {
            assert_eq!(open(process, missing), Err(Errno::ENOENT), "{missing}");
        }
        // From a directory, too.
        let volumes = open(process, "/Volumes").unwrap();
        leads_from(process, volumes, "SystemRoot", "/");
        leads_from(process, volumes, "disk/../SystemRoot/../../leaf", world.at("leaf"));
        leads_from(process, open(process, "/d").unwrap(), "host", "/");
    });
    world.each(&[SEALED, FOLDED], |process| {
        for way in ways {
            assert_eq!(open(process, way), Err(Errno::ENOENT), "{way}");
            assert_eq!(open(process, &format!("{way}{host}/leaf")), Err(Errno::ENOENT), "{way}");
        }
    });
}

#[test]
fn the_exit_is_a_name_like_others_where_case_does_not_matter() {
    let world = world("exit-case");
    world.each(&[BOTH], |process| {
        for way in
            ["/volumes/systemroot", "/VOLUMES/SYSTEMROOT/", "/d/../vOLUMES/SystemRoot", "/OUT", "/D/HOST"]
        {
            leads_to(process, way, "/");
            leads_to(process, &format!("{way}/../.."), world.prefix());
        }
    });
    world.each(&[WITH_EXIT], |process| {
        for way in ["/volumes/SystemRoot", "/Volumes/systemroot"] {
            assert_eq!(open(process, way), Err(Errno::ENOENT), "{way}");
        }
    });
}

#[test]
fn the_exit_is_there_without_volumes() {
    let world = World::new("no-volumes");
    world.file("leaf").link("out", "/Volumes/SystemRoot");
    world.each(&[WITH_EXIT, BOTH], |process| {
        for way in ["/Volumes/SystemRoot", "/out", "/Volumes/./SystemRoot", "/Volumes/../Volumes/SystemRoot"]
        {
            leads_to(process, way, "/");
            leads_to(process, &format!("{way}/proc/../.././../leaf"), world.at("leaf"));
            assert_eq!(open(process, &format!("{way}/..")), Err(Errno::ENOENT));
            assert_eq!(open(process, &format!("{way}/../x")), Err(Errno::ENOENT));
        }
        for missing in ["/Volumes", "/Volumes/", "/Volumes/x", "/Volumes/.", "/Volumes/x/y"] {
            assert_eq!(open(process, missing), Err(Errno::ENOENT), "{missing}");
        }
        let made = open_from(process, AT_FDCWD, "/Volumes/new", flags::O_CREAT | 1);
        assert_eq!(made, Err(Errno::ENOENT));
    });
}

#[test]
fn the_exit_covers_what_is_really_there() {
    let world = world("covered");
    world.dir("Volumes/SystemRoot/d").file("Volumes/SystemRoot/d/leaf");
    let host = world.beside("far").display().to_string();
    world.each(&[WITH_EXIT, BOTH], |process| {
        for way in ["/Volumes/SystemRoot", "/out", "/d/host", "/Volumes/sys", "/d/../out"] {
            leads_to(process, way, "/");
            leads_to(process, &format!("{way}{host}/leaf"), world.beside("far/leaf"));
            assert_eq!(open(process, &format!("{way}/d/leaf")), Err(Errno::ENOENT));
        }
    });
    // A sealed prefix has no exit, so this is a directory like others.
    world.each(&[SEALED, FOLDED], |process| {
        for way in ["/Volumes/SystemRoot", "/out", "/d/host"] {
            leads_to(process, way, world.at("Volumes/SystemRoot"));
            leads_to(process, &format!("{way}/d/leaf"), world.at("Volumes/SystemRoot/d/leaf"));
        }
    });
}

#[test]
fn the_exit_is_the_same_whatever_it_covers() {
    let cover = |world: &World, kind: &str| match kind {
        "nothing" => {}
        "marker" => drop(world.link("Volumes/SystemRoot", "SystemRoot")),
        "empty" => drop(world.dir("Volumes/SystemRoot")),
        "full" => drop(world.dir("Volumes/SystemRoot/x")),
        "file" => drop(world.file("Volumes/SystemRoot")),
        _ => drop(world.link("Volumes/SystemRoot", "/d")),
    };
    for kind in ["nothing", "marker", "empty", "full", "file", "link"] {
        let world = world(kind);
        cover(&world, kind);
        let outside = world.beside("far/none-here");
        let by_exit = format!("{EXIT_PATH}{}", outside.display());
        world.link("tmp", "d").link("loop", "loop").link("chain", "out").link("out-missing", by_exit);
        let host = world.beside("far").display().to_string();
        world.each(&[WITH_EXIT, BOTH], |process| {
            for way in ["/Volumes/SystemRoot", "/out", "/chain", "/d/host", "/tmp/host", "/Volumes/sys"] {
                for flags in [flags::O_PATH, 0, flags::O_DIRECTORY] {
                    let opened = open_from(process, AT_FDCWD, way, flags).unwrap_or_else(|error| {
                        panic!("{way} over {kind}, {flags:o}: {error}");
                    });
                    assert_eq!(identity(opened), inode(Path::new("/")), "{way} over {kind}, {flags:o}");
                }
                leads_to(process, &format!("{way}{host}/leaf"), world.beside("far/leaf"));
                assert_eq!(open(process, &format!("{way}/x")), Err(Errno::ENOENT), "{way} over {kind}");
            }
            leads_to(process, "/tmp/leaf", world.at("d/leaf"));
            assert_eq!(open(process, "/tmp/none"), Err(Errno::ENOENT));
            assert_eq!(open(process, "/none/x"), Err(Errno::ENOENT));
            assert_eq!(open(process, "/loop"), Err(Errno::ELOOP));
            assert_eq!(open(process, "/out-missing"), Err(Errno::ENOENT));
            let made = open_from(process, AT_FDCWD, "/tmp/made", flags::O_CREAT | flags::O_EXCL | 1);
            assert!(made.is_ok(), "{made:?} over {kind}");
            fs::remove_file(world.at("d/made")).unwrap();
            let made = open_from(process, AT_FDCWD, "/out-missing", flags::O_CREAT | 1);
            assert!(made.is_ok(), "{made:?} over {kind}");
            fs::remove_file(&outside).unwrap();
        });
    }
}

#[test]
fn nothing_is_made_removed_or_renamed_where_the_exit_is() {
    let world = world("exit-names");
    world.each(&[WITH_EXIT, BOTH], |process| {
        let creates = flags::O_CREAT | 1;
        for way in ["/Volumes/SystemRoot", "/out", "/d/host"] {
            assert_eq!(open_from(process, AT_FDCWD, way, creates), Err(Errno::EISDIR), "{way}");
        }
        let exclusive = open_from(process, AT_FDCWD, "/Volumes/SystemRoot", creates | flags::O_EXCL);
        assert!(matches!(exclusive, Err(Errno::EEXIST | Errno::EISDIR)), "{exclusive:?}");
        for (usage, want) in [(Use::New, libc::EEXIST), (Use::Existing, libc::EBUSY)] {
            for path in ["/Volumes/SystemRoot", "/Volumes/SystemRoot/", "/d/../Volumes/SystemRoot"] {
                let text: &'static [u8] = format!("{path}\0").into_bytes().leak();
                let at = UserPath(UserAddr::new(text.as_ptr() as u64));
                let mut room = GuestPath::new();
                let mut target = Target::read(process, DirFd::CWD, at, &mut room).expect("a path");
                let mut found = target.name(usage, false).expect("the exit");
                let done = found.act(|directory, name| {
                    assert_eq!(name, b"/\0");
                    // SAFETY: the name ends with a NUL.
                    #[allow(unsafe_code)]
                    let result = unsafe {
                        match usage {
                            Use::New => libc::mkdirat(directory.0, name.as_ptr().cast(), 0o700),
                            Use::Existing => {
                                libc::unlinkat(directory.0, name.as_ptr().cast(), libc::AT_REMOVEDIR)
                            }
                        }
                    };
                    assert_eq!(result, -1);
                    Ok(std::io::Error::last_os_error().raw_os_error())
                });
                assert_eq!(done, Ok(Some(want)), "{path}");
            }
        }
        // Beyond it files are made as anywhere.
        let new = world.beside("far/made");
        for way in ["/Volumes/SystemRoot", "/out", "/d/host"] {
            let path = format!("{way}{}", new.display());
            assert!(open_from(process, AT_FDCWD, &path, creates | flags::O_EXCL).is_ok(), "{way}");
            fs::remove_file(&new).unwrap();
        }
        assert!(!world.at("Volumes/SystemRoot").exists());
    });
}

#[test]
fn files_are_made_behind_links_where_there_is_an_exit() {
    let world = world("make");
    world.link("tmp", "d").link("d/dangling", "../made").link("far", "/Volumes/disk");
    world.each(&ALL, |process| {
        for (path, made) in [
            ("/tmp/made", "d/made"),
            ("tmp/made", "d/made"),
            ("/d/made", "d/made"),
            ("/tmp/dangling", "made"),
            ("/far/../disk/made", "Volumes/disk/made"),
        ] {
            #[allow(unsafe_code)]
            // SAFETY: the string ends with a NUL.
            let entered = unsafe {
                libc::chdir(std::ffi::CString::new(world.prefix().display().to_string()).unwrap().as_ptr())
            };
            assert_eq!(entered, 0);
            assert!(open_from(process, AT_FDCWD, path, flags::O_CREAT | 1).is_ok(), "{path}");
            leads_to(process, path, world.at(made));
            let again = open_from(process, AT_FDCWD, path, flags::O_CREAT | flags::O_EXCL | 1);
            assert_eq!(again, Err(Errno::EEXIST), "{path}");
            assert!(open_from(process, AT_FDCWD, path, flags::O_CREAT | 1).is_ok(), "{path}");
            fs::remove_file(world.at(made)).unwrap();
        }
    });
}

#[test]
fn a_directory_from_outside_is_no_way_further_out_of_a_sealed_prefix() {
    let world = world("handed-in");
    world.each(&[SEALED, FOLDED], |process| {
        let far = tree::place(&process.kernel, AT_FDCWD, world.beside("far").as_os_str().as_encoded_bytes());
        leads_from(process, far, "leaf", world.beside("far/leaf"));
        leads_from(process, far, "away/../leaf", world.beside("far/leaf"));
        leads_from(process, far, "rel", world.beside("far/leaf"));
        // Absolute is from the prefix.
        leads_from(process, far, "abs", world.at("leaf"));
        for up in ["..", "../far/leaf", "away/../../far", "../../..", "../root", "../../../../../../etc"] {
            assert_eq!(open_from(process, far, up, flags::O_PATH), Err(Errno::EACCES), "{up}");
        }
    });
    // Where there is an exit, this is a directory beyond it.
    world.each(&[WITH_EXIT, BOTH], |process| {
        let far = tree::place(&process.kernel, AT_FDCWD, world.beside("far").as_os_str().as_encoded_bytes());
        leads_from(process, far, "../far/leaf", world.beside("far/leaf"));
        leads_from(process, far, "../root/leaf", world.at("leaf"));
        let up = "../".repeat(world.beside("far").components().count() - 1);
        leads_from(process, far, &up, "/");
        leads_from(process, far, &format!("{up}../../leaf"), world.at("leaf"));
        leads_from(process, far, &format!("{up}../disk"), world.at("Volumes/disk"));
    });
}

#[test]
fn a_working_directory_that_was_removed_or_moved() {
    let world = world("gone");
    world.each(&ALL, |process| {
        let chdir = |path: &str| {
            world.dir(path);
            std::env::set_current_dir(world.at(path)).unwrap();
        };
        let cwd = |path: &str| open_from(process, AT_FDCWD, path, flags::O_PATH);
        // Removed: nothing is found in it, but it still has a parent.
        chdir("d/gone");
        fs::remove_dir(world.at("d/gone")).unwrap();
        // Another one has its name, and one the name that Linux shows for it.
        world.dir("d/gone").file("d/gone/leaf").dir("d/gone (deleted)").file("d/gone (deleted)/leaf");
        assert_eq!(cwd("leaf"), Err(Errno::ENOENT));
        assert_eq!(cwd("./leaf"), Err(Errno::ENOENT));
        leads_from(process, AT_FDCWD, "../leaf", world.at("d/leaf"));
        leads_from(process, AT_FDCWD, "..", world.at("d"));
        leads_from(process, AT_FDCWD, "../../leaf", world.at("leaf"));
        leads_from(process, AT_FDCWD, "../../../../leaf", world.at("leaf"));
        assert!(cwd(".").is_ok());
        fs::remove_dir_all(world.at("d/gone")).unwrap();
        fs::remove_dir_all(world.at("d/gone (deleted)")).unwrap();
        // Moved within the prefix: up is where it is now.
        chdir("d/moves");
        world.file("d/moves/leaf");
        fs::rename(world.at("d/moves"), world.at("moved")).unwrap();
        leads_from(process, AT_FDCWD, "leaf", world.at("moved/leaf"));
        leads_from(process, AT_FDCWD, "../leaf", world.at("leaf"));
        leads_from(process, AT_FDCWD, "../../leaf", world.at("leaf"));
        // Moved out: as if it had come from there.
        fs::rename(world.at("moved"), world.beside("far/moved")).unwrap();
        leads_from(process, AT_FDCWD, "leaf", world.beside("far/moved/leaf"));
        if process.vchroot.options().root_exit {
            leads_from(process, AT_FDCWD, "../leaf", world.beside("far/leaf"));
        } else {
            assert_eq!(cwd("../leaf"), Err(Errno::EACCES));
        }
        fs::remove_dir_all(world.beside("far/moved")).unwrap();
    });
}

#[test]
fn links_of_proc_lead_to_what_they_stand_for() {
    let world = world("magic");
    let proc = "/Volumes/SystemRoot/proc";
    world.each(&[WITH_EXIT, BOTH], |process| {
        let file = open(process, "/d/leaf").unwrap();
        leads_to(process, &format!("{proc}/self/fd/{file}"), world.at("d/leaf"));
        leads_to(process, &format!("{proc}/self/cwd"), std::env::current_dir().unwrap());
        leads_to(process, &format!("{proc}/self/root/proc"), "/proc");
        let directory = open(process, "/d").unwrap();
        leads_to(process, &format!("{proc}/self/fd/{directory}/leaf"), world.at("d/leaf"));
        leads_to(process, &format!("{proc}/self/fd/{directory}/../leaf"), world.at("leaf"));
        leads_to(process, &format!("{proc}/thread-self/../../fd/{directory}/host"), "/");
        let itself =
            open_from(process, AT_FDCWD, &format!("{proc}/self/cwd"), flags::O_PATH | flags::O_NOFOLLOW);
        assert!(itself.is_ok());
        assert_eq!(open(process, &format!("{proc}/self/fd/{file}/x")), Err(Errno::ENOTDIR));
        assert_eq!(open(process, &format!("{proc}/self/fd/850")), Err(Errno::ENOENT));
        // A pipe has no path; its link leads there all the same.
        let mut ends = [0; 2];
        #[allow(unsafe_code)]
        // SAFETY: room for both ends.
        let piped = unsafe { libc::pipe(ends.as_mut_ptr()) };
        assert_eq!(piped, 0);
        let again = open_from(process, AT_FDCWD, &format!("{proc}/self/fd/{}", ends[0]), 0).unwrap();
        assert_eq!(identity(again), identity(ends[0]));
    });
}

#[test]
fn a_sealed_prefix_with_proc_in_it_has_no_way_out() {
    if !is_root() {
        eprintln!("not tried: only root can mount");
        return;
    }
    let world = world("sealed-proc");
    world.dir("proc").link("fd", "/proc/self/fd").link("proc-root", "/proc/self/root");
    for (options, has_openat2) in [(SEALED, true), (SEALED, false), (FOLDED, true), (FOLDED, false)] {
        apart(|| {
            // Before the prefix is opened: a descriptor belongs to the mounts of its time.
            if !mount_proc(&world.at("proc")) {
                // As in a container, or where the root is no mount.
                eprintln!("not tried: nothing can be mounted here: {}", std::io::Error::last_os_error());
                return;
            }
            proc_is_no_way_out(&world, world.process(options, has_openat2));
        });
    }
}

#[allow(unsafe_code)]
fn mount_proc(at: &Path) -> bool {
    let at = std::ffi::CString::new(at.display().to_string()).unwrap();
    // SAFETY: the strings end with NULs; this process is a child of the test's.
    unsafe {
        if libc::unshare(libc::CLONE_NEWNS) != 0 {
            return false;
        }
        let (none, slow) = (std::ptr::null(), libc::MS_REC | libc::MS_SLAVE);
        libc::mount(none, c"/".as_ptr(), none, slow, none.cast()) == 0
            && libc::mount(c"/proc".as_ptr(), at.as_ptr(), none, libc::MS_BIND, none.cast()) == 0
    }
}

fn proc_is_no_way_out(world: &World, process: &'static Own) {
    let inside = open(process, "/d/leaf").unwrap();
    leads_to(process, &format!("/proc/self/fd/{inside}"), world.at("d/leaf"));
    leads_to(process, &format!("/fd/{inside}"), world.at("d/leaf"));
    std::env::set_current_dir(world.at("d")).unwrap();
    leads_to(process, "/proc/self/cwd/leaf", world.at("d/leaf"));
    leads_to(process, "/proc/self/cwd/../leaf", world.at("leaf"));
    for path in [
        "/proc/self/root",
        "/proc-root",
        "/proc/self/root/etc",
        "/proc-root/..",
        "/proc/1/root",
        "/proc/1/cwd/x",
        "/proc/self/exe",
        "/proc/self/task/../root/..",
    ] {
        assert_eq!(open(process, path), Err(Errno::EACCES), "{path}");
    }
    // What the process has open it may open again, and look into; not up from it.
    let far = tree::place(&process.kernel, AT_FDCWD, world.beside("far").as_os_str().as_encoded_bytes());
    leads_to(process, &format!("/proc/self/fd/{far}/leaf"), world.beside("far/leaf"));
    assert_eq!(open(process, &format!("/proc/self/fd/{far}/..")), Err(Errno::EACCES));
    std::env::set_current_dir("/etc").unwrap();
    assert_eq!(open(process, "/proc/self/cwd/passwd"), Err(Errno::EACCES));
}

#[test]
fn links_in_shared_directories_are_followed_as_linux_does() {
    let protected =
        fs::read_to_string("/proc/sys/fs/protected_symlinks").is_ok_and(|text| text.trim() == "1");
    if !is_root() || !protected {
        eprintln!(
            "not tried: only root can make other users' links, and Linux protects them here: {protected}"
        );
        return;
    }
    let world = world("sticky");
    world.dir("tmp").link("tmp/theirs", "/leaf").link("tmp/dir", "/d").mode("tmp", 0o1777);
    std::os::unix::fs::lchown(world.at("tmp/theirs"), Some(2000), Some(2000)).unwrap();
    std::os::unix::fs::lchown(world.at("tmp/dir"), Some(2000), Some(2000)).unwrap();
    for options in ALL {
        for has_openat2 in [true, false] {
            apart(|| {
                let process = world.process(options, has_openat2);
                become_user(1000);
                assert_eq!(open(process, "/tmp/theirs"), Err(Errno::EACCES));
                assert!(open(process, "/tmp/dir/leaf").is_ok());
                assert_eq!(open(process, "/tmp/dir"), Err(Errno::EACCES));
            });
        }
    }
}

#[test]
fn the_descriptor_of_the_prefix_is_out_of_reach() {
    let world = world("reach");
    world.each(&ALL, |process| {
        let own: Vec<i32> = fs::read_dir("/proc/self/fd")
            .unwrap()
            .flatten()
            .filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
            .filter(|file| process.vchroot.keeps(*file))
            .collect();
        assert_eq!(own.len(), 1);
        assert!(own[0] >= 900, "{own:?}");
        for file in [0, 1, 2, -1, -2, i32::MIN, own[0] + 1] {
            assert!(!process.vchroot.keeps(file), "{file}");
        }
    });
}

#[test]
fn stat_of_one_name_is_that_of_the_object() {
    let world = world("one-name");
    world.link("loop", "loop").link("up", "..");
    world.each(&ALL, |process| {
        let stat = |path: &str, links: Links| {
            let text: &'static [u8] = format!("{path}\0").into_bytes().leak();
            let at = UserPath(UserAddr::new(text.as_ptr() as u64));
            let mut room = GuestPath::new();
            let mut target = Target::read(process, DirFd::CWD, at, &mut room).expect("a path");
            look(&process.kernel, &mut target, links).map(|stat| stat.stx_ino)
        };
        assert_eq!(stat("/leaf", Links::Follow), Ok(inode(&world.at("leaf"))));
        assert_eq!(stat("/up", Links::Follow), Ok(inode(&world.prefix())));
        assert_eq!(stat("/loop", Links::Follow), Err(Errno::ELOOP));
        assert!(stat("/loop", Links::Stay).is_ok());
        assert_eq!(stat("/none", Links::Follow), Err(Errno::ENOENT));
    });
}
