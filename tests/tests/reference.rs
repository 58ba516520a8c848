//! The numbers and layouts of `xnu-abi` against tables computed from Apple's headers (`tests/data`), and Linux's
//! against `linux-raw-sys`.
//!
//! Nothing is listed twice: the left side is what the crate's own macros export, the right side is the table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use xnu_abi::layout::{Field, Layout};
use xnu_abi::lkm::{self, ArgKind, Trap};
use xnu_abi::{darwin, errno, linux};

const CONSTANTS: &str = include_str!("../data/constants.tsv");
const STRUCTS: &str = include_str!("../data/structs.tsv");
const SYSCALL_CLASSES: &str = include_str!("../data/syscall_classes.tsv");
const ERRNO_DARWIN: &str = include_str!("../data/errno_darwin.tsv");
const ERRNO_LINUX_TO_DARWIN: &str = include_str!("../data/errno_linux_to_darwin.tsv");
const LKM_TRAPS: &str = include_str!("../data/lkm_traps.tsv");
const SYSNO_SOURCE: &str = include_str!("../../abi/src/linux/sysno.rs");

/// Groups of constants that no table has, and why.
const GROUPS_NOT_IN_TABLES: &[(&str, &str)] = &[
    ("bsd/kern/kern_exec.c", "private to the kernel's source file"),
    ("bsd/sys/_types/_fd_def.h", "sizes of select are not in the tables"),
    ("bsd/sys/proc.h", "states and flags of the kernel are not in the tables"),
    ("bsd/sys/sysctl.h", "flags of sessions are not in the tables"),
    ("bsd/sys/utsname.h", "names of the system are not in the tables"),
    ("bsd/sys/wait.h", "hidden behind macros of the header"),
    ("osfmk/i386/cpu_capabilities.h", "the commpage is not in the tables"),
];

/// Names that a group of the tables has and `xnu-abi` does not declare, and why.
const NAMES_NOT_DECLARED: &[(&str, &str, &str)] = &[
    ("mach-msg-return", "MACH_MSG_MASK", "the sum of the four bits"),
    ("mach-port-misc", "MACH_SERVICE_PORT_INFO", "names of services are launchd's"),
    ("mach-port-misc", "MPG_FLAGS_", "subcodes of guard exceptions, with the codes in xnu-lkm"),
    ("proc_info-fd", "PROC_PIDFDKQUEUE_KNOTES_MAX", "there are no knotes"),
    ("proc_info-fd", "PROC_PIDFILEPORT", "with the flavors of processes"),
    ("proc_info-misc", "PROC_CHANNEL_", "there are no channels"),
    ("proc_info-misc", "PROC_PIDORIGINATOR", "with the flavors of processes"),
    ("proc_info-pid", "PROC_PIDDYNKQUEUES_MAX", "there are no dynamic kqueues"),
    ("proc_info-pid", "PROC_PIDEXITREASONBASICINFOSIZE", "a size"),
    ("proc_info-pid", "PROC_PIDPATHINFO_MAXSIZE", "a size"),
    ("thread-state", "ARM_", "arm64"),
    ("wait", "status: ", "a rule, not a constant"),
];

/// Layouts that no table has, and why.
const LAYOUTS_NOT_IN_TABLES: &[(&str, &str)] = &[
    ("commpage", "offsets in osfmk/i386/cpu_capabilities.h, not a C structure"),
    ("commpage_timeofday_data", "bsd/sys/commpage.h, not in the tables"),
    ("utsname", "bsd/sys/utsname.h, not in the tables"),
];

