//! Random trees, random paths in them, and what becomes of each path below a prefix and in a process whose root the
//! prefix really is. For the differential test and the fuzz targets.

pub mod fuzzed;
pub mod generator;
pub mod on_mock;
pub mod subject;
pub mod tree;

/// Where choices come from: a generator of random numbers, or the bytes of a fuzzer.
pub trait Dice {
    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize;

    /// Whether something that happens so often of a hundred times happens.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    fn pick<T: Copy>(&mut self, from: &[T]) -> T
    where
        Self: Sized,
    {
        from[self.below(from.len())]
    }
}

/// Bytes as a person would read them: escaped, and long runs shortened.
pub fn show(bytes: &[u8]) -> String {
    let mut shown = String::new();
    for run in bytes.chunk_by(|a, b| a == b) {
        let one = run[..1].escape_ascii().to_string();
        if run.len() > 9 {
            shown += &format!("<{} of {one}>", run.len());
        } else {
            shown += &one.repeat(run.len());
        }
    }
    shown
}

/// SplitMix64.
pub struct Random(pub u64);

impl Dice for Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// A fuzzer's bytes; zeros when they are used up.
pub struct Bytes<'a>(pub &'a [u8]);

impl Dice for Bytes<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        let mut number = usize::from(*first);
        if bound > 256
            && let Some((second, rest)) = self.0.split_first()
        {
            self.0 = rest;
            number |= usize::from(*second) << 8;
        }
        number % bound
    }
}
