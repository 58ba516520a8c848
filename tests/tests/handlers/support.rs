//! A guest's process on the mock, and `xnu!`, which makes a call of it and checks the answer.

use std::cell::RefCell;
use std::ops::Deref;
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::fcntl::{AtFlags, FcntlCommand, OpenFlags};
use xnu_abi::darwin::mman::{Advice, MapFlags, Prot};
use xnu_abi::darwin::resource::RlimitResource;
use xnu_abi::darwin::signal::{SigactionFlags, Signal, SigprocmaskHow};
use xnu_abi::darwin::time::Itimer;
use xnu_abi::darwin::unistd::{AccessFlags, Whence};
use xnu_backend_mock::{Fault, Mock, Plan, Ports};
use xnu_core::registers::{CARRY, Registers};
use xnu_core::table::Class;
use xnu_core::{Call, Context, Kernel, Lkm, Process, Reply, Thread, UserAddr, dispatch};

/// One process with one thread on kernel `K`.
pub(crate) struct Machine<K, L = Ports> {
    pub(crate) process: Process<K, L>,
    pub(crate) thread: RefCell<Thread>,
}

/// A kernel with a mock somewhere behind.
pub(crate) trait HasMock: Kernel {
    fn mock(&self) -> &Mock;
}

impl HasMock for Mock {
    fn mock(&self) -> &Mock {
        self
    }
}

impl<K: HasMock> HasMock for Fault<K> {
    fn mock(&self) -> &Mock {
        self.inner().mock()
    }
}

impl<K: HasMock, L> Deref for Machine<K, L> {
    type Target = Mock;

    fn deref(&self) -> &Mock {
        self.process.kernel.mock()
    }
}

/// A fresh machine: files as [`furnish`] makes them.
pub(crate) fn machine() -> Machine<Mock> {
    let mock = Mock::new(1);
    furnish(&mock);
    let ports = Ports::new(&mock);
    Machine::new(mock, ports)
}

/// The same, where calls fail as planned.
pub(crate) fn failing(plan: Plan) -> Machine<Fault<Mock>> {
    let mock = Mock::new(1);
    furnish(&mock);
    let ports = Ports::new(&mock);
    Machine::new(Fault::new(mock, plan), ports)
}

/// `/tmp/own` (ours, `hello`), `/tmp/theirs` (root's, mode 0600), `/tmp/dir` with `file` in it, the links
/// `/tmp/link` (to `own`), `/tmp/loop` (to itself) and `/tmp/dangling`, and the fifo `/tmp/fifo`.
fn furnish(mock: &Mock) {
    mock.add_file("/tmp/own", b"hello");
    mock.set_owner("/tmp/own", 1000, 1000);
    mock.add_file("/tmp/theirs", b"secret");
    mock.set_mode("/tmp/theirs", 0o600);
    mock.add_dir("/tmp/dir");
    mock.set_owner("/tmp/dir", 1000, 1000);
    mock.add_file("/tmp/dir/file", b"inside");
    mock.set_owner("/tmp/dir/file", 1000, 1000);
    for (path, target) in
        [("/tmp/link", "own"), ("/tmp/loop", "loop"), ("/tmp/dangling", "nowhere"), ("/tmp/dirlink", "dir")]
    {
        mock.add_symlink(path, target);
    }
    mock.add_fifo("/tmp/fifo");
    mock.set_owner("/tmp/fifo", 1000, 1000);
}

/// The thread of a context; these are all trapped ones.
pub(crate) fn thread<'c, K, L>(cx: &'c mut Context<'_, K, L>) -> &'c mut Thread {
    cx.thread.as_deref_mut().expect("a trapped thread")
}

impl<K: Kernel, L: Lkm> Machine<K, L> {
    pub(crate) fn new(kernel: K, lkm: L) -> Machine<K, L> {
        Machine { process: Process::new(kernel, lkm), thread: RefCell::default() }
    }

