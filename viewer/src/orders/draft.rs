//! A form begun and not sent: on this machine until the center has it or its writer clears it. One for each account. The
//! national number is not kept: such machines are shared.

use wire::{OrderForm, Sex, Urgency};

use crate::web;

/// What the keys of all of them begin with.
pub const KEYS: &str = "yunying.order.";

fn key(account: i64) -> String {
    format!("{KEYS}{account}")
}

/// Nothing typed yet.
pub fn blank() -> OrderForm {
    OrderForm {
        name: String::new(),
        latin: String::new(),
        pid: String::new(),
        issuer: String::new(),
        sex: Sex::Unknown,
        birth_date: String::new(),
        national_id: String::new(),
        accession: String::new(),
        exam: String::new(),
        body_part: String::new(),
        modality: String::new(),
        device: None,
        day: String::new(),
        time: String::new(),
        question: String::new(),
        urgency: Urgency::Routine,
        requester: String::new(),
        performer: String::new(),
    }
}

pub fn read(account: i64) -> Option<OrderForm> {
    serde_json::from_str(&web::recall(&key(account))?).ok()
}

/// Keeps what would be lost.
pub fn keep(account: i64, form: &OrderForm) {
    let form = OrderForm { national_id: String::new(), ..form.clone() };
    let typed = [&form.name, &form.pid, &form.exam, &form.question, &form.accession];
    match serde_json::to_string(&form) {
        Ok(json) if typed.iter().any(|text| !text.trim().is_empty()) => {
            web::keep(&key(account), &json);
        }
        _ => forget(account),
    }
}

pub fn forget(account: i64) {
    web::forget(&key(account));
}
