//! Parses one line of a table into a rule. It is pure, and must not know the other rules.

use tokenward_common::{access::Permission, state::record::RepoKind};

use super::{
    Dialect, Thing, Unrouted, condition::Condition, methods::Methods, pattern::Part,
    request::OpenRequest, route::means_nothing, source::Source,
};

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) methods: Methods,
    pub(super) pattern: Vec<Part>,
    when: Vec<Condition>,
    pub(super) needs: Needs,
    pub(super) dialect: Dialect,
    pub(super) offers_pr: bool,
    /// This is the line in the table's own text. A rule of an included table has the line of the
    /// `@include`.
    pub(super) line: usize,
    /// These are the methods and the path of the rule as they are written.
    pub(super) written: Box<str>,
}

#[derive(Clone, Debug)]
pub(super) enum Needs {
    Open,
    Visitor,
    Identity,
    All(Vec<(Source, Permission)>),
}

/// These are the kinds that a path or a body may name.
const CODE: [RepoKind; 5] = [
    RepoKind::Model,
    RepoKind::Dataset,
    RepoKind::Space,
    RepoKind::Kernel,
    RepoKind::Bucket,
];

/// Says where a request names the kind of the repo that it creates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Creates {
    OfBody,
    /// The new repo has the kind of the repo that is copied.
    OfPath,
}

