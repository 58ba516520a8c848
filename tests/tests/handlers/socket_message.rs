//! Messages of sockets: addresses, flags, control messages.

use crate::support::*;
use xnu_backend_mock::Mock;

fn pair(kind: i32) -> Machine<Mock> {
    let k = machine();
    let pair = k.alloc(8);
    xnu!(k, socketpair(1, kind, 0, pair) => 0);
    k
}

fn sigpipes(k: &Mock) -> usize {
    k.signals().iter().filter(|signal| signal.number == 13).count()
}

#[test]
fn a_broken_pipe_raises_sigpipe_unless_told_otherwise() {
    let k = pair(1);
    xnu!(k, shutdown(3, 1) => 0);
    xnu!(k, sendto(3, b"x", 1, 0x80000, NULL, 0) => EPIPE);
    xnu!(k, setsockopt(3, 0xffff, 0x1022, 1i32.to_le_bytes().as_slice(), 4) => 0);
    xnu!(k, sendto(3, b"x", 1, 0, NULL, 0) => EPIPE);
    assert_eq!(sigpipes(&k), 0);
    xnu!(k, setsockopt(3, 0xffff, 0x1022, 0i32.to_le_bytes().as_slice(), 4) => 0);
    xnu!(k, sendto(3, b"x", 1, 0, NULL, 0) => EPIPE);
    assert_eq!(sigpipes(&k), 1);
}

#[test]
fn what_was_never_connected_is_enotconn_without_a_signal() {
    let k = machine();
    let buf = k.alloc(1);
    for domain in [1, 2] {
        let fd = value(xnu!(k, socket(domain, 1, 0)));
        xnu!(k, sendto(fd, b"x", 1, 0, NULL, 0) => ENOTCONN);
        xnu!(k, recvfrom(fd, buf, 1, 0, NULL, NULL) => ENOTCONN);
        let fd = value(xnu!(k, socket(domain, 2, 0)));
        xnu!(k, sendto(fd, b"x", 1, 0, NULL, 0) => EDESTADDRREQ);
    }
    assert_eq!(sigpipes(&k), 0);
}

#[test]
fn datagrams_have_a_sender_and_streams_have_none() {
    let k = machine();
    xnu!(k, socket(2, 2, 0) => 3);
    xnu!(k, bind(3, loopback(80), 16) => 0);
    xnu!(k, socket(2, 2, 0) => 4);
    xnu!(k, bind(4, loopback(81), 16) => 0);
    xnu!(k, sendto(4, b"hello", 5, 0, loopback(80), 16) => 5);
    xnu!(k, sendto(4, b"x", 1, 0, loopback(0), 16) => EADDRNOTAVAIL);
    let (buf, name, length) = (k.alloc(8), k.alloc(16), k.place(&16u32.to_le_bytes()));
    xnu!(k, recvfrom(3, buf, 8, 2, name, length) => 5);
    assert_eq!((k.peek(buf, 5), k.peek(name, 16)), (b"hello".to_vec(), loopback(81)));
    k.poke(length, &4u32.to_le_bytes());
    xnu!(k, recvfrom(3, buf, 8, 0, name, length) => 5);
    assert_eq!(number(&k, length, 0, 4), 16, "as long as it is");
    xnu!(k, recvfrom(3, buf, 8, 0, name, length) => EAGAIN);
    xnu!(k, connect(4, loopback(80), 16) => 0);
    xnu!(k, sendto(4, b"x", 1, 0, loopback(80), 16) => EISCONN);
    xnu!(k, connect(4, vec![0; 16], 16) => EAFNOSUPPORT);
    xnu!(k, sendto(4, b"x", 1, 0, loopback(80), 16) => 1);
    xnu!(k, recvfrom(3, buf, 8, 0, name, length) => 1);
    xnu!(k, recvfrom(3, buf, INT_MAX + 1, 0, NULL, NULL) => EINVAL);
    xnu!(k, sendto(4, buf, u64::MAX, 0, NULL, 0) => EINVAL);
    xnu!(k, sendto(4, buf, 1, 0x10_0000, NULL, 0) => EPERM);

    let k = pair(1);
    xnu!(k, sendto(3, b"hello", 5, 0, local_address("/nowhere"), 10) => ENOENT);
    xnu!(k, sendto(3, b"hello", 5, 0, NULL, 0) => 5);
    let (buf, name, length) = (k.alloc(8), k.alloc(16), k.place(&16u32.to_le_bytes()));
    xnu!(k, recvfrom(4, buf, 8, 0, name, length) => 5);
    assert_eq!(number(&k, length, 0, 4), 0);

    let k = pair(2);
    xnu!(k, sendto(3, b"", 0, 0, NULL, 0) => 0);
    let (buf, name, length) = (k.alloc(8), k.alloc(16), k.place(&16u32.to_le_bytes()));
    xnu!(k, recvfrom(4, buf, 8, 0, name, length) => 0);
    assert_eq!((number(&k, length, 0, 4), k.peek(name, 2)), (16, vec![16, 1]));
}

