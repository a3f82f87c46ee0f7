//! Computes the n-th record of each kind.

use anyhow::Result;
use tokenward_common::{
    id::{AccountId, Name, RepoId},
    state::record::{
        GateGrant, GateMode, GrantState, Member, Org, OrgRole, Record, Repo, RepoKind, User,
        Visibility,
    },
};
use tokenward_proto::v1::{OrgDisplay, UserDisplay};

use super::{GATED, Part, Shape};
use crate::bench::spread;

const SYLLABLES: [&str; 16] = [
    "ka", "lo", "mi", "ra", "tes", "vin", "do", "shi", "ber", "an", "el", "no", "qui", "zar",
    "fen", "ty",
];

fn syllable(chosen: u64) -> &'static str {
    let place = chosen as usize % SYLLABLES.len();
    SYLLABLES.get(place).copied().unwrap_or_default()
}

/// Makes an id. Hubs' ids are 24 hexadecimal digits that begin with the time of their creation.
fn id(kind: u8, number: u64) -> String {
    let made = 0x6000_0000 + number;
    format!("{made:08x}{kind:02x}{:014x}", spread(number) >> 8)
}

/// Makes a name like those that people choose: syllables, and a number that makes it unique.
fn name(kind: u64, number: u64) -> String {
    let chosen = spread(number * 8 + kind);
    let count = 2 + chosen % 3;
    let word: String = (0..count)
        .map(|at| syllable(chosen >> (4 * at + 8)))
        .collect();
    format!("{word}{number}")
}

/// Chooses one of `count`; the first ones far more often.
fn often_the_first(chance: u64, count: u64) -> u64 {
    let even = (chance >> 11) as f64 / (1_u64 << 53) as f64;
    ((count as f64).powf(even) as u64 - 1).min(count - 1)
}

fn account(kind: u8, number: u64) -> Result<AccountId> {
    Ok(AccountId::parse(&id(kind, number))?)
}

const USER: u8 = 1;
const ORG: u8 = 2;
const REPO: u8 = 3;

impl Shape {
    pub fn records(&self, part: Part) -> impl Iterator<Item = Result<Record>> + '_ {
        (0..self.count(part)).map(move |number| self.record(part, number))
    }

    pub fn record(&self, part: Part, number: u64) -> Result<Record> {
        match part {
            Part::Users => self.user(number),
            Part::Orgs => self.org(number),
            Part::Repos => self.repo(number),
            Part::Members => self.member(number),
            Part::Grants => self.grant(number),
        }
    }

    fn user(&self, number: u64) -> Result<Record> {
        let name = name(1, number);
        let display = UserDisplay {
            full_name: format!("{} {}", name, syllable(number)),
            email: format!("{name}@mail.example"),
            is_pro: number.is_multiple_of(40),
            ..UserDisplay::default()
        };
        Ok(Record::User(User {
            id: account(USER, number)?,
            name: Name::parse(&name)?,
            disabled: number % 500 == 499,
            service_account_of: None,
            display: self.shown(&display),
        }))
    }

    fn org(&self, number: u64) -> Result<Record> {
        let name = format!("{}-ai", name(2, number));
        let display = OrgDisplay {
            full_name: name.clone(),
            ..OrgDisplay::default()
        };
        Ok(Record::Org(Org {
            id: account(ORG, number)?,
            name: Name::parse(&name)?,
            display: self.shown(&display),
        }))
    }

    fn shown(&self, display: &impl prost::Message) -> Box<[u8]> {
        match self.display {
            true => display.encode_to_vec().into(),
            false => Box::default(),
        }
    }

    /// Two of five repos belong to orgs, and the first owners have the most repos.
    fn repo(&self, number: u64) -> Result<Record> {
        let chance = spread(number);
        let owner = if chance % 5 < 2 {
            account(ORG, often_the_first(chance, self.orgs))?
        } else {
            account(USER, often_the_first(chance, self.users))?
        };
        let creator = account(USER, spread(chance) % self.users)?;
        let gated = number.is_multiple_of(GATED);
        Ok(Record::Repo(Repo {
            id: RepoId::parse(&id(REPO, number))?,
            kind: match chance % 8 {
                0 | 1 => RepoKind::Dataset,
                2 | 3 => RepoKind::Space,
                _ => RepoKind::Model,
            },
            owner,
            name: Name::parse(&format!("{}-{}b", name(3, number), 1 + chance % 90))?,
            visibility: match chance % 3 {
                0 if !gated => Visibility::Private,
                _ => Visibility::Public,
            },
            gate: match gated {
                true if chance.is_multiple_of(2) => GateMode::Manual,
                true => GateMode::Auto,
                false => GateMode::None,
            },
            creator: Some(creator),
            disabled: number % 2000 == 1999,
            group: None,
            org_members_gated: false,
        }))
    }

    fn member(&self, number: u64) -> Result<Record> {
        let (org, own) = self.members.holder(number);
        Ok(Record::Member(Member {
            org: account(ORG, org)?,
            user: account(USER, self.someone(org, own))?,
            role: match own {
                0 => OrgRole::Admin,
                own => match spread(number) % 10 {
                    0..5 => OrgRole::Write,
                    5..8 => OrgRole::Read,
                    8 => OrgRole::Contributor,
                    _ if own % 7 == 0 => OrgRole::NoAccess,
                    _ => OrgRole::Admin,
                },
            },
        }))
    }

    /// The gated repos are those whose number is divisible by `GATED`.
    fn grant(&self, number: u64) -> Result<Record> {
        let (gate, own) = self.grants.holder(number);
        Ok(Record::GateGrant(GateGrant {
            repo: RepoId::parse(&id(REPO, gate * GATED))?,
            user: account(USER, self.someone(gate + 7, own))?,
            state: match spread(number) % 20 {
                0 => GrantState::Pending,
                1 => GrantState::Rejected,
                _ => GrantState::Accepted,
            },
        }))
    }

    /// Returns the n-th user of a holder. A holder's users are all different, and begin at a number of its
    /// own.
    fn someone(&self, holder: u64, own: u64) -> u64 {
        // At most half of the users are requested, so steps of two never wrap onto a user again.
        let start = spread(holder) % self.users;
        (start + 2 * own) % (self.users & !1)
    }
}