#[test]
fn darwin_constants_have_the_values_of_the_headers() {
    let mut expected: BTreeMap<(&str, &str), i128> = BTreeMap::new();
    for row in rows(CONSTANTS) {
        if let Some(value) = number(row[2]) {
            expected.insert((row[0], row[1]), value);
        }
    }
    for row in rows(SYSCALL_CLASSES).filter(|row| row[0] == "x86_64") {
        if let Some(value) = number(row[3]) {
            expected.insert((row[1], row[2]), value);
        }
    }

    let mut wrong = Vec::new();
    let mut compared = 0;
    for constant in darwin::CONSTANTS.iter().copied().flatten().copied().flatten() {
        if GROUPS_NOT_IN_TABLES.iter().any(|(group, _)| *group == constant.group) {
            continue;
        }
        let found = expected
            .iter()
            .find(|((group, name), _)| in_group(group, constant.group) && *name == constant.name);
        match found {
            Some((_, value)) if *value == constant.value => compared += 1,
            Some((_, value)) => wrong.push(format!("{constant:?}, but the table says {value:#x}")),
            None => wrong.push(format!("{constant:?} is not in the table")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (group, _) in GROUPS_NOT_IN_TABLES {
        assert!(!expected.keys().any(|(of, _)| of == group), "{group} is in a table after all");
    }
    assert!(compared > 1000, "only {compared} constants were compared");
}

#[test]
fn darwin_groups_are_complete() {
    let declared: BTreeSet<(&str, &str)> = darwin::CONSTANTS
        .iter()
        .copied()
        .flatten()
        .copied()
        .flatten()
        .map(|constant| (constant.group, constant.name))
        .collect();
    let groups: BTreeSet<&str> = declared.iter().map(|(group, _)| *group).collect();

    let mut missing = Vec::new();
    for row in rows(CONSTANTS).filter(|row| row[2] != "-") {
        let Some(group) = groups.iter().copied().find(|group| in_group(row[0], group)) else {
            continue;
        };
        let excused =
            NAMES_NOT_DECLARED.iter().any(|(of, prefix, _)| *of == row[0] && row[1].starts_with(prefix));
        if !excused && !declared.contains(&(group, row[1])) {
            missing.push(format!("{} {}", row[0], row[1]));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn darwin_layouts_are_those_of_the_headers() {
    let structs: BTreeMap<&str, Vec<&str>> = rows(STRUCTS)
        .filter(|row| row[1].split(' ').any(|arch| arch == "x86_64"))
        .map(|row| (row[0].split(" (").next().unwrap(), row))
        .collect();

    let mut wrong = Vec::new();
    let mut compared = 0;
    for layout in darwin::LAYOUTS.iter().copied().flatten() {
        if LAYOUTS_NOT_IN_TABLES.iter().any(|(name, _)| *name == layout.name) {
            continue;
        }
        let (name, until) = match layout.name.split_once(" up to ") {
            Some((name, field)) => (name, Some(field)),
            None => (layout.name, None),
        };
        let Some(row) = structs.get(name) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        let mut fields = c_fields(row[4]);
        if let Some(until) = until {
            let end = fields.iter().position(|field| field.name == until).unwrap();
            if fields[end].offset != layout.size {
                wrong.push(format!("{}: the table says {} bytes", layout.name, fields[end].offset));
            }
            fields.truncate(end);
        } else if (layout.size.to_string(), layout.align.to_string()) != (row[2].into(), row[3].into()) {
            wrong.push(format!("{name}: the table says {} bytes, aligned to {}", row[2], row[3]));
        }
        wrong.extend(field_differences(layout, &fields));
        compared += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (name, _) in LAYOUTS_NOT_IN_TABLES {
        assert!(!structs.contains_key(name), "{name} is in the table after all");
    }
    assert!(compared > 40, "only {compared} layouts were compared");
}

#[test]
fn darwin_errno_is_the_table() {
    let expected: Vec<(u16, &str)> =
        rows(ERRNO_DARWIN).map(|row| (row[0].parse().unwrap(), row[1])).collect();
    let ours: Vec<(u16, &str)> = darwin::Errno::ALL.iter().map(|e| (e.number(), e.name())).collect();
    assert_eq!(ours, expected);
}

#[test]
fn linux_errno_and_its_translation_are_the_table() {
    let table: Vec<Vec<&str>> = rows(ERRNO_LINUX_TO_DARWIN).collect();
    let holes: Vec<&str> = table.iter().filter(|row| row[1] == "-").map(|row| row[0]).collect();
    assert_eq!(holes, ["41", "58"], "numbers that Linux does not use");

    let named = || table.iter().filter(|row| row[1] != "-");
    let expected: Vec<(u16, &str)> = named().map(|row| (row[0].parse().unwrap(), row[1])).collect();
    let ours: Vec<(u16, &str)> = linux::Errno::ALL.iter().map(|e| (e.number(), e.name())).collect();
    assert_eq!(ours, expected);

    let expected: Vec<(&str, &str, u16)> =
        named().map(|row| (row[1], row[2], row[3].parse().unwrap())).collect();
    let ours: Vec<(&str, &str, u16)> = errno::LINUX_TO_DARWIN
        .iter()
        .map(|(linux, darwin)| (linux.name(), darwin.name(), darwin.number()))
        .collect();
    assert_eq!(ours, expected);
}

#[test]
fn lkm_traps_and_their_arguments_are_the_table() {
    let table: Vec<Vec<&str>> = rows(LKM_TRAPS).collect();
    let expected: Vec<(&str, i128)> =
        table.iter().map(|row| (row[0].strip_prefix("NR_").unwrap(), number(row[1]).unwrap())).collect();
    let ours: Vec<(&str, i128)> =
        Trap::ALL.iter().map(|trap| (trap.name(), i128::from(trap.number()))).collect();
    assert_eq!(ours, expected);

    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (trap, row) in Trap::ALL.iter().zip(&table) {
        match (trap.argument(), row[4].split(':').next().unwrap()) {
            (ArgKind::None, "none") | (ArgKind::Value, "value") => {}
            (ArgKind::Struct(layout), "pointer") => {
                used.insert(layout.name);
                if format!("struct {}", layout.name) != row[2] {
                    wrong.push(format!("{trap:?} takes {}, not {}", row[2], layout.name));
                }
                if (layout.size.to_string().as_str(), layout.align) != (row[3], 1) {
                    wrong.push(format!("{}: the table says {} bytes, packed", layout.name, row[3]));
                }
                wrong.extend(field_differences(layout, &c_fields(row[6])));
            }
            (ours, theirs) => wrong.push(format!("{trap:?} takes {theirs}, not {ours:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let unused: Vec<&str> =
        lkm::LAYOUTS.iter().map(|layout| layout.name).filter(|name| !used.contains(name)).collect();
    assert_eq!(unused, ["thread_state"], "only a part of other structures");
}

#[test]
fn linux_call_numbers_are_those_of_linux_raw_sys() {
    let architecture = std::env::consts::ARCH;
    let theirs = linux_raw_sys_calls(architecture);
    assert!(theirs.len() > 300, "only {} numbers found for {architecture}", theirs.len());
    for call in linux::Sysno::ALL {
        assert_eq!(theirs.get(call.name()), Some(&call.number()), "{} on {architecture}", call.name());
    }
    #[cfg(target_arch = "x86_64")]
    for call in [linux::Sysno::ModifyLdt, linux::Sysno::ArchPrctl] {
        assert_eq!(theirs.get(call.name()), Some(&call.number()));
    }
}

/// The numbers of the architecture that this test does not run on are only in the source.
#[test]
fn linux_call_numbers_of_both_architectures_are_those_of_linux_raw_sys() {
    let x86_64 = linux_raw_sys_calls("x86_64");
    let aarch64 = linux_raw_sys_calls("aarch64");
    let mut compared = 0;
    for line in SYSNO_SOURCE.lines() {
        let words: Vec<&str> = line.trim().trim_end_matches(',').split(' ').collect();
        let [_, "=", name, first, second] = words[..] else { continue };
        let Some(name) = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) else { continue };
        assert_eq!(x86_64.get(name), first.parse().ok().as_ref(), "{name} on x86_64");
        assert_eq!(aarch64.get(name), second.parse().ok().as_ref(), "{name} on aarch64");
        compared += 1;
    }
    assert_eq!(compared, linux::Sysno::ALL.len());
}

#[test]
fn unknown_bits_and_numbers_are_kept() {
    use darwin::fcntl::{AccessMode, FcntlCommand, OpenFlags};

    let flags = OpenFlags::from_bits_retain(u32::MAX);
    assert_eq!(flags.bits(), u32::MAX);
    assert_eq!(flags.access_mode().number(), 3);
    assert_eq!(flags.access_mode().name(), None);

    let flags = OpenFlags::O_CREAT.with_access_mode(AccessMode::O_RDWR);
    assert_eq!(flags.bits(), 0x202);
    assert_eq!(flags.access_mode(), AccessMode::O_RDWR);
    assert_eq!(flags.iter_names().map(|(name, _)| name).collect::<Vec<_>>(), ["O_CREAT"]);

    assert_eq!(FcntlCommand::F_GETPATH.name(), Some("F_GETPATH"));
    assert_eq!(FcntlCommand::new(-1).name(), None);
    assert_eq!(FcntlCommand::new(-1).number(), -1);
}

/// Cells of each row; the comment at the top is not a row.
fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

/// A decimal or hexadecimal number of the tables; negative ones are `-0x…`.
fn number(cell: &str) -> Option<i128> {
    let (sign, digits) = match cell.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, cell),
    };
    let magnitude = match digits.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    Some(sign * magnitude.ok()?)
}

/// Whether the table's group is ours; one type of ours may take in a family, such as `ioctl-tty` in `ioctl`.
fn in_group(table: &str, ours: &str) -> bool {
    table == ours
        || ours == "ioctl" && ["ioctl-file", "ioctl-tty", "ioctl-socket", "ioctl-disk"].contains(&table)
}

/// The fields of a cell of `name:type:offset:size;…`.
fn c_fields(cell: &str) -> Vec<CField<'_>> {
    cell.split(';')
        .map(|field| {
            let parts: Vec<&str> = field.split(':').collect();
            let [name, .., offset, size] = parts[..] else { panic!("not a field: {field}") };
            CField { name, offset: offset.parse().unwrap(), size: size.parse().unwrap() }
        })
        .collect()
}

struct CField<'a> {
    name: &'a str,
    offset: usize,
    size: usize,
}

/// What is wrong with a layout: a field that the header lacks or has elsewhere, or one of the header's left out.
fn field_differences(layout: &Layout, header: &[CField<'_>]) -> Vec<String> {
    let mut wrong = Vec::new();
    for field in layout.fields.iter().filter(|field| !is_padding(field)) {
        let covered: usize =
            header.iter().filter(|c_field| is_part_of(c_field, field)).map(|c_field| c_field.size).sum();
        if covered != field.size {
            wrong.push(format!("{}: {field:?} is not in the header", layout.name));
        }
    }
    for c_field in header {
        if !layout.fields.iter().any(|field| is_part_of(c_field, field)) {
            wrong.push(format!("{}: {} at {} is left out", layout.name, c_field.name, c_field.offset));
        }
    }
    wrong
}

/// Whether a field of the header is this field, or one of the numbered fields that this array stands for.
fn is_part_of(c_field: &CField<'_>, field: &Field) -> bool {
    let c_name = c_field.name.trim_start_matches('_');
    let name = field.name.trim_start_matches("r#").trim_start_matches('_');
    if c_name == name {
        return (c_field.offset, c_field.size) == (field.offset, field.size);
    }
    let Some(index) = c_name.strip_prefix(name).and_then(|digits| digits.parse::<usize>().ok()) else {
        return false;
    };
    // AVX-512 has sixteen registers that AVX lacks; the header numbers them from 16.
    let position = c_field.offset.wrapping_sub(field.offset) / c_field.size;
    c_field.offset >= field.offset
        && c_field.offset + c_field.size <= field.offset + field.size
        && (index == position || index == position + 16)
}

fn is_padding(field: &Field) -> bool {
    field.name.starts_with("_pad")
}

#[test]
fn linux_flags_are_those_of_linux_raw_sys() {
    let source = linux_raw_sys_source(std::env::consts::ARCH);
    let theirs: BTreeMap<&str, &str> = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.strip_suffix(';')?.split_once(": u32 = "))
        .collect();
    for (name, value) in linux::flags::ALL {
        assert_eq!(theirs.get(name), Some(&value.to_string().as_str()), "{name}");
    }
    let map_32bit = theirs.get("MAP_32BIT").map_or(0, |value| value.parse().expect("a number"));
    assert_eq!(linux::flags::MAP_32BIT, map_32bit);
}

/// Names and numbers of Linux's calls, from that source.
fn linux_raw_sys_calls(architecture: &str) -> BTreeMap<String, usize> {
    linux_raw_sys_source(architecture)
        .lines()
        .filter_map(|line| line.strip_prefix("pub const __NR_")?.strip_suffix(';')?.split_once(": u32 = "))
        .map(|(name, number)| (name.to_owned(), number.parse().expect("a number")))
        .collect()
}

/// The module `general` of the `linux-raw-sys` that this workspace uses.
fn linux_raw_sys_source(architecture: &str) -> String {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline", "--filter-platform"])
        .arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata = String::from_utf8(metadata.stdout).expect("cargo metadata is UTF-8");
    let manifest = metadata
        .split("\"manifest_path\":\"")
        .filter_map(|rest| rest.split('"').next())
        .find(|path| path.contains("/linux-raw-sys-"))
        .expect("linux-raw-sys among the packages");
    let source = PathBuf::from(manifest).with_file_name("src").join(architecture).join("general.rs");
    std::fs::read_to_string(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()))
}

/// Linux's numbers of sockets against those of libc, as far as it has them.
#[test]
fn linux_socket_numbers_are_libcs() {
    use xnu_abi::linux::socket as ours;
    macro_rules! same {
        ($($name:ident)*) => {
            [$((stringify!($name), ours::$name, libc::$name as i32)),*]
        };
    }
    let compared = same! {
        AF_UNSPEC
        AF_UNIX
        AF_INET
        AF_INET6
        SOCK_STREAM
        SOCK_DGRAM
        SOCK_RAW
        SOCK_NONBLOCK
        SOCK_CLOEXEC
        MSG_OOB
        MSG_PEEK
        MSG_DONTROUTE
        MSG_CTRUNC
        MSG_TRUNC
        MSG_DONTWAIT
        MSG_EOR
        MSG_WAITALL
        MSG_NOSIGNAL
        MSG_MORE
        SCM_RIGHTS
        SOL_SOCKET
        SO_DEBUG
        SO_REUSEADDR
        SO_TYPE
        SO_ERROR
        SO_DONTROUTE
        SO_BROADCAST
        SO_SNDBUF
        SO_RCVBUF
        SO_KEEPALIVE
        SO_OOBINLINE
        SO_NO_CHECK
        SO_LINGER
        SO_REUSEPORT
        SO_PEERCRED
        SO_RCVLOWAT
        SO_SNDLOWAT
        SO_RCVTIMEO
        SO_SNDTIMEO
        SO_TIMESTAMP
        SO_ACCEPTCONN
        SO_DOMAIN
        SO_BINDTOIFINDEX
        IP_TOS
        IP_TTL
        IP_HDRINCL
        IP_OPTIONS
        IP_RECVOPTS
        IP_RETOPTS
        IP_PKTINFO
        IP_MTU_DISCOVER
        IP_RECVTTL
        IP_RECVTOS
        IP_RECVORIGDSTADDR
        IP_MULTICAST_IF
        IP_MULTICAST_TTL
        IP_MULTICAST_LOOP
        IP_ADD_MEMBERSHIP
        IP_DROP_MEMBERSHIP
        IP_UNBLOCK_SOURCE
        IP_BLOCK_SOURCE
        IP_ADD_SOURCE_MEMBERSHIP
        IP_DROP_SOURCE_MEMBERSHIP
        IPV6_2292PKTINFO
        IPV6_CHECKSUM
        IPV6_2292HOPLIMIT
        IPV6_UNICAST_HOPS
        IPV6_MULTICAST_IF
        IPV6_MULTICAST_HOPS
        IPV6_MULTICAST_LOOP
        IPV6_ADD_MEMBERSHIP
        IPV6_DROP_MEMBERSHIP
        IPV6_V6ONLY
        IPV6_RECVPKTINFO
        IPV6_PKTINFO
        IPV6_RECVHOPLIMIT
        IPV6_HOPLIMIT
        IPV6_DONTFRAG
        IPV6_RECVTCLASS
        IPV6_TCLASS
        TCP_NODELAY
        TCP_MAXSEG
        TCP_CORK
        TCP_KEEPIDLE
        TCP_KEEPINTVL
        TCP_KEEPCNT
        TCP_USER_TIMEOUT
        TCP_FASTOPEN
        TCP_NOTSENT_LOWAT
        POLLRDHUP
    };
    for (name, ours, libcs) in compared {
        assert_eq!(ours, libcs, "{name}");
    }
    assert!(compared.len() + 6 >= ours::ALL.len(), "only {} were compared", compared.len());
}
