//! Colours of a terminal (ECMA-48 SGR), which only ever repeat what words say.

/// Colours, or none.
pub(super) struct Paint {
    /// Whether there are colours.
    pub(super) colour: bool,
}

impl Paint {
    fn sgr(&self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Bold text.
    pub(super) fn bold(&self, text: &str) -> String {
        self.sgr("1", text)
    }

    /// Text that stands back.
    pub(super) fn dim(&self, text: &str) -> String {
        self.sgr("2", text)
    }

    /// Green text.
    pub(super) fn green(&self, text: &str) -> String {
        self.sgr("32", text)
    }

    /// Red text.
    pub(super) fn red(&self, text: &str) -> String {
        self.sgr("31", text)
    }

    /// Yellow text.
    pub(super) fn yellow(&self, text: &str) -> String {
        self.sgr("33", text)
    }

    /// Blue text.
    pub(super) fn blue(&self, text: &str) -> String {
        self.sgr("34", text)
    }
}
