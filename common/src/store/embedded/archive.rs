//! This file reads from the file what an archive needs beside the feed, and makes a new file of an archive.
//!
//! A file that is being made has another name, so that nobody opens it, and gets its own name once it is
//! whole. One that was left behind is deleted by hand.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use futures_util::future::try_join_all;

use crate::{
    clock::Clock,
    id::{AccountId, Cursor, TokenId},
    state::{key::Key, record::Kind},
    store::{
        Commit, Feed as _, FeedError, Head, Snapshot, Store as _,
        archive::{Archive, ArchiveError, Fresh, Origin, Paged},
        embedded::{
            EmbeddedStore, OpenError, builder,
            read::unreadable,
            realm::{begin_history, fork_of, sync_folder},
            room::{self, Room},
            snapshot,
            tables::{RECORDS, TOKENS, Tip, owners_token, split_value},
        },
    },
};

/// One page has this many rows.
const PAGE: usize = 1000;

#[async_trait]
impl Archive for EmbeddedStore {
    async fn issuer_records(
        &self,
        kind: Kind,
        from: Option<Vec<u8>>,
    ) -> Result<Paged<(Key, Vec<u8>)>, FeedError> {
        let txn = self.shared.begin_read()?;
        let table = txn.open_table(RECORDS).map_err(unreadable)?;
        let (first, end) = (from.unwrap_or(vec![kind as u8]), [kind as u8 + 1]);
        let mut records = Vec::new();
        for row in table
            .range(first.as_slice()..end.as_slice())
            .map_err(unreadable)?
        {
            let (key, value) = row.map_err(unreadable)?;
            if records.len() == PAGE {
                return Ok((records, Some(key.value().to_vec())));
            }
            let bytes = key.value().iter().skip(1).copied().collect();
            let value = split_value(value.value())?.1.to_vec();
            records.push((Key { kind, bytes }, value));
        }
        Ok((records, None))
    }

    async fn owners_tokens(
        &self,
        from: Option<Vec<u8>>,
    ) -> Result<Paged<(AccountId, TokenId)>, FeedError> {
        let txn = self.shared.begin_read()?;
        let table = txn.open_table(TOKENS).map_err(unreadable)?;
        let first = from.unwrap_or_default();
        let mut tokens = Vec::new();
        for row in table.range(first.as_slice()..).map_err(unreadable)? {
            let (key, _) = row.map_err(unreadable)?;
            if tokens.len() == PAGE {
                return Ok((tokens, Some(key.value().to_vec())));
            }
            tokens.push(owners_token(key.value())?);
        }
        Ok((tokens, None))
    }
}

impl EmbeddedStore {
    /// Begins to make a realm of an archive in a file that isn't there yet.
    pub fn restore(
        path: &Path,
        origin: &Origin,
        clock: Arc<dyn Clock>,
    ) -> Result<Box<dyn Fresh>, ArchiveError> {
        let there = |path: &Path| path.symlink_metadata().is_ok();
        if there(path) {
            let text = format!("{} is there: a restore makes a new file", path.display());
            return Err(ArchiveError::There(text));
        }
        let new = beside(path, ".restoring");
        if there(&new) {
            return Err(ArchiveError::There(format!(
                "{} is there: another restore makes it, or broke off; delete it if none runs",
                new.display()
            )));
        }
        let io = |error| ArchiveError::Io(new.clone(), error);
        let mut options = room::private();
        options.write(true).create_new(true);
        options.open(&new).map_err(io)?;
        let mut made = Making {
            store: None,
            new: new.clone(),
            path: path.into(),
        };
        let begun = origin.draw()?;
        let named = |error| store_error(&Self::named(&new, error));
        let db = builder().create(&new).map_err(named)?;
        let tip = Tip::after(begun.cursor, begun.serial);
        let tip = begin_history(&db, &*clock, tip, Some(&origin.fork))?;
        let again = new.clone();
        let opener = Box::new(move || builder().open(&again));
        let room = Room::beside(&new);
        let store = Self::start(db, tip, clock, opener, room).map_err(io)?;
        made.store = Some(store);
        Ok(Box::new(made))
    }

    /// Returns the cursor of the log that this realm was restored from; `None` if it was made anew.
    pub fn fork(&self) -> Result<Option<Cursor>, FeedError> {
        fork_of(&self.shared.begin_read()?)
    }
}

fn store_error(error: &OpenError) -> ArchiveError {
    ArchiveError::Store(error.to_string())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut new = path.as_os_str().to_owned();
    new.push(ending);
    new.into()
}

/// A file that is being made. It is deleted unless it was finished.
struct Making {
    store: Option<Arc<EmbeddedStore>>,
    new: PathBuf,
    path: PathBuf,
}

impl Making {
    fn store(&self) -> Result<&Arc<EmbeddedStore>, FeedError> {
        let closed = || FeedError::Unavailable("the file was finished".into());
        self.store.as_ref().ok_or_else(closed)
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        drop(self.store.take());
        // After the finish this is only a second name of the file.
        for file in [self.new.clone(), beside(&self.new, ".reserve")] {
            if let Err(error) = fs::remove_file(&file)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, "a file of a restore is left behind");
            }
        }
    }
}

#[async_trait]
impl Fresh for Making {
    async fn write(&mut self, commits: Vec<Commit>) -> Result<(), ArchiveError> {
        let store = self.store()?;
        // They come into the queue in this order, and leave it so.
        try_join_all(commits.into_iter().map(|commit| store.commit(commit))).await?;
        Ok(())
    }

    fn snapshot(&self) -> Snapshot<'static> {
        match self.store() {
            Ok(store) => snapshot::snapshot(Arc::clone(&store.shared)),
            Err(error) => Box::pin(futures_util::stream::once(async { Err(error) })),
        }
    }

    async fn head(&self) -> Result<Head, FeedError> {
        self.store()?.head().await
    }

    async fn finish(mut self: Box<Self>) -> Result<(), ArchiveError> {
        if let Some(store) = self.store.take() {
            store.close().await;
        }
        // A link takes no name that is taken; a rename would.
        let named = fs::hard_link(&self.new, &self.path).and_then(|()| sync_folder(&self.path));
        named.map_err(|error| ArchiveError::Io(self.path.clone(), error))
    }
}
