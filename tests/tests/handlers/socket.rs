//! Making, naming and connecting sockets.

use crate::support::*;

const AF_UNIX: i32 = 1;
const AF_INET: i32 = 2;
const AF_INET6: i32 = 30;
const STREAM: i32 = 1;
const DGRAM: i32 = 2;
const SOL_SOCKET: i32 = 0xffff;

/// Calls something that tells an address, with room for so many bytes: the length told, and those bytes.
fn told(k: &Machine<xnu_backend_mock::Mock>, name: &str, fd: u64, room: u32) -> (u64, Vec<u8>) {
    let (address, length) = (k.alloc(255), k.place(&room.to_le_bytes()));
    assert_eq!(k.by_name(name, &[fd, address.get(), length.get()]), Answer::reply(0), "{name}");
    (number(k, length, 0, 4), k.peek(address, room as usize))
}

#[test]
fn domains_types_and_protocols_are_darwins() {
    let k = machine();
    for (domain, kind, protocol, answer) in [
        (AF_UNIX, STREAM, 0, Answer::reply(3)),
        (AF_INET6, DGRAM, 17, Answer::reply(4)),
        (AF_INET, STREAM, 6, Answer::reply(5)),
        (10, STREAM, 0, EAFNOSUPPORT.reply()),
        (32, DGRAM, 2, EAFNOSUPPORT.reply()),
        (0, STREAM, 0, EAFNOSUPPORT.reply()),
        (-1, STREAM, 0, EAFNOSUPPORT.reply()),
        (AF_UNIX, 5, 0, EPROTONOSUPPORT.reply()),
        (AF_UNIX, STREAM, 1, EPROTONOSUPPORT.reply()),
        (AF_INET, STREAM, 17, EPROTOTYPE.reply()),
        (AF_INET, STREAM, 77, EPROTONOSUPPORT.reply()),
        (AF_INET, STREAM | 0x800, 0, EPROTONOSUPPORT.reply()),
        (AF_INET, STREAM | 0x80000, 0, EPROTONOSUPPORT.reply()),
        (AF_INET, 3, 0, EPERM.reply()),
    ] {
        assert_eq!(xnu!(k, socket(domain, kind, protocol)), answer, "{domain} {kind} {protocol}");
    }
    k.set_limit(7, 6, 6);
    xnu!(k, socket(AF_UNIX, STREAM, 0) => EMFILE);
}

#[test]
fn a_pair_is_connected_and_has_no_names() {
    let k = machine();
    faults(&k, "socketpair", &[1, 1, 0, 0], 3, 8, OUT);
    let pair = k.alloc(8);
    xnu!(k, socketpair(AF_UNIX, STREAM, 0, pair) => 0);
    assert_eq!((number(&k, pair, 0, 4), number(&k, pair, 4, 4)), (3, 4));
    assert_eq!(told(&k, "getsockname", 3, 20), (16, [&[16, 1][..], &[0; 18]].concat()));
    assert_eq!(told(&k, "getpeername", 4, 2), (16, vec![16, 1]));
    xnu!(k, write(3, b"bytes", 5) => 5);
    let buf = k.alloc(5);
    xnu!(k, read(4, buf, 5) => 5);
    assert_eq!(k.peek(buf, 5), b"bytes");
    xnu!(k, lseek(3, 0, SEEK_CUR) => ESPIPE);
    xnu!(k, socketpair(AF_INET, STREAM, 0, pair) => EOPNOTSUPP);
    xnu!(k, shutdown(3, 3) => EINVAL);
    xnu!(k, shutdown(3, 1) => 0);
    xnu!(k, read(4, buf, 5) => 0);
}

