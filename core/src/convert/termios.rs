//! Settings of terminals: Darwin's `struct termios` and Linux's `struct termios2`.
//!
//! Darwin's flags that Linux lacks are lost: `ONOEOT`, `CDTR_IFLOW`, `CDSR_OFLOW`, `MDMBUF`, `ALTWERASE`, `NOKERNINFO`;
//! and its characters `VDSUSP` and `VSTATUS`, which are told as not used. Linux's flags that Darwin lacks stay as they
//! are. A special character cannot be NUL, which on Linux says that there is none.

use xnu_abi::darwin::termios::{
    _POSIX_VDISABLE, BSDLY, CRDLY, CS5, CS6, CS7, CSIZE, ControlFlags, FFDLY, InputFlags, LocalFlags, NCCS,
    NLDLY, OutputFlags, SpecialCharacter, TABDLY, Termios, VTDLY,
};
use xnu_abi::linux::Termios2;
use zerocopy::FromZeros;

/// Flags that mean the same: Darwin's bit and Linux's.
type Pair = (u64, u32);

const INPUT: &[Pair] = &[
    (InputFlags::IGNBRK.bits(), 0o1),
    (InputFlags::BRKINT.bits(), 0o2),
    (InputFlags::IGNPAR.bits(), 0o4),
    (InputFlags::PARMRK.bits(), 0o10),
    (InputFlags::INPCK.bits(), 0o20),
    (InputFlags::ISTRIP.bits(), 0o40),
    (InputFlags::INLCR.bits(), 0o100),
    (InputFlags::IGNCR.bits(), 0o200),
    (InputFlags::ICRNL.bits(), 0o400),
    (InputFlags::IXON.bits(), 0o2000),
    (InputFlags::IXANY.bits(), 0o4000),
    (InputFlags::IXOFF.bits(), 0o10000),
    (InputFlags::IMAXBEL.bits(), 0o20000),
    (InputFlags::IUTF8.bits(), 0o40000),
];

const OUTPUT: &[Pair] = &[
    (OutputFlags::OPOST.bits(), 0o1),
    (OutputFlags::ONLCR.bits(), 0o4),
    (OutputFlags::OCRNL.bits(), 0o10),
    (OutputFlags::ONOCR.bits(), 0o20),
    (OutputFlags::ONLRET.bits(), 0o40),
    (OutputFlags::OFILL.bits(), 0o100),
    (OutputFlags::OFDEL.bits(), 0o200),
];

/// Delays: the two masks, and the two values. A number that Linux does not have changes nothing.
const DELAYS: &[(Pair, Pair)] = &[
    ((NLDLY, LINUX_NLDLY), (0, 0)),
    ((NLDLY, LINUX_NLDLY), (0x100, 0o400)),
    ((CRDLY, LINUX_CRDLY), (0, 0)),
    ((CRDLY, LINUX_CRDLY), (0x1000, 0o1000)),
    ((CRDLY, LINUX_CRDLY), (0x2000, 0o2000)),
    ((CRDLY, LINUX_CRDLY), (0x3000, 0o3000)),
    ((TABDLY, LINUX_TABDLY), (0, 0)),
    ((TABDLY, LINUX_TABDLY), (0x400, 0o4000)),
    ((TABDLY, LINUX_TABDLY), (0x800, 0o10000)),
    ((TABDLY, LINUX_TABDLY), (0x4, 0o14000)),
    ((BSDLY, LINUX_BSDLY), (0, 0)),
    ((BSDLY, LINUX_BSDLY), (0x8000, 0o20000)),
    ((VTDLY, LINUX_VTDLY), (0, 0)),
    ((VTDLY, LINUX_VTDLY), (0x1_0000, 0o40000)),
    ((FFDLY, LINUX_FFDLY), (0, 0)),
    ((FFDLY, LINUX_FFDLY), (0x4000, 0o100000)),
];

const LINUX_NLDLY: u32 = 0o400;
const LINUX_CRDLY: u32 = 0o3000;
const LINUX_TABDLY: u32 = 0o14000;
const LINUX_BSDLY: u32 = 0o20000;
const LINUX_VTDLY: u32 = 0o40000;
const LINUX_FFDLY: u32 = 0o100000;

