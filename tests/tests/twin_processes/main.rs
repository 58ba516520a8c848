//! Twins of processes: scenarios of signals, waits, groups, spawns, limits, users and timers, run by libc on Linux and as a guest
//! of the runner; what they tell must be the same. Where a Mac differs from Linux by design, `DEVIATIONS` says so and why.
//!
//! Users are changed only where the tests are run by root; elsewhere those scenarios say that they are skipped.

mod deviations;
mod native;
#[path = "../../guest/scenario/mod.rs"]
mod scenario;
mod words;

use deviations::{DEVIATIONS, Deviation};
use std::collections::BTreeSet;
use std::thread;
use xnu_tests::guests::run_guest;

/// The lines of a transcript by scenario, in order.
fn sections(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("## ") {
            Some(name) => sections.push((name, Vec::new())),
            None => sections.last_mut().expect("a scenario's name comes first").1.push(line),
        }
    }
    sections
}

/// What is left of two transcripts without the lines that they begin and end with alike, each in one line.
fn difference(native: &[&str], guest: &[&str]) -> (String, String) {
    let before = native.iter().zip(guest).take_while(|(native, guest)| native == guest).count();
    let (native, guest) = (&native[before..], &guest[before..]);
    let after =
        native.iter().rev().zip(guest.iter().rev()).take_while(|(native, guest)| native == guest).count();
    let rest = |lines: &[&str]| lines[..lines.len() - after].join("; ");
    (rest(native), rest(guest))
}

/// Runs a family on both sides: the number of scenarios, and what differs without a reason.
fn compare(family: &str) -> usize {
    let (native, guest) = thread::scope(|scope| {
        let native = scope.spawn(|| native::transcript(family).expect("a transcript"));
        let guest = run_guest("scenario", &[family]);
        (native.join().expect("the native side"), guest)
    });
    assert_eq!((guest.code, guest.stderr.as_str()), (Some(0), ""), "{family}: how the guest ended");
    let (native, guest) = (sections(&native), sections(&guest.stdout));
    let names = |sections: &[(&str, Vec<&str>)]| -> Vec<String> {
        sections.iter().map(|(name, _)| (*name).to_string()).collect()
    };
    assert_eq!(names(&native), names(&guest), "{family}: not the same scenarios");

    let own = || DEVIATIONS.iter().enumerate().filter(|(_, deviation)| deviation.family == family);
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for ((name, native), (_, guest)) in native.iter().zip(&guest) {
        if native == guest {
            continue;
        }
        let (native, guest) = difference(native, guest);
        match own().find(|(_, deviation)| deviation.excuses(name, &native, &guest)) {
            Some((index, _)) => _ = used.insert(index),
            None => wrong.push(format!("{name}\n    Linux: {native}\n    guest: {guest}")),
        }
    }
    assert!(wrong.is_empty(), "{family}: {} of {} differ:\n{}", wrong.len(), native.len(), wrong.join("\n"));
    let skipped = |lines: &Vec<&str>| lines.iter().any(|line| line.starts_with("skipped"));
    if !native.iter().any(|(_, lines)| skipped(lines)) {
        for (index, deviation) in own() {
            let Deviation { scenarios, why, .. } = deviation;
            assert!(used.contains(&index), "{family}: {scenarios:?} do not differ any more: {why}");
        }
    }
    native.len()
}

/// A family, and how many scenarios it has at least.
macro_rules! families {
    ($($(#[$about:meta])* $test:ident: $family:literal, $least:literal;)*) => {
        $(
            $(#[$about])*
            #[test]
            fn $test() {
                let count = compare($family);
                assert!(count >= $least, "{count} scenarios");
            }
        )*

        #[test]
        fn every_family_is_compared() {
            let told = scenario::families::<native::Linux>().map(|(name, _)| name);
            assert_eq!(told, [$($family),*]);
        }
    };
}

families! {
    signals_do_what_linuxs_do: "signals", 300;
    calls_are_interrupted_as_linuxs_are: "interruption", 60;
    waits_tell_what_linuxs_tell: "waits", 330;
    groups_and_sessions_are_linuxs: "groups", 200;
    programs_are_started_as_on_linux: "spawns", 120;
    limits_and_priorities_are_linuxs: "limits", 150;
    users_and_groups_are_linuxs: "users", 170;
    timers_are_linuxs: "timers", 35;
}