#[test]
fn a_local_name_comes_back_with_the_length_that_it_was_given() {
    let k = machine();
    let path = "/tmp/socket";
    let exact = local_address(path);
    let terminated = [exact.clone(), vec![0]].concat();
    let padded = [exact.clone(), vec![0; 106 - exact.len()]].concat();
    for address in [exact, terminated, padded] {
        let length = address.len() as u32;
        xnu!(k, socket(AF_UNIX, STREAM, 0) => 3);
        xnu!(k, bind(3, address.clone(), length) => 0);
        let mut expected = address.clone();
        expected[0] = length as u8;
        assert_eq!(told(&k, "getsockname", 3, length), (length.into(), expected));
        xnu!(k, bind(3, address.clone(), length) => EINVAL);
        xnu!(k, bind(3, local_address("/none/x"), 9) => EINVAL);
        xnu!(k, bind(3, local_address("/tmp/other"), 12) => EINVAL);
        xnu!(k, socket(AF_UNIX, STREAM, 0) => 4);
        xnu!(k, bind(4, address.clone(), length) => EADDRINUSE);
        xnu!(k, connect(4, address.clone(), length) => ECONNREFUSED);
        xnu!(k, close(4) => 0);
        xnu!(k, close(3) => 0);
        assert!(k.exists(path));
        xnu!(k, unlink(path) => 0);
    }
}

#[test]
fn bad_addresses_are_refused_as_xnu_does() {
    let k = machine();
    xnu!(k, socket(AF_UNIX, STREAM, 0) => 3);
    xnu!(k, socket(AF_INET, STREAM, 0) => 4);
    let good = k.place(&local_address("/tmp/socket"));
    faults(&k, "bind", &[3, 0, 13], 1, 13, Pointer { written: false, nullable: true });
    xnu!(k, bind(3, NULL, 13) => EDESTADDRREQ);
    xnu!(k, bind(99, NULL, 13) => EBADF);
    xnu!(k, connect(3, NULL, 13) => EINVAL);
    for (length, errno) in
        [(0u32, EINVAL), (1, EINVAL), (2, EINVAL), (256, ENAMETOOLONG), (u32::MAX, ENAMETOOLONG)]
    {
        xnu!(k, bind(3, good, length) => errno);
        xnu!(k, connect(3, good, length) => errno);
    }
    xnu!(k, bind(3, &[3, 1, 0], 3) => ENOENT);
    xnu!(k, connect(3, &[3, 1, 0], 3) => ENOENT);
    xnu!(k, connect(3, local_address("/tmp/none"), 11) => ENOENT);
    xnu!(k, connect(3, local_address("/tmp/own"), 10) => ENOTSOCK);
    xnu!(k, connect(3, local_address("/tmp/theirs"), 13) => ENOTSOCK);
    xnu!(k, bind(3, local_address("/tmp/own"), 10) => EADDRINUSE);
    xnu!(k, bind(3, local_address("/tmp/own/x"), 12) => ENOTDIR);
    xnu!(k, bind(3, local_address("/none/x"), 9) => ENOENT);
    xnu!(k, bind(3, local_address("/x"), 4) => EACCES);
    xnu!(k, bind(3, loopback(80), 16) => EAFNOSUPPORT);
    xnu!(k, connect(3, loopback(80), 16) => EAFNOSUPPORT);
    xnu!(k, bind(4, good, 13) => EAFNOSUPPORT);
    assert!(!k.exists("/tmp/socket"));
    xnu!(k, bind(4, loopback(80), 15) => EINVAL);
    xnu!(k, connect(4, loopback(0), 16) => EADDRNOTAVAIL);
    xnu!(k, connect(4, loopback(9), 16) => ECONNREFUSED);
    for (fd, errno) in [(99, EBADF), (-1, EBADF), (1, ENOTSOCK)] {
        xnu!(k, bind(fd, good, 13) => errno);
        xnu!(k, connect(fd, good, 13) => errno);
        xnu!(k, listen(fd, 1) => errno);
        xnu!(k, shutdown(fd, 0) => errno);
        xnu!(k, getsockname(fd, NULL, NULL) => errno);
        xnu!(k, getpeername(fd, NULL, NULL) => errno);
        xnu!(k, setsockopt(fd, SOL_SOCKET, 8, b"1234", 4) => errno);
        xnu!(k, getsockopt(fd, SOL_SOCKET, 8, NULL, NULL) => errno);
    }
}

#[test]
fn a_path_longer_than_linux_has_room_for_is_bound_through_its_directory() {
    let k = machine();
    let directory = format!("/tmp/{}", "d".repeat(120));
    k.add_dir(&directory);
    k.set_owner(&directory, 1000, 1000);
    let path = format!("{directory}/socket");
    let length = path.len() as u32 + 2;
    xnu!(k, socket(AF_UNIX, STREAM, 0) => 3);
    xnu!(k, bind(3, local_address(&path), length) => 0);
    assert!(k.exists(&path));
    assert_eq!(told(&k, "getsockname", 3, 2).0, 16, "nobody knows the name");
    xnu!(k, listen(3, 0) => 0);
    xnu!(k, socket(AF_UNIX, STREAM, 0) => 4);
    xnu!(k, connect(4, local_address(&path), length) => 0);
    assert_eq!(k.descriptors(), [0, 1, 2, 3, 4]);
}

