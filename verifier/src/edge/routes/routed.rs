//! A request on its way to its route: by its head, and by its body where the route asks for it. Pure.

use std::borrow::Cow;

use super::{Access, Body, Dialect, Page, Request, Route, Table, Unrouted, auth_check};

/// How far a request leads without a body that is still to be read.
pub struct Routing<'a>(Routed<'a>);

/// A request at its route, or at the reason why it has none. Only this can be judged.
pub struct Routed<'a> {
    pub route: Result<Route, Unrouted>,
    table: &'a Table,
    request: Request<'a>,
    by: By,
}

/// Who found the route, and so finds it again where a repo has another name now.
#[derive(Clone, Copy)]
enum By {
    Table,
    AuthCheck,
    /// Nobody looks again.
    Nobody,
}

impl Table {
    /// Where the body is not at hand ([`Body::Absent`]), it may have to be read to say what is asked for.
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
    /// Only the body says what this request takes.
    pub fn needs_body(&self) -> bool {
        self.0.request.body == Body::Absent && self.0.route == Err(Unrouted::NeedsBody)
    }

    /// The same, or it matters whether a body is shown at all.
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

    /// As what has no route would be refused.
    pub fn dialect(&self) -> Dialect {
        self.0.table.dialect_of(self.0.request.target)
    }

    /// With what came of its body; [`Body::Absent`]: none was read.
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
    /// To what it asks for by its settings, whatever its request says.
    pub fn fixed(table: &'a Table, request: Request<'a>, route: Route) -> Self {
        Self {
            route: Ok(route),
            table,
            request,
            by: By::Nobody,
        }
    }

    /// To a check of a repo ([`auth_check`]), whatever the table says. `None`: it asks for another path.
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

    /// Of a caller that can't be sent elsewhere.
    #[must_use]
    pub fn in_place(self) -> Self {
        Self {
            by: By::Nobody,
            ..self
        }
    }

    /// Open, where a browser asks beforehand for a page that may call: it asks in nobody's name.
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

    /// In which form its refusal is read.
    pub fn dialect(&self) -> Dialect {
        match &self.route {
            Ok(route) => route.dialect,
            Err(_) => self.table.dialect_of(self.request.target),
        }
    }

    /// Where the hub stands that is asked.
    pub fn hub_url(&self) -> &'a str {
        self.table.hub_url()
    }

    /// The target as the hub knows it. `None`: this request is not sent elsewhere.
    pub fn target(&self) -> Option<Cow<'a, str>> {
        let target = self.request.target;
        match self.by {
            By::Nobody => None,
            By::Table | By::AuthCheck => {
                Some(self.table.place().inside(target).unwrap_or(target.into()))
            }
        }
    }

    /// The route of the same request at another target of the hub.
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

    /// A target of the hub as this request's client sees it.
    pub fn as_seen(&self, target: &str) -> Box<str> {
        let place = self.table.place();
        match place.inside(self.request.target) {
            Some(_) => place.outside(target),
            None => target.into(),
        }
    }
}