    /// Runs something with the context that handlers get.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Context<'_, K, L>) -> T) -> T {
        f(&mut Context { process: &self.process, thread: Some(&mut self.thread.borrow_mut()) })
    }

    /// Makes a call, and checks that the registers say the same as the reply.
    pub(crate) fn call(&self, class: Class, number: u32, arguments: &[u64]) -> Reply {
        let mut words = [0; 8];
        words[..arguments.len()].copy_from_slice(arguments);
        let reply = self.with(|cx| Call { class, number, words }.dispatch(cx));
        let before = Registers { rax: 77, rdx: 88, rflags: 0x246, ..Registers::default() };
        let mut after = before;
        let signals = dispatch::reply(Some(class), reply, &mut after);
        match (class, reply) {
            (_, Reply::Unchanged) => assert_eq!((after, signals), (before, false)),
            (Class::Bsd, Reply::Value(first, second)) => {
                assert_eq!((after.rax, after.rdx, after.rflags & CARRY), (first, second, 0));
            }
            (Class::Machdep, Reply::Flagged(word)) => {
                assert_eq!((after.rax, after.rdx, after.rflags & CARRY), (word, 88, 0));
            }
            (Class::Bsd | Class::Machdep, Reply::Error(errno)) => {
                assert_eq!((after.rax, after.rdx, after.rflags & CARRY), (errno.number().into(), 88, CARRY));
            }
            (Class::Bsd, Reply::Invalid) => {
                assert_eq!((after.rax, after.rflags & CARRY, signals), (78, 1, true))
            }
            _ => assert_eq!((after.rdx, after.rflags), (88, 0x246), "Mach calls leave rdx and the flags"),
        }
        reply
    }

    /// The same by name; `_nocancel` twins are served by the same row, which is checked on the way.
    #[track_caller]
    pub(crate) fn by_name(&self, name: &str, arguments: &[u64]) -> Reply {
        let row = dispatch::rows()
            .find(|row| row.name == name)
            .unwrap_or_else(|| panic!("there is no call {name}"));
        assert!(arguments.len() <= row.parameters.len(), "{name} takes {} arguments", row.parameters.len());
        self.call(row.class, row.number, arguments)
    }
}

/// What can stand among the arguments of a call.
pub(crate) trait Word {
    fn word(&self, mock: &Mock) -> u64;
}

macro_rules! plain_words {
    ($($type:ty)*) => {
        $(impl Word for $type {
            fn word(&self, _: &Mock) -> u64 {
                *self as i64 as u64
            }
        })*
    };
}

plain_words!(i32 i64);

macro_rules! unsigned_words {
    ($($type:ty)*) => {
        $(impl Word for $type {
            fn word(&self, _: &Mock) -> u64 {
                *self as u64
            }
        })*
    };
}

unsigned_words!(u32 u64 usize);

impl Word for UserAddr {
    fn word(&self, _: &Mock) -> u64 {
        self.get()
    }
}

/// A string goes into guest memory with a NUL, its last byte before an unmapped page.
impl Word for &str {
    fn word(&self, mock: &Mock) -> u64 {
        mock.place_str(self).get()
    }
}

impl Word for String {
    fn word(&self, mock: &Mock) -> u64 {
        mock.place_str(self).get()
    }
}

/// Bytes go into guest memory as they are.
impl Word for &[u8] {
    fn word(&self, mock: &Mock) -> u64 {
        mock.place(self).get()
    }
}

impl<const N: usize> Word for &[u8; N] {
    fn word(&self, mock: &Mock) -> u64 {
        mock.place(&self[..]).get()
    }
}

impl Word for Vec<u8> {
    fn word(&self, mock: &Mock) -> u64 {
        mock.place(self).get()
    }
}

