//! Messages to the kernel's objects: which routine is meant, and what it answers (`osfmk/kern/ipc_kobject.c`, and the
//! servers that MIG makes of `osfmk/mach/*.defs`).
//!
//! One row a routine says what its request and its reply hold; what a handler sees was checked by it, and what it answers
//! is laid out by it. A routine is found by its number alone, whatever object the message was sent to; an object of the
//! wrong kind is the routine's to refuse.

mod clock;
mod exception;
mod host;
mod layout;
mod port;
mod rights;
mod task;
mod thread;
mod voucher;

pub use layout::MigField;

use crate::engine::Engine;
use crate::host::{Caller, Host};
use crate::kmsg::{Descriptor, Kmsg, KmsgId};
use crate::notification::NDR;
use crate::port::{Object, PortRef};
use crate::state::State;
use crate::task::{TaskId, ThreadId};
use alloc::vec::Vec;
use layout::{Arguments, Reply, Value};
use xnu_abi::darwin::kern_return::{KernReturn, MigReturn};
use xnu_abi::darwin::mach_message::MsgType;

/// A reply's number is its request's and so many.
const REPLY_ID: i32 = 100;

/// A routine, as its definition says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MigRoutine {
    /// The request's `msgh_id`.
    pub id: i32,
    /// The name in the definition.
    pub name: &'static str,
    /// What follows the destination in a request.
    pub request: &'static [MigField],
    /// What a reply holds beside the result.
    pub reply: &'static [MigField],
}

/// How the number of a request is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MigGrade {
    /// By a routine.
    Served(&'static MigRoutine),
    /// By `KERN_NOT_SUPPORTED`: XNU has a routine for it, the engine has none yet.
    Refused,
    /// By `MIG_BAD_ID`, as XNU does.
    Unknown,
}

/// A message being served.
struct Call<'a, H: Host> {
    engine: &'a Engine<H>,
    caller: Caller,
    object: Object,
    args: Arguments,
    reply: Reply,
}

type Outcome = Result<(), KernReturn>;

/// A message taken apart; what holds its destination and reply stays.
struct Request {
    id: i32,
    object: Object,
    complex: bool,
    data: Vec<u8>,
    descriptors: Vec<Descriptor>,
}

macro_rules! routines {
    ($($id:literal $name:ident ($($in:expr),*) -> ($($out:expr),*) = $handler:path;)*) => {
        /// The routines that the engine serves, by number.
        pub const MIG_ROUTINES: &[MigRoutine] = {
            use MigField::*;
            &[$(MigRoutine {
                id: $id,
                name: stringify!($name),
                request: &[$($in),*],
                reply: &[$($out),*],
            }),*]
        };

        impl<H: Host> Call<'_, H> {
            fn run(&mut self, id: i32) -> Outcome {
                match id {
                    $($id => $handler(self),)*
                    _ => Err(KernReturn::new(MigReturn::MIG_BAD_ID.number())),
                }
            }
        }
    };
}

