//! Prefixes in which case and normal form do not matter.

use crate::world::{BOTH, FOLDED, World};
use std::fs;
use xnu_abi::linux::{Errno, Sysno, flags};
use xnu_abi::vchroot::{PATH_BYTES, VCHROOT_FOLLOW, VchrootExpandArgs};
use xnu_backend_mock::{Credentials, Fault, Mock, Module, Plan};
use xnu_core::linux::{LinuxFd, descriptor, metadata, name};
use xnu_core::table::{DirFd, UserPath};
use xnu_core::vchroot::{GuestPath, Links, Opening, Target, Use};
use xnu_core::{Process, UserAddr};
use xnu_tests::paths::subject::{AT_FDCWD, look};
use xnu_tests::paths::tree::place;

type Machine = Process<Fault<Mock>, Module>;

/// A case-insensitive prefix `/p`.
fn machine(has_openat2: bool) -> Machine {
    let mock = Mock::new(1);
    mock.set_credentials(Credentials::root());
    mock.add_dir("/p");
    let plan = if has_openat2 { Plan::none() } else { Plan::every(Sysno::Openat2, Errno::ENOSYS) };
    let start = place(&mock, AT_FDCWD, b"/p");
    let process = Process::new(Fault::new(mock, plan), Module::new());
    process.set_prefix(LinuxFd(start), FOLDED).expect("a directory");
    process
}

fn both_roads(check: impl Fn(&Machine, &Mock)) {
    for has_openat2 in [true, false] {
        let process = machine(has_openat2);
        check(&process, process.kernel.inner());
    }
}

fn target<'a>(process: &'a Machine, path: &str, room: &'a mut GuestPath) -> Target<'a, Fault<Mock>> {
    let at = process.kernel.inner().place_str(path);
    Target::read(process, DirFd::CWD, UserPath(at), room).expect("a path")
}

fn try_open(process: &Machine, path: &str, flags: u32) -> Result<(), Errno> {
    let opening = Opening { flags, mode: 0o600, refuses_links: false, stays_beneath: false };
    target(process, path, &mut GuestPath::new())
        .open(&opening)
        .map(|file| descriptor::close(&process.kernel, file).expect("open"))
}

fn expand(process: &Machine, path: &str) -> Result<String, Errno> {
    let mut args = VchrootExpandArgs { path: [0; PATH_BYTES], flags: VCHROOT_FOLLOW, dfd: AT_FDCWD };
    args.path[..path.len()].copy_from_slice(path.as_bytes());
    process.vchroot_expand(&mut args)?;
    let end = args.path.iter().position(|byte| *byte == 0).expect("a terminator");
    Ok(String::from_utf8_lossy(&args.path[..end]).into_owned())
}

/// How often directories were read since the last look.
fn scans(mock: &Mock) -> usize {
    let calls = mock.calls();
    mock.clear_calls();
    // The last of each scan finds nothing more.
    calls.iter().filter(|call| call.nr == Sysno::Getdents64 && call.result == Ok(0)).count()
}

/// So long that the times of what was changed before are old.
fn later(mock: &Mock) {
    mock.advance_ns(3_000_000_000);
}