/// Constants of the ABI under their own names, and as words.
macro_rules! names {
    ($($type:ident . $get:ident { $($name:ident)* })*) => {
        $(
            $(#[allow(dead_code)] pub(crate) const $name: $type = $type::$name;)*
            impl Word for $type {
                fn word(&self, _: &Mock) -> u64 {
                    self.$get() as i64 as u64
                }
            }
        )*
    };
}

names! {
    OpenFlags.bits {
        O_NONBLOCK O_APPEND O_SHLOCK O_EXLOCK O_ASYNC O_SYNC O_NOFOLLOW O_CREAT O_TRUNC O_EXCL O_RESOLVE_BENEATH
        O_EVTONLY O_NOCTTY O_DIRECTORY O_SYMLINK O_DSYNC O_CLOEXEC O_NOFOLLOW_ANY O_EXEC
    }
    AtFlags.bits {
        AT_EACCESS AT_SYMLINK_NOFOLLOW AT_SYMLINK_FOLLOW AT_REMOVEDIR AT_REALDEV AT_FDONLY AT_SYMLINK_NOFOLLOW_ANY
        AT_REMOVEDIR_DATALESS AT_SYSTEM_DISCARDED
    }
    FcntlCommand.number {
        F_DUPFD F_DUPFD_CLOEXEC F_GETFD F_SETFD F_GETFL F_SETFL F_GETOWN F_SETOWN F_GETLK F_SETLK F_SETLKW
        F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW F_FULLFSYNC F_BARRIERFSYNC F_GETPATH F_GETPATH_NOFIRMLINK F_NOCACHE
        F_SETLKWTIMEOUT F_OFD_SETLKWTIMEOUT F_GETLKPID F_NODIRECT F_SINGLE_WRITER F_RDAHEAD F_GLOBAL_NOCACHE
        F_CHECK_OPENEVT F_NOCACHE_EXT F_FREEZE_FS F_THAW_FS F_TRIM_ACTIVE_FILE F_RECYCLE F_ASSERT_BG_ACCESS
        F_RELEASE_BG_ACCESS F_MOVEDATAEXTENTS F_TRANSFEREXTENTS F_SETLEASE F_GETLEASE F_GETPROTECTIONCLASS
        F_SETPROTECTIONCLASS F_FINDSIGS F_GETCODEDIR F_TRANSCODEKEY F_GETPROTECTIONLEVEL F_GETDEFAULTPROTLEVEL
        F_MAKECOMPRESSED F_ADDFILESUPPL F_ATTRIBUTION_TAG F_SETBACKINGSTORE F_CHKCLEAN F_MARKDEPENDENCY
        F_SETSTATICCONTENT F_SET_GREEDY_MODE F_SETIOTYPE F_SETCONFINED F_GETCONFINED F_SETNOSIGPIPE F_GETNOSIGPIPE
        F_FLUSH_DATA F_PREALLOCATE F_PUNCHHOLE F_SETSIZE F_RDADVISE F_SPECULATIVE_READ F_LOG2PHYS F_LOG2PHYS_EXT
        F_PATHPKG_CHECK F_GETPATH_MTMINFO F_OPENFROM F_UNLINKFROM F_ADDSIGS F_ADDFILESIGS F_ADDFILESIGS_RETURN
        F_ADDFILESIGS_FOR_DYLD_SIM F_ADDFILESIGS_INFO F_CHECK_LV F_GETSIGSINFO
    }
    MapFlags.bits {
        MAP_SHARED MAP_PRIVATE MAP_FIXED MAP_NORESERVE MAP_JIT MAP_ANON MAP_RESILIENT_CODESIGN
        MAP_RESILIENT_MEDIA MAP_32BIT MAP_UNIX03 MAP_TPRO
    }
    Prot.bits { PROT_READ PROT_WRITE PROT_EXEC }
    Advice.number {
        MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED MADV_FREE MADV_ZERO_WIRED_PAGES
        MADV_FREE_REUSABLE MADV_FREE_REUSE MADV_CAN_REUSE MADV_PAGEOUT MADV_ZERO
    }
    RlimitResource.number { RLIMIT_CPU RLIMIT_STACK RLIMIT_AS RLIMIT_NOFILE RLIMIT_NPROC RLIMIT_MEMLOCK RLIMIT_CORE }
    Signal.number {
        SIGHUP SIGILL SIGTRAP SIGKILL SIGBUS SIGSEGV SIGSYS SIGPIPE SIGALRM SIGTERM SIGURG SIGSTOP SIGCONT SIGCHLD
        SIGINFO SIGUSR1 SIGUSR2 SIGINT SIGVTALRM SIGPROF
    }
    SigactionFlags.bits {
        SA_ONSTACK SA_RESTART SA_RESETHAND SA_NOCLDSTOP SA_NODEFER SA_NOCLDWAIT SA_SIGINFO
    }
    SigprocmaskHow.number { SIG_BLOCK SIG_UNBLOCK SIG_SETMASK }
    Itimer.number { ITIMER_REAL ITIMER_VIRTUAL ITIMER_PROF }
    AccessFlags.bits {
        R_OK W_OK X_OK _READ_OK _WRITE_OK _EXECUTE_OK _DELETE_OK _APPEND_OK _CHOWN_OK _RMFILE_OK _RATTR_OK _WATTR_OK
        _REXT_OK _WEXT_OK _RPERM_OK _WPERM_OK
    }
    Whence.number { SEEK_SET SEEK_CUR SEEK_END SEEK_HOLE SEEK_DATA }
}

macro_rules! errnos {
    ($($name:ident)*) => {
        $(pub(crate) const $name: Errno = Errno::$name;)*
    };
}

errnos! {
    EPERM ECHILD ENOENT ESRCH EINTR EBADF ENOMEM EACCES EFAULT EEXIST ENODEV ENOTDIR EISDIR EINVAL EMFILE ENOSPC
    ESPIPE EPIPE EAGAIN ENOTSUP ENAMETOOLONG ELOOP ENOTEMPTY ENOSYS ENXIO
    EAFNOSUPPORT EPROTOTYPE EPROTONOSUPPORT EADDRINUSE EADDRNOTAVAIL ENOTSOCK ENOTCONN EISCONN ECONNREFUSED
    EDESTADDRREQ EMSGSIZE ENOPROTOOPT EDOM EINPROGRESS
    ENOTTY EOPNOTSUPP EXDEV EBUSY EOVERFLOW ETIMEDOUT EFBIG ERANGE EBADEXEC EBADARCH ENOEXEC ETXTBSY
    E2BIG ENOATTR
}

/// Access modes are numbers in the lowest bits of the flags.
pub(crate) const O_RDONLY: OpenFlags = OpenFlags::empty();
pub(crate) const O_WRONLY: OpenFlags = OpenFlags::from_bits_retain(1);
pub(crate) const O_RDWR: OpenFlags = OpenFlags::from_bits_retain(2);
pub(crate) const AT_FDCWD: i32 = -2;
pub(crate) const F_OK: u32 = 0;
pub(crate) const INT_MAX: u64 = i32::MAX as u64;
pub(crate) const PAGE: u64 = 4096;
/// For pointers that are not wanted.
pub(crate) const NULL: u64 = 0;

/// What a call is expected to answer.
pub(crate) trait Answer {
    fn reply(self) -> Reply;
}

impl Answer for Errno {
    fn reply(self) -> Reply {
        Reply::Error(self)
    }
}

impl Answer for Reply {
    fn reply(self) -> Reply {
        self
    }
}

impl Answer for i32 {
    fn reply(self) -> Reply {
        Reply::Value(self as i64 as u64, 0)
    }
}

impl Answer for u64 {
    fn reply(self) -> Reply {
        Reply::Value(self, 0)
    }
}

impl Answer for UserAddr {
    fn reply(self) -> Reply {
        Reply::Value(self.get(), 0)
    }
}

impl Answer for (i32, i32) {
    fn reply(self) -> Reply {
        Reply::Value(self.0 as u64, self.1 as u64)
    }
}

/// The first word of a call that must succeed.
#[track_caller]
pub(crate) fn value(reply: Reply) -> u64 {
    match reply {
        Reply::Value(first, _) => first,
        other => panic!("{other:?}"),
    }
}

/// `xnu!(k, open("/tmp/own", O_RDWR) => 3)`, `xnu!(k, close(9) => EBADF)`, `let reply = xnu!(k, getpid())`.
macro_rules! xnu {
    ($machine:expr, $name:ident($($argument:expr),* $(,)?) => $want:expr) => {{
        let got = xnu!($machine, $name($($argument),*));
        let want = $crate::support::Answer::reply($want);
        assert_eq!(got, want, "{}", stringify!($name($($argument),*)));
    }};
    ($machine:expr, $name:ident($($argument:expr),* $(,)?)) => {
        $machine.by_name(
            stringify!($name),
            &[$($crate::support::Word::word(&$argument, &$machine)),*],
        )
    };
}
pub(crate) use xnu;

/// Addresses where nothing can be read or written: null, the first and the last unmapped page, the kernel's half,
/// and one that is not canonical.
pub(crate) const NOWHERE: [u64; 6] =
    [0, 0x1000, 0x7fff_ffff_f000, 0x8000_0000_0000, 0xffff_8000_0000_0000, u64::MAX - 3];

/// Checks that argument `index` of a call is `EFAULT` wherever `size` bytes cannot all be read (and written, where
/// `written`). `nullable` says that a null pointer is no pointer.
#[track_caller]
pub(crate) fn faults(
    machine: &Machine<Mock>,
    name: &str,
    words: &[u64],
    index: usize,
    size: usize,
    kind: Pointer,
) {
    let try_at = |at: u64, what: &str| {
        let mut words = words.to_vec();
        words[index] = at;
        let before = machine.descriptors();
        let reply = machine.by_name(name, &words);
        assert_eq!(reply, Reply::Error(EFAULT), "{name}: argument {index} is {what} ({at:#x})");
        assert_eq!(machine.descriptors(), before, "{name}: {what}");
    };
    for at in NOWHERE {
        if at != 0 || !kind.nullable {
            try_at(at, "nowhere");
        }
    }
    if size > 1 {
        let short = machine.alloc_guarded(size - 1);
        machine.poke(short, &vec![b'a'; size - 1]);
        try_at(short.get(), "too short by a byte");
    }
    if kind.written {
        let read_only = machine.alloc(size);
        machine.protect(read_only, size, 1);
        try_at(read_only.get(), "read-only");
        assert_eq!(machine.peek(read_only, size), vec![0; size]);
    }
    let hidden = machine.alloc(size);
    machine.protect(hidden, size, 0);
    try_at(hidden.get(), "without any right");
}

/// What is known of a pointer argument.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pointer {
    pub(crate) written: bool,
    pub(crate) nullable: bool,
}

