//! `/proc/PID/status`.

use super::text::{decimal, number};

/// Groups that are told of a process: as many as XNU keeps.
pub(super) const GROUPS: usize = 16;

/// What `status` tells, as far as `stat` does not. Sizes are in KiB.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[allow(missing_docs, reason = "as `man 5 proc_pid_status` has them")]
pub struct Status {
    pub tgid: i32,
    pub tracer: i32,
    /// Real, effective, saved and of the file system.
    pub uid: [u32; 4],
    pub gid: [u32; 4],
    pub groups: [u32; GROUPS],
    pub group_count: usize,
    pub fd_size: u32,
    pub locked: u64,
    pub peak: u64,
    pub anonymous: u64,
    pub swapped: u64,
    /// Sets of Linux's signals.
    pub ignored: u64,
    pub caught: u64,
    /// Of the one thread, of its own accord and not.
    pub switches: u64,
}

impl Status {
    /// Takes a line.
    pub(super) fn line(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (key, rest) = line.split_at(colon);
        let mut values = rest
            .get(1..)
            .unwrap_or_default()
            .split(u8::is_ascii_whitespace)
            .filter(|value| !value.is_empty());
        let mut value = || values.next().and_then(decimal).unwrap_or(0);
        match key {
            b"Tgid" => self.tgid = value() as i32,
            b"TracerPid" => self.tracer = value() as i32,
            b"Uid" => self.uid = core::array::from_fn(|_| value() as u32),
            b"Gid" => self.gid = core::array::from_fn(|_| value() as u32),
            b"FDSize" => self.fd_size = value() as u32,
            b"VmLck" => self.locked = value(),
            b"VmHWM" => self.peak = value(),
            b"RssAnon" => self.anonymous = value(),
            b"VmSwap" => self.swapped = value(),
            b"voluntary_ctxt_switches" | b"nonvoluntary_ctxt_switches" => {
                self.switches = self.switches.saturating_add(value());
            }
            b"Groups" => {
                self.group_count = 0;
                for (place, group) in self.groups.iter_mut().zip(values) {
                    *place = decimal(group).unwrap_or(0) as u32;
                    self.group_count = self.group_count.wrapping_add(1);
                }
            }
            b"SigIgn" => self.ignored = values.next().and_then(|set| number(set, 16)).unwrap_or(0),
            b"SigCgt" => self.caught = values.next().and_then(|set| number(set, 16)).unwrap_or(0),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Name:\tTgid:\\n7\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t42\nTracerPid:\t7\n\
        Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nFDSize:\t256\nGroups:\t4 24 27 \nVmLck:\t      16 kB\nVmHWM:\t    1000 kB\n\
        RssAnon:\t     500 kB\nVmSwap:\t      20 kB\nSigIgn:\t0000000000001000\nSigCgt:\tffffffffffffffff\n\
        voluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t4\n";

    #[test]
    fn values_are_behind_their_names() {
        let mut status = Status::default();
        TEXT.split('\n').for_each(|line| status.line(line.as_bytes()));
        assert_eq!((status.tgid, status.tracer, status.fd_size), (42, 7, 256));
        assert_eq!((status.uid, status.gid), ([1, 2, 3, 4], [5, 6, 7, 8]));
        assert_eq!((&status.groups[..4], status.group_count), (&[4, 24, 27, 0][..], 3));
        assert_eq!((status.locked, status.peak, status.anonymous, status.swapped), (16, 1000, 500, 20));
        assert_eq!((status.ignored, status.caught, status.switches), (0x1000, u64::MAX, 7));
    }

    #[test]
    fn rubbish_is_nothing() {
        let mut status = Status::default();
        for line in
            ["", ":", "Tgid", "Tgid:", "Tgid:\tx", "Uid:\t-1", "SigIgn:\tg", "VmHWM:\t99999999999999999999"]
        {
            status.line(line.as_bytes());
        }
        assert_eq!(status, Status::default());
        status.line(b"Groups:\t1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 1");
        assert_eq!((status.group_count, status.groups[15]), (16, 16));
    }
}
