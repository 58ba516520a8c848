//! `--sandbox`: a wall around the prefix, made of Landlock.
//!
//! The prefix is a convenience: it decides which file a path names. This is what keeps a program inside that tries to get
//! out. It holds for the process, its threads and its children, whatever they execute, and takes no privileges.
//!
//! Landlock restricts opening, executing, making, removing, renaming and truncating files, `ioctl` on devices, abstract
//! sockets and signals; it does not restrict looking (`stat`, `readlink`, `access`), changing the working directory, nor
//! what was open before. Newer kernels restrict more; what the one at hand leaves open is said at the start.

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use std::fmt;
use std::path::Path;

/// Why the program is not confined, so must not run.
#[derive(Debug)]
pub enum Error {
    /// The kernel has no Landlock, or it is switched off.
    Missing(&'static str),
    /// Landlock refuses.
    Refused(RulesetError),
    /// The prefix cannot be opened.
    Prefix(landlock::PathFdError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Missing(why) => write!(f, "--sandbox: {why}: run it without, or on Linux 5.13 or later"),
            Error::Refused(error) => write!(f, "--sandbox: Landlock refuses: {error}"),
            Error::Prefix(error) => write!(f, "--sandbox: {error}"),
        }
    }
}

impl std::error::Error for Error {}

/// Everything that the crate knows to restrict.
const WANTED: ABI = ABI::V9;

/// Confines the process to what is below `prefix`; answers what the kernel cannot enforce, a phrase each.
///
/// # Errors
/// Nothing is confined then.
pub fn confine(prefix: &Path) -> Result<Vec<&'static str>, Error> {
    let beneath = PathFd::new(prefix).map_err(Error::Prefix)?;
    // It starts the programs that the confined one executes.
    let runner = PathFd::new("/proc/self/exe").map_err(Error::Prefix)?;
    let everything = AccessFs::from_all(WANTED);
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(everything)
        .and_then(|ruleset| ruleset.scope(Scope::from_all(WANTED)))
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.add_rule(PathBeneath::new(beneath, everything)))
        .and_then(|ruleset| {
            ruleset.add_rule(PathBeneath::new(runner, AccessFs::Execute | AccessFs::ReadFile))
        })
        .and_then(|ruleset| ruleset.restrict_self())
        .map_err(Error::Refused)?;
    let abi = match status.landlock {
        LandlockStatus::NotEnabled => return Err(Error::Missing("Landlock is switched off in this kernel")),
        LandlockStatus::NotImplemented => return Err(Error::Missing("this kernel has no Landlock")),
        LandlockStatus::Available { effective_abi, .. } => effective_abi,
    };
    if status.ruleset == RulesetStatus::NotEnforced || !status.no_new_privs {
        return Err(Error::Missing("this kernel enforces nothing of it"));
    }
    Ok(unenforced(abi))
}

/// What a kernel with this version of Landlock leaves open, of what a newer one would not.
fn unenforced(abi: ABI) -> Vec<&'static str> {
    [
        (ABI::V3, "truncating files by their names"),
        (ABI::V5, "ioctl on devices"),
        (ABI::V6, "signals to other processes and abstract sockets of theirs"),
        (ABI::V9, "connecting to sockets by their names"),
    ]
    .into_iter()
    .filter_map(|(since, what)| (abi < since).then_some(what))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_kernels_leave_more_open() {
        assert_eq!(unenforced(ABI::V9), [""; 0]);
        assert_eq!(unenforced(ABI::V6), ["connecting to sockets by their names"]);
        assert_eq!(unenforced(ABI::V1).len(), 4);
    }

    #[test]
    fn a_prefix_that_is_not_there_is_an_error_before_anything_is_confined() {
        let error = confine(Path::new("/no/such/prefix")).expect_err("there is no such directory");
        assert!(error.to_string().starts_with("--sandbox: "), "{error}");
        assert!(std::fs::File::open("/dev/null").is_ok());
    }
}
