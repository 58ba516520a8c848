//! Sockets: local ones and the loopback of the internet. They never block: what would wait answers `EAGAIN`.

use crate::args::Args;
use crate::descriptor::{Dentry, FileOwner, OpenFile};
use crate::fs::WRITE;
use crate::fs::inode::{Body, Ino};
use crate::state::{Answer, State};
use linux_raw_sys::general::{AT_FDCWD, O_NONBLOCK, O_RDWR, SIGPIPE};
use std::collections::{BTreeMap, VecDeque};
use xnu_abi::linux::Errno;
use xnu_abi::linux::socket as l;

/// `st_dev` of sockets.
const SOCKFS_DEV: u64 = 0x8;
/// Bytes that wait at most.
const CAPACITY: usize = 212_992;
/// The first port that is given to who asks for none.
const FIRST_PORT: u16 = 49_152;

#[derive(Clone, Debug)]
struct Message {
    bytes: Vec<u8>,
    from: Vec<u8>,
    rights: Vec<OpenFile>,
}

/// A socket, by the number of its inode.
#[derive(Clone, Debug, Default)]
pub(crate) struct Socket {
    domain: i32,
    kind: i32,
    options: BTreeMap<(i32, i32), Vec<u8>>,
    name: Vec<u8>,
    /// The file that a local socket is bound to.
    file: Option<Ino>,
    peer: Option<Ino>,
    peer_name: Vec<u8>,
    queue: VecDeque<Message>,
    backlog: Option<usize>,
    pending: VecDeque<Ino>,
    shut: (bool, bool),
}

impl Socket {
    fn is_local(&self) -> bool {
        self.domain == l::AF_UNIX
    }

    fn is_stream(&self) -> bool {
        self.kind == l::SOCK_STREAM
    }

    fn waiting(&self) -> usize {
        self.queue.iter().map(|message| message.bytes.len()).sum()
    }

    /// The name that is told, which is never less than a family.
    fn told(&self, name: &[u8]) -> Vec<u8> {
        if !name.is_empty() {
            return name.to_vec();
        }
        let length = match self.domain {
            l::AF_INET => 16,
            l::AF_INET6 => 28,
            _ => 2,
        };
        let mut none = vec![0; length];
        none[..2].copy_from_slice(&(self.domain as u16).to_le_bytes());
        none
    }
}

/// All sockets, and the next free port.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    map: BTreeMap<Ino, Socket>,
    ports: u16,
}

fn family(address: &[u8]) -> i32 {
    i32::from(u16::from_le_bytes([address[0], address[1]]))
}

fn port(address: &[u8]) -> u16 {
    u16::from_be_bytes([address[2], address[3]])
}

impl State {
    fn socket_ino(&self, fd: i32) -> Result<Ino, Errno> {
        let ino = self.descriptors.file(fd)?.ino;
        if self.sockets.map.contains_key(&ino) { Ok(ino) } else { Err(Errno::ENOTSOCK) }
    }

    fn socket_of(&self, ino: Ino) -> &Socket {
        &self.sockets.map[&ino]
    }

    fn socket_mut(&mut self, ino: Ino) -> &mut Socket {
        self.sockets.map.get_mut(&ino).expect("a socket that something refers to exists")
    }

    fn make_socket(&mut self, socket: Socket) -> Ino {
        let (uid, gid) = (self.process.credentials.euid, self.process.credentials.egid);
        let ino = self.inodes.make(Body::Socket, 0o777, uid, gid, SOCKFS_DEV, self.clock.now());
        self.sockets.map.insert(ino, socket);
        ino
    }

    fn open_socket(&mut self, ino: Ino, flags: i32) -> Result<i32, Errno> {
        let fd = self.descriptors.lowest(0, self.process.nofile())?;
        let file = OpenFile {
            ino,
            dentry: Dentry::default(),
            flags: O_RDWR | flags as u32 & O_NONBLOCK,
            pos: 0,
            readable: true,
            writable: true,
            linkable: false,
            awaits_writer: None,
            owner: FileOwner::default(),
        };
        self.descriptors.install(fd, file, flags & l::SOCK_CLOEXEC != 0);
        Ok(fd)
    }

