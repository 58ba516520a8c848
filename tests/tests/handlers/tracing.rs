//! Kernel tracing, which is off.

use crate::support::*;

#[test]
fn what_is_traced_while_tracing_is_off_is_not_looked_at() {
    let k = machine();
    xnu!(k, kdebug_trace(0xffff_ffffu32, 1, 2, 3, 4) => 0);
    xnu!(k, kdebug_trace64(0, 1, 2, 3, 4) => 0);
    xnu!(k, kdebug_trace_string(0, 0, NULL) => 0);
    assert!(k.calls().is_empty());
}

#[test]
fn the_filter_is_mapped_and_empty() {
    let k = machine();
    let (at, size) = (k.alloc_guarded(8), k.alloc_guarded(8));
    xnu!(k, kdebug_typefilter(at, size) => 0);
    let filter = xnu_core::UserAddr::new(number(&k, at, 0, 8));
    assert_eq!(k.peek(filter, 8192), [0; 8192]);
    xnu!(k, kdebug_typefilter(NULL, size) => EINVAL);
    xnu!(k, kdebug_typefilter(at, NULL) => EINVAL);
    // What cannot be told is not left behind.
    k.clear_calls();
    xnu!(k, kdebug_typefilter(1, size) => EFAULT);
    assert!(k.transcript().last().is_some_and(|call| call.starts_with("munmap")), "{:?}", k.transcript());
}

#[test]
fn logs_and_snapshots_are_for_drivers_and_daemons() {
    let k = machine();
    for name in [
        "oslog_coproc_reg",
        "oslog_coproc",
        "log_data",
        "panic_with_data",
        "record_system_event",
        "stack_snapshot_with_config",
        "microstackshot",
        "grab_pgo_data",
    ] {
        assert_eq!(k.by_name(name, &[]), xnu_core::Reply::Error(EPERM), "{name}");
    }
}
