//! This file finds the server that a realm's keys are written to, and connects to it: the one that the
//! URL names, the primary that sentinels name, or the node of a cluster that has the realm's slot. The
//! question is asked anew for each connection, so a connection that is dropped is how a failover is
//! followed. It must not know what is asked of the server.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use redis::{Value, cmd, pipe};

use crate::store::redis::{
    dial::{CONNECT, Dial, Found, Login, RedisTls, ask_replication, bounded, in_words, secret},
    place::{Host, RedisPlace, Servers},
    reply::{bytes, list, parse_number},
    trouble::Trouble,
};

/// Finding the server, and connecting to it, may take at most this long.
const LOCATE: Duration = Duration::from_secs(2);
/// This many nodes of a cluster are remembered.
const MOST_NODES: usize = 64;

pub(super) struct Locator {
    place: RedisPlace,
    /// A key of the realm: all of them lie in one slot.
    key: String,
    /// The nodes of the cluster as they were last told, the slot's own first.
    nodes: Mutex<Vec<Host>>,
}

impl Locator {
    pub(super) fn new(place: RedisPlace, key: String) -> Self {
        Self {
            place,
            key,
            nodes: Mutex::default(),
        }
    }

    pub(super) fn fails_over(&self) -> bool {
        self.place.fails_over()
    }

    /// Reads by whom the next connection would be made.
    pub(super) async fn login(&self) -> Result<Login, Trouble> {
        let access = &self.place.access;
        let password = secret(access.password_file.as_deref()).await?;
        Ok(Login {
            user: access.user.clone().or_else(|| self.place.user.clone()),
            password: password.or_else(|| self.place.password.clone()),
        })
    }

    pub(super) async fn connect(&self, response: Option<Duration>) -> Result<Found, Trouble> {
        match tokio::time::timeout(LOCATE, self.find(response)).await {
            Ok(found) => found,
            Err(_) => Err(Trouble::Refused("no server was found in time".into())),
        }
    }

    async fn find(&self, response: Option<Duration>) -> Result<Found, Trouble> {
        let dial = Dial {
            tls: match self.place.tls {
                true => Some(RedisTls::read(&self.place.access.tls).await?),
                false => None,
            },
            login: self.login().await?,
            database: self.place.database,
            response,
            stay_local: self.place.access.stay_local,
        };
        match &self.place.servers {
            Servers::One(addr) => {
                let mut connection = dial.connect(addr.clone()).await?;
                let replication = match ask_replication(&mut connection).await {
                    Ok(replication) => Some(replication),
                    Err(error) if error.code() == Some("NOPERM") => None,
                    Err(error) => return Err(in_words(&error)),
                };
                Ok(Found {
                    connection,
                    login: dial.login,
                    replication,
                })
            }
            Servers::Sentinel { sentinels, name } => {
                self.by_sentinels(sentinels, name, &dial).await
            }
            Servers::Cluster { seeds } => self.by_cluster(seeds, &dial).await,
        }
    }

    async fn by_sentinels(
        &self,
        sentinels: &[Host],
        name: &str,
        dial: &Dial,
    ) -> Result<Found, Trouble> {
        let access = &self.place.access;
        let to_sentinels = Dial {
            tls: dial.tls.clone(),
            login: Login {
                user: access.sentinel_user.clone(),
                password: secret(access.sentinel_password_file.as_deref()).await?,
            },
            database: 0,
            response: Some(CONNECT),
            stay_local: dial.stay_local,
        };
        // All of them are asked: one that was cut off, or that has not heard of a failover yet, names
        // the old primary, which may be back and take itself for the primary.
        let asked = sentinels
            .iter()
            .map(|it| to_sentinels.ask_sentinel(it, name));
        let mut why = Trouble::Refused("no sentinel is named".into());
        let mut named: Vec<(usize, Host)> = Vec::new();
        for told in join_all(asked).await {
            match told {
                Err(trouble) => why = trouble,
                Ok(host) => match named.iter_mut().find(|(_, known)| *known == host) {
                    Some((votes, _)) => *votes += 1,
                    None => named.push((1, host)),
                },
            }
        }
        named.sort_by_key(|(votes, _)| std::cmp::Reverse(*votes));
        for (_, host) in named {
            match dial.primary(&host).await {
                Ok(found) => return Ok(found),
                Err(trouble) => why = trouble,
            }
        }
        Err(why)
    }

