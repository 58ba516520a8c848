//! Limits and priorities.

use super::system::{Limit, Priority, Resource, SetId, System, UNLIMITED};
use super::{await_end, child, pipe, scenario, settle, tell, word};

/// Soft and hard limits that leave room enough to go on.
const RESOURCES: [(Resource, u64, u64); 9] = [
    (Resource::Cpu, 1000, 2000),
    (Resource::FileSize, 1 << 30, 1 << 31),
    (Resource::Data, 1 << 40, 1 << 41),
    (Resource::Stack, 1 << 22, 1 << 23),
    (Resource::Core, 0, 0),
    (Resource::AddressSpace, 1 << 44, 1 << 45),
    (Resource::LockedMemory, 8192, 16384),
    (Resource::Processes, 500, 1000),
    (Resource::Descriptors, 100, 200),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    LowerSoft,
    SoftToHard,
    AboveHard,
    LowerHard,
    HardUpAgain,
    SoftAboveHard,
    Unlimited,
}

const STEPS: [Step; 7] = [
    Step::LowerSoft,
    Step::SoftToHard,
    Step::AboveHard,
    Step::LowerHard,
    Step::HardUpAgain,
    Step::SoftAboveHard,
    Step::Unlimited,
];

/// A number that no process and no user has.
const NOBODY: i32 = 0x3fff_fff0;

pub(crate) fn all<S: System>() {
    for root in [true, false] {
        let name = if root { "root" } else { "user" };
        for (resource, soft, hard) in RESOURCES {
            for step in STEPS {
                scenario::<S>(format_args!("{name} {resource:?} {step:?}"), || {
                    if become_one::<S>(root) {
                        limit::<S>(resource, Limit { soft, hard }, step);
                    }
                });
            }
        }
        for which in [Priority::Process, Priority::Group, Priority::User] {
            for whom in ["zero", "own", "child", "nobody", "negative"] {
                scenario::<S>(format_args!("{name} priority {which:?} {whom}"), || {
                    if become_one::<S>(root) {
                        priority::<S>(which, whom, root);
                    }
                });
            }
        }
    }
    scenario::<S>(format_args!("limits are inherited"), || {
        let _ = S::setrlimit(Resource::Descriptors, Limit { soft: 50, hard: 60 });
        let process = child::<S>(|| match S::getrlimit(Resource::Descriptors) {
            Ok(limit) => tell!(S, "{limit}"),
            Err(error) => tell!(S, "{error}"),
        });
        let _ = S::wait4(process, 0);
        tell!(S, "dup2 below {:?}", S::dup2(1, 49));
        tell!(S, "dup2 at {:?}", S::dup2(1, 50));
        for _ in 0..46 {
            let _ = S::open(c"/dev/null");
        }
        tell!(S, "open {}", word(S::open(c"/dev/null")));
        tell!(S, "pipe {}", word(S::pipe()));
    });
    scenario::<S>(format_args!("priority of a child"), || {
        let _ = S::setpriority(Priority::Process, 0, 3);
        let process = child::<S>(|| tell!(S, "{:?}", S::getpriority(Priority::Process, 0)));
        let _ = S::wait4(process, 0);
    });
    scenario::<S>(format_args!("priority of one that has ended"), || {
        let process = child::<S>(|| ());
        settle::<S>(process);
        tell!(S, "get {:?}", S::getpriority(Priority::Process, process));
        tell!(S, "set {:?}", S::setpriority(Priority::Process, process, 3));
        let _ = S::wait4(process, 0);
    });
}

/// As the superuser if one is, or as a user that nobody else is.
fn become_one<S: System>(root: bool) -> bool {
    let is_root = S::geteuid() == 0;
    if root && !is_root {
        tell!(S, "skipped: not the superuser");
        return false;
    }
    !is_root || root || S::set_id(SetId::Uid(50_000 + S::getpid() % 10_000)).is_ok()
}

fn limit<S: System>(resource: Resource, base: Limit, step: Step) {
    let tell_it = |what: &str| match S::getrlimit(resource) {
        Ok(limit) => tell!(S, "{what} {limit}"),
        Err(error) => tell!(S, "{what} {error}"),
    };
    tell!(S, "set {}", word(S::setrlimit(resource, base)));
    tell_it("base");
    let Limit { soft, hard } = base;
    let wanted = match step {
        Step::LowerSoft => Limit { soft: soft - soft / 4, hard },
        Step::SoftToHard => Limit { soft: hard, hard },
        Step::AboveHard => Limit { soft: hard + 4096, hard: hard + 4096 },
        Step::LowerHard | Step::HardUpAgain => Limit { soft, hard: soft },
        Step::SoftAboveHard => Limit { soft: hard + 1, hard },
        Step::Unlimited => Limit { soft, hard: UNLIMITED },
    };
    tell!(S, "{}", word(S::setrlimit(resource, wanted)));
    tell_it("now");
    if step == Step::HardUpAgain {
        tell!(S, "{}", word(S::setrlimit(resource, base)));
        tell_it("then");
    }
}

fn priority<S: System>(which: Priority, whom: &str, root: bool) {
    let (read, write) = pipe::<S>();
    let process = child::<S>(|| await_end::<S>((read, write)));
    let who = match (whom, which) {
        ("zero", _) => 0,
        ("own", Priority::User) => S::getuid() as i32,
        ("own", _) => S::getpid(),
        ("child", _) => process,
        ("negative", _) => -1,
        _ => NOBODY,
    };
    tell!(S, "{:?}", S::getpriority(which, who));
    for value in [5, 19, 3, 20, 1000, -5, -1000] {
        if which == Priority::User && root {
            break;
        }
        tell!(S, "{value}: {} {:?}", word(S::setpriority(which, who, value)), S::getpriority(which, who));
    }
    let _ = S::close(write);
    let _ = S::wait4(process, 0);
}
