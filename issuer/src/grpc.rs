//! `TokenService` and `DirectoryService`: messages in, one domain call, messages out. Every method
//! authenticates its caller first.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesOrdered};
use tokenward_common::{
    clock::Clock,
    id::{Cursor, TokenId, parse_number},
};
use tokenward_proto::v1 as pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request as Call, Response, Status, Streaming, async_trait, metadata::MetadataMap};

use crate::{
    caller::{Caller, Credentials, Role},
    directory::{Directory, Session},
    error::Problem,
    metrics::Metrics,
    request::Request,
    tokens::{MAX_PAGE, NewToken, Tokens, wire},
};

/// Batches of one import that may be on their way to the store.
const IMPORT_WINDOW: usize = 32;
/// Batches after which an import lets the own view catch up, which bounds what it must remember.
const IMPORT_BREATH: usize = 256;
const DEFAULT_PAGE: usize = 100;

/// What every service needs to know its caller.
#[derive(Clone)]
pub struct Door {
    pub credentials: Arc<Credentials>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
}

impl Door {
    fn caller(&self, metadata: &MetadataMap, any: &[Role]) -> Result<Caller, Problem> {
        let caller = self.credentials.caller(metadata)?;
        caller.require(any)?;
        Ok(caller)
    }

    /// Counts the answer and gives it its status.
    pub(crate) fn answer<T>(
        &self,
        method: &'static str,
        result: Result<T, Problem>,
    ) -> Result<Response<T>, Status> {
        let result = result.map_err(Status::from);
        let code = result.as_ref().err().map_or(tonic::Code::Ok, Status::code);
        self.metrics.called(method, code);
        result.map(Response::new)
    }
}

#[derive(Clone)]
pub struct TokenGrpc {
    pub door: Door,
    pub tokens: Tokens,
}

impl TokenGrpc {
    async fn create(
        &self,
        call: Call<pb::CreateTokenRequest>,
    ) -> Result<pb::CreateTokenResponse, Problem> {
        let caller = self.door.caller(call.metadata(), &[Role::Mint])?;
        let now = self.door.clock.unix();
        let mut body = call.into_inner();
        let id = std::mem::take(&mut body.request_id);
        let request = Request::new(caller, "TokenService/CreateToken", id, &body, now)?;
        let role = wire::role(body.role)?;
        let new = NewToken {
            owner: wire::owner(&body.owner_id, &body.owner_name)?,
            name: wire::name(&body.name)?,
            role,
            scopes: wire::scopes(role, body.scopes)?,
            expires_at: wire::expiry(body.expire_time, now.seconds())?,
        };
        let minted = self.tokens.create(&request, new).await?;
        Ok(pb::CreateTokenResponse {
            token: Some(wire::token(minted.token, now.seconds())),
            secret: minted.secret.unwrap_or_default(),
            revision: minted.cursor.token(),
        })
    }

    async fn get(&self, call: Call<pb::GetTokenRequest>) -> Result<pb::GetTokenResponse, Problem> {
        self.door
            .caller(call.metadata(), &[Role::Mint, Role::Revoke])?;
        let token = self
            .tokens
            .show(token_id(&call.get_ref().token_id)?)
            .await?;
        Ok(pb::GetTokenResponse {
            token: Some(wire::token(token, self.door.clock.unix().seconds())),
        })
    }

    async fn list(
        &self,
        call: Call<pb::ListTokensRequest>,
    ) -> Result<pb::ListTokensResponse, Problem> {
        self.door
            .caller(call.metadata(), &[Role::Mint, Role::Revoke])?;
        let body = call.get_ref();
        let limit = match usize::try_from(body.page_size).unwrap_or(usize::MAX) {
            0 => DEFAULT_PAGE,
            size if size <= MAX_PAGE => size,
            _ => return Err(Problem::invalid("page_size", "must be at most 1000")),
        };
        let after = match body.page_token.as_str() {
            "" => None,
            text => Some(TokenId(parse_number(text).ok_or_else(|| {
                Problem::invalid("page_token", "must be one that an answer gave")
            })?)),
        };
        let owner = wire::owner(&body.owner_id, &body.owner_name)?;
        let now = self.door.clock.unix().seconds();
        let (tokens, next) = self
            .tokens
            .list(&owner, after, limit, body.include_ended, now)
            .await?;
        Ok(pb::ListTokensResponse {
            tokens: tokens.into_iter().map(|t| wire::token(t, now)).collect(),
            next_page_token: next.map(|next| next.to_string()).unwrap_or_default(),
        })
    }

