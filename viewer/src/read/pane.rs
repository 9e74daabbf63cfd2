//! The report beside the image, in the order it is thought: question, note, template, findings, impression, checks, submit.

use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::{HtmlSelectElement, KeyboardEvent};
use wire::{CaseRow, ReportBody, Returned, Template};

use super::changed::{Line, changed};
use super::checks;
use super::draft::{Draft, Saved, Unsent};
use super::editor::{Editor, ReadText, first_blank, jump};
use super::hands::HandsLine;
use super::room::{Active, Purpose, Room};
use super::sides::{self, Sides};
use super::unfinished::Unfinished;
use crate::api;
use crate::clock;
use crate::i18n::{Text, fill, say, t};
use crate::person::PersonPart;
use crate::ui::{Dialog, icon};

pub const EDITORS: [&str; 2] = ["findings", "impression"];

/// What the reader asked for; the dialogs answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    Sign,
    Submit,
    Return,
    Release,
    /// The versions put aside.
    Aside,
    /// Signing was asked for too early.
    Unfinished(Unfinished),
}

#[component]
pub fn ReportPane(room: Room, active: Active, asked: RwSignal<Option<Asked>>) -> impl IntoView {
    let draft = room.draft;
    let review = active.purpose == Purpose::Review;
    let locked = Signal::derive(move || room.lost.get() || draft.lost.get());
    let typed = Callback::new(move |()| draft.touch());
    let text = move |n: usize, label: Text, text: RwSignal<String>| match review {
        true => view! { <ReadText id=EDITORS[n] label=t(label) text=text/> }.into_any(),
        false => view! { <Editor id=EDITORS[n] label=t(label) text=text locked=locked on_typed=typed/> }.into_any(),
    };
    let on_key = move |event: KeyboardEvent| {
        if event.key() == "Tab" && jump(&EDITORS, &event) {
            event.prevent_default();
        }
    };
    let row = Memo::new(move |_| room.active.with(|active| active.as_ref().map(|active| active.row.clone())));
    let templates = (!review).then(|| Offer::of(&active.row));
    let note = active.report.as_ref().map(|report| report.note.clone()).filter(|note| !note.is_empty());
    let before = active
        .report
        .as_ref()
        .filter(|_| review)
        .and_then(|report| report.returned.as_ref().map(|was| again(was, report)));
    view! {
        <aside class="pane" aria-label=t(say::REPORT_TITLE) data-testid="pane" on:keydown=on_key>
            <header class="pane-head">
                <h2>{t(say::REPORT_TITLE)}</h2>
                {templates.map(|(offer, _)| view! { <TemplateSelect draft=draft offer=offer/> })}
                <span class="grow"></span>
                {if review { writer(&active).into_any() } else { view! { <SavedMark draft=draft/> }.into_any() }}
            </header>
            <div class="pane-body">
                {question(room, &active)}
                {note.map(|note| view! { <section class="note"><span class="label">{t(say::REVIEW_NOTE)}</span><p data-testid="review-note">{note}</p></section> })}
                {before}
                {review.then(|| hands_of(&active))}
                {(!review).then(|| view! { <HandsLine room=room/> })}
                {templates.map(|(offer, load)| no_templates(offer, load))}
                {move || draft.restored.get().then(|| view! { <p class="restored small" role="status">{icon("refresh")}{t(say::RESTORED)}</p> })}
                {move || aside_line(draft.asides.with(Vec::len), asked)}
                {review.then(|| view! { <p class="restored read-only small" data-testid="read-only">{icon("lock")}<span>{t(say::REVIEW_READ_ONLY)}</span></p> })}
                <div class="field-head">
                    <h3>{t(say::FINDINGS)}</h3>
                    {(!review).then(|| view! { <span class="label">
                        {move || (!room.viewer.measured().is_empty()).then(|| view! { {t(say::INSERT)}" "<kbd>"I"</kbd>"　" })}
                        {t(say::NEXT_BLANK)}" "<kbd>"Tab"</kbd>
                    </span> })}
                </div>
                {text(0, say::FINDINGS, draft.findings)}
                <div class="field-head"><h3>{t(say::IMPRESSION)}</h3></div>
                {text(1, say::IMPRESSION, draft.impression)}
                <PersonPart row=row changed=Callback::new(|()| ()) beside=true/>
            </div>
            <footer class="pane-foot">
                <Checks room=room/>
                {if review { review_actions(room, asked).into_any() } else { write_actions(room, asked).into_any() }}
            </footer>
        </aside>
    }
}