    /// The last descriptor of a socket was closed.
    pub(crate) fn close_socket(&mut self, ino: Ino) {
        let Some(socket) = self.sockets.map.remove(&ino) else { return };
        for pending in socket.pending {
            self.sockets.map.remove(&pending);
            self.inodes.remove(pending);
        }
    }

    fn kind_of(a: &Args<'_, '_>) -> Result<(i32, i32, i32), Errno> {
        let (domain, kind, protocol) = (a.int(0), a.int(1), a.int(2));
        let flags = kind & (l::SOCK_NONBLOCK | l::SOCK_CLOEXEC);
        let kind = kind & !flags;
        match domain {
            l::AF_UNIX | l::AF_INET | l::AF_INET6 => {}
            _ => return Err(Errno::EAFNOSUPPORT),
        }
        match kind {
            l::SOCK_STREAM | l::SOCK_DGRAM if protocol == 0 => Ok((domain, kind, flags)),
            l::SOCK_STREAM | l::SOCK_DGRAM => Err(Errno::EPROTONOSUPPORT),
            l::SOCK_RAW if domain != l::AF_UNIX => Err(Errno::EPERM),
            _ => Err(Errno::ESOCKTNOSUPPORT),
        }
    }

    pub(crate) fn socket(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (domain, kind, flags) = State::kind_of(a)?;
        self.descriptors.lowest(0, self.process.nofile())?;
        let ino = self.make_socket(Socket { domain, kind, ..Socket::default() });
        Ok(self.open_socket(ino, flags)? as usize)
    }

    pub(crate) fn socketpair(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (domain, kind, flags) = State::kind_of(a)?;
        if domain != l::AF_UNIX {
            return Err(Errno::EOPNOTSUPP);
        }
        let first = self.descriptors.lowest(0, self.process.nofile())?;
        let second = self.descriptors.lowest(first + 1, self.process.nofile())?;
        let numbers: Vec<u8> = [first, second].iter().flat_map(|fd| fd.to_le_bytes()).collect();
        a.write(&mut self.memory, 3, &numbers)?;
        let socket = Socket { domain, kind, ..Socket::default() };
        let (one, other) = (self.make_socket(socket.clone()), self.make_socket(socket));
        self.socket_mut(one).peer = Some(other);
        self.socket_mut(other).peer = Some(one);
        self.open_socket(one, flags)?;
        self.open_socket(other, flags)?;
        Ok(0)
    }

    fn address(&self, a: &Args<'_, '_>, i: usize, len: usize) -> Result<Vec<u8>, Errno> {
        if len > l::ADDRESS_MAX {
            return Err(Errno::EINVAL);
        }
        a.read(&self.memory, i, len)
    }

    /// Checks an address for a socket; a local one becomes its path.
    fn check(socket: &Socket, address: &[u8]) -> Result<Vec<u8>, Errno> {
        if address.len() < 2 {
            return Err(Errno::EINVAL);
        }
        match socket.domain {
            l::AF_UNIX if family(address) != l::AF_UNIX || address.len() > 110 => Err(Errno::EINVAL),
            l::AF_UNIX => {
                let path: Vec<u8> = address[2..].iter().copied().take_while(|&byte| byte != 0).collect();
                if path.is_empty() { Err(Errno::EINVAL) } else { Ok(path) }
            }
            _ if family(address) != socket.domain => Err(Errno::EAFNOSUPPORT),
            l::AF_INET if address.len() < 16 => Err(Errno::EINVAL),
            l::AF_INET6 if address.len() < 28 => Err(Errno::EINVAL),
            _ => Ok(Vec::new()),
        }
    }

