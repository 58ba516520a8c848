//! The Mach-O reader against changed files: a fixed sequence of mutations of the fuzzer's seeds, for about two
//! seconds. `cargo xtask fuzz macho` looks further.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use xnurun::macho::testing::{assert_invariants, seeds};
use xnurun::macho::{Cpu, Kind, parse_for};

/// Numbers in a fixed order (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        ((self.next() >> 32) % limit.max(1) as u64) as usize
    }
}

/// Values at which checks tend to fail.
const EDGES: [u64; 16] = [
    0,
    1,
    2,
    7,
    8,
    0x19,
    0xfff,
    0x1000,
    0x1001,
    0x7fff_ffff,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffe0_0000,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_f000,
    u64::MAX,
];

/// Changes a few places: an edge value, a small step, another bit, a copied range, or the end cut off.
fn mutate(file: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        // Structures are at the start of the file, or of its slice.
        let base = if file.len() > 0x1000 && random.below(2) == 0 { 0x1000 } else { 0 };
        let at = base + random.below(640) / 4 * 4;
        let width = [1, 2, 4, 8][random.below(4)];
        let length = file.len();
        let Some(field) = file.get_mut(at..at + width) else { continue };
        match random.below(16) {
            0..=5 => field.copy_from_slice(&EDGES[random.below(EDGES.len())].to_le_bytes()[..width]),
            6..=9 => {
                let step = [1u8, 4, 8, 0x10, 0x80][random.below(5)];
                let byte = &mut field[random.below(width)];
                *byte = if random.below(2) == 0 { byte.wrapping_add(step) } else { byte.wrapping_sub(step) };
            }
            10..=12 => field[0] ^= 1 << random.below(8),
            13 | 14 => {
                let from = random.below(length - width);
                file.copy_within(from..from + width, at);
            }
            _ => file.truncate(random.below(length)),
        }
    }
}

/// Parses, checks, and says whether a plan came out.
fn check(file: &[u8]) -> bool {
    let mut accepted = false;
    for (kind, cpu) in [(Kind::Program, Cpu::Generic), (Kind::Dylinker, Cpu::Haswell)] {
        match parse_for(file, kind, cpu) {
            Ok(program) => {
                assert_invariants(&program, file.len() as u64, kind);
                accepted = true;
            }
            Err(error) => {
                let message = error.to_string();
                assert!(!message.is_empty() && !message.chars().any(char::is_control), "{message:?}");
            }
        }
    }
    accepted
}

#[test]
fn mutated_seeds_never_break_the_plan() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let seeds = seeds();
    let end = Instant::now() + Duration::from_secs(2);
    let (mut rounds, mut accepted) = (0usize, 0usize);
    // At least so many on a slow machine, and always the same ones in the same order.
    while rounds < 20_000 || Instant::now() < end {
        let (name, _, seed) = &seeds[rounds % seeds.len()];
        let mut file = seed.clone();
        mutate(&mut file, &mut random);
        match std::panic::catch_unwind(|| check(&file)) {
            Ok(plan) => accepted += usize::from(plan),
            Err(_) => panic!("round {rounds}, a mutation of {name}: {file:02x?}"),
        }
        rounds += 1;
    }
    // Both outcomes must occur, or the mutations find nothing.
    assert!(accepted > rounds / 20 && accepted < rounds / 20 * 19, "{accepted} of {rounds} accepted");
    println!("{rounds} files, {accepted} accepted");
}

#[test]
fn committed_seeds_parse() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/macho");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("fuzz/seeds/macho").flatten() {
        let bytes = fs::read(entry.path()).expect("readable");
        assert!(check(&bytes), "{:?} is refused", entry.path());
        count += 1;
    }
    assert_eq!(count, seeds().len());
}

#[test]
fn changed_bytes_are_survived_everywhere() {
    for (_, _, seed) in seeds().iter().filter(|(_, _, seed)| seed.len() < 1024) {
        for at in 0..seed.len().min(600) {
            let mut file = seed.clone();
            for value in [0x00, 0x01, 0x04, 0x7f, 0x80, 0xff] {
                file[at] = value;
                check(&file);
            }
        }
    }
}
