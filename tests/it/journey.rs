//! One study's whole way: the device sends it, the specialist's page opens it, the report is written and signed, and the township's
//! page shows it. Two browsers, dcmtk as the device, pydicom and pdftotext as those who know what is right.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use serde_json::Value;

use crate::browser::{Browser, Page};
use crate::center::{Center, PASSWORD, YUNYING};
use crate::need;

const FINDINGS: &str = "右肺上叶前段见磨玻璃结节，大小约 8 mm×7 mm，边界清楚。余双肺纹理清晰，未见实变影。";
const IMPRESSION: &str = "右肺上叶磨玻璃结节，建议 3 个月后复查。";
const CANVAS: &str = "canvas.vp-canvas[data-pane='0']";

/// The tools of this test; all or none.
struct Tools {
    storescu: PathBuf,
    pdftotext: PathBuf,
    python: PathBuf,
    operator: Browser,
    specialist: Browser,
}

impl Tools {
    fn find() -> Option<Self> {
        need::viewer()?;
        Some(Self {
            storescu: need::program("storescu")?,
            pdftotext: need::program("pdftotext")?,
            python: need::python()?,
            operator: Browser::launch()?,
            specialist: Browser::launch()?,
        })
    }
}

#[test]
fn a_ct_from_a_township_comes_back_as_a_signed_report() {
    let Some(tools) = Tools::find() else { return };
    let mut center = Center::new();
    center.add_site("QH", "青禾镇中心卫生院", "township");
    center.add_device("QH_CT01", "QH", "CT");
    center.add_user("wu", "吴样例", "技师", "operator", &["--site", "QH"]);
    center.add_user("zhou", "周示例", "主治医师", "specialist", &["--modalities", "CT,DX"]);
    center.start();

    let mut operator = tools.operator.page(1366, 768);
    sign_in(&mut operator, &center, "wu");
    operator.wait_for("[data-testid=desk]");
    operator.value("window.neverReloaded = true");
    let mut specialist = tools.specialist.page(1920, 1080);
    sign_in(&mut specialist, &center, "zhou");
    specialist.click("[data-testid=duty-big]");
    specialist.wait_for("[data-testid=idle][data-duty=true]");

    let study = one_ct(center.scratch());
    send(&tools.storescu, &center, &study);

    specialist.wait_for("[data-testid=reading][data-case]");
    let patient = specialist.text("[data-testid=patient-name]");
    assert!(!patient.is_empty(), "the banner names nobody");
    operator.wait_for_text("[data-testid=case-row]", &patient);
    compare_pixels(&mut specialist, &tools.python, &study, center.scratch());
    specialist.keep_screenshot("reading");

    write_report(&mut specialist);
    specialist.press("F10");
    specialist.fill("[data-testid=sign-password]", PASSWORD);
    specialist.click("[data-testid=sign-confirm]");

    operator.wait_for("[data-testid=case-row][data-state=signed]");
    assert_eq!(operator.value("window.neverReloaded"), true);
    operator.click("[data-testid=case-row]");
    operator.wait_for_text("[data-testid=report-text]", IMPRESSION);
    operator.keep_screenshot("operator");
    check_pdf(&mut operator, &tools.pdftotext, &patient, center.scratch());

    specialist.wait_for("[data-testid=idle]");
    operator.assert_quiet();
    specialist.assert_quiet();
}

pub fn sign_in(page: &mut Page, center: &Center, login: &str) {
    page.open(&format!("http://{}/", center.http));
    page.fill("[data-testid=login]", login);
    page.fill("[data-testid=password]", PASSWORD);
    page.press("Enter");
}

/// The folder of one synthetic CT.
pub fn one_ct(scratch: &Path) -> PathBuf {
    let out = scratch.join("samples");
    let mut sample = Command::new(YUNYING);
    sample.args(["sample", "--ct", "1", "--dr", "0", "--us", "0", "--slices", "24", "--out"]).arg(&out);
    assert!(sample.status().expect("yunying sample runs").success());
    let mut folders = vec![out];
    while let Some(folder) = folders.pop() {
        let entries: Vec<PathBuf> =
            fs::read_dir(&folder).expect("a folder of samples").flatten().map(|entry| entry.path()).collect();
        if entries.iter().any(|entry| entry.is_file()) {
            return folder;
        }
        folders.extend(entries);
    }
    panic!("yunying sample wrote no files");
}