    pub(crate) fn bind(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.socket_ino(a.int(0))?;
        let address = self.address(a, 1, a.num(2) as usize)?;
        let socket = self.socket_of(ino).clone();
        let path = State::check(&socket, &address)?;
        if !socket.name.is_empty() {
            return Err(Errno::EINVAL);
        }
        if socket.is_local() {
            let (parent, leaf) = match path.iter().rposition(|&byte| byte == b'/') {
                Some(0) => (&b"/"[..], &path[1..]),
                Some(at) => (&path[..at], &path[at + 1..]),
                None => (&b"."[..], &path[..]),
            };
            let dir = self.lookup(AT_FDCWD, parent, true, false)?.ino;
            if leaf.is_empty() || leaf == b"." || leaf == b".." {
                return Err(Errno::EADDRINUSE);
            }
            if leaf.len() > 255 {
                return Err(Errno::ENAMETOOLONG);
            }
            if self.child(dir, leaf)?.is_some() {
                return Err(Errno::EADDRINUSE);
            }
            self.may(dir, WRITE)?;
            let perm = 0o777 & !self.process.umask;
            let file = self.make_in(dir, Body::Socket, perm);
            self.attach(dir, leaf, file)?;
            let mut name = (l::AF_UNIX as u16).to_le_bytes().to_vec();
            name.extend(&path);
            name.push(0);
            let socket = self.socket_mut(ino);
            (socket.name, socket.file) = (name, Some(file));
            return Ok(0);
        }
        let taken = self.sockets.map.values().any(|other| {
            (other.domain, other.kind) == (socket.domain, socket.kind)
                && !other.name.is_empty()
                && port(&address) != 0
                && port(&other.name) == port(&address)
        });
        if taken {
            return Err(Errno::EADDRINUSE);
        }
        self.set_internet_name(ino, address);
        Ok(0)
    }

    fn set_internet_name(&mut self, ino: Ino, mut address: Vec<u8>) {
        if port(&address) == 0 {
            let port = FIRST_PORT + self.sockets.ports;
            self.sockets.ports += 1;
            address[2..4].copy_from_slice(&port.to_be_bytes());
        }
        address.truncate(if family(&address) == l::AF_INET { 16 } else { 28 });
        self.socket_mut(ino).name = address;
    }

    fn autobind(&mut self, ino: Ino) {
        let socket = self.socket_of(ino).clone();
        if socket.name.is_empty() && !socket.is_local() {
            let mut name = socket.told(&[]);
            if socket.domain == l::AF_INET {
                name[4..8].copy_from_slice(&[127, 0, 0, 1]);
            } else {
                name[23] = 1;
            }
            self.set_internet_name(ino, name);
        }
    }

    /// The socket that an address leads to.
    fn find_socket(&mut self, socket: &Socket, address: &[u8]) -> Result<Ino, Errno> {
        let path = State::check(socket, address)?;
        let found = if socket.is_local() {
            let file = self.lookup(AT_FDCWD, &path, true, false)?.ino;
            self.may(file, WRITE)?;
            self.sockets.map.iter().find(|(_, other)| other.file == Some(file))
        } else {
            self.sockets.map.iter().find(|(_, other)| {
                other.domain == socket.domain
                    && other.kind == socket.kind
                    && !other.name.is_empty()
                    && (!other.is_stream() || other.backlog.is_some())
                    && port(&other.name) == port(address)
            })
        };
        found.map(|(ino, _)| *ino).ok_or(Errno::ECONNREFUSED)
    }

    pub(crate) fn connect(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.socket_ino(a.int(0))?;
        let address = self.address(a, 1, a.num(2) as usize)?;
        let socket = self.socket_of(ino).clone();
        if address.len() >= 2 && family(&address) == l::AF_UNSPEC {
            let socket = self.socket_mut(ino);
            (socket.peer, socket.peer_name) = (None, Vec::new());
            return Ok(0);
        }
        if socket.is_stream() && socket.peer.is_some() {
            return Err(Errno::EISCONN);
        }
        if socket.backlog.is_some() {
            return Err(if socket.is_local() { Errno::EINVAL } else { Errno::EISCONN });
        }
        if !socket.is_stream() && !socket.is_local() {
            State::check(&socket, &address)?;
            self.autobind(ino);
            let found = self.find_socket(&socket, &address).ok();
            let socket = self.socket_mut(ino);
            (socket.peer, socket.peer_name) = (Some(found.unwrap_or(0)), address);
            return Ok(0);
        }
        let found = self.find_socket(&socket, &address)?;
        let target = self.socket_of(found).clone();
        if target.kind != socket.kind {
            return Err(Errno::EPROTOTYPE);
        }
        if !socket.is_stream() {
            let socket = self.socket_mut(ino);
            (socket.peer, socket.peer_name) = (Some(found), target.name);
            return Ok(0);
        }
        let backlog = target.backlog.ok_or(Errno::ECONNREFUSED)?;
        if target.pending.len() > backlog {
            return Err(Errno::EAGAIN);
        }
        self.autobind(ino);
        let own = self.socket_of(ino).name.clone();
        let server = Socket {
            domain: socket.domain,
            kind: socket.kind,
            name: target.name.clone(),
            peer: Some(ino),
            peer_name: own,
            ..Socket::default()
        };
        let server = self.make_socket(server);
        self.socket_mut(found).pending.push_back(server);
        let socket = self.socket_mut(ino);
        (socket.peer, socket.peer_name) = (Some(server), target.name);
        Ok(0)
    }