fn question(room: Room, active: &Active) -> impl IntoView + use<> {
    let site = active.row.site.name.clone();
    let question = Memo::new(move |_| {
        room.active.with(|active| active.as_ref().map(|active| active.row.question.clone())).unwrap_or_default()
    });
    let words = move || match question.get() {
        none if none.is_empty() => t(say::SITE_SAYS_NONE).to_owned(),
        words => words,
    };
    view! {
        <section class="note">
            <span class="label">{icon("chat")}" "{site}<i class="dot"></i>{t(say::SITE_SAYS)}
                {move || room.asked_anew.get().then(|| view! { <i class="dot"></i><span class="amber" data-testid="question-changed">{t(say::QUESTION_CHANGED)}</span> })}</span>
            <p class:faint=move || question.with(String::is_empty) data-testid="site-question">{words}</p>
        </section>
    }
}

/// Text that was not chosen is never out of reach.
fn aside_line(count: usize, asked: RwSignal<Option<Asked>>) -> Option<impl IntoView> {
    (count > 0).then(|| {
        view! {
            <p class="restored small">
                {icon("copy")}<span class="grow">{fill(say::ASIDE_LINE, &[&count.to_string()])}</span>
                <button class="linkish" data-testid="aside-open" on:click=move |_| asked.set(Some(Asked::Aside))>{t(say::ASIDE_SEE)}</button>
            </p>
        }
    })
}

fn writer(active: &Active) -> impl IntoView + use<> {
    let name = active.row.assignee.as_ref().map(|who| who.name.clone()).unwrap_or_default();
    view! { <span class="label" data-testid="review-of">{fill(say::REVIEW_OF, &[&name])}</span> }
}

/// Everybody whose words a reviewer would put a name to, where they are more than one.
fn hands_of(active: &Active) -> Option<impl IntoView + use<>> {
    let writers = active.report.as_ref().map(|report| report.writers.as_slice()).unwrap_or_default();
    let names: Vec<&str> = writers.iter().map(|hand| hand.who.name.as_str()).collect();
    (names.len() > 1).then(|| {
        let names = names.join("、");
        view! { <p class="restored small" data-testid="review-hands">{icon("pen")}<span>{fill(say::REVIEW_HANDS, &[&names])}</span></p> }
    })
}

/// What a reviewer said the last time, and what was changed since: not all has to be read as if it were new.
fn again(was: &Returned, now: &ReportBody) -> impl IntoView + use<> {
    let changed = changed(was, now);
    let none = changed.is_empty();
    let line = |line: Line| match line {
        Line::Gone(text) => view! { <p class="was-gone"><del>{text}</del></p> }.into_any(),
        Line::New(text) => view! { <p class="was-new"><ins>{text}</ins></p> }.into_any(),
    };
    view! {
        <section class="note" data-testid="review-again">
            <span class="label">{t(say::REVIEW_NOTE_BEFORE)}</span>
            <p>{was.note.clone()}</p>
            <span class="label">{t(if none { say::REVIEW_UNCHANGED } else { say::REVIEW_CHANGED })}</span>
            {changed.into_iter().map(line).collect_view()}
        </section>
    }
}

