//! The issuer's services: messages in, one domain call, messages out. Every method authenticates its
//! caller first.

mod audit;
mod directory;
mod export;
mod import;
mod keys;
mod orgs;
mod receipt;
mod tokens;

use std::sync::Arc;

use prost::Message;
use tokenward_common::{clock::Clock, process::Span};
use tonic::{Request as Call, Response, Status};

use crate::{
    caller::{Caller, LiveCredentials, Role, Whose},
    error::Problem,
    metrics::Metrics,
    request::Request,
};

pub use audit::AuditGrpc;
pub use directory::DirectoryGrpc;
pub use keys::KeyGrpc;
pub use orgs::OrgGrpc;
pub use tokens::TokenGrpc;

/// What every service needs to know its caller.
#[derive(Clone)]
pub struct Door {
    pub credentials: Arc<LiveCredentials>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
}

impl Door {
    /// Whoever shows a credential.
    pub(crate) fn known<T>(&self, call: &Call<T>) -> Result<Caller, Problem> {
        let shown = call.metadata().get_all("authorization");
        let shown = shown.iter().map(|value| value.as_encoded_bytes());
        Ok(self.credentials.caller(shown, call.remote_addr())?)
    }

    /// A caller with any one of these roles.
    pub(crate) fn caller<T>(&self, call: &Call<T>, any: &[Role]) -> Result<Caller, Problem> {
        let caller = self.known(call)?;
        caller.require(any)?;
        Ok(caller)
    }

    /// As [`Self::caller`], or one of the role `own`, and then for whose tokens alone.
    pub(crate) fn caller_or_own<T>(
        &self,
        call: &Call<T>,
        any: &[Role],
    ) -> Result<(Caller, Whose), Problem> {
        let caller = self.known(call)?;
        let whose = caller.require_or_own(any)?;
        Ok((caller, whose))
    }

    /// One mutation: who asks, where and when, and its body without its request id.
    pub(super) fn request(
        &self,
        caller: Caller,
        method: &'static str,
        id: String,
        body: &impl Message,
    ) -> Result<Request, Problem> {
        Request::new(caller, method, id, body, self.clock.unix())
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
        if let Some(span) = Span::of_call() {
            span.name(method);
            span.set("rpc.grpc.status_code", i64::from(code as i32));
            if code != tonic::Code::Ok {
                span.failed(code.description());
            }
        }
        result.map(Response::new)
    }
}
