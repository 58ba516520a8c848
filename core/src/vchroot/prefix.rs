//! The prefix: which directory is a process's root, and by which rules.

use super::handle::Handle;
use crate::kernel::Kernel;
use crate::linux::{self, LinuxFd, LinuxResult};
use crate::user::UserAddr;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use xnu_abi::linux::{Errno, Statx, flags};

/// The rules of a prefix.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Options {
    /// Names are found whatever their case and Unicode normal form, as on a macOS volume. A name that exists as
    /// it is spelled is found first.
    pub case_insensitive: bool,
    /// `/Volumes/SystemRoot` leads out to Linux's root. Without it the prefix is sealed: no path leads out.
    ///
    /// Paths by way of links are quickest where that is really a link to itself: then Linux tells the exit from what is
    /// missing.
    pub root_exit: bool,
}

/// What is really there where the exit is: how an `openat2` that comes by there ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Covered {
    /// There is no exit.
    Sealed,
    /// Nothing: with `ENOENT`.
    Nothing,
    /// A link to itself: with `ELOOP`.
    Marker,
    /// An empty directory: with `ENOENT`, or there.
    Empty,
    /// Anything else: somewhere below.
    Full,
}

const CASE_INSENSITIVE: u32 = 1;
const ROOT_EXIT: u32 = 2;
/// What is really there where the exit is.
const MARKED: u32 = 4;
const EMPTY: u32 = 8;
const FULL: u32 = 16;
/// This kernel, or a filter, refuses `openat2`.
const NO_OPENAT2: u32 = 32;

static INSTANCES: AtomicU32 = AtomicU32::new(0);

/// No prefix: the process's root is Linux's.
const NONE: i32 = i32::MIN;

/// The prefix of a process. Set before the process has threads, read by all of them.
///
/// The directory is known by a descriptor, so it stays the root when it is renamed. The guest cannot name that
/// descriptor: every call answers `EBADF` for it.
#[derive(Debug)]
pub struct Vchroot {
    directory: AtomicI32,
    rules: AtomicU32,
    root: KeptIdentity,
    host: KeptIdentity,
    /// The directory that the exit covers.
    covered: KeptIdentity,
    /// Tells this prefix from others of the same program.
    instance: AtomicU32,
    /// Bytes of the path that led to the prefix when it was last looked at.
    pub(super) path_length: AtomicU32,
    /// How many look-ups are still expected to meet a link, since one did.
    expected_links: AtomicU32,
}

impl Vchroot {
    /// No prefix.
    pub(crate) const fn new() -> Vchroot {
        Vchroot {
            directory: AtomicI32::new(NONE),
            rules: AtomicU32::new(0),
            root: KeptIdentity::new(),
            host: KeptIdentity::new(),
            covered: KeptIdentity::new(),
            instance: AtomicU32::new(0),
            path_length: AtomicU32::new(0),
            expected_links: AtomicU32::new(0),
        }
    }

    /// Whether this is the prefix's own descriptor, which the guest does not have.
    #[inline(always)]
    pub fn keeps(&self, descriptor: i32) -> bool {
        descriptor >= 0 && self.directory.load(Ordering::Relaxed) == descriptor
    }

    /// The prefix's own descriptor, if there is one.
    pub fn kept(&self) -> Option<i32> {
        Some(self.directory.load(Ordering::Relaxed)).filter(|directory| *directory >= 0)
    }

    pub(super) fn instance(&self) -> u32 {
        self.instance.load(Ordering::Relaxed)
    }

    /// Whether there is a prefix.
    #[inline(always)]
    pub fn is_set(&self) -> bool {
        self.directory.load(Ordering::Relaxed) >= 0
    }

    /// The rules in force.
    pub fn options(&self) -> Options {
        Options { case_insensitive: self.has(CASE_INSENSITIVE), root_exit: self.has(ROOT_EXIT) }
    }

