//! Command sets (PS3.7 section 6.3, annex E): group 0000 in Implicit VR Little Endian, bounded and in memory.

use dicom_core::Tag;

/// Command fields of PS3.7 annex E.1.
pub const C_STORE_RQ: u16 = 0x0001;
pub const C_STORE_RSP: u16 = 0x8001;
pub const C_GET_RQ: u16 = 0x0010;
pub const C_FIND_RQ: u16 = 0x0020;
pub const C_MOVE_RQ: u16 = 0x0021;
pub const C_ECHO_RQ: u16 = 0x0030;
pub const C_ECHO_RSP: u16 = 0x8030;
pub const N_EVENT_REPORT_RQ: u16 = 0x0100;
pub const N_EVENT_REPORT_RSP: u16 = 0x8100;
pub const N_GET_RQ: u16 = 0x0110;
pub const N_SET_RQ: u16 = 0x0120;
pub const N_ACTION_RQ: u16 = 0x0130;
pub const N_CREATE_RQ: u16 = 0x0140;
pub const N_DELETE_RQ: u16 = 0x0150;
pub const C_CANCEL_RQ: u16 = 0x0FFF;
/// Set in the command field of every response.
pub const RESPONSE: u16 = 0x8000;

/// Command Data Set Type: no data set follows (PS3.7 E.1), and one that says that one does.
const NO_DATA_SET: u16 = 0x0101;
const DATA_SET: u16 = 0x0001;
/// Longest Error Comment (PS3.7 table E.1-1: LO).
const MAX_COMMENT: usize = 64;

/// Status of a response (PS3.7 annex C, PS3.4 annexes B.2.3 and C.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    pub const SUCCESS: Status = Status(0x0000);
    pub const PENDING: Status = Status(0xFF00);
    /// Pending, but a key of the identifier was not supported.
    pub const PENDING_WITHOUT_A_KEY: Status = Status(0xFF01);
    pub const CANCELLED: Status = Status(0xFE00);
    /// Refused: out of resources.
    pub const OUT_OF_RESOURCES: Status = Status(0xA700);
    /// Refused: unable to calculate the number of matches.
    pub const CANNOT_COUNT: Status = Status(0xA701);
    /// Refused: unable to perform sub-operations.
    pub const CANNOT_PERFORM: Status = Status(0xA702);
    pub const UNKNOWN_DESTINATION: Status = Status(0xA801);
    /// Error: the identifier does not match the SOP class.
    pub const IDENTIFIER_MISMATCH: Status = Status(0xA900);
    /// Warning: sub-operations complete, one or more with failures or warnings.
    pub const INCOMPLETE: Status = Status(0xB000);
    /// Error: cannot understand, or unable to process.
    pub const CANNOT_UNDERSTAND: Status = Status(0xC000);

    pub const INVALID_ATTRIBUTE_VALUE: Status = Status(0x0106);
    /// Warning: an attribute of the request was not taken (PS3.7 C.4.2).
    pub const ATTRIBUTE_LIST_ERROR: Status = Status(0x0107);
    pub const PROCESSING_FAILURE: Status = Status(0x0110);
    pub const DUPLICATE_INSTANCE: Status = Status(0x0111);
    pub const NO_SUCH_INSTANCE: Status = Status(0x0112);
    pub const NO_SUCH_EVENT_TYPE: Status = Status(0x0113);
    pub const NO_SUCH_ARGUMENT: Status = Status(0x0114);
    pub const INVALID_ARGUMENT_VALUE: Status = Status(0x0115);
    /// Warning: an attribute value is out of range (PS3.7 C.4.3).
    pub const VALUE_OUT_OF_RANGE: Status = Status(0x0116);
    pub const INVALID_INSTANCE: Status = Status(0x0117);
    pub const CLASS_INSTANCE_CONFLICT: Status = Status(0x0119);
    pub const MISSING_ATTRIBUTE: Status = Status(0x0120);
    pub const MISSING_ATTRIBUTE_VALUE: Status = Status(0x0121);
    pub const CLASS_NOT_SUPPORTED: Status = Status(0x0122);
    pub const NO_SUCH_ACTION_TYPE: Status = Status(0x0123);
    pub const NOT_AUTHORIZED: Status = Status(0x0124);
    pub const DUPLICATE_INVOCATION: Status = Status(0x0210);
    pub const UNRECOGNIZED_OPERATION: Status = Status(0x0211);
    pub const MISTYPED_ARGUMENT: Status = Status(0x0212);
    pub const RESOURCE_LIMITATION: Status = Status(0x0213);

    /// Of a C-STORE: warnings (Bxxx) mean that the object was stored.
    pub fn is_stored(self) -> bool {
        self.0 == 0 || self.is_warning()
    }

    /// Refused: out of resources, as PS3.4 table B.2-1 has it for storage.
    pub fn is_out_of_resources(self) -> bool {
        self.0 & 0xFF00 == 0xA700
    }

    pub fn is_warning(self) -> bool {
        self.0 & 0xF000 == 0xB000 || matches!(self, Self::ATTRIBUTE_LIST_ERROR | Self::VALUE_OUT_OF_RANGE)
    }

    pub fn is_pending(self) -> bool {
        matches!(self, Self::PENDING | Self::PENDING_WITHOUT_A_KEY)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("a command element is cut off or not of group 0000")]
    Malformed,
    #[error("the command set lacks element 0000,{0:04x}")]
    Missing(u16),
}

