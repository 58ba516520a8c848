//! Traps and messages made up from bytes, and what must hold after them, for the sweep and for the fuzzer.
//!
//! The engine is in the world of its own tests: no real thread waits, the clock moves when one would. At the end all
//! tasks go, and with them every port, message, region and name.

#[path = "../../lkm/tests/common/mod.rs"]
mod common;

use common::World;
use common::message::{Message, RECEIVE_NOW, ROOM};
use std::cell::Cell;
use xnu_abi::darwin::kern_return::MachMsgReturn;
use xnu_abi::darwin::mach_message::MsgType;
use xnu_abi::lkm::{ArgKind, Trap};
use xnu_backend_mock::{Mock, Ports};
use xnu_core::{Call, Context, Process, Reply, Thread, table::Class};
use xnu_lkm::{Caller, Host, MIG_ROUTINES, MachMsg, MachMsg2, MigField, OpenId, Usage};

/// Bytes that are read one after the other.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn long(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// As many as there are.
    fn some(&mut self, count: usize) -> &[u8] {
        let (first, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        first
    }
}

/// A world that inputs use one after the other, because one is dear to make; and what the kernel's own ports take.
struct Kept {
    world: World,
    before: Usage,
    uses: u32,
    /// A process of the mock's, for Mach traps.
    guest: Option<Machine>,
}

/// Inputs that use one world. What a task leaves behind adds up so far and would be seen.
const USES: u32 = 256;

/// Bytes that all stores together keep when their objects are gone: less than two chunks each.
const STORES: usize = 256 << 10;

thread_local! {
    /// Taken out while an input runs: one that panics takes its world along.
    static KEPT: Cell<Option<Kept>> = const { Cell::new(None) };
    static USES_AT_MOST: u32 =
        std::env::var("XNU_FUZZ_USES").ok().and_then(|uses| uses.parse().ok()).unwrap_or(USES);
}

impl Kept {
    fn take() -> Kept {
        if let Some(kept) = KEPT.take() {
            return kept;
        }
        let world = World::new();
        let before = own_ports(&world);
        Kept { world, before, uses: 0, guest: None }
    }

    fn give_back(mut self) {
        self.uses += 1;
        if self.uses < USES_AT_MOST.with(|uses| *uses) {
            self.world.start_over();
            KEPT.set(Some(self));
        }
    }
}

/// Two tasks in a world, rights of each other's and of the kernel's, and memory.
struct Tasks {
    kept: Kept,
    world: World,
    opens: [OpenId; 2],
    tasks: [Caller; 2],
    names: [Vec<u32>; 2],
    /// Memory in both tasks: readable and writable pages.
    pages: [u64; 2],
}

/// Has the engine make the ports of its own that it makes when they are first asked for: the host's and the clocks'.
fn own_ports(world: &World) -> Usage {
    const HOST_GET_CLOCK_SERVICE: i32 = 206;
    let (open, asker) = world.opened(9);
    let host = world.host_self(asker);
    for clock in 0..2_u32 {
        let reply = world.mach_reply_port(asker);
        let mut data = vec![0, 0, 0, 0, 1, 0, 0, 0];
        data.extend(clock.to_le_bytes());
        let request = Message::to(host, MsgType::MACH_MSG_TYPE_COPY_SEND, HOST_GET_CLOCK_SERVICE)
            .reply(reply, MsgType::MACH_MSG_TYPE_MAKE_SEND_ONCE)
            .data(&data);
        assert_eq!(world.send(asker, &request), MachMsgReturn::MACH_MSG_SUCCESS);
    }
    world.release(open);
    Usage { bytes: 0, ..world.usage() }
}

const PAGES: usize = 4 * 4096;

impl Tasks {
    fn new() -> Tasks {
        let kept = Kept::take();
        let world = kept.world.clone();
        let [(first, a), (second, b)] = [world.opened(10), world.opened(11)];
        let (port, other, set) = (world.send_receive(a), world.send_receive(a), world.set(a));
        let theirs = world.send_receive(b);
        let copy = MsgType::MACH_MSG_TYPE_COPY_SEND;
        let here = world.give(b, theirs, copy, a);
        let there = world.give(a, port, copy, b);
        let once = world.give(a, port, MsgType::MACH_MSG_TYPE_MAKE_SEND_ONCE, b);
        world.mach_port_insert_member(a, a.task, other, set).expect("a set takes a port");
        let semaphore = world.semaphore_create(a, a.task, 0, 1).expect("room for a semaphore");
        let common = |task| {
            [
                world.task_self(task),
                world.thread_self(task),
                world.host_self(task),
                world.mach_reply_port(task),
            ]
        };
        let mut names = [vec![port, other, set, here, semaphore], vec![there, once, theirs]];
        names[0].extend(common(a));
        names[0].extend([world.mk_timer_create(a), world.thread_get_special_reply_port(a)]);
        names[1].extend(common(b));
        let pages = [world.alloc(a, PAGES as u64), world.alloc(b, PAGES as u64)];
        Tasks { kept, world, opens: [first, second], tasks: [a, b], names, pages }
    }

