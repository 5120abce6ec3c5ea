//! A page with plots that needs nothing beside it: no script, no font, no picture from elsewhere.

mod plots;
mod svg;

use super::charts::Charts;
use super::summary::{Share, Summary};
use crate::clock::Timestamp;
use plots::{by_history, causes, over_time, roc};
use std::fmt::Write;
use svg::escape;

/// One configuration in a report.
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    pub(super) charts: &'a Charts,
    pub(super) summary: &'a Summary,
}

/// The page of one configuration, or of two.
pub(super) fn page(log: &str, parts: &[Part<'_>]) -> String {
    let mut page = String::new();
    let figures = [
        ("Legitimate logins asked, over time", over_time(parts)),
        ("What they were asked for, by the gravest reason", causes(parts)),
        ("Legitimate logins asked, by how many the user completed before", by_history(parts)),
        ("Attacks asked (up), by legitimate logins asked (across)", roc(parts)),
    ];
    page.push_str(HEAD);
    add(&mut page, format_args!("<h1>What would have been asked</h1>\n<p>{}{}</p>\n", escape(log), period(parts)));
    page.push_str(&table(parts));
    for (title, figure) in figures {
        if let Some(figure) = figure {
            add(&mut page, format_args!("<figure>\n<figcaption>{title}</figcaption>\n{figure}</figure>\n"));
        }
    }
    page.push_str("<footer>askance replay. Asked: challenged, sent to the email address, or refused.</footer>\n</main>\n</html>\n");
    page
}

fn period(parts: &[Part<'_>]) -> String {
    let hours = |part: &Part<'_>| Some((*part.charts.hours.keys().next()?, *part.charts.hours.keys().next_back()?));
    parts
        .first()
        .and_then(hours)
        .map_or_else(String::new, |(first, last)| format!(", {} to {}", date(first), date(last)))
}

/// The day of an hour since 1970.
fn date(hour: u32) -> String {
    Timestamp::from_unix_s(hour * 3600).to_string()[..10].to_owned()
}

fn table(parts: &[Part<'_>]) -> String {
    let mut table =
        "<table>\n<tr><th></th><th>legitimate asked</th><th>with history</th><th>attacks asked</th></tr>\n".to_owned();
    for (part, class) in parts.iter().zip(svg::CLASSES) {
        let summary = part.summary;
        let cell = |share: Share| if share.logins == 0 { "–".to_owned() } else { share.text() };
        let [all, known, attacks] = [summary.legitimate(), summary.with_history(), summary.attacks].map(cell);
        let name = escape(part.name);
        add(
            &mut table,
            format_args!(
                "<tr><th><i class=\"{class}\"></i>{name}</th><td>{all}</td><td>{known}</td><td>{attacks}</td></tr>\n"
            ),
        );
    }
    table + "</table>\n"
}

/// Writing to a text cannot fail.
fn add(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).unwrap_or_default();
}

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>askance replay</title>
<style>
:root { color-scheme: light dark; --ink: #1c2330; --soft: #667085; --line: #e3e6ec; --page: #fff; --a: #2456c8; --b: #c2620a }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #2c3443; --page: #12161d; --a: #7aa2ff; --b: #f0a35e }
}
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 46rem; margin: 0 auto; padding: 2rem 1rem }
h1 { font-size: 1.5rem; margin: 0 }
p, footer { color: var(--soft); margin: .2rem 0 1.5rem }
table { border-collapse: collapse; width: 100%; margin-bottom: 2rem; font-size: .9rem }
th, td { text-align: left; font-weight: 400; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line) }
tr:first-child th { color: var(--soft); font-size: .85rem }
tr + tr th { font-weight: 600; overflow-wrap: anywhere }
td { font-variant-numeric: tabular-nums; white-space: nowrap }
i { float: left; width: .7rem; height: .7rem; border-radius: .2rem; margin: .35rem .5rem 0 0 }
figure { margin: 0 0 2.2rem }
figcaption { font-weight: 600; margin-bottom: .5rem }
svg { display: block; width: 100%; height: auto; font: 11px system-ui, sans-serif }
svg text { fill: var(--soft); paint-order: stroke; stroke: var(--page); stroke-width: 4px; stroke-linejoin: round }
svg .grid { stroke: var(--line) }
svg .line { fill: none; stroke-width: 1.8; stroke-linejoin: round }
i.a { background: var(--a) } i.b { background: var(--b) }
svg .a { fill: var(--a); stroke: var(--a) } svg .b { fill: var(--b); stroke: var(--b) }
svg .line.a, svg .line.b { fill: none }
svg rect.a, svg rect.b { stroke: none }
</style>
<main>
"#;
