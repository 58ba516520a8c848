//! Twins: `select`, `poll`, `ioctl` and `sendfile` by libc on Linux and by the emulation as a guest makes them, on the same
//! open files. Where a Mac differs from Linux by design, `DEVIATIONS` says so and why.
//!
//! # Safety
//! Only libc's own functions are called, with buffers that outlive the call and are as long as it is told.
#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::ioctl::IoctlRequest;
use xnu_abi::darwin::termios::{
    ControlFlags, InputFlags, LocalFlags, OutputFlags, SpecialCharacter, Termios,
};
use xnu_backend_linux::Linux;
use xnu_backend_mock::Module;
use xnu_core::{Context, Process, Reply, bsd};
use zerocopy::{FromZeros, IntoBytes};

const SELECT: u32 = 93;
const PSELECT: u32 = 394;
const POLL: u32 = 230;
const IOCTL: u32 = 54;
const SENDFILE: u32 = 337;

/// Makes a call as one that is linked in.
fn emulated(number: u32, arguments: &[u64]) -> Result<u64, Errno> {
    let process = Process::new(Linux::new(), Module::new());
    let mut words = [0; 8];
    words[..arguments.len()].copy_from_slice(arguments);
    match bsd::dispatch(&mut Context { process: &process, thread: None }, number, &words) {
        Reply::Value(value, _) => Ok(value),
        Reply::Error(errno) => Err(errno),
        other => panic!("call {number}: {other:?}"),
    }
}

fn address<T>(of: &mut T) -> u64 {
    ptr::from_mut(of).expose_provenance() as u64
}

/// An open file in some state, with what keeps it there.
struct Object {
    name: &'static str,
    file: OwnedFd,
    _others: Vec<OwnedFd>,
}

fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: libc writes two numbers.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) }, 0);
    // SAFETY: both are open and nobody else's.
    unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) }
}

/// A pseudo-terminal: its master and its other side.
fn pty() -> (OwnedFd, OwnedFd) {
    let (mut master, mut slave) = (0, 0);
    // SAFETY: libc writes two numbers.
    let made = unsafe {
        libc::openpty(&raw mut master, &raw mut slave, ptr::null_mut(), ptr::null_mut(), ptr::null_mut())
    };
    assert_eq!(made, 0, "openpty");
    // SAFETY: both are open and nobody else's.
    unsafe { (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) }
}

fn put(to: &OwnedFd, bytes: &[u8]) {
    File::from(to.try_clone().unwrap()).write_all(bytes).unwrap();
}

/// A path of its own, whoever else asks at the same time.
fn scratch() -> std::path::PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("twin-descriptors-{}-{number}", std::process::id()))
}

fn objects() -> Vec<Object> {
    let mut all = Vec::new();
    let mut add =
        |name, file: OwnedFd, others: Vec<OwnedFd>| all.push(Object { name, file, _others: others });
    let (read, write) = pipe();
    add("pipe, empty", read, vec![write]);
    let (read, write) = pipe();
    put(&write, b"abc");
    add("pipe, bytes", read, vec![write]);
    let (read, write) = pipe();
    drop(write);
    add("pipe, ended", read, vec![]);
    let (read, write) = pipe();
    put(&write, b"abc");
    drop(write);
    add("pipe, bytes and ended", read, vec![]);
    let (read, write) = pipe();
    add("pipe, room", write, vec![read]);
    let (read, write) = pipe();
    while File::from(write.try_clone().unwrap()).write(&[0; 4096]).is_ok() {}
    add("pipe, full", write, vec![read]);
    let (read, write) = pipe();
    drop(read);
    add("pipe, broken", write, vec![]);
    let path = scratch();
    fs::write(&path, b"twelve bytes").unwrap();
    let mut file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    file.seek(std::io::SeekFrom::Start(3)).unwrap();
    add("file", file.into(), vec![]);
    fs::remove_file(&path).unwrap();
    add("directory", File::open(std::env::temp_dir()).unwrap().into(), vec![]);
    add("null", OpenOptions::new().read(true).write(true).open("/dev/null").unwrap().into(), vec![]);
    add("zero", File::open("/dev/zero").unwrap().into(), vec![]);
    let socket = |name, prepare: fn(&mut UnixStream, UnixStream) -> Option<UnixStream>| {
        let (mut own, other) = UnixStream::pair().unwrap();
        let kept = prepare(&mut own, other);
        (name, OwnedFd::from(own), kept.map(OwnedFd::from).into_iter().collect::<Vec<_>>())
    };
    for (name, file, others) in [
        socket("socket, empty", |_, other| Some(other)),
        socket("socket, bytes", |_, mut other| {
            other.write_all(b"abcd").unwrap();
            Some(other)
        }),
        socket("socket, ended", |_, other| {
            other.shutdown(Shutdown::Write).unwrap();
            Some(other)
        }),
        socket("socket, closed", |_, _| None),
    ] {
        add(name, file, others);
    }
    let (master, slave) = pty();
    add("terminal, empty", slave, vec![master]);
    let (master, slave) = pty();
    put(&master, b"line\n");
    add("terminal, line", slave, vec![master]);
    let (master, slave) = pty();
    drop(master);
    add("terminal, hung up", slave, vec![]);
    let (master, slave) = pty();
    add("master, empty", master, vec![slave]);
    let (master, slave) = pty();
    put(&slave, b"output\n");
    add("master, bytes", master, vec![slave]);
    all
}

