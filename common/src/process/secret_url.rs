//! This file decides which URLs hold a password. Every user of a machine can read a process's
//! arguments, so any URL with a password must come from the environment or a file, and is refused as an
//! argument. No message repeats a URL.

use std::ffi::OsStr;

/// Refuses a command line that holds a URL with a password, under any flag; `Err` describes the remedy.
pub fn no_passwords<T: AsRef<OsStr>>(args: impl IntoIterator<Item = T>) -> Result<(), String> {
    let mut before = String::new();
    for arg in args {
        let arg = arg.as_ref().to_string_lossy();
        let (flag, value) = match arg.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, value),
            _ => (before.as_str(), arg.as_ref()),
        };
        // Some settings are lists.
        if value.split(',').any(has_password) || has_password(value) {
            let flag = if flag.starts_with("--") {
                flag
            } else {
                "arguments"
            };
            return Err(format!(
                "{flag}: must hold no password, for anybody on this machine can read it: set it in the \
                 environment (see --help for the variable), or put the password into a file \
                 (--redis-password-file)"
            ));
        }
        before = arg.into_owned();
    }
    Ok(())
}

/// Whether a URL holds a password in its user part, or where a Redis on a Unix socket has it. A
/// password with an unescaped `/`, `?` or `#` makes an invalid URL, but still counts.
pub fn has_password(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    authority.rsplit_once('@').is_some_and(|it| is_pair(it.0))
        || runs_on(scheme, authority, rest)
        || query
            .split(['&', '#', '?'])
            .any(|pair| pair.strip_prefix("pass=").is_some_and(|it| !it.is_empty()))
}

/// Whether the text is a user's name and a password.
fn is_pair(user: &str) -> bool {
    user.split_once(':')
        .is_some_and(|(_, password)| !password.is_empty())
}

/// Whether the character that ends the authority belongs to a password: an `@` follows it, and the text
/// before it can't be a host and its port, or the text behind it can't be a path.
fn runs_on(scheme: &str, authority: &str, rest: &str) -> bool {
    if authority.starts_with(':') {
        return authority.len() > 1 || rest.contains('@');
    }
    let Some((before, behind)) = rest.rsplit_once('@').filter(|it| is_pair(it.0)) else {
        return false;
    };
    let port = authority
        .rsplit_once(':')
        .filter(|(host, _)| !host.starts_with('[') || host.ends_with(']'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let names_a_port = |text: &str| {
        let host = text.split(['/', '?', '#']).next().unwrap_or_default();
        host.rsplit_once(':')
            .is_some_and(|(_, port)| is_number(port))
    };
    // The path of a Redis URL is a number.
    let redis = scheme.starts_with("redis");
    (redis && !authority.is_empty())
        || port.is_some_and(|(_, port)| !is_number(port))
        || (port.is_some() && before.len() > authority.len() && names_a_port(behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_no_argument() {
        for args in [
            &["--store", "redis://u:hunter2@127.0.0.1"][..],
            &["--store", "redis+sentinel://u:hunter2@a:1,b:2/main"],
            &["--feed=rediss+cluster://:hunter2@a,b/"],
            &["--feed=redis+sentinel://u:12/hunter2@a,b/main"],
            &["--store=redis://:hunter2@127.0.0.1"],
            &["--feed", "redis+unix:///run/s?user=a&pass=hunter2"],
            &["--feed=http://u:hunter2@127.0.0.1:8470"],
            &["--jwks", "http://u:hunter2@127.0.0.1/x"],
            &["--guard=http://u:hunter2@127.0.0.1"],
            &["--otlp-endpoint", "http://u:hunter2@127.0.0.1"],
            &["dev", "--redis", "redis://u:hunter2@127.0.0.1"],
            &["check", "redis://u:hunter2@127.0.0.1"],
            // Passwords from a generator may hold unescaped special characters.
            &["--store", "redis://:hunter2/x@127.0.0.1"],
            &["--store", "redis://:/hunter2@127.0.0.1"],
            &["--store", "redis://:hunter2?x@127.0.0.1:6379/0"],
            &["--store", "redis://:hunter2#x@127.0.0.1:6379"],
            &["--store=rediss://u:hunter2/x@db:6379/1"],
            &["--store", "redis://u:12/hunter2@db"],
            &["--store", "redis://u:/hunter2@db"],
            &["--store", "redis://u:hunter2/a@b@db"],
            &["--store", "redis://u@x:hunter2/a@db"],
            &["--store", "redis://[::1]:hunter2/x@db"],
            &["--store", "redis://:hunter2"],
            &["--store", "redis+unix:///run/s?user=a&pass=hunter2#x"],
            &["--store", "redis+unix:///run/s?user=a?pass=hunter2"],
            &["--feed=http://u:hunter2/x@127.0.0.1:8470"],
            &["--feed=https://u:hunter2?x@issuer"],
            &["--feed=http://u:hunter2#x@issuer"],
            &["--feed=http://u:12/hunter2@issuer:8470"],
            &["--feed=http://:hunter2/x@issuer"],
            &["--jwks", "http://a/x,http://u:hunter2/x@issuer"],
            &["--otlp-endpoint", "http://u:p@ss/hunter2@127.0.0.1"],
        ] {
            let told = no_passwords(args).unwrap_err();
            assert!(!told.contains("hunter2"), "{told}");
            assert!(told.contains("environment"), "{told}");
            let flag = args.iter().find(|arg| arg.starts_with("--"));
            let flag = flag.map_or("arguments", |flag| flag.split('=').next().unwrap());
            assert!(told.starts_with(flag), "{told}");
        }
        for args in [
            &["--store", "redis://127.0.0.1:6379/0"][..],
            &["--store", "redis://user@127.0.0.1"],
            &["--store", "redis+unix:///run/s?user=a"],
            &["--signing-key", "k1=/run/a:b@c"],
            &["--jwks", "http://127.0.0.1/a:b@c"],
            &["--jwks", "http://127.0.0.1:8080/a@b"],
            &["--jwks", "http://127.0.0.1:8080/a?b=c@d#e"],
            &["--jwks", "http://[::1]:8080/a@b"],
            &["--jwks", "http://[::1]/a:b@c"],
            &["--store", "redis://[::1]:6379/0"],
            &["--store", "redis://user@[::1]:6379/0?protocol=resp3"],
            &["--store", "redis+unix:///run/a:b@c/s"],
            &["--store", "redis+sentinel://u@a:1,b:2,[::1]:3/main/0"],
            &["--store", "redis+cluster://a:1,b:2/"],
            &["--store", "embedded:/var/lib/a:b@c"],
        ] {
            assert_eq!(no_passwords(args), Ok(()), "{args:?}");
        }
    }
}
