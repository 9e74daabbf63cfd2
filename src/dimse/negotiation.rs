//! What an association may carry: presentation contexts, roles, extended negotiation, the operations window. Pure.

use std::sync::Arc;

use dicom_dictionary_std::uids;

use super::pdu::{
    AssociateAc, AssociateRq, ContextOutcome, ContextResult, ExtendedNegotiation, ProposedContext, RoleSelection,
    UserInformation,
};
use super::services::{Service, Services};
use super::{DimseConfig, PrivateClasses};
use crate::ingest::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION};

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
/// PS3.4 B.3.1: level 2 (everything is kept), signatures stay valid (3), nothing is coerced.
const STORAGE_LEVEL: [u8; 6] = [2, 0, 3, 0, 0, 0];

/// One accepted presentation context.
pub(super) struct Context {
    pub id: u8,
    pub abstract_syntax: String,
    pub transfer_syntax: String,
    pub handler: Handler,
    /// What the service agreed to by extended negotiation; empty: nothing.
    pub agreed: Vec<u8>,
    /// The peer takes C-STOREs on it (PS3.7 D.3.3.4).
    pub peer_stores: bool,
}

/// Who answers what comes on a context.
pub(super) enum Handler {
    Verification,
    Storage,
    Service(Arc<dyn Service>),
}

/// What both sides hold to.
pub(super) struct Agreement {
    pub answer: AssociateAc,
    pub contexts: Vec<Arc<Context>>,
}

/// Answers an admitted association request.
pub(super) fn agree(request: &AssociateRq, config: &DimseConfig, services: &Services) -> Agreement {
    let mut contexts = Vec::new();
    let mut results = Vec::with_capacity(request.contexts.len());
    for proposed in &request.contexts {
        let (result, context) = answer(proposed, request, config, services);
        results.push(result);
        contexts.extend(context);
    }
    let roles = roles(request, &mut contexts);
    let extended = extended(request, &mut contexts);
    let answer = AssociateAc {
        called: request.called.clone(),
        calling: request.calling.clone(),
        contexts: results,
        user: UserInformation {
            max_length: config.max_pdu,
            implementation_class: IMPLEMENTATION_CLASS_UID.into(),
            implementation_version: IMPLEMENTATION_VERSION.into(),
            async_window: request.user.async_window.map(|wanted| window(wanted, config.async_window)),
            roles,
            extended,
        },
    };
    Agreement { answer, contexts: contexts.into_iter().map(Arc::new).collect() }
}

/// PS3.7 D.3.3.3: operations the peer may have outstanding, and we; 0 asks for no limit.
fn window((invoked, performed): (u16, u16), ours: u16) -> (u16, u16) {
    let within = |wanted: u16| if wanted == 0 { ours } else { wanted.min(ours) }.max(1);
    (within(invoked), within(performed))
}

fn answer(
    proposed: &ProposedContext,
    request: &AssociateRq,
    config: &DimseConfig,
    services: &Services,
) -> (ContextResult, Option<Context>) {
    let wanted = proposed.abstract_syntax.as_str();
    let handler = if wanted == uids::VERIFICATION {
        Some(Handler::Verification)
    } else if let Some(service) = services.of(wanted) {
        Some(Handler::Service(service.clone()))
    } else {
        is_storage_class(wanted, &config.private_classes).then_some(Handler::Storage)
    };
    let chosen = match &handler {
        Some(Handler::Service(_)) => choose_plain(&proposed.transfer_syntaxes),
        Some(Handler::Storage) if receives(request, wanted) => choose_for_sending(&proposed.transfer_syntaxes),
        Some(_) => choose_transfer_syntax(&proposed.transfer_syntaxes),
        None => None,
    };
    let outcome = match (&handler, chosen) {
        (None, _) => ContextOutcome::AbstractSyntaxNotSupported,
        (Some(_), None) => ContextOutcome::TransferSyntaxesNotSupported,
        (Some(_), Some(_)) => ContextOutcome::Accepted,
    };
    let context = handler.zip(chosen).map(|(handler, chosen)| Context {
        id: proposed.id,
        abstract_syntax: wanted.to_owned(),
        transfer_syntax: chosen.to_owned(),
        handler,
        agreed: Vec::new(),
        peer_stores: false,
    });
    let transfer_syntax = chosen.unwrap_or(uids::IMPLICIT_VR_LITTLE_ENDIAN).to_owned();
    (ContextResult { id: proposed.id, outcome, transfer_syntax }, context)
}

