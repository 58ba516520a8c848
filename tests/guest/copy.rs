//! Copies the tree argv[1] to the new directory argv[2]: files, directories, links and fifos, with their permissions, times
//! and extended attributes.
#![no_std]
#![no_main]
mod support;
use support::{Args, SysResult, bsd, ensure, map_pages, nr, println};

support::unixthread!(main);

/// bsd/kern/syscalls.master.
mod call {
    pub const FCHMOD: u64 = 124;
    pub const FSETATTRLIST: u64 = 229;
    pub const FGETXATTR: u64 = 235;
    pub const FSETXATTR: u64 = 237;
    pub const FLISTXATTR: u64 = 241;
    pub const GETDIRENTRIES64: u64 = 344;
    pub const OPENAT: u64 = 463;
    pub const FSTATAT64: u64 = 470;
    pub const READLINKAT: u64 = 473;
    pub const SYMLINKAT: u64 = 474;
    pub const MKDIRAT: u64 = 475;
    pub const MKFIFOAT: u64 = 553;
}

const CWD: u64 = -2i64 as u64;
const O_RDONLY: u64 = 0;
const O_WRONLY: u64 = 1;
const O_CREAT_EXCL: u64 = 0x200 | 0x800;
const O_DIRECTORY: u64 = 0x10_0000;
const AT_SYMLINK_NOFOLLOW: u64 = 0x20;

/// `struct stat64`: what is used of it (bsd/sys/stat.h).
#[repr(C)]
#[derive(Default)]
struct Stat {
    dev: i32,
    mode: u16,
    nlink: u16,
    ino: u64,
    ids: [u32; 4],
    accessed: [u64; 2],
    modified: [u64; 2],
    rest: [u64; 12],
}

/// Room for one level of the tree, and for what is copied.
struct Room {
    entries: u64,
    bytes: u64,
}

const ENTRIES: u64 = 4096;
const BYTES: u64 = 65536;

impl Room {
    fn new() -> Room {
        Room {
            entries: map_pages(ENTRIES / support::PAGE, support::PROT_RW),
            bytes: map_pages(BYTES / support::PAGE, support::PROT_RW),
        }
    }
}

fn must(what: &str, result: SysResult) -> u64 {
    match result {
        Ok((value, _)) => value,
        Err(errno) => support::wrong(2, format_args!("{what}: errno {errno}")),
    }
}

fn main(args: &Args) -> i32 {
    let mut paths = args.argv.into_iter().skip(1);
    let (Some(from), Some(to)) = (paths.next(), paths.next()) else {
        support::wrong(1, format_args!("two paths are needed"))
    };
    let from = must("open", bsd(nr::OPEN, [from as u64, O_DIRECTORY, 0]));
    must("mkdir", bsd(call::MKDIRAT, [CWD, to as u64, 0o700]));
    let to = must("open", bsd(nr::OPEN, [to as u64, O_DIRECTORY, 0]));
    let count = copy_directory(from, to);
    println!("{count} copied");
    0
}

/// How much was copied.
fn copy_directory(from: u64, to: u64) -> u64 {
    let room = Room::new();
    let (mut count, mut position) = (0, 0u64);
    loop {
        let listing = [from, room.entries, ENTRIES, &raw mut position as u64];
        let length = must("getdirentries64", bsd(call::GETDIRENTRIES64, listing));
        if length == 0 {
            return count;
        }
        let mut at = room.entries;
        while at < room.entries + length {
            // SAFETY: the kernel has put whole entries there, and each says how long it is.
            let (record, name_length) =
                unsafe { (*((at + 16) as *const u16), *((at + 18) as *const u16)) };
            let name = at + 21;
            // SAFETY: the name is as long, and in the entry.
            let bytes = unsafe { core::slice::from_raw_parts(name as *const u8, name_length.into()) };
            if bytes != b"." && bytes != b".." {
                count += 1 + copy(from, to, name, &room);
            }
            at += u64::from(record);
        }
    }
}

/// How much was copied below it.
fn copy(from: u64, to: u64, name: u64, room: &Room) -> u64 {
    let mut below = 0;
    let mut stat = Stat::default();
    must("fstatat64", bsd(call::FSTATAT64, [from, name, &raw mut stat as u64, AT_SYMLINK_NOFOLLOW]));
    let mode = u64::from(stat.mode & 0o7777);
    match stat.mode & 0o170_000 {
        0o040_000 => {
            let source = must("openat", bsd(call::OPENAT, [from, name, O_DIRECTORY, 0]));
            must("mkdirat", bsd(call::MKDIRAT, [to, name, 0o700]));
            let target = must("openat", bsd(call::OPENAT, [to, name, O_DIRECTORY, 0]));
            below = copy_directory(source, target);
            finish(source, target, mode, &stat, room);
        }
        0o100_000 => {
            let source = must("openat", bsd(call::OPENAT, [from, name, O_RDONLY, 0]));
            let target = must("openat", bsd(call::OPENAT, [to, name, O_WRONLY | O_CREAT_EXCL, 0o600]));
            loop {
                let length = must("read", bsd(nr::READ, [source, room.bytes, BYTES]));
                if length == 0 {
                    break;
                }
                let written = must("write", bsd(nr::WRITE, [target, room.bytes, length]));
                ensure!(3, written == length, "{written} of {length} bytes written");
            }
            finish(source, target, mode, &stat, room);
        }
        0o120_000 => {
            let length = must("readlinkat", bsd(call::READLINKAT, [from, name, room.bytes, BYTES - 1]));
            // SAFETY: the room has one byte more.
            unsafe { *((room.bytes + length) as *mut u8) = 0 };
            must("symlinkat", bsd(call::SYMLINKAT, [room.bytes, to, name]));
        }
        0o010_000 => {
            must("mkfifoat", bsd(call::MKFIFOAT, [to, name, mode]));
        }
        kind => support::wrong(4, format_args!("a file of kind {kind:o}")),
    }
    below
}

/// Attributes, permissions and times of an open file, which is closed then.
fn finish(source: u64, target: u64, mode: u64, stat: &Stat, room: &Room) {
    let listed = must("flistxattr", bsd(call::FLISTXATTR, [source, room.bytes, 4096, 0]));
    let (mut name, value) = (room.bytes, room.bytes + 4096);
    while name < room.bytes + listed {
        let length = must("fgetxattr", bsd(call::FGETXATTR, [source, name, value, BYTES - 4096, 0, 0]));
        must("fsetxattr", bsd(call::FSETXATTR, [target, name, value, length, 0, 0]));
        // SAFETY: every name that was listed ends with a NUL.
        while unsafe { *(name as *const u8) } != 0 {
            name += 1;
        }
        name += 1;
    }
    must("fchmod", bsd(call::FCHMOD, [target, mode]));
    // ATTR_CMN_MODTIME and ATTR_CMN_ACCTIME of `struct attrlist`, and their values.
    let list: [u32; 6] = [5, 0x400 | 0x1000, 0, 0, 0, 0];
    let times = [stat.modified, stat.accessed];
    let setting = [target, &raw const list as u64, &raw const times as u64, size_of_val(&times) as u64, 0];
    must("fsetattrlist", bsd(call::FSETATTRLIST, setting));
    must("close", bsd(nr::CLOSE, [source]));
    must("close", bsd(nr::CLOSE, [target]));
}
