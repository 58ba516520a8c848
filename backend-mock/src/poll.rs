//! `ppoll` and `pselect6`: answered from the state as it is. What would wait takes its timeout in virtual time;
//! without a timeout it ends with `EINTR`, as if a signal had come.

use crate::args::Args;
use crate::fs::inode::{Body, Device};
use crate::layout::{field, layout};
use crate::state::{Answer, State};
use linux_raw_sys::general::{
    POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLRDNORM, POLLWRNORM, RLIMIT_NOFILE, pollfd,
};
use xnu_abi::linux::Errno;

const READ_EVENTS: u32 = POLLIN | POLLRDNORM;
const WRITE_EVENTS: u32 = POLLOUT | POLLWRNORM;
/// What makes a descriptor "readable", "writable" and "exceptional" for `select`.
const SELECT_EVENTS: [u32; 3] = [READ_EVENTS | POLLHUP | POLLERR, WRITE_EVENTS | POLLERR, 0];

impl State {
    /// The events that hold for an open file now.
    fn events(&self, fd: i32) -> Result<u32, Errno> {
        let file = self.descriptors.file(fd)?;
        let ino = file.ino;
        Ok(match &self.inodes.get(ino).body {
            Body::Fifo(pipe) => {
                let mut events = 0;
                if file.readable {
                    if pipe.len() > 0 {
                        events |= READ_EVENTS;
                    }
                    let waits = file.awaits_writer == Some(pipe.writer_opens);
                    if !self.descriptors.has_writer(ino) && !waits {
                        events |= POLLHUP;
                    }
                }
                if file.writable {
                    if pipe.is_writable() {
                        events |= WRITE_EVENTS;
                    }
                    if !self.descriptors.has_reader(ino) {
                        events |= POLLERR;
                    }
                }
                events
            }
            Body::Socket => self.socket_events(ino),
            Body::Device(Device::Tty) if self.tty_input.is_empty() => WRITE_EVENTS,
            _ => READ_EVENTS | WRITE_EVENTS,
        })
    }

    /// Nothing is ready: waits in virtual time.
    fn poll_wait(&mut self, timeout_ns: Option<u64>) -> Answer {
        self.clock.advance(timeout_ns.ok_or(Errno::EINTR)?);
        Ok(0)
    }

    pub(crate) fn ppoll(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let timeout_ns = self.timeout_ns(a, 2)?;
        if !a.is_null(3) && a.num(4) != 8 {
            return Err(Errno::EINVAL);
        }
        let count = a.uint(1) as usize;
        if count as u64 > self.process.limit(RLIMIT_NOFILE).0 {
            return Err(Errno::EINVAL);
        }
        let mut bytes = a.read(&self.memory, 0, count * 8)?;
        let mut ready = 0;
        for entry in bytes.chunks_exact_mut(8) {
            let fd = field!(entry, pollfd, fd) as i32;
            let asked = field!(entry, pollfd, events) as u32;
            let shown = if fd < 0 {
                0
            } else {
                self.events(fd).map_or(POLLNVAL, |events| events & (asked | POLLHUP | POLLERR))
            };
            ready += usize::from(shown != 0);
            entry.copy_from_slice(&layout!(pollfd { fd = fd, events = asked, revents = shown }));
        }
        a.write(&mut self.memory, 0, &bytes)?;
        if ready > 0 { Ok(ready) } else { self.poll_wait(timeout_ns) }
    }

    pub(crate) fn pselect6(&mut self, a: &mut Args<'_, '_>) -> Answer {
        let timeout_ns = self.timeout_ns(a, 4)?;
        let count = usize::try_from(a.int(0)).map_err(|_| Errno::EINVAL)?;
        let count = count.min(self.process.nofile() as usize);
        let len = count.div_ceil(64) * 8;
        let mut sets = Vec::new();
        for i in 1..=3 {
            sets.push(if a.is_null(i) { vec![0; len] } else { a.read(&self.memory, i, len)? });
        }
        let mut ready = 0;
        for fd in 0..count {
            let (byte, bit) = (fd / 8, 1 << (fd % 8));
            for (set, wanted) in sets.iter_mut().zip(SELECT_EVENTS) {
                if set[byte] & bit == 0 {
                    continue;
                }
                if self.events(fd as i32)? & wanted == 0 {
                    set[byte] &= !bit;
                } else {
                    ready += 1;
                }
            }
        }
        // What is beyond the count in the last word comes back as nothing.
        for fd in count..len * 8 {
            for set in &mut sets {
                set[fd / 8] &= !(1 << (fd % 8));
            }
        }
        let answer = if ready > 0 { Ok(ready) } else { self.poll_wait(timeout_ns) };
        if answer.is_ok() {
            for (i, set) in sets.iter().enumerate() {
                a.write_unless_null(&mut self.memory, i + 1, set)?;
            }
        }
        answer
    }
}
