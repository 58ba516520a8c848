//! Events of `poll`.
//!
//! Bits 1 to 0x80 are the same on both systems. Darwin's `POLLWRBAND` is Linux's `POLLWRNORM`, and XNU tells it where it
//! tells `POLLOUT`; the higher ones are changes of files on Darwin.

use xnu_abi::darwin::poll::PollEvents;

/// Linux's: the other side has ended its output.
const POLLRDHUP: u16 = 0x2000;

/// Input of any kind.
const INPUT: PollEvents =
    PollEvents::POLLIN.union(PollEvents::POLLRDNORM).union(PollEvents::POLLPRI).union(PollEvents::POLLRDBAND);
/// Output of any kind.
const OUTPUT: PollEvents = PollEvents::POLLOUT.union(PollEvents::POLLWRBAND);
/// Changes of a file.
const CHANGES: PollEvents = PollEvents::POLLEXTEND
    .union(PollEvents::POLLATTRIB)
    .union(PollEvents::POLLNLINK)
    .union(PollEvents::POLLWRITE);

/// What a guest asks of a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    /// What to ask Linux for; 0 for nothing.
    pub events: u16,
    /// Whether it asks for changes of a file.
    pub changes: bool,
}

impl Asked {
    /// Nothing that XNU would look for.
    pub const NOTHING: Asked = Asked { events: 0, changes: false };
}

/// What to ask Linux for.
pub fn asked(events: PollEvents) -> Asked {
    let mut asked = (events & (INPUT | OUTPUT)).bits();
    // Who asks for input is told of its end; POLLHUP counts as input here.
    if events.intersects(INPUT | PollEvents::POLLHUP) {
        asked |= POLLRDHUP;
    }
    Asked { events: asked, changes: events.intersects(CHANGES) }
}

/// What to show of Linux's answer to what was asked by [`asked`].
pub fn shown(asked: u16, seen: u16) -> PollEvents {
    let wanted = PollEvents::from_bits_retain(asked);
    let seen_bits = PollEvents::from_bits_retain(seen);
    if seen_bits.contains(PollEvents::POLLNVAL) {
        return PollEvents::POLLNVAL;
    }
    let ended = seen & POLLRDHUP != 0 || seen_bits.intersects(PollEvents::POLLHUP | PollEvents::POLLERR);
    if !ended {
        return seen_bits & wanted & (INPUT | OUTPUT);
    }
    PollEvents::POLLHUP | wanted & INPUT
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN: u16 = 1;
    const OUT: u16 = 4;
    const ERR: u16 = 8;
    const HUP: u16 = 0x10;
    const NVAL: u16 = 0x20;

    fn answer(events: PollEvents, seen: u16) -> u16 {
        shown(asked(events).events, seen).bits()
    }

    #[test]
    fn every_bit_is_asked_for_or_not() {
        for bit in 0..16 {
            let event = PollEvents::from_bits_retain(1 << bit);
            let expected = match 1u16 << bit {
                event @ (1 | 2 | 0x40 | 0x80) => Asked { events: event | POLLRDHUP, changes: false },
                0x10 => Asked { events: POLLRDHUP, changes: false },
                event @ (4 | 0x100) => Asked { events: event, changes: false },
                0x200 | 0x400 | 0x800 | 0x1000 => Asked { events: 0, changes: true },
                _ => Asked::NOTHING,
            };
            assert_eq!(asked(event), expected, "bit {bit}");
        }
    }

    #[test]
    fn only_what_was_asked_for_is_shown() {
        assert_eq!(answer(PollEvents::POLLIN, IN | OUT), IN);
        assert_eq!(answer(PollEvents::POLLOUT | PollEvents::POLLWRBAND, OUT | 0x100 | 0x200), OUT | 0x100);
        assert_eq!(answer(PollEvents::POLLIN, NVAL), NVAL);
        // Linux's POLLWRBAND and POLLMSG are no changes of a file.
        assert_eq!(answer(PollEvents::POLLIN, 0x200 | 0x400), 0);
    }

    #[test]
    fn an_end_is_input_and_no_output() {
        let both = PollEvents::POLLIN | PollEvents::POLLOUT;
        assert_eq!(answer(both, HUP), HUP | IN);
        assert_eq!(answer(both, IN | POLLRDHUP | OUT), HUP | IN);
        assert_eq!(answer(PollEvents::POLLOUT, OUT | ERR), HUP);
        assert_eq!(answer(PollEvents::POLLHUP, HUP), HUP);
        assert_eq!(answer(PollEvents::POLLRDNORM | PollEvents::POLLPRI, HUP), HUP | 0x40 | 2);
    }
}
