//! Machine-dependent calls.

use crate::support::*;
use xnu_abi::darwin;
use xnu_abi::linux::{Errno, Sysno};
use xnu_backend_mock::Plan;
use xnu_core::registers::{CARRY, Registers};
use xnu_core::table::Class;
use xnu_core::{Reply, UserAddr, dispatch, machdep};

#[test]
fn the_base_of_gs_is_set_and_answered_with_a_selector() {
    let k = machine();
    xnu!(k, thread_fast_set_cthread_self64(0x7000_1234u64) => 0x0f);
    assert_eq!(k.gs_base(), 0x7000_1234);
    // What is not canonical counts as 0.
    for base in [0x8000_0000_0000, 0xffff_8000_0000_0000, u64::MAX, i64::MIN as u64] {
        xnu!(k, thread_fast_set_cthread_self64(0x7000_0000u64) => 0x0f);
        xnu!(k, thread_fast_set_cthread_self64(base) => 0x0f);
        assert_eq!(k.gs_base(), 0);
    }
}

#[test]
fn an_old_kernel_that_cannot_set_it_fails_the_call() {
    let k = failing(Plan::nth(Sysno::ArchPrctl, 1, Errno::ENOSYS));
    xnu!(k, thread_fast_set_cthread_self64(0x7000u64) => ENOSYS);
}

#[test]
fn there_is_no_hypervisor() {
    let k = machine();
    xnu!(k, hv_task_trap(0, 0) => 4);
    xnu!(k, hv_thread_trap(u64::MAX, u64::MAX) => 4);
    for number in [2, 4].into_iter().chain(7..20).chain([u32::MAX, 600]) {
        let reply = k.call(Class::Machdep, number, &[u64::MAX; 8]);
        assert!(matches!(reply, Reply::Value(4, 0) | Reply::Invalid), "{number}: {reply:?}");
    }
}

/// A descriptor of the user's: base, limit, access, granularity.
fn descriptor(base: u64, limit: u64, access: u64, granularity: u64) -> u64 {
    limit & 0xffff
        | (base & 0xff_ffff) << 16
        | access << 40
        | (limit >> 16) << 48
        | granularity << 52
        | (base >> 24) << 56
}

const DATA: u64 = 0xf3;
const CODE: u64 = 0xfb;
const ANYWHERE: u64 = 0xffff_ffff;

#[test]
fn descriptors_that_were_set_are_read_back() {
    let k = machine();
    let room = k.alloc_guarded(5 * 8);
    xnu!(k, i386_get_ldt64(0, room, 5) => Reply::Flagged(3));
    let (data, code) = (descriptor(0x1234_5678, 0xf_ffff, DATA, 0xc), descriptor(0, 0xabcde, CODE, 4));
    xnu!(k, i386_set_ldt64(ANYWHERE, bytes([data, code]), 2) => Reply::Flagged(3));
    xnu!(k, i386_get_ldt64(0, room, 5) => Reply::Flagged(5));
    let words: Vec<u64> = (0..5).map(|index| number(&k, room, 8 * index, 8)).collect();
    assert_eq!(words, [0, 0, 0, data, code]);
    // One more goes behind them, or where one was emptied.
    xnu!(k, i386_set_ldt64(ANYWHERE, bytes([data]), 1) => Reply::Flagged(5));
    xnu!(k, i386_set_ldt64(4, NULL, 1) => Reply::Flagged(4));
    xnu!(k, i386_set_ldt64(ANYWHERE, bytes([code]), 1) => Reply::Flagged(4));
    xnu!(k, i386_get_ldt64(4, room, 1) => Reply::Flagged(6));
    assert_eq!(number(&k, room, 0, 8), code);
    xnu!(k, i386_set_ldt64(0, NULL, 0) => Reply::Flagged(0));
    xnu!(k, i386_get_ldt64(3, room, 5) => Reply::Flagged(3));
}

