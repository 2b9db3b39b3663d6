//! The study file: what a study is, its presets and its claims, as TOML.

use super::claim::Claim;
use crate::error::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The largest study file that is read, in bytes.
pub const MAX_STUDY_FILE: usize = 1 << 20;

/// The paper that a study re-measures.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paper {
    /// Its title.
    pub title: String,
    /// Where to find it, for example `arXiv 2005.01282`.
    pub id: String,
}

/// A named choice of knobs, with the seeds it takes and the time it needs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Minutes on two cores.
    pub expected_minutes: f64,
    /// How many seeds.
    pub seeds: u64,
    /// Knobs that differ from their defaults.
    #[serde(default)]
    pub knobs: toml::Table,
}

/// A parsed study file.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// `toolkit/name`.
    pub study: String,
    /// A title for people.
    pub title: String,
    /// What is measured, in one or two sentences.
    pub summary: String,
    /// The paper, where the study re-measures one.
    pub paper: Option<Paper>,
    /// The presets by name.
    pub presets: BTreeMap<String, Preset>,
    /// The claims in the order of the file.
    pub claims: Vec<Claim>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    study: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    summary: String,
    paper: Option<Paper>,
    #[serde(default)]
    preset: BTreeMap<String, Preset>,
    #[serde(default)]
    claim: Vec<super::claim::ClaimFile>,
}

impl Manifest {
    /// Parses a study file. `name` is how errors call it.
    ///
    /// # Errors
    /// [`Error::Input`] with line and column where it is not TOML, has unknown keys, names a study
    /// that is not `toolkit/name`, or holds a claim that is not exactly one comparison.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        let fail = |what: String| Error::Input(format!("cannot read the study file {name}: {what}"));
        if text.len() > MAX_STUDY_FILE {
            return Err(fail(format!("expected at most {MAX_STUDY_FILE} bytes, got {}", text.len())));
        }
        let file: File = toml::from_str(text).map_err(|error| fail(error.to_string().trim_end().to_owned()))?;
        let valid_part = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        match file.study.split_once('/') {
            Some((toolkit, study)) if valid_part(toolkit) && valid_part(study) => {}
            _ => return Err(fail(format!("expected study = \"toolkit/name\", got {:?}", file.study))),
        }
        for (preset, content) in &file.preset {
            if !valid_part(preset) {
                return Err(fail(format!("expected a preset's name of small letters, got {preset:?}")));
            }
            if content.seeds == 0 || content.seeds > 10_000 {
                return Err(fail(format!("preset.{preset}.seeds: expected 1 to 10000, got {}", content.seeds)));
            }
            if !(content.expected_minutes.is_finite() && content.expected_minutes >= 0.0) {
                return Err(fail(format!("preset.{preset}.expected_minutes: expected a number of minutes from 0 on")));
            }
        }
        for (preset, content) in &file.preset {
            if let Some((knob, x)) =
                content.knobs.iter().find_map(|(knob, value)| Some((knob, super::knobs::not_finite(value)?)))
            {
                return Err(fail(format!("preset.{preset}.knobs.{knob}: expected finite numbers, got {x}")));
            }
        }
        let claims = file.claim.into_iter().map(Claim::try_from).collect::<Result<Vec<_>, _>>().map_err(fail)?;
        let mut ids: Vec<&str> = claims.iter().map(|claim| claim.id.as_str()).collect();
        ids.sort_unstable();
        if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(fail(format!("two claims have the id {:?}", twice[0])));
        }
        Ok(Self {
            study: file.study,
            title: file.title,
            summary: file.summary,
            paper: file.paper,
            presets: file.preset,
            claims,
        })
    }

    /// The toolkit's part of the name.
    pub fn toolkit(&self) -> &str {
        self.study.split_once('/').map_or(self.study.as_str(), |(toolkit, _)| toolkit)
    }

    /// The preset with a name.
    ///
    /// # Errors
    /// [`Error::Input`] that lists the presets there are.
    pub fn preset(&self, name: &str) -> Result<&Preset> {
        self.presets.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.presets.keys().map(String::as_str).collect();
            let hint = crate::nearest(name, known.iter().copied())
                .map_or(String::new(), |near| format!("; did you mean {near:?}?"));
            Error::Input(format!("{} has no preset {name:?}: expected one of {}{hint}", self.study, known.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = r#"
        study = "text/example"
        [preset.smoke]
        expected_minutes = 0.1
        seeds = 3
        knobs = { n = 5 }
        [[claim]]
        id = "a-below-b"
        says = "a is below b"
        where = "abstract"
        less = ["m/a", "m/b"]
    "#;

    #[test]
    fn a_good_file_is_read() {
        let manifest = Manifest::parse(GOOD, "x").unwrap();
        assert_eq!(
            (manifest.toolkit(), manifest.claims.len(), manifest.preset("smoke").unwrap().seeds),
            ("text", 1, 3)
        );
        assert!(manifest.preset("smok").unwrap_err().to_string().contains("did you mean \"smoke\""));
    }

    #[test]
    fn errors_say_where_and_what() {
        let unknown = GOOD.replace("expected_minutes", "expectd_minutes");
        let message = Manifest::parse(&unknown, "mine.toml").unwrap_err().to_string();
        assert!(
            message.contains("mine.toml") && message.contains("line 4") && message.contains("expectd_minutes"),
            "{message}"
        );
        let two = GOOD.replace("less =", "greater = [\"x\", \"y\"]\n less =");
        assert!(Manifest::parse(&two, "x").unwrap_err().to_string().contains("exactly one comparison"));
        let nan = GOOD.replace("n = 5", "n = [{ a = nan }]");
        assert!(Manifest::parse(&nan, "x").unwrap_err().to_string().contains("knobs.n: expected finite numbers"));
        assert!(Manifest::parse("study = \"one\"", "x").unwrap_err().to_string().contains("toolkit/name"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = Manifest::parse(&text, "x");
        }

        #[test]
        fn no_cut_or_changed_file_makes_it_panic(cut in 0usize..300, at in 0usize..300, byte in 32u8..127) {
            let mut text: Vec<u8> = GOOD.bytes().take(cut).collect();
            if at < text.len() { text[at] = byte; }
            let _ = Manifest::parse(&String::from_utf8_lossy(&text), "x");
        }
    }
}
