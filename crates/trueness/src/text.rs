//! The text toolkit's verbs.

use crate::arguments::{Common, OF_PRESETS, OF_RUNS};
use crate::host::SystemClock;
use crate::terminal;
use crate::toolkit::{Tool, in_pool, pooled, resolve, study};
use serde_json::Value;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use trueness_core::study::knobs;
use trueness_core::{Clock, Error, Seed, StudyEntry};
use trueness_text::compare::CompareKnobs;
use trueness_text::corpus::tool::{self, SplitKnobs, StatsKnobs};
use trueness_text::filter::{self, ApplyKnobs, FilterTrainKnobs, Passed};
use trueness_text::generator::{self, SampleKnobs, ScoreKnobs};
use trueness_text::train::TrainKnobs;

/// The verbs.
pub(crate) fn tools() -> anyhow::Result<Vec<Tool>> {
    Ok(vec![
        Tool {
            verb: "compare",
            about: "Compare candidate texts with a real one: every metric with its interval, the floor and paired tests",
            after: "Example: trueness text compare real.txt mine.txt yours.txt --only dd,bleu",
            knobs: knobs::list::<CompareKnobs>()?,
            schema: knobs::schema_of::<CompareKnobs>(),
            shared: OF_RUNS,
        },
        Tool {
            verb: "split",
            about: "Pool files and re-split their sentences at random into parts",
            after: "Example: trueness text split a.txt b.txt --shares 0.8,0.1,0.1 --names train,valid,test --out parts",
            knobs: knobs::list::<SplitKnobs>()?,
            schema: knobs::schema_of::<SplitKnobs>(),
            shared: &["out", "force", "seed", "json", "quiet"],
        },
        Tool {
            verb: "stats",
            about: "Count sentences, tokens, words and copies of each file, and between files",
            after: "Example: trueness text stats train.txt test.txt",
            knobs: knobs::list::<StatsKnobs>()?,
            schema: knobs::schema_of::<StatsKnobs>(),
            shared: &["seed", "threads", "json", "quiet"],
        },
        Tool {
            verb: "train",
            about: "Train a language model on a file of sentences, by likelihood or against a discriminator, and keep it in the run's folder",
            after: "Example: trueness text train captions.txt --model lstm --out my-lstm",
            knobs: knobs::list::<TrainKnobs>()?,
            schema: knobs::schema_of::<TrainKnobs>(),
            shared: OF_PRESETS,
        },
        Tool {
            verb: "sample",
            about: "Print sentences that a language model makes, one a line",
            after: "Example: trueness text sample my-lstm --n 1000 --temperature 0.9 > samples.txt",
            knobs: knobs::list::<SampleKnobs>()?,
            schema: knobs::schema_of::<SampleKnobs>(),
            shared: &["seed", "threads", "quiet"],
        },
        Tool {
            verb: "score",
            about: "Say how likely files of sentences are under a language model",
            after: "Example: trueness text score my-lstm held-out.txt",
            knobs: knobs::list::<ScoreKnobs>()?,
            schema: knobs::schema_of::<ScoreKnobs>(),
            shared: &["seed", "threads", "json", "quiet"],
        },
        Tool {
            verb: "filter train",
            about: "Train a discriminator that keeps those generated sentences that could be real, and judge it by a fresh one",
            after: "Example: trueness text filter train real.txt generated.txt --accept 0.5 --out my-filter",
            knobs: knobs::list::<FilterTrainKnobs>()?,
            schema: knobs::schema_of::<FilterTrainKnobs>(),
            shared: OF_RUNS,
        },
        Tool {
            verb: "filter apply",
            about: "Put a stream of sentences through a filter: kept lines go to standard output",
            after: "Example: my-generator | trueness text filter apply my-filter --rejected rejected.txt > kept.txt",
            knobs: knobs::list::<ApplyKnobs>()?,
            schema: knobs::schema_of::<ApplyKnobs>(),
            shared: &["seed", "threads", "quiet"],
        },
    ])
}

/// Runs a verb.
pub(crate) fn run(studies: &[StudyEntry], verb: &str, given: Value, common: &Common) -> anyhow::Result<ExitCode> {
    match verb {
        "compare" => study(studies, "text/compare", given, common),
        "train" => study(studies, "text/train", given, common),
        "filter train" => study(studies, "text/filter-train", given, common),
        "filter apply" => filter(&resolve(&given)?, common),
        "sample" => {
            let knobs: SampleKnobs = resolve(&given)?;
            let seed = Seed::new(common.seed());
            let sentences =
                pooled(common, |watch| Ok(generator::sample_text(&knobs, seed, watch).map_err(Error::from)?))?;
            // One line a sentence, an empty one too.
            terminal::print(&sentences.into_iter().map(|sentence| sentence + "\n").collect::<String>())?;
            Ok(ExitCode::SUCCESS)
        }
        "score" => in_pool(common, |watch| {
            let knobs: ScoreKnobs = resolve(&given)?;
            Ok(generator::score_file(&knobs, Seed::new(common.seed()), watch).map_err(Error::from)?)
        }),
        "split" => in_pool(common, |_| {
            let knobs: SplitKnobs = resolve(&given)?;
            let out = common.out.clone().unwrap_or_else(|| ".".into());
            Ok(tool::split_files(&knobs, &out, common.force, Seed::new(common.seed())).map_err(Error::from)?)
        }),
        _ => in_pool(common, |watch| {
            let knobs: StatsKnobs = resolve(&given)?;
            Ok(tool::stats(&knobs, Seed::new(common.seed()), watch).map_err(Error::from)?)
        }),
    }
}

/// Standard output, for as long as somebody reads it.
struct Out<'a> {
    out: std::io::StdoutLock<'static>,
    gone: &'a AtomicBool,
}

impl Out<'_> {
    fn noted<T>(&self, done: std::io::Result<T>) -> std::io::Result<T> {
        if done.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
            self.gone.store(true, Ordering::Relaxed);
        }
        done
    }
}

impl std::io::Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let done = self.out.write(bytes);
        self.noted(done)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let done = self.out.flush();
        self.noted(done)
    }
}

/// Filters standard input, and says on standard error what came of it.
fn filter(knobs: &ApplyKnobs, common: &Common) -> anyhow::Result<ExitCode> {
    let clock = SystemClock::start();
    let gone = AtomicBool::new(false);
    let applied = pooled(common, |watch| {
        let input = std::io::BufReader::with_capacity(1 << 16, std::io::stdin());
        let out = std::io::BufWriter::with_capacity(1 << 16, Out { out: std::io::stdout().lock(), gone: &gone });
        Ok(filter::apply(knobs, input, out, Seed::new(common.seed()), watch).map_err(Error::from)?)
    });
    let applied = match applied {
        // A reader that has gone away (`| head`) is no error.
        Err(_) if gone.load(Ordering::Relaxed) => return Ok(ExitCode::SUCCESS),
        applied => applied?,
    };
    let Passed { kept, rejected, .. } = applied.passed;
    if !common.quiet {
        let (n, seconds) = (kept + rejected, clock.seconds());
        terminal::complain(&format!(
            "kept {kept} of {n} lines, a share of {:.4} where {:.4} was asked for, in {seconds:.1} s ({:.0} lines/s)",
            kept as f64 / n.max(1) as f64,
            applied.asked,
            n as f64 / seconds.max(1e-9),
        ));
        for warning in &applied.warnings {
            terminal::complain(&format!("warning: {warning}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
