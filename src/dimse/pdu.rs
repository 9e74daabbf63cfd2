//! Protocol data units of the upper layer (PS3.8 section 9.3), all but P-DATA-TF, whose body is never held whole.
//!
//! Encoding and decoding of bytes that are already in memory and already bounded. No I/O.

/// PDU types (PS3.8 table 9-11 and following).
pub const ASSOCIATE_RQ: u8 = 0x01;
pub const ASSOCIATE_AC: u8 = 0x02;
pub const ASSOCIATE_RJ: u8 = 0x03;
pub const P_DATA_TF: u8 = 0x04;
pub const RELEASE_RQ: u8 = 0x05;
pub const RELEASE_RP: u8 = 0x06;
pub const ABORT: u8 = 0x07;

/// What TLS begins with, a handshake or an alert, where a PDU has its type (RFC 8446 section 5.1).
pub const TLS_RECORDS: [u8; 2] = [0x16, 0x15];

/// Type, reserved byte and length in front of every PDU.
pub const HEADER_LENGTH: usize = 6;
/// PS3.7 annex A.2.1: the only application context there is.
pub const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
/// Contexts have odd ids of one byte (PS3.8 9.3.2.2).
pub const MAX_CONTEXTS: usize = 128;
/// More than any sender offers in one context; the rest is not looked at.
const MAX_TRANSFER_SYNTAXES: usize = 256;

/// The six bytes before a PDU's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PduHeader {
    pub kind: u8,
    pub length: u32,
}

impl PduHeader {
    pub fn decode(bytes: [u8; HEADER_LENGTH]) -> Self {
        Self { kind: bytes[0], length: u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PduError {
    #[error("a length points past the end of its item")]
    Truncated,
    #[error("the protocol version is not 1")]
    ProtocolVersion,
    #[error("more than {MAX_CONTEXTS} presentation contexts, or one with an even id")]
    Contexts,
}

/// A-ASSOCIATE-RQ (PS3.8 9.3.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AssociateRq {
    pub called: String,
    pub calling: String,
    pub application_context: String,
    pub contexts: Vec<ProposedContext>,
    pub user: UserInformation,
}

/// One proposed presentation context (PS3.8 9.3.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProposedContext {
    pub id: u8,
    pub abstract_syntax: String,
    pub transfer_syntaxes: Vec<String>,
}

/// A-ASSOCIATE-AC (PS3.8 9.3.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AssociateAc {
    pub called: String,
    pub calling: String,
    pub contexts: Vec<ContextResult>,
    pub user: UserInformation,
}

/// Answer to one proposed context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextResult {
    pub id: u8,
    pub outcome: ContextOutcome,
    /// Not significant unless accepted.
    pub transfer_syntax: String,
}

/// PS3.8 table 9-18.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ContextOutcome {
    Accepted = 0,
    UserRejection = 1,
    NoReason = 2,
    AbstractSyntaxNotSupported = 3,
    TransferSyntaxesNotSupported = 4,
}

/// User information (PS3.8 annex D, PS3.7 annex D.3.3); items not named here are skipped, among them common extended
/// negotiation, which has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserInformation {
    /// Longest PDU body the sender of this takes; 0 is without limit.
    pub max_length: u32,
    pub implementation_class: String,
    pub implementation_version: String,
    /// Operations invoked and performed that may be outstanding; 0 is without limit (PS3.7 D.3.3.3).
    pub async_window: Option<(u16, u16)>,
    pub roles: Vec<RoleSelection>,
    pub extended: Vec<ExtendedNegotiation>,
}

/// SCP/SCU role selection (PS3.7 D.3.3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSelection {
    pub sop_class: String,
    pub scu: bool,
    pub scp: bool,
}

/// SOP class extended negotiation (PS3.7 D.3.3.5): what the bytes mean is said by the service class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedNegotiation {
    pub sop_class: String,
    pub information: Vec<u8>,
}

/// Why an association is refused (PS3.8 table 9-21): result, source, reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    NoReason,
    ApplicationContextNotSupported,
    CallingAeNotRecognized,
    CalledAeNotRecognized,
    ProtocolVersionNotSupported,
    TemporaryCongestion,
    LocalLimitExceeded,
}

impl Rejection {
    fn bytes(self) -> [u8; 3] {
        match self {
            Self::NoReason => [1, 2, 1],
            Self::ApplicationContextNotSupported => [1, 1, 2],
            Self::CallingAeNotRecognized => [1, 1, 3],
            Self::CalledAeNotRecognized => [1, 1, 7],
            Self::ProtocolVersionNotSupported => [1, 2, 2],
            Self::TemporaryCongestion => [2, 3, 1],
            Self::LocalLimitExceeded => [2, 3, 2],
        }
    }
}

