//! Makes an archive of a realm, and a realm of an archive. It decides what follows from issuer-only records
//! and from the directory's; the order of reading and the file are the store's (`store/archive/`).

use std::{path::Path, sync::Arc};

use prost::Message;
use tokenward_common::{
    clock::{Clock, SystemClock, UnixTime},
    id::TokenId,
    state::{
        key::Key,
        record::{Kind, Record},
    },
    store::{
        PrivateWrite,
        archive::{ArchiveError, Meaning, Origin, Reader, Summary, Told, Writer, export, import},
        embedded::{self, EmbeddedStore},
        redis::{OpenOptions, RedisStore},
    },
};
use tokenward_proto::internal::AuditRecord;

use crate::{config::StoreChoice, tokens::Token};

/// This first byte of a name's key says that the name is a token's; others belong to accounts and repos.
const TOKENS_NAME: u8 = 2;

struct Issuers {
    /// A token that ended before this holds its name no longer.
    now: UnixTime,
}

impl Issuers {
    fn now() -> Self {
        let now = SystemClock.unix().seconds();
        Self { now }
    }
}

impl Meaning for Issuers {
    fn touched(&self, audit: &[u8]) -> Vec<Key> {
        // An event that this version can't read is of a later one, whose records it could not restore.
        let token = AuditRecord::decode(audit).map(|event| event.tid);
        let token = token.ok().filter(|tid| *tid != 0);
        token
            .map(|tid| Key::token(TokenId(tid)))
            .into_iter()
            .collect()
    }

    fn private(&self, key: Key, value: Vec<u8>) -> Result<Vec<PrivateWrite>, ArchiveError> {
        let mut writes = Vec::new();
        match key.kind {
            // They follow from the directory, which may have moved on while they were read.
            Kind::Name if key.bytes.first() != Some(&TOKENS_NAME) => return Ok(writes),
            Kind::Token => {
                let token = Token::read(&value);
                let token = token.map_err(|error| ArchiveError::Store(error.to_string()))?;
                writes.push(token.listed());
                writes.push(token.forecast(None));
                // The claim of a token that was made while the archive was may not be in it.
                if token.revoked.is_none() && !token.has_ended(self.now) {
                    writes.push(token.take_name(Key::token_name(&token.owner, &token.name)));
                }
            }
            _ => {}
        }
        writes.push(PrivateWrite::Put { key, value });
        Ok(writes)
    }

    fn beside(&self, record: &Record) -> Vec<PrivateWrite> {
        let (key, holder) = match record {
            Record::User(user) => (Key::account_name(&user.name.folded()), user.id.as_str()),
            Record::Org(org) => (Key::account_name(&org.name.folded()), org.id.as_str()),
            Record::Repo(repo) => (
                Key::repo_name(repo.kind, &repo.owner, &repo.name.folded()),
                repo.id.as_str(),
            ),
            _ => return Vec::new(),
        };
        let value = holder.as_bytes().to_vec();
        vec![PrivateWrite::Put { key, value }]
    }
}

/// Writes an archive of the realm into a new file. Where the store is Redis, issuers may go on meanwhile.
pub async fn back_up(
    store: &StoreChoice,
    realm: &str,
    options: OpenOptions,
    to: &Path,
    told: Told<'_>,
) -> Result<Summary, ArchiveError> {
    let issuers = Issuers::now();
    let to = Writer::create(to)?;
    match store {
        StoreChoice::Embedded(path) => {
            let opened = EmbeddedStore::open(path, false, Arc::new(SystemClock));
            let opened = opened.map_err(|error| held(&error))?;
            let done = export(&*opened, realm, issuers.now, &issuers, to, told).await;
            opened.close().await;
            done
        }
        StoreChoice::Redis { place, nodes } => {
            let options = of_nodes(options, *nodes);
            let opened = RedisStore::open(&**place, realm, options).await;
            let opened = opened.map_err(|error| ArchiveError::Store(error.to_string()))?;
            export(&opened, realm, issuers.now, &issuers, to, told).await
        }
    }
}