/// A difference that is meant: of which objects and what is asked, what libc says and what the guest gets.
struct Deviation {
    objects: &'static [&'static str],
    asked: &'static str,
    native: &'static str,
    emulated: &'static str,
    why: &'static str,
}

const POLL_NOTHING: &str =
    "bsd/kern/sys_generic.c, poll_nocancel: nothing is registered where nothing is asked for";
const POLL_END: &str =
    "bsd/kern/sys_generic.c, poll_callback: an end is POLLHUP with all kinds of input, without output";
const BY_KIND: &str =
    "bsd/vfs/vfs_vnops.c, vn_ioctl; bsd/kern/sys_socket.c, soioctl: each kind has its own error";

macro_rules! deviation {
    ($objects:expr, $asked:literal, $native:literal => $emulated:literal, $why:expr) => {
        Deviation { objects: &$objects, asked: $asked, native: $native, emulated: $emulated, why: $why }
    };
}

const ENDED: [&str; 4] = ["pipe, ended", "pipe, broken", "socket, closed", "terminal, hung up"];

const DEVIATIONS: &[Deviation] = &[
    deviation!(["pipe, ended", "pipe, bytes and ended", "socket, closed"], "poll 0x0", "1 0x10" => "0 0x0", POLL_NOTHING),
    deviation!(["pipe, broken"], "poll 0x0", "1 0x8" => "0 0x0", POLL_NOTHING),
    deviation!(["terminal, hung up"], "poll 0x0", "1 0x18" => "0 0x0", POLL_NOTHING),
    deviation!(ENDED, "poll", "" => "", POLL_END),
    deviation!(["pipe, bytes and ended", "socket, ended"], "poll", "" => "", POLL_END),
    deviation!(["directory"], "poll", "" => "", "bsd/vfs/vfs_vnops.c, vn_kqfilter: a directory cannot be watched"),
    deviation!(["socket, empty", "socket, bytes", "socket, ended", "socket, closed"], "terminal", "" => "EOPNOTSUPP", BY_KIND),
    deviation!(["null", "zero"], "terminal", "ENOTTY" => "ENODEV", BY_KIND),
    deviation!(["null", "zero"], "FIONREAD", "ENOTTY" => "ENODEV", BY_KIND),
    deviation!(["directory"], "FIONREAD", "" => "", "bsd/vfs/vfs_vnops.c, vn_ioctl: it is as long as its size says"),
];

/// Everything that was compared.
#[derive(Default)]
struct Comparison {
    wrong: Vec<String>,
    used: BTreeSet<usize>,
    count: usize,
}

