//! The engine's waits in schedules that are chosen: every lock and every wait of the world is a place where another thread may
//! go on, and a thread that nobody wakes ends the test.
//!
//! `LKM_SCHEDULES` says how many schedules of each kind are tried.

#[path = "common/threads.rs"]
mod threads;

/// What [`threads`] is made of: what the schedule decides on.
mod sync {
    pub(crate) use shuttle::sync::{Arc, Condvar, Mutex};
    pub(crate) use shuttle::thread;

    use shuttle::rand::{Rng, thread_rng};
    use shuttle::sync::MutexGuard;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Time goes by when a wait ends with it, which is chosen too.
    pub(crate) struct Clock(AtomicU64);

    impl Clock {
        pub(crate) fn new() -> Clock {
            Clock(AtomicU64::new(1))
        }

        pub(crate) fn now(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }

        pub(crate) fn wait<'a, T>(
            &self,
            mutex: &'a Mutex<T>,
            _: &Condvar,
            guard: MutexGuard<'a, T>,
            deadline: u64,
        ) -> Option<MutexGuard<'a, T>> {
            drop(guard);
            if self.now() >= deadline || thread_rng().gen_bool(0.3) {
                self.0.fetch_max(deadline, Ordering::Relaxed);
                return None;
            }
            thread::yield_now();
            Some(mutex.lock().unwrap())
        }
    }
}

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};
use sync::{Arc, Mutex, thread};
use threads::{Shared, end, page, port, receive, send, start};
use xnu_abi::darwin::kern_return::KernReturn as Kern;
use xnu_abi::darwin::kern_return::MachMsgReturn as Mach;
use xnu_abi::darwin::mach_port::{PortFlavor, PortRight as Right};
use xnu_lkm::{Caller, Host, TaskId};

/// Threads between which a schedule switches at chosen places only.
const SWITCHES: usize = 3;

fn explore(test: fn()) {
    let count = std::env::var("LKM_SCHEDULES").ok().and_then(|value| value.parse().ok()).unwrap_or(1000);
    let mut config = Config::new();
    config.stack_size = 1 << 18;
    Runner::new(RandomScheduler::new(count), config.clone()).run(test);
    Runner::new(PctScheduler::new(SWITCHES, count), config).run(test);
}

/// A thread of the task that does something.
fn thread<T: Send + 'static>(
    engine: &Shared,
    task: TaskId,
    tid: u64,
    work: impl FnOnce(&Shared, Caller) -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let engine = engine.clone();
    thread::spawn(move || {
        let by = engine.thread(task, tid).unwrap();
        work(&engine, by)
    })
}

fn limit(engine: &Shared, by: Caller, name: u32, limit: u32) {
    let flavor = PortFlavor::MACH_PORT_LIMITS_INFO;
    engine.mach_port_set_attributes(by, by.task, name, flavor, &[limit]).unwrap();
}

#[test]
fn full_queues_lose_nothing_and_wake_everybody() {
    const EACH: u32 = 2;
    explore(|| {
        let (engine, open, task) = start(4);
        let main = engine.thread(task, 1).unwrap();
        let to = port(&engine, main);
        limit(&engine, main, to, 1);
        let senders: Vec<_> = (0..2)
            .map(|n| {
                thread(&engine, task, 10 + u64::from(n), move |engine, by| {
                    for number in 0..EACH {
                        let sent = send(engine, by, page(n as usize), to, [n, number], None);
                        assert_eq!(sent, Mach::MACH_MSG_SUCCESS);
                    }
                })
            })
            .collect();
        let receivers: Vec<_> = (0..2)
            .map(|n| {
                thread(&engine, task, 20 + n, move |engine, by| {
                    let page = page(2 + n as usize);
                    (0..EACH).map(|_| receive(engine, by, page, to, None).unwrap().1).collect::<Vec<_>>()
                })
            })
            .collect();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        let got: Vec<Vec<_>> = receivers.into_iter().map(|receiver| receiver.join().unwrap()).collect();
        for of in &got {
            assert!((0..2).all(|n| of.iter().filter(|words| words[0] == n).is_sorted()), "{got:?}");
        }
        let mut all: Vec<_> = got.concat();
        all.sort_unstable();
        assert_eq!(all, [[0, 0], [0, 1], [1, 0], [1, 1]]);
        end(&engine, open);
    });
}

#[test]
fn timeouts_and_a_port_that_dies_leave_nothing() {
    explore(|| {
        let (engine, open, task) = start(3);
        let main = engine.thread(task, 1).unwrap();
        let to = port(&engine, main);
        limit(&engine, main, to, 1);
        let sender = thread(&engine, task, 10, move |engine, by| {
            let known = [Mach::MACH_MSG_SUCCESS, Mach::MACH_SEND_TIMED_OUT, Mach::MACH_SEND_INVALID_DEST];
            for number in 0..3 {
                let sent = send(engine, by, page(0), to, [1, number], Some(1));
                assert!(known.contains(&sent), "{sent:?}");
            }
        });
        let receiver = thread(&engine, task, 11, move |engine, by| {
            let known = [Mach::MACH_RCV_TIMED_OUT, Mach::MACH_RCV_PORT_CHANGED, Mach::MACH_RCV_INVALID_NAME];
            let got: Vec<_> = (0..2).map(|_| receive(engine, by, page(1), to, Some(1))).collect();
            assert!(got.iter().all(|got| got.is_ok() || known.contains(&got.unwrap_err())), "{got:?}");
            let numbers: Vec<_> = got.into_iter().flatten().map(|(_, words)| words[1]).collect();
            assert!(numbers.is_sorted(), "{numbers:?}");
        });
        engine.mach_port_destroy(main, task, to).unwrap();
        sender.join().unwrap();
        receiver.join().unwrap();
        assert_eq!(engine.usage().messages, 0);
        end(&engine, open);
    });
}