const CONTROL: &[Pair] = &[
    (ControlFlags::CSTOPB.bits(), 0o100),
    (ControlFlags::CREAD.bits(), 0o200),
    (ControlFlags::PARENB.bits(), 0o400),
    (ControlFlags::PARODD.bits(), 0o1000),
    (ControlFlags::HUPCL.bits(), 0o2000),
    (ControlFlags::CLOCAL.bits(), 0o4000),
];
/// Flow control by two lines, which Darwin switches apart.
const LINUX_CRTSCTS: u32 = 0o20_000_000_000;
const LINUX_CSIZE: u32 = 0o60;
/// Speeds: standard ones as numbers in these bits, any other as the structure's own fields.
const LINUX_CBAUD: u32 = 0o10017;
const LINUX_BOTHER: u32 = 0o10000;
/// The same of input, this far to the left.
const INPUT_SHIFT: u32 = 16;

const LOCAL: &[Pair] = &[
    (LocalFlags::ISIG.bits(), 0o1),
    (LocalFlags::ICANON.bits(), 0o2),
    (LocalFlags::ECHO.bits(), 0o10),
    (LocalFlags::ECHOE.bits(), 0o20),
    (LocalFlags::ECHOK.bits(), 0o40),
    (LocalFlags::ECHONL.bits(), 0o100),
    (LocalFlags::NOFLSH.bits(), 0o200),
    (LocalFlags::TOSTOP.bits(), 0o400),
    (LocalFlags::ECHOCTL.bits(), 0o1000),
    (LocalFlags::ECHOPRT.bits(), 0o2000),
    (LocalFlags::ECHOKE.bits(), 0o4000),
    (LocalFlags::FLUSHO.bits(), 0o10000),
    (LocalFlags::PENDIN.bits(), 0o40000),
    (LocalFlags::IEXTEN.bits(), 0o100000),
];

/// `EXTPROC`: the other end of a pseudo-terminal edits the lines. Only `TIOCEXT` changes it.
pub const LINUX_EXTPROC: u32 = 0o200000;

/// Special characters: Darwin's index and Linux's.
const CHARACTERS: &[(SpecialCharacter, usize)] = &[
    (SpecialCharacter::VINTR, 0),
    (SpecialCharacter::VQUIT, 1),
    (SpecialCharacter::VERASE, 2),
    (SpecialCharacter::VKILL, 3),
    (SpecialCharacter::VEOF, 4),
    (SpecialCharacter::VSTART, 8),
    (SpecialCharacter::VSTOP, 9),
    (SpecialCharacter::VSUSP, 10),
    (SpecialCharacter::VEOL, 11),
    (SpecialCharacter::VREPRINT, 12),
    (SpecialCharacter::VDISCARD, 13),
    (SpecialCharacter::VWERASE, 14),
    (SpecialCharacter::VLNEXT, 15),
    (SpecialCharacter::VEOL2, 16),
];

/// Those that are no characters: how many make a read complete, and how long one waits.
const NUMBERS: &[(SpecialCharacter, usize)] = &[(SpecialCharacter::VTIME, 5), (SpecialCharacter::VMIN, 6)];

fn bits_to_darwin(from: u32, pairs: &[Pair]) -> u64 {
    pairs.iter().filter(|(_, linux)| from & linux != 0).fold(0, |bits, (darwin, _)| bits | darwin)
}

/// Changes what Darwin has a say in, and nothing else.
fn bits_to_linux(from: u64, before: u32, pairs: &[Pair]) -> u32 {
    pairs.iter().fold(before, |bits, (darwin, linux)| match from & darwin {
        0 => bits & !linux,
        _ => bits | linux,
    })
}

/// The settings for the guest.
pub fn to_darwin(from: &Termios2) -> Termios {
    let mut to = Termios::new_zeroed();
    to.c_iflag = bits_to_darwin(from.c_iflag, INPUT);
    to.c_oflag = bits_to_darwin(from.c_oflag, OUTPUT);
    for ((_, linux_mask), (darwin, linux)) in DELAYS {
        if from.c_oflag & linux_mask == *linux {
            to.c_oflag |= darwin;
        }
    }
    to.c_cflag = bits_to_darwin(from.c_cflag, CONTROL);
    to.c_cflag |= u64::from((from.c_cflag & LINUX_CSIZE) >> 4) << 8;
    if from.c_cflag & LINUX_CRTSCTS != 0 {
        to.c_cflag |= ControlFlags::CRTSCTS.bits();
    }
    to.c_lflag = bits_to_darwin(from.c_lflag, LOCAL);
    if from.c_lflag & LINUX_EXTPROC != 0 {
        to.c_lflag |= LocalFlags::EXTPROC.bits();
    }
    to.c_cc = [_POSIX_VDISABLE; NCCS];
    for (index, linux) in CHARACTERS {
        let character = from.c_cc.get(*linux).copied().filter(|character| *character != 0);
        set(&mut to.c_cc, *index, character.unwrap_or(_POSIX_VDISABLE));
    }
    for (index, linux) in NUMBERS {
        set(&mut to.c_cc, *index, from.c_cc.get(*linux).copied().unwrap_or(0));
    }
    to.c_ispeed = u64::from(from.c_ispeed);
    to.c_ospeed = u64::from(from.c_ospeed);
    to
}

