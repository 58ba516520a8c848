//! Signal frames: what is pushed, and that `sigreturn` takes it back.

use crate::support::*;
use xnu_abi::darwin::signal::{SigactionFlags, Signal};
use xnu_backend_mock::Mock;
use xnu_core::registers::{Registers, VectorState};
use xnu_core::signal::{self, Info, Next};
use xnu_core::{Reply, Thread, UserAddr};

const STRUCTS: &str = include_str!("../../data/structs.tsv");

/// Size of a structure and offset of one of its fields, by the reference table (x86-64).
fn layout(structure: &str, field: &str) -> (u64, u64) {
    let row = STRUCTS
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .find(|row| row[0] == structure && row[1].contains("x86_64"))
        .unwrap_or_else(|| panic!("the table has no {structure}"));
    let found =
        row[4].split(';').map(|field| field.split(':').collect::<Vec<_>>()).find(|parts| parts[0] == field);
    let offset = found.unwrap_or_else(|| panic!("{structure} has no {field}"))[2];
    (row[2].parse().expect("a size"), offset.parse().expect("an offset"))
}

/// Bytes below the stack pointer that are left alone.
const RED_ZONE: u64 = 128;
const HANDLER: u64 = 0x4_0000;
const TRAMPOLINE: u64 = 0x7000;

/// Every general register different, carry and direction set.
fn registers(rsp: u64) -> Registers {
    Registers {
        rax: 1,
        rbx: 2,
        rcx: 3,
        rdx: 4,
        rdi: 5,
        rsi: 6,
        rbp: 7,
        rsp,
        r8: 8,
        r9: 9,
        r10: 10,
        r11: 11,
        r12: 12,
        r13: 13,
        r14: 14,
        r15: 15,
        rip: 0x1_2345,
        rflags: 0x603,
        cs: 0x33,
        fs: 0,
        gs: 0,
    }
}

/// Vectors with a pattern in every part that a frame carries.
fn vectors() -> VectorState {
    let mut state = VectorState::default();
    for (i, byte) in state.0.iter_mut().enumerate() {
        *byte = (i % 251) as u8;
    }
    state.0[24..28].copy_from_slice(&0x1f80u32.to_le_bytes());
    state.0[VectorState::STORED..VectorState::STORED + 8].copy_from_slice(&7u64.to_le_bytes());
    state
}

/// A machine whose thread has the registers above and a stack of `size` bytes.
fn on_a_stack(size: usize) -> (Machine<Mock>, u64) {
    let k = machine();
    let top = k.alloc(size).get() + size as u64;
    k.with(|cx| *thread(cx) = Thread { registers: registers(top), vectors: vectors(), ..Thread::default() });
    (k, top)
}

fn catch(k: &Machine<Mock>, signal: Signal, mask: u32, flags: SigactionFlags) {
    xnu!(k, sigaction(signal, action(HANDLER, mask, flags.bits()), NULL) => 0);
}

fn note(k: &Machine<Mock>, info: Info) {
    k.with(|cx| thread(cx).signals.note(info));
}

fn next(k: &Machine<Mock>) -> Next {
    k.with(|cx| signal::deliver_next(cx.process, thread(cx)))
}

fn now(k: &Machine<Mock>) -> Registers {
    k.with(|cx| thread(cx).registers)
}

fn word(k: &Machine<Mock>, at: u64, size: usize) -> u64 {
    number(k, UserAddr::new(at), 0, size)
}

/// What the trampoline does when the handler has returned.
fn come_back(k: &Machine<Mock>) {
    let registers = now(k);
    assert_eq!(k.by_name("sigreturn", &[registers.r8, registers.rsi, registers.r9]), Reply::Unchanged);
}

