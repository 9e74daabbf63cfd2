//! The page as outside tools read it.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;

pub(super) fn chest_ct() -> ReportDocument {
    ReportDocument {
        center: "示例县县域医共体影像中心".into(),
        site: "青禾镇中心卫生院".into(),
        title: "CT 诊断报告".into(),
        number: "YY20261120-000123".into(),
        accession: "SAMPLE-20931".into(),
        name: "张测试".into(),
        sex: "女".into(),
        age: "58 岁".into(),
        pid: "P-000417".into(),
        device: "CT-16".into(),
        exam_time: "2026-11-20 09:42".into(),
        exam: "胸部 CT 增强".into(),
        question: "咳嗽两周，痰中带血 1 次；肺结节复查".into(),
        findings: "胸廓对称，气管居中。右肺下叶背段见实性结节，大小约 9.2 × 7.4 mm（层 142），边缘浅分叶、可见短毛刺，\
                   较 2026-03-11（6.1 × 5.1 mm）增大。余双肺纹理清晰，未见实变。气管及主要支气管通畅。纵隔及双侧肺门未见\
                   肿大淋巴结，较大者短径 6 mm。心影不大，双侧胸腔未见积液。所示骨质未见破坏。"
            .into(),
        impression: "1. 右肺下叶背段实性结节，较 8 个月前增大，恶性不除外，建议转县医院胸外科会诊，行 PET-CT 或穿刺活检。\n\
                     2. 余双肺未见明显异常。"
            .into(),
        signatories: vec![
            Signatory {
                role: "报告医师".into(),
                name: "周示例".into(),
                title: "主治医师".into(),
                when: "2026-11-20 10:16 提交".into(),
            },
            Signatory {
                role: "审核医师".into(),
                name: "郑演示".into(),
                title: "副主任医师".into(),
                when: "2026-11-20 10:17 签署".into(),
            },
        ],
        verification_code: "7F3K-29QD-XKPM".into(),
        digest: "3F9A 21BC".into(),
        verify_url: "https://imaging.example.cn/verify?n=YY20261120-000123&c=7F3K29QDXKPM".into(),
        signed: "2026-11-20T10:17:00[Asia/Shanghai]".parse().unwrap(),
    }
}

/// What `pdftotext` reads, with every white space removed: lines are the page's business, words the report's.
fn read(pdf: &[u8]) -> String {
    pdftotext(pdf).split_whitespace().collect()
}

fn pdftotext(pdf: &[u8]) -> String {
    let mut child = Command::new("pdftotext")
        .args(["-enc", "UTF-8", "-layout", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("pdftotext, from poppler-utils");
    child.stdin.take().unwrap().write_all(pdf).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn the_page_says_what_the_report_says() {
    let document = chest_ct();
    let rendered = render(&document).unwrap();
    keep("chest-ct.pdf", &rendered);
    assert_eq!((rendered.pages, rendered.undrawn.len()), (1, 0));
    let read = read(&rendered.bytes);
    let facts = [
        &document.center,
        &document.site,
        &document.title,
        &document.number,
        &document.accession,
        &document.name,
        &document.pid,
        &document.exam,
        &document.question,
        &document.findings,
        &document.impression,
        &document.exam_time,
        &document.verification_code,
        &document.digest,
    ];
    for fact in facts.into_iter().chain(document.signatories.iter().flat_map(|s| [&s.role, &s.name, &s.title, &s.when]))
    {
        // Two columns are read across, so a fact that wraps beside another is looked for in pieces.
        for piece in fact.split('\n') {
            assert!(read.contains(&squeezed(piece)), "{piece} is not in\n{read}");
        }
    }
    assert!(read.contains("第1页，共1页"));
}

/// For looking at: `YUNYING_PAGES=DIRECTORY cargo test --lib pdf` leaves the pages there.
fn keep(name: &str, rendered: &Rendered) {
    if let Some(directory) = std::env::var_os("YUNYING_PAGES") {
        std::fs::write(std::path::Path::new(&directory).join(name), &rendered.bytes).unwrap();
    }
}

#[test]
fn equal_documents_give_equal_bytes() {
    assert_eq!(render(&chest_ct()).unwrap().bytes, render(&chest_ct()).unwrap().bytes);
}

#[test]
fn a_long_report_repeats_whose_it_is_on_every_sheet() {
    let mut document = chest_ct();
    document.findings = vec![document.findings.as_str(); 30].join("\n");
    let rendered = render(&document).unwrap();
    keep("long.pdf", &rendered);
    assert!(rendered.pages >= 3);
    let text = pdftotext(&rendered.bytes);
    let sheets: Vec<&str> = text.trim_end_matches('\u{0C}').split('\u{0C}').collect();
    assert_eq!(sheets.len(), rendered.pages);
    for (index, sheet) in sheets.iter().enumerate() {
        let sheet = squeezed(sheet);
        assert!(sheet.contains("张测试") && sheet.contains("YY20261120-000123"), "sheet {index}");
        assert!(sheet.contains(&format!("第{}页，共{}页", index + 1, sheets.len())), "sheet {index}");
        assert_eq!(sheet.contains("审核医师"), index + 1 == sheets.len(), "sheet {index}");
    }
    assert_eq!(squeezed(&text).matches("右肺下叶背段见实性结节").count(), 30);
}

#[test]
fn names_with_rare_characters_are_read_back() {
    for name in ["王喆翀", "李堃彧", "陈㛃䶮", "龑珺", "阿卜杜克热木·买买提", "𫍽𬱖", "Anna Müller"]
    {
        let document = ReportDocument { name: name.into(), ..chest_ct() };
        let rendered = render(&document).unwrap();
        keep(&format!("{name}.pdf"), &rendered);
        assert!(rendered.undrawn.is_empty(), "{name}");
        let read = read(&rendered.bytes);
        assert!(read.contains(&squeezed(name)), "{name} is not in\n{read}");
    }
}

#[test]
fn a_character_nobody_can_draw_shows_and_does_not_fail_the_report() {
    let document = ReportDocument { name: "张\u{323AF}三".into(), ..chest_ct() };
    let rendered = render(&document).unwrap();
    assert_eq!(rendered.undrawn, vec!['\u{323AF}']);
    assert!(read(&rendered.bytes).contains("张〈U+323AF〉三"));
}

#[test]
fn what_nobody_recorded_leaves_no_label() {
    let empty = String::new;
    let document =
        ReportDocument { accession: empty(), device: empty(), question: empty(), pid: empty(), ..chest_ct() };
    let read = read(&render(&document).unwrap().bytes);
    for label in ["检查号", "设备", "临床问题", "患者号"] {
        assert!(!read.contains(label), "{label}");
    }
}

#[test]
fn it_declares_the_archive_form() {
    let bytes = render(&chest_ct()).unwrap().bytes;
    let text = String::from_utf8_lossy(&bytes);
    assert!(
        text.contains("<pdfaid:part>2</pdfaid:part>") && text.contains("<pdfaid:conformance>B</pdfaid:conformance>")
    );
    assert!(!text.contains("张测试"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    #[test]
    fn no_text_fails_a_report(findings in "\\PC{0,300}", impression in ".{1,80}", name in "\\PC{0,40}") {
        let document = ReportDocument { findings, impression, name, ..chest_ct() };
        proptest::prop_assert!(render(&document).is_ok());
    }
}