/// Why the text is not at the center, for everybody to see and hear; that it works again, for those who only hear. Never the
/// ticking of the mark beside the report.
#[component]
pub fn SavedAloud(draft: Draft) -> impl IntoView {
    let spoken = Memo::new(move |before: Option<&(bool, String)>| match draft.saved.get() {
        Saved::Unsent { why, here } => (true, unsent(&why, here)),
        Saved::At(_) if before.is_some_and(|(failing, _)| *failing) => (false, t(say::SAVED).to_owned()),
        Saved::At(_) | Saved::Nothing => (false, String::new()),
        Saved::Waiting | Saved::Saving => before.cloned().unwrap_or_default(),
    });
    let failing = move || spoken.with(|(failing, _)| *failing);
    view! {
        <span class=move || if failing() { "amber clip" } else { "sr" } role="alert" data-testid="saved-aloud">
            {move || failing().then(|| view! { {icon("warn")}" " })}{move || spoken.get().1}
        </span>
    }
}

#[component]
fn SavedMark(draft: Draft) -> impl IntoView {
    let ticks = clock::ticks();
    move || {
        let (mark, tone, text) = match draft.saved.get() {
            Saved::Nothing => return view! { <span data-testid="saved" data-saved="none"></span> }.into_any(),
            Saved::At(us) => {
                ("check", "quiet", format!("{} {}", t(say::SAVED), clock::seconds_ago(ticks.second.get(), us)))
            }
            Saved::Waiting => ("pen", "faint", t(say::UNSAVED).to_owned()),
            Saved::Saving => ("refresh", "faint", t(say::SAVING).to_owned()),
            Saved::Unsent { here, .. } => {
                ("warn", "amber", t(if here { say::HERE_ONLY } else { say::NOWHERE }).to_owned())
            }
        };
        let state = match draft.saved.get_untracked() {
            Saved::At(_) => "saved",
            Saved::Waiting | Saved::Saving => "saving",
            _ => "here",
        };
        view! { <span class=format!("saved small clip {tone}") title=text.clone() data-testid="saved" data-saved=state>{icon(mark)}" "{text.clone()}</span> }.into_any()
    }
}

/// Why the text is not where it belongs, and where it is instead.
fn unsent(why: &Unsent, here: bool) -> String {
    match (why, here) {
        (Unsent::Refused(reason), _) => fill(say::NOT_TAKEN, &[reason]),
        (_, false) => t(say::NOT_KEPT).to_owned(),
        (Unsent::Line, true) => t(say::SAVED_HERE).to_owned(),
        (Unsent::Center, true) => t(say::SAVED_HERE_CENTER).to_owned(),
    }
}

/// The texts to start from, for the open case.
#[derive(Clone, Copy)]
struct Offer {
    all: RwSignal<Vec<Template>>,
    failed: RwSignal<bool>,
}

impl Offer {
    fn of(row: &CaseRow) -> (Self, Callback<()>) {
        let offer = Self { all: RwSignal::new(Vec::new()), failed: RwSignal::new(false) };
        let (modality, body_part) = (row.modality.clone(), row.body_part.clone());
        let load = Callback::new(move |()| {
            let (modality, body_part) = (modality.clone(), body_part.clone());
            offer.failed.set(false);
            spawn_local(async move {
                match api::templates(&modality).await {
                    Ok(mut found) => {
                        found.sort_by_key(|template| template.body_part != body_part);
                        offer.all.try_set(found);
                    }
                    Err(_) => {
                        offer.failed.try_set(true);
                    }
                }
            });
        });
        load.run(());
        (offer, load)
    }
}

/// Without templates a report is written from nothing; whoever wants one can ask again.
fn no_templates(offer: Offer, load: Callback<()>) -> impl IntoView {
    move || {
        offer.failed.get().then(|| {
            view! {
                <p class="restored amber small" role="status" data-testid="templates-failed">
                    {icon("warn")}<span class="grow">{t(say::TEMPLATES_FAILED)}</span>
                    <button class="linkish" on:click=move |_| load.run(())>{t(say::RETRY)}</button>
                </p>
            }
        })
    }
}