routines! {
    200 host_info(Word, Word) -> (Counted(68)) = host::host_info;
    201 host_kernel_version() -> (Text(512)) = host::host_kernel_version;
    202 _host_page_size() -> (Long) = host::host_page_size;
    206 host_get_clock_service(Word) -> (Port(17)) = host::host_get_clock_service;
    412 host_get_special_port(Word, Word) -> (Port(17)) = host::host_get_special_port;
    1000 clock_get_time() -> (Words(2)) = clock::clock_get_time;
    1001 clock_get_attributes(Word, Word) -> (Counted(1)) = clock::clock_get_attributes;
    3200 mach_port_names() -> (MemoryWords, MemoryWords) = port::names;
    3201 mach_port_type(Word) -> (Word) = port::kinds;
    3203 mach_port_allocate_name(Word, Word) -> () = port::allocate_name;
    3204 mach_port_allocate(Word) -> (Word) = port::allocate;
    3205 mach_port_destroy(Word) -> () = port::destroy;
    3206 mach_port_deallocate(Word) -> () = port::deallocate;
    3207 mach_port_get_refs(Word, Word) -> (Word) = port::get_refs;
    3208 mach_port_mod_refs(Word, Word, Word) -> () = port::mod_refs;
    3209 mach_port_peek(Word, Word, Word, Word) -> (Word, Word, Word, Bytes(68)) = port::peek;
    3210 mach_port_set_mscount(Word, Word) -> () = port::set_mscount;
    3211 mach_port_get_set_status(Word) -> (MemoryWords) = port::get_set_status;
    3212 mach_port_move_member(Word, Word) -> () = port::move_member;
    3213 mach_port_request_notification(Word, Word, Word, Port(18)) -> (Port(18)) = rights::request_notification;
    3214 mach_port_insert_right(Word, AnyPort) -> () = rights::insert_right;
    3215 mach_port_extract_right(Word, Word) -> (AnyPort) = rights::extract_right;
    3216 mach_port_set_seqno(Word, Word) -> () = port::set_seqno;
    3217 mach_port_get_attributes(Word, Word, Word) -> (Counted(17)) = port::get_attributes;
    3218 mach_port_set_attributes(Word, Word, Counted(17)) -> () = port::set_attributes;
    3222 mach_port_get_srights(Word) -> (Word) = port::get_srights;
    3226 mach_port_insert_member(Word, Word) -> () = port::insert_member;
    3227 mach_port_extract_member(Word, Word) -> () = port::extract_member;
    3228 mach_port_get_context(Word) -> (Long) = port::get_context;
    3229 mach_port_set_context(Word, Long) -> () = port::set_context;
    3231 mach_port_construct(Memory(24), Long) -> (Word) = rights::construct;
    3232 mach_port_destruct(Word, Word, Long) -> () = rights::destruct;
    3233 mach_port_guard(Word, Long, Word) -> () = rights::guard;
    3234 mach_port_unguard(Word, Long) -> () = rights::unguard;
    3237 mach_port_guard_with_flags(Word, Long, Long) -> () = rights::guard_with_flags;
    3238 mach_port_swap_guard(Word, Long, Long) -> () = rights::swap_guard;
    3242 mach_port_assert_attributes(Word, Word, Counted(17)) -> () = port::assert_attributes;
    3402 task_threads() -> (Ports) = task::task_threads;
    3403 _kernelrpc_mach_ports_register3(Port(17), Port(17), Port(17)) -> () = task::ports_register;
    3404 _kernelrpc_mach_ports_lookup3() -> (Port(17), Port(17), Port(17)) = task::ports_lookup;
    3405 task_info(Word, Word) -> (Counted(94)) = task::task_info;
    3409 task_get_special_port(Word) -> (Port(17)) = task::get_special_port;
    3410 task_set_special_port(Word, Port(17)) -> () = task::set_special_port;
    3411 thread_create() -> (Port(17)) = thread::create;
    3412 thread_create_running(Word, Counted(1296)) -> (Port(17)) = thread::create_running;
    3413 task_set_exception_ports(Word, Port(17), Word, Word) -> () = exception::task_set;
    3414 task_get_exception_ports(Word) -> (Counted(32), Handlers, SameCount, SameCount) = exception::task_get;
    3415 task_swap_exception_ports(Word, Port(17), Word, Word) -> (Counted(32), Handlers, SameCount, SameCount) = exception::task_swap;
    3418 semaphore_create(Word, Word) -> (Port(17)) = task::semaphore_create;
    3419 semaphore_destroy(Port(17)) -> () = task::semaphore_destroy;
    3455 _kernelrpc_mach_task_is_self() -> (Word) = task::is_self;
    3460 task_get_exception_ports_info(Word) -> (Counted(32), SameCount, SameCount, SameCount) = exception::task_get_info;
    3600 thread_terminate() -> () = thread::terminate;
    3601 act_get_state(Word, Word) -> (Counted(1296)) = exception::get_others;
    3602 act_set_state(Word, Counted(1296)) -> () = exception::set_others;
    3603 thread_get_state(Word, Word) -> (Counted(1296)) = exception::get_state;
    3604 thread_set_state(Word, Counted(1296)) -> () = exception::set_state;
    3605 thread_suspend() -> () = thread::suspend;
    3606 thread_resume() -> () = thread::resume;
    3607 thread_abort() -> () = thread::abort;
    3608 thread_abort_safely() -> () = thread::abort_safely;
    3612 thread_info(Word, Word) -> (Counted(32)) = task::thread_info;
    3613 thread_set_exception_ports(Word, Port(17), Word, Word) -> () = exception::thread_set;
    3614 thread_get_exception_ports(Word) -> (Counted(32), Handlers, SameCount, SameCount) = exception::thread_get;
    3615 thread_swap_exception_ports(Word, Port(17), Word, Word) -> (Counted(32), Handlers, SameCount, SameCount) = exception::thread_swap;
    3630 thread_get_exception_ports_info(Word) -> (Counted(32), SameCount, SameCount, SameCount) = exception::thread_get_info;
    3631 thread_adopt_exception_handler(Port(17), Word, Word, Word) -> () = exception::thread_adopt;
    5400 mach_voucher_extract_attr_content(Word, Word) -> (Bytes(4096)) = voucher::extract_attr_content;
    5401 _kernelrpc_mach_voucher_extract_attr_recipe(Word, Word) -> (Bytes(4096)) = voucher::extract_attr_recipe;
    5402 mach_voucher_extract_all_attr_recipes(Word) -> (Bytes(5120)) = voucher::extract_all_attr_recipes;
}

