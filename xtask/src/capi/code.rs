//! Machine code, as far as the checks look at it: calls, jumps, and the register of the system call number.

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, InstructionInfoFactory, OpAccess, OpKind, Register,
};
use object::Architecture;
use std::collections::{BTreeMap, BTreeSet};

/// Where an instruction leads to, besides the next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flow {
    /// Nowhere else.
    Next,
    /// Into Linux.
    Enter,
    /// A function of a fixed address, and back. Where a relocation fills in the address, it means nothing yet.
    Call(u64),
    /// A function of an address in a register or in memory, and back.
    CallIndirect,
    /// A fixed address, and perhaps the next instruction too.
    Jump { to: u64, is_conditional: bool },
    /// An address in a register or in memory.
    JumpIndirect,
    /// Nowhere: back to the caller, or an end.
    Stop,
}

/// One instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Instruction {
    pub(crate) at: u64,
    pub(crate) len: u64,
    pub(crate) flow: Flow,
    /// General registers that it changes, a bit each; on arm64 that of the call number alone is looked at.
    pub(crate) written: u32,
    /// What it puts into the register of the call number, if that is a constant.
    pub(crate) number: Option<u64>,
    /// The register that it fills from memory.
    pub(crate) loaded: Option<u32>,
    /// The register that has the address of an indirect call or jump.
    pub(crate) via: Option<u32>,
    /// Reads a signed offset of four bytes from memory, or adds two registers: what precedes the jump of a table.
    pub(crate) is_table_step: bool,
}

impl Instruction {
    pub(crate) fn end(&self) -> u64 {
        self.at + self.len
    }
}

/// The instructions of a piece of code that begins at `address`, to its end.
pub(crate) fn decode(processor: Architecture, code: &[u8], address: u64) -> Vec<Instruction> {
    match processor {
        Architecture::Aarch64 => code
            .chunks_exact(4)
            .zip((address..).step_by(4))
            .map(|(word, at)| arm64(u32::from_le_bytes([word[0], word[1], word[2], word[3]]), at))
            .collect(),
        _ => x86_64(code, address),
    }
}

/// The register of the call number.
pub(crate) fn number_register(processor: Architecture) -> u32 {
    if processor == Architecture::Aarch64 { 8 } else { 0 }
}

fn x86_64(code: &[u8], address: u64) -> Vec<Instruction> {
    /// rax, rcx, rdx, rsi, rdi and r8 to r11: what a function or Linux may change.
    const CALL_CHANGES: u32 = 0x0fc7;
    let mut information = InstructionInfoFactory::new();
    let decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    let decode = |instruction: iced_x86::Instruction| {
        let flow = match instruction.flow_control() {
            _ if instruction.code() == Code::Syscall => Flow::Enter,
            FlowControl::Next => Flow::Next,
            FlowControl::Call => Flow::Call(instruction.near_branch_target()),
            FlowControl::IndirectCall => Flow::CallIndirect,
            FlowControl::ConditionalBranch => {
                Flow::Jump { to: instruction.near_branch_target(), is_conditional: true }
            }
            FlowControl::UnconditionalBranch => {
                Flow::Jump { to: instruction.near_branch_target(), is_conditional: false }
            }
            FlowControl::IndirectBranch => Flow::JumpIndirect,
            _ => Flow::Stop,
        };
        let used = information.info(&instruction).used_registers();
        let mut written = used
            .iter()
            .filter(|used| !matches!(used.access(), OpAccess::None | OpAccess::Read | OpAccess::CondRead))
            .filter_map(|used| general(used.register()))
            .fold(0, |registers, register| registers | 1 << register);
        if matches!(flow, Flow::Enter | Flow::Call(_) | Flow::CallIndirect) {
            written |= CALL_CHANGES;
        }
        let (to, from) = (instruction.op0_register(), instruction.op1_register());
        let number = match instruction.code() {
            Code::Mov_r32_imm32 if to == Register::EAX => Some(instruction.immediate32().into()),
            Code::Mov_rm64_imm32 if to == Register::RAX => Some(instruction.immediate32to64() as u64),
            Code::Xor_r32_rm32 | Code::Xor_rm32_r32 if (to, from) == (Register::EAX, Register::EAX) => {
                Some(0)
            }
            _ => None,
        };
        let reads_memory = instruction.op1_kind() == OpKind::Memory;
        Instruction {
            at: instruction.ip(),
            len: instruction.len() as u64,
            flow,
            written,
            number,
            loaded: general(to).filter(|_| instruction.code() == Code::Mov_r64_rm64 && reads_memory),
            via: general(to).filter(|_| matches!(flow, Flow::CallIndirect | Flow::JumpIndirect)),
            is_table_step: instruction.code() == Code::Movsxd_r64_rm32 && reads_memory,
        }
    };
    decoder.into_iter().map(decode).collect()
}

/// The number of a general register, of whatever width.
fn general(register: Register) -> Option<u32> {
    register.is_gpr().then(|| register.full_register().number() as u32)
}

