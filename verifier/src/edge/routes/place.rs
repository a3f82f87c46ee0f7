//! Holds where clients see the hub: its URL, and the prefix of its paths. The program's settings declare
//! both. It is pure, and must not know any route.

use std::borrow::Cow;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// This is the address of the hub's pages. It is empty if it is not known.
    hub_url: Box<str>,
    /// This is the prefix of all the hub's paths, for example `/hub`. It is empty if there is none.
    prefix: Box<str>,
}

impl Place {
    /// Sets the URL, or returns the rule that the URL breaks.
    pub fn at(&mut self, url: &str) -> Result<(), String> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let fine = matches!(scheme, "http" | "https")
            && !rest.is_empty()
            && rest.bytes().all(|b| b.is_ascii_graphic())
            && !rest.contains(['?', '#', '@']);
        if !fine {
            return Err(format!(
                "`{url}` must be a URL, http or https, without user, query and fragment"
            ));
        }
        self.hub_url = url.trim_end_matches('/').into();
        Ok(())
    }

    /// Sets the prefix, or returns the rule that the path breaks.
    pub fn under(&mut self, path: &str) -> Result<(), String> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_~.".contains(&b);
        let segment = |it: &str| !matches!(it, "" | "." | "..") && it.bytes().all(plain);
        let mut segments = path.strip_prefix('/').unwrap_or_default().split('/');
        if !segments.all(segment) {
            return Err(format!(
                "`{path}` must be a path such as /hub, of letters, digits and - _ ~ ., without a slash \
                 at its end"
            ));
        }
        if path == "/auth" || path.starts_with("/auth/") {
            return Err("/auth is where proxies ask".into());
        }
        self.prefix = path.into();
        Ok(())
    }

    pub fn hub_url(&self) -> &str {
        &self.hub_url
    }

    /// Removes the prefix from a target. `None` means that the target isn't under the prefix.
    pub fn inside<'t>(&self, target: &'t str) -> Option<Cow<'t, str>> {
        let rest = target.strip_prefix(&*self.prefix)?;
        match rest.bytes().next() {
            _ if self.prefix.is_empty() => Some(Cow::Borrowed(rest)),
            Some(b'/') => Some(Cow::Borrowed(rest)),
            None | Some(b'?') => Some(Cow::Owned(format!("/{rest}"))),
            Some(_) => None,
        }
    }

    /// Puts the prefix before a target.
    pub fn outside(&self, target: &str) -> Box<str> {
        format!("{}{target}", self.prefix).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(prefix: &str) -> Place {
        let mut place = Place::default();
        place.under(prefix).unwrap();
        place
    }

    #[test]
    fn a_target_is_under_the_prefix_or_elsewhere() {
        let hub = under("/hub");
        for (target, inside) in [
            ("/hub/a/b?c=/hub", Some("/a/b?c=/hub")),
            ("/hub", Some("/")),
            ("/hub/", Some("/")),
            ("/hub?a=b", Some("/?a=b")),
            ("/hub//a", Some("//a")),
            ("/hub/hub/a", Some("/hub/a")),
            ("/hubs/a", None),
            ("/Hub/a", None),
            ("/%68ub/a", None),
            ("//hub/a", None),
            ("/a/hub/b", None),
            ("/", None),
            ("", None),
            ("*", None),
            ("http://hub/hub/a", None),
        ] {
            assert_eq!(hub.inside(target).as_deref(), inside, "{target}");
        }
        assert_eq!(&*hub.outside("/a?b"), "/hub/a?b");
        let none = Place::default();
        for target in ["/hub/a", "/", "", "*", "?a"] {
            assert_eq!(none.inside(target).as_deref(), Some(target));
            assert_eq!(&*none.outside(target), target);
        }
        assert_eq!(under("/a/b.c").inside("/a/b.c/d").as_deref(), Some("/d"));
    }

    #[test]
    fn what_is_no_prefix_and_no_url_is_refused() {
        for path in [
            "", "/", "hub", "/hub/", "//hub", "/a//b", "/a b", "/..", "/a%2fb", "/a?b", "/auth",
        ] {
            assert!(Place::default().under(path).is_err(), "{path}");
        }
        for url in [
            "",
            "hub.example",
            "ftp://hub",
            "http://",
            "https://a b",
            "https://a?b",
            "https://u@a",
        ] {
            assert!(Place::default().at(url).is_err(), "{url}");
        }
        let mut place = Place::default();
        place.at("https://hub.example/x/").unwrap();
        assert_eq!(place.hub_url(), "https://hub.example/x");
    }
}
