//! Measurements in the browser: not run by `cargo test`, but by `cargo xtask bench`, which shows what they print.

use pixel::Layout;
use serde_json::Value;
use wire::{CaseList, CaseRow, Delivery, StudyImages};

use crate::browser::{Browser, Page};
use crate::center::Center;
use crate::journey::{one_ct, send, sign_in};
use crate::need;

const ROUNDS: usize = 40;

/// One CT sent, transcoded and read by a signed-in specialist's browser.
struct Ward {
    page: Page,
    /// Both end with the test.
    _running: (Center, Browser),
}

impl Ward {
    fn open() -> Option<Self> {
        need::viewer()?;
        let storescu = need::program("storescu")?;
        let browser = Browser::launch()?;
        let mut center = Center::new();
        center.add_site("QH", "青禾镇中心卫生院", "township");
        center.add_device("QH_CT01", "QH", "CT");
        center.add_user("zhou", "周示例", "主治医师", "specialist", &["--modalities", "CT"]);
        center.start();
        let mut page = browser.page(1920, 1080);
        sign_in(&mut page, &center, "zhou");
        page.click("[data-testid=duty-big]");
        let study = one_ct(center.scratch());
        send(&storescu, &center, &study);
        page.wait_for("[data-testid=reading][data-case]");
        Some(Self { page, _running: (center, browser) })
    }

    fn json(&mut self, path: &str) -> String {
        let text = self.page.value(&format!("fetch('{path}').then(answer => answer.text())"));
        text.as_str().unwrap_or_default().to_owned()
    }

    fn case(&mut self) -> CaseRow {
        let list: CaseList = serde_json::from_str(&self.json("/api/v1/cases")).expect("a case list");
        list.cases.into_iter().next().expect("the case that is open")
    }

    /// The study's images, once all of them have their delivery form.
    fn images(&mut self) -> StudyImages {
        let path = format!("/api/v1/studies/{}/images", self.case().study);
        self.page.wait(&format!("(async () => !(await (await fetch('{path}')).text()).includes('\"pending\"'))()"));
        serde_json::from_str(&self.json(&path)).expect("the study's images")
    }
}

#[test]
#[ignore = "a measurement, run by cargo xtask bench"]
fn a_cts_journey_to_the_screen_and_its_decoding_in_wasm() {
    let Some(mut ward) = Ward::open() else { return };
    say_journey(&ward.case());
    let images = ward.images();
    let instance = images.series.iter().flat_map(|series| &series.instances).find(|i| i.delivery == Delivery::Htj2k);
    let instance = instance.expect("a CT slice is delivered as HTJ2K");
    let words = Layout::of(instance.attrs.as_ref().expect("an image has attributes")).to_words();
    let times = ward.page.value(&format!(
        "(async () => {{
            const {{ default: init, decode }} = await import('/worker.js');
            await init({{ module_or_path: '/worker_bg.wasm' }});
            const answer = await fetch('/api/v1/instances/{}/frames/1');
            const bytes = new Uint8Array(await answer.arrayBuffer());
            const times = [];
            for (let round = 0; round < {ROUNDS}; round++) {{
                const began = performance.now();
                decode(answer.headers.get('content-type').split(';')[0], bytes, new Uint32Array({words:?}));
                times.push(performance.now() - began);
            }}
            return {{ bytes: bytes.length, times: times.slice(5) }};
        }})()",
        instance.instance
    ));
    let mut sorted: Vec<f64> = times["times"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    sorted.sort_by(f64::total_cmp);
    assert!(!sorted.is_empty(), "nothing was decoded: {times}");
    let (middle, last) = (sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
    eprintln!("HTJ2K decode in wasm, CT 512², {} bytes: worst {last:.1} ms", times["bytes"]);
    figure("HTJ2K decode in wasm, CT 512², median", middle, "ms");
}

/// A line of the table of `cargo xtask bench`.
fn figure(what: &str, value: f64, unit: &str) {
    println!("figure\t{what}\t{value:.1}\t{unit}");
}

fn say_journey(case: &CaseRow) {
    let steps = &case.steps;
    let arrived = steps.arriving_us.expect("an open case has arrived");
    let steps = [("complete", steps.complete_us), ("assigned", steps.assigned_us), ("opened", steps.opened_us)];
    for (step, at) in steps {
        let at = at.unwrap_or_else(|| panic!("the case was not {step}"));
        figure(&format!("CT, first instance durable to {step}"), (at - arrived) as f64 / 1e6, "s");
    }
}