#[test]
fn an_accepted_connection_has_the_listeners_flags() {
    let k = machine();
    xnu!(k, socket(AF_INET, STREAM, 0) => 3);
    xnu!(k, bind(3, loopback(80), 16) => 0);
    xnu!(k, accept(3, NULL, NULL) => EINVAL);
    xnu!(k, listen(3, -1) => 0);
    xnu!(k, accept(3, NULL, NULL) => EAGAIN);
    xnu!(k, setsockopt(3, SOL_SOCKET, 0x1022, 1i32.to_le_bytes().as_slice(), 4) => 0);
    xnu!(k, fcntl(3, F_SETFL, O_NONBLOCK) => 0);
    xnu!(k, socket(AF_INET, STREAM, 0) => 4);
    xnu!(k, connect(4, loopback(80), 16) => 0);
    xnu!(k, connect(4, loopback(80), 16) => EISCONN);
    xnu!(k, connect(3, loopback(80), 16) => EOPNOTSUPP);
    let (name, length) = (k.alloc(16), k.place(&16u32.to_le_bytes()));
    xnu!(k, accept(3, name, NULL) => EFAULT);
    xnu!(k, accept(3, name, length) => 5);
    let (_, own) = told(&k, "getsockname", 4, 16);
    assert_eq!((number(&k, length, 0, 4), k.peek(name, 16)), (16, own));
    assert_eq!(told(&k, "getpeername", 4, 16), (16, loopback(80)));
    xnu!(k, fcntl(5, F_GETFL, 0) => 6);
    let (value, size) = (k.alloc(4), k.place(&4u32.to_le_bytes()));
    xnu!(k, getsockopt(5, SOL_SOCKET, 0x1022, value, size) => 0);
    assert_eq!(number(&k, value, 0, 4), 1);
}

#[test]
fn options_have_darwins_numbers_and_values() {
    let k = machine();
    xnu!(k, socket(AF_INET, STREAM, 0) => 3);
    let (value, size) = (k.alloc(16), k.alloc(4));
    let get = |level: i32, name: i32, room: u32| {
        k.poke(size, &room.to_le_bytes());
        let reply = xnu!(k, getsockopt(3, level, name, value, size));
        (reply, number(&k, size, 0, 4), number(&k, value, 0, 4))
    };
    let one = 1i32.to_le_bytes();
    for (level, name, on) in [(SOL_SOCKET, 4, 4), (SOL_SOCKET, 8, 8), (SOL_SOCKET, 0x200, 0x200), (6, 1, 4)] {
        xnu!(k, setsockopt(3, level, name, one.as_slice(), 4) => 0);
        assert_eq!(get(level, name, 4), (Answer::reply(0), 4, on), "{level} {name}");
        xnu!(k, setsockopt(3, level, name, one.as_slice(), 3) => EINVAL);
        xnu!(k, setsockopt(3, level, name, NULL, 4) => EFAULT);
    }
    xnu!(k, setsockopt(3, SOL_SOCKET, 0x1002, 5000i32.to_le_bytes().as_slice(), 4) => 0);
    assert_eq!(get(SOL_SOCKET, 0x1002, 8), (Answer::reply(0), 4, 5000));
    xnu!(k, setsockopt(3, SOL_SOCKET, 0x1002, 0i32.to_le_bytes().as_slice(), 4) => EINVAL);
    xnu!(k, setsockopt(3, SOL_SOCKET, 0x1006, bytes([1, 1_000_000]), 16) => EDOM);
    xnu!(k, setsockopt(3, SOL_SOCKET, 0x1006, bytes([1, 5]), 16) => 0);
    assert_eq!(get(SOL_SOCKET, 0x1006, 16), (Answer::reply(0), 16, 1));
    assert_eq!(get(SOL_SOCKET, 0x1008, 4).2, 1, "SO_TYPE");
    assert_eq!(get(SOL_SOCKET, 0x1008, 2).1, 2);
    for (level, name, errno) in [
        (SOL_SOCKET, 2, ENOPROTOOPT),
        (SOL_SOCKET, 0x1007, ENOPROTOOPT),
        (SOL_SOCKET, 9999, ENOPROTOOPT),
        (6, 9999, ENOPROTOOPT),
        (0, 9999, ENOPROTOOPT),
        (41, 27, EINVAL),
        (1, 2, EINVAL),
    ] {
        assert_eq!(xnu!(k, setsockopt(3, level, name, one.as_slice(), 4)), errno.reply(), "{level} {name}");
    }
    faults(&k, "setsockopt", &[3, 0xffff, 8, 0, 4], 3, 4, IN);
    k.poke(size, &4u32.to_le_bytes());
    faults(&k, "getsockopt", &[3, 0xffff, 8, 0, size.get()], 3, 4, OUT_OR_NULL);
    faults(&k, "getsockopt", &[3, 0xffff, 8, value.get(), 0], 4, 4, OUT);
    xnu!(k, socket(AF_INET, DGRAM, 0) => 4);
    xnu!(k, setsockopt(4, 6, 1, one.as_slice(), 4) => EINVAL);
}

