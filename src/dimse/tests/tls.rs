//! Associations over TLS: who gets one, who does not and is told why, and who must wait for nobody.

use std::net::IpAddr;

use super::certificates::{Authority, Papers};
use super::*;
use crate::dimse::Address;
use crate::dimse::scu::Called;
use crate::dimse::tls::{Acceptor, Connector, Identity, TlsFault, fingerprint_of};
use crate::domain::Fingerprint;

/// Knows CT1 by its certificate, CT2 by its title with one association at a time.
struct TwoDevices {
    ct1: Fingerprint,
}

impl Devices for TwoDevices {
    fn admit(&self, calling: &str, _called: &str, from: &Origin) -> Admission {
        assert_eq!(from.address, IpAddr::from([127, 0, 0, 1]));
        let known = |device, max_associations| {
            Admission::Admitted(Some(Registered { device: DeviceId(device), max_associations }))
        };
        match calling {
            "CT1" if from.certificate == Some(self.ct1) => known(1, None),
            "CT1" => Admission::OtherCertificate,
            "CT2" => known(2, Some(1)),
            _ => Admission::UnknownCalling,
        }
    }
}

/// A listener with both doors, and the authority that everybody trusts.
struct Secured {
    server: Running,
    tls: SocketAddr,
    authority: Authority,
    ct1: Papers,
}

impl Secured {
    async fn start(config: DimseConfig) -> Option<Self> {
        Self::start_as(config, Authority::issue_rsa).await
    }

    /// `None`: there is no `openssl` here, which was said.
    async fn start_as(config: DimseConfig, own: impl Fn(&Authority, &str) -> Papers) -> Option<Self> {
        let authority = authority("county")?;
        let (own, ct1) = (own(&authority, "center"), authority.issue("ct1"));
        let identity = Identity::read(&own.cert, &own.key).unwrap();
        let acceptor = Acceptor::new(&identity, Some(&authority.certificate())).unwrap();
        let (plain, secure) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let (address, tls) = (plain.local_addr().unwrap(), secure.local_addr().unwrap());
        let doors = Doors { plain: Some(plain), tls: Some((secure, acceptor)) };
        let dir = tempfile::tempdir().unwrap();
        let options = SpoolOptions { segment_size: 8 << 20, keep_free: 0, ..SpoolOptions::default() };
        let spool = Spool::open(&dir.path().join("spool"), options).unwrap();
        let devices = Arc::new(TwoDevices { ct1: fingerprint_of(&ct1.cert).unwrap() });
        let server = start_at((doors, address), spool, dir, config, devices, Services::default());
        Some(Self { server, tls, authority, ct1 })
    }

    /// Calls the door for TLS as a device would.
    async fn options(&self, calling: &str, papers: Option<&Papers>) -> ScuOptions {
        self.options_by(calling, papers, &self.authority, None).await
    }

    async fn options_by(
        &self,
        calling: &str,
        papers: Option<&Papers>,
        trusted: &Authority,
        certificate: Option<Fingerprint>,
    ) -> ScuOptions {
        let identity = papers.map(|papers| Identity::read(&papers.cert, &papers.key).unwrap());
        let connector = Connector::new(identity.as_ref(), &trusted.certificate()).unwrap();
        let address = Address::of(self.tls, true);
        let peer = Called { address: &address, connector: Some(&connector), certificate };
        let options = ScuOptions::to(&peer, "YUNYING", calling).await.unwrap();
        ScuOptions { patience: Duration::from_secs(10), ..options }
    }
}

fn authority(name: &str) -> Option<Authority> {
    let authority = Authority::new(name);
    if authority.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "there is no `openssl`");
        eprintln!("skipped: there is no `openssl`");
    }
    authority
}

