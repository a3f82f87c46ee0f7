//! A running verifier and its answers.

use std::{process::Command, time::Duration};

use tokenward_proto::v1::{
    CheckRequest, CheckResponse, Verdict, verifier_service_client::VerifierServiceClient,
};
use tonic::{Code, Status, transport::Channel};

use super::{
    Feed, House, Program,
    build::ISSUER,
    http,
    issuer::{keep_metrics, serves},
    level, program, tls,
};

pub struct Verifier {
    pub program: Program,
    pub name: String,
    pub address: String,
    pub admin: String,
    house: House,
    feed: String,
    jwks: String,
    more: Vec<String>,
    channel: Channel,
}

/// Describes an answer in one word: `ALLOW`, the reason of a denial, or the code of an error.
pub fn word(answer: &Result<CheckResponse, Status>) -> String {
    match answer {
        Ok(answer) => match answer.verdict() {
            Verdict::Allow => "ALLOW".into(),
            _ => answer.reason().as_str_name().replace("REASON_", ""),
        },
        Err(status) => format!("{:?}", status.code()).to_uppercase(),
    }
}

impl Verifier {
    pub(super) async fn start(house: &House, feed: Feed<'_>, more: &[&str]) -> Self {
        let verifier = Self::begin(house, feed, None, more);
        verifier.serving().await;
        verifier
    }

    /// Starts a verifier and doesn't wait until it serves.
    pub(super) fn begin(house: &House, feed: Feed<'_>, jwks: Option<&str>, more: &[&str]) -> Self {
        let (name, feed, of_issuer) = match feed {
            Feed::Redis => {
                let jwks = house.path("jwks.json").display().to_string();
                ("verifier on Redis", house.feed().to_owned(), jwks)
            }
            Feed::Grpc(issuer) => {
                let jwks = format!("{}/.well-known/jwks.json", tls::url(&issuer.http));
                let feed = tls::url(&issuer.address);
                ("verifier over gRPC", feed, jwks)
            }
        };
        let jwks = jwks.map_or(of_issuer, str::to_owned);
        let more: Vec<_> = more.iter().map(|&text| text.to_owned()).collect();
        let any = house.any_port();
        let program = Self::spawn(house, name, [&feed, &jwks], [&any, &any], &more);
        let serving = program.event("serving");
        let at = |name: &str| serving[name].as_str().expect(name).to_owned();
        let address = at("listen");
        let channel = tls::channel(&address);
        Self {
            program,
            name: name.into(),
            admin: at("admin"),
            address,
            house: house.clone(),
            feed,
            jwks,
            more,
            channel,
        }
    }

    /// Returns the verifier's command with its settings, except those that a test sets itself.
    pub fn command(house: &House, feed: &str, jwks: &str) -> Command {
        let mut command = Command::new(program("tokenward-verifier"));
        command
            .env("TOKENWARD_FEED", feed)
            .args(["--realm", house.realm(), "--issuer", ISSUER])
            // These are environment variables, so that a test's own arguments override them.
            .env("TOKENWARD_DRAIN_DELAY", "0s")
            .env("TOKENWARD_DRAIN_LIMIT", "5s")
            .args(["--log-format", "json", "--workers", "2"])
            .args(["--memo-capacity", "10000"])
            .args(["--jwks", jwks]);
        house.trace(&mut command);
        if feed.starts_with("http") {
            command
                .arg("--feed-credential-file")
                .arg(house.path("followers.credential"));
        } else {
            house.set_store(&mut command);
        }
        command
    }

    fn spawn(
        house: &House,
        name: &str,
        [feed, jwks]: [&str; 2],
        listen: [&str; 2],
        more: &[String],
    ) -> Program {
        let mut command = Self::command(house, feed, jwks);
        command.args(["--listen", listen[0], "--admin-listen", listen[1]]);
        command.args(more);
        Program::start(house.kept(), name, house.limited(command))
    }

    /// Restarts the verifier at the same addresses. The old process must have ended.
    pub async fn restart(&mut self) {
        self.program = Self::spawn(
            &self.house,
            &self.name,
            [&self.feed, &self.jwks],
            [&self.address, &self.admin],
            &self.more,
        );
        self.program.event("serving");
        self.serving().await;
    }

    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub async fn serves(&self) -> Result<(), String> {
        serves(&self.channel, "tokenward.v1.VerifierService").await
    }

    pub async fn serving(&self) {
        let what = format!("the {} serves", self.name);
        level(&what, async || self.serves().await).await;
    }

    /// Returns the status of `/readyz`.
    pub fn ready(&self) -> Option<u16> {
        http::get(&self.admin, "/readyz").map(|(status, _)| status)
    }

    /// Sends one Check, with a deadline that is longer than a healthy verifier takes.
    pub async fn check(&self, question: &CheckRequest) -> Result<CheckResponse, Status> {
        let mut request = tonic::Request::new(question.clone());
        request.set_timeout(Duration::from_secs(10));
        let answer = VerifierServiceClient::new(self.channel.clone())
            .check(request)
            .await;
        match answer {
            Ok(answer) => {
                let answer = answer.into_inner();
                let place = "a verifier's answer";
                self.house.kept().said(place, format!("{answer:?}"));
                Ok(answer)
            }
            Err(status) => Err(self.house.kept().status("a verifier's error", status)),
        }
    }

    /// Sends a Check that must be judged by a view with this revision, and waits for such a view.
    pub async fn at(&self, question: &CheckRequest, revision: &str) -> CheckResponse {
        let question = CheckRequest {
            min_revision: revision.into(),
            ..question.clone()
        };
        let what = format!("the {} knows {revision}", self.name);
        let answer = level(&what, async || match self.check(&question).await {
            Err(status) if status.code() == Code::Unavailable => Err(status.to_string()),
            answer => Ok(answer),
        })
        .await;
        answer.unwrap_or_else(|status| panic!("the {}: {status}", self.name))
    }

    /// Waits until it has come to the log of this revision: until then that is another log's to it.
    pub async fn comes_to(&self, question: &CheckRequest, revision: &str) {
        let question = CheckRequest {
            min_revision: revision.into(),
            ..question.clone()
        };
        let what = format!("the {} comes to the log of {revision}", self.name);
        level(&what, async || match self.check(&question).await {
            Ok(_) => Ok(()),
            Err(status) => Err(status.to_string()),
        })
        .await;
    }

    /// Repeats a Check until it has this answer, without a requirement on the view's revision.
    pub async fn until(&self, question: &CheckRequest, wanted: &str) {
        let what = format!("the {} answers {wanted}", self.name);
        level(&what, async || match word(&self.check(question).await) {
            is if is == wanted => Ok(()),
            other => Err(other),
        })
        .await;
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        keep_metrics(&self.house, &self.name, &self.admin);
    }
}
