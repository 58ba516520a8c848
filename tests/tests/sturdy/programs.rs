//! Files that are no programs for this machine, or that want what they cannot have.

use crate::{Ended, confine, end, run_file, xnurun};
use object::macho;
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use xnu_tests::guests::{Scratch, guest};
use xnurun::macho::testing::{
    Builder, DATA, FILE_SIZE, RW, RX, RawSegment, Slice, TEXT, registers, universal, words,
};

/// The file is there and cannot be run.
const CANNOT_RUN: &[i32] = &[126];
const PAGE: u64 = 0x1000;

struct Files(Scratch);

impl Files {
    fn new() -> Files {
        Files(Scratch::new().expect("a scratch directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("a file in the scratch directory");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a file of our own");
        path
    }
}

#[track_caller]
fn refused(path: &Path, codes: &[i32]) -> Ended {
    let ended = run_file(path);
    ended.refused(&format!("{}: ", path.display()), codes);
    ended
}

fn x86_64(bytes: Vec<u8>) -> Slice {
    let (cpu_type, cpu_subtype) = (macho::CPU_TYPE_X86_64.0, macho::CPU_SUBTYPE_X86_64_ALL.0);
    Slice { cpu_type, cpu_subtype, offset: 0x1000, bytes }
}

#[test]
fn files_of_other_kinds_are_named() {
    let files = Files::new();
    let mut arm64 = Builder::static_program();
    arm64.cpu_type = macho::CPU_TYPE_ARM64.0;
    arm64.cpu_subtype = 0;
    let narrow = words(&[macho::MH_MAGIC, 7, 3, 2, 0, 0, 0]);
    let foreign = Slice { cpu_type: macho::CPU_TYPE_ARM64.0, cpu_subtype: 0, ..x86_64(arm64.build()) };
    let ape = b"MZqFpD='\n\0\x10\0\xf8\0\0\0\0\0\0\0\0\x01\0\x08\0".as_slice();
    let elf = fs::read("/proc/self/exe").expect("this program");
    let cases: &[(&str, &[u8], &str)] = &[
        ("empty", b"", "empty"),
        ("text", b"just some words\n", "text"),
        ("script", b"#!/bin/sh -e\necho no\n", "/bin/sh -e"),
        ("script-evil", b"#!/bin/\x1b[31m\x07sh\n", "script"),
        ("script-endless", &[b"#!".as_slice(), &[b'x'; 100_000]].concat(), "script"),
        ("elf", elf.get(..4096).expect("more than a page"), "ELF"),
        ("arm64", &arm64.build(), "arm64"),
        ("i386", &[narrow.as_slice(), &[0; 100]].concat(), ""),
        ("ppc", &0xfeed_face_u32.to_be_bytes(), ""),
        ("universal-arm64", &universal(std::slice::from_ref(&foreign), false), "arm64"),
        ("universal64-arm64", &universal(&[foreign], true), "arm64"),
        ("universal-nothing", &universal(&[], false), "universal"),
        ("java", b"\xca\xfe\xba\xbe\0\0\0\x34\0\x10", ""),
        ("pe", b"MZ\x90\0\x03\0\0\0", "Windows"),
        ("ape", ape, "Portable"),
        ("zeros", &[0; 4096], "not a Mach-O"),
        ("one-byte", b"\xcf", ""),
        ("magic", b"\xcf\xfa\xed\xfe", ""),
    ];
    for (name, bytes, says) in cases {
        let ended = refused(&files.write(name, bytes), CANNOT_RUN);
        assert!(ended.stderr.contains(says), "{name}: {ended:#?}");
    }
}

#[test]
fn control_characters_in_a_name_are_escaped() {
    let files = Files::new();
    let ended = run_file(&files.write("a\nb\x1b[31m", b""));
    ended.refused("", CANNOT_RUN);
    assert!(ended.stderr.contains("a\\nb\\u{1b}[31m: the file is empty"), "{ended:#?}");
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let files = Files::new();
    refused(files.0.path(), CANNOT_RUN);
    for device in ["/dev/null", "/dev/zero", "/proc/self/mem", "/proc/self/maps", "/"] {
        refused(Path::new(device), CANNOT_RUN);
    }
    let fifo = files.path("fifo");
    let name = CString::new(fifo.as_os_str().as_bytes()).expect("a path");
    confine::make_fifo(&name).expect("a fifo");
    refused(&fifo, CANNOT_RUN);
}

#[test]
fn missing_file_is_127() {
    let files = Files::new();
    refused(&files.path("none"), &[127]);
    refused(Path::new("/none/at/all"), &[127]);
    refused(Path::new("no-such-program-anywhere"), &[127]);
    let dangling = files.path("dangling");
    std::os::unix::fs::symlink("nowhere", &dangling).expect("a link");
    refused(&dangling, &[127]);
    let looped = files.path("loop");
    std::os::unix::fs::symlink("loop", &looped).expect("a link");
    refused(&looped, &[126, 127]);
    refused(&files.path(&"x".repeat(300)), &[126, 127]);
    end(&mut xnurun([""])).refused("", &[127]);
}

#[test]
fn unreadable_file_is_126() {
    let files = Files::new();
    let path = files.write("unreadable", b"secret");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o111)).expect("a file of our own");
    let mut command = xnurun([&path]);
    if confine::is_root() {
        // The runner is not where others may execute it: a copy is.
        let copy = files.path("xnurun");
        fs::copy(xnu_tests::guests::runner(), &copy).expect("a copy of the runner");
        command = xnurun([&path]);
        let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        command = std::process::Command::new(copy);
        command.args(words).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        confine::nobody(&mut command);
    }
    end(&mut command).refused(&format!("{}: ", path.display()), CANNOT_RUN);
}

