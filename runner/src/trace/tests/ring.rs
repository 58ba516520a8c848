//! # Safety
//! The blocks fork a child that only uses the ring and dies, kill it and wait for it.
#![allow(unsafe_code)]

use super::super::shared::{Channel, Reader, Taken};
use super::{Random, channel, taken};
use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

/// A record that shows whether it is whole: producer, count and a filling that follows from them.
fn record(producer: u64, count: u64) -> Vec<u8> {
    let filling = char::from(b'a' + (count % 26) as u8).to_string();
    let length = (count * 7 + producer) % 300;
    format!("{producer} {count} {}\n", filling.repeat(length as usize)).into_bytes()
}

/// Checks records and that each producer's come in order; answers how many there are of each.
#[derive(Default)]
struct Checker(HashMap<u64, u64>);

impl Checker {
    fn check(&mut self, text: &str) {
        assert!(text.is_empty() || text.ends_with('\n'));
        for line in text.lines() {
            let mut fields = line.split(' ');
            let mut number = || fields.next().and_then(|field| field.parse().ok()).expect(line);
            let (producer, count) = (number(), number());
            assert_eq!(format!("{line}\n").into_bytes(), record(producer, count));
            let next = self.0.entry(producer).or_insert(0);
            assert_eq!(count, *next, "producer {producer}");
            *next += 1;
        }
    }
}

#[test]
fn records_of_many_producers_stay_whole_and_in_order() {
    const RECORDS: u64 = 3000;
    // Close to the end of the positions' range, so that they wrap around.
    let channel = channel(4096);
    let mut reader = channel.reader_at(u32::MAX - 50_000);
    let producers: Vec<_> = (0..4)
        .map(|producer| {
            thread::spawn(move || (0..RECORDS).for_each(|count| channel.push(&record(producer, count))))
        })
        .collect();
    let mut checker = Checker::default();
    let mut random = Random(1);
    while checker.0.values().sum::<u64>() < 4 * RECORDS {
        let bell = reader.bell();
        match taken(&mut reader) {
            text if text.is_empty() => reader.sleep(bell),
            text => checker.check(&text),
        }
        if random.below(16) == 0 {
            thread::sleep(Duration::from_micros(300));
        }
    }
    producers.into_iter().for_each(|producer| producer.join().expect("a producer ends"));
    assert_eq!(channel.lost(), 0);
    assert_eq!(reader.take(), Taken::Nothing);
}

#[test]
fn a_full_ring_holds_the_producer_until_there_is_room() {
    let channel = channel(1024);
    let mut reader = Reader::new(channel);
    channel.push(&[b'x'; 1024]);
    let producer = thread::spawn(move || channel.push(b"after\n"));
    thread::sleep(Duration::from_millis(250));
    assert!(!producer.is_finished());
    assert_eq!(taken(&mut reader), "x".repeat(1024));
    producer.join().expect("a producer ends");
    assert_eq!(taken(&mut reader), "after\n");
}

#[test]
fn closing_frees_the_producers() {
    let channel = channel(1024);
    channel.push(&[b'x'; 1024]);
    let producer = thread::spawn(move || channel.push(b"never\n"));
    thread::sleep(Duration::from_millis(20));
    channel.close();
    producer.join().expect("a producer ends");
    channel.push(b"neither\n");
    assert_eq!(taken(&mut Reader::new(channel)), "x".repeat(1024));
}

#[test]
fn one_record_wakes_the_reader() {
    let channel = channel(1024);
    let reading = thread::spawn(move || {
        let mut reader = Reader::new(channel);
        let bell = reader.bell();
        reader.sleep(bell);
        taken(&mut reader)
    });
    thread::sleep(Duration::from_millis(50));
    channel.push(b"one\n");
    let end = Instant::now() + Duration::from_secs(10);
    while !reading.is_finished() && Instant::now() < end {
        thread::sleep(Duration::from_millis(1));
    }
    assert!(reading.is_finished());
    assert_eq!(reading.join().expect("it ends"), "one\n");
}

#[test]
fn a_record_longer_than_the_ring_is_counted_as_lost() {
    let channel = channel(1024);
    channel.push(&[b'x'; 1025]);
    assert_eq!((channel.lost(), Reader::new(channel).take()), (1, Taken::Nothing));
}

#[test]
fn a_scribbling_guest_hangs_nobody() {
    let mut random = Random(7);
    let locks: Vec<u32> = (0..50).map(|_| random.next() as u32).collect();
    for lock in [0, 1, 0x4000_0000, 0x8000_0001, u32::MAX].into_iter().chain(locks) {
        let channel = channel(1024);
        let mut reader = Reader::new(channel);
        channel.scribble(lock, random.next() as u32 | 0x8000_0000);
        // Process 1 may seem to hold the lock, and it lives: that producer waits, but the tracer does not.
        if lock & 0x3fff_ffff != 1 && !is_alive(lock & 0x3fff_ffff) {
            channel.push(b"lost\n");
            assert_eq!(channel.lost(), 1);
        }
        assert_eq!(reader.take(), Taken::Damage);
        assert_eq!(reader.take(), Taken::Nothing);
        channel.scribble(0, 0);
    }
}

