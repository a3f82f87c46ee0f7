//! A request on its way to its route: by its head, and by its body where the route asks for it. Pure.

use std::borrow::Cow;

use super::{Access, Body, Dialect, Page, Request, Route, Table, Unrouted, auth_check};

/// What is known of a request's route before its body is read. It must be completed before it is judged.
pub struct Routing<'a>(Routed<'a>);

/// A request with its route, or with the reason why it has none. Only this can be judged.
pub struct Routed<'a> {
    pub route: Result<Route, Unrouted>,
    table: &'a Table,
    request: Request<'a>,
    by: By,
}

/// Where the route was found. It is looked for there again when a repo has another name now.
#[derive(Clone, Copy)]
enum By {
    Table,
    AuthCheck,
    /// It is not looked for again: the caller is not sent elsewhere.
    Nobody,
}

impl Table {
    /// The request's body may be missing ([`Body::Absent`]): the answer says whether it must be read.
    pub fn route<'a>(&'a self, request: Request<'a>) -> Routing<'a> {
        Routing(Routed {
            route: self.find(&request),
            table: self,
            request,
            by: By::Table,
        })
    }
}

impl<'a> Routing<'a> {
    /// The body must be read: only the body says what this request takes.
    pub fn needs_body(&self) -> bool {
        self.0.request.body == Body::Absent && self.0.route == Err(Unrouted::NeedsBody)
    }

    /// The body must be read, or the route depends on whether a body is shown at all.
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

    /// The form of a refusal that is made before the route is known.
    pub fn dialect(&self) -> Dialect {
        self.0.table.dialect_of(self.0.request.target)
    }

    /// Adds the body that was read. [`Body::Absent`] says that none was read, and changes nothing.
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
    /// A route that a proxy's settings name. The request's own target says nothing.
    pub fn fixed(table: &'a Table, request: Request<'a>, route: Route) -> Self {
        Self {
            route: Ok(route),
            table,
            request,
            by: By::Nobody,
        }
    }

    /// The route of a request for `…/auth-check`, whatever the table says. `None`: it asks for another path.
    pub fn auth_check(table: &'a Table, request: Request<'a>) -> Option<Self> {
        let inside = table.place().inside(request.target);
        let route = auth_check::route(inside.as_deref().unwrap_or(request.target), table.legacy())?;
        Some(Self {
            route: Ok(route),
            table,
            request,
            by: By::AuthCheck,
        })
    }

    /// For a caller that follows no redirect.
    #[must_use]
    pub fn in_place(self) -> Self {
        Self {
            by: By::Nobody,
            ..self
        }
    }

    /// Opens the route if a browser asks beforehand for a page that may call. Such a request has no
    /// credential.
    #[must_use]
    pub fn or_preflight<'p>(self, page: impl FnOnce() -> Page<'p>) -> Self {
        let asks =
            self.request.method == "OPTIONS" && self.table.is_preflight(&self.request, &page());
        if !asks {
            return self;
        }
        let dialect = self.table.dialect_of(self.request.target);
        Self {
            route: Ok(Route::of(Access::Open, dialect)),
            ..self
        }
    }

    /// The form in which this client reads a refusal.
    pub fn dialect(&self) -> Dialect {
        match &self.route {
            Ok(route) => route.dialect,
            Err(_) => self.table.dialect_of(self.request.target),
        }
    }

    /// The target without the hub's prefix. `None`: the caller is not sent elsewhere.
    pub fn target(&self) -> Option<Cow<'a, str>> {
        let target = self.request.target;
        match self.by {
            By::Nobody => None,
            By::Table | By::AuthCheck => {
                Some(self.table.place().inside(target).unwrap_or(target.into()))
            }
        }
    }

    /// The route that the same request would have at another target. Both are without the hub's prefix.
    pub fn again(&self, target: &str) -> Option<Route> {
        match self.by {
            By::Table => {
                let request = Request {
                    target,
                    ..self.request
                };
                self.table.find_inside(&request).ok()
            }
            By::AuthCheck => auth_check::route(target, self.table.legacy()),
            By::Nobody => None,
        }
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
