//! `tokenward realm create` makes a realm in a store, once. The servers never do: a server that is started
//! over a wiped store would make an empty realm, in which nothing is revoked.

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
    config::{is_managed, parse_store},
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
because a new realm does not know what was revoked. After a loss, restore a copy. If there is no
copy, make the realm and give it new signing keys.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a realm in a store where none is and none was.
    #[command(after_help = EXAMPLES)]
    Create(Create),
    /// List what the realm's Redis lost, and when issuers opened a new history because of it
    Histories(history::Where),
    /// Vouch for the primary of the realm's Redis when no issuer is left that remembers
    #[command(after_help = history::VOUCH)]
    Vouch(history::Where),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Give the realm this name. It has 1 to 64 characters of A-Z a-z 0-9 . _ -
    #[arg(long, env = "TOKENWARD_REALM", hide_env_values = true)]
    realm: String,
    /// Make the realm in this store, given as the issuer's --store: redis://host:port,
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

pub(crate) async fn run(
    command: Command,
    global: &Global,
    output: &Output,
) -> Result<Exit, Failure> {
    let args = match command {
        Command::Create(args) => args,
        Command::Histories(at) => return history::list(&at, global, output).await,
        Command::Vouch(at) => return history::vouch(&at, global, output).await,
    };
    AccountId::parse(&args.realm).map_err(|rule| Failure::usage(format!("--realm: {rule}")))?;
    let mut m = Mistakes::default();
    let store = parse_store(&args.store, &args.redis, global.plaintext, &mut m);
    let managed = m.take("--store-durability", is_managed(&args.store_durability));
    let (store, managed) = m
        .or_built(store.zip(managed))
        .map_err(|mistakes| Failure::usage(mistakes.to_string()))?;
    let options = OpenOptions {
        allow_volatile: args.allow_volatile,
        managed,
        ..OpenOptions::default()
    };
    stores::create(&store, &args.realm, options, Arc::new(SystemClock))
        .await
        .map_err(failure)?;
    let text = format!("made the realm {}", args.realm);
    output.answer(&text, &json!({ "realm": args.realm }))?;
    Ok(Exit::Ok)
}

fn failure(error: CreateError) -> Failure {
    match error {
        CreateError::Known => Failure::new(Exit::Conflict, error.to_string()).next(
            "start the issuer over it; after a loss restore a copy, or delete what is left and take new signing keys",
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
}