pub fn send(storescu: &Path, center: &Center, folder: &Path) {
    let output = Command::new(storescu)
        .args(["-aet", "QH_CT01", "-aec", "YUNYING", "+sd", "+r"])
        .args([&center.dimse.ip().to_string(), &center.dimse.port().to_string()])
        .arg(folder)
        .output()
        .expect("storescu runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "storescu: {said}");
}

/// At one image pixel a device pixel, the canvas must show what PS3.3 C.11 says, within one grey level.
fn compare_pixels(page: &mut Page, python: &Path, study: &Path, scratch: &Path) {
    page.wait_for(&format!("{CANVAS}[data-state=ready][data-quality=lossless]"));
    page.click(CANVAS);
    page.press("f");
    page.wait(&format!(
        "(([across, , , down]) => across === 1 && down === 1)\
         ((document.querySelector(\"{CANVAS}\").dataset.placement ?? '').split(' ').map(Number))"
    ));
    let shown = page.value(&format!(
        "(canvas => {{
            const {{ instance, frame, window, placement }} = canvas.dataset;
            const [x, y] = placement.split(' ').slice(4).map(Number);
            const flat = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
            flat.drawImage(canvas, 0, 0);
            const {{ data, width, height }} = flat.getImageData(0, 0, canvas.width, canvas.height);
            let grey = '', coloured = 0;
            for (let i = 0; i < data.length; i += 4) {{
                grey += String.fromCharCode(data[i]);
                coloured += data[i] !== data[i + 1] || data[i] !== data[i + 2] || data[i + 3] !== 255;
            }}
            return {{ instance, frame, window, x, y, width, height, coloured, grey: btoa(grey) }};
        }})(document.querySelector(\"{CANVAS}\"))"
    ));
    assert_eq!(shown["coloured"], 0, "a grey image is shown in colour");
    let raw = scratch.join("canvas.raw");
    let grey = shown["grey"].as_str().unwrap_or_default();
    fs::write(&raw, base64::prelude::BASE64_STANDARD.decode(grey).expect("base64")).expect("the canvas is kept");
    let text = |name: &str| match &shown[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let output = Command::new(python)
        .arg(need::workspace().join("tests/it/render.py"))
        .args([study, &raw])
        .args(["width", "height", "x", "y", "instance", "frame", "window"].map(text))
        .output()
        .expect("python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("canvas against pydicom: {}", said.trim());
}

/// Writes both parts, sees them saved, and sees them again after the page was loaded anew.
fn write_report(page: &mut Page) {
    page.wait_for("#findings");
    page.fill("#findings", FINDINGS);
    page.fill("#impression", IMPRESSION);
    page.wait_for("[data-testid=saved][data-saved=saved]");
    page.reload();
    page.wait_for_text("#findings", FINDINGS);
    page.wait_for_text("#impression", IMPRESSION);
    // Nobody signs on a preview: F10 waits for the image as the specialist would.
    page.wait_for(&format!("{CANVAS}[data-state=ready][data-quality=lossless]"));
}

/// The operator's PDF says who, what and by whom, in text that can be searched.
fn check_pdf(page: &mut Page, pdftotext: &Path, patient: &str, scratch: &Path) {
    page.click("[data-testid=open-report]");
    page.wait_for("[data-testid=report-sheet] iframe");
    // The frame shows what the page fetched from here.
    let pdf = page.value(
        "(async link => {
            const answer = await fetch(link.href);
            if (!answer.ok) return 'HTTP ' + answer.status;
            const bytes = new Uint8Array(await answer.arrayBuffer());
            return btoa(Array.from(bytes, b => String.fromCharCode(b)).join(''));
        })(document.querySelector('[data-testid=report-tab]'))",
    );
    let file = scratch.join("report.pdf");
    let bytes = base64::prelude::BASE64_STANDARD.decode(pdf.as_str().unwrap_or_default());
    fs::write(&file, bytes.unwrap_or_else(|error| panic!("no PDF but {pdf}: {error}"))).expect("the PDF is kept");
    let output = Command::new(pdftotext).arg("-raw").arg(&file).arg("-").output().expect("pdftotext runs");
    // Lines break anywhere in Chinese; the words count.
    let text: String = String::from_utf8_lossy(&output.stdout).split_whitespace().collect();
    for part in [patient, "青禾镇中心卫生院", FINDINGS, IMPRESSION, "周示例"] {
        let words: String = part.split_whitespace().collect();
        assert!(text.contains(&words), "the PDF lacks {part}:\n{text}");
    }
}
