//! This file decides which calls are traced, and sends traces over OTLP (gRPC) to a collector.
//!
//! A call is traced if its caller is traced (W3C Trace Context: a valid `traceparent` with the sampled
//! flag). Of calls without such a caller the share that the settings name is traced. Any other call
//! costs only a look for the header. Spans wait in a bounded queue, and are dropped when the collector
//! can't take them; no call waits for it.
//!
//! Values that must not appear in a span (tokens, credentials) must never be given to [`Span::set`].

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Uri};
use opentelemetry::{
    Context, KeyValue, Value,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{
        FutureExt as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceState,
        Tracer as _, TracerProvider as _, WithContext,
    },
};
use opentelemetry_otlp::{SpanExporter, WithTonicConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use tracing::warn;

use super::{
    listen::url_permitted,
    settings::Mistakes,
    tls::{ClientTls, Connector},
};

/// The header that carries a caller's context (W3C Trace Context, section 3.2).
const TRACEPARENT: &str = "traceparent";
/// How long a connection to the collector may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the end of a process waits for its last spans to be sent.
const FLUSH: Duration = Duration::from_secs(2);

#[derive(clap::Args, Clone, Debug)]
pub struct TraceArgs {
    /// Send traces to this OTLP endpoint for gRPC of a collector, such as http://127.0.0.1:4317.
    /// Without this option nothing is traced.
    #[arg(long, env = "TOKENWARD_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Begin a trace for this share of the calls whose caller is not traced, from 0 to 1.
    #[arg(
        long,
        env = "TOKENWARD_TRACE_RATIO",
        default_value = "0",
        value_name = "SHARE"
    )]
    pub trace_ratio: String,
}

/// The checked settings for traces.
#[derive(Clone, PartialEq, Debug)]
pub struct TraceConfig {
    endpoint: String,
    ratio: f64,
}

impl TraceArgs {
    /// Checks the settings. `None`: nothing is traced.
    pub fn check(&self, plaintext: bool) -> Result<Option<TraceConfig>, Mistakes> {
        let mut m = Mistakes::default();
        let endpoint = self.otlp_endpoint.as_deref();
        let endpoint = endpoint.map(|it| m.take("--otlp-endpoint", parse_endpoint(it, plaintext)));
        let ratio = m.take("--trace-ratio", share(&self.trace_ratio));
        if endpoint.is_none() && ratio.is_some_and(|ratio| ratio > 0.0) {
            let rule = "needs --otlp-endpoint, or traces go nowhere";
            m.check("--trace-ratio", Err(rule.into()));
        }
        let traced = endpoint.flatten().zip(ratio);
        let config = traced.map(|(endpoint, ratio)| TraceConfig { endpoint, ratio });
        m.or_built(Some(config))
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share: Option<f64> = text.parse().ok();
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "must be a number from 0 to 1".into())
}

fn parse_endpoint(text: &str, plaintext: bool) -> Result<String, String> {
    let uri: Uri = text
        .parse()
        .map_err(|_| "must be a URL such as http://127.0.0.1:4317".to_owned())?;
    // The collector's own credentials travel in headers, and a URL stands in logs.
    if uri.authority().is_some_and(|it| it.as_str().contains('@')) {
        return Err("must hold no user and no password".into());
    }
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(_)) => {
            url_permitted(text, plaintext).map(|()| text.to_owned())
        }
        _ => Err("must be a URL such as http://127.0.0.1:4317".into()),
    }
}

/// Begins spans for traced calls. All clones share one tracer.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Tracing>);

#[derive(Clone, Debug)]
struct Tracing {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// Whether calls without a traced caller may begin a trace.
    roots: bool,
}

impl Traces {
    pub fn off() -> Self {
        Self::default()
    }

