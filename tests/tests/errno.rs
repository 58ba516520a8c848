//! `errno_linux_to_bsd` over everything a Linux call can answer, against the reference table.

use std::collections::BTreeMap;
use xnu_abi::{darwin, linux};
use xnu_core::convert::errno::{errno, errno_linux_to_bsd};

const ERRNO_LINUX_TO_DARWIN: &str = include_str!("../data/errno_linux_to_darwin.tsv");
const ERRNO_DARWIN: &str = include_str!("../data/errno_darwin.tsv");

/// As many numbers as a Linux call has for errors.
const ERRORS: i32 = 4096;
const EIO: i32 = 5;

fn cells(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

/// Darwin's number for each Linux number that has a name.
fn reference() -> BTreeMap<i32, i32> {
    let number = |cell: &str| cell.parse().expect("a number");
    // 41 and 58 are in the table as numbers that Linux does not use.
    let named = cells(ERRNO_LINUX_TO_DARWIN).filter(|row| row[1] != "-");
    named.map(|row| (number(row[0]), number(row[3]))).collect()
}

#[test]
fn named_errors_are_those_of_the_table_and_the_rest_is_eio() {
    let reference = reference();
    assert!(reference.len() > 120, "only {} errors have a name", reference.len());
    assert_eq!(errno_linux_to_bsd(0), 0);
    for number in 1..ERRORS {
        let expected = reference.get(&number).copied().unwrap_or(EIO);
        assert_eq!(errno_linux_to_bsd(number), expected, "errno {number}");
        assert_eq!(errno_linux_to_bsd(-number), -expected, "errno -{number}");
    }
}

#[test]
fn every_answer_is_an_error_of_darwins() {
    let named: Vec<i32> = cells(ERRNO_DARWIN).map(|row| row[0].parse().expect("a number")).collect();
    for number in 1..ERRORS {
        let answer = errno_linux_to_bsd(number);
        assert!(named.contains(&answer), "errno {number} becomes {answer}, which has no name");
    }
}

#[test]
fn numbers_that_are_no_error_are_eio_with_their_sign() {
    for number in [ERRORS, ERRORS + 1, 1 << 16, i32::MAX - 1, i32::MAX] {
        assert_eq!(errno_linux_to_bsd(number), EIO, "{number}");
        assert_eq!(errno_linux_to_bsd(-number), -EIO, "-{number}");
    }
    assert_eq!(errno_linux_to_bsd(i32::MIN), -EIO);
}

#[test]
fn typed_conversion_agrees_with_the_numbers() {
    let mut named = 0;
    for number in 1..ERRORS as u16 {
        let Some(error) = linux::Errno::new(number) else { continue };
        let converted: darwin::Errno = errno(error);
        assert_eq!(i32::from(converted.number()), errno_linux_to_bsd(i32::from(number)), "errno {number}");
        named += 1;
    }
    assert_eq!(named, reference().len());
}