#[test]
fn every_beginning_of_a_program_is_refused() {
    let files = Files::new();
    let whole = fs::read(guest("start")).expect("a guest");
    let lengths = (0..256).step_by(8).chain((256..whole.len().min(4097)).step_by(64));
    for length in lengths {
        let path = files.write("truncated", &whole[..length]);
        refused(&path, CANNOT_RUN);
    }
}

#[test]
fn broken_structures_are_refused() {
    let files = Files::new();
    let data = |address, size| RawSegment::zeros("__DATA", address, size, RW);
    let text = RawSegment::zeros("__TEXT", TEXT, PAGE, RX).file(0, FILE_SIZE);
    let bare = || Builder::new(macho::MH_EXECUTE).segment(RawSegment::zeros("__PAGEZERO", 0, TEXT, 0));
    let entry = |address| registers(address, 0);
    let mut too_many = Builder::static_program();
    too_many.extra_count = 1;
    let mut far_too_many = Builder::static_program();
    far_too_many.extra_count = u32::MAX - 3;
    let mut too_long = Builder::static_program();
    too_long.extra_size = 1 << 30;
    let mut library = Builder::static_program();
    library.file_type = macho::MH_DYLIB;
    let cases = [
        ("overlap", Builder::program().segment(data(TEXT, PAGE)).thread(&entry(TEXT + 0x200))),
        ("overlap-by-a-page", Builder::program().segment(data(TEXT - PAGE, 2 * PAGE)).thread(&entry(TEXT))),
        ("wraps", Builder::program().segment(data(u64::MAX - 0xfff, 0x2000)).thread(&entry(TEXT))),
        ("wraps-to-0", Builder::program().segment(data(DATA, u64::MAX - DATA + 1)).thread(&entry(TEXT))),
        ("kernel-half", Builder::program().segment(data(1 << 63, PAGE)).thread(&entry(TEXT))),
        ("beyond-the-end", bare().segment(text.file(0, 1 << 40)).thread(&entry(TEXT))),
        ("offset-wraps", bare().segment(text.file(u64::MAX - 0xfff, PAGE)).thread(&entry(TEXT))),
        ("unaligned", Builder::program().segment(data(DATA + 8, PAGE)).thread(&entry(TEXT))),
        ("command-of-size-0", Builder::static_program().command_of_size(macho::LC_UUID, 0, &[])),
        ("command-of-size-4", Builder::static_program().command_of_size(macho::LC_UUID, 4, &[])),
        ("command-past-the-end", Builder::static_program().command_of_size(macho::LC_UUID, 1 << 20, &[])),
        ("command-of-size-max", Builder::static_program().command_of_size(macho::LC_UUID, u32::MAX, &[])),
        ("too-many-commands", too_many),
        ("far-too-many-commands", far_too_many),
        ("commands-too-long", too_long),
        ("no-commands", Builder::new(macho::MH_EXECUTE)),
        ("no-entry", Builder::program()),
        ("entry-nowhere", Builder::program().thread(&entry(0xdead_0000))),
        ("entry-0", Builder::program().thread(&entry(0))),
        ("entry-in-data", Builder::program().segment(data(DATA, PAGE)).thread(&entry(DATA))),
        ("entry-max", Builder::program().thread(&entry(u64::MAX))),
        ("main-without-dyld", Builder::program().main(0x300, 0)),
        ("main-nowhere", Builder::program().dylinker(b"/usr/lib/dyld\0").main(u64::MAX, 0)),
        ("dylinker-without-end", Builder::program().dylinker(b"/usr/lib/dyldxxx").main(0x300, 0)),
        ("library", library),
    ];
    for (name, builder) in cases {
        refused(&files.write(name, &builder.build()), CANNOT_RUN);
    }
    let mut file = universal(&[x86_64(Builder::static_program().build())], false);
    // The slice's length: beyond the end of the file.
    file[20..24].copy_from_slice(&u32::MAX.to_be_bytes());
    refused(&files.write("slice-beyond-the-end", &file), CANNOT_RUN);
    let entries = [macho::FAT_MAGIC.to_be_bytes(), 0x1_0000_u32.to_be_bytes()].concat();
    refused(&files.write("slices-past-the-end", &entries), CANNOT_RUN);
}