    pub(crate) fn listen(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.socket_ino(a.int(0))?;
        let socket = self.socket_of(ino);
        if !socket.is_stream() {
            return Err(Errno::EOPNOTSUPP);
        }
        if socket.peer.is_some() || socket.is_local() && socket.name.is_empty() {
            return Err(Errno::EINVAL);
        }
        self.autobind(ino);
        self.socket_mut(ino).backlog = Some(a.int(1).max(0) as usize);
        Ok(0)
    }

    /// Writes an address and its length, as far as there is room.
    fn tell(&mut self, a: &mut Args<'_, '_>, i: usize, name: &[u8]) -> Result<(), Errno> {
        if a.is_null(i) {
            return Ok(());
        }
        let room = crate::layout::get(&a.read(&self.memory, i + 1, 4)?, 0, 4) as usize;
        a.write(&mut self.memory, i, &name[..name.len().min(room)])?;
        a.write(&mut self.memory, i + 1, &(name.len() as u32).to_le_bytes())
    }

    pub(crate) fn accept4(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.socket_ino(a.int(0))?;
        let socket = self.socket_of(ino);
        if !socket.is_stream() {
            return Err(Errno::EOPNOTSUPP);
        }
        if socket.backlog.is_none() {
            return Err(Errno::EINVAL);
        }
        let new = *socket.pending.front().ok_or(Errno::EAGAIN)?;
        let fd = self.open_socket(new, a.int(3))?;
        self.socket_mut(ino).pending.pop_front();
        let socket = self.socket_of(new);
        let name = socket.told(&socket.peer_name);
        self.tell(a, 1, &name)?;
        Ok(fd as usize)
    }

    pub(crate) fn getsockname(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let socket = self.socket_of(self.socket_ino(a.int(0))?);
        let name = socket.told(&socket.name);
        self.tell(a, 1, &name).map(|()| 0)
    }

    pub(crate) fn getpeername(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let socket = self.socket_of(self.socket_ino(a.int(0))?);
        if socket.peer.is_none() {
            return Err(Errno::ENOTCONN);
        }
        let name = socket.told(&socket.peer_name);
        self.tell(a, 1, &name).map(|()| 0)
    }

    pub(crate) fn shutdown(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.socket_ino(a.int(0))?;
        let how = a.int(1);
        if !(0..=2).contains(&how) {
            return Err(Errno::EINVAL);
        }
        let socket = self.socket_mut(ino);
        if !socket.is_local() && socket.peer.is_none() && socket.backlog.is_none() {
            return Err(Errno::ENOTCONN);
        }
        socket.shut.0 |= how != 1;
        socket.shut.1 |= how != 0;
        let peer = socket.peer.filter(|_| socket.is_stream());
        if let Some(peer) = peer.and_then(|peer| self.sockets.map.get_mut(&peer)) {
            peer.shut.0 |= how != 0;
            peer.shut.1 |= how != 1 && peer.is_local();
        }
        Ok(0)
    }

