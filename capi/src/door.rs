//! What stands behind `/dev/mach`, for a linked image: a descriptor of the device, or the entry of an LKM that the loader
//! has in the process, or neither.
//!
//! The loader says which in the strings after the environment (`apple[]`):
//!
//! * `kernfd=N`: a descriptor of the device, in decimal digits, as Darling's loader passes it;
//! * `lkm_entry=0xH`: the address of a function `long (unsigned trap, void *argument)` that serves one trap as the
//!   device's `ioctl` does and answers its value or Linux's negative error.
//!
//! * `vchroot=N`: a descriptor of the directory that is the process's root, and `vchroot_rules=R`: the sum of 1, if names are
//!   found below it whatever their case, and 2, if `/Volumes/SystemRoot` leads out. dyld's copy looks at names as they are
//!   spelled all the same. The descriptor is closed.
//!
//! With neither of the first two, the device is opened. Without a device there are unique port names with nothing behind them, and
//! every other trap is `ENOSYS`.
//!
//! # Safety
//! The strings are the loader's: an address that it names is that of such a function, for as long as the process lives.
//! Trap arguments come from C, which guarantees that they are what the trap takes.

use crate::state::process;
use core::ffi::{c_char, c_void};
use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use xnu_abi::linux::Errno;
use xnu_abi::lkm::{
    ENTRY_KEY, KERNFD_KEY, PREFIX_FOLDS, PREFIX_HAS_EXIT, PREFIX_KEY, PREFIX_RULES_KEY, Trap,
};
use xnu_backend_linux::{Device, Linux, PortNames, device_call};
use xnu_core::linux::{self, LinuxFd};
use xnu_core::simple::{atoi, atoi16, cstr};
use xnu_core::vchroot::Options;
use xnu_core::{Lkm, TrapArg, UserAddr, convert};

/// Serves a trap inside the process.
type Entry = unsafe extern "C" fn(trap: u32, argument: *mut c_void) -> isize;

/// The way to whatever serves Mach ports.
#[derive(Debug)]
pub(crate) struct Door {
    linux: Linux,
    fd: AtomicI32,
    /// An [`Entry`], or 0.
    entry: AtomicUsize,
    names: PortNames,
}

impl Door {
    /// Leads nowhere yet.
    pub(crate) const fn new() -> Door {
        Door {
            linux: Linux::new(),
            fd: AtomicI32::new(-1),
            entry: AtomicUsize::new(0),
            names: PortNames::new(),
        }
    }

    fn open(&self, fd: Result<Device, impl Sized>) {
        if let Ok(device) = fd {
            self.fd.store(device.into_fd(), Ordering::Release);
        }
    }

    fn entry(&self) -> Option<Entry> {
        let address = self.entry.load(Ordering::Acquire);
        // SAFETY: an address that is not 0 is that of such a function; see the module.
        (address != 0).then(|| unsafe { core::mem::transmute::<usize, Entry>(address) })
    }
}

impl Lkm for Door {
    fn call_raw(&self, trap: Trap, arg: TrapArg<'_>) -> Result<isize, Errno> {
        if let Some(entry) = self.entry() {
            let argument = match arg {
                TrapArg::None => 0,
                TrapArg::Value(value) => value,
                TrapArg::Struct(bytes) => bytes.as_mut_ptr() as usize,
                TrapArg::User(address) => address.get() as usize,
            };
            // SAFETY: the argument is the trap's own.
            let result = unsafe { entry(trap.number(), argument as *mut c_void) };
            return match u16::try_from(result.wrapping_neg()) {
                Ok(error @ 1..=4095) => Err(Errno::new(error).unwrap_or(Errno::EIO)),
                _ => Ok(result),
            };
        }
        match self.fd.load(Ordering::Acquire) {
            fd if fd >= 0 => device_call(&self.linux, fd, trap, arg),
            _ => self.names.call_raw(trap, arg),
        }
    }

    /// The device gives the child a task at its first call; an entry of the loader's is told by the same call.
    fn forked(&self) {
        let _ = self.call_raw(Trap::GetApiVersion, TrapArg::None);
    }
}

/// The number behind `name`, if `string` is that and nothing else.
fn value(string: &[u8], name: &str, read: fn(&[u8]) -> (u64, usize)) -> Option<u64> {
    let digits = string.strip_prefix(name.as_bytes())?;
    let (number, len) = read(digits);
    (len > 0 && len == digits.len()).then_some(number)
}

