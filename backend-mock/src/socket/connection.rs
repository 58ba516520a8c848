//! Names and connections of sockets.

use super::{FIRST_PORT, Socket, family, port};
use crate::args::Args;
use crate::fs::WRITE;
use crate::fs::inode::{Body, Ino};
use crate::state::{Answer, State};
use linux_raw_sys::general::AT_FDCWD;
use xnu_abi::linux::Errno;
use xnu_abi::linux::socket as l;

impl State {
    pub(super) fn address(&self, a: &Args<'_, '_>, i: usize, len: usize) -> Result<Vec<u8>, Errno> {
        if len > l::ADDRESS_MAX {
            return Err(Errno::EINVAL);
        }
        a.read(&self.memory, i, len)
    }

    /// Checks an address for a socket; a local one becomes its path.
    pub(super) fn check(socket: &Socket, address: &[u8]) -> Result<Vec<u8>, Errno> {
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
        if !socket.is_local() && !socket.name.is_empty() {
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
            if !socket.name.is_empty() {
                return Err(Errno::EINVAL);
            }
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

    pub(super) fn autobind(&mut self, ino: Ino) {
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
    pub(super) fn find_socket(&mut self, socket: &Socket, address: &[u8]) -> Result<Ino, Errno> {
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
    pub(super) fn tell(&mut self, a: &mut Args<'_, '_>, i: usize, name: &[u8]) -> Result<(), Errno> {
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
}
