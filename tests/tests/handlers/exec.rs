//! Executing programs.

use crate::support::*;
use xnu_abi::linux::{Errno, Sysno};
use xnu_backend_mock::{Executed, Mock, Plan};
use xnu_core::Reply;

const CPU_TYPE_X86_64: u32 = 0x0100_0007;

/// The header of a Mach-O program.
pub(crate) fn macho() -> Vec<u8> {
    [0xfeed_facf_u32, CPU_TYPE_X86_64, 3, 2].iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A machine with programs and somebody who starts them.
fn ready() -> Machine<Mock> {
    let k = machine();
    for (path, bytes) in [
        ("/tmp/macho", macho()),
        ("/tmp/elf", b"\x7fELF and so on".to_vec()),
        ("/tmp/script", b"#!/tmp/macho  -a b\nrest".to_vec()),
        ("/tmp/nested", b"#!/tmp/script\n".to_vec()),
        ("/tmp/text", b"no program".to_vec()),
        ("/tmp/empty", Vec::new()),
    ] {
        k.add_file(path, &bytes);
        k.set_mode(path, 0o755);
    }
    k.process.loader.set(k.place_str("/the/loader"), k.place_str("OPTIONS=x"));
    k
}

/// A vector of strings.
fn vector(k: &Mock, strings: &[&str]) -> Vec<u8> {
    strings.iter().map(|string| k.place_str(string).get()).chain([0]).flat_map(u64::to_le_bytes).collect()
}

fn texts(strings: &[Vec<u8>]) -> Vec<String> {
    strings.iter().map(|string| String::from_utf8_lossy(string).into_owned()).collect()
}

fn only(k: &Mock) -> Executed {
    let executed = k.executed();
    assert_eq!(executed.len(), 1);
    executed.into_iter().next().unwrap()
}

#[test]
fn a_program_of_xnu_is_the_loaders() {
    let k = ready();
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, open("/tmp/own", O_CLOEXEC) => 4);
    let (argv, envp) = (vector(&k, &["zero", "one", ""]), vector(&k, &["A=1", "B"]));
    xnu!(k, sigaction(SIGUSR1, action_ignore(&k), NULL) => 0);
    xnu!(k, sigprocmask(SIG_BLOCK, [1u8, 0, 0, 0].to_vec(), NULL) => 0);
    xnu!(k, execve("/tmp/macho", argv, envp) => Reply::Unchanged);
    let executed = only(&k);
    assert_eq!(executed.path, "/the/loader");
    assert_eq!(texts(&executed.arguments), ["zero", "one", ""]);
    let handed = "XNURUN_EXEC=00000006,ffffffff,00000001,20000000,00000000,/tmp/macho";
    assert_eq!(texts(&executed.environment), [handed, "OPTIONS=x", "A=1", "B"]);
    assert_eq!(executed.descriptors, [0, 1, 2, 3, 6]);
    assert_eq!(executed.mask | 1 << 8 | 1 << 18, u64::MAX, "nothing comes in between");
}

/// A `struct __sigaction` that ignores.
fn action_ignore(k: &Mock) -> xnu_core::UserAddr {
    k.place(&bytes([1u64, 0, 0]))
}

#[test]
fn a_program_of_linux_gets_the_guests_own_vectors_and_signals() {
    let k = ready();
    xnu!(k, sigprocmask(SIG_BLOCK, [1u8, 0, 0, 0].to_vec(), NULL) => 0);
    let (argv, envp) = (vector(&k, &["zero"]), vector(&k, &["A=1"]));
    xnu!(k, __mac_execve("/tmp/elf", argv, envp, NULL) => Reply::Unchanged);
    let executed = only(&k);
    assert_eq!(
        (texts(&executed.arguments), texts(&executed.environment)),
        (vec!["zero".into()], vec!["A=1".into()])
    );
    assert_eq!((executed.path.as_str(), executed.mask), ("fd:4", 1));
    assert_eq!(executed.descriptors, [0, 1, 2]);
}

#[test]
fn a_script_is_its_interpreter_with_more_arguments() {
    let k = ready();
    let argv = vector(&k, &["gone", "one"]);
    xnu!(k, execve("/tmp/script", argv, NULL) => Reply::Unchanged);
    let executed = only(&k);
    assert_eq!(texts(&executed.arguments), ["/tmp/macho", "-a", "b", "/tmp/script", "one"]);
    assert!(texts(&executed.environment)[0].ends_with(",/tmp/macho"));
    xnu!(k, execve("/tmp/script", NULL, NULL) => Reply::Unchanged);
    assert_eq!(texts(&k.executed()[1].arguments), ["/tmp/macho", "-a", "b", "/tmp/script"]);
}

#[test]
fn nobody_to_start_programs_leaves_them_to_linux() {
    let k = machine();
    k.add_file("/tmp/macho", &macho());
    k.set_mode("/tmp/macho", 0o755);
    xnu!(k, execve("/tmp/macho", NULL, NULL) => Reply::Unchanged);
    assert_eq!(only(&k).path, "fd:4");
}

#[test]
fn no_argument_at_all_is_told() {
    let k = ready();
    for argv in [vec![], vec![0; 8]] {
        let argv = if argv.is_empty() { 0 } else { k.place(&argv).get() };
        xnu!(k, execve("/tmp/macho", argv, NULL) => Reply::Unchanged);
        let executed = k.executed().pop().unwrap();
        assert!(texts(&executed.environment)[0].ends_with(",00000001,/tmp/macho"));
    }
}

