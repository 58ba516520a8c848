//! Every served handler against the mock, as transcripts through the table: a call, an arrow, what the guest gets.

mod descriptor;
mod device;
mod expectations;
mod faults;
mod fcntl;
mod fcntl_lock;
mod fcntl_signature;
mod fcntl_space;
mod frames;
mod fsctl;
mod identity;
mod mach;
mod machdep;
mod memory;
mod metadata;
mod name;
mod native;
mod open;
mod open_extended;
mod process;
mod signal;
mod support;
mod sweep;
mod time;
mod transfer;
