//! What is known of processes.

use crate::processes::*;
use crate::support::*;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::proc_info as abi;
use xnu_backend_mock::Credentials;
use xnu_core::Reply;

const ENOBUFS: Errno = Errno::ENOBUFS;
const EALREADY: Errno = Errno::EALREADY;

#[test]
fn processes_are_listed_the_youngest_first() {
    let k = processes();
    let list = |kind: i32, about: i32, size: usize| {
        ask(&k, LISTPIDS, kind, about as u32, 0, size).map(|(at, bytes)| numbers(&k, at, bytes))
    };
    assert_eq!(list(1, 0, 400), Ok(vec![9001, 1, ZOMBIE, CHILD, OWN, 0]));
    assert_eq!(list(1, 0, 11), Ok(vec![9001, 1]));
    assert_eq!(list(6, OWN, 400), Ok(vec![ZOMBIE, CHILD]));
    assert_eq!(list(2, 999, 400), Ok(vec![9001, 1, ZOMBIE, CHILD, OWN]));
    assert_eq!(list(3, 0x8800_0000u32 as i32, 400).map(|all| all.len()), Ok(5));
    assert_eq!(list(3, 7, 400), Ok(vec![]));
    assert_eq!(list(4, 0, 400), Ok(vec![1, 0]));
    assert_eq!(list(5, 1000, 400), Ok(vec![9001, ZOMBIE, CHILD, OWN]));
    for nobody in [(7, 0), (0, 0), (8, 0), (-1, 0)] {
        assert_eq!(list(nobody.0, nobody.1, 400), Ok(vec![]));
    }
    assert_eq!(list(1, 0, 3), Err(ENOMEM));
    // How much room would do, and for twenty more.
    for kind in [1, 4, 77] {
        xnu!(k, proc_info(LISTPIDS, kind, 0, 0, NULL, 0) => (5 + 20) * 4);
    }
}

#[test]
fn a_process_is_described() {
    let k = processes();
    let (at, told) = info(&k, CHILD, 3, 0, 136).expect("told");
    assert_eq!(told, 136);
    let word = |offset: u64| number(&k, at, offset, 4);
    // LP64, terminal twice, exec not yet.
    assert_eq!((word(0), word(4), word(12), word(16)), (0x10 | 0x40 | 0x80, 2, CHILD as u64, OWN as u64));
    assert_eq!((word(20), word(28), word(96), word(100)), (1000, 1000, 64, 999));
    assert_eq!((word(108), word(112), word(116)), (0x8800_0000, 999, 5));
    assert_eq!(text(&k, at, 48), "ch) R 1 (\nld");
    assert_eq!(number(&k, at, 120, 8), 1_577_836_800 + 70);
    let (at, told) = info(&k, CHILD, 13, 0, 64).expect("told");
    assert_eq!((told, number(&k, at, 0, 4), number(&k, at, 32, 4)), (64, CHILD as u64, 0x90));
    let (at, told) = info(&k, CHILD, 4, 0, 96).expect("told");
    assert_eq!(
        (told, number(&k, at, 0, 8), number(&k, at, 8, 8), number(&k, at, 16, 8)),
        (96, 1 << 20, 25 * 4096, 1_000_000_000)
    );
    assert_eq!((number(&k, at, 52, 4), number(&k, at, 80, 4), number(&k, at, 84, 4)), (22, 7, 2));
    let (at, told) = info(&k, OWN, 2, 0, 232).expect("told");
    assert_eq!((told, number(&k, at, 12, 4), number(&k, at, 136, 8)), (232, OWN as u64, 1 << 20));
    let (at, told) = info(&k, CHILD, 18, 0, 192).expect("told");
    assert_eq!((told, number(&k, at, 136 + 16, 8)), (192, 7001 << 22 | 2001));
    assert_eq!(
        (number(&k, at, 136 + 24, 8), number(&k, at, 136 + 32, 4), number(&k, at, 136 + 36, 4)),
        (6000 << 22 | 1000, 7001, 6000)
    );
    let (at, told) = info(&k, OWN, 19, 0, 8).expect("told");
    assert_eq!(
        (told, number(&k, at, 0, 4)),
        (8, if cfg!(target_arch = "x86_64") { 0x0100_0007 } else { 0x0100_000c })
    );
    assert_eq!(info(&k, OWN, 30, 0, 4).map(|(at, told)| (told, number(&k, at, 0, 4))), Ok((4, 1)));
}

