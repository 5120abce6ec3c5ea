//! How far an input is read.

use crate::clock::{Clock, Started};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// What takes less shows no bar.
const BAR_AFTER: Duration = Duration::from_secs(1);

/// How far the file is read; on a terminal only, and only when it takes a while.
pub(super) struct Bar {
    pub(super) bar: ProgressBar,
    started: Started,
}

impl Bar {
    pub(super) fn new() -> Self {
        let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} to go");
        // The template is a constant; the style without it does as well.
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()).with_style(style);
        Self { bar, started: Clock.start() }
    }

    pub(super) fn show_if_slow(&self) {
        if self.bar.is_hidden() && self.started.elapsed() > BAR_AFTER {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}
