//! Does a path fit a rule's pattern, and what does it name? Pure.

use tokenward_common::state::record::RepoKind;

use crate::edge::path::Segment;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Word(Box<str>),
    Kinds,
    Prefix,
    /// Owner and name; where `legacy`, or the name alone.
    Id {
        legacy: bool,
        git: bool,
    },
    Account,
    Rev,
    /// All that follows; of a file's path, encoded slashes too.
    Tail {
        file: bool,
        may_be_empty: bool,
    },
    Any,
}

/// The words of a table that stand where a name could.
#[derive(Default, Debug)]
pub(super) struct Reserved {
    /// First in a path: no owner there is one of these.
    first: Spellings,
    /// After an id: no repo has one of these for a name.
    after_id: Spellings,
}

/// Words in any case, by their lengths: a name spelled nearly like a word is somebody's trick.
#[derive(Default, Debug)]
struct Spellings(Vec<Vec<Box<str>>>);

/// What a path named.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Named<'a> {
    pub(super) kind: Option<RepoKind>,
    /// Without an owner: from before there were any.
    pub(super) repo: Option<(Option<&'a str>, &'a str)>,
    pub(super) account: Option<&'a str>,
}

/// Words of `{kinds}` and `{prefix}`.
const KINDS: [(&str, RepoKind); 4] = [
    ("models", RepoKind::Model),
    ("datasets", RepoKind::Dataset),
    ("spaces", RepoKind::Space),
    ("kernels", RepoKind::Kernel),
];

impl Part {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "{kinds}" => Self::Kinds,
            "{prefix}" => Self::Prefix,
            "{id}" => Self::Id {
                legacy: true,
                git: false,
            },
            "{id.git}" => Self::Id {
                legacy: true,
                git: true,
            },
            "{repo}" => Self::Id {
                legacy: false,
                git: false,
            },
            "{account}" => Self::Account,
            "{rev}" => Self::Rev,
            "{path}" => Self::tail(true, false),
            "{path?}" => Self::tail(true, true),
            "{rest}" => Self::tail(false, false),
            "{rest?}" => Self::tail(false, true),
            "{any}" => Self::Any,
            word => {
                let fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                if word.is_empty() || !word.chars().all(fine) {
                    return Err(format!(
                        "`{word}` is neither a word of A-Z a-z 0-9 . _ - nor a part in braces that is \
                         known"
                    ));
                }
                Self::Word(word.into())
            }
        })
    }

    fn tail(file: bool, may_be_empty: bool) -> Self {
        Self::Tail { file, may_be_empty }
    }
}

impl Part {
    /// The least and the most segments that it takes.
    pub(super) fn takes(&self) -> (usize, usize) {
        match self {
            Self::Word(_) | Self::Kinds | Self::Account | Self::Rev | Self::Any => (1, 1),
            Self::Prefix => (0, 1),
            Self::Id { legacy, .. } => (if *legacy { 1 } else { 2 }, 2),
            Self::Tail { may_be_empty, .. } => (usize::from(!may_be_empty), usize::MAX),
        }
    }
}

impl Spellings {
    fn add(&mut self, word: &str) {
        if self.has(word) {
            return;
        }
        if self.0.len() <= word.len() {
            self.0.resize_with(word.len() + 1, Vec::new);
        }
        if let Some(alike) = self.0.get_mut(word.len()) {
            alike.push(word.into());
        }
    }

    fn has(&self, name: &str) -> bool {
        let mut alike = self.0.get(name.len()).into_iter().flatten();
        alike.any(|word| word.eq_ignore_ascii_case(name))
    }
}

impl Reserved {
    pub(super) fn add(&mut self, pattern: &[Part]) {
        match pattern.first() {
            Some(Part::Word(word)) => self.first.add(word),
            Some(Part::Prefix) => KINDS.iter().for_each(|(word, _)| self.first.add(word)),
            _ => {}
        }
        for pair in pattern.windows(2) {
            if let [Part::Id { .. }, Part::Word(word)] = pair {
                self.after_id.add(word);
            }
        }
    }
}

/// Which of a path's segments are no names, looked up once for all rules.
pub(super) struct Words {
    /// The first is no owner.
    first: bool,
    /// By segment: it is no repo's name, with or without `.git`.
    after_id: Vec<bool>,
}

