//! The tree of names: one line each, in the order of their numbers (`bsd/sys/sysctl.h`, `bsd/kern/kern_sysctl.c`,
//! `bsd/kern/kern_mib.c`). Numbers from 100 on are allotted at boot on a Mac, so programs ask for them by name.

use super::network::Setting;
use super::values::{Cache, Fact};
use xnu_abi::darwin::sysctl::CtlKernProc;

/// A question about the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Query {
    Name,
    Next,
    NameToNumbers,
    Format,
    Description,
}

/// What is behind a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// More names.
    Node,
    Text(&'static str),
    Int(i32),
    Quad(i64),
    /// What has to be found out.
    Found(Fact),
    /// A question, whose argument are the numbers behind it.
    Query(Query),
    /// Processes; which ones is the number behind it.
    Processes(CtlKernProc),
    /// What a process was started with, with the number of arguments in front or without; which one is the number behind
    /// it.
    Arguments(bool),
}

impl Value {
    /// Whether the numbers behind it are its own to understand.
    pub(super) fn takes_numbers(&self) -> bool {
        matches!(self, Value::Query(_) | Value::Processes(_) | Value::Arguments(_))
    }
}

/// An entry of the tree.
pub(super) struct Oid {
    pub(super) numbers: &'static [i32],
    pub(super) name: &'static str,
    pub(super) is_writable: bool,
    pub(super) value: Value,
    pub(super) description: &'static str,
}

/// How the value is laid out: for `sysctl.oidfmt`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    Node,
    Int,
    Text,
    Quad,
    /// A structure of this name.
    Structure(&'static str),
}

impl Oid {
    fn shape(&self) -> Shape {
        match self.value {
            Value::Node | Value::Query(_) | Value::Processes(_) | Value::Arguments(_) => Shape::Node,
            Value::Text(_) => Shape::Text,
            Value::Int(_) => Shape::Int,
            Value::Quad(_) => Shape::Quad,
            Value::Found(fact) => fact.shape(),
        }
    }

    /// `CTLTYPE_…` and `CTLFLAG_…` (`bsd/sys/sysctl.h`).
    pub(super) fn kind(&self) -> u32 {
        const READ: u32 = 0x8000_0000;
        const WRITE: u32 = 0x4000_0000;
        const LOCKED: u32 = 0x0080_0000;
        let kind = match self.shape() {
            Shape::Node => 1,
            Shape::Int => 2,
            Shape::Text => 3,
            Shape::Quad => 4,
            Shape::Structure(_) => 5,
        };
        kind | READ | LOCKED | if self.is_writable { WRITE } else { 0 }
    }

