//! Signals (`bsd/sys/signal.h`, `bsd/dev/i386/unix_signal.c`, `man 2 sigaction`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// A signal.
    numbers Signal: i32 = "signal" {
        SIGHUP = 1,
        SIGINT = 2,
        SIGQUIT = 3,
        SIGILL = 4,
        SIGTRAP = 5,
        SIGABRT = 6,
        SIGIOT = 6,
        SIGEMT = 7,
        SIGFPE = 8,
        SIGKILL = 9,
        SIGBUS = 10,
        SIGSEGV = 11,
        SIGSYS = 12,
        SIGPIPE = 13,
        SIGALRM = 14,
        SIGTERM = 15,
        SIGURG = 16,
        SIGSTOP = 17,
        SIGTSTP = 18,
        SIGCONT = 19,
        SIGCHLD = 20,
        SIGTTIN = 21,
        SIGTTOU = 22,
        SIGIO = 23,
        SIGXCPU = 24,
        SIGXFSZ = 25,
        SIGVTALRM = 26,
        SIGPROF = 27,
        SIGWINCH = 28,
        SIGINFO = 29,
        SIGUSR1 = 30,
        SIGUSR2 = 31,
    }

    /// One more than the highest signal. A mask has 32 bits; signal `n` is bit `n - 1`.
    constants SIGNAL_COUNTS: i32 = "signal" {
        __DARWIN_NSIG = 32,
        NSIG = 32,
    }

    /// `sa_flags` of an action.
    flags SigactionFlags: u32 = "sigaction-flags" {
        SA_ONSTACK = 1,
        SA_RESTART = 2,
        SA_RESETHAND = 4,
        SA_NOCLDSTOP = 8,
        SA_NODEFER = 0x10,
        SA_NOCLDWAIT = 0x20,
        SA_SIGINFO = 0x40,
        SA_USERTRAMP = 0x100,
        SA_64REGSET = 0x200,
    }

    /// The flags that `sigaction` reports.
    constants SIGACTION_FLAG_MASKS: u32 = "sigaction-flags" {
        SA_USERSPACE_MASK = 0x7f,
    }

    /// What `sigprocmask` does with its mask.
    numbers SigprocmaskHow: i32 = "sigprocmask" {
        SIG_BLOCK = 1,
        SIG_UNBLOCK = 2,
        SIG_SETMASK = 3,
    }

    /// Handlers that are not addresses of code.
    constants HANDLERS: i64 = "signal-misc" {
        SIG_DFL = 0,
        SIG_IGN = 1,
        SIG_HOLD = 5,
        SIG_ERR = -1,
    }

    /// `ss_flags` of a [`Sigaltstack`].
    flags SigaltstackFlags: u32 = "signal-misc" {
        SS_ONSTACK = 1,
        SS_DISABLE = 4,
    }

    /// Bytes of an alternate stack: the least, and the usual.
    constants SIGNAL_STACK_SIZES: u64 = "signal-misc" {
        MINSIGSTKSZ = 0x8000,
        SIGSTKSZ = 0x0002_0000,
    }

    /// How a finished asynchronous operation is told of.
    numbers SigeventNotify: i32 = "signal-misc" {
        SIGEV_NONE = 0,
        SIGEV_SIGNAL = 1,
        SIGEV_THREAD = 3,
    }

    /// `infostyle` of the trampoline and of `sigreturn`.
    numbers InfoStyle: u32 = "sigreturn" {
        UC_TRAD = 1,
        UC_FLAVOR = 0x1e,
        UC_SET_ALT_STACK = 0x4000_0000,
        UC_RESET_ALT_STACK = 0x8000_0000,
    }

    /// `si_code` of any signal that a process sent.
    numbers SiCode: i32 = "signal-code" {
        SI_USER = 0x0001_0001,
        SI_QUEUE = 0x0001_0002,
        SI_TIMER = 0x0001_0003,
        SI_ASYNCIO = 0x0001_0004,
        SI_MESGQ = 0x0001_0005,
    }

    /// `si_code` of `SIGILL`.
    numbers IllCode: i32 = "signal-code" {
        ILL_ILLOPC = 1,
        ILL_ILLTRP = 2,
        ILL_PRVOPC = 3,
        ILL_ILLOPN = 4,
        ILL_ILLADR = 5,
        ILL_PRVREG = 6,
        ILL_COPROC = 7,
        ILL_BADSTK = 8,
    }

    /// `si_code` of `SIGFPE`.
    numbers FpeCode: i32 = "signal-code" {
        FPE_FLTDIV = 1,
        FPE_FLTOVF = 2,
        FPE_FLTUND = 3,
        FPE_FLTRES = 4,
        FPE_FLTINV = 5,
        FPE_FLTSUB = 6,
        FPE_INTDIV = 7,
        FPE_INTOVF = 8,
    }

    /// `si_code` of `SIGSEGV`.
    numbers SegvCode: i32 = "signal-code" {
        SEGV_MAPERR = 1,
        SEGV_ACCERR = 2,
    }

    /// `si_code` of `SIGBUS`.
    numbers BusCode: i32 = "signal-code" {
        BUS_ADRALN = 1,
        BUS_ADRERR = 2,
        BUS_OBJERR = 3,
    }

    /// `si_code` of `SIGTRAP`.
    numbers TrapCode: i32 = "signal-code" {
        TRAP_BRKPT = 1,
        TRAP_TRACE = 2,
    }

    /// `si_code` of `SIGCHLD`.
    numbers CldCode: i32 = "signal-code" {
        CLD_EXITED = 1,
        CLD_KILLED = 2,
        CLD_DUMPED = 3,
        CLD_TRAPPED = 4,
        CLD_STOPPED = 5,
        CLD_CONTINUED = 6,
    }

    /// `si_code` of `SIGIO`.
    numbers PollCode: i32 = "signal-code" {
        POLL_IN = 1,
        POLL_OUT = 2,
        POLL_MSG = 3,
        POLL_ERR = 4,
        POLL_PRI = 5,
        POLL_HUP = 6,
    }
}