#[test]
fn only_some_is_told_of_others_processes() {
    let k = processes();
    for (flavor, size) in [(13, 64), (17, 56), (20, 40), (30, 4)] {
        assert_eq!(info(&k, 1, flavor, 0, size).map(|(_, told)| told), Ok(size as i32), "{flavor}");
        assert_eq!(
            info(&k, 0, flavor, 0, size).map(|(_, told)| told),
            Ok(size as i32),
            "{flavor} of the kernel"
        );
    }
    assert_eq!(text(&k, info(&k, 0, 13, 0, 64).expect("told").0, 16), "kernel_task");
    for (flavor, size) in [(1, 8), (2, 232), (3, 136), (4, 96), (5, 112), (6, 8), (9, 2352), (14, 8), (19, 8)]
    {
        assert_eq!(info(&k, 1, flavor, 0, size), Err(EPERM), "{flavor}");
        assert_eq!(info(&k, 0, flavor, 0, size), Err(EPERM), "{flavor} of the kernel");
    }
    assert_eq!(info(&k, 0, 11, 0, 1024), Err(ESRCH));
    assert_eq!((info(&k, 0, 12, 0, 16), info(&k, 0, 7, 0, 96)), (Err(EINVAL), Err(EPERM)));
    assert_eq!(ask(&k, PIDRUSAGE, 1, 0, 0, 96), Err(EPERM));
    assert_eq!(ask(&k, PIDFDINFO, 1, 1, 0, 176), Err(EPERM));
    k.set_credentials(Credentials::root());
    assert_eq!(info(&k, 1, 3, 0, 136).map(|(_, told)| told), Ok(136));
    assert_eq!(info(&k, 0, 3, 0, 136).map(|(_, told)| told), Ok(136));
}

#[test]
fn who_is_not_there_is_esrch() {
    let k = processes();
    for pid in [-1, i32::MIN, 4711, i32::MAX, 9001, ZOMBIE] {
        assert_eq!(info(&k, pid, 3, 0, 136), Err(ESRCH), "{pid}");
        assert_eq!(info(&k, pid, 13, 0, 64), Err(ESRCH), "{pid}");
        assert_eq!(info(&k, pid, 11, 0, 1024), Err(ESRCH), "{pid}");
        assert_eq!(ask(&k, PIDFDINFO, pid, 1, 0, 176), Err(ESRCH), "{pid}");
    }
    // Who ended is found where that is asked for.
    for (flavor, size) in [(3, 136), (13, 64), (17, 56), (18, 192)] {
        assert_eq!(info(&k, ZOMBIE, flavor, 1, size).map(|(_, told)| told), Ok(size as i32), "{flavor}");
    }
    let (at, _) = info(&k, ZOMBIE, 3, 1, 136).expect("told");
    assert_eq!((number(&k, at, 4, 4), number(&k, at, 8, 4)), (5, 9));
}

#[test]
fn a_process_that_linux_does_not_tell_of_is_enotsup() {
    let k = machine();
    assert_eq!(info(&k, OWN, 3, 0, 136), Err(ESRCH));
    k.set_pid(4711);
    assert_eq!(info(&k, 4711, 3, 0, 136), Err(ENOTSUP));
    assert_eq!(info(&k, 4712, 3, 0, 136), Err(ESRCH));
}

#[test]
fn sizes_are_checked_before_the_process() {
    let k = processes();
    for (flavor, size) in [
        (1, 8),
        (2, 232),
        (3, 136),
        (4, 96),
        (5, 112),
        (6, 8),
        (7, 96),
        (8, 1272),
        (9, 2352),
        (10, 1288),
        (11, 1024),
        (12, 16),
        (13, 64),
        (14, 8),
        (15, 112),
        (17, 56),
        (18, 192),
        (19, 8),
        (20, 40),
        (21, 4),
        (22, 1272),
        (23, 1272),
        (24, 32),
        (25, 24),
        (26, 8),
        (27, 8),
        (28, 8),
        (29, 56),
        (30, 4),
        (31, 1040),
        (32, 8),
        (33, 8),
        (34, 8),
    ] {
        assert_eq!(info(&k, 4711, flavor, 0, size - 1), Err(ENOMEM), "{flavor}");
        assert_eq!(info(&k, 4711, flavor, 0, size), Err(ESRCH), "{flavor}");
    }
    for flavor in [0, 16, 35, u32::MAX] {
        assert_eq!(info(&k, OWN, flavor, 0, 4096), Err(EINVAL), "{flavor}");
    }
    assert_eq!(info(&k, OWN, 11, 0, 4097), Err(EOVERFLOW));
    for (flavor, size) in [
        (1, 176),
        (2, 1200),
        (3, 792),
        (4, 1184),
        (5, 1192),
        (6, 184),
        (7, 168),
        (8, 160),
        (9, 104),
        (10, 56),
    ] {
        assert_eq!(ask(&k, PIDFDINFO, 4711, flavor, 0, size - 1), Err(ENOMEM), "{flavor}");
        assert_eq!(ask(&k, PIDFDINFO, 4711, flavor, 0, size), Err(ESRCH), "{flavor}");
    }
    for call in [0, 21, -1] {
        assert_eq!(ask(&k, call, OWN, 3, 0, 136), Err(EINVAL), "{call}");
    }
}

