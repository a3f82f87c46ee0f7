//! A table of routes: from its text to rules, and from a request to the rule that fits. Pure.

use std::fmt;

use tokenward_common::{access::Permission, state::record::RepoKind};

use super::{
    Access, Dialect, Need, Request, Route, Thing, Unrouted,
    body::Fields,
    pattern::{Named, Part, Reserved, fit},
};
use crate::edge::path::Target;

const HUB: &str = include_str!("hub.tsv");
const INFERENCE: &str = include_str!("inference.tsv");

/// The rules, the first that fits deciding.
#[derive(Debug)]
pub struct Table {
    pub(super) rules: Vec<Rule>,
    reserved: Reserved,
    /// Whose the repos without an owner are. Empty, which is nobody's name: they are not found.
    legacy: Box<str>,
    /// Where people find the hub's pages; may be empty.
    hub: Box<str>,
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    methods: Methods,
    pattern: Vec<Part>,
    when: Vec<Condition>,
    needs: Needs,
    dialect: Dialect,
    offers_pr: bool,
}

/// None listed: any.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Methods(Vec<Box<str>>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Condition {
    Parameter {
        name: Box<str>,
        /// `None`: there, whatever it says.
        value: Option<Box<str>>,
    },
    Operation(Box<str>),
}

#[derive(Clone, Debug)]
enum Needs {
    Open,
    Visitor,
    Identity,
    All(Vec<(Of, Permission)>),
}

/// Where a rule finds the thing that it asks about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Of {
    /// The path's, its kind from the path or from here.
    Repo(Option<RepoKind>),
    Account,
    Own,
    Billed,
    BodyOrganization,
    BodyNamespace,
    BodyRepo,
    BodyFrom,
    BodyTo,
    BodyModel,
}

const OF: [(&str, Of); 17] = [
    ("repo", Of::Repo(None)),
    ("model", Of::Repo(Some(RepoKind::Model))),
    ("dataset", Of::Repo(Some(RepoKind::Dataset))),
    ("space", Of::Repo(Some(RepoKind::Space))),
    ("kernel", Of::Repo(Some(RepoKind::Kernel))),
    ("bucket", Of::Repo(Some(RepoKind::Bucket))),
    ("collection", Of::Repo(Some(RepoKind::Collection))),
    ("endpoint", Of::Repo(Some(RepoKind::Endpoint))),
    ("account", Of::Account),
    ("self", Of::Own),
    ("billed", Of::Billed),
    ("body.organization", Of::BodyOrganization),
    ("body.namespace", Of::BodyNamespace),
    ("body.repo", Of::BodyRepo),
    ("body.from", Of::BodyFrom),
    ("body.to", Of::BodyTo),
    ("body.model", Of::BodyModel),
];

/// What is wrong with a table, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    pub line: usize,
    pub rule: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.rule)
    }
}

impl Table {
    /// The hub's own; a test says that it is right.
    pub fn hub() -> Result<Self, Vec<Mistake>> {
        Self::parse(HUB)
    }

    /// Of a name that is built in.
    pub fn built_in(name: &str) -> Option<Result<Self, Vec<Mistake>>> {
        text_of(name).map(Self::parse)
    }

    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let mut table = Self {
            rules: Vec::new(),
            reserved: Reserved::default(),
            legacy: Box::default(),
            hub: Box::default(),
        };
        let mut mistakes = Vec::new();
        table.read(text, true, &mut mistakes);
        if table.rules.is_empty() && mistakes.is_empty() {
            mistakes.push(Mistake {
                line: 1,
                rule: "the table has no rule: everything would be refused".into(),
            });
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        for rule in &table.rules {
            table.reserved.add(&rule.pattern);
        }
        let pull_requests: Vec<_> = table.rules.iter().filter(|rule| rule.is_of_pr()).collect();
        let patterns: Vec<_> = pull_requests
            .iter()
            .map(|rule| rule.pattern.clone())
            .collect();
        for rule in &mut table.rules {
            rule.offers_pr = !rule.is_of_pr() && patterns.contains(&rule.pattern);
        }
        Ok(table)
    }

    /// Where people find the hub's pages; empty: not known.
    pub fn hub_url(&self) -> &str {
        &self.hub
    }

    /// Whose the repos without an owner are; empty: nobody's.
    pub fn legacy(&self) -> &str {
        &self.legacy
    }

    /// What this request takes. What fits no rule, or can't be read, has no route: refuse it.
    pub fn route(&self, request: &Request<'_>) -> Result<Route, Unrouted> {
        let target = Target::parse(request.target)?;
        let asked = Asked {
            request,
            target: &target,
            fields: std::cell::OnceCell::new(),
        };
        for rule in &self.rules {
            if !rule.methods.include(request.method) {
                continue;
            }
            let named = Named::default();
            let fits = fit(&rule.pattern, &target.segments, 0, &self.reserved, named);
            let Some(named) = fits else { continue };
            if !rule.applies(&asked)? {
                continue;
            }
            return Ok(Route {
                access: self.access(rule, &asked, &named)?,
                dialect: rule.dialect,
                offers_pr: rule.offers_pr,
                creates: match rule.creates() {
                    true => Some(asked.fields()?.kind()?),
                    false => None,
                },
            });
        }
        Err(Unrouted::Unknown)
    }