    /// Whether the next look-up is expected to meet a link. Threads may count wrongly here: it is a guess.
    #[inline(always)]
    pub(super) fn expects_links(&self) -> bool {
        let left = self.expected_links.load(Ordering::Relaxed);
        if left > 0 {
            self.expected_links.store(left.wrapping_sub(1), Ordering::Relaxed);
        }
        left > 0
    }

    /// A look-up has met a link: the next ones may.
    #[cold]
    pub(super) fn saw_link(&self) {
        /// A wrong guess costs one call more: so it does little.
        const NEXT: u32 = 64;
        self.expected_links.store(NEXT, Ordering::Relaxed);
    }

    fn has(&self, rule: u32) -> bool {
        self.rules.load(Ordering::Relaxed) & rule != 0
    }

    /// Makes a directory the root. The descriptor stays the caller's, who may close it; Linux's own root means no
    /// prefix at all.
    ///
    /// # Errors
    /// `ENOTDIR`, `EBADF`; `EMFILE` where no number is left for the copy that is kept.
    pub(crate) fn set<K: Kernel>(&self, kernel: &K, directory: LinuxFd, options: Options) -> LinuxResult<()> {
        let root = Identity::of(kernel, directory)?;
        if !root.is_directory {
            return Err(Errno::ENOTDIR);
        }
        let host = Identity::at(kernel, LinuxFd::CWD, b"/\0")?;
        let before = self.directory.load(Ordering::Relaxed);
        if root == host {
            self.directory.store(NONE, Ordering::Release);
        } else {
            let number = linux::descriptor::fcntl(
                kernel,
                directory,
                flags::F_DUPFD_CLOEXEC,
                i64::from(lowest_number(kernel)),
            )?;
            let kept = LinuxFd(number);
            let rules = find_rules(kernel, kept, options);
            if let Ok(covered) = Identity::at(kernel, kept, COVERED) {
                self.covered.set(covered);
            }
            self.rules.store(rules, Ordering::Relaxed);
            self.instance.store(INSTANCES.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
            self.path_length.store(0, Ordering::Relaxed);
            self.expected_links.store(0, Ordering::Relaxed);
            self.root.set(root);
            self.host.set(host);
            self.directory.store(number, Ordering::Release);
        }
        close(kernel, before);
        Ok(())
    }

    /// No prefix any more.
    pub(crate) fn clear<K: Kernel>(&self, kernel: &K) {
        close(kernel, self.directory.swap(NONE, Ordering::AcqRel));
    }
}

/// Closes the descriptor of a prefix, if it is one.
fn close<K: Kernel>(kernel: &K, directory: i32) {
    if directory >= 0 {
        // It was ours alone: closing it cannot fail in a way that matters.
        let _ = linux::descriptor::close(kernel, LinuxFd(directory));
    }
}

/// A high number, out of the way of a program that counts on the lowest ones. Not as high as the limit allows, since
/// Linux's table of descriptors is as long as its highest number.
fn lowest_number<K: Kernel>(kernel: &K) -> i32 {
    const HIGH: u64 = 1000;
    const BELOW_LIMIT: u64 = 24;
    let limit =
        linux::process::prlimit(kernel, flags::RLIMIT_NOFILE, None).map_or(0, |limits| limits.current);
    limit.saturating_sub(BELOW_LIMIT).min(HIGH) as i32
}

fn find_rules<K: Kernel>(kernel: &K, root: LinuxFd, options: Options) -> u32 {
    let mut rules = 0;
    if options.case_insensitive {
        rules |= CASE_INSENSITIVE;
    }
    if openat2_is_refused(kernel, root) {
        rules |= NO_OPENAT2;
    }
    if options.root_exit {
        rules |= ROOT_EXIT | covered(kernel, root);
    }
    rules
}

/// Where the exit is, from the prefix.
const COVERED: &[u8] = b"Volumes/SystemRoot\0";

/// Looks at what is really there where the exit is.
fn covered<K: Kernel>(kernel: &K, root: LinuxFd) -> u32 {
    const ITSELF: &[u8] = b"SystemRoot";
    let mut target = [0; ITSELF.len() + 1];
    match linux::name::readlinkat_own(kernel, root, COVERED, &mut target) {
        Ok(length) if target.get(..length) == Some(ITSELF) => return MARKED,
        Ok(_) => return FULL,
        Err(Errno::ENOENT | Errno::ENOTDIR) => return 0,
        Err(_) => {}
    }
    let flags = flags::O_DIRECTORY | flags::O_NOFOLLOW | flags::O_CLOEXEC;
    let Ok(directory) = linux::descriptor::openat(kernel, root, COVERED, flags, 0) else { return FULL };
    let directory = Handle::owned(kernel, directory);
    let mut entries = [0; 512];
    let (mut count, mut ended) = (0u32, false);
    if let Ok(length) = linux::path::getdents64(kernel, directory.file(), &mut entries) {
        let mut rest = entries.get(..length).unwrap_or_default();
        while let Some((_, after)) = super::index::next_entry(rest) {
            rest = after;
            count = count.wrapping_add(1);
        }
        ended = linux::path::getdents64(kernel, directory.file(), &mut entries) == Ok(0);
    }
    // Itself and its parent.
    if ended && count <= 2 { EMPTY } else { FULL }
}

/// Whether the kernel or a filter refuses the call itself, and not what it was asked for.
fn openat2_is_refused<K: Kernel>(kernel: &K, root: LinuxFd) -> bool {
    let how = linux::descriptor::OpenHow {
        flags: u64::from(flags::O_PATH | flags::O_CLOEXEC),
        mode: 0,
        resolve: u64::from(flags::RESOLVE_IN_ROOT),
    };
    match linux::descriptor::openat2(kernel, root, b".\0", &how) {
        Ok(probe) => {
            drop(Handle::owned(kernel, probe));
            false
        }
        Err(error) => matches!(error, Errno::ENOSYS | Errno::EPERM),
    }
}

/// Which object it is, whatever its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    mount: u64,
    pub(crate) is_directory: bool,
}

