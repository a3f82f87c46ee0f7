//! The settings of a Redis that both programs and the command have: how they are typed, and which
//! mistakes they can hold. It must not know how anything is connected.

use std::path::{Path, PathBuf};

use crate::{
    process::{listen::url_permitted, settings::Mistakes},
    store::{
        guards::Guards,
        redis::{OpenError, RedisAccess, RedisPlace, RedisTlsFiles, durable::Majority},
    },
};

#[expect(
    missing_docs,
    reason = "a text here would stand in the help in place of the program's own"
)]
#[derive(clap::Args, Clone, Debug)]
pub struct RedisArgs {
    /// Log in to Redis as this user, in place of the one in the URL.
    #[arg(long, env = "TOKENWARD_REDIS_USER", value_name = "NAME")]
    pub redis_user: Option<String>,
    /// Read the password of the Redis user from this file, in place of the one in the URL. The file is
    /// read again every second, and a changed password is used from then on.
    #[arg(
        long,
        env = "TOKENWARD_REDIS_PASSWORD_FILE",
        value_name = "PATH",
        aliases = ["store-password-file", "feed-password-file"]
    )]
    pub redis_password_file: Option<PathBuf>,
    /// Log in to the sentinels of a redis+sentinel URL as this user. They have users of their own.
    #[arg(long, env = "TOKENWARD_REDIS_SENTINEL_USER", value_name = "NAME")]
    pub redis_sentinel_user: Option<String>,
    /// Read the password for the sentinels from this file. It is read again for each connection.
    #[arg(
        long,
        env = "TOKENWARD_REDIS_SENTINEL_PASSWORD_FILE",
        value_name = "PATH"
    )]
    pub redis_sentinel_password_file: Option<PathBuf>,
    /// Trust only the authorities in this PEM file for the server of a rediss URL [default: those that
    /// the system trusts]. All files of TLS to Redis are read again for each connection.
    #[arg(long, env = "TOKENWARD_REDIS_CA_FILE", value_name = "PATH")]
    pub redis_ca_file: Option<PathBuf>,
    /// Show the certificate in this PEM file, with its chain, to the server of a rediss URL.
    #[arg(long, env = "TOKENWARD_REDIS_CERTIFICATE_FILE", value_name = "PATH")]
    pub redis_certificate_file: Option<PathBuf>,
    /// Read the private key of --redis-certificate-file from this PEM file.
    #[arg(long, env = "TOKENWARD_REDIS_KEY_FILE", value_name = "PATH")]
    pub redis_key_file: Option<PathBuf>,
    /// Expect this many data nodes of the realm in Redis, which are the primary and its replicas: 1, or
    /// an odd number from 3 to 15. A write counts once a majority of them has it. Give every issuer and
    /// every verifier of a realm the same number.
    #[arg(
        long,
        env = "TOKENWARD_STORE_NODES",
        default_value = "1",
        value_name = "NUMBER"
    )]
    pub store_nodes: String,
}

impl Default for RedisArgs {
    fn default() -> Self {
        Self {
            redis_user: None,
            redis_password_file: None,
            redis_sentinel_user: None,
            redis_sentinel_password_file: None,
            redis_ca_file: None,
            redis_certificate_file: None,
            redis_key_file: None,
            store_nodes: "1".into(),
        }
    }
}

impl RedisArgs {
    /// Reads a URL by the rules for this flag, with the settings beside it. No message repeats the URL,
    /// which may hold a password.
    pub fn place(
        &self,
        flag: &'static str,
        url: &str,
        plaintext: bool,
        read: impl Fn(&Path) -> Result<String, String>,
        m: &mut Mistakes,
    ) -> Option<RedisPlace> {
        for (flag, file) in [
            ("--redis-password-file", &self.redis_password_file),
            (
                "--redis-sentinel-password-file",
                &self.redis_sentinel_password_file,
            ),
        ] {
            let Some(path) = file else {
                continue;
            };
            let is_empty = |text: String| text.trim().is_empty();
            let rule = match read(path).map(is_empty) {
                Ok(false) => Ok(()),
                Ok(true) => Err(format!("`{}` is empty", path.display())),
                Err(rule) => Err(rule),
            };
            m.check(flag, rule);
        }
        let access = RedisAccess {
            user: self.redis_user.clone(),
            password_file: self.redis_password_file.clone(),
            sentinel_user: self.redis_sentinel_user.clone(),
            sentinel_password_file: self.redis_sentinel_password_file.clone(),
            tls: RedisTlsFiles {
                ca: self.redis_ca_file.clone(),
                certificate: self.redis_certificate_file.clone(),
                key: self.redis_key_file.clone(),
            },
            stay_local: !plaintext,
        };
        let parsed = RedisPlace::parse(url, access).map_err(|error| match error {
            OpenError::Url(rule) => rule.to_owned(),
            other => other.to_string(),
        });
        let place = m.take(flag, parsed)?;
        if !place.has_tls() {
            for host in place.hosts() {
                let bare = if host.contains(':') {
                    format!("redis://[{host}]")
                } else {
                    format!("redis://{host}")
                };
                m.take(flag, url_permitted(&bare, plaintext))?;
            }
        }
        Some(place)
    }

    /// Reads the number of data nodes.
    pub fn nodes(&self, place: &RedisPlace, m: &mut Mistakes) -> Option<u8> {
        let rule = || "must be 1, or an odd number from 3 to 15".to_owned();
        let number = self.store_nodes.parse::<u8>().map_err(|_| rule());
        let fits = number.and_then(|nodes| match Majority::new(nodes, &Guards::ALL) {
            Ok(_) if nodes == 1 && place.has_sentinels() => Err(
                "must be 3 or more where sentinels may make a replica the primary: with one data \
                 node it would lack what was acknowledged"
                    .into(),
            ),
            Ok(_) => Ok(nodes),
            Err(_) => Err(rule()),
        });
        m.take("--store-nodes", fits)
    }

    /// Refuses these settings where the store, or the feed, is no Redis.
    pub fn refuse(&self, m: &mut Mistakes) {
        for (flag, is_given) in [
            ("--redis-user", self.redis_user.is_some()),
            ("--redis-password-file", self.redis_password_file.is_some()),
            ("--redis-sentinel-user", self.redis_sentinel_user.is_some()),
            (
                "--redis-sentinel-password-file",
                self.redis_sentinel_password_file.is_some(),
            ),
            ("--redis-ca-file", self.redis_ca_file.is_some()),
            (
                "--redis-certificate-file",
                self.redis_certificate_file.is_some(),
            ),
            ("--redis-key-file", self.redis_key_file.is_some()),
            ("--store-nodes", self.store_nodes != "1"),
        ] {
            if is_given {
                m.check(flag, Err("only a Redis has this".into()));
            }
        }
    }
}
