//! Where the formatter takes its arguments from.

/// The arguments of one formatted print, in order.
///
/// # For shim authors
/// Every integer, pointer and character takes one 64-bit slot, in the System V convention of x86-64 and in Apple's
/// of arm64 alike, so one method serves them all. An argument that is not there is the caller's bug in C; a source
/// that knows its own end answers 0 and `None`.
pub trait Args {
    /// Takes the next integer or pointer. Of an argument narrower than 64 bits the upper bits mean nothing.
    fn word(&mut self) -> u64;

    /// Takes the next string: its bytes up to its NUL, `limit` of them at most, or `None` for a null pointer.
    ///
    /// Nothing at or behind the `limit`-th byte is looked at: with a precision the string needs no NUL.
    fn text(&mut self, limit: usize) -> Option<&[u8]>;

    /// Takes the next `double`, or `long double` where `long` says so, whose value is not needed.
    fn skip_float(&mut self, long: bool);
}

impl<A: Args + ?Sized> Args for &mut A {
    #[inline(always)]
    fn word(&mut self) -> u64 {
        (**self).word()
    }

    #[inline(always)]
    fn text(&mut self, limit: usize) -> Option<&[u8]> {
        (**self).text(limit)
    }

    #[inline(always)]
    fn skip_float(&mut self, long: bool) {
        (**self).skip_float(long);
    }
}

/// One argument that a Rust caller passes.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// An integer, a character or an address.
    Word(u64),
    /// The bytes of a string, all of them: a NUL inside does not end it. `None` is the null pointer.
    Text(Option<&'a [u8]>),
}

macro_rules! value_from {
    ($($integer:ty)*) => {
        $(impl From<$integer> for Value<'_> {
            #[inline(always)]
            fn from(value: $integer) -> Self {
                // Signed types are extended by their sign, as C promotes them.
                Value::Word(value as u64)
            }
        })*
    };
}

value_from!(i8 u8 i16 u16 i32 u32 i64 u64 isize usize);

impl<'a> From<&'a [u8]> for Value<'a> {
    #[inline(always)]
    fn from(text: &'a [u8]) -> Self {
        Value::Text(Some(text))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    #[inline(always)]
    fn from(text: &'a str) -> Self {
        Value::Text(Some(text.as_bytes()))
    }
}

impl<'a> From<&'a core::ffi::CStr> for Value<'a> {
    #[inline(always)]
    fn from(text: &'a core::ffi::CStr) -> Self {
        Value::Text(Some(text.to_bytes()))
    }
}

/// The arguments of a Rust caller.
///
/// A format that does not fit them is harmless: what is missing reads as 0 or null, a string taken as a number is its
/// address, a number taken as a string is null.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a>(pub &'a [Value<'a>]);

impl<'a> Values<'a> {
    #[inline(always)]
    fn take(&mut self) -> Option<Value<'a>> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
}

impl Args for Values<'_> {
    #[inline(always)]
    fn word(&mut self) -> u64 {
        match self.take() {
            Some(Value::Word(word)) => word,
            Some(Value::Text(Some(text))) => text.as_ptr().addr() as u64,
            Some(Value::Text(None)) | None => 0,
        }
    }

    #[inline(always)]
    fn text(&mut self, limit: usize) -> Option<&[u8]> {
        match self.take() {
            Some(Value::Text(Some(text))) => Some(text.get(..limit).unwrap_or(text)),
            _ => None,
        }
    }

    #[inline(always)]
    fn skip_float(&mut self, _long: bool) {
        self.take();
    }
}
