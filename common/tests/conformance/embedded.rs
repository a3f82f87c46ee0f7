//! The embedded store against the suite. A kill is a copy of the file as it stood under the running
//! store, unclosed; `a_killed_issuer_loses_nothing` in `tests/tests/system/survival.rs` kills a real
//! process.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use tempfile::TempDir;
use tokenward_common::{
    clock::SystemClock,
    store::{Feed, Store, embedded::EmbeddedStore},
    testing::conformance::Backend,
};

pub(crate) struct Embedded {
    folder: TempDir,
    /// `None` only between two of its lives.
    store: Option<Arc<EmbeddedStore>>,
}

impl Embedded {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&mut self, create: bool) {
        let clock = Arc::new(SystemClock);
        let opened = EmbeddedStore::open(&self.file("realm"), create, clock);
        self.store = Some(opened.unwrap());
    }

    /// `close` lets go of the file, whoever still has a handle.
    async fn close(&mut self) {
        self.store.take().unwrap().close().await;
    }

    pub(crate) fn opened(&self) -> Arc<EmbeddedStore> {
        Arc::clone(self.store.as_ref().unwrap())
    }
}

#[async_trait]
impl Backend for Embedded {
    async fn fresh() -> Self {
        let mut backend = Self {
            folder: tempfile::tempdir().unwrap(),
            store: None,
        };
        backend.open(true);
        backend
    }

    fn store(&self) -> Arc<dyn Store> {
        self.opened()
    }

    fn feed(&self) -> Arc<dyn Feed> {
        self.opened()
    }

    async fn kill(&mut self) {
        std::fs::copy(self.file("realm"), self.file("killed")).unwrap();
        self.close().await;
        std::fs::rename(self.file("killed"), self.file("realm")).unwrap();
        self.open(false);
    }

    async fn restart(&mut self) {
        self.close().await;
        self.open(false);
    }

    async fn wipe(&mut self) {
        self.close().await;
        std::fs::remove_file(self.file("realm")).unwrap();
        self.open(true);
    }

    async fn back_up(&mut self) {
        self.close().await;
        std::fs::copy(self.file("realm"), self.file("copy")).unwrap();
        self.open(false);
    }

    async fn roll_back(&mut self) {
        self.close().await;
        std::fs::copy(self.file("copy"), self.file("realm")).unwrap();
        self.open(false);
    }
}

tokenward_common::conformance!(suite, super::Embedded);
