//! The exams of a day, by their time; what earlier days left stands above them.

use leptos::prelude::*;
use web_sys::KeyboardEvent;
use wire::{OrderForm, OrderList, OrderRow, OrderState};

use super::store::{Store, Work, state};
use crate::clock;
use crate::i18n::{self, fill, say, t};
use crate::ui::{Dialog, empty, failed, icon, loading_rows, urgency_chip};
use crate::web;

#[component]
pub fn OrderTable() -> impl IntoView {
    let store = expect_context::<Store>();
    view! {
        <section class="cases" aria-label=t(say::O_TITLE)>
            <div class="cases-head">
                <DayChoice/>
                <Counts/>
            </div>
            {move || shown(store)}
            <CancelDialog/>
        </section>
    }
}

/// The day that is shown: today, or one that is chosen.
#[component]
fn DayChoice() -> impl IntoView {
    let store = expect_context::<Store>();
    let day =
        Memo::new(move |_| store.list.with(|list| list.as_ref().map(|list| (list.day.clone(), list.today.clone()))));
    let is_today = move || day.with(|day| day.as_ref().is_none_or(|(day, today)| day == today));
    let choose = move |event: leptos::ev::Event| {
        let chosen = event_target_value(&event);
        let today = day.with_untracked(|day| day.as_ref().map(|(_, today)| today.clone()));
        store.day.set(if Some(&chosen) == today.as_ref() { String::new() } else { chosen });
    };
    view! {
        <div class="order-day">
            <h2>{t(say::O_TITLE)}</h2>
            <button class="tab" aria-current=move || is_today().to_string() data-testid="order-today" on:click=move |_| store.day.set(String::new())>{t(say::TAB_TODAY)}</button>
            <input class="field" type="date" aria-label=t(say::O_OTHER_DAY) data-testid="order-list-day"
                prop:value=move || day.with(|day| day.as_ref().map(|(day, _)| day.clone()).unwrap_or_default()) on:change=choose/>
        </div>
    }
}

#[component]
fn Counts() -> impl IntoView {
    let store = expect_context::<Store>();
    let count = move |state: OrderState| {
        store.list.with(|list| {
            list.as_ref().map_or(0, |list| list.orders.iter().filter(|row| row.state == state).count()).to_string()
        })
    };
    let counts = move || {
        fill(say::O_COUNTS, &[&count(OrderState::Scheduled), &count(OrderState::Started), &count(OrderState::Done)])
    };
    view! { <span class="quiet" role="status" data-testid="order-counts">{counts}</span> }
}

fn shown(store: Store) -> AnyView {
    if let Some(fault) = store.fault.get().filter(|_| store.list.with(Option::is_none)) {
        return failed(&fault, Callback::new(move |()| store.refresh())).into_any();
    }
    store.list.with(|list| match list {
        None => loading_rows(8, "order-row").into_any(),
        Some(list) if list.orders.is_empty() => {
            empty("pen", t(say::O_EMPTY).to_owned(), t(say::O_EMPTY_DO), None).into_any()
        }
        Some(list) => rows(store, list).into_any(),
    })
}

fn rows(store: Store, list: &OrderList) -> impl IntoView + use<> {
    let lines = list.orders.iter().map(|row| line(store, row, &list.day)).collect_view();
    view! {
        <div class="case-rows" role="table" aria-label=t(say::O_TITLE) data-testid="order-rows" on:keydown=walk>
            <div class="order-heads label" role="row">
                <span role="columnheader">{t(say::O_TIME)}</span><span role="columnheader">{t(say::COL_URGENCY)}</span>
                <span role="columnheader">{t(say::COL_PATIENT)}</span><span role="columnheader">{t(say::COL_EXAM)}</span>
                <span role="columnheader">{t(say::O_ACCESSION)}</span><span role="columnheader">{t(say::O_STATE)}</span>
                <span role="columnheader" class="end">{t(say::O_ACTS)}</span>
            </div>
            {lines}
        </div>
    }
}

