//! Takes a request to its route: by its head, and by its body where the route needs it. It is pure, and
//! must not know how a body is read.

use std::borrow::Cow;

use super::{Access, Body, Dialect, Page, Request, Route, Table, Unrouted, auth_check};

/// Holds what is known of a request's route before its body is read. It must be completed before it is
/// judged.
pub struct Routing<'a>(Routed<'a>);

/// This is a request with its route, or with the reason why it has none. Only this can be judged.
pub struct Routed<'a> {
    pub route: Result<Route, Unrouted>,
    table: &'a Table,
    request: Request<'a>,
    /// Finds the route again when a repo has another name now. `None` means that the caller is not
    /// redirected.
    again: Option<Again>,
}

/// Finds the route of a request without the hub's prefix.
type Again = fn(&Table, &Request<'_>) -> Option<Route>;

impl Table {
    /// Finds the route of a request whose body may be missing ([`Body::Absent`]). The result says whether
    /// the body must be read.
    pub fn route<'a>(&'a self, request: Request<'a>) -> Routing<'a> {
        Routing(Routed {
            route: self.find(&request),
            table: self,
            request,
            again: Some(|table, request| table.find_inside(request).ok()),
        })
    }
}

impl<'a> Routing<'a> {
    /// Returns whether the body must be read, because only the body names what this request needs.
    pub fn needs_body(&self) -> bool {
        self.0.request.body == Body::Absent && self.0.route == Err(Unrouted::NeedsBody)
    }

    /// Returns whether the body must be read, or the route depends on whether a body is shown at all.
    pub fn depends_on_body(&self) -> bool {
        let Routed {
            route,
            table,
            request,
            ..
        } = &self.0;
        let unseen = Request {
            body: Body::Unseen,
            ..*request
        };
        request.body == Body::Absent && (self.needs_body() || *route != table.find(&unseen))
    }

    /// Returns the form of a refusal that is made before the route is known.
    pub fn dialect(&self) -> Dialect {
        self.0.table.dialect_of(self.0.request.target)
    }

    /// Adds the body that was read. [`Body::Absent`] means that none was read, and changes nothing.
    pub fn complete(self, body: Body<'a>) -> Routed<'a> {
        if body == Body::Absent {
            return self.0;
        }
        let request = Request {
            body,
            ..self.0.request
        };
        Routed {
            route: self.0.table.find(&request),
            request,
            ..self.0
        }
    }
}

impl<'a> Routed<'a> {
    /// Takes the route that a proxy's settings name. The request's own target does not count.
    pub fn fixed(table: &'a Table, request: Request<'a>, route: Route) -> Self {
        Self {
            route: Ok(route),
            table,
            request,
            again: None,
        }
    }

    /// Returns the route of a request for `…/auth-check`, whatever the table contains. `None` means that
    /// the request is for another path.
    pub fn auth_check(table: &'a Table, request: Request<'a>) -> Option<Self> {
        let again: Again = |table, request| auth_check::route(request.target, table.legacy());
        let inside = table.place().inside(request.target);
        let target = inside.as_deref().unwrap_or(request.target);
        Some(Self {
            route: Ok(again(table, &Request { target, ..request })?),
            table,
            request,
            again: Some(again),
        })
    }

    /// Turns redirects off, for a caller that follows none.
    #[must_use]
    pub fn in_place(self) -> Self {
        Self {
            again: None,
            ..self
        }
    }

    /// Opens the route to a browser's preflight for a page that may call. Such a request has no credential.
    #[must_use]
    pub fn or_preflight<'p>(self, page: impl FnOnce() -> Page<'p>) -> Self {
        let asks =
            self.request.method == "OPTIONS" && self.table.is_preflight(&self.request, &page());
        if !asks {
            return self;
        }
        let dialect = self.table.dialect_of(self.request.target);
        Self {
            route: Ok(Route::new(Access::Open, dialect)),
            ..self
        }
    }

    /// Returns the form in which this client reads a refusal.
    pub fn dialect(&self) -> Dialect {
        match &self.route {
            Ok(route) => route.dialect,
            Err(_) => self.table.dialect_of(self.request.target),
        }
    }

    /// Returns the target without the hub's prefix. `None` means that the caller is not redirected.
    pub fn target(&self) -> Option<Cow<'a, str>> {
        self.again?;
        let target = self.request.target;
        Some(self.table.place().inside(target).unwrap_or(target.into()))
    }

    /// Returns the route that the same request would have at another target. Both targets are without the
    /// hub's prefix.
    pub fn again(&self, target: &str) -> Option<Route> {
        let request = Request {
            target,
            ..self.request
        };
        (self.again?)(self.table, &request)
    }

    /// Puts the hub's prefix before a target, if this request's own target has it.
    pub fn as_seen(&self, target: &str) -> Box<str> {
        let place = self.table.place();
        match place.inside(self.request.target) {
            Some(_) => place.outside(target),
            None => target.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "POST /seen body.operation=read visitor
        POST /seen - identity
        POST /shown body.absent identity
        POST /shown - visitor
        POST /any - visitor
        POST /made - body.repo:repo.write";

    #[test]
    fn a_route_says_whether_it_needs_the_body_and_is_completed_with_it() {
        let table = Table::parse(TABLE).unwrap();
        let route = |target| {
            table.route(Request {
                method: "POST",
                target,
                body: Body::Absent,
                bill_to: &[],
            })
        };
        for (target, needs, depends) in [
            ("/seen", true, true),
            ("/made", true, true),
            ("/shown", false, true),
            ("/any", false, false),
            ("/none", false, false),
        ] {
            let routing = route(target);
            let told = (routing.needs_body(), routing.depends_on_body());
            assert_eq!(told, (needs, depends), "{target}");
        }
        let read = Body::Whole(br#"{"operation":"read"}"#);
        for (target, body, expected) in [
            ("/seen", read, Ok(Access::Visitor)),
            ("/seen", Body::Whole(b"{}"), Ok(Access::Identity)),
            ("/seen", Body::TooLong, Err(Unrouted::BodyTooLong)),
            // Without the body the route stays closed.
            ("/seen", Body::Absent, Err(Unrouted::NeedsBody)),
            ("/seen", Body::Unseen, Err(Unrouted::NeedsBody)),
            ("/shown", Body::Absent, Ok(Access::Visitor)),
            ("/shown", Body::Unseen, Ok(Access::Identity)),
            ("/shown", read, Ok(Access::Visitor)),
            ("/none", read, Err(Unrouted::Unknown)),
        ] {
            let routed = route(target).complete(body);
            let access = routed.route.map(|route| route.access);
            assert_eq!(access, expected, "{target}");
        }
    }
}
