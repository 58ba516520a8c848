//! The rows. A subject is a file with a `ROWS` table and a line below; a row is five fields.

use super::measure::{Row, Side};

mod printf;

/// Every row, in the order of the report.
pub(crate) const ALL: &[&[Row]] = &[printf::ROWS];
