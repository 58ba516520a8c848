//! Sockets (`bsd/kern/socket_info.c`). Of those of others Linux tells that they are there, and little more.

use super::Subject;
use super::descriptor::waiting;
use crate::convert::errno::ToBsd;
use crate::convert::stat::socket_to_stat64;
use crate::convert::vnode::vinfo_stat;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd};
use crate::process::Process;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::proc_info::{SocketInfo, SocketKind, TcpState};
use zerocopy::FromZeros;

/// Options of Linux's at the level of sockets.
const SO_TYPE: u32 = 3;
const SO_SNDBUF: u32 = 7;
const SO_RCVBUF: u32 = 8;
const SO_ACCEPTCONN: u32 = 30;
const SO_PROTOCOL: u32 = 38;
const SO_DOMAIN: u32 = 39;

/// Families on Linux, and on Darwin the last one that differs.
const UNIX: i32 = 1;
const INET: i32 = 2;
const INET6: i32 = 10;
const DARWIN_INET6: i32 = 30;

/// `soi_state` of a socket with a peer, and `soi_options` of one that listens.
const CONNECTED: i16 = 2;
const ACCEPTS: i16 = 2;

const STREAM: i32 = 1;

/// `struct socket_info`.
#[inline(never)]
pub(super) fn write<K: Kernel, L>(
    _process: &Process<K, L>,
    subject: &Subject<'_, K>,
    file: LinuxFd,
    to: UserAddr,
) -> SysResult<()> {
    let kernel = subject.kernel;
    let mut info = SocketInfo::new_zeroed();
    stat(subject, file, &mut info)?;
    if subject.is_self {
        options(kernel, file, &mut info)?;
    }
    Ok(UserPtr::new(to).write(kernel, &info)?)
}

#[inline(never)]
fn stat<K: Kernel>(subject: &Subject<'_, K>, file: LinuxFd, info: &mut SocketInfo) -> SysResult<()> {
    let stat = linux::metadata::fstatx(subject.kernel, file).to_bsd()?;
    let waiting = waiting(subject, file)?;
    info.soi_stat = vinfo_stat(&socket_to_stat64(&stat, waiting));
    // Where it is in the kernel: any number that no other socket has.
    (info.soi_so, info.soi_pcb) = (stat.stx_ino, stat.stx_ino);
    let [count, ..] = &mut info.soi_rcv;
    *count = waiting as u32;
    Ok(())
}

#[inline(never)]
fn options<K: Kernel>(kernel: &K, file: LinuxFd, info: &mut SocketInfo) -> SysResult<()> {
    let option = |name: u32| linux::descriptor::socket_option(kernel, file, name).to_bsd();
    let domain = option(SO_DOMAIN)?;
    info.soi_family = if domain == INET6 { DARWIN_INET6 } else { domain };
    (info.soi_type, info.soi_protocol) = (option(SO_TYPE)?, option(SO_PROTOCOL)?);
    let listens = option(SO_ACCEPTCONN)? != 0;
    let connected = linux::descriptor::has_peer(kernel, file).is_ok();
    info.soi_options = if listens { ACCEPTS } else { 0 };
    info.soi_state = if connected { CONNECTED } else { 0 };
    for (name, buffer) in [(SO_RCVBUF, &mut info.soi_rcv), (SO_SNDBUF, &mut info.soi_snd)] {
        // The limit, and what counts as room at least.
        let [_, limit, _, most, least, _] = buffer;
        (*limit, *least) = (option(name)? as u32, 1);
        *most = limit.saturating_mul(8);
    }
    info.soi_kind = match (domain, info.soi_type) {
        (UNIX, _) => SocketKind::SOCKINFO_UN,
        (INET | INET6, STREAM) => SocketKind::SOCKINFO_TCP,
        (INET | INET6, _) => SocketKind::SOCKINFO_IN,
        _ => SocketKind::SOCKINFO_GENERIC,
    }
    .number();
    if matches!(domain, INET | INET6) {
        internet(kernel, file, info)?;
        let state = match (listens, connected) {
            (true, _) => TcpState::TSI_S_LISTEN,
            (false, true) => TcpState::TSI_S_ESTABLISHED,
            (false, false) => TcpState::TSI_S_CLOSED,
        };
        /// The word that begins with `tcpsi_state`, behind `struct in_sockinfo`.
        const STATE: usize = 10;
        if info.soi_kind == SocketKind::SOCKINFO_TCP.number()
            && let Some(word) = info.soi_proto.get_mut(STATE)
        {
            *word = state.number() as u64;
        }
    }
    Ok(())
}

/// `struct in_sockinfo`: ports as they are on the wire, and addresses.
fn internet<K: Kernel>(kernel: &K, file: LinuxFd, info: &mut SocketInfo) -> SysResult<()> {
    const IPV4: u64 = 1;
    const IPV6: u64 = 2;
    let own = linux::descriptor::socket_name(kernel, file, false).to_bsd()?;
    // One without a peer has none.
    let peer = linux::descriptor::socket_name(kernel, file, true).unwrap_or([0; 28]);
    let port = |name: &[u8; 28]| u64::from(u16::from_ne_bytes([name[2], name[3]]));
    let words = |name: &[u8; 28]| -> [u64; 2] {
        let word = |at: usize| {
            let bytes = name.get(at..).and_then(|rest| rest.first_chunk::<4>());
            u64::from(u32::from_ne_bytes(*bytes.unwrap_or(&[0; 4])))
        };
        match u16::from_ne_bytes([name[0], name[1]]).into() {
            INET6 => [word(8) | word(12) << 32, word(16) | word(20) << 32],
            INET => [0, word(4) << 32],
            _ => [0; 2],
        }
    };
    let version = if info.soi_family == DARWIN_INET6 { IPV6 } else { IPV4 };
    let [foreign_1, foreign_2] = words(&peer);
    let [local_1, local_2] = words(&own);
    let told = [
        port(&peer) | port(&own) << 32,
        0,
        0,
        // Version and time to live.
        version | 64 << 8,
        foreign_1,
        foreign_2,
        local_1,
        local_2,
    ];
    for (to, from) in info.soi_proto.iter_mut().zip(told) {
        *to = from;
    }
    Ok(())
}