impl Comparison {
    fn add(&mut self, object: &Object, asked: &str, native: &str, emulated: &str) {
        self.count += 1;
        if native == emulated {
            return;
        }
        let fits = |wanted: &str, seen: &str| wanted.is_empty() || wanted == seen;
        let excused = DEVIATIONS.iter().position(|deviation| {
            deviation.objects.contains(&object.name)
                && asked.starts_with(deviation.asked)
                && fits(deviation.native, native)
                && fits(deviation.emulated, emulated)
        });
        match excused {
            Some(index) => drop(self.used.insert(index)),
            None => self.wrong.push(format!("{}, {asked}: {native} / {emulated}", object.name)),
        }
    }

    fn finish(&self, asked: &[&str], least: usize) {
        assert!(
            self.wrong.is_empty(),
            "{} of {} differ:\n{}",
            self.wrong.len(),
            self.count,
            self.wrong.join("\n")
        );
        assert!(self.count >= least, "{} scenarios", self.count);
        for (index, deviation) in DEVIATIONS.iter().enumerate() {
            let ours = asked.iter().any(|asked| deviation.asked.starts_with(asked));
            let Deviation { objects, asked, why, .. } = deviation;
            assert!(!ours || self.used.contains(&index), "{objects:?} {asked} differ no more: {why}");
        }
    }
}

#[test]
fn poll_on_every_kind_of_object() {
    let objects = objects();
    let mut all = Comparison::default();
    for object in &objects {
        let fd = object.file.as_raw_fd();
        for events in [0i16, 1, 4, 5, 2, 0x40, 0x41, 0x45, 0x3] {
            let mut theirs = libc::pollfd { fd, events, revents: 0 };
            // SAFETY: one entry.
            let count = unsafe { libc::poll(&raw mut theirs, 1, 0) };
            let mut ours = libc::pollfd { fd, events, revents: -1 };
            let reply = emulated(POLL, &[address(&mut ours), 1, 0]).unwrap();
            let native = format!("{count} {:#x}", theirs.revents);
            all.add(object, &format!("poll {events:#x}"), &native, &format!("{reply} {:#x}", ours.revents));
            assert_eq!((ours.fd, ours.events), (fd, events));
            check_poll(object, events, &ours);
        }
    }
    all.finish(&["poll"], 150);
}

/// What holds of an answer whatever Linux says.
fn check_poll(object: &Object, events: i16, seen: &libc::pollfd) {
    const INPUT: i16 = 0x1 | 0x2 | 0x40 | 0x80;
    let Object { name, .. } = object;
    let ended = ENDED.contains(name) || ["pipe, bytes and ended", "socket, ended"].contains(name);
    let expected = match *name {
        _ if events == 0 => Some(0),
        // Of urgent data alone Linux has nothing to tell, and nobody looks closer.
        "directory" => (events & 0x45 != 0).then_some(0x20),
        // Who only writes to what others have ended half way is told nothing of it.
        "socket, ended" if events & INPUT == 0 => Some(events & 4),
        _ if ended => Some(0x10 | events & INPUT),
        _ => None,
    };
    assert!(
        expected.is_none_or(|expected| expected == seen.revents),
        "{name}, {events:#x}: {:#x}",
        seen.revents
    );
}

#[test]
fn select_on_every_kind_of_object_in_sets_of_every_length() {
    let objects = objects();
    let mut all = Comparison::default();
    for object in &objects {
        // As it is, and by numbers so high that the sets are copied in other ways.
        for least in [0, 40, 200, 515, 545, 1000] {
            // SAFETY: makes a copy that is closed below.
            let fd = unsafe { libc::fcntl(object.file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least) };
            assert!((0..1024).contains(&fd));
            for which in 0..3 {
                let mut theirs = [0u32; 32];
                theirs[fd as usize / 32] = 1 << (fd % 32);
                let mut ours = theirs;
                let mut sets = [ptr::null_mut::<libc::fd_set>(); 3];
                sets[which] = theirs.as_mut_ptr().cast();
                let mut now = libc::timeval { tv_sec: 0, tv_usec: 0 };
                // SAFETY: a set of 1024 bits and a time.
                let count = unsafe { libc::select(fd + 1, sets[0], sets[1], sets[2], &raw mut now) };
                let mut words = [fd as u64 + 1, 0, 0, 0, address(&mut [0u64; 2])];
                words[which + 1] = address(&mut ours);
                let reply = emulated(SELECT, &words).unwrap();
                let asked = format!("select {which} {least}");
                let length = (fd as usize + 1).div_ceil(32);
                let show = |count: i64, set: &[u32; 32]| format!("{count} {:x?}", &set[..length]);
                all.add(object, &asked, &show(count.into(), &theirs), &show(reply as i64, &ours));
                assert_eq!(ours[length..], [0; 32][length..]);
            }
            // SAFETY: the copy made above.
            unsafe { libc::close(fd) };
        }
    }
    all.finish(&["select"], 300);
}

