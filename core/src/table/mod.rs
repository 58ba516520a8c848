//! The declarative tables: one line per call, from which come dispatch, decoding, tracing and the coverage page.

mod argument;
mod named;
mod row;

pub use argument::{Argument, DirFd, Fd, Rendering, UserBuf, UserOut, UserPath};
pub use named::{FcntlArgument, IoctlNumber};
pub use row::{Class, Family, Grade, Parameter, Parameters, Reply, Return, Row, SysResult, Unchanged};

/// Declares a table of calls.
///
/// A line reads `number [| nocancel twin] family name(argument: type, …) -> type => grade(…),` where the grade is one
/// of
/// * `faithful(handler)`: behaves as the manual page and XNU's source say; `faithful(inline handler)` the same without
///   a function between, for the few that are so short that a return more is felt;
/// * `refused(error, "where XNU does")`: answers an ordinary process this error, whatever the arguments, as XNU does;
/// * `partial(handler, "what is missing")`;
/// * `fake(handler, "why that is safe")`;
/// * `enosys("why")`: answers `ENOSYS`, as XNU does or by our choice;
/// * `nosys("why")`: answers `ENOSYS` and sends `SIGSYS`, as XNU does for empty rows;
/// * `invalid()`: an empty row of the Mach or machine-dependent table;
/// * `todo()`: XNU serves it, we do not yet.
///
/// A call and its `_nocancel` twin share a line: cancellation is the C library's business, the kernel's answer is
/// the same.
macro_rules! calls {
    (
        $class:ident, $unserved:expr;
        $(
            $number:literal $(| $twin:literal)? $family:ident $name:ident ( $($argument:ident : $type:ty),* )
                -> $return:ty => $grade:ident ( $($how:tt)* ),
        )*
    ) => {
        /// The row that serves `number`, which may be that of a `_nocancel` twin.
        pub fn row(number: u32) -> Option<$crate::table::Row> {
            match number {
                $($number $(| $twin)? => {
                    // A function each: made by instructions, a row costs a program that never asks nothing. A table of
                    // rows would be relocated at every start.
                    #[inline(never)]
                    fn row() -> $crate::table::Row {
                        $crate::table::Row {
                            class: $crate::table::Class::$class,
                            number: $number,
                            twin: $crate::table::twin!($($twin)?),
                            name: stringify!($name),
                            family: $crate::table::Family::$family,
                            parameters: $crate::table::Parameters::new(
                                parameter_count($number),
                                |_each| {
                                    $(_each($crate::table::Parameter {
                                        name: stringify!($argument),
                                        render: <$type as $crate::table::Argument>::render,
                                    });)*
                                },
                            ),
                            render_return: <$return as $crate::table::Return>::render,
                            grade: $crate::table::grade!($grade $($how)*),
                        }
                    }
                    Some(row())
                })*
                _ => None,
            }
        }

        /// Every row, in the order of its number.
        pub fn rows() -> impl Iterator<Item = $crate::table::Row> {
            let numbers = 0..$crate::table::NUMBERS as u32;
            numbers.filter_map(|number| row(number).filter(|row| row.number == number))
        }

        /// How many parameters call `number` has; 0 if there is no such call.
        #[inline]
        pub fn parameter_count(number: u32) -> usize {
            static COUNTS: [u8; $crate::table::NUMBERS] = $crate::table::counts(&[
                $(($number, $crate::table::twin!($($twin)?), &[$(stringify!($argument)),*])),*
            ]);
            COUNTS.get(number as usize).copied().unwrap_or(0).into()
        }

        /// Decodes the arguments of call `number`, runs its handler and encodes the answer.
        #[inline]
        pub fn dispatch<K: $crate::Kernel, L: $crate::Lkm>(
            cx: &mut $crate::Context<'_, K, L>,
            number: u32,
            words: &[u64; 8],
        ) -> $crate::Reply {
            match number {
                $($number $(| $twin)? => {
                    $crate::table::serve!(cx, words, $unserved, $return, [$($type)*], $grade $($how)*)
                })*
                _ => $crate::Reply::Invalid,
            }
        }
    };
}

/// `Some(number)` for a row with a `_nocancel` twin.
macro_rules! twin {
    () => {
        None
    };
    ($twin:literal) => {
        Some($twin)
    };
}