async fn echo(options: &ScuOptions) -> Result<(), ScuError> {
    let kind = Kind { sop_class: VERIFICATION.into(), transfer_syntax: IMPLICIT.into() };
    let mut client = Client::connect(options, &[kind].into()).await?;
    assert_eq!(client.echo().await?, Status::SUCCESS);
    client.release().await
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_arrive_verbatim_over_tls() {
    let Some(secured) = Secured::start(DimseConfig::default()).await else { return };
    let sizes = [0, 1, 4_000, 65_536, 262_132, 1_100_000, 5_000_000];
    let sent: Vec<_> =
        (0..21).map(|n| part10(secured.server.dir.path(), n, EXPLICIT, sizes[n % sizes.len()])).collect();
    let paths: Vec<PathBuf> = sent.iter().map(|(path, _)| path.clone()).collect();
    let papers = secured.ct1.clone();
    for (associations, async_window) in [(1, 1), (1, 8), (4, 4)] {
        let before = secured.server.records().len();
        let options = secured.options("CT1", Some(&papers)).await;
        let outcomes = send(&ScuOptions { associations, async_window, ..options }, &paths).await;
        assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
        let stored = &secured.server.records()[before..];
        assert_eq!(stored.len(), sent.len());
        for record in stored {
            let number: usize = record.meta.sop_instance.rsplit('.').next().unwrap().parse().unwrap();
            assert!(secured.server.dataset(record) == sent[number].1, "object {number}");
            assert_eq!(record.meta.device, Some(DeviceId(1)));
        }
    }
}

#[tokio::test]
async fn without_its_certificate_a_device_is_turned_away_and_told_why() {
    let Some(secured) = Secured::start(DimseConfig::default()).await else { return };
    let Some(stranger) = authority("stranger") else { return };
    let ours_refused = |error: Result<(), ScuError>| match error {
        Err(ScuError::Tls(TlsFault::OurCertificate(why))) => why,
        other => panic!("{other:?}"),
    };
    let call = async |calling: &str, papers: Option<&Papers>| echo(&secured.options(calling, papers).await).await;
    call("CT1", Some(&secured.ct1)).await.unwrap();
    assert_eq!(ours_refused(call("CT1", None).await), "it wants one and we showed none");
    assert_eq!(ours_refused(call("CT1", Some(&stranger.issue("ct1"))).await), "it is by none of its authorities");
    let expired = secured.authority.issue_expired("expired");
    assert_eq!(ours_refused(call("CT1", Some(&expired)).await), "it has expired");

    let other = secured.authority.issue("other");
    let impostor = call("CT1", Some(&other)).await;
    assert!(matches!(impostor, Err(ScuError::Rejected(1, 1, 3))), "{impostor:?}");
    let without_tls = ScuOptions::new(secured.server.address, "YUNYING", "CT1");
    let without_tls = echo(&without_tls).await;
    assert!(matches!(without_tls, Err(ScuError::Rejected(1, 1, 3))), "{without_tls:?}");
    call("CT2", Some(&other)).await.unwrap();
    echo(&ScuOptions::new(secured.server.address, "YUNYING", "CT2")).await.unwrap();
}

#[tokio::test]
async fn whom_we_call_shows_a_certificate_for_its_host_or_the_one_that_is_registered() {
    let Some(stranger) = authority("stranger") else { return };
    let theirs_refused = |error: Result<(), ScuError>| match error {
        Err(ScuError::Tls(TlsFault::TheirCertificate(why))) => why,
        other => panic!("{other:?}"),
    };
    let Some(named) = Secured::start(DimseConfig::default()).await else { return };
    let papers = Some(&named.ct1);
    let trusting_others = named.options_by("CT1", papers, &stranger, None).await;
    assert_eq!(theirs_refused(echo(&trusting_others).await), "is by no authority that is trusted here");

    let Some(expired) = Secured::start_as(DimseConfig::default(), Authority::issue_expired).await else { return };
    assert_eq!(theirs_refused(echo(&expired.options("CT1", Some(&expired.ct1)).await).await), "has expired");

    let Some(nameless) = Secured::start_as(DimseConfig::default(), Authority::issue_nameless).await else { return };
    let (papers, authority) = (Some(&nameless.ct1), &nameless.authority);
    let why = theirs_refused(echo(&nameless.options("CT1", papers).await).await);
    assert!(why.starts_with("is for another host than the one that was called"), "{why}");
    let own = nameless.authority.certificate().with_file_name("center.pem");
    let registered = Some(fingerprint_of(&own).unwrap());
    echo(&nameless.options_by("CT1", papers, authority, registered).await).await.unwrap();
    let another = Some(fingerprint_of(&nameless.ct1.cert).unwrap());
    let why = theirs_refused(echo(&nameless.options_by("CT1", papers, authority, another).await).await);
    assert!(why.ends_with("not the one registered for the device"), "{why}");
}

#[tokio::test]
async fn each_door_tells_those_who_wanted_the_other() {
    let Some(secured) = Secured::start(DimseConfig::default()).await else { return };
    let plain_at_tls = echo(&ScuOptions::new(secured.tls, "YUNYING", "CT2")).await;
    assert!(matches!(plain_at_tls, Err(ScuError::Rejected(1, 2, 1))), "{plain_at_tls:?}");
    let options = secured.options("CT1", Some(&secured.ct1)).await;
    let tls_at_plain = echo(&ScuOptions { address: secured.server.address, ..options }).await;
    assert!(matches!(tls_at_plain, Err(ScuError::Tls(TlsFault::NotTls))), "{tls_at_plain:?}");
    // Peers that are no center: one that only speaks TLS, and one that hangs up.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let peers = async {
        let (mut alert, _) = listener.accept().await.unwrap();
        alert.write_all(&[0x15, 3, 3, 0, 2, 2, 10]).await.unwrap();
        let (hung_up, _) = listener.accept().await.unwrap();
        drop(hung_up);
        alert
    };
    let calls = async {
        let plain = echo(&ScuOptions::new(address, "YUNYING", "CT2")).await;
        assert!(matches!(plain, Err(ScuError::Protocol("it speaks TLS at this address"))), "{plain:?}");
        let options = secured.options("CT1", Some(&secured.ct1)).await;
        let hung_up = echo(&ScuOptions { address, ..options }).await;
        assert!(matches!(hung_up, Err(ScuError::Tls(TlsFault::Closed))), "{hung_up:?}");
    };
    tokio::join!(peers, calls);
}

