//! Whole guests under the runner: a trapped call, the start, a real program.

use super::{Row, Side};
use crate::{guests, real, workspace};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What a fork may cost: a child of a guest has more mappings and tables of pages than a static program, and fetches the
/// pages of the runner that serve its calls anew.
const FORK: f64 = 1.5;

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "trapped-getppid",
        what: "getppid of a guest, trapped",
        against: "the raw Linux call",
        goal: 16.0,
        sides: trapped,
    },
    Row {
        name: "commpage-gettimeofday",
        what: "gettimeofday of a guest, from the commpage",
        against: "gettimeofday by the vDSO",
        goal: 1.2,
        sides: || spin("gettimeofday"),
    },
    Row {
        name: "signal",
        what: "kill of oneself, handler and return, in a guest",
        against: "the same in a static ELF program",
        goal: 3.0,
        sides: || spin("signal"),
    },
    Row {
        name: "fork-wait",
        what: "fork, exit and wait in a guest",
        against: "the same in a static ELF program",
        goal: FORK,
        sides: || spin("fork"),
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

/// What so many times cost: a program is told how often, and the time of one that is told 0 is taken off.
fn per_time(mut command: impl FnMut(u64) -> Command + 'static) -> Side {
    Side::timed(move |count| {
        let with = cpu_time(&mut command(count))?;
        let without = cpu_time(&mut command(0))?;
        Ok(with.saturating_sub(without).max(Duration::from_nanos(1)))
    })
}

/// The guest `spin` doing this.
fn spinning(subject: &'static str) -> Result<Side, String> {
    let (runner, guest) = (runner()?, guest("spin")?);
    Ok(per_time(move |count| {
        let mut command = Command::new(&runner);
        command.arg(&guest).args([subject, &count.to_string()]);
        command
    }))
}

fn trapped() -> Result<(Side, Side), String> {
    Ok((spinning("getppid")?, Side::call(getppid)))
}

#[allow(unsafe_code)]
fn getppid() -> i32 {
    // SAFETY: takes no argument and touches no memory.
    unsafe { libc::getppid() }
}

/// The guest's loop, and the same in C.
fn spin(subject: &'static str) -> Result<(Side, Side), String> {
    let program = compile("spin", SPIN)?;
    let theirs = per_time(move |count| {
        let mut command = Command::new(&program);
        command.args([subject, &count.to_string()]);
        command
    });
    Ok((spinning(subject)?, theirs))
}

/// `spin SUBJECT COUNT`, as the guest of this name.
const SPIN: &str = r#"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile long caught;
static void handler(int number, siginfo_t *info, void *context) { caught++; }

int main(int argc, char **argv) {
    long count = atol(argv[2]);
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    struct timeval time;
    pid_t self = getpid();
    sigaction(SIGUSR1, &action, 0);
    for (long i = 0; i < count; i++) {
        int status = 0;
        switch (argv[1][0]) {
        case 'g':
            if (gettimeofday(&time, 0)) return 1;
            break;
        case 's':
            if (kill(self, SIGUSR1)) return 1;
            break;
        default:
            self = fork();
            if (self == 0) _exit(7);
            if (waitpid(self, &status, 0) != self || WEXITSTATUS(status) != 7) return 1;
        }
    }
    return argv[1][0] == 's' && caught != count;
}
"#;

/// A static program from its source in C.
fn compile(name: &str, source: &str) -> Result<PathBuf, String> {
    let folder = workspace::target().join("bench");
    let (file, program) = (folder.join(name).with_extension("c"), folder.join(name));
    let cannot = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(cannot)?;
    fs::write(&file, source).map_err(cannot)?;
    run(Command::new("cc").args(["-O2", "-static", "-o"]).args([&program, &file]))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).map_err(cannot)?;
    Ok(program)
}

/// A program of the C library's that does nothing: what the system's own programs cost when linked statically.
const NOTHING: &str = "int main(void) { return 0; }\n";

fn start() -> Result<(Side, Side), String> {
    let program = compile("nothing", NOTHING)?;
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
