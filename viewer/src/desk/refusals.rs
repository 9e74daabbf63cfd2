//! What of a case was not accepted: how much, why, and what helps, which is not always to send it again.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wire::{CaseRow, Refused, Role};

use crate::api;
use crate::app::App;
use crate::i18n::{self, fill, say, t};
use crate::ui::icon;

#[component]
pub(super) fn Refusals(row: Memo<Option<CaseRow>>) -> impl IntoView {
    let app = expect_context::<App>();
    let decides = app.me.with_untracked(|me| me.as_ref().is_some_and(|me| me.role == Role::Manager));
    let count = Memo::new(move |_| row.with(|row| row.as_ref().map_or(0, |row| row.quarantined)));
    let case = Memo::new(move |_| row.with(|row| row.as_ref().map(|row| row.case)));
    let reasons = RwSignal::new(Vec::<Refused>::new());
    Effect::new(move |_| {
        let (true, Some(case)) = (count.get() > 0, case.get()) else { return };
        spawn_local(async move {
            if let Ok(found) = api::refused(case).await {
                reasons.try_set(found.reasons);
            }
        });
    });
    move || (count.get() > 0).then(|| shown(count.get(), &reasons.get(), decides))
}

/// Each reason with its advice; one advice for several reasons is said once.
fn advice(reasons: &[Refused]) -> Vec<(String, &'static str)> {
    let mut said: Vec<(String, &'static str)> = Vec::new();
    for refused in reasons {
        let (what, helps) = (i18n::quarantine(&refused.reason), i18n::refused(&refused.reason));
        let what = fill(say::REFUSED_OF, &[&what, &refused.count.to_string()]);
        match said.iter_mut().find(|(_, known)| *known == helps) {
            Some((of, _)) => *of = format!("{of} ・ {what}"),
            None => said.push((what, helps)),
        }
    }
    said
}

fn shown(count: u32, reasons: &[Refused], decides: bool) -> impl IntoView + use<> {
    let lines = advice(reasons)
        .into_iter()
        .map(|(what, helps)| view! { <br/>{fill(say::Q_TITLED, &[&what, helps])} })
        .collect_view();
    let link =
        decides.then(|| view! { <br/><a href="#quarantine" data-testid="refused-decide">{t(say::REFUSED_DECIDE)}</a> });
    view! {
        <div class="problem" data-testid="quarantined">
            {icon("warn")}
            <span><b class="amber">{fill(say::QUARANTINED_N, &[&count.to_string()])}</b>{lines}{link}</span>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_sending_again_can_mend_is_to_be_sent_again() {
        let of = |reason: &str, count| Refused { reason: reason.into(), count };
        let said = advice(&[of("truncated", 2), of("patient_mismatch", 1), of("read_failed", 1)]);
        assert_eq!(said.len(), 2);
        assert_eq!(said[0], ("内容不完整 2 幅 ・ 读取失败 1 幅".to_owned(), t(say::QUARANTINED_DO)));
        assert_eq!(said[1].1, t(say::REFUSED_PATIENT));
        assert_eq!(advice(&[of("duplicate", 1)])[0].1, t(say::REFUSED_COPY));
        assert_eq!(advice(&[of("bad_uid", 1)])[0].1, t(say::REFUSED_IT));
    }
}
