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
    Path {
        may_be_empty: bool,
    },
    Any,
}

/// The words of a table that stand where a name could.
#[derive(Clone, Default, Debug)]
pub(super) struct Reserved {
    /// First in a path: no owner there is one of these.
    pub(super) first: Vec<Box<str>>,
    /// After an id: no repo has one of these for a name.
    pub(super) after_id: Vec<Box<str>>,
}

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
            "{path}" => Self::Path {
                may_be_empty: false,
            },
            "{path?}" => Self::Path { may_be_empty: true },
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
}

impl Reserved {
    pub(super) fn add(&mut self, pattern: &[Part]) {
        match pattern.first() {
            Some(Part::Word(word)) => self.first.push(word.clone()),
            Some(Part::Prefix) => self
                .first
                .extend(KINDS.iter().map(|(word, _)| Box::from(*word))),
            _ => {}
        }
        for pair in pattern.windows(2) {
            if let [Part::Id { .. }, Part::Word(word)] = pair {
                self.after_id.push(word.clone());
            }
        }
    }
}

/// In any case: a name spelled nearly like a word is somebody's trick.
fn among(words: &[Box<str>], name: &str) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(name))
}

/// What the path names, if it fits. `at` is how many segments came before.
pub(super) fn fit<'a>(
    pattern: &[Part],
    path: &'a [Segment<'a>],
    at: usize,
    reserved: &Reserved,
    named: Named<'a>,
) -> Option<Named<'a>> {
    let Some((part, pattern)) = pattern.split_first() else {
        return path.is_empty().then_some(named);
    };
    let on = |path, taken, named| fit(pattern, path, at + taken, reserved, named);
    let plain = || path.split_first().filter(|(segment, _)| !segment.has_slash);
    match part {
        Part::Word(word) => {
            let (_, rest) = plain().filter(|(segment, _)| segment.text == **word)?;
            on(rest, 1, named)
        }
        Part::Kinds => {
            let (segment, rest) = plain()?;
            let kind = Some(kind(&segment.text)?);
            on(rest, 1, Named { kind, ..named })
        }
        Part::Prefix => {
            let prefixed = plain().and_then(|(segment, rest)| {
                let kind = kind(&segment.text).filter(|kind| *kind != RepoKind::Model)?;
                let kind = Some(kind);
                on(rest, 1, Named { kind, ..named })
            });
            let kind = Some(RepoKind::Model);
            prefixed.or_else(|| on(path, 0, Named { kind, ..named }))
        }
        Part::Id { legacy, git } => {
            let (first, rest) =
                plain().filter(|(first, _)| at > 0 || !among(&reserved.first, &first.text))?;
            let owned = rest.split_first().and_then(|(second, rest)| {
                let name = repo_name(second, *git, reserved)?;
                let repo = Some((Some(&*first.text), name));
                on(rest, 2, Named { repo, ..named })
            });
            owned.or_else(|| {
                let name = repo_name(first, *git, reserved).filter(|_| *legacy)?;
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
        Part::Path { may_be_empty } => {
            if path.is_empty() && !may_be_empty {
                return None;
            }
            on(&[], path.len(), named)
        }
    }
}

fn kind(word: &str) -> Option<RepoKind> {
    let known = KINDS.iter().find(|(known, _)| *known == word);
    known.map(|(_, kind)| *kind)
}

fn repo_name<'a>(segment: &'a Segment<'a>, git: bool, reserved: &Reserved) -> Option<&'a str> {
    let text = &*segment.text;
    let name = git
        .then(|| text.strip_suffix(".git"))
        .flatten()
        .unwrap_or(text);
    let fine = !segment.has_slash && !name.is_empty() && !among(&reserved.after_id, name);
    fine.then_some(name)
}