fn is_alive(thread: u32) -> bool {
    // SAFETY: see the module: signal 0 is none.
    thread != 0 && unsafe { libc::syscall(libc::SYS_tkill, thread, 0) } == 0
}

/// Runs in a child that must not return; answers its id.
fn fork(child: impl FnOnce()) -> i32 {
    // SAFETY: see the module.
    match unsafe { libc::fork() } {
        0 => {
            child();
            // SAFETY: see the module.
            unsafe { libc::_exit(0) }
        }
        pid => pid,
    }
}

fn wait(pid: i32) -> i32 {
    let mut status = 0;
    // SAFETY: see the module.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    status
}

/// Waits until a child has died, but leaves it a zombie.
fn wait_for_zombie(pid: i32) {
    // SAFETY: see the module; all fields of the structure are integers.
    unsafe {
        let mut info = std::mem::zeroed();
        assert_eq!(libc::waitid(libc::P_PID, pid as u32, &mut info, libc::WEXITED | libc::WNOWAIT), 0);
    }
}

#[test]
fn a_producer_killed_in_the_middle_leaves_nothing_behind() {
    for reap in [false, true] {
        let channel = channel(4096);
        let mut reader = Reader::new(channel);
        channel.push(b"before\n");
        let dead = fork(|| channel.push_and_die(b"half of a rec"));
        wait_for_zombie(dead);
        if reap {
            wait(dead);
        }
        channel.push(b"after\n");
        assert_eq!(taken(&mut reader), "before\nafter\n");
        if !reap {
            wait(dead);
        }
    }
}

#[test]
fn producers_that_wait_for_a_killed_one_go_on() {
    let channel = channel(4096);
    let mut reader = Reader::new(channel);
    let mut pipe = [0; 2];
    // SAFETY: see the module; the call fills in two descriptors.
    assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
    let dying = fork(|| {
        let mut byte = [0u8];
        // SAFETY: see the module; room for one byte.
        unsafe { libc::read(pipe[0], byte.as_mut_ptr().cast(), 1) };
        channel.push_and_die(b"half")
    });
    let others: Vec<_> = (0..3)
        .map(|producer| fork(move || (0..200).for_each(|count| channel.push(&record(producer, count)))))
        .collect();
    // SAFETY: see the module.
    unsafe { libc::write(pipe[1], b"x".as_ptr().cast(), 1) };
    let mut checker = Checker::default();
    while checker.0.values().sum::<u64>() < 600 {
        checker.check(&taken(&mut reader));
        thread::sleep(Duration::from_micros(100));
    }
    others.into_iter().for_each(|pid| assert_eq!(wait(pid), 0));
    wait(dying);
    // SAFETY: see the module.
    pipe.into_iter().for_each(|fd| assert_eq!(unsafe { libc::close(fd) }, 0));
}

#[test]
fn producers_killed_at_any_moment_hang_nobody() {
    let channel = channel(4096);
    let mut reader = Reader::new(channel);
    let mut random = Random(3);
    let begin = Instant::now();
    let mut checker = Checker::default();
    for round in 0..60 {
        let first = round * 10;
        let children: Vec<_> = (first..first + 3)
            .map(|producer| {
                fork(move || (0..u64::MAX).for_each(|count| channel.push(&record(producer, count))))
            })
            .collect();
        let end = Instant::now() + Duration::from_micros(500 + random.below(4000));
        while Instant::now() < end {
            checker.check(&taken(&mut reader));
        }
        // SAFETY: see the module.
        children.iter().for_each(|pid| assert_eq!(unsafe { libc::kill(*pid, libc::SIGKILL) }, 0));
        children.into_iter().for_each(|pid| assert_eq!(wait(pid), libc::SIGKILL));
        checker.check(&taken(&mut reader));
        channel.push(&record(first + 9, 0));
        checker.check(&taken(&mut reader));
        assert_eq!(checker.0[&(first + 9)], 1);
    }
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert_eq!(channel.lost(), 0);
}

#[test]
fn producers_notice_that_the_tracer_is_gone() {
    // The channel's tracer is a child that dies while its own child waits for room.
    let mut pipe = [0; 2];
    // SAFETY: see the module; the call fills in two descriptors.
    assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
    let tracer = fork(|| {
        let channel = Channel::with_capacity(1024).expect("memory can be shared");
        channel.push(&[b'x'; 1024]);
        fork(|| {
            channel.push(b"never\n");
            // SAFETY: see the module.
            unsafe { libc::write(pipe[1], [u8::from(channel.is_closed())].as_ptr().cast(), 1) };
        });
        // SAFETY: see the module.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    });
    // It stays a zombie here.
    let mut closed = [0u8];
    // SAFETY: see the module; room for one byte.
    assert_eq!(unsafe { libc::read(pipe[0], closed.as_mut_ptr().cast(), 1) }, 1);
    assert_eq!(closed, [1]);
    assert_eq!(wait(tracer), libc::SIGKILL);
    // SAFETY: see the module.
    pipe.into_iter().for_each(|fd| assert_eq!(unsafe { libc::close(fd) }, 0));
}
