//! This file serves the admin endpoint: `/livez`, `/readyz`, `/metrics`, on a listener of its own. It
//! decides nothing: readiness and metrics are handed in, and the metrics of the process are added to
//! them.

mod process_metrics;
mod text;

use std::{fmt, io, sync::Arc};

use axum::{
    Router,
    http::{
        HeaderMap, StatusCode,
        header::{ACCEPT, CONTENT_TYPE},
    },
    response::IntoResponse,
    routing::get,
};
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeMetric,
        text::{encode_eof, encode_registry},
    },
    metrics::{MetricType, gauge::ConstGauge, info::Info},
    registry::Registry,
};

use super::{
    admission::{Admission, HttpEnd, serve_http},
    listen::Listener,
    shutdown::Shutdown,
    telemetry,
};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether a program is ready: `Ok`, or the reason in one line. Each probe calls it, so it must be
/// cheap.
#[derive(Clone)]
pub struct Readiness {
    ask: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    note: Arc<dyn Fn() -> Option<String> + Send + Sync>,
}

impl Readiness {
    pub fn new(ask: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self {
            ask: Arc::new(ask),
            note: Arc::new(|| None),
        }
    }

    /// Adds a note, in one line, on a fault of a ready program. The note is shown and fails no probe.
    pub fn noting(self, note: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        Self {
            note: Arc::new(note),
            ..self
        }
    }

    /// Makes a draining process not ready, whatever else holds.
    pub fn unless_draining(self, shutdown: Shutdown) -> Self {
        let note = Arc::clone(&self.note);
        let ask = Self::new(move || {
            if shutdown.is_draining() {
                return Err("draining".into());
            }
            self.ask()
        });
        Self { note, ..ask }
    }

    pub fn ask(&self) -> Result<(), String> {
        (self.ask)()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").finish_non_exhaustive()
    }
}

/// Encodes readiness as a metric, for a registry whose prefix names the program.
impl Collector for Readiness {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder =
            encoder.encode_descriptor("ready", "1: /readyz says so", None, MetricType::Gauge)?;
        ConstGauge::new(i64::from(self.ask().is_ok())).encode(encoder)
    }
}

/// Makes a registry whose metrics all begin with the program's name, with those of every program in it.
pub fn registry(program: &'static str) -> Registry {
    let mut registry = Registry::with_prefix(program);
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "This program", version);
    telemetry::register(&mut registry);
    registry
}

pub fn router(readiness: Readiness, metrics: Arc<Registry>) -> Router {
    Router::new()
        // Liveness only means that this answers: if it tested more, a slow store would restart every
        // process.
        .route("/livez", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(move || async move { ready_answer(&readiness) }),
        )
        .route(
            "/metrics",
            get(move |headers: HeaderMap| async move { metrics_answer(&headers, &metrics) }),
        )
}

/// Answers until the hard stop.
pub async fn serve(
    listener: Listener,
    admission: Admission,
    router: Router,
    shutdown: Shutdown,
) -> io::Result<()> {
    serve_http(listener, admission, router, shutdown, HttpEnd::Over).await
}

fn ready_answer(readiness: &Readiness) -> impl IntoResponse + use<> {
    match readiness.ask() {
        Ok(()) => {
            let note = (readiness.note)();
            let note = note.as_deref().and_then(|note| note.lines().next());
            let note = note.map_or(String::new(), |note| format!("{note}\n"));
            (StatusCode::OK, format!("ready\n{note}"))
        }
        Err(why) => {
            let line = why.lines().next().unwrap_or("not ready");
            (StatusCode::SERVICE_UNAVAILABLE, format!("{line}\n"))
        }
    }
}

fn metrics_answer(asked: &HeaderMap, metrics: &Registry) -> impl IntoResponse + use<> {
    let mut accepted = asked
        .get_all(ACCEPT)
        .iter()
        .filter_map(|it| it.to_str().ok());
    let newer = accepted.any(text::wants_openmetrics);
    match openmetrics(metrics) {
        Ok(text) if newer => (StatusCode::OK, [(CONTENT_TYPE, OPENMETRICS)], text),
        Ok(text) => {
            let text = text::from_openmetrics(&text);
            (StatusCode::OK, [(CONTENT_TYPE, TEXT)], text)
        }
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(CONTENT_TYPE, "text/plain; charset=utf-8")],
            "a collector failed\n".to_owned(),
        ),
    }
}

/// Writes the program's and the process's metrics. Writing to a String fails only if a collector fails.
fn openmetrics(metrics: &Registry) -> Result<String, fmt::Error> {
    let mut process = Registry::default();
    process.register_collector(Box::new(process_metrics::ProcessMetrics));
    let mut text = String::new();
    encode_registry(&mut text, metrics)?;
    encode_registry(&mut text, &process)?;
    encode_eof(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use prometheus_client::metrics::counter::Counter;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;
    use crate::process::ListenAddress;

    async fn ask(address: &str, path: &str) -> String {
        ask_for(address, path, "*/*").await
    }

    async fn ask_for(address: &str, path: &str, accept: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn answers() {
        let mut registry = Registry::default();
        let counter: Counter = Counter::default();
        registry.register("things", "Things", counter.clone());
        counter.inc();
        let ready = Arc::new(AtomicBool::new(false));
        let asked = ready.clone();
        let shutdown = Shutdown::default();
        let readiness = Readiness::new(move || {
            if asked.load(SeqCst) {
                Ok(())
            } else {
                Err("no view yet\nand more".into())
            }
        })
        .noting(|| Some("short of room\nand more".into()))
        .unless_draining(shutdown.clone());
        let listener = "127.0.0.1:0"
            .parse::<ListenAddress>()
            .unwrap()
            .bind()
            .unwrap();
        let address = listener.address().unwrap().to_string();
        let own = registry.sub_registry_with_prefix("x");
        own.register_collector(Box::new(readiness.clone()));
        tokio::spawn(serve(
            listener,
            Admission::new(4, None),
            router(readiness, Arc::new(registry)),
            shutdown.clone(),
        ));

        assert!(ask(&address, "/livez").await.starts_with("HTTP/1.1 200"));
        let answer = ask(&address, "/readyz").await;
        assert!(
            answer.starts_with("HTTP/1.1 503") && answer.ends_with("\r\n\r\nno view yet\n"),
            "{answer}"
        );
        ready.store(true, SeqCst);
        let answer = ask(&address, "/readyz").await;
        assert!(
            answer.starts_with("HTTP/1.1 200")
                && answer.ends_with("\r\n\r\nready\nshort of room\n"),
            "{answer}"
        );
        let answer = ask(&address, "/metrics").await;
        assert!(
            answer.contains("content-type: text/plain; version=0.0.4"),
            "{answer}"
        );
        for line in [
            "# TYPE things_total counter",
            "things_total 1",
            "x_ready 1",
            "# TYPE process_cpu_seconds_total counter",
        ] {
            assert!(answer.lines().any(|it| it == line), "{line}: {answer}");
        }
        let answer = ask_for(&address, "/metrics", "application/openmetrics-text").await;
        assert!(
            answer.contains("content-type: application/openmetrics-text; version=1.0.0"),
            "{answer}"
        );
        assert!(
            answer.contains("things_total 1\n") && answer.ends_with("# EOF\n"),
            "{answer}"
        );
        shutdown.drain();
        assert!(ask(&address, "/readyz").await.ends_with("draining\n"));
        assert!(ask(&address, "/livez").await.starts_with("HTTP/1.1 200"));
    }
}
