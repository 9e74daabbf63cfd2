//! What a writer and a reviewer do to a report.

use serde_json::json;

use super::{Row, SignatureRow, newest, signatures};
use crate::domain::{
    AccountId, CaseId, CaseState, Micros, ReportId, ReportState, Role, SignatureRole, SiteId, StudyId,
};
use crate::index::{Error, Event, EventKind, Result, Tx, cases, community, on};
use crate::reporting::printout;
use crate::reporting::state::{self, Action, Standing};
use crate::signing::{ReportContent, Seal, SignedBy, Signer, content, numbers};

/// Longest text of each part, in bytes: some twenty pages.
const LONGEST: usize = 60_000;

/// Who acts.
#[derive(Debug, Clone)]
pub struct Signatory {
    pub account: AccountId,
    pub role: Role,
    pub name: String,
    /// Printed under the signature.
    pub title: String,
}

impl From<community::Account> for Signatory {
    fn from(account: community::Account) -> Self {
        Self { account: account.id, role: account.role, name: account.name, title: account.title }
    }
}

/// What the center has decided about its reports.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Signatures a report needs, 1 or 2; see [`state::signatures_needed`].
    pub signatures: u8,
    pub center: String,
    /// The zone in which a day of a report number begins.
    pub zone: jiff::tz::TimeZone,
}

/// A draft to be kept.
#[derive(Debug, Clone)]
pub struct Save<'a> {
    pub case: CaseId,
    pub by: &'a Signatory,
    pub draft: &'a wire::DraftSave,
    pub now: Micros,
}

/// A signature to be given. The password has been checked.
#[derive(Debug, Clone)]
pub struct Signing<'a> {
    /// The case as it stands in this transaction: patient and exam as they will be signed.
    pub shown: &'a wire::CaseRow,
    /// What the signer had on the screen of it.
    pub seen: &'a wire::Shown,
    pub by: &'a Signatory,
    /// The writer's; a reviewer has none.
    pub lease: Option<&'a str>,
    pub rev: i64,
    pub rule: &'a Rule,
    pub now: Micros,
}

impl Signing<'_> {
    fn case(&self) -> CaseId {
        CaseId(self.shown.case)
    }
}

/// A case, locked for this transaction.
#[derive(Debug, sqlx::FromRow)]
struct Held {
    id: CaseId,
    site_id: SiteId,
    study_id: StudyId,
    state: String,
    question: String,
    instances: i64,
    assignee_id: Option<AccountId>,
    lease: Option<String>,
    lease_until_us: Option<Micros>,
}

impl Held {
    /// The lease is what fences: whoever has lost it writes nothing more.
    fn leased_to(&self, account: AccountId, lease: &str, now: Micros) -> Result<()> {
        let held = self.assignee_id == Some(account)
            && self.lease.as_deref() == Some(lease)
            && self.lease_until_us.is_some_and(|until| now < until);
        if held { Ok(()) } else { Err(Error::Stale("lease")) }
    }

    fn event(&self, kind: EventKind, now: Micros, by: &Signatory, report: ReportId) -> Event {
        Event::new(kind, now).site(self.site_id).study(self.study_id).case(self.id).by(by.account).report(report)
    }
}

