//! This file reads the settings of TLS, which both programs have. It decides which of them need each
//! other.

use std::{path::PathBuf, sync::Arc};

use super::{ClientFiles, ClientFlags, ClientTls, ServerFiles, ServerTls};
use crate::process::{
    listen::Protection,
    settings::{Mistake, Mistakes},
};

#[derive(clap::Args, Clone, Debug, Default)]
pub struct TlsArgs {
    /// Use TLS on every TCP listener, with the certificate in this PEM file: the program's own
    /// certificate first, then those up to the authority. --admin-listen uses TLS only with
    /// --admin-tls, and a Unix socket never does. All files of TLS are read again every second.
    #[arg(long, env = "TOKENWARD_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// Read the private key of --tls-certificate from this PEM file.
    #[arg(long, env = "TOKENWARD_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Require of every client a certificate of the authorities in this PEM file (mutual TLS). With
    /// --tls-client-optional, a client may do without.
    #[arg(long, env = "TOKENWARD_TLS_CLIENT_CA", value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,
    /// Let clients without a certificate connect, too. A certificate that a client shows is verified
    /// all the same.
    #[arg(long, env = "TOKENWARD_TLS_CLIENT_OPTIONAL")]
    pub tls_client_optional: bool,
    /// Use TLS on --admin-listen, too.
    #[arg(long, env = "TOKENWARD_ADMIN_TLS")]
    pub admin_tls: bool,
    /// Trust only the authorities in this PEM file when this program calls other servers over TLS
    /// [default: those that the system trusts].
    #[arg(long, env = "TOKENWARD_PEER_CA", value_name = "FILE")]
    pub peer_ca: Option<PathBuf>,
    /// Show the certificate in this PEM file to servers that ask for one.
    #[arg(long, env = "TOKENWARD_PEER_CERTIFICATE", value_name = "FILE")]
    pub peer_certificate: Option<PathBuf>,
    /// Read the private key of --peer-certificate from this PEM file.
    #[arg(long, env = "TOKENWARD_PEER_KEY", value_name = "FILE")]
    pub peer_key: Option<PathBuf>,
}

/// The checked settings of TLS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsConfig {
    /// `None`: the listeners speak plain text.
    pub server: Option<ServerFiles>,
    /// Whether the admin endpoint speaks TLS too.
    pub admin: bool,
    pub peer: ClientFiles,
}

impl TlsArgs {
    pub fn check(&self) -> Result<TlsConfig, Mistakes> {
        let mut m = Mistakes::default();
        let mut pair = |flag: &'static str,
                        certificate: &Option<PathBuf>,
                        key: &Option<PathBuf>| {
            match (certificate.clone(), key.clone()) {
                (Some(certificate), Some(key)) => Some((certificate, key)),
                (None, None) => None,
                (Some(_), None) => m.take(
                    format!("{flag}-key"),
                    Err(format!("required beside {flag}-certificate")),
                ),
                (None, Some(_)) => m.take(
                    format!("{flag}-certificate"),
                    Err(format!("required beside {flag}-key")),
                ),
            }
        };
        let server = pair("--tls", &self.tls_certificate, &self.tls_key);
        let own = pair("--peer", &self.peer_certificate, &self.peer_key);
        let needs = |given: bool, what: bool| match given && !what {
            true => Err("needs --tls-certificate".to_owned()),
            false => Ok(()),
        };
        let tls = self.tls_certificate.is_some();
        m.check("--tls-client-ca", needs(self.tls_client_ca.is_some(), tls));
        m.check("--admin-tls", needs(self.admin_tls, tls));
        if self.tls_client_optional && self.tls_client_ca.is_none() {
            m.check("--tls-client-optional", Err("needs --tls-client-ca".into()));
        }
        let server = server.map(|(certificate, key)| ServerFiles {
            certificate,
            key,
            client_ca: self.tls_client_ca.clone(),
            client_optional: self.tls_client_optional,
        });
        m.or_built(Some(TlsConfig {
            server,
            admin: self.admin_tls,
            peer: ClientFiles {
                ca: self.peer_ca.clone(),
                own,
            },
        }))
    }
}

/// The TLS of a program.
#[derive(Clone, Debug)]
pub struct Tls {
    /// `None`: the listeners speak plain text.
    pub server: Option<Arc<ServerTls>>,
    /// The TLS of the admin endpoint.
    pub admin: Option<Arc<ServerTls>>,
    /// The TLS of calls to other servers.
    pub peers: Arc<ClientTls>,
}

impl TlsConfig {
    /// Reads all files for the first time.
    pub fn read(&self) -> Result<Tls, Mistake> {
        let server = self.server.as_ref().map(ServerTls::new).transpose()?;
        let server = server.map(Arc::new);
        Ok(Tls {
            admin: server.clone().filter(|_| self.admin),
            server,
            peers: Arc::new(ClientTls::new(&self.peer, &ClientFlags::OF_SERVER)?),
        })
    }

    /// Says whether the listeners may be off loopback.
    pub fn listeners(&self, plaintext: bool) -> Protection {
        match (&self.server, plaintext) {
            (Some(_), _) => Protection::Tls,
            (None, true) => Protection::Trusted,
            (None, false) => Protection::None,
        }
    }

    /// Says whether the admin endpoint may be off loopback.
    pub fn admin(&self, plaintext: bool) -> Protection {
        match self.admin {
            true => self.listeners(plaintext),
            false if plaintext => Protection::Trusted,
            false => Protection::None,
        }
    }
}