#[test]
fn a_local_peer_is_known() {
    let k = machine();
    let pair = k.alloc(8);
    xnu!(k, socketpair(AF_UNIX, STREAM, 0, pair) => 0);
    xnu!(k, socket(AF_UNIX, STREAM, 0) => 5);
    let (value, size) = (k.alloc(76), k.place(&76u32.to_le_bytes()));
    xnu!(k, getsockopt(3, 0, 1, value, size) => 0);
    assert_eq!((number(&k, size, 0, 4), number(&k, value, 4, 4), number(&k, value, 8, 2)), (76, 1000, 1));
    assert_eq!(number(&k, value, 12, 4), 1000);
    xnu!(k, getsockopt(3, 0, 2, value, size) => 0);
    assert_eq!((number(&k, size, 0, 4), number(&k, value, 0, 4)), (4, 1000));
    xnu!(k, getsockopt(5, 0, 1, value, size) => ENOTCONN);
    xnu!(k, getsockopt(5, 0, 2, value, size) => ENOTCONN);
    xnu!(k, getsockopt(3, 0, 77, value, size) => EOPNOTSUPP);
    xnu!(k, setsockopt(3, 0, 1, b"1234", 4) => EOPNOTSUPP);
    xnu!(k, shutdown(5, 1) => ENOTCONN);
    k.poke(size, &76u32.to_le_bytes());
    xnu!(k, getsockopt(3, 0, 6, value, size) => 0);
    assert_eq!((number(&k, value, 0, 4), number(&k, value, 4, 4)), (0xffff_ffff, 1000));
    assert_eq!((number(&k, size, 0, 4), number(&k, value, 20, 4)), (32, 1000), "LOCAL_PEERTOKEN");
    // A peer that is gone is no peer, but had credentials.
    xnu!(k, close(4) => 0);
    k.poke(size, &76u32.to_le_bytes());
    xnu!(k, getsockopt(3, 0, 2, value, size) => ENOTCONN);
    xnu!(k, getsockopt(3, 0, 6, value, size) => ENOTCONN);
    xnu!(k, getsockopt(3, 0, 1, value, size) => 0);
    xnu!(k, getpeername(3, value, size) => EINVAL);
    xnu!(k, shutdown(3, 1) => ENOTCONN);
}

#[test]
fn what_is_shut_is_not_shut_again() {
    let k = machine();
    let (pair, room, size) = (k.alloc(8), k.alloc(16), k.place(&16u32.to_le_bytes()));
    let connected = || {
        xnu!(k, socketpair(AF_UNIX, STREAM, 0, pair) => 0);
        (number(&k, pair, 0, 4), number(&k, pair, 4, 4))
    };
    let (one, other) = connected();
    xnu!(k, shutdown(one, 1) => 0);
    xnu!(k, shutdown(one, 1) => ENOTCONN);
    xnu!(k, shutdown(other, 0) => ENOTCONN);
    xnu!(k, getpeername(one, room, size) => 0);
    // Reading is shut before it is known that writing was.
    xnu!(k, shutdown(one, 2) => ENOTCONN);
    xnu!(k, shutdown(one, 0) => ENOTCONN);
    xnu!(k, getpeername(one, room, size) => EINVAL);

    let (one, _) = connected();
    xnu!(k, shutdown(one, 0) => 0);
    xnu!(k, shutdown(one, 0) => ENOTCONN);
    let (one, _) = connected();
    xnu!(k, shutdown(one, 2) => 0);
    for how in 0..3 {
        xnu!(k, shutdown(one, how) => ENOTCONN);
    }
    xnu!(k, socketpair(AF_UNIX, DGRAM, 0, pair) => 0);
    let one = number(&k, pair, 0, 4);
    xnu!(k, shutdown(one, 0) => 0);
    xnu!(k, shutdown(one, 0) => ENOTCONN);
}