/// Makes the realm of this archive in a store that has none. Nobody opens it before it is whole.
pub async fn restore(
    from: &Path,
    store: &StoreChoice,
    realm: &str,
    options: OpenOptions,
    told: Told<'_>,
) -> Result<Summary, ArchiveError> {
    let archive = Reader::open(from)?;
    if archive.realm() != realm {
        return Err(ArchiveError::OtherRealm(archive.realm().into()));
    }
    let origin: Origin = archive.origin();
    let mut fresh = match store {
        StoreChoice::Embedded(path) => {
            EmbeddedStore::restore(path, &origin, Arc::new(SystemClock))?
        }
        StoreChoice::Redis { place, nodes } => {
            let options = of_nodes(options, *nodes);
            RedisStore::restore(&**place, realm, options, &origin).await?
        }
    };
    import(&archive, &Issuers::now(), &mut *fresh, told).await?;
    let head = fresh.head().await?;
    fresh.finish().await?;
    Ok(Summary {
        head,
        records: archive.summary().records,
    })
}

fn of_nodes(options: OpenOptions, data_nodes: u8) -> OpenOptions {
    OpenOptions {
        data_nodes,
        ..options
    }
}

fn held(error: &embedded::OpenError) -> ArchiveError {
    let next = match error {
        embedded::OpenError::Held(_) => {
            ": an issuer has it; stop the issuer, make the backup, and start it again"
        }
        _ => "",
    };
    ArchiveError::Store(format!("{error}{next}"))
}

#[cfg(test)]
mod tests {
    use tokenward_common::{
        id::{AccountId, Name},
        state::record::User,
    };
    use tokenward_proto::internal::StoredToken;

    use super::*;

    #[test]
    fn what_follows_from_a_record_is_what_its_commit_wrote() {
        let issuers = Issuers { now: UnixTime(90) };
        let stored = StoredToken {
            tid: 7,
            owner_id: "u-ada".into(),
            name: "laptop".into(),
            kid: "k1".into(),
            serials: vec![7, 9],
            expires_at: 99,
            ..StoredToken::default()
        };
        let key = Key::token(TokenId(7));
        let value = stored.encode_to_vec();
        let owner = AccountId::parse("u-ada").unwrap();
        let token = TokenId(7);
        let written = issuers.private(key.clone(), value.clone()).unwrap();
        assert!(written.contains(&PrivateWrite::IndexToken {
            owner: owner.clone(),
            token
        }));
        assert!(written.contains(&PrivateWrite::Put {
            key: key.clone(),
            value
        }));
        let ends = |at| PrivateWrite::IndexExpiry {
            token,
            was: None,
            at,
        };
        assert!(written.contains(&ends(Some(UnixTime(99)))));
        let claim = |name| PrivateWrite::Put {
            key: Key::token_name(&owner, name),
            value: 7_u64.to_be_bytes().to_vec(),
        };
        assert!(written.contains(&claim("laptop")));
        let ended = StoredToken {
            expires_at: 90,
            ..stored.clone()
        };
        let written = issuers.private(key.clone(), ended.encode_to_vec()).unwrap();
        assert!(!written.contains(&claim("laptop")));
        let revoked = StoredToken {
            revoked_at: 5,
            ..stored
        };
        let written = issuers
            .private(key.clone(), revoked.encode_to_vec())
            .unwrap();
        assert!(written.contains(&ends(None)) && !written.contains(&claim("laptop")));
        assert!(issuers.private(key, b"\xff".to_vec()).is_err());
        // A token's name stays as it was; an account's follows from the account.
        let name = Key::token_name(&owner, "laptop");
        assert_eq!(issuers.private(name, vec![1]).unwrap().len(), 1);
        assert_eq!(
            issuers.private(Key::account_name("ada"), vec![1]).unwrap(),
            []
        );
        let ada = User {
            id: owner,
            name: Name::parse("Ada").unwrap(),
            disabled: false,
            service_account_of: None,
            display: Box::default(),
        };
        let claim = PrivateWrite::Put {
            key: Key::account_name("ada"),
            value: b"u-ada".to_vec(),
        };
        assert_eq!(issuers.beside(&Record::User(ada)), [claim]);
        let event = AuditRecord {
            tid: 7,
            ..AuditRecord::default()
        };
        assert_eq!(
            issuers.touched(&event.encode_to_vec()),
            [Key::token(TokenId(7))]
        );
        assert_eq!(issuers.touched(&AuditRecord::default().encode_to_vec()), []);
    }
}