#[test]
fn a_round_trip_restores_registers_vectors_and_mask() {
    let (k, top) = on_a_stack(8192);
    catch(&k, SIGUSR1, 1 << 1, SA_SIGINFO);
    xnu!(k, sigprocmask(SIG_SETMASK, 4u32.to_le_bytes().to_vec(), NULL) => 0);
    let before = k.with(|cx| thread(cx).clone());
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    assert_eq!(k.with(|cx| thread(cx).signals.mask), 4 | 1 << 1 | 1 << 29);
    // The handler uses everything.
    k.with(|cx| {
        let Registers { r8, r9, rsi, rsp, .. } = thread(cx).registers;
        thread(cx).registers = Registers { r8, r9, rsi, rsp, ..registers(0) };
        thread(cx).registers.rbx = 99;
        thread(cx).vectors.0[..512].fill(0);
        thread(cx).vectors.0[576..832].fill(0);
    });
    come_back(&k);
    let after = k.with(|cx| thread(cx).clone());
    assert_eq!(after.registers.rsp, top);
    // Of the flags, what a program may set comes back; what must be set is.
    let expected = Registers { rflags: 0x603, ..before.registers };
    assert_eq!(after.registers, expected);
    assert_eq!(after.vectors.0, before.vectors.0);
    assert_eq!(after.signals.mask, 4);
    assert!(!after.signals.on_stack);
    assert_eq!(next(&k), Next::Go);
}

#[test]
fn the_frame_lies_where_the_reference_says() {
    let (k, top) = on_a_stack(8192);
    catch(&k, SIGSEGV, 0, SA_SIGINFO);
    let info = Info {
        code: 2,
        pid: 7,
        uid: 8,
        status: 9,
        address: 0xbad,
        value: 0x77,
        fault: (14, 6, 0xbad),
        ..Info::bare(SIGSEGV)
    };
    note(&k, info);
    assert_eq!(next(&k), Next::Entered);
    let (ucontext_size, _) = layout("ucontext64", "uc_onstack");
    let (siginfo_size, _) = layout("siginfo", "si_signo");
    let (mcontext_size, _) = layout("mcontext_avx64", "__es");
    let ucontext = top - RED_ZONE - ucontext_size;
    let siginfo = ucontext - siginfo_size;
    let mcontext = siginfo - mcontext_size;

    let entered = now(&k);
    assert_eq!((entered.rip, entered.rsp % 16), (TRAMPOLINE, 8));
    assert!(entered.rsp <= mcontext - 8 && entered.rsp + 24 > mcontext);
    assert_eq!((entered.rdi, entered.rsi, entered.rdx), (HANDLER, 0x1e, 11));
    let token = k.with(|cx| thread(cx).signals.token);
    assert_eq!((entered.rcx, entered.r8, entered.r9), (siginfo, ucontext, ucontext ^ token));
    assert_eq!(entered.rflags, 0x202, "no direction, no carry, no trap");

    let in_ucontext = |field, size| word(&k, ucontext + layout("ucontext64", field).1, size);
    assert_eq!((in_ucontext("uc_onstack", 4), in_ucontext("uc_sigmask", 4)), (0, 0));
    assert_eq!((in_ucontext("uc_mcsize", 8), in_ucontext("uc_mcontext", 8)), (mcontext_size, mcontext));
    assert_eq!((in_ucontext("uc_link", 8), in_ucontext("uc_stack", 8)), (0, entered.rsp));

    let in_siginfo = |field, size| word(&k, siginfo + layout("siginfo", field).1, size);
    let told =
        [("si_signo", 11), ("si_errno", 0), ("si_code", 2), ("si_pid", 7), ("si_uid", 8), ("si_status", 9)];
    for (field, expected) in told {
        assert_eq!(in_siginfo(field, 4), expected, "{field}");
    }
    assert_eq!((in_siginfo("si_addr", 8), in_siginfo("si_value", 8)), (0xbad, 0x77));

    let exception = mcontext + layout("mcontext_avx64", "__es").1;
    assert_eq!(
        (word(&k, exception, 2), word(&k, exception + 4, 4), word(&k, exception + 8, 8)),
        (14, 6, 0xbad)
    );
    let general = mcontext + layout("mcontext_avx64", "__ss").1;
    let in_thread = |index: u64| word(&k, general + index * 8, 8);
    // rax rbx rcx rdx rdi rsi rbp rsp r8..r15 rip rflags cs fs gs
    let expected = [1, 2, 3, 4, 5, 6, 7, top, 8, 9, 10, 11, 12, 13, 14, 15, 0x1_2345, 0x603, 0x2b, 0, 0];
    for (index, expected) in expected.into_iter().enumerate() {
        assert_eq!(in_thread(index as u64), expected, "register {index}");
    }
    let floats = mcontext + layout("mcontext_avx64", "__fs").1;
    // Eight reserved bytes, then the legacy area, whose first word is the control word.
    assert_eq!(k.peek(UserAddr::new(floats + 8), 416), vectors().0[..416], "x87 and SSE");
    assert_eq!(k.peek(UserAddr::new(floats + 8 + 512 + 4 + 64), 256), vectors().0[576..832], "AVX");
}

