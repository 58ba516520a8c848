//! `cargo xtask guests`: builds tests/guest/*.rs as Mach-O programs for x86-64 macOS, on Linux.
//!
//! rustc and the system's linker make a static ELF file laid out by our own link script; [`macho`] turns it into
//! a Mach-O file. No macOS tool takes part. One source may give several guests that differ in layout.
mod macho;

use crate::{Result, workspace};
use macho::{Entry, Format};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{env, io};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Build only these guests
    names: Vec<String>,
}

/// One program to build.
struct Guest {
    name: &'static str,
    /// File in tests/guest, without `.rs`.
    source: &'static str,
    /// Address of the Mach-O header; `__PAGEZERO` is everything below it.
    base: u64,
    /// Position-independent: the kernel may load it elsewhere.
    pie: bool,
    entry: Entry,
    /// Wrapped in a universal file, behind an arm64 slice.
    universal: bool,
}

/// Where old Go programs are linked.
const BASE: u64 = 0x100_0000;
/// Where macOS programs of today are linked: above 4 GiB.
const MODERN_BASE: u64 = 0x1_0000_0000;

const fn guest(name: &'static str) -> Guest {
    Guest { name, source: name, base: BASE, pie: false, entry: Entry::UnixThread, universal: false }
}

const fn variant(name: &'static str, source: &'static str) -> Guest {
    Guest { source, ..guest(name) }
}

static GUESTS: &[Guest] = &[
    guest("args"),
    guest("bad_pointers"),
    guest("bare_threads"),
    guest("big_bss"),
    guest("close_all"),
    guest("commpage"),
    guest("copy"),
    guest("debugger"),
    guest("descriptors"),
    guest("ends"),
    guest("exceptions"),
    guest("exec"),
    guest("fork"),
    guest("forks"),
    guest("heirs"),
    guest("hello"),
    guest("inherited"),
    guest("list"),
    guest("mk_timer"),
    guest("mmap"),
    guest("processes"),
    guest("port_server"),
    guest("ports"),
    guest("redzone"),
    guest("registers"),
    guest("rpc"),
    guest("rpc_threads"),
    guest("scenario"),
    guest("semaphores"),
    guest("shell"),
    guest("signals"),
    guest("small_stack"),
    guest("sockets"),
    guest("spin"),
    guest("start"),
    guest("storm"),
    guest("threads"),
    guest("unknown"),
    Guest { base: 0x20_0000, ..variant("text_low", "hello") },
    Guest { base: 0x7f00_0000, ..variant("text_high", "hello") },
    Guest { universal: true, ..variant("hello_universal", "hello") },
    Guest { base: MODERN_BASE, pie: true, ..variant("hello_pie", "hello") },
    Guest { base: MODERN_BASE, ..variant("spin_modern", "spin") },
    Guest { entry: Entry::Main, ..guest("lc_main") },
    Guest { base: MODERN_BASE, pie: true, entry: Entry::Main, ..variant("lc_main_pie", "lc_main") },
    Guest { base: 0, pie: true, entry: Entry::Dylinker, ..guest("fake_dyld") },
];

/// Builds what is older than its sources, and prints the directory that holds the guests.
pub(crate) fn run(options: &Options) -> Result<()> {
    let names: Vec<&str> = options.names.iter().map(String::as_str).collect();
    println!("{}", build(&names)?.display());
    Ok(())
}

/// Builds these guests, or all if none is named; answers the directory that holds them.
///
/// # Errors
/// There is no such guest, or it cannot be built.
pub(crate) fn build(names: &[&str]) -> Result<PathBuf> {
    let output = workspace::target().join("guests");
    let builder = Builder { sources: workspace::root().join("tests/guest"), output };
    for name in names {
        if !GUESTS.iter().any(|guest| guest.name == *name) {
            return Err(format!("no guest named {name}").into());
        }
    }

    fs::create_dir_all(builder.scratch())?;
    // Test programs that run at once all ask for the guests.
    let lock = File::create(builder.scratch().join("lock"))?;
    lock.lock()?;
    for guest in GUESTS {
        if names.is_empty() || names.contains(&guest.name) {
            builder.build(guest).map_err(|error| format!("{}: {error}", guest.name))?;
        }
    }
    Ok(builder.output)
}

