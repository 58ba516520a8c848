//! The programs of `tests/guest` and the runner, built when a test asks for them first.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, io};

/// No guest works for longer than a second; this is for a loaded machine.
pub(crate) const LIMIT_S: u32 = 60;

/// The workspace.
fn root() -> PathBuf {
    let tests = env::var_os("CARGO_MANIFEST_DIR").expect("tests are run by cargo");
    Path::new(&tests).parent().expect("the tests are in a workspace").to_path_buf()
}

pub(crate) fn cargo(args: &[&str]) -> String {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(args).current_dir(root()).output().expect("cargo starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {args:?}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("a path in UTF-8")
}

/// What a command of the project prints.
///
/// # Panics
/// It fails.
pub fn xtask(args: &[&str]) -> String {
    cargo(&[&["xtask"], args].concat())
}

/// The Mach-O file of the guest called `name`, built if need be.
pub fn guest(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| PathBuf::from(cargo(&["xtask", "guests"]).trim_end())).join(name)
}

/// The command `xnurun` of the same profile as the running test, built if need be; `$XNURUN` names another.
pub fn runner() -> &'static Path {
    static RUNNER: OnceLock<PathBuf> = OnceLock::new();
    RUNNER.get_or_init(|| {
        if let Some(runner) = env::var_os("XNURUN") {
            return runner.into();
        }
        // Test programs are in <target>/<triple>/<profile>/deps.
        let test = env::current_exe().expect("the test program has a path");
        let profile = test.ancestors().nth(2).expect("the test program is in a target directory");
        let mut args = vec!["build", "--package", "xnurun", "--bin", "xnurun"];
        if profile.ends_with("release") {
            args.push("--release");
        }
        cargo(&args);
        profile.join("xnurun")
    })
}

/// How a run of a guest ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Finished {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// What was written to descriptor 1.
    pub stdout: String,
    /// What was written to descriptor 2, by the guest or the runner.
    pub stderr: String,
}

/// Runs `xnurun` with `args`, with `PATH=/bin` for an environment and nothing on descriptor 0.
pub fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Finished {
    let output = Command::new("timeout")
        .args(["--kill-after=5", &LIMIT_S.to_string()])
        .arg(runner())
        .args(args)
        .env_clear()
        .env("PATH", "/bin")
        .stdin(Stdio::null())
        .output()
        .expect("timeout(1) starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs the guest called `name`.
pub fn run_guest(name: &str, args: &[&str]) -> Finished {
    let guest = guest(name);
    run([guest.as_os_str()].into_iter().chain(args.iter().map(OsStr::new)))
}

/// The descriptors above 2 that a child of this process inherits.
///
/// # Errors
/// `/proc/self/fdinfo` cannot be read.
pub fn inherited_descriptors() -> io::Result<Vec<String>> {
    const CLOSE_ON_EXEC: u32 = 0o2000000;
    let mut inherited = Vec::new();
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        let entry = entry?;
        // The directory's own descriptor may be gone by now.
        let Ok(info) = fs::read_to_string(entry.path()) else { continue };
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or("0");
        let flags = u32::from_str_radix(flags.trim(), 8).unwrap_or(0);
        let number = entry.file_name().to_string_lossy().into_owned();
        if flags & CLOSE_ON_EXEC == 0 && !matches!(number.as_str(), "0" | "1" | "2") {
            inherited.push(number);
        }
    }
    Ok(inherited)
}

/// A directory of a test's own, removed at the end.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new, empty directory.
    ///
    /// # Errors
    /// As of [`fs::create_dir`].
    pub fn new() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("xnu-tests-{}-{number}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A directory left behind in /tmp does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}