/// Finds what stands behind `/dev/mach`. `applep` is the null-terminated list of the loader's strings; null says that
/// this is the child of a fork that the caller made itself.
///
/// A device that is missing or speaks another version of the interface is no device: [`mach_driver_get_fd`] tells.
///
/// # Safety
/// `applep` is null or such a list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_driver_init(applep: *mut *const c_char) {
    let door = &process().lkm;
    if applep.is_null() {
        door.forked();
        return;
    }
    let (mut prefix, mut rules) = (None, PREFIX_HAS_EXIT);
    let mut next = applep;
    // SAFETY: the caller's promise: strings up to a null pointer.
    while let Some(string) = unsafe { next.read().as_ref() } {
        // SAFETY: a C string of the list.
        let string = unsafe { cstr::bytes((&raw const *string).cast()) };
        if let Some(number) = value(string, KERNFD_KEY, atoi)
            && let Ok(fd) = i32::try_from(number)
        {
            door.open(Device::adopt(fd));
        }
        if let Some(address) = value(string, ENTRY_KEY, atoi16) {
            door.entry.store(address as usize, Ordering::Release);
        }
        if let Some(number) = value(string, PREFIX_KEY, atoi) {
            prefix = i32::try_from(number).ok();
        }
        if let Some(sum) = value(string, PREFIX_RULES_KEY, atoi) {
            rules = sum;
        }
        // SAFETY: the list goes on.
        next = unsafe { next.add(1) };
    }
    if let Some(directory) = prefix {
        let options = Options {
            case_insensitive: !cfg!(feature = "dyld") && rules & PREFIX_FOLDS != 0,
            root_exit: rules & PREFIX_HAS_EXIT != 0,
        };
        // A descriptor that is no directory's leaves the process without a prefix, as its first look-up shows.
        if process().set_prefix(LinuxFd(directory), options).is_ok() {
            let _ = linux::descriptor::close(&process().kernel, LinuxFd(directory));
        }
    }
    if door.entry().is_none() && door.fd.load(Ordering::Acquire) < 0 {
        door.open(Device::open());
    }
}

/// The descriptor of the device; -1 where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn mach_driver_get_fd() -> i32 {
    process().lkm.fd.load(Ordering::Acquire)
}

fn call(call_nr: i32, arg: *mut c_void) -> Result<isize, Errno> {
    let trap = u32::try_from(call_nr).ok().and_then(Trap::new).ok_or(Errno::ENOSYS)?;
    process().lkm.call_raw(trap, TrapArg::User(UserAddr::new(arg as u64)))
}

/// Makes one trap: its result, or Darwin's error, negated.
///
/// # Safety
/// `arg` is what the trap takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lkm_call(call_nr: i32, arg: *mut c_void) -> i32 {
    match call(call_nr, arg) {
        Ok(result) => result as i32,
        Err(error) => i32::from(convert::errno::errno(error).number()).wrapping_neg(),
    }
}

/// Makes one trap: its result, or Linux's error, negated.
///
/// # Safety
/// `arg` is what the trap takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lkm_call_raw(call_nr: i32, arg: *mut c_void) -> i32 {
    match call(call_nr, arg) {
        Ok(result) => result as i32,
        Err(error) => i32::from(error.number()).wrapping_neg(),
    }
}

/// Makes the calling thread known to what stands behind `/dev/mach`, before its first call: the name of its port, or 0.
#[unsafe(no_mangle)]
pub extern "C" fn xnu_emu_thread_init() -> u32 {
    process().lkm.call_raw(Trap::ThreadSelfTrap, TrapArg::None).map_or(0, |name| name as u32)
}

/// Says that the calling thread is about to end.
#[unsafe(no_mangle)]
pub extern "C" fn xnu_emu_thread_exit() {
    // Where nobody keeps threads there is nobody to tell.
    let _ = process().lkm.call_raw(Trap::ThreadDeathAnnounce, TrapArg::None);
}

/// Says that this is the child of a fork that the caller made without the entry's help.
#[unsafe(no_mangle)]
pub extern "C" fn xnu_emu_fork_child() {
    process().lkm.forked();
}