pub(crate) const IN: Pointer = Pointer { written: false, nullable: false };
pub(crate) const OUT: Pointer = Pointer { written: true, nullable: false };
pub(crate) const IN_OR_NULL: Pointer = Pointer { written: false, nullable: true };
pub(crate) const OUT_OR_NULL: Pointer = Pointer { written: true, nullable: true };

/// Paths at the limits: what a call answers for each, where a file of a name that is short enough does not exist.
#[track_caller]
pub(crate) fn path_limits(machine: &Machine<Mock>, name: &str, words: &[u64], index: usize) {
    let component = |length: usize| format!("/tmp/{}", "c".repeat(length));
    // Slashes lengthen a path without a component's limit getting in the way.
    let path = |length: usize| format!("{}nofile", "/".repeat(length - 6));
    let cases = [
        (String::new(), ENOENT),
        (component(255), ENOENT),
        (component(256), ENAMETOOLONG),
        (path(1022), ENOENT),
        (path(1023), ENOENT),
        (path(1024), ENAMETOOLONG),
        (path(1025), ENAMETOOLONG),
        (path(5000), ENAMETOOLONG),
        ("/tmp/own/below".to_string(), ENOTDIR),
        ("/tmp/loop/below".to_string(), ELOOP),
        ("/nodir/file".to_string(), ENOENT),
    ];
    for (path, errno) in cases {
        let mut words = words.to_vec();
        words[index] = machine.place_str(&path).get();
        let reply = machine.by_name(name, &words);
        let shown = if path.len() > 60 { format!("{} bytes", path.len()) } else { path };
        assert_eq!(reply, Reply::Error(errno), "{name}: {shown}");
    }
    // A path that has no end before the memory does.
    let endless = machine.place(&[b'a'; 300]);
    let mut words = words.to_vec();
    words[index] = endless.get();
    assert_eq!(machine.by_name(name, &words), Reply::Error(EFAULT), "{name}: no terminator");
}