impl Rule {
    pub(super) fn parse(line: &str, dialect: Dialect) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let columns = (words.next(), words.next(), words.next());
        let (Some(methods), Some(path), Some(when)) = columns else {
            return Err("a rule must have methods, path, when (or -) and needs".into());
        };
        let needs: Vec<_> = words.collect();
        if needs.is_empty() {
            return Err("needs: missing; say open to let everybody through".into());
        }
        let rule = Self {
            methods: Methods::parse(methods)?,
            pattern: pattern(path)?,
            when: Condition::list(when)?,
            needs: Needs::parse(&needs.concat())?,
            dialect,
            offers_pr: false,
            line: 0,
            written: format!("{methods} {path}").into(),
        };
        rule.coherent()?;
        Ok(rule)
    }

    /// Checks that the path names every thing that the rule's needs refer to.
    fn coherent(&self) -> Result<(), String> {
        let Needs::All(needs) = &self.needs else {
            return Ok(());
        };
        let has = |fits: fn(&Part) -> bool| self.pattern.iter().any(fits);
        let id = has(|part| matches!(part, Part::Id { .. }));
        let kind = has(|part| matches!(part, Part::Kinds | Part::Prefix));
        for (source, permission) in needs {
            if let Some(why) = Self::misplaced(source, *permission) {
                return Err(format!("needs: {}: {why}", source.name()));
            }
            match source {
                Source::Repo(_) if !id => return Err("needs: the path names no repo".into()),
                Source::Repo(None) if !kind => {
                    return Err(
                        "needs: the path doesn't say the repo's kind: write model:… ".into(),
                    );
                }
                Source::PathModel | Source::PathServed
                    if !has(|part| matches!(part, Part::Model { .. })) =>
                {
                    return Err("needs: the path names no {model}".into());
                }
                Source::Account if !self.pattern.contains(&Part::Account) => {
                    return Err("needs: the path names no account".into());
                }
                _ => {}
            }
        }
        if needs.iter().all(|(source, _)| *source == Source::BodyTo) {
            return Err("needs: body.to must stand beside another".into());
        }
        Ok(())
    }

    /// Returns why the need would never be allowed: the permission has no meaning on such a thing. If the
    /// request names the kind, the permission must have a meaning on at least one possible kind.
    fn misplaced(source: &Source, permission: Permission) -> Option<String> {
        match source {
            Source::Repo(Some(kind)) => permission.misplaced_on_repo(*kind),
            Source::BodyModel
            | Source::BodyServed
            | Source::PathModel
            | Source::PathServed
            | Source::QueryModel
            | Source::Served => permission.misplaced_on_repo(RepoKind::Model),
            Source::Own => Thing::Own.misplaced(permission),
            Source::Fixed(thing) => thing.misplaced(permission),
            Source::Account
            | Source::Billed
            | Source::BodyOrganization
            | Source::BodyNamespace
            | Source::BodyTo
            | Source::BodyRepository => permission.misplaced_on_account(),
            Source::Repo(None) | Source::BodyRepo | Source::BodyFrom | Source::BodyTarget => {
                let fits = |kind: &RepoKind| permission.misplaced_on_repo(*kind).is_none();
                (!CODE.iter().any(fits)).then(|| means_nothing(permission))
            }
        }
    }

    /// Returns the permissions that the rule needs. The list is empty if it needs none.
    pub(super) fn needed(&self) -> &[(Source, Permission)] {
        match &self.needs {
            Needs::All(needs) => needs,
            Needs::Open | Needs::Visitor | Needs::Identity => &[],
        }
    }

    /// Returns where a request names the kind of the repo that it creates, if the rule creates one.
    pub(super) fn creates(&self) -> Option<Creates> {
        self.needed().iter().find_map(|(source, _)| match source {
            Source::BodyOrganization => Some(Creates::OfBody),
            Source::BodyRepository => Some(Creates::OfPath),
            _ => None,
        })
    }

    pub(super) fn is_of_pr(&self) -> bool {
        self.when.iter().any(|condition| {
            matches!(condition, Condition::Parameter { name, .. } if **name == *"create_pr")
        })
    }

    /// Returns whether the rule is for requests whose body isn't shown.
    pub(super) fn is_unseen(&self) -> bool {
        self.when.contains(&Condition::BodyAbsent)
    }

    pub(super) fn reads_body(&self) -> bool {
        let reads = |it: &Condition| matches!(it, Condition::Operation(_));
        self.when.iter().any(reads) || self.needs_body()
    }

    /// Returns whether the body names the thing that the request is about.
    pub(super) fn needs_body(&self) -> bool {
        self.needed().iter().any(|(source, _)| source.is_of_body())
    }

    /// Returns the kinds under which the rule's needs name the path's repo. `None` stands for the kind in
    /// the path.
    #[cfg(test)]
    pub(super) fn kinds(&self) -> Vec<Option<RepoKind>> {
        let kinds = self.needed().iter().filter_map(|(source, _)| match source {
            Source::Repo(kind) => Some(*kind),
            _ => None,
        });
        kinds.collect()
    }

    /// Returns whether the rule is for a server of one model, which the table must name.
    pub(super) fn is_of_served(&self) -> bool {
        self.needed()
            .iter()
            .any(|(source, _)| *source == Source::Served)
    }

    /// Returns whether some request meets the conditions of both rules.
    pub(super) fn may_hold_with(&self, other: &Self) -> bool {
        let excluded = |one: &Condition| other.when.iter().any(|it| one.excludes(it));
        !self.when.iter().any(excluded)
    }

    pub(super) fn applies(&self, asked: &OpenRequest<'_>) -> Result<bool, Unrouted> {
        for condition in &self.when {
            if !condition.holds(asked)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn pattern(path: &str) -> Result<Vec<Part>, String> {
    let rest = path
        .strip_prefix('/')
        .ok_or_else(|| format!("path: `{path}` must begin with a slash"))?;
    // Only the root path has no segment.
    let parts = rest.split('/').filter(|_| !rest.is_empty());
    let parts = parts.map(Part::parse);
    let parts = parts.collect::<Result<Vec<_>, _>>();
    let parts = parts.map_err(|why| format!("path: {why}"))?;
    let is_tail = |part: &Part| matches!(part, Part::Tail { .. });
    let last = parts.len().saturating_sub(1);
    if parts.iter().take(last).any(is_tail) {
        return Err("path: {path} and {rest} must be the last".into());
    }
    let ids = parts.iter().filter(|part| matches!(part, Part::Id { .. }));
    if ids.count() > 1 {
        return Err("path: names more than one repo".into());
    }
    let models = parts.iter().filter(|it| matches!(it, Part::Model { .. }));
    if models.count() > 1 {
        return Err("path: names more than one model".into());
    }
    Ok(parts)
}

impl Needs {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "open" => return Ok(Self::Open),
            "visitor" => return Ok(Self::Visitor),
            "identity" => return Ok(Self::Identity),
            _ => {}
        }
        let parse = |one: &str| {
            // A fixed thing contains a colon of its own.
            let (on, permission) = one.rsplit_once(':').ok_or_else(|| {
                format!("needs: `{one}` must be open, visitor, identity or thing:permission")
            })?;
            let source = Source::parse(on);
            let source =
                source.ok_or_else(|| format!("needs: `{on}` is no thing that is known"))?;
            let known = Permission::parse(permission);
            let permission = known.ok_or_else(|| {
                let hint = Permission::hint(permission);
                format!("needs: `{permission}` is no permission that is known{hint}")
            })?;
            Ok((source, permission))
        };
        text.split('&')
            .map(parse)
            .collect::<Result<_, _>>()
            .map(Self::All)
    }
}