#[test]
fn descriptors_are_the_users_own_or_refused_all_at_once() {
    let k = machine();
    let good = descriptor(0, 1, DATA, 4);
    // A call gate, a segment of the system's, one for the kernel, one of 64 bits.
    for (access, granularity) in [(0xec, 0), (0xe2, 0), (0x92, 4), (0xfb, 2), (0x73, 4)] {
        let bad = descriptor(0, 1, access, granularity);
        xnu!(k, i386_set_ldt64(3, bytes([good, bad]), 2) => EACCES);
    }
    xnu!(k, i386_get_ldt64(0, k.alloc_guarded(8), 1) => Reply::Flagged(3));
    for (first, count) in [(0, 1), (2, 1), (8192, 0), (3, 8190), (3, u64::MAX), (u64::MAX, 1)] {
        xnu!(k, i386_set_ldt64(first, bytes([good]), count) => EINVAL);
    }
    for count in [8190, u64::MAX] {
        xnu!(k, i386_set_ldt64(ANYWHERE, bytes([good]), count) => ENOMEM);
    }
    xnu!(k, i386_set_ldt64(3, UserAddr::new(8), 1) => EFAULT);
    xnu!(k, i386_set_ldt64(8191, bytes([good]), 1) => Reply::Flagged(8191));
}

#[test]
fn descriptors_are_read_only_from_the_table() {
    let k = machine();
    for (first, count) in [(8192, 0), (0, 8193), (8191, 2), (u64::MAX, 1)] {
        xnu!(k, i386_get_ldt64(first, k.alloc_guarded(8), count) => EINVAL);
    }
    xnu!(k, i386_get_ldt64(0, NULL, 1) => EINVAL);
    xnu!(k, i386_get_ldt64(0, UserAddr::new(8), 1) => EFAULT);
    xnu!(k, i386_get_ldt64(0, UserAddr::new(8), 0) => Reply::Flagged(3));
}

#[test]
fn bsd_style_tells_errors_by_carry_and_leaves_the_second_register() {
    let k = machine();
    let mut registers = Registers { rflags: CARRY, rdx: 7, ..Registers::default() };
    let class = Some(Class::Machdep);
    let good = k.call(Class::Machdep, 5, &[3, 0, 1, 0, 0, 0, 0, 0]);
    assert!(!dispatch::reply(class, good, &mut registers));
    assert_eq!((registers.rax, registers.rdx, registers.rflags & CARRY), (3, 7, 0));
    let bad = k.call(Class::Machdep, 5, &[2, 0, 1, 0, 0, 0, 0, 0]);
    assert!(!dispatch::reply(class, bad, &mut registers));
    assert_eq!((registers.rax, registers.rdx, registers.rflags & CARRY), (22, 7, CARRY));
    // The others leave carry alone, and so does a number that is none.
    for number in [0, 3, 99] {
        let reply = k.call(Class::Machdep, number, &[0; 8]);
        dispatch::reply(class, reply, &mut registers);
        assert_eq!(registers.rflags & CARRY, CARRY, "{number}");
    }
    assert_eq!(dispatch::linked_reply(Class::Machdep, good), (3, 0));
    assert_eq!(dispatch::linked_reply(Class::Machdep, bad), ((-22i64) as u64, 0));
}

#[test]
fn i386_has_calls_of_its_own() {
    let k = machine();
    k.with(|cx| {
        let mut call = |number: u32, words: [u64; 3]| {
            let [a, b, c] = words;
            machdep::i386::dispatch(cx, number, &[a, b, c, 0, 0, 0, 0, 0])
        };
        assert_eq!(call(5, [ANYWHERE | 7 << 32, 0, 1]), Reply::Flagged(3), "numbers have 32 bits");
        assert_eq!(call(6, [0, 0, 1]), Reply::Error(darwin::Errno::EINVAL));
        for number in 0..3 {
            assert_eq!(call(number, [0; 3]), Reply::Invalid);
        }
        for number in 3..5 {
            assert_eq!(call(number, [0; 3]), Reply::Error(darwin::Errno::ENOSYS));
        }
    });
}

#[test]
fn arm64_ignores_flushes_and_reads_clocks() {
    let k = machine();
    k.with(|cx| {
        for number in 0..2 {
            assert_eq!(machdep::arm64::dispatch(cx, number, &[9; 8]), Reply::Unchanged);
        }
        for number in 2..4 {
            assert_eq!(machdep::arm64::dispatch(cx, number, &[9; 8]), Reply::Error(darwin::Errno::ENOSYS));
        }
        assert_eq!(machdep::arm64::dispatch(cx, 4, &[9; 8]), Reply::Invalid);
        let mut read = |number| match machdep::arm64::clock::dispatch(cx, number, &[9; 8]) {
            Reply::Value(time, 0) => time,
            other => panic!("{other:?}"),
        };
        let (absolute, continuous, later) = (read(3), read(4), read(3));
        assert!(absolute <= later && absolute <= continuous, "{absolute} {continuous} {later}");
    });
}
