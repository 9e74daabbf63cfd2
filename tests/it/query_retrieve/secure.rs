//! Associations over TLS (PS3.15 B.9) as other people's programs make them: dcmtk's clients and its receiver, pynetdicom.

use std::path::Path;
use std::process::{Command, Output};

use super::dcmtk::{assert_verbatim, keys, study_of};
use super::{County, Receiver, STUDIES, run, samples};
use crate::center::YUNYING;
use crate::certificates::{Authority, Papers};
use crate::intake::wait;
use crate::need;

/// A county whose center listens with TLS, too, and knows the workstation and the CT by their certificates.
struct Secured {
    county: County,
    tls: std::net::SocketAddr,
    authority: Authority,
    center: Papers,
    workstation: Papers,
}

impl Secured {
    fn new() -> Option<Self> {
        let authority = need::authority("county")?;
        let (center, workstation) = (authority.issue("center"), authority.issue_rsa("workstation"));
        let tls = crate::center::free_port();
        let [cert, key, ca] =
            [&center.cert, &center.key, &authority.certificate()].map(|path| path.display().to_string());
        let county = County::started_with(&[
            "--dimse-tls",
            &tls.to_string(),
            "--dimse-tls-cert",
            &cert,
            "--dimse-tls-key",
            &key,
            "--dimse-tls-client-ca",
            &ca,
        ]);
        let address = format!("tls://localhost:{}", county.port);
        county.center.command(&["device", "address", "--ae", "WS_COUNTY", "--address", &address], "");
        county.center.command(
            &["device", "certificate", "--ae", "WS_COUNTY", "--cert", &workstation.cert.display().to_string()],
            "",
        );
        let secured = Self { county, tls, authority, center, workstation };
        // The listener learns of it within a second or so.
        wait("the certificate to be asked for", || {
            let plain = Command::new("echoscu").args(secured.county.call("WS_COUNTY")).output().expect("echoscu runs");
            (!plain.status.success()).then_some(())
        });
        Some(secured)
    }

    /// dcmtk's options for a call as `ae` over TLS, with what it has to show.
    fn call(&self, ae: &str, papers: Option<&Papers>) -> Vec<String> {
        self.call_at(self.tls, ae, papers)
    }

    /// dcmtk's receiver at the workstation's address, over TLS, showing these.
    fn receiver(&self, papers: &Papers) -> Receiver {
        let mut options = tls_options(&self.authority, Some(papers));
        options.extend(["+xa", "+B"].map(str::to_owned));
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        Receiver::start(self.county.port, &options).expect("storescp, which stands beside movescu, and a C compiler")
    }

    /// What movescu said, which knows no TLS itself: a township's workstation has its CT sent to the county's.
    fn move_to_the_workstation(&self) -> String {
        let ct = format!("StudyInstanceUID={}", study_of("QH_CT01"));
        let mut movescu = Command::new("movescu");
        movescu.args(["-S", "-v", "-aem", "WS_COUNTY"]).args(keys(&["QueryRetrieveLevel=STUDY", &ct]));
        said(&movescu.args(self.county.call("WS_QH")).output().expect("movescu runs"))
    }

    fn call_at(&self, to: std::net::SocketAddr, ae: &str, papers: Option<&Papers>) -> Vec<String> {
        let mut words = tls_options(&self.authority, papers);
        words.extend(["-aet", ae, "-aec", "YUNYING", &to.ip().to_string(), &to.port().to_string()].map(str::to_owned));
        words
    }
}