#[test]
fn names_are_found_in_any_case() {
    both_roads(|process, mock| {
        mock.add_dir("/p/Library");
        mock.add_dir("/p/Library/Caf\u{e9}");
        mock.add_file("/p/Library/Caf\u{e9}/Leaf", b"");
        mock.add_symlink("/p/Link", "LIBRARY/cafe\u{301}");
        mock.add_symlink("/p/Abs", "/library/CAF\u{c9}/leaf");
        for path in [
            "/Library/Caf\u{e9}/Leaf",
            "/library/CAF\u{c9}/LEAF",
            "/LIBRARY/cafe\u{301}/leaf",
            "/library/../LIBRARY/./caFE\u{301}//leaf",
            "/link/LEAF",
            "/abs",
        ] {
            assert_eq!(try_open(process, path, 0), Ok(()), "{path}");
            assert_eq!(expand(process, path), Ok("/p/Library/Caf\u{e9}/Leaf".into()), "{path}");
            let mut room = GuestPath::new();
            let mut found = target(process, path, &mut room);
            assert!(look(&process.kernel, &mut found, Links::Follow).is_ok(), "{path}");
        }
        for path in ["/library/cafe/leaf", "/librar\u{131}", "/Library/none", "/none/Library"] {
            assert_eq!(try_open(process, path, 0), Err(Errno::ENOENT), "{path}");
        }
        // A new name keeps its spelling, behind directories as they are spelled.
        assert_eq!(expand(process, "/LIBRARY/New"), Ok("/p/Library/New".into()));
        assert!(mock.descriptors().len() == 5, "{:?}", mock.descriptors());
    });
}

#[test]
fn a_name_as_it_is_spelled_comes_first() {
    both_roads(|process, mock| {
        for name in ["leaf", "LEAF", "Leaf"] {
            mock.add_file(&format!("/p/{name}"), name.as_bytes());
        }
        for name in ["leaf", "LEAF", "Leaf"] {
            assert_eq!(expand(process, &format!("/{name}")), Ok(format!("/p/{name}")));
        }
        // Of the others, the first in the order of bytes.
        assert_eq!(expand(process, "/lEAF"), Ok("/p/LEAF".into()));
    });
}

#[test]
fn files_are_not_made_beside_another_spelling() {
    both_roads(|process, mock| {
        mock.add_file("/p/Leaf", b"text");
        mock.add_dir("/p/Dir");
        let (creat, excl) = (flags::O_CREAT | 1, flags::O_CREAT | flags::O_EXCL | 1);
        assert_eq!(try_open(process, "/LEAF", creat), Ok(()));
        assert_eq!(try_open(process, "/LEAF", excl), Err(Errno::EEXIST));
        assert_eq!(try_open(process, "/Leaf", excl), Err(Errno::EEXIST));
        assert_eq!(try_open(process, "/DIR", creat), Err(Errno::EISDIR));
        assert_eq!(try_open(process, "/dir/New", excl), Ok(()));
        assert_eq!(try_open(process, "/DIR/NEW", excl), Err(Errno::EEXIST));
        assert_eq!(try_open(process, "/DIR/NEW", creat), Ok(()));
        assert!(mock.exists("/p/Dir/New") && !mock.exists("/p/Dir/NEW") && !mock.exists("/p/LEAF"));
        // A dangling link is made whole, whatever its case.
        mock.add_symlink("/p/Dangling", "dir/Made");
        assert_eq!(try_open(process, "/DANGLING", creat), Ok(()));
        assert!(mock.exists("/p/Dir/Made"));
        assert_eq!(try_open(process, "/DANGLING", excl), Err(Errno::EEXIST));
    });
}

#[test]
fn names_are_made_and_removed_in_any_case() {
    both_roads(|process, mock| {
        mock.add_file("/p/Leaf", b"");
        mock.add_dir("/p/Dir");
        let unlink = |path: &str| {
            let mut room = GuestPath::new();
            let mut target = target(process, path, &mut room);
            let mut found = target.name(Use::Existing, false)?;
            found.act(|directory, leaf| name::unlinkat(&process.kernel, directory, leaf, 0))
        };
        let seen = |path: &str| {
            let mut room = GuestPath::new();
            let mut target = target(process, path, &mut room);
            let found = target.name(Use::New, false).expect("a parent");
            metadata::statx(&process.kernel, found.directory(), found.path(), 0).is_ok()
        };
        assert!(seen("/LEAF") && seen("/dir") && seen("/DIR/") && !seen("/none"));
        assert_eq!(unlink("/dir/../LEAF"), Ok(()));
        assert_eq!(unlink("/LEAF"), Err(Errno::ENOENT));
        assert_eq!(unlink("/none"), Err(Errno::ENOENT));
        assert_eq!(unlink("/DIR"), Err(Errno::EISDIR));
        assert!(!mock.exists("/p/Leaf"));
    });
}

