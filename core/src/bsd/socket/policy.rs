//! Apple's own parts of networking, as they are for a process without entitlements on a machine without their daemons.

use super::answer::ToBsd;
use crate::kernel::Kernel;
use crate::linux;
use crate::process::Context;
use crate::table::{Fd, SysResult};
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::socket::{SocketDomain, SocketType};
use xnu_abi::linux::flags;

/// `peeloff`: XNU answers 0 whatever it is given.
pub fn peeloff<K: Kernel, L>(_: &mut Context<'_, K, L>, _s: i32, _association: u32) -> SysResult<i32> {
    Ok(0)
}

/// `socket_delegate`: a socket in the name of another process, for the superuser.
pub fn socket_delegate<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    domain: SocketDomain,
    kind: SocketType,
    protocol: i32,
    _process: i32,
) -> SysResult<Fd> {
    if linux::process::geteuid(cx.kernel()).to_bsd()? != 0 {
        return Err(Errno::EACCES);
    }
    super::socket(cx, domain, kind, protocol)
}

/// A descriptor of a kind that no descriptor is.
fn none_of_that_kind<K: Kernel, L>(cx: &Context<'_, K, L>, file: Fd) -> SysResult<i32> {
    linux::descriptor::fcntl(cx.kernel(), file.to_linux()?, flags::F_GETFD, 0).to_bsd()?;
    Err(Errno::ENODEV)
}

/// `necp_open` (`bsd/net/necp_client.c`): refused, as a policy may (`mac_necp_check_open`).
pub fn necp_open<K: Kernel, L>(_: &mut Context<'_, K, L>, flags: i32) -> SysResult<i32> {
    /// `NECP_OPEN_FLAG_OBSERVER`, `NECP_OPEN_FLAG_PUSH_OBSERVER`.
    const OBSERVERS: i32 = 5;
    Err(if flags & OBSERVERS != 0 { Errno::EACCES } else { Errno::EPERM })
}

/// `necp_client_action` (`necp_find_fd_data`).
#[allow(clippy::too_many_arguments, reason = "the call's own")]
pub fn necp_client_action<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    file: Fd,
    _action: u32,
    _client: UserAddr,
    _client_length: usize,
    _buffer: UserAddr,
    _size: usize,
) -> SysResult<i32> {
    none_of_that_kind(cx, file)
}

/// `necp_session_open` (`bsd/net/necp.c`): for programs of the system alone.
pub fn necp_session_open<K: Kernel, L>(_: &mut Context<'_, K, L>, _flags: i32) -> SysResult<i32> {
    Err(Errno::EACCES)
}

/// `necp_session_action` (`necp_session_find_from_fd`).
#[allow(clippy::too_many_arguments, reason = "the call's own")]
pub fn necp_session_action<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    file: Fd,
    _action: u32,
    _from: UserAddr,
    _from_length: usize,
    _to: UserAddr,
    _to_length: usize,
) -> SysResult<i32> {
    none_of_that_kind(cx, file)
}

/// `__nexus_destroy`, `__nexus_deregister`, `__channel_sync` and what else takes two words (`bsd/skywalk`).
pub fn skywalk<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    file: Fd,
    _name: UserAddr,
    _length: u32,
) -> SysResult<i32> {
    none_of_that_kind(cx, file)
}

/// `__nexus_register`, `__nexus_create`.
pub fn skywalk_names<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    file: Fd,
    _from: UserAddr,
    _from_length: u32,
    _to: UserAddr,
    _to_length: u32,
) -> SysResult<i32> {
    none_of_that_kind(cx, file)
}

/// `__channel_sync`.
pub fn skywalk_channel<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    file: Fd,
    _mode: i32,
    _flags: i32,
) -> SysResult<i32> {
    none_of_that_kind(cx, file)
}

/// `__nexus_get_opt`, `__channel_get_opt`.
pub fn skywalk_get<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    file: Fd,
    _option: u32,
    _value: UserAddr,
    _length: UserAddr,
) -> SysResult<i32> {
    none_of_that_kind(cx, file)
}

/// `__nexus_set_opt`, `__channel_set_opt`.
pub fn skywalk_set<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    file: Fd,
    _option: u32,
    _value: UserAddr,
    _length: u32,
) -> SysResult<i32> {
    none_of_that_kind(cx, file)
}

/// `net_qos_guideline` (`bsd/netinet/in_tclass.c`): large transfers are for the background. No interface is expensive,
/// constrained or slow.
pub fn net_qos_guideline<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    parameters: UserPtr<[u64; 2]>,
    length: u32,
) -> SysResult<i32> {
    const LARGE: u64 = 5 * 1024 * 1024;
    if parameters.is_null() || length != 16 {
        return Err(Errno::EINVAL);
    }
    let [size, _] = parameters.read(cx.kernel())?;
    Ok(i32::from(size >= LARGE))
}

/// `netagent_trigger` (`bsd/net/network_agent.c`): no agent is registered.
pub fn netagent_trigger<K: Kernel, L>(
    cx: &mut Context<'_, K, L>,
    agent: UserPtr<[u8; 16]>,
    length: usize,
) -> SysResult<i32> {
    if agent.is_null() {
        return Err(Errno::EINVAL);
    }
    if length != 16 {
        return Err(Errno::ERANGE);
    }
    let agent = agent.read(cx.kernel())?;
    Err(if agent == [0; 16] { Errno::EINVAL } else { Errno::ENOENT })
}

/// `tracker_action` (`bsd/kern/tracker.c`): for those with the entitlement.
pub fn tracker_action<K: Kernel, L>(
    _: &mut Context<'_, K, L>,
    _action: i32,
    _buffer: UserAddr,
    _size: usize,
) -> SysResult<i32> {
    Err(Errno::EPERM)
}
