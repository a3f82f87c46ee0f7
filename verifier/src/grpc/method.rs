//! Every method of `VerifierService`, with its path. Each method is listed here once, and the compiler asks
//! for the line of a method that the proto has and the list lacks. Must not know how a method is served.

use tokenward_proto::v1::{self as pb, verifier_service_server::VerifierService};
use tonic::{Request, Response, Status, Streaming};

use super::stream::Answers;

macro_rules! methods {
    ($service:ident, $($stream:ident = $item:ty),* =>
     $($method:ident: $rpc:ident($request:ty) -> $answer:ty;)+) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum Method {
            $($method,)+
        }

        impl Method {
            /// Finds the method by a request's whole path.
            pub(super) fn at(path: &str) -> Option<Self> {
                match path {
                    $(concat!("/tokenward.v1.", stringify!($service), "/", stringify!($method)) => {
                        Some(Self::$method)
                    })+
                    _ => None,
                }
            }

            /// Returns the end of the method's path, which is also its name in traces.
            pub(super) fn path(self) -> &'static str {
                match self {
                    $(Self::$method => concat!(stringify!($service), "/", stringify!($method)),)+
                }
            }
        }

        /// `Listed` only makes the compiler compare this list with the proto: a method of the proto which is
        /// not listed does not build. It has no value, so it is never built or served. The generated server
        /// cannot read the messages of some methods in place, as ours does.
        pub(super) enum Listed {}

        #[tonic::async_trait]
        impl $service for Listed {
            $(type $stream = $item;)*

            $(async fn $rpc(&self, _: Request<$request>) -> Result<Response<$answer>, Status> {
                match *self {}
            })+
        }
    };
}

methods! {
    VerifierService, CheckStreamStream = Answers<pb::CheckStreamResponse> =>
    Check: check(pb::CheckRequest) -> pb::CheckResponse;
    CheckStream: check_stream(Streaming<pb::CheckRequest>) -> Self::CheckStreamStream;
    BatchCheck: batch_check(pb::BatchCheckRequest) -> pb::BatchCheckResponse;
    WhoAmI: who_am_i(pb::WhoAmIRequest) -> pb::WhoAmIResponse;
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;
    use tokenward_proto::DESCRIPTORS;

    use super::*;

    #[test]
    fn the_paths_are_those_of_the_proto() {
        let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
        let services = files.iter().flat_map(|file| &file.service);
        let ours = services.filter(|it| it.name() == "VerifierService");
        let names: Vec<&str> = ours.flat_map(|it| &it.method).map(|it| it.name()).collect();
        assert!(!names.is_empty());
        for name in names {
            let path = format!("VerifierService/{name}");
            let method = Method::at(&["/tokenward.v1.", &path].concat());
            assert_eq!(method.map(Method::path), Some(path.as_str()));
        }
        assert_eq!(Method::at("/tokenward.v1.VerifierService/check"), None);
        assert_eq!(Method::at("/tokenward.v1.TokenService/CreateToken"), None);
    }
}
