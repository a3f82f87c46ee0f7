//! Keeps all secrets, and all texts that programs printed or returned. At its end, a house searches the
//! texts for the secrets.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tonic::Status;

#[derive(Default)]
pub struct Kept(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    secrets: Vec<String>,
    /// The place of each text, and the text.
    said: Vec<(String, String)>,
}

impl Kept {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn secret(&self, secret: &str) {
        assert!(secret.len() >= 16, "too short to be told from other text");
        self.inner().secrets.push(secret.to_owned());
    }

    pub fn said(&self, place: &str, text: impl Into<String>) {
        self.inner().said.push((place.to_owned(), text.into()));
    }

    /// Keeps the text of a failed call.
    pub fn status(&self, place: &str, status: Status) -> Status {
        self.said(place, format!("{status:?} {}", status.message()));
        status
    }

    /// Returns the number of secrets, and of texts that are searched for them.
    pub fn size(&self) -> (usize, usize) {
        let inner = self.inner();
        (inner.secrets.len(), inner.said.len())
    }

    /// Returns the places that contain a secret. A token is found by its signature, the part that makes it
    /// a secret.
    pub fn leaks(&self) -> Vec<String> {
        let inner = self.inner();
        let mut leaks = Vec::new();
        for secret in &inner.secrets {
            let signature = secret.rsplit('.').next().unwrap_or(secret);
            for (place, text) in &inner.said {
                if text.contains(signature) {
                    leaks.push(place.clone());
                }
            }
        }
        leaks
    }
}
