//! Vouchers: what is known of work, by port (`osfmk/ipc/ipc_voucher.c` and the managers of its attributes).
//!
//! Two vouchers with the same values are one. A voucher lives as long as somebody has a send right of it.
//!
//! Differs from XNU: a bank value tells of no account, so work that one task does for another is not linked; vouchers
//! pass through messages as they are; a thread's priority is kept as it was given, where XNU asks the thread library.

use crate::copy::Taking;
use crate::engine::Engine;
use crate::host::{Caller, Host};
use crate::port::{Object, PortId};
use crate::slab::Id;
use crate::state::State;
use alloc::vec::Vec;
use core::fmt::Write;
use xnu_abi::darwin::kern_return::{KernReturn, MachMsgReturn, MigReturn};
use xnu_abi::darwin::mach_message::MsgType;
use xnu_abi::darwin::mach_port::PortType;

/// The number of a voucher.
pub(crate) type VoucherId = Id<Voucher>;

/// Bytes of recipes at most (`MACH_VOUCHER_ATTR_MAX_RAW_RECIPE_ARRAY_SIZE`).
pub(crate) const RECIPES_MAX: u32 = 5120;

/// Bytes of one attribute's content at most.
pub(crate) const CONTENT_MAX: u32 = 4096;

/// Keys of attributes: 1 to so many.
const KEYS: usize = 8;

/// Every key.
const KEY_ALL: u32 = u32::MAX;

const IMPORTANCE: u32 = 2;
const BANK: u32 = 3;
const PRIORITY: u32 = 4;
/// A program's own bytes, and those of tests.
const USER_DATA: u32 = 7;
const TEST: u32 = 8;

const NOOP: u32 = 0;
const COPY: u32 = 1;
const REMOVE: u32 = 2;
const SET_VALUE_HANDLE: u32 = 3;
const AUTO_REDEEM: u32 = 4;
const SEND_PREPROCESS: u32 = 5;
const REDEEM: u32 = 10;
const IMPORTANCE_SELF: u32 = 200;
const USER_DATA_STORE: u32 = 211;
const BANK_NULL: u32 = 601;
const BANK_CREATE: u32 = 610;
const BANK_MODIFY_PERSONA: u32 = 611;
const PRIORITY_NULL: u32 = 701;
const PRIORITY_CREATE: u32 = 710;

/// Room that a bank value's content asks for.
const BANK_CONTENT: usize = 500;

/// Bytes of a program's own at most.
const USER_DATA_MAX: usize = 16 * 1024;

/// Bytes of a recipe before its content: key, command, previous voucher, size.
const RECIPE: usize = 16;

const INVALID: KernReturn = KernReturn::KERN_INVALID_ARGUMENT;
const SHORTAGE: KernReturn = KernReturn::KERN_RESOURCE_SHORTAGE;
const NO_SPACE: KernReturn = KernReturn::KERN_NO_SPACE;
const NO_OBJECT: KernReturn = KernReturn::new(MachMsgReturn::MACH_SEND_INVALID_DEST.number());
const TOO_LARGE: KernReturn = KernReturn::new(MigReturn::MIG_ARRAY_TOO_LARGE.number());

/// An attribute's value: the pid of a task for importance and for the bank of a task; one byte 1 for the bank of whoever
/// looks; else the bytes that were stored. Empty is the default.
type Value = Vec<u8>;

/// The values of all keys.
#[derive(PartialEq, Eq)]
struct Values([Value; KEYS]);

/// A voucher.
pub(crate) struct Voucher {
    port: PortId,
    values: Values,
}

/// One command of a recipe.
struct Recipe<'a> {
    key: u32,
    command: u32,
    previous: u32,
    content: &'a [u8],
}

/// The place of a key (`iv_key_to_index`).
fn place(key: u32) -> Option<usize> {
    (key as usize).checked_sub(1).filter(|place| *place < KEYS)
}

