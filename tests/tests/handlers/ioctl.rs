//! `ioctl` of files, pipes and the terminal.

use crate::support::*;
use xnu_abi::darwin::ioctl::IoctlRequest;
use xnu_backend_mock::Mock;
use xnu_core::{Reply, UserAddr};

fn request(request: IoctlRequest) -> u64 {
    u64::from(request.number())
}

macro_rules! requests {
    ($($name:ident)*) => {
        $(const $name: IoctlRequest = IoctlRequest::$name;)*
    };
}

requests! {
    FIOCLEX FIONCLEX FIONREAD FIONBIO FIOASYNC FIOSETOWN FIOGETOWN FIODTYPE TIOCGETA TIOCSETA TIOCSETAW TIOCSETAF
    TIOCGWINSZ TIOCSWINSZ TIOCGPGRP TIOCSPGRP TIOCSCTTY TIOCNOTTY TIOCEXCL TIOCNXCL TIOCSTOP TIOCSTART TIOCIXON
    TIOCIXOFF TIOCFLUSH TIOCDRAIN TIOCSBRK TIOCCBRK TIOCGETD TIOCSETD TIOCOUTQ TIOCSTI TIOCMGET TIOCMSET TIOCPKT
    TIOCPTYGNAME TIOCPTYGRANT TIOCPTYUNLK TIOCGDRAINWAIT TIOCSDRAINWAIT TIOCSTAT TIOCUCNTL TIOCEXT TIOCCONS TIOCSCONS
    TIOCSIG SIOCATMARK SIOCGPGRP SIOCGIFCONF DKIOCGETBLOCKSIZE DKIOCGETBLOCKCOUNT DKIOCISWRITABLE
}

#[track_caller]
fn asked(k: &Machine<Mock>, fd: i32, name: IoctlRequest, data: UserAddr) -> Reply {
    k.by_name("ioctl", &[fd as u64, request(name), data.get()])
}

#[track_caller]
fn check(k: &Machine<Mock>, fd: i32, name: IoctlRequest, data: UserAddr, expected: impl Answer) {
    assert_eq!(asked(k, fd, name, data), expected.reply(), "{name:?} of {fd}");
}

fn int(k: &Machine<Mock>, at: UserAddr) -> i32 {
    number(k, at, 0, 4) as i32
}

#[test]
fn flags_of_descriptors_are_set_by_request() {
    let k = machine();
    let data = k.alloc(8);
    xnu!(k, pipe() => (3, 4));
    check(&k, 3, FIOCLEX, data, 0);
    xnu!(k, fcntl(3, F_GETFD, 0) => 1);
    check(&k, 3, FIONCLEX, UserAddr::NULL, 0);
    xnu!(k, fcntl(3, F_GETFD, 0) => 0);
    for (name, flag) in [(FIONBIO, O_NONBLOCK), (FIOASYNC, O_ASYNC)] {
        k.poke(data, &[0, 1, 0, 0]);
        check(&k, 3, name, data, 0);
        xnu!(k, fcntl(3, F_GETFL, 0) => flag.bits() as i32);
        k.poke(data, &[0; 4]);
        check(&k, 3, name, data, 0);
        xnu!(k, fcntl(3, F_GETFL, 0) => 0);
        faults(&k, "ioctl", &[3, request(name), 0], 2, 4, IN);
    }
    // Files tell nobody, and do not mind.
    xnu!(k, open("/tmp/own", O_RDONLY) => 5);
    k.poke(data, &[1; 4]);
    check(&k, 5, FIOASYNC, data, 0);
    check(&k, 5, FIONBIO, data, 0);
}

#[test]
fn what_is_left_to_read_is_counted() {
    let k = machine();
    let data = k.alloc_guarded(4);
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, pipe() => (4, 5));
    xnu!(k, open("/tmp/dir", O_RDONLY) => 6);
    xnu!(k, open("/tmp/fifo", O_RDWR) => 7);
    xnu!(k, write(5, b"abc", 3) => 3);
    xnu!(k, write(7, b"abcd", 4) => 4);
    check(&k, 3, FIONREAD, data, 0);
    assert_eq!(int(&k, data), 5);
    for (position, left) in [(2, 3), (5, 0), (100, 0)] {
        xnu!(k, lseek(3, position, SEEK_SET) => position);
        check(&k, 3, FIONREAD, data, 0);
        assert_eq!(int(&k, data), left);
    }
    check(&k, 4, FIONREAD, data, 0);
    assert_eq!(int(&k, data), 3);
    // Who may write to a fifo as well is told of the side that nothing comes in by.
    check(&k, 7, FIONREAD, data, 0);
    assert_eq!(int(&k, data), 0);
    check(&k, 6, FIONREAD, data, 0);
    k.tty_input(b"line\n");
    check(&k, 0, FIONREAD, data, 0);
    assert_eq!(int(&k, data), 5);
    for fd in [3, 4, 0] {
        faults(&k, "ioctl", &[fd, request(FIONREAD), 0], 2, 4, OUT);
    }
}