#[test]
fn what_is_no_program_is_refused_and_nothing_is_left_open() {
    let k = ready();
    k.add_file("/tmp/other", &[0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 0]);
    k.set_mode("/tmp/other", 0o755);
    k.add_file("/tmp/noline", b"#! /bin/sh");
    k.set_mode("/tmp/noline", 0o755);
    k.add_file("/tmp/lost", b"#!/no/where\n");
    k.set_mode("/tmp/lost", 0o711);
    k.add_file("/tmp/locked", &macho());
    k.set_mode("/tmp/locked", 0o700);
    for (path, errno) in [
        ("/tmp/text", ENOEXEC),
        ("/tmp/empty", ENOEXEC),
        ("/tmp/nested", ENOEXEC),
        ("/tmp/noline", ENOEXEC),
        ("/tmp/other", EBADARCH),
        ("/tmp/own", EACCES),
        ("/tmp/dir", EACCES),
        ("/tmp/fifo", EACCES),
        ("/dev/null", EACCES),
        ("/tmp/locked", EACCES),
        ("/tmp/lost", EACCES),
        ("/tmp/nothing", ENOENT),
        ("/tmp/text/", ENOTDIR),
        ("/tmp/loop", ELOOP),
        ("", ENOENT),
    ] {
        xnu!(k, execve(path, NULL, NULL) => errno);
        assert_eq!(k.descriptors(), [0, 1, 2], "{path}");
    }
    path_limits(&k, "execve", &[0, 0, 0], 0);
    assert_eq!(k.executed(), []);
}

#[test]
fn arguments_are_bounded_with_their_pointers() {
    let k = ready();
    let exact = |bytes: usize| {
        // One string, its pointer, and both ends of the vectors.
        let strings: Vec<String> = vec!["x".repeat(100_000); 10];
        let rest = bytes - 10 * (100_001 + 8) - 16 - 8 - 1;
        let mut texts: Vec<&str> = strings.iter().map(String::as_str).collect();
        let last = "y".repeat(rest);
        texts.push(&last);
        vector(&k, &texts)
    };
    xnu!(k, execve("/tmp/macho", exact(1 << 20), NULL) => Reply::Unchanged);
    xnu!(k, execve("/tmp/macho", exact((1 << 20) + 1), NULL) => E2BIG);
    xnu!(k, execve("/tmp/macho", exact(1 << 20), vector(&k, &[""])) => E2BIG);
    xnu!(k, execve("/tmp/macho", vector(&k, &[&"x".repeat(200_000)]), NULL) => E2BIG);
    let two_mib = vec!["x".repeat(1 << 17 >> 1); 32];
    let texts: Vec<&str> = two_mib.iter().map(String::as_str).collect();
    xnu!(k, execve("/tmp/macho", vector(&k, &texts), NULL) => E2BIG);
    xnu!(k, execve("/tmp/macho", NULL, vector(&k, &texts)) => E2BIG);
    assert_eq!(k.descriptors(), [0, 1, 2, 4]);
}

#[test]
fn vectors_that_cannot_be_read_are_efault() {
    let k = ready();
    let path = k.place_str("/tmp/macho").get();
    let endless = k.alloc_guarded(16);
    k.poke(endless, &bytes([path, path]));
    for at in NOWHERE.into_iter().filter(|at| *at != 0).chain([endless.get()]) {
        xnu!(k, execve(path, at, NULL) => EFAULT);
        xnu!(k, execve(path, NULL, at) => EFAULT);
        xnu!(k, execve(path, bytes([path, at, 0]), NULL) => if at == endless.get() { Reply::Unchanged } else { EFAULT.reply() });
        xnu!(k, __mac_execve(path, NULL, NULL, at) => if at == endless.get() { Reply::Unchanged } else { EFAULT.reply() });
    }
    faults(&k, "execve", &[0, 0, 0], 0, 1, IN);
    // One that ends nowhere within the bound.
    let many = k.place(&path.to_le_bytes().repeat(200_000));
    xnu!(k, execve(path, many, NULL) => E2BIG);
}

#[test]
fn a_program_that_linux_refuses_changes_nothing() {
    for (path, call) in [("/tmp/macho", Sysno::Execve), ("/tmp/elf", Sysno::Execveat)] {
        let k = ready();
        xnu!(k, sigaction(SIGSEGV, action_ignore(&k), NULL) => 0);
        xnu!(k, sigprocmask(SIG_BLOCK, [1u8, 0, 0, 0].to_vec(), NULL) => 0);
        k.with(|cx| thread(cx).signals.note(xnu_core::signal::Info::bare(SIGHUP)));
        let loader = k.process.loader.get().unwrap();
        let signals = k.with(|cx| thread(cx).signals.clone());
        let k = Machine::new(
            xnu_backend_mock::Fault::new(k.process.kernel, Plan::every(call, Errno::ETXTBSY)),
            k.process.lkm,
        );
        k.process.loader.set(loader.0, loader.1);
        k.with(|cx| thread(cx).signals = signals);
        xnu!(k, execve(path, NULL, NULL) => ETXTBSY);
        assert_eq!(k.descriptors(), [0, 1, 2]);
        // The signal waits in Linux now.
        assert_eq!(k.with(|cx| thread(cx).signals.pending()), 0);
        assert_eq!(k.signals().last().map(|signal| signal.number), Some(1));
        let set = k.alloc(4);
        xnu!(k, sigpending(set) => 0);
        assert_eq!(number(&k, set, 0, 4), 1, "{path}");
    }
}