/// Why the upper layer itself aborts (PS3.8 table 9-26, source 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum AbortReason {
    NotSpecified = 0,
    UnrecognizedPdu = 1,
    UnexpectedPdu = 2,
    UnexpectedParameter = 5,
    InvalidParameter = 6,
}

pub fn encode_reject(rejection: Rejection) -> Vec<u8> {
    let [result, source, reason] = rejection.bytes();
    vec![ASSOCIATE_RJ, 0, 0, 0, 0, 4, 0, result, source, reason]
}

pub fn encode_abort(reason: AbortReason) -> Vec<u8> {
    vec![ABORT, 0, 0, 0, 0, 4, 0, 0, 2, reason as u8]
}

pub fn encode_release_rq() -> Vec<u8> {
    vec![RELEASE_RQ, 0, 0, 0, 0, 4, 0, 0, 0, 0]
}

pub fn encode_release_rp() -> Vec<u8> {
    vec![RELEASE_RP, 0, 0, 0, 0, 4, 0, 0, 0, 0]
}

impl AssociateRq {
    pub fn decode(body: &[u8]) -> Result<Self, PduError> {
        let (called, calling, items) = split_fixed_part(body)?;
        let mut request = Self { called, calling, ..Self::default() };
        for item in Items(items) {
            let (kind, value) = item?;
            match kind {
                0x10 => request.application_context = uid(value),
                0x20 => {
                    let context = ProposedContext::decode(value)?;
                    let even_or_repeated =
                        context.id % 2 == 0 || request.contexts.iter().any(|known| known.id == context.id);
                    if even_or_repeated || request.contexts.len() == MAX_CONTEXTS {
                        return Err(PduError::Contexts);
                    }
                    request.contexts.push(context);
                }
                0x50 => request.user = UserInformation::decode(value)?,
                _ => {}
            }
        }
        Ok(request)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut body = fixed_part(&self.called, &self.calling);
        item(&mut body, 0x10, self.application_context.as_bytes());
        for context in &self.contexts {
            let mut value = vec![context.id, 0, 0, 0];
            item(&mut value, 0x30, context.abstract_syntax.as_bytes());
            for transfer_syntax in &context.transfer_syntaxes {
                item(&mut value, 0x40, transfer_syntax.as_bytes());
            }
            item(&mut body, 0x20, &value);
        }
        item(&mut body, 0x50, &self.user.encode());
        pdu(ASSOCIATE_RQ, &body)
    }
}

impl ProposedContext {
    fn decode(value: &[u8]) -> Result<Self, PduError> {
        let (head, items) = value.split_at_checked(4).ok_or(PduError::Truncated)?;
        let mut context = Self { id: head[0], ..Self::default() };
        for item in Items(items) {
            match item? {
                (0x30, name) => context.abstract_syntax = uid(name),
                (0x40, name) if context.transfer_syntaxes.len() < MAX_TRANSFER_SYNTAXES => {
                    context.transfer_syntaxes.push(uid(name));
                }
                _ => {}
            }
        }
        Ok(context)
    }
}

impl AssociateAc {
    pub fn decode(body: &[u8]) -> Result<Self, PduError> {
        let (called, calling, items) = split_fixed_part(body)?;
        let mut accepted = Self { called, calling, ..Self::default() };
        for item in Items(items) {
            match item? {
                (0x21, value) => {
                    if accepted.contexts.len() == MAX_CONTEXTS {
                        return Err(PduError::Contexts);
                    }
                    accepted.contexts.push(ContextResult::decode(value)?);
                }
                (0x50, value) => accepted.user = UserInformation::decode(value)?,
                _ => {}
            }
        }
        Ok(accepted)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut body = fixed_part(&self.called, &self.calling);
        item(&mut body, 0x10, APPLICATION_CONTEXT.as_bytes());
        for context in &self.contexts {
            let mut value = vec![context.id, 0, context.outcome as u8, 0];
            item(&mut value, 0x40, context.transfer_syntax.as_bytes());
            item(&mut body, 0x21, &value);
        }
        item(&mut body, 0x50, &self.user.encode());
        pdu(ASSOCIATE_AC, &body)
    }
}

impl ContextResult {
    fn decode(value: &[u8]) -> Result<Self, PduError> {
        let (head, items) = value.split_at_checked(4).ok_or(PduError::Truncated)?;
        let outcome = match head[2] {
            0 => ContextOutcome::Accepted,
            1 => ContextOutcome::UserRejection,
            3 => ContextOutcome::AbstractSyntaxNotSupported,
            4 => ContextOutcome::TransferSyntaxesNotSupported,
            _ => ContextOutcome::NoReason,
        };
        let mut result = Self { id: head[0], outcome, transfer_syntax: String::new() };
        for item in Items(items) {
            if let (0x40, name) = item? {
                result.transfer_syntax = uid(name);
            }
        }
        Ok(result)
    }
}