#[test]
fn names_that_exist_as_spelled_cost_nothing() {
    let process = machine(true);
    let mock = process.kernel.inner();
    mock.add_dir("/p/d");
    mock.add_file("/p/d/leaf", b"");
    let opening = Opening { flags: flags::O_PATH, mode: 0, refuses_links: false, stays_beneath: false };
    let mut room = GuestPath::new();
    let mut target = target(&process, "/d/leaf", &mut room);
    mock.clear_calls();
    assert!(target.open(&opening).is_ok());
    assert_eq!(mock.calls().len(), 1, "{:?}", mock.transcript());
}

/// The index is the program's: a test beside this one that reads a directory keeps others out of it meanwhile.
#[test]
fn a_directory_is_read_once_for_all_that_is_missing_from_it() {
    let undisturbed = || std::panic::catch_unwind(directory_is_read_once).is_ok();
    assert!((0..20).any(|_| undisturbed()), "directories are read again and again");
}

fn directory_is_read_once() {
    both_roads(|process, mock| {
        mock.add_dir("/p/d");
        for n in 0..300 {
            mock.add_file(&format!("/p/d/name-{n}"), b"");
        }
        later(mock);
        scans(mock);
        assert_eq!(try_open(process, "/d/none", 0), Err(Errno::ENOENT));
        assert_eq!(scans(mock), 1);
        for n in 0..50 {
            assert_eq!(try_open(process, &format!("/d/none-{n}"), 0), Err(Errno::ENOENT));
        }
        assert_eq!(scans(mock), 0);
        // One that is there in another case is looked for once.
        assert_eq!(try_open(process, "/d/NAME-7", 0), Ok(()));
        assert!(scans(mock) <= 1);
        for _ in 0..10 {
            assert_eq!(try_open(process, "/d/NAME-7", 0), Ok(()));
        }
        assert_eq!(scans(mock), 0);
    });
}

#[test]
fn a_directory_that_changes_is_read_again() {
    both_roads(|process, mock| {
        mock.add_dir("/p/d");
        mock.add_file("/p/d/a", b"");
        later(mock);
        assert_eq!(try_open(process, "/d/NEW", 0), Err(Errno::ENOENT));
        // Made by somebody else.
        mock.add_file("/p/d/new", b"");
        assert_eq!(try_open(process, "/d/NEW", 0), Ok(()));
        assert_eq!(try_open(process, "/d/Other", 0), Err(Errno::ENOENT));
        // In the same tick of the clock as the look before.
        mock.add_file("/p/d/other", b"");
        assert_eq!(try_open(process, "/d/Other", 0), Ok(()));
        later(mock);
        assert_eq!(try_open(process, "/d/NEW", 0), Ok(()));
        assert_eq!(try_open(process, "/d/NEW", 0), Ok(()));
        name::unlinkat(mock, LinuxFd(AT_FDCWD), b"/p/d/new\0", 0).unwrap();
        assert_eq!(try_open(process, "/d/NEW", 0), Err(Errno::ENOENT));
        mock.add_file("/p/d/nEw", b"");
        assert_eq!(expand(process, "/d/NEW"), Ok("/p/d/nEw".into()));
    });
}

#[test]
fn a_directory_that_changes_while_it_is_young_is_never_mistaken() {
    both_roads(|process, mock| {
        mock.add_dir("/p/d");
        mock.set_step_ns(0);
        // The clock stands still: times tell nothing.
        for n in 0..20 {
            assert_eq!(try_open(process, &format!("/d/NAME-{n}"), 0), Err(Errno::ENOENT));
            mock.add_file(&format!("/p/d/name-{n}"), b"");
            assert_eq!(try_open(process, &format!("/d/NAME-{n}"), 0), Ok(()));
        }
    });
}

