//! Whose words a draft holds that went on in other hands: nobody signs for them without having been told. Pure but for the line.

use leptos::prelude::*;
use wire::{Hand, ReportBody};

use super::room::Room;
use crate::clock;
use crate::i18n::{fill, say, t};
use crate::ui::icon;

/// Where the keyboard goes while the line waits for its answer.
pub const ANSWER: &str = "[data-testid=hands-seen]";

/// Everybody else who wrote in it, the latest last.
pub fn others(report: Option<&ReportBody>, me: i64) -> Vec<Hand> {
    let writers = report.map(|report| report.writers.as_slice()).unwrap_or_default();
    writers.iter().filter(|hand| hand.who.id != me).cloned().collect()
}

fn words(hand: &Hand) -> String {
    match hand.at_us {
        Some(at) => fill(say::HANDS_OF_AT, &[&hand.who.name, &clock::day_time(at)]),
        None => fill(say::HANDS_OF, &[&hand.who.name]),
    }
}

/// Short enough for one line: everybody by name, the time of the latest only.
fn line(others: &[Hand]) -> String {
    let Some((latest, before)) = others.split_last() else { return String::new() };
    let names = before.iter().map(|hand| format!("{}、", hand.who.name)).collect::<String>();
    names + &words(latest)
}

/// Says whose draft it is until the reader has answered, and after that still does.
#[component]
pub fn HandsLine(room: Room) -> impl IntoView {
    let others = Memo::new(move |_| room.others());
    let seen = move |_| {
        room.hands_seen.set(true);
        crate::web::focus_selector("#findings");
    };
    move || {
        let others = others.get();
        let lines = line(&others);
        let whole = others.iter().map(words).collect::<Vec<_>>().join("；");
        (!others.is_empty()).then(|| view! {
            <p class="restored small" role="status" data-testid="hands">
                {icon("pen")}<span class="grow clip" title=whole>{lines}</span>
                {move || match room.hands_seen.get() {
                    true => view! { <span class="quiet">{icon("check")}{t(say::HANDS_SEEN)}</span> }.into_any(),
                    false => view! { <button class="linkish" data-testid="hands-seen" on:click=seen>{t(say::HANDS_SEE)}</button> }.into_any(),
                }}
            </p>
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::testing::report;

    fn hand(id: i64) -> Hand {
        Hand { who: wire::Person { id, name: format!("医师{id}"), title: String::new() }, at_us: Some(id) }
    }

    #[test]
    fn two_writers_fit_one_line_and_both_are_named() {
        let untimed = |id| Hand { at_us: None, ..hand(id) };
        assert_eq!(line(&[untimed(3), untimed(5)]), "医师3、医师5 写的草稿");
        assert_eq!(line(&[]), "");
    }

    #[test]
    fn only_somebody_elses_words_are_to_be_answered_for() {
        let written_by =
            |ids: &[i64]| ReportBody { writers: ids.iter().copied().map(hand).collect(), ..report(1, "x") };
        assert_eq!(others(None, 7), []);
        assert_eq!(others(Some(&written_by(&[7])), 7), [], "one's own draft");
        assert_eq!(others(Some(&written_by(&[3, 7])), 7), [hand(3)]);
        assert_eq!(others(Some(&written_by(&[3, 5])), 7), [hand(3), hand(5)]);
    }
}