/// A peer that would be the SCP of this class and nothing else: it retrieves by C-GET.
fn receives(request: &AssociateRq, sop_class: &str) -> bool {
    request.user.roles.iter().any(|role| role.sop_class == sop_class && role.scp && !role.scu)
}

/// The peer may be the SCP of storage classes where a service would store back to it (PS3.4 C.5.3), of nothing else.
fn roles(request: &AssociateRq, contexts: &mut [Context]) -> Vec<RoleSelection> {
    let retrieves = contexts.iter().any(|c| matches!(&c.handler, Handler::Service(service) if service.stores_back()));
    let answer = |role: &RoleSelection| {
        let mut scp = false;
        for context in contexts.iter_mut().filter(|c| c.abstract_syntax == role.sop_class) {
            context.peer_stores = retrieves && role.scp && matches!(context.handler, Handler::Storage);
            scp |= context.peer_stores;
        }
        RoleSelection { scp, ..role.clone() }
    };
    request.user.roles.iter().map(answer).collect()
}

/// What of the peer's proposals the services agree to; of the rest nothing is said, which means "not supported".
fn extended(request: &AssociateRq, contexts: &mut [Context]) -> Vec<ExtendedNegotiation> {
    let mut answers = Vec::new();
    for item in &request.user.extended {
        let mut agreed = None;
        for context in contexts.iter_mut().filter(|c| c.abstract_syntax == item.sop_class) {
            agreed = match &context.handler {
                Handler::Service(service) => service.agree(&item.sop_class, &item.information),
                Handler::Storage => Some(STORAGE_LEVEL.to_vec()),
                Handler::Verification => None,
            };
            context.agreed = agreed.clone().unwrap_or_default();
        }
        let answer = |information| ExtendedNegotiation { sop_class: item.sop_class.clone(), information };
        answers.extend(agreed.map(answer));
    }
    answers
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

/// For objects that we send: what every stored object can be turned into, if it is among the choices.
fn choose_for_sending(offered: &[String]) -> Option<&str> {
    choose_plain(offered).or_else(|| choose_transfer_syntax(offered))
}

/// Little endian without compression: for commands' data sets, which need nothing else.
fn choose_plain(offered: &[String]) -> Option<&'static str> {
    [uids::EXPLICIT_VR_LITTLE_ENDIAN, uids::IMPLICIT_VR_LITTLE_ENDIAN]
        .into_iter()
        .find(|plain| offered.iter().any(|uid| uid == plain))
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
    use futures_util::future::BoxFuture;

    use super::*;
    use crate::dimse::services::{Exchange, Request, Response};

    /// Stores back on request, and agrees to the first byte of what is proposed.
    struct Get;

    const GET: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_GET;
    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
    const IMPLICIT: &str = "1.2.840.10008.1.2";
    const EXPLICIT: &str = "1.2.840.10008.1.2.1";
    const JPEG: &str = "1.2.840.10008.1.2.4.50";
    const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

    impl Service for Get {
        fn abstract_syntaxes(&self) -> &[&'static str] {
            &[GET]
        }
        fn commands(&self) -> &[u16] {
            &[]
        }
        fn agree(&self, _abstract_syntax: &str, wanted: &[u8]) -> Option<Vec<u8>> {
            wanted.first().map(|first| vec![*first])
        }
        fn stores_back(&self) -> bool {
            true
        }
        fn perform(&self, _request: Request, _exchange: Exchange) -> BoxFuture<'static, Response> {
            unreachable!("only negotiated here")
        }
    }

    fn proposed(id: u8, abstract_syntax: &str, transfer_syntaxes: &[&str]) -> ProposedContext {
        let transfer_syntaxes = transfer_syntaxes.iter().map(|uid| (*uid).into()).collect();
        ProposedContext { id, abstract_syntax: abstract_syntax.into(), transfer_syntaxes }
    }

    fn outcome(abstract_syntax: &str, transfer_syntaxes: &[&str], private: &PrivateClasses) -> ContextResult {
        let contexts = vec![proposed(1, abstract_syntax, transfer_syntaxes)];
        let request = AssociateRq { contexts, ..AssociateRq::default() };
        let config = DimseConfig { private_classes: private.clone(), ..DimseConfig::default() };
        agree(&request, &config, &Services::default()).answer.contexts.remove(0)
    }

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
        let of = |offered: &[&str]| outcome(CT, offered, &PrivateClasses::Refuse);
        assert_eq!(of(&[JPEG, EXPLICIT]).transfer_syntax, JPEG);
        assert_eq!(of(&[IMPLICIT, EXPLICIT, JPEG]).transfer_syntax, EXPLICIT);
        assert_eq!(of(&[IMPLICIT, JPEG]).transfer_syntax, IMPLICIT);
        assert_eq!(of(&["1.2.840.10008.1.2.4.94", IMPLICIT]).transfer_syntax, IMPLICIT);
        assert_eq!(of(&["1.2.840.10008.1.2.4.94"]).outcome, ContextOutcome::TransferSyntaxesNotSupported);
        assert_eq!(of(&[]).outcome, ContextOutcome::TransferSyntaxesNotSupported);
    }

    fn getting(contexts: Vec<ProposedContext>) -> Agreement {
        let role = |sop_class: &str| RoleSelection { sop_class: sop_class.into(), scu: false, scp: true };
        let item = |sop_class: &str| ExtendedNegotiation { sop_class: sop_class.into(), information: vec![1, 1, 1] };
        let user = UserInformation {
            roles: vec![role(CT), role("1.2.840.10008.1.1"), role("1.2.840.10008.5.1.4.1.1.4")],
            extended: vec![item(GET), item("1.2.840.10008.1.1"), item("1.2.3")],
            ..UserInformation::default()
        };
        let request = AssociateRq { contexts, user, ..AssociateRq::default() };
        agree(&request, &DimseConfig::default(), &Services::default().with(Get))
    }

    #[test]
    fn a_peer_that_retrieves_may_be_sent_to_in_what_everything_can_be_turned_into() {
        let agreement = getting(vec![
            proposed(1, GET, &[DEFLATED, IMPLICIT, EXPLICIT]),
            proposed(3, CT, &[JPEG, IMPLICIT]),
            proposed(5, CT, &[JPEG]),
            proposed(7, "1.2.840.10008.1.1", &[IMPLICIT]),
        ]);
        let syntaxes: Vec<_> = agreement.answer.contexts.iter().map(|c| c.transfer_syntax.as_str()).collect();
        assert_eq!(syntaxes, [EXPLICIT, IMPLICIT, JPEG, IMPLICIT]);
        assert_eq!(agreement.contexts.iter().map(|c| c.peer_stores).collect::<Vec<_>>(), [false, true, true, false]);
        let roles: Vec<_> = agreement.answer.user.roles.iter().map(|role| (role.scu, role.scp)).collect();
        assert_eq!(roles, [(false, true), (false, false), (false, false)]);
    }

    #[test]
    fn without_a_retrieval_nobody_is_sent_to() {
        let agreement = getting(vec![proposed(3, CT, &[IMPLICIT])]);
        assert!(!agreement.contexts[0].peer_stores && !agreement.answer.user.roles[0].scp);
    }

    #[test]
    fn only_what_a_service_agrees_to_is_answered() {
        let agreement = getting(vec![proposed(1, GET, &[EXPLICIT]), proposed(3, "1.2.840.10008.1.1", &[IMPLICIT])]);
        let agreed = ExtendedNegotiation { sop_class: GET.into(), information: vec![1] };
        assert_eq!(agreement.answer.user.extended, [agreed]);
        assert_eq!(agreement.contexts[0].agreed, [1]);
        assert!(agreement.contexts[1].agreed.is_empty());
    }

    #[test]
    fn a_service_takes_no_deflated_or_big_endian_data_sets() {
        let agreement = getting(vec![proposed(1, GET, &[DEFLATED, "1.2.840.10008.1.2.2"])]);
        assert_eq!(agreement.answer.contexts[0].outcome, ContextOutcome::TransferSyntaxesNotSupported);
        assert!(agreement.contexts.is_empty());
    }

    #[test]
    fn the_window_is_what_both_can_bear() {
        assert_eq!(window((1, 1), 8), (1, 1));
        assert_eq!(window((0, 0), 8), (8, 8));
        assert_eq!(window((20, 3), 8), (8, 3));
    }
}