impl Identity {
    const MASK: u32 = flags::STATX_TYPE | flags::STATX_INO | flags::STATX_MNT_ID;

    /// Of an open file.
    pub(crate) fn of<K: Kernel>(kernel: &K, file: LinuxFd) -> LinuxResult<Identity> {
        Identity::look(kernel, file, b"\0", flags::AT_EMPTY_PATH)
    }

    /// Of what a path leads to on the host.
    pub(crate) fn at<K: Kernel>(kernel: &K, directory: LinuxFd, path: &[u8]) -> LinuxResult<Identity> {
        Identity::look(kernel, directory, path, 0)
    }

    /// The same, of a link at the end of the path itself.
    pub(crate) fn at_link<K: Kernel>(kernel: &K, path: &[u8]) -> LinuxResult<Identity> {
        Identity::look(kernel, LinuxFd::CWD, path, flags::AT_SYMLINK_NOFOLLOW)
    }

    /// Apart, since much is told and little kept.
    #[inline(never)]
    fn look<K: Kernel>(kernel: &K, directory: LinuxFd, path: &[u8], how: u32) -> LinuxResult<Identity> {
        linux::path::statx_some(kernel, directory, path, how, Identity::MASK).map(Identity::new)
    }

    /// The same, of a path that is named by its address.
    #[inline(never)]
    pub(crate) fn at_address<K: Kernel>(kernel: &K, path: UserAddr) -> LinuxResult<Identity> {
        let nofollow = flags::AT_SYMLINK_NOFOLLOW;
        linux::path::statx_at(kernel, path, nofollow, Identity::MASK).map(Identity::new)
    }

    /// Whether it is the same file, through whatever mount.
    pub(crate) fn is_same_inode(&self, other: &Identity) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    fn new(stat: Statx) -> Identity {
        let mount = if stat.stx_mask & flags::STATX_MNT_ID != 0 { stat.stx_mnt_id } else { 0 };
        Identity {
            device: u64::from(stat.stx_dev_major) << 32 | u64::from(stat.stx_dev_minor),
            inode: stat.stx_ino,
            mount,
            is_directory: u32::from(stat.stx_mode) & flags::S_IFMT == flags::S_IFDIR,
        }
    }
}

