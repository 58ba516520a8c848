//! Guest memory: addresses that are never dereferenced, only copied through a [`Kernel`].
//!
//! Other threads of the guest share that memory, so nothing here becomes a reference: copy once, then trust the copy.

use crate::kernel::{Fault, Kernel};
use core::fmt;
use core::marker::PhantomData;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// An address in the guest, as the guest gave it. It may point anywhere or nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(transparent)]
pub struct UserAddr(u64);

impl UserAddr {
    /// The null address.
    pub const NULL: UserAddr = UserAddr(0);

    /// Takes the guest's word for it.
    #[inline(always)]
    pub const fn new(address: u64) -> UserAddr {
        UserAddr(address)
    }

    /// The number itself.
    #[inline(always)]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether this is null, which many calls take for "not wanted".
    #[inline(always)]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The address `bytes` further on; a wrap around the end of memory is a fault.
    #[inline(always)]
    pub const fn checked_add(self, bytes: u64) -> Result<UserAddr, Fault> {
        match self.0.checked_add(bytes) {
            Some(sum) => Ok(UserAddr(sum)),
            None => Err(Fault),
        }
    }
}

impl fmt::Debug for UserAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// The address of a `T` in the guest.
#[repr(transparent)]
pub struct UserPtr<T> {
    address: UserAddr,
    pointee: PhantomData<fn() -> T>,
}

impl<T> Clone for UserPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for UserPtr<T> {}

impl<T> fmt::Debug for UserPtr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl<T> UserPtr<T> {
    /// Says that a `T` should be at this address.
    #[inline(always)]
    pub const fn new(address: UserAddr) -> UserPtr<T> {
        UserPtr { address, pointee: PhantomData }
    }

    /// Where it points.
    #[inline(always)]
    pub const fn address(self) -> UserAddr {
        self.address
    }

    /// Whether it is null.
    #[inline(always)]
    pub const fn is_null(self) -> bool {
        self.address.is_null()
    }

    /// The `index`-th element of an array that starts here.
    #[inline(always)]
    pub const fn element(self, index: u64) -> Result<UserPtr<T>, Fault> {
        match index.checked_mul(size_of::<T>() as u64) {
            Some(offset) => match self.address.checked_add(offset) {
                Ok(address) => Ok(UserPtr::new(address)),
                Err(fault) => Err(fault),
            },
            None => Err(Fault),
        }
    }
}

impl<T: FromBytes + IntoBytes + Immutable> UserPtr<T> {
    /// Copies the value in.
    #[inline]
    pub fn read<K: Kernel + ?Sized>(self, kernel: &K) -> Result<T, Fault> {
        let mut value = T::new_zeroed();
        kernel.copy_in(self.address, value.as_mut_bytes())?;
        Ok(value)
    }

    /// Copies the value out.
    #[inline]
    pub fn write<K: Kernel + ?Sized>(self, kernel: &K, value: &T) -> Result<(), Fault> {
        kernel.copy_out(self.address, value.as_bytes())
    }
}
