//! Code signing, audit and labels (`bsd/sys/codesign.h`, `bsd/sys/csr.h`, `bsd/bsm/audit.h`, `security/mac.h`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// Operations of `csops`.
    numbers CsOps: u32 = "csops" {
        CS_OPS_STATUS = 0,
        CS_OPS_MARKINVALID = 1,
        CS_OPS_MARKHARD = 2,
        CS_OPS_MARKKILL = 3,
        CS_OPS_CDHASH = 5,
        CS_OPS_PIDOFFSET = 6,
        CS_OPS_ENTITLEMENTS_BLOB = 7,
        CS_OPS_MARKRESTRICT = 8,
        CS_OPS_SET_STATUS = 9,
        CS_OPS_BLOB = 0xa,
        CS_OPS_IDENTITY = 0xb,
        CS_OPS_CLEARINSTALLER = 0xc,
        CS_OPS_CLEARPLATFORM = 0xd,
        CS_OPS_TEAMID = 0xe,
        CS_OPS_CLEAR_LV = 0xf,
        CS_OPS_DER_ENTITLEMENTS_BLOB = 0x10,
        CS_OPS_VALIDATION_CATEGORY = 0x11,
    }

    /// Flags of a process's signature, and kinds of pages and policies of it.
    constants CS_FLAGS: u32 = "cs-flags" {
        CS_VALID = 0x1,
        CS_ADHOC = 0x2,
        CS_GET_TASK_ALLOW = 0x4,
        CS_INSTALLER = 0x8,
        CS_FORCED_LV = 0x10,
        CS_INVALID_ALLOWED = 0x20,
        CS_HARD = 0x100,
        CS_KILL = 0x200,
        CS_CHECK_EXPIRATION = 0x400,
        CS_RESTRICT = 0x800,
        CS_ENFORCEMENT = 0x1000,
        CS_ENTITLEMENTS_VALIDATED = 0x4000,
        CS_NVRAM_UNRESTRICTED = 0x8000,
        CS_RUNTIME = 0x10000,
        CS_LINKER_SIGNED = 0x20000,
        CS_ALLOWED_MACHO = 0x33f02,
        CS_EXEC_SET_HARD = 0x100000,
        CS_EXEC_SET_KILL = 0x200000,
        CS_EXEC_SET_ENFORCEMENT = 0x400000,
        CS_EXEC_INHERIT_SIP = 0x800000,
        CS_KILLED = 0x1000000,
        CS_NO_UNTRUSTED_HELPERS = 0x2000000,
        CS_DYLD_PLATFORM = 0x2000000,
        CS_PLATFORM_BINARY = 0x4000000,
        CS_PLATFORM_PATH = 0x8000000,
        CS_DEBUGGED = 0x10000000,
        CS_SIGNED = 0x20000000,
        CS_DEV_CODE = 0x40000000,
        CS_DATAVAULT_CONTROLLER = 0x80000000,
        CS_ENTITLEMENT_FLAGS = 0x8000800c,
        CS_EXECSEG_MAIN_BINARY = 0x1,
        CS_EXECSEG_ALLOW_UNSIGNED = 0x10,
        CS_EXECSEG_DEBUGGER = 0x20,
        CS_EXECSEG_JIT = 0x40,
        CS_EXECSEG_SKIP_LV = 0x80,
        CS_EXECSEG_CAN_LOAD_CDHASH = 0x100,
        CS_EXECSEG_CAN_EXEC_CDHASH = 0x200,
        CS_SUPPL_SIGNER_TYPE_UNKNOWN = 0x0,
        CS_SUPPL_SIGNER_TYPE_TRUSTCACHE = 0x7,
        CS_SUPPL_SIGNER_TYPE_LOCAL = 0x8,
        CS_LAUNCH_TYPE_NONE = 0x0,
        CS_LAUNCH_TYPE_SYSTEM_SERVICE = 0x1,
        CS_LAUNCH_TYPE_SYSDIAGNOSE = 0x2,
        CS_LAUNCH_TYPE_APPLICATION = 0x3,
    }
}

layouts! {
    /// Where a terminal is.
    #[repr(C)]
    struct AuTidAddr = "au_tid_addr", 24 bytes, align 4 {
        0 at_port: i32,
        4 at_type: u32,
        8 at_addr: [u32; 4],
    }

    /// What `getaudit_addr` writes. The mask is what is recorded of successes and of failures.
    #[repr(C)]
    struct AuditinfoAddr = "auditinfo_addr", 48 bytes, align 8 {
         0 ai_auid: u32,
         4 ai_mask: [u32; 2],
        12 ai_termid: AuTidAddr,
        36 ai_asid: i32,
        40 ai_flags: u64,
    }

    /// Who sent a message or owns a task.
    #[repr(C)]
    struct AuditToken = "audit_token_t", 32 bytes, align 4 {
        0 val: [u32; 8],
    }

    /// What the `__mac_` calls take: room for a label as text.
    #[repr(C)]
    struct Mac = "mac", 16 bytes, align 8 {
        0 m_buflen: u64,
        8 m_string: u64,
    }
}
