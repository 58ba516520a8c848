//! Named facts of the system.

use crate::support::*;
use xnu_abi::darwin::Errno;
use xnu_backend_mock::{Credentials, Mock};
use xnu_core::Reply;

const EISDIR: Errno = Errno::EISDIR;

/// Asks by name, with as much room as there is.
fn ask(k: &Machine<Mock>, name: &str, room: usize) -> Result<Vec<u8>, Errno> {
    let (value, length) = (k.alloc_guarded(room.max(1)), k.place(&(room as u64).to_le_bytes()));
    let words = [k.place_str(name).get(), name.len() as u64, value.get(), length.get(), 0, 0];
    match k.by_name("sysctlbyname", &words) {
        Reply::Error(errno) => Err(errno),
        _ => Ok(k.peek(value, number(k, length, 0, 8) as usize)),
    }
}

/// Asks by numbers.
fn ask_numbers(k: &Machine<Mock>, numbers: &[i32], room: usize) -> Result<Vec<u8>, Errno> {
    let (value, length) = (k.alloc_guarded(room.max(1)), k.place(&(room as u64).to_le_bytes()));
    let name: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let words = [k.place(&name).get(), numbers.len() as u64, value.get(), length.get(), 0, 0];
    match k.by_name("sysctl", &words) {
        Reply::Error(errno) => Err(errno),
        _ => Ok(k.peek(value, number(k, length, 0, 8) as usize)),
    }
}

fn int(value: Result<Vec<u8>, Errno>) -> i32 {
    i32::from_le_bytes(value.expect("a value").try_into().expect("four bytes"))
}

#[test]
fn the_system_is_named() {
    let k = machine();
    for (name, numbers, text) in [
        ("kern.ostype", [1, 1], "Darwin\0"),
        ("kern.osrelease", [1, 2], "23.6.0\0"),
        ("kern.osversion", [1, 65], "23G93\0"),
        ("kern.hostname", [1, 10], "mock\0"),
    ] {
        assert_eq!(ask(&k, name, 256), Ok(text.into()), "{name}");
        assert_eq!(ask_numbers(&k, &numbers, 256), Ok(text.into()), "{name}");
    }
    assert_eq!(ask(&k, "kern.osproductversion", 64), Ok(b"14.6.1\0".to_vec()));
    assert_eq!(int(ask(&k, "kern.ngroups", 4)), 16);
    assert_eq!(int(ask_numbers(&k, &[6, 3], 4)), 2);
    // A dot at the end does no harm.
    assert_eq!(int(ask(&k, "hw.ncpu.", 4)), 2);
}

#[test]
fn the_system_told_of_is_the_hosts_choice() {
    let mut k = machine();
    k.process.version.product = "13.0";
    assert_eq!(ask(&k, "kern.osproductversion", 64), Ok(b"13.0\0".to_vec()));
}

#[test]
fn facts_come_from_linux() {
    let k = machine();
    assert_eq!(ask(&k, "hw.memsize", 8), Ok((1u64 << 32).to_le_bytes().to_vec()));
    let boot = ask(&k, "kern.boottime", 16).expect("a time");
    assert_eq!(boot[..8], 1_577_836_800u64.to_le_bytes());
    assert_eq!(ask(&k, "vm.loadavg", 24).expect("averages").len(), 24);
    assert_eq!(ask(&k, "vm.swapusage", 32).expect("usage").len(), 32);
    assert_eq!(ask(&k, "kern.clockrate", 20).expect("a rate").len(), 20);
    assert_eq!(int(ask(&k, "kern.memorystatus_level", 4)), 50);
    // What does not fit 32 bits.
    assert_eq!(ask(&k, "hw.memsize", 4), Err(Errno::ERANGE));
    assert_eq!(int(ask(&k, "hw.pagesize", 4)), if cfg!(target_arch = "x86_64") { 4096 } else { 16384 });
}

#[test]
fn a_length_is_told_before_room_is_made() {
    let k = machine();
    let length = k.place(&[0xff; 8]);
    xnu!(k, sysctlbyname("kern.ostype", 11, NULL, length, NULL, 0) => 0);
    assert_eq!(number(&k, length, 0, 8), 7);
    // Short of room: nothing is written, and told so.
    let value = k.alloc_guarded(6);
    k.poke(length, &6u64.to_le_bytes());
    xnu!(k, sysctlbyname("kern.ostype", 11, value, length, NULL, 0) => ENOMEM);
    assert_eq!((k.peek(value, 6), number(&k, length, 0, 8)), (vec![0; 6], 0));
    // The name of the machine is cut off instead.
    k.poke(length, &3u64.to_le_bytes());
    xnu!(k, sysctlbyname("kern.hostname", 13, value, length, NULL, 0) => 0);
    assert_eq!((k.peek(value, 4), number(&k, length, 0, 8)), (b"mo\0\0".to_vec(), 3));
    // Nobody asks.
    xnu!(k, sysctlbyname("kern.ostype", 11, NULL, NULL, NULL, 0) => 0);
    xnu!(k, sysctlbyname("kern.ostype", 11, value, NULL, NULL, 0) => ENOMEM);
}

#[test]
fn what_is_not_there_is_enoent() {
    let k = machine();
    for name in ["kern", "nothing", "kern.nothing", "", ".", "hw.optional", "kern.ostype.x", "kern..ostype"] {
        assert_eq!(ask(&k, name, 64), Err(ENOENT), "{name}");
    }
    assert_eq!(ask(&k, &"x".repeat(1023), 64), Err(ENOENT));
    assert_eq!(ask(&k, &"x".repeat(1024), 64), Err(ENAMETOOLONG));
    assert_eq!(ask_numbers(&k, &[1, 9999], 64), Err(ENOENT));
    assert_eq!(ask_numbers(&k, &[99, 1], 64), Err(ENOENT));
    assert_eq!(ask_numbers(&k, &[6, 120], 64), Err(ENOENT));
    assert_eq!(ask_numbers(&k, &[1, 1, 1], 64), Err(EISDIR));
    for count in [0, 1, 13, u32::MAX] {
        xnu!(k, sysctl(&[1, 0, 0, 0], count, NULL, NULL, NULL, 0) => EINVAL);
    }
}

