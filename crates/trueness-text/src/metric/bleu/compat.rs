//! The sizes that published code compares, and where that code departs from the definition.

use std::str::FromStr;

use crate::error::Error;

/// How many sentences enter a BLEU score. The default is all of them, and an honest self-BLEU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Only the first so many references count; for self-BLEU, the first so many sentences take part.
    pub max_references: Option<usize>,
    /// Only the first so many hypotheses are scored.
    pub max_hypotheses: Option<usize>,
    /// Whether self-BLEU keeps the hypothesis among its own references, which is a defect: the score
    /// is then 1 but for nothing. Only to reproduce published numbers.
    pub self_includes_hypothesis: bool,
}

/// The caps of published repositories, to reproduce their numbers.
///
/// A BLEU score with the whole test set as references rises with the number of references, so that
/// numbers of different caps cannot be compared. Texts must be tokenized as that code does it, which
/// is the caller's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compat {
    /// Texygen: the first 500 references; self-BLEU among the first 500 sentences. (Its self-BLEU
    /// also keeps the sentences of the first evaluation for ever; that defect is not reproduced.)
    Texygen,
    /// RelGAN: the first 100 hypotheses. Its self-BLEU has the hypothesis among its own references,
    /// a defect, which is reproduced: every score is 1 (for sentences of at least n tokens).
    Relgan,
    /// TextGAN-PyTorch: the first 200 hypotheses.
    Textgan,
    /// SegGAN's published code: the first 200 hypotheses.
    Seggan,
    /// The code of the distributional discrepancy and of the discriminator filter: the first 10,000
    /// references and hypotheses.
    Dd,
}

impl Compat {
    /// All presets.
    pub const ALL: [Self; 5] = [Self::Texygen, Self::Relgan, Self::Textgan, Self::Seggan, Self::Dd];

    /// The name that the command line uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Texygen => "texygen",
            Self::Relgan => "relgan",
            Self::Textgan => "textgan",
            Self::Seggan => "seggan",
            Self::Dd => "dd",
        }
    }

    /// The preset's caps.
    pub fn caps(self) -> Caps {
        let (max_references, max_hypotheses) = match self {
            Self::Texygen => (Some(500), None),
            Self::Relgan => (None, Some(100)),
            Self::Textgan | Self::Seggan => (None, Some(200)),
            Self::Dd => (Some(10_000), Some(10_000)),
        };
        Caps { max_references, max_hypotheses, self_includes_hypothesis: self == Self::Relgan }
    }
}

impl FromStr for Compat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|preset| preset.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            let hint = trueness_core::nearest(name, names).map(|near| format!("; did you mean {near}?"));
            Error::Input(format!("expected one of {}, got {name:?}{}", names.join(", "), hint.unwrap_or_default()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_presets() {
        for preset in Compat::ALL {
            assert_eq!(preset.name().parse::<Compat>().unwrap(), preset);
        }
        assert!("segan".parse::<Compat>().unwrap_err().to_string().contains("did you mean seggan"));
    }
}
