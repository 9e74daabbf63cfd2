//! The icons: 16 px, one stroke weight, drawn here.

use leptos::prelude::*;

/// An icon by name; decoration only, the word beside it speaks.
pub fn icon(name: &'static str) -> impl IntoView {
    let solid = matches!(name, "logo" | "tick" | "diamond" | "pause");
    let class = if solid { "icon solid" } else { "icon" };
    view! { <svg class=class viewBox="0 0 16 16" aria-hidden="true" inner_html=drawing(name)></svg> }
}

fn drawing(name: &str) -> &'static str {
    match name {
        "logo" => {
            r##"<path d="M2 8.6a3 3 0 0 1 2.2-2.9 4.2 4.2 0 0 1 8-.3A2.9 2.9 0 0 1 14 8.6zM2.5 9.8h11v1.1h-11zM4.2 11.9h7.6V13H4.2zM6.2 13.9h3.6V15H6.2z"/>"##
        }
        "stat" => r##"<path d="m4 8 4-4 4 4M4 12.5l4-4 4 4"/>"##,
        "urgent" => r##"<path d="m4 10 4-4 4 4"/>"##,
        "routine" => r##"<path d="M5 8h6"/>"##,
        "check" => r##"<path d="m3 8.5 3.2 3.2L13 4.8"/>"##,
        "tick" => {
            r##"<circle cx="8" cy="8" r="8"/><path d="m4.6 8.3 2.3 2.3 4.5-4.6" fill="none" stroke="var(--s1)" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round"/>"##
        }
        "eye" => {
            r##"<path d="M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8z"/><circle cx="8" cy="8" r="2"/>"##
        }
        "eye-off" => {
            r##"<path d="M3 4.2C2 5.5 1.5 8 1.5 8S4 12.5 8 12.5c1 0 2-.3 2.7-.7M6 3.8c.6-.2 1.3-.3 2-.3 4 0 6.5 4.5 6.5 4.5s-.5 1-1.5 2M2 2l12 12"/>"##
        }
        "queue" => r##"<path d="M3 4h10M3 8h10M3 12h6"/>"##,
        "review" => r##"<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3.5 3.5M5.2 7l1.3 1.3L9 5.8"/>"##,
        "sign" => r##"<path d="M2 11c2 0 3-6 4.5-6S6 11 7.5 11 9 7.5 10 7.5 10.5 10 11.5 10 13 9 13 9M2 14h12"/>"##,
        "chat" => r##"<path d="M2.5 3h11v8h-6L4.5 13.5V11h-2z"/>"##,
        "print" => r##"<path d="M4.5 6V2.5h7V6M4.5 12h-2V6h11v6h-2M4.5 9.5h7v4h-7z"/>"##,
        "clock" => r##"<circle cx="8" cy="8" r="6"/><path d="M8 4.5V8l2.5 1.5"/>"##,
        "warn" => r##"<path d="M8 2 1.5 13.5h13zM8 6.5v3.5M8 12v.1"/>"##,
        "alert" => r##"<path d="M5.5 1.8h5l3.7 3.7v5l-3.7 3.7h-5L1.8 10.5v-5zM8 4.8v4M8 11v.1"/>"##,
        "user" => r##"<circle cx="8" cy="5.2" r="2.7"/><path d="M2.8 14c.4-3 2.5-4.3 5.2-4.3s4.8 1.3 5.2 4.3"/>"##,
        "users" => {
            r##"<circle cx="6" cy="5.5" r="2.4"/><path d="M1.5 13.5c.3-2.7 2-4 4.5-4s4.2 1.3 4.5 4M10.5 3.3a2.3 2.3 0 0 1 0 4.4M12 9.7c1.5.5 2.3 1.8 2.5 3.8"/>"##
        }
        "lock" => r##"<path d="M3.5 7.5h9v6h-9zM5.5 7.5v-2a2.5 2.5 0 0 1 5 0v2"/>"##,
        "search" => r##"<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3.5 3.5"/>"##,
        "pen" => r##"<path d="m3 13 .7-3L11 2.7 13.3 5 6 12.3z"/>"##,
        "download" => r##"<path d="M8 2.5V10M4.8 7 8 10.2 11.2 7M3 13.5h10"/>"##,
        "close" => r##"<path d="m4 4 8 8M12 4l-8 8"/>"##,
        "line" => r##"<path d="M1.5 6.5a9.5 9.5 0 0 1 13 0M4 9a6 6 0 0 1 8 0M6.5 11.5a2.4 2.4 0 0 1 3 0M8 13.5v.1"/>"##,
        "line-off" => {
            r##"<path d="M1.5 6.5a9.5 9.5 0 0 1 4-2.3M10 4a9.5 9.5 0 0 1 4.5 2.5M4 9a6 6 0 0 1 3-1.5M8 13.5v.1M2 2l12 12"/>"##
        }
        "refresh" => r##"<path d="M13.5 8a5.5 5.5 0 0 1-10 3.2M2.5 8a5.5 5.5 0 0 1 10-3.2M12.7 2v3h-3M3.3 14v-3h3"/>"##,
        "pause" => r##"<path d="M4 3h3v10H4zM9 3h3v10H9z"/>"##,
        "cup" => {
            r##"<path d="M3 5.5h8V10a3.5 3.5 0 0 1-3.5 3.5h-1A3.5 3.5 0 0 1 3 10zM11 6.5h1.5a1.7 1.7 0 0 1 0 3.5H11M5.5 2.5v1M8.5 2.5v1"/>"##
        }
        "play" => r##"<path d="M5 3.5v9l7.5-4.5z"/>"##,
        "doc" => r##"<path d="M4 2h6l2.5 2.5V14H4zM6.2 6.5h4M6.2 9h4M6.2 11.5h2.5"/>"##,
        "phone" => {
            r##"<path d="M3 2.5h2.5l1.2 3-1.5 1.2c.7 1.6 1.8 2.7 3.4 3.4l1.2-1.5 3 1.2v2.5c0 .6-.5 1-1 1A10.5 10.5 0 0 1 2 3.5c0-.5.4-1 1-1z"/>"##
        }
        "down" => r##"<path d="m4 6 4 4 4-4"/>"##,
        "right" => r##"<path d="m6 4 4 4-4 4"/>"##,
        "back" => r##"<path d="M13 8H3.5M7 4 3 8l4 4"/>"##,
        "copy" => r##"<path d="M5.5 5.5h8v8h-8zM3 10.5H2.5v-8h8V3"/>"##,
        "image" => r##"<path d="M2 3h12v10H2zM2 11l3.5-3.5L8.5 10l2-2 3.5 3"/><circle cx="10.8" cy="5.8" r=".8"/>"##,
        "contrast" => {
            r##"<circle cx="8" cy="8" r="5.8"/><path d="M8 2.2a5.8 5.8 0 0 1 0 11.6z" fill="currentColor" stroke="none"/>"##
        }
        "invert" => {
            r##"<path d="M2.5 2.5h11v11h-11z"/><path d="M13.5 2.5v11h-11z" fill="currentColor" stroke="none"/>"##
        }
        "turn" => r##"<path d="M12.8 9.5A5.2 5.2 0 1 1 11.5 4.4M11.8 1.6v3.2H8.6"/>"##,
        "mirror" => r##"<path d="M8 2v12M6 4.5v7L1.8 11.5zM10 4.5v7l4.2 0z"/>"##,
        "fit" => r##"<path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10"/>"##,
        "layout" => r##"<path d="M2 3h12v10H2zM8 3v10"/>"##,
        "move" => {
            r##"<path d="M8 1.8v12.4M1.8 8h12.4M6.2 3.6 8 1.8l1.8 1.8M6.2 12.4 8 14.2l1.8-1.8M3.6 6.2 1.8 8l1.8 1.8M12.4 6.2 14.2 8l-1.8 1.8"/>"##
        }
        "ruler" => r##"<path d="m1.8 10.8 9-9 3.4 3.4-9 9zM4.2 8.4l1.4 1.4M6.6 6l1.8 1.8M9 3.6 10.4 5"/>"##,
        "box" => r##"<path d="M2.5 5 8 2.5 13.5 5v6L8 13.5 2.5 11zM2.5 5 8 7.5 13.5 5M8 7.5v6"/>"##,
        "out" => r##"<path d="M6.5 2.5h-4v11h4M10 5l3 3-3 3M13 8H6"/>"##,
        "globe" => r##"<circle cx="8" cy="8" r="6"/><path d="M2 8h12M8 2c2.2 2 2.2 10 0 12M8 2c-2.2 2-2.2 10 0 12"/>"##,
        "ext" => r##"<path d="M6.5 3h-4v10.5h10.5v-4M9 2.5h4.5V7M13.5 2.5 7.5 8.5"/>"##,
        "board" => r##"<path d="M2 13.5h12M4 11V7M8 11V3M12 11V8.5"/>"##,
        "keyboard" => r##"<path d="M1.5 4h13v8h-13zM4 6.5v.1M6.5 6.5v.1M9 6.5v.1M11.5 6.5v.1M5 9.5h6"/>"##,
        "diamond" => r##"<path d="m8 2 6 6-6 6-6-6z"/>"##,
        "undo" => r##"<path d="M3 6.5h6.5a3.5 3.5 0 0 1 0 7H6M6 3 2.5 6.5 6 10"/>"##,
        _ => "",
    }
}
