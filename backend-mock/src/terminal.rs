//! The terminal's own requests of `ioctl`: settings, window, queues. There is one terminal, the process's own.

use crate::args::Args;
use crate::state::{Answer, State};
use linux_raw_sys::ioctl::{
    TCFLSH, TCGETS, TCSBRK, TCXONC, TIOCEXCL, TIOCGPGRP, TIOCGWINSZ, TIOCNOTTY, TIOCNXCL, TIOCOUTQ,
    TIOCSCTTY, TIOCSPGRP, TIOCSWINSZ,
};
use xnu_abi::linux::Errno;

/// With `struct termios2` (`include/uapi/asm-generic/ioctls.h`).
const TCGETS2: u32 = 0x802c_542a;
const TCSETS2: u32 = 0x402c_542b;
const TCSETSW2: u32 = 0x402c_542c;
const TCSETSF2: u32 = 0x402c_542d;
const TIOCGETD: u32 = 0x5424;
/// Bytes of `struct termios`, which `struct termios2` starts with.
const TERMIOS: usize = 36;
const TERMIOS2: usize = 44;

/// What is set of a terminal.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    termios: [u8; TERMIOS2],
    window: [u8; 8],
}

impl Settings {
    /// What a fresh terminal has: ICRNL|IXON, OPOST|ONLCR, 38400 8N1, line editing with echo, 24 lines of 80.
    pub(crate) fn new() -> Settings {
        let mut termios = [0; TERMIOS2];
        for (field, value) in [0o2400u32, 0o5, 0o277, 0o105073].into_iter().enumerate() {
            termios[4 * field..4 * field + 4].copy_from_slice(&value.to_le_bytes());
        }
        let characters = [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0];
        termios[17..17 + characters.len()].copy_from_slice(&characters);
        for field in [36, 40] {
            termios[field..field + 4].copy_from_slice(&38_400u32.to_le_bytes());
        }
        Settings { termios, window: [24, 0, 80, 0, 0, 0, 0, 0] }
    }
}

impl State {
    /// Serves a request of a terminal.
    pub(crate) fn tty_ioctl(&mut self, a: &mut Args<'_, '_>, request: u32) -> Answer {
        match request {
            TCGETS => a.write(&mut self.memory, 2, &self.tty_settings.termios[..TERMIOS])?,
            TCGETS2 => a.write(&mut self.memory, 2, &self.tty_settings.termios)?,
            TCSETS2 | TCSETSW2 | TCSETSF2 => {
                let wanted = a.read(&self.memory, 2, TERMIOS2)?;
                self.tty_settings.termios.copy_from_slice(&wanted);
                if request == TCSETSF2 {
                    self.tty_input.clear();
                }
            }
            TIOCGWINSZ => a.write(&mut self.memory, 2, &self.tty_settings.window)?,
            TIOCSWINSZ => {
                let wanted = a.read(&self.memory, 2, 8)?;
                self.tty_settings.window.copy_from_slice(&wanted);
            }
            TIOCGPGRP => a.write(&mut self.memory, 2, &self.process.pgid.to_le_bytes())?,
            TIOCSPGRP => {
                let group = crate::layout::get(&a.read(&self.memory, 2, 4)?, 0, 4) as i32;
                return match group {
                    ..=-1 => Err(Errno::EINVAL),
                    group if group == self.process.pgid => Ok(0),
                    _ => Err(Errno::ESRCH),
                };
            }
            // Output goes out at once, and there is one discipline.
            TIOCOUTQ | TIOCGETD => a.write(&mut self.memory, 2, &[0; 4])?,
            TCSBRK | TIOCEXCL | TIOCNXCL | TIOCSCTTY | TIOCNOTTY => {}
            TCXONC if a.num(2) > 3 => return Err(Errno::EINVAL),
            TCXONC => {}
            TCFLSH => match a.num(2) {
                0 | 2 => self.tty_input.clear(),
                1 => {}
                _ => return Err(Errno::EINVAL),
            },
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }
}
