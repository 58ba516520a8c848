//! Mounts and quotas: the answers to a program without privileges.

use crate::support::*;
use xnu_backend_mock::Credentials;

#[test]
fn nobody_mounts_and_the_first_mistake_is_told() {
    let k = machine();
    xnu!(k, mount("apfs", "/tmp/dir", 0, NULL) => EPERM);
    xnu!(k, mount("apfs", "/etc", 0, NULL) => EPERM);
    xnu!(k, mount("apfs", "/tmp/own", 0, NULL) => ENOTDIR);
    xnu!(k, mount("ext4", "/tmp/dir", 0, NULL) => ENODEV);
    xnu!(k, mount("", "/tmp/dir", 0, NULL) => ENODEV);
    xnu!(k, mount("fifteen-letters", "/none", 0, NULL) => ENAMETOOLONG);
    xnu!(k, mount("apfs", "/none", 0, NULL) => ENOENT);
    xnu!(k, mount("apfs", "/", 0, NULL) => EPERM);
    xnu!(k, mount("ext4", "/", 0, NULL) => EPERM);
    xnu!(k, mount("apfs", "/tmp/dir", 0x1_0000, NULL) => EINVAL);
    xnu!(k, mount("apfs", "/tmp/dir", 0x20, NULL) => EPERM);
    xnu!(k, mount("apfs", "/tmp/dirlink/file", 0x0800_0000, NULL) => ELOOP);
    xnu!(k, mount("apfs", "/tmp/dir", 0x2000_0000, NULL) => EINVAL);
    let (kind, path) = (k.place_str("apfs").get(), k.place_str("/tmp/dir").get());
    faults(&k, "mount", &[0, path, 0, 0], 0, 2, IN);
    faults(&k, "mount", &[kind, 0, 0, 0], 1, 2, IN);
    faults(&k, "__mac_mount", &[kind, path, 0, 0, 0], 4, 16, IN_OR_NULL);
    xnu!(k, __mac_mount("apfs", "/tmp/dir", 0, NULL, bytes([1, 0])) => EINVAL);
    xnu!(k, __mac_mount("apfs", "/tmp/dir", 0, NULL, bytes([8, 0])) => EFAULT);
    k.set_credentials(Credentials::root());
    xnu!(k, mount("apfs", "/tmp/dir", 0, NULL) => EPERM);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn open_directories_are_no_better() {
    let k = machine();
    xnu!(k, open("/tmp/dir", O_RDONLY) => 3);
    xnu!(k, pipe() => (4, 5));
    xnu!(k, open("/", O_RDONLY) => 6);
    xnu!(k, fmount("apfs", 3, 0, NULL) => EPERM);
    xnu!(k, fmount("ext4", 3, 0, NULL) => ENODEV);
    xnu!(k, fmount("apfs", 4, 0, NULL) => EINVAL);
    xnu!(k, fmount("apfs", 6, 0, NULL) => EBUSY);
    xnu!(k, fmount("apfs", 9, 0, NULL) => EBADF);
    xnu!(k, fmount(NULL, 9, 0x4000, NULL) => ENOTSUP);
    xnu!(k, fmount(NULL, 9, 0x20, NULL) => EPERM);
    xnu!(k, fmount(NULL, 9, 0, NULL) => EFAULT);
}

#[test]
fn nobody_unmounts_either() {
    let k = machine();
    xnu!(k, unmount("/", 0) => EPERM);
    xnu!(k, unmount("/tmp", 0) => EINVAL);
    xnu!(k, unmount("/none", 0) => ENOENT);
    faults(&k, "unmount", &[0, 0], 0, 2, IN);
    k.set_credentials(Credentials::root());
    xnu!(k, unmount("/", 0) => EBUSY);
    assert_eq!(k.descriptors(), [0, 1, 2]);
}

#[test]
fn quotas_snapshots_and_images_are_refused() {
    let k = machine();
    let limits = k.alloc_guarded(64);
    for (command, argument) in [(0x1_0000, NULL), (0x4_0000, NULL), (0x5_0000, limits.get() + 1)] {
        xnu!(k, quotactl("/tmp", command, 0, argument) => EFAULT);
    }
    for (command, argument) in [(0x4_0000, limits.get()), (0x3_0000, NULL), (-1, NULL)] {
        xnu!(k, quotactl("/tmp", command, 0, argument) => ENOTSUP);
    }
    xnu!(k, quotactl("/none", 0, 0, NULL) => ENOENT);
    xnu!(k, fs_snapshot(1, 9, NULL, NULL, NULL, 0) => EPERM);
    xnu!(k, graftdmg(9, NULL, 0, NULL) => EPERM);
    xnu!(k, ungraftdmg(NULL, 1) => EPERM);
    xnu!(k, acct(NULL) => EPERM);
    xnu!(k, swapon() => ENOTSUP);
    xnu!(k, nfssvc(4, NULL) => EPERM);
    xnu!(k, nfssvc(0, NULL) => EINVAL);
}

#[test]
fn labels_are_nobodys() {
    let k = machine();
    let label = k.place_str("?none");
    let size = size_of::<xnu_abi::darwin::mount::Statfs>();
    xnu!(k, __mac_get_mount("/tmp", bytes([6, label.get()])) => ENOTSUP);
    xnu!(k, __mac_get_mount("/tmp", bytes([5, label.get()])) => ENAMETOOLONG);
    xnu!(k, __mac_get_mount("/tmp", bytes([8193, 0])) => EINVAL);
    xnu!(k, __mac_get_mount("/none", NULL) => ENOENT);
    faults(&k, "__mac_get_mount", &[k.place_str("/").get(), 0], 1, 16, IN);
    xnu!(k, __mac_getfsstat(NULL, -1, NULL, 0, 0) => EINVAL);
    xnu!(k, __mac_getfsstat(NULL, 0, NULL, -1, 0) => EINVAL);
    xnu!(k, __mac_getfsstat(NULL, size, 8u64, 0, 0) => EINVAL);
    xnu!(k, __mac_getfsstat(NULL, size, 8u64, 8, 0) => EFAULT);
    xnu!(k, __mac_getfsstat(NULL, size, label, 8, 0) => EFAULT);
    xnu!(k, __mac_getfsstat(NULL, size, k.alloc(8), 8, 0) => ENOTSUP);
    k.add_file("/proc/self/mountinfo", b"2049 0 8:1 / / rw - ext4 /dev/root rw\n");
    xnu!(k, __mac_getfsstat(NULL, 0, NULL, 0, 0) => 1);
}