/// The identity of a directory, for all threads to read.
#[derive(Debug)]
struct KeptIdentity {
    device: AtomicU64,
    inode: AtomicU64,
    mount: AtomicU64,
}

impl KeptIdentity {
    const fn new() -> KeptIdentity {
        KeptIdentity { device: AtomicU64::new(0), inode: AtomicU64::new(0), mount: AtomicU64::new(0) }
    }

    fn set(&self, identity: Identity) {
        self.device.store(identity.device, Ordering::Relaxed);
        self.inode.store(identity.inode, Ordering::Relaxed);
        self.mount.store(identity.mount, Ordering::Relaxed);
    }

    fn get(&self) -> Identity {
        Identity {
            device: self.device.load(Ordering::Relaxed),
            inode: self.inode.load(Ordering::Relaxed),
            mount: self.mount.load(Ordering::Relaxed),
            is_directory: true,
        }
    }
}

/// What a resolution works with: Linux and the prefix.
pub struct Lookup<'a, K: Kernel> {
    /// Linux.
    pub(crate) kernel: &'a K,
    pub(crate) state: &'a Vchroot,
    /// The prefix.
    pub(crate) root: LinuxFd,
}

impl<K: Kernel> Clone for Lookup<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kernel> Copy for Lookup<'_, K> {}

impl<'a, K: Kernel> Lookup<'a, K> {
    /// For paths of the process with this prefix; `None` where its root is Linux's.
    #[inline]
    pub fn new(kernel: &'a K, state: &'a Vchroot) -> Option<Lookup<'a, K>> {
        let directory = state.directory.load(Ordering::Acquire);
        if directory < 0 { None } else { Some(Lookup { kernel, state, root: LinuxFd(directory) }) }
    }

    pub(crate) fn is_case_insensitive(&self) -> bool {
        self.state.has(CASE_INSENSITIVE)
    }

    pub(crate) fn has_exit(&self) -> bool {
        self.state.has(ROOT_EXIT)
    }

    /// What the exit covers, which a path must not find.
    pub(crate) fn covered(&self) -> Covered {
        match self.state.rules.load(Ordering::Relaxed) {
            rules if rules & ROOT_EXIT == 0 => Covered::Sealed,
            rules if rules & MARKED != 0 => Covered::Marker,
            rules if rules & EMPTY != 0 => Covered::Empty,
            rules if rules & FULL != 0 => Covered::Full,
            _ => Covered::Nothing,
        }
    }

    pub(crate) fn may_use_openat2(&self) -> bool {
        !self.state.has(NO_OPENAT2)
    }

    /// Whether `ENOSYS` or `EPERM` of `openat2` is the answer for every path; then it is not asked again.
    #[cold]
    pub(crate) fn openat2_is_gone(&self, error: Errno) -> bool {
        let gone = error == Errno::ENOSYS || openat2_is_refused(self.kernel, self.root);
        if gone {
            self.state.rules.fetch_or(NO_OPENAT2, Ordering::Relaxed);
        }
        gone
    }

    /// The prefix's own identity.
    pub(crate) fn root_identity(&self) -> Identity {
        self.state.root.get()
    }

    /// Whether an open file is the prefix.
    pub(crate) fn is_root(&self, file: LinuxFd) -> bool {
        Identity::of(self.kernel, file) == Ok(self.root_identity())
    }

    /// That of the directory that the exit covers.
    pub(crate) fn covered_identity(&self) -> Identity {
        self.state.covered.get()
    }

    /// That of Linux's root.
    pub(crate) fn host_identity(&self) -> Identity {
        self.state.host.get()
    }

    /// The prefix as a place to start from.
    pub(crate) fn root_handle(&self) -> Handle<'a, K> {
        Handle::borrowed(self.kernel, self.root)
    }
}
