//! Stacks walked as a program walks its own: by the words and strings at the stack pointer.

use super::*;

const TOP: u64 = 0x7fff_5fc0_0000;
const HEADER: u64 = 0x1_0000_4000;
const RANDOM: [u8; RANDOM_BYTES] = *b"ABCDEFGHabcdefgh01234567\x01\0\0\0\0\0\0\0";

fn start<'a>(arguments: &'a [&'a [u8]], environment: &'a [&'a [u8]]) -> Start<'a> {
    Start {
        arguments,
        environment,
        executable_path: b"/bin/echo",
        mach_header: None,
        pfz: None,
        nano_zone: false,
        stack: Stack { size: 0x80_0000, allocation: TOP - 0x400_0000, allocation_size: 0x400_0000 },
        executable_file: None,
        dyld_file: None,
        signature: None,
        thread_port: None,
        lkm: None,
        prefix: None,
        random: &RANDOM,
    }
}

/// What a program finds.
#[derive(Debug, Default, PartialEq)]
struct Found {
    header: Option<u64>,
    arguments: Vec<String>,
    environment: Vec<String>,
    apple: Vec<String>,
}

struct Walk<'a> {
    image: &'a Image,
    at: u64,
}

impl Walk<'_> {
    fn tail(&self, address: u64) -> &[u8] {
        &self.image.bytes[usize::try_from(address - self.image.rsp).unwrap()..]
    }

    fn word(&mut self) -> u64 {
        let word = u64::from_le_bytes(*self.tail(self.at).first_chunk().unwrap());
        self.at += 8;
        word
    }

    fn vector(&mut self) -> Vec<String> {
        let words: Vec<u64> = std::iter::from_fn(|| Some(self.word()).filter(|&word| word != 0)).collect();
        let text = |address: u64| {
            let string = self.tail(address).split(|&byte| byte == 0).next().unwrap();
            String::from_utf8(string.to_vec()).unwrap()
        };
        words.into_iter().map(text).collect()
    }
}

fn walk(image: &Image, dylinker: bool) -> Found {
    assert_eq!(image.rsp + image.bytes.len() as u64, TOP, "the bytes end at the top");
    assert!(image.rsp.is_multiple_of(8) && image.strings.is_multiple_of(8));
    let mut walk = Walk { image, at: image.rsp };
    let header = dylinker.then(|| walk.word());
    let argc = walk.word();
    let [arguments, environment, apple] = std::array::from_fn(|_| walk.vector());
    assert_eq!(arguments.len() as u64, argc);
    assert_eq!(walk.at, image.strings, "strings follow the pointers");
    Found { header, arguments, environment, apple }
}

/// The apple strings of [`start`].
const PLAIN: [&str; 5] = [
    "executable_path=/bin/echo",
    // Bytes 48 47 46 45 44 43 00 41: "ABCDEFGH" as a little-endian word with its second byte cleared.
    "stack_guard=0x4847464544430041",
    "malloc_entropy=0x6867666564636261,0x3736353433323130",
    "ptr_munge=0x1",
    "main_stack=0x7fff5fc00000,0x800000,0x7fff5bc00000,0x4000000",
];

#[test]
fn static_program_finds_arguments_environment_and_apple() {
    let image = build(&start(&[b"echo", b"", b"hello world"], &[b"A=1", b"B="]), TOP).unwrap();
    let found = walk(&image, false);
    assert_eq!(found.arguments, ["echo", "", "hello world"]);
    assert_eq!(found.environment, ["A=1", "B="]);
    assert_eq!(found.apple, PLAIN);
}

#[test]
fn dylinker_finds_the_header_before_argc() {
    let mut start = start(&[b"echo"], &[b"A=1"]);
    let without = build(&start, TOP).unwrap();
    start.mach_header = Some(HEADER);
    let image = build(&start, TOP).unwrap();
    let found = walk(&image, true);
    assert_eq!(found, Found { header: Some(HEADER), ..walk(&without, false) });
    // All else is the same and in the same place.
    assert_eq!(image.rsp + 8, without.rsp);
    assert_eq!(image.bytes[8..], without.bytes);
}

#[test]
fn apple_strings_come_in_order_of_exec() {
    let mut start = start(&[b"a"], &[]);
    start.pfz = Some(0x7fff_fff0_3000);
    start.nano_zone = true;
    start.executable_file = Some(FileId { fsid: 0x0100_0004, fileid: 0xabc });
    start.dyld_file = Some(FileId { fsid: 0, fileid: u64::MAX });
    start.signature = Some(Signature { cdhash: [0x0f; 20], boothash: [0xa0; 20] });
    start.thread_port = Some(0x103);
    let found = walk(&build(&start, TOP).unwrap(), false);
    let [path, guard, entropy, munge, stack] = PLAIN;
    let (cdhash, boothash) = ("0f".repeat(20), "a0".repeat(20));
    let expected = [
        path,
        "pfz=0x7ffffff03000",
        "MallocNanoZone=1",
        guard,
        entropy,
        munge,
        stack,
        "executable_file=0x1000004,0xabc",
        "dyld_file=0x0,0xffffffffffffffff",
        &format!("executable_cdhash={cdhash}"),
        &format!("executable_boothash={boothash}"),
        "th_port=0x103",
    ]
    .map(str::to_string);
    assert_eq!(found.apple, expected);
}

