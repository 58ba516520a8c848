//! Tests about the calls themselves: that exactly these are made.

use crate::support::*;
use mockall::predicate::eq;
use xnu_abi::linux::Sysno;
use xnu_abi::lkm::Trap;
use xnu_backend_mock::{Answer, FlatTrapArg, MockKernel, MockLkm, TrapAnswer};
use xnu_core::Reply;
use xnu_core::table::Class;

#[test]
fn bsd_20_is_exactly_one_getpid() {
    let mut kernel = MockKernel::new();
    kernel.expect_make().with(eq(Sysno::Getpid), eq(vec![])).times(1).returning(|_, _| Ok(Answer::from(41)));
    let k = Machine::new(kernel, MockLkm::new());
    assert_eq!(k.call(Class::Bsd, 20, &[7, 8, 9]), Reply::Value(41, 0));
}

#[test]
fn task_self_trap_is_exactly_one_trap_and_no_call() {
    let mut lkm = MockLkm::new();
    lkm.expect_trap()
        .with(eq(Trap::TaskSelfTrap), eq(FlatTrapArg::None))
        .times(1)
        .returning(|_, _| Ok(TrapAnswer::from(0x103)));
    let k = Machine::new(MockKernel::new(), lkm);
    assert_eq!(k.call(Class::Mach, 28, &[]), Reply::Value(0x103, 0));
}

#[test]
fn calls_that_nobody_serves_ask_nobody() {
    let k = Machine::new(MockKernel::new(), MockLkm::new());
    assert_eq!(k.call(Class::Bsd, 8, &[]), Reply::Error(ENOSYS));
    assert_eq!(k.call(Class::Bsd, 40, &[]), Reply::Invalid);
    assert_eq!(k.call(Class::Bsd, u32::MAX, &[]), Reply::Invalid);
    assert_eq!(k.call(Class::Mach, 0, &[]), Reply::Invalid);
    assert_eq!(k.call(Class::Machdep, 2, &[]), Reply::Invalid);
}