#[test]
fn descriptors_go_along_with_a_message() {
    let k = pair(1);
    xnu!(k, open("/tmp/own", O_RDONLY) => 5);
    let control = k.place(&rights(&[5, 5])).get();
    let buf = k.place(b"x");
    xnu!(k, sendmsg(3, message(&k, buf, 1, (0, 0), (control, 20)), 0) => 1);
    let (to, room) = (k.alloc(20), k.alloc(1));
    let header = k.place(&message(&k, room, 1, (0, 0), (to.get(), 20)));
    xnu!(k, recvmsg(4, header, 0) => 1);
    assert_eq!(k.peek(to, 20), rights(&[6, 7]));
    assert_eq!((number(&k, header, 40, 4), number(&k, header, 44, 4)), (20, 0));
    xnu!(k, read(7, room, 1) => 1);
    xnu!(k, close(6) => 0);
    xnu!(k, close(7) => 0);

    // Where only one has room, the other does not stay open.
    xnu!(k, sendmsg(3, message(&k, buf, 1, (0, 0), (control, 20)), 0) => 1);
    let header = k.place(&message(&k, room, 1, (0, 0), (to.get(), 16)));
    xnu!(k, recvmsg(4, header, 0) => 1);
    assert_eq!((number(&k, header, 40, 4), number(&k, header, 44, 4)), (16, 0x20), "MSG_CTRUNC");
    assert_eq!(k.descriptors(), [0, 1, 2, 3, 4, 5, 6]);
    xnu!(k, close(6) => 0);

    // And where the numbers cannot be written, none does.
    xnu!(k, sendmsg(3, message(&k, buf, 1, (0, 0), (control, 20)), 0) => 1);
    xnu!(k, recvmsg(4, message(&k, room, 1, (0, 0), (0x1000, 20)), 0) => EFAULT);
    assert_eq!(k.descriptors(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn what_is_no_list_of_descriptors_is_einval() {
    let k = pair(1);
    let buf = k.place(b"x");
    let send = |control: &[u8], length: u32| {
        let control = k.place(control).get();
        xnu!(k, sendmsg(3, message(&k, buf, 1, (0, 0), (control, length)), 0))
    };
    let good = rights(&[0]);
    for length in [0, 1, 11, 12, 15, 2000, u32::MAX] {
        assert_eq!(send(&good, length), EINVAL.reply(), "{length}");
    }
    for (at, number) in [(0, 12u32), (0, 20), (4, 1), (8, 2), (8, 3)] {
        let mut bad = good.clone();
        bad[at..at + 4].copy_from_slice(&number.to_le_bytes());
        assert_eq!(send(&bad, 16), EINVAL.reply(), "{at} {number}");
    }
    assert_eq!(send(&rights(&[99]), 16), EBADF.reply());
    assert_eq!(send(&rights(&[-1]), 16), EBADF.reply());
    xnu!(k, sendmsg(3, message(&k, buf, 1, (0, 0), (0x1000, 16)), 0) => EFAULT);
}

#[test]
fn vectors_are_of_one_to_1024_pieces() {
    let k = pair(1);
    let buf = k.place(b"x");
    let mut header = message(&k, buf, 1, (0, 0), (0, 0));
    for count in [0i32, -1, 1025, i32::MAX] {
        header[24..28].copy_from_slice(&count.to_le_bytes());
        xnu!(k, sendmsg(3, header.clone(), 0) => EMSGSIZE);
        xnu!(k, recvmsg(4, header.clone(), 0) => EMSGSIZE);
    }
    header[24..28].copy_from_slice(&2i32.to_le_bytes());
    xnu!(k, sendmsg(3, header.clone(), 0) => EFAULT);
    let long = message(&k, buf, INT_MAX + 1, (0, 0), (0, 0));
    xnu!(k, recvmsg(4, long.clone(), 0) => EINVAL);
    xnu!(k, recvmsg(99, long, 0) => EBADF);
    faults(&k, "sendmsg", &[3, 0, 0], 1, 48, IN);
    faults(&k, "recvmsg", &[4, 0, 0], 1, 48, Pointer { written: false, nullable: false });
    let good = message(&k, buf, 1, (0, 0), (0, 0));
    for (fd, errno) in [(99, EBADF), (1, ENOTSOCK)] {
        xnu!(k, sendmsg(fd, good.clone(), 0) => errno);
        xnu!(k, recvmsg(fd, good.clone(), 0) => errno);
        xnu!(k, sendto(fd, buf, 1, 0, NULL, 0) => errno);
        xnu!(k, recvfrom(fd, buf, 1, 0, NULL, NULL) => errno);
        xnu!(k, sendmsg_x(fd, NULL, 1, 0) => errno);
        xnu!(k, recvmsg_x(fd, NULL, 1, 0) => errno);
    }
}

#[test]
fn several_messages_in_one_call() {
    let k = pair(2);
    let (one, two) = (k.place(b"one"), k.place(b"four"));
    let extended = |header: Vec<u8>| [header, vec![0; 8]].concat();
    let out =
        [(one, 3), (two, 4)].map(|(buf, length)| extended(message(&k, buf, length, (0, 0), (0, 0)))).concat();
    xnu!(k, sendmsg_x(3, out, 2, 0) => 2);
    let (first, second, third) = (k.alloc(8), k.alloc(3), k.alloc(8));
    let places = [(first, 8), (second, 3), (third, 8)];
    let into =
        k.place(&places.map(|(buf, length)| extended(message(&k, buf, length, (0, 0), (0, 0)))).concat());
    for (count, flags) in [(0, 0), (1025, 0), (1, 2)] {
        xnu!(k, recvmsg_x(4, into, count, flags) => EINVAL);
    }
    xnu!(k, recvmsg_x(4, into, 3, 0) => 2);
    assert_eq!((k.peek(first, 3), k.peek(second, 3)), (b"one".to_vec(), b"fou".to_vec()));
    assert_eq!((number(&k, into, 48, 8), number(&k, into, 104, 8)), (3, 3));
    assert_eq!((number(&k, into, 44, 4), number(&k, into, 100, 4)), (0, 0), "what did not fit is not told");
    xnu!(k, recvmsg_x(4, into, 1, 0) => EAGAIN);
    // A socket with a peer looks at no address and at no flags.
    let named = extended(message(&k, one, 3, (0x1000, 16), (0x1000, 0)));
    xnu!(k, sendmsg_x(3, named.clone(), 1, 0x80) => 1);
    xnu!(k, sendmsg_x(3, named, 1, 1) => EINVAL);
    // An empty datagram is a message; that nothing more can come is none.
    xnu!(k, sendto(3, b"", 0, 0, NULL, 0) => 0);
    xnu!(k, recvmsg_x(4, into, 3, 0) => 2);
    assert_eq!(number(&k, into, 104, 8), 0);
    xnu!(k, shutdown(4, 0) => 0);
    xnu!(k, recvmsg_x(4, into, 3, 0) => 0);
}

#[test]
fn what_no_socket_of_its_kind_sends_is_refused() {
    let k = machine();
    let buf = k.alloc(1);
    let long = |k: &Mock| message(k, buf, INT_MAX + 1, (0, 0), (0, 0));
    for (domain, kind, out_of_band, end_of_record) in
        [(1, 1, ENOTCONN, EINVAL), (2, 1, ENOTCONN, EINVAL), (1, 2, EOPNOTSUPP, EDESTADDRREQ)]
    {
        let fd = value(xnu!(k, socket(domain, kind, 0)));
        xnu!(k, sendto(fd, buf, 1, 1, NULL, 0) => out_of_band);
        xnu!(k, sendto(fd, buf, 1, 8, NULL, 0) => end_of_record);
        xnu!(k, sendto(fd, buf, INT_MAX + 1, 0, NULL, 0) => EINVAL);
        xnu!(k, sendmsg(fd, long(&k), 0) => EINVAL);
    }
    let k = pair(1);
    xnu!(k, sendto(3, buf, 1, 1, NULL, 0) => EOPNOTSUPP);
    xnu!(k, recvfrom(4, buf, 1, 1, NULL, NULL) => EOPNOTSUPP);
    xnu!(k, recvmsg(4, message(&k, k.alloc(1), 1, (0, 0), (0, 0)), 1) => EOPNOTSUPP);
}

#[test]
fn a_guarded_descriptor_does_not_go_along() {
    let k = pair(1);
    xnu!(k, open("/tmp/own", O_RDONLY) => 5);
    xnu!(k, change_fdguard_np(5, NULL, 0, bytes([9]), 6, NULL) => 0);
    let control = k.place(&rights(&[5])).get();
    xnu!(k, sendmsg(3, message(&k, k.place(b"x"), 1, (0, 0), (control, 16)), 0) => EPERM);
    assert_eq!(k.signals().iter().filter(|signal| signal.number == 9).count(), 1);
}

#[test]
fn control_messages_of_a_connection_are_dropped() {
    let k = machine();
    xnu!(k, socket(2, 1, 0) => 3);
    xnu!(k, bind(3, loopback(80), 16) => 0);
    xnu!(k, listen(3, 1) => 0);
    xnu!(k, socket(2, 1, 0) => 4);
    xnu!(k, connect(4, loopback(80), 16) => 0);
    let buf = k.place(b"x");
    let control = k.place(&[12, 0, 0, 0, 99, 0, 0, 0, 99, 0, 0, 0]).get();
    xnu!(k, sendmsg(4, message(&k, buf, 1, (0, 0), (control, 12)), 0) => 1);
    xnu!(k, sendmsg(4, message(&k, buf, 1, (0, 0), (control, 11)), 0) => EINVAL);
}