    /// A name: mostly one of the task's own.
    fn name(&self, of: usize, byte: u8) -> u32 {
        match byte {
            0..192 => self.names[of][usize::from(byte) % self.names[of].len()],
            192..208 => 0,
            208..216 => u32::MAX,
            // One that a call may have made since.
            _ => u32::from(byte - 208) << 8 | 3,
        }
    }

    /// Writes to a task's pages, which it may have given away.
    fn put(&self, who: usize, bytes: &[u8]) {
        let _ = self.world.engine.host().copy_out(self.tasks[who].task, self.pages[who], bytes);
    }

    /// Ends everything: nothing may be left.
    fn end(self) {
        for open in self.opens {
            self.world.release(open);
        }
        let usage = self.world.usage();
        assert_eq!(Usage { bytes: 0, ..usage }, self.kept.before, "something is left");
        assert_eq!(self.world.engine.host().regions.get(), 0, "memory on its way is left");
        assert!(usage.bytes < STORES, "stores without objects take {} bytes", usage.bytes);
        self.kept.give_back();
    }
}

/// Any trap of the engine's with any argument, in turns with any Mach trap on the mock.
///
/// # Panics
/// The engine or a handler panicked, or something was left.
pub fn trap_numbers(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let mut of = Tasks::new();
    let mut guest = None;
    while let Some([kind, who, number, high]) = bytes.array() {
        let number = u16::from_le_bytes([number, high]);
        if kind < 64 {
            let guest = guest.get_or_insert_with(|| Guest::new(of.kept.guest.take()));
            if guest.call(number, &mut bytes).is_none() {
                break;
            }
            continue;
        }
        let who = usize::from(who % 2);
        let by = of.tasks[who];
        let traps = Trap::ALL;
        let number =
            if kind < 80 { u32::from(number) } else { traps[usize::from(number) % traps.len()].number() };
        let size = match Trap::new(number).map(Trap::argument) {
            Some(ArgKind::Struct(layout)) => layout.size,
            _ => 0,
        };
        let at = of.pages[who];
        let argument = if kind < 96 {
            let Some(word) = bytes.long() else { break };
            word
        } else if size == 0 {
            let Some(byte) = bytes.byte() else { break };
            u64::from(of.name(who, byte))
        } else {
            let mut given = bytes.some(size).to_vec();
            // Words that are names or addresses worth passing.
            for word in given.as_chunks_mut::<4>().0 {
                if let [byte, 0xee, ..] = *word {
                    *word = of.name(who, byte).to_le_bytes();
                } else if let [byte, 0xdd, ..] = *word {
                    *word = ((at as u32) + u32::from(byte) * 64).to_le_bytes();
                }
            }
            of.put(who, &given);
            at
        };
        let _ = of.world.trap(by, number, argument);
        let _ = of.world.take_guard_exception(by);
    }
    if let Some(guest) = guest {
        of.kept.guest = Some(guest.end());
    }
    of.end();
}

/// A mock and its engine that guests use one after the other.
struct Machine {
    ports: Ports,
    /// The machine that each of them finds.
    furnished: Mock,
    page: u64,
}

/// A process of the mock's that makes Mach traps.
struct Guest {
    process: Process<Mock, Ports>,
    thread: Thread,
    machine: Machine,
}

impl Machine {
    fn new() -> (Mock, Machine) {
        let mock = Mock::new(1);
        mock.keep_calls(false);
        let page = mock.alloc(4096).get();
        let (ports, furnished) = (Ports::new(&mock), mock.copy());
        (mock, Machine { ports, furnished, page })
    }
}

