//! Directories as lists.

use crate::support::*;
use std::collections::BTreeMap;
use xnu_backend_mock::Mock;
use xnu_core::Reply;

/// The machine, and a directory of files with names of 1 to 60 letters.
fn furnished() -> Machine<Mock> {
    let k = machine();
    k.add_dir("/tmp/many");
    for length in 1..=60 {
        k.add_file(&format!("/tmp/many/{}", "n".repeat(length)), b"");
    }
    xnu!(k, open("/tmp/many", O_RDONLY) => 3);
    k
}

/// Name, kind and the position behind each entry of a buffer.
fn entries(bytes: &[u8]) -> Vec<(String, u8, u64)> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = usize::from(u16::from_le_bytes([rest[16], rest[17]]));
        let name = usize::from(u16::from_le_bytes([rest[18], rest[19]]));
        assert_eq!((length, rest[21 + name]), ((21 + name + 1).next_multiple_of(8), 0));
        let next = u64::from_le_bytes(rest[8..16].try_into().unwrap());
        found.push((String::from_utf8(rest[21..21 + name].to_vec()).unwrap(), rest[20], next));
        rest = &rest[length..];
    }
    found
}

/// Lists with a buffer of `size` bytes: every name, how often it came, and how many calls it took.
fn list(k: &Machine<Mock>, size: usize) -> (BTreeMap<String, usize>, usize) {
    let (buf, base) = (k.alloc_guarded(size), k.alloc(8));
    let (mut names, mut calls, mut before) = (BTreeMap::new(), 0, 0);
    xnu!(k, lseek(3, 0i64, SEEK_SET) => 0);
    loop {
        let length = value(xnu!(k, getdirentries64(3, buf, size, base))) as usize;
        calls += 1;
        assert_eq!(number(k, base, 0, 8), before, "the position before the call");
        let ended = size >= 1024 && number(k, buf, size as u64 - 4, 4) == 1;
        if length == 0 {
            assert!(size < 1024 || ended);
            break;
        }
        for (name, _, next) in entries(&k.peek(buf, length)) {
            *names.entry(name).or_default() += 1;
            before = next;
        }
        if ended {
            xnu!(k, getdirentries64(3, buf, size, base) => 0);
            break;
        }
    }
    (names, calls)
}

#[test]
fn every_buffer_lists_each_entry_once() {
    let k = furnished();
    for size in [88, 96, 100, 512, 1000, 1023, 1024, 1025, 1500, 4096, 128 << 10] {
        let (names, calls) = list(&k, size);
        assert_eq!(names.len(), 62, "{size}: . and .. and the files");
        assert!(names.values().all(|times| *times == 1), "{size}: {names:?}");
        assert!(size < 4096 || calls <= 2, "{size}: {calls} calls");
    }
}

#[test]
fn an_entry_that_does_not_fit_is_einval_and_not_lost() {
    let k = furnished();
    let (buf, base) = (k.alloc(4096), k.alloc(8));
    for size in [0, 1, 8, 23] {
        xnu!(k, getdirentries64(3, buf, size, base) => EINVAL);
        xnu!(k, lseek(3, 0i64, SEEK_CUR) => 0);
    }
    xnu!(k, getdirentries64(3, buf, 24, base) => 24);
    assert_eq!(entries(&k.peek(buf, 24))[0].0, ".");
    xnu!(k, getdirentries64(3, buf, 24, base) => 24);
    assert_eq!(entries(&k.peek(buf, 24))[0].0, "..");
}

#[test]
fn positions_of_entries_are_those_of_lseek() {
    let k = furnished();
    let (buf, base) = (k.alloc(8192), k.alloc(8));
    let length = value(xnu!(k, getdirentries64(3, buf, 8192, base))) as usize;
    let all = entries(&k.peek(buf, length));
    assert_eq!((all[0].1, all[2].1), (4, 8), "DT_DIR, DT_REG");
    for index in [0, 1, 7, 40, 60] {
        xnu!(k, lseek(3, all[index].2, SEEK_SET) => all[index].2);
        let length = value(xnu!(k, getdirentries64(3, buf, 8192, base))) as usize;
        assert_eq!(entries(&k.peek(buf, length)), all[index + 1..]);
    }
}

