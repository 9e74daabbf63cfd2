//! The registered devices as the listener asks for them: a copy in memory, kept fresh from the index.
//!
//! A device is an AE title plus the network its associations come from, or the certificate they show, or both.

use std::net::IpAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use crate::config::{Accept, Dimse};
use crate::dimse::{Admission, Devices, Origin, Registered};
use crate::domain::Fingerprint;
use crate::index::community::Device;
use crate::index::{self, Db, community};

/// `yunying device add` on a running center takes effect this soon.
const REFRESH: Duration = Duration::from_secs(1);

pub struct KnownDevices {
    ae_titles: Vec<String>,
    accept: Accept,
    known: RwLock<Vec<Known>>,
}

struct Known {
    registered: Registered,
    ae_title: String,
    network: Option<IpNet>,
    certificate: Option<Fingerprint>,
}

impl Known {
    fn may_come_from(&self, origin: &Origin) -> bool {
        self.network.is_none_or(|network| network.contains(&origin.address.to_canonical()))
    }

    fn has_shown(&self, origin: &Origin) -> bool {
        self.certificate.is_none() || self.certificate == origin.certificate
    }
}

impl KnownDevices {
    pub async fn load(db: &Db, config: &Dimse) -> index::Result<Arc<Self>> {
        let known = RwLock::new(read(db).await?);
        Ok(Arc::new(Self { ae_titles: config.ae_titles.clone(), accept: config.accept, known }))
    }

    /// Follows the index until stopped. While it cannot be read, the last known devices stand.
    pub async fn follow(self: Arc<Self>, db: Db, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(REFRESH)).await.is_some() {
            match read(&db).await {
                Ok(fresh) => *self.known.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = fresh,
                Err(error) => tracing::warn!(%error, "devices not read"),
            }
        }
    }
}

impl Devices for KnownDevices {
    fn admit(&self, calling: &str, called: &str, from: &Origin) -> Admission {
        if !self.ae_titles.iter().any(|title| title == called) && self.accept == Accept::Known {
            return Admission::UnknownCalled;
        }
        let known = self.known.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let of_title: Vec<&Known> =
            known.iter().filter(|device| device.ae_title == calling && device.may_come_from(from)).collect();
        // The same title may be known by a certificate, from one network and from anywhere: the narrowest entry is meant.
        let matching = of_title.iter().filter(|device| device.has_shown(from));
        let narrowest = matching
            .max_by_key(|device| (device.certificate.is_some(), device.network.map(|network| network.prefix_len())));
        match (narrowest, self.accept) {
            (Some(device), _) => Admission::Admitted(Some(device.registered)),
            (None, Accept::Any) => Admission::Admitted(None),
            (None, Accept::Known) if of_title.is_empty() => Admission::UnknownCalling,
            (None, Accept::Known) => Admission::OtherCertificate,
        }
    }
}

async fn read(db: &Db) -> index::Result<Vec<Known>> {
    let devices = community::devices(&mut db.read().await?).await?;
    // What a token stores by HTTP has a device too, which nobody may call himself here.
    let devices = devices.into_iter().filter(|device| !device.ae_title.starts_with(community::STOW_TITLE));
    Ok(devices.filter_map(known).collect())
}

/// What cannot be read is not admitted: narrower than meant is safer than wider.
fn known(device: Device) -> Option<Known> {
    let network = device.network.as_deref().map(parse_network).transpose();
    let certificate = device.certificate.as_deref().map(str::parse).transpose();
    let (Ok(network), Ok(certificate)) = (network, certificate) else {
        tracing::error!(device = device.id.0, "unreadable network or certificate: the device is not admitted");
        return None;
    };
    let max_associations = device.max_associations.and_then(|most| usize::try_from(most).ok());
    let registered = Registered { device: device.id, max_associations };
    Some(Known { registered, ae_title: device.ae_title, network, certificate })
}