#[test]
fn a_token_is_random_and_anew_where_no_frame_is_left() {
    let (k, _) = on_a_stack(32768);
    catch(&k, SIGUSR1, 0, SA_NODEFER);
    let token = || k.with(|cx| thread(cx).signals.token);
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    let first = token();
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    assert_eq!(token(), first, "two frames, one token");
    let outer = k.with(|cx| thread(cx).registers.r8);
    come_back(&k);
    come_back(&k);
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    assert!(token() != first && first != 0 && outer != 0);
}

#[test]
fn a_wrong_token_takes_no_registers_back_where_that_was_asked_for() {
    const VALIDATE: u32 = 0x400;
    for (first, then, checked) in [(VALIDATE, 0, true), (0, VALIDATE, false)] {
        let (k, _) = on_a_stack(8192);
        // The first action decides, whatever signal it is for.
        xnu!(k, sigaction(SIGUSR2, action(1, 0, first), NULL) => 0);
        xnu!(k, sigaction(SIGUSR1, action(HANDLER, 0, then), NULL) => 0);
        note(&k, Info::bare(SIGUSR1));
        assert_eq!(next(&k), Next::Entered);
        let entered = now(&k);
        let reply = k.by_name("sigreturn", &[entered.r8, entered.rsi, entered.r9 ^ 1]);
        // The mask is taken back all the same.
        assert_eq!(k.with(|cx| thread(cx).signals.mask), 0);
        if checked {
            assert_eq!((reply, now(&k)), (Reply::Error(EINVAL), entered));
            assert_eq!(k.by_name("sigreturn", &[entered.r8, entered.rsi, entered.r9]), Reply::Unchanged);
        } else {
            assert_eq!(reply, Reply::Unchanged);
        }
        assert_eq!(now(&k).rip, 0x1_2345);
    }
    // Before any action there is no frame that a token could be for.
    let k = machine();
    let frame = k.place(&[0; 56]);
    xnu!(k, sigreturn(frame, 1, frame.get() ^ 1) => EINVAL);
}

/// The compact format with AVX-512's parts in use.
fn wide_vectors() -> VectorState {
    let mut state = vectors();
    state.0[VectorState::STORED..VectorState::STORED + 8].copy_from_slice(&0xe7u64.to_le_bytes());
    let compact = 1u64 << 63 | 0xe7;
    state.0[VectorState::STORED + 8..VectorState::STORED + 16].copy_from_slice(&compact.to_le_bytes());
    state
}

#[test]
fn registers_of_avx_512_are_in_the_frame_where_they_are_in_use() {
    let (k, top) = on_a_stack(16384);
    catch(&k, SIGUSR1, 0, SA_SIGINFO);
    k.with(|cx| thread(cx).vectors = wide_vectors());
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    let (size, _) = layout("mcontext_avx512_64", "__es");
    let ucontext = now(&k).r8;
    assert_eq!(word(&k, ucontext + layout("ucontext64", "uc_mcsize").1, 8), size);
    let mcontext = word(&k, ucontext + layout("ucontext64", "uc_mcontext").1, 8);
    let floats = mcontext + layout("mcontext_avx512_64", "__fs").1;
    let at = |field: &str| UserAddr::new(floats + layout("x86_avx512_state64", field).1);
    let expected = wide_vectors().0;
    assert_eq!(k.peek(at("__fpu_ymmh0"), 256), expected[576..832]);
    assert_eq!(k.peek(at("__fpu_k0"), 64), expected[832..896]);
    assert_eq!(k.peek(at("__fpu_zmmh0"), 512), expected[896..1408]);
    assert_eq!(k.peek(at("__fpu_zmm16"), 1024), expected[1408..2432]);
    k.with(|cx| {
        thread(cx).vectors.0[..512].fill(0);
        thread(cx).vectors.0[576..2432].fill(0);
    });
    come_back(&k);
    let after = k.with(|cx| thread(cx).clone());
    assert_eq!(after.registers.rsp, top);
    assert!(after.vectors.0 == expected);
}

