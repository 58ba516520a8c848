//! Linux calls that fail half way: no descriptor is left open.

use xnu_abi::linux::{Errno, Sysno, flags};
use xnu_backend_mock::{Credentials, Fault, Mock, Module, Plan};
use xnu_core::linux::{LinuxFd, descriptor};
use xnu_core::table::{DirFd, UserPath};
use xnu_core::vchroot::{GuestPath, Links, Opening, Options, Target, Use};
use xnu_core::{Process, UserAddr};
use xnu_tests::paths::subject::{AT_FDCWD, look};
use xnu_tests::paths::tree::place;

type Failing = Fault<Fault<Mock>>;

/// What a resolution calls, but for `close`, which closes even where it fails.
const CALLS: [Sysno; 11] = [
    Sysno::Openat,
    Sysno::Openat2,
    Sysno::Statx,
    Sysno::Readlinkat,
    Sysno::Getdents64,
    Sysno::Fstatfs,
    Sysno::Mmap,
    Sysno::Munmap,
    Sysno::ClockGettime,
    Sysno::Getpid,
    Sysno::Geteuid,
];

const PATHS: [&str; 8] =
    ["/l/leaf", "d/e/../../l/leaf", "/out/d/e/leaf", "/D/E/LEAF", "/d/e/none", "l", "/out", "/L/../L/none"];

/// A process whose `n`-th call of this number after the prefix is set fails, and where its paths start.
fn process(options: Options, openat2: Option<Errno>, plan: Plan) -> (Process<Failing, Module>, i32) {
    let mock = Mock::new(1);
    mock.keep_calls(false);
    mock.set_credentials(Credentials::root());
    for path in ["/p", "/p/d", "/p/d/e", "/p/Volumes"] {
        mock.add_dir(path);
    }
    mock.add_file("/p/d/e/leaf", b"");
    mock.add_symlink("/p/l", "/d/../d/e");
    mock.add_symlink("/p/out", "/Volumes/SystemRoot/p");
    let refused = openat2.map_or(Plan::none(), |errno| Plan::every(Sysno::Openat2, errno));
    let start = place(&mock, AT_FDCWD, b"/p");
    let process = Process::new(Fault::new(Fault::new(mock, refused), plan), Module::new());
    // Setting the prefix fails with the first calls; what counts here comes later.
    while process.set_prefix(LinuxFd(start), options).is_err() {}
    (process, start)
}

fn open(
    process: &Process<Failing, Module>,
    start: i32,
    path: UserAddr,
    flags: u32,
) -> Result<LinuxFd, Errno> {
    let mut room = GuestPath::new();
    let mut target = Target::read(process, DirFd(start), UserPath(path), &mut room).expect("a path");
    target.open(&Opening { flags, mode: 0, refuses_links: false, stays_beneath: false })
}

/// Makes every kind of look-up on each path.
fn look_up(process: &Process<Failing, Module>, start: i32, memory: UserAddr) {
    let mock = process.kernel.inner().inner();
    let before = mock.descriptors();
    for path in PATHS {
        mock.poke(memory, &[path.as_bytes(), b"\0"].concat());
        for flags in [flags::O_PATH, 0, flags::O_DIRECTORY] {
            if let Ok(opened) = open(process, start, memory, flags) {
                descriptor::close(mock, opened).expect("what was opened");
            }
        }
        let with = |look: &dyn Fn(&mut Target<'_, Failing>)| {
            let mut room = GuestPath::new();
            let target = Target::read(process, DirFd(start), UserPath(memory), &mut room);
            look(&mut target.expect("a path"));
        };
        with(&|target| {
            let _ = look(&process.kernel, target, Links::Follow);
        });
        with(&|target| drop(target.name(Use::New, false)));
        with(&|target| drop(target.name(Use::Existing, true)));
        with(&|target| drop(target.object(Links::Stay)));
        with(&|target| drop(target.object(Links::Refuse)));
        assert_eq!(mock.descriptors(), before, "{path}, {} calls failed", process.kernel.injected());
    }
}

