//! Pages written back, looked for, kept and inherited, and the region that no process shares.

use crate::support::*;
use xnu_abi::darwin::mman::{Inherit, MsyncFlags};
use xnu_abi::linux::{Errno as Linux, Sysno};
use xnu_backend_mock::Plan;
use xnu_core::UserAddr;

const SYNC: u64 = MsyncFlags::MS_SYNC.bits() as u64;
const ASYNC: u64 = MsyncFlags::MS_ASYNC.bits() as u64;
const KILLPAGES: u64 = MsyncFlags::MS_KILLPAGES.bits() as u64;
const COPY: u64 = Inherit::VM_INHERIT_COPY.number() as u64;
const NONE: u64 = Inherit::VM_INHERIT_NONE.number() as u64;

/// What `mincore` tells of a hole.
const HOLE: u8 = 0x80;

/// Two pages of the guest's with a hole behind them.
fn two_pages(k: &Machine<xnu_backend_mock::Mock>) -> u64 {
    let at = k.alloc(3 * PAGE as usize).get();
    xnu!(k, munmap(at + 2 * PAGE, PAGE) => 0);
    at
}

#[test]
fn what_is_written_back_is_mapped_and_begins_with_a_page() {
    let k = machine();
    let at = two_pages(&k);
    for flags in [0, SYNC, ASYNC, KILLPAGES, 8, 2, SYNC | 2, 0x1000] {
        xnu!(k, msync(at, 2 * PAGE, flags) => 0);
        xnu!(k, msync(at, 3 * PAGE, flags) => ENOMEM);
    }
    xnu!(k, msync(at, 1, SYNC) => 0);
    xnu!(k, msync(at, 0, SYNC) => EINVAL);
    xnu!(k, msync(at + 1, PAGE, SYNC) => EINVAL);
    xnu!(k, msync(at, PAGE, SYNC | ASYNC) => EINVAL);
    xnu!(k, msync(at, u64::MAX, SYNC) => EINVAL);
    xnu!(k, msync(NULL, PAGE, SYNC) => ENOMEM);
    let broken = failing(Plan::every(Sysno::Msync, Linux::EIO));
    let at = broken.alloc(4096).get();
    xnu!(broken, msync(at, PAGE, SYNC) => xnu_abi::darwin::Errno::EIO);
}

#[test]
fn a_hole_is_told_where_pages_are_looked_for() {
    let k = machine();
    let at = two_pages(&k);
    k.poke(UserAddr::new(at), b"there");
    let told = k.alloc_guarded(3);
    xnu!(k, mincore(at, 3 * PAGE, told) => 0);
    assert_eq!(k.peek(told, 3)[2], HOLE);
    assert_eq!(k.peek(told, 1), [1]);
    // An address inside a page is that page.
    xnu!(k, mincore(at + 5, 1, told) => 0);
    assert_eq!(k.peek(told, 1), [1]);
    xnu!(k, mincore(at, 0, NULL) => 0);
    xnu!(k, mincore(at, u64::MAX, told) => EINVAL);
    faults(&k, "mincore", &[at, 3 * PAGE, 0], 2, 3, OUT);
    // More than is looked at together.
    let many = k.alloc(600 * PAGE as usize).get();
    let told = k.alloc_guarded(600);
    k.poke(UserAddr::new(many + 599 * PAGE), b"x");
    xnu!(k, mincore(many, 600 * PAGE, told) => 0);
    assert_eq!(k.peek(told, 600)[599], 1);
}

