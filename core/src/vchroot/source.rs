//! The components of a path, with the targets of links put in where they are met.

use super::scratch::{LINKS_MAX, PATH_PAGE, Scratch};
use crate::kernel::Kernel;
use crate::linux::{LinuxFd, LinuxResult};
use xnu_abi::linux::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The longest name of a file.
pub(crate) const NAME_MAX: usize = 255;

/// A name with its terminator. One that is too long is cut where Linux still finds it too long.
#[derive(Clone)]
pub(crate) struct Name {
    bytes: [u8; NAME_MAX + 2],
    length: u16,
}

impl Name {
    pub(crate) const fn new() -> Name {
        Name { bytes: [0; NAME_MAX + 2], length: 0 }
    }

    /// Without its terminator.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    pub(crate) fn with_nul(&self) -> &[u8] {
        self.bytes.get(..=usize::from(self.length)).unwrap_or(b"\0")
    }

    pub(crate) fn set(&mut self, name: &[u8]) {
        self.length = 0;
        self.push(name);
        self.terminate();
    }

    fn push(&mut self, piece: &[u8]) {
        let from = usize::from(self.length);
        let room = self.bytes.get_mut(from..NAME_MAX.wrapping_add(1)).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(piece) {
            *to = *from;
            self.length = self.length.wrapping_add(1);
        }
    }

    fn terminate(&mut self) {
        if let Some(end) = self.bytes.get_mut(usize::from(self.length)) {
            *end = 0;
        }
    }
}

/// What is left of a link's target: a page of the scratch memory.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Target {
    page: u16,
    from: u16,
    length: u16,
}

impl Target {
    const NONE: Target = Target { page: 0, from: 0, length: 0 };
}

/// What is said of a component besides its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Component {
    /// Nothing but slashes follows.
    pub(crate) is_last: bool,
    /// Slashes follow.
    pub(crate) has_slash: bool,
}

/// A path under way: the path as it was given, and above it the targets that were put in. Every one of them but the
/// topmost has components left, so the topmost alone says what the last component is. The others stand in the scratch memory.
pub(crate) struct Source<'a, 'p, K: Kernel> {
    kernel: &'a K,
    path: &'p [u8],
    from: usize,
    scratch: Option<Scratch<'a, K>>,
    top: Target,
    depth: usize,
}

impl<'a, 'p, K: Kernel> Source<'a, 'p, K> {
    /// The components of `path`, which has no terminator.
    pub(crate) fn new(kernel: &'a K, path: &'p [u8]) -> Source<'a, 'p, K> {
        Source { kernel, path, from: 0, scratch: None, top: Target::NONE, depth: 0 }
    }

    /// The next component, in `name`; `None` where there is none any more.
    pub(crate) fn next(&mut self, name: &mut Name) -> LinuxResult<Option<Component>> {
        loop {
            name.length = 0;
            if self.depth == 0 {
                return Ok(self.next_of_path(name));
            }
            let component = self.next_of_target(name)?;
            if let Some(Component { is_last: false, .. }) = component {
                return Ok(component);
            }
            self.pop()?;
            // What the target ends with is not the end of the path if something is left below it.
            let more = self.depth > 0 || self.from < self.path.len();
            match component {
                Some(last) => return Ok(Some(Component { is_last: !more, ..last })),
                // A target of nothing but slashes.
                None if !more => return Ok(None),
                None => {}
            }
        }
    }

    /// Where the target below the topmost stands.
    fn saved_at(&self) -> usize {
        self.depth.wrapping_mul(size_of::<Target>())
    }

    fn pop(&mut self) -> LinuxResult<()> {
        self.depth = self.depth.wrapping_sub(1);
        if let Some(scratch) = &self.scratch
            && self.depth > 0
        {
            scratch.read(PATH_PAGE, self.saved_at(), self.top.as_mut_bytes())?;
        }
        Ok(())
    }

    fn push(&mut self, target: Target) -> LinuxResult<()> {
        if let Some(scratch) = &self.scratch
            && self.depth > 0
        {
            scratch.write(PATH_PAGE, self.saved_at(), self.top.as_bytes())?;
        }
        self.top = target;
        self.depth = self.depth.wrapping_add(1);
        Ok(())
    }

    fn next_of_path(&mut self, name: &mut Name) -> Option<Component> {
        let rest = self.path.get(self.from..).unwrap_or_default();
        let start = rest.iter().position(|byte| *byte != b'/')?;
        let rest = rest.get(start..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        let (component, after) = rest.split_at_checked(length)?;
        name.push(component);
        name.terminate();
        let slashes = after.iter().position(|byte| *byte != b'/').unwrap_or(after.len());
        let left = after.len().wrapping_sub(slashes);
        self.from = self.path.len().wrapping_sub(left);
        Some(Component { is_last: left == 0, has_slash: slashes > 0 })
    }

    fn next_of_target(&mut self, name: &mut Name) -> LinuxResult<Option<Component>> {
        let target = &mut self.top;
        let Some(scratch) = &self.scratch else { return Ok(None) };
        let mut component = Component { is_last: true, has_slash: false };
        let mut chunk = [0; CHUNK];
        while target.from < target.length {
            let left = usize::from(target.length.wrapping_sub(target.from));
            let chunk = chunk.get_mut(..left.min(CHUNK)).unwrap_or_default();
            scratch.read(target.page.into(), target.from.into(), chunk)?;
            for byte in chunk.iter() {
                match (byte, name.length, component.has_slash) {
                    (b'/', 0, _) => {}
                    (b'/', ..) => component.has_slash = true,
                    (_, _, true) => {
                        component.is_last = false;
                        name.terminate();
                        return Ok(Some(component));
                    }
                    (byte, _, false) => name.push(core::slice::from_ref(byte)),
                }
                target.from = target.from.wrapping_add(1);
            }
        }
        name.terminate();
        Ok((name.length > 0).then_some(component))
    }

    /// Puts the target of a link in front of what is left. Answers whether it is absolute, and whether it leads to or
    /// below `/proc`.
    ///
    /// `links` links were followed before this one: fewer than [`LINKS_MAX`].
    ///
    /// # Errors
    /// Linux's; `ENOENT` for an empty target.
    pub(crate) fn push_link(
        &mut self,
        links: usize,
        directory: LinuxFd,
        name: &Name,
    ) -> LinuxResult<(bool, bool)> {
        if links >= LINKS_MAX {
            return Err(Errno::ELOOP);
        }
        let scratch = match &mut self.scratch {
            Some(scratch) => scratch,
            none => none.insert(Scratch::new(self.kernel)?),
        };
        // A page for each link, so no target is written over one that is still needed.
        let length = scratch.read_link(links, directory, name.with_nul())?;
        if length == 0 {
            return Err(Errno::ENOENT);
        }
        let mut start = [0; PROC.len() + 1];
        let start = start.get_mut(..length.min(PROC.len().wrapping_add(1))).unwrap_or_default();
        scratch.read(links, 0, start)?;
        self.push(Target { page: links as u16, from: 0, length: length as u16 })?;
        let to_proc =
            start.strip_prefix(PROC).is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'));
        Ok((start.first() == Some(&b'/'), to_proc))
    }
}

const PROC: &[u8] = b"/proc";

/// Bytes of a target that are looked at in one go.
const CHUNK: usize = 64;
