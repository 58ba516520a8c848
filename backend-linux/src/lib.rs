//! `xnu-core` on Linux by raw system calls.
#![no_std]
