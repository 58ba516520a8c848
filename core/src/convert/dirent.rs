//! Directory entries: from `struct linux_dirent64` (`man 2 getdents64`) to the two layouts of XNU.

use xnu_abi::darwin::dirent::{Dirent64Header, DirentHeader};

/// Most bytes that an entry takes in any of the layouts: a name of 255 bytes.
pub const ENTRY_MAX: usize = 280;

/// An entry as Linux tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// The number of the inode.
    pub inode: u64,
    /// Where the next entry is, for `lseek`.
    pub next: i64,
    /// `DT_…`, which has the same values on both systems.
    pub kind: u8,
    /// Its name, without a NUL.
    pub name: &'a [u8],
    /// Bytes that it takes in Linux's layout.
    pub length: usize,
}

impl<'a> Entry<'a> {
    /// The first entry of Linux's; `None` where there is no whole one.
    #[inline]
    pub fn first(entries: &'a [u8]) -> Option<Entry<'a>> {
        /// Inode number, offset, length and type stand before the name.
        const NAME: usize = 19;
        let inode = u64::from_ne_bytes(*entries.first_chunk()?);
        let next = i64::from_ne_bytes(*entries.get(8..)?.first_chunk()?);
        let length = usize::from(u16::from_ne_bytes(*entries.get(16..)?.first_chunk()?));
        let kind = *entries.get(18)?;
        let name = entries.get(NAME..length)?;
        let end = name.iter().position(|byte| *byte == 0)?;
        Some(Entry { inode, next, kind, name: name.get(..end)?, length })
    }
}

/// How entries are laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// `struct dirent` with inode numbers of 32 bits: a multiple of 4 bytes.
    Short,
    /// `struct dirent` with inode numbers of 64 bits: a multiple of 8 bytes.
    Long,
}

impl Form {
    /// Bytes that an entry takes, with the NUL of its name and what fills it up.
    #[inline]
    pub fn length(self, entry: &Entry<'_>) -> usize {
        let (header, unit) = match self {
            Form::Short => (size_of::<DirentHeader>(), 4usize),
            Form::Long => (size_of::<Dirent64Header>(), 8),
        };
        let used = header.wrapping_add(entry.name.len()).wrapping_add(1);
        used.wrapping_add(unit).wrapping_sub(1) & unit.wrapping_neg()
    }

    /// Writes an entry; `None` where there is no room for it. An inode number that does not fit is cut.
    #[inline]
    pub fn put(self, entry: &Entry<'_>, out: &mut [u8]) -> Option<usize> {
        let length = self.length(entry);
        let out = out.get_mut(..length)?;
        let rest = match self {
            Form::Short => {
                let (ino, rest) = out.split_first_chunk_mut()?;
                *ino = (entry.inode as u32).to_ne_bytes();
                let (reclen, rest) = rest.split_first_chunk_mut()?;
                *reclen = (length as u16).to_ne_bytes();
                let ([kind, namlen], rest) = rest.split_first_chunk_mut()?;
                (*kind, *namlen) = (entry.kind, entry.name.len() as u8);
                rest
            }
            Form::Long => {
                let (ino, rest) = out.split_first_chunk_mut()?;
                *ino = entry.inode.to_ne_bytes();
                let (seekoff, rest) = rest.split_first_chunk_mut()?;
                *seekoff = entry.next.to_ne_bytes();
                let (reclen, rest) = rest.split_first_chunk_mut()?;
                *reclen = (length as u16).to_ne_bytes();
                let (namlen, rest) = rest.split_first_chunk_mut()?;
                *namlen = (entry.name.len() as u16).to_ne_bytes();
                let (kind, rest) = rest.split_first_mut()?;
                *kind = entry.kind;
                rest
            }
        };
        let (name, fill) = rest.split_at_mut_checked(entry.name.len())?;
        name.copy_from_slice(entry.name);
        fill.fill(0);
        Some(length)
    }
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic"
)]
mod tests {
    use super::*;

    /// Linux's layout of an entry: its bytes and how many there are.
    fn linux(inode: u64, next: i64, kind: u8, name: &[u8]) -> ([u8; ENTRY_MAX], usize) {
        let length = (19 + name.len() + 1).next_multiple_of(8);
        let mut bytes = [0; ENTRY_MAX];
        bytes[..8].copy_from_slice(&inode.to_ne_bytes());
        bytes[8..16].copy_from_slice(&next.to_ne_bytes());
        bytes[16..18].copy_from_slice(&(length as u16).to_ne_bytes());
        bytes[18] = kind;
        bytes[19..19 + name.len()].copy_from_slice(name);
        (bytes, length)
    }

    #[test]
    fn entries_of_every_length_have_their_layout() {
        let letters = [b'n'; 255];
        for length in 1..=letters.len() {
            let name = &letters[..length];
            let (bytes, used) = linux(0x1_0000_0007, 99, 8, name);
            let entry = Entry::first(&bytes[..used]).unwrap();
            assert_eq!((entry.length, entry.name), (used, name));
            let mut out = [0xff; ENTRY_MAX];
            let long = Form::Long.put(&entry, &mut out).unwrap();
            assert_eq!((long, long % 8), ((21 + length + 1).next_multiple_of(8), 0));
            assert_eq!(out[..8], 0x1_0000_0007u64.to_ne_bytes());
            assert_eq!((out[8], &out[16..18]), (99, &(long as u16).to_ne_bytes()[..]));
            assert_eq!((out[18], out[20], &out[21..21 + length]), (length as u8, 8, name));
            assert!(out[21 + length..long].iter().all(|byte| *byte == 0));
            assert_eq!(Form::Long.put(&entry, &mut out[..long - 1]), None);
            let short = Form::Short.put(&entry, &mut out).unwrap();
            assert_eq!(short, (8 + length + 1).next_multiple_of(4));
            assert_eq!((&out[..4], out[6], out[7]), (&7u32.to_ne_bytes()[..], 8, length as u8));
            assert_eq!(&out[8..8 + length], name);
            // What the in-place conversion counts on.
            assert!(short <= used && long * 3 <= used * 4);
        }
    }

    #[test]
    fn what_is_no_whole_entry_is_none() {
        let (mut bytes, used) = linux(7, 1, 4, b"name");
        for length in 0..used {
            assert_eq!(Entry::first(&bytes[..length]), None);
        }
        bytes[19..].fill(b'x');
        assert_eq!(Entry::first(&bytes), None);
        bytes[16..18].fill(0);
        assert_eq!(Entry::first(&bytes), None);
    }
}
