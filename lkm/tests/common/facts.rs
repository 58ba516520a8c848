//! What the hosts of the tests tell of their machine and of how it is used.

use xnu_lkm::{Machine, TaskUsage, Times};

pub(crate) const MACHINE: Machine = Machine {
    logical_cpus: 8,
    physical_cpus: 4,
    memory: 5 << 30,
    cpu_type: 7,
    cpu_subtype: 8,
    cpu_thread_type: 1,
    kernel_version: "A kernel of tests",
};

pub(crate) const TASK_USAGE: TaskUsage = TaskUsage {
    size: 6 << 32,
    resident: 7 << 20,
    resident_max: 8 << 20,
    times: Times { user_ns: 3_000_004_000, system_ns: 5_000_006_000 },
    live_times: Times { user_ns: 7_000_008_000, system_ns: 0 },
};

pub(crate) const THREAD_TIMES: Times = Times { user_ns: 1_000_002_000, system_ns: 2_000_003_000 };