#[test]
fn owners_are_as_fcntl_has_them_but_not_told() {
    let k = machine();
    xnu!(k, pipe() => (3, 4));
    let data = k.place(&1000i32.to_le_bytes());
    check(&k, 3, FIOSETOWN, data, 0);
    xnu!(k, fcntl(3, F_GETOWN, 0) => -1000);
    k.poke(data, &[0; 4]);
    check(&k, 3, TIOCGPGRP, data, 0);
    assert_eq!(int(&k, data), 1000);
    k.poke(data, &7i32.to_le_bytes());
    check(&k, 3, FIOGETOWN, data, 0);
    assert_eq!(int(&k, data), 7);
    k.poke(data, &(-1000i32).to_le_bytes());
    check(&k, 3, TIOCSPGRP, data, 0);
    xnu!(k, open("/tmp/own", O_RDONLY) => 5);
    k.poke(data, &[0; 4]);
    check(&k, 5, FIOSETOWN, data, ENOTTY);
    check(&k, 5, FIOGETOWN, data, ENOTTY);
    k.poke(data, &99_999i32.to_le_bytes());
    check(&k, 0, FIOSETOWN, data, ESRCH);
}

#[test]
fn requests_of_others_are_refused_by_kind() {
    let k = machine();
    let data = k.alloc(128);
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, open("/tmp/dir", O_RDONLY) => 4);
    xnu!(k, pipe() => (5, 6));
    xnu!(k, open("/tmp/fifo", O_RDWR) => 7);
    xnu!(k, open("/dev/null", O_RDWR) => 8);
    for (fd, errno) in [(3, ENOTTY), (4, ENOTTY), (5, ENOTTY), (7, EOPNOTSUPP), (8, ENODEV)] {
        for name in [TIOCGETA, TIOCGWINSZ, TIOCSETA, SIOCGIFCONF, DKIOCGETBLOCKSIZE, TIOCPTYGNAME] {
            check(&k, fd, name, data, errno);
        }
    }
    for (fd, errno) in [(3, ENOTTY), (5, ENOTTY), (7, ENOTTY)] {
        check(&k, fd, FIODTYPE, data, errno);
    }
    check(&k, 8, FIODTYPE, data, 0);
    assert_eq!(int(&k, data), 2);
    check(&k, 0, FIODTYPE, data, 0);
    assert_eq!(int(&k, data), 3);
    for set_block_size in [0x8004_6418u64] {
        for (fd, errno) in [(3, ENOTTY), (7, EPERM), (8, EPERM), (0, EPERM)] {
            assert_eq!(k.by_name("ioctl", &[fd, set_block_size, data.get()]), errno.reply());
        }
    }
    // An argument that cannot be copied in comes before the descriptor; one that is only written to comes last.
    for fd in [-1, 99, 3] {
        check(&k, fd, TIOCSETA, UserAddr::NULL, EFAULT);
        assert_eq!(k.by_name("ioctl", &[fd as u64, 0x9fff_7400, UserAddr::NULL.get()]), EFAULT.reply());
    }
    for fd in [-1, 99, i32::MIN] {
        check(&k, fd, TIOCGETA, UserAddr::NULL, EBADF);
        check(&k, fd, FIOCLEX, data, EBADF);
    }
    xnu!(k, open("/tmp/dir", O_EXEC | O_DIRECTORY) => 9);
    check(&k, 9, FIOCLEX, data, EBADF);
    // The whole register is the number.
    assert_eq!(k.by_name("ioctl", &[0, 0xffff_ffff_8048_7414, k.alloc(72).get()]), ENOTTY.reply());
    assert_eq!(k.by_name("ioctl", &[3, 1 << 32 | request(FIOCLEX), 0]), ENOTTY.reply());
}

/// `c_iflag`, `c_oflag`, `c_cflag`, `c_lflag` and the speeds.
fn settings(k: &Machine<Mock>, at: UserAddr) -> [u64; 6] {
    [0, 8, 16, 24, 56, 64].map(|offset| number(k, at, offset, 8))
}

#[test]
fn settings_of_the_terminal_go_both_ways() {
    let k = machine();
    let data = k.alloc_guarded(72);
    check(&k, 0, TIOCGETA, data, 0);
    // BRKINT and the rest as a fresh Linux terminal has them: CR to NL and flow control, NL to CR NL, eight bits that can
    // be read, echo with all its kinds, editing, signals.
    assert_eq!(settings(&k, data), [0x300, 3, 0xb00, 0x5cf, 38_400, 38_400]);
    let characters = k.peek(UserAddr::new(data.get() + 32), 20);
    assert_eq!(
        characters,
        [4, 255, 255, 127, 23, 21, 18, 255, 3, 28, 26, 255, 17, 19, 22, 15, 1, 0, 255, 255]
    );
    let raw = bytes([0, 0, 0x8b00, 0, 0, 0, 0, 115_200, 115_200]);
    for name in [TIOCSETA, TIOCSETAW, TIOCSETAF] {
        k.tty_input(b"typed\n");
        k.poke(data, &raw);
        check(&k, 0, name, data, 0);
        check(&k, 0, TIOCGETA, data, 0);
        assert_eq!(settings(&k, data), [0, 0, 0x8b00, 0, 115_200, 115_200]);
        xnu!(k, ioctl(0, request(FIONREAD), data) => 0);
        assert_eq!(int(&k, data) == 0, name == TIOCSETAF);
        faults(&k, "ioctl", &[0, request(name), 0], 2, 72, IN);
    }
    faults(&k, "ioctl", &[0, request(TIOCGETA), 0], 2, 72, OUT);
}

