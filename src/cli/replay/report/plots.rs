//! The plots of a report. Each is `None` where there is nothing to show.

use super::super::charts::{Charts, share};
use super::super::summary::HISTORIES;
use super::svg::{CLASSES, Plot, percent};
use super::{Part, date};
use std::collections::BTreeMap;

/// Points of a line over time, at most.
const BUCKETS_MAX: u32 = 60;
/// Hours that a point may stand for.
const BUCKET_HOURS: [u32; 9] = [1, 2, 3, 6, 12, 24, 72, 168, 720];
/// Reasons that are shown.
const CAUSES_MAX: usize = 10;

pub(super) fn over_time(parts: &[Part<'_>]) -> Option<String> {
    let hours = &parts.first()?.charts.hours;
    let (first, last) = (*hours.keys().next()?, *hours.keys().next_back()?);
    let width = BUCKET_HOURS.into_iter().find(|width| (last - first) / width < BUCKETS_MAX).unwrap_or(8760);
    let lines: Vec<Vec<(f64, f64)>> = parts.iter().map(|part| buckets(part.charts, width)).collect();
    let max = lines.iter().flatten().map(|(_, share)| *share).fold(0.01, f64::max);
    let middle = |hour: u32| f64::from(hour / width * width) + f64::from(width) / 2.0;
    let mut plot = Plot::new(240.0, 48.0, [middle(first), middle(last).max(middle(first) + 1.0)], max * 1.08);
    plot.shares_up();
    for (points, class) in lines.iter().zip(CLASSES) {
        plot.line(class, points);
        if let [point] = points[..] {
            plot.dot(class, point, &percent(point.1));
        }
    }
    for (label, anchor) in [(first, "start"), (first / 2 + last / 2, "middle"), (last, "end")] {
        let (x, text) = (plot.x(middle(label)), date(label));
        plot.text(x, 236.0, anchor, &text);
    }
    Some(plot.finish())
}

/// The share of asked logins in each bucket of so many hours that has any.
fn buckets(charts: &Charts, width: u32) -> Vec<(f64, f64)> {
    let mut buckets: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for (hour, (logins, asked)) in &charts.hours {
        let bucket = buckets.entry(hour / width).or_default();
        *bucket = (bucket.0 + logins, bucket.1 + asked);
    }
    let point = |(at, (logins, asked)): (u32, (u64, u64))| {
        (f64::from(at * width) + f64::from(width) / 2.0, share(asked, logins))
    };
    buckets.into_iter().map(point).collect()
}

pub(super) fn causes(parts: &[Part<'_>]) -> Option<String> {
    let mut names: BTreeMap<&str, u64> = BTreeMap::new();
    for (cause, count) in parts.iter().flat_map(|part| &part.charts.causes) {
        *names.entry(cause).or_default() += count;
    }
    let mut names: Vec<(&str, u64)> = names.into_iter().collect();
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    names.truncate(CAUSES_MAX);
    let of = |part: &Part<'_>, cause: &str| {
        share(part.charts.causes.get(cause).copied().unwrap_or(0), part.charts.legitimate())
    };
    let most = names.iter().flat_map(|(cause, _)| parts.iter().map(|part| of(part, cause))).fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let row = 12.0 * f64::from(u8::try_from(parts.len()).unwrap_or(1)) + 12.0;
    let height = row * f64::from(u8::try_from(names.len()).unwrap_or(1)) + 12.0;
    // Room for the figure behind the longest bar.
    let mut plot = Plot::new(height, 240.0, [0.0, most * 1.15], 1.0);
    let mut y = 8.0;
    for (cause, _) in names {
        plot.text(232.0, y + row / 2.0, "end", cause);
        for (part, class) in parts.iter().zip(CLASSES) {
            let value = of(part, cause);
            let (left, right) = (plot.x(0.0), plot.x(value));
            plot.bar(class, [left, y, right - left, 10.0], &format!("{}: {}", part.name, percent(value)));
            plot.text(right + 6.0, y + 9.0, "start", &percent(value));
            y += 12.0;
        }
        y += 12.0;
    }
    Some(plot.finish())
}

pub(super) fn by_history(parts: &[Part<'_>]) -> Option<String> {
    let shares = |part: &Part<'_>| part.summary.by_history.map(|class| share(class.asked, class.logins));
    let most = parts.iter().flat_map(shares).fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let classes = f64::from(u8::try_from(HISTORIES.len()).unwrap_or(1));
    // Room for the figure above the highest bar.
    let mut plot = Plot::new(200.0, 48.0, [0.0, classes], most * 1.15);
    plot.shares_up();
    for (((_, name), class), at) in HISTORIES.iter().zip(0..).zip(0_u8..) {
        let (left, right) = (plot.x(f64::from(at)), plot.x(f64::from(at) + 1.0));
        let text = if class == 0 { "first login" } else { name };
        plot.text(f64::midpoint(left, right), 196.0, "middle", text);
        let width = (right - left) * 0.3;
        let all = width * f64::from(u8::try_from(parts.len()).unwrap_or(1));
        let mut x = f64::midpoint(left, right) - all / 2.0;
        for (part, colour) in parts.iter().zip(CLASSES) {
            let value = shares(part)[class];
            let (top, bottom) = (plot.y(value), plot.y(0.0));
            plot.bar(colour, [x + 1.0, top, width - 2.0, bottom - top], &format!("{}: {}", part.name, percent(value)));
            plot.text(x + width / 2.0, top - 4.0, "middle", &percent(value));
            x += width;
        }
    }
    Some(plot.finish())
}

pub(super) fn roc(parts: &[Part<'_>]) -> Option<String> {
    let curves: Vec<_> = parts.iter().map(|part| part.charts.roc()).collect();
    if curves.iter().all(Vec::is_empty) {
        return None;
    }
    let mut plot = Plot::new(360.0, 48.0, [0.0, 1.0], 1.0);
    plot.shares_up();
    plot.shares_across();
    for (curve, class) in curves.iter().zip(CLASSES) {
        let points = curve.iter().map(|point| (point.legitimate, point.attacks));
        plot.line(class, &std::iter::once((0.0, 0.0)).chain(points).collect::<Vec<_>>());
    }
    // Over all lines, so that none strikes a name out.
    for ((curve, class), part) in curves.iter().zip(CLASSES).zip(parts) {
        let mut named = None;
        for (point, level) in curve.iter().filter_map(|point| Some((point, point.level?))) {
            let shares = format!("{} of attacks at {}", percent(point.attacks), percent(point.legitimate));
            plot.dot(class, (point.legitimate, point.attacks), &format!("{}, {level}: {shares}", part.name));
            // Where a threshold lies is read off the picture. The end of the curve is none, nor is a level without logins.
            let place = Some((point.legitimate, point.attacks));
            if point.legitimate < 1.0 && std::mem::replace(&mut named, place) != place {
                let (x, y) = (plot.x(point.legitimate), plot.y(point.attacks));
                plot.text(x + 7.0, y + 14.0, "start", level);
            }
        }
    }
    Some(plot.finish())
}