/// Keeps the text as typed. Sending the same text again is answered as the first time was.
pub async fn save_draft(tx: &mut Tx, save: Save<'_>) -> Result<wire::DraftSaved> {
    let Save { case, by, draft, now } = save;
    if draft.findings.len() > LONGEST || draft.impression.len() > LONGEST || draft.template.len() > 200 {
        return Err(Error::Refused("too_long"));
    }
    // PostgreSQL keeps no U+0000 in text.
    if [&draft.findings, &draft.impression, &draft.template].iter().any(|text| text.contains('\0')) {
        return Err(Error::Refused("bad_text"));
    }
    let held = hold(tx, case).await?;
    held.leased_to(by.account, &draft.lease, now)?;
    let (report, rev) = match newest(tx, case).await? {
        None if draft.rev == 0 => {
            let report = insert(tx, case, draft, now).await?;
            note_author(tx, report, by.account, now).await?;
            (report, 1)
        }
        None => return Err(Error::Stale("rev")),
        Some(row) => {
            let writer = by.account;
            let standing = Standing { state: row.state()?, writer, took_part: true, signatures_needed: 1 };
            state::step(standing, Action::Save, by.account, by.role).map_err(refused)?;
            if is_repeated(&row, draft) {
                return Ok(wire::DraftSaved { rev: row.rev, saved_us: row.saved_us.0 });
            }
            if row.rev != draft.rev {
                return Err(Error::Stale("rev"));
            }
            update(tx, row.id, draft, now).await?;
            if row.findings != draft.findings || row.impression != draft.impression {
                note_author(tx, row.id, by.account, now).await?;
            }
            (row.id, row.rev + 1)
        }
    };
    if held.state != CaseState::Drafted.word() {
        on!(tx, c => sqlx::query(
            "UPDATE case_ SET state = 'drafted', drafted_us = COALESCE(drafted_us, $1), version = version + 1 WHERE id = $2")
            .bind(now).bind(case).execute(c).await.map(drop))?;
        tx.event(&held.event(EventKind::Drafted, now, by, report)).await?;
    }
    Ok(wire::DraftSaved { rev, saved_us: now.0 })
}

/// The answer to an earlier save was lost on the way.
fn is_repeated(row: &Row, draft: &wire::DraftSave) -> bool {
    row.rev == draft.rev + 1
        && row.state == ReportState::Draft.word()
        && row.findings == draft.findings
        && row.impression == draft.impression
        && row.template == draft.template
}

