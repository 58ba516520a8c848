//! Signals: each one, with each thing that can be done with it, blocked or not.

use super::system::{
    Action, Disposition, How, NO_CHILD_STOP, NO_CHILD_WAIT, NO_DEFER, ON_STACK, RESET, RESTART, Signal,
    SignalSet, Stack, System, Wait, Which,
};
use super::{child, scenario, set, settle, tell, who, word};
use core::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicUsize, Ordering::Relaxed};

/// What the handler has seen.
static COUNT: AtomicU32 = AtomicU32::new(0);
static ORDER: [AtomicU8; 32] = [const { AtomicU8::new(0) }; 32];
static SENDER: AtomicI32 = AtomicI32::new(0);
static DEPTH: AtomicU32 = AtomicU32::new(0);
static DEEPEST: AtomicU32 = AtomicU32::new(0);
static MASK: AtomicU32 = AtomicU32::new(0);
static PLACE: AtomicUsize = AtomicUsize::new(0);
static STACK: AtomicUsize = AtomicUsize::new(0);
/// What the handler does, in its first run: sends the signal again; in any: tells of the alternate stack.
static SENDS_AGAIN: AtomicU32 = AtomicU32::new(0);
static LOOKS_AT_STACK: AtomicU32 = AtomicU32::new(0);
/// A descriptor to write a byte to in its second run, and a process to kill then; 0 for none.
pub(crate) static WAKES: AtomicI32 = AtomicI32::new(0);
pub(crate) static KILLS: AtomicI32 = AtomicI32::new(0);

/// The handler of every caught signal. A system calls it with the signal and the process that the signal came from.
pub(crate) fn caught<S: System>(signal: Signal, sender: i32) {
    let here = 0u8;
    let count = COUNT.fetch_add(1, Relaxed);
    if let Some(place) = ORDER.get(count as usize) {
        place.store(signal.0, Relaxed);
    }
    SENDER.store(sender, Relaxed);
    PLACE.store(core::ptr::from_ref(core::hint::black_box(&here)).addr(), Relaxed);
    MASK.store(S::sigprocmask(How::Block, 0).unwrap_or(0), Relaxed);
    let depth = DEPTH.fetch_add(1, Relaxed) + 1;
    DEEPEST.fetch_max(depth, Relaxed);
    if count == 0 && SENDS_AGAIN.load(Relaxed) != 0 {
        let _ = S::kill(S::getpid(), signal);
    }
    if count == 1 && WAKES.load(Relaxed) != 0 {
        let _ = S::write(WAKES.load(Relaxed), b"!");
    }
    if count == 1 && KILLS.load(Relaxed) != 0 {
        let _ = S::kill(KILLS.load(Relaxed), Signal::KILL);
    }
    if LOOKS_AT_STACK.load(Relaxed) != 0 {
        look_at_stack::<S>();
    }
    DEPTH.fetch_sub(1, Relaxed);
}

/// How often the handler ran.
pub(crate) fn count() -> u32 {
    COUNT.load(Relaxed)
}

/// Tells what the handler has seen, and forgets it.
fn tell_of_handler<S: System>(what: &str) {
    let known = [("self", S::getpid()), ("parent", S::getppid()), ("none", 0)];
    let sender = if count() == 0 { "nobody" } else { who(SENDER.load(Relaxed), &known) };
    let deepest = DEEPEST.load(Relaxed);
    let mask = SignalSet(MASK.load(Relaxed));
    tell!(S, "{what}: ran {} from {sender} depth {deepest} mask {mask}", count());
    forget();
}

/// Begins to count anew.
pub(crate) fn forget() {
    for state in [&COUNT, &DEEPEST, &MASK] {
        state.store(0, Relaxed);
    }
}

