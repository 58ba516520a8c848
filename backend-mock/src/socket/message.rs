//! What goes through sockets.

use super::{CAPACITY, Message};
use crate::args::Args;
use crate::descriptor::OpenFile;
use crate::fs::inode::Ino;
use crate::state::{Answer, State};
use linux_raw_sys::general::SIGPIPE;
use xnu_abi::linux::Errno;
use xnu_abi::linux::socket as l;

/// Pieces of guest memory: addresses and lengths.
type Ranges = Vec<(u64, usize)>;

impl State {
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
        if socket.is_stream() && bytes.is_empty() {
            return Ok(0);
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
    fn header(&self, a: &Args<'_, '_>) -> Result<(Vec<u8>, Ranges), Errno> {
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
}
