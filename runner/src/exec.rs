//! `execve` of a Mach-O program: the runner executes itself, and finds here what it is to run and how.
//!
//! The core puts two variables in front of the guest's environment ([`xnu_core::loader`]): what is executed, and the
//! options of the run, which the runner wrote at its own start. Neither is passed on to the guest. The arguments of the
//! runner are the guest's, all of them: that is what `ps` shows.
//!
//! A trace ends here: what writes it follows one program.
//!
//! # Safety
//! Descriptors are taken from the numbers in the first variable. They are this process's own, inherited for this.
#![allow(unsafe_code)]

use crate::cli::{Cli, LkmChoice, TraceOptions};
use crate::trap::GuestProcess;
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use xnu_core::UserAddr;
use xnu_core::loader::EXEC_KEY;
use xnu_core::version::Version;

/// Begins the second variable: a letter per option, then where the dynamic linker is.
const OPTIONS_KEY: &str = "XNURUN_OPTIONS=";
const CASE_INSENSITIVE: u8 = b'i';
const SEALED: u8 = b's';
const EMBEDDED: u8 = b'e';
/// Begins the path of a device, which a NUL would end: its length in four hexadecimal digits comes first.
const DEVICE: u8 = b'm';
/// The digit of the release that is told of.
const RELEASES: std::ops::Range<u8> = b'0'..b'0' + Version::COUNT;
const DYLD: u8 = b'd';

/// The runner's own file.
const RUNNER: &[u8] = b"/proc/self/exe\0";

/// What the program before this one asked for.
#[derive(Debug)]
pub struct HandedOver {
    /// Descriptors that came along: the program and the prefix. Open until the guest starts.
    program: RawFd,
    root: Option<RawFd>,
    /// The program's path as it was given.
    pub path: PathBuf,
    /// The guest's mask of signals, and the signals that it ignores.
    pub mask: u32,
    /// The signals that it ignores.
    pub ignored: u32,
    /// Whether there is not even a first argument.
    pub no_arguments: bool,
    options: Vec<u8>,
}

/// How many variables of the environment are not the guest's.
pub const OWN_VARIABLES: usize = 2;

impl HandedOver {
    /// Looks for it at the beginning of an environment.
    pub fn find(environment: &[&[u8]]) -> Option<HandedOver> {
        let [what, options, ..] = environment else { return None };
        let options = options.strip_prefix(OPTIONS_KEY.as_bytes())?.to_vec();
        let mut rest = what.strip_prefix(EXEC_KEY.as_bytes())?;
        let mut number = || {
            let (digits, after) = rest.split_at_checked(8)?;
            rest = after.strip_prefix(b",")?;
            u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
        };
        let (program, root) = (number()? as RawFd, number()? as RawFd);
        let (mask, ignored, none) = (number()?, number()?, number()?);
        let is_open = |fd: RawFd| {
            // SAFETY: asks Linux about a number.
            fd > 2 && unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0 || (0..=2).contains(&fd)
        };
        if !is_open(program) || root >= 0 && !is_open(root) {
            return None;
        }
        let path = PathBuf::from(OsStr::from_bytes(rest));
        let root = (root >= 0).then_some(root);
        Some(HandedOver { program, root, path, mask, ignored, no_arguments: none != 0, options })
    }

    /// The command line that would have started this program.
    pub fn cli(&self, arguments: Vec<OsString>) -> Cli {
        let (mut letters, mut dyld, mut lkm) = (Vec::new(), None, LkmChoice::Auto);
        let mut darwin_version = 0;
        let mut rest = &self.options[..];
        while let [letter, after @ ..] = rest {
            rest = after;
            match *letter {
                DYLD => dyld = Some(std::mem::take(&mut rest)),
                digit if RELEASES.contains(&digit) => darwin_version = digit - RELEASES.start,
                EMBEDDED => lkm = LkmChoice::Embedded,
                DEVICE => match device(after) {
                    Some((path, after)) => (lkm, rest) = (LkmChoice::Device(path), after),
                    None => break,
                },
                letter => letters.push(letter),
            }
        }
        let prefix = self.root.map_or_else(|| "/".into(), |root| format!("/proc/self/fd/{root}").into());
        let sealed = letters.contains(&SEALED);
        Cli {
            trace: TraceOptions { trace: None, trace_json: None, summary: false },
            prefix,
            case_insensitive: letters.contains(&CASE_INSENSITIVE),
            no_root_exit: sealed,
            root_exit: false,
            // The wall is inherited.
            sandbox: false,
            init_prefix: None,
            lkm,
            darwin_version,
            dyld: dyld.map(|path| OsString::from_vec(path.to_vec()).into()),
            completions: None,
            man: false,
            program: if self.no_arguments { Vec::new() } else { arguments },
        }
    }

