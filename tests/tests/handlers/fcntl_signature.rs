//! `fcntl`: code signatures.

use crate::support::*;
use xnu_backend_mock::Mock;
use xnu_core::UserAddr;

/// A code directory of 160 bytes whose hashes cover `limit` bytes.
fn directory(hash: (u8, u8), limit: u32) -> Vec<u8> {
    let mut words = vec![0xfade_0c02u32, 160, 0x2_0400, 0, 128, 112, 0, 0, limit];
    words.push(u32::from_be_bytes([hash.0, hash.1, 0, 12]));
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
    bytes.resize(160, 0);
    bytes[112..116].copy_from_slice(b"test");
    bytes
}

const SHA1: (u8, u8) = (20, 1);
const SHA256: (u8, u8) = (32, 2);

/// An embedded signature of these slots.
fn signature(slots: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let index = 12 + 8 * slots.len();
    let length = index + slots.iter().map(|(_, blob)| blob.len()).sum::<usize>();
    let mut words = vec![0xfade_0cc0u32, length as u32, slots.len() as u32];
    let mut at = index;
    for (slot, blob) in slots {
        words.extend([*slot, at as u32]);
        at += blob.len();
    }
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
    slots.iter().for_each(|(_, blob)| bytes.extend(blob));
    bytes
}

/// A `struct fsignatures` in the guest.
fn request(k: &Mock, start: u64, blob: u64, size: u64) -> UserAddr {
    k.place(&bytes([start, blob, size, 56, 0, 0, 0]))
}

/// A file whose signature lies at 8192, where an image starts at 4096; and one that says nothing at all.
fn signed(blob: &[u8]) -> Machine<Mock> {
    let k = machine();
    let mut file = vec![0; 8192];
    file.extend(blob);
    k.add_file("/tmp/signed", &file);
    xnu!(k, open("/tmp/signed", O_RDONLY) => 3);
    k
}

#[test]
fn a_signature_tells_how_far_it_covers_the_file() {
    let blob = signature(&[(0, directory(SHA256, 4000))]);
    let k = signed(&blob);
    let size = blob.len() as u64;
    for command in [F_ADDFILESIGS_RETURN, F_ADDFILESIGS_FOR_DYLD_SIM, F_ADDFILESIGS_INFO] {
        let told = request(&k, 4096, 4096, size);
        xnu!(k, fcntl(3, command, told) => 0);
        assert_eq!(number(&k, told, 0, 8), 4096);
    }
    let silent = request(&k, 4096, 4096, size);
    xnu!(k, fcntl(3, F_ADDFILESIGS, silent) => 0);
    assert_eq!(k.peek(silent, 56), bytes([4096, 4096, size, 56, 0, 0, 0]));
    let memory = request(&k, 0, k.place(&blob).get(), size);
    xnu!(k, fcntl(3, F_ADDSIGS, memory) => 0);
    let short = request(&k, 0, k.place(&blob).get(), size + 1);
    xnu!(k, fcntl(3, F_ADDSIGS, short) => EFAULT);
    // A code directory alone will do.
    let alone = directory(SHA1, 12289);
    let k = signed(&alone);
    let told = request(&k, 8192, 0, alone.len() as u64);
    xnu!(k, fcntl(3, F_ADDFILESIGS_RETURN, told) => 0);
    assert_eq!(number(&k, told, 0, 8), 16384);
}

#[test]
fn the_strongest_code_directory_names_the_signature() {
    let (weak, strong) = (directory(SHA1, 4096), directory(SHA256, 8192));
    for slots in
        [[(0, weak.clone()), (0x1000, strong.clone())], [(0, strong.clone()), (0x1004, weak.clone())]]
    {
        let blob = signature(&slots);
        let k = signed(&blob);
        let told = request(&k, 8192, 0, blob.len() as u64);
        xnu!(k, fcntl(3, F_ADDFILESIGS_INFO, told) => 0);
        assert_eq!((number(&k, told, 0, 8), number(&k, told, 52, 4)), (8192, 2));
        // By sha256sum of the directory.
        let hash = k.peek(UserAddr::new(told.get() + 32), 20);
        assert_eq!(hash, CD_HASH);
    }
    let blob = signature(&[(0, weak.clone()), (0x1000, weak)]);
    let k = signed(&blob);
    xnu!(k, fcntl(3, F_ADDFILESIGS, request(&k, 8192, 0, blob.len() as u64)) => EBADEXEC);
}

