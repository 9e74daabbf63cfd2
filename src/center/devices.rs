//! The registered devices as the listener asks for them: a copy in memory, kept fresh from the index.
//!
//! A device is an AE title plus the network its associations come from.

use std::net::IpAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use crate::config::{Accept, Dimse};
use crate::dimse::{Admission, Devices};
use crate::domain::DeviceId;
use crate::index::{self, Db, community};

/// `yunying device add` on a running center takes effect this soon.
const REFRESH: Duration = Duration::from_secs(1);

pub struct KnownDevices {
    ae_titles: Vec<String>,
    accept: Accept,
    known: RwLock<Vec<Known>>,
}

struct Known {
    id: DeviceId,
    ae_title: String,
    network: Option<IpNet>,
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
    fn admit(&self, calling: &str, called: &str, peer: IpAddr) -> Admission {
        if !self.ae_titles.iter().any(|title| title == called) && self.accept == Accept::Known {
            return Admission::UnknownCalled;
        }
        let known = self.known.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let matching = known.iter().filter(|device| {
            device.ae_title == calling && device.network.is_none_or(|network| network.contains(&peer.to_canonical()))
        });
        // The same title may be known from anywhere and from one network: the narrower entry is meant.
        let narrowest = matching.max_by_key(|device| device.network.map(|network| network.prefix_len()));
        match (narrowest, self.accept) {
            (Some(device), _) => Admission::Admitted(Some(device.id)),
            (None, Accept::Any) => Admission::Admitted(None),
            (None, Accept::Known) => Admission::UnknownCalling,
        }
    }
}

async fn read(db: &Db) -> index::Result<Vec<Known>> {
    let devices = community::devices(&mut db.read().await?).await?;
    // What a token stores by HTTP has a device too, which nobody may call himself here.
    let devices = devices.into_iter().filter(|device| !device.ae_title.starts_with(community::STOW_TITLE));
    let known = devices.filter_map(|device| {
        let network = device.network.as_deref().map(parse_network);
        if let Some(Err(_)) = network {
            // Narrower than meant is safer than wider.
            tracing::error!(device = device.id.0, "unreadable network: the device is not admitted");
            return None;
        }
        Some(Known { id: device.id, ae_title: device.ae_title, network: network.and_then(Result::ok) })
    });
    Ok(known.collect())
}

/// A CIDR network, or one address.
fn parse_network(text: &str) -> Result<IpNet, ipnet::AddrParseError> {
    text.parse::<IpNet>().or_else(|error| text.parse::<IpAddr>().map(IpNet::from).map_err(|_| error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(accept: Accept) -> KnownDevices {
        let known = |id, ae_title: &str, network: Option<&str>| Known {
            id: DeviceId(id),
            ae_title: ae_title.into(),
            network: network.map(|text| parse_network(text).unwrap()),
        };
        let known = vec![
            known(1, "US1", None),
            known(2, "US1", Some("10.3.0.0/16")),
            known(3, "CT1", Some("10.4.0.9")),
            known(4, "CT2", Some("fd00::/8")),
        ];
        KnownDevices { ae_titles: vec!["YUNYING".into()], accept, known: RwLock::new(known) }
    }

    fn admit(accept: Accept, calling: &str, called: &str, peer: &str) -> Admission {
        devices(accept).admit(calling, called, peer.parse().unwrap())
    }

    #[test]
    fn a_device_is_a_title_from_its_network() {
        let known = |calling, peer| admit(Accept::Known, calling, "YUNYING", peer);
        assert_eq!(known("US1", "10.3.1.1"), Admission::Admitted(Some(DeviceId(2))));
        assert_eq!(known("US1", "10.9.1.1"), Admission::Admitted(Some(DeviceId(1))));
        assert_eq!(known("CT1", "10.4.0.9"), Admission::Admitted(Some(DeviceId(3))));
        assert_eq!(known("CT1", "::ffff:10.4.0.9"), Admission::Admitted(Some(DeviceId(3))));
        assert_eq!(known("CT1", "10.4.0.8"), Admission::UnknownCalling);
        assert_eq!(known("CT2", "fd00::7"), Admission::Admitted(Some(DeviceId(4))));
        assert_eq!(known("us1", "10.3.1.1"), Admission::UnknownCalling);
    }

    #[test]
    fn the_called_title_must_be_ours_unless_any_is_taken() {
        assert_eq!(admit(Accept::Known, "US1", "PACS", "10.3.1.1"), Admission::UnknownCalled);
        assert_eq!(admit(Accept::Any, "US1", "PACS", "10.3.1.1"), Admission::Admitted(Some(DeviceId(2))));
        assert_eq!(admit(Accept::Any, "NEW", "PACS", "10.3.1.1"), Admission::Admitted(None));
    }
}
