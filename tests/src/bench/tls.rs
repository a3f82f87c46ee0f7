//! Measures what a TLS handshake costs the server: the CPU time of the one thread that shakes hands, as a
//! verifier's acceptor does.

use std::{net::Ipv4Addr, sync::Arc, thread, time::Duration};

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};
use tokenward_common::process::tls::{
    Alpn, ClientFiles, ClientFlags, ClientTls, ServerFiles, ServerTls, throwaway::Authority,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Builder,
};

use super::Row;

const COUNT: u32 = 2000;

pub fn handshakes() -> Result<Vec<Row>> {
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    let authority = Authority::new("a bench")?;
    std::fs::write(path("ca.pem"), authority.pem())?;
    for name in ["server", "client"] {
        let issued = authority.issue(&["localhost"], Duration::from_secs(24 * 3600))?;
        issued.write(&path(&format!("{name}.pem")), &path(&format!("{name}.key")))?;
    }
    let mut rows = Vec::new();
    for (what, mutual, resumed) in [
        ("full", false, false),
        ("resumed", false, true),
        ("full, with a client certificate", true, false),
        ("resumed, with a client certificate", true, true),
    ] {
        let server = ServerTls::new(&ServerFiles {
            certificate: path("server.pem"),
            key: path("server.key"),
            client_ca: mutual.then(|| path("ca.pem")),
            client_optional: false,
        })?;
        let files = ClientFiles {
            ca: Some(path("ca.pem")),
            own: mutual.then(|| (path("client.pem"), path("client.key"))),
        };
        let client = || ClientTls::new(&files, &ClientFlags::OF_SERVER);
        let cost = measure(Arc::new(server), resumed, client)?;
        let rate = 1e6 / cost;
        rows.push(Row::new(
            format!("a handshake, {what} (TLS 1.3, ECDSA P-256)"),
            "",
            format!("{cost:.0} us of the server's CPU, {rate:.0} a second and core"),
        ));
    }
    Ok(rows)
}

/// Returns the microseconds of the server's CPU time for one handshake. A client that keeps its sessions
/// resumes; one that is made anew for each handshake has none.
fn measure<E: std::error::Error + Send + Sync + 'static>(
    server: Arc<ServerTls>,
    resumed: bool,
    client: impl Fn() -> Result<ClientTls, E>,
) -> Result<f64> {
    let (bound, address) = std::sync::mpsc::channel();
    let serving = thread::spawn(move || -> Result<f64> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            bound.send(listener.local_addr()?)?;
            // The first fills caches, and gives the client its first session.
            serve(&listener, &server).await?;
            let begun = cpu_micros();
            for _ in 0..COUNT {
                serve(&listener, &server).await?;
            }
            Ok((cpu_micros() - begun) / f64::from(COUNT))
        })
    });
    let address = address.recv()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut caller = client()?;
        for _ in 0..=COUNT {
            if !resumed {
                caller = client()?;
            }
            let socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            let mut stream = caller.connect(socket, "localhost", Alpn::Http2).await?;
            // The session's ticket comes with the first byte.
            stream.read_u8().await?;
        }
        anyhow::Ok(())
    })?;
    serving
        .join()
        .ok()
        .context("the server's thread panicked")?
}

async fn serve(listener: &TcpListener, server: &ServerTls) -> Result<()> {
    let (socket, _) = listener.accept().await?;
    socket.set_nodelay(true)?;
    let (mut stream, _) = server.accept(socket, Alpn::Http2).await?;
    stream.write_all(b"x").await?;
    stream.flush().await?;
    Ok(())
}

/// Returns the CPU time of this thread.
fn cpu_micros() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
