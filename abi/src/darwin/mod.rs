//! XNU's interface: Darwin names for Darwin things.
//!
//! One module per family of headers. Each lists what it declares, so that tests compare names, values and layouts
//! with tables computed from Apple's headers without repeating them: see [`CONSTANTS`] and [`LAYOUTS`].

use crate::layout::Layout;
use crate::table::Constant;

pub mod attr;
pub mod commpage;
pub mod dirent;
mod errno;
pub mod exception;
pub mod exec;
pub mod fcntl;
pub mod guarded;
pub mod inet;
pub mod ioctl;
pub mod kern_return;
pub mod kinfo;
pub mod mach;
pub mod mach_message;
pub mod mach_port;
pub mod mman;
pub mod mount;
pub mod poll;
pub mod proc_info;
pub mod ptrace;
pub mod resource;
pub mod security;
pub mod signal;
pub mod socket;
pub mod spawn;
pub mod stat;
pub mod syscall;
pub mod sysctl;
pub mod termios;
pub mod thread_state;
pub mod time;
pub mod uio;
pub mod unistd;
pub mod utsname;
pub mod wait;
pub mod xattr;

pub use errno::Errno;

/// Every constant: one entry per module, in it one list per table.
pub const CONSTANTS: &[&[&[Constant]]] = &[
    attr::CONSTANTS,
    commpage::CONSTANTS,
    dirent::CONSTANTS,
    exception::CONSTANTS,
    exec::CONSTANTS,
    fcntl::CONSTANTS,
    inet::CONSTANTS,
    guarded::CONSTANTS,
    ioctl::CONSTANTS,
    kern_return::CONSTANTS,
    kinfo::CONSTANTS,
    mach::CONSTANTS,
    mach_message::CONSTANTS,
    mach_port::CONSTANTS,
    mman::CONSTANTS,
    mount::CONSTANTS,
    poll::CONSTANTS,
    ptrace::CONSTANTS,
    proc_info::CONSTANTS,
    resource::CONSTANTS,
    security::CONSTANTS,
    signal::CONSTANTS,
    socket::CONSTANTS,
    spawn::CONSTANTS,
    stat::CONSTANTS,
    syscall::CONSTANTS,
    sysctl::CONSTANTS,
    termios::CONSTANTS,
    thread_state::CONSTANTS,
    time::CONSTANTS,
    unistd::CONSTANTS,
    utsname::CONSTANTS,
    wait::CONSTANTS,
    xattr::CONSTANTS,
];

/// Every layout: one list per module.
pub const LAYOUTS: &[&[Layout]] = &[
    attr::LAYOUTS,
    commpage::LAYOUTS,
    dirent::LAYOUTS,
    fcntl::LAYOUTS,
    ioctl::LAYOUTS,
    kinfo::LAYOUTS,
    mach::LAYOUTS,
    mach_message::LAYOUTS,
    mach_port::LAYOUTS,
    mount::LAYOUTS,
    poll::LAYOUTS,
    proc_info::LAYOUTS,
    resource::LAYOUTS,
    security::LAYOUTS,
    signal::LAYOUTS,
    socket::LAYOUTS,
    spawn::LAYOUTS,
    stat::LAYOUTS,
    termios::LAYOUTS,
    thread_state::LAYOUTS,
    time::LAYOUTS,
    uio::LAYOUTS,
    utsname::LAYOUTS,
];