/// A CIDR network, or one address.
fn parse_network(text: &str) -> Result<IpNet, ipnet::AddrParseError> {
    text.parse::<IpNet>().or_else(|error| text.parse::<IpAddr>().map(IpNet::from).map_err(|_| error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DeviceId, SiteId};

    fn device(id: i64, ae_title: &str, network: Option<&str>, certificate: Option<&str>) -> Known {
        let device = Device {
            id: DeviceId(id),
            ae_title: ae_title.into(),
            site_id: SiteId(1),
            modality: String::new(),
            network: network.map(Into::into),
            address: None,
            charset: None,
            certificate: certificate.map(|of| Fingerprint::of(of.as_bytes()).to_string()),
            max_associations: (id == 3).then_some(2),
        };
        known(device).unwrap()
    }

    fn devices(accept: Accept) -> KnownDevices {
        let known = vec![
            device(1, "US1", None, None),
            device(2, "US1", Some("10.3.0.0/16"), None),
            device(3, "CT1", Some("10.4.0.9"), None),
            device(4, "CT2", Some("fd00::/8"), None),
            device(5, "DR1", None, Some("DR1")),
            device(6, "DR2", Some("10.5.0.0/16"), Some("DR2")),
            device(7, "MR1", Some("10.6.0.0/16"), None),
            device(8, "MR1", None, Some("MR1")),
        ];
        KnownDevices { ae_titles: vec!["YUNYING".into(), "XYPACS".into()], accept, known: RwLock::new(known) }
    }

    fn admit(
        accept: Accept,
        calling: &str,
        called: &str,
        peer: &str,
        certificate: Option<&str>,
    ) -> Result<i64, Admission> {
        let certificate = certificate.map(|of| Fingerprint::of(of.as_bytes()));
        match devices(accept).admit(calling, called, &Origin { address: peer.parse().unwrap(), certificate }) {
            Admission::Admitted(Some(known)) => Ok(known.device.0),
            other => Err(other),
        }
    }

    #[test]
    fn a_device_is_a_title_from_its_network() {
        let known = |calling, peer| admit(Accept::Known, calling, "YUNYING", peer, None);
        assert_eq!(known("US1", "10.3.1.1"), Ok(2));
        assert_eq!(known("US1", "10.9.1.1"), Ok(1));
        assert_eq!(known("CT1", "10.4.0.9"), Ok(3));
        assert_eq!(known("CT1", "::ffff:10.4.0.9"), Ok(3));
        assert_eq!(known("CT1", "10.4.0.8"), Err(Admission::UnknownCalling));
        assert_eq!(known("CT2", "fd00::7"), Ok(4));
        assert_eq!(known("us1", "10.3.1.1"), Err(Admission::UnknownCalling));
    }

    #[test]
    fn a_device_with_a_certificate_shows_it_and_one_with_a_network_too_comes_from_there() {
        let known = |calling, peer, shown| admit(Accept::Known, calling, "YUNYING", peer, shown);
        assert_eq!(known("DR1", "10.9.1.1", Some("DR1")), Ok(5));
        assert_eq!(known("DR1", "10.9.1.1", Some("DR2")), Err(Admission::OtherCertificate));
        assert_eq!(known("DR1", "10.9.1.1", None), Err(Admission::OtherCertificate));
        assert_eq!(known("DR2", "10.5.1.1", Some("DR2")), Ok(6));
        assert_eq!(known("DR2", "10.9.1.1", Some("DR2")), Err(Admission::UnknownCalling));
        assert_eq!(known("DR2", "10.5.1.1", None), Err(Admission::OtherCertificate));
        assert_eq!(known("US1", "10.3.1.1", Some("anything")), Ok(2), "one that is known without may use TLS, too");
    }

    #[test]
    fn a_title_known_by_a_certificate_and_by_a_network_is_the_former_where_it_is_shown() {
        let known = |peer, shown| admit(Accept::Known, "MR1", "YUNYING", peer, shown);
        assert_eq!(known("10.6.1.1", Some("MR1")), Ok(8));
        assert_eq!(known("10.6.1.1", None), Ok(7));
        assert_eq!(known("10.9.1.1", Some("MR1")), Ok(8));
        assert_eq!(known("10.9.1.1", None), Err(Admission::OtherCertificate));
    }

    #[test]
    fn the_called_title_must_be_one_of_ours_unless_any_is_taken() {
        let us1 = |accept, called| admit(accept, "US1", called, "10.3.1.1", None);
        assert_eq!(us1(Accept::Known, "XYPACS"), Ok(2));
        assert_eq!(us1(Accept::Known, "PACS"), Err(Admission::UnknownCalled));
        assert_eq!(us1(Accept::Any, "PACS"), Ok(2));
        assert_eq!(admit(Accept::Any, "NEW", "PACS", "10.3.1.1", None), Err(Admission::Admitted(None)));
    }
}