#[test]
fn no_stream_has_to_do_with_a_group() {
    let k = machine();
    xnu!(k, socket(AF_INET, STREAM, 0) => 3);
    xnu!(k, socket(AF_INET6, STREAM, 0) => 4);
    let mut older = loopback(80);
    for host in [[224, 0, 0, 1], [239, 255, 255, 255], [255; 4]] {
        older[4..8].copy_from_slice(&host);
        xnu!(k, bind(3, older.clone(), 16) => EAFNOSUPPORT);
        xnu!(k, connect(3, older.clone(), 16) => EAFNOSUPPORT);
        let mut newer = [&[28, 30, 0, 80][..], &[0; 24]].concat();
        newer[20..24].copy_from_slice(&host);
        xnu!(k, bind(4, newer.clone(), 28) => EAFNOSUPPORT);
        newer[18..20].copy_from_slice(&[255; 2]);
        xnu!(k, bind(4, newer.clone(), 28) => EAFNOSUPPORT);
        xnu!(k, connect(4, newer, 28) => EAFNOSUPPORT);
    }
    xnu!(k, bind(4, [&[28, 30, 0, 80, 0, 0, 0, 0, 0xff, 2][..], &[0; 18]].concat(), 28) => EAFNOSUPPORT);
}

#[test]
fn a_connection_is_made_with_its_first_bytes() {
    let k = machine();
    xnu!(k, socket(AF_INET, STREAM, 0) => 3);
    xnu!(k, bind(3, loopback(80), 16) => 0);
    xnu!(k, listen(3, 1) => 0);
    let to = |port| bytes([0, 0, 0, k.place(&loopback(port)).get(), 16]);
    let iov = k.place(&bytes([k.place(b"hello").get(), 5]));
    let (length, connection) = (k.place(&[7; 8]), k.place(&[7; 4]));
    xnu!(k, socket(AF_INET, STREAM, 0) => 4);
    xnu!(k, connectx(4, NULL, 0, 0, NULL, 0, NULL, NULL) => EINVAL);
    xnu!(k, connectx(4, bytes([0; 5]), 0, 0, NULL, 0, NULL, NULL) => EINVAL);
    xnu!(k, connectx(4, to(80), 0, 0, iov, 0, length, NULL) => EINVAL);
    xnu!(k, connectx(4, to(80), 0, 0, iov, 1, NULL, NULL) => EINVAL);
    // What went wrong is told, and that nothing was sent.
    xnu!(k, connectx(4, to(81), 0, 0, iov, 1, length, connection) => ECONNREFUSED);
    assert_eq!((number(&k, length, 0, 8), number(&k, connection, 0, 4)), (0, 0));
    xnu!(k, connectx(4, to(80), 0, 0, iov, 1, length, connection) => 0);
    assert_eq!((number(&k, length, 0, 8), number(&k, connection, 0, 4)), (5, 1));
    let buf = k.alloc(5);
    xnu!(k, accept(3, NULL, NULL) => 5);
    xnu!(k, recvfrom(5, buf, 5, 0, NULL, NULL) => 5);
    assert_eq!(k.peek(buf, 5), b"hello");
    xnu!(k, disconnectx(4, 5, 0) => EINVAL);
    xnu!(k, disconnectx(4, 0, 0) => 0);
    xnu!(k, recvfrom(5, buf, 5, 0, NULL, NULL) => 0);
    xnu!(k, socket(AF_UNIX, STREAM, 0) => 6);
    xnu!(k, connectx(6, to(80), 0, 0, NULL, 0, NULL, NULL) => EOPNOTSUPP);
    xnu!(k, disconnectx(6, 0, 0) => EOPNOTSUPP);
}

