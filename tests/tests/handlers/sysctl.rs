//! Named facts of the system.

use crate::support::*;
use xnu_abi::darwin::Errno;
use xnu_backend_mock::{Credentials, Mock};
use xnu_core::Reply;
use xnu_core::version::Version;

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
    let k = machine();
    k.process.version.choose(Version::find("22.6.0").expect("a release"));
    assert_eq!(ask(&k, "kern.osproductversion", 64), Ok(b"13.7.8\0".to_vec()));
    assert_eq!(ask(&k, "kern.osversion", 64), Ok(b"22H730\0".to_vec()));
}

#[test]
fn network_is_as_linux_has_it_or_as_usual() {
    let k = machine();
    assert_eq!(int(ask(&k, "net.inet.ip.ttl", 4)), 64);
    assert_eq!(int(ask(&k, "net.inet.ip.portrange.last", 4)), 65_535);
    for directory in ["/proc/sys", "/proc/sys/net", "/proc/sys/net/ipv4", "/proc/sys/net/core"] {
        k.add_dir(directory);
    }
    k.add_file("/proc/sys/net/ipv4/ip_default_ttl", b"61\n");
    k.add_file("/proc/sys/net/ipv4/ip_local_port_range", b"32768\t60999\n");
    k.add_file("/proc/sys/net/ipv4/tcp_keepalive_time", b"7200\n");
    k.add_file("/proc/sys/net/core/somaxconn", b"rubbish");
    assert_eq!(int(ask(&k, "net.inet.ip.ttl", 4)), 61);
    assert_eq!(int(ask(&k, "net.inet.ip.portrange.first", 4)), 32_768);
    assert_eq!(int(ask(&k, "net.inet.ip.portrange.last", 4)), 60_999);
    assert_eq!(int(ask(&k, "net.inet.tcp.keepidle", 4)), 7_200_000);
    assert_eq!(int(ask(&k, "kern.ipc.somaxconn", 4)), 128);
    assert_eq!(int(ask_numbers(&k, &[4, 2, 0, 3], 4)), 61);
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
        // Processes are asked for by more numbers, and not every processor has every cache.
        if at[0] != 0 && !name.starts_with("kern.proc") && !name.contains("cachesize") {
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

/// Fields of `struct kinfo_proc`.
const KINFO: usize = 648;

fn pids(processes: &[u8]) -> Vec<i32> {
    let pid = |process: &[u8]| i32::from_le_bytes(process[40..44].try_into().expect("four bytes"));
    processes.chunks(KINFO).map(pid).collect()
}

#[test]
fn processes_are_told_by_all_that_they_have() {
    use crate::processes::{CHILD, OWN, ZOMBIE, processes};
    let k = processes();
    let by_name = |name: &str, room: usize| ask(&k, name, room);
    let ask = |numbers: &[i32], count: usize| ask_numbers(&k, &[&[1, 14], numbers].concat(), count * KINFO);
    // A thread's number is in Linux's list here, but it is no process.
    let all = vec![1, ZOMBIE, CHILD, OWN, 0];
    assert_eq!(ask(&[0], 20).map(|found| pids(&found)), Ok(all.clone()));
    assert_eq!(ask(&[0, 77], 20).map(|found| pids(&found)), Ok(all));
    assert_eq!(ask(&[1, CHILD], 1).map(|found| pids(&found)), Ok(vec![CHILD]));
    assert_eq!(ask(&[1, 4711], 1), Ok(vec![]));
    assert_eq!(ask(&[2, 999], 20).map(|found| pids(&found).len()), Ok(4));
    assert_eq!(ask(&[4, 0x8800_0000u32 as i32], 20).map(|found| pids(&found).len()), Ok(4));
    assert_eq!(ask(&[5, 0], 20).map(|found| pids(&found)), Ok(vec![1, 0]));
    assert_eq!(ask(&[6, 1000], 20).map(|found| pids(&found).len()), Ok(3));
    // Wrong in their numbers.
    for numbers in [&[1][..], &[5], &[1, 2, 3], &[0, 1, 2], &[7]] {
        assert_eq!(ask(numbers, 20), Err(EINVAL), "{numbers:?}");
    }
    assert_eq!(
        (ask(&[7, 1], 20), ask(&[3, 1], 20), ask(&[8, 1], 20)),
        (Err(ENOTSUP), Err(ENOENT), Err(ENOENT))
    );
    assert_eq!((ask(&[0], 2), ask(&[1, CHILD], 0)), (Err(ENOMEM), Err(ENOMEM)));
    let child = ask(&[1, CHILD], 1).expect("a process");
    assert_eq!((&child[243..255], child[36]), (&b"ch) R 1 (\nld"[..], 2));
    assert_eq!(child[560..564], OWN.to_le_bytes());
    assert_eq!(by_name("kern.proc.all", 20 * KINFO).map(|found| found.len()), Ok(5 * KINFO));
    // Room for five more than there are; for groups, of those.
    let length = k.alloc(8);
    for (numbers, expected) in [([1, 14, 0, 0], 6 + 5), ([1, 14, 5, 0], 6 + 5), ([1, 14, 1, CHILD], 1 + 5)] {
        let name: Vec<u8> = numbers.iter().flat_map(|number: &i32| number.to_le_bytes()).collect();
        xnu!(k, sysctl(name, 4, NULL, length, NULL, 0) => 0);
        assert_eq!(number(&k, length, 0, 8), expected * KINFO as u64);
    }
}

#[test]
fn the_caller_is_told_of_its_own_stack_and_name() {
    let k = crate::processes::processes();
    let stack = |k: &Machine<Mock>| {
        ask(k, "kern.usrstack64", 8).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("8 bytes")))
    };
    assert_eq!(stack(&k), Ok(0x7ff7_bff0_0000));
    k.process.program.set(0x40_0000, 0x5000..0x1_8000_6000, 0);
    assert_eq!((stack(&k), int(ask(&k, "kern.usrstack", 4))), (Ok(0x1_8000_6000), 0x8000_6000u32 as i32));
    assert_eq!(ask(&k, "kern.procname", 33), Ok(b"own\0".to_vec()));
    assert!(ask(&k, "hw.l1dcachesize", 8).is_ok_and(|bytes| bytes.len() == 8 && bytes != [0; 8]));
}