#[test]
fn what_is_kept_in_memory_is_mapped() {
    let k = machine();
    let at = two_pages(&k);
    for name in ["mlock", "munlock"] {
        assert_eq!(value(k.by_name(name, &[at, 2 * PAGE])), 0);
        assert_eq!(value(k.by_name(name, &[at + 7, 0])), 0);
        assert_eq!(k.by_name(name, &[at, 3 * PAGE]), xnu_core::Reply::Error(ENOMEM));
        assert_eq!(k.by_name(name, &[at, u64::MAX]), xnu_core::Reply::Error(EINVAL));
    }
    for error in [Linux::ENOMEM, Linux::EPERM, Linux::EAGAIN] {
        let limited = failing(Plan::every(Sysno::Mlock, error));
        let at = limited.alloc(4096).get();
        xnu!(limited, mlock(at, PAGE) => EAGAIN);
    }
    xnu!(k, mlockall(1) => ENOSYS);
    xnu!(k, munlockall(0) => ENOSYS);
}

#[test]
fn memory_is_inherited_or_not() {
    let k = machine();
    let at = two_pages(&k);
    xnu!(k, minherit(at, 2 * PAGE, NONE) => 0);
    xnu!(k, minherit(at, 3 * PAGE, COPY) => 0);
    xnu!(k, minherit(at + 1, 0, COPY) => 0);
    for wrong in [0, 3, 4, -1] {
        xnu!(k, minherit(at, PAGE, wrong) => EINVAL);
    }
    xnu!(k, minherit(at, u64::MAX, COPY) => EINVAL);
}

#[test]
fn no_process_has_a_shared_region() {
    let k = machine();
    xnu!(k, shared_region_check_np(k.alloc(8)) => EINVAL);
    xnu!(k, shared_region_check_np(NULL) => EINVAL);
    xnu!(k, shared_region_check_np(u64::MAX) => 0);
    let eio = xnu_abi::darwin::Errno::EIO;
    let files = k.place(&[3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    let mapping = k.place(&bytes([0x1000, 0x1000, 0, 0, 0, 0]));
    xnu!(k, shared_region_map_and_slide_2_np(0, NULL, 1, NULL) => 0);
    xnu!(k, shared_region_map_and_slide_2_np(1, NULL, 0, NULL) => 0);
    xnu!(k, shared_region_map_and_slide_2_np(257, files, 1, mapping) => eio);
    xnu!(k, shared_region_map_and_slide_2_np(1, files, 2049, mapping) => eio);
    xnu!(k, shared_region_map_and_slide_2_np(1, files, 1, mapping) => EINVAL);
    let greedy = k.place(&[3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
    xnu!(k, shared_region_map_and_slide_2_np(1, greedy, 1, mapping) => eio);
    let words = [1, files.get(), 1, mapping.get()];
    faults(&k, "shared_region_map_and_slide_2_np", &words, 1, 12, IN);
    faults(&k, "shared_region_map_and_slide_2_np", &words, 3, 48, IN);
    xnu!(k, map_with_linking_np(NULL, 1, NULL, 100) => EINVAL);
}

#[test]
fn what_is_not_encrypted_needs_no_decrypter() {
    let k = machine();
    let at = two_pages(&k);
    xnu!(k, mremap_encrypted(at, PAGE, 0, 7, 3) => 0);
    for id in [1, 2, 0x10] {
        xnu!(k, mremap_encrypted(at, PAGE, id, 7, 3) => ENOTSUP);
    }
    xnu!(k, mremap_encrypted(at, PAGE, 3, 7, 3) => EINVAL);
    xnu!(k, mremap_encrypted(at + 1, PAGE, 0, 7, 3) => EINVAL);
    xnu!(k, mremap_encrypted(at, u64::MAX, 0, 7, 3) => EINVAL);
}

#[test]
fn there_is_no_pressure_to_wait_for() {
    let k = machine();
    let reclaimed = k.place(&[0xff; 4]);
    xnu!(k, vm_pressure_monitor(0, 1, reclaimed) => 0);
    assert_eq!(k.peek(reclaimed, 4), [0; 4]);
    xnu!(k, vm_pressure_monitor(0, 1, NULL) => 0);
    xnu!(k, vm_pressure_monitor(1, 1, reclaimed) => EINTR);
    faults(&k, "vm_pressure_monitor", &[0, 1, 0], 2, 4, OUT_OR_NULL);
}
