//! Calls in two forms: libc's, and the guest's.

use std::ffi::{CStr, CString};
use xnu_abi::{darwin, linux};
use xnu_backend_linux::Linux;
use xnu_backend_mock::Module;
use xnu_core::{Call as Trap, Context, Process, Reply, Thread, bsd};

/// What came of a call: `0` or the name of the error, and what it told.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) outcome: String,
    pub(crate) told: Vec<u64>,
}

/// A call, given a path.
pub(crate) struct Call {
    pub(crate) name: &'static str,
    native: fn(&CStr) -> (i64, Vec<u64>),
    emulated: fn(&CStr) -> (Reply, Vec<u64>),
}

/// Runs libc's form.
pub(crate) fn run_native(call: &Call, path: &str) -> Seen {
    let path = CString::new(path).expect("no NUL in it");
    let (result, told) = (call.native)(&path);
    if result >= 0 {
        return Seen { outcome: "0".into(), told };
    }
    let number = std::io::Error::last_os_error().raw_os_error().expect("an error") as u16;
    let errno = linux::Errno::new(number).expect("Linux has names for its errors");
    let outcome = match errno {
        // Two names in one table: which is meant is the call's to know.
        linux::Errno::ENODATA => "ENODATA".into(),
        other => format!("{}", xnu_core::convert::errno::errno(other)),
    };
    Seen { outcome, told: Vec::new() }
}

/// Runs the guest's form.
pub(crate) fn run_emulated(call: &Call, path: &str) -> Seen {
    let path = CString::new(path).expect("no NUL in it");
    match (call.emulated)(&path) {
        (Reply::Value(..), told) => Seen { outcome: "0".into(), told },
        (Reply::Error(errno), _) => Seen { outcome: format!("{errno}"), told: Vec::new() },
        (other, _) => panic!("{other:?}"),
    }
}

/// Makes a guest's call by its name.
pub(crate) fn guest(name: &str, arguments: &[u64]) -> Reply {
    let row = bsd::rows().find(|row| row.name == name).expect("a call of this name");
    let process = Process::new(Linux::new(), Module::new());
    let mut words = [0; 8];
    words[..arguments.len()].copy_from_slice(arguments);
    let trap = Trap { class: row.class, number: row.number, words };
    trap.dispatch(&mut Context { process: &process, thread: Some(&mut Thread::default()) })
}

fn word(path: &CStr) -> u64 {
    path.as_ptr() as u64
}

const KEEP: u32 = u32::MAX;
const NAME: &CStr = c"user.there";
const GUEST_NAME: &CStr = c"there";
const VALUE: &[u8] = b"other";

/// A call whose words are the path's and numbers, and that tells nothing.
macro_rules! plain {
    ($name:literal, $guest:literal($($argument:expr),*), |$path:ident| $native:expr) => {
        Call {
            name: $name,
            // SAFETY: the path ends with its NUL and lives until the call returns.
            native: |$path: &CStr| (i64::from(unsafe { $native }), Vec::new()),
            emulated: |path: &CStr| (guest($guest, &[word(path), $($argument as u64),*]), Vec::new()),
        }
    };
}

fn stat_native(path: &CStr, follow: bool) -> (i64, Vec<u64>) {
    // SAFETY: all zero is a value of the structure, which is as long as the call expects.
    let (result, stat) = unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        let call = if follow { libc::stat } else { libc::lstat };
        (call(path.as_ptr(), &mut stat), stat)
    };
    let size = if stat.st_mode & libc::S_IFMT == libc::S_IFDIR { 0 } else { stat.st_size };
    let told = [stat.st_mode.into(), stat.st_nlink, stat.st_uid.into(), stat.st_gid.into(), size as u64];
    (result.into(), told.to_vec())
}

fn stat_emulated(name: &str, path: &CStr) -> (Reply, Vec<u64>) {
    let mut stat = [0u8; 144];
    let reply = guest(name, &[word(path), stat.as_mut_ptr() as u64]);
    let field = |at: usize, size: usize| {
        let mut bytes = [0; 8];
        bytes[..size].copy_from_slice(&stat[at..at + size]);
        u64::from_le_bytes(bytes)
    };
    let is_directory = field(4, 2) & 0o170000 == 0o040000;
    let size = if is_directory { 0 } else { field(96, 8) };
    (reply, vec![field(4, 2), field(6, 2), field(16, 4), field(20, 4), size])
}

