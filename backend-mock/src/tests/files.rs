//! Names, `/proc/self/fd`, devices, times.

use super::{AT_FDCWD, linux};
use crate::layout::field;
use crate::{Credentials, Mock, Protections};
use linux_raw_sys::general::*;
use xnu_abi::linux::Errno;

#[test]
fn an_unprivileged_user_meets_permission_bits() {
    let mock = Mock::new(1);
    mock.add_file("/etc/secret", b"x");
    mock.set_mode("/etc/secret", 0o600);
    linux!(mock, Openat(AT_FDCWD, c"/etc/secret", O_RDONLY, 0) => Errno::EACCES);
    linux!(mock, Openat(AT_FDCWD, c"/etc/new", O_CREAT | O_WRONLY, 0o644) => Errno::EACCES);
    linux!(mock, Openat(AT_FDCWD, c"new", O_CREAT | O_WRONLY, 0o666) => 3);
    mock.set_credentials(Credentials::root());
    linux!(mock, Openat(AT_FDCWD, c"/etc/secret", O_RDONLY, 0) => 4);
    assert!(mock.exists("/home/user/new"));
}

#[test]
fn forty_links_are_followed_and_the_next_is_eloop() {
    let mock = Mock::new(1);
    mock.add_file("/tmp/0", b"end");
    for i in 1..=41 {
        mock.add_symlink(&format!("/tmp/{i}"), &(i - 1).to_string());
    }
    linux!(mock, Openat(AT_FDCWD, c"/tmp/40", O_RDONLY, 0) => 3);
    linux!(mock, Openat(AT_FDCWD, c"/tmp/41", O_RDONLY, 0) => Errno::ELOOP);
}

#[test]
fn proc_self_fd_names_the_file_through_rename_and_unlink() {
    let mock = Mock::new(1);
    let link = |fd: &std::ffi::CStr| {
        let mut buffer = [0; 100];
        let n = linux!(mock, Readlinkat(AT_FDCWD, fd, &mut buffer[..], 100)).unwrap();
        String::from_utf8(buffer[..n].to_vec()).unwrap()
    };
    linux!(mock, Openat(AT_FDCWD, c"a", O_CREAT | O_RDWR, 0o600) => 3);
    assert_eq!(link(c"/proc/self/fd/3"), "/home/user/a");
    linux!(mock, Renameat2(AT_FDCWD, c"a", AT_FDCWD, c"/tmp/b", 0) => 0);
    assert_eq!(link(c"/proc/1000/fd/3"), "/tmp/b");
    linux!(mock, Unlinkat(AT_FDCWD, c"/tmp/b", 0) => 0);
    assert_eq!(link(c"/proc/self/fd/3"), "/tmp/b (deleted)");
    assert_eq!(link(c"/proc/self/fd/0"), "/dev/tty");
    assert_eq!(link(c"/proc/self/cwd"), "/home/user");
    linux!(mock, Pipe2(&mut [0; 8][..], 0) => 0);
    assert!(link(c"/proc/self/fd/4").starts_with("pipe:["));
    linux!(mock, Readlinkat(AT_FDCWD, c"/proc/self/fd/9", &mut [0; 9][..], 9) => Errno::ENOENT);
}

#[test]
fn a_magic_link_opens_the_object_even_without_a_name() {
    let mock = Mock::new(1);
    mock.add_file("/tmp/a", b"still here");
    linux!(mock, Openat(AT_FDCWD, c"/tmp/a", O_PATH, 0) => 3);
    mock.set_owner("/tmp/a", 1000, 1000);
    linux!(mock, Unlinkat(AT_FDCWD, c"/tmp/a", 0) => 0);
    linux!(mock, Openat(AT_FDCWD, c"/proc/self/fd/3", O_RDONLY, 0) => 4);
    let mut buffer = [0; 20];
    linux!(mock, Read(4, &mut buffer[..], 20) => 10);
    let how = |resolve: u32| -> Vec<u8> {
        [0u64, 0, resolve.into()].iter().flat_map(|word| word.to_le_bytes()).collect()
    };
    let no_magic = how(RESOLVE_NO_MAGICLINKS);
    linux!(mock, Openat2(AT_FDCWD, c"/proc/self/fd/3", &no_magic[..], 24) => Errno::ELOOP);
    let no_xdev = how(RESOLVE_NO_XDEV);
    linux!(mock, Openat2(AT_FDCWD, c"/proc/self/fd/3", &no_xdev[..], 24) => Errno::EXDEV);
}

