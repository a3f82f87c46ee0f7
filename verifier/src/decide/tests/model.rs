//! Tests the promise over random histories: no Check answers ALLOW if it begins more than its bound
//! after the acknowledged loss of what it asks for. The model knows no views, only when each token was
//! last entitled.

use tokenward_common::testing::faults::Point;

use super::*;

const TOKENS: u64 = 6;
const STEPS: usize = 400;

/// A xorshift64* generator, which gives the same numbers on every run.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

/// The facts of one token, as the hub has them.
struct Token {
    text: String,
    serial: u64,
    owner: &'static str,
    exp: Option<u64>,
    revoked: bool,
    /// Since when the token has not been entitled.
    refused_since: Option<BootTime>,
}

struct Model {
    hub: Hub,
    tokens: Vec<Token>,
    disabled: [bool; 2],
    member: bool,
    allowed: usize,
    refused: usize,
    broken: usize,
}

const OWNERS: [&str; 2] = ["ada", "bob"];

impl Model {
    async fn new(guards: Guards, chance: &mut Chance) -> Self {
        let hub = Hub::followed(guards).await;
        let shared = Repo {
            visibility: Visibility::Public,
            ..model("shared", "acme")
        };
        hub.commit(vec![repo(shared)]).await;
        let mut model = Self {
            hub,
            tokens: Vec::new(),
            disabled: [false; 2],
            member: true,
            allowed: 0,
            refused: 0,
            broken: 0,
        };
        for serial in 1..=TOKENS {
            model.mint(serial, chance);
        }
        model
    }

    fn mint(&mut self, serial: u64, chance: &mut Chance) {
        let owner = OWNERS[chance.below(2) as usize];
        let now = self.hub.clock.unix().seconds().0;
        let exp = (chance.below(3) == 0).then(|| now + 1 + chance.below(20));
        self.tokens.push(Token {
            text: mint(&Claims {
                exp: exp.map(UnixTime),
                ..claims(owner, serial, Role::Write)
            }),
            serial,
            owner,
            exp,
            revoked: false,
            refused_since: None,
        });
    }

    /// Makes one random change to the hub, acknowledged at once.
    fn happen(&mut self, chance: &mut Chance) {
        let which = chance.below(2) as usize;
        match chance.below(10) {
            0..=2 => {
                let token = &mut self.tokens[chance.below(TOKENS) as usize];
                token.revoked = true;
                let serial = token.serial;
                self.hub.feed.commit(vec![revoke(serial)]);
            }
            3..=5 => {
                self.disabled[which] = !self.disabled[which];
                self.hub
                    .feed
                    .commit(vec![user(OWNERS[which], self.disabled[which])]);
            }
            6..=7 => {
                self.member = !self.member;
                let role = if self.member {
                    OrgRole::Write
                } else {
                    OrgRole::Read
                };
                self.hub.feed.commit(vec![member(role)]);
            }
            _ => {
                // A new token replaces an old one.
                let at = chance.below(TOKENS) as usize;
                let serial = self.hub.feed.take_serial().0;
                self.mint(serial, chance);
                self.tokens.swap_remove(at);
            }
        }
        let now = self.hub.clock.boot();
        for token in &mut self.tokens {
            let owner = usize::from(token.owner == "bob");
            if !(token.revoked || self.disabled[owner]) {
                token.refused_since = None;
            } else if token.refused_since.is_none() {
                token.refused_since = Some(now);
            }
        }
    }

    fn disturb(&mut self, chance: &mut Chance) {
        let feed = &self.hub.feed;
        let points = [
            Point::LogAnswered,
            Point::LogAsked,
            Point::ConfirmAsked,
            Point::ConfirmAnswered,
            Point::PieceAsked,
        ];
        let point = points[chance.below(5) as usize];
        match chance.below(8) {
            0 => feed.away(true),
            1 => feed.close(point),
            2 => feed.ghosts(1),
            _ => {
                feed.away(false);
                feed.ghosts(0);
                points.into_iter().for_each(|point| feed.open(point));
            }
        }
    }

    fn ask_all(&mut self) {
        let now = self.hub.clock.boot();
        let seconds = self.hub.clock.unix().seconds().0;
        for token in &self.tokens {
            let allowed = self.hub.allows(&ask(&token.text, "shared", READ));
            let too_late = token
                .refused_since
                .is_some_and(|since| now.since(since) > BOUNDS.read);
            let expired = token.exp.is_some_and(|exp| seconds >= exp);
            if allowed {
                self.allowed += 1;
                self.broken += usize::from(too_late || expired);
            } else {
                self.refused += 1;
            }
        }
    }

    async fn run(mut self, mut chance: Chance) -> Self {
        for _ in 0..STEPS {
            match chance.below(12) {
                0 | 1 => self.happen(&mut chance),
                2 => self.disturb(&mut chance),
                _ => {}
            }
            let step = Duration::from_millis(chance.below(1200));
            self.hub.clock.advance(step);
            tokio::time::sleep(step).await;
            self.ask_all();
        }
        self
    }
}

async fn run(guards: Guards, seed: u64) -> Model {
    let mut chance = Chance(seed);
    Model::new(guards, &mut chance).await.run(chance).await
}

#[tokio::test(start_paused = true)]
async fn no_check_is_allowed_past_the_bound() {
    for seed in 1..=16 {
        let model = run(Guards::ALL, seed).await;
        assert_eq!(model.broken, 0, "seed {seed}");
        assert!(model.allowed > 20 && model.refused > 20, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_law_finds_each_guard_that_is_missing() {
    for (what, guards) in [
        (
            "freshness",
            Guards {
                freshness: false,
                ..Guards::ALL
            },
        ),
        (
            "applied head",
            Guards {
                applied_head: false,
                counts: false,
                ..Guards::ALL
            },
        ),
    ] {
        let mut broken = 0;
        for seed in 1..=16 {
            broken += run(guards, seed).await.broken;
        }
        assert!(broken > 0, "{what}");
    }
}
