//! A collector of traces (OTLP over gRPC). Every program of a house sends its spans to it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::Span,
};
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, async_trait, transport::Server};

use super::Kept;

/// A span that arrived, in the form that tests read.
#[derive(Clone, Debug)]
pub struct Traced {
    pub service: String,
    pub name: String,
    /// The trace id in hexadecimal, as in a `traceparent`.
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub failed: bool,
    pub attributes: Vec<(String, String)>,
}

impl Traced {
    pub fn attribute(&self, key: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }
}

#[derive(Clone)]
struct Collector {
    spans: Arc<Mutex<Vec<Traced>>>,
    kept: Arc<Kept>,
}

#[async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            self.kept.said("a trace", format!("{resource:?}"));
            let attributes = resource.resource.map(|it| it.attributes);
            let service = attributes
                .unwrap_or_default()
                .into_iter()
                .find(|it| it.key == "service.name")
                .map(|it| text(it.value.and_then(|it| it.value)))
                .unwrap_or_default();
            let spans = resource.scope_spans.into_iter().flat_map(|it| it.spans);
            let mut all = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(spans.map(|span| traced(&service, span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn traced(service: &str, span: Span) -> Traced {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Traced {
        service: service.to_owned(),
        name: span.name,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        failed: span.status.is_some_and(|status| status.code == 2),
        attributes: span
            .attributes
            .into_iter()
            .map(|it| (it.key, text(it.value.and_then(|it| it.value))))
            .collect(),
    }
}

fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// The collector. It ends when this is dropped.
pub struct Sink {
    pub endpoint: String,
    spans: Arc<Mutex<Vec<Traced>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    /// Starts the collector on a thread of its own, because the house's programs outlive any one runtime.
    pub fn start(address: &str, kept: &Arc<Kept>) -> Self {
        let listener = std::net::TcpListener::bind(address).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let spans = Arc::new(Mutex::default());
        let collector = Collector {
            spans: Arc::clone(&spans),
            kept: Arc::clone(kept),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
                let served = Server::builder()
                    .add_service(TraceServiceServer::new(collector))
                    .serve_with_incoming(TcpListenerStream::new(listener));
                tokio::select! {
                    served = served => served.expect("it serves"),
                    _ = stopped => {}
                }
            });
        });
        Self {
            endpoint,
            spans,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Traced>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the spans of one trace that have arrived so far.
    pub fn of(&self, trace: &str) -> Vec<Traced> {
        let all = self.all();
        let of_it = all.iter().filter(|span| span.trace == trace);
        of_it.cloned().collect()
    }

    pub fn count(&self) -> usize {
        self.all().len()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
