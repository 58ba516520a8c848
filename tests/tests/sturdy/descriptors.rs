//! No descriptor of the runner's is in the guest's reach, with a trace and without.

use crate::{end, xnurun};
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use xnu_tests::guests::{Scratch, guest, inherited_descriptors};

#[test]
fn tracing_leaves_no_descriptor_in_reach() {
    let scratch = Scratch::new().expect("a scratch directory");
    let trace = scratch.path().join("trace");
    let option = |name: &str| -> OsString { [name.as_ref(), trace.as_os_str()].join("=".as_ref()) };
    for options in [vec![], vec![option("--trace")], vec![option("--trace-json")], vec!["-c".into()]] {
        let inherited = inherited_descriptors().expect("/proc").into_iter().map(OsString::from);
        let traced = !options.is_empty();
        let words = options.into_iter().chain([guest("descriptors").into_os_string()]).chain(inherited);
        let ended = end(&mut xnurun(words));
        assert_eq!(ended.code(), Some(0), "{ended:#?}");
        assert!(ended.stdout.contains("reachable 0\n"), "{ended:#?}");
        assert!(traced || ended.stderr.is_empty(), "{ended:#?}");
    }
}

#[test]
fn guest_that_closes_everything_ends_properly() {
    let ended = end(&mut xnurun([guest("close_all")]));
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(7), ""), "{ended:#?}");
}

#[test]
fn trace_is_complete_when_the_guest_closes_everything() {
    let scratch = Scratch::new().expect("a scratch directory");
    let file = scratch.path().join("trace");
    let option = ["--trace".as_ref(), file.as_os_str()].join("=".as_ref());
    let ended = end(&mut xnurun([option, guest("close_all").into_os_string(), "5000".into()]));
    assert_eq!((ended.code(), ended.stderr.as_str()), (Some(7), ""), "{ended:#?}");
    let text = fs::read_to_string(&file).expect("the trace");
    let count = |name: &str| text.lines().filter(|line| line.contains(name)).count();
    assert_eq!(
        (count("close("), count("getppid("), count("exit(")),
        (1024, 5000, 1),
        "{:?}",
        text.lines().last()
    );
    assert!(text.lines().last().is_some_and(|line| line.contains("exit")), "{:?}", text.lines().last());

    // On standard error: the tracer's copy of it stays open.
    let ended = end(&mut xnurun(["--trace".into(), guest("close_all").into_os_string(), "10".into()]));
    assert_eq!(ended.code(), Some(7), "{ended:#?}");
    assert_eq!(ended.stderr.lines().filter(|line| line.contains("getppid(")).count(), 10, "{ended:#?}");
}

#[test]
fn the_runners_name_does_not_matter() {
    for name in ["", "-xnurun", "a\nb"] {
        let ended = end(xnurun([guest("start")]).arg0(name));
        assert_eq!((ended.code(), ended.stderr.as_str()), (Some(0), ""), "{ended:#?}");
    }
}
