//! Modality performed procedure steps (PS3.4 annex F.7): a modality tells by N-CREATE that a step begins, and by N-SET what
//! becomes of it. Once it is completed or discontinued it stays so.

use std::sync::Arc;

use dicom_dictionary_std::{tags, uids};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::retrieve::LibraryError;
use super::{Exchange, Peer, Request, Response, Service, Status};
use crate::dicom::{Dataset, Limits, Tag, Value, uid, walk_data_set};
use crate::dimse::command::{N_CREATE_RQ, N_SET_RQ};
use crate::domain::{NewStep, ScheduledStep, StepChange, StepState};

const MPPS: &str = uids::MODALITY_PERFORMED_PROCEDURE_STEP;
/// Error ID of PS3.4 F.7.2.2.2: the object may no longer be updated.
const NO_LONGER_UPDATED: u16 = 0xA506;
/// Series and images of one step; more are not counted.
const MAX_INSTANCES: usize = 1_000_000;
/// Requested procedures of one step.
const MAX_SCHEDULED: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error("there is such a step")]
    Duplicate,
    #[error("there is no such step")]
    NoSuchStep,
    #[error("the step is over")]
    Over,
    #[error(transparent)]
    Unavailable(#[from] LibraryError),
}

/// Where steps are kept.
pub trait Steps: Send + Sync + 'static {
    fn begin<'a>(&'a self, peer: &'a Peer, step: NewStep) -> BoxFuture<'a, Result<(), StepError>>;
    fn change<'a>(&'a self, peer: &'a Peer, uid: &'a str, change: StepChange) -> BoxFuture<'a, Result<(), StepError>>;
}

pub struct Mpps {
    steps: Arc<dyn Steps>,
}

impl Mpps {
    pub fn new(steps: Arc<dyn Steps>) -> Self {
        Self { steps }
    }
}

impl Service for Mpps {
    fn abstract_syntaxes(&self) -> &[&'static str] {
        &[MPPS]
    }

    fn commands(&self) -> &[u16] {
        &[N_CREATE_RQ, N_SET_RQ]
    }

    fn perform(&self, request: Request, _exchange: Exchange) -> BoxFuture<'static, Response> {
        let steps = self.steps.clone();
        async move {
            let performed = match request.command.field {
                N_CREATE_RQ => create(&*steps, &request).await,
                _ => set(&*steps, &request).await,
            };
            performed.unwrap_or_else(|refused| refused)
        }
        .boxed()
    }
}

async fn create(steps: &dyn Steps, request: &Request) -> Result<Response, Response> {
    let set = read(request)?;
    let named = request.command.sop_instance.as_str();
    let uid = match named {
        "" => uid::of_random(rand::random()),
        named if uid::is_valid(named) => named.to_owned(),
        _ => return Err(Response::of(Status::INVALID_INSTANCE)),
    };
    match state(&set)? {
        Some(StepState::InProgress) => {}
        Some(_) => return Err(refused(Status::INVALID_ATTRIBUTE_VALUE, tags::PERFORMED_PROCEDURE_STEP_STATUS)),
        None => return Err(missing(&set, tags::PERFORMED_PROCEDURE_STEP_STATUS)),
    }
    let named = items(&set, tags::SCHEDULED_STEP_ATTRIBUTES_SEQUENCE).iter().take(MAX_SCHEDULED).filter_map(scheduled);
    let scheduled: Vec<ScheduledStep> = named.collect();
    if scheduled.is_empty() {
        return Err(missing(&set, tags::SCHEDULED_STEP_ATTRIBUTES_SEQUENCE));
    }
    if !scheduled.iter().all(|one| uid::is_valid(&one.study_uid)) {
        return Err(refused(Status::INVALID_ATTRIBUTE_VALUE, tags::STUDY_INSTANCE_UID));
    }
    let instances = instances(&set).unwrap_or(0);
    let patient_id = text(&set, tags::PATIENT_ID);
    let step = NewStep { uid: uid.clone(), patient_id, scheduled, instances };
    steps.begin(&request.peer, step).await.map_err(|error| failed(&error))?;
    Ok(Response { sop_instance: Some(uid), ..Response::of(Status::SUCCESS) })
}

async fn set(steps: &dyn Steps, request: &Request) -> Result<Response, Response> {
    let set = read(request)?;
    let change = StepChange { state: state(&set)?, instances: instances(&set) };
    steps.change(&request.peer, &request.command.sop_instance, change).await.map_err(|error| failed(&error))?;
    Ok(Response::of(Status::SUCCESS))
}