/// The same for a call that makes what has the path: where the length allows it, it does.
#[track_caller]
pub(crate) fn path_limits_of_new(machine: &Machine<Mock>, name: &str, words: &[u64], index: usize) {
    let cases = [
        (String::new(), Reply::Error(ENOENT)),
        (format!("/tmp/{}", "n".repeat(255)), Reply::Value(0, 0)),
        (format!("/tmp/{}", "n".repeat(256)), Reply::Error(ENAMETOOLONG)),
        (format!("{}tmp/new-and-long", "/".repeat(1023 - 16)), Reply::Value(0, 0)),
        (format!("{}tmp/new-and-longer", "/".repeat(1024 - 18)), Reply::Error(ENAMETOOLONG)),
        ("/tmp/own/below".to_string(), Reply::Error(ENOTDIR)),
        ("/tmp/loop/below".to_string(), Reply::Error(ELOOP)),
        ("/nodir/file".to_string(), Reply::Error(ENOENT)),
    ];
    for (path, expected) in cases {
        let mut words = words.to_vec();
        words[index] = machine.place_str(&path).get();
        let shown = if path.len() > 60 { format!("{} bytes", path.len()) } else { path };
        assert_eq!(machine.by_name(name, &words), expected, "{name}: {shown}");
    }
}

