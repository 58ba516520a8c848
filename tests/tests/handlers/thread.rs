//! Threads as the C library makes them.

use crate::support::*;
use xnu_abi::darwin::Errno;
use xnu_abi::linux::Sysno;
use xnu_core::Reply;
use xnu_core::registers::RFLAGS_FIXED;

const CUSTOM: u32 = 0x0100_0000;
const SETSCHED: u32 = 0x0200_0000;
const QOSCLASS: u32 = 0x0800_0000;
const TSD_BASE_SET: u32 = 0x1000_0000;
const SUSPENDED: u32 = 0x2000_0000;
const FEATURES: i32 = 0x4000_01df;
const PTHREAD_SIZE: u64 = 0x2000;
const ENTRY: u64 = 0x5_0000;

/// `struct _pthread_registration_data`: version, offsets of the slots, of the one for returns and the one for the port.
fn data(version: u64, tsd: u32, port: u32) -> Vec<u8> {
    let mut data = vec![0; 56];
    data[..8].copy_from_slice(&version.to_le_bytes());
    data[24..28].copy_from_slice(&tsd.to_le_bytes());
    data[32..36].copy_from_slice(&port.to_le_bytes());
    data
}

fn registered(tsd: u32, port: u32) -> Machine<xnu_backend_mock::Mock> {
    let k = machine();
    let at = k.place(&data(56, tsd, port));
    xnu!(k, bsdthread_register(ENTRY, 0, PTHREAD_SIZE, at, 56, 0, 0) => FEATURES);
    k
}

#[test]
fn a_process_registers_once_and_is_told_what_there_is() {
    let k = machine();
    let at = k.place(&data(56, 0xe0, 24));
    xnu!(k, bsdthread_register(ENTRY, 0, PTHREAD_SIZE, at, 56, 0, 0) => FEATURES);
    let told = k.peek(at, 56);
    assert_eq!((number(&k, at, 0, 8), number(&k, at, 16, 8)), (56, 0x8ff));
    let hint = u64::from_le_bytes(told[36..44].try_into().expect("eight bytes"));
    assert_eq!((hint >> 28, hint % 4096), (0x7_0000, 0));
    xnu!(k, bsdthread_register(ENTRY, 0, PTHREAD_SIZE, at, 56, 0, 0) => EINVAL);
    xnu!(k, bsdthread_register(ENTRY, 0, PTHREAD_SIZE, NULL, 0, 0, 0) => EINVAL);
}

#[test]
fn the_size_of_the_data_is_its_version() {
    let k = machine();
    for (version, size, error) in [(56, 48, EINVAL), (56, 57, EINVAL), (7, 7, EINVAL), (0, 0, EINVAL)] {
        let at = k.place(&data(version, 0, 0));
        xnu!(k, bsdthread_register(ENTRY, 0, PTHREAD_SIZE, at, size, 0, 0) => error);
    }
    for size in [0x1_0001, u64::from(u32::MAX)] {
        xnu!(k, bsdthread_register(ENTRY, 0, size, NULL, 0, 0, 0) => EINVAL);
    }
    // A bad address is found before a second registration is.
    for bad in [0x1000u64, 8, u64::MAX] {
        xnu!(k, bsdthread_register(ENTRY, 0, PTHREAD_SIZE, bad, 56, 0, 0) => EFAULT);
    }
    let old = k.place(&data(24, 0, 0)[..24]);
    xnu!(k, bsdthread_register(ENTRY, 0, PTHREAD_SIZE, old, 24, 0, 0) => FEATURES);
    assert_eq!(k.peek(old, 8), 56u64.to_le_bytes());
}

