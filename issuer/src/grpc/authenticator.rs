//! Decides which caller may call which method, and records how the call ended. Must not know what a method
//! does.

use std::sync::Arc;

use prost::Message;
use tokenward_common::{
    clock::Clock,
    process::{Span, admission::Peer},
};
use tonic::{Request as Call, Response, Status};

use crate::{
    caller::{Caller, LiveCredentials, Role, Whose},
    error::Problem,
    method::Method,
    metrics::Metrics,
    request::Request,
};

/// What every service needs to know its caller.
#[derive(Clone)]
pub struct Authenticator {
    pub credentials: Arc<LiveCredentials>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
}

/// A caller that may call a method. Only [`Authenticator`] makes one.
pub(super) struct AdmittedCall {
    pub(super) caller: Caller,
    method: Method,
}

impl Authenticator {
    /// Returns the caller, if the call shows a live credential.
    pub(crate) fn known<T>(&self, call: &Call<T>) -> Result<Caller, Problem> {
        let shown = call.metadata().get_all("authorization");
        let shown = shown.iter().map(|value| value.as_encoded_bytes());
        let peer = call.extensions().get().unwrap_or(&Peer::UNKNOWN);
        Ok(self.credentials.caller(shown, peer)?)
    }

    /// Returns the caller, if it has any one of these roles.
    pub(crate) fn caller<T>(&self, call: &Call<T>, any: &[Role]) -> Result<Caller, Problem> {
        let caller = self.known(call)?;
        caller.require(any)?;
        Ok(caller)
    }

    /// Admits a caller that may call this method for everybody's tokens.
    pub(super) fn admit<T>(&self, call: &Call<T>, method: Method) -> Result<AdmittedCall, Problem> {
        let caller = self.caller(call, method.roles())?;
        Ok(AdmittedCall { caller, method })
    }

    /// Admits a caller that may call this method for everybody's tokens, or for one owner's tokens alone.
    pub(super) fn admit_own<T>(
        &self,
        call: &Call<T>,
        method: Method,
    ) -> Result<(AdmittedCall, Whose), Problem> {
        if !method.roles().contains(&Role::Own) {
            return Ok((self.admit(call, method)?, Whose::Everybodys));
        }
        let caller = self.known(call)?;
        let whose = caller.require_or_own(method.roles())?;
        Ok((AdmittedCall { caller, method }, whose))
    }

    /// Makes the request of one mutation from its caller, method and time, and its body without its request
    /// id.
    pub(super) fn request(
        &self,
        call: &AdmittedCall,
        id: String,
        body: &impl Message,
    ) -> Result<Request, Problem> {
        let (caller, method) = (call.caller.clone(), call.method.path());
        Request::new(caller, method, id, body, self.clock.unix())
    }

    /// Counts the answer and gives it its status.
    pub(crate) fn answer<T>(
        &self,
        name: &'static str,
        result: Result<T, Problem>,
    ) -> Result<Response<T>, Status> {
        let result = result.map_err(Status::from);
        let code = result.as_ref().err().map_or(tonic::Code::Ok, Status::code);
        self.metrics.called(name, code);
        if let Some(span) = Span::current() {
            span.name(name);
            span.set("rpc.grpc.status_code", i64::from(code as i32));
            if code != tonic::Code::Ok {
                span.failed(code.description());
            }
        }
        result.map(Response::new)
    }
}

/// Serves a service. Each line is a method of the proto by its Rust name, its [`Method`], and the function
/// that answers it. A method of the proto without a line does not build, nor does a line whose method has no
/// roles. The function of a line with `(own)` also gets the owner whose tokens the caller may use, and must
/// keep to it; without `(own)`, no credential of the role `own` is admitted.
macro_rules! serve {
    (@answer $this:ident, $call:ident, $method:ident, $function:ident) => {{
        let admitted = $this.authenticator.admit(&$call, $method)?;
        $this.$function(admitted, $call.into_inner()).await
    }};
    (@answer $this:ident, $call:ident, $method:ident, $function:ident, own) => {{
        let (admitted, whose) = $this.authenticator.admit_own(&$call, $method)?;
        $this.$function(admitted, whose, $call.into_inner()).await
    }};
    ($service:path, by $server:ty $(, $stream:ident = $item:ty)* => {
        $($rpc:ident($asked:ty) -> $answer:ty = $method:ident $(($own:ident))? by $function:ident;)+
    }) => {
        #[tonic::async_trait]
        impl $service for $server {
            $(type $stream = $item;)*

            $(async fn $rpc(
                &self,
                call: tonic::Request<$asked>,
            ) -> Result<tonic::Response<$answer>, tonic::Status> {
                let method = $crate::method::Method::$method;
                let answer = async { serve!(@answer self, call, method, $function $(, $own)?) };
                self.authenticator.answer(method.name(), answer.await)
            })+
        }
    };
}

pub(super) use serve;