impl UserInformation {
    fn decode(value: &[u8]) -> Result<Self, PduError> {
        let mut user = Self::default();
        for item in Items(value) {
            match item? {
                (0x51, &[a, b, c, d]) => user.max_length = u32::from_be_bytes([a, b, c, d]),
                (0x52, name) => user.implementation_class = uid(name),
                (0x53, &[a, b, c, d]) => {
                    user.async_window = Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])));
                }
                (0x54, value) if user.roles.len() < MAX_CONTEXTS => user.roles.extend(RoleSelection::decode(value)),
                (0x55, name) => user.implementation_version = uid(name),
                (0x56, value) if user.extended.len() < MAX_CONTEXTS => {
                    user.extended.extend(ExtendedNegotiation::decode(value));
                }
                _ => {}
            }
        }
        Ok(user)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        item(&mut out, 0x51, &self.max_length.to_be_bytes());
        item(&mut out, 0x52, self.implementation_class.as_bytes());
        if let Some((invoked, performed)) = self.async_window {
            let [a, b] = invoked.to_be_bytes();
            let [c, d] = performed.to_be_bytes();
            item(&mut out, 0x53, &[a, b, c, d]);
        }
        for role in &self.roles {
            let mut value = (role.sop_class.len() as u16).to_be_bytes().to_vec();
            value.extend_from_slice(role.sop_class.as_bytes());
            value.extend_from_slice(&[u8::from(role.scu), u8::from(role.scp)]);
            item(&mut out, 0x54, &value);
        }
        item(&mut out, 0x55, self.implementation_version.as_bytes());
        for extended in &self.extended {
            let mut value = (extended.sop_class.len() as u16).to_be_bytes().to_vec();
            value.extend_from_slice(extended.sop_class.as_bytes());
            value.extend_from_slice(&extended.information);
            item(&mut out, 0x56, &value);
        }
        out
    }
}

impl RoleSelection {
    fn decode(value: &[u8]) -> Option<Self> {
        let (sop_class, roles) = counted_uid(value)?;
        let &[scu, scp, ..] = roles else { return None };
        Some(Self { sop_class, scu: scu == 1, scp: scp == 1 })
    }
}

impl ExtendedNegotiation {
    fn decode(value: &[u8]) -> Option<Self> {
        let (sop_class, information) = counted_uid(value)?;
        Some(Self { sop_class, information: information.to_vec() })
    }
}

/// A UID with its length in front, and what follows it.
fn counted_uid(value: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = value.split_at_checked(2)?;
    let (name, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([length[0], length[1]])))?;
    Some((uid(name), rest))
}

/// Variable items: type, reserved byte, two bytes of length, value.
struct Items<'a>(&'a [u8]);

impl<'a> Iterator for Items<'a> {
    type Item = Result<(u8, &'a [u8]), PduError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let item = self.0.split_at_checked(4).and_then(|(head, rest)| {
            let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([head[2], head[3]])))?;
            Some((head[0], value, rest))
        });
        let Some((kind, value, rest)) = item else {
            self.0 = &[];
            return Some(Err(PduError::Truncated));
        };
        self.0 = rest;
        Some(Ok((kind, value)))
    }
}

fn item(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    // Every value here is made of UIDs and titles of bounded number and length.
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&[kind, 0]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&value[..usize::from(length)]);
}

fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, 0];
    out.extend_from_slice(&(body.len() as u32).to_be_bytes());
    out.extend_from_slice(body);
    out
}

const FIXED_PART: usize = 68;

fn fixed_part(called: &str, calling: &str) -> Vec<u8> {
    let mut body = vec![0, 1, 0, 0];
    for title in [called, calling] {
        let mut padded = [b' '; 16];
        let length = title.len().min(16);
        padded[..length].copy_from_slice(&title.as_bytes()[..length]);
        body.extend_from_slice(&padded);
    }
    body.resize(FIXED_PART, 0);
    body
}

fn split_fixed_part(body: &[u8]) -> Result<(String, String, &[u8]), PduError> {
    let (fixed, items) = body.split_at_checked(FIXED_PART).ok_or(PduError::Truncated)?;
    if u16::from_be_bytes([fixed[0], fixed[1]]) & 1 == 0 {
        return Err(PduError::ProtocolVersion);
    }
    Ok((ae_title(&fixed[4..20]), ae_title(&fixed[20..36]), items))
}

/// Leading and trailing spaces are not significant (PS3.8 table 9-11).
fn ae_title(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_matches([' ', '\0']).to_owned()
}

/// Some senders pad UIDs with NUL or space, which PS3.8 annex F forbids.
fn uid(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_matches([' ', '\0']).to_owned()
}
