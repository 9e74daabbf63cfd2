//! Making and checking seals.

use super::content::{ContentError, ReportContent, SignedBy};

/// One signature over a report, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Seal {
    /// How it was made, e.g. [`Digest::METHOD`].
    pub method: String,
    /// Lower-case hex SHA-256 of the canonical content as it was signed.
    pub content_sha256: String,
    /// What the method adds (a CMS, a raw signature), base64; empty for a digest.
    pub proof: String,
    pub by: SignedBy,
}

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error("the report's content is not what {who} signed")]
    Changed { who: String },
    #[error("signature {index} is not by whom the report says")]
    Signatory { index: usize },
    #[error("the report names {named} signatures and carries {carried}")]
    Count { named: usize, carried: usize },
    #[error("this program cannot check a signature made by {0:?}")]
    UnknownMethod(String),
}

/// Seals canonical content in one signatory's name. `content.signatures` ends with that signatory.
///
/// An implementation must be able to check its own seals without a secret, and must find any changed byte of the content.
pub trait Signer: Send + Sync {
    fn method(&self) -> &'static str;
    fn seal(&self, content: &ReportContent) -> Result<Seal, SealError>;
    fn check(&self, content: &ReportContent, seal: &Seal) -> Result<(), SealError>;
}

/// The hash alone: shows a change of the content to whoever also has the event log, where the hash was written when the
/// report was signed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Digest;

impl Digest {
    pub const METHOD: &'static str = "sha-256";
}

impl Signer for Digest {
    fn method(&self) -> &'static str {
        Self::METHOD
    }

    fn seal(&self, content: &ReportContent) -> Result<Seal, SealError> {
        let by = content.signatures.last().cloned().ok_or(SealError::Count { named: 0, carried: 1 })?;
        Ok(Seal { method: Self::METHOD.into(), content_sha256: content.sha256()?, proof: String::new(), by })
    }

    fn check(&self, content: &ReportContent, seal: &Seal) -> Result<(), SealError> {
        if content.sha256()? != seal.content_sha256 {
            return Err(SealError::Changed { who: seal.by.name.clone() });
        }
        Ok(())
    }
}

/// Checks every seal of a finished report against its content.
pub fn verify(content: &ReportContent, seals: &[Seal], signers: &[&dyn Signer]) -> Result<(), SealError> {
    let (named, carried) = (content.signatures.len(), seals.len());
    if named != carried || named == 0 {
        return Err(SealError::Count { named, carried });
    }
    for (index, (seal, by)) in seals.iter().zip(&content.signatures).enumerate() {
        if seal.by != *by {
            return Err(SealError::Signatory { index });
        }
        let signer = signers.iter().find(|signer| signer.method() == seal.method);
        let signer = signer.ok_or_else(|| SealError::UnknownMethod(seal.method.clone()))?;
        signer.check(&content.as_signed_by(index), seal)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::content::tests::chest_ct;

    fn seals() -> Vec<Seal> {
        (0..2).map(|index| Digest.seal(&chest_ct().as_signed_by(index)).unwrap()).collect()
    }

    #[test]
    fn an_untouched_report_verifies() {
        assert!(verify(&chest_ct(), &seals(), &[&Digest]).is_ok());
    }

    /// Every byte, changed in turn: either the content no longer reads, or a seal says so.
    #[test]
    fn any_changed_byte_is_found() {
        let canonical = chest_ct().canonical().unwrap();
        for position in 0..canonical.len() {
            let mut changed = canonical.clone();
            changed[position] ^= 0x01;
            let found = match ReportContent::parse(&changed) {
                Ok(content) => verify(&content, &seals(), &[&Digest]).is_err(),
                Err(_) => true,
            };
            assert!(found, "byte {position}");
        }
    }

    #[test]
    fn a_signature_cannot_be_dropped_added_or_swapped() {
        let content = chest_ct();
        let [writer, reviewer] = seals().try_into().unwrap();
        assert!(verify(&content, std::slice::from_ref(&reviewer), &[&Digest]).is_err());
        assert!(verify(&content, &[reviewer.clone(), writer.clone()], &[&Digest]).is_err());
        assert!(verify(&content.as_signed_by(0), &[writer.clone(), reviewer.clone()], &[&Digest]).is_err());
        let mut other = reviewer;
        other.by.name = "别人".into();
        assert!(verify(&content, &[writer, other], &[&Digest]).is_err());
    }

    #[test]
    fn a_method_nobody_knows_is_not_taken_for_good() {
        let mut seals = seals();
        seals[1].method = "sm2".into();
        assert!(matches!(verify(&chest_ct(), &seals, &[&Digest]), Err(SealError::UnknownMethod(_))));
    }
}