impl Guest {
    fn new(kept: Option<Machine>) -> Guest {
        let (mock, machine) = kept.map_or_else(Machine::new, |machine| (machine.ports.machine(), machine));
        Guest { process: Process::new(mock, machine.ports.clone()), thread: Thread::default(), machine }
    }

    /// Ends the process, and nothing of it may be left; the machine is as new.
    fn end(self) -> Machine {
        let Machine { ports, furnished, .. } = &self.machine;
        ports.start_over();
        // The kernel's own ports stay: the host's and the clocks'.
        let usage = ports.usage();
        assert_eq!(Usage { bytes: 0, ports: 0, ..usage }, Usage::default(), "something is left of the guest");
        assert!(usage.ports <= 3, "{usage:?}");
        self.process.kernel.restore(furnished);
        self.machine
    }

    fn call(&mut self, number: u16, bytes: &mut Bytes<'_>) -> Option<()> {
        let number = if number < 0x8000 { u32::from(number % 160) } else { u32::from(number) << 8 };
        let mut words = [0; 8];
        for word in &mut words {
            *word = match bytes.byte()? {
                0..64 => u64::from(bytes.byte()?),
                64..128 => self.machine.page + u64::from(bytes.byte()?) * 16,
                // Names as they come, one after the other.
                128..192 => u64::from(bytes.byte()? % 32) << 8 | 3,
                _ => bytes.long()?,
            };
        }
        let call = Call { class: Class::Mach, number, words };
        let known = call.row().is_some();
        let mut cx = Context { process: &self.process, thread: Some(&mut self.thread) };
        let reply = call.dispatch(&mut cx);
        assert!(known || reply == Reply::Invalid, "{call:x?} has no row");
        Some(())
    }
}

/// Messages of any bytes from either task, received and not.
///
/// # Panics
/// The engine panicked, or something was left.
pub fn mach_msg(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let of = Tasks::new();
    while let Some([who, how, options_low, options_high]) = bytes.array() {
        let who = usize::from(who % 2);
        let (by, at) = (of.tasks[who], of.pages[who]);
        let Some([length, priority, name, extra]) = bytes.array() else { break };
        let mut message = bytes.some(usize::from(length)).to_vec();
        for word in message.as_chunks_mut::<4>().0 {
            if let [byte, 0xee, ..] = *word {
                *word = of.name(who, byte).to_le_bytes();
            } else if let [byte, 0xdd, ..] = *word {
                *word = (at as u32 + 4096 + u32::from(byte) * 16).to_le_bytes();
            }
        }
        of.put(who, &message);
        let options = u32::from(options_low) | u32::from(options_high) << 8;
        let name = of.name(who, name);
        let send_size = u32::from(length).wrapping_add(u32::from(extra % 4)) & !u32::from(how >> 7);
        let (address, receive_size) = (at, u32::from(priority) * 8);
        let result = if how % 4 != 3 {
            of.world.mach_msg(
                by,
                &MachMsg {
                    address,
                    options: options | u32::from(extra) << 24,
                    send_size,
                    receive_size,
                    receive_name: name,
                    timeout_ms: u32::from(extra % 3),
                    priority: u32::from(priority),
                    receive_address: if how & 8 == 0 { 0 } else { at + 4096 },
                },
            )
        } else {
            let word = |at: usize| {
                let part = message.get(at..).and_then(|rest| rest.first_chunk::<4>());
                u64::from(part.map_or(0, |part| u32::from_le_bytes(*part)))
            };
            of.world.mach_msg2(
                by,
                &MachMsg2 {
                    address,
                    options: u64::from(options) | 1 << (32 + extra % 8),
                    bits_and_send_size: word(0) | u64::from(send_size) << 32,
                    remote_and_local: word(8) | word(12) << 32,
                    voucher_and_id: word(16) | word(20) << 32,
                    descriptors_and_receive_name: word(24) | u64::from(name) << 32,
                    receive_size_and_priority: u64::from(receive_size) | u64::from(priority) << 32,
                    timeout_ms: u32::from(extra % 3),
                },
            )
        };
        // Success, or a code of sending or receiving, or the bits of memory that was too much.
        let number = result.number();
        assert!(number == 0 || number & !0x7fff == 0x1000_0000 || number & !0x3e00 == 0, "{result:?}");
        if how & 16 != 0 {
            for name in &of.names[who][..3] {
                of.world.receive_with(by, *name, RECEIVE_NOW, ROOM, 0);
            }
        }
        if how & 96 == 96 {
            let _ = of.world.mach_port_destroy(by, by.task, name);
        }
        let _ = of.world.take_guard_exception(by);
    }
    of.end();
}

