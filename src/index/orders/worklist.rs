//! Which orders a device's query of the worklist means (PS3.4 table K.6-1).

use super::{Order, SELECT};
use crate::dicom::{BadKey, Matching, Tag, VR, tags};
use crate::domain::{OrderId, OrderState, SiteId};
use crate::index::find::condition::{among_forms, text};
use crate::index::find::text::Statement;
use crate::index::{Result, Tx};

/// What `RequestedProcedureID` and `ScheduledProcedureStepID` have before the order's number.
pub const PROCEDURE: &str = "R";
pub const STEP: &str = "S";

macro_rules! keys {
    ($($key:ident: $vr:ident, [$($tag:ident),+];)+) => {
        /// An attribute that orders are matched by.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Key { $($key),+ }

        impl Key {
            fn vr(self) -> VR {
                match self { $(Self::$key => VR::$vr),+ }
            }

            /// The key a path names: one tag, or a sequence's and that of an attribute in its items.
            pub fn of(path: &[Tag]) -> Option<Self> {
                $(if path == [$(tags::$tag),+].as_slice() { return Some(Self::$key); })+
                None
            }
        }
    };
}

keys! {
    PatientName: PN, [PATIENT_NAME];
    PatientId: LO, [PATIENT_ID];
    IssuerOfPatientId: LO, [ISSUER_OF_PATIENT_ID];
    BirthDate: DA, [PATIENT_BIRTH_DATE];
    AccessionNumber: SH, [ACCESSION_NUMBER];
    StudyUid: UI, [STUDY_INSTANCE_UID];
    ProcedureId: SH, [REQUESTED_PROCEDURE_ID];
    StepId: SH, [SCHEDULED_PROCEDURE_STEP_SEQUENCE, SCHEDULED_PROCEDURE_STEP_ID];
    Station: AE, [SCHEDULED_PROCEDURE_STEP_SEQUENCE, SCHEDULED_STATION_AE_TITLE];
    StartDate: DA, [SCHEDULED_PROCEDURE_STEP_SEQUENCE, SCHEDULED_PROCEDURE_STEP_START_DATE];
    StartTime: TM, [SCHEDULED_PROCEDURE_STEP_SEQUENCE, SCHEDULED_PROCEDURE_STEP_START_TIME];
    Modality: CS, [SCHEDULED_PROCEDURE_STEP_SEQUENCE, MODALITY];
    Performer: PN, [SCHEDULED_PROCEDURE_STEP_SEQUENCE, SCHEDULED_PERFORMING_PHYSICIAN_NAME];
    Status: CS, [SCHEDULED_PROCEDURE_STEP_SEQUENCE, SCHEDULED_PROCEDURE_STEP_STATUS];
}

/// Scheduled Procedure Step Status (PS3.3 C.4.10).
pub fn status(state: OrderState) -> &'static str {
    match state {
        OrderState::Scheduled => "SCHEDULED",
        OrderState::Started => "STARTED",
        OrderState::Done => "DEPARTED",
        OrderState::Cancelled => "",
    }
}

/// What one query asks for.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    asked: Vec<(Key, Matching)>,
    names: Vec<(Key, String)>,
    /// Start dates and times are both ranges: they bound one span of time.
    is_one_span: bool,
}

impl Keys {
    /// Every key with its value as text. Also tells which paths nothing here matches.
    ///
    /// Errors: the attribute that cannot have the value it is asked for.
    pub fn read<P: AsRef<[Tag]>>(keys: &[(P, String)]) -> std::result::Result<(Self, Vec<&P>), Tag> {
        let (mut read, mut others) = (Self::default(), Vec::new());
        let mut ranges = 0;
        for (path, value) in keys {
            match Key::of(path.as_ref()) {
                None => others.push(path),
                Some(key) if key.vr() == VR::PN => read.names.push((key, value.clone())),
                Some(key) => {
                    let tag = path.as_ref().last().copied().unwrap_or(tags::PATIENT_NAME);
                    let matching = Matching::parse(key.vr(), value).map_err(|BadKey| tag)?;
                    let is_span = matches!(key, Key::StartDate | Key::StartTime) && value.contains('-');
                    ranges += usize::from(is_span);
                    if matching != Matching::Universal {
                        read.asked.push((key, matching));
                    }
                }
            }
        }
        read.is_one_span = ranges == 2;
        Ok((read, others))
    }

    /// The station asked for, where it is one.
    pub fn station(&self) -> Option<&str> {
        self.asked.iter().find_map(|(key, matching)| match (key, matching) {
            (Key::Station, Matching::OneOf(titles)) => titles.first().map(String::as_str),
            _ => None,
        })
    }