#[test]
fn empty_vectors_are_bare_terminators() {
    let image = build(&start(&[], &[]), TOP).unwrap();
    let found = walk(&image, false);
    assert_eq!(found, Found { apple: PLAIN.map(str::to_string).to_vec(), ..Found::default() });
    // argc 0, end of argv, end of envp.
    assert_eq!(image.bytes[..24], [0; 24]);
}

#[test]
fn string_parts_are_padded_to_pointers() {
    let image = build(&start(&[b"echo"], &[b"A=1"]), TOP).unwrap();
    let area = &image.bytes[(image.strings - image.rsp) as usize..];
    // 16 + 9 + 1 bytes of path make 32; 5 + 4 of argument and environment make 16.
    assert!(
        area.starts_with(b"executable_path=/bin/echo\0\0\0\0\0\0\0echo\0A=1\0\0\0\0\0\0\0\0stack_guard=")
    );
    assert!(area.len().is_multiple_of(8) && area.ends_with(b"\0"));
}

#[test]
fn stack_pointer_is_aligned_for_every_count() {
    let pool: [&[u8]; 6] = [b"", b"1", b"22", b"7777777", b"88888888", b"999999999"];
    let mut remainders = [false; 2];
    for arguments in 0..=pool.len() {
        for environment in 0..=pool.len() {
            let mut start = start(&pool[..arguments], &pool[..environment]);
            for header in [None, Some(HEADER)] {
                start.mach_header = header;
                let image = build(&start, TOP).unwrap();
                let found = walk(&image, header.is_some());
                assert_eq!((found.arguments.len(), found.environment.len()), (arguments, environment));
                // As on XNU, argc may or may not be on a multiple of 16.
                remainders[usize::from(image.rsp.is_multiple_of(16))] = true;
            }
        }
    }
    assert_eq!(remainders, [true; 2]);
}

#[test]
fn argument_space_is_full_at_arg_max() {
    // One argument, with three pointers (its own and both terminators), fills ARG_MAX.
    let longest = vec![b'x'; ARG_MAX - 3 * 8 - 1];
    let image = build(&start(&[&longest], &[]), TOP).unwrap();
    assert_eq!(walk(&image, false).arguments[0].len(), longest.len());
    let longer = vec![b'x'; ARG_MAX - 3 * 8];
    assert_eq!(build(&start(&[&longer], &[]), TOP), Err(Error::TooBig(ARG_MAX + 8)), "padding counts");
    assert_eq!(build(&start(&[], &[&longer]), TOP), Err(Error::TooBig(ARG_MAX + 8)));
    // The environment shares the space: each empty string takes 8 bytes of pointer and 1 of string.
    let many: Vec<&[u8]> = vec![b""; (ARG_MAX - 2 * 8) / 9];
    let (first, second) = many.split_at(many.len() / 2);
    assert!(build(&start(first, second), TOP).is_ok());
    let many: Vec<&[u8]> = vec![b""; (ARG_MAX - 2 * 8) / 9 + 1];
    let (first, second) = many.split_at(many.len() / 2);
    assert!(matches!(build(&start(first, second), TOP), Err(Error::TooBig(_))));
}

#[test]
fn image_must_fit_the_stack() {
    let mut start = start(&[b"echo"], &[]);
    let length = build(&start, TOP).unwrap().bytes.len();
    // A size of the same number of digits leaves the length of the image alone.
    start.arguments = &[];
    start.stack.size = 0x100;
    let needed = match build(&start, TOP) {
        Err(Error::StackTooSmall(needed)) => needed,
        other => panic!("{other:?}"),
    };
    assert!(needed > 0x100 && needed < length);
    start.stack.size = needed as u64;
    assert_eq!(build(&start, TOP).unwrap().bytes.len(), needed);
    start.stack.size = needed as u64 - 1;
    assert_eq!(build(&start, TOP), Err(Error::StackTooSmall(needed)));
    // Nor does it wrap around below address 0.
    start.stack.size = u64::MAX;
    assert!(matches!(build(&start, 64), Err(Error::StackTooSmall(_))));
}

#[test]
fn longest_path_is_maxpathlen_with_its_nul() {
    let path = [b'p'; MAXPATHLEN];
    let mut start = start(&[], &[]);
    start.executable_path = &path[1..];
    let found = walk(&build(&start, TOP).unwrap(), false);
    assert_eq!(found.apple[0].len(), "executable_path=".len() + MAXPATHLEN - 1);
    start.executable_path = &path;
    assert_eq!(build(&start, TOP), Err(Error::PathTooLong(MAXPATHLEN + 1)));
}

#[test]
fn nul_inside_a_string_is_refused() {
    assert_eq!(build(&start(&[b"a\0b"], &[]), TOP), Err(Error::InteriorNul));
    assert_eq!(build(&start(&[], &[b"\0"]), TOP), Err(Error::InteriorNul));
    let mut start = start(&[], &[]);
    start.executable_path = b"/bin\0";
    assert_eq!(build(&start, TOP), Err(Error::InteriorNul));
}

#[test]
fn unaligned_top_is_refused() {
    assert_eq!(build(&start(&[], &[]), TOP - 4), Err(Error::Unaligned));
}