fn arm64(word: u32, at: u64) -> Instruction {
    /// The signed offset of `bits` bits from bit `low`, in instructions.
    fn target(word: u32, low: u32, bits: u32, at: u64) -> u64 {
        let offset = i64::from((word << (32 - low - bits)) as i32 >> (32 - bits));
        at.wrapping_add_signed(offset * 4)
    }
    const SVC_0: u32 = 0xd400_0001;
    let flow = match word {
        SVC_0 => Flow::Enter,
        _ if word & 0xfc00_0000 == 0x9400_0000 => Flow::Call(target(word, 0, 26, at)),
        _ if word & 0xfc00_0000 == 0x1400_0000 => {
            Flow::Jump { to: target(word, 0, 26, at), is_conditional: false }
        }
        // b.cond, cbz and cbnz; tbz and tbnz.
        _ if word & 0xff00_0010 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 => {
            Flow::Jump { to: target(word, 5, 19, at), is_conditional: true }
        }
        _ if word & 0x7e00_0000 == 0x3600_0000 => {
            Flow::Jump { to: target(word, 5, 14, at), is_conditional: true }
        }
        _ if word & 0xffff_fc1f == 0xd63f_0000 => Flow::CallIndirect,
        _ if word & 0xffff_fc1f == 0xd61f_0000 => Flow::JumpIndirect,
        // ret, brk, udf.
        _ if word & 0xffff_fc1f == 0xd65f_0000
            || word & 0xffe0_001f == 0xd420_0000
            || word & 0xffff_0000 == 0 =>
        {
            Flow::Stop
        }
        _ => Flow::Next,
    };
    const NUMBER: u32 = 1 << 8;
    let (number, written) = match word {
        // movz into w8 or x8; a move of the zero register.
        _ if word & 0x7fe0_001f == 0x5280_0008 => (Some(u64::from(word >> 5 & 0xffff)), NUMBER),
        _ if word & 0x7fff_ffff == 0x2a1f_03e8 => (Some(0), NUMBER),
        // A move of any other register.
        _ if word & 0x7fe0_ffff == 0x2a00_03e8 => (None, NUMBER),
        _ if matches!(flow, Flow::Call(_) | Flow::CallIndirect) => (None, NUMBER),
        _ => (None, 0),
    };
    let via = matches!(flow, Flow::CallIndirect | Flow::JumpIndirect).then_some(word >> 5 & 31);
    // add of two registers without extension: the entry of a table to its base.
    let is_table_step = word & 0xff20_0000 == 0x8b00_0000;
    Instruction { at, len: 4, flow, written, number, loaded: None, via, is_table_step }
}

/// What a register may hold: these values, and perhaps something else.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Values {
    pub(crate) known: BTreeSet<u64>,
    pub(crate) other: bool,
}

/// What an instruction does to a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    Kept,
    Set(u64),
    Lost,
}

/// What a register may hold before each instruction: nothing known where nothing leads.
///
/// `relocated` says which jumps leave the code. With `follow_tables`, the code is one function, and a jump through a table
/// leads to whatever nothing else leads to.
pub(crate) fn reaching(
    code: &[Instruction],
    relocated: &BTreeSet<u64>,
    follow_tables: bool,
    effect: impl Fn(&Instruction) -> Effect,
) -> Vec<Values> {
    let index: BTreeMap<u64, usize> = code.iter().enumerate().map(|(index, each)| (each.at, index)).collect();
    let leads_to = |instruction: &Instruction| {
        let is_relocated = relocated.range(instruction.at..instruction.end()).next().is_some();
        let (next, to) = match instruction.flow {
            Flow::Next | Flow::Enter | Flow::Call(_) | Flow::CallIndirect => (true, None),
            Flow::Jump { is_conditional, .. } if is_relocated => (is_conditional, None),
            Flow::Jump { to, is_conditional } => (is_conditional, Some(to)),
            Flow::JumpIndirect | Flow::Stop => (false, None),
        };
        let next = next.then(|| instruction.end());
        next.into_iter().chain(to).filter_map(|to| index.get(&to).copied()).collect::<Vec<usize>>()
    };
    let mut successors: Vec<Vec<usize>> = code.iter().map(leads_to).collect();
    if follow_tables {
        let reached: BTreeSet<usize> = successors.iter().flatten().copied().chain([0]).collect();
        let cases: Vec<usize> = (0..code.len()).filter(|index| !reached.contains(index)).collect();
        for (successors, instruction) in successors.iter_mut().zip(code) {
            if instruction.flow == Flow::JumpIndirect {
                successors.clone_from(&cases);
            }
        }
    }

    let mut before: Vec<Values> = vec![Values::default(); code.len()];
    let mut pending: Vec<usize> = (0..code.len()).rev().collect();
    while let Some(at) = pending.pop() {
        let after = match effect(&code[at]) {
            Effect::Kept => before[at].clone(),
            Effect::Set(value) => Values { known: BTreeSet::from([value]), other: false },
            Effect::Lost => Values { known: BTreeSet::new(), other: true },
        };
        for &to in &successors[at] {
            let target = &mut before[to];
            let old = (target.known.len(), target.other);
            target.known.extend(&after.known);
            target.other |= after.other;
            if old != (target.known.len(), target.other) {
                pending.push(to);
            }
        }
    }
    before
}