pub(crate) fn all<S: System>() {
    for signal in Signal::all() {
        for kind in Kind::ALL {
            for blocked in [false, true] {
                let name = if blocked { "blocked" } else { "open" };
                scenario::<S>(format_args!("{signal} {} {name}", kind.name()), || {
                    matrix::<S>(signal, kind, blocked)
                });
            }
        }
    }
    orders::<S>();
    for signal in [Signal::USR1, Signal::EMT, Signal::CHLD] {
        for flag in [ON_STACK, RESTART, RESET, NO_CHILD_STOP, NO_DEFER, NO_CHILD_WAIT] {
            scenario::<S>(format_args!("{signal} told flag {flag:#x}"), || told::<S>(signal, flag));
        }
        for kind in StackKind::ALL {
            scenario::<S>(format_args!("{signal} stack {kind:?}"), || stack::<S>(signal, kind));
        }
    }
    for signal in [Signal::NONE, Signal::KILL, Signal::STOP, Signal::BEYOND] {
        scenario::<S>(format_args!("{signal} refused"), || refused::<S>(signal));
    }
    scenario::<S>(format_args!("masks that cannot be"), masks::<S>);
    for way in ["wait4", "waitid"] {
        scenario::<S>(format_args!("children ignored {way}"), || children::<S>(way, Disposition::Ignore, 0));
        scenario::<S>(format_args!("children unwanted {way}"), || {
            children::<S>(way, Disposition::Catch, NO_CHILD_WAIT);
        });
        scenario::<S>(format_args!("children caught {way}"), || children::<S>(way, Disposition::Catch, 0));
    }
    for flag in [0, NO_CHILD_STOP] {
        scenario::<S>(format_args!("stops of children flag {flag:#x}"), || stops::<S>(flag));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Default,
    Ignored,
    Caught,
    Reset,
    Nested,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Default, Kind::Ignored, Kind::Caught, Kind::Reset, Kind::Nested];

    fn name(self) -> &'static str {
        match self {
            Kind::Default => "default",
            Kind::Ignored => "ignored",
            Kind::Caught => "caught",
            Kind::Reset => "reset",
            Kind::Nested => "nested",
        }
    }
}

fn matrix<S: System>(signal: Signal, kind: Kind, blocked: bool) {
    let action = match kind {
        Kind::Default => Action { disposition: Disposition::Default, mask: 0, flags: 0 },
        Kind::Ignored => Action { disposition: Disposition::Ignore, mask: 0, flags: 0 },
        Kind::Caught => Action { disposition: Disposition::Catch, mask: 0, flags: 0 },
        Kind::Reset => Action { disposition: Disposition::Catch, mask: 0, flags: RESET },
        Kind::Nested => Action { disposition: Disposition::Catch, mask: Signal::USR2.bit(), flags: NO_DEFER },
    };
    if let Err(error) = S::sigaction(signal, Some(action)) {
        tell!(S, "sigaction {error}");
    }
    SENDS_AGAIN.store(u32::from(matches!(kind, Kind::Caught | Kind::Nested)), Relaxed);
    let own = S::getpid();
    if blocked {
        tell!(S, "block {}", word(S::sigprocmask(How::Block, signal.bit())));
        for _ in 0..2 {
            let _ = S::kill(own, signal);
        }
        tell!(S, "pending {}", SignalSet(S::sigpending()));
        tell_of_handler::<S>("blocked");
        tell!(S, "unblock {}", word(S::sigprocmask(How::Unblock, signal.bit())));
    } else {
        tell!(S, "kill {}", word(S::kill(own, signal)));
    }
    tell!(S, "pending {}", SignalSet(S::sigpending()));
    tell_of_handler::<S>("sent");
    if let Ok(now) = S::sigaction(signal, None) {
        tell!(S, "now {:?}", now.disposition);
    }
    if kind == Kind::Reset {
        tell!(S, "again {}", word(S::kill(own, signal)));
        tell_of_handler::<S>("again");
    }
}