fn set(characters: &mut [u8; NCCS], index: SpecialCharacter, to: u8) {
    if let Some(character) = characters.get_mut(usize::from(index.number())) {
        *character = to;
    }
}

/// The settings for Linux, given those before. `CIGNORE` leaves the line as it is; no speed of input is that of output.
pub fn to_linux(from: &Termios, before: &Termios2) -> Termios2 {
    let mut to = *before;
    to.c_iflag = bits_to_linux(from.c_iflag, before.c_iflag, INPUT);
    to.c_oflag = bits_to_linux(from.c_oflag, before.c_oflag, OUTPUT);
    for ((darwin_mask, linux_mask), (darwin, linux)) in DELAYS {
        if from.c_oflag & darwin_mask == *darwin {
            to.c_oflag = to.c_oflag & !linux_mask | linux;
        }
    }
    if from.c_cflag & ControlFlags::CIGNORE.bits() == 0 {
        line_to_linux(from, &mut to);
    }
    to.c_lflag = bits_to_linux(from.c_lflag, before.c_lflag, LOCAL);
    for (index, linux) in CHARACTERS {
        if let (Some(character), Some(to)) =
            (from.c_cc.get(usize::from(index.number())), to.c_cc.get_mut(*linux))
        {
            *to = if *character == _POSIX_VDISABLE { 0 } else { *character };
        }
    }
    for (index, linux) in NUMBERS {
        if let (Some(number), Some(to)) =
            (from.c_cc.get(usize::from(index.number())), to.c_cc.get_mut(*linux))
        {
            *to = *number;
        }
    }
    to
}

