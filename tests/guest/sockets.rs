//! Sockets: local ones by name, in a pair and with descriptors that go along, and the loopback of the internet.
//!
//! The argument is the path of the local socket, which must not be there yet.
#![no_std]
#![no_main]
mod support;
use support::{Args, EINVAL, SysResult, bsd, ensure, exit, nr, println};

support::unixthread!(main);

const FORK: u64 = 2;
const WAIT4: u64 = 7;
const RECVMSG: u64 = 27;
const SENDMSG: u64 = 28;
const RECVFROM: u64 = 29;
const ACCEPT: u64 = 30;
const GETPEERNAME: u64 = 31;
const GETSOCKNAME: u64 = 32;
const FCNTL: u64 = 92;
const SOCKET: u64 = 97;
const CONNECT: u64 = 98;
const BIND: u64 = 104;
const SETSOCKOPT: u64 = 105;
const LISTEN: u64 = 106;
const GETSOCKOPT: u64 = 118;
const SENDTO: u64 = 133;
const SHUTDOWN: u64 = 134;
const SOCKETPAIR: u64 = 135;
const POLL: u64 = 230;

const AF_UNIX: u64 = 1;
const AF_INET: u64 = 2;
const STREAM: u64 = 1;
const DGRAM: u64 = 2;
const SOL_SOCKET: u64 = 0xffff;
const SO_ERROR: u64 = 0x1007;
const SO_REUSEADDR: u64 = 4;
const SO_NOSIGPIPE: u64 = 0x1022;
const F_SETFL: u64 = 4;
const O_NONBLOCK: u64 = 4;
const POLLIN: u32 = 1;
const POLLOUT: u32 = 4;

const ENOENT: u64 = 2;
const EPIPE: u64 = 32;
const EAGAIN: u64 = 35;
const EINPROGRESS: u64 = 36;
const EADDRINUSE: u64 = 48;
const EISCONN: u64 = 56;
const ENOTCONN: u64 = 57;
const ECONNREFUSED: u64 = 61;

/// The value of a call that must succeed.
fn good(code: i32, what: &str, answer: SysResult) -> u64 {
    match answer {
        Ok((value, _)) => value,
        Err(errno) => support::wrong(code, format_args!("{what}: errno {errno}")),
    }
}

fn refused(code: i32, what: &str, answer: SysResult, errno: u64) {
    ensure!(code, answer == Err(errno), "{what} gives {answer:?}, not errno {errno}");
}

fn send(fd: u64, bytes: &[u8]) -> SysResult {
    bsd(SENDTO, [fd, bytes.as_ptr() as u64, bytes.len() as u64, 0, 0, 0])
}

/// Receives so many bytes as there are in `expected`, which they must be.
fn receives(code: i32, fd: u64, expected: &[u8]) {
    let mut room = [0u8; 16];
    let count = good(code, "recvfrom", bsd(RECVFROM, [fd, room.as_mut_ptr() as u64, 16, 0, 0, 0]));
    ensure!(code, &room[..count as usize] == expected, "{:?} arrives", &room[..count as usize]);
}

/// The name that a call tells, and its length.
fn name_of(code: i32, call: u64, fd: u64) -> ([u8; 128], usize) {
    let (mut room, mut length) = ([0u8; 128], 128u32);
    good(code, "a name", bsd(call, [fd, room.as_mut_ptr() as u64, &raw mut length as u64]));
    (room, length as usize)
}

/// What `poll` says of a descriptor within a second.
fn events(fd: u64, asked: u32) -> u32 {
    let mut entry = [fd as u32, asked];
    good(5, "poll", bsd(POLL, [entry.as_mut_ptr() as u64, 1, 1000]));
    entry[1] >> 16
}

fn option(fd: u64, name: u64) -> u32 {
    let (mut value, mut size) = (0u32, 4u32);
    let to = (&raw mut value as u64, &raw mut size as u64);
    good(6, "getsockopt", bsd(GETSOCKOPT, [fd, SOL_SOCKET, name, to.0, to.1]));
    value
}

fn main(args: &Args) -> i32 {
    let Some(path) = args.arg(1) else { support::wrong(1, format_args!("no path")) };
    let mut address = [0u8; 106];
    address[1] = AF_UNIX as u8;
    address[2..2 + path.len()].copy_from_slice(path.as_bytes());
    // As long as it is, and a terminator.
    local_stream(&address[..path.len() + 3]);
    pair();
    descriptors();
    internet();
    datagrams();
    println!("sockets work");
    0
}