#[test]
fn resolving_in_root_keeps_dot_dot_and_absolute_links_inside() {
    let mock = Mock::new(1);
    mock.add_dir("/tmp/box");
    mock.add_dir("/tmp/box/etc");
    mock.add_file("/tmp/box/etc/hosts", b"inner");
    mock.add_symlink("/tmp/box/link", "/etc/hosts");
    linux!(mock, Openat(AT_FDCWD, c"/tmp/box", O_PATH, 0) => 3);
    let how = |resolve: u32| -> Vec<u8> {
        [0u64, 0, resolve.into()].iter().flat_map(|word| word.to_le_bytes()).collect()
    };
    let in_root = how(RESOLVE_IN_ROOT);
    linux!(mock, Openat2(3, c"/../../etc/hosts", &in_root[..], 24) => 4);
    linux!(mock, Openat2(3, c"link", &in_root[..], 24) => 5);
    linux!(mock, Openat2(3, c"/missing/../etc/hosts", &in_root[..], 24) => Errno::ENOENT);
    let beneath = how(RESOLVE_BENEATH);
    linux!(mock, Openat2(3, c"link", &beneath[..], 24) => Errno::EXDEV);
    linux!(mock, Openat2(3, c"../x", &beneath[..], 24) => Errno::EXDEV);
    linux!(mock, Openat2(3, c"etc/../etc/hosts", &beneath[..], 24) => 6);
}

#[test]
fn a_removed_working_directory_has_no_path_but_a_parent() {
    let mock = Mock::new(1);
    linux!(mock, Mkdirat(AT_FDCWD, c"/tmp/gone", 0o755) => 0);
    linux!(mock, Chdir(c"/tmp/gone") => 0);
    linux!(mock, Unlinkat(AT_FDCWD, c"/tmp/gone", AT_REMOVEDIR) => 0);
    linux!(mock, Getcwd(&mut [0; 64][..], 64) => Errno::ENOENT);
    linux!(mock, Openat(AT_FDCWD, c"x", O_CREAT | O_RDWR, 0o600) => Errno::ENOENT);
    let mut buffer = [0; 64];
    linux!(mock, Readlinkat(AT_FDCWD, c"/proc/self/cwd", &mut buffer[..], 64) => 19);
    assert_eq!(&buffer[..19], b"/tmp/gone (deleted)");
    let before = mock.inode_count();
    linux!(mock, Chdir(c"..") => 0);
    assert_eq!(mock.inode_count(), before - 1, "nothing refers to the directory any more");
    let mut cwd = [0; 64];
    linux!(mock, Getcwd(&mut cwd[..], 64) => 5);
    assert_eq!(&cwd[..5], b"/tmp\0");
}

#[test]
fn statfs_tells_proc_from_disk() {
    let mock = Mock::new(1);
    let magic = |path: &std::ffi::CStr| {
        let mut buffer = [0; 120];
        linux!(mock, Statfs(path, &mut buffer[..]) => 0);
        field!(buffer, statfs, f_type) as u32
    };
    assert_eq!(magic(c"/proc/self"), PROC_SUPER_MAGIC);
    assert_eq!(magic(c"/tmp"), EXT4_SUPER_MAGIC);
    linux!(mock, Renameat2(AT_FDCWD, c"/proc/self", AT_FDCWD, c"/tmp/x", 0) => Errno::EXDEV);
}

#[test]
fn devices_do_what_their_numbers_say() {
    let mock = Mock::new(1);
    let mut buffer = [1; 4];
    linux!(mock, Openat(AT_FDCWD, c"/dev/null", O_RDWR, 0) => 3);
    linux!(mock, Read(3, &mut buffer[..], 4) => 0);
    linux!(mock, Write(3, &b"gone"[..], 4) => 4);
    linux!(mock, Openat(AT_FDCWD, c"/dev/zero", O_RDWR, 0) => 4);
    linux!(mock, Read(4, &mut buffer[..], 4) => 4);
    assert_eq!(buffer, [0; 4]);
    linux!(mock, Openat(AT_FDCWD, c"/dev/full", O_RDWR, 0) => 5);
    linux!(mock, Write(5, &b"x"[..], 1) => Errno::ENOSPC);
    let random = |seed| {
        let mock = Mock::new(seed);
        let mut buffer = [0; 16];
        linux!(mock, Openat(AT_FDCWD, c"/dev/urandom", O_RDONLY, 0) => 3);
        linux!(mock, Read(3, &mut buffer[..], 16) => 16);
        buffer
    };
    assert_eq!(random(7), random(7));
    assert_ne!(random(7), random(8));
}

