//! Where a Mac differs from Linux by design.

/// A difference that is meant. In all patterns a `*` stands for any text.
pub(crate) struct Deviation {
    pub(crate) family: &'static str,
    /// Patterns of the scenarios' names.
    pub(crate) scenarios: &'static [&'static str],
    /// The lines in which the two differ, with `; ` between: on Linux, in the guest.
    native: &'static str,
    guest: &'static str,
    pub(crate) why: &'static str,
}

impl Deviation {
    /// Whether this is the difference.
    pub(crate) fn excuses(&self, scenario: &str, native: &str, guest: &str) -> bool {
        let named = self.scenarios.iter().any(|pattern| fits(pattern, scenario));
        named && fits(self.native, native) && fits(self.guest, guest)
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| fits(after, rest)))
        }),
    }
}

const fn meant(
    family: &'static str,
    scenarios: &'static [&'static str],
    native: &'static str,
    guest: &'static str,
    why: &'static str,
) -> Deviation {
    Deviation { family, scenarios, native, guest, why }
}

const INFO_AND_IO: &[&str] = &["IO default *", "INFO default *", "IO reset *", "INFO reset *"];

pub(crate) const DEVIATIONS: &[Deviation] = &[
    meant(
        "signals",
        &["ILL reset *", "TRAP reset *"],
        "now Default; killed *",
        "now Catch; again ok; again: ran 1 from self*",
        "bsd/kern/kern_sig.c, postsig_locked: these two keep their handlers",
    ),
    meant(
        "signals",
        &["STOP *"],
        "now Default",
        "",
        "bsd/kern/kern_sig.c, sigaction: of this signal nothing is told",
    ),
    meant(
        "signals",
        &["KILL refused", "STOP refused"],
        "sigaction asked ok",
        "sigaction asked EINVAL",
        "bsd/kern/kern_sig.c, sigaction: of these two nothing is told",
    ),
    meant(
        "signals",
        INFO_AND_IO,
        "killed *",
        "*ran 0 from nobody depth 0 mask {}*",
        "bsd/sys/signalvar.h, sigprop: ignored by default. Linux has no SIGINFO; its twin here is SIGPWR",
    ),
    meant(
        "signals",
        &["*ignored blocked"],
        "pending {*}",
        "pending {}",
        "bsd/kern/kern_sig.c, psignal_internal: what is ignored is forgotten as it comes, blocked or not",
    ),
    meant(
        "signals",
        &["URG default blocked", "CHLD default blocked", "WINCH default blocked"],
        "pending {*}",
        "pending {}",
        "bsd/kern/kern_sig.c, setsigvec: what is ignored by default is forgotten as it comes as well",
    ),
    meant(
        "signals",
        &["IO default blocked", "INFO default blocked"],
        "pending {*}; *killed *",
        "pending {}; *now Default",
        "bsd/sys/signalvar.h, sigprop: both: ignored by default, and forgotten as they come",
    ),
    meant(
        "signals",
        &["order 5 *", "order 6 *"],
        "*ran *",
        "*ran *",
        "bsd/kern/kern_sig.c, issignal_locked: the lowest number first, and numbers differ",
    ),
    meant(
        "signals",
        &["order 7 *"],
        "*ran *",
        "*ran *",
        "man 7 signal: Linux delivers SIGSEGV and SIGBUS before others, issignal_locked the lowest number first",
    ),
    meant(
        "signals",
        &["* told flag 0x4"],
        "Catch flags 0x4 *",
        "Catch flags 0x0 *",
        "bsd/kern/kern_sig.c, sigaction: SA_RESETHAND is not told",
    ),
    meant(
        "signals",
        &["USR1 told flag 0x8", "EMT told flag 0x8"],
        "Catch flags 0x8 *",
        "Catch flags 0x0 *",
        "bsd/kern/kern_sig.c, sigaction: flags of children are kept for SIGCHLD alone",
    ),
    meant(
        "signals",
        &["USR1 told flag 0x20", "EMT told flag 0x20"],
        "Catch flags 0x20 *",
        "Catch flags 0x0 *",
        "bsd/kern/kern_sig.c, sigaction: flags of children are kept for SIGCHLD alone",
    ),
    meant(
        "signals",
        &["* stack Unused"],
        "afterwards in use false disabled false",
        "afterwards in use false disabled true",
        "bsd/dev/i386/unix_signal.c, sigreturn: only the mark of its use is taken from the frame",
    ),
    meant(
        "signals",
        &["* stack Used", "* stack Nested"],
        "in the handler: disable EPERM*",
        "in the handler: disable EINVAL*",
        "bsd/kern/kern_sig.c, sigaltstack: disabling the one in use is EINVAL",
    ),
    meant(
        "waits",
        &["waitid options 0x1"],
        "EINVAL",
        "ok",
        "bsd/kern/kern_exit.c, waitid: no kind of change need be named, and nothing has changed then",
    ),
    meant(
        "waits",
        &["wait4 options *"],
        "EINVAL; then ok",
        "ok; then ECHILD",
        "bsd/kern/kern_exit.c, wait4: options that mean nothing are ignored",
    ),
    meant(
        "waits",
        &["waitid of process 0", "waitid of group 0"],
        "*",
        "ECHILD",
        "bsd/kern/kern_exit.c, waitid: 0 is a number like others, and nobody's child has it",
    ),
    meant(
        "groups",
        &["setpgid * Parent Negative", "setpgid * Nobody Negative", "setpgid * Negative Negative"],
        "EINVAL",
        "ESRCH",
        "bsd/kern/kern_prot.c, setpgid: the process is looked at before the group",
    ),
    meant(
        "groups",
        &["setpgid Executed Child Negative"],
        "EINVAL",
        "EACCES",
        "bsd/kern/kern_prot.c, setpgid: the process is looked at before the group",
    ),
    meant(
        "groups",
        &["setpgid SessionLeader Child Negative"],
        "EINVAL",
        "EPERM",
        "bsd/kern/kern_prot.c, setpgid: the process is looked at before the group",
    ),
    meant(
        "groups",
        &["setpgid Ended *", "ask Ended Child"],
        "*group *",
        "*group ESRCH session ESRCH",
        "bsd/kern/kern_proc.c, proc_find: a process that has ended is found no more",
    ),
    meant(
        "groups",
        &["kill *"],
        "nobody beyond ESRCH",
        "nobody beyond EINVAL",
        "bsd/kern/kern_sig.c, kill: the signal is looked at before the process",
    ),
    meant(
        "spawns",
        &["*close5*", "*close6*"],
        "*exited 0",
        "EBADF",
        "bsd/kern/kern_exec.c, exec_handle_file_actions: closing what is not open is an error, which glibc ignores",
    ),
    meant(
        "limits",
        &["* priority * negative"],
        "Err(ESRCH)*",
        "Err(EINVAL)*",
        "bsd/kern/kern_resource.c, getpriority, setpriority: nobody has a number below 0",
    ),
    meant(
        "limits",
        &["priority of one that has ended"],
        "get Ok(*); set Ok(())",
        "get Err(ESRCH); set Err(ESRCH)",
        "bsd/kern/kern_proc.c, proc_find: a process that has ended is found no more",
    ),
    meant(
        "users",
        &["Euid(1000) Euid(1000)", "Egid(1000) Egid(1000)"],
        "ok",
        "EPERM",
        "bsd/kern/kern_prot.c, seteuid, setegid: only the real and the saved one may be chosen",
    ),
    meant(
        "users",
        &["Reuid(* Reuid(*", "Regid(* Regid(*"],
        "*id:*",
        "*id:*",
        "bsd/kern/kern_prot.c, setreuid, setregid: the saved one follows unless it was asked for",
    ),
    meant(
        "users",
        &["groups 0 root"],
        "Groups:*0 groups; []; []",
        "Groups:\t0*1 groups; [0]; [0]",
        "bsd/kern/kern_prot.c, setgroups1: of no groups the first is 0",
    ),
    meant(
        "users",
        &["groups * user", "groups -1 root"],
        "0 groups; []; []",
        "1 groups; [0]; [0]",
        "man 2 getgroups: the effective group is the first",
    ),
    meant(
        "users",
        &["groups 1 root", "groups 3 root", "groups 16 root"],
        "Gid:\t0\t0\t0\t0",
        "Gid:\t0\t3000\t0\t3000",
        "bsd/kern/kern_prot.c, setgroups1: the first group becomes the effective one",
    ),
    meant(
        "users",
        &["groups 17 root"],
        "set ok*",
        "set EINVAL*",
        "bsd/sys/param.h, NGROUPS: there are 16 groups at most",
    ),
    meant(
        "users",
        &["groups 17 user", "groups -1 user"],
        "set EPERM*",
        "set EINVAL*",
        "bsd/kern/kern_prot.c, setgroups1: the number is looked at before the caller",
    ),
];
