//! Programs that are started: what `posix_spawn` and `execve` hand to them. The program is a shell of Linux's on both sides,
//! which tells what it finds in `/proc`.

use super::system::{
    Attributes, Disposition, Error, FileAction, How, Outcome, Signal, SignalSet, System, Wait,
};
use super::{child, scenario, set, tell, word};
use core::ffi::CStr;
use core::ptr::null;

const ACTIONS: [(&str, FileAction); 5] = [
    ("open5", FileAction::Open(5, c"/dev/zero")),
    ("5to6", FileAction::Dup2(5, 6)),
    ("6to1", FileAction::Dup2(6, 1)),
    ("close5", FileAction::Close(5)),
    ("close6", FileAction::Close(6)),
];

/// Its descriptors, but for pipes.
const TELL_DESCRIPTORS: &CStr = c"find /proc/$$/fd ! -lname 'pipe*' -type l -printf '%f %l\n' >&2; :";

/// Its signals, in decimal and without those of the C library; its group and its session.
const TELL_STATUS: &CStr = c"while read -r key value rest; do
case $key in SigPnd:|ShdPnd:|SigBlk:|SigIgn:) echo \"$key $((0x$value & 0x7fffffff))\";; esac; done </proc/$$/status
read -r line </proc/$$/stat; set -- $line
for number in $5 $6; do case $number in $1) echo its own;; $4) echo its parent\\'s;; *) echo another;; esac; done";

pub(crate) fn all<S: System>() {
    for (one, first) in ACTIONS {
        for (two, second) in ACTIONS {
            for (three, third) in ACTIONS {
                let distinct = one != two && two != three && one != three;
                if distinct {
                    scenario::<S>(format_args!("{one} {two} {three}"), || {
                        files::<S>(&[first, second, third])
                    });
                }
            }
        }
    }
    more_files::<S>();
    for bits in 0..16 {
        scenario::<S>(
            format_args!(
                "attributes group {} mask {} default {} session {}",
                bits & 1,
                bits >> 1 & 1,
                bits >> 2 & 1,
                bits >> 3
            ),
            || {
                prepare::<S>();
                let attributes = Attributes {
                    group: (bits & 1 != 0).then_some(0),
                    mask: (bits & 2 != 0).then_some(bit_set(&[Signal::USR2, Signal::HUP, Signal::INFO])),
                    default: (bits & 4 != 0).then_some(bit_set(&[Signal::INT, Signal::EMT, Signal::KILL])),
                    session: bits & 8 != 0,
                };
                let told = start::<S>(c"/bin/sh", &[], &attributes, TELL_STATUS);
                finish::<S>(told);
            },
        );
    }
    for (name, group) in [("parent's", 0), ("nobody's", 0x3fff_fff0), ("negative", -1)] {
        scenario::<S>(format_args!("into the group {name}"), || {
            let group = if group == 0 { S::getpid() } else { group };
            let attributes = Attributes { group: Some(group), ..Attributes::default() };
            let told = start::<S>(c"/bin/sh", &[], &attributes, TELL_STATUS);
            finish::<S>(told);
        });
    }
    for path in [c"/does/not/exist", c"/", c"/etc/passwd", c"/dev/null", c"", c"/etc/passwd/x"] {
        let name = path.to_str().unwrap_or("?");
        scenario::<S>(format_args!("spawn '{name}'"), || {
            let told = start::<S>(path, &[], &Attributes::default(), TELL_STATUS);
            finish::<S>(told);
            tell!(S, "children {}", word(S::wait4(-1, Wait::NO_HANG)));
        });
        scenario::<S>(format_args!("execute '{name}'"), || {
            tell!(S, "{}", execute::<S>(path, TELL_STATUS));
        });
    }
    scenario::<S>(format_args!("execute and keep"), || {
        prepare::<S>();
        for signal in [Signal::EMT, Signal::TERM] {
            let _ = S::kill(S::getpid(), signal);
        }
        tell!(S, "{}", execute::<S>(c"/bin/sh", TELL_STATUS));
    });
    scenario::<S>(format_args!("spawn and keep"), || {
        prepare::<S>();
        let _ = S::kill(S::getpid(), Signal::TERM);
        let told = start::<S>(c"/bin/sh", &[], &Attributes::default(), TELL_STATUS);
        finish::<S>(told);
        tell!(S, "pending {}", SignalSet(S::sigpending()));
    });
    for signal in Signal::all() {
        scenario::<S>(format_args!("execute ignoring {signal}"), || {
            let _ = S::sigaction(
                signal,
                Some(super::system::Action { disposition: Disposition::Ignore, mask: 0, flags: 0 }),
            );
            let _ = S::sigprocmask(How::Set, signal.bit());
            tell!(S, "{}", execute::<S>(c"/bin/sh", TELL_STATUS));
        });
    }
}