#[component]
fn TemplateSelect(draft: Draft, offer: Offer) -> impl IntoView {
    let all = offer.all;
    let wanted = RwSignal::new(None::<Template>);
    // Looked at with the arrow keys, not chosen yet.
    let pointed = RwSignal::new(None::<Template>);
    let arrows = StoredValue::new(false);
    let use_it = move |template: Template| {
        pointed.set(None);
        if untouched(draft, &all.get_untracked()) && !draft.filled(&template) {
            take(draft, &template);
        } else if !draft.filled(&template) {
            wanted.set(Some(template));
        }
    };
    let changed = move |event: leptos::ev::Event| {
        let id = event_target::<HtmlSelectElement>(&event).value();
        let found = all.with_untracked(|all| all.iter().find(|template| template.id == id).cloned());
        match found {
            Some(template) if !arrows.get_value() => use_it(template),
            found => pointed.set(found),
        }
    };
    let on_key = move |event: KeyboardEvent| {
        // A list that is closed changes with every arrow and letter; only Enter chooses.
        arrows.set_value(event.key() != "Enter");
        if event.key() == "Enter"
            && let Some(template) = pointed.get_untracked()
        {
            event.prevent_default();
            use_it(template);
        }
    };
    let close = Callback::new(move |()| {
        wanted.set(None);
        draft.template.notify();
    });
    let left = move |_| {
        if pointed.get_untracked().is_some() {
            pointed.set(None);
            draft.template.notify();
        }
    };
    view! {
        <label class="template">
            {icon("doc")}
            <span class="sr">{t(say::TEMPLATE)}</span>
            <select id="template" data-testid="template" on:change=changed on:keydown=on_key on:pointerdown=move |_| arrows.set_value(false) on:blur=left
                prop:value=move || { all.track(); draft.template.get() }>
                <option value="">{t(say::TEMPLATE_NONE)}</option>
                {move || all.get().into_iter().map(|template| {
                    let id = template.id.clone();
                    view! { <option value=template.id selected=move || draft.template.get() == id>{template.name}</option> }
                }).collect_view()}
            </select>
            {move || match pointed.get() {
                Some(_) => view! { <span class="small" role="status" data-testid="template-pointed">{t(say::TEMPLATE_USE)}" "<kbd>"Enter"</kbd></span> }.into_any(),
                None => view! { <kbd>"F2"</kbd> }.into_any(),
            }}
        </label>
        {move || wanted.get().map(|template| view! { <Replace draft=draft template=template on_close=close/> })}
    }
}

/// The template's text, with the caret on its first blank.
fn take(draft: Draft, template: &Template) {
    draft.use_template(template);
    // The fields show the text after this turn.
    set_timeout(
        || {
            if !first_blank(&EDITORS) {
                crate::web::focus_selector("#findings");
            }
        },
        std::time::Duration::ZERO,
    );
}

/// Nothing typed that a template would take away.
fn untouched(draft: Draft, all: &[Template]) -> bool {
    let (findings, impression) = (draft.findings.get_untracked(), draft.impression.get_untracked());
    draft.blank() || all.iter().any(|template| template.findings == findings && template.impression == impression)
}

#[component]
fn Replace(draft: Draft, template: Template, on_close: Callback<()>) -> impl IntoView {
    let name = template.name.clone();
    let replace = move |_| {
        on_close.run(());
        take(draft, &template);
    };
    view! {
        <Dialog title=t(say::TEMPLATE_REPLACE).to_owned() on_close=on_close>
            <p>{fill(say::TEMPLATE_REPLACE_LEAD, &[&name])}</p>
            <div class="actions">
                <button class="button" data-first="" on:click=move |_| on_close.run(())>{t(say::TEMPLATE_KEEP)}</button>
                <button class="button danger" data-testid="template-replace" on:click=replace>{t(say::TEMPLATE_DO)}</button>
            </div>
        </Dialog>
    }
}

/// How many blanks are open, over both fields.
pub fn blanks(draft: Draft) -> usize {
    let count = |text: RwSignal<String>| text.with(|text| checks::slots(text).len());
    count(draft.findings) + count(draft.impression)
}

