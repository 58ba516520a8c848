//! Semaphores, timers and sleeps: who goes on, when, and with which answer.

mod common;

use common::message::{self, Message, ROOM};
use common::{DEAD_NAME, RECEIVE, SEND, World};
use xnu_abi::darwin::kern_return::{KernReturn as Kern, MachMsgReturn};
use xnu_abi::darwin::mach_message::MsgType as Type;
use xnu_lkm::Caller;

fn one() -> (World, Caller, Caller) {
    let world = World::new();
    let task = world.task(10);
    let other = world.thread(task, 2);
    (world, task, other)
}

impl World {
    fn semaphore(&self, of: Caller, value: i32) -> u32 {
        self.semaphore_create(of, of.task, 0, value).unwrap()
    }

    fn wait(&self, by: Caller, name: u32) -> Result<(), Kern> {
        self.semaphore_wait(by, name, None, None)
    }
}

#[test]
fn a_semaphore_counts() {
    let (world, task, _) = one();
    let semaphore = world.semaphore(task, 2);
    assert_eq!(world.kinds(task, semaphore), Some(SEND));
    assert_eq!(world.wait(task, semaphore), Ok(()));
    assert_eq!(world.wait(task, semaphore), Ok(()));
    let now = Some((0, 0));
    assert_eq!(world.semaphore_wait(task, semaphore, None, now), Err(Kern::KERN_OPERATION_TIMED_OUT));
    assert_eq!(world.semaphore_signal(task, semaphore), Ok(()));
    assert_eq!(world.semaphore_wait(task, semaphore, None, now), Ok(()));
    assert_eq!(world.semaphore_signal_all(task, semaphore), Ok(()), "nobody waits, and nothing is counted");
    assert_eq!(world.semaphore_wait(task, semaphore, None, now), Err(Kern::KERN_OPERATION_TIMED_OUT));
}

#[test]
fn waits_time_out_are_interrupted_and_woken() {
    let (world, task, other) = one();
    let semaphore = world.semaphore(task, 0);
    let before = world.engine.host().clock.get();
    let timed = world.semaphore_wait(task, semaphore, None, Some((1, 500)));
    assert_eq!(timed, Err(Kern::KERN_OPERATION_TIMED_OUT));
    assert_eq!(world.engine.host().clock.get() - before, 1_000_000_500);
    world.interrupt();
    assert_eq!(world.wait(task, semaphore), Err(Kern::KERN_ABORTED));
    world.step(move |world| world.semaphore_signal(other, semaphore).unwrap());
    assert_eq!(world.wait(task, semaphore), Ok(()));
    world.step(move |world| world.semaphore_signal_all(other, semaphore).unwrap());
    assert_eq!(world.wait(task, semaphore), Ok(()));
    world.step(move |world| world.semaphore_destroy(other, other.task, semaphore).unwrap());
    assert_eq!(world.wait(task, semaphore), Err(Kern::KERN_TERMINATED));
    assert_eq!(world.wait(task, semaphore), Err(Kern::KERN_TERMINATED));
    assert_eq!(world.semaphore_signal(task, semaphore), Err(Kern::KERN_TERMINATED));
    assert_eq!(
        world.semaphore_wait(task, semaphore, None, Some((0, 1_000_000_000))),
        Err(Kern::KERN_INVALID_VALUE)
    );
    assert_eq!(world.semaphore_wait(task, semaphore, None, Some((0, -1))), Err(Kern::KERN_INVALID_VALUE));
}

#[test]
fn one_thread_can_be_picked() {
    let (world, task, other) = one();
    let semaphore = world.semaphore(task, 0);
    let (mine, its) = (world.thread_self(task), world.thread_self(other));
    assert_eq!(world.semaphore_signal_thread(task, semaphore, 0), Err(Kern::KERN_NOT_WAITING));
    assert_eq!(world.semaphore_signal_thread(task, semaphore, mine), Err(Kern::KERN_NOT_WAITING));
    assert_eq!(world.semaphore_signal_thread(task, semaphore, semaphore), Err(Kern::KERN_INVALID_ARGUMENT));
    world.step(move |world| {
        let wrong = world.semaphore_signal_thread(other, semaphore, its);
        assert_eq!(wrong, Err(Kern::KERN_NOT_WAITING));
        world.semaphore_signal_thread(other, semaphore, mine).unwrap();
    });
    assert_eq!(world.wait(task, semaphore), Ok(()));
    world.step(move |world| world.semaphore_signal_thread(other, semaphore, 0).unwrap());
    assert_eq!(world.wait(task, semaphore), Ok(()));
}

#[test]
fn a_wait_can_signal_another_semaphore() {
    let (world, task, _) = one();
    let (first, second) = (world.semaphore(task, 0), world.semaphore(task, 0));
    let both = |wait, signal| world.semaphore_wait(task, wait, Some(signal), Some((0, 1)));
    assert_eq!(both(first, second), Err(Kern::KERN_OPERATION_TIMED_OUT));
    assert_eq!(both(second, first), Ok(()));
    assert_eq!(both(first, first), Ok(()), "the count was left by the last signal");
    assert_eq!(both(first, first), Ok(()));
    world.semaphore_destroy(task, task.task, second).unwrap();
    assert_eq!(both(first, second), Err(Kern::KERN_TERMINATED));
    assert_eq!(both(0x90003, first), Err(Kern::KERN_INVALID_NAME));
}