#[test]
fn what_a_handler_leaves_in_avx_512_goes_with_it() {
    let (k, _) = on_a_stack(16384);
    catch(&k, SIGUSR1, 0, SA_SIGINFO);
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    let (size, _) = layout("mcontext_avx64", "__es");
    assert_eq!(word(&k, now(&k).r8 + layout("ucontext64", "uc_mcsize").1, 8), size);
    k.with(|cx| thread(cx).vectors = wide_vectors());
    come_back(&k);
    let stored = k.with(|cx| thread(cx).vectors.0[VectorState::STORED]);
    assert_eq!(stored, 7, "x87, SSE and AVX as the frame has them");
}

#[test]
fn a_frame_with_avx_512_is_taken_only_from_a_thread_that_got_one() {
    let k = machine();
    let mcontext = k.place(&[0; 2632]).get();
    let frame = k.place(&bytes([0, 0, 0, 0, 0, 2632, mcontext]));
    xnu!(k, sigreturn(frame, 1, frame.get()) => EINVAL);
}

#[test]
fn parts_that_were_not_stored_are_in_their_first_state() {
    let (k, _) = on_a_stack(8192);
    catch(&k, SIGUSR1, 0, SA_SIGINFO);
    k.with(|cx| thread(cx).vectors.0[VectorState::STORED..VectorState::STORED + 8].fill(0));
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    let mcontext = word(&k, now(&k).r8 + layout("ucontext64", "uc_mcontext").1, 8);
    let floats = mcontext + layout("mcontext_avx64", "__fs").1;
    assert_eq!(word(&k, floats + 8, 2), 0x37f);
    assert_eq!(word(&k, floats + 8 + 24, 4), 0x1f80, "mxcsr is always stored");
    assert_eq!(k.peek(UserAddr::new(floats + 8 + 160), 256), [0; 256]);
    assert_eq!(k.peek(UserAddr::new(floats + 588), 256), [0; 256]);
}

#[test]
fn handlers_without_siginfo_get_the_traditional_style() {
    let (k, _) = on_a_stack(8192);
    catch(&k, SIGUSR1, 0, SA_RESTART);
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    assert_eq!((now(&k).rsi, now(&k).rdx), (1, 30));
    let siginfo = now(&k).rcx;
    assert_eq!(
        word(&k, siginfo + layout("siginfo", "si_addr").1, 8),
        0x1_2345,
        "the interrupted instruction"
    );
    come_back(&k);
    assert_eq!(now(&k).rip, 0x1_2345);
}

#[test]
fn a_handler_is_used_once_with_resethand() {
    let (k, _) = on_a_stack(16384);
    let old = k.alloc(16);
    catch(&k, SIGUSR1, 0, SA_RESETHAND | SA_SIGINFO | SA_NODEFER);
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    assert_eq!(now(&k).rsi, 0x1e, "this one still gets its siginfo");
    assert_eq!(k.with(|cx| thread(cx).signals.mask), 0);
    xnu!(k, sigaction(SIGUSR1, NULL, old) => 0);
    assert_eq!((number(&k, old, 0, 8), number(&k, old, 12, 4)), (0, 0));
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Default(SIGUSR1));
    for signal in [SIGILL, SIGTRAP] {
        catch(&k, signal, 0, SA_RESETHAND);
        note(&k, Info::bare(signal));
        assert_eq!(next(&k), Next::Entered);
        xnu!(k, sigaction(signal, NULL, old) => 0);
        assert_eq!(number(&k, old, 0, 8), HANDLER, "{signal:?} keeps its handler");
    }
}

#[test]
fn a_signal_is_masked_in_its_handler_unless_nodefer() {
    let (k, _) = on_a_stack(16384);
    catch(&k, SIGUSR1, 0, SigactionFlags::empty());
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Go);
    come_back(&k);
    assert_eq!(next(&k), Next::Entered);
    come_back(&k);
    catch(&k, SIGUSR1, 0, SA_NODEFER);
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
}

#[test]
fn the_mask_of_an_action_never_has_kill_and_stop() {
    let (k, _) = on_a_stack(8192);
    catch(&k, SIGUSR1, u32::MAX, SigactionFlags::empty());
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    assert_eq!(k.with(|cx| thread(cx).signals.mask), !(1 << 8 | 1 << 16));
}

