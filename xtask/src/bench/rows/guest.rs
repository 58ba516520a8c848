//! Whole guests under the runner: a trapped call, the start, a real program.

use super::{Row, Side};
use crate::{guests, real, workspace};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "trapped-getppid",
        what: "getppid of a guest, trapped",
        against: "the raw Linux call",
        goal: 16.0,
        sides: trapped,
    },
    Row {
        name: "start",
        what: "start of a guest to its first instruction",
        against: "execve of a static ELF program",
        goal: 2.0,
        sides: start,
    },
    Row {
        name: "ent-1mib",
        what: "ent of 1 MiB, its macOS build",
        against: "its Linux build",
        goal: 1.1,
        sides: ent,
    },
];

fn runner() -> Result<PathBuf, String> {
    workspace::runner().map_err(|error| error.to_string())
}

fn guest(name: &str) -> Result<PathBuf, String> {
    guests::build(&[name]).map(|folder| folder.join(name)).map_err(|error| error.to_string())
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = command.stdin(Stdio::null()).status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

/// The time that the processor spends on a command, in Linux too, so that what else the machine does counts less.
fn cpu_time(command: &mut Command) -> Result<Duration, String> {
    let before = children_time()?;
    run(command)?;
    Ok(children_time()?.saturating_sub(before))
}

/// The time that the processor has spent on all processes that this one started and that have ended.
#[allow(unsafe_code)]
fn children_time() -> Result<Duration, String> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: Linux writes the structure that is given; all zeros are a value as well.
    let (result, usage) =
        unsafe { (libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()), usage.assume_init()) };
    if result != 0 {
        return Err(std::io::Error::last_os_error().to_string());
    }
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    Ok(time(usage.ru_utime) + time(usage.ru_stime))
}

/// The guest makes so many calls; the time of a guest that makes none is taken off.
fn trapped() -> Result<(Side, Side), String> {
    let (runner, guest) = (runner()?, guest("spin_getppid")?);
    let ours = Side::timed(move |count| {
        let with = cpu_time(Command::new(&runner).arg(&guest).arg(count.to_string()))?;
        let without = cpu_time(Command::new(&runner).arg(&guest).arg("0"))?;
        Ok(with.saturating_sub(without).max(Duration::from_nanos(1)))
    });
    Ok((ours, Side::call(getppid)))
}

#[allow(unsafe_code)]
fn getppid() -> i32 {
    // SAFETY: takes no argument and touches no memory.
    unsafe { libc::getppid() }
}

/// A program of the C library's that does nothing: what the system's own programs cost when linked statically.
const NOTHING: &str = "int main(void) { return 0; }\n";

fn start() -> Result<(Side, Side), String> {
    let folder = workspace::target().join("bench");
    let (source, program) = (folder.join("nothing.c"), folder.join("nothing"));
    let cannot = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(cannot)?;
    fs::write(&source, NOTHING).map_err(cannot)?;
    run(Command::new("cc").args(["-O2", "-static", "-o"]).args([&program, &source]))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).map_err(cannot)?;
    let mut ours = Command::new(runner()?);
    ours.arg(guest("start")?);
    Ok((Side::command(ours), Side::command(Command::new(program))))
}

/// Both builds of a real program on the same random bytes.
fn ent() -> Result<(Side, Side), String> {
    const LENGTH: usize = 1 << 20;
    let real = real::fetch().map_err(|error| error.to_string())?;
    let folder = workspace::target().join("bench");
    let file = folder.join("random");
    let cannot = |error: std::io::Error| format!("{}: {error}", file.display());
    fs::create_dir_all(&folder).map_err(cannot)?;
    let mut bytes = vec![0; LENGTH];
    fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes)).map_err(cannot)?;
    fs::write(&file, &bytes).map_err(cannot)?;
    let mut ours = Command::new(runner()?);
    ours.arg(real.join("ent.macho")).arg(&file);
    let mut theirs = Command::new(real.join("ent.elf"));
    theirs.arg(&file);
    Ok((Side::command(ours), Side::command(theirs)))
}
