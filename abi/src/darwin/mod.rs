//! XNU's interface: Darwin names for Darwin things.
//!
//! One module per family of headers. Each lists what it declares, so that tests compare names, values and layouts
//! with tables computed from Apple's headers without repeating them: see [`CONSTANTS`] and [`LAYOUTS`].

use crate::layout::Layout;
use crate::table::Constant;

mod errno;
pub mod fcntl;
pub mod mman;
pub mod signal;
pub mod stat;
pub mod thread_state;
pub mod time;

pub use errno::Errno;

/// Every constant: one entry per module, in it one list per table.
pub const CONSTANTS: &[&[&[Constant]]] = &[
    fcntl::CONSTANTS,
    mman::CONSTANTS,
    signal::CONSTANTS,
    stat::CONSTANTS,
    thread_state::CONSTANTS,
    time::CONSTANTS,
];

/// Every layout: one list per module.
pub const LAYOUTS: &[&[Layout]] =
    &[fcntl::LAYOUTS, signal::LAYOUTS, stat::LAYOUTS, thread_state::LAYOUTS, time::LAYOUTS];