/// Bytes of numbers, as the guest lays them out.
pub(crate) fn bytes<const N: usize>(words: [u64; N]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A little-endian number out of guest memory.
pub(crate) fn number(machine: &Mock, at: UserAddr, offset: u64, size: usize) -> u64 {
    let mut word = [0; 8];
    word[..size].copy_from_slice(&machine.peek(UserAddr::new(at.get() + offset), size));
    u64::from_le_bytes(word)
}

/// A word whose lower half is `low` and whose upper half is rubbish.
pub(crate) fn dirty(low: i32) -> u64 {
    0xdead_beef_0000_0000 | u64::from(low as u32)
}

/// A `struct __sigaction`: handler, trampoline (`0x7000`), mask and flags.
pub(crate) fn action(handler: u64, mask: u32, flags: u32) -> Vec<u8> {
    bytes([handler, 0x7000, u64::from(mask) | u64::from(flags) << 32])
}

/// A `struct kauth_filesec` up to its entries, with room for two.
pub(crate) fn filesec(magic: u32, entries: u32) -> Vec<u8> {
    let mut header = vec![0; 44 + 2 * 24];
    header[..4].copy_from_slice(&magic.to_le_bytes());
    header[36..40].copy_from_slice(&entries.to_le_bytes());
    header
}

/// What `stat64` says of a path, links not followed: mode, owner and group.
pub(crate) fn mode_and_owner(k: &Machine<Mock>, path: &str) -> (u64, u64, u64) {
    let buf = k.alloc(144);
    xnu!(k, lstat64(path, buf) => 0);
    (number(k, buf, 4, 2) & 0o7777, number(k, buf, 16, 4), number(k, buf, 20, 4))
}

/// A `struct sockaddr_un` that is as long as it says, without a terminator.
pub(crate) fn local_address(path: &str) -> Vec<u8> {
    [&[path.len() as u8 + 2, 1], path.as_bytes()].concat()
}

/// A `struct sockaddr_in` of the loopback.
pub(crate) fn loopback(port: u16) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    vec![16, 2, high, low, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// A `struct msghdr` of one piece, with a name and control messages where there are any.
pub(crate) fn message(
    k: &Mock,
    buf: UserAddr,
    length: u64,
    name: (u64, u32),
    control: (u64, u32),
) -> Vec<u8> {
    let iov = k.place(&bytes([buf.get(), length])).get();
    bytes([name.0, name.1.into(), iov, 1, control.0, control.1.into()])
}

/// A list of descriptors as a control message.
pub(crate) fn rights(descriptors: &[i32]) -> Vec<u8> {
    let header = [12 + 4 * descriptors.len() as i32, 0xffff, 1];
    header.iter().chain(descriptors).flat_map(|word| word.to_le_bytes()).collect()
}

/// A `struct attrlist`.
pub(crate) fn attribute_list(common: u32, volume: u32, directory: u32, file: u32, extended: u32) -> Vec<u8> {
    [5, common, volume, directory, file, extended].iter().flat_map(|set| set.to_le_bytes()).collect()
}
