//! Each guest program under the runner. A guest checks itself and says what is wrong, by its exit code too; here
//! stands what only the outside can see.

use std::ffi::OsStr;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use xnu_tests::guests::{Finished, Scratch, guest, inherited_descriptors, run, run_guest};

/// Ran to its end without a complaint.
#[track_caller]
fn succeeds(finished: &Finished) {
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert!(!finished.stdout.contains("wrong:"), "{finished:#?}");
}

#[track_caller]
fn says(name: &str, args: &[&str], code: i32, stdout: &str) {
    let finished = run_guest(name, args);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(code), stdout), "{finished:#?}");
}

#[test]
fn exit_code_and_output_are_the_guests() {
    says("hello", &[], 0, "hello from XNU\n");
    says("hello", &["3"], 3, "hello from XNU\n");
    says("hello", &["255"], 255, "hello from XNU\n");
}

#[test]
fn program_that_does_nothing_succeeds_silently() {
    assert_eq!(
        run_guest("start", &[]),
        Finished { code: Some(0), stdout: String::new(), stderr: String::new() }
    );
}

#[test]
fn forked_children_make_calls_of_their_own() {
    says("fork", &[], 0, "both sides agree\n");
}

#[test]
fn families_of_processes_are_reaped_and_programs_follow_each_other() {
    let said = "1110 descendants reaped\ntimers ring\n100 programs, one process\n";
    says("forks", &[], 0, said);
}

#[test]
fn sockets_are_named_connected_and_passed_along() {
    let scratch = Scratch::new().expect("a directory");
    let path = scratch.path().join("socket");
    says("sockets", &[path.to_str().expect("text")], 0, "sockets work\n");
}

#[test]
fn mach_ports_carry_messages_memory_and_notifications() {
    says("ports", &[], 0, "ports work\n");
}

#[test]
fn exceptions_and_broken_guards_end_what_nobody_saves() {
    says("exceptions", &[], 0, "exceptions work\n");
}

#[test]
fn children_inherit_what_they_can_reach_and_nothing_piles_up() {
    says("heirs", &[], 0, "heirs work\n");
}

#[test]
fn calls_by_message_carry_memory_both_ways() {
    says("rpc", &[], 0, "200 calls answered\n");
}

#[test]
fn a_server_at_a_set_gets_each_ports_messages_in_order() {
    says("port_server", &[], 0, "every message served\n");
}

#[test]
fn timers_by_port_ring_in_order_and_not_before() {
    says("mk_timer", &[], 0, "timers ring\n");
}

#[test]
fn semaphores_count_time_out_and_end() {
    says("semaphores", &[], 0, "semaphores count\n");
}

#[test]
fn threads_begin_end_and_share_a_process() {
    says("threads", &[], 0, "threads work\n");
}

#[test]
fn threads_talk_by_messages_and_semaphores() {
    says("rpc_threads", &[], 0, "10000 rounds, checksum 0x297f8d50\n");
}

#[test]
fn threads_are_begun_stopped_and_ended_by_others() {
    says("bare_threads", &[], 0, "1000 threads ended, 120 waits looked at\n");
    says("bare_threads", &["first"], 7, "alone\n");
    says("bare_threads", &["last"], 0, "the last\n");
}

#[test]
fn a_thread_debugs_others_that_fault_or_run() {
    says("debugger", &[], 0, "1000 faults repaired, a course changed\n");
}

#[test]
fn any_thread_ends_its_process() {
    says("threads", &["exit", "7"], 7, "");
    says("threads", &["last"], 0, "the last one\n");
    let hello = guest("hello");
    says("threads", &["exec", hello.to_str().expect("a path in UTF-8")], 6, "hello from XNU\n");
}

#[test]
fn text_runs_where_it_is_linked() {
    says("text_low", &["4"], 4, "hello from XNU\n");
    says("text_high", &["5"], 5, "hello from XNU\n");
}

#[test]
fn universal_file_runs_its_x86_64_slice() {
    says("hello_universal", &["6"], 6, "hello from XNU\n");
}

#[test]
fn position_independent_program_runs() {
    says("hello_pie", &["7"], 7, "hello from XNU\n");
}

