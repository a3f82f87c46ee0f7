//! The server behind the doors, for `tests/bench-doors`. It gives one small answer to every request, at
//! once, so that the measurement is of the door before it.

use std::{
    convert::Infallible,
    io::{self, Write as _},
    net::SocketAddr,
};

use bytes::Bytes;
use clap::Parser;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, runtime, signal::unix::SignalKind};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// HTTP/1.1 on one thread: 200 and the same few bytes to every request
#[derive(Parser, Debug)]
#[command(name = "tokenward-upstream")]
struct Args {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    #[arg(long, default_value_t = 512)]
    body_bytes: u16,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    anyhow::ensure!(
        args.listen.ip().is_loopback(),
        "--listen: only this machine"
    );
    let body = Bytes::from(vec![b'x'; args.body_bytes.into()]);
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let listener = TcpListener::bind(args.listen).await?;
            writeln!(io::stdout(), "{}", listener.local_addr()?)?;
            let mut end = tokio::signal::unix::signal(SignalKind::terminate())?;
            tokio::select! {
                ended = serve(listener, body) => ended,
                _ = end.recv() => Ok(()),
            }
        })
}

async fn serve(listener: TcpListener, body: Bytes) -> anyhow::Result<()> {
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let body = body.clone();
        tokio::spawn(async move {
            let answer = service_fn(|_: Request<Incoming>| {
                let answer = Response::new(Full::new(body.clone()));
                async { Ok::<_, Infallible>(answer) }
            });
            // An error is ignored: the client must handle a broken connection.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(socket), answer)
                .await;
        });
    }
}