    /// How a program should print it.
    pub(super) fn format(&self) -> &'static str {
        match self.shape() {
            Shape::Node => "N",
            Shape::Int => "I",
            Shape::Text => "A",
            Shape::Quad => "Q",
            Shape::Structure(name) => name,
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod machine {
    pub(super) const MACHINE: &str = "x86_64";
    pub(super) const MODEL: &str = "MacPro7,1";
    pub(super) const CPU_TYPE: i32 = 7;
    pub(super) const CPU_SUBTYPE: i32 = 8;
    /// `CPUFAMILY_INTEL_SKYLAKE` (`osfmk/mach/machine.h`).
    pub(super) const CPU_FAMILY: i32 = 0x37fc_219f;
    pub(super) const IS_INTEL: i32 = 1;
}

#[cfg(not(target_arch = "x86_64"))]
mod machine {
    pub(super) const MACHINE: &str = "arm64";
    pub(super) const MODEL: &str = "MacBookPro18,1";
    pub(super) const CPU_TYPE: i32 = 0x0100_000c;
    pub(super) const CPU_SUBTYPE: i32 = 2;
    /// `CPUFAMILY_ARM_FIRESTORM_ICESTORM` (`osfmk/mach/machine.h`).
    pub(super) const CPU_FAMILY: i32 = 0x1b58_8bb3;
    pub(super) const IS_INTEL: i32 = 0;
}

use machine::{CPU_FAMILY, CPU_SUBTYPE, CPU_TYPE, IS_INTEL, MACHINE, MODEL};

macro_rules! tree {
    ($([$($number:literal),*] $name:literal $access:ident $value:ident $(($argument:expr))?, $description:literal;)*) => {
        /// Every entry, in the order of its numbers.
        pub(super) static TREE: &[Oid] = &[$(Oid {
            numbers: &[$($number),*],
            name: $name,
            is_writable: tree!(access $access),
            value: Value::$value $(($argument))?,
            description: $description,
        }),*];
    };
    (access rd) => { false };
    (access rw) => { true };
}

// Limits are those of a Mac with 16 GiB (`osfmk/kern/startup.c`, `bsd/dev/unix_startup.c`, `bsd_scale_setup`).
tree! {
    [0] "sysctl" rd Node, "";
    [0, 1] "sysctl.name" rd Query(Query::Name), "";
    [0, 2] "sysctl.next" rd Query(Query::Next), "";
    [0, 3] "sysctl.name2oid" rw Query(Query::NameToNumbers), "";
    [0, 4] "sysctl.oidfmt" rd Query(Query::Format), "";
    [0, 5] "sysctl.oiddescr" rd Query(Query::Description), "";
    [0, 100] "sysctl.proc_translated" rd Int(0), "";
    [0, 101] "sysctl.proc_native" rd Int(1), "";
    [1] "kern" rd Node, "High kernel, proc, limits &c";
    [1, 1] "kern.ostype" rd Text("Darwin"), "";
    [1, 2] "kern.osrelease" rd Found(Fact::Release), "";
    [1, 3] "kern.osrevision" rd Int(199506), "";
    [1, 4] "kern.version" rd Found(Fact::KernelVersion), "";
    [1, 5] "kern.maxvnodes" rw Int(263168), "";
    [1, 6] "kern.maxproc" rw Int(4176), "";
    [1, 7] "kern.maxfiles" rw Int(122_880), "";
    [1, 8] "kern.argmax" rd Int(1_048_576), "";
    [1, 9] "kern.securelevel" rw Int(0), "";
    [1, 10] "kern.hostname" rw Found(Fact::Hostname), "";
    [1, 11] "kern.hostid" rw Int(0), "";
    [1, 12] "kern.clockrate" rd Found(Fact::ClockRate), "";
    [1, 14] "kern.proc" rd Node, "";
    [1, 14, 0] "kern.proc.all" rd Processes(CtlKernProc::KERN_PROC_ALL), "";
    [1, 14, 1] "kern.proc.pid" rd Processes(CtlKernProc::KERN_PROC_PID), "";
    [1, 14, 2] "kern.proc.pgrp" rd Processes(CtlKernProc::KERN_PROC_PGRP), "";
    [1, 14, 4] "kern.proc.tty" rd Processes(CtlKernProc::KERN_PROC_TTY), "";
    [1, 14, 5] "kern.proc.uid" rd Processes(CtlKernProc::KERN_PROC_UID), "";
    [1, 14, 6] "kern.proc.ruid" rd Processes(CtlKernProc::KERN_PROC_RUID), "";
    [1, 14, 7] "kern.proc.lcid" rd Processes(CtlKernProc::KERN_PROC_LCID), "";
    [1, 17] "kern.posix1version" rd Int(200_112), "";
    [1, 18] "kern.ngroups" rd Int(16), "";
    [1, 19] "kern.job_control" rd Int(1), "";
    [1, 20] "kern.saved_ids" rd Int(1), "";
    [1, 21] "kern.boottime" rd Found(Fact::BootTime), "";
    [1, 22] "kern.nisdomainname" rw Text(""), "";
    [1, 29] "kern.maxfilesperproc" rw Int(61_440), "";
    [1, 30] "kern.maxprocperuid" rw Int(2784), "";
    [1, 32] "kern.ipc" rd Node, "IPC";
    [1, 32, 1] "kern.ipc.maxsockbuf" rd Found(Fact::Network(Setting::LargestBuffer)), "";
    [1, 32, 3] "kern.ipc.somaxconn" rd Found(Fact::Network(Setting::Backlog)), "";
    [1, 35] "kern.usrstack" rd Found(Fact::UserStackCut), "";
    [1, 38] "kern.procargs" rd Arguments(false), "";
    [1, 40] "kern.netboot" rd Int(0), "";
    [1, 46] "kern.aiomax" rw Int(90), "";
    [1, 47] "kern.aioprocmax" rw Int(16), "";
    [1, 49] "kern.procargs2" rd Arguments(true), "";
    [1, 50] "kern.corefile" rw Text("/cores/core.%P"), "";
    [1, 51] "kern.coredump" rw Int(1), "";
    [1, 59] "kern.usrstack64" rd Found(Fact::UserStack), "";
    [1, 62] "kern.procname" rw Found(Fact::ProcessName), "";
    [1, 65] "kern.osversion" rw Found(Fact::Build), "";
    [1, 66] "kern.safeboot" rd Int(0), "";
    [1, 100] "kern.osproductversion" rw Found(Fact::Product), "";
    [1, 101] "kern.osproductversioncompat" rw Found(Fact::CompatibleProduct), "";
    [1, 102] "kern.osreleasetype" rw Text("User"), "";
    [1, 103] "kern.iossupportversion" rw Found(Fact::IosSupport), "";
    [1, 104] "kern.bootargs" rd Text(""), "";
    [1, 105] "kern.secure_kernel" rd Int(1), "";
    [1, 106] "kern.hv_vmm_present" rd Int(0), "";
    [1, 107] "kern.hv_support" rd Int(0), "";
    [1, 108] "kern.singleuser" rd Int(0), "";
    [1, 109] "kern.sugid_scripts" rw Int(0), "";
    [1, 110] "kern.num_tasks" rd Int(4096), "";
    [1, 111] "kern.num_taskthreads" rd Int(4096), "";
    [1, 112] "kern.num_threads" rd Int(20_480), "";
    [1, 113] "kern.memorystatus_level" rd Found(Fact::FreeMemory), "";
    [1, 114] "kern.stack_size" rd Int(16384), "";
    [1, 115] "kern.wq_max_threads" rw Int(512), "";
    [1, 116] "kern.wq_max_constrained_threads" rw Int(64), "";
    [1, 117] "kern.tcsm_available" rd Int(0), "";
    [1, 118] "kern.tcsm_enable" rw Int(0), "";
    [2] "vm" rd Node, "Virtual memory";
    [2, 2] "vm.loadavg" rd Found(Fact::LoadAverage), "";
    [2, 5] "vm.swapusage" rd Found(Fact::SwapUsage), "";
    [2, 100] "vm.pagesize" rd Found(Fact::PageSize32), "";
    [2, 101] "vm.shared_region_version" rd Int(3), "";
    [4] "net" rd Node, "Network, (see socket.h)";
    [4, 2] "net.inet" rd Node, "Internet Family";
    [4, 2, 0] "net.inet.ip" rd Node, "IP";
    [4, 2, 0, 1] "net.inet.ip.forwarding" rd Found(Fact::Network(Setting::Forwarding)), "";
    [4, 2, 0, 3] "net.inet.ip.ttl" rd Found(Fact::Network(Setting::TimeToLive)), "";
    [4, 2, 0, 100] "net.inet.ip.portrange" rd Node, "";
    [4, 2, 0, 100, 100] "net.inet.ip.portrange.first" rd Found(Fact::Network(Setting::FirstPort)), "";
    [4, 2, 0, 100, 101] "net.inet.ip.portrange.last" rd Found(Fact::Network(Setting::LastPort)), "";
    [4, 2, 0, 100, 102] "net.inet.ip.portrange.hifirst" rd Found(Fact::Network(Setting::FirstPort)), "";
    [4, 2, 0, 100, 103] "net.inet.ip.portrange.hilast" rd Found(Fact::Network(Setting::LastPort)), "";
    [4, 2, 6] "net.inet.tcp" rd Node, "TCP";
    [4, 2, 6, 3] "net.inet.tcp.mssdflt" rd Int(512), "";
    [4, 2, 6, 6] "net.inet.tcp.keepidle" rd Found(Fact::Network(Setting::KeepIdle)), "";
    [4, 2, 6, 7] "net.inet.tcp.keepintvl" rd Found(Fact::Network(Setting::KeepInterval)), "";
    [4, 2, 6, 8] "net.inet.tcp.sendspace" rd Found(Fact::Network(Setting::SendBuffer)), "";
    [4, 2, 6, 9] "net.inet.tcp.recvspace" rd Found(Fact::Network(Setting::ReceiveBuffer)), "";
    [4, 2, 17] "net.inet.udp" rd Node, "UDP";
    [4, 2, 17, 3] "net.inet.udp.maxdgram" rd Int(9216), "";
    [4, 2, 17, 4] "net.inet.udp.recvspace" rd Found(Fact::Network(Setting::DatagramBuffer)), "";
    [5] "debug" rd Node, "Debugging";
    [6] "hw" rd Node, "hardware";
    [6, 1] "hw.machine" rd Text(MACHINE), "";
    [6, 2] "hw.model" rd Text(MODEL), "";
    [6, 3] "hw.ncpu" rd Found(Fact::Processors), "";
    [6, 4] "hw.byteorder" rd Int(1234), "";
    [6, 5] "hw.physmem" rd Found(Fact::MemoryCut), "";
    [6, 6] "hw.usermem" rd Found(Fact::MemoryCut), "";
    [6, 7] "hw.pagesize_compat" rd Found(Fact::PageSize32), "";
    [6, 10] "hw.epoch" rd Int(0), "";
    [6, 13] "hw.vectorunit" rd Int(1), "";
    [6, 16] "hw.cachelinesize_compat" rd Int(64), "";
    [6, 17] "hw.l1icachesize_compat" rd Found(Fact::CacheCut(Cache::FirstInstructions)), "";
    [6, 18] "hw.l1dcachesize_compat" rd Found(Fact::CacheCut(Cache::FirstData)), "";
    [6, 20] "hw.l2cachesize_compat" rd Found(Fact::CacheCut(Cache::Second)), "";
    [6, 22] "hw.l3cachesize_compat" rd Found(Fact::CacheCut(Cache::Third)), "";
    [6, 23] "hw.tbfrequency_compat" rd Int(1_000_000_000), "";
    [6, 24] "hw.memsize" rd Found(Fact::Memory), "";
    [6, 25] "hw.activecpu" rd Found(Fact::Processors), "";
    [6, 100] "hw.physicalcpu" rd Found(Fact::Processors), "";
    [6, 101] "hw.physicalcpu_max" rd Found(Fact::Processors), "";
    [6, 102] "hw.logicalcpu" rd Found(Fact::Processors), "";
    [6, 103] "hw.logicalcpu_max" rd Found(Fact::Processors), "";
    [6, 104] "hw.cputype" rd Int(CPU_TYPE), "";
    [6, 105] "hw.cpusubtype" rd Int(CPU_SUBTYPE), "";
    [6, 106] "hw.cpu64bit_capable" rd Int(1), "";
    [6, 107] "hw.cpufamily" rd Int(CPU_FAMILY), "";
    [6, 108] "hw.cpusubfamily" rd Int(0), "";
    [6, 109] "hw.packages" rd Int(1), "";
    [6, 110] "hw.nperflevels" rd Int(1), "";
    [6, 111] "hw.pagesize" rd Found(Fact::PageSize), "";
    [6, 112] "hw.pagesize32" rd Found(Fact::PageSize), "";
    [6, 113] "hw.cachelinesize" rd Quad(64), "";
    [6, 114] "hw.tbfrequency" rd Quad(1_000_000_000), "";
    [6, 115] "hw.memsize_usable" rd Found(Fact::Memory), "";
    [6, 116] "hw.l1icachesize" rd Found(Fact::Cache(Cache::FirstInstructions)), "";
    [6, 117] "hw.l1dcachesize" rd Found(Fact::Cache(Cache::FirstData)), "";
    [6, 118] "hw.l2cachesize" rd Found(Fact::Cache(Cache::Second)), "";
    [6, 119] "hw.l3cachesize" rd Found(Fact::Cache(Cache::Third)), "";
    [6, 120] "hw.optional" rd Node, "optional features";
    [6, 120, 100] "hw.optional.floatingpoint" rd Int(1), "";
    [6, 120, 101] "hw.optional.x86_64" rd Int(IS_INTEL), "";
    [6, 120, 102] "hw.optional.mmx" rd Int(IS_INTEL), "";
    [6, 120, 103] "hw.optional.sse" rd Int(IS_INTEL), "";
    [6, 120, 104] "hw.optional.sse2" rd Int(IS_INTEL), "";
    [6, 120, 105] "hw.optional.arm64" rd Int(1 - IS_INTEL), "";
    [6, 121] "hw.perflevel0" rd Node, "perflevel0";
    [6, 121, 100] "hw.perflevel0.physicalcpu" rd Found(Fact::Processors), "";
    [6, 121, 101] "hw.perflevel0.physicalcpu_max" rd Found(Fact::Processors), "";
    [6, 121, 102] "hw.perflevel0.logicalcpu" rd Found(Fact::Processors), "";
    [6, 121, 103] "hw.perflevel0.logicalcpu_max" rd Found(Fact::Processors), "";
    [6, 121, 104] "hw.perflevel0.name" rd Text("Standard"), "";
    [7] "machdep" rd Node, "machine dependent";
    [7, 100] "machdep.cpu" rd Node, "CPU info";
    [7, 100, 100] "machdep.cpu.core_count" rd Found(Fact::Processors), "";
    [7, 100, 101] "machdep.cpu.thread_count" rd Found(Fact::Processors), "";
    [7, 100, 102] "machdep.cpu.vendor" rd Found(Fact::Vendor), "";
    [7, 100, 103] "machdep.cpu.brand_string" rd Found(Fact::Brand), "";
    [7, 100, 104] "machdep.cpu.family" rd Found(Fact::Family), "";
    [7, 100, 105] "machdep.cpu.model" rd Found(Fact::ModelNumber), "";
    [7, 100, 106] "machdep.cpu.stepping" rd Found(Fact::Stepping), "";
    [7, 100, 107] "machdep.cpu.max_basic" rd Found(Fact::MaxBasic), "";
    [8] "user" rd Node, "user-level";
    [8, 1] "user.cs_path" rd Text("/usr/bin:/bin:/usr/sbin:/sbin"), "";
    [8, 2] "user.bc_base_max" rd Int(99), "";
    [8, 3] "user.bc_dim_max" rd Int(2048), "";
    [8, 4] "user.bc_scale_max" rd Int(99), "";
    [8, 5] "user.bc_string_max" rd Int(1000), "";
    [8, 6] "user.coll_weights_max" rd Int(2), "";
    [8, 7] "user.expr_nest_max" rd Int(32), "";
    [8, 8] "user.line_max" rd Int(2048), "";
    [8, 9] "user.re_dup_max" rd Int(255), "";
    [8, 10] "user.posix2_version" rd Int(200_112), "";
    [8, 11] "user.posix2_c_bind" rd Int(1), "";
    [8, 12] "user.posix2_c_dev" rd Int(1), "";
    [8, 13] "user.posix2_char_term" rd Int(1), "";
    [8, 14] "user.posix2_fort_dev" rd Int(0), "";
    [8, 15] "user.posix2_fort_run" rd Int(0), "";
    [8, 16] "user.posix2_localedef" rd Int(1), "";
    [8, 17] "user.posix2_sw_dev" rd Int(1), "";
    [8, 18] "user.posix2_upe" rd Int(1), "";
    [8, 19] "user.stream_max" rd Int(20), "";
    [8, 20] "user.tzname_max" rd Int(255), "";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_in_order_and_below_what_they_are_named_after() {
        assert!(TREE.is_sorted_by(|a, b| a.numbers < b.numbers));
        for oid in TREE {
            let Some((parent, _)) = oid.name.rsplit_once('.') else { continue };
            let above = TREE.iter().find(|other| other.name == parent);
            let above = above.filter(|above| matches!(above.value, Value::Node));
            let numbers = oid.numbers.split_last().map(|(_, above)| above);
            assert!(above.is_some_and(|above| Some(above.numbers) == numbers), "{}", oid.name);
            assert!(oid.name.len() < super::super::NAME_BYTES - 1, "{}", oid.name);
        }
    }
}
