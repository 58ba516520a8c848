//! Real threads on one engine: nothing is lost, nothing comes twice, the order of each sender is kept, and deaths in the
//! middle of everything leave nothing behind.
//!
//! `LKM_MESSAGES` says how many messages each sender sends.

#[path = "common/threads.rs"]
mod threads;

/// What [`threads`] is made of: the standard library's.
mod sync {
    pub(crate) use std::sync::{Arc, Condvar, Mutex};
    pub(crate) use std::thread;

    use std::sync::MutexGuard;
    use std::time::{Duration, Instant};

    pub(crate) struct Clock(Instant);

    impl Clock {
        pub(crate) fn new() -> Clock {
            Clock(Instant::now())
        }

        pub(crate) fn now(&self) -> u64 {
            self.0.elapsed().as_nanos() as u64 + 1
        }

        /// Waits for a change until a time; `None` when it is there.
        pub(crate) fn wait<'a, T>(
            &self,
            _: &'a Mutex<T>,
            changed: &Condvar,
            guard: MutexGuard<'a, T>,
            deadline: u64,
        ) -> Option<MutexGuard<'a, T>> {
            let rest = deadline.checked_sub(self.now()).filter(|rest| *rest > 0)?;
            Some(changed.wait_timeout(guard, Duration::from_nanos(rest)).unwrap().0)
        }
    }
}

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use threads::{end, page, port, receive, send, start};
use xnu_abi::darwin::kern_return::MachMsgReturn as Mach;
use xnu_abi::darwin::mach_port::PortRight as Right;
use xnu_lkm::Host;

fn messages(otherwise: u32) -> u32 {
    std::env::var("LKM_MESSAGES").ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn every_message_arrives_once_and_in_order() {
    const SENDERS: usize = 4;
    const RECEIVERS: usize = 4;
    let count = messages(5_000);
    let (engine, open, task) = start(SENDERS + RECEIVERS);
    let main = engine.thread(task, 1).unwrap();
    let set = engine.mach_port_allocate(main, task, Right::MACH_PORT_RIGHT_PORT_SET, None).unwrap();
    let ports: Vec<u32> = (0..2).map(|_| port(&engine, main)).collect();
    for name in &ports {
        engine.mach_port_insert_member(main, task, *name, set).unwrap();
    }
    let seen = Arc::new(Mutex::new(vec![Vec::new(); SENDERS]));
    let receivers: Vec<_> = (0..RECEIVERS)
        .map(|n| {
            let (engine, seen) = (engine.clone(), seen.clone());
            thread::spawn(move || {
                let by = engine.thread(task, 100 + n as u64).unwrap();
                let mut last = [None; SENDERS];
                loop {
                    let (_, [sender, number]) = receive(&engine, by, page(n), set, None).unwrap();
                    if sender == u32::MAX {
                        return;
                    }
                    // One receiver sees each sender's messages in their order.
                    let last = &mut last[sender as usize];
                    assert!(last.is_none_or(|last| last < number), "{last:?} before {number}");
                    *last = Some(number);
                    seen.lock().unwrap()[sender as usize].push(number);
                }
            })
        })
        .collect();
    let senders: Vec<_> = (0..SENDERS)
        .map(|n| {
            let engine = engine.clone();
            let to = ports[n % ports.len()];
            thread::spawn(move || {
                let by = engine.thread(task, 200 + n as u64).unwrap();
                for number in 0..count {
                    let sent = send(&engine, by, page(RECEIVERS + n), to, [n as u32, number], None);
                    assert_eq!(sent, Mach::MACH_MSG_SUCCESS);
                }
            })
        })
        .collect();
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    for _ in 0..RECEIVERS {
        assert_eq!(
            send(&engine, main, page(RECEIVERS), ports[0], [u32::MAX, 0], None),
            Mach::MACH_MSG_SUCCESS
        );
    }
    receivers.into_iter().for_each(|receiver| receiver.join().unwrap());
    for numbers in seen.lock().unwrap().iter_mut() {
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..count), "{} of {count}", numbers.len());
    }
    end(&engine, open);
}

#[test]
fn deaths_and_timeouts_in_the_middle_leave_nothing() {
    const THREADS: usize = 6;
    let rounds = messages(5_000) / 5;
    let (engine, open, task) = start(THREADS);
    let main = engine.thread(task, 1).unwrap();
    let shared = Arc::new(Mutex::new(port(&engine, main)));
    let workers: Vec<_> = (0..THREADS)
        .map(|n| {
            let (engine, shared) = (engine.clone(), shared.clone());
            thread::spawn(move || {
                let by = engine.thread(task, 100 + n as u64).unwrap();
                for round in 0..rounds {
                    let name = *shared.lock().unwrap();
                    match n % 3 {
                        0 => {
                            let sent = send(&engine, by, page(n), name, [n as u32, round], Some(1));
                            let known = [
                                Mach::MACH_MSG_SUCCESS,
                                Mach::MACH_SEND_TIMED_OUT,
                                Mach::MACH_SEND_INVALID_DEST,
                            ];
                            assert!(known.contains(&sent), "{sent:?}");
                        }
                        1 => {
                            let got = receive(&engine, by, page(n), name, Some(1)).map(|_| ());
                            let known = [
                                Ok(()),
                                Err(Mach::MACH_RCV_TIMED_OUT),
                                Err(Mach::MACH_RCV_PORT_CHANGED),
                                Err(Mach::MACH_RCV_INVALID_NAME),
                            ];
                            assert!(known.contains(&got), "{got:?}");
                        }
                        _ => {
                            let mut current = shared.lock().unwrap();
                            let new = port(&engine, by);
                            let old = std::mem::replace(&mut *current, new);
                            drop(current);
                            // The other of this kind may have been faster.
                            let _ = engine.mach_port_destroy(by, task, old);
                        }
                    }
                }
                engine.thread_exit(by);
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    end(&engine, open);
}

#[test]
fn semaphores_hand_over_between_threads() {
    let count = messages(5_000);
    let (engine, open, task) = start(1);
    let main = engine.thread(task, 1).unwrap();
    let (ping, pong) = (
        engine.semaphore_create(main, task, 0, 0).unwrap(),
        engine.semaphore_create(main, task, 0, 0).unwrap(),
    );
    let other = {
        let engine = engine.clone();
        thread::spawn(move || {
            let by = engine.thread(task, 2).unwrap();
            for _ in 0..count {
                engine.semaphore_wait(by, ping, None, None).unwrap();
                engine.semaphore_signal(by, pong).unwrap();
            }
        })
    };
    for _ in 0..count {
        engine.semaphore_signal(main, ping).unwrap();
        engine.semaphore_wait(main, pong, None, Some((10, 0))).unwrap();
    }
    other.join().unwrap();
    end(&engine, open);
}

#[test]
fn a_timer_wakes_a_blocked_thread() {
    let (engine, _, task) = start(1);
    let by = engine.thread(task, 1).unwrap();
    let timer = engine.mk_timer_create(by);
    let waiter = {
        let engine = engine.clone();
        thread::spawn(move || {
            let by = engine.thread(task, 2).unwrap();
            receive(&engine, by, page(0), timer, None).unwrap();
            engine.host().now()
        })
    };
    thread::sleep(Duration::from_millis(20));
    let due = engine.host().now() + 30_000_000;
    engine.mk_timer_arm(by, timer, due).unwrap();
    assert!(waiter.join().unwrap() >= due);
}