#[test]
fn pending_signals_come_by_number_and_masked_ones_wait() {
    let (k, _) = on_a_stack(32768);
    for signal in [SIGUSR2, SIGHUP, SIGTERM, SIGINT] {
        catch(&k, signal, 0, SA_NODEFER);
        note(&k, Info::bare(signal));
    }
    xnu!(k, sigprocmask(SIG_BLOCK, 1u32.to_le_bytes().to_vec(), NULL) => 0);
    let mut entered = Vec::new();
    while next(&k) == Next::Entered {
        entered.push(now(&k).rdx);
    }
    assert_eq!(entered, [2, 15, 31]);
    assert_eq!(k.with(|cx| thread(cx).signals.pending()), 1);
    for _ in 0..3 {
        come_back(&k);
    }
    assert_eq!(now(&k).rip, 0x1_2345);
    xnu!(k, sigprocmask(SIG_SETMASK, 0u32.to_le_bytes().to_vec(), NULL) => 0);
    assert_eq!(next(&k), Next::Entered);
    assert_eq!(now(&k).rdx, 1);
}

#[test]
fn a_signal_that_is_noted_twice_comes_once_with_its_first_cause() {
    let (k, _) = on_a_stack(8192);
    catch(&k, SIGUSR1, 0, SA_NODEFER);
    note(&k, Info { pid: 11, ..Info::bare(SIGUSR1) });
    note(&k, Info { pid: 22, ..Info::bare(SIGUSR1) });
    assert_eq!(next(&k), Next::Entered);
    assert_eq!(word(&k, now(&k).rcx + 12, 4), 11);
    assert_eq!(next(&k), Next::Go);
}

#[test]
fn defaults_end_the_process_or_do_nothing() {
    let (k, _) = on_a_stack(8192);
    for signal in [SIGURG, SIGCONT, SIGCHLD, SIGINFO] {
        note(&k, Info::bare(signal));
        assert_eq!(next(&k), Next::Go, "{signal:?}");
    }
    for signal in [SIGHUP, SIGTERM, SIGUSR2, SIGSEGV] {
        note(&k, Info::bare(signal));
        assert_eq!(next(&k), Next::Default(signal));
        xnu!(k, sigaction(signal, action(1, 0, 0), NULL) => 0);
        note(&k, Info::bare(signal));
        assert_eq!(next(&k), Next::Go, "ignored");
    }
}

#[test]
fn a_handler_may_have_a_stack_of_its_own() {
    let (k, top) = on_a_stack(8192);
    let stack = k.alloc(8192).get();
    xnu!(k, sigaltstack(bytes([stack, 8192, 0]), NULL) => 0);
    catch(&k, SIGUSR1, 0, SA_ONSTACK | SA_NODEFER);
    catch(&k, SIGUSR2, 0, SigactionFlags::empty());
    note(&k, Info::bare(SIGUSR2));
    assert_eq!(next(&k), Next::Entered);
    assert!((top - 8192..top).contains(&now(&k).rsp), "only with SA_ONSTACK");
    come_back(&k);
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    let first = now(&k);
    assert!((stack..stack + 8192).contains(&first.rsp));
    assert!(k.with(|cx| thread(cx).signals.on_stack));
    assert_eq!((word(&k, first.r8, 4), word(&k, first.r8 + 16, 8)), (0, 8192), "not on it before");
    // A second one goes on below the first.
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    let second = now(&k);
    assert!((stack..first.rsp).contains(&second.rsp));
    assert_eq!(word(&k, second.r8, 4), 1);
    come_back(&k);
    assert!(k.with(|cx| thread(cx).signals.on_stack));
    come_back(&k);
    assert!(!k.with(|cx| thread(cx).signals.on_stack));
    assert_eq!(now(&k).rsp, top);
}

#[test]
fn a_stack_that_cannot_be_written_is_sigill() {
    let sizes = [64, 128, 200, 300, 1000, 1300];
    for size in sizes {
        let (k, top) = on_a_stack(8192);
        let short = k.alloc_guarded(1).get() & !0xfff;
        k.with(|cx| thread(cx).registers.rsp = short + size);
        catch(&k, SIGUSR1, 0, SigactionFlags::empty());
        note(&k, Info::bare(SIGUSR1));
        assert_eq!(next(&k), Next::Default(SIGILL), "{size} bytes below {top:#x}");
    }
    for rsp in NOWHERE.into_iter().chain([8, 127, 1200, u64::MAX]) {
        let (k, _) = on_a_stack(8192);
        k.with(|cx| thread(cx).registers.rsp = rsp);
        catch(&k, SIGUSR1, 0, SigactionFlags::empty());
        note(&k, Info::bare(SIGUSR1));
        assert_eq!(next(&k), Next::Default(SIGILL), "{rsp:#x}");
        assert_eq!(now(&k).rsp, rsp, "nothing was entered");
    }
}

