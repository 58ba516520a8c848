use super::super::counters::NUMBERS;
use super::super::line::LINE_BYTES;
use super::super::shared::{Channel, Reader};
use super::super::summary;
use super::super::{Format, Recorder};
use super::json::{self, Json};
use super::{Flat, Random, channel, taken};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::signal::Signal;
use xnu_core::signal::Info;
use xnu_core::table::{Class, Grade};
use xnu_core::{Call, Reply};

const PATH: u64 = Flat::BASE;

struct Setup {
    kernel: Flat,
    channel: Channel,
    recorder: Recorder,
    reader: Reader,
}

fn setup(format: Format, memory: &[u8]) -> Setup {
    let (kernel, channel) = (Flat::new(memory), channel(1 << 16));
    let recorder = Recorder::new(&kernel, channel, format, true);
    Setup { kernel, channel, recorder, reader: Reader::new(channel) }
}

fn call(class: Class, number: u32, words: &[u64]) -> Call {
    let mut all = [0; 8];
    all[..words.len()].copy_from_slice(words);
    Call { class, number, words: all }
}

impl Setup {
    /// Makes a call and answers what was written.
    fn make(&mut self, call: &Call, reply: Reply) -> String {
        let entered = self.recorder.enter(&self.kernel, call);
        self.recorder.leave(&self.kernel, call, entered, &reply);
        taken(&mut self.reader)
    }

    fn bsd(&mut self, number: u32, words: &[u64], reply: Reply) -> String {
        self.make(&call(Class::Bsd, number, words), reply)
    }

    fn mach(&mut self, number: u32, words: &[u64], reply: Reply) -> String {
        self.make(&call(Class::Mach, number, words), reply)
    }
}

#[test]
fn calls_are_written_as_strace_does() {
    let mut s = setup(Format::Text, b"/etc/passwd\0hello\n");
    let opened = s.bsd(5, &[PATH, 0x100_0000, 0], Reply::Value(3, 0));
    assert!(opened.starts_with("open(\"/etc/passwd\", O_RDONLY|O_CLOEXEC, 0"), "{opened}");
    assert!(opened.contains(") = 3"), "{opened}");
    let without_grade = |line: String| line.split(" [").next().map(|line| line.trim_end().to_owned());
    assert_eq!(
        without_grade(s.bsd(12, &[PATH], Reply::Error(Errno::ENOENT))).as_deref(),
        Some("chdir(\"/etc/passwd\") = -1 ENOENT (no such file or directory)")
    );
    assert_eq!(
        without_grade(s.bsd(3, &[0, PATH + 12, 100], Reply::Value(6, 0))).as_deref(),
        Some("read(0, \"hello\\n\", 100) = 6")
    );
    assert_eq!(
        without_grade(s.bsd(397, &[1, PATH + 12, 6], Reply::Value(6, 0))).as_deref(),
        Some("write_nocancel(1, \"hello\\n\", 6) = 6")
    );
    assert_eq!(s.bsd(42, &[], Reply::Value(3, 4)), "pipe() = 3, 4\n");
}

#[test]
fn a_grade_is_noted_the_first_time() {
    let mut s = setup(Format::Text, b"");
    let shmdt = [0x7f00];
    let line = "shmdt(0x7f00) = -1 ENOSYS (function not implemented)";
    assert_eq!(
        s.bsd(264, &shmdt, Reply::Error(Errno::ENOSYS)),
        format!("{line} [todo: XNU serves it, xnurun does not yet]\n")
    );
    assert_eq!(s.bsd(264, &shmdt, Reply::Error(Errno::ENOSYS)), format!("{line}\n"));
    // Which rows are partial changes, so any will do, or none.
    if let Some(row) = xnu_core::dispatch::rows().find(|row| matches!(row.grade, Grade::Partial(_))) {
        let again = call(row.class, row.number, &[]);
        assert!(s.make(&again, Reply::Value(0, 0)).contains("[partial: "));
        assert!(!s.make(&again, Reply::Value(0, 0)).contains('['));
    }
    assert!(!s.bsd(20, &[], Reply::Value(1, 0)).contains('['));
}