/// Signals that wait together: which handlers run in which order.
fn orders<S: System>() {
    const SETS: [&[Signal]; 8] = [
        &[Signal::HUP, Signal::INT, Signal::TERM],
        &[Signal::TERM, Signal::INT, Signal::HUP],
        &[Signal::HUP, Signal::QUIT, Signal::PIPE, Signal::ALRM, Signal::TERM],
        &[Signal::VTALRM, Signal::PROF, Signal::WINCH],
        &[Signal::USR2, Signal::USR1],
        &[Signal::USR1, Signal::TERM],
        &[Signal::CHLD, Signal::CONT, Signal::USR1, Signal::INT],
        &[Signal::SEGV, Signal::BUS, Signal::ABRT, Signal::HUP],
    ];
    for (index, set_of) in SETS.into_iter().enumerate() {
        for deferred in [false, true] {
            let name = if deferred { "deferred" } else { "stacked" };
            scenario::<S>(format_args!("order {index} {name}"), || {
                for signal in set_of {
                    let mask = if deferred { u32::MAX } else { 0 };
                    let action = Action { disposition: Disposition::Catch, mask, flags: 0 };
                    let _ = S::sigaction(*signal, Some(action));
                    let _ = S::sigprocmask(How::Block, signal.bit());
                }
                for signal in set_of {
                    let _ = S::kill(S::getpid(), *signal);
                }
                tell!(S, "pending {}", SignalSet(S::sigpending()));
                let _ = S::sigprocmask(How::Set, 0);
                for place in ORDER.iter().take(count() as usize) {
                    tell!(S, "ran {}", Signal(place.load(Relaxed)));
                }
                tell_of_handler::<S>("all");
            });
        }
    }
}

/// What `sigaction` tells of what it was given.
fn told<S: System>(signal: Signal, flag: u32) {
    let action = Action { disposition: Disposition::Catch, mask: u32::MAX, flags: flag };
    tell!(S, "set {}", word(S::sigaction(signal, Some(action))));
    if let Ok(now) = S::sigaction(signal, None) {
        tell!(S, "{:?} flags {:#x} mask {}", now.disposition, now.flags, SignalSet(now.mask));
    }
}

fn refused<S: System>(signal: Signal) {
    for disposition in [Disposition::Default, Disposition::Ignore, Disposition::Catch] {
        let set = S::sigaction(signal, Some(Action { disposition, mask: 0, flags: 0 }));
        tell!(S, "sigaction {disposition:?} {}", word(set));
    }
    tell!(S, "sigaction asked {}", word(S::sigaction(signal, None)));
    if !matches!(signal, Signal::KILL | Signal::STOP) {
        tell!(S, "kill {}", word(S::kill(S::getpid(), signal)));
    }
}

