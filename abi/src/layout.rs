//! C structures, each declared once: the Rust type, the proof of its layout and the facts that tests read.
//!
//! Every structure is plain bytes to `zerocopy`, so hidden padding does not compile; padding is a field whose
//! name starts with `_pad`.

/// A structure as a fact: what `tests/data/structs.tsv` says about it must agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The name in the C header.
    pub name: &'static str,
    /// Bytes in all.
    pub size: usize,
    /// Bytes that its address is a multiple of.
    pub align: usize,
    /// The fields in order, padding among them.
    pub fields: &'static [Field],
}

/// One field of a [`Layout`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// The name in the C header, in which leading underscores may be missing; an array here may be numbered
    /// fields there (`xmm` for `__xmm0`, `__xmm1`, …).
    pub name: &'static str,
    /// Bytes from the start of the structure.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
}

/// Declares structures by offset, asserts that the compiler agrees, and lists them in `LAYOUTS`.
macro_rules! layouts {
    ($(
        $(#[$doc:meta])*
        struct $name:ident = $c_name:literal, $size:literal bytes, align $align:literal {
            $($(#[$note:meta])* $offset:literal $field:ident: $type:ty,)*
        }
    )*) => {
        $(
            $(#[$doc])*
            #[allow(missing_docs)]
            #[derive(Clone, Copy, PartialEq, Eq, Debug)]
            #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
            pub struct $name {
                $($(#[$note])* pub $field: $type,)*
            }

            impl $name {
                /// The layout as a fact.
                pub const LAYOUT: $crate::layout::Layout = $crate::layout::Layout {
                    name: $c_name,
                    size: $size,
                    align: $align,
                    fields: &[$(
                        $crate::layout::Field {
                            name: stringify!($field),
                            offset: $offset,
                            size: size_of::<$type>(),
                        },
                    )*],
                };
            }

            const _: () = {
                assert!(size_of::<$name>() == $size);
                assert!(align_of::<$name>() == $align);
                $(assert!(core::mem::offset_of!($name, $field) == $offset);)*
            };
        )*

        /// The layouts of this module, as asserted above.
        pub(super) const LAYOUTS: &[$crate::layout::Layout] = &[$($name::LAYOUT),*];
    };
}

pub(crate) use layouts;
