//! What devices sent and no study could take: where from, why, how large. The bytes are kept.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{QuarantineRow, Role};

use crate::api::{self, Fault};
use crate::app::App;
use crate::clock;
use crate::i18n::{self, say, t};
use crate::live::{self, Beat};
use crate::ui::{LineMark, TopBar, empty, failed, icon, loading_rows};

#[component]
pub fn QuarantinePage() -> impl IntoView {
    let app = expect_context::<App>();
    let rows = RwSignal::new(None::<Result<Vec<QuarantineRow>, Fault>>);
    let load = move || {
        spawn_local(async move {
            let answer = api::quarantine().await;
            if let Err(fault) = &answer {
                app.notes(fault);
                // A list already shown stays while the line is down.
                if rows.try_with_untracked(|rows| matches!(rows, Some(Ok(_)))) == Some(true) {
                    return;
                }
            }
            rows.set(Some(answer));
        });
    };
    load();
    let reload = live::gathered(std::time::Duration::from_secs(1), load);
    live::listen(move |beat| {
        let concerns = match beat {
            Beat::Event(event) => event.kind.ends_with("quarantined"),
            Beat::Poll => true,
        };
        if concerns {
            reload();
        }
    });
    let again = Callback::new(move |()| load());
    let manager = app.me.with_untracked(|me| me.as_ref().is_some_and(|me| me.role == Role::Manager));
    let center = app.me.with_untracked(|me| me.as_ref().map(|me| me.center.clone()).unwrap_or_default());
    view! {
        <div class="board-page" data-testid="quarantine">
            <TopBar place=center>
                {manager.then(|| view! { <a class="button bare" href="#">{icon("back")}{t(say::BOARD)}</a> })}
                <LineMark/>
            </TopBar>
            <main class="board one">
                <section class="card">
                    <header class="card-head"><h2>{t(say::Q_TITLE)}</h2><span class="small faint">{t(say::Q_LEAD)}</span></header>
                    {move || match rows.get() {
                        None => loading_rows(5, "panel-row").into_any(),
                        Some(Err(fault)) => failed(&fault, again).into_any(),
                        Some(Ok(rows)) if rows.is_empty() => empty("check", t(say::Q_EMPTY).to_owned(), t(say::Q_EMPTY_DO), None).into_any(),
                        Some(Ok(rows)) => table(&rows).into_any(),
                    }}
                </section>
            </main>
        </div>
    }
}

fn table(rows: &[QuarantineRow]) -> impl IntoView + use<> {
    view! {
        <div class="table-scroll">
            <table class="quarantine">
                <thead class="label"><tr>
                    <th>{t(say::Q_WHEN)}</th><th>{t(say::Q_FROM)}</th><th>{t(say::Q_REASON)}</th><th>{t(say::Q_DETAIL)}</th><th class="end">{t(say::Q_SIZE)}</th>
                </tr></thead>
                <tbody>{rows.iter().map(line).collect_view()}</tbody>
            </table>
        </div>
    }
}

fn line(row: &QuarantineRow) -> impl IntoView + use<> {
    let site = row.site.as_ref().map(|site| site.name.clone()).unwrap_or_default();
    view! {
        <tr data-testid="quarantine-row">
            <td title=clock::exact(row.at_us)>{clock::day_time(row.at_us)}</td>
            <td>{site}<br/><span class="label">{row.calling_ae.clone()}</span></td>
            <td><b>{i18n::quarantine(&row.reason)}</b></td>
            <td class="small">{row.detail.clone()}<br/><span class="label uid">{row.sop_uid.clone()}</span></td>
            <td class="end">{size(row.bytes)}</td>
        </tr>
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.0} KB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
