//! The registered exams of the day that is shown, and the form beside them.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{OrderForm, OrderList, OrderRow, OrderState, Urgency};

use super::{draft, rules};
use crate::api::{self, Fault};
use crate::app::App;
use crate::i18n::{Text, fill, say, t};
use crate::live::{self, Beat};
use crate::web;

/// What the form is for.
#[derive(Clone, PartialEq, Debug)]
pub enum Work {
    /// Somebody new.
    New,
    /// The order of this row, as it was shown.
    Change(Box<OrderRow>),
}

/// What the last attempt to send the form came to.
#[derive(Clone, PartialEq, Debug)]
pub enum Said {
    Done(String),
    Fault(Option<rules::Field>, String),
}

#[derive(Clone, Copy)]
pub struct Store {
    app: App,
    /// Day that is shown, `YYYY-MM-DD`; empty: today.
    pub day: RwSignal<String>,
    pub list: RwSignal<Option<OrderList>>,
    pub fault: RwSignal<Option<Fault>>,
    pub form: RwSignal<OrderForm>,
    pub work: RwSignal<Work>,
    pub said: RwSignal<Option<Said>>,
    pub busy: RwSignal<bool>,
    /// The row somebody is about to cancel.
    pub cancelling: RwSignal<Option<OrderRow>>,
    /// What was typed was found again from before.
    pub found: RwSignal<bool>,
    /// Rises when the whole form is another one: its fields are drawn anew.
    pub turn: RwSignal<u32>,
    asked: StoredValue<u32>,
}

impl Store {
    pub fn start(app: App) -> Self {
        let account = app.me.with_untracked(|me| me.as_ref().map_or(0, |me| me.account));
        let kept = draft::read(account);
        let store = Self {
            app,
            day: RwSignal::new(String::new()),
            list: RwSignal::new(None),
            fault: RwSignal::new(None),
            found: RwSignal::new(kept.is_some()),
            form: RwSignal::new(kept.unwrap_or_else(draft::blank)),
            work: RwSignal::new(Work::New),
            said: RwSignal::new(None),
            busy: RwSignal::new(false),
            cancelling: RwSignal::new(None),
            turn: RwSignal::new(0),
            asked: StoredValue::new(0),
        };
        Effect::new(move |_| {
            store.day.track();
            store.list.set(None);
            store.refresh();
        });
        let refresh = live::gathered(Duration::from_millis(600), move || store.refresh());
        live::listen(move |beat| {
            let concerns = match beat {
                Beat::Event(event) => event.kind.starts_with("order."),
                Beat::Poll => true,
            };
            if concerns {
                refresh();
            }
        });
        store
    }

    fn account(self) -> i64 {
        self.app.me.with_untracked(|me| me.as_ref().map_or(0, |me| me.account))
    }

    pub fn refresh(self) {
        let asked = self.asked.get_value() + 1;
        self.asked.set_value(asked);
        let Some(day) = self.day.try_get_untracked() else { return };
        spawn_local(async move {
            let answer = api::orders(&day).await;
            if self.asked.try_get_value() != Some(asked) {
                return;
            }
            match answer {
                Ok(list) => {
                    self.fault.set(None);
                    self.choose_the_only(&list);
                    self.list.set(Some(list));
                }
                Err(fault) => {
                    self.app.notes(&fault);
                    self.fault.set(Some(fault));
                }
            }
        });
    }

    /// Where the site has one device there is nothing to choose.
    fn choose_the_only(self, list: &OrderList) {
        if let [only] = &list.devices[..]
            && self.work.get_untracked() == Work::New
            && self.form.with_untracked(|form| form.device.is_none() && form.modality.is_empty())
        {
            let (device, modality) = (only.device, only.modality.clone());
            self.form.update(|form| (form.device, form.modality) = (Some(device), modality));
            self.turn.update(|turn| *turn += 1);
        }
    }

    pub fn today(self) -> String {
        self.list.with(|list| list.as_ref().map(|list| list.today.clone()).unwrap_or_default())
    }

    /// Somebody typed or chose.
    pub fn edit(self, change: impl FnOnce(&mut OrderForm)) {
        self.form.update(change);
        if self.work.get_untracked() == Work::New {
            self.form.with_untracked(|form| draft::keep(self.account(), form));
        }
        if matches!(self.said.get_untracked(), Some(Said::Fault(..))) {
            self.said.set(None);
        }
    }

    fn show(self, work: Work, form: OrderForm) {
        self.form.set(form);
        self.work.set(work);
        self.found.set(false);
        self.turn.update(|turn| *turn += 1);
        set_timeout(|| web::focus_selector("#order-name"), Duration::ZERO);
    }

    /// An empty form, for the next patient.
    pub fn begin_anew(self) {
        draft::forget(self.account());
        self.said.set(None);
        self.show(Work::New, self.next());
    }