#[test]
fn apples_own_calls_answer_a_process_without_entitlements() {
    let k = machine();
    xnu!(k, peeloff(99, 0) => 0);
    xnu!(k, socket_delegate(AF_UNIX, STREAM, 0, 1) => EACCES);
    xnu!(k, necp_open(0) => EPERM);
    xnu!(k, necp_open(1) => EACCES);
    xnu!(k, necp_session_open(0) => EACCES);
    xnu!(k, tracker_action(0, NULL, 0) => EPERM);
    xnu!(k, necp_client_action(0, 1, NULL, 0, NULL, 0) => xnu_abi::darwin::Errno::ENODEV);
    xnu!(k, __channel_sync(99, 0, 0) => EBADF);
    xnu!(k, netagent_trigger(&[1; 16], 15) => ERANGE);
    xnu!(k, netagent_trigger(&[0; 16], 16) => EINVAL);
    xnu!(k, netagent_trigger(&[1; 16], 16) => ENOENT);
    xnu!(k, net_qos_guideline(bytes([5 << 20, 0]), 16) => 1);
    xnu!(k, net_qos_guideline(bytes([(5 << 20) - 1, 0]), 16) => 0);
    xnu!(k, net_qos_guideline(NULL, 16) => EINVAL);
    faults(&k, "net_qos_guideline", &[0, 16], 0, 16, IN_OR_NULL);
    faults(&k, "netagent_trigger", &[0, 16], 0, 16, IN_OR_NULL);
}

#[test]
fn a_local_peer_below_a_prefix_has_the_guests_name() {
    use xnu_core::linux::LinuxFd;
    use xnu_core::vchroot::Options;
    let k = machine();
    for directory in ["/prefix", "/prefix/tmp"] {
        k.add_dir(directory);
        k.set_owner(directory, 1000, 1000);
    }
    k.add_symlink("/prefix/tmp/abs", "/tmp/socket");
    xnu!(k, open("/prefix", O_RDONLY) => 3);
    let options = Options { case_insensitive: false, root_exit: false };
    k.process.set_prefix(LinuxFd(3), options).expect("a directory");
    xnu!(k, close(3) => 0);
    let before = k.descriptors();
    xnu!(k, socket(AF_UNIX, STREAM, 0) => 3);
    xnu!(k, bind(3, local_address("/tmp/socket"), 13) => 0);
    assert!(k.exists("/prefix/tmp/socket") && !k.exists("/tmp/socket"));
    assert_eq!(told(&k, "getsockname", 3, 13), (13, local_address("/tmp/socket")));
    xnu!(k, listen(3, 1) => 0);
    xnu!(k, socket(AF_UNIX, STREAM, 0) => 4);
    xnu!(k, connect(4, local_address("/tmp/abs"), 10) => 0);
    assert_eq!(told(&k, "getpeername", 4, 13), (13, local_address("/tmp/socket")));
    let (name, length) = (k.alloc(16), k.place(&16u32.to_le_bytes()));
    xnu!(k, accept(3, name, length) => 5);
    assert_eq!((number(&k, length, 0, 4), k.peek(name, 2)), (16, vec![16, 1]));
    assert_eq!(k.descriptors().len(), before.len() + 3);

    // As it was given where Linux finds it so, otherwise where it leads.
    k.add_symlink("/prefix/relative", "tmp");
    k.add_symlink("/prefix/absolute", "/tmp");
    for (given, shown) in [
        ("/relative/one", "/relative/one"),
        ("/relative/../tmp/./two", "/relative/../tmp/./two"),
        ("/absolute/three", "/tmp/three"),
        ("/../tmp/four", "/tmp/four"),
    ] {
        let (given, shown) = (local_address(given), local_address(shown));
        xnu!(k, socket(AF_UNIX, STREAM, 0) => 6);
        xnu!(k, bind(6, given.clone(), given.len() as u32) => 0);
        assert_eq!(told(&k, "getsockname", 6, shown.len() as u32), (shown.len() as u64, shown));
        xnu!(k, close(6) => 0);
    }
    for name in ["one", "two", "three", "four"] {
        assert!(k.exists(&format!("/prefix/tmp/{name}")), "{name}");
    }
    assert_eq!(k.descriptors().len(), before.len() + 3);
}
