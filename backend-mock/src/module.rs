//! The mock of Darling's kernel module: what stands behind `/dev/mach`, as far as port names and a log go. Numbers and
//! structures are those of API version 19; traps that need an engine answer `ENOSYS`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use xnu_abi::linux::Errno;
use xnu_abi::lkm::{API_VERSION, Trap};
use xnu_core::{Lkm, TrapArg};

/// Port names grow by this: the low bits are a generation, as in XNU.
const NAME_STEP: u32 = 0x100;
const TASK_SELF: u32 = 0x103;
const THREAD_SELF: u32 = 0x203;
const HOST_SELF: u32 = 0x303;
const FIRST_REPLY_PORT: u32 = 0x403;
/// `struct kernel_printk_args`: one text, always read whole.
const PRINTK_LEN: usize = 512;

/// One trap that was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrapCall {
    /// Which.
    pub trap: Trap,
    /// Its result.
    pub result: Result<isize, Errno>,
}

#[derive(Debug)]
struct Book {
    next_name: u32,
    special_reply_port: Option<u32>,
    printed: Vec<String>,
    calls: Vec<TrapCall>,
}

/// A deterministic [`Lkm`]: the same traps in the same order give the same names.
#[derive(Debug)]
pub struct Module {
    book: Mutex<Book>,
}

impl Default for Module {
    fn default() -> Module {
        Module::new()
    }
}

impl Module {
    /// Nothing asked yet.
    pub fn new() -> Module {
        let book = Book {
            next_name: FIRST_REPLY_PORT,
            special_reply_port: None,
            printed: Vec::new(),
            calls: Vec::new(),
        };
        Module { book: Mutex::new(book) }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every trap so far.
    pub fn calls(&self) -> Vec<TrapCall> {
        self.book().calls.clone()
    }

    /// What `kernel_printk` wrote, one entry per trap.
    pub fn printed(&self) -> Vec<String> {
        self.book().printed.clone()
    }
}

impl Book {
    fn new_name(&mut self) -> u32 {
        let name = self.next_name;
        self.next_name += NAME_STEP;
        name
    }

    fn serve(&mut self, trap: Trap, arg: &TrapArg<'_>) -> Result<isize, Errno> {
        let name = match trap {
            Trap::GetApiVersion => API_VERSION,
            Trap::TaskSelfTrap => TASK_SELF,
            Trap::ThreadSelfTrap => THREAD_SELF,
            Trap::HostSelfTrap => HOST_SELF,
            Trap::MachReplyPort => self.new_name(),
            Trap::ThreadGetSpecialReplyPort => {
                let name = self.special_reply_port.unwrap_or_else(|| self.new_name());
                self.special_reply_port = Some(name);
                name
            }
            Trap::ThreadDeathAnnounce => 0,
            Trap::KernelPrintk => return self.printk(arg),
            _ => return Err(Errno::ENOSYS),
        };
        Ok(name as isize)
    }

    fn printk(&mut self, arg: &TrapArg<'_>) -> Result<isize, Errno> {
        let text = match arg {
            TrapArg::Struct(bytes) => {
                assert!(bytes.len() >= PRINTK_LEN, "kernel_printk: all of {PRINTK_LEN} bytes are read");
                &bytes[..PRINTK_LEN]
            }
            // This mock has no guest memory.
            _ => return Err(Errno::EFAULT),
        };
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        self.printed.push(String::from_utf8_lossy(&text[..end]).into_owned());
        Ok(0)
    }
}

impl Lkm for Module {
    fn call_raw(&self, trap: Trap, arg: TrapArg<'_>) -> Result<isize, Errno> {
        let mut book = self.book();
        let result = book.serve(trap, &arg);
        book.calls.push(TrapCall { trap, result });
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_every_run() {
        let names = || {
            let module = Module::new();
            let traps = [Trap::TaskSelfTrap, Trap::MachReplyPort, Trap::ThreadGetSpecialReplyPort];
            let again = [Trap::MachReplyPort, Trap::ThreadGetSpecialReplyPort, Trap::TaskSelfTrap];
            traps.iter().chain(&again).map(|&trap| module.call_raw(trap, TrapArg::None)).collect::<Vec<_>>()
        };
        assert_eq!(names(), [Ok(0x103), Ok(0x403), Ok(0x503), Ok(0x603), Ok(0x503), Ok(0x103)]);
        assert_eq!(names(), names());
    }

    #[test]
    fn the_version_is_darlings() {
        assert_eq!(Module::new().call_raw(Trap::GetApiVersion, TrapArg::None), Ok(19));
    }

    #[test]
    fn printk_ends_at_its_nul() {
        let module = Module::new();
        let mut text = [0; PRINTK_LEN];
        text[..5].copy_from_slice(b"hello");
        assert_eq!(module.call_raw(Trap::KernelPrintk, TrapArg::Struct(&mut text)), Ok(0));
        assert_eq!(module.printed(), ["hello"]);
        assert_eq!(module.call_raw(Trap::KernelPrintk, TrapArg::None), Err(Errno::EFAULT));
    }

    #[test]
    fn what_needs_an_engine_is_enosys_and_logged() {
        let module = Module::new();
        assert_eq!(module.call_raw(Trap::MachMsgOverwriteTrap, TrapArg::None), Err(Errno::ENOSYS));
        let expected = TrapCall { trap: Trap::MachMsgOverwriteTrap, result: Err(Errno::ENOSYS) };
        assert_eq!(module.calls(), [expected]);
    }
}