/// The name of libc's error.
fn native_errno() -> String {
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::ENOTTY) => "ENOTTY".to_string(),
        Some(libc::EIO) => "EIO".to_string(),
        Some(libc::EINVAL) => "EINVAL".to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn ioctl_on_every_kind_of_object() {
    let objects = objects();
    let mut all = Comparison::default();
    let requests = [
        ("FIONREAD", libc::FIONREAD, IoctlRequest::FIONREAD),
        ("terminal TIOCGWINSZ", libc::TIOCGWINSZ, IoctlRequest::TIOCGWINSZ),
        ("terminal TIOCOUTQ", libc::TIOCOUTQ, IoctlRequest::TIOCOUTQ),
        ("terminal TIOCEXCL", libc::TIOCEXCL, IoctlRequest::TIOCEXCL),
        ("terminal TIOCNXCL", libc::TIOCNXCL, IoctlRequest::TIOCNXCL),
        ("terminal TIOCGETD", libc::TIOCGETD, IoctlRequest::TIOCGETD),
        ("terminal TIOCMGET", libc::TIOCMGET, IoctlRequest::TIOCMGET),
    ];
    for object in &objects {
        let fd = object.file.as_raw_fd();
        for (name, theirs, ours) in requests {
            let (mut told, mut got) = ([0u8; 8], [0u8; 8]);
            // SAFETY: no request writes more than eight bytes.
            let native = match unsafe { libc::ioctl(fd, theirs, told.as_mut_ptr()) } {
                -1 => native_errno(),
                value => format!("{value} {told:?}"),
            };
            let emulated = match emulated(IOCTL, &[fd as u64, ours.number().into(), address(&mut got)]) {
                Ok(value) => format!("{value} {got:?}"),
                Err(errno) => errno.name().to_string(),
            };
            all.add(object, name, &native, &emulated);
        }
    }
    all.finish(&["FIONREAD", "terminal"], 130);
}

fn ioctl(fd: &OwnedFd, request: IoctlRequest, data: u64) -> Result<u64, Errno> {
    emulated(IOCTL, &[fd.as_raw_fd() as u64, request.number().into(), data])
}

/// What libc says of a terminal.
fn native_settings(fd: &OwnedFd) -> libc::termios {
    let mut settings = std::mem::MaybeUninit::uninit();
    // SAFETY: libc fills in the structure where it answers 0.
    unsafe {
        assert_eq!(libc::tcgetattr(fd.as_raw_fd(), settings.as_mut_ptr()), 0);
        settings.assume_init()
    }
}

