//! Finds the words of a table that stand where a name could: they are not names there. It is pure, and must
//! not know which rule fits.

use tokenward_common::state::record::RepoKind;

use super::{
    methods::Methods,
    pattern::{KINDS, Part, parse_kind},
};
use crate::edge::path::Segment;

#[derive(Default, Debug)]
pub(super) struct Reserved {
    /// These are the words that are first in a path. No owner in that position has one of these names.
    first: Spellings<()>,
    /// These are the words after an id that may be a name alone. With these methods no repo of such a kind
    /// has one of these names.
    after_id: Spellings<(Kinds, Methods)>,
}

/// Holds words in any case, grouped by length. A name that is spelled nearly like a word is probably an
/// attack.
#[derive(Debug)]
struct Spellings<T>(Vec<Vec<(Box<str>, T)>>);

/// Holds one bit for each kind that paths name by a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Kinds(u8);

const ALL: Kinds = Kinds(u8::MAX);
const NONE: Kinds = Kinds(0);

impl Kinds {
    /// Returns the bit of a kind. An unknown kind stands for all of them.
    fn new(kind: Option<RepoKind>) -> Self {
        let place = kind.and_then(|kind| KINDS.iter().position(|(_, known)| *known == kind));
        place.map_or(ALL, |place| Self(1 << place))
    }

    fn has(self, kind: Option<RepoKind>) -> bool {
        self.0 & Self::new(kind).0 != 0
    }
}

impl<T> Default for Spellings<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Spellings<T> {
    fn add(&mut self, word: &str, what: T) {
        if self.0.len() <= word.len() {
            self.0.resize_with(word.len() + 1, Vec::new);
        }
        if let Some(alike) = self.0.get_mut(word.len()) {
            alike.push((word.into(), what));
        }
    }

    fn find(&self, name: &str) -> impl Iterator<Item = &T> {
        let alike = self.0.get(name.len()).into_iter().flatten();
        let same = alike.filter(move |(word, _)| word.eq_ignore_ascii_case(name));
        same.map(|(_, what)| what)
    }
}

impl Reserved {
    /// Adds the words of a rule.
    pub(super) fn add(&mut self, pattern: &[Part], methods: Methods) {
        match pattern.first() {
            Some(Part::Word(word)) => self.add_first(word),
            Some(Part::Prefix) => KINDS.iter().for_each(|(word, _)| self.add_first(word)),
            _ => {}
        }
        let mut kind = None;
        for pair in pattern.windows(2) {
            match pair {
                [Part::Word(word), _] => kind = parse_kind(word).or(kind),
                [Part::Id { legacy: true, .. }, Part::Word(word)] => {
                    let said = (Kinds::new(kind), methods);
                    if !self.after_id.find(word).any(|known| *known == said) {
                        self.after_id.add(word, said);
                    }
                }
                _ => {}
            }
        }
    }

    fn add_first(&mut self, word: &str) {
        if self.first.find(word).next().is_none() {
            self.first.add(word, ());
        }
    }

    pub(super) fn words(&self, path: &[Segment<'_>], method: Methods) -> Words {
        let is_word = |segment: &Segment<'_>| {
            let text = &*segment.text;
            let name = text.strip_suffix(".git");
            let said = self.after_id.find(text);
            let said = said.chain(name.into_iter().flat_map(|name| self.after_id.find(name)));
            let said = said.filter(|(_, methods)| methods.meet(method));
            said.fold(NONE, |all, (kinds, _)| Kinds(all.0 | kinds.0))
        };
        let first = path.first();
        Words {
            first: first.is_some_and(|first| self.first.find(&first.text).next().is_some()),
            after_id: path.iter().map(is_word).collect(),
        }
    }

    /// Lists the first words, and then the words after an id, each with the kind whose repos can't have
    /// that name.
    #[cfg(test)]
    pub(super) fn listed(&self) -> (Vec<String>, Vec<(String, RepoKind)>) {
        let first = self.first.0.iter().flatten();
        let after = self
            .after_id
            .0
            .iter()
            .flatten()
            .flat_map(|(word, (kinds, _))| {
                let kinds = KINDS.iter().filter(|(_, kind)| kinds.has(Some(*kind)));
                kinds.map(|(_, kind)| (word.to_string(), *kind))
            });
        (
            first.map(|(word, ())| word.to_string()).collect(),
            after.collect(),
        )
    }
}

/// Says which segments of a path are not names. They are looked up once for all rules.
pub(super) struct Words {
    /// The first segment is not an owner.
    pub(super) first: bool,
    /// Holds for each segment the kinds of which it is no repo's name, with or without `.git`.
    after_id: Vec<Kinds>,
}

impl Words {
    pub(super) fn is_after_id(&self, at: usize, kind: Option<RepoKind>) -> bool {
        self.after_id.get(at).is_none_or(|kinds| kinds.has(kind))
    }
}