/// The mode as it is, which `chmod` is then told again.
fn mode(path: &CStr) -> u32 {
    stat_native(path, true).1[0] as u32
}

fn owner(path: &CStr) -> (u32, u32) {
    let (_, told) = stat_native(path, true);
    (told[2] as u32, told[3] as u32)
}

const NATIVE_TIMES: [libc::timeval; 2] =
    [libc::timeval { tv_sec: 100, tv_usec: 5 }, libc::timeval { tv_sec: 200, tv_usec: 7 }];
static GUEST_TIMES: [u64; 4] = [100, 5, 200, 7];

fn get_native(path: &CStr, follow: bool) -> (i64, Vec<u64>) {
    let mut value = [0u8; 16];
    // SAFETY: strings end with their NUL, the buffer is as long as said.
    let length = unsafe {
        let call = if follow { libc::getxattr } else { libc::lgetxattr };
        call(path.as_ptr(), NAME.as_ptr(), value.as_mut_ptr().cast(), value.len())
    };
    let told = value.map(u64::from).to_vec();
    (length as i64, told)
}

fn get_emulated(path: &CStr, options: u64) -> (Reply, Vec<u64>) {
    let mut value = [0u8; 16];
    let to = value.as_mut_ptr() as u64;
    let reply = guest("getxattr", &[word(path), word(GUEST_NAME), to, 16, 0, options]);
    (reply, value.map(u64::from).to_vec())
}

fn set_native(path: &CStr, follow: bool, flags: i32) -> (i64, Vec<u64>) {
    // SAFETY: strings end with their NUL, the value is as long as said.
    let result = unsafe {
        let call = if follow { libc::setxattr } else { libc::lsetxattr };
        call(path.as_ptr(), NAME.as_ptr(), VALUE.as_ptr().cast(), VALUE.len(), flags)
    };
    (result.into(), Vec::new())
}

fn set_emulated(path: &CStr, options: u64) -> (Reply, Vec<u64>) {
    let words = [word(path), word(GUEST_NAME), VALUE.as_ptr() as u64, VALUE.len() as u64, 0, options];
    (guest("setxattr", &words), Vec::new())
}

