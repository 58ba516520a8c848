//! The rows. A subject is a file with a `ROWS` table and a line below; a row is five fields.

use super::measure::{Row, Side};

mod call;
mod copy;
mod file;
mod guest;
mod path;
mod ports;
mod printf;

/// Every row, in the order of the report.
pub(crate) const ALL: &[&[Row]] =
    &[call::ROWS, copy::ROWS, file::ROWS, printf::ROWS, guest::ROWS, path::ROWS, ports::ROWS];