/// How the number of a request is answered.
pub fn mig_grade(id: i32) -> MigGrade {
    if let Ok(at) = MIG_ROUTINES.binary_search_by_key(&id, |routine| routine.id)
        && let Some(routine) = MIG_ROUTINES.get(at)
    {
        return MigGrade::Served(routine);
    }
    match id {
        203..=205 | 207 | 209 | 213 | 215..=222 | 225 | 227 | 228 | 231..=234 => MigGrade::Refused,
        400..=405 | 407 | 413..=416 | 418..=420 | 423..=425 | 1002 | 3000..=3005 => MigGrade::Refused,
        3219..=3221 | 3223 | 3224 | 3230 | 3235 | 3236 | 3239..=3241 => MigGrade::Refused,
        3401 | 3406..=3408 | 3420 | 3421 | 3433..=3453 | 3456..=3459 | 3461..=3465 => MigGrade::Refused,
        3609..=3611 | 3616..=3618 | 3624..=3628 => MigGrade::Refused,
        3800..=3819 | 3821..=3826 | 3830 | 3831 | 4000 | 4005 | 4006 | 4008..=4010 => MigGrade::Refused,
        4800..=4826 | 4900..=4902 | 5403 | 5404 | 8000 | 8001 | 51471 | 716_200..=716_203 => {
            MigGrade::Refused
        }
        _ => MigGrade::Unknown,
    }
}

impl<H: Host> Call<'_, H> {
    /// Does something with the state on the caller's behalf.
    fn enter<T>(&self, work: impl FnOnce(&mut State<H::Region>) -> T) -> T {
        self.engine.enter(self.caller, work)
    }

    /// The task whose control port the message went to; another object is `error`.
    fn task_or(&self, error: KernReturn) -> Result<TaskId, KernReturn> {
        if let Object::Task(task) = self.object { Ok(task) } else { Err(error) }
    }

    fn task(&self) -> Result<TaskId, KernReturn> {
        self.task_or(KernReturn::KERN_INVALID_ARGUMENT)
    }

    /// The task whose names are meant.
    fn space(&self) -> Result<TaskId, KernReturn> {
        self.task_or(KernReturn::KERN_INVALID_TASK)
    }

    /// The task whose control port or name port the message went to.
    fn named_task(&self) -> Result<TaskId, KernReturn> {
        match self.object {
            Object::Task(task) | Object::TaskName(task) => Ok(task),
            _ => Err(KernReturn::KERN_INVALID_ARGUMENT),
        }
    }

    fn thread(&self) -> Result<ThreadId, KernReturn> {
        if let Object::Thread(thread) = self.object {
            Ok(thread)
        } else {
            Err(KernReturn::KERN_INVALID_ARGUMENT)
        }
    }

    fn host(&self) -> Outcome {
        if self.object == Object::Host { Ok(()) } else { Err(KernReturn::KERN_INVALID_ARGUMENT) }
    }

    fn word(&self, at: usize) -> u32 {
        self.args.long(at) as u32
    }

    fn long(&self, at: usize) -> u64 {
        self.args.long(at)
    }

    /// Takes the right of a field.
    fn take_port(&mut self, at: usize) -> (PortRef, MsgType) {
        match self.args.descriptor_mut(at) {
            Some(Descriptor::Port { right, kind }) => (core::mem::replace(right, PortRef::Null), *kind),
            _ => (PortRef::Null, MsgType::MACH_MSG_TYPE_PORT_NONE),
        }
    }

    fn give(&mut self, value: Value) -> Outcome {
        self.reply.push(value);
        Ok(())
    }

    fn give_word(&mut self, word: u32) -> Outcome {
        self.give(Value::Word(word))
    }

    fn give_send(&mut self, right: PortRef) -> Outcome {
        self.give(Value::Port(right, MsgType::MACH_MSG_TYPE_PORT_SEND))
    }

    /// Words as memory of the reply's own.
    fn give_memory(&mut self, words: &[u32]) -> Outcome {
        let region = if words.is_empty() {
            0
        } else {
            let bytes = zerocopy::IntoBytes::as_bytes(words);
            let region = self.engine.host.region(bytes).map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?;
            let stored = self.enter(|state| state.regions.insert(Some(region)));
            stored.map_err(|_| KernReturn::KERN_RESOURCE_SHORTAGE)?.to_bits()
        };
        self.give(Value::Memory(region, words.len() as u32))
    }
}