fn bytes(from: &[u8]) -> Result<Value, KernReturn> {
    let mut value = Vec::new();
    value.try_reserve_exact(from.len()).map_err(|_| SHORTAGE)?;
    value.extend_from_slice(from);
    Ok(value)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

/// The pid that a value holds.
fn pid_of(value: &[u8]) -> Option<i32> {
    word(value, 0).map(|pid| pid as i32)
}

impl<'a> Recipe<'a> {
    /// Takes the first of several.
    fn take(from: &mut &'a [u8]) -> Result<Recipe<'a>, KernReturn> {
        let all = *from;
        let field = |at| word(all, at).ok_or(INVALID);
        let (key, command, previous, size) = (field(0)?, field(4)?, field(8)?, field(12)?);
        let end = RECIPE.checked_add(size as usize).ok_or(INVALID)?;
        let content = all.get(RECIPE..end).ok_or(INVALID)?;
        *from = all.get(end..).unwrap_or_default();
        Ok(Recipe { key, command, previous, content })
    }
}

/// What the manager of a key makes of a command (`ivam_get_value`).
fn new_value(key: u32, command: u32, previous: &[u8], content: &[u8], pid: i32) -> Result<Value, KernReturn> {
    match (key, command) {
        (IMPORTANCE, _) if !content.is_empty() => Err(INVALID),
        (IMPORTANCE, IMPORTANCE_SELF) => bytes(&pid.to_le_bytes()),
        (IMPORTANCE | USER_DATA | TEST, REDEEM) => bytes(previous),
        (BANK, BANK_CREATE) => bytes(&[1]),
        (BANK, BANK_MODIFY_PERSONA) if pid_of(previous).is_some() => Err(KernReturn::KERN_NO_ACCESS),
        (BANK, SEND_PREPROCESS) if !previous.is_empty() => bytes(&pid.to_le_bytes()),
        (BANK, REDEEM | AUTO_REDEEM) => match pid_of(previous) {
            Some(holder) if holder == pid => bytes(&[1]),
            Some(_) if command == REDEEM => Err(KernReturn::KERN_INVALID_CAPABILITY),
            Some(_) => Err(SHORTAGE),
            None if command == REDEEM => bytes(previous),
            None => Ok(Vec::new()),
        },
        (BANK, BANK_MODIFY_PERSONA | SEND_PREPROCESS) => Ok(Vec::new()),
        (PRIORITY, PRIORITY_CREATE) => match content {
            [0, 0, 0, 0] => Ok(Vec::new()),
            [_, _, _, _] => bytes(content),
            _ => Err(INVALID),
        },
        (USER_DATA | TEST, USER_DATA_STORE) if content.len() > USER_DATA_MAX => Err(SHORTAGE),
        (USER_DATA | TEST, USER_DATA_STORE) => bytes(content),
        _ => Err(INVALID),
    }
}

/// A text that ends where its room does.
struct Text {
    bytes: Vec<u8>,
    room: usize,
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> core::fmt::Result {
        let left = self.room.saturating_sub(self.bytes.len());
        let part = part.as_bytes().get(..left.min(part.len())).unwrap_or_default();
        self.bytes.try_reserve(part.len()).map_err(|_| core::fmt::Error)?;
        self.bytes.extend_from_slice(part);
        Ok(())
    }
}

fn text(room: usize, what: core::fmt::Arguments<'_>) -> Result<Vec<u8>, KernReturn> {
    let mut text = Text { bytes: Vec::new(), room: room.saturating_sub(1) };
    text.write_fmt(what).map_err(|_| SHORTAGE)?;
    text.bytes.try_reserve_exact(1).map_err(|_| SHORTAGE)?;
    text.bytes.push(0);
    Ok(text.bytes)
}

/// What the manager of a key tells of a value, and the command that would make it (`ivam_extract_content`).
fn told(key: u32, value: &[u8], room: usize, pid: i32) -> Result<(u32, Vec<u8>), KernReturn> {
    match (key, room) {
        (IMPORTANCE, 0) => Err(NO_SPACE),
        (IMPORTANCE, _) => {
            let holder = pid_of(value).unwrap_or_default();
            text(room, format_args!("Importance for pid {holder}")).map(|text| (NOOP, text))
        }
        (BANK, 0) => Ok((NOOP, Vec::new())),
        (BANK, _) if room < BANK_CONTENT => Err(NO_SPACE),
        (BANK, _) => {
            let holder = pid_of(value).unwrap_or(pid);
            text(room, format_args!(" Bank Context for a pid {holder}\n")).map(|text| (BANK_NULL, text))
        }
        (PRIORITY, 0) => Err(KernReturn::KERN_INVALID_VALUE),
        (USER_DATA | TEST, 0) => Ok((USER_DATA_STORE, Vec::new())),
        _ if room < value.len() => Err(NO_SPACE),
        (PRIORITY, _) => Ok((PRIORITY_NULL, bytes(value)?)),
        _ => Ok((USER_DATA_STORE, bytes(value)?)),
    }
}

impl Values {
    const NONE: Values = Values([const { Vec::new() }; KEYS]);

    fn get(&self, place: usize) -> &[u8] {
        self.0.get(place).map_or(&[], Vec::as_slice)
    }

    fn set(&mut self, place: usize, value: Value) {
        if let Some(old) = self.0.get_mut(place) {
            *old = value;
        }
    }

    /// Does one command (`ipc_execute_voucher_recipe_command`).
    fn execute(
        &mut self,
        recipe: &Recipe<'_>,
        previous: Option<&Values>,
        pid: i32,
    ) -> Result<(), KernReturn> {
        let Recipe { key, command, content, .. } = *recipe;
        let places = || match place(key) {
            _ if key == KEY_ALL => Ok(0..KEYS),
            Some(place) => Ok(place..place + 1),
            None => Err(INVALID),
        };
        match command {
            COPY | REMOVE if !content.is_empty() => Err(INVALID),
            COPY => {
                let Some(previous) = previous else { return Ok(()) };
                places()?.try_for_each(|place| {
                    self.set(place, bytes(previous.get(place))?);
                    Ok(())
                })
            }
            REMOVE => {
                for place in places()? {
                    if previous.is_none_or(|previous| previous.get(place) == self.get(place)) {
                        self.set(place, Vec::new());
                    }
                }
                Ok(())
            }
            SET_VALUE_HANDLE => Err(KernReturn::KERN_INVALID_CAPABILITY),
            // The first key has no manager any more, so this is where redeeming all of them ends.
            REDEEM if key == KEY_ALL => Err(INVALID),
            _ => {
                let place = place(key).ok_or(INVALID)?;
                let before = previous.unwrap_or(self).get(place);
                let value = new_value(key, command, before, content, pid)?;
                self.set(place, value);
                Ok(())
            }
        }
    }

    /// Adds the recipe of a key's value to others, which have so much room in all; none for a default
    /// (`mach_voucher_extract_attr_recipe`).
    fn recipe(&self, key: u32, room: usize, pid: i32, into: &mut Vec<u8>) -> Result<(), KernReturn> {
        let value = place(key).map_or(&[][..], |place| self.get(place));
        if value.is_empty() {
            return Ok(());
        }
        let room = room.checked_sub(into.len() + RECIPE).ok_or(NO_SPACE)?;
        let (command, content) = told(key, value, room, pid)?;
        into.try_reserve(RECIPE + content.len()).map_err(|_| SHORTAGE)?;
        for word in [key, command, 0, content.len() as u32] {
            into.extend_from_slice(&word.to_le_bytes());
        }
        into.extend_from_slice(&content);
        Ok(())
    }
}

impl Voucher {
    pub(crate) const fn nobody() -> Voucher {
        Voucher { port: Id::NONE, values: Values::NONE }
    }
}

impl<R> State<R> {
    /// Takes the right of a message's voucher, which is still there unless the destination was the same and took it.
    pub(crate) fn take_voucher(&mut self, name: u32, disposition: MsgType) -> Result<PortId, MachMsgReturn> {
        if name == 0 {
            return Ok(Id::NONE);
        }
        let task = self.caller.task;
        let taken = self
            .lookup(task, name)
            .and_then(|entry| self.right_copy_in(task, name, entry, disposition, Taking::default(), None))
            .map_err(|_| MachMsgReturn::MACH_SEND_INVALID_VOUCHER)?;
        self.tell_deleted(taken.deleted, name);
        Ok(taken.right.port().unwrap_or(Id::NONE))
    }

    /// The voucher of a name (`convert_port_name_to_voucher`).
    pub(crate) fn voucher_of(&mut self, name: u32) -> Option<VoucherId> {
        let task = self.caller.task;
        let entry = self.space(task).entry(name).filter(|entry| entry.has(PortType::MACH_PORT_TYPE_SEND))?;
        match self.ports.at(entry.port()) {
            port if !port.active => None,
            port => {
                if let Object::Voucher(voucher) = port.object {
                    Some(voucher)
                } else {
                    None
                }
            }
        }
    }

    fn is_host(&mut self, name: u32) -> bool {
        let task = self.caller.task;
        let entry = self.space(task).entry(name).filter(|entry| entry.has(PortType::MACH_PORT_TYPE_SEND));
        entry.is_some_and(|entry| self.ports.at(entry.port()).object == Object::Host)
    }

    fn callers_pid(&self) -> i32 {
        self.tasks.get(self.caller.task).map_or(0, |task| task.process.pid)
    }

    /// A voucher made by recipes, and a name for it; 0 for none (`ipc_create_mach_voucher_internal`).
    fn voucher_make(&mut self, mut recipes: &[u8]) -> Result<u32, KernReturn> {
        if recipes.is_empty() {
            return Ok(0);
        }
        let pid = self.callers_pid();
        let mut values = Values::NONE;
        while !recipes.is_empty() {
            let recipe = Recipe::take(&mut recipes)?;
            let previous = self.voucher_of(recipe.previous);
            if recipe.previous != 0 && previous.is_none() {
                return Err(KernReturn::KERN_INVALID_CAPABILITY);
            }
            let previous = previous.map(|previous| &self.vouchers.at(previous).values);
            values.execute(&recipe, previous, pid)?;
        }
        let port = match self.voucher_with(&values) {
            Some(known) => self.vouchers.at(known).port,
            None => {
                let made = self.vouchers.insert(Voucher { port: Id::NONE, values }).map_err(|_| SHORTAGE)?;
                match self.object_port(Object::Voucher(made)) {
                    Ok(port) => {
                        self.vouchers.at_mut(made).port = port;
                        port
                    }
                    Err(error) => {
                        self.vouchers.remove(made);
                        return Err(error);
                    }
                }
            }
        };
        Ok(self.give_send(self.caller.task, port))
    }

    fn voucher_with(&self, values: &Values) -> Option<VoucherId> {
        let mut at = Id::NONE;
        while let Some(id) = self.vouchers.next_after(at) {
            if self.vouchers.at(id).values == *values {
                return Some(id);
            }
            at = id;
        }
        None
    }

    /// The last send right of a voucher's port is gone, and with it the voucher.
    pub(crate) fn voucher_no_senders(&mut self, voucher: VoucherId) {
        if let Some(of) = self.vouchers.remove(voucher) {
            self.port_destroy(of.port);
        }
    }

    /// The recipes of all keys, or of one, in so much room.
    pub(crate) fn voucher_recipes(
        &self,
        voucher: VoucherId,
        key: Option<u32>,
        room: u32,
    ) -> Result<Vec<u8>, KernReturn> {
        let pid = self.callers_pid();
        let values = &self.vouchers.at(voucher).values;
        let mut recipes = Vec::new();
        match key {
            Some(key) => values.recipe(key, room as usize, pid, &mut recipes)?,
            None => {
                (1..=KEYS as u32).try_for_each(|key| values.recipe(key, room as usize, pid, &mut recipes))?
            }
        }
        Ok(recipes)
    }

    /// The content of one key, in so much room.
    pub(crate) fn voucher_content(
        &self,
        voucher: VoucherId,
        key: u32,
        room: u32,
    ) -> Result<Vec<u8>, KernReturn> {
        let value = place(key).map_or(&[][..], |place| self.vouchers.at(voucher).values.get(place));
        if value.is_empty() {
            return Ok(Vec::new());
        }
        told(key, value, room as usize, self.callers_pid()).map(|(_, content)| content)
    }
}

impl<H: Host> Engine<H> {
    fn recipe_read(&self, caller: Caller, from: u64, size: u32) -> Result<Vec<u8>, KernReturn> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size as usize).map_err(|_| SHORTAGE)?;
        bytes.resize(size as usize, 0);
        if size > 0 {
            let read = self.host().copy_in(caller.task, from, &mut bytes);
            read.map_err(|_| KernReturn::KERN_MEMORY_ERROR)?;
        }
        Ok(bytes)
    }

    fn recipe_write(&self, caller: Caller, to: u64, bytes: &[u8]) -> Result<(), KernReturn> {
        self.host().copy_out(caller.task, to, bytes).map_err(|_| KernReturn::KERN_MEMORY_ERROR)
    }

    /// `host_create_mach_voucher_trap`: a voucher made by recipes at an address; its name goes to another one.
    ///
    /// # Errors
    /// `MACH_SEND_INVALID_DEST` for a host that is none, `KERN_INVALID_ARGUMENT` for a negative size, a recipe that is cut
    /// off, a key without a manager or a command that it does not know, `MIG_ARRAY_TOO_LARGE`,
    /// `KERN_INVALID_CAPABILITY` for a voucher that is none, `KERN_MEMORY_ERROR`, `KERN_RESOURCE_SHORTAGE`.
    pub fn host_create_mach_voucher(
        &self,
        caller: Caller,
        host: u32,
        (recipes, size): (u64, i32),
        voucher: u64,
    ) -> Result<(), KernReturn> {
        if !self.enter(caller, |state| state.is_host(host)) {
            return Err(NO_OBJECT);
        }
        let size = u32::try_from(size).map_err(|_| INVALID)?;
        if size > RECIPES_MAX {
            return Err(TOO_LARGE);
        }
        let recipes = self.recipe_read(caller, recipes, size)?;
        let name = self.enter(caller, |state| state.voucher_make(&recipes))?;
        self.recipe_write(caller, voucher, &name.to_le_bytes())
    }

    /// `mach_voucher_extract_attr_recipe_trap`: the recipe of a key's value, none for a default.
    ///
    /// # Errors
    /// `MACH_SEND_INVALID_DEST` for a voucher that is none, `MIG_ARRAY_TOO_LARGE`, `KERN_NO_SPACE`, `KERN_INVALID_VALUE`,
    /// `KERN_MEMORY_ERROR`, `KERN_RESOURCE_SHORTAGE`.
    pub fn mach_voucher_extract_attr_recipe(
        &self,
        caller: Caller,
        voucher: u32,
        key: u32,
        (recipe, recipe_size): (u64, u64),
    ) -> Result<(), KernReturn> {
        let size = self.recipe_read(caller, recipe_size, 4)?;
        let room = word(&size, 0).unwrap_or_default();
        if room > RECIPES_MAX {
            return Err(TOO_LARGE);
        }
        let voucher = self.enter(caller, |state| state.voucher_of(voucher)).ok_or(NO_OBJECT)?;
        self.recipe_read(caller, recipe, room)?;
        let told = self.enter(caller, |state| {
            // It may have gone meanwhile.
            state.vouchers.get(voucher).ok_or(NO_OBJECT)?;
            state.voucher_recipes(voucher, Some(key), room)
        })?;
        if !told.is_empty() {
            self.recipe_write(caller, recipe, &told)?;
        }
        self.recipe_write(caller, recipe_size, &(told.len() as u32).to_le_bytes())
    }
}
