//! Signing in, and who one is.

use crate::{message, words};

words! {
    /// What an account or token may do; see the route table in the server's `web`.
    pub enum Role {
        Operator = "operator",
        Clinician = "clinician",
        Specialist = "specialist",
        Reviewer = "reviewer",
        Manager = "manager",
        Admin = "admin",
        Integrator = "integrator",
    }
}

impl Role {
    /// A specialist, or a specialist of higher grade.
    pub const fn reads(self) -> bool {
        matches!(self, Role::Specialist | Role::Reviewer)
    }
}

message! {
    /// `POST /api/v1/session`
    pub struct SignIn {
        pub login: String,
        pub password: String,
    }

    /// `GET /api/v1/session`, also the answer to signing in.
    pub struct Me {
        pub account: i64,
        pub login: String,
        pub name: String,
        /// Professional title as printed under a signature, e.g. 主治医师.
        pub title: String,
        pub role: Role,
        /// The one site an operator or clinician belongs to; none for people of the center.
        pub site: Option<Place>,
        pub center: String,
        /// Sent back in `X-Yunying-Csrf` with every change.
        pub csrf: String,
        pub on_duty: bool,
        pub now_us: i64,
        /// The center's time zone, in which every page tells the time: its name in the IANA database, or a distance from UTC
        /// such as `+08:00`.
        pub zone: String,
        pub last_sign_in_us: Option<i64>,
        /// Idle time after which the server forgets the session.
        pub idle_minutes: u32,
    }

    /// `GET /api/v1/status`: what the sign-in page may show to anybody.
    pub struct Status {
        pub center: String,
        pub version: String,
        pub help_phone: Option<String>,
        pub now_us: i64,
    }

    /// A site as lists show it.
    pub struct Place {
        pub id: i64,
        pub name: String,
    }

    /// A person as lists show them.
    pub struct Person {
        pub id: i64,
        pub name: String,
        pub title: String,
    }

    /// `POST /api/v1/duty`; a manager may name another account.
    pub struct DutyChange {
        pub on: bool,
        #[serde(default)]
        pub account: Option<i64>,
    }
}
