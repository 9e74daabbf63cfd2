//! What a query string asks for.

use axum::http::HeaderMap;

use super::*;

fn search(level: Level, query: &str, of: Of) -> Answer<Search> {
    Search::parse(level, Some(query), of, &Ranges::of(&HeaderMap::new(), None))
}

fn studies(query: &str) -> Answer<Search> {
    search(Level::Study, query, Of::default())
}

#[test]
fn a_page_is_a_limit_of_ours_at_most() {
    let asked = studies("PatientName=wang*&00100020=A_1&StudyDate=20260101-&limit=5000&offset=20").unwrap();
    assert_eq!((asked.limit, asked.offset, asked.ignored), (PAGE, 20, false));
    assert_eq!(asked.page().limit, PAGE + 1);
    let mut found = vec![0; 1001];
    assert!(asked.cut(&mut found));
    assert_eq!(found.len(), 1000);
    assert!(!asked.cut(&mut found));
}

#[test]
fn nonsense_is_refused_and_what_nothing_matches_is_said() {
    for bad in
        ["limit=-1", "NoSuchThing=1", "StudyInstanceUID=1.2'%20OR%201", "includefield=NoSuchThing", "StudyDate=x"]
    {
        assert!(studies(bad).is_err(), "{bad}");
    }
    assert!(studies("PatientWeight=70").unwrap().ignored);
    assert!(!studies("PatientWeight=").unwrap().ignored, "asked back, not matched");
    assert!(studies("SeriesNumber=1").unwrap().ignored, "a key of a level below");
    assert!(!search(Level::Instance, "SeriesNumber=1&SeriesNumber=2", Of::default()).unwrap().ignored);
    assert!(studies("AccessionNumber=1&PatientID=*&PatientID=x").is_err(), "no list");
    let of = Of { study: Some("1.2/3".into()), ..Of::default() };
    assert!(search(Level::Series, "", of).is_err());
}

#[test]
fn sequences_are_matched_by_path() {
    let asked = search(Level::Series, "RequestAttributesSequence.00400009=S1&00400275.00401001=R1", Of::default());
    assert!(!asked.unwrap().ignored);
}

#[test]
fn only_who_takes_json_is_answered() {
    let accepting = |text: &'static str| {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(text))]);
        Search::parse(Level::Study, None, Of::default(), &Ranges::of(&headers, None))
    };
    assert!(accepting("application/dicom+json").is_ok() && accepting("text/html, */*;q=0.1").is_ok());
    assert!(accepting("text/html").is_err());
}

#[test]
fn chinese_names_arrive_percent_encoded() {
    assert_eq!(
        query::pairs("PatientName=%E7%8E%8B*&x=a+b&%zz=%4&y=%+1"),
        [("PatientName", "王*"), ("x", "a b"), ("%zz", "%4"), ("y", "% 1")].map(|(k, v)| (k.to_owned(), v.to_owned()))
    );
}