#[test]
fn semaphores_are_checked_by_name() {
    let (world, task, _) = one();
    let stranger = world.task(11);
    assert_eq!(world.semaphore_create(task, task.task, 0, -1), Err(Kern::KERN_INVALID_ARGUMENT));
    assert_eq!(world.semaphore_create(task, task.task, 1, 0), Err(Kern::KERN_INVALID_ARGUMENT));
    for name in [0, u32::MAX, 0x90003] {
        assert_eq!(world.wait(task, name), Err(Kern::KERN_INVALID_NAME));
        assert_eq!(world.semaphore_signal(task, name), Err(Kern::KERN_INVALID_NAME));
    }
    let port = world.receive_right(task);
    assert_eq!(world.wait(task, port), Err(Kern::KERN_INVALID_RIGHT));
    let port = world.send_receive(task);
    assert_eq!(world.wait(task, port), Err(Kern::KERN_INVALID_CAPABILITY));
    // Another task may use it, and cannot destroy it.
    let semaphore = world.semaphore(task, 1);
    let there = world.give(task, semaphore, Type::MACH_MSG_TYPE_COPY_SEND, stranger);
    assert_eq!(world.semaphore_destroy(stranger, stranger.task, there), Ok(()));
    assert_eq!(world.wait(stranger, there), Ok(()));
    assert_eq!(world.semaphore_destroy(stranger, stranger.task, 5), Err(Kern::KERN_INVALID_ARGUMENT));
}

#[test]
fn a_semaphore_goes_with_its_last_right_once_nobody_waits() {
    let (world, task, other) = one();
    let semaphore = world.semaphore(task, 0);
    world.step(move |world| {
        world.mach_port_deallocate(other, other.task, semaphore).unwrap();
        assert_eq!(world.usage().semaphores, 1);
    });
    assert_eq!(
        world.semaphore_wait(task, semaphore, None, Some((1, 0))),
        Err(Kern::KERN_OPERATION_TIMED_OUT)
    );
    assert_eq!(world.usage().semaphores, 0);
    world.semaphore(task, 0);
    let semaphore = world.semaphore(task, 0);
    world.mach_port_deallocate(task, task.task, semaphore).unwrap();
    assert_eq!(world.usage().semaphores, 1);
}

#[test]
fn the_last_first_policy_turns_the_row_around() {
    let world = World::new();
    let task = world.task(10);
    let (b, c) = (world.thread(task, 2), world.thread(task, 3));
    let semaphore = world.semaphore_create(task, task.task, 2, 0).unwrap();
    // The first thread waits, then the second one; the third one signals once.
    world.step(move |world| {
        world.step(move |world| world.semaphore_signal(c, semaphore).unwrap());
        assert_eq!(world.wait(b, semaphore), Ok(()));
    });
    assert_eq!(world.wait(task, semaphore), Err(Kern::KERN_ABORTED), "nobody signals it");
}

#[test]
fn a_timer_sends_when_it_is_due() {
    let (world, task, _) = one();
    let timer = world.mk_timer_create(task);
    assert_eq!(world.kinds(task, timer), Some(RECEIVE));
    let start = world.engine.host().clock.get();
    world.mk_timer_arm(task, timer, start + 700).unwrap();
    assert!(world.receive(task, timer).is_err());
    let (result, got) = world.receive_with(task, timer, message::RECEIVE, ROOM, 0);
    assert_eq!(result, MachMsgReturn::MACH_MSG_SUCCESS);
    assert_eq!((got.size(), got.id(), got.data()), (48, 0, &[0_u8; 24][..]));
    assert_eq!(world.engine.host().clock.get(), start + 700);
    assert!(world.receive(task, timer).is_err());
    world.mk_timer_arm(task, timer, 1).unwrap();
    assert!(world.receive(task, timer).is_ok(), "a time that is past is due at once");
}

#[test]
fn a_timer_has_one_message() {
    let (world, task, _) = one();
    let timer = world.mk_timer_create(task);
    world.mk_timer_arm(task, timer, 1).unwrap();
    world.mk_timer_arm(task, timer, 1).unwrap();
    assert_eq!(world.drain(task, timer).len(), 1);
    world.mk_timer_arm(task, timer, 1).unwrap();
    assert_eq!(world.drain(task, timer).len(), 1);
}