impl Reserved {
    pub(super) fn words(&self, path: &[Segment<'_>]) -> Words {
        let is_word = |segment: &Segment<'_>| {
            let text = &*segment.text;
            let name = text.strip_suffix(".git");
            self.after_id.has(text) || name.is_some_and(|name| self.after_id.has(name))
        };
        let first = path.first();
        Words {
            first: first.is_some_and(|first| self.first.has(&first.text)),
            after_id: path.iter().map(is_word).collect(),
        }
    }
}

/// How words are compared.
#[derive(Clone, Copy)]
pub(super) enum Case {
    Exact,
    /// As a hub may that is careless.
    Folded,
}

impl Case {
    fn same(self, word: &str, text: &str) -> bool {
        match self {
            Self::Exact => word == text,
            Self::Folded => word.eq_ignore_ascii_case(text),
        }
    }
}

/// How a path is to fit a pattern.
pub(super) struct Fitting<'r> {
    pub(super) words: &'r Words,
    pub(super) case: Case,
}

impl Fitting<'_> {
    /// What the path names, if it fits.
    pub(super) fn fit<'a>(&self, pattern: &[Part], path: &'a [Segment<'a>]) -> Option<Named<'a>> {
        self.rest(pattern, path, 0, Named::default())
    }

    /// `at` is how many segments came before.
    fn rest<'a>(
        &self,
        pattern: &[Part],
        path: &'a [Segment<'a>],
        at: usize,
        named: Named<'a>,
    ) -> Option<Named<'a>> {
        let Some((part, pattern)) = pattern.split_first() else {
            return path.is_empty().then_some(named);
        };
        let on = |path, taken, named| self.rest(pattern, path, at + taken, named);
        let plain = || path.split_first().filter(|(segment, _)| !segment.has_slash);
        match part {
            Part::Word(word) => {
                let (_, rest) = plain().filter(|(it, _)| self.case.same(word, &it.text))?;
                on(rest, 1, named)
            }
            Part::Kinds => {
                let (segment, rest) = plain()?;
                let kind = Some(self.kind(&segment.text)?);
                on(rest, 1, Named { kind, ..named })
            }
            Part::Prefix => {
                let prefixed = plain().and_then(|(segment, rest)| {
                    let kind = self.kind(&segment.text);
                    let kind = Some(kind.filter(|kind| *kind != RepoKind::Model)?);
                    on(rest, 1, Named { kind, ..named })
                });
                let kind = Some(RepoKind::Model);
                prefixed.or_else(|| on(path, 0, Named { kind, ..named }))
            }
            Part::Id { legacy, git } => {
                let (first, rest) = plain().filter(|_| at > 0 || !self.words.first)?;
                let owned = rest.split_first().and_then(|(second, rest)| {
                    let name = self.repo_name(second, at + 1, *git)?;
                    let repo = Some((Some(&*first.text), name));
                    on(rest, 2, Named { repo, ..named })
                });
                owned.or_else(|| {
                    let name = self.repo_name(first, at, *git).filter(|_| *legacy)?;
                    let repo = Some((None, name));
                    on(rest, 1, Named { repo, ..named })
                })
            }
            Part::Account => {
                let (segment, rest) = plain()?;
                let account = Some(&*segment.text);
                on(rest, 1, Named { account, ..named })
            }
            Part::Any => on(plain()?.1, 1, named),
            Part::Rev => on(path.split_first()?.1, 1, named),
            Part::Tail { file, may_be_empty } => {
                let fits = if path.is_empty() {
                    *may_be_empty
                } else {
                    *file || path.iter().all(|segment| !segment.has_slash)
                };
                fits.then(|| on(&[], path.len(), named))?
            }
        }
    }

    fn kind(&self, text: &str) -> Option<RepoKind> {
        let known = KINDS.iter().find(|(word, _)| self.case.same(word, text));
        known.map(|(_, kind)| *kind)
    }

    fn repo_name<'a>(&self, segment: &'a Segment<'a>, at: usize, git: bool) -> Option<&'a str> {
        let text = &*segment.text;
        let without = text.strip_suffix(".git").filter(|_| git);
        let name = without.unwrap_or(text);
        let is_word = self.words.after_id.get(at).copied().unwrap_or(true);
        let fine = !segment.has_slash && !name.is_empty() && !is_word;
        fine.then_some(name)
    }
}