    /// Starts on the runtime that sends the spans. The runtime must not end before [`end`](Self::end).
    pub fn start(
        service: &'static str,
        config: Option<&TraceConfig>,
        peers: &Arc<ClientTls>,
    ) -> Result<Self, String> {
        let Some(config) = config else {
            return Ok(Self::off());
        };
        let url: Uri = config
            .endpoint
            .parse()
            .map_err(|_| "--otlp-endpoint: must be a URL".to_owned())?;
        let (endpoint, connector) = Connector::endpoint(&url, Arc::clone(peers), CONNECT);
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_channel(endpoint.connect_with_connector_lazy(connector))
            .build()
            .map_err(|error| format!("--otlp-endpoint: {error}"))?;
        let resource = Resource::builder().with_service_name(service).build();
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.ratio)));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .with_sampler(sampler)
            .build();
        let tracer = provider.tracer(service);
        Ok(Self(Some(Tracing {
            provider,
            tracer,
            roots: config.ratio > 0.0,
        })))
    }

    /// Begins the span of a received call, if the call is traced.
    pub fn received(&self, headers: &HeaderMap, name: &'static str) -> Option<Span> {
        let tracing = self.0.as_ref()?;
        tracing.caller(headers).and_then(|caller| {
            let builder = tracing.tracer.span_builder(name);
            let system = KeyValue::new("rpc.system", "grpc");
            let builder = builder
                .with_kind(SpanKind::Server)
                .with_attributes([system]);
            tracing.begin(builder, &caller)
        })
    }

    /// Begins a span under the current call, if that call is traced.
    pub fn within(&self, name: &'static str) -> Option<Span> {
        let tracing = self.0.as_ref()?;
        let call = Context::current();
        if !call.span().span_context().is_sampled() {
            return None;
        }
        let builder = tracing.tracer.span_builder(name);
        tracing.begin(builder.with_kind(SpanKind::Client), &call)
    }

    /// Sends the spans that are left.
    pub async fn end(self) {
        let Some(tracing) = self.0 else { return };
        // The shutdown blocks, and the runtime must go on sending meanwhile.
        let ended =
            tokio::task::spawn_blocking(move || tracing.provider.shutdown_with_timeout(FLUSH));
        if let Ok(Err(error)) = ended.await {
            warn!(%error, "the last traces were not sent");
        }
    }
}

impl Tracing {
    /// Returns the parent context of a received call's span; `None`: the call gets no span.
    fn caller(&self, headers: &HeaderMap) -> Option<Context> {
        let nobody = Context::new();
        if !headers.contains_key(TRACEPARENT) {
            return self.roots.then_some(nobody);
        }
        let caller = TraceContextPropagator::new().extract_with_context(&nobody, &Headers(headers));
        let known = caller.span().span_context().clone();
        // A broken context counts as none.
        if !known.is_valid() {
            return self.roots.then_some(nobody);
        }
        // `tracestate` is ignored: it is the caller's text and would be sent out with our spans.
        known.is_sampled().then(|| {
            nobody.with_remote_span_context(SpanContext::new(
                known.trace_id(),
                known.span_id(),
                known.trace_flags(),
                true,
                TraceState::NONE,
            ))
        })
    }

    fn begin(&self, builder: opentelemetry::trace::SpanBuilder, parent: &Context) -> Option<Span> {
        let span = builder.start_with_context(&self.tracer, parent);
        let context = parent.with_span(span);
        let sampled = context.span().is_recording();
        sampled.then_some(Span(context))
    }
}

/// A future that runs within a span.
pub type Around<F> = WithContext<F>;

/// The span of a piece of work. It ends when it is dropped.
#[derive(Clone, Debug)]
pub struct Span(Context);

impl Span {
    /// Returns the span of the current call, if that call is traced.
    pub fn current() -> Option<Self> {
        let call = Context::current();
        let sampled = call.span().span_context().is_sampled();
        sampled.then_some(Self(call))
    }

