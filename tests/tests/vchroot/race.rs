//! Another process changes the tree while paths are looked up: nothing from outside is ever found in a sealed prefix.

use crate::world::{FOLDED, Own, SEALED, World, apart, races};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use xnu_abi::linux::flags;
use xnu_core::UserAddr;
use xnu_core::linux::LinuxFd;
use xnu_core::table::{DirFd, UserPath};
use xnu_core::vchroot::{GuestPath, Links, Opening, Target, Use};
use xnu_tests::paths::subject::look;

/// A process that does the same thing over and over until it is dropped.
struct Other(libc::pid_t);

impl Other {
    #[allow(unsafe_code)]
    fn new(step: impl Fn()) -> Other {
        // SAFETY: the child uses nothing but what `step` brings, and ends with its parent.
        unsafe {
            let child = libc::fork();
            assert!(child >= 0);
            if child == 0 {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                loop {
                    step();
                }
            }
            Other(child)
        }
    }
}

impl Drop for Other {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: our own child.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path without NUL")
}

/// Swaps two names.
#[allow(unsafe_code)]
fn exchange(a: &CString, b: &CString) {
    // SAFETY: both strings end with a NUL.
    unsafe { libc::renameat2(libc::AT_FDCWD, a.as_ptr(), libc::AT_FDCWD, b.as_ptr(), libc::RENAME_EXCHANGE) };
}

/// Looks up, opens and checks: a file that begins with these words is outside.
struct Opener {
    process: &'static Own,
    counts: BTreeMap<String, u64>,
}

const OUTSIDE: &[u8] = b"outside";

impl Opener {
    #[allow(unsafe_code)]
    fn try_path(&mut self, path: &CString) {
        let at = UserPath(UserAddr::new(path.as_ptr() as u64));
        let mut room = GuestPath::new();
        let mut target = Target::read(self.process, DirFd::CWD, at, &mut room).expect("a path");
        let opening =
            Opening { flags: flags::O_CLOEXEC, mode: 0, refuses_links: false, stays_beneath: false };
        let seen = match target.open(&opening) {
            Ok(LinuxFd(file)) => {
                let mut bytes = [0; OUTSIDE.len()];
                // SAFETY: room for so many bytes; the descriptor is ours.
                let length = unsafe {
                    let length = libc::read(file, bytes.as_mut_ptr().cast(), bytes.len());
                    libc::close(file);
                    length
                };
                assert!(length <= 0 || bytes != OUTSIDE, "{path:?} led out of the prefix");
                "opened".to_string()
            }
            Err(error) => format!("{error:?}"),
        };
        *self.counts.entry(seen).or_default() += 1;
        // What is only looked at, and where a name would be made.
        let mut target = Target::read(self.process, DirFd::CWD, at, &mut room).expect("a path");
        if let Ok(stat) = look(&self.process.kernel, &mut target, Links::Follow) {
            assert_ne!(stat.stx_size, OUTSIDE_SIZE, "{path:?} led out of the prefix");
        }
        let mut target = Target::read(self.process, DirFd::CWD, at, &mut room).expect("a path");
        if let Ok(found) = target.name(Use::Existing, false) {
            let name = found.path().to_vec();
            let nofollow = flags::AT_SYMLINK_NOFOLLOW;
            let stat =
                xnu_core::linux::metadata::statx(&self.process.kernel, found.directory(), &name, nofollow);
            assert!(stat.is_err() || stat.is_ok_and(|stat| stat.stx_size != OUTSIDE_SIZE), "{path:?}");
        }
    }
}

/// No file inside is as long.
const OUTSIDE_SIZE: u64 = 4321;

fn outside(world: &World, name: &str) {
    let mut text = OUTSIDE.to_vec();
    text.resize(OUTSIDE_SIZE as usize, b'!');
    fs::create_dir_all(world.beside(name)).unwrap();
    fs::write(world.beside(name).join("leaf"), &text).unwrap();
    fs::write(world.beside("leaf"), &text).unwrap();
}