#[test]
fn calls_that_do_not_return_are_written_at_entry() {
    let mut s = setup(Format::Text, b"");
    let exit = call(Class::Bsd, 1, &[7]);
    let entered = s.recorder.enter(&s.kernel, &exit);
    assert_eq!(taken(&mut s.reader), "exit(7) = ?\n");
    s.recorder.leave(&s.kernel, &exit, entered, &Reply::Unchanged);
    assert_eq!(taken(&mut s.reader), "");
    let failed = s.bsd(184, &[0, 0x1e, 1], Reply::Error(Errno::EINVAL));
    assert_eq!(failed.lines().count(), 2);
    assert!(failed.starts_with("sigreturn(NULL, UC_FLAVOR, 1) = ?"), "{failed}");
    assert!(failed.ends_with("\nsigreturn(NULL, UC_FLAVOR, 1) = -1 EINVAL (invalid argument)\n"), "{failed}");
    let counts = s.channel.counters().collect();
    let of =
        |number| counts.iter().find(|count| count.number == number).map(|count| (count.calls, count.errors));
    assert_eq!(of(1), Some((1, 0)));
    assert_eq!(of(184), Some((1, 1)));
}

#[test]
fn unknown_calls_show_their_number() {
    let mut s = setup(Format::Text, b"");
    assert_eq!(
        s.bsd(9999, &[1, 2, 3], Reply::Invalid),
        "bsd#9999(0x1, 0x2, 0x3, 0x0, 0x0, 0x0) = -1 ENOSYS (function not implemented)\n"
    );
    assert_eq!(
        s.bsd(8, &[1], Reply::Error(Errno::ENOSYS)),
        "bsd#8(0x1, 0x0, 0x0, 0x0, 0x0, 0x0) = -1 ENOSYS (function not implemented) [enosys: old creat]\n"
    );
    assert_eq!(
        s.mach(2, &[], Reply::Invalid),
        "mach#2(0x0, 0x0, 0x0, 0x0, 0x0, 0x0) = KERN_INVALID_ARGUMENT [invalid: not a call of XNU's]\n"
    );
    s.recorder.undecodable(&s.kernel, 0x500_0007, &Reply::Invalid);
    s.recorder.undecodable(&s.kernel, 0xffff_ffff_0200_00c5, &Reply::Error(Errno::EFAULT));
    assert_eq!(
        taken(&mut s.reader),
        "class5#7(...) = KERN_INVALID_ARGUMENT\nmmap(...) = -1 EFAULT (bad address)\n"
    );
}

#[test]
fn mach_results_have_names() {
    let mut s = setup(Format::Text, b"");
    assert!(s.mach(28, &[], Reply::Value(0x203, 0)).starts_with("task_self_trap() = 0x203 [partial: "));
    assert_eq!(s.mach(89, &[0x10], Reply::Value(0, 0)), "mach_timebase_info_trap(0x10) = KERN_SUCCESS\n");
    let minus = |number: i32| Reply::Value(i64::from(number) as u64, 0);
    assert!(s.mach(33, &[1], minus(-308)).starts_with("semaphore_signal_trap(1) = MIG_SERVER_DIED"));
    assert_eq!(s.mach(33, &[1], minus(0x1000_4003)), "semaphore_signal_trap(1) = MACH_RCV_TIMED_OUT\n");
    assert_eq!(
        s.mach(33, &[1], minus(0x1000_4004 | 0x2000)),
        "semaphore_signal_trap(1) = MACH_RCV_TOO_LARGE|0x2000\n"
    );
    assert_eq!(s.mach(33, &[1], minus(12345)), "semaphore_signal_trap(1) = 0x3039\n");
    let set = call(Class::Machdep, 3, &[0x7000]);
    assert_eq!(s.make(&set, Reply::Value(15, 0)), "thread_fast_set_cthread_self64(0x7000) = 0xf\n");
    assert_eq!(
        s.make(&call(Class::Machdep, 0, &[1, 2]), Reply::Value(4, 0)),
        "hv_task_trap(1, 2) = KERN_INVALID_ARGUMENT\n"
    );
}

#[test]
fn only_other_processes_show_their_number() {
    let mut s = setup(Format::Text, b"");
    assert_eq!(s.bsd(20, &[], Reply::Value(100, 0)), "getpid() = 100\n");
    s.kernel.pid = 101;
    assert_eq!(s.bsd(20, &[], Reply::Value(101, 0)), "[pid 101] getpid() = 101\n");
}