    async fn revoke(
        &self,
        call: Call<pb::RevokeTokenRequest>,
    ) -> Result<pb::RevokeTokenResponse, Problem> {
        let caller = self.door.caller(call.metadata(), &[Role::Revoke])?;
        let now = self.door.clock.unix();
        let mut body = call.into_inner();
        let id = std::mem::take(&mut body.request_id);
        let request = Request::new(caller, "TokenService/RevokeToken", id, &body, now)?;
        let (token, cursor) = self
            .tokens
            .revoke(&request, token_id(&body.token_id)?)
            .await?;
        Ok(pb::RevokeTokenResponse {
            revision: cursor.token(),
            token: Some(wire::token(token, now.seconds())),
        })
    }
}

fn token_id(text: &str) -> Result<TokenId, Problem> {
    parse_number(text)
        .map(TokenId)
        .ok_or_else(|| Problem::invalid("token_id", "must be a token's id: a decimal number"))
}

#[async_trait]
impl pb::token_service_server::TokenService for TokenGrpc {
    async fn create_token(
        &self,
        call: Call<pb::CreateTokenRequest>,
    ) -> Result<Response<pb::CreateTokenResponse>, Status> {
        let result = self.create(call).await;
        self.door.answer("CreateToken", result)
    }

    async fn get_token(
        &self,
        call: Call<pb::GetTokenRequest>,
    ) -> Result<Response<pb::GetTokenResponse>, Status> {
        let result = self.get(call).await;
        self.door.answer("GetToken", result)
    }

    async fn list_tokens(
        &self,
        call: Call<pb::ListTokensRequest>,
    ) -> Result<Response<pb::ListTokensResponse>, Status> {
        let result = self.list(call).await;
        self.door.answer("ListTokens", result)
    }

    async fn revoke_token(
        &self,
        call: Call<pb::RevokeTokenRequest>,
    ) -> Result<Response<pb::RevokeTokenResponse>, Status> {
        let result = self.revoke(call).await;
        self.door.answer("RevokeToken", result)
    }
}

#[derive(Clone)]
pub struct DirectoryGrpc {
    pub door: Door,
    pub directory: Directory,
}

impl DirectoryGrpc {
    async fn write_batch(
        &self,
        call: Call<pb::WriteRequest>,
    ) -> Result<pb::WriteResponse, Problem> {
        let caller = self.door.caller(call.metadata(), &[Role::Directory])?;
        let mut body = call.into_inner();
        let id = std::mem::take(&mut body.request_id);
        let now = self.door.clock.unix();
        let request = Request::new(caller, "DirectoryService/Write", id, &body, now)?;
        let cursor = self.directory.write(&request, body.operations).await?;
        Ok(pb::WriteResponse {
            revision: cursor.token(),
        })
    }
}

#[async_trait]
impl pb::directory_service_server::DirectoryService for DirectoryGrpc {
    async fn write(
        &self,
        call: Call<pb::WriteRequest>,
    ) -> Result<Response<pb::WriteResponse>, Status> {
        let result = self.write_batch(call).await;
        self.door.answer("Write", result)
    }

    type ImportStream = ReceiverStream<Result<pb::ImportResponse, Status>>;