    fn access(
        &self,
        rule: &Rule,
        asked: &Asked<'_>,
        named: &Named<'_>,
    ) -> Result<Access, Unrouted> {
        let needs = match &rule.needs {
            Needs::Open => return Ok(Access::Open),
            Needs::Visitor => return Ok(Access::Visitor),
            Needs::Identity => return Ok(Access::Identity),
            Needs::All(needs) => needs,
        };
        let mut all = Vec::with_capacity(needs.len());
        for (of, permission) in needs {
            if let Some(on) = self.thing(*of, asked, named)? {
                let permission = *permission;
                all.push(Need { on, permission });
            }
        }
        // Taking nothing would be open to all.
        if all.is_empty() {
            return Err(Unrouted::Unknown);
        }
        Ok(Access::Needs(all))
    }

    fn thing(
        &self,
        of: Of,
        asked: &Asked<'_>,
        named: &Named<'_>,
    ) -> Result<Option<Thing>, Unrouted> {
        let thing = match of {
            Of::Repo(kind) => {
                let (owner, name) = named.repo.ok_or(Unrouted::Unknown)?;
                Thing::Repo {
                    kind: kind.or(named.kind).ok_or(Unrouted::Unknown)?,
                    owner: owner.unwrap_or(&self.legacy).into(),
                    name: name.into(),
                }
            }
            Of::Account => Thing::Account(named.account.ok_or(Unrouted::Unknown)?.into()),
            Of::Own => Thing::Own,
            Of::Billed => billed(asked.request.bill_to)?,
            Of::BodyOrganization => asked.fields()?.organization()?,
            Of::BodyNamespace => asked.fields()?.namespace(),
            Of::BodyRepo => asked.fields()?.repo()?,
            Of::BodyFrom => asked.fields()?.from()?,
            Of::BodyTo => return asked.fields()?.to(),
            Of::BodyModel => asked.fields()?.model()?,
        };
        Ok(Some(thing))
    }

    fn read(&mut self, text: &str, may_include: bool, mistakes: &mut Vec<Mistake>) {
        let mut dialect = Dialect::Hub;
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let result = if let Some(directive) = line.strip_prefix('@') {
                self.directive(directive, may_include, mistakes)
            } else if let Some(section) = line.strip_prefix('[') {
                section_named(section).map(|named| dialect = named)
            } else {
                Rule::parse(line, dialect).map(|rule| self.rules.push(rule))
            };
            if let Err(rule) = result {
                mistakes.push(Mistake { line: at + 1, rule });
            }
        }
    }

    fn directive(
        &mut self,
        text: &str,
        may_include: bool,
        mistakes: &mut Vec<Mistake>,
    ) -> Result<(), String> {
        let mut words = text.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("include"), Some(name), None) if may_include => {
                let text = text_of(name).ok_or_else(|| {
                    format!("@include: `{name}` is not built in; hub and inference are")
                })?;
                self.read(text, false, mistakes);
                Ok(())
            }
            (Some("legacy"), Some(name), None) => {
                self.legacy = name.into();
                Ok(())
            }
            (Some("hub"), Some(url), None) if url.starts_with("http") && url.is_ascii() => {
                self.hub = url.trim_end_matches('/').into();
                Ok(())
            }
            _ => Err(format!(
                "`@{text}`: must be @include hub, @include inference, @legacy NAME, or @hub URL"
            )),
        }
    }
}

fn text_of(name: &str) -> Option<&'static str> {
    match name {
        "hub" => Some(HUB),
        "inference" => Some(INFERENCE),
        _ => None,
    }
}

fn section_named(text: &str) -> Result<Dialect, String> {
    match text.strip_suffix(']') {
        Some("hub") => Ok(Dialect::Hub),
        Some("git") => Ok(Dialect::Git),
        Some("lfs") => Ok(Dialect::Lfs),
        Some("inference") => Ok(Dialect::Inference),
        _ => Err(format!(
            "`[{text}`: a section must be [hub], [git], [lfs] or [inference]"
        )),
    }
}

/// Whose account pays: the one named, or the caller's own.
fn billed(bill_to: &[&[u8]]) -> Result<Thing, Unrouted> {
    match bill_to {
        [] => Ok(Thing::Own),
        [value] => {
            let name = std::str::from_utf8(value).ok().map(str::trim);
            let name = name.filter(|name| !name.is_empty());
            name.map(|name| Thing::Account(name.into()))
                .ok_or(Unrouted::BillTo)
        }
        _ => Err(Unrouted::BillTo),
    }
}

/// A request that is looked at; its body is read when the first rule asks for it.
struct Asked<'a> {
    request: &'a Request<'a>,
    target: &'a Target<'a>,
    fields: std::cell::OnceCell<Result<Fields, Unrouted>>,
}

