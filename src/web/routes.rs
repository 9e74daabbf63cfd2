//! The route table: every route names its method, its path and who may call it. The router, the OpenAPI document and the
//! test that tries every role on every route are all made from it, so none can forget one.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::{App, auth};
use crate::domain::Role;

/// Who may call a route.
#[derive(Debug, Clone, Copy)]
pub enum Access {
    /// Anybody, signed in or not.
    Public,
    /// These roles, within their site scope.
    Roles(&'static [Role]),
    /// These roles, and whoever calls from this machine itself without a proxy in between.
    OnMachine(&'static [Role]),
}

impl Access {
    /// Who may call from anywhere; none: everybody.
    pub const fn roles(self) -> Option<&'static [Role]> {
        match self {
            Access::Public => None,
            Access::Roles(roles) | Access::OnMachine(roles) => Some(roles),
        }
    }
}

pub const EVERYBODY: Access = Access::Roles(Role::ALL);
/// Those who read and sign.
pub const READERS: Access = Access::Roles(&[Role::Specialist, Role::Reviewer]);
/// Those who see images and reports: everybody but administrators of the machine.
pub const CLINICAL: Access = Access::Roles(&[
    Role::Operator,
    Role::Clinician,
    Role::Specialist,
    Role::Reviewer,
    Role::Manager,
    Role::Integrator,
]);

/// One row of the table.
pub struct Route {
    pub method: Method,
    /// As axum writes it: `/api/v1/cases/{case}`.
    pub path: &'static str,
    pub access: Access,
    /// One line for the OpenAPI document.
    pub summary: &'static str,
    handler: MethodRouter<App>,
}

impl Route {
    pub fn new<H, T>(method: Method, path: &'static str, access: Access, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        Self { method, path, access, summary, handler: on(filter, handler) }
    }

    pub fn get<H: Handler<T, App>, T: 'static>(
        path: &'static str,
        access: Access,
        summary: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::GET, path, access, summary, handler)
    }

    pub fn post<H: Handler<T, App>, T: 'static>(
        path: &'static str,
        access: Access,
        summary: &'static str,
        handler: H,
    ) -> Self {
        Self::new(Method::POST, path, access, summary, handler)
    }
}

/// The router of a table: each handler behind its own access check.
pub fn router(routes: Vec<Route>, app: &App) -> Router<App> {
    routes.into_iter().fold(Router::new(), |router, route| {
        let handler = match route.access.roles() {
            None => route.handler,
            Some(roles) => {
                let on_machine = matches!(route.access, Access::OnMachine(_));
                let guard = auth::Guard { app: app.clone(), roles, on_machine };
                route.handler.layer(from_fn_with_state(guard, auth::guard))
            }
        };
        router.route(route.path, handler)
    })
}
