//! Where a realm of these tests is stored: one server, or a group of them.

use tokenward_common::store::{
    guards::Guards,
    redis::{OpenOptions, RedisAccess, RedisFeed, RedisPlace},
};

use crate::redis::{
    fixture::CREATE,
    group::{self, Group},
    server::Server,
};

pub(super) enum Home {
    One(Server),
    /// `None` only once it was given back.
    Several(Option<Group>),
}

impl Home {
    pub(super) fn one(program: usize) -> Self {
        Self::One(Server::of(program, &[]))
    }

    pub(super) fn several(kind: usize) -> Self {
        Self::Several(Some(group::take(kind)))
    }

    fn place_of(&self, user: &str) -> RedisPlace {
        match self {
            Self::One(server) => RedisPlace::parse(&server.url(), RedisAccess::default()).unwrap(),
            Self::Several(group) => group.as_ref().unwrap().place(user),
        }
    }

    /// As an issuer reaches it.
    pub(super) fn place(&self) -> RedisPlace {
        self.place_of("issuer")
    }

    pub(super) fn options(&self) -> OpenOptions {
        OpenOptions {
            create: false,
            data_nodes: self.nodes(),
            ..CREATE
        }
    }

    /// As a verifier follows it.
    pub(super) fn feed(&self) -> RedisFeed {
        let place = self.place_of("verifier");
        RedisFeed::of_nodes(&place, "hub", self.nodes(), Guards::ALL).unwrap()
    }

    fn nodes(&self) -> u8 {
        match self {
            Self::One(_) => 1,
            Self::Several(_) => 3,
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Self::Several(group) = self
            && !std::thread::panicking()
            && let Some(group) = group.take()
        {
            group::give_back(group);
        }
    }
}