#[test]
fn directories_do_not_answer_for_each_other() {
    both_roads(|process, mock| {
        for n in 0..600 {
            mock.add_dir(&format!("/p/d{n}"));
            mock.add_file(&format!("/p/d{n}/File-{n}"), b"");
        }
        later(mock);
        for _ in 0..2 {
            for n in 0..600 {
                assert_eq!(try_open(process, &format!("/d{n}/FILE-{n}"), 0), Ok(()), "{n}");
                assert_eq!(try_open(process, &format!("/d{n}/FILE-{}", n + 1), 0), Err(Errno::ENOENT), "{n}");
            }
        }
    });
}

#[test]
fn a_directory_that_may_not_be_read_has_only_what_is_spelled() {
    both_roads(|process, mock| {
        mock.add_dir("/p/d");
        mock.add_file("/p/d/Leaf", b"");
        mock.set_mode("/p/d", 0o711);
        mock.set_credentials(Credentials::user(1000, 1000));
        assert_eq!(try_open(process, "/d/Leaf", 0), Ok(()));
        assert_eq!(try_open(process, "/d/LEAF", 0), Err(Errno::ENOENT));
    });
}

#[test]
fn real_directories_of_many_names() {
    let world = World::new("many");
    world.dir("big").dir("Volumes");
    for n in 0..3000 {
        world.file(&format!("big/File number {n} \u{e9}"));
    }
    world.each(&[FOLDED, BOTH], |process| {
        let check = |path: &str| {
            let text: &'static [u8] = format!("{path}\0").into_bytes().leak();
            let at = UserPath(UserAddr::new(text.as_ptr() as u64));
            let mut room = GuestPath::new();
            let mut target = Target::read(process, DirFd::CWD, at, &mut room).expect("a path");
            look(&process.kernel, &mut target, Links::Follow).map(|stat| stat.stx_size)
        };
        // Young at first, then old enough to be remembered.
        for _ in 0..2 {
            for n in [0, 1, 1499, 2999] {
                let size = format!("big/File number {n} \u{e9}").len() as u64;
                assert_eq!(check(&format!("/BIG/FILE NUMBER {n} E\u{301}")), Ok(size));
                assert_eq!(check(&format!("/big/file number {n}")), Err(Errno::ENOENT));
            }
            std::thread::sleep(std::time::Duration::from_millis(60));
        }
        fs::write(world.at("big/File number 1"), "").unwrap();
        assert_eq!(check("/BIG/FILE NUMBER 1"), Ok(0));
        fs::remove_file(world.at("big/File number 1")).unwrap();
        assert_eq!(check("/BIG/FILE NUMBER 1"), Err(Errno::ENOENT));
    });
}

#[test]
fn threads_share_what_is_known() {
    let world = World::new("threads");
    for n in 0..40 {
        world.dir(&format!("d{n}"));
        for m in 0..50 {
            world.file(&format!("d{n}/Name-{m}"));
        }
    }
    std::thread::sleep(std::time::Duration::from_millis(60));
    world.each(&[FOLDED], |process| {
        std::thread::scope(|scope| {
            for thread in 0..4u32 {
                scope.spawn(move || {
                    for n in 0..800u32 {
                        let (d, m) = ((n * 7 + thread) % 40, n % 60);
                        let text = format!("/D{d}/NAME-{m}\0");
                        let at = UserPath(UserAddr::new(text.as_ptr() as u64));
                        let mut room = GuestPath::new();
                        let mut target = Target::read(process, DirFd::CWD, at, &mut room).expect("a path");
                        let found = look(&process.kernel, &mut target, Links::Follow).is_ok();
                        assert_eq!(found, m < 50, "{text}");
                    }
                });
            }
        });
    });
}
