//! `/proc/PID/stat`.

use super::text::{decimal, signed};

/// Bytes of a name with its NUL (`TASK_COMM_LEN`).
pub(super) const COMM_BYTES: usize = 16;

/// What `stat` tells. Times are in hundredths of a second.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[allow(missing_docs, reason = "as `man 5 proc_pid_stat` has them")]
pub struct Stat {
    pub pid: i32,
    /// The name, with NULs behind it.
    pub comm: [u8; COMM_BYTES],
    pub state: u8,
    pub ppid: i32,
    pub pgrp: i32,
    pub session: i32,
    /// The controlling terminal, 0 for none.
    pub tty: u32,
    pub tpgid: i32,
    pub flags: u32,
    pub minflt: u64,
    pub majflt: u64,
    pub cmajflt: u64,
    pub utime: u64,
    pub stime: u64,
    pub cutime: u64,
    pub cstime: u64,
    pub nice: i32,
    pub threads: u32,
    /// When it started, since the machine did.
    pub start: u64,
    /// Bytes.
    pub vsize: u64,
    /// Pages.
    pub rss: u64,
    /// How it ended, as `wait` tells it; 0 where that is not told.
    pub exit_code: i32,
}

impl Stat {
    /// Reads the line. The name may hold anything, parentheses and line ends among it; nothing behind it does.
    pub fn parse(text: &[u8]) -> Option<Stat> {
        let open = text.iter().position(|byte| *byte == b'(')?;
        let close = text.iter().rposition(|byte| *byte == b')')?;
        let pid = signed(text.get(..open)?.trim_ascii())? as i32;
        let name = text.get(open.wrapping_add(1)..close)?;
        let mut comm = [0; COMM_BYTES];
        for (to, from) in comm.iter_mut().zip(name.iter().take(COMM_BYTES.wrapping_sub(1))) {
            *to = *from;
        }
        let rest = text.get(close.wrapping_add(1)..)?.trim_ascii();
        let mut fields = rest.split(|byte| *byte == b' ');
        let state = *fields.next()?.first()?;
        let mut number = || signed_or_large(fields.next()?);
        let (ppid, pgrp, session) = (number()? as i32, number()? as i32, number()? as i32);
        let (tty, tpgid, flags) = (number()? as u32, number()? as i32, number()? as u32);
        let (minflt, _cminflt, majflt, cmajflt) = (number()?, number()?, number()?, number()?);
        let (utime, stime, cutime, cstime) = (number()?, number()?, number()?, number()?);
        let (_priority, nice, threads) = (number()?, number()? as i32, number()? as u32);
        let (_itrealvalue, start, vsize, rss) = (number()?, number()?, number()?, number()?);
        const BETWEEN: usize = 27;
        let exit_code = fields.nth(BETWEEN).and_then(signed).unwrap_or(0) as i32;
        Some(Stat {
            pid,
            comm,
            state,
            ppid,
            pgrp,
            session,
            tty,
            tpgid,
            flags,
            minflt,
            majflt,
            cmajflt,
            utime,
            stime,
            cutime,
            cstime,
            nice,
            threads,
            start,
            vsize,
            rss,
            exit_code,
        })
    }

    /// Whether it ended, and nobody asked how yet.
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }

    /// The name without the NULs.
    pub fn name(&self) -> &[u8] {
        self.comm.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

/// Some fields are signed, others of 64 bits.
fn signed_or_large(text: &[u8]) -> Option<u64> {
    signed(text).map(|number| number as u64).or_else(|| decimal(text))
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics fails")]
mod tests {
    use super::*;

    fn line(name: &str) -> Vec<u8> {
        let tail = "S 1 42 43 34816 42 4194304 10 11 12 13 100 200 300 400 20 -5 3 0 5000 1048576 25 \
            18446744073709551615 1 1 1 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 1 1 1 1 1 1 1 256\n";
        format!("42 ({name}) {tail}").into_bytes()
    }

    extern crate std;
    use std::format;
    use std::vec::Vec;

    #[test]
    fn fields_are_where_the_manual_has_them() {
        let stat = Stat::parse(&line("sh")).expect("a line");
        assert_eq!((stat.pid, stat.name(), stat.state, stat.ppid), (42, &b"sh"[..], b'S', 1));
        assert_eq!((stat.pgrp, stat.session, stat.tty, stat.tpgid), (42, 43, 34816, 42));
        assert_eq!((stat.minflt, stat.majflt, stat.cmajflt), (10, 12, 13));
        assert_eq!((stat.utime, stat.stime, stat.cutime, stat.cstime), (100, 200, 300, 400));
        assert_eq!((stat.nice, stat.threads, stat.start, stat.vsize, stat.rss), (-5, 3, 5000, 1 << 20, 25));
        assert_eq!(stat.exit_code, 256);
        assert!(!stat.is_zombie());
    }

    #[test]
    fn names_may_hold_anything() {
        for name in ["a) R 1 2 3", "((", "))", "a b\nc", "", ") Z 0"] {
            let stat = Stat::parse(&line(name)).expect("a line");
            assert_eq!((stat.name(), stat.ppid, stat.start), (name.as_bytes(), 1, 5000), "{name}");
        }
        // A thread of the kernel's may have a longer one.
        assert_eq!(Stat::parse(&line(&"k".repeat(60))).expect("a line").name(), [b'k'; 15]);
    }

    #[test]
    fn what_is_cut_off_is_none_before_the_last_field_that_is_needed() {
        let whole = line("sh");
        for length in 0..whole.len() {
            match Stat::parse(&whole[..length]) {
                None => assert!(length < 95),
                Some(stat) => assert_eq!(stat.ppid, 1),
            }
        }
        for text in [&b""[..], b"()", b"1 () ", b"x (a) S 1", b"1 )a( S 1 1 1", b"\xff\xff"] {
            assert_eq!(Stat::parse(text), None);
        }
    }
}