/// What became of a retrieval's C-STOREs so far (PS3.4 C.4.2.1.6 and following).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Stated while there may be some.
    pub remaining: Option<u64>,
    pub completed: u64,
    pub failed: u64,
    pub warning: u64,
}

/// The elements of a command set that any service here looks at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Command {
    pub field: u16,
    /// Of a request its own; of a response, and of a cancel request, that of the request.
    pub message_id: u16,
    pub has_data_set: bool,
    pub status: Option<Status>,
    /// Affected or Requested SOP Class UID.
    pub sop_class: String,
    /// Affected or Requested SOP Instance UID.
    pub sop_instance: String,
    pub move_destination: String,
    pub event_type: Option<u16>,
    pub action_type: Option<u16>,
    /// Attribute Identifier List of an N-GET.
    pub attributes: Vec<Tag>,
    pub counts: Option<Counts>,
    pub comment: String,
    pub offending: Vec<Tag>,
    /// Who asked for the C-MOVE that this C-STORE is part of, and that request's message id.
    pub move_originator: Option<(String, u16)>,
}

impl Command {
    pub fn decode(mut bytes: &[u8]) -> Result<Self, CommandError> {
        let mut command = Self::default();
        let (mut field, mut data_set_type, mut message_id) = (None, None, None);
        let (mut originator, mut originator_id) = (None, None);
        while !bytes.is_empty() {
            let (element, value, rest) = next_element(bytes).ok_or(CommandError::Malformed)?;
            bytes = rest;
            match element {
                0x0002 | 0x0003 => command.sop_class = text(value),
                0x0100 => field = number(value),
                0x0110 | 0x0120 => message_id = number(value),
                0x0600 => command.move_destination = text(value),
                0x0800 => data_set_type = number(value),
                0x0900 => command.status = number(value).map(Status),
                0x0901 => command.offending = tags(value),
                0x0902 => command.comment = text(value),
                0x1000 | 0x1001 => command.sop_instance = text(value),
                0x1002 => command.event_type = number(value),
                0x1005 => command.attributes = tags(value),
                0x1008 => command.action_type = number(value),
                0x1020..=0x1023 => command.count(element, value),
                0x1030 => originator = Some(text(value)),
                0x1031 => originator_id = number(value),
                _ => {}
            }
        }
        command.field = field.ok_or(CommandError::Missing(0x0100))?;
        command.has_data_set = data_set_type.ok_or(CommandError::Missing(0x0800))? != NO_DATA_SET;
        command.message_id = match message_id {
            // A cancel of nothing harms nobody.
            None if command.field == C_CANCEL_RQ => 0,
            message_id => message_id.ok_or(CommandError::Missing(0x0110))?,
        };
        command.move_originator = originator.map(|title| (title, originator_id.unwrap_or(0)));
        Ok(command)
    }

    fn count(&mut self, element: u16, value: &[u8]) {
        let counts = self.counts.get_or_insert_default();
        let count = number(value).map_or(0, u64::from);
        match element {
            0x1020 => counts.remaining = Some(count),
            0x1021 => counts.completed = count,
            0x1022 => counts.failed = count,
            _ => counts.warning = count,
        }
    }

    /// The command set of a response to this request.
    pub fn response(&self, response: &Response) -> Vec<u8> {
        let mut out = Elements::default();
        out.uid(0x0002, &self.sop_class);
        out.number(0x0100, self.field | RESPONSE);
        out.number(0x0120, self.message_id);
        out.number(0x0800, if response.data_set.is_some() { DATA_SET } else { NO_DATA_SET });
        out.number(0x0900, response.status.0);
        if !response.offending.is_empty() {
            let tags: Vec<u8> = response.offending.iter().take(64).flat_map(|&tag| tag_bytes(tag)).collect();
            out.put(0x0901, &tags);
        }
        out.text(0x0902, &comment(&response.comment));
        if let Some(error) = response.error_id {
            out.number(0x0903, error);
        }
        out.uid(0x1000, response.sop_instance.as_deref().unwrap_or(&self.sop_instance));
        if let Some(event) = self.event_type {
            out.number(0x1002, event);
        }
        if let Some(action) = self.action_type {
            out.number(0x1008, action);
        }
        if let Some(counts) = &response.counts {
            out.counts(counts);
        }
        out.finish()
    }
}

