//! `/verify`: anybody may ask whether a printed report is genuine, by its number and verification code.
//!
//! Without the right code nothing is said about the number, not even whether it exists. With it the page says what helps to
//! compare the paper: exam, institution, signatures, times, and only the first character of the name.

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::routes::{Access, Route};
use super::{Answer, App};
use crate::domain::Micros;
use crate::index::reports;
use crate::reporting::printout::{self, Place};
use crate::signing::{self, Digest, ReportContent, numbers};

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/verify", Access::Public, "Is a printed report genuine? By number and code", page),
        Route::get("/verify.css", Access::Public, "How that page looks", style),
    ]
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    n: String,
    #[serde(default)]
    c: String,
}

enum Verdict {
    NotAsked,
    Unknown,
    /// Number and code are right, and the stored report is not what was signed.
    Broken,
    Genuine(Box<ReportContent>),
}

async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")];
    (headers, include_str!("verify.css")).into_response()
}

async fn page(State(app): State<App>, Query(asked): Query<Asked>) -> Answer<Response> {
    let number: String = asked.n.trim().to_ascii_uppercase().chars().take(40).collect();
    let code: String = asked.c.chars().take(40).collect();
    let verdict = judge(&app, &number, &code).await?;
    let place = Place { zone: app.zone.clone(), base: String::new() };
    let html = render(&app.config.center, &number, &code, &verdict, &place);
    Ok(([(header::CACHE_CONTROL, "no-store")], Html(html)).into_response())
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
    let seals = reports::seals(&mut tx, sealed.id).await.unwrap_or_default();
    Ok(match ReportContent::parse(&sealed.content) {
        Ok(content) if signing::verify(&content, &seals, &[&Digest]).is_ok() => Verdict::Genuine(Box::new(content)),
        _ => {
            tracing::error!(report = %sealed.id, "a signed report does not verify");
            Verdict::Broken
        }
    })
}

fn render(center: &str, number: &str, code: &str, verdict: &Verdict, place: &Place) -> String {
    let result = match verdict {
        Verdict::NotAsked => String::new(),
        Verdict::Unknown => message("unknown", "未找到", "没有编号与验证码同时相符的报告。请核对纸质报告页脚后重试。"),
        Verdict::Broken => message("broken", "不可信", "编号与验证码相符，但存档内容与签名不一致。请联系影像中心。"),
        Verdict::Genuine(content) => genuine(content, place),
    };
    let (center, number, code) = (escaped(center), escaped(number), escaped(code));
    format!(
        r#"<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>报告核验 · {center}</title>
<link rel="stylesheet" href="/verify.css">
</head>
<body>
<main>
<header><p>{center}</p><h1>报告核验</h1></header>
{result}
<form method="get" action="/verify">
<label for="n">报告编号</label>
<input id="n" name="n" value="{number}" autocomplete="off" spellcheck="false" placeholder="YY20261122-000123" required>
<label for="c">验证码</label>
<input id="c" name="c" value="{code}" autocomplete="off" spellcheck="false" placeholder="7F3K-29QD-XKPM" required>
<button type="submit">核验</button>
</form>
<footer>编号与验证码印在报告页脚。本页不显示完整姓名与报告内容。</footer>
</main>
</body>
</html>
"#
    )
}

fn message(class: &str, word: &str, text: &str) -> String {
    format!("<section class=\"verdict {class}\" role=\"status\"><strong>{word}</strong><p>{text}</p></section>")
}

fn genuine(content: &ReportContent, place: &Place) -> String {
    let exam = &content.exam;
    let what = if exam.description.trim().is_empty() { &exam.modality } else { &exam.description };
    let mut facts = vec![
        ("姓名", masked(&content.patient.name)),
        ("检查项目", what.clone()),
        ("检查机构", content.site.clone()),
        ("检查时间", printout::minutes(Micros(exam.at_us), place).unwrap_or_default()),
    ];
    for by in &content.signatures {
        let role = if by.role == "reviewer" { "审核医师" } else { "报告医师" };
        let when = printout::minutes(Micros(by.at_us), place).unwrap_or_default();
        facts.push((role, format!("{} {} {when}", by.name, by.title)));
    }
    facts.push(("内容摘要", content.sha256().unwrap_or_default()));
    let rows = facts.iter().map(|(label, value)| format!("<dt>{label}</dt><dd>{}</dd>", escaped(value)));
    let message = message("genuine", "真实有效", "编号与验证码相符，内容自签名以来没有改动。请与手中报告逐项比对。");
    format!("{message}<dl>{}</dl>", rows.collect::<String>())
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
    use super::*;
    use crate::signing::content::tests::chest_ct;

    fn place() -> Place {
        Place { zone: jiff::tz::TimeZone::UTC, base: String::new() }
    }

    #[test]
    fn what_was_typed_comes_back_as_text_and_not_as_markup() {
        let html = render("中心", "\"><script>alert(1)</script>", "'x", &Verdict::Unknown, &place());
        assert!(!html.contains("<script"));
        assert!(html.contains("&quot;&gt;&lt;script&gt;") && html.contains("&#39;x"));
    }

    #[test]
    fn a_genuine_report_is_described_without_its_name_or_text() {
        let content = chest_ct();
        let html = render(
            "中心",
            "YY20261122-000123",
            "7F3K-29QD-XKPM",
            &Verdict::Genuine(Box::new(content.clone())),
            &place(),
        );
        assert!(html.contains("真实有效") && html.contains("胸部 CT 平扫") && html.contains("周示例"));
        assert!(html.contains(&content.sha256().unwrap()));
        for secret in ["测试", &content.findings, &content.impression, "P-000417", "1968"] {
            assert!(!html.contains(secret), "{secret}");
        }
    }

    #[test]
    fn a_name_is_masked_behind_its_first_character() {
        assert_eq!(masked("张测试"), "张**");
        assert_eq!(masked("阿卜杜克热木·买买提"), "阿****");
        assert_eq!(masked(""), "");
    }
}