#[test]
fn a_timer_that_is_cancelled_says_when_it_was_due() {
    let (world, task, _) = one();
    let timer = world.mk_timer_create(task);
    let due = world.engine.host().clock.get() + 5;
    world.mk_timer_arm(task, timer, due).unwrap();
    let result = world.alloc(task, 8);
    assert_eq!(world.mk_timer_cancel(task, timer, result), Ok(due));
    assert_eq!(world.read(task, result, 8), due.to_le_bytes());
    assert_eq!(world.mk_timer_cancel(task, timer, 0), Ok(0));
    assert_eq!(world.mk_timer_cancel(task, timer, 16), Err(Kern::KERN_FAILURE));
    let port = world.receive_right(task);
    assert_eq!(world.mk_timer_arm(task, port, 1), Err(Kern::KERN_INVALID_ARGUMENT));
    assert_eq!(world.mk_timer_cancel(task, port, 0), Err(Kern::KERN_INVALID_ARGUMENT));
    assert_eq!(world.mk_timer_destroy(task, port), Err(Kern::KERN_INVALID_ARGUMENT));
    assert_eq!(world.mk_timer_arm(task, 0x90003, 1), Err(Kern::KERN_INVALID_NAME));
    let send = world.give(task, timer, Type::MACH_MSG_TYPE_MAKE_SEND, world.task(12));
    assert_ne!(send, 0);
    let set = world.set(task);
    assert_eq!(world.mk_timer_destroy(task, set), Err(Kern::KERN_INVALID_RIGHT));
    assert_eq!(world.mk_timer_destroy(task, timer), Ok(()));
    assert_eq!(world.usage().timers, 0);
}

#[test]
fn a_timer_armed_while_somebody_waits_is_heard() {
    let (world, task, other) = one();
    let timer = world.mk_timer_create(task);
    let set = world.set(task);
    world.mach_port_insert_member(task, task.task, timer, set).unwrap();
    let due = world.engine.host().clock.get() + 900;
    world.step(move |world| world.mk_timer_arm(other, timer, due).unwrap());
    let (result, got) = world.receive_with(task, set, message::RECEIVE, ROOM, 0);
    assert_eq!((result, got.local()), (MachMsgReturn::MACH_MSG_SUCCESS, timer));
    // The same when it joins the set after it was armed.
    let late = world.mk_timer_create(task);
    world.mk_timer_arm(task, late, due + 100).unwrap();
    world.step(move |world| world.mach_port_insert_member(other, other.task, late, set).unwrap());
    let (result, got) = world.receive_with(task, set, message::RECEIVE, ROOM, 0);
    assert_eq!((result, got.local()), (MachMsgReturn::MACH_MSG_SUCCESS, late));
    assert_eq!(world.engine.host().clock.get(), due + 100);
}

#[test]
fn timers_cannot_be_given_away() {
    let (world, task, _) = one();
    let timer = world.mk_timer_create(task);
    let other = world.task(11);
    let moved = world.mach_port_extract_right(other, task.task, timer, Type::MACH_MSG_TYPE_MOVE_RECEIVE);
    assert_eq!(moved, Err(Kern::KERN_INVALID_CAPABILITY));
    let send = world.give(task, timer, Type::MACH_MSG_TYPE_MAKE_SEND, other);
    world.send(other, &Message::to(send, Type::MACH_MSG_TYPE_COPY_SEND, 9));
    assert_eq!(world.drain(task, timer), [9]);
    world.mach_port_destroy(task, task.task, timer).unwrap();
    assert_eq!(world.kinds(other, send), Some(DEAD_NAME));
}

#[test]
fn sleeps_last_as_long_as_they_are_told() {
    let (world, task, _) = one();
    let now = || world.engine.host().clock.get();
    let start = now();
    assert_eq!(world.mach_wait_until(task, start + 50), Ok(()));
    assert_eq!(now(), start + 50);
    assert_eq!(world.mach_wait_until(task, 5), Ok(()), "past");
    assert_eq!(now(), start + 50);
    world.interrupt();
    assert_eq!(world.mach_wait_until(task, start + 500), Err(Kern::KERN_ABORTED));
    let (result, woke) = world.clock_sleep(task, 0, 1, (2, 3));
    assert_eq!((result, now()), (Ok(()), start + 50 + 2_000_000_003));
    assert_eq!(woke, Some(((now() / 1_000_000_000) as u32, (now() % 1_000_000_000) as i32)));
    assert_eq!(world.clock_sleep(task, 5, 1, (0, 0)), (Err(Kern::KERN_INVALID_ARGUMENT), None));
    assert_eq!(world.clock_sleep(task, 0, 2, (0, 1)).0, Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.clock_sleep(task, 0, 1, (0, 1_000_000_000)).0, Err(Kern::KERN_INVALID_VALUE));
    assert_eq!(world.clock_sleep(task, 0, 0, (0, 1)).0, Err(Kern::KERN_INVALID_VALUE), "past");
    world.interrupt();
    assert_eq!(world.clock_sleep(task, 0, 1, (1, 0)).0, Err(Kern::KERN_ABORTED));
    let start = now();
    assert_eq!(world.thread_switch(task, 2, 3), Ok(()));
    assert_eq!(now(), start + 3_000_000);
    assert_eq!(world.thread_switch(task, 3, 3), Ok(()));
    assert_eq!(now(), start + 3_003_000);
    assert_eq!(world.thread_switch(task, 0, 3), Ok(()));
    assert_eq!(world.thread_switch(task, 6, 3), Err(Kern::KERN_INVALID_ARGUMENT));
}