#[component]
fn Checks(room: Room) -> impl IntoView {
    let draft = room.draft;
    let preview = Memo::new(move |_| room.not_yet_whole());
    let open = Memo::new(move |_| blanks(draft));
    let side = Memo::new(move |_| {
        draft.findings.with(|findings| draft.impression.with(|impression| sides::compare(findings, impression)))
    });
    let written = Memo::new(move |_| !draft.blank());
    view! {
        <p class="checks small" data-testid="checks">
            {move || match open.get() {
                0 if written.get() => view! { <span>{icon("check")}{t(say::CHECK_NO_BLANKS)}</span> }.into_any(),
                0 => view! { <span class="faint">{fill(say::CHECK_EMPTY, &[t(say::REPORT_TITLE)])}</span> }.into_any(),
                n => view! {
                    <button class="linkish amber" data-testid="blanks" on:click=move |_| _ = first_blank(&EDITORS)>{icon("warn")}{fill(say::CHECK_BLANKS, &[&n.to_string()])}</button>
                }.into_any(),
            }}
            {move || match side.get() {
                Sides::Nothing => None,
                Sides::Agree => Some(view! { <span data-testid="sides">{icon("check")}{t(say::CHECK_SIDES)}</span> }.into_any()),
                Sides::Missing(side) => Some(view! { <span class="amber" data-testid="sides">{icon("warn")}{fill(say::CHECK_SIDES_DIFFER, &[&side])}</span> }.into_any()),
            }}
            {move || preview.get().then(|| view! { <span class="amber" data-testid="preview-only">{icon("warn")}{t(say::CHECK_PREVIEW)}</span> })}
        </p>
    }
}

fn write_actions(room: Room, asked: RwSignal<Option<Asked>>) -> impl IntoView {
    let two = Memo::new(move |_| room.needs_two());
    move || writer_lets_go(two.get(), room, asked)
}

/// The button that ends the writing, and the one that gives the case back.
fn writer_lets_go(two: bool, room: Room, asked: RwSignal<Option<Asked>>) -> impl IntoView {
    let waits = Memo::new(move |_| Unfinished::of(room));
    let ready = move || waits.get().is_none();
    let (what, mark, word, key, after, testid) = if two {
        (Asked::Submit, "review", say::SUBMIT, "Ctrl+Enter", say::SUBMIT_AND_NEXT, "submit")
    } else {
        (Asked::Sign, "sign", say::SIGN, "F10", say::SIGN_AND_NEXT, "sign")
    };
    view! {
        <div class="pane-actions">
            <button class="button primary big grow" data-testid=testid aria-disabled=move || (!ready()).to_string()
                on:click=move |_| ask(what, room, asked)>{icon(mark)}{t(word)}" "<kbd>{key}</kbd></button>
            <button class="button big" data-testid="release" title=t(say::RELEASE_LEAD) on:click=move |_| asked.set(Some(Asked::Release))>{icon("undo")}{t(say::RELEASE)}</button>
        </div>
        {move || match waits.get() {
            Some(what) => view! { <p class="label amber" data-testid="sign-waits">{icon("warn")}" "{what.title()}</p> }.into_any(),
            None => view! { <p class="label">{t(after)}</p> }.into_any(),
        }}
    }
}

fn review_actions(room: Room, asked: RwSignal<Option<Asked>>) -> impl IntoView {
    view! {
        <div class="pane-actions">
            <button class="button primary big grow" data-testid="sign" on:click=move |_| ask(Asked::Sign, room, asked)>{icon("sign")}{t(say::SIGN)}" "<kbd>"F10"</kbd></button>
            <button class="button big" data-testid="return" on:click=move |_| asked.set(Some(Asked::Return))>{icon("undo")}{t(say::RETURN)}</button>
        </div>
        <p><button class="linkish small" data-testid="review-leave" on:click=move |_| room.put_off()>{t(say::REVIEW_LEAVE)}</button></p>
    }
}

/// Signing asks for a password, but never for a report that could not be signed: then it shows why, and never moves the
/// caret into the text, where the password would go.
pub fn ask(what: Asked, room: Room, asked: RwSignal<Option<Asked>>) {
    if untrack(|| room.undecided()) {
        return;
    }
    match untrack(|| Unfinished::of(room)) {
        Some(unfinished) => asked.set(Some(Asked::Unfinished(unfinished))),
        None => {
            room.said.set(None);
            asked.set(Some(what));
        }
    }
}