/// The writer's signature where a second one is needed.
pub async fn submit(tx: &mut Tx, signing: Signing<'_>, signer: &dyn Signer) -> Result<ReportId> {
    let Signing { by, now, .. } = signing;
    let (held, row) = writers_own(tx, &signing, Action::Submit).await?;
    let content = written(&signing, &row, None);
    let seal = seal(signer, &content)?;
    keep_signature(tx, row.id, &seal).await?;
    keep_content(tx, row.id, ReportState::Submitted, &content, 2).await?;
    on!(tx, c => sqlx::query("UPDATE report SET submitted_instances = $1 WHERE id = $2")
        .bind(i64::from(signing.seen.instances)).bind(row.id).execute(c).await.map(drop))?;
    on!(tx, c => sqlx::query(
        "UPDATE case_ SET state = 'submitted', submitted_us = $1, lease = NULL, lease_until_us = NULL,
                version = version + 1 WHERE id = $2")
        .bind(now).bind(held.id).execute(c).await.map(drop))?;
    let detail = json!({"version": row.version, "rev": row.rev, "content_sha256": seal.content_sha256});
    tx.event(&held.event(EventKind::Submitted, now, by, row.id).detail(detail)).await?;
    Ok(row.id)
}

/// A submitted report is a draft again; its writer's signature is void.
pub(in crate::index) async fn withdraw(tx: &mut Tx, case: CaseId) -> Result<()> {
    let Some(row) = newest(tx, case).await? else { return Ok(()) };
    if row.state != ReportState::Submitted.word() {
        return Ok(());
    }
    forget_signatures(tx, row.id).await?;
    on!(tx, c => sqlx::query(
        "UPDATE report SET state = 'draft', content = NULL, content_sha256 = NULL WHERE id = $1")
        .bind(row.id).execute(c).await.map(drop))?;
    Ok(())
}

/// Back to its writer. The writer's signature is void: what comes back is signed anew. A writer who has left gets nothing
/// back: the case waits in the queue, with text and note, for whoever is given it.
pub async fn send_back(
    tx: &mut Tx,
    case: CaseId,
    by: &Signatory,
    request: &wire::ReturnRequest,
    now: Micros,
) -> Result<()> {
    if request.note.trim().is_empty() {
        return Err(Error::Refused("note_missing"));
    }
    if request.note.len() > LONGEST || request.note.contains('\0') {
        return Err(Error::Refused("too_long"));
    }
    let held = hold(tx, case).await?;
    let (row, writer) = submitted(tx, case, request.rev).await?;
    let standing = under_review(tx, &row, &writer, by).await?;
    state::step(standing, Action::Return, by.account, by.role).map_err(refused)?;
    forget_signatures(tx, row.id).await?;
    on!(tx, c => sqlx::query(
        "UPDATE report SET state = 'returned', note = $1, content = NULL, content_sha256 = NULL, returned_note = $1,
                returned_findings = findings, returned_impression = impression WHERE id = $2")
        .bind(request.note.trim()).bind(row.id).execute(c).await.map(drop))?;
    let writer_is_here = community::account(tx, writer.account_id).await.is_ok();
    let state = if writer_is_here { CaseState::Returned } else { CaseState::Queued };
    on!(tx, c => sqlx::query(
        "UPDATE case_ SET state = $1, returned_us = $2, reviewer_id = $3, assignee_id = $4, lease = NULL,
                lease_until_us = NULL, version = version + 1 WHERE id = $5")
        .bind(state.word()).bind(now).bind(by.account).bind(writer_is_here.then_some(writer.account_id.0)).bind(case)
        .execute(c).await.map(drop))?;
    let event = held.event(EventKind::Returned, now, by, row.id).subject(writer.account_id);
    tx.event(&event.detail(json!({"version": row.version, "rev": row.rev}))).await
}

/// The signature that makes a report final: the writer's own where one is enough, else a reviewer's. `code` is the new
/// report's verification code.
pub async fn sign(tx: &mut Tx, signing: Signing<'_>, signer: &dyn Signer, code: &str) -> Result<ReportId> {
    let waits_for_review =
        newest(tx, signing.case()).await?.is_some_and(|row| row.state == ReportState::Submitted.word());
    if waits_for_review {
        sign_as_reviewer(tx, signing, signer, code).await
    } else {
        sign_as_writer(tx, signing, signer, code).await
    }
}

async fn sign_as_writer(tx: &mut Tx, signing: Signing<'_>, signer: &dyn Signer, code: &str) -> Result<ReportId> {
    let (held, row) = writers_own(tx, &signing, Action::Sign).await?;
    let number = number(tx, &signing, &row).await?;
    let content = written(&signing, &row, Some(number));
    let seal = seal(signer, &content)?;
    keep_signature(tx, row.id, &seal).await?;
    finish(tx, &held, &signing, &row, &content, 1, code).await?;
    Ok(row.id)
}

async fn sign_as_reviewer(tx: &mut Tx, signing: Signing<'_>, signer: &dyn Signer, code: &str) -> Result<ReportId> {
    let held = hold(tx, signing.case()).await?;
    let (row, writer) = submitted(tx, signing.case(), signing.rev).await?;
    let standing = under_review(tx, &row, &writer, signing.by).await?;
    state::step(standing, Action::Sign, signing.by.account, signing.by.role).map_err(refused)?;
    is_what_was_seen(&held, &signing)?;
    // What the writer signed, to the byte, and nothing that changed around it since.
    let corrupt = |what: &str| Error::Corrupt(format!("report {}: {what}", row.id));
    let signed = row.content.as_deref().ok_or_else(|| corrupt("submitted without content"))?;
    let mut content = ReportContent::parse(signed).map_err(|error| corrupt(&error.to_string()))?;
    let untouched = content.findings == row.findings && content.impression == row.impression;
    let first = writer.seal()?;
    if !untouched || crate::signing::verify(&content, std::slice::from_ref(&first), &[signer]).is_err() {
        return Err(corrupt("content is not what its writer signed"));
    }
    let is_known_to_writer = row.submitted_instances.is_none_or(|seen| seen == i64::from(signing.shown.instances));
    if content.exam.question != signing.shown.question || !is_known_to_writer {
        return Err(Error::Refused("changed_since_submitted"));
    }
    content.number = Some(number(tx, &signing, &row).await?);
    content.signatures.push(signed_by(&signing, SignatureRole::Reviewer));
    let seal = seal(signer, &content)?;
    keep_signature(tx, row.id, &seal).await?;
    let reviewed = held.event(EventKind::Reviewed, signing.now, signing.by, row.id).subject(writer.account_id);
    tx.event(&reviewed.detail(json!({"version": row.version}))).await?;
    finish(tx, &held, &signing, &row, &content, 2, code).await?;
    Ok(row.id)
}

/// Checks everything about a writer who wants to let go of a report.
async fn writers_own(tx: &mut Tx, signing: &Signing<'_>, action: Action) -> Result<(Held, Row)> {
    let held = hold(tx, signing.case()).await?;
    let row = newest(tx, signing.case()).await?.ok_or(Error::Refused("no_report"))?;
    let state = row.state()?;
    let by = signing.by;
    if matches!(state, ReportState::Draft | ReportState::Returned) {
        held.leased_to(by.account, signing.lease.unwrap_or_default(), signing.now)?;
    }
    let writer = held.assignee_id.unwrap_or(by.account);
    let signatures_needed = state::signatures_needed(signing.rule.signatures, by.role);
    let standing = Standing { state, writer, took_part: true, signatures_needed };
    state::step(standing, action, by.account, by.role).map_err(refused)?;
    is_what_was_seen(&held, signing)?;
    if row.rev != signing.rev {
        return Err(Error::Stale("rev"));
    }
    state::complete(&row.findings, &row.impression).map_err(|incomplete| Error::Refused(incomplete.code()))?;
    Ok((held, row))
}

/// The report waiting for review, and its writer's signature.
async fn submitted(tx: &mut Tx, case: CaseId, rev: i64) -> Result<(Row, SignatureRow)> {
    let row = newest(tx, case).await?.ok_or(Error::Refused("no_report"))?;
    if row.state != ReportState::Submitted.word() {
        let state = row.state()?;
        let signed = state == ReportState::Signed;
        let refusal = if signed { state::Refusal::Signed } else { state::Refusal::WrongState(state) };
        return Err(refused(refusal));
    }
    if row.rev != rev {
        return Err(Error::Stale("rev"));
    }
    let writer = signatures(tx, row.id).await?.into_iter().find(|s| s.role == SignatureRole::Writer.word());
    let writer = writer.ok_or_else(|| Error::Corrupt(format!("report {}: submitted by nobody", row.id)))?;
    Ok((row, writer))
}

/// How a submitted report stands to whoever wants to review it.
async fn under_review(tx: &mut Tx, row: &Row, writer: &SignatureRow, by: &Signatory) -> Result<Standing> {
    let parts = on!(tx, c => sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM report_author WHERE report_id = $1 AND account_id = $2")
        .bind(row.id).bind(by.account).fetch_one(c).await)?;
    let signatures_needed = u8::try_from(row.signatures_needed).unwrap_or(2);
    Ok(Standing { state: row.state()?, writer: writer.account_id, took_part: parts > 0, signatures_needed })
}

/// Question and number of images are still those on the signer's screen; patient and exam of a study never change.
fn is_what_was_seen(held: &Held, signing: &Signing<'_>) -> Result<()> {
    let Signing { shown, seen, .. } = signing;
    // The row is locked now; what was read before may have changed in between.
    let question = held.question == shown.question && held.question == seen.question;
    let instances = held.instances == i64::from(seen.instances) && seen.instances == shown.instances;
    if question && instances { Ok(()) } else { Err(Error::Stale("case")) }
}

fn refused(refusal: state::Refusal) -> Error {
    Error::Refused(refusal.code())
}

/// The content a writer signs, from the rows as they are now.
fn written(signing: &Signing<'_>, row: &Row, number: Option<String>) -> ReportContent {
    let case = signing.shown.clone();
    ReportContent {
        format: content::FORMAT.into(),
        report: row.id.0,
        version: u32::try_from(row.version).unwrap_or(1),
        number,
        center: signing.rule.center.clone(),
        site: case.site.name,
        patient: content::PatientFacts {
            name: case.patient.name,
            sex: case.patient.sex.word().into(),
            age: printout::age(case.patient.age),
            pid: case.patient.pid,
            birth_date: case.patient.birth_date,
        },
        exam: content::Exam {
            study_uid: case.study_uid,
            accession: case.accession,
            modality: case.modality,
            body_part: case.body_part,
            description: case.exam,
            device: case.device,
            at_us: case.exam_us,
            question: case.question,
        },
        template: row.template.clone(),
        findings: row.findings.clone(),
        impression: row.impression.clone(),
        signatures: vec![signed_by(signing, SignatureRole::Writer)],
    }
}

fn signed_by(signing: &Signing<'_>, role: SignatureRole) -> SignedBy {
    let Signatory { account, name, title, .. } = signing.by;
    let (role, account) = (role.word().to_owned(), account.0);
    SignedBy { role, account, name: name.clone(), title: title.clone(), at_us: signing.now.0 }
}

fn seal(signer: &dyn Signer, content: &ReportContent) -> Result<Seal> {
    signer.seal(content).map_err(|error| Error::Corrupt(error.to_string()))
}

/// The number of a report is that of its first version's row, which the database never gives twice.
async fn number(tx: &mut Tx, signing: &Signing<'_>, row: &Row) -> Result<String> {
    let first = on!(tx, c => sqlx::query_scalar::<_, i64>("SELECT MIN(id) FROM report WHERE case_id = $1")
        .bind(signing.case()).fetch_one(c).await)?;
    let now = jiff::Timestamp::from_microsecond(signing.now.0).map_err(|_| Error::Corrupt("time of signing".into()))?;
    let day = now.to_zoned(signing.rule.zone.clone()).date();
    Ok(numbers::report_number(day, first, u32::try_from(row.version).unwrap_or(1)))
}

async fn finish(
    tx: &mut Tx,
    held: &Held,
    signing: &Signing<'_>,
    row: &Row,
    content: &ReportContent,
    signatures: i64,
    code: &str,
) -> Result<()> {
    let now = signing.now;
    on!(tx, c => sqlx::query("UPDATE report SET number = $1, verify_code = $2, signed_us = $3 WHERE id = $4")
        .bind(&content.number).bind(code).bind(now).bind(row.id).execute(c).await.map(drop))?;
    let sha256 = keep_content(tx, row.id, ReportState::Signed, content, signatures).await?;
    let reviewer = (signatures == 2).then_some(signing.by.account.0);
    on!(tx, c => sqlx::query(
        "UPDATE case_ SET state = 'signed', signed_us = $1, reviewer_id = COALESCE($2, reviewer_id), lease = NULL,
                lease_until_us = NULL, late = 0, late_us = NULL, version = version + 1 WHERE id = $3")
        .bind(now).bind(reviewer).bind(held.id).execute(c).await.map(drop))?;
    cases::knows_all_images(tx, held.id).await?;
    let detail = json!({"version": row.version, "signatures": signatures, "content_sha256": sha256});
    tx.event(&held.event(EventKind::Signed, now, signing.by, row.id).detail(detail)).await
}

/// Finds the case and keeps every other writer of it out until this transaction ends.
async fn hold(tx: &mut Tx, case: CaseId) -> Result<Held> {
    on!(tx, c => sqlx::query("UPDATE case_ SET version = version WHERE id = $1").bind(case).execute(c).await.map(drop))?;
    let held = on!(tx, c => sqlx::query_as::<_, Held>(
        "SELECT c.id, c.site_id, c.study_id, c.state, c.question, s.instances, c.assignee_id, c.lease, c.lease_until_us
           FROM case_ c JOIN study s ON s.id = c.study_id WHERE c.id = $1")
        .bind(case).fetch_optional(c).await)?;
    held.ok_or(Error::NotFound)
}

async fn insert(tx: &mut Tx, case: CaseId, draft: &wire::DraftSave, now: Micros) -> Result<ReportId> {
    Ok(on!(tx, c => sqlx::query_scalar::<_, ReportId>(
        "INSERT INTO report (case_id, version, state, template, findings, impression, note, rev, saved_us, signatures_needed)
         VALUES ($1, 1, 'draft', $2, $3, $4, '', 1, $5, 1) RETURNING id")
        .bind(case).bind(&draft.template).bind(&draft.findings).bind(&draft.impression).bind(now)
        .fetch_one(c).await)?)
}

async fn update(tx: &mut Tx, report: ReportId, draft: &wire::DraftSave, now: Micros) -> Result<()> {
    on!(tx, c => sqlx::query(
        "UPDATE report SET state = 'draft', template = $1, findings = $2, impression = $3, rev = rev + 1, saved_us = $4
          WHERE id = $5")
        .bind(&draft.template).bind(&draft.findings).bind(&draft.impression).bind(now).bind(report)
        .execute(c).await.map(drop))?;
    Ok(())
}

async fn note_author(tx: &mut Tx, report: ReportId, account: AccountId, now: Micros) -> Result<()> {
    on!(tx, c => sqlx::query(
        "INSERT INTO report_author (report_id, account_id, at_us) VALUES ($1, $2, $3)
         ON CONFLICT (report_id, account_id) DO UPDATE SET at_us = excluded.at_us")
        .bind(report).bind(account).bind(now).execute(c).await.map(drop))?;
    Ok(())
}

async fn keep_signature(tx: &mut Tx, report: ReportId, seal: &Seal) -> Result<()> {
    let json = serde_json::to_vec(seal).map_err(|error| Error::Corrupt(error.to_string()))?;
    let sha256 = hex::decode(&seal.content_sha256).map_err(|error| Error::Corrupt(error.to_string()))?;
    on!(tx, c => sqlx::query(
        "INSERT INTO report_signature (report_id, role, account_id, name, title, at_us, content_sha256, signature)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(report).bind(&seal.by.role).bind(seal.by.account).bind(&seal.by.name).bind(&seal.by.title)
        .bind(seal.by.at_us).bind(&sha256).bind(&json).execute(c).await.map(drop))?;
    Ok(())
}

async fn forget_signatures(tx: &mut Tx, report: ReportId) -> Result<()> {
    on!(tx, c => sqlx::query("DELETE FROM report_signature WHERE report_id = $1").bind(report).execute(c).await.map(drop))?;
    Ok(())
}

/// Keeps the canonical bytes and their hash, and moves the report to `state`; for a signed one this is the last change.
async fn keep_content(
    tx: &mut Tx,
    report: ReportId,
    state: ReportState,
    content: &ReportContent,
    signatures: i64,
) -> Result<String> {
    let corrupt = |error: content::ContentError| Error::Corrupt(error.to_string());
    let (bytes, sha256) = (content.canonical().map_err(corrupt)?, content.sha256().map_err(corrupt)?);
    let digest = hex::decode(&sha256).map_err(|error| Error::Corrupt(error.to_string()))?;
    on!(tx, c => sqlx::query(
        "UPDATE report SET state = $1, note = '', content = $2, content_sha256 = $3, signatures_needed = $4 WHERE id = $5")
        .bind(state.word()).bind(&bytes).bind(&digest).bind(signatures).bind(report).execute(c).await.map(drop))?;
    Ok(sha256)
}

impl SignatureRow {
    /// The seal as it was made; what the columns say must be what it says.
    pub(super) fn seal(&self) -> Result<Seal> {
        let corrupt = || Error::Corrupt(format!("signature of account {}", self.account_id));
        let seal: Seal = serde_json::from_slice(&self.signature).map_err(|_| corrupt())?;
        let by = SignedBy {
            role: self.role.clone(),
            account: self.account_id.0,
            name: self.name.clone(),
            title: self.title.clone(),
            at_us: self.at_us.0,
        };
        let agrees = seal.by == by && seal.content_sha256 == hex::encode(&self.content_sha256);
        if agrees { Ok(seal) } else { Err(corrupt()) }
    }
}
