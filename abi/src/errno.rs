//! Error numbers of both systems, and the table between them.

use crate::{darwin, linux};

/// Declares an error-number type, its constants and their names from one list.
macro_rules! errnos {
    ($(#[$doc:meta])* $($name:ident = $value:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(transparent)]
        pub struct Errno(u16);

        #[allow(missing_docs)]
        impl Errno {
            $(pub const $name: Errno = Errno($value);)*
        }

        impl Errno {
            /// Every number that has a name.
            pub const ALL: &'static [Errno] = &[$(Errno($value)),*];

            /// The error with this number, if the number has a name.
            pub const fn new(number: u16) -> Option<Errno> {
                match number {
                    $($value => Some(Errno($value)),)*
                    _ => None,
                }
            }

            /// The number itself, always positive.
            pub const fn number(self) -> u16 {
                self.0
            }

            /// The name, as in the manual page.
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($value => stringify!($name),)*
                    _ => "?",
                }
            }
        }

        impl core::fmt::Debug for Errno {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl core::fmt::Display for Errno {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use errnos;

macro_rules! linux_to_darwin {
    ($($linux:ident => $darwin:ident,)*) => {
        /// Every named Linux error with the Darwin error that a macOS program expects from the same situation.
        ///
        /// Two depend on the call and are corrected there: `ENODATA` of the extended attribute calls is
        /// `ENOATTR` (`man 2 getxattr`), and `EOPNOTSUPP` of socket calls is Darwin's `EOPNOTSUPP`, not `ENOTSUP`.
        pub const LINUX_TO_DARWIN: &[(linux::Errno, darwin::Errno)] =
            &[$((linux::Errno::$linux, darwin::Errno::$darwin)),*];
    };
}

linux_to_darwin! {
    EPERM => EPERM,
    ENOENT => ENOENT,
    ESRCH => ESRCH,
    EINTR => EINTR,
    EIO => EIO,
    ENXIO => ENXIO,
    E2BIG => E2BIG,
    ENOEXEC => ENOEXEC,
    EBADF => EBADF,
    ECHILD => ECHILD,
    EAGAIN => EAGAIN,
    ENOMEM => ENOMEM,
    EACCES => EACCES,
    EFAULT => EFAULT,
    ENOTBLK => ENOTBLK,
    EBUSY => EBUSY,
    EEXIST => EEXIST,
    EXDEV => EXDEV,
    ENODEV => ENODEV,
    ENOTDIR => ENOTDIR,
    EISDIR => EISDIR,
    EINVAL => EINVAL,
    ENFILE => ENFILE,
    EMFILE => EMFILE,
    ENOTTY => ENOTTY,
    ETXTBSY => ETXTBSY,
    EFBIG => EFBIG,
    ENOSPC => ENOSPC,
    ESPIPE => ESPIPE,
    EROFS => EROFS,
    EMLINK => EMLINK,
    EPIPE => EPIPE,
    EDOM => EDOM,
    ERANGE => ERANGE,
    EDEADLK => EDEADLK,
    ENAMETOOLONG => ENAMETOOLONG,
    ENOLCK => ENOLCK,
    ENOSYS => ENOSYS,
    ENOTEMPTY => ENOTEMPTY,
    ELOOP => ELOOP,
    ENOMSG => ENOMSG,
    EIDRM => EIDRM,
    ECHRNG => EINVAL,
    EL2NSYNC => EIO,
    EL3HLT => EIO,
    EL3RST => EIO,
    ELNRNG => EINVAL,
    EUNATCH => ENXIO,
    ENOCSI => EINVAL,
    EL2HLT => EIO,
    EBADE => EINVAL,
    EBADR => EINVAL,
    EXFULL => ENOBUFS,
    ENOANO => ENOENT,
    EBADRQC => EINVAL,
    EBADSLT => EINVAL,
    EBFONT => EFTYPE,
    ENOSTR => ENOSTR,
    ENODATA => ENODATA,
    ETIME => ETIME,
    ENOSR => ENOSR,
    ENONET => ENETDOWN,
    ENOPKG => ENOTSUP,
    EREMOTE => EREMOTE,
    ENOLINK => ENOLINK,
    EADV => EIO,
    ESRMNT => EBUSY,
    ECOMM => EIO,
    EPROTO => EPROTO,
    EMULTIHOP => EMULTIHOP,
    EDOTDOT => EIO,
    EBADMSG => EBADMSG,
    EOVERFLOW => EOVERFLOW,
    ENOTUNIQ => EEXIST,
    EBADFD => EBADF,
    EREMCHG => EIO,
    ELIBACC => ENOENT,
    ELIBBAD => EBADEXEC,
    ELIBSCN => EBADEXEC,
    ELIBMAX => EBADEXEC,
    ELIBEXEC => EBADEXEC,
    EILSEQ => EILSEQ,
    ERESTART => EINTR,
    ESTRPIPE => EPIPE,
    EUSERS => EUSERS,
    ENOTSOCK => ENOTSOCK,
    EDESTADDRREQ => EDESTADDRREQ,
    EMSGSIZE => EMSGSIZE,
    EPROTOTYPE => EPROTOTYPE,
    ENOPROTOOPT => ENOPROTOOPT,
    EPROTONOSUPPORT => EPROTONOSUPPORT,
    ESOCKTNOSUPPORT => ESOCKTNOSUPPORT,
    EOPNOTSUPP => ENOTSUP,
    EPFNOSUPPORT => EPFNOSUPPORT,
    EAFNOSUPPORT => EAFNOSUPPORT,
    EADDRINUSE => EADDRINUSE,
    EADDRNOTAVAIL => EADDRNOTAVAIL,
    ENETDOWN => ENETDOWN,
    ENETUNREACH => ENETUNREACH,
    ENETRESET => ENETRESET,
    ECONNABORTED => ECONNABORTED,
    ECONNRESET => ECONNRESET,
    ENOBUFS => ENOBUFS,
    EISCONN => EISCONN,
    ENOTCONN => ENOTCONN,
    ESHUTDOWN => ESHUTDOWN,
    ETOOMANYREFS => ETOOMANYREFS,
    ETIMEDOUT => ETIMEDOUT,
    ECONNREFUSED => ECONNREFUSED,
    EHOSTDOWN => EHOSTDOWN,
    EHOSTUNREACH => EHOSTUNREACH,
    EALREADY => EALREADY,
    EINPROGRESS => EINPROGRESS,
    ESTALE => ESTALE,
    EUCLEAN => EIO,
    ENOTNAM => EINVAL,
    ENAVAIL => EINVAL,
    EISNAM => EEXIST,
    EREMOTEIO => EIO,
    EDQUOT => EDQUOT,
    ENOMEDIUM => ENXIO,
    EMEDIUMTYPE => ENXIO,
    ECANCELED => ECANCELED,
    ENOKEY => EPERM,
    EKEYEXPIRED => ENEEDAUTH,
    EKEYREVOKED => EAUTH,
    EKEYREJECTED => EAUTH,
    EOWNERDEAD => EOWNERDEAD,
    ENOTRECOVERABLE => ENOTRECOVERABLE,
    ERFKILL => ENETDOWN,
    EHWPOISON => EIO,
}