fn local_stream(address: &[u8]) {
    let at = (address.as_ptr() as u64, address.len() as u64);
    let listener = good(10, "socket", bsd(SOCKET, [AF_UNIX, STREAM, 0]));
    let client = good(10, "socket", bsd(SOCKET, [AF_UNIX, STREAM, 0]));
    refused(11, "connect to nothing", bsd(CONNECT, [client, at.0, at.1]), ENOENT);
    good(12, "bind", bsd(BIND, [listener, at.0, at.1]));
    refused(13, "bind again", bsd(BIND, [listener, at.0, at.1]), EINVAL);
    refused(14, "bind another", bsd(BIND, [client, at.0, at.1]), EADDRINUSE);
    refused(15, "connect to what does not listen", bsd(CONNECT, [client, at.0, at.1]), ECONNREFUSED);
    good(16, "listen", bsd(LISTEN, [listener, 5]));
    let is_it = |(room, length): ([u8; 128], usize)| {
        length == address.len()
            && room[0] as usize == length
            && room[1] == AF_UNIX as u8
            && room[2..length] == address[2..]
    };
    ensure!(17, is_it(name_of(17, GETSOCKNAME, listener)), "the listener has another name");

    // The client is another process, which is told the name too.
    let (child, second) = bsd(FORK, []).unwrap_or((0, 7));
    if second == 1 {
        good(20, "connect", bsd(CONNECT, [client, at.0, at.1]));
        refused(21, "connect again", bsd(CONNECT, [client, at.0, at.1]), EISCONN);
        ensure!(22, is_it(name_of(22, GETPEERNAME, client)), "the peer has another name");
        good(23, "send", send(client, b"question"));
        receives(24, client, b"answer");
        exit(0);
    }
    // Or the connection would not end with the child.
    good(29, "close", bsd(nr::CLOSE, [client]));
    let (mut room, mut length) = ([7u8; 16], 16u32);
    let to = (&raw mut room as u64, &raw mut length as u64);
    let server = good(30, "accept", bsd(ACCEPT, [listener, to.0, to.1]));
    ensure!(31, length == 16 && room[..3] == [16, AF_UNIX as u8, 0], "the client is {room:?}");
    ensure!(32, is_it(name_of(32, GETSOCKNAME, server)), "the connection has another name");
    receives(33, server, b"question");
    good(34, "send", send(server, b"answer"));
    let mut status = 0u32;
    good(35, "wait4", bsd(WAIT4, [child, &raw mut status as u64, 0, 0]));
    ensure!(36, status == 0, "the client ends with {status:#x}");
    receives(37, server, b"");
    for fd in [server, listener] {
        good(38, "close", bsd(nr::CLOSE, [fd]));
    }
}

fn connected(code: i32, kind: u64) -> [u64; 2] {
    let mut ends = [0u32; 2];
    good(code, "socketpair", bsd(SOCKETPAIR, [AF_UNIX, kind, 0, ends.as_mut_ptr() as u64]));
    ends.map(u64::from)
}

fn pair() {
    let [one, other] = connected(40, STREAM);
    good(41, "send", send(one, b"there"));
    receives(42, other, b"there");
    good(43, "shutdown", bsd(SHUTDOWN, [one, 1]));
    receives(44, other, b"");
    refused(45, "shutdown again", bsd(SHUTDOWN, [one, 1]), ENOTCONN);
    refused(46, "shutdown of what the peer shut", bsd(SHUTDOWN, [other, 0]), ENOTCONN);
    // No signal, which would end the program.
    let on = 1u32;
    good(47, "SO_NOSIGPIPE", bsd(SETSOCKOPT, [one, SOL_SOCKET, SO_NOSIGPIPE, &raw const on as u64, 4]));
    refused(48, "send", send(one, b"x"), EPIPE);
    let mut peer = 0u32;
    let (mut size, own) = (4u32, good(49, "getpid", bsd(nr::GETPID, [])));
    let to = (&raw mut peer as u64, &raw mut size as u64);
    good(49, "LOCAL_PEERPID", bsd(GETSOCKOPT, [other, 0, 2, to.0, to.1]));
    ensure!(49, u64::from(peer) == own, "the peer is {peer}, not {own}");
    good(50, "close", bsd(nr::CLOSE, [other]));
    let (mut room, mut length) = ([0u8; 16], 16u32);
    let name = (&raw mut room as u64, &raw mut length as u64);
    refused(51, "a peer that is gone", bsd(GETPEERNAME, [one, name.0, name.1]), EINVAL);
    refused(52, "the number of a peer that is gone", bsd(GETSOCKOPT, [one, 0, 2, to.0, to.1]), ENOTCONN);
    good(53, "close", bsd(nr::CLOSE, [one]));
}

/// `SCM_RIGHTS`: the reading end of a pipe goes along with a byte.
fn descriptors() {
    let [one, other] = connected(60, DGRAM);
    let (read, write) = bsd(nr::PIPE, []).unwrap_or((u64::MAX, u64::MAX));
    let byte = *b"x";
    let piece = [byte.as_ptr() as u64, 1];
    let control = [16u32, SOL_SOCKET as u32, 1, read as u32];
    let header = [0, 0, piece.as_ptr() as u64, 1, control.as_ptr() as u64, 16];
    good(61, "sendmsg", bsd(SENDMSG, [one, header.as_ptr() as u64, 0]));
    good(62, "close", bsd(nr::CLOSE, [read]));
    let (mut room, mut told) = ([0u8; 4], [0u32; 8]);
    let piece = [room.as_mut_ptr() as u64, 4];
    let mut header = [0, 0, piece.as_ptr() as u64, 1, told.as_mut_ptr() as u64, 32];
    let count = good(63, "recvmsg", bsd(RECVMSG, [other, header.as_mut_ptr() as u64, 0]));
    ensure!(64, count == 1 && room[0] == b'x', "{count} bytes arrive");
    ensure!(65, header[5] == 16 && told[..3] == control[..3], "the control message is {told:?}");
    let arrived = u64::from(told[3]);
    good(66, "write", bsd(nr::WRITE, [write, b"pipe".as_ptr() as u64, 4]));
    let count = good(67, "read", bsd(nr::READ, [arrived, room.as_mut_ptr() as u64, 4]));
    ensure!(68, count == 4 && &room == b"pipe", "{count} bytes come through the pipe");
    for fd in [arrived, write, one, other] {
        good(69, "close", bsd(nr::CLOSE, [fd]));
    }
}

