//! Stores bytes inline if they are few: reading them takes one memory access, where a pointer takes two
//! dependent ones. This file must not know what the bytes mean.

/// Stores up to `N` bytes inline. Of a longer value it stores the first `HEAD` bytes inline, and all bytes on
/// the heap.
#[derive(Debug)]
pub(crate) enum Short<const N: usize, const HEAD: usize> {
    Here { len: u8, bytes: [u8; N] },
    There { head: [u8; HEAD], whole: Box<[u8]> },
}

impl<const N: usize, const HEAD: usize> Short<N, HEAD> {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let mut here = [0; N];
        if let (Some(place), Ok(len)) = (here.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            place.copy_from_slice(bytes);
            return Self::Here { len, bytes: here };
        }
        Self::There {
            head: bytes.first_chunk().copied().unwrap_or([0; HEAD]),
            whole: bytes.into(),
        }
    }

    pub(crate) fn whole(&self) -> &[u8] {
        match self {
            Self::Here { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::There { whole, .. } => whole,
        }
    }

    /// Returns the inline bytes: all of them, or the first `HEAD`.
    pub(crate) fn head(&self) -> &[u8] {
        match self {
            Self::Here { .. } => self.whole(),
            Self::There { head, .. } => head,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_lie_here_and_many_there() {
        let text: Vec<u8> = (0..=u8::MAX).cycle().take(600).collect();
        for len in 0..text.len() {
            let bytes = &text[..len];
            let short = Short::<38, 22>::from_bytes(bytes);
            assert_eq!(short.whole(), bytes);
            assert_eq!(short.head(), if len <= 38 { bytes } else { &text[..22] });
            // A length above 255 doesn't fit in a byte, so such bytes are never inline.
            let wide = Short::<400, 0>::from_bytes(bytes);
            assert_eq!(wide.whole(), bytes);
            assert_eq!(matches!(wide, Short::Here { .. }), len <= 255);
        }
    }

    #[test]
    fn no_byte_is_lost_to_the_pointer() {
        assert_eq!(size_of::<Short<38, 22>>(), 40);
        assert_eq!(size_of::<Short<22, 6>>(), 24);
    }
}