impl<R> State<R> {
    /// What a message to an object is about.
    fn request_take(&mut self, kmsg: KmsgId) -> Option<Request> {
        let of = self.kmsgs.get_mut(kmsg)?;
        let (data, descriptors) = (core::mem::take(&mut of.data), core::mem::take(&mut of.descriptors));
        let (id, dest, complex) = (of.id, of.dest, of.complex);
        Some(Request { id, object: self.ports.at(dest).object, complex, data, descriptors })
    }

    /// Lets go of what was not sent.
    fn value_destroy(&mut self, value: Value) {
        match value {
            Value::Port(PortRef::Port(port), kind) => self.right_destroy(port, kind),
            Value::Ports(rights) | Value::Handlers(rights) => {
                for port in rights.into_iter().filter_map(PortRef::port) {
                    self.right_destroy(port, MsgType::MACH_MSG_TYPE_PORT_SEND);
                }
            }
            Value::Memory(region, _) => drop(self.regions.remove(crate::Id::from_bits(region))),
            _ => {}
        }
    }

    /// Answers a message and destroys it (`ipc_kobject_server`).
    fn request_answer(
        &mut self,
        kmsg: KmsgId,
        left: Vec<Descriptor>,
        result: KernReturn,
        mut reply: Reply,
        fields: &[MigField],
    ) {
        let Some(of) = self.kmsgs.get_mut(kmsg) else { return };
        of.descriptors = left;
        let once =
            matches!(of.reply_kind, MsgType::MACH_MSG_TYPE_PORT_SEND | MsgType::MACH_MSG_TYPE_PORT_SEND_ONCE);
        if let (PortRef::Port(to), true) = (of.reply, once) {
            let mut answer = Kmsg::from_engine(of.id.wrapping_add(REPLY_ID), to, of.reply_kind);
            let laid_out = if result == KernReturn::KERN_SUCCESS {
                reply.lay_out(fields, &mut answer)
            } else {
                answer.data.try_reserve_exact(12).is_ok() && {
                    answer.data.extend_from_slice(&NDR);
                    answer.data.extend_from_slice(&result.number().to_le_bytes());
                    true
                }
            };
            for descriptor in &answer.descriptors {
                if let Descriptor::Port {
                    right: PortRef::Port(port),
                    kind: MsgType::MACH_MSG_TYPE_PORT_RECEIVE,
                } = descriptor
                {
                    answer.circular |= self.port_in_transit(*port, to);
                }
            }
            if laid_out {
                let descriptors = core::mem::take(&mut answer.descriptors);
                match self.kmsgs.insert(answer) {
                    Ok(answer) => {
                        self.kmsgs.at_mut(answer).descriptors = descriptors;
                        self.kmsgs.at_mut(kmsg).reply = PortRef::Null;
                        self.send_from_engine(answer);
                    }
                    Err(_) => self.descriptors_destroy(descriptors),
                }
            } else {
                self.descriptors_destroy(answer.descriptors);
            }
        }
        for value in reply.into_values() {
            self.value_destroy(value);
        }
        self.kmsg_destroy(kmsg);
    }
}

impl<H: Host> Engine<H> {
    /// Serves a message to an object of the engine's.
    pub(crate) fn serve_message(&self, caller: Caller, kmsg: KmsgId) {
        let Some(request) = self.enter(caller, |state| state.request_take(kmsg)) else { return };
        let Request { id, object, complex, data, descriptors } = request;
        if let Object::Handler(thread) = object {
            self.enter(caller, |state| {
                state.handler_answered(thread, id, complex, &data);
                state.descriptors_destroy(descriptors);
                state.kmsg_destroy(kmsg);
            });
            return;
        }
        let args = Arguments::new(data, descriptors);
        let mut call = Call { engine: self, caller, object, args, reply: Reply::new() };
        let (result, fields): (Outcome, &[MigField]) = match mig_grade(id) {
            MigGrade::Unknown => (Err(KernReturn::new(MigReturn::MIG_BAD_ID.number())), &[]),
            MigGrade::Refused => (Err(KernReturn::KERN_NOT_SUPPORTED), &[]),
            MigGrade::Served(routine) => match call.args.check(complex, routine.request) {
                Ok(()) => (call.run(id), routine.reply),
                Err(error) => (Err(KernReturn::new(error.number())), &[]),
            },
        };
        let result = result.err().unwrap_or(KernReturn::KERN_SUCCESS);
        let Call { args, reply, .. } = call;
        self.enter(caller, |state| {
            state.request_answer(kmsg, args.into_descriptors(), result, reply, fields)
        });
    }
}
