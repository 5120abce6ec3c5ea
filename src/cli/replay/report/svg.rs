//! Plots as SVG: axes, lines, bars.

use std::fmt::Write;

/// How the first and the second configuration are drawn.
pub(super) const CLASSES: [&str; 2] = ["a", "b"];
const WIDTH: f64 = 720.0;

/// A plot under way, with both axes from 0 or from given bounds.
pub(super) struct Plot {
    body: String,
    height: f64,
    left: f64,
    x: [f64; 2],
    y_max: f64,
}

const TOP: f64 = 8.0;
const BOTTOM: f64 = 24.0;
const RIGHT: f64 = 22.0;

impl Plot {
    /// Of this height, with `x` as the bounds across and 0 to `y_max` up.
    pub(super) fn new(height: f64, left: f64, x: [f64; 2], y_max: f64) -> Self {
        Self { body: String::new(), height, left, x, y_max: y_max.max(f64::MIN_POSITIVE) }
    }

    pub(super) fn add(&mut self, what: std::fmt::Arguments<'_>) {
        // Writing to a text cannot fail.
        self.body.write_fmt(what).unwrap_or_default();
        self.body.push('\n');
    }

    pub(super) fn x(&self, value: f64) -> f64 {
        let [from, to] = self.x;
        self.left + (value - from) / (to - from).max(f64::MIN_POSITIVE) * (WIDTH - self.left - RIGHT)
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        self.height - BOTTOM - value / self.y_max * (self.height - TOP - BOTTOM)
    }

    /// Lines across, each with its share.
    pub(super) fn shares_up(&mut self) {
        for share in ticks(self.y_max) {
            let (y, left, right) = (self.y(share), self.left, WIDTH - RIGHT);
            self.add(format_args!("<path class=\"grid\" d=\"M{left} {y:.1}H{right}\"/>"));
            self.text(left - 6.0, y + 4.0, "end", &percent(share));
        }
    }

    /// Shares under the plot.
    pub(super) fn shares_across(&mut self) {
        for share in ticks(self.x[1]) {
            let (x, bottom) = (self.x(share), self.height - BOTTOM);
            self.add(format_args!("<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>"));
            self.text(x, bottom + 16.0, "middle", &percent(share));
        }
    }

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let text = escape(text);
        self.add(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"));
    }

    pub(super) fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{:.1},{:.1}", self.x(*x), self.y(*y))).collect();
        let points = points.join(" ");
        self.add(format_args!("<polyline class=\"line {class}\" points=\"{points}\"/>"));
    }

    pub(super) fn dot(&mut self, class: &str, (x, y): (f64, f64), title: &str) {
        let (x, y, title) = (self.x(x), self.y(y), escape(title));
        self.add(format_args!(
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{title}</title></circle>"
        ));
    }

    /// A bar with its corner at `x`, `y`, in the measures of the picture.
    pub(super) fn bar(&mut self, class: &str, [x, y, width, height]: [f64; 4], title: &str) {
        let title = escape(title);
        self.add(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\">\
             <title>{title}</title></rect>"
        ));
    }

    pub(super) fn finish(self) -> String {
        let Self { body, height, .. } = self;
        format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n{body}</svg>\n")
    }
}

/// At most six round values from 0 to `max`.
fn ticks(max: f64) -> Vec<f64> {
    let tenth = 10_f64.powf((max / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * tenth).into_iter().find(|step| max / step <= 5.0001);
    let step = step.unwrap_or(max);
    (0_u8..6).map(|count| f64::from(count) * step).filter(|tick| *tick <= max * 1.001).collect()
}

/// A share as a percentage, with no more digits than it needs.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = match percent {
        10.0.. => 0,
        1.0.. => 1,
        _ => 2,
    };
    let text = format!("{percent:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}

/// Text that stands between tags or in an attribute.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_a_few_round_values() {
        for (max, last) in [(1.0, 1.0), (0.5, 0.5), (0.032, 0.03), (0.07, 0.06), (0.21, 0.2), (0.004, 0.004)] {
            let ticks = ticks(max);
            assert!((2..=6).contains(&ticks.len()), "{max}: {ticks:?}");
            assert!(ticks.last().is_some_and(|tick: &f64| (tick - last).abs() < 1e-9), "{max}: {ticks:?}");
        }
    }

    #[test]
    fn small_shares_have_more_digits() {
        let shares = [0.0, 0.000_04, 0.002, 0.0255, 0.03, 0.1, 1.0].map(percent);
        assert_eq!(shares, ["0 %", "0 %", "0.2 %", "2.5 %", "3 %", "10 %", "100 %"]);
    }

    #[test]
    fn what_a_file_is_called_is_no_markup() {
        assert_eq!(escape(r#"<b a="&">"#), "&lt;b a=&quot;&amp;&quot;&gt;");
    }
}