#[test]
fn usage_is_told_in_every_version() {
    let k = processes();
    for (flavor, size) in [(0, 96), (1, 144), (2, 160), (3, 232), (4, 296), (5, 304), (6, 464)] {
        let (at, told) = ask(&k, PIDRUSAGE, CHILD, flavor, 0, size).expect("told");
        assert_eq!(
            (told, number(&k, at, 16, 8), number(&k, at, 64, 8)),
            (0, 1_000_000_000, 25 * 4096),
            "{flavor}"
        );
        if flavor >= 2 {
            assert_eq!((number(&k, at, 144, 8), number(&k, at, 152, 8)), (4096, 8192), "{flavor}");
        }
        faults(&k, "proc_info", &[PIDRUSAGE as u64, CHILD as u64, flavor.into(), 0, 0, 0], 4, size, OUT);
    }
    assert_eq!(ask(&k, PIDRUSAGE, CHILD, 7, 0, 464), Err(EINVAL));
    assert_eq!(ask(&k, PIDRUSAGE, ZOMBIE, 0, 0, 96).map(|(_, told)| told), Ok(0));
    assert_eq!(ask(&k, PIDRUSAGE, 4711, 0, 0, 96), Err(ESRCH));
}

#[test]
fn ends_are_told_to_the_parent() {
    const NOTE_EXITSTATUS: u64 = 0x0400_0000;
    let k = processes();
    assert_eq!(
        info(&k, ZOMBIE, 21, NOTE_EXITSTATUS, 4).map(|(at, told)| (told, number(&k, at, 0, 4))),
        Ok((4, 9))
    );
    assert_eq!(info(&k, ZOMBIE, 21, 0, 4).map(|(at, _)| number(&k, at, 0, 4)), Ok(0));
    let (at, told) = info(&k, ZOMBIE, 25, 0, 24).expect("told");
    assert_eq!((told, number(&k, at, 0, 4), number(&k, at, 4, 8), number(&k, at, 20, 4)), (24, 2, 9, 0));
    // The long form wants a place for more.
    xnu!(k, proc_info(PIDINFO, ZOMBIE, 24, 0, &[0; 32], 32) => ENOMEM);
    let place = k.place(&[1; 32]);
    xnu!(k, proc_info(PIDINFO, ZOMBIE, 24, 0, place, 32) => 32);
    assert_eq!((number(&k, place, 4, 8), number(&k, place, 24, 8)), (9, 0x0101_0101_0101_0101));
    assert_eq!(info(&k, CHILD, 25, 0, 24), Err(ENOENT));
    assert_eq!((info(&k, OWN, 25, 0, 24), info(&k, OWN, 21, 0, 4)), (Err(EACCES), Err(EACCES)));
}

