//! Parts through the route into the spool, and what the sender is told.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::Value;

use crate::clock;
use crate::domain::{Role, SiteId};
use crate::index::testing::on_both_engines;
use crate::index::{Db, community};
use crate::ingest::spool::Position;
use crate::web::testing::{answer, app};
use crate::web::{App, auth};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

fn element(out: &mut Vec<u8>, group: u16, number: u16, vr: &[u8; 2], value: &str) {
    out.extend(group.to_le_bytes());
    out.extend(number.to_le_bytes());
    out.extend(vr);
    out.extend((value.len().next_multiple_of(2) as u16).to_le_bytes());
    out.extend(value.bytes());
    out.resize(out.len().next_multiple_of(2), 0);
}

/// A DICOM file with a preamble of its own.
fn file(instance: &str, study: &str, announced: &str) -> Vec<u8> {
    let mut out = vec![b'p'; 128];
    out.extend(b"DICM");
    element(&mut out, 2, 2, b"UI", CT);
    element(&mut out, 2, 3, b"UI", announced);
    element(&mut out, 2, 0x10, b"UI", "1.2.840.10008.1.2.1");
    element(&mut out, 8, 0x16, b"UI", CT);
    element(&mut out, 8, 0x18, b"UI", instance);
    element(&mut out, 0x10, 0x20, b"LO", "P1");
    element(&mut out, 0x20, 0x0D, b"UI", study);
    element(&mut out, 0x20, 0x0E, b"UI", &format!("{study}.9"));
    out
}

fn body(parts: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (media, bytes) in parts {
        out.extend(format!("--b\r\nContent-Type: {media}\r\n\r\n").bytes());
        out.extend(bytes);
        out.extend(b"\r\n");
    }
    out.extend(b"--b--");
    out
}

struct Center {
    app: App,
    secret: String,
    _data: tempfile::TempDir,
}

async fn center(db: &Db) -> Center {
    let (app, data) = app(db).await;
    let mut tx = db.write().await.unwrap();
    let site = community::add_site(&mut tx, "qh", "清河", "township", clock::now()).await.unwrap();
    tx.commit().await.unwrap();
    let secret = token(db, "ris-qh", Some(site)).await;
    Center { app, secret, _data: data }
}

async fn token(db: &Db, name: &str, site: Option<SiteId>) -> String {
    let secret = auth::new_secret();
    let mut tx = db.write().await.unwrap();
    community::add_token(&mut tx, name, &auth::hash(&secret), Role::Integrator, site, clock::now()).await.unwrap();
    tx.commit().await.unwrap();
    secret
}

impl Center {
    async fn post(&self, path: &str, content_type: &str, body: Vec<u8>) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.secret))
            .header(header::CONTENT_TYPE, content_type)
            .body(Body::from(body))
            .unwrap();
        let response = answer(&self.app, request).await;
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn store(&self, path: &str, parts: &[(&str, Vec<u8>)]) -> (StatusCode, Value) {
        self.post(path, "multipart/related; type=\"application/dicom\"; boundary=b", body(parts)).await
    }

    /// The files in the spool, in the order of their positions.
    async fn spooled(&self) -> Vec<Vec<u8>> {
        let spool = &self.app.intake.spool;
        let mut files = Vec::new();
        for record in spool.read_from(Position::START, 100) {
            files.push(spool.read(record.segment, record.offset, record.length as usize).await.unwrap().to_vec());
        }
        files.sort();
        files
    }
}

fn uids(sequence: &Value) -> Vec<&str> {
    sequence["Value"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item["00081155"]["Value"][0].as_str())
        .collect()
}

const DICOM: &str = "application/dicom";

#[tokio::test]
async fn what_is_called_stored_is_durable_byte_for_byte() {
    on_both_engines(async |db| {
        let center = center(&db).await;
        let mut files = vec![file("1.2.1", "1.2", "1.2.1"), file("1.2.2", "1.2", "1.2.2")];
        let large = [&file("1.2.3", "1.2", "1.2.3")[..], &vec![7; 3 << 20]].concat();
        files.push(large);
        let parts: Vec<(&str, Vec<u8>)> = files.iter().map(|file| (DICOM, file.clone())).collect();
        let (status, answer) = center.store("/dicomweb/studies", &parts).await;
        // The third has rubbish behind its data set, which makes it doubtful and none the less stored.
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        assert_eq!(uids(&answer["00081199"]), ["1.2.1", "1.2.2", "1.2.3"]);
        let url = "/dicomweb/studies/1.2/series/1.2.9/instances/1.2.1";
        assert_eq!(answer["00081199"]["Value"][0]["00081190"]["Value"][0], url);
        files.sort();
        assert!(center.spooled().await == files);
        let record = center.app.intake.spool.read_from(Position::START, 1)[0].clone();
        assert_eq!((record.meta.calling_ae.as_str(), record.meta.sop_class.as_str()), ("STOW:ris-qh", CT));
        let device = record.meta.device.unwrap();
        let site = crate::index::intake::site_of_device(&mut db.read().await.unwrap(), device, "STOW:ris-qh").await;
        assert!(site.unwrap().is_some());
        let (status, _) = center.store("/dicomweb/studies", &parts[..1]).await;
        assert_eq!(status, StatusCode::OK, "again");
    })
    .await;
}

