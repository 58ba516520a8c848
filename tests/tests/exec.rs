//! Programs that execute programs, under the runner: Mach-O files, scripts, programs of Linux's, with and without a
//! prefix.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use xnu_tests::guests::{Finished, Scratch, guest, run, run_guest};

#[track_caller]
fn says(finished: &Finished, stdout: &str) {
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), stdout), "{finished:#?}");
}

fn executes(words: &[&OsStr]) -> Finished {
    run([guest("exec").as_os_str()].into_iter().chain(words.iter().copied()))
}

fn script(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    path
}

#[test]
fn a_program_of_xnu_is_run_by_the_runner() {
    let hello = guest("hello");
    says(&executes(&[hello.as_os_str(), "7".as_ref()]), "hello from XNU\nstatus 0x700\n");
    let universal = guest("hello_universal");
    says(&executes(&[universal.as_os_str()]), "hello from XNU\nstatus 0x0\n");
}

#[test]
fn suspended_programs_wait_to_be_told() {
    let hello = guest("hello");
    for (words, said) in [
        (vec![hello.as_os_str(), "7".as_ref()], "hello from XNU\nstatus 0x700\n"),
        (vec!["/bin/sh".as_ref(), "-c".as_ref(), "echo here; exit 3".as_ref()], "here\nstatus 0x300\n"),
    ] {
        let words: Vec<&OsStr> = [OsStr::new("suspended")].into_iter().chain(words).collect();
        says(&executes(&words), &format!("stopped\n{said}"));
    }
    says(&executes(&["suspended".as_ref(), "/nothing".as_ref()]), "errno 2\n");
}

#[test]
fn what_should_stay_stays_and_what_should_not_does_not() {
    says(&run_guest("exec", &[]), "all as it should be\n");
}

#[test]
fn a_program_of_linux_is_run_by_linux() {
    says(
        &executes(&["/bin/sh".as_ref(), "-c".as_ref(), "echo $0 $PATH; exit 4".as_ref(), "x".as_ref()]),
        "x /bin\nstatus 0x400\n",
    );
}

#[test]
fn a_script_is_run_by_its_interpreter() {
    let scratch = Scratch::new().expect("a scratch directory");
    let echo = script(scratch.path(), "echo", "#! /bin/sh -u\necho $0 $1\nexit 5\n");
    let expected = format!("{} one\nstatus 0x500\n", echo.display());
    says(&executes(&[echo.as_os_str(), "one".as_ref()]), &expected);

    let args = guest("args");
    let line = format!("#!{} first  second # not this\n", args.display());
    let finished = executes(&[script(scratch.path(), "guest", &line).as_os_str(), "third".as_ref()]);
    let lines: Vec<_> = finished.stdout.lines().collect();
    assert_eq!(lines[0], "argc 5", "{finished:#?}");
    assert_eq!(lines[1], format!("argv[0] {}", args.display()));
    assert_eq!(lines[2..4], ["argv[1] first", "argv[2] second"]);
    assert_eq!(lines[5], "argv[4] third");
    assert!(finished.stdout.contains(&format!("executable_path={}\n", args.display())), "{finished:#?}");
    assert!(!finished.stdout.contains("XNURUN"), "{finished:#?}");
}

#[test]
fn a_files_name_adds_no_string_of_the_kernels() {
    let scratch = Scratch::new().expect("a scratch directory");
    for name in ["args stack_guard=0x1", "args\nstack_guard=0x1", "ptr_munge=0x1"] {
        let copy = scratch.path().join(name);
        fs::copy(guest("args"), &copy).expect("a copy");
        for finished in [run([copy.as_os_str()]), executes(&[copy.as_os_str()])] {
            let apple: Vec<_> = finished.stdout.split("\napple[").skip(1).collect();
            assert!(apple[0].starts_with(&format!("0] executable_path={}", copy.display())), "{finished:#?}");
            for key in ["stack_guard=", "ptr_munge="] {
                let strings: Vec<_> = apple.iter().filter_map(|string| string.split_once("] ")).collect();
                let found: Vec<_> = strings.iter().filter(|(_, string)| string.starts_with(key)).collect();
                assert!(found.len() == 1 && found[0].1 != format!("{key}0x1"), "{finished:#?}");
            }
        }
    }
}