#[test]
fn what_is_not_there_is_told_so() {
    let k = processes();
    for (flavor, size) in [(14, 8), (26, 8), (27, 8), (29, 56)] {
        assert_eq!(info(&k, OWN, flavor, 0, size).map(|(_, told)| told), Ok(0), "{flavor}");
        xnu!(k, proc_info(PIDINFO, OWN, flavor, 0, NULL, 0) => 0);
    }
    assert_eq!(info(&k, OWN, 12, 0, 16), Err(ESRCH));
    assert_eq!(info(&k, CHILD, 29, 0, 56), Err(EINVAL));
    // Coalitions, vouchers, dynamic queues, entitlements.
    for (call, pid, flavor, size, expected) in [
        (11, 1, 0, 40, Ok(0)),
        (11, 3, 0, 40, Err(EINVAL)),
        (10, 0, 1, 16, Err(EINVAL)),
        (10, 0, 1, 15, Err(ENOMEM)),
        (10, 0, 4, 48, Err(EINVAL)),
        (13, OWN, 0, 144, Err(ESRCH)),
        (13, OWN, 0, 143, Err(ENOBUFS)),
        (13, OWN, 2, 144, Err(ENOTSUP)),
        (4, 0, 0, 100, Err(EPERM)),
        (0x13, 0, 15, 64, Err(EPERM)),
        (0x14, 0, 0, 64, Err(EPERM)),
        (12, OWN, 0, 4, Ok(0)),
        (12, CHILD, 0, 4, Err(EPERM)),
        (12, 0, 0, 4, Err(EINVAL)),
        (12, 4711, 0, 4, Err(ESRCH)),
        (15, OWN, 0, 16, Ok(0)),
        (15, CHILD, 0, 16, Err(EINVAL)),
    ] {
        assert_eq!(
            ask(&k, call, pid, flavor, 0, size).map(|(_, told)| told),
            expected,
            "{call} {pid} {flavor}"
        );
    }
    xnu!(k, proc_info(13, OWN, 0, 0, NULL, 0) => EFAULT);
    xnu!(k, proc_info(15, OWN, 0, 0, NULL, 0) => EINVAL);
    xnu!(k, proc_info(0x10, 0, 0, 9, NULL, 0) => 9);
    xnu!(k, proc_info(0x10, 0, 0, 3, NULL, 0) => EINVAL);
}

#[test]
fn a_process_sets_things_of_itself() {
    let k = processes();
    xnu!(k, proc_info(SETCONTROL, OWN, 1, 2, NULL, 0) => 0);
    assert_eq!(number(&k, info(&k, OWN, 3, 0, 136).expect("told").0, 0, 4) & 0x600, 0x400);
    xnu!(k, proc_info(SETCONTROL, OWN, 1, 4, NULL, 0) => EINVAL);
    xnu!(k, proc_info(SETCONTROL, CHILD, 1, 1, NULL, 0) => EINVAL);
    xnu!(k, proc_info(SETCONTROL, OWN, 3, 0, NULL, 0) => EPERM);
    xnu!(k, proc_info(SETCONTROL, OWN, 9, 0, NULL, 0) => ENOTSUP);
    // A word in the kernel.
    let word = k.place(&77u64.to_le_bytes());
    xnu!(k, proc_info(14, OWN, 2, 0, word, 8) => 0);
    let back = k.alloc(8);
    xnu!(k, proc_info(14, OWN, 1, 0, back, 8) => 0);
    assert_eq!(number(&k, back, 0, 8), 77);
    xnu!(k, proc_info(14, OWN, 1, 0, back, 7) => EINVAL);
    xnu!(k, proc_info(14, OWN, 3, 0, back, 8) => ENOTSUP);
    xnu!(k, proc_info(14, CHILD, 1, 0, back, 8) => EACCES);
    xnu!(k, proc_info(14, 4711, 1, 0, back, 8) => ESRCH);
    xnu!(k, proc_info(14, OWN, 1, 0, NULL, 8) => EFAULT);
    // Whether it is clean or dirty.
    let dirty = |flavor: u32, argument: u64, pid: i32| {
        ask(&k, DIRTYCONTROL, pid, flavor, argument, 0).map(|(_, told)| told)
    };
    assert_eq!((dirty(3, 0, OWN), dirty(2, 1, OWN)), (Ok(0), Err(EINVAL)));
    assert_eq!((dirty(1, 2, OWN), dirty(1, 3, OWN), dirty(3, 0, OWN)), (Err(EINVAL), Ok(0), Ok(3)));
    assert_eq!((dirty(2, 1, OWN), dirty(2, 1, OWN), dirty(3, 0, OWN)), (Ok(0), Err(EALREADY), Ok(7)));
    assert_eq!((dirty(2, 0, OWN), dirty(2, 0, OWN), dirty(4, 8, OWN)), (Ok(0), Err(EALREADY), Ok(0)));
    assert_eq!((dirty(3, 0, 1), dirty(1, 1, 1), dirty(4, 8, 4711)), (Ok(0), Err(EPERM), Err(ESRCH)));
}

