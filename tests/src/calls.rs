//! Calls made up from bytes, and what must hold after each of them, for the sweep and for the fuzzer.

use std::collections::BTreeSet;
use xnu_backend_mock::{Mock, Ports};
use xnu_core::table::{Class, Row};
use xnu_core::{Call, Context, Process, Reply, Thread, UserAddr, dispatch, signal};

/// Guest memory that the calls know of: two pages to read and write, one only to read, and some texts.
struct Guest {
    process: Process<Mock, Ports>,
    thread: Thread,
    /// Addresses worth passing: starts, ends, and places near them.
    addresses: Vec<u64>,
    /// Addresses of paths.
    paths: Vec<u64>,
    /// Memory of the runner's: no call may change or unmap it.
    runner: UserAddr,
}

const PAGE: usize = 4096;
const RUNNER: [u8; PAGE] = [0xa5; PAGE];

/// Numbers worth passing for anything.
const INTERESTING: [u64; 32] = [
    0,
    1,
    2,
    3,
    4,
    5,
    8,
    16,
    24,
    32,
    56,
    144,
    255,
    256,
    1023,
    1024,
    1025,
    4095,
    4096,
    8192,
    65536,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_f000,
    0x8000_0000_0000,
    i64::MAX as u64,
    i64::MIN as u64,
    u64::MAX,
    u64::MAX - 1,
    u64::MAX - 99,
];

/// The machine that every guest finds: dear to make, cheap to copy.
struct Furnished {
    mock: Mock,
    addresses: Vec<u64>,
    paths: Vec<u64>,
    runner: UserAddr,
}

thread_local! {
    static FURNISHED: Furnished = Furnished::new();
}

impl Furnished {
    fn new() -> Furnished {
        let mock = Mock::new(1);
        mock.keep_calls(false);
        mock.add_file("/tmp/a", b"some bytes");
        mock.set_owner("/tmp/a", 1000, 1000);
        mock.add_symlink("/tmp/l", "a");
        mock.add_dir("/tmp/d");
        mock.add_fifo("/tmp/f");
        let pages = mock.alloc(2 * PAGE).get();
        let read_only = mock.alloc(PAGE);
        mock.protect(read_only, PAGE, 1);
        let runner = mock.alloc(PAGE);
        mock.poke(runner, &RUNNER);
        let mut addresses = vec![pages, read_only.get(), read_only.get() + PAGE as u64 - 8];
        for below in [0, 1, 4, 8, 16, 24, 56, 144, 1024] {
            addresses.push(pages + 2 * PAGE as u64 - below);
        }
        for text in
            ["/tmp/a", "/tmp/l", "/tmp/d", "/tmp/f", "/tmp/new", "/dev/tty", "/dev/zero", "a", "", "/"]
        {
            addresses.push(mock.place_str(text).get());
        }
        let paths = addresses[addresses.len() - 10..].to_vec();
        // A vector of two pieces, a frame that sigreturn takes, an action.
        let words = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
        addresses.push(mock.place(&words(&[pages, 10, pages + 100, 20])).get());
        let registers = mock.place(&[0; 1032]).get();
        addresses.push(mock.place(&words(&[0, 0, 0, 0, 0, 1032, registers])).get());
        addresses.push(mock.place(&words(&[0x1000, 0x2000, 0])).get());
        Furnished { mock, addresses, paths, runner }
    }
}

impl Guest {
    fn new() -> Guest {
        FURNISHED.with(|Furnished { mock, addresses, paths, runner }| {
            let mock = mock.copy();
            let ports = Ports::new(&mock);
            ports.keep(*runner, PAGE as u64);
            let process = Process::new(mock, ports);
            assert_eq!(process.reserved.add(runner.get()..runner.get() + PAGE as u64), Ok(()));
            Guest {
                process,
                thread: Thread::default(),
                addresses: addresses.clone(),
                paths: paths.clone(),
                runner: *runner,
            }
        })
    }

    /// An argument of a parameter with this name: mostly one that makes sense there.
    fn argument(&self, name: &str, bytes: &mut dyn Iterator<Item = u8>) -> Option<u64> {
        let sensible = bytes.next()?;
        if sensible < 64 {
            return self.word(bytes);
        }
        let detail = usize::from(bytes.next()?);
        let small = |bound: usize| (detail % bound) as u64;
        Some(match name {
            "path" => self.paths[detail % self.paths.len()],
            // Mostly the working directory, where that has a meaning.
            "fd" if detail > 160 => -2i64 as u64,
            "fd" | "from" | "to" => small(12),
            "nbyte" | "len" | "size" | "bufsize" | "count" => [0, 1, 7, 100, 4096][detail % 5],
            "iovcnt" => small(4),
            "mode" => small(8) | 0o600,
            "amode" => small(8),
            "offset" | "pos" => [0, 3, 4096, u64::MAX][detail % 4],
            "how" | "which" | "whence" => small(5),
            "prot" => small(8),
            // Anonymous and private or shared, fixed now and then; creation and truncation.
            "flags" => [0x1002, 0x1001, 2, 1, 0x1012, 0, 1, 2, 0x202, 0x602, 0x0020_0000, 0x12][detail % 12],
            "cmd" => [0, 1, 2, 3, 4, 7, 8, 9, 50, 51, 67, 90, 92][detail % 13],
            "arg" if detail % 2 == 0 => small(8),
            "signum" => small(33),
            "behav" => small(12),
            "infostyle" => [1, 0x1e, 0x4000_0000, 0x8000_0000][detail % 4],
            "flag" => [0, 0, 0x20, 0x80, 0x10][detail % 5],
            _ => self.addresses[detail % self.addresses.len()],
        })
    }