    fn range(&self, wanted: Key) -> Option<(Option<&str>, Option<&str>)> {
        self.asked.iter().find_map(|(key, matching)| match matching {
            Matching::Range { from, to } if *key == wanted => Some((from.as_deref(), to.as_deref())),
            _ => None,
        })
    }
}

/// Where a page begins: behind this order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Behind {
    start_date: String,
    start_time: String,
    id: i64,
}

impl Behind {
    pub fn order(order: &Order) -> Self {
        let OrderId(id) = order.id;
        Self { start_date: order.start_date.clone(), start_time: order.start_time.clone(), id }
    }
}

/// Open orders of a site that match, none before the day `earliest`, by their time.
pub async fn page(
    tx: &mut Tx,
    site: SiteId,
    keys: &Keys,
    earliest: &str,
    behind: &Behind,
    limit: i64,
) -> Result<Vec<Order>> {
    let mut statement = Statement::new(SELECT.to_owned(), tx);
    let site = statement.number(site.0);
    statement.and(&format!("o.site_id = {site}"));
    statement.and("o.state IN ('scheduled', 'started')");
    let earliest = statement.value(earliest);
    statement.and(&format!("o.start_date >= {earliest}"));
    for (key, name) in &keys.names {
        let column = if *key == Key::PatientName { "o.name_forms" } else { "o.performer_forms" };
        among_forms(&mut statement, column, name, false);
    }
    for (key, matching) in &keys.asked {
        let in_span = keys.is_one_span && matches!(key, Key::StartDate | Key::StartTime);
        if !in_span {
            let condition = of_key(&mut statement, *key, matching);
            statement.and(&condition);
        }
    }
    if keys.is_one_span {
        span(&mut statement, keys);
    }
    let (date, time, id) = (
        statement.value(behind.start_date.as_str()),
        statement.value(behind.start_time.as_str()),
        statement.number(behind.id),
    );
    statement.and(&format!("(o.start_date, o.start_time, o.id) > ({date}, {time}, {id})"));
    let limit = statement.number(limit);
    statement.end(&format!("ORDER BY o.start_date, o.start_time, o.id LIMIT {limit}"));
    statement.fetch(tx).await
}

fn of_key(statement: &mut Statement, key: Key, matching: &Matching) -> String {
    let column = match key {
        Key::PatientName | Key::PatientId => "o.pid",
        Key::IssuerOfPatientId => "o.issuer",
        Key::BirthDate => "o.birth_date",
        Key::AccessionNumber => "o.accession",
        Key::StudyUid => "o.study_uid",
        Key::ProcedureId => return numbered(statement, PROCEDURE, matching),
        Key::StepId => return numbered(statement, STEP, matching),
        Key::Station => {
            // What is for any device of the site is for each of them.
            let condition = text(statement, "d.ae_title", matching);
            return format!("(o.device_id IS NULL OR {condition})");
        }
        Key::StartDate => "o.start_date",
        Key::StartTime => "o.start_time",
        Key::Modality => "o.modality",
        Key::Performer | Key::Status => return state(statement, matching),
    };
    text(statement, column, matching)
}

fn numbered(statement: &mut Statement, letter: &str, matching: &Matching) -> String {
    let column = format!("'{letter}' || CAST(o.id AS TEXT)");
    match matching {
        // The range that serves other columns is right in the order of bytes only, which made-up text has not.
        Matching::Wildcard(pattern) => statement.wildcard(&column, pattern.as_str()),
        matching => text(statement, &column, matching),
    }
}

fn state(statement: &mut Statement, matching: &Matching) -> String {
    let Matching::OneOf(values) = matching else { return "1 = 1".to_owned() };
    let named = OrderState::ALL.iter().filter(|state| values.iter().any(|value| value == status(**state)));
    let mut words: Vec<String> = named.map(|state| state.word().to_owned()).collect();
    if words.is_empty() {
        // No order is in a state that has no name here.
        words.push(String::new());
    }
    let words = statement.values(words);
    format!("o.state IN {words}")
}

/// From the first date and time to the last (PS3.4 table K.6-1, Scheduled Procedure Step Start Time).
fn span(statement: &mut Statement, keys: &Keys) {
    let dates = keys.range(Key::StartDate).unwrap_or_default();
    let times = keys.range(Key::StartTime).unwrap_or_default();
    if let Some(first) = dates.0 {
        let from = statement.value(format!("{first}{}", times.0.unwrap_or_default()));
        statement.and(&format!("o.start_date || o.start_time >= {from}"));
    }
    if let Some(last) = dates.1 {
        let to = statement.value(format!("{last}{}", times.1.unwrap_or("999999")));
        statement.and(&format!("o.start_date || o.start_time <= {to}"));
    }
}
