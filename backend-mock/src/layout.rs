//! Kernel structures as bytes, with the offsets and widths that `linux-raw-sys` has for this architecture.

/// Builds the bytes of a structure: named fields from numbers, everything else zero.
macro_rules! layout {
    ($ty:ty { $($($field:ident).+ = $value:expr),* $(,)? }) => {{
        let mut bytes = vec![0u8; size_of::<$ty>()];
        $($crate::layout::put(
            &mut bytes,
            core::mem::offset_of!($ty, $($field).+),
            $crate::layout::width(|s: &$ty| &s.$($field).+),
            ($value) as u64,
        );)*
        bytes
    }};
}

/// Reads one integer field out of a structure's bytes, zero-extended.
macro_rules! field {
    ($bytes:expr, $ty:ty, $($field:ident).+) => {
        $crate::layout::get(
            &$bytes,
            core::mem::offset_of!($ty, $($field).+),
            $crate::layout::width(|s: &$ty| &s.$($field).+),
        )
    };
}

pub(crate) use {field, layout};

/// The size of the field that the projection names.
pub(crate) fn width<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// Stores the low `width` bytes of `value`.
pub(crate) fn put(bytes: &mut [u8], offset: usize, width: usize, value: u64) {
    bytes[offset..offset + width].copy_from_slice(&value.to_le_bytes()[..width]);
}

/// Loads `width` bytes.
pub(crate) fn get(bytes: &[u8], offset: usize, width: usize) -> u64 {
    let mut value = [0; 8];
    value[..width].copy_from_slice(&bytes[offset..offset + width]);
    u64::from_le_bytes(value)
}

#[cfg(test)]
mod tests {
    use linux_raw_sys::general::{statx, timespec};

    #[test]
    fn fields_round_trip_at_their_offsets() {
        let bytes = layout!(statx { stx_mode = 0o100644, stx_atime.tv_nsec = 7 });
        assert_eq!(bytes.len(), 256);
        assert_eq!(field!(bytes, statx, stx_mode), 0o100644);
        assert_eq!(field!(bytes, statx, stx_atime.tv_nsec), 7);
        assert_eq!(&bytes[28..30], &0o100644u16.to_le_bytes());
    }

    #[test]
    fn negative_numbers_keep_their_sign_bits() {
        let bytes = layout!(timespec { tv_sec = -5i64 });
        assert_eq!(field!(bytes, timespec, tv_sec) as i64, -5);
    }
}