#[test]
fn a_flag_that_is_set_is_libcs_flag_of_the_name() {
    let (_master, slave) = pty();
    let set = |change: &dyn Fn(&mut Termios)| {
        let mut settings = Termios::new_zeroed();
        settings.c_cflag = ControlFlags::CREAD.bits() | 0x300;
        (settings.c_ispeed, settings.c_ospeed) = (38_400, 38_400);
        settings.c_cc = [0xff; 20];
        change(&mut settings);
        assert_eq!(ioctl(&slave, IoctlRequest::TIOCSETA, address(&mut settings)), Ok(0));
        let mut back = Termios::new_zeroed();
        assert_eq!(ioctl(&slave, IoctlRequest::TIOCGETA, address(&mut back)), Ok(0));
        assert_eq!(back.as_bytes(), settings.as_bytes());
        native_settings(&slave)
    };
    macro_rules! flags {
        ($field:ident, $type:ident: $($name:ident)*) => {
            $({
                let native = set(&|settings| settings.$field |= $type::$name.bits());
                assert_eq!(native.$field & libc::$name, libc::$name, stringify!($name));
                let native = set(&|_| {});
                assert_eq!(native.$field & libc::$name, 0, stringify!($name));
            })*
        };
    }
    flags!(c_iflag, InputFlags: IGNBRK BRKINT IGNPAR PARMRK INPCK ISTRIP INLCR IGNCR ICRNL IXON IXOFF IXANY IMAXBEL IUTF8);
    flags!(c_oflag, OutputFlags: OPOST ONLCR OCRNL ONOCR ONLRET OFILL OFDEL);
    flags!(c_lflag, LocalFlags: ISIG ICANON ECHO ECHOE ECHOK ECHONL NOFLSH TOSTOP ECHOCTL ECHOPRT ECHOKE FLUSHO IEXTEN);
    flags!(c_cflag, ControlFlags: CSTOPB PARODD HUPCL CLOCAL);
    macro_rules! characters {
        ($($name:ident)*) => {
            $({
                let native = set(&|settings| settings.c_cc[usize::from(SpecialCharacter::$name.number())] = 0x1d);
                assert_eq!(native.c_cc[libc::$name], 0x1d, stringify!($name));
            })*
        };
    }
    characters!(VINTR VQUIT VERASE VKILL VEOF VEOL VEOL2 VSTART VSTOP VSUSP VREPRINT VDISCARD VWERASE VLNEXT VMIN VTIME);
}

#[test]
fn a_pseudo_terminal_is_named_unlocked_and_spoken_through() {
    // SAFETY: a path; the descriptor is nobody else's.
    let master =
        unsafe { OwnedFd::from_raw_fd(libc::open(c"/dev/ptmx".as_ptr(), libc::O_RDWR | libc::O_NOCTTY)) };
    let mut name = [0u8; 128];
    assert_eq!(ioctl(&master, IoctlRequest::TIOCPTYGRANT, 0), Ok(0));
    assert_eq!(ioctl(&master, IoctlRequest::TIOCPTYUNLK, 0), Ok(0));
    assert_eq!(ioctl(&master, IoctlRequest::TIOCPTYGNAME, address(&mut name)), Ok(0));
    let end = name.iter().position(|byte| *byte == 0).unwrap();
    let path = std::str::from_utf8(&name[..end]).unwrap();
    let mut slave = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut window = [30u16, 100, 0, 0];
    assert_eq!(ioctl(&master, IoctlRequest::TIOCSWINSZ, address(&mut window)), Ok(0));
    let fd = OwnedFd::from(slave.try_clone().unwrap());
    let mut told = [0u16; 4];
    assert_eq!(ioctl(&fd, IoctlRequest::TIOCGWINSZ, address(&mut told)), Ok(0));
    assert_eq!(told, window);
    put(&master, b"spoken\n");
    let mut heard = [0; 16];
    assert_eq!(slave.read(&mut heard).unwrap(), 7);
    // Echoed, with a carriage return.
    let mut waiting = 0i32;
    assert_eq!(ioctl(&master, IoctlRequest::FIONREAD, address(&mut waiting)), Ok(0));
    assert_eq!(waiting, 8);
    let mut reader = File::from(master.try_clone().unwrap());
    assert_eq!(reader.read(&mut heard).unwrap(), 8);
    assert_eq!(&heard[..8], b"spoken\r\n");
    let mut both = 3i32;
    assert_eq!(ioctl(&fd, IoctlRequest::TIOCFLUSH, address(&mut both)), Ok(0));
    for request in [IoctlRequest::TIOCDRAIN, IoctlRequest::TIOCSBRK, IoctlRequest::TIOCCBRK] {
        assert_eq!(ioctl(&fd, request, 0), Ok(0), "{request:?}");
    }
    // In packet mode the first byte says what follows.
    let mut on = 1i32;
    assert_eq!(ioctl(&master, IoctlRequest::TIOCPKT, address(&mut on)), Ok(0));
    assert_eq!(ioctl(&fd, IoctlRequest::TIOCPKT, address(&mut on)), Err(Errno::ENOTTY));
    slave.write_all(b"x").unwrap();
    let mut packet = [9; 4];
    let mut length = reader.read(&mut packet).unwrap();
    // What was thrown away is told first.
    while packet[0] != 0 {
        length = reader.read(&mut packet).unwrap();
    }
    assert_eq!(&packet[..length], b"\0x");
    for request in [IoctlRequest::TIOCPTYGNAME, IoctlRequest::TIOCPTYUNLK, IoctlRequest::TIOCPTYGRANT] {
        assert_eq!(ioctl(&fd, request, address(&mut name)), Err(Errno::ENOTTY), "{request:?}");
    }
    assert_eq!(ioctl(&master, IoctlRequest::TIOCSIG, 0), Err(Errno::EINVAL));
}