/// A request to an object of the kernel's.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which of the two tasks sends it.
    pub by_second: bool,
    /// Which routine, of those that are served.
    pub routine: u8,
    /// Another number in place of the routine's.
    pub id: Option<i32>,
    /// Which name it goes to.
    pub to: u8,
    /// What the fields hold, one after the other, as they take it.
    pub fields: Vec<u32>,
    /// Bytes behind the last field, or, if negative, that many fewer.
    pub longer: i8,
}

impl Request {
    fn message(&self, of: &Tasks, reply: u32) -> Message {
        let who = usize::from(self.by_second);
        let routine = &MIG_ROUTINES[usize::from(self.routine) % MIG_ROUTINES.len()];
        let names = &of.names[who];
        let to = names[usize::from(self.to) % names.len()];
        let copy = MsgType::MACH_MSG_TYPE_COPY_SEND;
        let mut message = Message::to(to, copy, self.id.unwrap_or(routine.id));
        message = message.reply(reply, MsgType::MACH_MSG_TYPE_MAKE_SEND_ONCE);
        let mut fields = self.fields.iter().copied();
        let mut next = || fields.next().unwrap_or(0);
        let mut data = vec![0, 0, 0, 0, 1, 0, 0, 0];
        for field in routine.request {
            match *field {
                MigField::Word => data.extend(of.field(who, next()).to_le_bytes()),
                MigField::Long => {
                    data.extend(next().to_le_bytes());
                    data.extend(next().to_le_bytes());
                }
                MigField::Port(_) | MigField::AnyPort => {
                    let word = next();
                    let disposition = [19, 20, 21, 17, 18, 16][(word >> 8) as usize % 6];
                    let name = of.name(who, word as u8);
                    message = message.with(common::message::port_descriptor(name, MsgType::new(disposition)));
                }
                MigField::Memory(size) => {
                    let size = u32::from(size).wrapping_add(next() % 2);
                    message = message.with(common::message::memory_descriptor(of.pages[who], size, 1, false));
                }
                MigField::Counted(most) => {
                    let count = next() % (u32::from(most) + 2);
                    data.extend(count.to_le_bytes());
                    (0..count).for_each(|_| data.extend(next().to_le_bytes()));
                }
                // Replies alone have the others.
                _ => {}
            }
        }
        // Where descriptors are, the description of integers is behind them; where nothing else is, it is left out.
        if routine
            .request
            .iter()
            .all(|field| !matches!(field, MigField::Word | MigField::Long | MigField::Counted(_)))
        {
            data.clear();
        }
        match usize::try_from(self.longer) {
            Ok(more) => data.resize(data.len() + more / 4 * 4, 0xa5),
            Err(_) => {
                data.truncate(data.len().saturating_sub(usize::from(self.longer.unsigned_abs()) / 4 * 4))
            }
        }
        message.data = data;
        message
    }
}

impl Tasks {
    /// A word of a request: a name of the task's or a number.
    fn field(&self, who: usize, word: u32) -> u32 {
        match word.to_le_bytes() {
            [byte, 0xee, ..] | [byte, 0, 0, 0xee] => self.name(who, byte),
            _ => word,
        }
    }
}

/// Requests to the kernel's objects, each with its reply.
///
/// # Panics
/// The engine panicked, a request had no reply or one that is none, or something was left.
pub fn mig(requests: &[Request]) {
    let of = Tasks::new();
    for request in requests {
        let who = usize::from(request.by_second);
        let by = of.tasks[who];
        let reply = of.world.mach_reply_port(by);
        let message = request.message(&of, reply);
        // Names of ports that no object stands behind are receive rights of the tasks': nobody answers there.
        let sent = of.world.send(by, &message);
        let names = of.world.drain(by, reply);
        if sent == MachMsgReturn::MACH_MSG_SUCCESS {
            let answer = message.id.wrapping_add(100);
            // A request may have asked for a notification here, by chance.
            let ids: Vec<i32> = names.into_iter().filter(|id| !(65..=72).contains(id)).collect();
            assert!(ids.is_empty() || ids == [answer], "{message:?}: {ids:?}");
        }
        let _ = of.world.take_guard_exception(by);
        let _ = of.world.mach_port_destroy(by, by.task, reply);
    }
    of.end();
}
