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

    /// Flags of a process's signature, as far as an unsigned one can get any.
    constants CS_FLAGS: u32 = "cs-flags" {
        CS_HARD = 0x100,
        CS_KILL = 0x200,
        CS_RESTRICT = 0x800,
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
