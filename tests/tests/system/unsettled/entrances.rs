//! Every entrance of one verifier, asked the same: may this credential read this model?

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use tokenward_proto::{
    envoy::{
        config::core::v3::{HeaderMap, HeaderValue},
        service::auth::v3::{
            AttributeContext, CheckRequest as EnvoyRequest,
            attribute_context::{HttpRequest, Request as Shown},
            authorization_client::AuthorizationClient,
            check_response::HttpResponse,
        },
    },
    v1::{
        BatchCheckRequest, BatchCheckResponse, CheckRequest, Question, WhoAmIRequest,
        batch_check_request, check_request, check_stream_response::Result as Streamed,
        verifier_service_client::VerifierServiceClient,
    },
};
use tokenward_tests::house::{House, Verifier, hub::Corner, tls, word};
use tonic::{Code, Status};

/// A guard with nothing behind it: whoever passes finds a bad gateway.
pub(super) const DOORS: [&str; 4] = ["--guard", "http://127.0.0.1:9", "--guard-listen", ""];
pub(super) const PASSED_THE_GUARD: u16 = 502;

pub(super) struct Entrances<'a> {
    pub(super) verifier: &'a Verifier,
    pub(super) house: &'a House,
    pub(super) corner: &'a Corner,
}

fn code(status: &Status) -> String {
    format!("{:?}", status.code()).to_uppercase()
}

