//! Arguments and environment of a program that is executed: Linux reads the guest's own strings, by pointers in memory
//! of their own.

use super::Request;
use super::image::Line;
use crate::bsd::scratch::{Scratch, copy};
use crate::kernel::Kernel;
use crate::linux::LinuxFd;
use crate::loader::EXEC_KEY;
use crate::table::SysResult;
use crate::user::{UserAddr, UserPtr};
use xnu_abi::darwin::Errno;
use xnu_abi::darwin::exec::{ARG_MAX, PATH_MAX};

const POINTER: usize = 8;
const PAGE: u64 = 4096;
const PIECE: usize = 256;

/// What the loader is told.
pub(super) struct HandOver {
    pub(super) file: LinuxFd,
    pub(super) root: Option<LinuxFd>,
    pub(super) path: UserAddr,
    pub(super) options: UserAddr,
    pub(super) mask: u32,
    pub(super) ignored: u32,
}

/// Numbers in the loader's variable, eight digits and a comma each.
const NUMBERS: usize = 5;

/// Bytes of the loader's variable, at most.
const TEXT: usize = EXEC_KEY.len() + NUMBERS * 9 + PATH_MAX;

/// Both vectors, ended by null pointers.
pub(super) struct Vectors<'a, K: Kernel> {
    memory: Scratch<'a, K>,
    arguments: usize,
    environment: usize,
}

impl<'a, K: Kernel> Vectors<'a, K> {
    /// Where the arguments are.
    pub(super) fn arguments(&self) -> UserAddr {
        self.memory.at(self.arguments).unwrap_or(UserAddr::NULL)
    }

    /// Where the environment is.
    pub(super) fn environment(&self) -> UserAddr {
        self.memory.at(self.environment).unwrap_or(UserAddr::NULL)
    }

    /// Looks through all strings (`exec_extract_strings`) and builds the vectors. What another thread changes meanwhile,
    /// Linux will look at again.
    ///
    /// # Errors
    /// `E2BIG` above `ARG_MAX` bytes, pointers and terminators among them; `EFAULT`.
    #[inline(never)]
    pub(super) fn build(
        kernel: &'a K,
        request: &Request,
        line: Option<&Line<'_, K>>,
        hand_over: Option<&HandOver>,
    ) -> SysResult<Vectors<'a, K>> {
        let mut room = Room(ARG_MAX);
        let mut words = 0usize;
        let mut argv = request.argv;
        if let Some(line) = line {
            for word in line.words() {
                room.entry(kernel, word?)?;
                words = words.wrapping_add(1);
            }
            // The path of the script takes the place of the first argument.
            if !argv.is_null() && !UserPtr::<u64>::new(argv).read(kernel)?.eq(&0) {
                argv = argv.checked_add(POINTER as u64)?;
            }
            room.entry(kernel, request.path.0)?;
            words = words.wrapping_add(1);
        }
        let given = room.vector(kernel, argv)?;
        let variables = room.vector(kernel, request.envp)?;
        room.pad()?;

        let own = if hand_over.is_some() { 2usize } else { 0 };
        // Few enough to be counted in bytes: all of them were charged to the room.
        let environment = words.wrapping_add(given).wrapping_add(1).wrapping_mul(POINTER);
        let end = environment.wrapping_add(own.wrapping_add(variables).wrapping_add(1).wrapping_mul(POINTER));
        let text = if hand_over.is_some() { TEXT } else { 0 };
        let memory = Scratch::new(kernel, end.wrapping_add(text))?;
        let mut at = 0usize;
        let mut put = |address: UserAddr| -> SysResult<()> {
            kernel.copy_out(memory.at(at)?, &address.get().to_ne_bytes())?;
            at = at.wrapping_add(POINTER);
            Ok(())
        };
        if let Some(line) = line {
            for word in line.words() {
                put(word?)?;
            }
            put(request.path.0)?;
        }
        let arguments_at = words.wrapping_mul(POINTER);
        let mut variables_at = environment;
        if let Some(hand_over) = hand_over {
            at = environment;
            let mut put = |address: UserAddr| -> SysResult<()> {
                kernel.copy_out(memory.at(at)?, &address.get().to_ne_bytes())?;
                at = at.wrapping_add(POINTER);
                Ok(())
            };
            put(memory.at(end)?)?;
            put(hand_over.options)?;
            let no_arguments = words.wrapping_add(given) == 0;
            hand_over.write(kernel, &memory, end, no_arguments)?;
            variables_at = environment.wrapping_add(own.wrapping_mul(POINTER));
        }
        copy(kernel, argv, memory.at(arguments_at)?, given.wrapping_mul(POINTER))?;
        copy(kernel, request.envp, memory.at(variables_at)?, variables.wrapping_mul(POINTER))?;
        Ok(Vectors { memory, arguments: 0, environment })
    }
}