fn read(request: &Request) -> Result<Dataset, Response> {
    walk_data_set(&request.data_set, &request.transfer_syntax, &Limits::message()).map_err(|error| {
        tracing::info!(%error, calling = %request.peer.calling, "performed procedure step refused");
        Response::failed(Status::PROCESSING_FAILURE, format!("attributes: {error}"))
    })
}

fn scheduled(item: &Dataset) -> Option<ScheduledStep> {
    let study_uid = item.uid(tags::STUDY_INSTANCE_UID)?.to_owned();
    Some(ScheduledStep { study_uid, accession: text(item, tags::ACCESSION_NUMBER) })
}

/// As long as such attributes are (PS3.5 6.2, LO).
fn text(set: &Dataset, tag: Tag) -> String {
    set.text(tag).unwrap_or_default().chars().filter(|c| !c.is_control()).take(64).collect()
}

/// None where it is not said.
fn state(set: &Dataset) -> Result<Option<StepState>, Response> {
    match set.text(tags::PERFORMED_PROCEDURE_STEP_STATUS).as_deref() {
        None => Ok(None),
        Some(word) => match StepState::from_word(word) {
            None => Err(refused(Status::INVALID_ATTRIBUTE_VALUE, tags::PERFORMED_PROCEDURE_STEP_STATUS)),
            known => Ok(known),
        },
    }
}

/// Everything the step says that it made, images and others; none where it says nothing of series.
fn instances(set: &Dataset) -> Option<i64> {
    set.get(tags::PERFORMED_SERIES_SEQUENCE)?;
    let of_series = |series: &Dataset| {
        let others = tags::REFERENCED_NON_IMAGE_COMPOSITE_SOP_INSTANCE_SEQUENCE;
        items(series, tags::REFERENCED_IMAGE_SEQUENCE).len() + items(series, others).len()
    };
    let all: usize = items(set, tags::PERFORMED_SERIES_SEQUENCE).iter().map(of_series).sum();
    Some(all.min(MAX_INSTANCES) as i64)
}

fn items(set: &Dataset, tag: Tag) -> &[Dataset] {
    match set.get(tag).map(|element| &element.value) {
        Some(Value::Items(items)) => items,
        _ => &[],
    }
}

fn refused(status: Status, tag: Tag) -> Response {
    Response::failed(status, format!("attribute {tag}")).offending(vec![tag])
}

/// A type 1 attribute that is absent, or there without a value (PS3.7 10.1.5.1.6).
fn missing(set: &Dataset, tag: Tag) -> Response {
    let status = if set.get(tag).is_none() { Status::MISSING_ATTRIBUTE } else { Status::MISSING_ATTRIBUTE_VALUE };
    refused(status, tag)
}

