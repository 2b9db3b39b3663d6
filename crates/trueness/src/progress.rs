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
    /// The lines below each task.
    lines: Mutex<BTreeMap<String, Vec<ProgressBar>>>,
}

impl Bars {
    /// Bars that are drawn where somebody can see them.
    pub(crate) fn new(quiet: bool) -> Self {
        let hidden = quiet || !std::io::stderr().is_terminal();
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { all: MultiProgress::with_draw_target(target), bars: Mutex::default(), lines: Mutex::default() }
    }

    /// Removes all bars.
    pub(crate) fn clear(&self) {
        let mut bars = self.bars.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        bars.values().for_each(ProgressBar::finish_and_clear);
        bars.clear();
        let mut lines = self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        lines.values().flatten().for_each(ProgressBar::finish_and_clear);
        lines.clear();
    }

    fn bar(&self, task: &str, total: u64) -> ProgressBar {
        let mut bars = self.bars.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bar = bars.entry(task.to_owned()).or_insert_with(|| {
            let bar = if total > 0 { ProgressBar::new(total) } else { ProgressBar::new_spinner() };
            // Before anything is set, since a bar that stands alone draws itself, and that line stays.
            let bar = self.all.add(bar);
            let template =
                if total > 0 { "{prefix:24} {bar:32} {pos}/{len} {eta}" } else { "{prefix:24} {spinner} {elapsed}" };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
            }
            bar.set_prefix(task.to_owned());
            bar
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

    fn show(&self, task: &str, lines: &[String]) {
        let mut all = self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let shown = all.entry(task.to_owned()).or_default();
        while shown.len() > lines.len() {
            if let Some(line) = shown.pop() {
                line.finish_and_clear();
            }
        }
        for (i, text) in lines.iter().enumerate() {
            if shown.len() == i {
                let line = self.all.add(ProgressBar::new_spinner());
                if let Ok(style) = ProgressStyle::with_template("  {wide_msg}") {
                    line.set_style(style);
                }
                shown.push(line);
            }
            shown[i].set_message(text.clone());
            shown[i].tick();
        }
    }

    fn end(&self, task: &str) {
        self.show(task, &[]);
        let mut bars = self.bars.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(bar) = bars.remove(task) {
            bar.finish_and_clear();
        }
    }
}
