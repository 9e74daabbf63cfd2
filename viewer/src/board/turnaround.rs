//! How long reports took today: by modality as a distribution, by site as median to ninth decile.

use leptos::prelude::*;
use wire::{Board, SiteLine, Turnaround, quantile};

use super::lanes::lane_name;
use super::place::histogram;
use crate::i18n::{fill, say, t};

const BINS: usize = 28;
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 72.0;

pub fn by_modality(board: &Board) -> impl IntoView + use<> {
    let signed: usize = board.lanes.iter().map(|lane| lane.minutes.len()).sum();
    let body = if signed == 0 {
        view! { <p class="quiet nothing">{t(say::TURNAROUND_NONE)}</p> }.into_any()
    } else {
        board.lanes.iter().filter(|lane| !lane.minutes.is_empty()).map(distribution).collect_view().into_any()
    };
    view! {
        <header class="card-head"><h2>{t(say::TURNAROUND)}</h2><span class="small faint">{fill(say::TURNAROUND_LEAD, &[&signed.to_string()])}</span></header>
        {body}
    }
}

fn distribution(lane: &Turnaround) -> impl IntoView + use<> {
    let most = (lane.target_minutes * 1.4)
        .max(lane.minutes.last().copied().unwrap_or(1.0).min(lane.target_minutes * 2.0))
        .max(1.0);
    let counts = histogram(&lane.minutes, BINS, most);
    let tallest = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let x = |minutes: f64| (minutes / most).clamp(0.0, 1.0) * WIDTH;
    let width = WIDTH / BINS as f64;
    let target = lane.target_minutes;
    let bars = counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(bin, count)| {
        let height = (*count as f64 / tallest * HEIGHT).max(2.0);
        let late = bin as f64 / BINS as f64 * most >= target;
        view! {
            <rect class=if late { "hist late" } else { "hist" } x=(bin as f64 * width + 1.0).to_string() y=(HEIGHT - height).to_string()
                width=(width - 2.0).to_string() height=height.to_string()></rect>
        }
    });
    let median = quantile(&lane.minutes, 0.5).unwrap_or_default();
    let ninth = quantile(&lane.minutes, 0.9).unwrap_or_default();
    view! {
        <figure class="dist">
            <figcaption><b>{lane_name(&lane.modality)}</b>" "<span class="label">{lane.minutes.len()}" "{t(say::CASES_UNIT)}</span></figcaption>
            <svg viewBox=format!("0 0 {WIDTH} {}", HEIGHT + 8.0) preserveAspectRatio="none" role="img" aria-label=lane_name(&lane.modality)>
                {bars.collect_view()}
                <line class="axis-line" x1="0" x2=WIDTH.to_string() y1=HEIGHT.to_string() y2=HEIGHT.to_string()></line>
                {[median, ninth].map(|at| view! { <line class="tick" x1=x(at).to_string() x2=x(at).to_string() y1=HEIGHT.to_string() y2=(HEIGHT + 8.0).to_string()></line> }).into_iter().collect_view()}
                <line class="target" x1=x(target).to_string() x2=x(target).to_string() y1="0" y2=HEIGHT.to_string()></line>
            </svg>
            <p class="label dist-words"><span>{t(say::MEDIAN)}" "<b>{format!("{median:.1}")}</b></span><span>{t(say::NINTH)}" "<b>{format!("{ninth:.1}")}</b></span>
                <span class="red end">{fill(say::TARGET, &[&format!("{target:.0}")])}</span></p>
        </figure>
    }
}

pub fn by_site(board: &Board) -> impl IntoView + use<> {
    let mut sites: Vec<&SiteLine> =
        board.sites.iter().filter(|line| line.today > 0 || line.median_minutes.is_some()).collect();
    sites.sort_by(|a, b| b.p90_minutes.unwrap_or(0.0).total_cmp(&a.p90_minutes.unwrap_or(0.0)));
    let most = sites.iter().filter_map(|line| line.p90_minutes).fold(10.0_f64, f64::max).max(1.0);
    let body = if sites.is_empty() {
        view! { <p class="quiet nothing">{t(say::TURNAROUND_NONE)}</p> }.into_any()
    } else {
        view! { <ul class="sites">{sites.into_iter().map(|line| site(line, most)).collect_view()}</ul> }.into_any()
    };
    view! {
        <header class="card-head">
            <h2>{t(say::BY_SITE)}</h2><span class="grow"></span>
            <span class="legend small quiet"><span><i class="key-dot"></i>{t(say::MEDIAN)}</span><span><i class="key-bar"></i>{t(say::NINTH)}</span><span>{t(say::MINUTES)}</span></span>
        </header>
        {body}
    }
}

fn site(line: &SiteLine, most: f64) -> impl IntoView + use<> {
    let x = |minutes: f64| 4.0 + minutes / most * 190.0;
    let drawing = line.median_minutes.map(|median| {
        let ninth = line.p90_minutes.unwrap_or(median);
        view! {
            <line class="site-span" x1=x(median).to_string() x2=x(ninth).to_string() y1="9" y2="9"></line>
            <line class="site-end" x1=x(ninth).to_string() x2=x(ninth).to_string() y1="3" y2="15"></line>
            <circle class="site-dot" cx=x(median).to_string() cy="9" r="4"></circle>
        }
    });
    let words = match (line.median_minutes, line.p90_minutes) {
        (Some(median), Some(ninth)) => format!("{median:.0} – {ninth:.0}"),
        (Some(median), None) => format!("{median:.0}"),
        _ => "—".to_owned(),
    };
    view! {
        <li class="site">
            <span class="clip">{line.site.name.clone()}</span>
            <span class="label end">{line.today}" "{t(say::CASES_UNIT)}</span>
            <svg viewBox="0 0 200 18" aria-hidden="true">{drawing}</svg>
            <span class="label end">{words}</span>
        </li>
    }
}
