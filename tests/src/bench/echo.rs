//! A service that judges nothing. The baselines use it; its messages have the sizes of the verifier's.

use std::pin::Pin;

use prost::Message as _;
use tokenward_proto::{
    envoy::{
        config::core::v3::{HeaderValue, HeaderValueOption},
        service::auth::v3::{
            CheckRequest as EnvoyRequest, CheckResponse as EnvoyResponse, OkHttpResponse,
            authorization_server::Authorization, check_response::HttpResponse,
        },
    },
    v1::{
        Answer, BatchCheckRequest, BatchCheckResponse, CheckRequest, CheckResponse,
        CheckStreamResponse, Verdict, WhoAmIRequest, WhoAmIResponse,
        check_stream_response::Result as Streamed, verifier_service_server::VerifierService,
    },
};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming, async_trait};

#[derive(Clone, Debug)]
pub struct Echo {
    answer: CheckResponse,
}

impl Echo {
    /// The verdict takes two bytes, and the head of the filler two more.
    pub fn new(reply_bytes: u16) -> Self {
        let filler = "r".repeat(usize::from(reply_bytes).saturating_sub(4));
        Self {
            answer: CheckResponse {
                verdict: Verdict::Allow.into(),
                revision: filler,
                ..Default::default()
            },
        }
    }
}

#[async_trait]
impl VerifierService for Echo {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(self.answer.clone()))
    }

    /// Returns as many answers as there are questions.
    async fn batch_check(
        &self,
        request: Request<BatchCheckRequest>,
    ) -> Result<Response<BatchCheckResponse>, Status> {
        let answer = |_| Answer {
            verdict: Verdict::Allow.into(),
            ..Default::default()
        };
        Ok(Response::new(BatchCheckResponse {
            answers: request.get_ref().questions.iter().map(answer).collect(),
            revision: self.answer.revision.clone(),
            ..Default::default()
        }))
    }

    async fn who_am_i(
        &self,
        _: Request<WhoAmIRequest>,
    ) -> Result<Response<WhoAmIResponse>, Status> {
        Err(Status::unimplemented("echoes judgements only"))
    }

    type CheckStreamStream =
        Pin<Box<dyn Stream<Item = Result<CheckStreamResponse, Status>> + Send>>;

    async fn check_stream(
        &self,
        request: Request<Streaming<CheckRequest>>,
    ) -> Result<Response<Self::CheckStreamStream>, Status> {
        let answer = self.answer.clone();
        let answers = request.into_inner().map(move |question| {
            question.map(|_| CheckStreamResponse {
                result: Some(Streamed::Response(answer.clone())),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// An echo for Envoy's external authorization: it allows every request.
#[derive(Clone, Debug)]
pub struct EnvoyEcho {
    answer: EnvoyResponse,
}

impl EnvoyEcho {
    /// Makes an answer of at least this many bytes, as close to it as length prefixes allow.
    pub fn new(reply_bytes: u16) -> Self {
        let of = |filler: usize| EnvoyResponse {
            status: Some(Default::default()),
            http_response: Some(HttpResponse::OkResponse(OkHttpResponse {
                headers: vec![HeaderValueOption {
                    header: Some(HeaderValue {
                        key: "x-filler".into(),
                        value: "r".repeat(filler),
                        ..Default::default()
                    }),
                    ..Default::default()
                }],
                ..Default::default()
            })),
            ..Default::default()
        };
        let enough = |filler: &usize| of(*filler).encoded_len() >= reply_bytes.into();
        let filler = (0..=reply_bytes.into()).find(enough);
        Self {
            answer: of(filler.unwrap_or_default()),
        }
    }
}

#[async_trait]
impl Authorization for EnvoyEcho {
    async fn check(&self, _: Request<EnvoyRequest>) -> Result<Response<EnvoyResponse>, Status> {
        Ok(Response::new(self.answer.clone()))
    }
}