fn line(store: Store, row: &OrderRow, day: &str) -> impl IntoView + use<> {
    let order = row.order;
    let selected = Memo::new(move |_| matches!(store.work.get(), Work::Change(shown) if shown.order == order));
    let (mark, word) = state(row.state);
    let form = &row.form;
    let is_left = form.day != day;
    let when =
        if is_left { format!("{} {}", form.day.get(5..).unwrap_or_default(), form.time) } else { form.time.clone() };
    let device = if row.device_ae.is_empty() { form.modality.clone() } else { row.device_ae.clone() };
    let (opened, keyed) = (row.clone(), row.clone());
    let may_change = row.state == OrderState::Scheduled;
    let on_key = move |event: KeyboardEvent| {
        if event.key() == "Enter" {
            store.begin_change(&keyed);
        }
    };
    view! {
        <div class=format!("order-row is-{}", row.state) class:selected=move || selected.get() class:able=may_change role="row" tabindex="0"
            data-order=order.to_string() data-state=row.state.word() data-testid="order-row" on:click=move |_| store.begin_change(&opened) on:keydown=on_key>
            <span role="cell" class:amber=is_left title=is_left.then(|| t(say::O_LEFT))>{when}</span>
            <span role="cell">{urgency_chip(form.urgency)}</span>
            <span role="cell" class="c-patient"><b class="clip">{form.name.clone()}</b><span class="label clip">{who(form)}</span></span>
            <span role="cell" class="c-exam"><span class="exam clip">{form.exam.clone()}</span><span class="label clip">{device}</span></span>
            <span role="cell" class="small clip">{form.accession.clone()}</span>
            <span role="cell" class=format!("order-state {}", row.state) title=happened(row)>{icon(mark)}" "{t(word)}</span>
            <span role="cell" class="end">{acts(store, row)}</span>
        </div>
    }
}

/// Sex, birth date and number, as far as they are known.
fn who(form: &OrderForm) -> String {
    let sex = t(i18n::sex(form.sex));
    let parts = [sex, &form.birth_date, &form.pid];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// Exactly when, on hover.
fn happened(row: &OrderRow) -> String {
    let at = row.done_us.or(row.cancelled_us).or(row.started_us).unwrap_or(row.registered_us);
    format!("{} · {}", clock::exact(at), row.registered_by)
}

fn acts(store: Store, row: &OrderRow) -> AnyView {
    if let Some(case) = row.case {
        return view! { <a class="button" href=format!("#images/{case}") on:click=|event| event.stop_propagation()>{icon("image")}{t(say::VIEW_IMAGES)}</a> }.into_any();
    }
    if row.state != OrderState::Scheduled {
        return ().into_any();
    }
    let row = row.clone();
    let ask = move |event: web_sys::MouseEvent| {
        event.stop_propagation();
        store.cancelling.set(Some(row.clone()));
    };
    view! { <button class="button bare" data-testid="order-cancel" on:click=ask on:keydown=|event| event.stop_propagation()>{icon("close")}{t(say::O_CANCEL)}</button> }.into_any()
}

/// Arrow keys move among the rows.
fn walk(event: KeyboardEvent) {
    let Some(row) = web::active().filter(|element| element.has_attribute("data-order")) else { return };
    let other = match event.key().as_str() {
        "ArrowDown" => row.next_element_sibling(),
        "ArrowUp" => row.previous_element_sibling(),
        _ => return,
    };
    event.prevent_default();
    if let Some(order) = other.and_then(|other| other.get_attribute("data-order")) {
        web::focus_selector(&format!("[data-order='{order}']"));
    }
}

#[component]
fn CancelDialog() -> impl IntoView {
    let store = expect_context::<Store>();
    let close = move || store.cancelling.set(None);
    move || {
        store.cancelling.get().map(|row| {
            let title = fill(say::O_CANCEL_TITLE, &[&row.form.name, &row.form.exam]);
            view! {
                <Dialog title=title on_close=Callback::new(move |()| close()) testid="order-cancel-dialog">
                    <p>{t(say::O_CANCEL_LEAD)}</p>
                    <div class="actions">
                        <button class="button" data-first="" on:click=move |_| close()>{t(say::O_KEEP)}" "<kbd>"Esc"</kbd></button>
                        <button class="button danger" data-testid="order-cancel-confirm" disabled=move || store.busy.get() on:click=move |_| store.cancel()>{t(say::O_CANCEL_IT)}</button>
                    </div>
                </Dialog>
            }
        })
    }
}
