//! Finds the rules that a path could fit by its number of segments, so that most rules of a table are never
//! tried. It decides nothing: the remaining rules are tried in the table's order. It is pure.

use super::{pattern::Part, rule::Rule};

/// Longer paths are looked up as paths of this length.
const LONGEST: usize = 16;

/// Holds for each number of segments the positions of the rules in the table, in its order.
#[derive(Default, Debug)]
pub(super) struct Index(Vec<Vec<usize>>);

impl Index {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let spans: Vec<_> = rules.iter().map(span).collect();
        let could_be = |count: usize| {
            let spans = spans.iter().enumerate();
            // The longest length also stands for all longer paths.
            let fits = |(least, most): (usize, usize)| {
                (least <= count || count == LONGEST) && count <= most
            };
            let places = spans.filter_map(|(place, span)| fits(*span).then_some(place));
            places.collect()
        };
        Self((0..=LONGEST).map(could_be).collect())
    }

    pub(super) fn places(&self, segments: usize) -> &[usize] {
        self.0.get(segments.min(LONGEST)).map_or(&[], Vec::as_slice)
    }
}

/// Returns the least and the most segments of a path that fits.
fn span(rule: &Rule) -> (usize, usize) {
    let parts = rule.pattern.iter().map(Part::takes);
    parts.fold((0, 0), |(least, most), (at_least, at_most)| {
        (least + at_least, most.saturating_add(at_most))
    })
}
