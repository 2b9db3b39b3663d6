//! BLEU of one file against another, or self-BLEU of one, with the time it took.
//!
//! `bleu bleu HYPOTHESES REFERENCES`, `bleu self SENTENCES [FIRST]`, `bleu corpus HYPOTHESES REFERENCES`
//! and the same with `-interval` after the first word, where the intervals are computed and timed too.
//! A file has one sentence to a line, tokens between white space. Prints one line of JSON; `seconds`
//! goes from the text in memory to the values.

use std::time::Instant;
use trueness_core::{Measure, Seed};
use trueness_text::corpus::{Encoded, Vocabulary};
use trueness_text::metric::bleu::corpus::{CorpusSettings, corpus_bleu};
use trueness_text::metric::bleu::{self, Orders, References, Settings, self_scores};

type Failure = Box<dyn std::error::Error>;

#[expect(clippy::print_stdout, reason = "an example program prints its result")]
fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [task, first, rest @ ..] = arguments.as_slice() else {
        return Err("usage: bleu bleu|self|corpus[-interval] FILE [FILE or NUMBER]".into());
    };
    let first = std::fs::read_to_string(first)?;
    let second =
        || -> Result<String, Failure> { Ok(std::fs::read_to_string(rest.first().ok_or("expected a second file")?)?) };
    let mut vocabulary = Vocabulary::new();
    let settings = Settings::default();
    let orders = Orders::default();
    let seed = Seed::new(0);
    let (values, start): (Vec<Vec<f64>>, Instant) = match task.as_str() {
        "bleu" => {
            let (second, start) = (second()?, Instant::now());
            let (hypotheses, references) = (encode(&first, &mut vocabulary), encode(&second, &mut vocabulary));
            let scores = References::new(&references, orders)?.score(&hypotheses)?;
            (scores.means().into_iter().map(|mean| vec![mean]).collect(), start)
        }
        "bleu-interval" => {
            let (second, start) = (second()?, Instant::now());
            let (hypotheses, references) = (encode(&first, &mut vocabulary), encode(&second, &mut vocabulary));
            (ends(&bleu::bleu(&hypotheses, &references, &settings, seed)?.measures), start)
        }
        "self" | "self-interval" => {
            let count = rest.first().map(|count| count.parse()).transpose()?.unwrap_or(usize::MAX);
            let start = Instant::now();
            let sentences = encode(&first, &mut vocabulary).first(count);
            if task == "self" {
                let means = self_scores(&sentences, orders)?.means();
                (means.into_iter().map(|mean| vec![mean]).collect(), start)
            } else {
                (ends(&bleu::self_bleu(&sentences, &settings, seed)?.measures), start)
            }
        }
        "corpus" | "corpus-interval" => {
            let (second, start) = (second()?, Instant::now());
            let hypotheses: Vec<&str> = first.lines().collect();
            let references = vec![second.lines().collect::<Vec<_>>()];
            let resamples = if task == "corpus" { 1 } else { settings.resamples };
            let settings = CorpusSettings { resamples, ..CorpusSettings::default() };
            (ends(&[corpus_bleu(&hypotheses, &references, &settings, seed)?.measure]), start)
        }
        other => return Err(format!("unknown task {other}").into()),
    };
    let seconds = start.elapsed().as_secs_f64();
    println!("{}", serde_json::json!({ "task": task, "values": values, "seconds": seconds }));
    Ok(())
}

fn encode(text: &str, vocabulary: &mut Vocabulary) -> Encoded {
    let mut encoded = Encoded::new();
    for line in text.lines() {
        encoded.push(line.split_whitespace().map(|word| vocabulary.add(word)));
    }
    encoded
}

/// Value, low and high of each measure.
fn ends(measures: &[Measure]) -> Vec<Vec<f64>> {
    let ends = |measure: &Measure| [measure.estimate.value, measure.estimate.low, measure.estimate.high];
    measures.iter().map(|measure| ends(measure).into_iter().flatten().collect()).collect()
}
