//! Requests of `ioctl` (`bsd/sys/ioccom.h`, `bsd/sys/filio.h`, `bsd/sys/ttycom.h`, `bsd/sys/sockio.h`,
//! `bsd/sys/disk.h`, `man 2 ioctl`, `man 4 tty`).

use crate::layout::layouts;
use crate::table::tables;

tables! {
    /// A request. Its upper bits say which way the argument goes and how long it is: [`IoctlDirection`].
    numbers IoctlRequest: u32 = "ioctl" {
        // Any descriptor.
        FIOCLEX = 0x2000_6601,
        FIONCLEX = 0x2000_6602,
        FIONREAD = 0x4004_667f,
        FIONBIO = 0x8004_667e,
        FIOASYNC = 0x8004_667d,
        FIOSETOWN = 0x8004_667c,
        FIOGETOWN = 0x4004_667b,
        FIODTYPE = 0x4004_667a,

        // Terminals.
        TIOCMODG = 0x4004_7403,
        TIOCMODS = 0x8004_7404,
        TIOCEXCL = 0x2000_740d,
        TIOCNXCL = 0x2000_740e,
        TIOCFLUSH = 0x8004_7410,
        TIOCGETA = 0x4048_7413,
        TIOCSETA = 0x8048_7414,
        TIOCSETAW = 0x8048_7415,
        TIOCSETAF = 0x8048_7416,
        TIOCGETD = 0x4004_741a,
        TIOCSETD = 0x8004_741b,
        TIOCIXON = 0x2000_7481,
        TIOCIXOFF = 0x2000_7480,
        TIOCSBRK = 0x2000_747b,
        TIOCCBRK = 0x2000_747a,
        TIOCSDTR = 0x2000_7479,
        TIOCCDTR = 0x2000_7478,
        TIOCGPGRP = 0x4004_7477,
        TIOCSPGRP = 0x8004_7476,
        TIOCOUTQ = 0x4004_7473,
        TIOCSTI = 0x8001_7472,
        TIOCNOTTY = 0x2000_7471,
        TIOCPKT = 0x8004_7470,
        TIOCSTOP = 0x2000_746f,
        TIOCSTART = 0x2000_746e,
        TIOCMSET = 0x8004_746d,
        TIOCMBIS = 0x8004_746c,
        TIOCMBIC = 0x8004_746b,
        TIOCMGET = 0x4004_746a,
        TIOCGWINSZ = 0x4008_7468,
        TIOCSWINSZ = 0x8008_7467,
        TIOCUCNTL = 0x8004_7466,
        TIOCSTAT = 0x2000_7465,
        TIOCSCONS = 0x2000_7463,
        TIOCCONS = 0x8004_7462,
        TIOCSCTTY = 0x2000_7461,
        TIOCEXT = 0x8004_7460,
        TIOCSIG = 0x2000_745f,
        TIOCDRAIN = 0x2000_745e,
        TIOCMSDTRWAIT = 0x8004_745b,
        TIOCMGDTRWAIT = 0x4004_745a,
        TIOCTIMESTAMP = 0x4010_7459,
        TIOCDCDTIMESTAMP = 0x4010_7458,
        TIOCSDRAINWAIT = 0x8004_7457,
        TIOCGDRAINWAIT = 0x4004_7456,
        TIOCDSIMICROCODE = 0x2000_7455,
        TIOCPTYGRANT = 0x2000_7454,
        TIOCPTYGNAME = 0x4080_7453,
        TIOCPTYUNLK = 0x2000_7452,

        // Sockets and interfaces.
        SIOCSHIWAT = 0x8004_7300,
        SIOCGHIWAT = 0x4004_7301,
        SIOCSLOWAT = 0x8004_7302,
        SIOCGLOWAT = 0x4004_7303,
        SIOCATMARK = 0x4004_7307,
        SIOCSPGRP = 0x8004_7308,
        SIOCGPGRP = 0x4004_7309,
        SIOCSIFADDR = 0x8020_690c,
        SIOCSIFDSTADDR = 0x8020_690e,
        SIOCSIFFLAGS = 0x8020_6910,
        SIOCGIFFLAGS = 0xc020_6911,
        SIOCSIFBRDADDR = 0x8020_6913,
        SIOCSIFNETMASK = 0x8020_6916,
        SIOCGIFMETRIC = 0xc020_6917,
        SIOCSIFMETRIC = 0x8020_6918,
        SIOCDIFADDR = 0x8020_6919,
        SIOCAIFADDR = 0x8040_691a,
        SIOCGIFADDR = 0xc020_6921,
        SIOCGIFDSTADDR = 0xc020_6922,
        SIOCGIFBRDADDR = 0xc020_6923,
        SIOCGIFCONF = 0xc00c_6924,
        SIOCGIFNETMASK = 0xc020_6925,
        SIOCAUTOADDR = 0xc020_6926,
        SIOCAUTONETMASK = 0x8020_6927,
        SIOCARPIPLL = 0xc020_6928,
        SIOCADDMULTI = 0x8020_6931,
        SIOCDELMULTI = 0x8020_6932,
        SIOCGIFMTU = 0xc020_6933,
        SIOCSIFMTU = 0x8020_6934,
        SIOCGIFPHYS = 0xc020_6935,
        SIOCSIFPHYS = 0x8020_6936,
        SIOCSIFMEDIA = 0xc020_6937,
        SIOCGIFMEDIA = 0xc02c_6938,
        SIOCSIFGENERIC = 0x8020_6939,
        SIOCGIFGENERIC = 0xc020_693a,
        SIOCRSLVMULTI = 0xc010_693b,
        SIOCSIFLLADDR = 0x8020_693c,
        SIOCGIFSTATUS = 0xc331_693d,
        SIOCSIFPHYADDR = 0x8040_693e,
        SIOCGIFPSRCADDR = 0xc020_693f,
        SIOCGIFPDSTADDR = 0xc020_6940,
        SIOCDIFPHYADDR = 0x8020_6941,
        SIOCGIFDEVMTU = 0xc020_6944,
        SIOCSIFALTMTU = 0x8020_6945,
        SIOCGIFALTMTU = 0xc020_6948,
        SIOCSIFBOND = 0x8020_6946,
        SIOCGIFBOND = 0xc020_6947,
        SIOCGIFXMEDIA = 0xc02c_6948,
        SIOCSIFCAP = 0x8020_695a,
        SIOCGIFCAP = 0xc020_695b,
        SIOCSIFMANAGEMENT = 0xc020_695c,
        SIOCIFCREATE = 0xc020_6978,
        SIOCIFDESTROY = 0x8020_6979,
        SIOCIFCREATE2 = 0xc020_697a,
        SIOCSDRVSPEC = 0x8028_697b,
        SIOCGDRVSPEC = 0xc028_697b,
        SIOCSIFVLAN = 0x8020_697e,
        SIOCGIFVLAN = 0xc020_697f,
        SIOCSETVLAN = 0x8020_697e,
        SIOCGETVLAN = 0xc020_697f,
        SIOCIFGCLONERS = 0xc010_6981,
        SIOCGIFASYNCMAP = 0xc020_697c,
        SIOCSIFASYNCMAP = 0x8020_697d,
        SIOCGIFMAC = 0xc020_6982,
        SIOCSIFMAC = 0x8020_6983,
        SIOCSIFKPI = 0x8020_6986,
        SIOCGIFKPI = 0xc020_6987,
        SIOCGIFWAKEFLAGS = 0xc020_6988,
        SIOCGIFFUNCTIONALTYPE = 0xc020_69ad,
        SIOCSIF6LOWPAN = 0x8020_69c4,
        SIOCGIF6LOWPAN = 0xc020_69c5,
        SIOCGIFDIRECTLINK = 0xc020_69de,

        // Disks.
        DKIOCEJECT = 0x2000_6415,
        DKIOCSYNCHRONIZE = 0x8018_6416,
        DKIOCGETBLOCKSIZE = 0x4004_6418,
        DKIOCGETBLOCKCOUNT = 0x4008_6419,
        DKIOCISWRITABLE = 0x4004_641d,
        DKIOCUNMAP = 0x8010_641f,
        DKIOCGETMAXBLOCKCOUNTREAD = 0x4008_6440,
        DKIOCGETPHYSICALBLOCKSIZE = 0x4004_644d,
    }

    /// Which way the argument of a request goes, seen from the caller.
    flags IoctlDirection: u32 = "ioctl-encoding" {
        IOC_INOUT = 0xc000_0000,
        IOC_VOID = 0x2000_0000,
        IOC_OUT = 0x4000_0000,
        IOC_IN = 0x8000_0000,
    }

    /// Masks over a request: the direction, and the argument's length after a shift by 16; and the most that it is.
    constants IOCTL_ENCODING: u32 = "ioctl-encoding" {
        IOCPARM_MASK = 0x1fff,
        IOCPARM_MAX = 0x2000,
        IOC_DIRMASK = 0xe000_0000,
    }

    /// Lines of a modem, of `TIOCMGET` and its kin.
    flags ModemLines: u32 = "ioctl-modem" {
        TIOCM_LE = 1,
        TIOCM_DTR = 2,
        TIOCM_RTS = 4,
        TIOCM_ST = 8,
        TIOCM_SR = 0x10,
        TIOCM_CTS = 0x20,
        TIOCM_CAR = 0x40,
        TIOCM_CD = 0x40,
        TIOCM_RNG = 0x80,
        TIOCM_RI = 0x80,
        TIOCM_DSR = 0x100,
    }

    /// What a pseudo-terminal's master reads first in packet mode.
    flags PacketFlags: u8 = "ioctl-modem" {
        TIOCPKT_FLUSHREAD = 1,
        TIOCPKT_FLUSHWRITE = 2,
        TIOCPKT_STOP = 4,
        TIOCPKT_START = 8,
        TIOCPKT_NOSTOP = 0x10,
        TIOCPKT_DOSTOP = 0x20,
        TIOCPKT_IOCTL = 0x40,
    }

    /// In packet mode: data follow. No bit of [`PacketFlags`].
    constants PACKET_DATA: u8 = "ioctl-modem" {
        TIOCPKT_DATA = 0,
    }

    /// Line disciplines, of `TIOCGETD`.
    numbers TtyDiscipline: i32 = "tty-discipline" {
        TTYDISC = 0,
        TABLDISC = 3,
        SLIPDISC = 4,
        PPPDISC = 5,
    }
}

layouts! {
    /// The size of a terminal's window, of `TIOCGWINSZ`; Linux's is the same.
    #[repr(C)]
    #[derive(Default)]
    struct Winsize = "winsize", 8 bytes, align 2 {
        0 ws_row: u16,
        2 ws_col: u16,
        4 ws_xpixel: u16,
        6 ws_ypixel: u16,
    }
}