fn list_native(path: &CStr) -> (i64, Vec<u64>) {
    let mut names = [0u8; 256];
    // SAFETY: the path ends with its NUL, the buffer is as long as said.
    let length = unsafe { libc::listxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    let shown = names.split(|byte| *byte == 0).filter(|name| name.starts_with(b"user."));
    (length as i64, vec![shown.map(|name| name.len() as u64 - 5 + 1).sum()])
}

fn list_emulated(path: &CStr) -> (Reply, Vec<u64>) {
    let mut names = [0u8; 256];
    let reply = guest("listxattr", &[word(path), names.as_mut_ptr() as u64, 256, 0]);
    let length = if let Reply::Value(length, _) = reply { length } else { 0 };
    (reply, vec![length])
}

fn statfs_native(path: &CStr) -> (i64, Vec<u64>) {
    // SAFETY: all zero is a value of the structure, which is as long as the call expects.
    let (result, statfs) = unsafe {
        let mut statfs: libc::statfs = std::mem::zeroed();
        (libc::statfs(path.as_ptr(), &mut statfs), statfs)
    };
    (result.into(), vec![statfs.f_frsize as u64, statfs.f_blocks, statfs.f_files])
}

fn statfs_emulated(path: &CStr) -> (Reply, Vec<u64>) {
    let mut statfs = [0u8; 2168];
    let reply = guest("statfs64", &[word(path), statfs.as_mut_ptr() as u64]);
    let field = |at: usize| u64::from_le_bytes(statfs[at..at + 8].try_into().expect("eight bytes"));
    (reply, vec![field(0) & 0xffff_ffff, field(8), field(32)])
}

/// Owner, mode and size by an attribute list.
fn list_of_attributes(path: &CStr) -> (Reply, Vec<u64>) {
    // Links, then owner, group and mode.
    let list: [u32; 6] = [5, 0x3_8000, 0, 0, 0, 0];
    let mut values = [0u32; 4];
    let (list, to) = (list.as_ptr() as u64, values.as_mut_ptr() as u64);
    let reply = guest("getattrlist", &[word(path), list, to, 16, 0]);
    let [_, uid, gid, mode] = values.map(u64::from);
    (reply, vec![mode, uid, gid])
}

pub(crate) const CALLS: &[Call] = &[
    plain!("chmod 600", "chmod"(0o600), |path| libc::chmod(path.as_ptr(), 0o600)),
    plain!("chmod 6755", "chmod"(0o6755), |path| libc::chmod(path.as_ptr(), 0o6755)),
    Call {
        name: "chmod as it is",
        // SAFETY: the path ends with its NUL.
        native: |path| (unsafe { libc::chmod(path.as_ptr(), mode(path) & 0o7777) }.into(), Vec::new()),
        emulated: |path| (guest("chmod", &[word(path), u64::from(mode(path) & 0o7777)]), Vec::new()),
    },
    plain!("chown", "chown"(1000, 1000), |path| libc::chown(path.as_ptr(), 1000, 1000)),
    plain!("chown group", "chown"(KEEP, 1000), |path| libc::chown(path.as_ptr(), KEEP, 1000)),
    plain!("chown away", "chown"(0, KEEP), |path| libc::chown(path.as_ptr(), 0, KEEP)),
    plain!("chown nothing", "chown"(KEEP, KEEP), |path| libc::chown(path.as_ptr(), KEEP, KEEP)),
    Call {
        name: "chown to owner",
        native: |path| {
            let (uid, gid) = owner(path);
            // SAFETY: the path ends with its NUL.
            (unsafe { libc::chown(path.as_ptr(), uid, gid) }.into(), Vec::new())
        },
        emulated: |path| {
            let (uid, gid) = owner(path);
            (guest("chown", &[word(path), uid.into(), gid.into()]), Vec::new())
        },
    },
    plain!("lchown", "lchown"(1000, 1000), |path| libc::lchown(path.as_ptr(), 1000, 1000)),
    plain!("utimes", "utimes"(GUEST_TIMES.as_ptr()), |path| {
        libc::utimes(path.as_ptr(), NATIVE_TIMES.as_ptr())
    }),
    plain!("utimes now", "utimes"(0), |path| libc::utimes(path.as_ptr(), std::ptr::null())),
    plain!("truncate", "truncate"(3), |path| libc::truncate(path.as_ptr(), 3)),
    plain!("truncate longer", "truncate"(9), |path| libc::truncate(path.as_ptr(), 9)),
    plain!("truncate less than nothing", "truncate"(-1i64), |path| libc::truncate(path.as_ptr(), -1)),
    Call {
        name: "stat",
        native: |path| stat_native(path, true),
        emulated: |path| stat_emulated("stat64", path),
    },
    Call {
        name: "lstat",
        native: |path| stat_native(path, false),
        emulated: |path| stat_emulated("lstat64", path),
    },
    Call {
        name: "getattrlist",
        native: |path| {
            let (result, told) = stat_native(path, true);
            (result, vec![told[0], told[2], told[3]])
        },
        emulated: list_of_attributes,
    },
    Call { name: "statfs", native: statfs_native, emulated: statfs_emulated },
    Call { name: "getxattr", native: |path| get_native(path, true), emulated: |path| get_emulated(path, 0) },
    Call {
        name: "getxattr nofollow",
        native: |path| get_native(path, false),
        emulated: |path| get_emulated(path, 1),
    },
    Call {
        name: "setxattr",
        native: |path| set_native(path, true, 0),
        emulated: |path| set_emulated(path, 0),
    },
    Call {
        name: "setxattr create",
        native: |path| set_native(path, true, libc::XATTR_CREATE),
        emulated: |path| set_emulated(path, 2),
    },
    Call {
        name: "setxattr replace",
        native: |path| set_native(path, true, libc::XATTR_REPLACE),
        emulated: |path| set_emulated(path, 4),
    },
    Call {
        name: "setxattr nofollow",
        native: |path| set_native(path, false, 0),
        emulated: |path| set_emulated(path, 1),
    },
    plain!("removexattr", "removexattr"(GUEST_NAME.as_ptr(), 0), |path| {
        libc::removexattr(path.as_ptr(), NAME.as_ptr())
    }),
    Call { name: "listxattr", native: list_native, emulated: list_emulated },
];

/// Names of errors are compared, so both sides must have them.
#[test]
fn errors_have_names() {
    assert_eq!(format!("{}", darwin::Errno::ENOATTR), "ENOATTR");
}
