//! `/verify`: anybody may ask whether a printed report is genuine, by its number and verification code.
//!
//! Without the right code nothing is said about the number, not even whether it exists. With it the page says what helps to
//! compare the paper: exam, institution, signatures, times, how the opinion begins and ends, and only the first character of
//! the name.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::routes::{Access, Route};
use super::{Answer, App};
use crate::domain::Micros;
use crate::index::reports;
use crate::reporting::printout::{self, Place};
use crate::signing::{self, Digest, ReportContent, numbers};
use words::Words;

mod words;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/verify", Access::Public, "Is a printed report genuine? By number and code", page),
        Route::get("/verify.css", Access::Public, "How that page looks", style),
    ]
}

#[derive(Deserialize, Default)]
struct Asked {
    #[serde(default)]
    n: String,
    #[serde(default)]
    c: String,
    /// `zh` or `en`; else Chinese.
    #[serde(default)]
    lang: String,
}

enum Verdict {
    NotAsked,
    Unknown,
    /// Number and code are right, and the stored report is not what was signed.
    Broken,
    /// Nobody could look.
    Unavailable,
    Genuine(Box<ReportContent>),
}

async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")];
    (headers, include_str!("verify.css")).into_response()
}

/// Always a page: who holds a paper in their hand reads no problem documents.
async fn page(
    State(app): State<App>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> (StatusCode, [(header::HeaderName, &'static str); 1], Html<String>) {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let number: String = asked.n.trim().to_ascii_uppercase().chars().take(40).collect();
    let code: String = asked.c.chars().take(40).collect();
    let verdict = judge(&app, &number, &code).await.unwrap_or(Verdict::Unavailable);
    let status = match verdict {
        Verdict::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    let form = Form { center: &app.config.center, number: &number, code: &code, lang: &asked.lang };
    let place = Place { zone: app.zone.clone(), base: String::new() };
    let html = form.render(words::chosen(&asked.lang), &verdict, &place);
    (status, [(header::CACHE_CONTROL, "no-store")], Html(html))
}

async fn judge(app: &App, number: &str, code: &str) -> Answer<Verdict> {
    if number.is_empty() && code.is_empty() {
        return Ok(Verdict::NotAsked);
    }
    let mut tx = app.db.read().await?;
    let Some(sealed) = reports::by_number(&mut tx, number).await? else { return Ok(Verdict::Unknown) };
    if !numbers::same_code(&sealed.verify_code, code) {
        return Ok(Verdict::Unknown);
    }
    let seals = reports::seals(&mut tx, sealed.id).await?;
    Ok(match ReportContent::parse(&sealed.content) {
        Ok(content) if signing::verify(&content, &seals, &[&Digest]).is_ok() => Verdict::Genuine(Box::new(content)),
        _ => {
            tracing::error!(report = %sealed.id, "a signed report does not verify");
            Verdict::Broken
        }
    })
}

/// What was typed, and where.
struct Form<'a> {
    center: &'a str,
    number: &'a str,
    code: &'a str,
    lang: &'a str,
}

impl Form<'_> {
    fn render(&self, words: &Words, verdict: &Verdict, place: &Place) -> String {
        let result = match verdict {
            Verdict::NotAsked => String::new(),
            Verdict::Unknown => message("unknown", words.unknown),
            Verdict::Broken => message("broken", words.broken),
            Verdict::Unavailable => message("unknown", words.unavailable),
            Verdict::Genuine(content) => genuine(content, words, place),
        };
        let [center, number, code] = [self.center, self.number, self.code].map(escaped);
        // What was chosen once stays chosen.
        let chosen = match self.lang {
            "zh" | "en" => format!("<input type=\"hidden\" name=\"lang\" value=\"{}\">\n", self.lang),
            _ => String::new(),
        };
        let Words {
            tag, other, other_tag, other_name, title, number: number_label, code: code_label, check, foot, ..
        } = words;
        format!(
            r#"<!doctype html>
<html lang="{tag}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title} · {center}</title>
<link rel="stylesheet" href="/verify.css">
</head>
<body>
<main>
<header>
<div><p lang="zh-CN">{center}</p><h1>{title}</h1></div>
<form class="lang" method="get" action="/verify">
<input type="hidden" name="n" value="{number}">
<input type="hidden" name="c" value="{code}">
<button type="submit" name="lang" value="{other}" lang="{other_tag}">{other_name}</button>
</form>
</header>
{result}
<form class="ask" method="get" action="/verify">
{chosen}<label for="n">{number_label}</label>
<input id="n" name="n" value="{number}" autocomplete="off" spellcheck="false" placeholder="YY20261122-000123" required>
<label for="c">{code_label}</label>
<input id="c" name="c" value="{code}" autocomplete="off" spellcheck="false" placeholder="7F3K-29QD-XKPM" required>
<button type="submit">{check}</button>
</form>
<footer>{foot}</footer>
</main>
</body>
</html>
"#
        )
    }
}

fn message(class: &str, (word, text): (&str, &str)) -> String {
    format!("<section class=\"verdict {class}\" role=\"status\"><strong>{word}</strong><p>{text}</p></section>")
}

/// The report's own words stay as they were signed, whatever the page's language.
fn genuine(content: &ReportContent, words: &Words, place: &Place) -> String {
    let exam = &content.exam;
    let what = if exam.description.trim().is_empty() { &exam.modality } else { &exam.description };
    let mut facts = vec![
        (words.name, masked(&content.patient.name)),
        (words.person, person(content)),
        (words.exam, what.clone()),
        (words.site, content.site.clone()),
        (words.at, printout::minutes(Micros(exam.at_us), place).unwrap_or_default()),
    ];
    for by in &content.signatures {
        let role = if by.role == "reviewer" { words.reviewer } else { words.writer };
        let when = printout::minutes(Micros(by.at_us), place).unwrap_or_default();
        facts.push((role, format!("{} {} {when}", by.name, by.title)));
    }
    facts.push((words.opinion, opinion(&content.impression, words)));
    facts.push((words.digest, content.short_digest().unwrap_or_default()));
    let rows = facts.iter().map(|(label, value)| format!("<dt>{label}</dt><dd lang=\"zh-CN\">{}</dd>", whole(value)));
    let proves = format!("<p class=\"proves\">{}</p>", words.proves);
    format!("{}<dl>{}</dl>{proves}", message("genuine", words.genuine), rows.collect::<String>())
}

/// Sex and age, as far as they were known.
fn person(content: &ReportContent) -> String {
    [printout::sex(&content.patient.sex), &*content.patient.age].join(" ").trim().to_owned()
}

/// How many characters the opinion has, and its first and last ones where that gives little away: enough to notice another
/// text on the paper.
fn opinion(text: &str, words: &Words) -> String {
    const ENDS: usize = 3;
    let characters: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let count = words.characters.replace("{}", &characters.len().to_string());
    if characters.len() < 6 * ENDS {
        return count;
    }
    let (first, last) = (&characters[..ENDS], &characters[characters.len() - ENDS..]);
    format!("{}…{} {count}", first.iter().collect::<String>(), last.iter().collect::<String>())
}

/// A line breaks between words and not within a date.
fn whole(text: &str) -> String {
    text.split(' ').map(|word| format!("<span>{}</span>", escaped(word))).collect::<Vec<_>>().join(" ")
}

/// 张测试 → 张**: enough to compare with the paper in hand, not enough to learn from.
fn masked(name: &str) -> String {
    let mut characters = name.chars();
    let first: String = characters.next().into_iter().collect();
    first + &"*".repeat(characters.count().min(4))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;

    use super::*;
    use crate::index::on;
    use crate::index::testing::on_both_engines;
    use crate::signing::content::tests::chest_ct;
    use crate::web::testing::{answer, app};
    use words::{EN, ZH};

    fn place() -> Place {
        Place { zone: jiff::tz::TimeZone::UTC, base: String::new() }
    }

    fn form<'a>(number: &'a str, code: &'a str) -> Form<'a> {
        Form { center: "中心", number, code, lang: "" }
    }

    #[test]
    fn what_was_typed_comes_back_as_text_and_not_as_markup() {
        let html = form("\"><script>alert(1)</script>", "'x").render(&ZH, &Verdict::Unknown, &place());
        assert!(!html.contains("<script"));
        assert!(html.contains("&quot;&gt;&lt;script&gt;") && html.contains("&#39;x"));
    }

    #[test]
    fn a_genuine_report_is_described_without_its_name_or_text() {
        let content = chest_ct();
        let genuine = Verdict::Genuine(Box::new(content.clone()));
        for (words, said) in [(&ZH, "确有此报告"), (&EN, "There is such a report")] {
            let html = form("YY20261122-000123", "7F3K-29QD-XKPM").render(words, &genuine, &place());
            let shown = html.replace("<span>", "").replace("</span>", "");
            assert!(shown.contains(said) && shown.contains("胸部 CT 平扫") && shown.contains("周示例"));
            assert!(shown.contains(&content.short_digest().unwrap()), "the paper has it too");
            assert!(shown.contains(&opinion(&content.impression, words)) && shown.contains(words.proves));
            for secret in ["测试", &content.findings, &content.impression, "P-000417", "1968"] {
                assert!(!html.contains(secret), "{secret}");
            }
        }
    }

    #[test]
    fn the_opinion_is_told_apart_by_its_length_and_ends_and_a_short_one_by_its_length_alone() {
        let said = opinion("1. 右肺下叶背段实性结节，较前增大。\n2. 建议复查", &ZH);
        assert_eq!(said, "1.右…议复查 共 24 字");
        assert_eq!(opinion("未见异常。", &ZH), "共 5 字", "its ends would be the whole of it");
        assert_eq!(whole("2026-11-20 09:42"), "<span>2026-11-20</span> <span>09:42</span>");
    }

    async fn ask(app: &App, path: &str, languages: &str) -> (StatusCode, String) {
        let request = Request::builder().uri(path).header(header::ACCEPT_LANGUAGE, languages);
        let response = answer(app, request.body(Body::empty()).unwrap()).await;
        let status = response.status();
        let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        assert!(kind.starts_with("text/html"), "{kind}");
        (status, String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_page_speaks_chinese_until_somebody_asks_for_english() {
        on_both_engines(async |db| {
            let (app, _data) = app(&db).await;
            for (path, languages, said) in [
                ("/verify?n=YY1&c=X", "zh-CN,zh;q=0.9,en;q=0.8", "未找到"),
                ("/verify?n=YY1&c=X", "en-US,en;q=0.9", "未找到"),
                ("/verify?n=YY1&c=X&lang=en", "zh-CN", "Not found"),
                ("/verify?n=YY1&c=X&lang=zh", "en", "未找到"),
                ("/verify?n=1&n=2", "zh-CN", "报告核验"),
            ] {
                let (status, html) = ask(&app, path, languages).await;
                assert!(status == StatusCode::OK && html.contains(said), "{path} in {languages}: {status}");
            }
        })
        .await;
    }

    #[tokio::test]
    async fn where_nobody_could_look_the_page_says_so() {
        on_both_engines(async |db| {
            let (app, _data) = app(&db).await;
            let mut tx = db.write().await.unwrap();
            on!(&mut tx, c => sqlx::query("ALTER TABLE report RENAME TO report_gone").execute(c).await.map(drop))
                .unwrap();
            tx.commit().await.unwrap();
            let (status, html) = ask(&app, "/verify?n=YY1&c=X", "zh-CN").await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(html.contains("暂时查不了") && html.contains("value=\"YY1\""));
        })
        .await;
    }

    #[test]
    fn a_name_is_masked_behind_its_first_character() {
        assert_eq!(masked("张测试"), "张**");
        assert_eq!(masked("阿卜杜克热木·买买提"), "阿****");
        assert_eq!(masked(""), "");
    }
}