impl Entrances<'_> {
    fn client(&self) -> VerifierServiceClient<tonic::transport::Channel> {
        VerifierServiceClient::new(self.verifier.channel())
    }

    pub(super) async fn batch(
        &self,
        token: &str,
        questions: Vec<Question>,
    ) -> Result<BatchCheckResponse, Status> {
        let request = BatchCheckRequest {
            caller: Some(batch_check_request::Caller::Token(token.into())),
            questions,
            ..BatchCheckRequest::default()
        };
        let answer = self.client().batch_check(request).await;
        answer.map(tonic::Response::into_inner)
    }

    /// The stream's answers, one for each question.
    pub(super) async fn stream(&self, asked: Vec<CheckRequest>) -> Vec<String> {
        let asked = tokio_stream::iter(asked);
        let mut answers = self
            .client()
            .check_stream(asked)
            .await
            .unwrap()
            .into_inner();
        let mut words = Vec::new();
        while let Some(answer) = answers.message().await.unwrap() {
            words.push(match answer.result.unwrap() {
                Streamed::Response(answer) => word(&Ok(answer)),
                Streamed::Error(error) => format!("{:?}", Code::from(error.code)).to_uppercase(),
            });
        }
        words
    }

    /// What each method answers of this token, in a word.
    pub(super) async fn grpc(&self, token: &str) -> Vec<(&'static str, String)> {
        let asked = self.corner.read(token, "secret");
        let question = Question {
            caller: None,
            resource: asked.resource.clone(),
            permission: asked.permission.clone(),
        };
        let batch = match self.batch(token, vec![question.clone(), question]).await {
            Err(status) => code(&status),
            Ok(batch) => {
                let mut words = batch.answers.iter().map(|it| it.verdict().as_str_name());
                let first = words.next().unwrap().replace("VERDICT_", "");
                assert!(words.all(|it| it.ends_with(&first)), "{batch:?}");
                first
            }
        };
        let who = WhoAmIRequest {
            token: token.into(),
            ..WhoAmIRequest::default()
        };
        let who = match self.client().who_am_i(who).await {
            Err(status) => code(&status),
            Ok(answer) if answer.get_ref().identity.is_some() => "ALLOW".into(),
            Ok(answer) => format!("{:?}", answer.get_ref().reason()),
        };
        vec![
            ("Check", word(&self.verifier.check(&asked).await)),
            ("BatchCheck", batch),
            ("CheckStream", self.stream(vec![asked]).await.remove(0)),
            ("WhoAmI", who),
        ]
    }

    /// An explanation, to whoever shows all of these.
    pub(super) async fn explained(&self, token: &str, shown: &[&str]) -> Result<(), Status> {
        let asked = CheckRequest {
            explain: true,
            caller: Some(check_request::Caller::Token(token.into())),
            ..self.corner.read(token, "secret")
        };
        let mut request = tonic::Request::new(asked);
        for value in shown {
            let value = value.parse().unwrap();
            request.metadata_mut().append("authorization", value);
        }
        self.client().check(request).await.map(drop)
    }

    /// The status that each door answers, or means, to whoever shows all of these `authorization`s.
    pub(super) async fn doors(&self, shown: &[&str]) -> Vec<(&'static str, u16)> {
        let target = format!("/{}/secret/resolve/main/x", self.corner.of("acme"));
        let check = format!("/api/models/{}/secret/auth-check", self.corner.of("acme"));
        let original = format!("x-forwarded-method: GET\r\nx-forwarded-uri: {target}\r\n");
        let ask = |door: &str, what: &str, more: &str| self.ask(door, what, more, shown, "");
        let nginx = ask("http", "GET /auth?proxy=nginx", &original);
        let meant = nginx.1.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let is = name.eq_ignore_ascii_case("x-tokenward-status");
            is.then(|| value.parse().unwrap())
        });
        if nginx.0 != 403 {
            assert_eq!(Some(nginx.0), meant, "{}", nginx.1);
        }
        vec![
            ("forward auth", ask("http", "GET /auth", &original).0),
            ("nginx", meant.unwrap()),
            ("auth-check", ask("http", &format!("GET {check}"), "").0),
            ("whoami", ask("http", "GET /api/whoami-v2", "").0),
            ("guard", ask("guard", &format!("GET {target}"), "").0),
            ("ext_authz", self.envoy(&target, shown).await),
        ]
    }

    /// Of a token, by an operator who shows all of these.
    pub(super) fn introspected(&self, token: &str, shown: &[&str]) -> (u16, String) {
        let form = "content-type: application/x-www-form-urlencoded\r\n";
        let body = format!("token={token}");
        self.ask("http", "POST /oauth/introspect", form, shown, &body)
    }

    /// Status, and the whole answer.
    fn ask(&self, door: &str, what: &str, more: &str, shown: &[&str], body: &str) -> (u16, String) {
        let serving = self.verifier.program.event("serving");
        let address = serving[door].as_str().unwrap();
        let mut stream = tls::connect(address, Duration::from_secs(10)).unwrap();
        let mut text = format!("{what} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n{more}");
        for value in shown {
            text += &format!("authorization: {value}\r\n");
        }
        if !body.is_empty() {
            text += &format!("content-length: {}\r\n", body.len());
        }
        stream.write_all((text + "\r\n" + body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        self.house.kept().said("a door's answer", answer.clone());
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    /// As Envoy shows a request whose headers may repeat.
    async fn envoy(&self, target: &str, shown: &[&str]) -> u16 {
        let header = |value: &&str| HeaderValue {
            key: "authorization".into(),
            value: (*value).into(),
            ..HeaderValue::default()
        };
        let http = HttpRequest {
            id: "1".into(),
            method: "GET".into(),
            path: target.into(),
            header_map: Some(HeaderMap {
                headers: shown.iter().map(header).collect(),
            }),
            ..HttpRequest::default()
        };
        let request = EnvoyRequest {
            attributes: Some(AttributeContext {
                request: Some(Shown { http: Some(http) }),
                ..AttributeContext::default()
            }),
        };
        let mut client = AuthorizationClient::new(self.verifier.channel());
        let answer = client.check(request).await.unwrap().into_inner();
        self.house
            .kept()
            .said("a door's answer", format!("{answer:?}"));
        match answer.http_response.unwrap() {
            HttpResponse::DeniedResponse(denied) => {
                u16::try_from(denied.status.unwrap().code).unwrap()
            }
            HttpResponse::OkResponse(_) => 200,
        }
    }
}