fn masks<S: System>() {
    let _ = S::sigprocmask(How::Set, u32::MAX);
    tell!(S, "all {}", SignalSet(S::sigprocmask(How::Block, 0).unwrap_or(0)));
    let _ = S::sigprocmask(How::Unblock, Signal::INT.bit() | Signal::INFO.bit());
    tell!(S, "without two {}", SignalSet(S::sigprocmask(How::Block, 0).unwrap_or(0)));
    let same = child::<S>(|| tell!(S, "child {}", SignalSet(S::sigprocmask(How::Block, 0).unwrap_or(0))));
    let _ = S::wait4(same, 0);
    let _ = S::sigprocmask(How::Set, Signal::USR1.bit());
    let _ = S::kill(S::getpid(), Signal::USR1);
    let fresh = child::<S>(|| tell!(S, "child pending {}", SignalSet(S::sigpending())));
    let _ = S::wait4(fresh, 0);
    tell!(S, "pending {}", SignalSet(S::sigpending()));
    set::<S>(Signal::USR1, Disposition::Ignore);
    tell!(S, "pending when ignored {}", SignalSet(S::sigpending()));
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum StackKind {
    None,
    Unused,
    Used,
    Disabled,
    Nested,
}

impl StackKind {
    const ALL: [StackKind; 5] =
        [StackKind::None, StackKind::Unused, StackKind::Used, StackKind::Disabled, StackKind::Nested];
}

const STACK_LENGTH: usize = 65536;

fn look_at_stack<S: System>() {
    let Ok(found) = S::sigaltstack(None) else { return };
    tell!(S, "in the handler: in use {} disabled {}", found.in_use, found.length == 0);
    let other = Stack { start: STACK.load(Relaxed), length: STACK_LENGTH, in_use: false };
    tell!(S, "in the handler: set {}", word(S::sigaltstack(Some(other))));
    let none = Stack { start: 0, length: 0, in_use: false };
    tell!(S, "in the handler: disable {}", word(S::sigaltstack(Some(none))));
}

fn stack<S: System>(signal: Signal, kind: StackKind) {
    let room = [0u8; STACK_LENGTH];
    let start = core::ptr::from_ref(core::hint::black_box(&room)).addr();
    STACK.store(start, Relaxed);
    let stack = Stack { start, length: STACK_LENGTH, in_use: false };
    if kind != StackKind::None {
        tell!(S, "set {}", word(S::sigaltstack(Some(stack))));
        tell!(S, "too small {}", word(S::sigaltstack(Some(Stack { length: 1, ..stack }))));
    }
    if kind == StackKind::Disabled {
        tell!(S, "disable {}", word(S::sigaltstack(Some(Stack { length: 0, ..stack }))));
    }
    let flags = match kind {
        StackKind::Unused => 0,
        StackKind::Nested => ON_STACK | NO_DEFER,
        _ => ON_STACK,
    };
    SENDS_AGAIN.store(u32::from(kind == StackKind::Nested), Relaxed);
    LOOKS_AT_STACK.store(1, Relaxed);
    let _ = S::sigaction(signal, Some(Action { disposition: Disposition::Catch, mask: 0, flags }));
    let _ = S::kill(S::getpid(), signal);
    let place = PLACE.load(Relaxed);
    tell!(S, "ran there {}", place >= start && place < start + STACK_LENGTH);
    tell_of_handler::<S>("sent");
    if let Ok(now) = S::sigaltstack(None) {
        tell!(S, "afterwards in use {} disabled {}", now.in_use, now.length == 0);
    }
}

/// Children whose end nobody wants to know, or a handler does.
fn children<S: System>(way: &str, disposition: Disposition, flags: u32) {
    let _ = S::sigaction(Signal::CHLD, Some(Action { disposition, mask: 0, flags: flags | RESTART }));
    let first = child::<S>(|| {});
    let outcome =
        if way == "wait4" { S::wait4(first, 0) } else { S::waitid(Which::Process(first), Wait::EXITED) };
    match outcome {
        Ok(Some((process, change))) => tell!(S, "{change} {}", process == first),
        other => tell!(S, "{}", word(other)),
    }
    let known = [("child", first)];
    let sender = if count() == 0 { "nobody" } else { who(SENDER.load(Relaxed), &known) };
    tell!(S, "ran {} from {sender}", count());
    tell!(S, "afterwards {}", word(S::wait4(-1, 0)));
}

/// Whether `SIGCHLD` tells of a child that stops.
fn stops<S: System>(flags: u32) {
    let _ = S::sigaction(Signal::CHLD, Some(Action { disposition: Disposition::Catch, mask: 0, flags }));
    let stopped = child::<S>(|| {
        let _ = S::kill(S::getpid(), Signal::STOP);
    });
    loop {
        let found = S::wait4(stopped, Wait::UNTRACED);
        if let Ok(Some((_, change))) = found {
            tell!(S, "{change}");
            break;
        }
    }
    tell!(S, "ran {}", count() > 0);
    // Only the end is counted now.
    let _ = S::sigaction(Signal::CHLD, Some(Action { disposition: Disposition::Default, mask: 0, flags: 0 }));
    let _ = S::kill(stopped, Signal::CONT);
    settle::<S>(stopped);
    tell!(S, "end {}", word(S::wait4(stopped, 0)));
}