    /// Puts a message where it goes.
    fn send_message(
        &mut self,
        ino: Ino,
        to: &[u8],
        bytes: Vec<u8>,
        rights: Vec<OpenFile>,
        flags: i32,
    ) -> Answer {
        let socket = self.socket_of(ino).clone();
        let target = if to.is_empty() {
            match socket.peer {
                Some(peer) => peer,
                None if socket.is_stream() && !socket.is_local() => return self.broken(flags),
                None if socket.is_local() => return Err(Errno::ENOTCONN),
                None => return Err(Errno::EDESTADDRREQ),
            }
        } else {
            if socket.is_stream() {
                return Err(if socket.peer.is_some() { Errno::EISCONN } else { Errno::EOPNOTSUPP });
            }
            State::check(&socket, to)?;
            match self.find_socket(&socket, to) {
                Ok(found) => found,
                Err(error) if socket.is_local() => return Err(error),
                Err(_) => 0,
            }
        };
        if socket.shut.1 {
            return if socket.is_stream() { self.broken(flags) } else { Err(Errno::EPIPE) };
        }
        self.autobind(ino);
        let from = self.socket_of(ino).name.clone();
        let Some(peer) = self.sockets.map.get_mut(&target) else {
            return match (socket.is_stream(), socket.is_local()) {
                (true, _) => self.broken(flags),
                (false, true) => Err(Errno::ECONNREFUSED),
                (false, false) => Ok(bytes.len()),
            };
        };
        if peer.shut.0 && socket.is_stream() {
            return self.broken(flags);
        }
        let room = CAPACITY.saturating_sub(peer.waiting());
        if !socket.is_stream() && bytes.len() > CAPACITY {
            return Err(Errno::EMSGSIZE);
        }
        if room == 0 || !socket.is_stream() && bytes.len() > room {
            return Err(Errno::EAGAIN);
        }
        let count = bytes.len().min(room);
        if count > 0 || !socket.is_stream() {
            peer.queue.push_back(Message { bytes: bytes[..count].to_vec(), from, rights });
        }
        Ok(count)
    }

    fn broken(&mut self, flags: i32) -> Answer {
        if flags & l::MSG_NOSIGNAL == 0 {
            self.raise(SIGPIPE);
        }
        Err(Errno::EPIPE)
    }

    /// Takes a message, or as much of a stream as there is room for.
    fn take(&mut self, ino: Ino, len: usize, flags: i32) -> Result<(Message, bool), Errno> {
        let socket = self.socket_mut(ino);
        let is_stream = socket.is_stream();
        if flags & l::MSG_OOB != 0 {
            return Err(if socket.is_local() { Errno::EOPNOTSUPP } else { Errno::EINVAL });
        }
        if is_stream && socket.peer.is_none() {
            return Err(if socket.is_local() { Errno::EINVAL } else { Errno::ENOTCONN });
        }
        let Some(first) = socket.queue.front_mut() else {
            let is_over = socket.shut.0
                || is_stream && socket.peer.is_some_and(|peer| !self.sockets.map.contains_key(&peer));
            let none = Message { bytes: Vec::new(), from: Vec::new(), rights: Vec::new() };
            return if is_over { Ok((none, false)) } else { Err(Errno::EAGAIN) };
        };
        let mut message = first.clone();
        let is_cut = message.bytes.len() > len;
        message.bytes.truncate(len);
        if flags & l::MSG_PEEK != 0 {
            return Ok((message, is_cut && !is_stream));
        }
        if is_stream && is_cut {
            first.bytes.drain(..len);
            first.rights.clear();
            return Ok((message, false));
        }
        socket.queue.pop_front();
        while is_stream && message.bytes.len() < len && message.rights.is_empty() {
            let Some(next) = socket.queue.front_mut().filter(|next| next.rights.is_empty()) else { break };
            let count = next.bytes.len().min(len - message.bytes.len());
            message.bytes.extend(next.bytes.drain(..count));
            if next.bytes.is_empty() {
                socket.queue.pop_front();
            }
        }
        Ok((message, is_cut))
    }

    /// `read` of a socket.
    pub(crate) fn read_socket(&mut self, ino: Ino, len: usize) -> Result<Vec<u8>, Errno> {
        if !self.sockets.map.contains_key(&ino) {
            return Err(Errno::EINVAL);
        }
        Ok(self.take(ino, len, 0)?.0.bytes)
    }

    /// `write` to a socket.
    pub(crate) fn write_socket(&mut self, ino: Ino, bytes: Vec<u8>) -> Answer {
        if !self.sockets.map.contains_key(&ino) {
            return Err(Errno::EINVAL);
        }
        self.send_message(ino, &[], bytes, Vec::new(), 0)
    }