/// Code that ends with exit(23) by itself: what a guest is that really runs.
const EXIT_23: &[u8] = b"\xb8\x01\0\0\x02\xbf\x17\0\0\0\x0f\x05\x0f\x0b";

/// A program with one more segment of zeros.
fn with_segment(address: u64, size: u64) -> Vec<u8> {
    let low = address < TEXT;
    let page_zero = if low { PAGE } else { TEXT };
    let extra = RawSegment::zeros("__EXTRA", address, size, RW);
    let text = RawSegment::zeros("__TEXT", TEXT, PAGE, RX).file(0, FILE_SIZE);
    let mut builder =
        Builder::new(macho::MH_EXECUTE).segment(RawSegment::zeros("__PAGEZERO", 0, page_zero, 0));
    builder = if low { builder.segment(extra).segment(text) } else { builder.segment(text).segment(extra) };
    let mut file = builder.thread(&registers(TEXT + 0x380, 0)).build();
    file[0x380..0x380 + EXIT_23.len()].copy_from_slice(EXIT_23);
    file
}

/// Where the runner's own parts are when addresses are not random, from the maps of a guest that waits.
fn own_addresses() -> Vec<(u64, String)> {
    let mut command = xnurun([guest("spin").as_os_str(), "getppid".as_ref(), "1000000000".as_ref()]);
    confine::fixed_addresses(&mut command);
    let child = command.spawn().expect("the runner");
    let maps = format!("/proc/{}/maps", child.id());
    // The guest runs once its commpage is there.
    let mut text = String::new();
    for _ in 0..1000 {
        text = fs::read_to_string(&maps).unwrap_or_default();
        if text.contains("7fffffe00000-") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    confine::kill(child.id(), libc::SIGKILL);
    crate::wait(child);
    assert!(text.contains("7fffffe00000-"), "the guest does not start: {text}");
    let lines = text.lines().filter_map(|line| {
        let start = line.split('-').next()?;
        Some((u64::from_str_radix(start, 16).ok()?, line.to_string()))
    });
    lines.filter(|(start, _)| *start < 0x8000_0000_0000).collect()
}

/// The addresses of everything that the process of a runner holds, one segment each. Addresses are fixed, so that
/// another start cannot help.
#[test]
fn segments_at_the_runners_addresses_are_refused_or_run() {
    let files = Files::new();
    let mut refusals = 0;
    for (address, line) in own_addresses() {
        for start in [address, address.saturating_sub(PAGE)] {
            let path = files.write("onto", &with_segment(start, 2 * PAGE));
            let mut command = xnurun([&path]);
            confine::fixed_addresses(&mut command);
            let ended = end(&mut command);
            if ended.code() == Some(23) {
                assert!(ended.stderr.is_empty(), "{line}: {ended:#?}");
            } else {
                assert_eq!(ended.signal(), None, "{line}: {ended:#?}");
                ended.refused(&format!("{}: ", path.display()), &[125, 126]);
                refusals += 1;
            }
        }
    }
    assert!(refusals > 4, "only {refusals} of the runner's addresses were refused");
}

#[test]
fn segments_at_special_addresses_are_refused_or_run() {
    let files = Files::new();
    let refused_ones = [
        ("commpage", 0x7fff_ffe0_0000 - PAGE, 2 * PAGE),
        ("commpage-itself", 0x7fff_ffe0_0000, PAGE),
        ("last-page", 0x7fff_ffff_f000, PAGE),
        ("vsyscall", 0xffff_ffff_ff60_0000, PAGE),
        ("64-tib", TEXT + PAGE, 64 << 40),
        ("120-tib", TEXT + PAGE, 120 << 40),
    ];
    for (name, address, size) in refused_ones {
        let path = files.write(name, &with_segment(address, size));
        let ended = run_file(&path);
        if ended.code() != Some(23) {
            ended.refused(&format!("{}: ", path.display()), &[125, 126]);
        }
    }
    let commpage = files.write("commpage", &with_segment(0x7fff_ffe0_0000, PAGE));
    refused(&commpage, &[125, 126]);
    let working = [
        ("just-below-the-commpage", 0x7fff_ffdf_f000, PAGE),
        ("low", 0x1_0000, PAGE),
        ("1-tib", TEXT + PAGE, 1 << 40),
        ("middle", 0x1234_5678_9000, PAGE),
    ];
    for (name, address, size) in working {
        let path = files.write(name, &with_segment(address, size));
        let ended = run_file(&path);
        assert_eq!((ended.code(), ended.stderr.as_str()), (Some(23), ""), "{name}: {ended:#?}");
    }
}

#[test]
fn segment_below_the_least_address_is_refused_in_words() {
    let files = Files::new();
    let path = files.write("lowest", &with_segment(PAGE, PAGE));
    let least = fs::read_to_string("/proc/sys/vm/mmap_min_addr").unwrap_or_default();
    let least: u64 = least.trim().parse().unwrap_or(0x1_0000);
    let copy = files.path("xnurun");
    fs::copy(xnu_tests::guests::runner(), &copy).expect("a copy of the runner");
    let mut command = std::process::Command::new(copy);
    command.arg(&path).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    // Root may map everywhere.
    if confine::is_root() {
        confine::nobody(&mut command);
    }
    let ended = end(&mut command);
    if least > PAGE {
        ended.refused(&format!("{}: ", path.display()), CANNOT_RUN);
        assert!(ended.stderr.contains("vm.mmap_min_addr"), "{ended:#?}");
    } else {
        assert_eq!(ended.code(), Some(23), "{ended:#?}");
    }
}