impl Asked<'_> {
    fn fields(&self) -> Result<&Fields, Unrouted> {
        let fields = self.fields.get_or_init(|| self.request.body.fields());
        fields.as_ref().map_err(|why| *why)
    }
}

impl Methods {
    /// What HEAD may see, GET may.
    fn include(&self, method: &str) -> bool {
        let method = if method == "HEAD" { "GET" } else { method };
        self.0.is_empty() || self.0.iter().any(|known| **known == *method)
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self(Vec::new()));
        }
        let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let methods = text.split(',');
        let parsed = methods.map(|method| {
            known
                .contains(&method)
                .then(|| Box::from(method))
                .ok_or_else(|| {
                    format!(
                        "methods: `{method}` must be one of {}, or *",
                        known.join(", ")
                    )
                })
        });
        parsed.collect::<Result<_, _>>().map(Self)
    }
}

impl Rule {
    fn parse(line: &str, dialect: Dialect) -> Result<Self, String> {
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
            when: conditions(when)?,
            needs: Needs::parse(&needs.concat())?,
            dialect,
            offers_pr: false,
        };
        rule.coherent()?;
        Ok(rule)
    }

    /// That what it needs is something that its path names.
    fn coherent(&self) -> Result<(), String> {
        let Needs::All(needs) = &self.needs else {
            return Ok(());
        };
        let has = |fits: fn(&Part) -> bool| self.pattern.iter().any(fits);
        let id = has(|part| matches!(part, Part::Id { .. }));
        let kind = has(|part| matches!(part, Part::Kinds | Part::Prefix));
        for (of, _) in needs {
            match of {
                Of::Repo(_) if !id => return Err("needs: the path names no repo".into()),
                Of::Repo(None) if !kind => {
                    return Err(
                        "needs: the path doesn't say the repo's kind: write model:… ".into(),
                    );
                }
                Of::Account if !self.pattern.contains(&Part::Account) => {
                    return Err("needs: the path names no account".into());
                }
                _ => {}
            }
        }
        if needs.iter().all(|(of, _)| *of == Of::BodyTo) {
            return Err("needs: body.to must stand beside another".into());
        }
        Ok(())
    }

    fn creates(&self) -> bool {
        let Needs::All(needs) = &self.needs else {
            return false;
        };
        needs.iter().any(|(of, _)| *of == Of::BodyOrganization)
    }

    fn is_of_pr(&self) -> bool {
        self.when.iter().any(|condition| {
            matches!(condition, Condition::Parameter { name, .. } if **name == *"create_pr")
        })
    }

    fn applies(&self, asked: &Asked<'_>) -> Result<bool, Unrouted> {
        for condition in &self.when {
            let holds = match condition {
                Condition::Parameter { name, value } => {
                    match (asked.target.parameter(name)?, value) {
                        (None, _) => false,
                        (Some(_), None) => true,
                        (Some(said), Some(value)) => said == **value,
                    }
                }
                Condition::Operation(value) => {
                    asked.fields()?.operation.as_deref() == Some(&**value)
                }
            };
            if !holds {
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
    let parts = rest.split('/').map(Part::parse);
    let parts = parts.collect::<Result<Vec<_>, _>>();
    let parts = parts.map_err(|why| format!("path: {why}"))?;
    let is_tail = |part: &Part| matches!(part, Part::Path { .. });
    let last = parts.len().saturating_sub(1);
    if parts.iter().take(last).any(is_tail) {
        return Err("path: {path} must be the last".into());
    }
    let ids = parts.iter().filter(|part| matches!(part, Part::Id { .. }));
    if ids.count() > 1 {
        return Err("path: names more than one repo".into());
    }
    Ok(parts)
}

fn conditions(text: &str) -> Result<Vec<Condition>, String> {
    if text == "-" {
        return Ok(Vec::new());
    }
    let parse = |one: &str| {
        if let Some(value) = one.strip_prefix("body.operation=") {
            return Ok(Condition::Operation(value.into()));
        }
        let parameter = one.strip_prefix('?').filter(|rest| !rest.is_empty());
        let parameter = parameter.ok_or_else(|| {
            format!("when: `{one}` must be -, ?name, ?name=value or body.operation=value")
        })?;
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name, Some(value.into())),
            None => (parameter, None),
        };
        Ok(Condition::Parameter {
            name: name.into(),
            value,
        })
    };
    text.split(',').map(parse).collect()
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
            let (on, permission) = one.split_once(':').ok_or_else(|| {
                format!("needs: `{one}` must be open, visitor, identity or thing:permission")
            })?;
            let of = OF.iter().find(|(known, _)| *known == on);
            let (_, of) = of.ok_or_else(|| format!("needs: `{on}` is no thing that is known"))?;
            let known = Permission::parse(permission);
            let permission = known
                .ok_or_else(|| format!("needs: `{permission}` is no permission that is known"))?;
            Ok((*of, permission))
        };
        text.split('&')
            .map(parse)
            .collect::<Result<_, _>>()
            .map(Self::All)
    }
}
