//! # Safety
//! The one block runs a thread on memory of this test's, which outlives it, and reads that memory when the thread has
//! ended.
#![allow(unsafe_code)]

use super::super::shared::{Reader, Taken};
use super::super::{Format, Recorder};
use super::{Flat, channel};
use std::ffi::c_void;
use std::mem::zeroed;
use std::ptr::null_mut;
use xnu_abi::darwin::signal::Signal;
use xnu_core::signal::Info;
use xnu_core::table::Class;
use xnu_core::{Call, Reply};

const STACK_BYTES: usize = 256 << 10;
const PAINT: u8 = 0xa5;

/// What the small stack of the guest's process leaves to tracing.
const LIMIT_BYTES: usize = 16 << 10;

/// How much stack a function takes, with the few hundred bytes that a thread itself needs.
fn stack_used(function: extern "C" fn(*mut c_void) -> *mut c_void, argument: *mut c_void) -> usize {
    let mut stack = vec![PAINT; STACK_BYTES + 4096];
    let start = stack.as_ptr().align_offset(4096);
    // SAFETY: see the module; the attributes are filled in by the first call, and the argument is the function's own.
    unsafe {
        let mut attributes: libc::pthread_attr_t = zeroed();
        libc::pthread_attr_init(&mut attributes);
        let base = stack.as_mut_ptr().add(start).cast();
        assert_eq!(libc::pthread_attr_setstack(&mut attributes, base, STACK_BYTES), 0);
        let mut thread = zeroed();
        assert_eq!(libc::pthread_create(&mut thread, &attributes, function, argument), 0);
        assert_eq!(libc::pthread_join(thread, null_mut()), 0);
    }
    let untouched = stack[start..].iter().take_while(|byte| **byte == PAINT).count();
    STACK_BYTES - untouched
}

extern "C" fn nothing(_: *mut c_void) -> *mut c_void {
    null_mut()
}

extern "C" fn record(setup: *mut c_void) -> *mut c_void {
    // SAFETY: the test passes this, and waits.
    let (kernel, recorder) = unsafe { &*setup.cast::<(Flat, Recorder)>() };
    for number in [5, 57, 9999, 1] {
        let call = Call { class: Class::Bsd, number, words: [Flat::BASE; 8] };
        let entered = recorder.enter(kernel, &call);
        recorder.leave(kernel, &call, entered, &Reply::Value(u64::MAX, u64::MAX));
    }
    recorder.undecodable(kernel, u64::MAX, &Reply::Invalid);
    recorder.signal(kernel, &Info::bare(Signal::SIGSEGV));
    null_mut()
}

#[test]
fn recording_needs_little_stack() {
    let floor = stack_used(nothing, null_mut());
    for format in [Format::Text, Format::Json] {
        let (kernel, channel) = (Flat::new(&[0xff; 4096]), channel(1 << 16));
        let recorder = Recorder::new(&kernel, channel, format, true);
        let mut setup = (kernel, recorder);
        let used = stack_used(record, (&raw mut setup).cast()) - floor;
        assert!(matches!(Reader::new(channel).take(), Taken::Records(_)));
        println!("{format:?}: {used} bytes of stack");
        assert!(used < LIMIT_BYTES, "{format:?}: {used}");
    }
}