#[tokio::test]
async fn each_part_is_judged_by_itself() {
    on_both_engines(async |db| {
        let center = center(&db).await;
        let parts = [
            (DICOM, file("1.2.1", "1.2", "1.2.1")),
            (DICOM, file("1.2.2", "1.2", "1.2.99")),
            (DICOM, b"not a file at all".to_vec()),
            ("image/jpeg", vec![0xFF; 300]),
            (DICOM, Vec::new()),
        ];
        let (status, answer) = center.store("/dicomweb/studies", &parts).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        assert_eq!(uids(&answer["00081199"]), ["1.2.1", "1.2.99"]);
        assert_eq!(answer["00081199"]["Value"][1]["00081196"]["Value"][0], 0xB007, "quarantine awaits it");
        let reasons: Vec<_> =
            answer["0008119A"]["Value"].as_array().unwrap().iter().map(|i| &i["00081197"]["Value"][0]).collect();
        assert_eq!(reasons, [0xC000, 0xC000, 0xC000]);
        assert_eq!(center.spooled().await.len(), 3, "what cannot be understood is kept for a person to look at");
    })
    .await;
}

#[tokio::test]
async fn a_study_takes_its_own_instances_only() {
    on_both_engines(async |db| {
        let center = center(&db).await;
        let (own, other) = (file("1.2.1", "1.2", "1.2.1"), file("1.3.1", "1.3", "1.3.1"));
        let (status, answer) =
            center.store("/dicomweb/studies/1.2", &[(DICOM, own.clone()), (DICOM, other.clone())]).await;
        assert_eq!((status, uids(&answer["00081199"])), (StatusCode::ACCEPTED, vec!["1.2.1"]));
        assert_eq!(answer["00081198"]["Value"][0]["00081197"]["Value"][0], 0xA900);
        assert_eq!(center.spooled().await, [own]);
        let (status, _) = center.store("/dicomweb/studies/1.2", &[(DICOM, other)]).await;
        assert_eq!(status, StatusCode::CONFLICT);
    })
    .await;
}

#[tokio::test]
async fn other_bodies_are_refused_and_a_broken_one_says_what_is_stored() {
    on_both_engines(async |db| {
        let center = center(&db).await;
        for (content_type, expected) in [
            ("application/dicom", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            ("multipart/related; type=\"application/dicom+json\"; boundary=b", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            ("multipart/related; type=\"application/dicom+xml\"; boundary=b", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            ("multipart/related; type=\"application/dicom\"", StatusCode::BAD_REQUEST),
            ("multipart/related; boundary=b", StatusCode::BAD_REQUEST),
        ] {
            assert_eq!(
                center.post("/dicomweb/studies", content_type, b"--b--".to_vec()).await.0,
                expected,
                "{content_type}"
            );
        }
        let mut broken = body(&[(DICOM, file("1.2.1", "1.2", "1.2.1")), (DICOM, file("1.2.2", "1.2", "1.2.2"))]);
        broken.truncate(broken.len() - 20);
        let (status, answer) = center.post("/dicomweb/studies", "multipart/related; boundary=b", broken).await;
        assert_eq!((status, uids(&answer["00081199"])), (StatusCode::ACCEPTED, vec!["1.2.1"]));
        assert_eq!(answer["0008119A"]["Value"][0]["00081197"]["Value"][0], 0x0110);
        assert_eq!(center.spooled().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_a_token_of_all_sites_stores_is_of_no_registered_one() {
    on_both_engines(async |db| {
        let mut center = center(&db).await;
        let registered = site_of(&db, &center, "1.2.1").await;
        center.secret = token(&db, "ris-of-all", None).await;
        let unregistered = site_of(&db, &center, "1.2.2").await;
        assert_ne!(registered, unregistered);
        let mut tx = db.read().await.unwrap();
        let sites = community::sites(&mut tx).await.unwrap();
        assert_eq!(sites.iter().find(|site| site.id == unregistered).unwrap().code, "unregistered");
    })
    .await;
}

/// Stores one instance; the site of the device that it came from.
async fn site_of(db: &Db, center: &Center, instance: &str) -> SiteId {
    let (status, _) = center.store("/dicomweb/studies", &[(DICOM, file(instance, "1.2", instance))]).await;
    assert_eq!(status, StatusCode::OK);
    let records = center.app.intake.spool.read_from(Position::START, 10);
    let meta = &records.last().unwrap().meta;
    let mut tx = db.read().await.unwrap();
    let site = crate::index::intake::site_of_device(&mut tx, meta.device.unwrap(), &meta.calling_ae).await;
    site.unwrap().unwrap()
}
