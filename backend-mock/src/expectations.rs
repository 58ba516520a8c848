//! Scripted expectations on both traits, for tests that are about the calls themselves: that one is made, with these
//! arguments, so often. Most tests want the fakes instead, which have state and let a test speak of outcomes.
//!
//! mockall cannot hold arguments that borrow, so both traits are mocked in a flat form that owns its data.

use xnu_abi::linux::{Errno, Sysno};
use xnu_abi::lkm::Trap;
use xnu_core::{Arg, Fault, Lkm, TrapArg, UserAddr};

/// An argument of a Linux call that owns its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FlatArg {
    /// A number.
    Val(usize),
    /// Bytes that Linux reads.
    In(Vec<u8>),
    /// Bytes that Linux writes, as they were before the call.
    Out(Vec<u8>),
    /// An address in the guest.
    User(UserAddr),
}

/// What a scripted Linux call answers.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Answer {
    /// The result.
    pub value: usize,
    /// Bytes for the front of `Out` arguments, by argument index.
    pub outs: Vec<(usize, Vec<u8>)>,
}

impl From<usize> for Answer {
    fn from(value: usize) -> Answer {
        Answer { value, outs: Vec::new() }
    }
}

/// The argument of a trap that owns its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FlatTrapArg {
    /// None.
    None,
    /// A plain value.
    Value(usize),
    /// The packed structure.
    Struct(Vec<u8>),
    /// The same, in the guest.
    User(UserAddr),
}

/// What a scripted trap answers.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TrapAnswer {
    /// The result.
    pub value: isize,
    /// The structure as the trap leaves it; `None` leaves it alone.
    pub structure: Option<Vec<u8>>,
}

impl From<isize> for TrapAnswer {
    fn from(value: isize) -> TrapAnswer {
        TrapAnswer { value, structure: None }
    }
}

mockall::mock! {
    /// A [`Kernel`](xnu_core::Kernel) with scripted answers.
    pub Kernel {
        /// One Linux call.
        pub fn make(&self, nr: Sysno, args: Vec<FlatArg>) -> Result<Answer, Errno>;
        /// `copy_in`.
        pub fn read_guest(&self, from: UserAddr, len: usize) -> Result<Vec<u8>, Fault>;
        /// `copy_out`.
        pub fn write_guest(&self, to: UserAddr, bytes: Vec<u8>) -> Result<(), Fault>;
    }
}

mockall::mock! {
    /// An [`Lkm`] with scripted answers.
    pub Lkm {
        /// One trap.
        pub fn trap(&self, trap: Trap, arg: FlatTrapArg) -> Result<TrapAnswer, Errno>;
    }
}

impl MockKernel {
    /// Flattens the arguments, asks the script, and copies its bytes back.
    pub(crate) fn answer(&self, nr: Sysno, args: &mut [Arg<'_>]) -> Result<usize, Errno> {
        let flat = args.iter().map(|arg| match arg {
            Arg::Val(value) => FlatArg::Val(*value),
            Arg::In(bytes) => FlatArg::In(bytes.to_vec()),
            Arg::Out(bytes) => FlatArg::Out(bytes.to_vec()),
            Arg::User(address) => FlatArg::User(*address),
        });
        let answer = self.make(nr, flat.collect())?;
        for (i, bytes) in answer.outs {
            match args.get_mut(i) {
                Some(Arg::Out(slice)) if slice.len() >= bytes.len() => {
                    slice[..bytes.len()].copy_from_slice(&bytes)
                }
                other => panic!(
                    "{}: the script writes {} bytes to argument {i}, {other:?}",
                    nr.name(),
                    bytes.len()
                ),
            }
        }
        Ok(answer.value)
    }
}

impl Lkm for MockLkm {
    fn call_raw(&self, trap: Trap, arg: TrapArg<'_>) -> Result<isize, Errno> {
        let flat = match &arg {
            TrapArg::None => FlatTrapArg::None,
            TrapArg::Value(value) => FlatTrapArg::Value(*value),
            TrapArg::Struct(bytes) => FlatTrapArg::Struct(bytes.to_vec()),
            TrapArg::User(address) => FlatTrapArg::User(*address),
        };
        let answer = self.trap(trap, flat)?;
        match (answer.structure, arg) {
            (Some(bytes), TrapArg::Struct(slice)) => slice.copy_from_slice(&bytes),
            (Some(_), _) => panic!("{}: the script writes a structure that was not lent", trap.name()),
            (None, _) => {}
        }
        Ok(answer.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mockall::predicate::eq;
    use xnu_core::Kernel;
    use xnu_core::UserPtr;

    #[test]
    fn a_scripted_kernel_answers_what_was_expected() {
        let mut kernel = MockKernel::new();
        kernel
            .expect_make()
            .with(eq(Sysno::Read), eq(vec![FlatArg::Val(0), FlatArg::Out(vec![0; 4]), FlatArg::Val(4)]))
            .times(1)
            .returning(|_, _| Ok(Answer { value: 2, outs: vec![(1, b"hi".to_vec())] }));
        let mut buffer = [0; 4];
        let answer = kernel.answer(Sysno::Read, &mut [Arg::Val(0), Arg::Out(&mut buffer), Arg::Val(4)]);
        assert_eq!(answer, Ok(2));
        assert_eq!(&buffer, b"hi\0\0");
    }

    #[test]
    fn a_scripted_kernel_serves_the_typed_pointers() {
        let mut kernel = MockKernel::new();
        kernel
            .expect_read_guest()
            .with(eq(UserAddr::new(0x1000)), eq(4))
            .returning(|_, _| Ok(vec![7, 0, 0, 0]));
        kernel.expect_read_guest().returning(|_, _| Err(Fault));
        assert_eq!(UserPtr::<u32>::new(UserAddr::new(0x1000)).read(&kernel), Ok(7));
        assert_eq!(kernel.copy_in(UserAddr::NULL, &mut [0; 4]), Err(Fault));
    }

    #[test]
    fn a_scripted_module_answers_what_was_expected() {
        let mut module = MockLkm::new();
        module
            .expect_trap()
            .with(eq(Trap::Getuidgid), eq(FlatTrapArg::Struct(vec![0; 8])))
            .times(1)
            .returning(|_, _| Ok(TrapAnswer { value: 0, structure: Some(vec![1; 8]) }));
        let mut ids = [0; 8];
        assert_eq!(module.call_raw(Trap::Getuidgid, TrapArg::Struct(&mut ids)), Ok(0));
        assert_eq!(ids, [1; 8]);
    }
}
