//! Command sets (PS3.7 section 6.3): group 0000 in Implicit VR Little Endian, bounded and in memory.

/// Command fields of PS3.7 annex E.1.
pub const C_STORE_RQ: u16 = 0x0001;
pub const C_STORE_RSP: u16 = 0x8001;
pub const C_ECHO_RQ: u16 = 0x0030;
pub const C_ECHO_RSP: u16 = 0x8030;
pub const C_CANCEL_RQ: u16 = 0x0FFF;
/// Set in the command field of every response.
pub const RESPONSE: u16 = 0x8000;

/// Command Data Set Type: no data set follows (PS3.7 E.1).
const NO_DATA_SET: u16 = 0x0101;

/// Status of a response (PS3.7 annex C, PS3.4 annex B.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    pub const SUCCESS: Status = Status(0x0000);
    /// Refused: out of resources.
    pub const OUT_OF_RESOURCES: Status = Status(0xA700);
    /// Error: cannot understand.
    pub const CANNOT_UNDERSTAND: Status = Status(0xC000);
    /// Unrecognized operation.
    pub const UNRECOGNIZED_OPERATION: Status = Status(0x0211);

    /// Warnings (Bxxx) mean that the object was stored.
    pub fn is_stored(self) -> bool {
        self.0 == 0 || self.0 & 0xF000 == 0xB000
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("a command element is cut off or not of group 0000")]
    Malformed,
    #[error("the command set lacks element 0000,{0:04x}")]
    Missing(u16),
}

/// The elements of a command set that any service here looks at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Command {
    pub field: u16,
    /// Of a request its own, of a response that of the request.
    pub message_id: u16,
    pub has_data_set: bool,
    pub status: Option<Status>,
    pub sop_class: String,
    pub sop_instance: String,
}

impl Command {
    pub fn decode(mut bytes: &[u8]) -> Result<Self, CommandError> {
        let mut command = Self::default();
        let (mut field, mut data_set_type, mut message_id) = (None, None, None);
        while !bytes.is_empty() {
            let (element, value, rest) = next_element(bytes).ok_or(CommandError::Malformed)?;
            bytes = rest;
            match element {
                0x0002 | 0x0003 => command.sop_class = text(value),
                0x0100 => field = number(value),
                0x0110 | 0x0120 => message_id = number(value),
                0x0800 => data_set_type = number(value),
                0x0900 => command.status = number(value).map(Status),
                0x1000 | 0x1001 => command.sop_instance = text(value),
                _ => {}
            }
        }
        command.field = field.ok_or(CommandError::Missing(0x0100))?;
        command.has_data_set = data_set_type.ok_or(CommandError::Missing(0x0800))? != NO_DATA_SET;
        if command.field != C_CANCEL_RQ {
            command.message_id = message_id.ok_or(CommandError::Missing(0x0110))?;
        }
        Ok(command)
    }

    /// The response to this request.
    pub fn response(&self, status: Status) -> Vec<u8> {
        let mut elements = Vec::with_capacity(256);
        if !self.sop_class.is_empty() {
            element(&mut elements, 0x0002, &padded(&self.sop_class));
        }
        element(&mut elements, 0x0100, &(self.field | RESPONSE).to_le_bytes());
        element(&mut elements, 0x0120, &self.message_id.to_le_bytes());
        element(&mut elements, 0x0800, &NO_DATA_SET.to_le_bytes());
        element(&mut elements, 0x0900, &status.0.to_le_bytes());
        if !self.sop_instance.is_empty() {
            element(&mut elements, 0x1000, &padded(&self.sop_instance));
        }
        with_group_length(&elements)
    }
}

/// A C-STORE-RQ (PS3.7 9.3.1.1) of medium priority.
pub fn store_request(message_id: u16, sop_class: &str, sop_instance: &str) -> Vec<u8> {
    let mut elements = Vec::with_capacity(256);
    element(&mut elements, 0x0002, &padded(sop_class));
    element(&mut elements, 0x0100, &C_STORE_RQ.to_le_bytes());
    element(&mut elements, 0x0110, &message_id.to_le_bytes());
    element(&mut elements, 0x0700, &[0, 0]);
    element(&mut elements, 0x0800, &[0, 0]);
    element(&mut elements, 0x1000, &padded(sop_instance));
    with_group_length(&elements)
}

/// A C-ECHO-RQ (PS3.7 9.3.5.1).
pub fn echo_request(message_id: u16) -> Vec<u8> {
    let mut elements = Vec::with_capacity(64);
    element(&mut elements, 0x0002, &padded("1.2.840.10008.1.1"));
    element(&mut elements, 0x0100, &C_ECHO_RQ.to_le_bytes());
    element(&mut elements, 0x0110, &message_id.to_le_bytes());
    element(&mut elements, 0x0800, &NO_DATA_SET.to_le_bytes());
    with_group_length(&elements)
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

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_matches([' ', '\0']).to_owned()
}

fn padded(uid: &str) -> Vec<u8> {
    let mut bytes = uid.as_bytes().to_vec();
    if !bytes.len().is_multiple_of(2) {
        bytes.push(0);
    }
    bytes
}

fn element(out: &mut Vec<u8>, element: u16, value: &[u8]) {
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&element.to_le_bytes());
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(value);
}

fn with_group_length(elements: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(elements.len() + 12);
    element(&mut out, 0x0000, &(elements.len() as u32).to_le_bytes());
    out.extend_from_slice(elements);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_request_is_read_back() {
        let command = Command::decode(&store_request(7, "1.2.840.10008.5.1.4.1.1.2", "1.2.3")).unwrap();
        assert_eq!(command.field, C_STORE_RQ);
        assert_eq!(command.message_id, 7);
        assert!(command.has_data_set);
        assert_eq!(command.sop_class, "1.2.840.10008.5.1.4.1.1.2");
        assert_eq!(command.sop_instance, "1.2.3");
    }

    #[test]
    fn a_response_names_what_it_answers() {
        let request = Command::decode(&store_request(9, "1.2", "1.2.3")).unwrap();
        let response = Command::decode(&request.response(Status::OUT_OF_RESOURCES)).unwrap();
        assert_eq!((response.field, response.message_id), (C_STORE_RSP, 9));
        assert_eq!(response.status, Some(Status(0xA700)));
        assert_eq!(response.sop_instance, "1.2.3");
        assert!(!response.has_data_set);
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let mut bytes = store_request(1, "1.2", "1.2.3");
        let length = bytes.len();
        bytes[length - 10..length - 6].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Command::decode(&bytes), Err(CommandError::Malformed));
        assert_eq!(Command::decode(&[0; 5]), Err(CommandError::Malformed));
        assert_eq!(Command::decode(&[]), Err(CommandError::Missing(0x0100)));
    }
}
