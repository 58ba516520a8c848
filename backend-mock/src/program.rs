//! Executing programs: noted, since there is nobody who would run them. The caller goes on, as if it were the program.

use crate::args::Args;
use crate::mock::Mock;
use crate::state::{Answer, State};
use linux_raw_sys::general::AT_EMPTY_PATH;
use xnu_abi::linux::{Errno, Sysno};
use xnu_core::UserAddr;

/// `MAX_ARG_STRLEN`: a string has less.
const STRING_MAX: usize = 128 << 10;

/// A program that was executed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Executed {
    /// The path, or `fd:` and a descriptor.
    pub path: String,
    /// The arguments.
    pub arguments: Vec<Vec<u8>>,
    /// The environment.
    pub environment: Vec<Vec<u8>>,
    /// The descriptors that the program has.
    pub descriptors: Vec<i32>,
    /// The mask of signals, Linux's.
    pub mask: u64,
}

impl Mock {
    /// What was executed, in order.
    pub fn executed(&self) -> Vec<Executed> {
        self.state().executed.clone()
    }
}

impl State {
    /// `execve`, and `execveat` of an open file.
    pub(crate) fn execute(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let (path, vectors) = match a.nr() {
            Sysno::Execve => (String::from_utf8_lossy(&a.path(&self.memory, 0)?).into_owned(), 1),
            _ => {
                if !a.path(&self.memory, 1)?.is_empty() || a.uint(4) != AT_EMPTY_PATH {
                    return Err(Errno::EINVAL);
                }
                self.descriptors.file_any(a.int(0))?;
                (format!("fd:{}", a.int(0)), 2)
            }
        };
        let arguments = self.strings(a, vectors)?;
        let environment = self.strings(a, vectors + 1)?;
        let descriptors = self.descriptors.kept_on_exec();
        let mask = self.signals.mask();
        self.executed.push(Executed { path, arguments, environment, descriptors, mask });
        Ok(0)
    }

    fn strings(&self, a: &Args<'_, '_>, i: usize) -> Result<Vec<Vec<u8>>, Errno> {
        let mut strings = Vec::new();
        let mut next = a.user(i).map_or(a.num(i), UserAddr::get);
        while next != 0 {
            let pointer = self.memory.read_some(next, 8);
            let pointer = u64::from_le_bytes(pointer.try_into().map_err(|_| Errno::EFAULT)?);
            if pointer == 0 {
                break;
            }
            let mut string = self.memory.read_some(pointer, STRING_MAX);
            match string.iter().position(|byte| *byte == 0) {
                Some(end) => string.truncate(end),
                None if string.len() == STRING_MAX => return Err(Errno::E2BIG),
                None => return Err(Errno::EFAULT),
            }
            strings.push(string);
            next += 8;
        }
        Ok(strings)
    }
}