#[test]
fn arguments_environment_and_apple_strings_arrive() {
    let finished = run_guest("args", &["one", "", "two words"]);
    succeeds(&finished);
    let path = guest("args");
    let path = path.to_str().expect("a path in UTF-8");
    let lines: Vec<_> = finished.stdout.lines().collect();
    let argv0 = format!("argv[0] {path}");
    assert_eq!(
        lines[..6],
        ["argc 4", &argv0, "argv[1] one", "argv[2] ", "argv[3] two words", "envp[0] PATH=/bin"]
    );
    assert!(lines[6].starts_with("apple[0] executable_path="), "{finished:#?}");
    assert!(lines[6].ends_with("/args"), "{finished:#?}");
    for name in ["stack_guard=", "malloc_entropy=", "ptr_munge=", "main_stack="] {
        assert!(lines[6..].iter().any(|line| line.contains(name)), "no {name} in {finished:#?}");
    }
}

#[test]
fn random_apple_strings_differ_between_runs() {
    let random = || {
        let finished = run_guest("args", &[]);
        let line = |name: &str| finished.stdout.lines().find(|line| line.contains(name)).map(str::to_string);
        ["stack_guard=", "malloc_entropy=", "ptr_munge="].map(line)
    };
    for (first, second) in random().into_iter().zip(random()) {
        assert!(first.is_some());
        assert_ne!(first, second);
    }
}

#[test]
fn commpage_identifies_itself_and_its_clock_runs() {
    let finished = run_guest("commpage", &[]);
    succeeds(&finished);
    assert!(finished.stdout.contains("clock near gettimeofday true"), "{finished:#?}");
}

#[test]
fn registers_survive_system_calls() {
    succeeds(&run_guest("registers", &[]));
}

#[test]
fn red_zone_survives_system_calls() {
    says("redzone", &[], 0, "red zone kept\n");
}

#[test]
fn system_calls_need_no_room_on_the_stack() {
    let finished = run_guest("small_stack", &[]);
    succeeds(&finished);
    assert_eq!(finished.stdout.matches("written on a small stack\n").count(), 7, "{finished:#?}");
}

#[test]
fn bad_pointers_are_efault() {
    let scratch = Scratch::new().expect("a scratch directory");
    let directory = scratch.path().to_str().expect("a path in UTF-8");
    succeeds(&run_guest("bad_pointers", &[directory]));
    let left = fs::read_dir(scratch.path()).expect("the scratch directory").count();
    assert_eq!(left, 0, "files left behind");
}

#[test]
fn descriptors_of_the_runner_are_out_of_reach() {
    let inherited = inherited_descriptors().expect("/proc");
    let inherited: Vec<_> = inherited.iter().map(String::as_str).collect();
    let finished = run_guest("descriptors", &inherited);
    succeeds(&finished);
    assert!(finished.stdout.contains("reachable 0\n"), "{finished:#?}");
}

#[test]
fn unknown_numbers_are_survived_and_stay_off_stdout() {
    let finished = run_guest("unknown", &[]);
    succeeds(&finished);
    assert!(
        finished.stdout.starts_with("SIGSYS ignored\nBSD 9999: Err(4e)\nBSD 63: Err(4e)\n"),
        "{finished:#?}"
    );
    assert!(finished.stdout.ends_with("still here\n"), "{finished:#?}");
    assert_eq!(finished.stdout.lines().count(), 16, "{finished:#?}");
}

#[test]
fn many_system_calls_from_one_site() {
    for name in ["spin", "spin_modern"] {
        says(name, &["getppid", "100000"], 0, "");
    }
}

#[test]
fn mappings_follow_mmap_2() {
    let scratch = Scratch::new().expect("a scratch directory");
    let file = scratch.path().join("file");
    fs::write(&file, "sixty-four bytes at most are compared").expect("a file");
    let path = file.to_str().expect("a path in UTF-8");
    let finished = run_guest("mmap", &[path]);
    succeeds(&finished);
    assert!(finished.stdout.contains("file ok\n"), "{finished:#?}");
    assert_eq!(fs::read(&file).expect("the file"), b"sixty-four bytes at most are compared");
}

/// The places where call sites may be led to (0x1000000 × class), and the last pages of the address space:
/// whatever lies there, the guest goes on.
#[test]
fn fixed_mappings_cannot_replace_the_runner() {
    let own = guest("mmap");
    let own = own.to_str().expect("a path in UTF-8");
    let addresses = ["0x2000000", "0x3000000", "0x7fffffdff000", "0x7ffffffff000", "0xffffffffff600000"];
    let finished = run_guest("mmap", &[&[own], &addresses[..]].concat());
    succeeds(&finished);
    assert!(finished.stdout.ends_with("still here\n"), "{finished:#?}");
}

#[test]
fn signals_are_delivered_as_xnu_does() {
    let finished = run_guest("signals", &[]);
    succeeds(&finished);
    assert!(finished.stdout.ends_with("interruption ok\n"), "{finished:#?}");
}