/// A `struct sockaddr_in` of the loopback; the length is for the kernel to fill in.
fn loopback(port: [u8; 2]) -> [u8; 16] {
    let mut address = [0; 16];
    address[1] = AF_INET as u8;
    address[2..4].copy_from_slice(&port);
    address[4..8].copy_from_slice(&[127, 0, 0, 1]);
    address
}

fn internet() {
    let listener = good(70, "socket", bsd(SOCKET, [AF_INET, STREAM, 6]));
    let on = 1u32;
    good(71, "SO_REUSEADDR", bsd(SETSOCKOPT, [listener, SOL_SOCKET, SO_REUSEADDR, &raw const on as u64, 4]));
    ensure!(71, option(listener, SO_REUSEADDR) == 4, "SO_REUSEADDR is not told by its bit");
    let any = loopback([0; 2]);
    good(72, "bind", bsd(BIND, [listener, any.as_ptr() as u64, 16]));
    good(73, "listen", bsd(LISTEN, [listener, 0]));
    let (name, length) = name_of(74, GETSOCKNAME, listener);
    let port = [name[2], name[3]];
    ensure!(74, length == 16 && name[..2] == [16, 2] && port != [0; 2], "the name is {:?}", &name[..16]);
    good(75, "fcntl", bsd(FCNTL, [listener, F_SETFL, O_NONBLOCK]));
    refused(76, "accept of nobody", bsd(ACCEPT, [listener, 0, 0]), EAGAIN);

    let client = good(77, "socket", bsd(SOCKET, [AF_INET, STREAM, 0]));
    refused(78, "send", send(client, b"x"), ENOTCONN);
    good(79, "fcntl", bsd(FCNTL, [client, F_SETFL, O_NONBLOCK]));
    let to = loopback(port);
    let answer = bsd(CONNECT, [client, to.as_ptr() as u64, 16]);
    ensure!(80, answer.is_ok() || answer == Err(EINPROGRESS), "connect gives {answer:?}");
    ensure!(81, events(listener, POLLIN) & POLLIN != 0, "nobody waits at the listener");
    let server = good(82, "accept", bsd(ACCEPT, [listener, 0, 0]));
    ensure!(83, events(client, POLLOUT) & POLLOUT != 0, "the client cannot write");
    ensure!(84, option(client, SO_ERROR) == 0, "the connection has failed");
    let (peer, _) = name_of(85, GETPEERNAME, client);
    ensure!(85, peer[..16] == name[..16], "the peer is {:?}", &peer[..16]);
    good(86, "send", send(client, b"over TCP"));
    ensure!(87, events(server, POLLIN) & POLLIN != 0, "nothing arrives");
    receives(88, server, b"over TCP");
    // The connection does not wait, like its listener.
    let mut room = 0u8;
    refused(89, "recvfrom", bsd(RECVFROM, [server, &raw mut room as u64, 1, 0, 0, 0]), EAGAIN);
    for fd in [server, client, listener] {
        good(90, "close", bsd(nr::CLOSE, [fd]));
    }
}

fn datagrams() {
    let one = good(100, "socket", bsd(SOCKET, [AF_INET, DGRAM, 17]));
    let other = good(100, "socket", bsd(SOCKET, [AF_INET, DGRAM, 0]));
    let any = loopback([0; 2]);
    good(101, "bind", bsd(BIND, [one, any.as_ptr() as u64, 16]));
    let (name, _) = name_of(102, GETSOCKNAME, one);
    good(103, "sendto", bsd(SENDTO, [other, b"datagram".as_ptr() as u64, 8, 0, name.as_ptr() as u64, 16]));
    let (mut room, mut from, mut length) = ([0u8; 16], [0u8; 16], 16u32);
    let (to, told) = (room.as_mut_ptr() as u64, (from.as_mut_ptr() as u64, &raw mut length as u64));
    let count = good(104, "recvfrom", bsd(RECVFROM, [one, to, 16, 0, told.0, told.1]));
    ensure!(105, &room[..count as usize] == b"datagram", "{:?} arrives", &room[..count as usize]);
    ensure!(106, length == 16 && from[..2] == [16, 2] && from[4..8] == [127, 0, 0, 1], "it is from {from:?}");
    for fd in [one, other] {
        good(107, "close", bsd(nr::CLOSE, [fd]));
    }
}