    /// Nothing typed; most patients of an hour come for the same device.
    fn next(self) -> OrderForm {
        let (device, modality) = self.form.with_untracked(|form| (form.device, form.modality.clone()));
        OrderForm { device, modality, ..draft::blank() }
    }

    pub fn begin_change(self, row: &OrderRow) {
        if row.state != OrderState::Scheduled {
            return;
        }
        self.said.set(None);
        self.show(Work::Change(Box::new(row.clone())), row.form.clone());
    }

    /// Back to what was typed for somebody new.
    pub fn leave_change(self) {
        if matches!(self.work.get_untracked(), Work::Change(_)) {
            self.said.set(None);
            let kept = draft::read(self.account()).unwrap_or_else(|| self.next());
            self.show(Work::New, kept);
        }
    }

    pub fn send(self) {
        if self.busy.get_untracked() {
            return;
        }
        let form = self.form.get_untracked();
        let today = self.list.with_untracked(|list| list.as_ref().map(|list| list.today.clone()).unwrap_or_default());
        if let Some((field, text)) = rules::fault(&form, &today) {
            self.said.set(Some(Said::Fault(Some(field), t(text).to_owned())));
            focus_field(field);
            return;
        }
        self.busy.set(true);
        let work = self.work.get_untracked();
        spawn_local(async move {
            let answer = match &work {
                Work::New => api::register_order(&form).await,
                Work::Change(row) => api::change_order(row.order, row.version, &form).await,
            };
            self.busy.try_set(false);
            match answer {
                Ok(row) => self.taken(&work, &row),
                Err(fault) => self.refused(&fault),
            }
        });
    }

    fn taken(self, work: &Work, row: &OrderRow) {
        let text = if *work == Work::New { say::O_REGISTERED } else { say::O_CHANGED };
        let said = fill(text, &[&row.form.name, &row.form.exam, &row.form.accession]);
        if self.list.with_untracked(|list| list.as_ref().is_some_and(|list| list.day != row.form.day)) {
            self.day.set(row.form.day.clone());
        } else {
            self.refresh();
        }
        match work {
            Work::New => self.begin_anew(),
            Work::Change(_) => self.leave_change(),
        }
        self.said.set(Some(Said::Done(said)));
    }

    fn refused(self, fault: &Fault) {
        self.app.notes(fault);
        let (field, text) = match fault.code() {
            "exists" => (Some(rules::Field::Accession), t(say::O_NUMBER_USED).to_owned()),
            "bad_national_id" => (Some(rules::Field::NationalId), t(say::O_BAD_NUMBER).to_owned()),
            "national_id_disagrees" => (Some(rules::Field::NationalId), t(say::O_NUMBER_DISAGREES).to_owned()),
            _ => (None, fault.text()),
        };
        self.said.try_set(Some(Said::Fault(field, text)));
        if let Some(field) = field {
            focus_field(field);
        }
        if fault.conflict() {
            self.refresh();
        }
    }

    pub fn cancel(self) {
        let Some(row) = self.cancelling.get_untracked().filter(|_| !self.busy.get_untracked()) else { return };
        self.busy.set(true);
        spawn_local(async move {
            let answer = api::cancel_order(row.order, row.version).await;
            self.busy.try_set(false);
            self.cancelling.try_set(None);
            self.refresh();
            match answer {
                Ok(row) => {
                    let said = fill(say::O_CANCELLED, &[&row.form.name, &row.form.exam]);
                    if matches!(self.work.try_get_untracked(), Some(Work::Change(shown)) if shown.order == row.order) {
                        self.leave_change();
                    }
                    self.said.try_set(Some(Said::Done(said)));
                }
                Err(fault) => self.refused(&fault),
            }
        });
    }

    /// What the fault at this field is, if there is one.
    pub fn fault_at(self, field: rules::Field) -> Option<String> {
        self.said.with(|said| match said {
            Some(Said::Fault(Some(at), text)) if *at == field => Some(text.clone()),
            _ => None,
        })
    }

    pub fn urgency(self) -> Urgency {
        self.form.with(|form| form.urgency)
    }
}

fn focus_field(field: rules::Field) {
    web::focus_selector(&format!("#{}", id(field)));
}

pub const fn id(field: rules::Field) -> &'static str {
    match field {
        rules::Field::Name => "order-name",
        rules::Field::NationalId => "order-number",
        rules::Field::BirthDate => "order-birth",
        rules::Field::Device => "order-device",
        rules::Field::Exam => "order-exam",
        rules::Field::Accession => "order-accession",
    }
}

/// How the state of an order is said, and drawn.
pub const fn state(state: OrderState) -> (&'static str, Text) {
    match state {
        OrderState::Scheduled => ("clock", say::O_SCHEDULED),
        OrderState::Started => ("play", say::O_STARTED),
        OrderState::Done => ("check", say::O_DONE),
        OrderState::Cancelled => ("close", say::O_OFF),
    }
}