#[test]
fn zero_fill_of_256_mib_is_there() {
    succeeds(&run_guest("big_bss", &[]));
}

/// A run of `program` under the little dynamic linker.
fn run_dynamic(program: &str, args: &[&str]) -> Finished {
    let (dyld, program) = (guest("fake_dyld"), guest(program));
    let words = ["--dyld".as_ref(), dyld.as_os_str(), program.as_os_str()];
    run(words.into_iter().chain(args.iter().map(OsStr::new)))
}

#[test]
fn dynamic_program_starts_through_its_dyld() {
    for program in ["lc_main", "lc_main_pie"] {
        let finished = run_dynamic(program, &["11", "x"]);
        assert_eq!(finished.code, Some(11), "{finished:#?}");
        assert!(finished.stdout.starts_with("dyld: main image at 0x"), "{finished:#?}");
        assert!(finished.stdout.contains("main: argc 3\n"), "{finished:#?}");
        assert!(finished.stdout.contains("main: argv[2] x\n"), "{finished:#?}");
    }
}

#[test]
fn dynamic_program_without_a_dyld_says_what_is_missing() {
    let finished = run_guest("lc_main", &[]);
    assert_eq!(finished.code, Some(126), "{finished:#?}");
    assert!(finished.stderr.ends_with("name one with --dyld FILE\n"), "{finished:#?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:#?}");
}

/// `hello` with load commands added behind its own, in the rest of its header page: name, and the length of what comes
/// before the path in the command.
fn with_commands(commands: &[(u32, usize)]) -> Vec<u8> {
    const PATH: &[u8] = b"/no/such/file\0\0\0";
    let mut file = fs::read(guest("hello")).expect("the guest");
    let word = |file: &[u8], at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("a word"));
    for (command, before) in commands {
        let (count, size) = (word(&file, 16), word(&file, 20));
        let length = before + PATH.len();
        let mut added = vec![0; length];
        added[..4].copy_from_slice(&command.to_le_bytes());
        added[4..8].copy_from_slice(&(length as u32).to_le_bytes());
        added[8..12].copy_from_slice(&(*before as u32).to_le_bytes());
        added[*before..].copy_from_slice(PATH);
        let at = 32 + size as usize;
        assert!(file[at..at + length].iter().all(|byte| *byte == 0), "room behind the load commands");
        file[at..at + length].copy_from_slice(&added);
        file[16..20].copy_from_slice(&(count + 1).to_le_bytes());
        file[20..24].copy_from_slice(&(size + length as u32).to_le_bytes());
    }
    file
}

/// What Go's linker made until 1.10.
#[test]
fn program_that_names_a_dyld_but_needs_no_library_starts_by_itself() {
    const LC_LOAD_DYLINKER: (u32, usize) = (0xe, 16);
    const LC_LOAD_DYLIB: (u32, usize) = (0xc, 24);
    let scratch = Scratch::new().expect("a scratch directory");
    let path = scratch.path().join("program");
    fs::write(&path, with_commands(&[LC_LOAD_DYLINKER])).expect("the program");
    let finished = run([path.as_os_str(), OsStr::new("7")]);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(7), "hello from XNU\n"), "{finished:#?}");

    fs::write(&path, with_commands(&[LC_LOAD_DYLINKER, LC_LOAD_DYLIB])).expect("the program");
    let finished = run([path.as_os_str()]);
    assert_eq!(finished.code, Some(126), "{finished:#?}");
    assert!(finished.stderr.contains("/no/such/file, which is not there"), "{finished:#?}");
}

/// As many as a directory of a large mail box.
const MANY: u32 = 100_000;

#[test]
fn a_large_directory_is_listed_completely_while_others_change_it() {
    let scratch = Scratch::new().expect("a scratch directory");
    let directory = scratch.path();
    for index in 0..MANY {
        fs::write(directory.join(format!("s{index}")), b"").expect("a file in the scratch directory");
    }
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut turn = 0;
            while !ended.load(Ordering::Relaxed) {
                let path = directory.join(format!("c{}", turn % 1000));
                if fs::remove_file(&path).is_err() {
                    fs::write(&path, b"").expect("a file in the scratch directory");
                }
                turn += 1;
            }
        });
        for size in ["4096", "131072"] {
            let path = directory.to_str().expect("a path in UTF-8");
            let finished = run_guest("list", &[path, size, &MANY.to_string()]);
            ended.store(size == "131072" || finished.code != Some(0), Ordering::Relaxed);
            succeeds(&finished);
        }
    });
}
