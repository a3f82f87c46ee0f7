//! Where most cases happen: a house with issuers and verifiers of every kind, and a corner.

use tokenward_proto::v1::{CheckRequest, CheckResponse};
use tokenward_tests::house::{Feed, House, Issuer, Store, Verifier, hub::Corner, word};

/// Each case a test on either store.
macro_rules! on_both_stores {
    ($($case:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case($crate::site::Site::embedded().await).await;
            })+
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case($crate::site::Site::redis().await).await;
            })+
        }
    };
}
pub(crate) use on_both_stores;

pub(crate) struct Site {
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) verifiers: Vec<Verifier>,
    pub(crate) house: House,
}

impl Site {
    /// One issuer, two verifiers that follow it.
    pub(crate) async fn embedded() -> Self {
        let house = House::new(Store::Embedded);
        let issuer = house.issuer().await;
        let (one, two) = tokio::join!(
            house.verifier(Feed::Grpc(&issuer)),
            house.verifier(Feed::Grpc(&issuer))
        );
        Self {
            issuers: vec![issuer],
            verifiers: vec![one, two],
            house,
        }
    }

    /// Two issuers; two verifiers on Redis and one that follows an issuer.
    pub(crate) async fn redis() -> Self {
        Self::on_redis(House::new(Store::Redis), &[]).await
    }

    /// As above, with further settings of the verifiers.
    pub(crate) async fn on_redis(house: House, args: &[&str]) -> Self {
        let first = house.issuer().await;
        let second = house.issuer().await;
        let (one, two, three) = tokio::join!(
            house.verifier_with(Feed::Redis, args),
            house.verifier_with(Feed::Redis, args),
            house.verifier_with(Feed::Grpc(&second), args)
        );
        Self {
            issuers: vec![first, second],
            verifiers: vec![one, two, three],
            house,
        }
    }

    pub(crate) fn issuer(&self) -> &Issuer {
        &self.issuers[0]
    }

    /// Another than [`Self::issuer`], where there is one.
    pub(crate) fn other(&self) -> &Issuer {
        self.issuers.last().unwrap()
    }

    /// A corner of the hub, written.
    pub(crate) async fn corner(&self, tag: &str) -> Corner {
        let corner = Corner::new(tag);
        self.issuer().write(corner.operations()).await;
        corner
    }

    /// What every verifier answers, judged by a view of at least this revision.
    pub(crate) async fn answers(
        &self,
        question: &CheckRequest,
        revision: &str,
    ) -> Vec<CheckResponse> {
        let mut answers = Vec::new();
        for verifier in &self.verifiers {
            answers.push(verifier.at(question, revision).await);
        }
        answers
    }

    /// Every verifier answers this, judged by a view of at least this revision.
    pub(crate) async fn all(&self, question: &CheckRequest, revision: &str, wanted: &str) {
        for verifier in &self.verifiers {
            let answer = Ok(verifier.at(question, revision).await);
            assert_eq!(word(&answer), wanted, "{}: {answer:?}", verifier.name);
        }
    }

    /// Every verifier comes to answer this, without being told how new its view must be.
    pub(crate) async fn soon(&self, question: &CheckRequest, wanted: &str) {
        for verifier in &self.verifiers {
            verifier.until(question, wanted).await;
        }
    }
}
