//! `/proc/PID/maps`, and `smaps`, which tells more of each mapping.

use super::text::{decimal, number};

/// A mapping.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Mapping {
    /// Its first address.
    pub start: u64,
    /// The first address behind it.
    pub end: u64,
    /// `PROT_…`.
    pub protection: u32,
    /// Whether what is written is seen by others.
    pub is_shared: bool,
    /// Where in the file it begins.
    pub offset: u64,
    /// The device of the file.
    pub device: (u32, u32),
    /// The file; 0 for none.
    pub inode: u64,
}

/// How much of a mapping there is, in KiB.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[allow(missing_docs, reason = "as `man 5 proc_pid_smaps` has them")]
pub struct Extent {
    pub resident: u64,
    pub shared: u64,
    pub private: u64,
    pub dirty: u64,
    pub swapped: u64,
    pub locked: u64,
}

impl Mapping {
    /// Reads a line: the mapping and the name at its end; `None` for a line about something else. In the name, line ends
    /// are octal.
    pub fn parse(line: &[u8]) -> Option<(Mapping, &[u8])> {
        let mut rest = line;
        let mut field = || {
            let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
            let (field, after) = rest.split_at_checked(end)?;
            rest = after.get(1..).unwrap_or_default();
            Some(field)
        };
        let (start, end) = pair(field()?, b'-')?;
        let rights = field()?;
        let offset = number(field()?, 16)?;
        let (major, minor) = pair(field()?, b':')?;
        let inode = decimal(field()?)?;
        let [r, w, x, shared, ..] = *rights else { return None };
        let bit = |given: bool, bit: u32| if given { bit } else { 0 };
        let protection = bit(r == b'r', 1) | bit(w == b'w', 2) | bit(x == b'x', 4);
        let mapping = Mapping {
            start,
            end,
            protection,
            is_shared: shared == b's',
            offset,
            device: (major as u32, minor as u32),
            inode,
        };
        Some((mapping, rest.trim_ascii_start()))
    }
}

impl Extent {
    /// Takes a line of those behind a mapping's.
    pub fn line(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (key, rest) = line.split_at(colon);
        let mut words = rest.get(1..).unwrap_or_default().split(u8::is_ascii_whitespace);
        let size = words.find(|word| !word.is_empty()).and_then(decimal).unwrap_or(0);
        let add = |to: &mut u64| *to = to.saturating_add(size);
        match key {
            b"Rss" => add(&mut self.resident),
            b"Shared_Clean" => add(&mut self.shared),
            b"Shared_Dirty" => {
                add(&mut self.shared);
                add(&mut self.dirty);
            }
            b"Private_Clean" => add(&mut self.private),
            b"Private_Dirty" => {
                add(&mut self.private);
                add(&mut self.dirty);
            }
            b"Swap" => add(&mut self.swapped),
            b"Locked" => add(&mut self.locked),
            _ => {}
        }
    }
}

/// Two hexadecimal numbers with something between.
fn pair(text: &[u8], between: u8) -> Option<(u64, u64)> {
    let at = text.iter().position(|byte| *byte == between)?;
    Some((number(text.get(..at)?, 16)?, number(text.get(at.wrapping_add(1)..)?, 16)?))
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test that panics fails")]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_mapping_and_a_name() {
        let line = b"7f0000001000-7f0000003000 r-xp 00001000 fe:01 1234                       /usr/lib/a b (deleted)";
        let (mapping, name) = Mapping::parse(line).expect("a mapping");
        assert_eq!((mapping.start, mapping.end), (0x7f00_0000_1000, 0x7f00_0000_3000));
        assert_eq!((mapping.protection, mapping.is_shared, mapping.offset), (5, false, 0x1000));
        assert_eq!((mapping.device, mapping.inode), ((0xfe, 1), 1234));
        assert_eq!(name, b"/usr/lib/a b (deleted)");
        let (mapping, name) = Mapping::parse(b"00400000-00401000 rw-s 00000000 00:00 0 ").expect("a mapping");
        assert_eq!((mapping.protection, mapping.is_shared, mapping.inode, name), (3, true, 0, &b""[..]));
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            &b""[..],
            b"Rss:                 100 kB",
            b"VmFlags: rd ex mr mw me",
            b"00400000-00401000 rw-s 00000000 00:00",
            b"00400000-00401000 rw 00000000 00:00 0",
            b"00400000 rw-p 00000000 00:00 0",
            b"g-h rw-p 0 0:0 0",
        ] {
            assert_eq!(Mapping::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn extents_add_up() {
        let mut extent = Extent::default();
        for line in [
            "Rss:   12 kB",
            "Shared_Dirty: 1 kB",
            "Shared_Clean: 2 kB",
            "Private_Dirty:\t4 kB",
            "Swap: 8 kB",
            "x",
        ] {
            extent.line(line.as_bytes());
        }
        assert_eq!(extent, Extent { resident: 12, shared: 3, private: 4, dirty: 5, swapped: 8, locked: 0 });
    }
}
