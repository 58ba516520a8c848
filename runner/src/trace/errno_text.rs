//! What Darwin's errors mean, in a few words.

use xnu_abi::darwin::Errno;

macro_rules! texts {
    ($($errno:ident = $text:literal,)*) => {
        /// The meaning of an error (`man 2 intro` on macOS has the long version).
        pub(super) fn text(errno: Errno) -> &'static str {
            match errno {
                $(Errno::$errno => $text,)*
                _ => "unknown error",
            }
        }
    };
}

texts! {
    EPERM = "operation not permitted",
    ENOENT = "no such file or directory",
    ESRCH = "no such process",
    EINTR = "interrupted by a signal",
    EIO = "input/output error",
    ENXIO = "no such device or address",
    E2BIG = "argument list too long",
    ENOEXEC = "not an executable format",
    EBADF = "bad file descriptor",
    ECHILD = "no child processes",
    EDEADLK = "would deadlock",
    ENOMEM = "out of memory",
    EACCES = "permission denied",
    EFAULT = "bad address",
    ENOTBLK = "not a block device",
    EBUSY = "resource busy",
    EEXIST = "file exists",
    EXDEV = "on another file system",
    ENODEV = "not possible with this device",
    ENOTDIR = "not a directory",
    EISDIR = "is a directory",
    EINVAL = "invalid argument",
    ENFILE = "too many open files in the system",
    EMFILE = "too many open files",
    ENOTTY = "not a terminal, or wrong ioctl for the device",
    ETXTBSY = "program file is in use",
    EFBIG = "file too large",
    ENOSPC = "no space left",
    ESPIPE = "cannot seek",
    EROFS = "read-only file system",
    EMLINK = "too many links",
    EPIPE = "nobody reads from the pipe",
    EDOM = "argument out of domain",
    ERANGE = "result out of range",
    EAGAIN = "not now: would block",
    EINPROGRESS = "now in progress",
    EALREADY = "already in progress",
    ENOTSOCK = "not a socket",
    EDESTADDRREQ = "destination address required",
    EMSGSIZE = "message too long",
    EPROTOTYPE = "wrong protocol for the socket",
    ENOPROTOOPT = "no such protocol option",
    EPROTONOSUPPORT = "protocol not supported",
    ESOCKTNOSUPPORT = "socket type not supported",
    ENOTSUP = "not supported",
    EPFNOSUPPORT = "protocol family not supported",
    EAFNOSUPPORT = "address family not supported",
    EADDRINUSE = "address in use",
    EADDRNOTAVAIL = "address not available",
    ENETDOWN = "network is down",
    ENETUNREACH = "network is unreachable",
    ENETRESET = "connection dropped by the network",
    ECONNABORTED = "connection aborted",
    ECONNRESET = "connection reset by the peer",
    ENOBUFS = "no buffer space",
    EISCONN = "socket is connected",
    ENOTCONN = "socket is not connected",
    ESHUTDOWN = "socket was shut down",
    ETOOMANYREFS = "too many references",
    ETIMEDOUT = "timed out",
    ECONNREFUSED = "connection refused",
    ELOOP = "too many symbolic links",
    ENAMETOOLONG = "name too long",
    EHOSTDOWN = "host is down",
    EHOSTUNREACH = "no route to host",
    ENOTEMPTY = "directory not empty",
    EPROCLIM = "too many processes",
    EUSERS = "too many users",
    EDQUOT = "disk quota exceeded",
    ESTALE = "stale file handle",
    EREMOTE = "too many levels of remote in path",
    EBADRPC = "bad RPC structure",
    ERPCMISMATCH = "wrong RPC version",
    EPROGUNAVAIL = "no such RPC program",
    EPROGMISMATCH = "wrong RPC program version",
    EPROCUNAVAIL = "no such RPC procedure",
    ENOLCK = "no locks available",
    ENOSYS = "function not implemented",
    EFTYPE = "wrong file type or format",
    EAUTH = "authentication failed",
    ENEEDAUTH = "authentication needed",
    EPWROFF = "device is powered off",
    EDEVERR = "device error",
    EOVERFLOW = "value too large for its type",
    EBADEXEC = "bad executable or library",
    EBADARCH = "executable for another processor",
    ESHLIBVERS = "wrong library version",
    EBADMACHO = "malformed Mach-O file",
    ECANCELED = "operation cancelled",
    EIDRM = "identifier removed",
    ENOMSG = "no message of that type",
    EILSEQ = "illegal byte sequence",
    ENOATTR = "no such attribute",
    EBADMSG = "bad message",
    EMULTIHOP = "multihop attempted",
    ENODATA = "no message available",
    ENOLINK = "link was severed",
    ENOSR = "out of stream resources",
    ENOSTR = "not a stream",
    EPROTO = "protocol error",
    ETIME = "stream timed out",
    EOPNOTSUPP = "not supported on this socket",
    ENOPOLICY = "no such policy",
    ENOTRECOVERABLE = "state cannot be recovered",
    EOWNERDEAD = "previous owner died",
    EQFULL = "output queue full",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_own_text() {
        let texts: Vec<_> = (1..=106).filter_map(Errno::new).map(text).collect();
        assert_eq!(texts.len(), 106);
        assert!(!texts.contains(&"unknown error"));
        let unique: std::collections::HashSet<_> = texts.iter().collect();
        assert_eq!(unique.len(), texts.len());
    }
}