layouts! {
    /// What `sigaction` reads. The C library fills in `sa_tramp`, where the kernel enters the process.
    #[repr(C)]
    struct SigactionIn = "__sigaction", 24 bytes, align 8 {
         0 sigaction_u: u64,
         8 sa_tramp: u64,
        16 sa_mask: u32,
        20 sa_flags: i32,
    }

    /// What `sigaction` writes back.
    #[repr(C)]
    struct Sigaction = "sigaction", 16 bytes, align 8 {
         0 sigaction_u: u64,
         8 sa_mask: u32,
        12 sa_flags: i32,
    }

    /// What a handler gets with `SA_SIGINFO`.
    #[repr(C)]
    struct Siginfo = "siginfo", 104 bytes, align 8 {
         0 si_signo: i32,
         4 si_errno: i32,
         8 si_code: i32,
        12 si_pid: i32,
        16 si_uid: u32,
        20 si_status: i32,
        24 si_addr: u64,
        32 si_value: u64,
        40 si_band: i64,
        48 __pad: [u64; 7],
    }

    /// `stack_t`: an alternate stack.
    #[repr(C)]
    struct Sigaltstack = "sigaltstack", 24 bytes, align 8 {
         0 ss_sp: u64,
         8 ss_size: u64,
        16 ss_flags: i32,
        20 _pad: u32,
    }

    /// The third argument of a handler, and what `sigreturn` takes back. `uc_mcontext` points to one of the
    /// `Mcontext` forms of [`super::thread_state`], `uc_mcsize` tells which.
    #[repr(C)]
    struct Ucontext64 = "ucontext64", 56 bytes, align 8 {
         0 uc_onstack: i32,
         4 uc_sigmask: u32,
         8 uc_stack: Sigaltstack,
        32 uc_link: u64,
        40 uc_mcsize: u64,
        48 uc_mcontext: u64,
    }
}
