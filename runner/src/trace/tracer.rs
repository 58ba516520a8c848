//! The parent: writes out what the guest's processes record, then ends as the guest ended.

use super::process::{self, End};
use super::shared::{Channel, Reader, Taken};
use super::summary;
use super::{Format, Options};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;
use xnu_core::convert::signal::to_darwin;

/// How long records may gather before they are written.
const GATHER: Duration = Duration::from_millis(1);

/// Where the trace goes. After an error nothing more is written; the guest is not held up by it.
struct Sink {
    file: Option<File>,
    is_broken: bool,
}

impl Sink {
    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_broken {
            let written = match &mut self.file {
                Some(file) => file.write(bytes),
                None => io::stderr().write(bytes),
            };
            match written {
                Ok(count) if count > 0 => bytes = bytes.get(count..).unwrap_or(&[]),
                Ok(_) => self.fail(&io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The guest may have made its standard error non-blocking, which it shares with ours.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(GATHER),
                Err(error) => self.fail(&error),
            }
        }
    }

    fn fail(&mut self, error: &io::Error) {
        self.is_broken = true;
        if self.file.is_some() {
            // Nobody is left to tell if this fails too.
            let _ = writeln!(io::stderr(), "xnurun: the rest of the trace is lost: {error}");
        }
    }
}

/// Runs the tracer until the guest has ended, and ends as it did.
pub(super) fn run(channel: Channel, options: &Options, file: Option<File>, guest: i32) -> ! {
    process::release_descriptors(file.as_ref().map(AsRawFd::as_raw_fd));
    let mut sink = Sink { file, is_broken: false };
    // Never dropped: the waiting thread holds on to it.
    let ended: &'static OnceLock<End> = Box::leak(Box::new(OnceLock::new()));
    let attending = thread::Builder::new().name("attend".to_owned()).spawn(move || {
        let _ = ended.set(process::attend(guest));
        channel.ring_bell();
    });
    if let Err(error) = attending {
        let _ = writeln!(io::stderr(), "xnurun: cannot wait for the traced process: {error}");
        process::give_up(guest);
    }
    let mut reader = Reader::new(channel);
    let end = loop {
        let bell = reader.bell();
        let end = ended.get();
        let is_quiet = drain(&mut reader, options.format, &mut sink);
        match end {
            Some(end) => break *end,
            None if is_quiet => reader.sleep(bell),
            None => reader.linger(bell, GATHER),
        }
    };
    channel.close();
    drain(&mut reader, options.format, &mut sink);
    sink.write(end_record(options.format, guest, end).as_bytes());
    sink.write(lost_record(options.format, channel.lost()).as_bytes());
    if options.summary {
        sink.write(summary::render(options.format, &channel.counters().collect()).as_bytes());
    }
    process::end_as(end)
}

/// Writes out what there is; true if there was nothing.
fn drain(reader: &mut Reader, format: Format, sink: &mut Sink) -> bool {
    match reader.take() {
        Taken::Nothing => return true,
        Taken::Records(bytes) => sink.write(bytes),
        Taken::Damage => match format {
            Format::Json => sink.write(b"{\"event\":\"damage\"}\n"),
            Format::Text | Format::None => {
                sink.write(b"+++ the guest wrote into the trace: calls are missing here +++\n");
            }
        },
    }
    false
}

/// How the guest ended, as a record.
fn end_record(format: Format, guest: i32, end: End) -> String {
    let signal = |number| match to_darwin(number).and_then(|signal| signal.name()) {
        Some(name) => name.to_owned(),
        None => format!("Linux signal {number}"),
    };
    match (format, end) {
        (Format::None, _) => String::new(),
        (Format::Text, End::Exited(status)) => format!("+++ exited with {status} +++\n"),
        (Format::Text, End::Killed(number)) => format!("+++ killed by {} +++\n", signal(number)),
        (Format::Json, End::Exited(status)) => {
            format!("{{\"pid\":{guest},\"event\":\"exit\",\"status\":{status}}}\n")
        }
        (Format::Json, End::Killed(number)) => {
            format!("{{\"pid\":{guest},\"event\":\"killed\",\"signal\":\"{}\"}}\n", signal(number))
        }
    }
}

/// Says how many records could not be written, if any.
fn lost_record(format: Format, lost: u64) -> String {
    match format {
        _ if lost == 0 => String::new(),
        Format::Json => format!("{{\"event\":\"lost\",\"records\":{lost}}}\n"),
        Format::Text | Format::None => format!("+++ {lost} records lost +++\n"),
    }
}
