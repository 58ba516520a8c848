//! Printing to a descriptor and to the kernel log, reading lines and numbers.

use crate::GUARD;
use std::cell::RefCell;
use std::fmt::Debug;
use xnu_abi::linux::{Errno, Sysno};
use xnu_abi::lkm::Trap;
use xnu_core::simple::{
    Error, KPRINTF_BYTES, Line, LineReader, Values, atoi, atoi16, fprintf, kprintf, printf,
};
use xnu_core::{Arg, Fault, Kernel, Lkm, TrapArg, UserAddr};

#[test]
fn numbers_are_read_up_to_the_first_other_byte() {
    assert_eq!(atoi(b"42 rest"), (42, 2));
    assert_eq!(atoi(b"007"), (7, 3));
    for nothing in [&b""[..], b" 1", b"-1", b"+1", b"x", b"\xb1"] {
        assert_eq!(atoi(nothing), (0, 0), "{nothing:?}");
    }
    assert_eq!(atoi16(b"FFff-"), (0xffff, 4));
    assert_eq!(atoi16(b"7fffe0000000 rw"), (0x7fff_e000_0000, 12));
    assert_eq!(atoi16(b"0x10"), (0, 1));
    assert_eq!(atoi16(b"g"), (0, 0));
}

#[test]
fn numbers_too_large_stop_at_the_largest() {
    assert_eq!(atoi(b"18446744073709551615"), (u64::MAX, 20));
    assert_eq!(atoi(b"18446744073709551616,"), (u64::MAX, 20));
    assert_eq!(atoi(b"99999999999999999999999990"), (u64::MAX, 26));
    assert_eq!(atoi16(b"ffffffffffffffff"), (u64::MAX, 16));
    assert_eq!(atoi16(b"10000000000000000"), (u64::MAX, 17));
}

/// A Linux whose `read` and `write` follow a plan, and end the test when it is used up.
struct Plan {
    /// What each call answers: an error, or how many bytes at most it moves.
    answers: RefCell<Vec<Result<usize, Errno>>>,
    fd: usize,
    input: RefCell<Vec<u8>>,
    output: RefCell<Vec<u8>>,
}

impl Plan {
    fn new(fd: usize, input: &[u8], answers: &[Result<usize, Errno>]) -> Plan {
        let answers = answers.iter().rev().copied().collect();
        let input = RefCell::new(input.to_vec());
        Plan { answers: RefCell::new(answers), fd, input, output: RefCell::new(Vec::new()) }
    }

    #[track_caller]
    fn assert_done(&self, output: impl AsRef<[u8]> + Debug) {
        assert_eq!(self.answers.borrow().len(), 0, "calls missing");
        assert_eq!(*self.output.borrow(), output.as_ref());
    }
}

impl Kernel for Plan {
    unsafe fn syscall(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
        let answer = self.answers.borrow_mut().pop().expect("a call more than planned")?;
        match (nr, args) {
            (Sysno::Read, [Arg::Val(fd), Arg::Out(to), Arg::Val(len)])
                if *fd == self.fd && *len == to.len() =>
            {
                let mut input = self.input.borrow_mut();
                let count = answer.min(to.len()).min(input.len());
                to[..count].copy_from_slice(&input[..count]);
                input.drain(..count);
                Ok(count)
            }
            (Sysno::Write, [Arg::Val(fd), Arg::In(from), Arg::Val(len)])
                if *fd == self.fd && *len == from.len() =>
            {
                let count = answer.min(from.len());
                self.output.borrow_mut().extend_from_slice(&from[..count]);
                Ok(count)
            }
            other => panic!("{other:?}"),
        }
    }

    fn copy_in(&self, _: UserAddr, _: &mut [u8]) -> Result<(), Fault> {
        Err(Fault)
    }

    fn copy_out(&self, _: UserAddr, _: &[u8]) -> Result<(), Fault> {
        Err(Fault)
    }
}

const ALL: Result<usize, Errno> = Ok(usize::MAX);

#[test]
fn short_print_is_one_write() {
    let plan = Plan::new(1, b"", &[ALL]);
    assert_eq!(printf(&plan, b"%s: %5d\n", Values(&["name".into(), 7.into()])), Ok(12));
    plan.assert_done("name:     7\n");
}

#[test]
fn write_goes_on_after_a_short_count_and_a_signal() {
    let plan = Plan::new(2, b"", &[Ok(3), Err(Errno::EINTR), Ok(1), ALL]);
    assert_eq!(fprintf(&plan, 2, b"%s", Values(&["abcdefgh".into()])), Ok(8));
    plan.assert_done("abcdefgh");
}

#[test]
fn write_error_ends_the_print() {
    let plan = Plan::new(5, b"", &[Err(Errno::EBADF)]);
    assert_eq!(fprintf(&plan, 5, b"x", Values(&[])), Err(Error::Sink(Errno::EBADF)));
    plan.assert_done("");
    let plan = Plan::new(5, b"", &[Ok(100), Err(Errno::EPIPE)]);
    let long = "x".repeat(2000);
    assert_eq!(
        fprintf(&plan, 5, b"%s tail", Values(&[long.as_str().into()])),
        Err(Error::Sink(Errno::EPIPE))
    );
    plan.assert_done(&long[..100]);
    let plan = Plan::new(5, b"", &[Ok(0)]);
    assert_eq!(fprintf(&plan, 5, b"x", Values(&[])), Err(Error::Sink(Errno::EIO)));
}

