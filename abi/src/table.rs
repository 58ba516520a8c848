//! Named numbers, each declared once: the type, its constants, their names and the list that tests read.
//!
//! A module holds one `tables!` with an entry per type. Three kinds: `flags` (bits that combine), `numbers`
//! (one of several, such as a command) and `constants` (plain integers without a type of their own).

/// A constant as a fact: what `tests/data/constants.tsv` says about it must agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Constant {
    /// The group of the reference table.
    pub group: &'static str,
    /// The name in the C header.
    pub name: &'static str,
    /// The value; wide enough for every `u64` and every `i64`.
    pub value: i128,
}

/// Declares a module's types and constants, and `CONSTANTS`, the list of them all.
macro_rules! tables {
    ($($(#[$doc:meta])* $kind:ident $name:ident: $repr:ty = $group:literal $body:tt)*) => {
        $($crate::table::$kind! { $(#[$doc])* $name: $repr = $group $body })*

        /// Every constant of this module, one list per table.
        pub(super) const CONSTANTS: &[&[$crate::table::Constant]] = &[$($crate::table::list!($kind $name)),*];
    };
}

/// Where a table of some kind keeps its list.
macro_rules! list {
    (constants $name:ident) => {
        $name
    };
    ($kind:ident $name:ident) => {
        $name::CONSTANTS
    };
}

/// A set of bits. Unknown bits are kept, so that a handler can see and refuse them.
macro_rules! flags {
    (
        $(#[$doc:meta])* $name:ident: $repr:ty = $group:literal {
            $($(#[$note:meta])* $flag:ident = $value:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
        #[repr(transparent)]
        pub struct $name($repr);

        bitflags::bitflags! {
            impl $name: $repr {
                $($(#[$note])* #[allow(missing_docs)] const $flag = $value;)*
                const _ = !0;
            }
        }

        impl $name {
            /// Every name with its value, as in the header.
            pub const CONSTANTS: &'static [$crate::table::Constant] = &[
                $($crate::table::Constant { group: $group, name: stringify!($flag), value: $value as i128 },)*
            ];
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                bitflags::parser::to_writer(self, f)
            }
        }
    };
}

/// One number of several. Any number can be held, since guests pass any; only listed ones have a name.
macro_rules! numbers {
    (
        $(#[$doc:meta])* $name:ident: $repr:ty = $group:literal {
            $($(#[$note:meta])* $number:ident = $value:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
        #[repr(transparent)]
        pub struct $name($repr);

        #[allow(missing_docs, non_upper_case_globals)]
        impl $name {
            $($(#[$note])* pub const $number: $name = $name($value);)*
        }

        impl $name {
            /// Every name with its value, as in the header.
            pub const CONSTANTS: &'static [$crate::table::Constant] = &[
                $($crate::table::Constant { group: $group, name: stringify!($number), value: $value as i128 },)*
            ];

            /// Takes any number, named or not.
            #[inline(always)]
            pub const fn new(number: $repr) -> $name {
                $name(number)
            }

            /// The number itself.
            #[inline(always)]
            pub const fn number(self) -> $repr {
                self.0
            }

            /// The name; of two names for one number, the one declared first.
            #[allow(unreachable_patterns)]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($number)),)*
                    _ => None,
                }
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{:#x}", self.0),
                }
            }
        }
    };
}

/// Plain integers.
macro_rules! constants {
    (
        $(#[$doc:meta])* $list:ident: $repr:ty = $group:literal {
            $($(#[$note:meta])* $name:ident = $value:literal,)*
        }
    ) => {
        $($(#[$note])* #[allow(missing_docs, non_upper_case_globals)] pub const $name: $repr = $value;)*

        $(#[$doc])*
        pub const $list: &[$crate::table::Constant] = &[
            $($crate::table::Constant { group: $group, name: stringify!($name), value: $value as i128 },)*
        ];
    };
}

pub(crate) use {constants, flags, list, numbers, tables};
