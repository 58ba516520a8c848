//! What the number of a request says of its argument (`bsd/sys/ioccom.h`).

use xnu_abi::darwin::ioctl::IoctlDirection;

/// The longest argument: `IOCPARM_MAX`.
pub const SIZE_MAX: usize = 0x2000;

/// Bytes of the argument.
pub fn size(request: u32) -> usize {
    (request >> 16 & 0x1fff) as usize
}

/// The letter of the group.
pub fn group(request: u32) -> u8 {
    (request >> 8) as u8
}

/// Whether the argument is copied in before the request is served.
pub fn copies_in(request: u32) -> bool {
    request & IoctlDirection::IOC_IN.bits() != 0
}

/// Whether the argument is copied out afterwards.
pub fn copies_out(request: u32) -> bool {
    request & IoctlDirection::IOC_OUT.bits() != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use xnu_abi::darwin::ioctl::IoctlRequest;

    #[test]
    fn a_request_says_how_long_its_argument_is_and_which_way_it_goes() {
        for (request, length, goes_in, goes_out, letter) in [
            (IoctlRequest::FIOCLEX, 0, false, false, b'f'),
            (IoctlRequest::FIONREAD, 4, false, true, b'f'),
            (IoctlRequest::TIOCSETA, 72, true, false, b't'),
            (IoctlRequest::TIOCPTYGNAME, 128, false, true, b't'),
            (IoctlRequest::SIOCGIFCONF, 12, true, true, b'i'),
        ] {
            let number = request.number();
            assert_eq!(
                (size(number), copies_in(number), copies_out(number), group(number)),
                (length, goes_in, goes_out, letter)
            );
        }
    }
}
