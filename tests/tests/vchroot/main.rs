//! Paths below a prefix: against a process whose root the prefix really is, on the mock and on Linux.

mod attributes;
mod case;
mod corners;
mod exit;
mod faults;
mod names;
mod on_linux;
mod on_mock;
mod race;
mod scratch;
mod world;

/// A number from the environment: how many cases (`VCHROOT_CASES`), from which seed on (`VCHROOT_SEED`).
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Whether the tests are run by root.
#[allow(unsafe_code)]
fn is_root() -> bool {
    // SAFETY: touches no memory. The real one, since the effective one changes meanwhile.
    unsafe { libc::getuid() == 0 }
}
