//! Parses the text of a route table into rules, and finds the rule that fits a request. It is pure, and
//! must not know the caller.

use super::{
    Access, Dialect, Need, Request, Route, Thing, Unrouted,
    cors::Cors,
    index::Index,
    methods::Methods,
    mistake::Mistake,
    models::Models,
    pattern::{Case, Fitting, PathNames},
    place::Place,
    request::OpenRequest,
    reserved::Reserved,
    rule::{Creates, Needs, Rule},
    shadow,
    source::Source,
    unseen,
};
use crate::edge::path::{Segment, Target};

const HUB: &str = include_str!("hub.tsv");
const INFERENCE: &str = include_str!("inference.tsv");

/// Holds the rules of a table. The first rule that fits a request decides.
#[derive(Debug)]
pub struct Table {
    pub(super) rules: Vec<Rule>,
    pub(super) index: Index,
    pub(super) reserved: Reserved,
    /// These are the dialects of the rules, each once.
    dialects: Vec<Dialect>,
    /// This is the owner of the repos whose path names none. If it is empty, those repos are not found,
    /// since no account has that name.
    legacy: Box<str>,
    /// This is the address of the hub's pages. It may be empty.
    hub: Box<str>,
    models: Models,
    place: Place,
    pub(super) cors: Cors,
}

impl Table {
    /// Returns the table of the hub. A test checks that it has no mistake.
    pub fn hub() -> Result<Self, Vec<Mistake>> {
        Self::parse(HUB)
    }

    /// Returns the built-in table of this name.
    pub fn built_in(name: &str) -> Option<Result<Self, Vec<Mistake>>> {
        find_text(name).map(Self::parse)
    }

    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let mut table = Self {
            rules: Vec::new(),
            index: Index::default(),
            reserved: Reserved::default(),
            dialects: Vec::new(),
            legacy: Box::default(),
            hub: Box::default(),
            models: Models::default(),
            place: Place::default(),
            cors: Cors::default(),
        };
        let mut mistakes = Vec::new();
        table.read(text, true, &mut mistakes);
        if table.rules.is_empty() && mistakes.is_empty() {
            mistakes.push(Mistake {
                line: 1,
                rule: "the table has no rule: everything would be refused".into(),
            });
        }
        if mistakes.is_empty() {
            mistakes = shadow::mistakes(&table.rules, table.models.only().is_some());
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        for rule in &table.rules {
            table.reserved.add(&rule.pattern, rule.methods);
            if !table.dialects.contains(&rule.dialect) {
                table.dialects.push(rule.dialect);
            }
        }
        let pull_requests: Vec<_> = table.rules.iter().filter(|rule| rule.is_of_pr()).collect();
        let patterns: Vec<_> = pull_requests
            .iter()
            .map(|rule| rule.pattern.clone())
            .collect();
        for rule in &mut table.rules {
            rule.offers_pr = !rule.is_of_pr() && patterns.contains(&rule.pattern);
        }
        table.index = Index::new(&table.rules);
        Ok(table)
    }

