//! Decides whether a path fits a rule's pattern, and what the path names. It is pure, and must not know
//! which permissions the rule needs.

use tokenward_common::state::record::RepoKind;

use super::reserved::Words;
use crate::edge::path::{Segment, TargetError};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Word(Box<str>),
    Kinds,
    Prefix,
    /// This is an owner and a name. With `legacy` it may also be a name alone.
    Id {
        legacy: bool,
        git: bool,
    },
    Account,
    Rev,
    /// This is the rest of a path. In a file's path it may contain encoded slashes.
    Tail {
        file: bool,
        may_be_empty: bool,
    },
    Any,
    /// This is a model as its server calls it: one segment, which may contain encoded slashes, or owner and
    /// name in two segments. `after` follows in the last of them, for example `:predict`.
    Model {
        after: Box<str>,
    },
}

/// Holds what a path named.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct PathNames<'a> {
    pub(super) kind: Option<RepoKind>,
    /// The owner is missing in the name of a repo from before repos had owners.
    pub(super) repo: Option<(Option<&'a str>, &'a str)>,
    pub(super) account: Option<&'a str>,
    /// Says why some programs would read other words and names than these.
    pub(super) doubt: Option<TargetError>,
    /// The name is in one segment or in two.
    pub(super) model: Option<(&'a str, Option<&'a str>)>,
}

/// These are the words of `{kinds}` and `{prefix}`.
pub(super) const KINDS: [(&str, RepoKind); 4] = [
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
                if let Some(after) = after_model(word) {
                    let after = after.into();
                    return Ok(Self::Model { after });
                }
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
    /// Returns the least and the most segments that the part takes.
    pub(super) fn takes(&self) -> (usize, usize) {
        match self {
            Self::Word(_) | Self::Kinds | Self::Account | Self::Rev | Self::Any => (1, 1),
            Self::Prefix => (0, 1),
            Self::Model { .. } => (1, 2),
            Self::Id { legacy, .. } => (if *legacy { 1 } else { 2 }, 2),
            Self::Tail { may_be_empty, .. } => (usize::from(!may_be_empty), usize::MAX),
        }
    }
}

/// Says how words are compared.
#[derive(Clone, Copy)]
pub(super) enum Case {
    Exact,
    /// Words are compared without case, as a careless hub may do.
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

/// Says how a path is compared with a pattern.
pub(super) struct Fitting<'r> {
    pub(super) words: &'r Words,
    pub(super) case: Case,
}

impl Fitting<'_> {
    /// Returns what the path names, if it fits.
    pub(super) fn fit<'a>(
        &self,
        pattern: &[Part],
        path: &'a [Segment<'a>],
    ) -> Option<PathNames<'a>> {
        self.rest(pattern, path, 0, PathNames::default())
    }

    /// Fits the rest of a path. `at` is the number of segments before it.
    fn rest<'a>(
        &self,
        pattern: &[Part],
        path: &'a [Segment<'a>],
        at: usize,
        named: PathNames<'a>,
    ) -> Option<PathNames<'a>> {
        let Some((part, pattern)) = pattern.split_first() else {
            return path.is_empty().then_some(named);
        };
        let is_file = matches!(part, Part::Rev | Part::Tail { file: true, .. });
        let on = |rest, taken, named: PathNames<'a>| {
            let mut segments = path.iter().take(if is_file { 0 } else { taken });
            let doubt = segments.find_map(|segment| segment.doubt);
            let doubt = named.doubt.or(doubt);
            self.rest(pattern, rest, at + taken, PathNames { doubt, ..named })
        };
        let plain = || path.split_first().filter(|(segment, _)| !segment.has_slash);
        match part {
            Part::Word(word) => {
                let (_, rest) = plain().filter(|(it, _)| self.case.same(word, &it.text))?;
                let kind = parse_kind(word).or(named.kind);
                on(rest, 1, PathNames { kind, ..named })
            }
            Part::Kinds => {
                let (segment, rest) = plain()?;
                let kind = Some(self.kind(&segment.text)?);
                on(rest, 1, PathNames { kind, ..named })
            }
            Part::Prefix => {
                let prefixed = plain().and_then(|(segment, rest)| {
                    let kind = self.kind(&segment.text);
                    let kind = Some(kind.filter(|kind| *kind != RepoKind::Model)?);
                    on(rest, 1, PathNames { kind, ..named })
                });
                let kind = Some(RepoKind::Model);
                prefixed.or_else(|| on(path, 0, PathNames { kind, ..named }))
            }
            Part::Id { legacy, git } => {
                let (first, rest) = plain().filter(|_| at > 0 || !self.words.first)?;
                let owned = rest.split_first().and_then(|(second, rest)| {
                    // There are two readings only where the first segment could be a name alone.
                    let is_word = *legacy && self.words.is_after_id(at + 1, named.kind);
                    let name = repo_name(second, *git).filter(|_| !is_word)?;
                    let repo = Some((Some(&*first.text), name));
                    on(rest, 2, PathNames { repo, ..named })
                });
                owned.or_else(|| {
                    let is_word = !*legacy || self.words.is_after_id(at, named.kind);
                    let name = repo_name(first, *git).filter(|_| !is_word)?;
                    let repo = Some((None, name));
                    on(rest, 1, PathNames { repo, ..named })
                })
            }
            Part::Account => {
                let (segment, rest) = plain()?;
                let account = Some(&*segment.text);
                on(rest, 1, PathNames { account, ..named })
            }
            Part::Any => on(plain()?.1, 1, named),
            Part::Model { after } => {
                let (first, rest) = path.split_first()?;
                let cut = |segment: &'a Segment<'a>| segment.text.strip_suffix(&**after);
                let with = |model| PathNames { model, ..named };
                let one = cut(first).and_then(|name| on(rest, 1, with(Some((name, None)))));
                one.or_else(|| {
                    let (second, rest) = rest.split_first()?;
                    let name = cut(second).filter(|_| !first.has_slash && !second.has_slash)?;
                    on(rest, 2, with(Some((&*first.text, Some(name)))))
                })
            }
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
}

/// Returns what follows `{model}` in `{model}` or `{model}:word`.
fn after_model(text: &str) -> Option<&str> {
    let after = text.strip_prefix("{model}")?;
    let word = after.strip_prefix(':');
    let fine = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    (after.is_empty() || word.is_some_and(fine)).then_some(after)
}

/// Returns the kind that a word of a path names.
pub(super) fn parse_kind(word: &str) -> Option<RepoKind> {
    let known = KINDS.iter().find(|(known, _)| *known == word);
    known.map(|(_, kind)| *kind)
}

fn repo_name<'a>(segment: &'a Segment<'a>, git: bool) -> Option<&'a str> {
    let text = &*segment.text;
    let without = text.strip_suffix(".git").filter(|_| git);
    let name = without.unwrap_or(text);
    (!segment.has_slash && !name.is_empty()).then_some(name)
}
