//! Sockets of the emulation against Linux's: what the guest makes, libc or the guest uses.

use crate::calls::guest;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use xnu_core::Reply;

#[track_caller]
fn value(name: &str, words: &[u64]) -> u64 {
    match guest(name, words) {
        Reply::Value(value, _) => value,
        other => panic!("{name}: {other:?}"),
    }
}

fn error(name: &str, words: &[u64]) -> String {
    match guest(name, words) {
        Reply::Error(errno) => errno.to_string(),
        other => panic!("{name}: {other:?}"),
    }
}

fn at<T>(value: &T) -> u64 {
    std::ptr::from_ref(value) as u64
}

/// A guest's socket, closed in the end.
fn socket(domain: u64, kind: u64) -> (u64, OwnedFd) {
    let fd = value("socket", &[domain, kind, 0]);
    // SAFETY: the call has just opened it, and nobody else closes it.
    (fd, unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn local(path: &str) -> Vec<u8> {
    [&[0, 1], path.as_bytes()].concat()
}

fn name_of(call: &str, fd: u64) -> (u32, Vec<u8>) {
    let (mut room, mut length) = ([0u8; 255], 255u32);
    value(call, &[fd, room.as_mut_ptr() as u64, (&raw mut length) as u64]);
    (length, room[..length as usize].to_vec())
}

#[test]
fn a_guests_local_socket_is_reached_from_the_host_and_the_hosts_from_the_guest() {
    let directory = tempfile();
    let path = format!("{directory}/guest");
    let (fd, _listener) = socket(1, 1);
    let address = local(&path);
    value("bind", &[fd, address.as_ptr() as u64, address.len() as u64]);
    assert_eq!(name_of("getsockname", fd).1[2..], *path.as_bytes());
    value("listen", &[fd, 0]);
    let mut client = UnixStream::connect(&path).expect("the guest listens");
    let (mut name, mut length) = ([7u8; 16], 16u32);
    let new = value("accept", &[fd, name.as_mut_ptr() as u64, (&raw mut length) as u64]);
    assert_eq!((length, &name[..3]), (16, &[16, 1, 0][..]));
    client.write_all(b"hello").expect("a peer");
    let mut buf = [0u8; 8];
    assert_eq!(value("recvfrom", &[new, buf.as_mut_ptr() as u64, 8, 0, 0, 0]), 5);
    assert_eq!(value("sendto", &[new, buf.as_ptr() as u64, 5, 0, 0, 0]), 5);
    client.read_exact(&mut buf[..5]).expect("what the guest sent");
    value("close", &[new]);

    let path = format!("{directory}/host");
    let host = UnixListener::bind(&path).expect("a new name");
    let (fd, _client) = socket(1, 1);
    let address = local(&path);
    value("connect", &[fd, address.as_ptr() as u64, address.len() as u64]);
    let (length, peer) = name_of("getpeername", fd);
    assert_eq!((length as usize, &peer[2..]), (path.len() + 3, format!("{path}\0").as_bytes()));
    drop(host.accept().expect("the guest connects"));
    assert_eq!(error("connect", &[fd, address.as_ptr() as u64, address.len() as u64]), "EISCONN");
    std::fs::remove_dir_all(&directory).expect("ours");
}

fn tempfile() -> String {
    let directory = std::env::temp_dir().join(format!("twin-sockets-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    directory.to_str().expect("a name").to_string()
}

#[test]
fn descriptors_go_through_a_real_socket() {
    let mut pair = [0i32; 2];
    value("socketpair", &[1, 1, 0, pair.as_mut_ptr() as u64]);
    let [one, other] = pair.map(|fd| fd as u64);
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let buf = *b"x";
    let iov = [at(&buf), 1];
    let control = [16, 0xffff, 1, reader.as_raw_fd()];
    let header = [0, 0, at(&iov), 1, at(&control), 16];
    assert_eq!(value("sendmsg", &[one, at(&header), 0]), 1);
    let mut room = [0u8; 4];
    let mut told = [0i32; 8];
    let into = [room.as_mut_ptr() as u64, 4];
    let mut header = [0, 0, at(&into), 1, told.as_mut_ptr() as u64, 32];
    assert_eq!(value("recvmsg", &[other, header.as_mut_ptr() as u64, 0]), 1);
    assert_eq!((&told[..3], header[5] & 0xffff_ffff), (&[16, 0xffff, 1][..], 16));
    assert_ne!(told[3], reader.as_raw_fd());
    writer.write_all(b"through").expect("a reader");
    assert_eq!(value("read", &[told[3] as u64, room.as_mut_ptr() as u64, 4]), 4);
    assert_eq!(&room, b"thro");
    for fd in [one, other, told[3] as u64] {
        value("close", &[fd]);
    }
}

#[test]
fn internet_sockets_speak_with_the_hosts() {
    let host = TcpListener::bind("127.0.0.1:0").expect("a port");
    let [high, low] = host.local_addr().expect("a name").port().to_be_bytes();
    let address = [0u8, 2, high, low, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let (fd, _client) = socket(2, 1);
    let buf = [0u8; 8];
    assert_eq!(error("sendto", &[fd, at(&buf), 1, 0, 0, 0]), "ENOTCONN");
    value("connect", &[fd, at(&address), 16]);
    assert_eq!(name_of("getpeername", fd), (16, [&[16], &address[1..]].concat()));
    let (mut server, _) = host.accept().expect("the guest connects");
    assert_eq!(value("sendto", &[fd, at(b"hello\0\0\0"), 5, 0, 0, 0]), 5);
    let mut got = [0; 5];
    server.read_exact(&mut got).expect("what the guest sent");
    assert_eq!(&got, b"hello");

    let host = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let [high, low] = host.local_addr().expect("a name").port().to_be_bytes();
    let address = [0u8, 2, high, low, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let (fd, _datagrams) = socket(2, 2);
    let one = 1i32;
    for name in [7, 24] {
        value("setsockopt", &[fd, 0, name, at(&one), 4]);
    }
    assert_eq!(error("sendto", &[fd, at(&buf), 1, 0, 0, 0]), "EDESTADDRREQ");
    assert_eq!(value("sendto", &[fd, at(b"hello\0\0\0"), 5, 0, at(&address), 16]), 5);
    let (_, from) = host.recv_from(&mut got).expect("what the guest sent");
    host.send_to(b"answer", from).expect("the guest is there");
    let mut room = [0u8; 16];
    let (mut name, mut control) = ([0u8; 16], [0i32; 16]);
    let into = [room.as_mut_ptr() as u64, 16];
    let mut header = [name.as_mut_ptr() as u64, 16, at(&into), 1, control.as_mut_ptr() as u64, 64];
    assert_eq!(value("recvmsg", &[fd, header.as_mut_ptr() as u64, 0]), 6);
    assert_eq!(name[..8], [16, 2, high, low, 127, 0, 0, 1]);
    // IP_RECVTTL has a byte, IP_RECVDSTADDR an address; in whichever order.
    assert_eq!(header[5] & 0xffff_ffff, 32);
    let messages = [&control[..4], &control[4..8]];
    assert!(messages.iter().any(|message| message[..3] == [13, 0, 24]), "{messages:?}");
    assert!(
        messages.iter().any(|message| message == &[16, 0, 7, i32::from_le_bytes([127, 0, 0, 1])]),
        "{messages:?}"
    );
}
