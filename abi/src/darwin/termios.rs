//! Terminal settings (`bsd/sys/termios.h`, `bsd/sys/ttydefaults.h`, `man 4 termios`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// `c_iflag`: what happens to input.
    flags InputFlags: u64 = "termios-iflag" {
        IGNBRK = 1,
        BRKINT = 2,
        IGNPAR = 4,
        PARMRK = 8,
        INPCK = 0x10,
        ISTRIP = 0x20,
        INLCR = 0x40,
        IGNCR = 0x80,
        ICRNL = 0x100,
        IXON = 0x200,
        IXOFF = 0x400,
        IXANY = 0x800,
        IMAXBEL = 0x2000,
        IUTF8 = 0x4000,
    }

    /// `c_oflag`: what happens to output. Delays are numbers in the bits of the [`OUTPUT_DELAYS`] masks.
    flags OutputFlags: u64 = "termios-oflag" {
        OPOST = 1,
        ONLCR = 2,
        OXTABS = 4,
        ONOEOT = 8,
        OCRNL = 0x10,
        ONOCR = 0x20,
        ONLRET = 0x40,
        OFILL = 0x80,
        OFDEL = 0x0002_0000,
    }

    /// Masks and values of the delays in `c_oflag`.
    constants OUTPUT_DELAYS: u64 = "termios-oflag" {
        NLDLY = 0x300,
        TABDLY = 0xc04,
        CRDLY = 0x3000,
        FFDLY = 0x4000,
        BSDLY = 0x8000,
        VTDLY = 0x0001_0000,
        NL0 = 0,
        NL1 = 0x100,
        TAB0 = 0,
        TAB1 = 0x400,
        TAB2 = 0x800,
        TAB3 = 4,
        CR0 = 0,
        CR1 = 0x1000,
        CR2 = 0x2000,
        CR3 = 0x3000,
        FF0 = 0,
        FF1 = 0x4000,
        BS0 = 0,
        BS1 = 0x8000,
        VT0 = 0,
        VT1 = 0x0001_0000,
    }

    /// `c_cflag`: the line. The size of a character is a number in the bits of `CSIZE`.
    flags ControlFlags: u64 = "termios-cflag" {
        CIGNORE = 1,
        CSTOPB = 0x400,
        CREAD = 0x800,
        PARENB = 0x1000,
        PARODD = 0x2000,
        HUPCL = 0x4000,
        CLOCAL = 0x8000,
        CRTSCTS = 0x0003_0000,
        CCTS_OFLOW = 0x0001_0000,
        CRTS_IFLOW = 0x0002_0000,
        CDTR_IFLOW = 0x0004_0000,
        CDSR_OFLOW = 0x0008_0000,
        CCAR_OFLOW = 0x0010_0000,
        MDMBUF = 0x0010_0000,
    }

    /// Mask and values of the size of a character in `c_cflag`.
    constants CHARACTER_SIZES: u64 = "termios-cflag" {
        CSIZE = 0x300,
        CS5 = 0,
        CS6 = 0x100,
        CS7 = 0x200,
        CS8 = 0x300,
    }

    /// `c_lflag`: editing, echo and signals.
    flags LocalFlags: u64 = "termios-lflag" {
        ECHOKE = 1,
        ECHOE = 2,
        ECHOK = 4,
        ECHO = 8,
        ECHONL = 0x10,
        ECHOPRT = 0x20,
        ECHOCTL = 0x40,
        ISIG = 0x80,
        ICANON = 0x100,
        ALTWERASE = 0x200,
        IEXTEN = 0x400,
        EXTPROC = 0x800,
        TOSTOP = 0x0040_0000,
        FLUSHO = 0x0080_0000,
        NOKERNINFO = 0x0200_0000,
        PENDIN = 0x2000_0000,
        NOFLSH = 0x8000_0000,
    }

    /// Index of a special character in `c_cc`.
    numbers SpecialCharacter: u8 = "termios-cc" {
        VEOF = 0,
        VEOL = 1,
        VEOL2 = 2,
        VERASE = 3,
        VWERASE = 4,
        VKILL = 5,
        VREPRINT = 6,
        VINTR = 8,
        VQUIT = 9,
        VSUSP = 10,
        VDSUSP = 11,
        VSTART = 12,
        VSTOP = 13,
        VLNEXT = 14,
        VDISCARD = 15,
        VMIN = 16,
        VTIME = 17,
        VSTATUS = 18,
    }

    /// The length of `c_cc`.
    constants SPECIAL_CHARACTER_COUNT: usize = "termios-cc" {
        NCCS = 20,
    }

    /// In `c_cc`: this character is not used.
    constants SPECIAL_CHARACTER_VALUES: u8 = "termios-cc" {
        _POSIX_VDISABLE = 0xff,
    }

    /// Speeds, which are plain numbers of bits per second.
    constants SPEEDS: u64 = "termios-speed" {
        B0 = 0,
        B50 = 50,
        B75 = 75,
        B110 = 110,
        B134 = 134,
        B150 = 150,
        B200 = 200,
        B300 = 300,
        B600 = 600,
        B1200 = 1200,
        B1800 = 1800,
        B2400 = 2400,
        B4800 = 4800,
        B9600 = 9600,
        B19200 = 19200,
        B38400 = 38400,
        B7200 = 7200,
        B14400 = 14400,
        B28800 = 28800,
        B57600 = 57600,
        B76800 = 76800,
        B115200 = 115200,
        B230400 = 230400,
        EXTA = 19200,
        EXTB = 38400,
    }

    /// When `tcsetattr` takes effect.
    numbers SetAttributes: i32 = "termios-action" {
        TCSANOW = 0,
        TCSADRAIN = 1,
        TCSAFLUSH = 2,
        TCSASOFT = 0x10,
    }

    /// What `tcflush` throws away.
    numbers FlushQueue: i32 = "termios-action" {
        TCIFLUSH = 1,
        TCOFLUSH = 2,
        TCIOFLUSH = 3,
    }

    /// What `tcflow` does.
    numbers FlowAction: i32 = "termios-action" {
        TCOOFF = 1,
        TCOON = 2,
        TCIOFF = 3,
        TCION = 4,
    }
}

layouts! {
    /// What `TIOCGETA` writes and `TIOCSETA` reads.
    #[repr(C)]
    struct Termios = "termios", 72 bytes, align 8 {
         0 c_iflag: u64,
         8 c_oflag: u64,
        16 c_cflag: u64,
        24 c_lflag: u64,
        32 c_cc: [u8; 20],
        52 _pad: u32,
        56 c_ispeed: u64,
        64 c_ospeed: u64,
    }
}