/// What a service answers to one request; the request says the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: Status,
    /// Encoded in the transfer syntax of the request's context.
    pub data_set: Option<Vec<u8>>,
    pub counts: Option<Box<Counts>>,
    /// Error Comment: at most 64 ASCII characters arrive.
    pub comment: String,
    pub offending: Vec<Tag>,
    /// Error ID, where the service class defines some.
    pub error_id: Option<u16>,
    /// Where the service chose it; otherwise that of the request stands.
    pub sop_instance: Option<String>,
}

impl Response {
    pub fn of(status: Status) -> Self {
        let comment = String::new();
        Self {
            status,
            data_set: None,
            counts: None,
            comment,
            offending: Vec::new(),
            error_id: None,
            sop_instance: None,
        }
    }

    /// A failure, with what the peer's engineer should know.
    pub fn failed(status: Status, comment: impl Into<String>) -> Self {
        Self { comment: comment.into(), ..Self::of(status) }
    }

    pub fn with_data(self, data_set: Vec<u8>) -> Self {
        Self { data_set: Some(data_set), ..self }
    }

    pub fn with_counts(self, counts: Counts) -> Self {
        Self { counts: Some(Box::new(counts)), ..self }
    }

    pub fn offending(self, offending: Vec<Tag>) -> Self {
        Self { offending, ..self }
    }
}

/// Who asked for the C-MOVE that a C-STORE is part of (PS3.7 9.3.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Originator {
    pub title: String,
    pub message_id: u16,
}

/// A C-STORE-RQ (PS3.7 9.3.1.1) of medium priority.
pub fn store_request(message_id: u16, sop_class: &str, sop_instance: &str, of: Option<&Originator>) -> Vec<u8> {
    let mut out = request(C_STORE_RQ, 0x0002, sop_class, message_id);
    out.number(0x0700, 0);
    out.number(0x0800, DATA_SET);
    out.uid(0x1000, sop_instance);
    if let Some(originator) = of {
        out.text(0x1030, &originator.title);
        out.number(0x1031, originator.message_id);
    }
    out.finish()
}

/// A C-ECHO-RQ (PS3.7 9.3.5.1).
pub fn echo_request(message_id: u16) -> Vec<u8> {
    let mut out = request(C_ECHO_RQ, 0x0002, "1.2.840.10008.1.1", message_id);
    out.number(0x0800, NO_DATA_SET);
    out.finish()
}

/// An N-EVENT-REPORT-RQ with event information (PS3.7 10.3.1.1).
pub fn event_report_request(message_id: u16, sop_class: &str, sop_instance: &str, event_type: u16) -> Vec<u8> {
    let mut out = request(N_EVENT_REPORT_RQ, 0x0002, sop_class, message_id);
    out.number(0x0800, DATA_SET);
    out.uid(0x1000, sop_instance);
    out.number(0x1002, event_type);
    out.finish()
}

fn request(field: u16, class_element: u16, sop_class: &str, message_id: u16) -> Elements {
    let mut out = Elements::default();
    out.uid(class_element, sop_class);
    out.number(0x0100, field);
    out.number(0x0110, message_id);
    out
}

/// A command set being written; elements in ascending order.
#[derive(Default)]
struct Elements(Vec<u8>);

impl Elements {
    fn put(&mut self, element: u16, value: &[u8]) {
        self.0.extend_from_slice(&[0, 0]);
        self.0.extend_from_slice(&element.to_le_bytes());
        self.0.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.0.extend_from_slice(value);
    }

    fn number(&mut self, element: u16, value: u16) {
        self.put(element, &value.to_le_bytes());
    }

    /// Nothing where it is empty.
    fn uid(&mut self, element: u16, value: &str) {
        self.padded(element, value, 0);
    }

    fn text(&mut self, element: u16, value: &str) {
        self.padded(element, value, b' ');
    }

    fn padded(&mut self, element: u16, value: &str, pad: u8) {
        if value.is_empty() {
            return;
        }
        let mut bytes = value.as_bytes().to_vec();
        if !bytes.len().is_multiple_of(2) {
            bytes.push(pad);
        }
        self.put(element, &bytes);
    }

    /// Figures of 16 bits: a retrieval of more has them stop at the largest.
    fn counts(&mut self, counts: &Counts) {
        let short = |count: u64| u16::try_from(count).unwrap_or(u16::MAX);
        if let Some(remaining) = counts.remaining {
            self.number(0x1020, short(remaining));
        }
        self.number(0x1021, short(counts.completed));
        self.number(0x1022, short(counts.failed));
        self.number(0x1023, short(counts.warning));
    }