#[test]
fn windows_groups_and_queues() {
    let k = machine();
    let data = k.alloc_guarded(8);
    check(&k, 0, TIOCGWINSZ, data, 0);
    assert_eq!(k.peek(data, 8), [24, 0, 80, 0, 0, 0, 0, 0]);
    k.poke(data, &[1, 2, 3, 4, 5, 6, 7, 8]);
    check(&k, 0, TIOCSWINSZ, data, 0);
    k.poke(data, &[0; 8]);
    check(&k, 1, TIOCGWINSZ, data, 0);
    assert_eq!(k.peek(data, 8), [1, 2, 3, 4, 5, 6, 7, 8]);
    faults(&k, "ioctl", &[0, request(TIOCGWINSZ), 0], 2, 8, OUT);
    faults(&k, "ioctl", &[0, request(TIOCSWINSZ), 0], 2, 8, IN);
    check(&k, 0, TIOCGPGRP, data, 0);
    let group = int(&k, data);
    check(&k, 0, TIOCSPGRP, data, 0);
    for (wrong, errno) in [(group + 1, EINVAL), (-1, EINVAL)] {
        k.poke(data, &wrong.to_le_bytes());
        check(&k, 0, TIOCSPGRP, data, errno);
    }
    check(&k, 0, TIOCOUTQ, data, 0);
    assert_eq!(int(&k, data), 0);
    for (queues, left) in [(2, true), (4, true), (1, false), (3, false), (0, false)] {
        k.tty_input(b"typed\n");
        k.poke(data, &i32::to_le_bytes(queues));
        check(&k, 0, TIOCFLUSH, data, 0);
        check(&k, 0, FIONREAD, data, 0);
        assert_eq!(int(&k, data) != 0, left, "{queues}");
    }
    for name in [TIOCEXCL, TIOCNXCL, TIOCSTOP, TIOCSTART, TIOCIXOFF, TIOCIXON, TIOCDRAIN, TIOCSBRK, TIOCCBRK]
    {
        check(&k, 0, name, UserAddr::NULL, 0);
    }
}

#[test]
fn what_a_terminal_does_not_know() {
    let k = machine();
    let data = k.alloc(128);
    check(&k, 0, TIOCGETD, data, 0);
    check(&k, 0, TIOCGDRAINWAIT, data, 0);
    for (discipline, reply) in
        [(0, 0.reply()), (1, ENODEV.reply()), (7, ENODEV.reply()), (8, ENXIO.reply()), (-1, ENXIO.reply())]
    {
        k.poke(data, &i32::to_le_bytes(discipline));
        assert_eq!(asked(&k, 0, TIOCSETD, data), reply);
    }
    check(&k, 0, TIOCSDRAINWAIT, data, EPERM);
    k.poke(data, &[0; 4]);
    check(&k, 0, TIOCCONS, data, 0);
    check(&k, 0, TIOCSCONS, data, EPERM);
    check(&k, 0, TIOCSCTTY, data, EINVAL);
    check(&k, 0, TIOCNOTTY, data, 0);
    k.poke(data, &[1; 4]);
    check(&k, 0, TIOCCONS, data, EPERM);
    // This is not the master of a pseudo-terminal, and not a modem.
    for name in [
        TIOCPKT,
        TIOCPTYGNAME,
        TIOCPTYGRANT,
        TIOCPTYUNLK,
        TIOCSIG,
        TIOCMGET,
        TIOCMSET,
        TIOCSTAT,
        TIOCUCNTL,
        SIOCATMARK,
        SIOCGPGRP,
        DKIOCGETBLOCKCOUNT,
        DKIOCISWRITABLE,
    ] {
        check(&k, 0, name, data, ENOTTY);
    }
    check(&k, 0, TIOCSTI, data, ENOTTY);
    check(&k, 0, TIOCEXT, data, 0);
    let settings = k.alloc(72);
    check(&k, 0, TIOCGETA, settings, 0);
    assert_eq!(number(&k, settings, 24, 8) & 0x800, 0x800);
    // Settings leave that alone.
    k.poke(UserAddr::new(settings.get() + 24), &[0; 8]);
    check(&k, 0, TIOCSETA, settings, 0);
    check(&k, 0, TIOCGETA, settings, 0);
    assert_eq!(number(&k, settings, 24, 8), 0x800);
}