const CD_HASH: [u8; 20] = [
    0x48, 0xf6, 0x56, 0x3e, 0x24, 0x3d, 0x6c, 0x65, 0x6c, 0x38, 0x4f, 0x82, 0xf1, 0xa9, 0x32, 0x1b, 0x5e,
    0x7f, 0x9b, 0x7d,
];

#[test]
fn a_structure_of_old_gets_no_hash() {
    let blob = directory(SHA256, 4096);
    let k = signed(&blob);
    let told = k.place(&bytes([8192, 0, 160, 32]));
    xnu!(k, fcntl(3, F_ADDFILESIGS_INFO, told) => 0);
    assert_eq!(k.peek(told, 32), bytes([4096, 0, 160, 32]));
    faults(&k, "fcntl", &[3, F_ADDFILESIGS_INFO.number() as u64, 0], 2, 32, IN);
    faults(&k, "fcntl", &[3, F_ADDFILESIGS_RETURN.number() as u64, 0], 2, 24, IN);
    // A hash that we cannot make is not made up.
    let blob = directory((48, 4), 4096);
    let k = signed(&blob);
    xnu!(k, fcntl(3, F_ADDFILESIGS_INFO, request(&k, 8192, 0, 160)) => ENOTSUP);
    xnu!(k, fcntl(3, F_ADDFILESIGS_RETURN, request(&k, 8192, 0, 160)) => 0);
}

#[test]
fn bad_signatures_are_ebadexec() {
    let good = signature(&[(0, directory(SHA256, 4096)), (5, entitlements(0xfade_7171))]);
    let refuses = |blob: &[u8], what: &str| {
        let k = signed(blob);
        let reply = xnu!(k, fcntl(3, F_ADDFILESIGS_RETURN, request(&k, 8192, 0, blob.len() as u64)));
        assert_eq!(reply, EBADEXEC.reply(), "{what}");
    };
    let k = signed(&good);
    xnu!(k, fcntl(3, F_ADDFILESIGS, request(&k, 8192, 0, good.len() as u64)) => 0);
    // The directory starts at 28: every word of it and of the index, made too large.
    for (offset, what) in [
        (0, "magic"),
        (4, "length"),
        (8, "count"),
        (16, "offset of a slot"),
        (28, "magic of the directory"),
        (32, "length of the directory"),
        (44, "offset of hashes"),
        (48, "offset of the name"),
        (52, "special slots"),
        (56, "code slots"),
        (64, "hash and page size"),
        (72, "scatter"),
        (76, "team"),
        (good.len() - 8, "magic of the entitlements"),
    ] {
        let mut bad = good.clone();
        bad[offset..offset + 4].copy_from_slice(&[0xff; 4]);
        refuses(&bad, what);
    }
    let twice = signature(&[
        (0, directory(SHA256, 4096)),
        (5, entitlements(0xfade_7171)),
        (5, entitlements(0xfade_7171)),
    ]);
    refuses(&twice, "two entitlements");
    refuses(&signature(&[(5, entitlements(0xfade_7171))]), "no directory");
    refuses(&signature(&[]), "nothing");
    refuses(&[], "no bytes");
    refuses(&good[..20], "cut off");
    let nothing_covered = directory(SHA256, 0);
    let k = signed(&nothing_covered);
    xnu!(k, fcntl(3, F_ADDFILESIGS, request(&k, 8192, 0, 160)) => EINVAL);
    xnu!(k, fcntl(3, F_ADDFILESIGS, request(&k, 8192, 0, 40 * 1024 * 1024 + 1)) => E2BIG);
    xnu!(k, fcntl(3, F_ADDFILESIGS, request(&k, 1 << 40, 0, 160)) => EBADEXEC);
}

fn entitlements(magic: u32) -> Vec<u8> {
    [magic, 8].into_iter().flat_map(u32::to_be_bytes).collect()
}

#[test]
fn libraries_are_always_valid_and_signatures_are_not_kept() {
    let k = machine();
    xnu!(k, open("/tmp/own", O_RDONLY) => 3);
    xnu!(k, fcntl(3, F_CHECK_LV, bytes([0, 0, 0])) => 0);
    faults(&k, "fcntl", &[3, F_CHECK_LV.number() as u64, 0], 2, 24, IN);
    xnu!(k, fcntl(3, F_GETSIGSINFO, bytes([0, 1])) => ENOENT);
    faults(&k, "fcntl", &[3, F_GETSIGSINFO.number() as u64, 0], 2, 16, IN);
}
