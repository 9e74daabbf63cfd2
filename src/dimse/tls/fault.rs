//! What went wrong with TLS, in words by which an engineer at either end finds what to change.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    #[error("the peer showed no certificate")]
    NoCertificate,
    #[error("the peer's certificate {0}")]
    TheirCertificate(String),
    #[error("the peer refuses our certificate: {0}")]
    OurCertificate(&'static str),
    #[error("what the peer says is not TLS: is this its TLS port?")]
    NotTls,
    #[error("the peer closed within the TLS handshake: is this its TLS port?")]
    Closed,
    #[error("no TLS version or cipher suite in common with the peer")]
    NothingInCommon,
    #[error("TLS: {0}")]
    Other(String),
}

impl TlsFault {
    /// `None`: the error is none of TLS.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Error>().map(Self::of_rustls)
    }

    fn of_rustls(error: &Error) -> Self {
        match error {
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidCertificate(why) => Self::TheirCertificate(reason(why)),
            Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
                Self::NotTls
            }
            Error::AlertReceived(alert) => Self::of_alert(*alert),
            Error::PeerIncompatible(_) => Self::NothingInCommon,
            other => Self::Other(other.to_string()),
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        use AlertDescription as Alert;
        Self::OurCertificate(match alert {
            Alert::CertificateRequired | Alert::NoCertificate => "it wants one and we showed none",
            Alert::UnknownCA => "it is by none of its authorities",
            Alert::CertificateExpired => "it has expired",
            Alert::CertificateRevoked => "it is revoked",
            Alert::BadCertificate | Alert::CertificateUnknown | Alert::UnsupportedCertificate | Alert::AccessDenied => {
                "it is not one that it takes"
            }
            Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity => {
                return Self::NothingInCommon;
            }
            other => return Self::Other(format!("alert {other:?}")),
        })
    }
}

fn reason(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet: is the clock right?".into()
        }
        CertificateError::UnknownIssuer => "is by no authority that is trusted here".into(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another host than the one that was called, and not the one registered for the device".into()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is for another purpose".into()
        }
        CertificateError::BadSignature => "is signed wrongly".into(),
        other => format!("is not valid: {other}"),
    }
}