#[test]
fn long_print_is_complete_and_in_order() {
    for len in [500, 511, 512, 513, 1024, 1025, 5000] {
        let plan = Plan::new(1, b"", &[ALL; 100]);
        let long = "y".repeat(len);
        let values = [1.into(), long.as_str().into(), 2.into(), 700.into(), 3.into()];
        let result = printf(&plan, b"<%d %s %d>%*d", Values(&values));
        let expected = format!("<1 {long} 2>{:700}", 3);
        assert_eq!(result, Ok(expected.len()));
        assert_eq!(*plan.output.borrow(), expected.as_bytes());
        let writes = 100 - plan.answers.borrow().len();
        assert!(writes <= expected.len() / 256 + 3, "{writes} writes for {} bytes", expected.len());
    }
}

#[test]
fn print_that_overflows_still_delivers_the_fields_before() {
    let plan = Plan::new(1, b"", &[ALL]);
    assert_eq!(printf(&plan, b"ab%2147483648d", Values(&[1.into()])), Err(Error::Overflow));
    plan.assert_done("ab");
}

/// A module that keeps what is printed into its log.
struct Log(RefCell<Vec<Vec<u8>>>, Result<isize, Errno>);

impl Lkm for Log {
    fn call_raw(&self, trap: Trap, arg: TrapArg<'_>) -> Result<isize, Errno> {
        assert_eq!(trap, Trap::KernelPrintk);
        let TrapArg::Struct(bytes) = arg else { panic!("{arg:?}") };
        self.0.borrow_mut().push(bytes.to_vec());
        self.1
    }
}

#[test]
fn kernel_log_gets_one_structure_cut_to_its_size() {
    let log = Log(RefCell::default(), Ok(0));
    assert_eq!(kprintf(&log, b"%s %d", Values(&["panic".into(), 7.into()])), Ok(7));
    let long = "z".repeat(600);
    assert_eq!(kprintf(&log, b"%s", Values(&[long.as_str().into()])), Ok(600));
    let entries = log.0.into_inner();
    assert_eq!(entries.len(), 2);
    assert_eq!((&entries[0][..8], entries[0].len()), (&b"panic 7\0"[..], KPRINTF_BYTES));
    assert!(entries[0][8..].iter().all(|&byte| byte == 0), "stack contents in the log");
    assert_eq!(entries[1], [&long.as_bytes()[..511], b"\0"].concat());
}

#[test]
fn kernel_log_error_is_reported() {
    let log = Log(RefCell::default(), Err(Errno::EFAULT));
    assert_eq!(kprintf(&log, b"x", Values(&[])), Err(Error::Sink(Errno::EFAULT)));
}

/// All lines of `input`, read through a buffer and an output of these sizes, each as its text and whether it was
/// complete. The reader is made anew for each line, as a C shim does.
fn lines(input: &[u8], answers: &[Result<usize, Errno>], buffer: usize, out: usize) -> Vec<(String, bool)> {
    let plan = Plan::new(9, input, answers);
    let (mut buffer, mut used) = (vec![0; buffer], 0);
    let mut out = vec![GUARD; out];
    let mut lines = Vec::new();
    loop {
        let mut reader = LineReader::resume(&mut buffer, used);
        let line = reader.read_line(&plan, 9, &mut out).unwrap();
        used = reader.used();
        let Some(Line { text, complete }) = line else { return lines };
        lines.push((String::from_utf8(text.to_vec()).unwrap(), complete));
    }
}

fn whole(texts: &[&str]) -> Vec<(String, bool)> {
    texts.iter().map(|&text| (text.to_owned(), true)).collect()
}

#[test]
fn lines_are_the_same_for_every_size_of_buffer_and_read() {
    for buffer in 1..20 {
        for count in 1..20 {
            let answers = [Ok(count); 60];
            let found = lines(b"one\n\n\nlonger line\nx\n", &answers, buffer, 64);
            assert_eq!(
                found,
                whole(&["one", "", "", "longer line", "x"]),
                "buffer {buffer}, reads of {count}"
            );
        }
    }
}

#[test]
fn last_line_without_newline_is_delivered_as_incomplete() {
    assert_eq!(lines(b"a\nb", &[ALL; 9], 16, 16), [("a".to_owned(), true), ("b".to_owned(), false)]);
    assert_eq!(lines(b"", &[ALL; 9], 16, 16), []);
}

#[test]
fn line_longer_than_the_output_comes_in_pieces() {
    for buffer in 1..12 {
        let found = lines(b"abcdefgh\nabcd\nx\n", &[ALL; 40], buffer, 4);
        let pieces = [("abcd", false), ("efgh", true), ("abcd", true), ("x", true)];
        assert_eq!(found, pieces.map(|(text, complete)| (text.to_owned(), complete)), "buffer {buffer}");
    }
}

#[test]
fn interrupted_read_is_repeated_and_an_error_comes_after_the_text_before_it() {
    let interrupted = [Err(Errno::EINTR), Ok(1), Err(Errno::EINTR), Err(Errno::EINTR), ALL, ALL];
    assert_eq!(lines(b"ab\n", &interrupted, 8, 8), whole(&["ab"]));

    let plan = Plan::new(9, b"abc", &[Ok(2), Err(Errno::EIO), Err(Errno::EIO)]);
    let (mut buffer, mut out) = ([0; 8], [0; 8]);
    let mut reader = LineReader::new(&mut buffer);
    assert_eq!(reader.read_line(&plan, 9, &mut out), Ok(Some(Line { text: b"ab", complete: false })));
    assert_eq!(reader.read_line(&plan, 9, &mut out), Err(Errno::EIO));
    plan.assert_done("");
}

#[test]
fn reader_without_room_is_invalid_and_reads_nothing() {
    let plan = Plan::new(9, b"a\n", &[]);
    assert_eq!(LineReader::new(&mut [0; 8]).read_line(&plan, 9, &mut []), Err(Errno::EINVAL));
    assert_eq!(LineReader::new(&mut []).read_line(&plan, 9, &mut [0; 8]), Err(Errno::EINVAL));
}