#[test]
fn a_thread_begins_where_it_was_registered_with_its_arguments() {
    let k = registered(0xe0, 24);
    xnu!(k, sigprocmask(SIG_SETMASK, k.place(&[0, 0, 0, 0x20]), NULL) => 0);
    let pthread = k.alloc(PTHREAD_SIZE as usize);
    xnu!(k, bsdthread_create(11, 22, 0x7000, pthread, CUSTOM) => pthread.get());
    let begun = k.threads();
    let [new] = &begun[..] else { panic!("{begun:?}") };
    let r = new.registers;
    assert_eq!((r.rip, r.rsp, r.rdi, r.rdx, r.rcx), (ENTRY, 0x7000, pthread.get(), 11, 22));
    assert_eq!((r.r8, r.r9, r.rflags), (0x7000, u64::from(CUSTOM | TSD_BASE_SET), RFLAGS_FIXED));
    assert_eq!((r.rax, r.rbx, r.rbp, r.r10, r.r15), (0, 0, 0, 0, 0));
    assert_eq!((new.gs_base, new.mask, new.is_suspended), (pthread.get() + 0xe0, 0x2000_0000, false));
    assert_eq!(number(&k, pthread, 0xe0 + 24, 8), 0x10_0003, "the name of its port");
}

#[test]
fn without_offsets_the_thread_sets_its_own_base() {
    for (tsd, port) in [(0, 24), (PTHREAD_SIZE as u32 - 7, 0)] {
        let k = registered(tsd, port);
        xnu!(k, bsdthread_create(1, 2, 3, 4, CUSTOM | SUSPENDED) => 4);
        let new = &k.threads()[0];
        assert_eq!((new.gs_base, new.is_suspended), (0, true));
        assert_eq!((new.registers.r9, new.port_at.get()), (CUSTOM.into(), 0));
    }
    // The last slot there is, and one behind it.
    let k = registered(PTHREAD_SIZE as u32 - 16, 8);
    let pthread = k.alloc(PTHREAD_SIZE as usize);
    xnu!(k, bsdthread_create(1, 2, 3, pthread, CUSTOM) => pthread.get());
    assert_eq!(k.threads()[0].port_at.get(), pthread.get() + PTHREAD_SIZE - 8);
    let k = registered(PTHREAD_SIZE as u32 - 16, 9);
    xnu!(k, bsdthread_create(1, 2, 3, 4, CUSTOM) => 4);
    assert_eq!(k.threads()[0].port_at.get(), 0);
}

#[test]
fn what_cannot_begin_is_refused() {
    let k = machine();
    xnu!(k, bsdthread_create(1, 2, 3, 4, CUSTOM) => EINVAL);
    let k = registered(0xe0, 24);
    xnu!(k, bsdthread_create(1, 2, 3, 4, 0) => EINVAL);
    xnu!(k, bsdthread_create(1, 2, 3, 4, CUSTOM | QOSCLASS) => EINVAL);
    xnu!(k, bsdthread_create(1, 2, 3, 4, CUSTOM | QOSCLASS | 0x0870) => EINVAL);
    // The name of the port has nowhere to go.
    xnu!(k, bsdthread_create(1, 2, 3, 0x1000u64, CUSTOM) => EFAULT);
    assert!(k.threads().is_empty());
    let k = registered(0, 0);
    for flags in [QOSCLASS | 0x08ff, QOSCLASS | 0x01f0, SETSCHED | QOSCLASS, SETSCHED | 0x1_001f] {
        xnu!(k, bsdthread_create(1, 2, 3, 4, CUSTOM | flags) => 4);
    }
    k.limit_threads(4);
    xnu!(k, bsdthread_create(1, 2, 3, 4, CUSTOM) => ENOMEM);
}

#[test]
fn addresses_that_are_none_begin_nowhere() {
    let k = registered(8, 0);
    let high = 0x8000_0000_0000u64;
    xnu!(k, bsdthread_create(1, 2, high, high, CUSTOM) => high);
    let new = &k.threads()[0];
    assert_eq!((new.registers.rip, new.registers.rsp, new.registers.rdi, new.gs_base), (0, 0, 0, 0));
}