    /// Sets the span's name, for code that knows only later what the call is.
    pub fn name(&self, name: &'static str) {
        self.0.span().update_name(name);
    }

    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        self.0.span().set_attribute(KeyValue::new(key, value));
    }

    /// Marks the span as failed: the work didn't do what was requested.
    pub fn failed(&self, why: &'static str) {
        self.0.span().set_status(Status::error(why));
    }

    /// Runs `work` so that spans begun in it with [`within`](Traces::within) are children of this span.
    pub fn around<F: Future>(&self, work: F) -> Around<F> {
        work.with_context(self.0.clone())
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    /// Returns a header's only value. Repeated headers count as absent, because their sender is
    /// unclear.
    fn get(&self, key: &str) -> Option<&str> {
        let mut values = self.0.get_all(key).iter();
        let only = values.next()?;
        match values.next() {
            None => only.to_str().ok(),
            Some(_) => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::InMemorySpanExporter;

    use super::*;

    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn traces(ratio: f64) -> (Traces, InMemorySpanExporter) {
        let sink = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(sink.clone())
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
                ratio,
            ))))
            .build();
        let tracing = Tracing {
            tracer: provider.tracer("t"),
            provider,
            roots: ratio > 0.0,
        };
        (Traces(Some(tracing)), sink)
    }

    fn headers(values: &[&str]) -> HeaderMap {
        let values = values.iter().map(|it| {
            (
                http::HeaderName::from_static(TRACEPARENT),
                it.parse().unwrap(),
            )
        });
        values.collect()
    }

    #[test]
    fn a_traced_caller_is_followed() {
        let (traces, sink) = traces(0.0);
        let span = traces.received(&headers(&[CALLER]), "call").unwrap();
        span.set("verdict", "allow");
        drop(span);
        let spans = sink.get_finished_spans().unwrap();
        assert_eq!(spans.len(), 1);
        let context = &spans[0].span_context;
        assert_eq!(
            context.trace_id().to_string(),
            "0af7651916cd43dd8448eb211c80319c"
        );
        assert_eq!(spans[0].parent_span_id.to_string(), "b7ad6b7169203331");
        let verdict = KeyValue::new("verdict", "allow");
        assert!(spans[0].attributes.contains(&verdict));
    }

    #[test]
    fn a_callers_own_text_goes_no_further() {
        let (traces, sink) = traces(0.0);
        let mut headers = headers(&[CALLER]);
        headers.insert("tracestate", "vendor=tw_eyJ0eXAi".parse().unwrap());
        drop(traces.received(&headers, "call"));
        let spans = sink.get_finished_spans().unwrap();
        assert_eq!(spans.len(), 1);
        assert!(!format!("{spans:?}").contains("eyJ0eXAi"), "{spans:?}");
        // A URL that may hold a password must not appear either.
        let args = TraceArgs {
            otlp_endpoint: Some("https://u:hunter2@collector".into()),
            trace_ratio: "0".into(),
        };
        let mistakes = args.check(false).unwrap_err();
        assert!(!format!("{mistakes:?}").contains("hunter2"), "{mistakes:?}");
    }

    #[test]
    fn nothing_is_made_for_others() {
        let (traces, sink) = traces(0.0);
        let unsampled = CALLER.replace("-01", "-00");
        for values in [
            &[][..],
            &[unsampled.as_str()],
            &[CALLER, CALLER],
            &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"],
            &["00-00000000000000000000000000000000-b7ad6b7169203331-01"],
            &["ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
            &["00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"],
            &["x"],
        ] {
            assert!(
                traces.received(&headers(values), "call").is_none(),
                "{values:?}"
            );
        }
        assert!(
            Traces::off()
                .received(&headers(&[CALLER]), "call")
                .is_none()
        );
        assert!(sink.get_finished_spans().unwrap().is_empty());
    }

    #[test]
    fn a_share_begins_traces_and_an_unsampled_caller_stays_so() {
        let (traces, _) = traces(1.0);
        assert!(traces.received(&headers(&[]), "call").is_some());
        assert!(traces.received(&headers(&["x"]), "call").is_some());
        let unsampled = CALLER.replace("-01", "-00");
        assert!(traces.received(&headers(&[&unsampled]), "call").is_none());
    }

    #[tokio::test]
    async fn what_is_done_within_stands_under_the_call() {
        let (traces, sink) = traces(0.0);
        assert!(traces.within("commit").is_none() && Span::current().is_none());
        let call = traces.received(&headers(&[CALLER]), "call").unwrap();
        call.around(async {
            tokio::task::yield_now().await;
            drop(traces.within("commit").unwrap());
            Span::current().unwrap().name("CreateToken");
        })
        .await;
        drop(call);
        let spans = sink.get_finished_spans().unwrap();
        let [commit, call] = &spans[..] else {
            panic!("{spans:?}")
        };
        assert_eq!(commit.parent_span_id, call.span_context.span_id());
        assert_eq!(call.name, "CreateToken");
    }

    #[test]
    fn settings() {
        let check = |endpoint: Option<&str>, ratio: &str, plaintext| {
            TraceArgs {
                otlp_endpoint: endpoint.map(Into::into),
                trace_ratio: ratio.into(),
            }
            .check(plaintext)
        };
        assert_eq!(check(None, "0", false), Ok(None));
        assert!(
            check(Some("http://127.0.0.1:4317"), "0.5", false)
                .unwrap()
                .is_some()
        );
        assert!(
            check(Some("http://otel:4317"), "0", true)
                .unwrap()
                .is_some()
        );
        assert!(check(Some("https://otel:4317"), "0", false).is_ok());
        for (endpoint, ratio, flags) in [
            (None, "0.1", &["--trace-ratio"][..]),
            (None, "2", &["--trace-ratio"]),
            (Some("http://otel:4317"), "0", &["--otlp-endpoint"]),
            (Some("https://u:p@127.0.0.1"), "0", &["--otlp-endpoint"]),
            (Some("ftp://127.0.0.1"), "0", &["--otlp-endpoint"]),
            (
                Some("127.0.0.1:4317"),
                "NaN",
                &["--otlp-endpoint", "--trace-ratio"],
            ),
        ] {
            let mistakes = check(endpoint, ratio, false).unwrap_err();
            let named: Vec<_> = mistakes.iter().map(|it| it.flag.clone()).collect();
            assert_eq!(named, flags, "{mistakes}");
        }
    }
}