impl HandOver {
    /// Writes the loader's variable.
    fn write<K: Kernel>(
        &self,
        kernel: &K,
        memory: &Scratch<'_, K>,
        start: usize,
        no_arguments: bool,
    ) -> SysResult<()> {
        let mut at = start;
        let mut put = |bytes: &[u8]| -> SysResult<()> {
            kernel.copy_out(memory.at(at)?, bytes)?;
            at = at.wrapping_add(bytes.len());
            Ok(())
        };
        put(EXEC_KEY.as_bytes())?;
        let root = self.root.map_or(u32::MAX, |root| root.0 as u32);
        for number in [self.file.0 as u32, root, self.mask, self.ignored, u32::from(no_arguments)] {
            put(&hexadecimal(number))?;
        }
        let length = length(kernel, self.path, PATH_MAX)?;
        copy(kernel, self.path, memory.at(at)?, length)
    }
}

/// Eight digits and a comma.
fn hexadecimal(number: u32) -> [u8; 9] {
    let mut text = [b','; 9];
    for (digit, shift) in text.iter_mut().zip((0..8u32).rev()) {
        let value = (number.wrapping_shr(shift.wrapping_mul(4)) & 0xf) as u8;
        *digit =
            if value < 10 { b'0'.wrapping_add(value) } else { b'a'.wrapping_add(value).wrapping_sub(10) };
    }
    text
}

/// Bytes before the terminator of a string; `E2BIG` where there are `most` of them.
fn length<K: Kernel>(kernel: &K, string: UserAddr, most: usize) -> SysResult<usize> {
    let mut piece = [0; PIECE];
    let mut length = 0usize;
    while length < most {
        let at = string.checked_add(length as u64)?;
        // No further than the page, since the string may end there.
        let to_page_end = PAGE.wrapping_sub(at.get() % PAGE) as usize;
        let piece = piece.get_mut(..to_page_end.min(PIECE)).unwrap_or_default();
        kernel.copy_in(at, piece)?;
        if let Some(end) = piece.iter().position(|byte| *byte == 0) {
            let length = length.wrapping_add(end);
            return if length < most { Ok(length) } else { Err(Errno::E2BIG) };
        }
        length = length.wrapping_add(piece.len());
    }
    Err(Errno::E2BIG)
}

/// Bytes that are left for strings and pointers.
struct Room(usize);

impl Room {
    fn take(&mut self, bytes: usize) -> SysResult<()> {
        self.0 = self.0.checked_sub(bytes).ok_or(Errno::E2BIG)?;
        Ok(())
    }

    /// A string with its terminator, and a pointer to it.
    fn entry<K: Kernel>(&mut self, kernel: &K, string: UserAddr) -> SysResult<()> {
        let length = length(kernel, string, self.0)?;
        self.take(length.wrapping_add(1))?;
        self.take(POINTER)
    }

    /// A vector up to its null pointer, which counts: how many strings it has.
    fn vector<K: Kernel>(&mut self, kernel: &K, vector: UserAddr) -> SysResult<usize> {
        let mut count = 0usize;
        while !vector.is_null() {
            let string = UserPtr::<u64>::new(vector).element(count as u64)?.read(kernel)?;
            if string == 0 {
                break;
            }
            self.entry(kernel, UserAddr::new(string))?;
            count = count.wrapping_add(1);
        }
        self.take(POINTER)?;
        Ok(count)
    }

    /// What the strings are padded with.
    fn pad(&mut self) -> SysResult<()> {
        self.take(self.0 % POINTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_eight_digits() {
        assert_eq!(&hexadecimal(0x1234_abcd), b"1234abcd,");
        assert_eq!(&hexadecimal(u32::MAX), b"ffffffff,");
    }
}