#[test]
fn the_old_layout_has_short_numbers() {
    let k = furnished();
    let (buf, base) = (k.alloc(4096), k.alloc(8));
    let mut names = Vec::new();
    for size in [64u64, 4096] {
        loop {
            let length = value(xnu!(k, getdirentries(3, buf, size, base))) as usize;
            let bytes = k.peek(buf, length);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (reclen, name) = (usize::from(rest[4]), usize::from(rest[7]));
                assert_eq!((rest[5], reclen), (0, (8 + name + 1).next_multiple_of(4)));
                names.push(String::from_utf8(rest[8..8 + name].to_vec()).unwrap());
                rest = &rest[reclen..];
            }
            // The small buffer is too small for the rest.
            if size == 64 && names.len() > 40 || length == 0 {
                break;
            }
        }
    }
    let listed = names.len();
    names.sort();
    names.dedup();
    assert_eq!((listed, names.len()), (62, 62));
}

#[test]
fn what_is_no_directory_cannot_be_listed() {
    let k = machine();
    let (buf, base) = (k.alloc(4096), k.alloc(8));
    xnu!(k, open("/tmp/own", O_RDWR) => 3);
    xnu!(k, pipe() => (4, 5));
    xnu!(k, open("/tmp/link", O_SYMLINK) => 6);
    xnu!(k, open("/tmp/own", O_WRONLY) => 7);
    for (fd, error) in [(3, EINVAL), (4, ENOTSUP), (6, EBADF), (7, EBADF), (9, EBADF), (-1, EBADF)] {
        for size in [512, 4096] {
            xnu!(k, getdirentries64(fd, buf, size, base) => error);
            xnu!(k, getdirentries(fd, buf, size, base) => error);
        }
    }
    let (list, count) = (k.alloc(24), k.alloc(4));
    for (fd, error) in [(3, EINVAL), (4, ENOTSUP), (7, EBADF), (9, EBADF), (-1, EBADF)] {
        xnu!(k, getdirentriesattr(fd, list, buf, 4096, count, base, base, 0) => error);
    }
    xnu!(k, open("/tmp", O_RDONLY) => 8);
    xnu!(k, getdirentriesattr(8, list, buf, 4096, count, base, base, 0) => ENOTSUP);
    let words = [8, list.get(), buf.get(), 4096, count.get(), 0, 0, 0];
    faults(&k, "getdirentriesattr", &words, 1, 24, IN);
    faults(&k, "getdirentriesattr", &words, 4, 4, IN);
}

#[test]
fn bad_buffers_of_lists_lose_nothing() {
    let k = furnished();
    let (buf, base) = (k.alloc(4096), k.alloc(8));
    for name in ["getdirentries64", "getdirentries"] {
        for size in [600u64, 4096] {
            xnu!(k, lseek(3, 0i64, SEEK_SET) => 0);
            faults(&k, name, &[3, buf.get(), size, 0], 3, 8, OUT);
            xnu!(k, lseek(3, 0i64, SEEK_SET) => 0);
            for at in NOWHERE {
                assert_eq!(k.by_name(name, &[3, at, size, base.get()]), Reply::Error(EFAULT), "{at:#x}");
                xnu!(k, lseek(3, 0i64, SEEK_CUR) => 0);
            }
        }
    }
    let read_only = k.alloc(4096);
    k.protect(read_only, 4096, 1);
    xnu!(k, getdirentries64(3, read_only, 4096, base) => EFAULT);
    xnu!(k, getdirentries64(3, buf, 4096, base) => 3152);
}