    /// With the group length in front.
    fn finish(self) -> Vec<u8> {
        let mut out = Elements(Vec::with_capacity(self.0.len() + 12));
        out.put(0x0000, &(self.0.len() as u32).to_le_bytes());
        out.0.extend_from_slice(&self.0);
        out.0
    }
}

fn comment(text: &str) -> String {
    let plain = text.chars().map(|c| if c == '\\' || !(' '..='~').contains(&c) { '?' } else { c });
    plain.take(MAX_COMMENT).collect()
}

fn next_element(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(8)?;
    let length = usize::try_from(u32::from_le_bytes([head[4], head[5], head[6], head[7]])).ok()?;
    let (value, rest) = rest.split_at_checked(length)?;
    let group = u16::from_le_bytes([head[0], head[1]]);
    (group == 0).then_some((u16::from_le_bytes([head[2], head[3]]), value, rest))
}

fn number(value: &[u8]) -> Option<u16> {
    value.first_chunk().map(|&bytes| u16::from_le_bytes(bytes))
}

fn tags(value: &[u8]) -> Vec<Tag> {
    let tag = |b: &[u8; 4]| Tag(u16::from_le_bytes([b[0], b[1]]), u16::from_le_bytes([b[2], b[3]]));
    value.as_chunks().0.iter().map(tag).collect()
}

fn tag_bytes(tag: Tag) -> [u8; 4] {
    let ([a, b], [c, d]) = (tag.0.to_le_bytes(), tag.1.to_le_bytes());
    [a, b, c, d]
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_matches([' ', '\0']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_request_is_read_back() {
        let command = Command::decode(&store_request(7, "1.2.840.10008.5.1.4.1.1.2", "1.2.3", None)).unwrap();
        assert_eq!(command.field, C_STORE_RQ);
        assert_eq!(command.message_id, 7);
        assert!(command.has_data_set);
        assert_eq!(command.sop_class, "1.2.840.10008.5.1.4.1.1.2");
        assert_eq!(command.sop_instance, "1.2.3");
        assert_eq!(command.move_originator, None);
        let originator = Originator { title: "WS1".into(), message_id: 300 };
        let moved = Command::decode(&store_request(7, "1.2", "1.2.3", Some(&originator))).unwrap();
        assert_eq!(moved.move_originator, Some(("WS1".into(), 300)));
    }

    #[test]
    fn a_response_names_what_it_answers() {
        let request = Command::decode(&store_request(9, "1.2", "1.2.3", None)).unwrap();
        let response = request.response(&Response::of(Status::OUT_OF_RESOURCES));
        let response = Command::decode(&response).unwrap();
        assert_eq!((response.field, response.message_id), (C_STORE_RSP, 9));
        assert_eq!(response.status, Some(Status(0xA700)));
        assert_eq!(response.sop_instance, "1.2.3");
        assert!(!response.has_data_set);
    }

    #[test]
    fn counts_comments_and_offenders_are_read_back_within_their_bounds() {
        let request = Command { field: C_MOVE_RQ, message_id: 1, sop_class: "1.2".into(), ..Command::default() };
        let counts = Counts { remaining: Some(70_000), completed: 3, failed: 2, warning: 1 };
        let answer = Response::failed(Status::CANNOT_PERFORM, format!("名字\\{}", "x".repeat(100)))
            .with_counts(counts)
            .offending(vec![Tag(0x0008, 0x0052)])
            .with_data(Vec::new());
        let read = Command::decode(&request.response(&answer)).unwrap();
        assert_eq!(read.counts, Some(Counts { remaining: Some(65_535), ..counts }));
        assert_eq!(read.comment, format!("???{}", "x".repeat(61)));
        assert_eq!(read.offending, [Tag(0x0008, 0x0052)]);
        assert!(read.has_data_set);
    }

    #[test]
    fn the_types_of_actions_and_events_come_back_in_the_response() {
        let bytes = event_report_request(4, "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1", 2);
        let request = Command::decode(&bytes).unwrap();
        assert_eq!((request.field, request.event_type), (N_EVENT_REPORT_RQ, Some(2)));
        let response = Command::decode(&request.response(&Response::of(Status::SUCCESS))).unwrap();
        assert_eq!((response.field, response.event_type), (N_EVENT_REPORT_RQ | RESPONSE, Some(2)));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let mut bytes = store_request(1, "1.2", "1.2.3", None);
        let length = bytes.len();
        bytes[length - 10..length - 6].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Command::decode(&bytes), Err(CommandError::Malformed));
        assert_eq!(Command::decode(&[0; 5]), Err(CommandError::Malformed));
        assert_eq!(Command::decode(&[]), Err(CommandError::Missing(0x0100)));
    }
}
