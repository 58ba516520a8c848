//! Every served handler against the mock, as transcripts through the table: a call, an arrow, what the guest gets.

mod descriptor;
mod device;
mod directory;
mod expectations;
mod faults;
mod fcntl;
mod fcntl_lock;
mod fcntl_signature;
mod fcntl_space;
mod frames;
mod identity;
mod link;
mod mach;
mod machdep;
mod memory;
mod metadata;
mod name;
mod native;
mod open;
mod process;
mod rename;
mod signal;
mod support;
mod sweep;
mod time;
mod transfer;