#[test]
fn a_file_goes_through_a_socket() {
    let path = scratch();
    let contents: Vec<u8> = (0..100_000u32).map(|index| index as u8).collect();
    fs::write(&path, &contents).unwrap();
    let file = File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let (socket, mut other) = UnixStream::pair().unwrap();
    let (mut head, mut tail) = (*b"head", *b"tail!");
    let mut vectors = [[address(&mut head), 4], [address(&mut tail), 5]];
    let mut around = [address(&mut vectors[0]), 1, address(&mut vectors[1]), 1];
    for (offset, wanted, with) in
        [(0i64, 0i64, true), (0, 0, false), (500, 1000, false), (99_990, 1000, true), (200_000, 0, false)]
    {
        let around = if with { address(&mut around) } else { 0 };
        let added = if with { 9 } else { 0 };
        let from = contents.len().min(offset as usize);
        // What is asked for counts what goes before.
        let limit = if wanted == 0 { usize::MAX } else { wanted as usize - if with { 4 } else { 0 } };
        let body = &contents[from..][..(contents.len() - from).min(limit)];
        let mut length = wanted;
        let words = [
            file.as_raw_fd() as u64,
            socket.as_raw_fd() as u64,
            offset as u64,
            address(&mut length),
            around,
            0,
        ];
        let mut got = vec![0; body.len() + added];
        let reply = std::thread::scope(|scope| {
            let reader = scope.spawn(|| other.read_exact(&mut got).unwrap());
            let reply = emulated(SENDFILE, &words);
            reader.join().unwrap();
            reply
        });
        assert_eq!((reply, length), (Ok(0), got.len() as i64));
        let expected = if with { [&head[..], body, &tail[..]].concat() } else { body.to_vec() };
        assert_eq!(got, expected);
    }
    drop(other);
    // A connection that was cut, without a signal: this process would end.
    // SAFETY: the default action for a signal that no other test uses.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let mut length = 0i64;
    let words = [file.as_raw_fd() as u64, socket.as_raw_fd() as u64, 0, address(&mut length), 0, 0];
    assert_eq!(emulated(SENDFILE, &words), Err(Errno::EPIPE));
    assert_eq!(length, 0);
}

static CAUGHT: AtomicU32 = AtomicU32::new(0);

extern "C" fn catch(_: i32) {
    CAUGHT.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn a_signal_that_only_the_mask_of_a_wait_lets_through_ends_it() {
    // SAFETY: the handler adds to a number; the sets are libc's own.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = catch as extern "C" fn(i32) as usize;
        libc::sigaction(libc::SIGUSR2, &raw const action, ptr::null_mut());
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&raw mut set, libc::SIGUSR2);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
        libc::pthread_kill(libc::pthread_self(), libc::SIGUSR2);
    }
    let usr2 = 1u32 << 30;
    let mut blocks = usr2;
    let mut now = [0u64; 2];
    let wait = |time: u64, mask: u64| emulated(PSELECT, &[0, 0, 0, 0, time, mask]);
    assert_eq!(wait(address(&mut now), address(&mut blocks)), Ok(0));
    assert_eq!(CAUGHT.load(Ordering::Relaxed), 0);
    let mut lets = 0u32;
    assert_eq!(wait(0, address(&mut lets)), Err(Errno::EINTR));
    assert_eq!(CAUGHT.load(Ordering::Relaxed), 1);
    // The thread's own mask holds again.
    // SAFETY: reads the mask.
    let blocked = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_SETMASK, ptr::null(), &raw mut set);
        libc::sigismember(&raw const set, libc::SIGUSR2)
    };
    assert_eq!(blocked, 1);
}
