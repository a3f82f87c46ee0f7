//! `tokenward realm` makes a realm in a store, once, and makes archives of a realm and realms of archives. The
//! servers never make one: a server that is started over a wiped store would make an empty realm, in which
//! nothing is revoked.

mod archive;
mod history;

use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;
use tokenward_common::{
    clock::SystemClock,
    id::AccountId,
    process::{Secret, settings::Mistakes},
    store::redis::{OpenOptions, RedisArgs},
};
use tokenward_issuer::{
    config::{StoreChoice, is_managed, parse_store},
    stores::{self, CreateError},
};

use crate::{
    exit::{Exit, Failure},
    global::Global,
    output::Output,
};

const EXAMPLES: &str = "\
Examples:
  tokenward realm create --realm hub --store embedded:/var/lib/tokenward/hub.redb
  TOKENWARD_STORE=redis://127.0.0.1:6379 tokenward realm create --realm hub

The command refuses a store that holds a realm of that name, or anything that is left of one,
because a new realm does not know what was revoked. After a loss, restore a backup. If there is no
backup, make the realm and give it new signing keys.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a realm in a store where none is and none was.
    #[command(after_help = EXAMPLES)]
    Create(Place),
    /// Write everything that a store holds of a realm into a file. Over Redis issuers go on meanwhile.
    #[command(after_help = archive::BACKUP)]
    Backup(archive::Backup),
    /// Make a realm of a backup, in a store where nothing of it is left.
    #[command(after_help = archive::RESTORE)]
    Restore(archive::Restore),
    /// List what the realm's Redis lost, and when issuers opened a new history because of it.
    #[command(after_help = history::HISTORIES)]
    Histories(Place),
    /// Vouch for the primary of the realm's Redis when no issuer is left that remembers.
    #[command(after_help = history::VOUCH)]
    Vouch(Place),
}

/// Says in which store a realm is, and how that store is opened.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// Name the realm so. A name has 1 to 64 characters of A-Z a-z 0-9 . _ -
    #[arg(long, env = "TOKENWARD_REALM", hide_env_values = true)]
    realm: String,
    /// Use this store, given as the issuer's --store: redis://host:port,
    /// redis+sentinel://host,host,host/name, redis+cluster://host,host/ (over TLS rediss…), or
    /// embedded:/path/to/file. A URL with a password belongs in the environment, not on the command
    /// line.
    #[arg(long, env = "TOKENWARD_STORE", hide_env_values = true)]
    store: Secret,
    #[command(flatten)]
    redis: RedisArgs,
    /// Accept a Redis whose settings let it evict or forget data. Revocations can then be lost.
    #[arg(long, env = "TOKENWARD_ALLOW_VOLATILE", hide_env_values = true)]
    allow_volatile: bool,
    /// Say who vouches that the Redis keeps what it acknowledged: `checked` means its own settings,
    /// which are read; `managed` means you, where a managed service hides them.
    #[arg(
        long,
        env = "TOKENWARD_STORE_DURABILITY",
        hide_env_values = true,
        default_value = "checked",
        value_name = "checked|managed"
    )]
    store_durability: String,
}

impl Place {
    /// Checks the options, and returns the store and how it is opened.
    fn read(&self, global: &Global) -> Result<(StoreChoice, OpenOptions), Failure> {
        AccountId::parse(&self.realm).map_err(|rule| Failure::usage(format!("--realm: {rule}")))?;
        let mut m = Mistakes::default();
        let store = parse_store(&self.store, &self.redis, global.plaintext, &mut m);
        let managed = m.take("--store-durability", is_managed(&self.store_durability));
        let (store, managed) = m
            .or_built(store.zip(managed))
            .map_err(|mistakes| Failure::usage(mistakes.to_string()))?;
        let options = OpenOptions {
            allow_volatile: self.allow_volatile,
            managed,
            ..OpenOptions::default()
        };
        Ok((store, options))
    }
}

pub(crate) async fn run(
    command: Command,
    global: &Global,
    output: &Output,
) -> Result<Exit, Failure> {
    match command {
        Command::Create(place) => create(&place, global, output).await,
        Command::Backup(args) => archive::back_up(&args, global, output).await,
        Command::Restore(args) => archive::restore(&args, global, output).await,
        Command::Histories(place) => history::list(&place, global, output).await,
        Command::Vouch(place) => history::vouch(&place, global, output).await,
    }
}

async fn create(place: &Place, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let (store, options) = place.read(global)?;
    stores::create(&store, &place.realm, options, Arc::new(SystemClock))
        .await
        .map_err(failure)?;
    let text = format!("made the realm {}", place.realm);
    output.answer(&text, &json!({ "realm": place.realm }))?;
    Ok(Exit::Ok)
}

fn failure(error: CreateError) -> Failure {
    match error {
        CreateError::Known => Failure::new(Exit::Conflict, error.to_string()).next(
            "start the issuer over it; after a loss restore a backup, or delete what is left and take new signing keys",
        ),
        CreateError::Other(_) => Failure::new(Exit::Other, format!("--store: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use crate::run;

    fn create(args: &[&str]) -> std::process::ExitCode {
        run([&["tokenward", "--json", "realm", "create"], args].concat())
    }

    #[test]
    fn a_realm_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.redb");
        let store = format!("--store=embedded:{}", path.display());
        let exit = |code: u8| format!("{:?}", std::process::ExitCode::from(code));
        let told = |args: &[&str]| format!("{:?}", create(args));
        assert_eq!(told(&["--realm=a b", &store]), exit(2));
        assert_eq!(told(&["--realm=hub", "--store=mysql://db"]), exit(2));
        assert!(!path.exists());
        assert_eq!(told(&["--realm=hub", &store]), exit(0));
        assert_eq!(told(&["--realm=hub", &store]), exit(6));
    }

    #[test]
    fn a_backup_makes_the_realm_again_where_none_is() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let exit = |code: u8| format!("{:?}", std::process::ExitCode::from(code));
        let told = |args: &[String]| {
            let words = ["tokenward", "--json", "realm"].map(str::to_owned);
            format!("{:?}", run([&words, args].concat()))
        };
        let words = |verb: &str, rest: &[&str]| -> Vec<String> {
            let mut all = vec![verb.to_owned()];
            all.extend(rest.iter().map(|word| (*word).to_owned()));
            all
        };
        let store = format!("--store=embedded:{}", at("hub.redb"));
        let other = format!("--store=embedded:{}", at("other.redb"));
        let (to, from) = (
            format!("--to={}", at("file")),
            format!("--from={}", at("file")),
        );
        let back_up = words("backup", &["--realm=hub", &store, &to]);
        // There is no realm yet, and a backup that fails leaves no file.
        assert_eq!(told(&back_up), exit(7));
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
        assert_eq!(told(&words("create", &["--realm=hub", &store])), exit(0));
        assert_eq!(told(&back_up), exit(0));
        assert_eq!(told(&back_up), exit(6));
        let restore = |realm: &str, store: &str| words("restore", &[realm, store, &from]);
        assert_eq!(told(&restore("--realm=hub", &store)), exit(6));
        assert_eq!(told(&restore("--realm=bob", &other)), exit(2));
        assert_eq!(told(&restore("--realm=hub", &other)), exit(0));
        assert_eq!(told(&restore("--realm=hub", &other)), exit(6));
    }
}
