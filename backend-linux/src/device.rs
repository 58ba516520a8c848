//! What stands behind `/dev/mach`: Darling's kernel module, or anything else that serves its calls.
//!
//! # Safety
//! The blocks make `openat`, `ioctl` and `close` with arguments of their prototypes. The module reads and writes the
//! structure of the trap, which the caller passes with its full size.
#![allow(unsafe_code)]

use crate::Linux;
use core::ffi::CStr;
use core::fmt;
use xnu_abi::linux::{Errno, Sysno};
use xnu_abi::lkm::{API_VERSION, DEVICE, Trap};
use xnu_core::{Arg, Kernel, Lkm, TrapArg};

/// An open `/dev/mach`. Closed when dropped.
#[derive(Debug)]
pub struct Device {
    linux: Linux,
    fd: i32,
}

/// Why there is no [`Device`]. The text does not name it: who does knows how it was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceError {
    /// It could not be opened.
    Open(Errno),
    /// It answered the version call with an error.
    Version(Errno),
    /// It speaks another version of the interface.
    Unknown(isize),
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceError::Open(Errno::ENOENT | Errno::ENXIO | Errno::ENODEV) => {
                f.write_str("no such device: load Darling's kernel module, or do without it")
            }
            DeviceError::Open(Errno::EACCES | Errno::EPERM) => {
                f.write_str("permission denied: give your user access to the device")
            }
            DeviceError::Open(error) => write!(f, "cannot be opened: {error}"),
            DeviceError::Version(error) => {
                write!(f, "is not Darling's device: it answers {error} when asked for its version")
            }
            DeviceError::Unknown(version) => write!(
                f,
                "speaks version {version} of the interface, this program speaks {API_VERSION}: \
                 install the module of that version"
            ),
        }
    }
}

impl core::error::Error for DeviceError {}

const AT_FDCWD: usize = -100isize as usize;
const O_RDWR: usize = 2;
const O_CLOEXEC: usize = 0o2000000;

impl Device {
    /// Opens the device and compares the version of its interface.
    pub fn open() -> Result<Device, DeviceError> {
        Device::open_at(DEVICE)
    }

    /// The same under another name.
    ///
    /// # Errors
    /// As for [`Device::open`].
    pub fn open_at(path: &CStr) -> Result<Device, DeviceError> {
        let linux = Linux::new();
        let path = Arg::In(path.to_bytes_with_nul());
        let mut args = [Arg::Val(AT_FDCWD), path, Arg::Val(O_RDWR | O_CLOEXEC), Arg::Val(0)];
        // SAFETY: the path ends with a NUL.
        let fd = unsafe { linux.syscall(Sysno::Openat, &mut args) }.map_err(DeviceError::Open)?;
        let device = Device { linux, fd: fd as i32 };
        device.check_version()?;
        Ok(device)
    }

    /// Takes over a descriptor that somebody else opened, and compares the version of the interface. On a failure the
    /// descriptor stays open: it may be anything.
    pub fn adopt(fd: i32) -> Result<Device, DeviceError> {
        let device = core::mem::ManuallyDrop::new(Device { linux: Linux::new(), fd });
        device.check_version()?;
        Ok(core::mem::ManuallyDrop::into_inner(device))
    }

    fn check_version(&self) -> Result<(), DeviceError> {
        match self.call_raw(Trap::GetApiVersion, TrapArg::None) {
            Ok(version) if version == API_VERSION as isize => Ok(()),
            Ok(version) => Err(DeviceError::Unknown(version)),
            Err(error) => Err(DeviceError::Version(error)),
        }
    }

    /// The descriptor (`mach_driver_get_fd`).
    pub fn fd(&self) -> i32 {
        self.fd
    }

    /// Gives the descriptor away, still open.
    pub fn into_fd(self) -> i32 {
        core::mem::ManuallyDrop::new(self).fd
    }
}

/// Makes one trap on a descriptor of the device.
///
/// # Errors
/// The module's, or those of `ioctl` (`man 2 ioctl`).
pub fn device_call(linux: &Linux, fd: i32, trap: Trap, arg: TrapArg<'_>) -> Result<isize, Errno> {
    let argument = match arg {
        TrapArg::None => Arg::Val(0),
        TrapArg::Value(value) => Arg::Val(value),
        TrapArg::Struct(bytes) => Arg::Out(bytes),
        TrapArg::User(address) => Arg::User(address),
    };
    let mut args = [Arg::Val(fd as usize), Arg::Val(trap.number() as usize), argument];
    // SAFETY: the argument is the trap's own, in the shape that its API defines.
    let result = unsafe { linux.syscall(Sysno::Ioctl, &mut args) }?;
    // The upper half of an ioctl's result is unspecified here.
    Ok(result as i32 as isize)
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours and is not used again.
        let _ = unsafe { self.linux.syscall(Sysno::Close, &mut [Arg::Val(self.fd as usize)]) };
    }
}

impl Lkm for Device {
    fn call_raw(&self, trap: Trap, arg: TrapArg<'_>) -> Result<isize, Errno> {
        device_call(&self.linux, self.fd, trap, arg)
    }

    /// The module gives the child a task of its own at its first call, whatever call that is.
    fn forked(&self) {
        let _ = self.call_raw(Trap::GetApiVersion, TrapArg::None);
    }
}