struct Builder {
    sources: PathBuf,
    output: PathBuf,
}

impl Builder {
    fn scratch(&self) -> PathBuf {
        self.output.join("build")
    }

    fn build(&self, guest: &Guest) -> Result<()> {
        let output = self.output.join(guest.name);
        let source = self.sources.join(guest.source).with_extension("rs");
        let [support, probe] = ["support.rs", "probe.rs"].map(|shared| self.sources.join(shared));
        // A guest of several files has the others in a directory of its name.
        let parts = match fs::read_dir(self.sources.join(guest.source)) {
            Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?,
            Err(_) => Vec::new(),
        };
        let program = env::current_exe()?;
        let inputs = [&source, &support, &probe, &program];
        if is_newer(&output, inputs.into_iter().chain(&parts))? {
            return Ok(());
        }
        let elf = self.scratch().join(guest.name).with_extension("elf");
        self.link(guest, &source, &elf)?;

        let format = Format { base: guest.base, pie: guest.pie, entry: guest.entry };
        let mut image = macho::from_elf(&fs::read(&elf)?, &format)?;
        if guest.universal {
            image = macho::universal(&image);
        }
        // Renamed into place: a guest that is running is never written to.
        let fresh = self.scratch().join(guest.name).with_extension("macho");
        fs::write(&fresh, image)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755))?;
        Ok(fs::rename(fresh, output)?)
    }

    fn link(&self, guest: &Guest, source: &Path, elf: &Path) -> Result<()> {
        let script = elf.with_extension("ld");
        fs::write(&script, link_script(guest.base))?;
        // Static code needs addresses in the lower 2 GiB; above, even what never moves is position-independent.
        let model = if guest.pie || guest.base >= 1 << 31 { "pie" } else { "static" };
        let status = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args(["--edition", "2024", "--crate-type", "bin", "--target", "x86_64-unknown-linux-gnu"])
            .args(["-O", "-C", "panic=abort", "-C", "target-feature=+crt-static", "-C", "strip=none"])
            .args(["-C", &format!("relocation-model={model}")])
            .args(["-C", "link-arg=-nostartfiles", "-C", "link-arg=-nostdlib"])
            .arg("-C")
            .arg(format!("link-arg=-Wl,-T,{},--build-id=none,-z,max-page-size=4096", script.display()))
            .arg("-o")
            .args([elf, source])
            .status()?;
        if status.success() { Ok(()) } else { Err(format!("rustc: {status}").into()) }
    }
}

/// Whether `output` exists and is newer than every input.
fn is_newer<'a>(output: &Path, inputs: impl IntoIterator<Item = &'a PathBuf>) -> io::Result<bool> {
    let modified = |path: &Path| -> io::Result<SystemTime> { path.metadata()?.modified() };
    let Ok(made) = modified(output) else { return Ok(false) };
    for input in inputs {
        if modified(input)? >= made {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Text, constants and data in segments of their own, with a free page in front for the Mach-O header.
///
/// Relative relocations stay in the image of a position-independent guest, which applies them itself.
fn link_script(base: u64) -> String {
    format!(
        "ENTRY(_start)
PHDRS {{ text PT_LOAD FLAGS(5); const PT_LOAD FLAGS(4); data PT_LOAD FLAGS(6); }}
SECTIONS {{
  __mach_header = {base:#x};
  . = {base:#x} + 0x1000;
  .text : {{ *(.text .text.*) }} :text
  . = ALIGN(0x1000);
  .rodata : {{ *(.rodata .rodata.*) }} :const
  .dynsym : {{ *(.dynsym) }} :const
  .dynstr : {{ *(.dynstr) }} :const
  .hash : {{ *(.hash) }} :const
  .gnu.hash : {{ *(.gnu.hash) }} :const
  .rela.dyn : {{ __rela_start = .; *(.rela.dyn .rela .rela.*) __rela_end = .; }} :const
  . = ALIGN(0x1000);
  .data : {{ *(.data .data.*) *(.got .got.*) }} :data
  .dynamic : {{ *(.dynamic) }} :data
  .bss : {{ *(.bss .bss.* COMMON) }} :data
  /DISCARD/ : {{ *(.eh_frame .eh_frame_hdr .gcc_except_table .gcc_except_table.* .comment .note .note.*) }}
}}
"
    )
}