#[test]
fn nothing_can_be_set() {
    let k = machine();
    for name in ["kern.ostype", "kern.hostname", "kern.maxfiles"] {
        xnu!(k, sysctlbyname(name, name.len(), NULL, NULL, &[1; 4], 4) => EPERM);
    }
    k.set_credentials(Credentials::root());
    xnu!(k, sysctlbyname("kern.maxfiles", 13, NULL, NULL, &[1; 4], 4) => EPERM);
    xnu!(k, sysctlbyname("kern.nothing", 12, NULL, NULL, &[1; 4], 4) => ENOENT);
}

#[test]
fn the_tree_tells_of_itself() {
    let k = machine();
    let numbers_of = |name: &str| {
        let (value, length) = (k.alloc_guarded(48), k.place(&48u64.to_le_bytes()));
        let words = [k.place(&[0, 0, 0, 0, 3, 0, 0, 0]).get(), 2, value.get(), length.get()];
        let words = [&words[..], &[k.place_str(name).get(), name.len() as u64]].concat();
        match k.by_name("sysctl", &words) {
            Reply::Error(errno) => Err(errno),
            _ => Ok(k.peek(value, number(&k, length, 0, 8) as usize)),
        }
    };
    assert_eq!(numbers_of("kern.ostype"), Ok([1, 0, 0, 0, 1, 0, 0, 0].to_vec()));
    assert_eq!(numbers_of("hw.memsize"), Ok([6, 0, 0, 0, 24, 0, 0, 0].to_vec()));
    assert_eq!(numbers_of("kern"), Ok([1, 0, 0, 0].to_vec()));
    assert_eq!(numbers_of("kern.nothing"), Err(ENOENT));
    assert_eq!(numbers_of(""), Err(ENOENT));
    assert_eq!(numbers_of(&"x".repeat(1024)), Err(ENAMETOOLONG));
    assert_eq!(ask_numbers(&k, &[0, 1, 1, 1], 64), Ok(b"kern.ostype\0".to_vec()));
    assert_eq!(ask_numbers(&k, &[0, 1, 1, -77, 5], 64), Ok(b"kern.-77.5\0".to_vec()));
    assert_eq!(ask_numbers(&k, &[0, 1, i32::MIN], 64), Ok(b"-2147483648\0".to_vec()));
    // An integer that may be read, and how to print it.
    assert_eq!(ask_numbers(&k, &[0, 4, 1, 18], 64), Ok(b"\x02\0\x80\x80I\0".to_vec()));
    assert_eq!(ask_numbers(&k, &[0, 4, 1, 21], 64).expect("a format")[4..], *b"S,timeval\0");
    assert_eq!(ask_numbers(&k, &[0, 4, 9, 9], 64), Err(ENOENT));
    assert_eq!(ask_numbers(&k, &[0, 5, 1], 64), Ok(b"High kernel, proc, limits &c\0".to_vec()));
    assert_eq!(ask_numbers(&k, &[0, 2, 1], 64), Ok([1, 0, 0, 0, 1, 0, 0, 0].to_vec()));
}

/// Every entry by its numbers, walked as `sysctl -a` does: each has a name that leads back, and a value.
#[test]
fn a_walk_meets_every_name_and_ends() {
    let k = machine();
    let (mut at, mut met) = (vec![0], 0);
    loop {
        let next = match ask_numbers(&k, &[&[0, 2], &at[..]].concat(), 64) {
            Err(errno) => {
                assert_eq!(errno, ENOENT);
                break;
            }
            Ok(next) => next,
        };
        at = next.as_chunks::<4>().0.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect();
        let name = ask_numbers(&k, &[&[0, 1], &at[..]].concat(), 256).expect("a name");
        let name = String::from_utf8(name).expect("text");
        let name = name.trim_end_matches('\0');
        if at[0] != 0 {
            assert_eq!(ask(&k, name, 512), ask_numbers(&k, &at, 512), "{name}");
            assert!(ask(&k, name, 512).is_ok_and(|value| !value.is_empty()), "{name}");
        }
        met += 1;
        assert!(met < 1000);
    }
    assert!(met > 100, "{met} names");
}

#[test]
fn names_and_values_that_cannot_be_copied_are_efault() {
    let k = machine();
    let (value, length) = (k.alloc_guarded(64), k.place(&64u64.to_le_bytes()));
    let name = k.place_str("kern.ostype").get();
    faults(&k, "sysctl", &[0, 2, value.get(), length.get(), 0, 0], 0, 8, IN);
    faults(&k, "sysctlbyname", &[0, 11, value.get(), length.get(), 0, 0], 0, 11, IN);
    k.poke(length, &7u64.to_le_bytes());
    faults(&k, "sysctlbyname", &[name, 11, 0, length.get(), 0, 0], 2, 7, Pointer { nullable: true, ..OUT });
    faults(&k, "sysctlbyname", &[name, 11, 0, 0, 0, 0], 3, 8, Pointer { nullable: true, ..OUT });
    // Nothing is read past the length of the name.
    xnu!(k, sysctlbyname(k.place(b"kern.ostype"), 11, NULL, NULL, NULL, 0) => 0);
    xnu!(k, sysctlbyname(NULL, 0, NULL, NULL, NULL, 0) => ENOENT);
}
