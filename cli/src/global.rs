//! Defines names and defaults of the options that all commands share, each with its environment variable.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::{Args, builder::FalseyValueParser};
use tokenward_common::process::tls::{ClientFiles, ClientFlags, ClientTls};

use crate::{exit::Failure, when::parse_duration};

#[derive(Debug, Args)]
#[command(next_help_heading = "Shared options")]
pub(crate) struct Global {
    /// Send what mints, lists, revokes or writes the directory to the issuer at this URL.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TOKENWARD_ISSUER",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8470"
    )]
    pub(crate) issuer: String,
    /// Send what is asked of a verifier to this URL.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TOKENWARD_VERIFIER",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8480"
    )]
    pub(crate) verifier: String,
    /// Read the operator's credential from this file [env: TOKENWARD_CREDENTIAL_FILE]. Without a
    /// file it is read from TOKENWARD_CREDENTIAL, and otherwise from a prompt.
    // `secret` reads the variables, not clap: the option must win over either, and setting both is a mistake.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) credential_file: Option<PathBuf>,
    /// Allow `http://` to another machine. Credentials and tokens then travel unencrypted.
    #[arg(long, global = true, env = "TOKENWARD_PLAINTEXT", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub(crate) plaintext: bool,
    /// Trust only the authorities in this PEM file for `https://`. Without it, those are trusted that the
    /// system trusts.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "TOKENWARD_CA",
        hide_env_values = true
    )]
    pub(crate) ca: Option<PathBuf>,
    /// Show the certificate in this PEM file to a server that asks for one. It may say who calls, in place
    /// of an operator credential.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        requires = "client_key",
        env = "TOKENWARD_CLIENT_CERTIFICATE",
        hide_env_values = true
    )]
    pub(crate) client_certificate: Option<PathBuf>,
    /// Read the private key of --client-certificate from this PEM file.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        requires = "client_certificate",
        env = "TOKENWARD_CLIENT_KEY",
        hide_env_values = true
    )]
    pub(crate) client_key: Option<PathBuf>,
    /// Wait at most this long for a connection or an answer.
    #[arg(long, global = true, value_name = "DURATION", env = "TOKENWARD_TIMEOUT", hide_env_values = true,
        default_value = "10s", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    /// Print answers and errors as JSON.
    #[arg(long, global = true, env = "TOKENWARD_JSON", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
}

impl Global {
    /// Reads the files for calls over TLS.
    pub(crate) fn tls(&self) -> Result<Arc<ClientTls>, Failure> {
        let files = ClientFiles {
            ca: self.ca.clone(),
            own: self.client_certificate.clone().zip(self.client_key.clone()),
        };
        let tls = ClientTls::new(&files, &ClientFlags::OF_COMMAND);
        tls.map(Arc::new)
            .map_err(|mistake| Failure::usage(mistake.to_string()).next("give readable PEM files"))
    }
}