fn failed(error: &StepError) -> Response {
    let comment = error.to_string();
    match error {
        StepError::Duplicate => Response::failed(Status::DUPLICATE_INSTANCE, comment),
        StepError::NoSuchStep => Response::failed(Status::NO_SUCH_INSTANCE, comment),
        StepError::Over => {
            let response = Response::failed(Status::PROCESSING_FAILURE, comment);
            Response { error_id: Some(NO_LONGER_UPDATED), ..response }
        }
        StepError::Unavailable(error) => {
            tracing::error!(%error, "performed procedure step not kept");
            Response::failed(Status::PROCESSING_FAILURE, "the index cannot be written now")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::Command;
    use super::super::query::testing;
    use super::*;
    use crate::dicom::{Composed, Plain, Repertoire, VR};

    /// What was told of a step: that it begins, or a change.
    type Told = (String, Option<NewStep>, Option<StepChange>);

    /// Knows the one step 1.5, which is over.
    #[derive(Default)]
    struct OneOver(Mutex<Vec<Told>>);

    impl Steps for OneOver {
        fn begin<'a>(&'a self, _peer: &'a Peer, step: NewStep) -> BoxFuture<'a, Result<(), StepError>> {
            let known = step.uid == "1.5";
            self.0.lock().unwrap().push((step.uid.clone(), Some(step), None));
            std::future::ready(if known { Err(StepError::Duplicate) } else { Ok(()) }).boxed()
        }

        fn change<'a>(
            &'a self,
            _peer: &'a Peer,
            uid: &'a str,
            change: StepChange,
        ) -> BoxFuture<'a, Result<(), StepError>> {
            self.0.lock().unwrap().push((uid.into(), None, Some(change)));
            std::future::ready(Err(if uid == "1.5" { StepError::Over } else { StepError::NoSuchStep })).boxed()
        }
    }

    fn request(field: u16, instance: &str, attributes: &Composed) -> Request {
        let mut request = testing::request(MPPS, field, &[]);
        let command = request.command.clone();
        request.command = Command { sop_instance: instance.into(), ..command };
        request.data_set = attributes.encode(Plain::Implicit, Repertoire::Utf8);
        request
    }

    fn step(state: &str, studies: &[&str], images: usize) -> Composed {
        let with = |tag, vr, value: &str| {
            let mut item = Composed::default();
            item.text(tag, vr, value);
            item
        };
        let of_study = |study: &&str| {
            let mut item = with(tags::STUDY_INSTANCE_UID, VR::UI, study);
            item.text(tags::ACCESSION_NUMBER, VR::SH, "A7");
            item
        };
        let scheduled = studies.iter().map(of_study).collect();
        let image = with(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2");
        let mut series = Composed::default();
        series.items(tags::REFERENCED_IMAGE_SEQUENCE, vec![image.clone(); images]);
        series.items(tags::REFERENCED_NON_IMAGE_COMPOSITE_SOP_INSTANCE_SEQUENCE, vec![image]);
        let mut step = Composed::default();
        step.text(tags::PERFORMED_PROCEDURE_STEP_STATUS, VR::CS, state).text(tags::PATIENT_ID, VR::LO, "P1");
        step.items(tags::SCHEDULED_STEP_ATTRIBUTES_SEQUENCE, scheduled);
        step.items(tags::PERFORMED_SERIES_SEQUENCE, vec![series.clone(), series]);
        step
    }

    #[tokio::test]
    async fn a_step_begins_in_progress_for_studies_that_it_names() {
        let steps = OneOver::default();
        let begun = create(&steps, &request(N_CREATE_RQ, "1.7", &step("IN PROGRESS", &["1.2", "1.2"], 0))).await;
        assert_eq!(begun.unwrap().sop_instance.as_deref(), Some("1.7"));
        let unnamed = create(&steps, &request(N_CREATE_RQ, "", &step("IN PROGRESS", &["1.2"], 0))).await.unwrap();
        let given = unnamed.sop_instance.unwrap();
        assert!(uid::is_valid(&given) && given.starts_with("2.25."));
        let kept = std::mem::take(&mut *steps.0.lock().unwrap());
        let scheduled = vec![ScheduledStep { study_uid: "1.2".into(), accession: "A7".into() }; 2];
        let first = NewStep { uid: "1.7".into(), patient_id: "P1".into(), scheduled, instances: 2 };
        assert_eq!((kept.len(), &kept[0].1, &kept[1].0), (2, &Some(first), &given));

        let good = step("IN PROGRESS", &["1.2"], 0);
        for (uid, attributes, status) in [
            ("1.7", step("COMPLETED", &["1.2"], 0), Status::INVALID_ATTRIBUTE_VALUE),
            ("1.7", step("RUNNING", &["1.2"], 0), Status::INVALID_ATTRIBUTE_VALUE),
            ("1.7", step("", &["1.2"], 0), Status::MISSING_ATTRIBUTE_VALUE),
            ("1.7", step("IN PROGRESS", &[], 0), Status::MISSING_ATTRIBUTE_VALUE),
            ("1.7", step("IN PROGRESS", &["1.x"], 0), Status::INVALID_ATTRIBUTE_VALUE),
            ("1.7", Composed::default(), Status::MISSING_ATTRIBUTE),
            ("1.x", good.clone(), Status::INVALID_INSTANCE),
            ("1.5", good, Status::DUPLICATE_INSTANCE),
        ] {
            let refused = create(&steps, &request(N_CREATE_RQ, uid, &attributes)).await.unwrap_err();
            assert_eq!(refused.status, status, "{uid}");
        }
    }

    #[tokio::test]
    async fn what_a_step_made_is_counted_and_one_that_is_over_says_so() {
        let steps = OneOver::default();
        let refused = set(&steps, &request(N_SET_RQ, "1.5", &step("COMPLETED", &[], 3))).await.unwrap_err();
        assert_eq!((refused.status, refused.error_id), (Status::PROCESSING_FAILURE, Some(0xA506)));
        let mut silent = Composed::default();
        silent.text(tags::PERFORMED_PROCEDURE_STEP_DESCRIPTION, VR::LO, "x");
        let refused = set(&steps, &request(N_SET_RQ, "1.6", &silent)).await.unwrap_err();
        assert_eq!((refused.status, refused.error_id), (Status::NO_SUCH_INSTANCE, None));
        let changes: Vec<_> = steps.0.lock().unwrap().iter().filter_map(|(.., change)| change.clone()).collect();
        let completed = StepChange { state: Some(StepState::Completed), instances: Some(8) };
        assert_eq!(changes, [completed, StepChange { state: None, instances: None }]);
    }
}
