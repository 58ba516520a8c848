//! What processes have open, mapped and running.

use crate::processes::*;
use crate::support::*;
use xnu_backend_mock::Mock;
use xnu_core::UserAddr;
use xnu_core::linux::LinuxFd;
use xnu_core::vchroot::Options;

#[test]
fn the_program_is_told_with_its_path() {
    let k = processes();
    // Linux's own programs are what Linux says; those of the same loader are among the mappings.
    let path = |k: &Machine<Mock>, pid: i32, size: usize| {
        info(k, pid, 11, 0, size).map(|(at, told)| (told, text(k, at, 0), k.peek(at, size)[1023]))
    };
    assert_eq!(path(&k, 1, 1024), Ok((0, "/tmp/dir/file".into(), 0)));
    assert_eq!(path(&k, OWN, 4096), Ok((0, "/tmp/own".into(), 0)));
    // A name that is found nowhere: the loader.
    assert_eq!(path(&k, CHILD, 1024), Ok((0, "/loader".into(), 0)));
    // Where the loader said that it is.
    k.process.program.set(0x2000_0010, 0..0, 0);
    assert_eq!(path(&k, OWN, 1024), Ok((0, "/loader".into(), 0)), "removed");
    k.process.program.set(0x40_0000, 0..0, 0);
    assert_eq!(path(&k, OWN, 1024), Ok((0, "/tmp/own".into(), 0)));
}

#[test]
fn directories_and_files_have_the_guests_paths() {
    let k = processes();
    let (at, told) = info(&k, CHILD, 9, 0, 2352).expect("told");
    assert_eq!((told, number(&k, at, 136, 4), text(&k, at, 152)), (2352, 2, "/tmp/dir".into()));
    assert_eq!(k.peek(UserAddr::new(at.get() + 1176), 1176), vec![0; 1176]);
    assert_eq!(number(&k, at, 8, 8), number(&k, stat_of(&k, "/tmp/dir"), 8, 8));
    xnu!(k, open("/tmp/own", O_RDWR | O_APPEND | O_CLOEXEC) => 3);
    xnu!(k, lseek(3, 2, SEEK_SET) => 2);
    let (at, told) = ask(&k, PIDFDINFO, OWN, 2, 3, 1200).expect("told");
    // FREAD, FWRITE and O_APPEND; close-on-exec; where it is; a vnode.
    assert_eq!((told, number(&k, at, 0, 4), number(&k, at, 4, 4)), (1200, 3 | 8, 2));
    assert_eq!((number(&k, at, 8, 8), number(&k, at, 16, 4), number(&k, at, 24 + 136, 4)), (2, 1, 1));
    assert_eq!(text(&k, at, 176), "/tmp/own");
    // What is removed has no path any more.
    xnu!(k, unlink("/tmp/own") => 0);
    assert_eq!(text(&k, ask(&k, PIDFDINFO, OWN, 2, 3, 1200).expect("told").0, 176), "");
    xnu!(k, change_fdguard_np(3, NULL, 0, bytes([9]), 0x1f, NULL) => 0);
    let (at, _) = ask(&k, PIDFDINFO, OWN, 1, 3, 176).expect("told");
    // A copy may not be made, so the child of a fork has none.
    assert_eq!((number(&k, at, 4, 4), number(&k, at, 20, 4)), (2 | 4 | 8, 15));
}