    async fn import(
        &self,
        call: Call<Streaming<pb::ImportRequest>>,
    ) -> Result<Response<Self::ImportStream>, Status> {
        let caller = self.door.caller(call.metadata(), &[Role::Directory]);
        let caller = self.door.answer("Import", caller)?.into_inner();
        let (answers, stream) = mpsc::channel(IMPORT_WINDOW);
        let import = Import {
            door: self.door.clone(),
            directory: self.directory.clone(),
            caller,
            session: Session::default(),
            on_their_way: FuturesOrdered::new(),
            answers,
        };
        tokio::spawn(import.run(call.into_inner()));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

type Answered = (u64, Result<Cursor, Problem>);

/// One stream of batches: planned in order, committed side by side, answered in order.
struct Import {
    door: Door,
    directory: Directory,
    caller: Caller,
    session: Session,
    on_their_way: FuturesOrdered<BoxFuture<'static, Answered>>,
    answers: mpsc::Sender<Result<pb::ImportResponse, Status>>,
}

/// The caller is gone.
struct Gone;

impl Import {
    async fn run(mut self, mut batches: Streaming<pb::ImportRequest>) {
        let mut planned = 0_usize;
        loop {
            let room = self.on_their_way.len() < IMPORT_WINDOW;
            let step = tokio::select! {
                // A caller may wait for an answer before it sends on.
                Some(answered) = self.on_their_way.next() => self.answer(answered).await,
                batch = batches.next(), if room => match batch {
                    Some(Ok(batch)) => {
                        planned += 1;
                        self.take(batch, planned.is_multiple_of(IMPORT_BREATH)).await
                    }
                    Some(Err(_)) => Err(Gone),
                    None => break,
                },
            };
            if step.is_err() {
                return;
            }
        }
        let _ = self.drain().await;
    }

    /// Sends a batch on its way, or answers it when it is refused.
    async fn take(&mut self, batch: pb::ImportRequest, breathe: bool) -> Result<(), Gone> {
        if breathe {
            self.breathe().await?;
        }
        match self.plan(batch).await? {
            Ok(commit) => {
                self.on_their_way.push_back(commit);
                Ok(())
            }
            Err(answer) => {
                // Answers keep the batches' order.
                self.drain().await?;
                self.answer(answer).await
            }
        }
    }

    /// A commit to wait for, or the answer to a batch that was refused.
    async fn plan(
        &mut self,
        batch: pb::ImportRequest,
    ) -> Result<Result<BoxFuture<'static, Answered>, Answered>, Gone> {
        let number = batch.batch;
        let now = self.door.clock.unix();
        let caller = self.caller.clone();
        let method = "DirectoryService/Import";
        let request = match Request::new(caller, method, String::new(), &batch, now) {
            Ok(request) => request,
            Err(problem) => return Ok(Err((number, Err(problem)))),
        };
        let operations = match Directory::parse(batch.operations) {
            Ok(operations) => operations,
            Err(problem) => return Ok(Err((number, Err(problem)))),
        };
        let mut planned = self
            .directory
            .plan_import(&mut self.session, &request, &operations);
        // Behind what this stream wrote, or another caller a moment ago: once more, caught up.
        if !matches!(planned, Ok(Some(_))) {
            self.breathe().await?;
            planned = self
                .directory
                .plan_import(&mut self.session, &request, &operations);
        }
        Ok(match planned {
            Ok(Some(commit)) => {
                let directory = self.directory.clone();
                Ok(async move {
                    (
                        number,
                        directory.commit(&request, commit, &operations).await,
                    )
                }
                .boxed())
            }
            Ok(None) => Err((number, Err(Problem::Contended))),
            Err(problem) => Err((number, Err(problem))),
        })
    }

    /// Everything on its way arrives, here too.
    async fn breathe(&mut self) -> Result<(), Gone> {
        self.drain().await?;
        if self.directory.caught_up(&mut self.session).await.is_err() {
            let status = Status::from(Problem::Unavailable);
            let _ = self.answers.send(Err(status)).await;
            return Err(Gone);
        }
        Ok(())
    }

    /// Answers all that is on its way.
    async fn drain(&mut self) -> Result<(), Gone> {
        while let Some(answered) = self.on_their_way.next().await {
            self.answer(answered).await?;
        }
        Ok(())
    }

    /// Takes no reference to the whole across its wait: what is on its way isn't `Sync`.
    fn answer(&self, (batch, result): Answered) -> impl Future<Output = Result<(), Gone>> + use<> {
        self.door.metrics.imported(result.is_ok());
        let (revision, error) = match result {
            Ok(cursor) => (cursor.token(), String::new()),
            Err(problem) => (String::new(), problem.to_string()),
        };
        let answer = pb::ImportResponse {
            batch,
            revision,
            error,
        };
        let answers = self.answers.clone();
        async move { answers.send(Ok(answer)).await.map_err(|_| Gone) }
    }
}
