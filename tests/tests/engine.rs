//! The fuzz targets of the engine on bytes of a seed's: `ENGINE_CASES` says on how many, `ENGINE_SEED` which.

use xnu_tests::engine::{self, Request};

fn variable(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

/// Numbers by xorshift.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.next() % 600;
        (0..length)
            .map(|_| match self.next() {
                // What is looked for in the bytes: names, addresses, zeros.
                word if word >> 60 < 3 => [0xee, 0xdd, 0][(word >> 60) as usize],
                word => word as u8,
            })
            .collect()
    }
}

fn each(mut run: impl FnMut(&mut Numbers)) {
    let seed = variable("ENGINE_SEED", 1).max(1);
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    println!("seed {seed}");
    for _ in 0..variable("ENGINE_CASES", 500) {
        run(&mut numbers);
    }
}

#[test]
fn traps_of_any_number_leave_nothing() {
    each(|numbers| engine::trap_numbers(&numbers.bytes()));
}

#[test]
fn messages_of_any_bytes_leave_nothing() {
    each(|numbers| engine::mach_msg(&numbers.bytes()));
}

#[test]
fn requests_are_answered_and_leave_nothing() {
    each(|numbers| {
        let requests: Vec<Request> = (0..numbers.next() % 16)
            .map(|_| Request {
                by_second: numbers.next() & 1 == 1,
                routine: numbers.next() as u8,
                id: (numbers.next() % 16 == 0).then(|| numbers.next() as i32),
                to: numbers.next() as u8,
                fields: (0..numbers.next() % 8)
                    .map(|_| match numbers.next() % 3 {
                        0 => 0xee00 | (numbers.next() as u32 % 256),
                        1 => numbers.next() as u32 % 32,
                        _ => numbers.next() as u32,
                    })
                    .collect(),
                longer: if numbers.next() % 8 == 0 { numbers.next() as i8 } else { 0 },
            })
            .collect();
        engine::mig(&requests);
    });
}
