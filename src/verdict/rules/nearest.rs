//! What somebody may have meant by a name that is none.

/// The name that the fewest single changes of a character lead to; none where more than a third of the name would change.
pub(super) fn nearest<N: AsRef<str>>(name: &str, known: impl IntoIterator<Item = N>) -> Option<String> {
    let near = |known: &N| distance(name, known.as_ref());
    let changes_max = (name.len() / 3).max(1);
    let ranked = known.into_iter().map(|known| (near(&known), known)).filter(|(changes, _)| *changes <= changes_max);
    ranked.min_by_key(|(changes, _)| *changes).map(|(_, known)| known.as_ref().to_owned())
}

/// **Source:** Levenshtein 1966; by Wagner and Fischer's table, of which one row is kept.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