#[test]
fn signals_show_their_cause() {
    let fault = Info { code: 1, address: 0x10, ..Info::bare(Signal::SIGSEGV) };
    let sent = Info { code: 0x1_0001, pid: 5, uid: 501, ..Info::bare(Signal::SIGSEGV) };
    let child = Info { code: 1, pid: 6, uid: 501, status: 3, ..Info::bare(Signal::SIGCHLD) };
    let strange = Info { code: 77, ..Info::bare(Signal::new(40)) };
    let mut s = setup(Format::Text, b"");
    for info in [&fault, &sent, &child, &strange] {
        s.recorder.signal(&s.kernel, info);
    }
    assert_eq!(
        taken(&mut s.reader),
        "--- SIGSEGV {si_code=SEGV_MAPERR, si_addr=0x10} ---\n\
         --- SIGSEGV {si_code=SI_USER, si_pid=5, si_uid=501} ---\n\
         --- SIGCHLD {si_code=CLD_EXITED, si_pid=6, si_uid=501, si_status=3} ---\n\
         --- signal 40 {si_code=77} ---\n"
    );
    let mut s = setup(Format::Json, b"");
    for info in [&fault, &sent, &child, &strange] {
        s.recorder.signal(&s.kernel, info);
    }
    let lines = json::lines(&taken(&mut s.reader));
    assert_eq!(lines[0]["address"], 0x10.into());
    assert_eq!(lines[1]["sender"], 5.into());
    assert_eq!(lines[2]["status"], 3.into());
    assert_eq!(lines[3]["code"], 77.into());
}