    fn word(&self, bytes: &mut dyn Iterator<Item = u8>) -> Option<u64> {
        let (kind, detail) = (bytes.next()?, usize::from(bytes.next()?));
        Some(match kind {
            0..90 => self.addresses[detail % self.addresses.len()],
            90..130 => (detail % 12) as u64,
            130..190 => INTERESTING[detail % INTERESTING.len()],
            190..200 => self.addresses[detail % self.addresses.len()].wrapping_sub(bytes.next()?.into()),
            // Flags: one bit or two.
            200..230 => 1 << (detail % 32) | 1 << (bytes.next()? % 32),
            230..240 => detail as u64,
            _ => {
                let mut word = [0; 8];
                for byte in &mut word {
                    *byte = bytes.next()?;
                }
                u64::from_le_bytes(word)
            }
        })
    }

    /// Any number of any table now and then; mostly those that are served, whose handlers are what is tried.
    fn number(bytes: &mut dyn Iterator<Item = u8>) -> Option<(Class, u32)> {
        let (kind, detail) = (bytes.next()?, u16::from_le_bytes([bytes.next()?, bytes.next()?]));
        let classes = [Class::Bsd, Class::Mach, Class::Machdep];
        let class = classes[usize::from(kind % 3)];
        Some(match kind {
            0..16 => (class, u32::from(detail)),
            16..20 => (class, u32::from(detail) << 16 | 0xffff),
            20..60 => (class, u32::from(detail) % 700),
            _ => {
                let served = served();
                served[usize::from(detail) % served.len()]
            }
        })
    }

    fn check(&self, call: &Call, reply: Reply, before: &BTreeSet<i32>) {
        let mock = &self.process.kernel;
        assert_eq!(mock.peek(self.runner, PAGE), RUNNER, "{call:x?} reached the runner's memory");
        let row = call.row();
        match (row, reply) {
            (None, reply) => assert_eq!(reply, Reply::Invalid, "{call:x?} has no row"),
            (Some(row), Reply::Unchanged) => {
                assert!(matches!(row.name, "exit" | "sigreturn" | "bsdthread_terminate"), "{call:x?}")
            }
            (Some(_), Reply::Error(_)) => {
                let after: BTreeSet<i32> = mock.descriptors().into_iter().collect();
                assert_eq!(&after, before, "{call:x?} failed");
            }
            (Some(row), Reply::Value(first, _)) if matches!(row.name, "open" | "openat" | "dup" | "pipe") => {
                assert!(mock.descriptors().contains(&(first as i32)), "{call:x?} answers {first}");
            }
            _ => {}
        }
        assert_eq!(self.thread.signals.mask & signal::CANNOT_MASK, 0, "{call:x?}");
        assert!(mock.unserved().is_empty(), "{call:x?}: the mock lacks {:?}", mock.unserved());
    }
}

/// The numbers of every row that a handler serves, with those of the twins.
fn served() -> Vec<(Class, u32)> {
    use xnu_core::table::Grade::{Faithful, Fake, Partial};
    dispatch::rows()
        .filter(|row| matches!(row.grade, Faithful | Partial(_) | Fake(_)))
        .flat_map(|row: Row| {
            let twin = row.twin.map(|twin| (row.class, twin));
            [(row.class, row.number)].into_iter().chain(twin)
        })
        .collect()
}

/// Makes up to `limit` calls on a fresh machine, as the bytes say, and answers how many there were.
///
/// # Panics
/// A handler panicked, gave Linux arguments that do not fit its call, lost a descriptor on a failure, or touched the
/// runner's memory.
pub fn run(bytes: &mut dyn Iterator<Item = u8>, limit: usize) -> usize {
    let mut guest = Guest::new();
    for done in 0..limit {
        let Some((class, number)) = Guest::number(bytes) else { return done };
        let row = dispatch::row(class, number);
        // What no parameter takes is rubbish.
        let mut words = [0xdead_beef_dead_beef; 8];
        for (word, parameter) in words.iter_mut().zip(row.iter().flat_map(|row| row.parameters.iter())) {
            match guest.argument(parameter.name, bytes) {
                Some(given) => *word = given,
                None => return done,
            }
        }
        let call = Call { class, number, words };
        let before = guest.process.kernel.descriptors().into_iter().collect();
        let mut cx = Context { process: &guest.process, thread: Some(&mut guest.thread) };
        let reply = call.dispatch(&mut cx);
        guest.check(&call, reply, &before);
        // What was mapped is worth passing too.
        if let (Reply::Value(at, _), Some("mmap")) = (reply, call.row().map(|row| row.name)) {
            guest.addresses.push(at);
        }
    }
    limit
}
