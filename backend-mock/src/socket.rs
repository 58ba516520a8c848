//! Sockets: local ones and the loopback of the internet. They never block: what would wait answers `EAGAIN`.

mod connection;
mod message;
mod option;

use crate::args::Args;
use crate::descriptor::{Dentry, FileOwner, OpenFile};
use crate::fs::inode::{Body, Ino};
use crate::state::{Answer, State};
use linux_raw_sys::general::{
    O_NONBLOCK, O_RDWR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM,
};
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
#[derive(Clone, Debug, Default)]
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
        let peer = socket.peer.filter(|_| socket.is_stream());
        if let Some(peer) = peer.and_then(|peer| self.sockets.map.get_mut(&peer)) {
            peer.shut = (true, peer.shut.1 || peer.is_local());
        }
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

    /// Bytes that wait in a socket.
    pub(crate) fn socket_waiting(&self, ino: Ino) -> Option<usize> {
        self.sockets.map.get(&ino).map(Socket::waiting)
    }

    /// What `poll` tells of a socket.
    pub(crate) fn socket_events(&self, ino: Ino) -> u32 {
        let Some(socket) = self.sockets.map.get(&ino) else { return POLLOUT | POLLWRNORM };
        let is_idle = socket.is_stream() && socket.peer.is_none() && socket.backlog.is_none();
        let mut events = POLLOUT | POLLWRNORM;
        if socket.shut.0 || !socket.queue.is_empty() || !socket.pending.is_empty() {
            events |= POLLIN | POLLRDNORM;
        }
        if socket.shut.0 {
            events |= POLLRDHUP;
        }
        if socket.shut == (true, true) || is_idle {
            events |= POLLHUP;
        }
        events
    }
}