fn every_call_fails_once(options: Options, openat2: Option<Errno>) {
    for nr in CALLS {
        for n in 1.. {
            let (process, start) = process(options, openat2, Plan::nth(nr, n, Errno::EIO));
            let memory = process.kernel.inner().inner().alloc(4096);
            look_up(&process, start, memory);
            if process.kernel.injected() == 0 {
                break;
            }
        }
    }
}

fn each_kind(check: impl Fn(Options)) {
    for case_insensitive in [false, true] {
        for root_exit in [false, true] {
            check(Options { case_insensitive, root_exit });
        }
    }
}

#[test]
fn any_call_may_fail() {
    each_kind(|options| every_call_fails_once(options, None));
}

#[test]
fn any_call_may_fail_without_openat2() {
    each_kind(|options| {
        every_call_fails_once(options, Some(Errno::ENOSYS));
        every_call_fails_once(options, Some(Errno::EPERM));
    });
}

#[test]
fn a_refused_openat2_is_noticed_once() {
    for errno in [Errno::ENOSYS, Errno::EPERM] {
        let (process, start) = process(Options::default(), Some(errno), Plan::none());
        let mock = process.kernel.inner().inner();
        let memory = mock.alloc(4096);
        // Asked when the prefix was set, and never again.
        let asked = process.kernel.inner().injected();
        assert_eq!(asked, 1);
        look_up(&process, start, memory);
        assert_eq!(process.kernel.inner().injected(), asked);
    }
}

#[test]
fn eperm_for_one_file_is_no_refusal_of_openat2() {
    // Once when the prefix is set; the file is asked for twice.
    let plan =
        [2, 3].map(|n| Plan::nth(Sysno::Openat2, n, Errno::EPERM)).into_iter().fold(Plan::none(), Plan::and);
    let (process, start) = process(Options::default(), None, plan);
    let mock = process.kernel.inner().inner();
    let memory = mock.place_str("/l/leaf");
    let open = || open(&process, start, memory, flags::O_PATH);
    assert_eq!(open(), Err(Errno::EPERM));
    mock.keep_calls(true);
    assert!(open().is_ok());
    assert!(mock.calls().iter().all(|call| call.nr == Sysno::Openat2), "{:?}", mock.transcript());
}

#[test]
fn a_kernel_that_loses_openat2_is_noticed() {
    for errno in [Errno::ENOSYS, Errno::EPERM] {
        // From the second call on: the first is made when the prefix is set.
        let plan = (2..6).fold(Plan::none(), |plan, n| plan.and(Plan::nth(Sysno::Openat2, n, errno)));
        let (process, start) = process(Options::default(), None, plan);
        let mock = process.kernel.inner().inner();
        let memory = mock.place_str("/l/leaf");
        let open = || open(&process, start, memory, flags::O_PATH);
        assert!(open().is_ok());
        mock.keep_calls(true);
        assert!(open().is_ok());
        assert!(mock.calls().iter().all(|call| call.nr != Sysno::Openat2), "{:?}", mock.transcript());
    }
}

#[test]
fn where_a_link_was_the_next_look_ups_expect_one() {
    let (process, start) = process(Options::default(), None, Plan::none());
    let mock = process.kernel.inner().inner();
    let [plain, through_link, climbing] =
        ["/d/e/leaf", "/l/leaf", "/d/../d/e/leaf"].map(|path| mock.place_str(path));
    mock.keep_calls(true);
    let calls = |path| {
        mock.clear_calls();
        assert!(open(&process, start, path, flags::O_PATH).is_ok());
        mock.calls().len()
    };
    assert_eq!([calls(plain), calls(climbing), calls(plain)], [1, 1, 1]);
    assert_eq!(calls(through_link), 2);
    for _ in 0..32 {
        assert_eq!([calls(through_link), calls(plain)], [1, 1]);
    }
    assert_eq!([calls(plain), calls(through_link)], [1, 2]);
}