fn race(world: &World, step: impl Fn() + Copy, paths: &[&str], wanted: &[&str]) {
    for options in [SEALED, FOLDED] {
        for has_openat2 in [true, false] {
            apart(|| {
                std::env::set_current_dir(world.at("d")).unwrap();
                let process = world.process(options, has_openat2);
                let paths: Vec<CString> = paths.iter().map(|path| CString::new(*path).unwrap()).collect();
                let _other = Other::new(step);
                let mut opener = Opener { process, counts: BTreeMap::new() };
                for index in 0..races() / 4 {
                    opener.try_path(&paths[index as usize % paths.len()]);
                }
                let counts = opener.counts;
                for seen in wanted {
                    assert!(counts.contains_key(*seen), "{options:?}, openat2 {has_openat2}: {counts:?}");
                }
            });
        }
    }
}

#[test]
fn components_that_become_links_to_outside() {
    let world = World::new("swap");
    outside(&world, "far");
    world.dir("d/e").file("d/e/leaf").file("leaf");
    // Absolute and relative ways out, in place of a directory and of a file.
    world
        .link("d/abs", world.beside("far"))
        .link("d/up", "../../far")
        .link("abs-leaf", world.beside("far/leaf"));
    let names = ["d/e", "d/abs", "d/up", "leaf", "abs-leaf"].map(|name| c_path(&world.at(name)));
    let [e, abs, up, leaf, abs_leaf] = &names;
    let step = || {
        exchange(e, abs);
        exchange(leaf, abs_leaf);
        exchange(e, abs);
        exchange(e, up);
        exchange(leaf, abs_leaf);
        exchange(e, up);
    };
    let paths =
        ["/d/e/leaf", "/leaf", "e/leaf", "/d/../d/e/leaf", "../leaf", "e/../e/leaf", "/d/e/../e/leaf"];
    race(&world, step, &paths, &["opened", "ENOENT"]);
}

#[test]
fn directories_that_are_moved_out_and_back() {
    let world = World::new("move");
    outside(&world, "far");
    world.dir("d/e/f").file("d/leaf").file("leaf").file("d/e/leaf");
    let (inside, outside) = (c_path(&world.at("d/e")), c_path(&world.beside("far/e")));
    let (inside, outside) = (&inside, &outside);
    #[allow(unsafe_code)]
    // SAFETY: both strings end with a NUL.
    let step = move || unsafe {
        libc::rename(inside.as_ptr(), outside.as_ptr());
        libc::rename(outside.as_ptr(), inside.as_ptr());
    };
    let paths = [
        "/d/e/../leaf",
        "/d/e/f/../../leaf",
        "e/../leaf",
        "e/f/../../../leaf",
        "/d/e/f/../../../leaf",
        "e/f/../leaf",
    ];
    race(&world, step, &paths, &["opened", "ENOENT"]);
}

#[test]
fn the_prefix_itself_is_renamed() {
    let world = World::new("renamed");
    outside(&world, "far");
    world.dir("d/e").file("d/leaf").file("leaf").file("d/e/leaf");
    let (here, there) = (c_path(&world.prefix()), c_path(&world.beside("moved")));
    let (here, there) = (&here, &there);
    #[allow(unsafe_code)]
    // SAFETY: both strings end with a NUL.
    let step = move || unsafe {
        libc::rename(here.as_ptr(), there.as_ptr());
        libc::rename(there.as_ptr(), here.as_ptr());
    };
    for options in [SEALED, FOLDED] {
        for has_openat2 in [true, false] {
            apart(|| {
                std::env::set_current_dir(world.at("d")).unwrap();
                let process = world.process(options, has_openat2);
                let other = Other::new(step);
                let mut opener = Opener { process, counts: BTreeMap::new() };
                let paths = ["/d/leaf", "/leaf", "e/leaf", "/d/e/leaf", "e/./leaf"];
                for index in 0..(races() / 16) as usize {
                    opener.try_path(&CString::new(paths[index % paths.len()]).unwrap());
                }
                // It is the root whatever its name is.
                assert_eq!(opener.counts.keys().collect::<Vec<_>>(), ["opened"], "{:?}", opener.counts);
                for _ in 0..races() / 64 {
                    for path in [c"../leaf", c"e/../../leaf", c"../../leaf"] {
                        opener.try_path(&path.to_owned());
                    }
                }
                let opened = opener.counts["opened"];
                assert!(opened > opener.counts.values().sum::<u64>() / 2, "{:?}", opener.counts);
                drop(other);
                let _ = fs::rename(world.beside("moved"), world.prefix());
            });
        }
    }
}
