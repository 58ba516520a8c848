//! Requests to the kernel's objects, of the shapes that their definitions give them and near those: no panic, an answer
//! to each, and nothing left at the end.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use xnu_tests::engine;

#[derive(Arbitrary, Debug)]
struct Request {
    by_second: bool,
    routine: u8,
    id: Option<i32>,
    to: u8,
    fields: Vec<u32>,
    longer: i8,
}

fuzz_target!(|requests: Vec<Request>| {
    let requests: Vec<engine::Request> = requests
        .into_iter()
        .map(|Request { by_second, routine, id, to, fields, longer }| engine::Request {
            by_second,
            routine,
            id,
            to,
            fields,
            longer,
        })
        .collect();
    engine::mig(&requests);
});