#[tokio::test]
async fn slow_handshakes_take_nobodys_place() {
    let config = DimseConfig {
        max_associations: 2,
        max_tls_handshakes: 8,
        max_tls_handshakes_per_address: 4,
        tls_handshake: Duration::from_secs(4),
        ..hasty()
    };
    let Some(secured) = Secured::start(config).await else { return };
    let mut slow = Vec::new();
    for _ in 0..3 {
        slow.push(TcpStream::connect(secured.tls).await.unwrap());
    }
    slow[0].write_all(&[0x16, 3, 1, 0]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    // More of them than there may be associations, and yet there is one with TLS, and one without.
    let papers = secured.ct1.clone();
    echo(&secured.options("CT1", Some(&papers)).await).await.unwrap();
    echo(&ScuOptions::new(secured.server.address, "YUNYING", "CT2")).await.unwrap();

    slow.push(TcpStream::connect(secured.tls).await.unwrap());
    tokio::time::sleep(Duration::from_millis(100)).await;
    let too_many = echo(&secured.options("CT1", Some(&papers)).await).await;
    assert!(matches!(too_many, Err(ScuError::Tls(TlsFault::Closed))), "{too_many:?}");
    echo(&ScuOptions::new(secured.server.address, "YUNYING", "CT2")).await.unwrap();
    for mut stream in slow {
        let ended = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut [0; 16])).await;
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "the slow are let go: {ended:?}");
    }
    echo(&secured.options("CT1", Some(&papers)).await).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_ends_tls_badly_disturbs_nobody() {
    let Some(secured) = Secured::start(hasty()).await else { return };
    let papers = secured.ct1.clone();
    let kind = Kind { sop_class: VERIFICATION.into(), transfer_syntax: IMPLICIT.into() };
    for _ in 0..3 {
        // Neither release nor close_notify.
        drop(Client::connect(&secured.options("CT1", Some(&papers)).await, &[kind.clone()].into()).await.unwrap());
    }
    let mut rubbish = TcpStream::connect(secured.tls).await.unwrap();
    rubbish.write_all(&[0x16, 3, 1, 0x40, 0, 1, 2, 3]).await.unwrap();
    rubbish.write_all(&[0xff; 4000]).await.unwrap();
    echo(&secured.options("CT1", Some(&papers)).await).await.unwrap();
}

#[tokio::test]
async fn a_device_beyond_its_own_limit_is_told_so_and_others_go_on() {
    let Some(secured) = Secured::start(DimseConfig::default()).await else { return };
    let plain = ScuOptions::new(secured.server.address, "YUNYING", "CT2");
    let kind: std::collections::BTreeSet<_> =
        [Kind { sop_class: VERIFICATION.into(), transfer_syntax: IMPLICIT.into() }].into();
    let first = Client::connect(&plain, &kind).await.unwrap();
    let second = echo(&plain).await;
    assert!(matches!(second, Err(ScuError::Rejected(2, 3, 2))), "{second:?}");
    // Whichever way it comes.
    let over_tls = echo(&secured.options("CT2", Some(&secured.ct1)).await).await;
    assert!(matches!(over_tls, Err(ScuError::Rejected(2, 3, 2))), "{over_tls:?}");
    echo(&secured.options("CT1", Some(&secured.ct1)).await).await.unwrap();
    first.release().await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    echo(&plain).await.unwrap();
}