    /// Sets the place from the program's settings, which takes precedence over the table's own text.
    #[must_use]
    pub fn placed(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Returns the address of the hub's pages. It is empty if it is not known.
    pub fn hub_url(&self) -> &str {
        match self.place.hub_url() {
            "" => &self.hub,
            url => url,
        }
    }

    /// Returns the owner of the repos whose path names none. It is empty if there is no such owner.
    pub fn legacy(&self) -> &str {
        &self.legacy
    }

    /// Chooses the form of a refusal for a request without a route. It goes by what the path looks like,
    /// among the dialects that the table has. `target` may be anything.
    pub fn dialect_of(&self, target: &str) -> Dialect {
        let inside = self.place.inside(target);
        let target = inside.as_deref().unwrap_or(target);
        let has = |dialect| self.dialects.contains(&dialect);
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
        if path.contains("/info/lfs/") && has(Dialect::Lfs) {
            return Dialect::Lfs;
        }
        let git = ends(&["/info/refs", "/git-upload-pack", "/git-receive-pack"]);
        if git && has(Dialect::Git) {
            return Dialect::Git;
        }
        // In a table with a hub's and an inference server's rules, the inference paths begin with `/v1/`.
        match (has(Dialect::Hub), has(Dialect::Inference)) {
            (false, true) => Dialect::Inference,
            (true, true) if path.starts_with("/v1/") => Dialect::Inference,
            _ => Dialect::Hub,
        }
    }

    /// Finds the route of a request, by as much of its body as is given. A request that fits no rule, or
    /// can't be read, has no route and must be refused.
    pub(super) fn find(&self, request: &Request<'_>) -> Result<Route, Unrouted> {
        let target = self.place.inside(request.target);
        let target = &target.ok_or(Unrouted::Unknown)?;
        self.find_inside(&Request { target, ..*request })
    }

    /// Finds the route of a target from which the hub's prefix has been removed.
    pub(super) fn find_inside(&self, request: &Request<'_>) -> Result<Route, Unrouted> {
        let target = Target::parse(request.target)?;
        let places = self.index.places(target.segments.len()).iter();
        let rules = places.filter_map(|place| self.rules.get(*place));
        self.first(rules, request, &target)
    }

    /// Finds the route by the first of these rules that fits. `rules` must contain all rules that could
    /// fit, in the table's order.
    pub(super) fn first<'r>(
        &self,
        rules: impl Iterator<Item = &'r Rule>,
        request: &Request<'_>,
        target: &Target<'_>,
    ) -> Result<Route, Unrouted> {
        let asked = OpenRequest::new(request, target);
        let method = Methods::from_name(request.method);
        let words = &self.reserved.words(&target.segments, method);
        let fitting = |case| Fitting { words, case };
        let (exact, folded) = (fitting(Case::Exact), fitting(Case::Folded));
        let capitals = |it: &Segment<'_>| it.text.bytes().any(|b| b.is_ascii_uppercase());
        let has_capitals = target.segments.iter().any(capitals);
        let mut otherwise = Unrouted::Unknown;
        for rule in rules {
            if !rule.methods.meet(method) {
                continue;
            }
            let Some(named) = exact.fit(&rule.pattern, &target.segments) else {
                // A hub that ignores the case would take this rule.
                if has_capitals && folded.fit(&rule.pattern, &target.segments).is_some() {
                    return Err(Unrouted::Unknown);
                }
                continue;
            };
            // Another program may take another rule.
            if let Some(why) = named.doubt {
                return Err(why.into());
            }
            if self.models.only().is_none() && rule.is_of_served() {
                otherwise = Unrouted::OneModel;
                continue;
            }
            if !rule.applies(&asked)? {
                continue;
            }
            return Ok(Route {
                access: self.access(rule, &asked, &named)?,
                dialect: rule.dialect,
                offers_pr: rule.offers_pr,
                creates: match rule.creates() {
                    Some(Creates::OfBody) => Some(asked.fields()?.kind()?),
                    Some(Creates::OfPath) => named.kind,
                    None => None,
                },
                unseen: rule.is_unseen(),
            });
        }
        let doubt = target.segments.iter().find_map(|segment| segment.doubt);
        Err(doubt.map_or(otherwise, Unrouted::Target))
    }

    fn access(
        &self,
        rule: &Rule,
        asked: &OpenRequest<'_>,
        named: &PathNames<'_>,
    ) -> Result<Access, Unrouted> {
        let needs = match &rule.needs {
            Needs::Open => return Ok(Access::Open),
            Needs::Visitor => return Ok(Access::Visitor),
            Needs::Identity => return Ok(Access::Identity),
            Needs::All(needs) => needs,
        };
        let mut all = Vec::with_capacity(needs.len());
        for (source, permission) in needs {
            if let Some(on) = self.thing(source, asked, named)? {
                let permission = *permission;
                all.push(Need { on, permission });
            }
        }
        // A route that needs nothing would be open to everybody.
        if all.is_empty() {
            return Err(Unrouted::Unknown);
        }
        Ok(Access::Needs(all))
    }

