//! `/dev/mach` where there is none.

use std::path::Path;
use xnu_backend_linux::Device;

#[test]
fn a_machine_without_the_device_is_told_so_in_one_line() {
    if Path::new("/dev/mach").exists() {
        println!("skipped: this machine has a /dev/mach");
        return;
    }
    let error = Device::open().expect_err("there is no device").to_string();
    assert!(!error.contains('\n') && error.len() < 120, "{error}");
    assert!(error.contains("load Darling's kernel module") && error.contains("do without it"), "{error}");
}