#[test]
fn a_task_that_ends_frees_those_who_wait_in_it() {
    explore(|| {
        let (engine, open, task) = start(3);
        let main = engine.thread(task, 1).unwrap();
        let (full, empty) = (port(&engine, main), port(&engine, main));
        limit(&engine, main, full, 0);
        let semaphore = engine.semaphore_create(main, task, 0, 0).unwrap();
        // Threads of a task: known before it ends.
        let [a, b, c] = [10, 11, 12].map(|tid| engine.thread(task, tid).unwrap());
        let threads = [
            {
                let engine = engine.clone();
                thread::spawn(move || {
                    let sent = send(&engine, a, page(0), full, [1, 1], None);
                    assert_ne!(sent, Mach::MACH_SEND_TIMED_OUT);
                })
            },
            {
                let engine = engine.clone();
                thread::spawn(move || assert!(receive(&engine, b, page(1), empty, None).is_err()))
            },
            {
                let engine = engine.clone();
                thread::spawn(move || assert!(engine.semaphore_wait(c, semaphore, None, None).is_err()))
            },
        ];
        engine.release(open);
        // A message that was on its way goes when its sender runs again.
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        end(&engine, open);
    });
}

#[test]
fn semaphores_keep_count() {
    explore(|| {
        let (engine, open, task) = start(0);
        let main = engine.thread(task, 1).unwrap();
        let (first, second) = (
            engine.semaphore_create(main, task, 0, 0).unwrap(),
            engine.semaphore_create(main, task, 0, 0).unwrap(),
        );
        let passed = Arc::new(Mutex::new(0));
        let waiters: Vec<_> = (0..3)
            .map(|n| {
                let passed = passed.clone();
                thread(&engine, task, 10 + n, move |engine, by| {
                    let time = (n > 0).then_some((0, 1000));
                    let signal = (n == 1).then_some(second);
                    match engine.semaphore_wait(by, first, signal, time) {
                        Ok(()) => *passed.lock().unwrap() += 1,
                        Err(error) => assert_eq!((error, n > 0), (Kern::KERN_OPERATION_TIMED_OUT, true)),
                    }
                })
            })
            .collect();
        let signals = 2;
        for _ in 0..signals {
            engine.semaphore_signal(main, first).unwrap();
        }
        // The one that waits without a time: it may have found that others were faster.
        engine.semaphore_wait(main, second, None, None).unwrap();
        engine.semaphore_signal(main, first).unwrap();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        let mut left = 0;
        while engine.semaphore_wait(main, first, None, Some((0, 0))).is_ok() {
            left += 1;
        }
        assert_eq!(*passed.lock().unwrap() + left, signals + 1);
        end(&engine, open);
    });
}

#[test]
fn a_destroyed_semaphore_lets_everybody_go() {
    explore(|| {
        let (engine, open, task) = start(0);
        let main = engine.thread(task, 1).unwrap();
        let name = engine.semaphore_create(main, task, 0, 0).unwrap();
        let waiters: Vec<_> = (0..2)
            .map(|n| {
                thread(&engine, task, 10 + n, move |engine, by| {
                    let done = engine.semaphore_wait(by, name, None, None);
                    assert!([Ok(()), Err(Kern::KERN_TERMINATED)].contains(&done), "{done:?}");
                })
            })
            .collect();
        engine.semaphore_signal_all(main, name).unwrap();
        engine.semaphore_destroy(main, task, name).unwrap();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        end(&engine, open);
    });
}

#[test]
fn a_timer_armed_late_wakes_who_waits_at_it_or_at_its_set() {
    explore(|| {
        let (engine, open, task) = start(1);
        let main = engine.thread(task, 1).unwrap();
        let timer = engine.mk_timer_create(main);
        let set = engine.mach_port_allocate(main, task, Right::MACH_PORT_RIGHT_PORT_SET, None).unwrap();
        let waiter = thread(&engine, task, 10, move |engine, by| {
            receive(engine, by, page(0), set, None).unwrap();
            engine.host().now()
        });
        let other = thread(&engine, task, 11, move |engine, by| {
            engine.mach_port_insert_member(by, task, timer, set).unwrap();
        });
        let due = engine.host().now() + 1000;
        engine.mk_timer_arm(main, timer, due).unwrap();
        assert!(waiter.join().unwrap() >= due);
        other.join().unwrap();
        end(&engine, open);
    });
}

#[test]
fn a_port_that_joins_and_leaves_a_set_keeps_its_messages() {
    explore(|| {
        let (engine, open, task) = start(2);
        let main = engine.thread(task, 1).unwrap();
        let member = port(&engine, main);
        let set = engine.mach_port_allocate(main, task, Right::MACH_PORT_RIGHT_PORT_SET, None).unwrap();
        let waiter = thread(&engine, task, 10, move |engine, by| receive(engine, by, page(0), set, None));
        let mover = thread(&engine, task, 11, move |engine, by| {
            engine.mach_port_insert_member(by, task, member, set).unwrap();
            engine.mach_port_extract_member(by, task, member, set).unwrap();
            engine.mach_port_insert_member(by, task, member, set).unwrap();
        });
        assert_eq!(send(&engine, main, page(1), member, [5, 6], None), Mach::MACH_MSG_SUCCESS);
        assert_eq!(waiter.join().unwrap().unwrap().1, [5, 6]);
        mover.join().unwrap();
        end(&engine, open);
    });
}