    /// The program, open once more: what was handed over stays for another attempt.
    ///
    /// # Errors
    /// There are too many open files.
    pub fn file(&self) -> std::io::Result<File> {
        // SAFETY: open, as `find` saw, and closed by nobody before `close`.
        let handed = unsafe { BorrowedFd::borrow_raw(self.program) };
        handed.try_clone_to_owned().map(File::from)
    }

    /// Closes what was handed over.
    pub fn close(&self) {
        for fd in [Some(self.program), self.root].into_iter().flatten() {
            // SAFETY: nobody else has them.
            drop(unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(fd) });
        }
    }
}

/// The path of a device at the beginning of options, and what is behind it.
fn device(options: &[u8]) -> Option<(CString, &[u8])> {
    let (digits, rest) = options.split_at_checked(4)?;
    let length = usize::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    let (path, rest) = rest.split_at_checked(length)?;
    Some((CString::new(path).ok()?, rest))
}

/// The variable of the options: in the runner's image, which the guest can neither change nor unmap.
static OPTIONS: [AtomicU8; 8192] = [const { AtomicU8::new(0) }; 8192];

/// Tells the core how programs that the guest executes are to be started: by this runner, with the options of this run.
pub fn announce(process: &GuestProcess, cli: &Cli) {
    let mut text = OPTIONS_KEY.as_bytes().to_vec();
    if cli.case_insensitive {
        text.push(CASE_INSENSITIVE);
    }
    if cli.no_root_exit || cli.sandbox {
        text.push(SEALED);
    }
    if cli.darwin_version != 0 {
        text.push(RELEASES.start + cli.darwin_version);
    }
    match &cli.lkm {
        LkmChoice::Auto => {}
        LkmChoice::Embedded => text.push(EMBEDDED),
        LkmChoice::Device(path) => {
            text.push(DEVICE);
            text.extend_from_slice(format!("{:04x}", path.as_bytes().len()).as_bytes());
            text.extend_from_slice(path.as_bytes());
        }
    }
    if let Some(dyld) = &cli.dyld {
        text.push(DYLD);
        // The working directory will be another.
        let path = fs::canonicalize(dyld).unwrap_or_else(|_| dyld.clone());
        text.extend_from_slice(path.as_os_str().as_bytes());
    }
    // What ends the string is there already.
    for (place, byte) in OPTIONS.iter().zip(text) {
        place.store(byte, Ordering::Relaxed);
    }
    process.version.choose(cli.darwin_version);
    let options = UserAddr::new(OPTIONS.as_ptr() as u64);
    process.loader.set(UserAddr::new(RUNNER.as_ptr() as u64), options);
}

/// Gives the process the name of its program, as `execve` does.
pub fn name_process(path: &std::path::Path) {
    const LENGTH: usize = 15;
    let mut name = [0u8; LENGTH + 1];
    let base = path.file_name().unwrap_or_default().as_bytes();
    let length = base.len().min(LENGTH);
    name[..length].copy_from_slice(&base[..length]);
    // SAFETY: reads at most 16 bytes of a string that ends within them.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_core_writes_is_read() {
        let what = b"XNURUN_EXEC=00000000,ffffffff,00000003,00001000,00000001,/bin/a,b";
        let found = HandedOver::find(&[what, b"XNURUN_OPTIONS=i3m0009/dev/machsd/lib/dyld", b"PATH=/bin"])
            .expect("handed over");
        assert_eq!((found.program, found.root, found.mask, found.ignored), (0, None, 3, 0x1000));
        assert!(found.no_arguments);
        assert_eq!(found.path, PathBuf::from("/bin/a,b"));
        let cli = found.cli(vec!["x".into()]);
        assert_eq!(cli.darwin_version, 3);
        assert!(cli.case_insensitive && cli.no_root_exit && cli.program.is_empty());
        assert_eq!((cli.dyld, cli.prefix), (Some("/lib/dyld".into()), "/".into()));
        assert_eq!(cli.lkm, LkmChoice::Device(c"/dev/mach".into()));
    }

    #[test]
    fn what_only_looks_like_it_is_not() {
        let options: &[u8] = b"XNURUN_OPTIONS=";
        for what in [
            &b"XNURUN_EXEC="[..],
            b"XNURUN_EXEC=00000000,ffffffff,00000003,00001000,00000001/bin/a",
            b"XNURUN_EXEC=0000000g,ffffffff,00000003,00001000,00000001,/bin/a",
            b"XNURUN_EXEC=00000fff,ffffffff,00000003,00001000,00000001,/bin/a",
            b"PATH=/bin",
        ] {
            assert!(HandedOver::find(&[what, options]).is_none());
        }
        let what = &b"XNURUN_EXEC=00000000,ffffffff,00000003,00001000,00000001,/bin/a"[..];
        assert!(HandedOver::find(&[what]).is_none());
        assert!(HandedOver::find(&[b"A=b", what, options]).is_none());
    }
}
