//! Sites with everything that a route can show: an image that came through the spool and is ready to be delivered, an object in
//! quarantine, and a signed report with its PDF.

use std::collections::HashMap;
use std::time::Duration;

use dicom_dictionary_std::tags;
use dicom_encoding::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use tokio_util::sync::CancellationToken;

use super::{App, opened};
use crate::clock;
use crate::delivery::pdf::Printer;
use crate::domain::{AccountId, CaseId, DeviceId, Micros, ReportId, Role, Sex, SiteId, Urgency};
use crate::index::orders::{self, Wanted};
use crate::index::reports::{self, Rule, Save, Signatory, Signing};
use crate::index::testing::seed_account;
use crate::index::{Db, Scope, cases, community, on};
use crate::ingest::spool::{RecordMeta, Spool};
use crate::reporting::printout::Place;
use crate::sample::dataset::{Dataset, JPEG_BASELINE};
use crate::signing::Digest;
use crate::web::rows;

const ULTRASOUND: &str = "1.2.840.10008.5.1.4.1.1.6.1";
const LEASE: &str = "lease-1";

/// A center whose rooms run.
pub struct Center {
    pub app: App,
    spool: Spool,
    stop: CancellationToken,
    _data: tempfile::TempDir,
}

impl Drop for Center {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A site and what it has.
pub struct Furnished {
    pub site: SiteId,
    pub study: i64,
    pub instance: i64,
    pub case: CaseId,
    pub report: i64,
    pub order: i64,
    pub study_uid: String,
    pub series_uid: String,
    pub instance_uid: String,
    /// Words that no answer to another site may hold, and every list of this site's does hold one of.
    pub marks: Vec<String>,
}

impl Center {
    pub async fn open(db: &Db) -> Self {
        let (app, ingest, data) = opened(db).await;
        let spool = ingest.spool.clone();
        let stop = CancellationToken::new();
        for (_, room) in ingest.rooms(&stop) {
            tokio::spawn(room);
        }
        Self { app, spool, stop, _data: data }
    }

