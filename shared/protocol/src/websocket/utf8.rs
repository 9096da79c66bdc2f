//! UTF-8 that arrives in pieces: wrong bytes are found at the piece that has them, and no byte is
//! looked at more than a few times.

/// How much of a growing text is known to be whole and right.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Utf8Progress {
    checked: usize,
}

impl Utf8Progress {
    /// Checks what was added to `text` since the last call. False if it cannot become UTF-8 any more,
    /// or at the end of the text is not.
    pub(super) fn extends(&mut self, text: &[u8], is_final: bool) -> bool {
        let fresh = text.get(self.checked..).unwrap_or_default();
        match std::str::from_utf8(fresh) {
            Ok(_) => {
                self.checked = text.len();
                true
            }
            Err(e) => {
                self.checked += e.valid_up_to();
                // Without a length the text merely ends within a character.
                e.error_len().is_none() && !is_final
            }
        }
    }
}