#[test]
fn descriptors_are_listed_with_their_kinds() {
    let k = processes();
    xnu!(k, pipe() => (3, 4));
    xnu!(k, open("/tmp/dir", O_RDONLY) => 5);
    let (at, told) = info(&k, OWN, 1, 0, 800).expect("told");
    assert_eq!(numbers(&k, at, told), [0, 1, 1, 1, 2, 1, 3, 6, 4, 6, 5, 1]);
    let (at, told) = info(&k, OWN, 1, 0, 23).expect("told");
    assert_eq!(numbers(&k, at, told), [0, 1, 1, 1]);
    xnu!(k, proc_info(PIDINFO, OWN, 1, 0, NULL, 0) => (64 + 20) * 8);
    let (at, told) = info(&k, CHILD, 1, 0, 800).expect("told");
    assert_eq!(numbers(&k, at, told), [0, 1, 1, 1]);
    // Of another process, by what Linux says of its file: O_WRONLY, O_APPEND and close-on-exec.
    let (at, told) = ask(&k, PIDFDINFO, CHILD, 2, 1, 1200).expect("told");
    assert_eq!((told, number(&k, at, 0, 4), number(&k, at, 4, 4), number(&k, at, 8, 8)), (1200, 2 | 8, 2, 3));
    assert_eq!(text(&k, at, 176), "/tmp/own");
    assert_eq!(ask(&k, PIDFDINFO, CHILD, 2, 0, 1200), Err(EBADF), "no fdinfo");
    // Each flavor wants its own kind.
    let (at, told) = ask(&k, PIDFDINFO, OWN, 6, 4, 184).expect("told");
    assert_eq!((told, number(&k, at, 160, 8) & 1, number(&k, at, 168, 8) & 1), (184, 1, 0));
    assert_eq!(
        (ask(&k, PIDFDINFO, OWN, 1, 4, 176), ask(&k, PIDFDINFO, OWN, 6, 5, 184)),
        (Err(EBADF), Err(EBADF))
    );
    assert_eq!(ask(&k, PIDFDINFO, OWN, 3, 5, 792), Err(ENOTSOCK));
    for (flavor, size) in [(4, 1184), (5, 1192), (7, 168), (9, 104), (10, 56)] {
        assert_eq!(ask(&k, PIDFDINFO, OWN, flavor, 5, size), Err(EBADF), "{flavor}");
    }
    assert_eq!(ask(&k, PIDFDINFO, OWN, 8, 5, 160), Err(EINVAL));
    for bad in [9, -1i64 as u64, 0x7fff_ffff] {
        assert_eq!(ask(&k, PIDFDINFO, OWN, 1, bad, 176), Err(EBADF), "{bad}");
    }
    assert_eq!(ask(&k, PIDFDINFO, OWN, 7, -1i64 as u64, 168).map(|(_, told)| told), Ok(0));
    assert_eq!(ask(&k, PIDFILEPORTINFO, OWN, 2, 5, 1200), Err(EINVAL));
    assert_eq!(ask(&k, PIDFILEPORTINFO, OWN, 2, 5, 1199), Err(ENOMEM));
    assert_eq!(ask(&k, PIDFILEPORTINFO, OWN, 4, 5, 1200), Err(EINVAL));
}

#[test]
fn threads_are_listed_and_described() {
    let k = processes();
    for flavor in [6, 28] {
        let (at, told) = info(&k, CHILD, flavor, 0, 80).expect("told");
        assert_eq!((told, number(&k, at, 0, 8), number(&k, at, 8, 8)), (16, 2001, 9001));
        assert_eq!(info(&k, CHILD, flavor, 0, 8).map(|(_, told)| told), Ok(8));
    }
    let (at, told) = info(&k, CHILD, 15, 9001, 112).expect("told");
    assert_eq!(
        (told, number(&k, at, 0, 8), number(&k, at, 24, 4), text(&k, at, 48)),
        (112, 1_000_000_000, 3, "worker".into())
    );
    // One with the name of its process has none of its own.
    assert_eq!(text(&k, info(&k, CHILD, 5, 2001, 112).expect("told").0, 48), "");
    assert_eq!(
        info(&k, CHILD, 10, 9001, 1288).map(|(at, told)| (told, text(&k, at, 112 + 152))),
        Ok((1288, String::new()))
    );
    for nobody in [1, 0, u64::MAX, 1 << 32 | 2001] {
        assert_eq!(info(&k, CHILD, 15, nobody, 112), Err(ESRCH), "{nobody}");
    }
    // A name of its own, longer than Linux's.
    let name = "a name of more than fifteen bytes";
    xnu!(k, proc_info(SETCONTROL, OWN, 2, 0, k.place(name.as_bytes()), name.len()) => 0);
    assert_eq!(text(&k, info(&k, OWN, 5, OWN as u64, 112).expect("told").0, 48), name);
    xnu!(k, proc_info(SETCONTROL, OWN, 2, 0, k.place(&[b'n'; 64]), 64) => ENAMETOOLONG);
    xnu!(k, proc_info(SETCONTROL, OWN, 2, 0, NULL, 1) => EFAULT);
    assert_eq!(
        info(&k, OWN, 34, OWN as u64, 100).map(|(at, told)| (told, number(&k, at, 0, 2))),
        Ok((48, 1))
    );
    assert_eq!(info(&k, OWN, 33, OWN as u64, 8).map(|(_, told)| told), Ok(8));
    assert_eq!(info(&k, OWN, 33, 7, 8), Err(EINVAL));
}

