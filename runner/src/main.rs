//! The command `xnurun`.
fn main() {}