#[test]
fn arguments_are_those_on_the_stack() {
    use crate::processes::{OWN, processes};
    let k = processes();
    let strings = b"executable_path=/bin/prog\0\0\0\0\0\0\0arg\0b\0ENV=1\0\0\0\0\0ptr_munge=\0\0\0\0\0\0";
    let start = k.place(strings).get();
    let range = start..start + strings.len() as u64;
    k.process.program.set(0x40_0000, range.clone(), 2);
    let shown = &strings[16..];
    let ask = |name: i32, room: usize| ask_numbers(&k, &[1, name, OWN], room);
    assert_eq!(ask(49, 500), Ok([&2i32.to_le_bytes(), shown].concat()));
    assert_eq!(ask(49, shown.len() + 4), Ok([&2i32.to_le_bytes(), shown].concat()));
    // Its end, where there is room for no more; XNU leaves zeros there that belong to a page.
    assert_eq!(ask(49, 14), Ok([&2i32.to_le_bytes(), &[0; 10][..]].concat()));
    assert_eq!((ask(49, 4), ask(49, 3), ask(38, 0)), (Err(EINVAL), Err(EINVAL), Err(EINVAL)));
    // The old form ends with the path once more.
    let old = ask(38, 500).expect("strings");
    assert_eq!((&old[..shown.len()], &old[shown.len() + 12..][..10]), (shown, &b"/bin/prog\0"[..]));
    let length = k.alloc(8);
    let name =
        |number: i32| [1, number, OWN].iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    xnu!(k, sysctl(name(49), 3, NULL, length, NULL, 0) => 0);
    assert_eq!(number(&k, length, 0, 8), (shown.len() as u64 + 4).next_multiple_of(4));
    xnu!(k, sysctl(name(38), 3, NULL, length, NULL, 0) => 0);
    assert_eq!(number(&k, length, 0, 8), (shown.len() as u64 + 1024 + 24).next_multiple_of(4));
    // What the program did to its stack is its own fault.
    k.process.program.set(0x40_0000, 0x1000..0x2000, 2);
    assert_eq!(ask(49, 500), Err(Errno::EIO));
    assert_eq!(ask_numbers(&k, &[1, 49], 500), Err(EINVAL));
}

#[test]
fn arguments_of_others_are_what_linux_tells() {
    use crate::processes::{CHILD, ZOMBIE, processes};
    let k = processes();
    let ask = |pid: i32, room: usize| ask_numbers(&k, &[1, 49, pid], room);
    let told = ask(CHILD, 500).expect("strings");
    let expected = b"\x03\0\0\0/loader\0prog\0an argument\0\0A=b\0LONG=value\0";
    assert_eq!(&told[..expected.len()], expected);
    assert_eq!((told.len() - 4) % 8, 0);
    for nobody in [1, ZOMBIE, 4711, -1, 0] {
        assert_eq!(ask(nobody, 500), Err(EINVAL), "{nobody}");
    }
    assert_eq!(k.descriptors(), [0, 1, 2]);
}