#[test]
fn regions_are_those_at_an_address_or_behind() {
    let k = processes();
    let region = |flavor: u32, at: u64, size: usize| {
        info(&k, CHILD, flavor, at, size)
            .map(|(at, told)| (told, number(&k, at, 80, 8), number(&k, at, 88, 8)))
    };
    assert_eq!(region(7, 0, 96), Ok((96, 0x40_0000, 0x1000)));
    assert_eq!(region(7, 0x40_0fff, 96), Ok((96, 0x40_0000, 0x1000)));
    assert_eq!(region(7, 0x40_1000, 96), Ok((96, 0x1000_0000, 0x3000)));
    assert_eq!(region(7, 0x2000_2000, 96), Err(EINVAL));
    let (at, _) = info(&k, CHILD, 7, 0x1000_0000, 96).expect("told");
    assert_eq!((number(&k, at, 0, 4), number(&k, at, 36, 4), number(&k, at, 60, 4)), (3, 2, 2));
    // With paths; of memory there is none, of a removed file only the numbers.
    let (at, told) = info(&k, CHILD, 8, 0, 1272).expect("told");
    assert_eq!((told, text(&k, at, 96 + 152)), (1272, "/tmp/own".into()));
    assert_eq!(text(&k, info(&k, CHILD, 8, 0x1000_0000, 1272).expect("told").0, 96 + 152), "");
    let (at, _) = info(&k, CHILD, 22, 0x1000_0000, 1272).expect("told");
    assert_eq!((number(&k, at, 80, 8), text(&k, at, 96 + 152)), (0x2000_0000, String::new()));
    assert_eq!(number(&k, at, 96 + 8, 8), number(&k, stat_of(&k, "/tmp/own"), 8, 8));
    let (at, told) = info(&k, CHILD, 31, 0, 1040).expect("told");
    assert_eq!(
        (told, number(&k, at, 0, 8), number(&k, at, 8, 8), text(&k, at, 16)),
        (1040, 0x40_0000, 0x1000, "/tmp/own".into())
    );
    let device = number(&k, info(&k, CHILD, 22, 0, 1272).expect("told").0, 96, 4);
    assert_eq!(info(&k, CHILD, 23, device, 1272).map(|(at, _)| number(&k, at, 80, 8)), Ok(0x40_0000));
    assert_eq!(info(&k, CHILD, 23, 7, 1272), Err(EINVAL));
    // What is not the program's is not told of.
    k.process.reserved.add(0x40_0000..0x40_1000).expect("room");
    assert_eq!(info(&k, OWN, 7, 0, 96).map(|(at, _)| number(&k, at, 80, 8)), Ok(0x1000_0000));
}

#[test]
fn below_a_prefix_paths_are_the_guests() {
    for root_exit in [false, true] {
        let k = processes();
        xnu!(k, open("/tmp", O_RDONLY) => 3);
        k.process
            .set_prefix(LinuxFd(3), Options { case_insensitive: false, root_exit })
            .expect("a directory");
        xnu!(k, close(3) => 0);
        let outside =
            |path: &str| if root_exit { format!("/Volumes/SystemRoot{path}") } else { String::new() };
        assert_eq!(text(&k, info(&k, CHILD, 9, 0, 2352).expect("told").0, 152), "/dir");
        assert_eq!(text(&k, info(&k, OWN, 9, 0, 2352).expect("told").0, 152), outside("/home/user"));
        assert_eq!(info(&k, OWN, 11, 0, 1024).map(|(at, _)| text(&k, at, 0)), Ok("/own".into()));
        let loader = info(&k, CHILD, 11, 0, 1024).map(|(at, _)| text(&k, at, 0));
        assert_eq!(loader, if root_exit { Ok(outside("/loader")) } else { Err(ENOENT) });
        // The prefix's own descriptor is nobody's.
        let kept = k.process.vchroot.kept().expect("a prefix");
        let (at, told) = info(&k, OWN, 1, 0, 800).expect("told");
        assert_eq!(numbers(&k, at, told), [0, 1, 1, 1, 2, 1]);
        assert_eq!(ask(&k, PIDFDINFO, OWN, 2, kept as u64, 1200), Err(EBADF));
        assert_eq!(text(&k, ask(&k, PIDFDINFO, OWN, 2, 0, 1200).expect("told").0, 176), outside("/dev/tty"));
    }
}