#[test]
fn a_thread_that_ends_gives_its_stack_back() {
    let k = machine();
    let stack = k.alloc(0x4000);
    xnu!(k, bsdthread_terminate(stack, 0x4000, 0, 0) => Reply::Unchanged);
    // The mock's thread is the first of its process: the last page stays.
    let calls = k.calls();
    assert!(calls.iter().any(|call| call.nr == Sysno::Mprotect), "{calls:?}");
    assert!(!calls.iter().any(|call| call.nr == Sysno::Munmap), "{calls:?}");
    // What is wrong with any of it is told to nobody.
    for (at, size, port, joiner) in [
        (0u64, 0u64, 0u64, 0u64),
        (1, u64::MAX, 0x9999, 0x7703),
        (0, 4096, 0, 0x1000),
        (0xfff, 1, 0, u64::MAX),
    ] {
        xnu!(k, bsdthread_terminate(at, size, port, joiner) => Reply::Unchanged);
    }
}

#[test]
fn a_word_is_woken_and_a_semaphore_signalled() {
    let k = machine();
    let word = k.place(&[0; 4]);
    k.clear_calls();
    xnu!(k, bsdthread_terminate(NULL, 0, 0, word) => Reply::Unchanged);
    assert!(k.calls().iter().any(|call| call.nr == Sysno::Futex), "{:?}", k.calls());
    k.clear_calls();
    xnu!(k, bsdthread_terminate(NULL, 0, 0, 0x1703) => Reply::Unchanged);
    assert!(!k.calls().iter().any(|call| call.nr == Sysno::Futex), "{:?}", k.calls());
}

#[test]
fn classes_of_service_are_checked() {
    let k = machine();
    let own = match k.by_name("thread_self_trap", &[]) {
        Reply::Value(name, 0) => name,
        other => panic!("{other:?}"),
    };
    let cases = [
        (0x40, own, 0x8ff, 0, Ok(0)),
        (0x40, own, 0, 0, Err(EINVAL)),
        (0x40, 0x1234_5603, 0x8ff, 0, Err(ESRCH)),
        (0x80, own, 0, 0, Ok(0)),
        (0x80, own, 0, 1, Err(EINVAL)),
        (0x80, 3, 0, 0, Err(ESRCH)),
        (0x400, own, 0x8ff, 0, Err(EPERM)),
        (0x400, own, 0, 0, Err(EINVAL)),
        (0x400, 3, 0x8ff, 0, Err(ESRCH)),
        (0x200, 0, 0, 0, Err(EPERM)),
        (0x100, 0x8ff, 0, 1, Ok(0)),
        (0x100, 0, 0, 1, Err(EINVAL)),
        (0x100, 0x48ff, 0, 1, Err(EINVAL)),
        (0x100, 0x8ff, 7, 3, Err(ENOENT)),
        (0x100, 0, 7, 3, Err(Errno::EBADMSG)),
        (0x100, 0x8ff, 0, 0x11, Err(EINVAL)),
        (0x100, 0, 0, 0xc, Ok(0)),
        (0x800, 6, 1, 0, Ok(2)),
        (0x800, 0, 2, 0, Ok(2)),
        (0x800, 6, 2, 0, Err(EINVAL)),
        (0x800, 7, 0, 0, Err(EINVAL)),
        (0x800, 0, 0, 0, Err(EINVAL)),
        (0x800, 6, 4, 0, Err(ENOTSUP)),
        (0x800, 6, 8, 0, Err(EINVAL)),
        (0x800, 6, 1, 1, Err(EINVAL)),
        (0x1000, 1, 0, 0, Ok(0)),
        (0x1000, 1, 1, 0, Err(EINVAL)),
        (0x4000, 0x20, 0, 0, Ok(0)),
        (0x4000, 0x200, 0, 0, Err(EINVAL)),
        (0x10, 0, 0, 0, Err(ENOTSUP)),
        (0x401, 0, 0, 0, Err(ENOTSUP)),
        (0x402, 0, 0, 0, Err(ENOTSUP)),
        (0x2000, 1, 0, 0, Err(EINVAL)),
        (0x20, 0, 0, 0, Err(EINVAL)),
        (0, 0, 0, 0, Err(EINVAL)),
    ];
    for (command, first, second, third, wanted) in cases {
        let got = k.by_name("bsdthread_ctl", &[command, first, second, third]);
        let wanted = wanted.map_or_else(Reply::Error, |value| Reply::Value(value, 0));
        assert_eq!(got, wanted, "{command:#x} {first:#x} {second:#x} {third:#x}");
    }
}