#[test]
fn what_cannot_be_executed_is_an_error_of_the_caller() {
    let scratch = Scratch::new().expect("a scratch directory");
    let text = script(scratch.path(), "text", "echo hello\n");
    let nobody = script(scratch.path(), "nobody", "#!/no/such/interpreter\n");
    let twice = script(scratch.path(), "twice", &format!("#!{}\n", nobody.display()));
    let empty = script(scratch.path(), "empty", "");
    for (path, errno) in [
        (text.as_path(), 8),
        (&nobody, 2),
        (&twice, 8),
        (&empty, 8),
        (scratch.path(), 13),
        (Path::new("/no/such/file"), 2),
        (Path::new("/dev/null"), 13),
        (&text.join("below"), 20),
    ] {
        let finished = executes(&[path.as_os_str()]);
        says(&finished, &format!("errno {errno}\nstatus 0x0\n"));
    }
}

#[test]
fn what_is_spawned_is_what_is_executed() {
    let hello = guest("hello");
    let spawn: &OsStr = "spawn".as_ref();
    says(&executes(&[spawn, hello.as_os_str(), "7".as_ref()]), "hello from XNU\nstatus 0x700\n");
    says(&executes(&[spawn, "/bin/sh".as_ref(), "-c".as_ref(), "exit 4".as_ref()]), "status 0x400\n");
    says(&executes(&[spawn, "/no/such/file".as_ref()]), "errno 2\n");
    says(&executes(&[spawn, "/dev/null".as_ref()]), "errno 13\n");
}

#[test]
fn nearly_a_mebibyte_of_arguments_arrives() {
    const COUNT: usize = 10_000;
    let long = "x".repeat(90);
    let args = guest("args");
    let mut words = vec![args.as_os_str()];
    words.extend(std::iter::repeat_n(OsStr::new(&long), COUNT));
    let finished = executes(&words);
    assert!(finished.stdout.starts_with("argc 10001\n"), "{:?} {}", finished.code, finished.stderr);
    assert_eq!(finished.stdout.matches(&long).count(), COUNT);
    assert!(finished.stdout.ends_with("status 0x0\n"));
}

#[test]
fn below_a_prefix_programs_are_the_prefixs() {
    let scratch = Scratch::new().expect("a scratch directory");
    let prefix = scratch.path().join("prefix");
    fs::create_dir_all(prefix.join("usr/bin")).expect("a prefix");
    for name in ["exec", "hello", "args"] {
        fs::copy(guest(name), prefix.join("usr/bin").join(name)).expect("a guest");
    }
    script(&prefix.join("usr/bin"), "script", "#!/usr/bin/args\n");
    let below = |options: &[&str], words: &[&str]| {
        let prefix = format!("--prefix={}", prefix.display());
        run([prefix.as_str()].iter().chain(options).chain(&["/usr/bin/exec"]).chain(words))
    };
    for options in [&[][..], &["--no-root-exit"], &["--case-insensitive"]] {
        says(&below(options, &["/usr/bin/hello", "3"]), "hello from XNU\nstatus 0x300\n");
        // Twice: the second is told what the first was.
        let nested = ["/usr/bin/exec", "/usr/bin/exec", "/usr/bin/hello", "3"];
        says(&below(options, &nested), "hello from XNU\nstatus 0x300\nstatus 0x0\nstatus 0x0\n");
        says(&below(options, &["/bin/sh"]), "errno 2\nstatus 0x0\n");
        let finished = below(options, &["/usr/bin/script"]);
        assert!(finished.stdout.contains("executable_path=/usr/bin/args\n"), "{finished:#?}");
    }
    says(
        &below(&["--case-insensitive"], &["/usr/bin/exec", "/USR/BIN/Hello"]),
        "hello from XNU\nstatus 0x0\nstatus 0x0\n",
    );
    says(&below(&[], &["/USR/BIN/Hello"]), "errno 2\nstatus 0x0\n");
    let sealed = below(&["--sandbox"], &["/usr/bin/hello", "3"]);
    if sealed.code != Some(125) {
        says(&sealed, "hello from XNU\nstatus 0x300\n");
    }
}