    /// A new site `code`, read and signed for by a specialist of its own.
    pub async fn furnish(&self, code: &str) -> Furnished {
        let (site, device) = self.place(code).await;
        let number = site.0;
        let (study_uid, quarantined_uid) = (format!("2.25.7000{number}"), format!("2.25.6660{number}"));
        let (series_uid, instance_uid) = (format!("{study_uid}.1"), format!("{study_uid}.1.1"));
        let (patient, accession, ae) = (format!("患者{code}"), format!("ACC-{code}-1"), format!("{code}_US01"));
        let mut image = Dataset::default();
        image
            .text(tags::SPECIFIC_CHARACTER_SET, "ISO_IR 192")
            .text(tags::SOP_CLASS_UID, ULTRASOUND)
            .text(tags::SOP_INSTANCE_UID, &instance_uid)
            .text(tags::STUDY_DATE, "20261120")
            .text(tags::STUDY_TIME, "094200")
            .text(tags::ACCESSION_NUMBER, &accession)
            .text(tags::MODALITY, "US")
            .text(tags::PATIENT_NAME, &patient)
            .text(tags::PATIENT_ID, format!("PID-{code}"))
            .text(tags::STUDY_INSTANCE_UID, &study_uid)
            .text(tags::SERIES_INSTANCE_UID, &series_uid)
            .number(tags::INSTANCE_NUMBER, 1.0)
            .number(tags::SAMPLES_PER_PIXEL, 1.0)
            .text(tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2");
        for (tag, value) in
            [(tags::ROWS, 8.0), (tags::COLUMNS, 8.0), (tags::BITS_ALLOCATED, 8.0), (tags::BITS_STORED, 8.0)]
        {
            image.number(tag, value);
        }
        image.number(tags::HIGH_BIT, 7.0).number(tags::PIXEL_REPRESENTATION, 0.0).frames(vec![grey()]);
        self.receive(device, &ae, &instance_uid, &encoded(&image)).await;
        self.receive(device, &ae, &quarantined_uid, b"not a data set at all").await;

        let (study, instance, case) = self.settled(&instance_uid, site).await;
        let report = self.sign(code, case).await;
        let order = self.register(code, site, &patient).await;
        let marks = vec![
            name_of(code),
            patient,
            accession,
            ae,
            study_uid.clone(),
            quarantined_uid,
            format!("\"site\":{number},"),
        ];
        Furnished { site, study, instance, case, report, order, study_uid, series_uid, instance_uid, marks }
    }

    /// Another image of a site's study under another patient's name; its row in quarantine.
    pub async fn misfile(&self, of: &Furnished, name: &str, pid: &str) -> i64 {
        let instance_uid = format!("{}.99", of.series_uid);
        let mut image = Dataset::default();
        image
            .text(tags::SPECIFIC_CHARACTER_SET, "ISO_IR 192")
            .text(tags::SOP_CLASS_UID, ULTRASOUND)
            .text(tags::SOP_INSTANCE_UID, &instance_uid)
            .text(tags::MODALITY, "US")
            .text(tags::PATIENT_NAME, name)
            .text(tags::PATIENT_ID, pid)
            .text(tags::STUDY_INSTANCE_UID, &of.study_uid)
            .text(tags::SERIES_INSTANCE_UID, &of.series_uid)
            .number(tags::SERIES_NUMBER, 1.0)
            .number(tags::INSTANCE_NUMBER, 99.0);
        let sender = async |tx: &mut crate::index::Tx| {
            on!(tx, c => sqlx::query_as::<_, (DeviceId, String)>("SELECT id, ae_title FROM device WHERE site_id = $1")
                .bind(of.site).fetch_one(c).await)
        };
        let (device, ae) = sender(&mut self.app.db.read().await.unwrap()).await.unwrap();
        self.receive(device, &ae, &instance_uid, &encoded(&image)).await;
        for _ in 0..1_000 {
            let mut tx = self.app.db.read().await.unwrap();
            let found = on!(&mut tx, c => sqlx::query_scalar::<_, i64>("SELECT id FROM quarantine WHERE sop_uid = $1")
                .bind(&instance_uid).fetch_optional(c).await)
            .unwrap();
            drop(tx);
            if let Some(found) = found {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the object was not in quarantine within 20 s");
    }

    async fn place(&self, code: &str) -> (SiteId, DeviceId) {
        let now = clock::now();
        let mut tx = self.app.db.write().await.unwrap();
        let site = community::add_site(&mut tx, code, &name_of(code), "township", now).await.unwrap();
        let device = community::add_device(&mut tx, &format!("{code}_US01"), site, "US", None, now).await.unwrap();
        tx.commit().await.unwrap();
        (site, device)
    }

    async fn receive(&self, device: DeviceId, ae: &str, instance: &str, dataset: &[u8]) {
        let mut writer = self.spool.begin(RecordMeta {
            received: clock::now(),
            calling_ae: ae.into(),
            called_ae: "YUNYING".into(),
            peer: "127.0.0.1".into(),
            device: Some(device),
            sop_class: ULTRASOUND.into(),
            sop_instance: instance.into(),
            transfer_syntax: JPEG_BASELINE.into(),
        });
        writer.append(dataset).await;
        writer.finish().await.unwrap();
    }

    /// Study, instance and case once the image is ready and the other object is in quarantine.
    async fn settled(&self, instance_uid: &str, site: SiteId) -> (i64, i64, CaseId) {
        for _ in 0..1_000 {
            let mut tx = self.app.db.read().await.unwrap();
            let found = on!(&mut tx, c => sqlx::query_as::<_, (i64, i64, CaseId)>(
                "SELECT c.study_id, i.id, c.id FROM instance i JOIN series se ON se.id = i.series_id
                   JOIN case_ c ON c.study_id = se.study_id
                  WHERE i.sop_uid = $1 AND i.delivery = 'jpeg'
                    AND EXISTS (SELECT 1 FROM quarantine q WHERE q.site_id = $2)")
                .bind(instance_uid).bind(site).fetch_optional(c).await)
            .unwrap();
            drop(tx);
            if let Some(found) = found {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the image was not made ready within 20 s");
    }

    async fn sign(&self, code: &str, case: CaseId) -> i64 {
        let db = &self.app.db;
        let account = seed_account(db, &format!("reader-{code}"), Role::Specialist, None).await;
        let by = Signatory { account, role: Role::Specialist, name: "周示例".into(), title: "主治医师".into() };
        let now = clock::now();
        let mut tx = db.write().await.unwrap();
        held(&mut tx, case, account, now + Duration::from_secs(60)).await;
        let text = wire::DraftSave {
            lease: LEASE.into(),
            rev: 0,
            template: String::new(),
            findings: "肝脏形态正常。".into(),
            impression: "未见异常。".into(),
        };
        reports::save_draft(&mut tx, Save { case, by: &by, draft: &text, now }).await.unwrap();
        let shown = rows::case_row(&cases::row(&mut tx, case, Scope::All).await.unwrap(), &HashMap::new());
        let seen = wire::Shown { question: shown.question.clone(), instances: shown.instances };
        let rule = Rule { signatures: 1, center: "示例县影像中心".into(), zone: self.app.zone.clone() };
        let lease = Some(LEASE);
        let signing = Signing { shown: &shown, seen: &seen, by: &by, lease, rev: 1, rule: &rule, now };
        let report = reports::sign(&mut tx, signing, &Digest, "7F3K29QDXKPM").await.unwrap();
        tx.commit().await.unwrap();
        self.print(report).await;
        report.0
    }

    /// An exam for the same patient that is still to be made.
    async fn register(&self, code: &str, site: SiteId, patient: &str) -> i64 {
        let by = seed_account(&self.app.db, &format!("registers-{code}"), Role::Operator, Some(site)).await;
        let wanted = Wanted {
            name: patient.to_owned(),
            latin: String::new(),
            pid: String::new(),
            issuer: String::new(),
            sex: Sex::Female,
            birth_date: "19680412".into(),
            national_id: None,
            accession: String::new(),
            exam: "腹部超声".into(),
            body_part: String::new(),
            modality: "US".into(),
            device: None,
            start_date: clock::today(&self.app.zone).strftime("%Y%m%d").to_string(),
            start_time: "093000".into(),
            question: String::new(),
            urgency: Urgency::Routine,
            requester: String::new(),
            performer: String::new(),
        };
        let mut tx = self.app.db.write().await.unwrap();
        let uid = format!("2.25.8000{site}");
        let id = orders::register(&mut tx, site, &wanted, &uid, by, clock::now()).await.unwrap();
        tx.commit().await.unwrap();
        id.0
    }

    async fn print(&self, report: ReportId) {
        let place = Place { zone: self.app.zone.clone(), base: "https://imaging.example.cn".into() };
        let archive = self.app.viewing.archive.clone();
        Printer { db: self.app.db.clone(), archive, place }.print(report).await.unwrap();
    }
}

async fn held(tx: &mut crate::index::Tx, case: CaseId, account: AccountId, until: Micros) {
    on!(tx, c => sqlx::query(
        "UPDATE case_ SET state = 'opened', assignee_id = $1, lease = $2, lease_until_us = $3, complete_us = arriving_us,
                queued_us = arriving_us WHERE id = $4")
        .bind(account).bind(LEASE).bind(until).bind(case).execute(c).await.map(drop))
    .unwrap();
}

fn name_of(code: &str) -> String {
    format!("{code}镇卫生院")
}

/// An 8 × 8 baseline JPEG of one grey.
fn grey() -> Vec<u8> {
    let mut out = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut out, 90);
    encoder.encode(&[40; 64], 8, 8, jpeg_encoder::ColorType::Luma).unwrap();
    out
}

fn encoded(dataset: &Dataset) -> Vec<u8> {
    let mut bytes = Vec::new();
    let syntax = TransferSyntaxRegistry.get(JPEG_BASELINE).unwrap();
    dataset.object().write_dataset_with_ts(&mut bytes, syntax).unwrap();
    bytes
}
