//! Progress bars on standard error, where that is a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Mutex;
use trueness_core::Progress;

/// A bar for each task that is at work.
pub(crate) struct Bars {
    all: MultiProgress,
    bars: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Bars {
    /// Bars that are drawn where somebody can see them.
    pub(crate) fn new(quiet: bool) -> Self {
        let hidden = quiet || !std::io::stderr().is_terminal();
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { all: MultiProgress::with_draw_target(target), bars: Mutex::default() }
    }

    /// Removes all bars.
    pub(crate) fn clear(&self) {
        let mut bars = self.bars.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        bars.values().for_each(ProgressBar::finish_and_clear);
        bars.clear();
    }

    fn bar(&self, task: &str, total: u64) -> ProgressBar {
        let mut bars = self.bars.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bar = bars.entry(task.to_owned()).or_insert_with(|| {
            let bar = if total > 0 { ProgressBar::new(total) } else { ProgressBar::new_spinner() };
            let template =
                if total > 0 { "{prefix:24} {bar:32} {pos}/{len} {eta}" } else { "{prefix:24} {spinner} {elapsed}" };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
            }
            bar.set_prefix(task.to_owned());
            self.all.add(bar)
        });
        bar.clone()
    }
}

impl Progress for Bars {
    fn update(&self, task: &str, done: u64, total: u64) {
        let bar = self.bar(task, total);
        if total == 0 {
            bar.tick();
        } else {
            bar.set_position(done);
        }
    }

    fn end(&self, task: &str) {
        let mut bars = self.bars.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(bar) = bars.remove(task) {
            bar.finish_and_clear();
        }
    }
}