fn tls_options(authority: &Authority, papers: Option<&Papers>) -> Vec<String> {
    let text = |path: &Path| path.display().to_string();
    let mut words = match papers {
        Some(papers) => vec!["+tls".into(), text(&papers.key), text(&papers.cert)],
        None => vec!["+tla".into()],
    };
    words.extend(["+cf".into(), text(&authority.certificate())]);
    words
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

#[test]
fn dcmtk_echoes_finds_and_stores_over_tls_and_takes_what_is_moved() {
    let (Some(_), Some(_)) = (need::program("echoscu"), need::program("movescu")) else { return };
    let Some(secured) = Secured::new() else { return };
    let call = secured.call("WS_COUNTY", Some(&secured.workstation));
    run(Command::new("echoscu").args(&call));

    let found = secured.county.center.scratch().join("found");
    std::fs::create_dir(&found).expect("a new folder");
    let asked = keys(&["QueryRetrieveLevel=STUDY", "StudyInstanceUID"]);
    run(Command::new("findscu").args(["-S", "-X", "-od"]).arg(&found).args(&asked).args(&call));
    assert_eq!(std::fs::read_dir(&found).expect("a folder").count(), STUDIES);

    // By a device that is known without a certificate, and shows one that its authority signed.
    let storescu = secured.call("NP_DR01", Some(&secured.center));
    let image = samples().into_iter().find(|file| file.to_string_lossy().contains("NP_DR01")).expect("a sample");
    let stored = run(Command::new("storescu").args(["-v", "-xt"]).args(&storescu).arg(&image));
    assert!(stored.contains("Received Store Response (Success)"), "{stored}");

    let receiver = secured.receiver(&secured.workstation);
    let moved = secured.move_to_the_workstation();
    assert!(moved.contains("Received Final Move Response (Success)"), "{moved}");
    assert_verbatim("QH_CT01", &receiver.files());
}

#[test]
fn dcmtk_without_the_right_certificate_is_refused_and_the_log_says_why() {
    let (Some(_), Some(stranger)) = (need::program("echoscu"), need::authority("stranger")) else { return };
    let Some(secured) = Secured::new() else { return };
    let expired = secured.authority.issue_expired("expired");
    let other = secured.authority.issue("other");
    let unknown = stranger.issue("workstation");
    let refused = |call: Vec<String>| {
        let output = Command::new("echoscu").args(call).output().expect("echoscu runs");
        assert!(!output.status.success(), "{}", said(&output));
        said(&output)
    };
    refused(secured.call("WS_COUNTY", None));
    refused(secured.call("WS_COUNTY", Some(&unknown)));
    refused(secured.call("WS_COUNTY", Some(&expired)));
    let answer = refused(secured.call("WS_COUNTY", Some(&other)));
    assert!(answer.contains("Calling AE Title Not Recognized"), "{answer}");
    refused(secured.call_at(secured.county.center.dimse, "WS_COUNTY", Some(&secured.workstation)));
    let mut plain = secured.county.call("WS_COUNTY");
    plain.pop();
    plain.push(secured.tls.port().to_string());
    let answer = refused(plain);
    assert!(answer.contains("Rejected Permanent"), "{answer}");
    run(Command::new("echoscu").args(secured.call("WS_COUNTY", Some(&secured.workstation))));

    for why in [
        "the peer showed no certificate",
        "the peer's certificate is by no authority that is trusted here",
        "the peer's certificate has expired",
        "\"WS_COUNTY\" showed another certificate than the one registered: SHA-256",
        "TLS came to the address without TLS",
        "a DICOM association without TLS came to the address for TLS",
    ] {
        wait(why, || secured.county.center.said().contains(why).then_some(()));
    }
}

#[test]
fn a_move_to_somebody_elses_certificate_is_refused() {
    let (Some(_), Some(stranger)) = (need::program("movescu"), need::authority("stranger")) else { return };
    let Some(secured) = Secured::new() else { return };
    let receiver = secured.receiver(&stranger.issue("workstation"));
    let answer = secured.move_to_the_workstation();
    assert!(answer.contains("Received Final Move Response"), "{answer}");
    assert!(!answer.contains("Received Final Move Response (Success)"), "{answer}");
    assert_eq!(receiver.files().len(), 0);
    let why = "the peer's certificate is by no authority that is trusted here";
    wait(why, || secured.county.center.said().contains(why).then_some(()));
}

#[test]
fn the_sender_calls_receivers_over_tls_and_says_what_is_wrong() {
    let (Some(_), Some(stranger)) = (need::program("storescp"), need::authority("stranger")) else { return };
    let Some(secured) = Secured::new() else { return };
    let send = |to: &str, flags: &[&str]| {
        let mut send = Command::new(YUNYING);
        send.args(["send", "--from", "WS_COUNTY", "--to", to]).args(flags);
        send.arg(samples().first().expect("a sample")).output().expect("yunying send runs")
    };
    let text = |path: &Path| path.display().to_string();
    let (ca, own) = (text(&secured.authority.certificate()), &secured.workstation);
    let shown = ["--tls-ca", &ca, "--tls-cert", &text(&own.cert), "--tls-key", &text(&own.key)];
    let to_center = format!("YUNYING@tls://{}", secured.tls);
    let sent = send(&to_center, &shown);
    assert!(sent.status.success(), "{}", said(&sent));
    for (to, flags, why) in [
        (&to_center, &[][..], "--tls-ca says by which authority"),
        (&to_center, &["--tls-ca", &ca][..], "the peer refuses our certificate: it wants one and we showed none"),
        (&to_center, &["--tls-ca", &text(&stranger.certificate())][..], "is by no authority that is trusted here"),
        (&format!("YUNYING@tls://{}", secured.county.center.dimse), &shown[..], "what the peer says is not TLS"),
        (&format!("YUNYING@{}", secured.tls), &[][..], "rejected"),
        (&to_center, &["--tls-ca", "/nowhere/ca.pem"][..], "/nowhere/ca.pem"),
    ] {
        let refused = send(to, flags);
        assert!(!refused.status.success() && said(&refused).contains(why), "{why}: {}", said(&refused));
    }

    let receiver = secured.receiver(&secured.center);
    let sent = send(&format!("ANY@tls://localhost:{}", secured.county.port), &shown);
    assert!(sent.status.success(), "{}", said(&sent));
    assert_eq!(receiver.files().len(), 1);
}

#[test]
fn pynetdicom_stores_gets_and_is_called_back_over_tls() {
    let Some(python) = need::python() else { return };
    let Some(secured) = Secured::new() else { return };
    let said = run(need::script(&python, "query_retrieve/secure.py")
        .args([secured.tls.port(), secured.county.port].map(|port| port.to_string()))
        .args([&secured.authority.certificate(), &secured.workstation.cert, &secured.workstation.key])
        .arg(samples().first().expect("a sample"))
        .args(["WS_COUNTY", &study_of("QH_CT01")]));
    assert!(said.contains("TLSv1.2: stored, got 19") && said.contains("TLSv1.3: stored, got 19"), "{said}");
    assert!(said.contains("commitment reported"), "{said}");
}
