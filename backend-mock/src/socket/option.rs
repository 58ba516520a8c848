//! Options of sockets: they are kept, and few do anything.

use super::CAPACITY;
use crate::args::Args;
use crate::state::{Answer, State};
use xnu_abi::linux::Errno;
use xnu_abi::linux::socket as l;

impl State {
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