    fn thing(
        &self,
        source: &Source,
        asked: &OpenRequest<'_>,
        named: &PathNames<'_>,
    ) -> Result<Option<Thing>, Unrouted> {
        if let Some(only) = self.models.only().filter(|_| source.is_of_model()) {
            // The request may name the model in any way, or not at all.
            return Ok(Some(only.clone()));
        }
        let thing = match source {
            Source::Repo(kind) => {
                let (owner, name) = named.repo.ok_or(Unrouted::Unknown)?;
                Thing::Repo {
                    kind: (*kind).or(named.kind).ok_or(Unrouted::Unknown)?,
                    owner: owner.unwrap_or(&self.legacy).into(),
                    name: name.into(),
                }
            }
            Source::Account => Thing::Account(named.account.ok_or(Unrouted::Unknown)?.into()),
            Source::Own => Thing::Own,
            Source::Billed => billed(asked.bill_to())?,
            Source::BodyOrganization => asked.fields()?.organization()?,
            Source::BodyNamespace => asked.fields()?.namespace(),
            Source::BodyRepo => asked.fields()?.repo()?,
            Source::BodyFrom => asked.fields()?.from()?,
            Source::BodyTo => return asked.fields()?.to(),
            Source::BodyRepository => asked.fields()?.repository()?,
            Source::BodyTarget => asked.fields()?.target()?,
            Source::BodyModel => self.models.routed(asked.fields()?.model()?)?,
            Source::BodyServed => self.models.find(asked.fields()?.model_alone()?)?,
            Source::PathModel => self.model_in(named)?,
            Source::PathServed => {
                asked.fields()?.alone()?;
                self.model_in(named)?
            }
            Source::QueryModel => {
                let said = asked.target.parameter("model")?;
                let said = said.ok_or(Unrouted::QueryModel)?;
                let named = self.models.find(&said);
                named.map_err(|_| Unrouted::QueryModel)?
            }
            Source::Served => return Err(Unrouted::OneModel),
            Source::Fixed(thing) => thing.clone(),
        };
        Ok(Some(thing))
    }

    fn model_in(&self, named: &PathNames<'_>) -> Result<Thing, Unrouted> {
        let named = match named.model.ok_or(Unrouted::Unknown)? {
            (name, None) => self.models.find(name),
            (owner, Some(name)) => self.models.find(&format!("{owner}/{name}")),
        };
        named.map_err(|_| Unrouted::PathModel)
    }

    fn read(&mut self, text: &str, may_include: bool, mistakes: &mut Vec<Mistake>) {
        let mut dialect = Dialect::Hub;
        let first = self.rules.len();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let before = self.rules.len();
            let result = if let Some(directive) = line.strip_prefix('@') {
                self.directive(directive, may_include)
            } else if let Some(section) = line.strip_prefix('[') {
                section_named(section).map(|named| dialect = named)
            } else {
                Rule::parse(line, dialect).and_then(|rule| self.add(rule, first))
            };
            // Rules of an included table get the line of the `@include`.
            for rule in self.rules.iter_mut().skip(before) {
                rule.line = at + 1;
            }
            if let Err(rule) = result {
                mistakes.push(Mistake { line: at + 1, rule });
            }
        }
    }

    /// Adds a rule. `first` is the index of the first rule of the same text.
    fn add(&mut self, rule: Rule, first: usize) -> Result<(), String> {
        let beside = self.rules.get(first..).unwrap_or_default();
        let mistake = unseen::mistake(&rule, beside, &self.rules);
        self.rules.push(rule);
        mistake.map_or(Ok(()), Err)
    }

    fn directive(&mut self, text: &str, may_include: bool) -> Result<(), String> {
        let mut words = text.split_whitespace();
        if text.split_whitespace().next() == Some("cors") {
            return self.cors.add(words.skip(1));
        }
        match (words.next(), words.next(), words.next()) {
            (Some("model"), Some(name), Some(repo)) if words.next().is_none() => {
                self.models.add(name, repo)
            }
            (Some("include"), Some(name), None) if may_include => {
                let text = find_text(name).ok_or_else(|| {
                    format!("@include: `{name}` is not built in; hub and inference are")
                })?;
                let mut mistakes = Vec::new();
                self.read(text, false, &mut mistakes);
                let mut mistakes = mistakes.iter();
                mistakes
                    .next()
                    .map_or(Ok(()), |one| Err(format!("@include {name}: {one}")))
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
                "`@{text}`: must be @include hub, @include inference, @legacy NAME, @hub URL, \
                 @cors ORIGIN…, or @model NAME OWNER/NAME"
            )),
        }
    }
}

fn find_text(name: &str) -> Option<&'static str> {
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

/// Returns the account that pays: the named one, or the caller's own.
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
