//! What a shell does: `shell COUNT` runs `source | upper | sum` so many times, each stage this program again, and collects
//! the three statuses. Odd times it forks and executes, even times it asks `posix_spawn`.
//!
//! In the end no child is left and no descriptor is open that was not open before.
#![no_std]
#![no_main]
mod support;
use support::{Args, bsd, ensure, exit, nr, println};

support::unixthread!(main);

const FORK: u64 = 2;
const WAIT4: u64 = 7;
const EXECVE: u64 = 59;
const DUP2: u64 = 90;
const FCNTL: u64 = 92;
const POSIX_SPAWN: u64 = 244;
const F_GETFD: u64 = 1;
const WNOHANG: u64 = 1;
const ECHILD: u64 = 10;
const CLOEXEC_DEFAULT: u16 = 0x4000;

/// What the first stage writes, so often.
const WORD: &[u8] = b"pipes of three";
const WORDS: u64 = 100;

fn main(args: &Args) -> i32 {
    match args.arg(1) {
        Some("source") => source(),
        Some("upper") => upper(),
        Some("sum") => sum(),
        count => {
            let count = count.and_then(support::number).unwrap_or(1);
            shell(args, count)
        }
    }
}

fn descriptors() -> u64 {
    (0..64).filter(|fd| bsd(FCNTL, [*fd, F_GETFD]).is_ok()).count() as u64
}

fn shell(args: &Args, count: u64) -> i32 {
    let before = descriptors();
    for number in 0..count {
        let (first_read, first_write) = pipe();
        let (second_read, second_write) = pipe();
        let pipes = [first_read, first_write, second_read, second_write];
        let start = if number % 2 == 1 { by_fork } else { by_spawn };
        let stages = [
            start(args, c"source".as_ptr(), [0, first_write], &pipes),
            start(args, c"upper".as_ptr(), [first_read, second_write], &pipes),
            start(args, c"sum".as_ptr(), [second_read, 1], &pipes),
        ];
        for fd in pipes {
            ensure!(10, bsd(nr::CLOSE, [fd]).is_ok(), "{fd} is not open");
        }
        // Sum of the capital letters, with what the other two say.
        let wanted = [3, 4, (WORDS * capitals()) % 251];
        for (stage, wanted) in stages.into_iter().zip(wanted) {
            let mut status = 0u32;
            let waited = bsd(WAIT4, [stage, &raw mut status as u64, 0, 0]);
            ensure!(11, waited == Ok((stage, 0)), "wait4 of {stage}: {waited:x?}");
            ensure!(12, u64::from(status) == wanted << 8, "time {number}: {status:#x}, not {wanted} << 8");
        }
        let mut status = 0u32;
        let left = bsd(WAIT4, [u64::MAX, &raw mut status as u64, WNOHANG, 0]);
        ensure!(13, left == Err(ECHILD), "time {number}: a child is left: {left:x?}");
        ensure!(14, descriptors() == before, "time {number}: {} descriptors, not {before}", descriptors());
    }
    println!("{count} times");
    0
}

fn pipe() -> (u64, u64) {
    let pipe = bsd(nr::PIPE, []);
    ensure!(15, pipe.is_ok(), "pipe: {pipe:x?}");
    pipe.unwrap_or((0, 0))
}

fn path(args: &Args) -> u64 {
    let mut argv = args.argv;
    argv.next().map_or(0, |string| string as u64)
}

/// A stage whose descriptors 0 and 1 are these.
fn by_fork(args: &Args, stage: *const i8, [input, output]: [u64; 2], pipes: &[u64; 4]) -> u64 {
    match bsd(FORK, []) {
        Ok((_, 1)) => {
            let _ = bsd(DUP2, [input, 0]);
            let _ = bsd(DUP2, [output, 1]);
            for fd in pipes {
                let _ = bsd(nr::CLOSE, [*fd]);
            }
            let argv = [path(args), stage as u64, 0];
            let failed = bsd(EXECVE, [argv[0], argv.as_ptr() as u64, args.envp.0 as u64]);
            println!("execve: {failed:x?}");
            exit(99)
        }
        Ok((child, _)) => child,
        Err(errno) => support::wrong(16, format_args!("fork: errno {errno}")),
    }
}

/// One file action of posix_spawn: kind, descriptor, the other descriptor.
#[repr(C)]
#[derive(Clone, Copy)]
struct FileAction {
    words: [u32; 3],
    rest: [u32; 257],
}

#[repr(C)]
struct FileActions {
    capacity: u32,
    count: u32,
    actions: [FileAction; 3],
}

/// The same; what is not named is closed.
fn by_spawn(args: &Args, stage: *const i8, [input, output]: [u64; 2], _: &[u64; 4]) -> u64 {
    const DUP2: u32 = 2;
    const INHERIT: u32 = 3;
    let action = |words| FileAction { words, rest: [0; 257] };
    let actions = FileActions {
        capacity: 3,
        count: 3,
        actions: [
            action([DUP2, input as u32, 0]),
            action([DUP2, output as u32, 1]),
            action([INHERIT, 2, 0]),
        ],
    };
    let mut attributes = [0u16; 96];
    attributes[0] = CLOEXEC_DEFAULT;
    let mut description = [0u64; 18];
    description[..4].copy_from_slice(&[
        size_of_val(&attributes) as u64,
        attributes.as_ptr() as u64,
        size_of_val(&actions) as u64,
        &raw const actions as u64,
    ]);
    let argv = [path(args), stage as u64, 0];
    let mut pid = 0u32;
    let spawned = bsd(
        POSIX_SPAWN,
        [
            &raw mut pid as u64,
            argv[0],
            description.as_ptr() as u64,
            argv.as_ptr() as u64,
            args.envp.0 as u64,
        ],
    );
    ensure!(17, spawned.is_ok(), "posix_spawn: {spawned:x?}");
    u64::from(pid)
}

fn source() -> i32 {
    for _ in 0..WORDS {
        let written = bsd(nr::WRITE, [1, WORD.as_ptr() as u64, WORD.len() as u64]);
        ensure!(20, written == Ok((WORD.len() as u64, 0)), "write: {written:x?}");
    }
    3
}

/// Reads until the end.
fn each(mut what: impl FnMut(&mut [u8])) {
    let mut buffer = [0u8; 512];
    loop {
        match bsd(nr::READ, [0, buffer.as_mut_ptr() as u64, buffer.len() as u64]) {
            Ok((0, _)) => return,
            Ok((count, _)) => what(&mut buffer[..count as usize]),
            Err(errno) => exit(errno as i32),
        }
    }
}

fn upper() -> i32 {
    each(|bytes| {
        bytes.make_ascii_uppercase();
        let written = bsd(nr::WRITE, [1, bytes.as_ptr() as u64, bytes.len() as u64]);
        ensure!(21, written == Ok((bytes.len() as u64, 0)), "write: {written:x?}");
    });
    4
}

fn sum() -> i32 {
    let mut sum = 0;
    each(|bytes| sum += bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>());
    (sum % 251) as i32
}

fn capitals() -> u64 {
    WORD.iter().map(|byte| u64::from(byte.to_ascii_uppercase())).sum()
}