#[test]
fn json_has_every_field() {
    let mut s = setup(Format::Json, b"/etc/\"x\"\x01\0");
    let line = s.bsd(5, &[PATH, 0, 0], Reply::Value(3, 0));
    let open = &json::lines(&line)[0];
    assert_eq!((&open["pid"], &open["tid"]), (&100.into(), &100.into()));
    assert_eq!(open["time_ns"], 1000.into());
    assert_eq!(open["duration_ns"], 1000.into());
    assert_eq!(open["class"], "bsd".into());
    assert_eq!(open["number"], 5.into());
    assert_eq!(open["name"], "open".into());
    assert_eq!(open["args"]["path"], r#""/etc/\"x\"\x01""#.into());
    assert_eq!(open["args"]["flags"], "O_RDONLY".into());
    assert_eq!(open["result"], 3.into());
    assert_eq!(open["error"], Json::Null);
    assert_eq!(open["grade"], "faithful".into());
    let failed = &json::lines(&s.bsd(5, &[PATH, 0, 0], Reply::Error(Errno::ENOENT)))[0];
    assert_eq!((&failed["result"], &failed["error"]), (&Json::Null, &"ENOENT".into()));
    let exit = &json::lines(&s.bsd(1, &[0], Reply::Unchanged))[0];
    assert_eq!((&exit["duration_ns"], &exit["result"]), (&Json::Null, &Json::Null));
    let mach = &json::lines(&s.mach(33, &[1], Reply::Value(4, 0)))[0];
    assert_eq!((&mach["result"], &mach["error"]), (&4.into(), &"KERN_INVALID_ARGUMENT".into()));
    assert_eq!(json::lines(&s.bsd(42, &[], Reply::Value(3, 4)))[0]["second_result"], 4.into());
    let unknown = &json::lines(&s.bsd(9999, &[7], Reply::Invalid))[0];
    assert_eq!((&unknown["name"], &unknown["grade"]), (&"bsd#9999".into(), &"unknown".into()));
    assert_eq!(unknown["args"]["0"], "0x7".into());
    s.recorder.undecodable(&s.kernel, 0x500_0007, &Reply::Invalid);
    assert_eq!(json::lines(&taken(&mut s.reader))[0]["class"], "class5".into());
}

/// Memory without any zero, so that every string is as long as can be.
fn endless(random: &mut Random) -> Vec<u8> {
    (0..4096).map(|_| random.below(255) as u8 + 1).collect()
}

#[test]
fn every_row_makes_whole_lines_of_any_arguments() {
    let mut random = Random(0x5eed);
    for escapes in [false, true] {
        let memory = if escapes { vec![b'"'; 4096] } else { endless(&mut random) };
        let (mut text, mut json) = (setup(Format::Text, &memory), setup(Format::Json, &memory));
        for row in xnu_core::dispatch::rows() {
            for _ in 0..8 {
                let mut word = || match random.below(4) {
                    0 => random.next(),
                    1 => random.below(64),
                    2 => u64::MAX,
                    _ => PATH + random.below(16),
                };
                let call = Call { class: row.class, number: row.number, words: [(); 8].map(|()| word()) };
                let replies = [
                    Reply::Value(word(), word()),
                    Reply::Error(Errno::EPROTONOSUPPORT),
                    Reply::Invalid,
                    Reply::Unchanged,
                ];
                for reply in replies {
                    let line = text.make(&call, reply);
                    let count = line.lines().count();
                    assert!(line.ends_with('\n') && (1..=2).contains(&count) && line.is_ascii(), "{line}");
                    assert!(line.contains(") = "), "{line}");
                    let objects = json::lines(&json.make(&call, reply));
                    assert_eq!(objects.len(), count, "{}", row.name);
                    let Json::Object(arguments) = &objects[0]["args"] else { panic!("{}", row.name) };
                    let expected = if row.parameters.is_empty() { [0, 6] } else { [row.parameters.len(); 2] };
                    assert!(expected.contains(&arguments.len()), "{}: {objects:?}", row.name);
                }
            }
        }
        assert_eq!((text.channel.lost(), json.channel.lost()), (0, 0));
    }
}

#[test]
fn long_strings_are_cut_inside() {
    let mut s = setup(Format::Json, &[0xff; 4096]);
    let line = s.bsd(57, &[PATH, PATH], Reply::Value(0, 0));
    assert!(line.len() <= LINE_BYTES);
    let object = &json::lines(&line)[0];
    for name in ["path", "link"] {
        let Json::Text(path) = &object["args"][name] else { panic!("{object:?}") };
        assert!(path.starts_with(r#""\xff\xff"#) && path.ends_with("..."), "{path}");
    }
    let ordinary = [b'p'; 1023].iter().chain(&[0]).copied().collect::<Vec<u8>>();
    let mut s = setup(Format::Text, &ordinary);
    let line = s.bsd(57, &[PATH, PATH], Reply::Value(0, 0));
    assert!(line.starts_with(&format!("symlink(\"{0}\", \"{0}\") = 0", "p".repeat(1023))));
}

#[test]
fn every_number_has_a_counter_of_its_own() {
    assert!(xnu_core::dispatch::rows().all(|row| (row.number.max(row.twin.unwrap_or(0)) as usize) < NUMBERS));
}

#[test]
fn the_summary_counts_and_sorts() {
    let mut s = setup(Format::None, b"");
    for _ in 0..3 {
        assert_eq!(s.bsd(20, &[], Reply::Value(100, 0)), "");
    }
    s.bsd(264, &[0], Reply::Error(Errno::ENOSYS));
    s.bsd(9999, &[], Reply::Invalid);
    s.mach(28, &[], Reply::Value(0x203, 0));
    s.recorder.undecodable(&s.kernel, 0x500_0007, &Reply::Invalid);
    let counts = s.channel.counters().collect();
    let table = summary::render(Format::None, &counts);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "% time     seconds  usecs/call     calls    errors call");
    assert_eq!(lines[2], " 50.00    0.000003           1         3           getpid");
    assert_eq!(lines[3], " 16.67    0.000001           1         1         1 bsd#640+");
    assert_eq!(lines[4], " 16.67    0.000001           1         1         1 shmdt");
    assert_eq!(lines[5], " 16.67    0.000001           1         1           task_self_trap");
    assert_eq!(lines[6], "  0.00    0.000000           0         1         1 unknown class");
    assert_eq!(lines[8], "100.00    0.000006           0         7         3 total");
    assert_eq!(lines[9], "not served: shmdt (1)");
    let objects = json::lines(&summary::render(Format::Json, &counts));
    assert_eq!(objects.len(), 5);
    assert_eq!((&objects[0]["name"], &objects[0]["calls"]), (&"getpid".into(), &3.into()));
    assert_eq!(objects[4]["class"], Json::Null);
    assert!(
        summary::render(Format::Text, &[])
            .contains("  0.00    0.000000           0         0           total")
    );
}

#[test]
fn lines_for_the_kernels_log_are_events() {
    let mut s = setup(Format::Text, b"");
    s.recorder.log(&s.kernel, "a\nb \"c\"");
    assert_eq!(taken(&mut s.reader), "+++ log: a\\u000ab \\\"c\\\" +++\n");
    let mut s = setup(Format::Json, b"");
    s.recorder.log(&s.kernel, "hello");
    let line = taken(&mut s.reader);
    assert!(line.ends_with(",\"event\":\"log\",\"text\":\"hello\"}\n"), "{line}");
    s.recorder.log(&s.kernel, &"\0".repeat(LINE_BYTES));
    let long = taken(&mut s.reader);
    assert!(long.ends_with("...\"}\n"), "{long}");
}
