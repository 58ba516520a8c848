//! The processes of a machine, as Linux tells of them, and questions about them.

use crate::support::*;
use xnu_abi::darwin::Errno;
use xnu_backend_mock::Mock;
use xnu_core::linux::LinuxFd;
use xnu_core::{Reply, UserAddr};

/// Calls.
pub(crate) const LISTPIDS: i32 = 1;
pub(crate) const PIDINFO: i32 = 2;
pub(crate) const PIDFDINFO: i32 = 3;
pub(crate) const SETCONTROL: i32 = 5;
pub(crate) const PIDFILEPORTINFO: i32 = 6;
pub(crate) const TERMINATE: i32 = 7;
pub(crate) const DIRTYCONTROL: i32 = 8;
pub(crate) const PIDRUSAGE: i32 = 9;

pub(crate) const OWN: i32 = 1000;
pub(crate) const CHILD: i32 = 2001;
pub(crate) const ZOMBIE: i32 = 2002;

fn stat(pid: i32, name: &str, state: char, ppid: i32, start: u64, exit_code: i32) -> String {
    format!(
        "{pid} ({name}) {state} {ppid} 999 999 34816 999 64 10 11 12 13 100 200 300 400 20 5 2 0 {start} 1048576 25 \
        18446744073709551615 1 1 1 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 1 1 1 1 1 1 1 {exit_code}\n"
    )
}

fn status(pid: i32, uid: u32) -> String {
    format!(
        "Name:\tx\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t{pid}\nNgid:\t0\nPid:\t{pid}\nTracerPid:\t0\n\
        Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{uid}\t{uid}\t{uid}\t{uid}\nFDSize:\t64\nGroups:\t{} \nVmHWM:\t    1000 kB\n\
        RssAnon:\t     500 kB\nVmLck:\t       4 kB\nvoluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t4\n",
        "7 ".repeat(300)
    )
}

/// A mapping of the loader's, one of `/tmp/own`, memory, and what is not a program's.
fn maps(k: &Mock) -> String {
    let inode = number(k, stat_of(k, "/tmp/own"), 8, 8);
    format!(
        "00400000-00401000 r-xp 00000000 08:01 {inode}                           /tmp/own\n\
        10000000-10003000 rw-p 00000000 00:00 0 \n\
        20000000-20002000 rw-s 00001000 08:01 {inode}    /tmp/own (deleted)\n\
        ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
    )
}

/// What `stat64` says of a path, as a machine of its own would.
pub(crate) fn stat_of(k: &Mock, path: &str) -> UserAddr {
    use xnu_core::linux::metadata::statx;
    let found = statx(k, LinuxFd::CWD, format!("{path}\0").as_bytes(), 0).expect("a file");
    let at = k.alloc(144);
    k.poke(UserAddr::new(at.get() + 8), &found.stx_ino.to_le_bytes());
    at
}

/// Processes of a machine: the caller (1000), a child of it (2001), another that a signal ended (2002), and one of the
/// superuser's (1).
pub(crate) fn furnish(k: &Mock) {
    k.add_file("/loader", b"elf");
    let smaps: String = maps(k)
        .lines()
        .map(|line| {
            format!("{line}\nSize: 4 kB\nRss: 8 kB\nPrivate_Dirty: 4 kB\nShared_Clean: 4 kB\nVmFlags: rd\n")
        })
        .collect();
    for (pid, name, state, ppid, uid, exit_code) in [
        (OWN, "own", 'R', 999, 1000, 0),
        (CHILD, "ch) R 1 (\nld", 'S', OWN, 1000, 0),
        (ZOMBIE, "gone", 'Z', OWN, 1000, 9),
        (1, "init", 'S', 0, 0, 0),
    ] {
        let own = format!("/proc/{pid}");
        if pid != OWN {
            k.add_dir(&own);
            k.add_dir(&format!("{own}/fd"));
            k.add_symlink(&format!("{own}/cwd"), "/tmp/dir");
            k.add_symlink(&format!("{own}/exe"), if pid == CHILD { "/loader" } else { "/tmp/dir/file" });
            for fd in 0..2 {
                k.add_symlink(&format!("{own}/fd/{fd}"), "/tmp/own");
            }
        } else {
            k.add_symlink(&format!("{own}/exe"), "/loader");
        }
        k.add_file(
            &format!("{own}/stat"),
            stat(pid, name, state, ppid, 5000 + pid as u64, exit_code).as_bytes(),
        );
        k.add_file(&format!("{own}/status"), status(pid, uid).as_bytes());
        k.add_file(&format!("{own}/io"), b"rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\n");
        k.add_file(&format!("{own}/cmdline"), b"prog\0an argument\0\0");
        k.add_file(&format!("{own}/environ"), b"XNURUN_EXEC=x\0XNURUN_OPTIONS=y\0A=b\0LONG=value\0");
        k.add_file(&format!("{own}/maps"), maps(k).as_bytes());
        k.add_file(&format!("{own}/smaps"), smaps.as_bytes());
        k.add_dir(&format!("{own}/map_files"));
        k.add_symlink(&format!("{own}/map_files/400000-401000"), "/tmp/own");
        k.add_symlink(&format!("{own}/map_files/20000000-20002000"), "/tmp/own (deleted)");
        k.add_dir(&format!("{own}/fdinfo"));
        k.add_file(&format!("{own}/fdinfo/1"), b"pos:\t3\nflags:\t02102001\nmnt_id:\t1\n");
        k.add_dir(&format!("{own}/task"));
        for thread in [pid, pid + 7000] {
            k.add_dir(&format!("{own}/task/{thread}"));
            let name = if thread == pid { name } else { "worker" };
            let text = stat(thread, name, 'S', ppid, 5000, 0);
            k.add_file(&format!("{own}/task/{thread}/stat"), text.as_bytes());
        }
    }
    // A thread is found by its number, but is no process.
    k.add_dir("/proc/9001");
    k.add_file("/proc/9001/stat", stat(9001, "own", 'R', 999, 5000, 0).as_bytes());
    k.add_file("/proc/9001/status", status(OWN, 1000).as_bytes());
}

pub(crate) fn processes() -> Machine<Mock> {
    let k = machine();
    furnish(&k);
    k
}

/// `PROC_PIDINFO` into as much room as it is told of.
pub(crate) fn info(
    k: &Machine<Mock>,
    pid: i32,
    flavor: u32,
    argument: u64,
    size: usize,
) -> Result<(UserAddr, i32), Errno> {
    ask(k, PIDINFO, pid, flavor, argument, size)
}

pub(crate) fn ask(
    k: &Machine<Mock>,
    call: i32,
    pid: i32,
    flavor: u32,
    argument: u64,
    size: usize,
) -> Result<(UserAddr, i32), Errno> {
    let before = k.descriptors();
    let buffer = k.alloc_guarded(size.max(1));
    k.poke(buffer, &vec![0xee; size]);
    let reply = xnu!(k, proc_info(call, pid, flavor, argument, buffer, size));
    assert_eq!(k.descriptors(), before);
    match reply {
        Reply::Value(told, _) => Ok((buffer, told as i32)),
        Reply::Error(errno) => Err(errno),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn text(k: &Mock, at: UserAddr, offset: u64) -> String {
    let byte = |at: u64| k.peek(UserAddr::new(at), 1).remove(0);
    let bytes: Vec<u8> = (at.get() + offset..).map(byte).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn numbers(k: &Mock, at: UserAddr, bytes: i32) -> Vec<i32> {
    k.peek(at, bytes as usize).as_chunks::<4>().0.iter().map(|word| i32::from_le_bytes(*word)).collect()
}