fn bit_set(signals: &[Signal]) -> u32 {
    signals.iter().fold(0, |set, signal| set | signal.bit())
}

/// Some signals ignored, one caught, two blocked.
fn prepare<S: System>() {
    for signal in [Signal::INT, Signal::TERM, Signal::USR1, Signal::EMT] {
        set::<S>(signal, Disposition::Ignore);
    }
    set::<S>(Signal::PROF, Disposition::Catch);
    set::<S>(Signal::TERM, Disposition::Catch);
    let _ = S::sigprocmask(How::Set, bit_set(&[Signal::TERM, Signal::EMT]));
}

fn start<S: System>(
    path: &CStr,
    actions: &[FileAction],
    attributes: &Attributes,
    script: &CStr,
) -> Outcome<i32> {
    let [name, option, script] = [c"sh", c"-c", script].map(|text| text.as_ptr().cast());
    let environment = [c"PATH=/usr/bin:/bin".as_ptr().cast(), null()];
    S::spawn(path, actions, attributes, &[name, option, script, null()], &environment)
}

fn execute<S: System>(path: &CStr, script: &CStr) -> Error {
    let [name, option, script] = [c"sh", c"-c", script].map(|text| text.as_ptr().cast());
    let environment = [c"PATH=/usr/bin:/bin".as_ptr().cast(), null()];
    S::execve(path, &[name, option, script, null()], &environment)
}

fn finish<S: System>(told: Outcome<i32>) {
    match told {
        Ok(child) => match S::wait4(child, 0) {
            Ok(Some((_, change))) => tell!(S, "{change}"),
            other => tell!(S, "{}", word(other)),
        },
        Err(error) => tell!(S, "{error}"),
    }
}

/// The transcript goes to descriptor 2 while another file is at 1.
fn files<S: System>(actions: &[FileAction]) {
    let _ = S::dup2(1, 2);
    if let Ok(other) = S::open(c"/dev/full") {
        let _ = S::dup2(other, 1);
        let _ = S::close(other);
    }
    let told = start::<S>(c"/bin/sh", actions, &Attributes::default(), TELL_DESCRIPTORS);
    let _ = S::dup2(2, 1);
    finish::<S>(told);
    // The caller's own descriptors stay what they were.
    let free = S::open(c"/dev/null");
    tell!(S, "next {free:?}");
    tell!(S, "children {}", word(S::wait4(-1, Wait::NO_HANG)));
}

fn more_files<S: System>() {
    use FileAction::{Close, Dup2, Open};
    let open = Open(5, c"/dev/zero");
    let lists: [(&str, &[FileAction]); 14] = [
        ("nothing", &[]),
        ("to and fro", &[open, Dup2(5, 6), Close(5), Dup2(6, 5)]),
        ("all four", &[open, Dup2(5, 6), Dup2(6, 1), Close(5)]),
        ("and both closed", &[open, Dup2(5, 6), Close(5), Close(6)]),
        ("open twice", &[open, Open(5, c"/dev/null"), Dup2(5, 1), Close(5)]),
        ("no such file", &[open, Open(6, c"/does/not/exist")]),
        ("no such file last", &[open, Dup2(5, 1), Dup2(5, 6), Open(7, c"/does/not/exist")]),
        ("onto itself", &[open, Dup2(5, 5)]),
        ("onto itself, not open", &[Dup2(5, 5)]),
        ("the first free", &[Open(3, c"/dev/zero"), Open(4, c"/dev/null")]),
        ("closed first", &[Close(0), Open(0, c"/dev/zero"), Close(1)]),
        ("opened where it goes", &[Close(0), Open(5, c"/dev/zero")]),
        ("far away", &[Open(200, c"/dev/zero"), Dup2(200, 100), Close(200)]),
        ("too far away", &[Open(5, c"/dev/zero"), Dup2(5, 2_000_000_000)]),
    ];
    for (name, actions) in lists {
        scenario::<S>(format_args!("files: {name}"), || files::<S>(actions));
    }
    scenario::<S>(format_args!("a child that spawns"), || {
        let process = child::<S>(|| {
            let told = start::<S>(c"/bin/sh", &[], &Attributes::default(), c"exit 7");
            finish::<S>(told);
        });
        let _ = S::wait4(process, 0);
    });
}
