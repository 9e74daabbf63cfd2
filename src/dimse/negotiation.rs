//! Which presentation contexts are accepted, and with which transfer syntax. Pure.

use dicom_dictionary_std::uids;

use super::PrivateClasses;
use super::pdu::{ContextOutcome, ContextResult, ProposedContext};

const STANDARD_ROOT: &str = "1.2.840.10008.";
/// Storage classes have this root (PS3.4 table B.5-1); so will those to come.
const STORAGE_ROOT: &str = "1.2.840.10008.5.1.4.1.1.";
/// Query and creation services that share it.
const NO_STORAGE: [&str; 8] = ["200.4", "200.5", "200.6", "201.2", "201.3", "201.4", "201.5", "201.6"];
/// Non-patient objects and retired trials that are stored and do not (PS3.4 annex GG).
const STORAGE_ELSEWHERE: [&str; 10] = [
    "1.2.840.10008.5.1.1.29",
    "1.2.840.10008.5.1.1.30",
    "1.2.840.10008.5.1.4.34.1",
    "1.2.840.10008.5.1.4.34.7",
    "1.2.840.10008.5.1.4.34.10",
    "1.2.840.10008.5.1.4.38.1",
    "1.2.840.10008.5.1.4.39.1",
    "1.2.840.10008.5.1.4.43.1",
    "1.2.840.10008.5.1.4.44.1",
    "1.2.840.10008.5.1.4.45.1",
];

/// Answers one proposed context.
pub(super) fn answer(proposed: &ProposedContext, private: &PrivateClasses) -> ContextResult {
    let verification = proposed.abstract_syntax == uids::VERIFICATION;
    let (outcome, transfer_syntax) = if !verification && !is_storage_class(&proposed.abstract_syntax, private) {
        (ContextOutcome::AbstractSyntaxNotSupported, None)
    } else {
        match choose_transfer_syntax(&proposed.transfer_syntaxes) {
            Some(chosen) => (ContextOutcome::Accepted, Some(chosen)),
            None => (ContextOutcome::TransferSyntaxesNotSupported, None),
        }
    };
    let transfer_syntax = transfer_syntax.unwrap_or(uids::IMPLICIT_VR_LITTLE_ENDIAN).to_owned();
    ContextResult { id: proposed.id, outcome, transfer_syntax }
}

/// Storage classes of the standard, and private ones as configured.
fn is_storage_class(uid: &str, private: &PrivateClasses) -> bool {
    if !uid.starts_with(STANDARD_ROOT) {
        let plausible = !uid.is_empty() && uid.len() <= 64;
        return plausible
            && match private {
                PrivateClasses::Refuse => false,
                PrivateClasses::Accept => true,
                PrivateClasses::Beginning(roots) => roots.iter().any(|root| uid.starts_with(root)),
            };
    }
    match uid.strip_prefix(STORAGE_ROOT) {
        Some(class) => uid.len() <= 64 && !NO_STORAGE.contains(&class),
        None => STORAGE_ELSEWHERE.contains(&uid),
    }
}

/// The peer's first choice among what can be stored: it knows what its objects are, and anything else would have it
/// transcode. Only between the uncompressed ones do we choose: Explicit VR Little Endian keeps the VRs of private
/// elements.
fn choose_transfer_syntax(offered: &[String]) -> Option<&str> {
    let first = offered.iter().map(String::as_str).find(|uid| carries_its_pixels(uid))?;
    let explicit = uids::EXPLICIT_VR_LITTLE_ENDIAN;
    let plain = [uids::IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN].contains(&first);
    if plain && offered.iter().any(|uid| uid == explicit) { Some(explicit) } else { Some(first) }
}

/// Retired, so the dictionary's constant is marked deprecated.
const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// JPIP-referenced syntaxes only point at pixels elsewhere; storing that stores nothing.
fn carries_its_pixels(transfer_syntax: &str) -> bool {
    let referenced = [
        uids::JPIP_REFERENCED,
        uids::JPIP_REFERENCED_DEFLATE,
        uids::JPIPHTJ2K_REFERENCED,
        uids::JPIPHTJ2K_REFERENCED_DEFLATE,
    ];
    !transfer_syntax.is_empty() && transfer_syntax.len() <= 64 && !referenced.contains(&transfer_syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(abstract_syntax: &str, transfer_syntaxes: &[&str], private: &PrivateClasses) -> ContextResult {
        let proposed = ProposedContext {
            id: 1,
            abstract_syntax: abstract_syntax.into(),
            transfer_syntaxes: transfer_syntaxes.iter().map(|uid| (*uid).into()).collect(),
        };
        answer(&proposed, private)
    }

    const IMPLICIT: &str = "1.2.840.10008.1.2";
    const EXPLICIT: &str = "1.2.840.10008.1.2.1";
    const JPEG: &str = "1.2.840.10008.1.2.4.50";

    #[test]
    fn every_storage_class_is_taken_and_nothing_else() {
        let taken = ["1.1", "5.1.4.1.1.2", "5.1.4.1.1.6", "5.1.4.1.1.88.11", "5.1.4.1.1.9999.7", "5.1.4.38.1"];
        for class in taken {
            let result = outcome(&format!("1.2.840.10008.{class}"), &[IMPLICIT], &PrivateClasses::Refuse);
            assert_eq!(result.outcome, ContextOutcome::Accepted, "{class}");
        }
        for class in ["1.20.1", "1.3.10", "5.1.4.1.2.2.1", "5.1.4.31", "3.1.2.3.3", "5.1.1.27", "5.1.4.1.1.201.2"] {
            let result = outcome(&format!("1.2.840.10008.{class}"), &[IMPLICIT], &PrivateClasses::Accept);
            assert_eq!(result.outcome, ContextOutcome::AbstractSyntaxNotSupported, "{class}");
        }
    }

    #[test]
    fn private_classes_follow_the_rule() {
        let philips = "1.3.46.670589.11.0.0.12.1";
        let beginning = PrivateClasses::Beginning(vec!["1.3.46.670589.".into()]);
        let of = |uid, rule| outcome(uid, &[IMPLICIT], rule).outcome == ContextOutcome::Accepted;
        assert!(of(philips, &PrivateClasses::Accept) && of(philips, &beginning));
        assert!(!of(philips, &PrivateClasses::Refuse) && !of("1.2.3", &beginning) && !of("", &PrivateClasses::Accept));
    }

    #[test]
    fn the_peers_first_choice_stands_except_between_uncompressed_ones() {
        let of = |offered: &[&str]| outcome("1.2.840.10008.5.1.4.1.1.2", offered, &PrivateClasses::Refuse);
        assert_eq!(of(&[JPEG, EXPLICIT]).transfer_syntax, JPEG);
        assert_eq!(of(&[IMPLICIT, EXPLICIT, JPEG]).transfer_syntax, EXPLICIT);
        assert_eq!(of(&[IMPLICIT, JPEG]).transfer_syntax, IMPLICIT);
        assert_eq!(of(&["1.2.840.10008.1.2.4.94", IMPLICIT]).transfer_syntax, IMPLICIT);
        assert_eq!(of(&["1.2.840.10008.1.2.4.94"]).outcome, ContextOutcome::TransferSyntaxesNotSupported);
        assert_eq!(of(&[]).outcome, ContextOutcome::TransferSyntaxesNotSupported);
    }
}
