//! The page's clocks while the guest runs: from a stamp of the calendar, programs compute `gettimeofday` without a call.
//!
//! A stamp holds for a moment only. A program that finds it too old makes the call, and the call leaves a new stamp and a
//! clock whose rate is better known. So nothing runs in the background, and a step of the calendar is seen in 10 ms.
//!
//! # Safety
//! The page is the guest's from its start to its end and nobody else writes it. Where the guest has unmapped it, Linux
//! refuses to make it writable, and it is left alone.
#![allow(unsafe_code)]

use super::clock::{NS_PER_SECOND, reading};
use super::{Clock, Sample};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use xnu_abi::darwin::commpage::{_COMM_PAGE64_BASE_ADDRESS as COMMPAGE, Commpage, TimeofdayData};
use xnu_abi::linux::flags::{PROT_READ, PROT_WRITE};
use xnu_core::linux::memory::mprotect;
use xnu_core::{Kernel, UserAddr};

/// How long a stamp holds at most: a call that costs a microsecond each time is not felt.
const HOLDS_NS: u64 = 10_000_000;

/// What the page says, and since when both clocks are watched.
struct Kept {
    first: Sample,
    clock: Clock,
}

/// Only ever tried: who finds it taken leaves the work to who has it. A child that was forked from under another thread
/// that had it goes on making calls.
static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

/// From here on [`refresh`] has something to keep: the page says this clock, which knows its rate since the sample.
pub fn keep(first: Sample, clock: Clock) {
    if let Ok(mut kept) = KEPT.try_lock() {
        *kept = Some(Kept { first, clock });
    }
}

/// Leaves a new stamp in the page, and a better clock. Allocates nothing and waits for nobody.
pub fn refresh<K: Kernel>(kernel: &K) {
    let Ok(mut kept) = KEPT.try_lock() else { return };
    let Some(kept) = kept.as_mut() else { return };
    let last = Sample::now();
    let better = kept.clock.refine(kept.first, last);
    let clock = better.unwrap_or(kept.clock);
    let stamp = stamp(&clock, last.monotonic_ns.saturating_sub(kept.first.monotonic_ns));
    let page = UserAddr::new(COMMPAGE);
    if mprotect(kernel, page, size_of::<Commpage>(), PROT_READ | PROT_WRITE).is_err() {
        return;
    }
    // SAFETY: the page is mapped and writable now, and the module's.
    unsafe {
        if better.is_some() {
            write_clock(&clock);
        }
        write_stamp(&stamp);
    }
    kept.clock = clock;
    let _ = mprotect(kernel, page, size_of::<Commpage>(), PROT_READ);
}

/// The calendar of this moment, as programs compute it. The rate is as good as the clock is old, so the stamp holds no
/// longer than that: what is computed from it is never off by more than nanoseconds.
fn stamp(clock: &Clock, watched_ns: u64) -> TimeofdayData {
    let (tsc, calendar_ns) = reading(libc::CLOCK_REALTIME);
    let fraction_ns = u128::from(calendar_ns % NS_PER_SECOND);
    TimeofdayData {
        timestamp_tick: clock.read(tsc),
        timestamp_sec: calendar_ns / NS_PER_SECOND,
        timestamp_frac: ((fraction_ns << 64) / u128::from(NS_PER_SECOND)) as u64,
        ticks_scale: u64::MAX / NS_PER_SECOND,
        ticks_per_sec: watched_ns.min(HOLDS_NS),
    }
}

/// As XNU does: readers wait while the generation is 0 (`osfmk/i386/commpage/commpage.c`, `commpage_set_nanotime`).
///
/// # Safety
/// The page is mapped and writable.
unsafe fn write_clock(clock: &Clock) {
    let page = COMMPAGE as *mut Commpage;
    // SAFETY: the caller's promise; the fields are aligned, and readers read each of them at once.
    unsafe {
        let generation = AtomicU32::from_ptr(&raw mut (*page).nt_generation);
        generation.store(0, Ordering::SeqCst);
        AtomicU64::from_ptr(&raw mut (*page).nt_tsc_base).store(clock.tsc_base, Ordering::SeqCst);
        AtomicU32::from_ptr(&raw mut (*page).nt_scale).store(clock.scale, Ordering::SeqCst);
        AtomicU32::from_ptr(&raw mut (*page).nt_shift).store(clock.shift, Ordering::SeqCst);
        AtomicU64::from_ptr(&raw mut (*page).nt_ns_base).store(clock.ns_base, Ordering::SeqCst);
        generation.store(clock.generation.get(), Ordering::SeqCst);
    }
}

/// As XNU does: with a tick of 0 readers make the call, and they read it before and after the rest
/// (`commpage_set_timestamp`).
///
/// # Safety
/// The page is mapped and writable.
unsafe fn write_stamp(stamp: &TimeofdayData) {
    let page = COMMPAGE as *mut Commpage;
    // SAFETY: the caller's promise; the fields are aligned, and readers read each of them at once.
    unsafe {
        let data = &raw mut (*page).newtimeofday_data;
        let tick = AtomicU64::from_ptr(&raw mut (*data).timestamp_tick);
        tick.store(0, Ordering::SeqCst);
        AtomicU64::from_ptr(&raw mut (*data).timestamp_sec).store(stamp.timestamp_sec, Ordering::SeqCst);
        AtomicU64::from_ptr(&raw mut (*data).timestamp_frac).store(stamp.timestamp_frac, Ordering::SeqCst);
        AtomicU64::from_ptr(&raw mut (*data).ticks_scale).store(stamp.ticks_scale, Ordering::SeqCst);
        AtomicU64::from_ptr(&raw mut (*data).ticks_per_sec).store(stamp.ticks_per_sec, Ordering::SeqCst);
        tick.store(stamp.timestamp_tick, Ordering::SeqCst);
    }
}
