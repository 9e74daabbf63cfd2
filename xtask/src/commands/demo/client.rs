//! A person's browser as far as the demo needs one: signed in, on duty, looking at the desk and the case list.

use std::net::SocketAddr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::{CaseList, DutyChange, Me, Problem, SignIn};

use super::county::Account;
use crate::{Doing, Failure, Result, http};

pub struct Client {
    at: SocketAddr,
    cookie: String,
    csrf: String,
}

impl Client {
    pub fn sign_in(at: SocketAddr, account: &Account) -> Result<Self> {
        let mut client = Self { at, cookie: String::new(), csrf: String::new() };
        let credentials = SignIn { login: account.login.into(), password: account.password.clone() };
        let answer = client.send("POST", "/api/v1/session", &credentials)?;
        let cookies: Vec<&str> = answer
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie")
            .filter_map(|(_, value)| value.split(';').next())
            .collect();
        client.cookie = cookies.join("; ");
        let me: Me = parse(&answer, "signing in")?;
        client.csrf = me.csrf;
        Ok(client)
    }

    pub fn duty(&self, on: bool) -> Result<()> {
        self.send("POST", "/api/v1/duty", &DutyChange { on, account: None }).map(drop)
    }

    /// What an open page asks for; the center then knows that somebody is there.
    pub fn look_at_desk(&self) -> Result<()> {
        self.get("/api/v1/desk").map(drop)
    }

    pub fn cases(&self) -> Result<CaseList> {
        parse(&self.get("/api/v1/cases")?, "the case list")
    }

    fn get(&self, path: &str) -> Result<http::Answer> {
        accepted(http::get(self.at, path, &[("Cookie", &self.cookie)]).doing(path)?, path)
    }

    fn send(&self, method: &str, path: &str, body: &impl Serialize) -> Result<http::Answer> {
        let origin = format!("http://{}", self.at);
        let headers = [
            ("Cookie", self.cookie.as_str()),
            ("Content-Type", "application/json"),
            ("X-Yunying-Csrf", &self.csrf),
            ("Origin", &origin),
        ];
        let body = serde_json::to_vec(body).doing(path)?;
        accepted(http::request(self.at, method, path, &headers, &body).doing(path)?, path)
    }
}

fn accepted(answer: http::Answer, path: &str) -> Result<http::Answer> {
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let why = serde_json::from_slice(&answer.body).map_or_else(|_| answer.text(), |problem: Problem| problem.title);
    Err(Failure::new(format!("{path}: {} {why}", answer.status)))
}

fn parse<T: DeserializeOwned>(answer: &http::Answer, what: &str) -> Result<T> {
    serde_json::from_slice(&answer.body).doing(what)
}