    /// Bytes that wait in a socket.
    pub(crate) fn socket_waiting(&self, ino: Ino) -> Option<usize> {
        self.sockets.map.get(&ino).map(Socket::waiting)
    }

    /// Whether input and whether the end of input are there.
    pub(crate) fn socket_events(&self, ino: Ino) -> (bool, bool) {
        let Some(socket) = self.sockets.map.get(&ino) else { return (false, false) };
        let gone =
            socket.peer.is_some_and(|peer| socket.is_stream() && !self.sockets.map.contains_key(&peer));
        let is_over = socket.shut.0 || gone;
        (is_over || !socket.queue.is_empty() || !socket.pending.is_empty(), is_over)
    }

    pub(crate) fn sendto(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.socket_ino(a.int(0))?;
        let to = if a.is_null(4) { Vec::new() } else { self.address(a, 4, a.num(5) as usize)? };
        let len = (a.num(2) as usize).min(1 << 24);
        let bytes = a.read(&self.memory, 1, len)?;
        self.send_message(ino, &to, bytes, Vec::new(), a.int(3))
    }

    pub(crate) fn recvfrom(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.socket_ino(a.int(0))?;
        let (message, _) = self.take(ino, a.num(2) as usize, a.int(3))?;
        a.write(&mut self.memory, 1, &message.bytes)?;
        let name = if self.socket_of(ino).is_stream() { Vec::new() } else { message.from };
        self.tell(a, 4, &name)?;
        Ok(message.bytes.len())
    }

    /// The header of a message, and the ranges of its vector.
    fn header(&self, a: &Args<'_, '_>) -> Result<(Vec<u8>, Vec<(u64, usize)>), Errno> {
        let header = a.read(&self.memory, 1, 56)?;
        let (vector, count) = (crate::layout::get(&header, 16, 8), crate::layout::get(&header, 24, 8));
        if count > 1024 {
            return Err(Errno::EMSGSIZE);
        }
        let pairs = self.memory.read_some(vector, count as usize * 16);
        if pairs.len() < count as usize * 16 {
            return Err(Errno::EFAULT);
        }
        let ranges = pairs.chunks_exact(16).map(|pair| {
            (crate::layout::get(pair, 0, 8), crate::layout::get(pair, 8, 8).min(1 << 24) as usize)
        });
        Ok((header.clone(), ranges.collect()))
    }

    pub(crate) fn sendmsg(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.socket_ino(a.int(0))?;
        let (header, ranges) = self.header(a)?;
        let to = self.address(a, 3, crate::layout::get(&header, 8, 4) as usize)?;
        let control = a.read(&self.memory, 4, crate::layout::get(&header, 40, 8) as usize)?;
        let mut rights = Vec::new();
        if control.len() >= 16 {
            let length = crate::layout::get(&control, 0, 8) as usize;
            if length < 16 || length > control.len() {
                return Err(Errno::EINVAL);
            }
            let is_rights = crate::layout::get(&control, 8, 8) == 1 | 1 << 32;
            for fd in control[16..length].chunks_exact(4).filter(|_| is_rights) {
                let fd = crate::layout::get(fd, 0, 4) as i32;
                rights.push(self.descriptors.file(fd)?.clone());
            }
        }
        let mut bytes = Vec::new();
        for (address, len) in ranges {
            let piece = self.memory.read_some(address, len);
            if piece.len() < len {
                return Err(Errno::EFAULT);
            }
            bytes.extend(piece);
        }
        self.send_message(ino, &to, bytes, rights, a.int(2))
    }

