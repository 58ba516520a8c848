//! Programs that other people built for macOS print, byte for byte, what their Linux builds print, and end the same.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use xnu_tests::guests::Scratch;
use xnu_tests::real::{natively, peaks_kib, program, under_runner};
use xnurun::macho::{self, Entry};

/// Files of many kinds: name and content.
fn contents() -> Vec<(&'static str, Vec<u8>)> {
    let utf16 = |text: &str, encode: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(encode).collect();
    let mut tar = vec![0; 1024];
    tar[..5].copy_from_slice(b"a.txt");
    tar[100..108].copy_from_slice(b"0000644\0");
    tar[124..136].copy_from_slice(b"00000000000\0");
    tar[257..265].copy_from_slice(b"ustar\x0000");
    vec![
        ("empty", vec![]),
        ("one_byte", b"x".to_vec()),
        ("text", b"The quick brown fox jumps over the lazy dog.\n".repeat(40)),
        ("crlf", b"one\r\ntwo\r\n".to_vec()),
        ("long_line", vec![b'a'; 100_000]),
        ("utf8", "Z\u{fc}rich, \u{65e5}\u{672c}\n".repeat(50).into_bytes()),
        ("latin1", b"caf\xe9 cr\xe8me\n".to_vec()),
        ("utf16le", utf16("\u{feff}hello\n", u16::to_le_bytes)),
        ("utf16be", utf16("\u{feff}hello\n", u16::to_be_bytes)),
        ("script", b"#!/bin/sh\necho hello\n".to_vec()),
        ("source.c", b"#include <stdio.h>\nint main(void) { return 0; }\n".to_vec()),
        ("data.json", b"{\"one\": [1, 2, 3], \"two\": null}\n".to_vec()),
        ("page.html", b"<!DOCTYPE html>\n<html><head><title>x</title></head></html>\n".to_vec()),
        ("table.csv", b"a,b,c\n1,2,3\n4,5,6\n".to_vec()),
        ("gzip", b"\x1f\x8b\x08\x08\x00\x00\x00\x60\x02\x03name.txt\0\x03\0\0\0\0\0\0\0\0\0".to_vec()),
        ("zip", b"PK\x03\x04\x14\0\0\0\x08\0\0\0\x21\x50\0\0\0\0\x02\0\0\0\0\0\0\0\x05\0\0\0a.txt".to_vec()),
        ("png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x20\x08\x06\0\0\0".to_vec()),
        ("jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec()),
        ("pdf", b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n".to_vec()),
        ("tar", tar),
        ("sqlite", b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20".repeat(5)),
        ("elf", head(&program("ent.elf"))),
        ("macho", head(&program("ent.macho"))),
        ("zeros", vec![0; 5000]),
        ("random", random(70_000)),
    ]
}

/// The first pages of a file.
fn head(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).expect("a program");
    bytes.truncate(16384);
    bytes
}

/// The same bytes at every run, without a pattern (xorshift).
fn random(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Things in a directory that are no plain file, and names that lead nowhere.
const SPECIAL: &[&str] = &[
    "directory",
    "directory/",
    "sticky",
    "set_user_id",
    "unreadable",
    "sparse",
    "link",
    "link_to_directory",
    "dangling",
    "loop",
    "fifo",
    "socket",
    "missing",
    "missing/name",
    "text/name",
    "text/",
    "directory/../text",
    "./././text",
    "/dev/null",
    "/dev/zero",
    "/",
    "",
];

/// A directory with every kind of file.
fn files() -> Scratch {
    let scratch = Scratch::new().expect("a scratch directory");
    let at = |name: &str| scratch.path().join(name);
    for (name, content) in contents() {
        fs::write(at(name), content).expect("a file");
    }
    let mode =
        |name: &str, mode| fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).expect("a mode");
    fs::create_dir(at("directory")).expect("a directory");
    fs::create_dir(at("sticky")).expect("a directory");
    mode("sticky", 0o1777);
    fs::write(at("set_user_id"), b"text\n").expect("a file");
    mode("set_user_id", 0o4755);
    fs::write(at("unreadable"), b"text\n").expect("a file");
    mode("unreadable", 0o000);
    fs::File::create(at("sparse")).and_then(|file| file.set_len(1 << 20)).expect("a sparse file");
    for (link, target) in
        [("link", "text"), ("link_to_directory", "directory"), ("dangling", "missing"), ("loop", "loop")]
    {
        symlink(target, at(link)).expect("a link");
    }
    assert!(Command::new("mkfifo").arg(at("fifo")).status().is_ok_and(|status| status.success()));
    drop(UnixListener::bind(at("socket")).expect("a socket"));
    scratch
}

/// Runs both builds in turn; `Some` with a text if they differ.
fn difference(program: &str, args: &[&str], directory: &Path, stdin: &[u8]) -> Option<String> {
    let ours = under_runner(program, args, directory, stdin);
    let theirs = natively(program, args, directory, stdin);
    (ours != theirs)
        .then(|| format!("{program} {args:?}\n--- under the runner: {ours:?}\n--- natively: {theirs:?}"))
}

#[track_caller]
fn same<'a>(program: &str, runs: impl IntoIterator<Item = &'a [&'a str]>, directory: &Path, stdin: &[u8]) {
    let differences: Vec<String> =
        runs.into_iter().filter_map(|args| difference(program, args, directory, stdin)).collect();
    assert!(differences.is_empty(), "{} runs differ\n{}", differences.len(), differences.join("\n\n"));
}

/// The Linux build is the oracle: it has to have something to say.
#[track_caller]
fn oracle_says(program: &str, args: &[&str], directory: &Path, stdin: &[u8], code: i32, text: &str) {
    let ended = natively(program, args, directory, stdin);
    let output =
        String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
    assert!(ended.code == Some(code) && output.contains(text), "{ended:?}");
}

#[test]
fn programs_are_static_macho_files() {
    for name in ["ent.macho", "file.macho"] {
        let bytes = fs::read(program(name)).expect("a program");
        let program = macho::parse(&bytes, macho::Kind::Program).expect("a Mach-O file");
        assert!(matches!(program.entry, Entry::Thread(_)), "{name}: {:?}", program.entry);
    }
}

#[test]
fn linux_builds_are_an_oracle() {
    let files = files();
    let at = files.path();
    oracle_says("file", &["text"], at, b"", 0, "text: ASCII text");
    oracle_says("file", &["random"], at, b"", 0, "random: data");
    oracle_says("file", &["-"], at, b"#!/bin/sh\n", 0, "/dev/stdin: POSIX shell script");
    oracle_says("file", &["fifo", "/dev/null"], at, b"", 0, "character special (1/3)");
    oracle_says("file", &["missing"], at, b"", 0, "No such file or directory");
    oracle_says("file", &["--no-such-option"], at, b"", 1, "Usage: file.macho");
    oracle_says("ent", &["random"], at, b"", 0, "Entropy = 7.99");
    oracle_says("ent", &[], at, &[0; 100], 0, "Entropy = 0.0");
    oracle_says("ent", &["missing"], at, b"", 2, "Cannot open file missing");
}

#[test]
fn file_knows_each_kind_of_content() {
    let files = files();
    for (name, _) in contents() {
        same("file", [[name].as_slice()], files.path(), b"");
    }
}

#[test]
fn file_knows_each_kind_of_special_file() {
    let files = files();
    for name in SPECIAL {
        same("file", [[*name].as_slice(), &["-L", name], &["-h", name]], files.path(), b"");
    }
    let long = "n".repeat(256);
    same("file", [[long.as_str()].as_slice()], files.path(), b"");
}

#[test]
fn file_knows_all_of_them_at_once() {
    let files = files();
    let contents = contents();
    let names: Vec<&str> = contents.iter().map(|(name, _)| *name).chain(SPECIAL.iter().copied()).collect();
    same("file", [names.as_slice()], files.path(), b"");
}

#[test]
fn options_of_file_work() {
    let files = files();
    let list = files.path().join("list");
    fs::write(list, "text\npng\nmissing\ndirectory\n").expect("a file");
    let options: &[&[&str]] = &[
        &["-b"],
        &["-b", "-i"],
        &["--mime-type"],
        &["--mime-encoding"],
        &["--extension"],
        &["--apple"],
        &["-k"],
        &["-L"],
        &["-h"],
        &["-s"],
        &["-r"],
        &["-n"],
        &["-N"],
        &["-0"],
        &["-p"],
        &["-S"],
        &["-E"],
        &["-F", " ->"],
        &["-e", "ascii"],
        &["-e", "soft"],
        &["-P", "bytes=10"],
    ];
    let names = ["text", "utf8", "png", "tar", "elf", "random", "empty", "link", "directory", "missing"];
    for option in options {
        let args: Vec<&str> = option.iter().copied().chain(names).collect();
        same("file", [args.as_slice()], files.path(), b"");
    }
    let runs: [&[&str]; 8] = [
        &["--version"],
        &["--help"],
        &["--list"],
        &["-f", "list"],
        &["-f", "missing"],
        &["--no-such-option"],
        &["-m", "missing", "text"],
        &[],
    ];
    same("file", runs, files.path(), b"");
}

#[test]
fn file_reads_its_standard_input() {
    let files = files();
    for stdin in [b"".as_slice(), b"plain text\n", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", &random(300_000)] {
        same("file", [["-"].as_slice(), &["-b", "-i", "-"], &["-f", "-"]], files.path(), stdin);
    }
}

#[test]
fn ent_measures_each_kind_of_content() {
    let files = files();
    for (name, _) in contents() {
        same("ent", [[name].as_slice(), &["-t", name]], files.path(), b"");
    }
}

#[test]
fn ent_refuses_what_it_cannot_read() {
    let files = files();
    // Opening a pipe would wait for a writer, and zeros never end.
    for name in SPECIAL.iter().filter(|name| !["fifo", "/dev/zero"].contains(name)) {
        same("ent", [[*name].as_slice()], files.path(), b"");
    }
}

#[test]
fn options_of_ent_work() {
    let files = files();
    let mut runs: Vec<Vec<&str>> = Vec::new();
    for options in ["-b", "-c", "-t", "-f", "-bc", "-ct", "-cf", "-bt", "-bcft"] {
        for name in ["text", "random", "empty"] {
            runs.push(vec![options, name]);
        }
    }
    runs.extend([vec!["-u"], vec!["-?"], vec!["-x", "text"], vec!["text", "random"]]);
    same("ent", runs.iter().map(Vec::as_slice), files.path(), b"");
}

#[test]
fn ent_reads_its_standard_input() {
    let files = files();
    for stdin in [b"".as_slice(), b"plain text\n", &random(300_000)] {
        same("ent", [[].as_slice(), &["-t"], &["-c", "-b"]], files.path(), stdin);
    }
}

#[test]
fn peak_memory_is_within_4_mib_of_the_linux_build() {
    let (ours, theirs) = peaks_kib("ent", &vec![0x5a; 1 << 20]);
    println!("peak memory: {ours} KiB under the runner, {theirs} KiB natively");
    assert!(ours <= theirs + 4096, "{ours} KiB against {theirs} KiB");
}