#[test]
fn the_terminal_reads_lines_and_keeps_what_is_written() {
    let mock = Mock::new(1);
    mock.tty_input(b"one\ntwo");
    let mut buffer = [0; 10];
    let mut left = [0; 4];
    linux!(mock, Ioctl(0, linux_raw_sys::ioctl::FIONREAD, &mut left[..]) => 0);
    assert_eq!(left, [4, 0, 0, 0]);
    linux!(mock, Read(0, &mut buffer[..], 10) => 4);
    linux!(mock, Read(0, &mut buffer[..], 2) => 2);
    linux!(mock, Write(1, &b"hi"[..], 2) => 2);
    linux!(mock, Write(2, &b"!"[..], 1) => 1);
    assert_eq!(mock.tty_output(), b"hi!");
    linux!(mock, Lseek(0, 0, SEEK_CUR) => Errno::ESPIPE);
    let mut termios = [0; size_of::<termios>()];
    linux!(mock, Ioctl(1, linux_raw_sys::ioctl::TCGETS, &mut termios[..]) => 0);
    linux!(mock, Openat(AT_FDCWD, c"/dev/null", O_RDWR, 0) => 3);
    linux!(mock, Ioctl(3, linux_raw_sys::ioctl::TCGETS, &mut termios[..]) => Errno::ENOTTY);
}

#[test]
fn times_come_from_the_virtual_clock() {
    let mock = Mock::new(1);
    mock.set_step_ns(0);
    linux!(mock, Openat(AT_FDCWD, c"a", O_CREAT | O_RDWR, 0o600) => 3);
    mock.advance_ns(5_000_000_007);
    linux!(mock, Write(3, &b"x"[..], 1) => 1);
    let mut stat = [0; size_of::<statx>()];
    linux!(mock, Statx(3, c"", AT_EMPTY_PATH, STATX_BASIC_STATS, &mut stat[..]) => 0);
    let (btime, mtime) = (field!(stat, statx, stx_btime.tv_sec), field!(stat, statx, stx_mtime.tv_sec));
    assert_eq!(mtime - btime, 5);
    assert_eq!(field!(stat, statx, stx_mtime.tv_nsec), 7);
}

#[test]
fn a_foreign_link_in_a_sticky_directory_is_not_followed() {
    let mock = Mock::new(1);
    mock.add_file("/etc/motd", b"hello");
    mock.add_symlink("/tmp/link", "/etc/motd");
    linux!(mock, Openat(AT_FDCWD, c"/tmp/link", O_RDONLY, 0) => 3);
    let owner = Credentials::user(2000, 2000);
    mock.set_credentials(owner);
    linux!(mock, Symlinkat(c"/etc/motd", AT_FDCWD, c"/tmp/theirs") => 0);
    mock.set_credentials(Credentials::user(1000, 1000));
    linux!(mock, Openat(AT_FDCWD, c"/tmp/theirs", O_RDONLY, 0) => Errno::EACCES);
    mock.set_protections(Protections { symlinks: false, ..Protections::default() });
    linux!(mock, Openat(AT_FDCWD, c"/tmp/theirs", O_RDONLY, 0) => 4);
}

#[test]
fn listing_goes_on_where_the_buffer_ended() {
    let mock = Mock::new(1);
    for name in ["/tmp/a", "/tmp/bb", "/tmp/ccc"] {
        mock.add_file(name, b"");
    }
    linux!(mock, Openat(AT_FDCWD, c"/tmp", O_RDONLY | O_DIRECTORY, 0) => 3);
    let mut buffer = [0; 50];
    linux!(mock, Getdents64(3, &mut buffer[..], 10) => Errno::EINVAL);
    linux!(mock, Getdents64(3, &mut buffer[..], 50) => 48);
    linux!(mock, Getdents64(3, &mut buffer[..], 50) => 48);
    assert_eq!(&buffer[19..21], b"a\0");
    linux!(mock, Getdents64(3, &mut buffer[..], 50) => 24);
    assert_eq!(&buffer[19..23], b"ccc\0");
    linux!(mock, Getdents64(3, &mut buffer[..], 50) => 0);
}
