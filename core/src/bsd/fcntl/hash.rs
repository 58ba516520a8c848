//! SHA-1 and SHA-256 (FIPS 180-4), by which code directories are known.

/// As much of a hash as names a code directory (`CS_CDHASH_LEN`).
pub(super) type Digest = [u8; 20];

/// Both work on blocks of 64 bytes and on words of 32 bits.
const BLOCK: usize = 64;

#[derive(Clone, Copy)]
enum State {
    Sha1([u32; 5]),
    Sha256([u32; 8]),
}

/// A hash in the making.
pub(super) struct Hasher {
    state: State,
    block: [u8; BLOCK],
    /// Bytes so far.
    length: u64,
}

impl Hasher {
    /// By the type that a code directory names; `None` for those that are not served (SHA-384).
    pub(super) fn new(kind: u8) -> Option<Hasher> {
        let state = match kind {
            1 => State::Sha1([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]),
            2 | 3 => State::Sha256([
                0x6a09_e667,
                0xbb67_ae85,
                0x3c6e_f372,
                0xa54f_f53a,
                0x510e_527f,
                0x9b05_688c,
                0x1f83_d9ab,
                0x5be0_cd19,
            ]),
            _ => return None,
        };
        Some(Hasher { state, block: [0; BLOCK], length: 0 })
    }

    /// Adds bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let at = (self.length % 64) as usize;
            if let Some(place) = self.block.get_mut(at) {
                *place = *byte;
            }
            self.length = self.length.wrapping_add(1);
            if at == BLOCK.wrapping_sub(1) {
                self.compress();
            }
        }
    }

    /// The first twenty bytes.
    pub(super) fn finish(mut self) -> Digest {
        let bits = self.length.wrapping_mul(8);
        self.update(&[0x80]);
        while self.length % 64 != 56 {
            self.update(&[0]);
        }
        self.update(&bits.to_be_bytes());
        let mut digest = Digest::default();
        let words: &[u32] = match &self.state {
            State::Sha1(words) => words,
            State::Sha256(words) => words,
        };
        for (to, word) in digest.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        digest
    }

    fn compress(&mut self) {
        let mut words = [0u32; 16];
        for (word, bytes) in words.iter_mut().zip(self.block.as_chunks::<4>().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        match &mut self.state {
            State::Sha1(state) => sha1(state, words),
            State::Sha256(state) => sha256(state, words),
        }
    }
}

/// The words of a block stand in a window: its first is the round's own, and the one that comes in sixteen rounds
/// replaces it.
fn sha1(state: &mut [u32; 5], mut window: [u32; 16]) {
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for round in 0..80 {
        let (mixed, constant) = match round {
            0..20 => (b & c | !b & d, 0x5a82_7999u32),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let word = window[0];
        let next = (window[13] ^ window[8] ^ window[2] ^ word).rotate_left(1);
        window.rotate_left(1);
        window[15] = next;
        let sum =
            a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant).wrapping_add(word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, sum);
    }
    for (word, more) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(more);
    }
}

#[rustfmt::skip]
const SHA256_CONSTANTS: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

fn sha256(state: &mut [u32; 8], mut window: [u32; 16]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for constant in SHA256_CONSTANTS {
        let word = window[0];
        let (near, far) = (window[1], window[14]);
        let near = near.rotate_right(7) ^ near.rotate_right(18) ^ near >> 3;
        let far = far.rotate_right(17) ^ far.rotate_right(19) ^ far >> 10;
        let next = word.wrapping_add(near).wrapping_add(window[9]).wrapping_add(far);
        window.rotate_left(1);
        window[15] = next;
        let first = h
            .wrapping_add(e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25))
            .wrapping_add(e & f ^ !e & g)
            .wrapping_add(constant)
            .wrapping_add(word);
        let second =
            (a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22)).wrapping_add(a & b ^ a & c ^ b & c);
        (h, g, f, e) = (g, f, e, d.wrapping_add(first));
        (d, c, b, a) = (c, b, a, first.wrapping_add(second));
    }
    for (word, more) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest<'a>(kind: u8, pieces: impl Iterator<Item = &'a [u8]>) -> Option<Digest> {
        let mut hasher = Hasher::new(kind)?;
        pieces.for_each(|piece| hasher.update(piece));
        Some(hasher.finish())
    }

    fn whole(kind: u8, bytes: &[u8]) -> Option<Digest> {
        digest(kind, core::iter::once(bytes))
    }

    /// The standard's own examples.
    #[test]
    fn known_messages_have_their_hashes() {
        const LONG: &[u8] = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        let sha1 = *b"\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c\x9c\xd0\xd8\x9d";
        let sha1_long = *b"\x84\x98\x3e\x44\x1c\x3b\xd2\x6e\xba\xae\x4a\xa1\xf9\x51\x29\xe5\xe5\x46\x70\xf1";
        let sha256 = *b"\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23\xb0\x03\x61\xa3";
        let sha256_long =
            *b"\x24\x8d\x6a\x61\xd2\x06\x38\xb8\xe5\xc0\x26\x93\x0c\x3e\x60\x39\xa3\x3c\xe4\x59";
        assert_eq!(whole(1, b"abc"), Some(sha1));
        assert_eq!(whole(1, LONG), Some(sha1_long));
        assert_eq!(whole(2, b"abc"), Some(sha256));
        assert_eq!(whole(3, LONG), Some(sha256_long));
        assert!(Hasher::new(4).is_none() && Hasher::new(0).is_none());
    }

    #[test]
    fn pieces_make_the_same_hash() {
        let bytes: [u8; 300] = core::array::from_fn(|i| i as u8);
        assert_eq!(digest(2, bytes.chunks(7)), whole(2, &bytes));
        assert!(whole(2, &bytes).is_some());
    }
}