#[test]
fn sigreturn_takes_nothing_from_a_frame_that_is_not_whole() {
    let (k, _) = on_a_stack(8192);
    catch(&k, SIGUSR1, 0, SigactionFlags::empty());
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    let entered = k.with(|cx| thread(cx).clone());
    faults(&k, "sigreturn", &[0, 1, 0], 0, 56, IN);
    let frame = k.peek(UserAddr::new(entered.registers.r8), 56);
    for size in [0u64, 711, 713, 1031, 2632, u64::MAX] {
        let mut other = frame.clone();
        other[40..48].copy_from_slice(&size.to_le_bytes());
        xnu!(k, sigreturn(other, 1, 0) => EINVAL);
    }
    for at in NOWHERE.into_iter().chain([k.alloc_guarded(1027).get()]) {
        let mut other = frame.clone();
        other[48..56].copy_from_slice(&at.to_le_bytes());
        xnu!(k, sigreturn(other, 1, 0) => EFAULT);
    }
    let after = k.with(|cx| thread(cx).clone());
    assert_eq!((after.registers, after.vectors.0), (entered.registers, entered.vectors.0));
    assert_eq!(after.signals.mask, entered.signals.mask);
    xnu!(k, sigreturn(frame, 1, 0) => Reply::Unchanged);
}

#[test]
fn sigreturn_gives_no_rights() {
    let (k, _) = on_a_stack(8192);
    catch(&k, SIGUSR1, 0, SigactionFlags::empty());
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    let mcontext = word(&k, now(&k).r8 + 48, 8);
    let general = mcontext + 16;
    k.poke(UserAddr::new(general + 17 * 8), &u64::MAX.to_le_bytes());
    k.poke(UserAddr::new(general + 18 * 8), &[0xff; 24]);
    k.poke(UserAddr::new(mcontext + 184 + 8 + 24), &[0xff; 4]);
    k.poke(UserAddr::new(now(&k).r8 + 4), &[0xff; 4]);
    come_back(&k);
    let after = now(&k);
    assert_eq!(after.rflags & !(0x24_0dd5 | 0x202), 0, "neither IOPL nor NT nor virtual 8086");
    assert_eq!((after.cs, after.fs, after.gs), (0x33, 0, 0));
    k.with(|cx| {
        let mxcsr = u32::from_le_bytes(thread(cx).vectors.0[24..28].try_into().unwrap());
        assert_eq!(mxcsr, 0xffff, "a reserved bit would fault");
        assert_eq!(thread(cx).signals.mask, !(1 << 8 | 1 << 16));
    });
}

#[test]
fn a_frame_without_avx_leaves_avx_as_it_is() {
    let (k, _) = on_a_stack(8192);
    catch(&k, SIGUSR1, 0, SigactionFlags::empty());
    note(&k, Info::bare(SIGUSR1));
    assert_eq!(next(&k), Next::Entered);
    let ucontext = now(&k).r8;
    k.poke(UserAddr::new(ucontext + 40), &712u64.to_le_bytes());
    k.with(|cx| thread(cx).vectors.0[576..832].fill(0xee));
    come_back(&k);
    k.with(|cx| assert_eq!(thread(cx).vectors.0[576..832], [0xee; 256]));
    assert_eq!(now(&k).rip, 0x1_2345);
}

#[test]
fn a_fault_of_the_programs_own_ends_it_where_it_is_not_caught() {
    let (k, _) = on_a_stack(8192);
    let force = |info| {
        k.with(|cx| {
            let process = cx.process;
            signal::force(thread(cx), &process.actions, info)
        })
    };
    assert_eq!(force(Info::bare(SIGSEGV)), Next::Default(SIGSEGV));
    xnu!(k, sigaction(SIGSEGV, action(1, 0, 0), NULL) => 0);
    assert_eq!(force(Info::bare(SIGSEGV)), Next::Default(SIGSEGV));
    catch(&k, SIGSEGV, 0, SigactionFlags::empty());
    assert_eq!(force(Info::bare(SIGSEGV)), Next::Entered);
    assert_eq!(next(&k), Next::Entered);
    assert_eq!(force(Info::bare(SIGSEGV)), Next::Default(SIGSEGV), "in its own handler it is masked");
}