fn line_to_linux(from: &Termios, to: &mut Termios2) {
    to.c_cflag = bits_to_linux(from.c_cflag, to.c_cflag, CONTROL);
    let size = match from.c_cflag & CSIZE {
        CS5 => 0,
        CS6 => 0o20,
        CS7 => 0o40,
        _ => 0o60,
    };
    to.c_cflag = to.c_cflag & !LINUX_CSIZE | size;
    to.c_cflag &= !LINUX_CRTSCTS;
    if from.c_cflag & ControlFlags::CRTSCTS.bits() != 0 {
        to.c_cflag |= LINUX_CRTSCTS;
    }
    let number = |speed: u64| u32::try_from(speed).unwrap_or(u32::MAX);
    to.c_ospeed = number(from.c_ospeed);
    to.c_ispeed = if from.c_ispeed == 0 { to.c_ospeed } else { number(from.c_ispeed) };
    to.c_cflag &= !(LINUX_CBAUD | LINUX_CBAUD << INPUT_SHIFT);
    // Speed 0 hangs up, and is a standard one.
    if to.c_ospeed != 0 {
        to.c_cflag |= LINUX_BOTHER | LINUX_BOTHER << INPUT_SHIFT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank() -> Termios2 {
        Termios2::new_zeroed()
    }

    /// What a Darwin structure becomes on Linux and back.
    fn there_and_back(from: &Termios) -> Termios {
        to_darwin(&to_linux(from, &blank()))
    }

    #[test]
    fn every_flag_of_darwins_comes_back_or_is_named_as_lost() {
        let lost_output = OutputFlags::ONOEOT.bits() | 0x200;
        let lost_control = ControlFlags::CIGNORE.bits()
            | ControlFlags::CDTR_IFLOW.bits()
            | ControlFlags::CDSR_OFLOW.bits()
            | ControlFlags::MDMBUF.bits();
        let lost_local =
            LocalFlags::ALTWERASE.bits() | LocalFlags::NOKERNINFO.bits() | LocalFlags::EXTPROC.bits();
        for bit in (0..64).map(|bit| 1u64 << bit) {
            let termios = |i, o, c, l| Termios {
                c_iflag: i,
                c_oflag: o,
                c_cflag: c,
                c_lflag: l,
                ..Termios::new_zeroed()
            };
            let known = |named: bool, lost: u64| if named { bit & !lost } else { 0 };
            let back = there_and_back(&termios(bit, bit, bit, bit));
            let named = InputFlags::from_bits_retain(bit).iter_names().next().is_some();
            assert_eq!(back.c_iflag, known(named, 0), "{bit:#x}");
            let delay = (NLDLY | TABDLY | CRDLY | FFDLY | BSDLY | VTDLY) & bit != 0;
            let named = delay || OutputFlags::from_bits_retain(bit).iter_names().next().is_some();
            assert_eq!(back.c_oflag, known(named, lost_output), "{bit:#x}");
            let lines = ControlFlags::CRTSCTS.bits();
            let expected = match bit {
                bit if bit & lines != 0 => lines,
                bit if CSIZE & bit != 0 => bit,
                bit => known(ControlFlags::from_bits_retain(bit).iter_names().next().is_some(), lost_control),
            };
            assert_eq!(back.c_cflag, expected, "{bit:#x}");
            let named = LocalFlags::from_bits_retain(bit).iter_names().next().is_some();
            assert_eq!(back.c_lflag, known(named, lost_local), "{bit:#x}");
        }
    }

    #[test]
    fn every_flag_of_linuxs_comes_back_through_darwin() {
        for bit in (0..32).map(|bit| 1u32 << bit) {
            let mut from = blank();
            (from.c_iflag, from.c_oflag, from.c_cflag, from.c_lflag) = (bit, bit, bit, bit);
            let back = to_linux(&to_darwin(&from), &from);
            let speeds = LINUX_CBAUD | LINUX_CBAUD << INPUT_SHIFT;
            assert_eq!(
                (back.c_iflag, back.c_oflag, back.c_cflag & !speeds, back.c_lflag),
                (bit, bit, bit & !speeds, bit),
                "{bit:#o}"
            );
        }
    }

    #[test]
    fn sizes_of_characters_and_delays_are_numbers() {
        for (darwin, linux) in [(CS5, 0), (CS6, 0o20), (CS7, 0o40), (0x300, 0o60)] {
            let from = Termios { c_cflag: darwin, ..Termios::new_zeroed() };
            assert_eq!(to_linux(&from, &blank()).c_cflag & LINUX_CSIZE, linux);
            assert_eq!(there_and_back(&from).c_cflag, darwin);
        }
        for (_, (darwin, linux)) in DELAYS {
            let from = Termios { c_oflag: *darwin, ..Termios::new_zeroed() };
            assert_eq!(to_linux(&from, &blank()).c_oflag, *linux);
            assert_eq!(there_and_back(&from).c_oflag, *darwin);
        }
        // Tabs as spaces are one of the delays of tabs.
        let from = Termios { c_oflag: OutputFlags::OXTABS.bits(), ..Termios::new_zeroed() };
        assert_eq!(to_linux(&from, &blank()).c_oflag, 0o14000);
    }

    #[test]
    fn characters_move_and_none_is_another_number() {
        let mut from = Termios::new_zeroed();
        for (character, index) in from.c_cc.iter_mut().zip(1..) {
            *character = index;
        }
        let linux = to_linux(&from, &blank());
        assert_eq!(linux.c_cc, [9, 10, 4, 6, 1, 18, 17, 0, 13, 14, 11, 2, 7, 16, 5, 15, 3, 0, 0]);
        let spare = [7, 11, 18, 19];
        let mut expected = from.c_cc;
        for (character, _) in expected.iter_mut().zip(0..).filter(|(_, index)| spare.contains(index)) {
            *character = _POSIX_VDISABLE;
        }
        assert_eq!(to_darwin(&linux).c_cc, expected);
        from.c_cc = [_POSIX_VDISABLE; NCCS];
        let linux = to_linux(&from, &linux);
        // The two numbers are what they are.
        assert_eq!(linux.c_cc, [0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(to_darwin(&linux).c_cc, [_POSIX_VDISABLE; NCCS]);
    }

    #[test]
    fn speeds_are_plain_numbers() {
        let from = Termios { c_ispeed: 0, c_ospeed: 12_345, ..Termios::new_zeroed() };
        let linux = to_linux(&from, &blank());
        assert_eq!((linux.c_ispeed, linux.c_ospeed), (12_345, 12_345));
        assert_eq!(linux.c_cflag, LINUX_BOTHER | LINUX_BOTHER << INPUT_SHIFT);
        let none = Termios { c_ispeed: 0, c_ospeed: 0, ..Termios::new_zeroed() };
        assert_eq!(to_linux(&none, &linux).c_cflag, 0);
        let most = Termios { c_ispeed: u64::MAX, c_ospeed: 1 << 32, ..Termios::new_zeroed() };
        assert_eq!(to_linux(&most, &blank()).c_ispeed, u32::MAX);
        let ignored =
            Termios { c_cflag: ControlFlags::CIGNORE.bits() | CSIZE, c_ospeed: 50, ..Termios::new_zeroed() };
        let kept = to_linux(&ignored, &linux);
        assert_eq!((kept.c_cflag, kept.c_ospeed), (linux.c_cflag, 12_345));
    }
}