macro_rules! grade {
    (faithful inline $handler:path) => {
        $crate::table::Grade::Faithful
    };
    (faithful $handler:path) => {
        $crate::table::Grade::Faithful
    };
    (refused $errno:ident, $where:literal) => {
        $crate::table::Grade::Refused($where)
    };
    (partial $handler:path, $missing:literal) => {
        $crate::table::Grade::Partial($missing)
    };
    (fake $handler:path, $why:literal) => {
        $crate::table::Grade::Fake($why)
    };
    (enosys $why:literal) => {
        $crate::table::Grade::Enosys($why)
    };
    (nosys $why:literal) => {
        $crate::table::Grade::Nosys($why)
    };
    (invalid) => {
        $crate::table::Grade::Invalid
    };
    (todo) => {
        $crate::table::Grade::Todo
    };
}

macro_rules! serve {
    ($cx:ident, $words:ident, $unserved:expr, $return:ty, [$($type:ty)*], enosys $why:literal) => {
        $crate::Reply::Error(xnu_abi::darwin::Errno::ENOSYS)
    };
    ($cx:ident, $words:ident, $unserved:expr, $return:ty, [$($type:ty)*], refused $errno:ident, $where:literal) => {
        $crate::Reply::Error(xnu_abi::darwin::Errno::$errno)
    };
    ($cx:ident, $words:ident, $unserved:expr, $return:ty, [$($type:ty)*], nosys $why:literal) => {
        $crate::Reply::Invalid
    };
    ($cx:ident, $words:ident, $unserved:expr, $return:ty, [$($type:ty)*], invalid) => {
        $crate::Reply::Invalid
    };
    ($cx:ident, $words:ident, $unserved:expr, $return:ty, [$($type:ty)*], todo) => {
        $unserved
    };
    ($cx:ident, $words:ident, $unserved:expr, $return:ty, [$($type:ty)*], faithful inline $handler:path) => {{
        #[allow(unused_mut, unused_variables)]
        let mut words = $words.iter();
        let answer: $crate::SysResult<$return> = $handler(
            $cx,
            $(<$type as $crate::table::Argument>::decode(words.next().copied().unwrap_or(0))),*
        );
        $crate::Reply::new(answer)
    }};
    (
        $cx:ident, $words:ident, $unserved:expr, $return:ty, [$($type:ty)*],
        $grade:ident $handler:path $(, $note:literal)?
    ) => {{
        // A function of its own, so that the frames of large handlers are not paid for by small ones.
        #[inline(never)]
        fn handle<K: $crate::Kernel, L: $crate::Lkm>(
            cx: &mut $crate::Context<'_, K, L>,
            words: &[u64; 8],
        ) -> $crate::Reply {
            if $crate::table::names_kept_descriptor!(cx, words, $($type)*) {
                return $crate::Reply::Error(xnu_abi::darwin::Errno::EBADF);
            }
            #[allow(unused_mut, unused_variables)]
            let mut words = words.iter();
            let answer: $crate::SysResult<$return> = $handler(
                cx,
                $(<$type as $crate::table::Argument>::decode(words.next().copied().unwrap_or(0))),*
            );
            $crate::Reply::new(answer)
        }
        handle($cx, $words)
    }};
}

/// Whether an argument is a descriptor that the guest does not have, though Linux has it open. Compiles to nothing
/// for calls that take none.
macro_rules! names_kept_descriptor {
    ($cx:ident, $words:ident, $($type:ty)*) => {{
        #[allow(unused_mut, unused_variables)]
        let mut words = $words.iter();
        false $(|| {
            let argument = <$type as $crate::table::Argument>::decode(words.next().copied().unwrap_or(0));
            $crate::table::Argument::descriptor(&argument).is_some_and(|it| $cx.process.vchroot.keeps(it))
        })*
    }};
}

pub(crate) use {calls, grade, names_kept_descriptor, serve, twin};

/// One more than the largest number that any table may have.
pub(crate) const NUMBERS: usize = 600;

/// A line of a table, as far as counting goes: number, `_nocancel` twin, names of the parameters.
pub(crate) type Counted = (u32, Option<u32>, &'static [&'static str]);

/// How many parameters each number's call has.
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated by the compiler")]
pub(crate) const fn counts(rows: &[Counted]) -> [u8; NUMBERS] {
    let mut counts = [0; NUMBERS];
    let mut at = 0;
    while at < rows.len() {
        let (number, twin, parameters) = rows[at];
        counts[number as usize] = parameters.len() as u8;
        if let Some(twin) = twin {
            counts[twin as usize] = parameters.len() as u8;
        }
        at += 1;
    }
    counts
}