#[test]
fn others_are_ended_by_number_and_by_token() {
    let k = processes();
    let end = |pid: i32| xnu!(k, proc_info(TERMINATE, pid, 0, 0, NULL, 0));
    assert_eq!((end(0), end(-1)), (Reply::Error(EINVAL), Reply::Error(EINVAL)));
    assert_eq!((end(4711), end(OWN)), (Reply::Error(ESRCH), Reply::Error(EPERM)));
    let token = |pid: i32| {
        let mut words = [0u32; 8];
        words[5] = pid as u32;
        k.place(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>())
    };
    xnu!(k, proc_info(0x12, 0, 0, 0, token(OWN), 32) => EPERM);
    xnu!(k, proc_info(0x11, 0, 0, 0, token(OWN), 32) => EINVAL);
    xnu!(k, proc_info(0x11, 0, 32, 0, token(OWN), 32) => EINVAL);
    xnu!(k, proc_info(0x11, 0, 15, 0, token(4711), 32) => ESRCH);
    xnu!(k, proc_info(0x11, 0, 15, 0, token(0), 32) => ESRCH);
    xnu!(k, proc_info(0x11, 0, 15, 0, token(OWN), 31) => EINVAL);
    xnu!(k, proc_info(0x11, 0, 15, 0, NULL, 32) => EINVAL);
}

#[test]
fn a_later_process_with_the_number_is_told_apart() {
    let k = processes();
    let room = k.alloc_guarded(64);
    let by = |flags: u32, id: u64| xnu!(k, proc_info_extended_id(PIDINFO, CHILD, 13, flags, id, 0, room, 64));
    assert_eq!((by(0, 5), by(1, 7001), by(2, 7001 << 22 | 2001)), (64.reply(), 64.reply(), 64.reply()));
    assert_eq!(
        (by(1, 7002), by(2, 7001), by(3, 7001)),
        (Reply::Error(ESRCH), Reply::Error(ESRCH), Reply::Error(EINVAL))
    );
}

#[test]
fn answers_that_cannot_be_written_are_efault() {
    let k = processes();
    for (flavor, size) in [
        (3, 136),
        (4, 96),
        (2, 232),
        (5, 112),
        (7, 96),
        (8, 1272),
        (9, 2352),
        (11, 1024),
        (13, 64),
        (17, 56),
        (18, 192),
        (19, 8),
        (20, 40),
        (30, 4),
        (31, 1040),
        (32, 8),
    ] {
        let argument = if flavor == 5 { 1000 } else { 0 };
        faults(
            &k,
            "proc_info",
            &[PIDINFO as u64, OWN as u64, flavor, argument, 0, size],
            4,
            size as usize,
            OUT,
        );
    }
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, pipe() => (4, 5));
    for (flavor, fd, size) in [(1, 3, 176), (2, 3, 1200), (6, 4, 184)] {
        faults(&k, "proc_info", &[PIDFDINFO as u64, OWN as u64, flavor, fd, 0, size], 4, size as usize, OUT);
    }
    faults(&k, "proc_info", &[LISTPIDS as u64, 1, 0, 0, 0, 24], 4, 24, Pointer { nullable: true, ..OUT });
    faults(
        &k,
        "proc_info",
        &[PIDINFO as u64, OWN as u64, 1, 0, 0, 24],
        4,
        24,
        Pointer { nullable: true, ..OUT },
    );
}

#[test]
fn sizes_are_those_of_the_header() {
    for (ours, theirs) in [
        (size_of::<abi::ProcBsdinfo>(), abi::PROC_PIDTBSDINFO_SIZE),
        (size_of::<abi::ProcTaskinfo>(), abi::PROC_PIDTASKINFO_SIZE),
        (size_of::<abi::ProcThreadinfo>(), abi::PROC_PIDTHREADINFO_SIZE),
        (size_of::<abi::ProcRegioninfo>(), abi::PROC_PIDREGIONINFO_SIZE),
        (size_of::<abi::ProcBsdshortinfo>(), abi::PROC_PIDT_SHORTBSDINFO_SIZE),
        (size_of::<abi::ProcUniqidentifierinfo>(), abi::PROC_PIDUNIQIDENTIFIERINFO_SIZE),
        (size_of::<abi::ProcFdinfo>(), abi::PROC_PIDLISTFD_SIZE),
        (24 + size_of::<abi::SocketInfo>(), abi::PROC_PIDFDSOCKETINFO_SIZE),
    ] {
        assert_eq!(ours, theirs as usize);
    }
}