    async fn by_cluster(&self, seeds: &[Host], dial: &Dial) -> Result<Found, Trouble> {
        let known = self.nodes().clone();
        let mut why = Trouble::Refused("no node is named".into());
        let unseen = seeds.iter().filter(|seed| !known.contains(seed));
        for node in known.iter().chain(unseen) {
            let found = async {
                let nodes = dial.ask_cluster(node, &self.key).await?;
                let Some(owner) = nodes.first().cloned() else {
                    return Err(Trouble::Refused("no node has the realm's slot".into()));
                };
                *self.nodes() = nodes;
                dial.primary(&owner).await
            };
            match found.await {
                Ok(found) => return Ok(found),
                Err(trouble) => why = trouble,
            }
        }
        Err(why)
    }

    fn nodes(&self) -> std::sync::MutexGuard<'_, Vec<Host>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The questions to those who know where a primary is.
impl Dial {
    async fn ask_sentinel(&self, sentinel: &Host, name: &str) -> Result<Host, Trouble> {
        let mut connection = self.host(sentinel).await?;
        let mut ask = cmd("SENTINEL");
        ask.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        let told: Value = ask
            .query_async(&mut connection)
            .await
            .map_err(|error| in_words(&error))?;
        let unknown =
            || Trouble::Refused(format!("a sentinel knows no primary of the name {name}"));
        let Ok([host, port]) = <[Value; 2]>::try_from(list(told).map_err(|_| unknown())?) else {
            return Err(unknown());
        };
        host_of(host, port, sentinel).ok_or_else(unknown)
    }

    /// Returns the primaries of a cluster as this node knows them, the one with the key's slot first.
    async fn ask_cluster(&self, node: &Host, key: &str) -> Result<Vec<Host>, Trouble> {
        let mut connection = self.host(node).await?;
        let mut ask = pipe();
        ask.cmd("CLUSTER").arg("KEYSLOT").arg(key);
        ask.cmd("CLUSTER").arg("SLOTS");
        let asked = bounded(ask.query_async::<Vec<Value>>(&mut connection)).await?;
        let answers = asked.map_err(|error| in_words(&error))?;
        let odd = || Trouble::Refused("a node answered CLUSTER SLOTS in an unknown shape".into());
        let Ok([Value::Int(slot), ranges]) = <[Value; 2]>::try_from(answers) else {
            return Err(odd());
        };
        let (mut nodes, mut owner) = (Vec::new(), None);
        for range in list(ranges).map_err(|_| odd())? {
            let mut parts = list(range).map_err(|_| odd())?.into_iter();
            let (Some(Value::Int(first)), Some(Value::Int(last)), Some(primary)) =
                (parts.next(), parts.next(), parts.next())
            else {
                return Err(odd());
            };
            let mut primary = list(primary).map_err(|_| odd())?.into_iter();
            let (host, port) = (primary.next(), primary.next());
            let host = host_of(host.unwrap_or_default(), port.unwrap_or_default(), node);
            let host = host.ok_or_else(odd)?;
            if (first..=last).contains(&slot) {
                owner = Some(host.clone());
            }
            if !nodes.contains(&host) && nodes.len() < MOST_NODES {
                nodes.push(host);
            }
        }
        let Some(owner) = owner else {
            return Err(Trouble::Refused("no node has the realm's slot".into()));
        };
        nodes.retain(|node| *node != owner);
        nodes.insert(0, owner);
        Ok(nodes)
    }
}

/// A node that doesn't know its own name is at the address by which it was asked.
fn host_of(host: Value, port: Value, asked: &Host) -> Option<Host> {
    let name = match host {
        Value::Nil => String::new(),
        host => String::from_utf8(bytes(host).ok()?).ok()?,
    };
    let port = u16::try_from(parse_number(&bytes(port).ok()?)?).ok()?;
    let name = if name.is_empty() || name == "?" {
        asked.name.clone()
    } else {
        name
    };
    Some(Host { name, port })
}
