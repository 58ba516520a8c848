//! Programs whose root is a prefix: what they see of it, and what they cannot reach.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use xnu_tests::guests::{Scratch, guest, runner, xtask};

/// A prefix as `--init-prefix` makes it, with guests in `/bin`.
struct Prefix {
    scratch: Scratch,
}

impl Prefix {
    fn new() -> Prefix {
        let prefix = Prefix { scratch: Scratch::new().expect("a directory") };
        let made =
            Command::new(runner()).arg("--init-prefix").arg(prefix.root()).output().expect("it starts");
        assert!(made.status.success(), "{made:?}");
        for name in ["hello", "args", "processes", "shell", "sockets"] {
            fs::copy(guest(name), prefix.root().join("bin").join(name)).expect("a copy");
        }
        prefix
    }

    fn root(&self) -> PathBuf {
        self.scratch.path().join("root")
    }

    fn run(&self, options: &[&str], command: &[&str]) -> Output {
        let mut xnurun = Command::new(runner());
        xnurun
            .arg("--prefix")
            .arg(self.root())
            .args(options)
            .args(command)
            .env_clear()
            .env("PATH", "/usr/bin:/bin");
        xnurun.current_dir("/").output().expect("it starts")
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn a_program_is_found_below_the_prefix_by_path_and_by_name() {
    let prefix = Prefix::new();
    for name in ["/bin/hello", "hello", "/usr/../bin/./hello"] {
        let output = prefix.run(&[], &[name, "3"]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(3), "hello from XNU\n"), "{output:?}");
    }
    let missing = prefix.run(&[], &["/bin/nothing"]);
    assert_eq!(missing.status.code(), Some(127), "{missing:?}");
    assert_eq!(text(&missing.stderr), "xnurun: /bin/nothing: no such file below the prefix\n");
    // The host's own path is none of the prefix's.
    let host = prefix.run(&[], &[prefix.root().join("bin/hello").to_str().expect("text")]);
    assert_eq!(host.status.code(), Some(127), "{host:?}");
}

#[test]
fn a_shell_pipes_three_processes_a_thousand_times_and_nothing_is_left() {
    let prefix = Prefix::new();
    let output = prefix.run(&[], &["/bin/shell", "1000"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "1000 times\n"), "{output:?}");
}

#[test]
fn other_spellings_are_found_only_where_the_prefix_allows_it() {
    let prefix = Prefix::new();
    assert_eq!(prefix.run(&["--case-insensitive"], &["/BIN/Hello", "5"]).status.code(), Some(5));
    assert_eq!(prefix.run(&[], &["/BIN/Hello", "5"]).status.code(), Some(127));
}

#[test]
fn a_prefix_that_is_no_directory_is_an_error_in_a_line() {
    for (path, reason) in [("/no/such/prefix", "No such file"), ("/dev/null", "Not a directory")] {
        let output =
            Command::new(runner()).args(["--prefix", path, "/bin/hello"]).output().expect("it starts");
        assert_eq!(output.status.code(), Some(125), "{output:?}");
        let line = text(&output.stderr);
        assert!(line.starts_with(&format!("xnurun: {path}: --prefix: ")) && line.contains(reason), "{line}");
    }
    let output = Command::new(runner()).args(["--sandbox", "/bin/hello"]).output().expect("it starts");
    assert_eq!(output.status.code(), Some(125), "{output:?}");
}

/// `file` reads the file itself and its own data; what it says depends on what the paths lead to.
#[test]
fn real_programs_see_the_prefix_and_nothing_else() {
    let real = PathBuf::from(xtask(&["real"]).trim_end());
    let prefix = Prefix::new();
    fs::copy(real.join("ent.macho"), prefix.root().join("bin/ent")).expect("a copy");
    fs::write(prefix.root().join("private/etc/sample"), [b'a'; 1000]).expect("a file");
    symlink("/etc/sample", prefix.root().join("tmp/link")).expect("a link");

    let inside = prefix.run(&[], &["/bin/ent", "/etc/sample"]);
    assert_eq!(inside.status.code(), Some(0), "{inside:?}");
    for same in ["/tmp/link", "/../etc/sample", "/etc/../etc/sample"] {
        assert_eq!(prefix.run(&[], &["/bin/ent", same]).stdout, inside.stdout, "{same}");
    }
    // Of the host's files it sees none but by the way out, which a sealed prefix does not have.
    let sample = prefix.scratch.path().join("outside");
    fs::write(&sample, [b'a'; 1000]).expect("a file");
    let out = |options: &[&str], path: &str| prefix.run(options, &["/bin/ent", path]);
    let host = sample.to_str().expect("text");
    assert_ne!(out(&[], host).status.code(), Some(0));
    let by_exit = format!("/Volumes/SystemRoot{host}");
    assert_eq!(out(&[], &by_exit).stdout, inside.stdout);
    assert_ne!(out(&["--no-root-exit"], &by_exit).status.code(), Some(0));
    assert_ne!(out(&["--sandbox"], &by_exit).status.code(), Some(0));
    assert_eq!(out(&["--sandbox"], "/etc/sample").stdout, inside.stdout);
}

/// The image opens its library, and the file that it makes and removes, below the prefix.
#[test]
fn linked_images_get_the_prefix_too() {
    let images = Path::new(xtask(&["linked"]).trim_end()).join("x86_64");
    let prefix = Prefix::new();
    for (image, place) in [
        ("dyld", "usr/lib/dyld"),
        ("program", "bin/program"),
        ("libsystem_kernel.dylib", "libsystem_kernel.dylib"),
    ] {
        fs::copy(images.join(image), prefix.root().join(place)).expect("a copy");
    }
    let run = |arguments: &[&str]| {
        let mut xnurun = Command::new(runner());
        xnurun.arg("--prefix").arg(prefix.root()).args(arguments);
        xnurun.current_dir(prefix.root()).output().expect("it starts")
    };
    let output = run(&["/bin/program", "7", "/tmp/linked.scratch"]);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let nowhere = run(&["/bin/program", "7", "/no/such/directory/scratch"]);
    assert_eq!(nowhere.status.code(), Some(11), "{nowhere:?}");
}

/// A local socket is made below the prefix, and everybody is told the name that the guest gave it.
#[test]
fn sockets_have_the_guests_names() {
    use std::os::unix::fs::FileTypeExt;
    let prefix = Prefix::new();
    for path in ["/tmp/s", "/private/tmp/../tmp/t"] {
        let output = prefix.run(&[], &["/bin/sockets", path]);
        let expected = (Some(0), "sockets work\n");
        assert_eq!((output.status.code(), text(&output.stdout)), expected, "{path}: {output:?}");
    }
    for name in ["s", "t"] {
        let made = fs::symlink_metadata(prefix.root().join("private/tmp").join(name)).expect("a socket");
        assert!(made.file_type().is_socket(), "{name}");
    }
}

/// What a program is told of processes has the paths that it knows, and nothing of the runner's.
#[test]
fn processes_are_told_of_with_the_guests_paths() {
    for (options, null) in [(&[][..], "/Volumes/SystemRoot/dev/null"), (&["--no-root-exit"][..], "")] {
        let prefix = Prefix::new();
        let folder = prefix.root().join("private/tmp");
        fs::write(folder.join("input"), "").expect("a file");
        let output = Command::new(runner())
            .arg("--prefix")
            .arg(prefix.root())
            .args(options)
            .args(["/bin/processes", "one", "two words"])
            .env_clear()
            .env("A", "b")
            .current_dir(&folder)
            .stdin(fs::File::open(folder.join("input")).expect("a file"))
            .stderr(Stdio::null())
            .output()
            .expect("it starts");
        let (own, child) = text(&output.stdout).split_once("child ").expect("a child");
        let expected = format!(
            "argc 3\npath /bin/processes\nargument /bin/processes\nargument one\nargument two words\nvariable A=b\n\
            program Ok(0) /bin/processes\ndirectory Ok(2352) /private/tmp\nname processes\n\
            descriptor 0 kind 1 path /private/tmp/input\ndescriptor 1 kind 6 errno 9\ndescriptor 2 kind 1 path {null}\n"
        );
        // Whoever runs the test may leave more descriptors open.
        let ours = |line: &&str| {
            !line.starts_with("descriptor ") || matches!(line.as_bytes()[11..], [b'0'..=b'2', b' ', ..])
        };
        let own: String = own.split_inclusive('\n').filter(ours).collect();
        assert_eq!(own, expected, "{options:?}");
        assert!(
            child.starts_with("true /bin/processes\n") && child.contains("\npath /bin/processes\n"),
            "{child}"
        );
        assert!(child.ends_with("ended true 0x500\nstatus true 0x500\ngone Err(3)\n"), "{child}");
        assert_eq!(output.status.code(), Some(0));
    }
}