    pub(crate) fn recvmsg(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.socket_ino(a.int(0))?;
        let (mut header, ranges) = self.header(a)?;
        let len = ranges.iter().map(|(_, len)| len).sum();
        let (message, is_cut) = self.take(ino, len, a.int(2))?;
        let mut done = 0;
        for (address, len) in ranges {
            let piece = &message.bytes[done..message.bytes.len().min(done + len)];
            if self.memory.write_some(address, piece) < piece.len() {
                return Err(Errno::EFAULT);
            }
            done += piece.len();
        }
        let name = if self.socket_of(ino).is_stream() { Vec::new() } else { message.from.clone() };
        let room = crate::layout::get(&header, 8, 4) as usize;
        a.write(&mut self.memory, 3, &name[..name.len().min(room)])?;
        header[8..12].copy_from_slice(&(name.len() as u32).to_le_bytes());
        let mut flags = if is_cut { l::MSG_TRUNC } else { 0 };
        let room = crate::layout::get(&header, 40, 8) as usize;
        let fits = message.rights.len().min(room.saturating_sub(16) / 4);
        if fits < message.rights.len() {
            flags |= l::MSG_CTRUNC;
        }
        let mut control = Vec::new();
        if fits > 0 {
            control.extend((16 + fits as u64 * 4).to_le_bytes());
            control.extend((1u64 | 1 << 32).to_le_bytes());
            for file in message.rights.into_iter().take(fits) {
                let fd = self.descriptors.lowest(0, self.process.nofile())?;
                self.descriptors.install(fd, file, false);
                control.extend(fd.to_le_bytes());
            }
            control.resize(control.len().next_multiple_of(8).min(room), 0);
        }
        a.write(&mut self.memory, 4, &control)?;
        header[40..48].copy_from_slice(&(control.len() as u64).to_le_bytes());
        header[48..52].copy_from_slice(&flags.to_le_bytes());
        a.write(&mut self.memory, 1, &header)?;
        Ok(message.bytes.len())
    }

    pub(crate) fn setsockopt(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.socket_ino(a.int(0))?;
        let (level, name, len) = (a.int(1), a.int(2), a.num(4) as usize);
        let mut value = a.read(&self.memory, 3, len)?;
        if len < 4 {
            return Err(Errno::EINVAL);
        }
        let is_stream = self.socket_of(ino).is_stream();
        match (level, name) {
            (l::SOL_SOCKET, l::SO_SNDBUF | l::SO_RCVBUF) => {
                let size = (crate::layout::get(&value, 0, 4) as i32).saturating_mul(2).max(2304);
                value = size.to_le_bytes().to_vec();
            }
            (l::SOL_SOCKET, l::SO_SNDLOWAT | l::SO_TYPE | l::SO_ERROR) => return Err(Errno::ENOPROTOOPT),
            (6, _) if !is_stream => return Err(Errno::EOPNOTSUPP),
            _ => {}
        }
        self.socket_mut(ino).options.insert((level, name), value);
        Ok(0)
    }

    pub(crate) fn getsockopt(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let ino = self.socket_ino(a.int(0))?;
        let (level, name) = (a.int(1), a.int(2));
        let room = crate::layout::get(&a.read(&self.memory, 4, 4)?, 0, 4) as usize;
        let socket = self.socket_of(ino);
        let int = |number: i32| number.to_le_bytes().to_vec();
        let value = match (level, name) {
            (l::SOL_SOCKET, l::SO_TYPE) => int(socket.kind),
            (l::SOL_SOCKET, l::SO_DOMAIN) => int(socket.domain),
            (l::SOL_SOCKET, l::SO_ACCEPTCONN) => int(i32::from(socket.backlog.is_some())),
            (l::SOL_SOCKET, l::SO_PEERCRED) => {
                let known = socket.is_local() && socket.peer.is_some();
                let credentials = &self.process.credentials;
                let peer = [self.process.pid as u32, credentials.euid, credentials.egid];
                let nobody = [0, u32::MAX, u32::MAX];
                (if known { peer } else { nobody }).iter().flat_map(|word| word.to_le_bytes()).collect()
            }
            (6, _) if !socket.is_stream() => return Err(Errno::EOPNOTSUPP),
            option => match socket.options.get(&option) {
                Some(value) => value.clone(),
                None if matches!(option, (l::SOL_SOCKET, l::SO_SNDBUF | l::SO_RCVBUF)) => {
                    int(CAPACITY as i32)
                }
                None => vec![0; room.min(16)],
            },
        };
        let shown = &value[..value.len().min(room)];
        a.write(&mut self.memory, 3, shown)?;
        a.write(&mut self.memory, 4, &(shown.len() as u32).to_le_bytes())?;
        Ok(0)
    }
}
