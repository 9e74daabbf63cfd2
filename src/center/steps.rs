//! Performed procedure steps as the center keeps them: rows of the site whose device tells of them.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::clock;
use crate::dimse::services::Peer;
use crate::dimse::services::mpps::{StepError, Steps};
use crate::dimse::services::retrieve::LibraryError;
use crate::domain::{DeviceId, NewStep, SiteId, StepChange};
use crate::index::steps as rows;
use crate::index::{Db, Error, Result, Tx, intake};

type Told = std::result::Result<(), StepError>;

pub struct CenterSteps {
    pub db: Db,
}

impl Steps for CenterSteps {
    fn begin<'a>(&'a self, peer: &'a Peer, step: NewStep) -> BoxFuture<'a, Told> {
        async move {
            let mut tx = self.db.write().await.map_err(failed)?;
            let (device, site) = teller(&mut tx, peer).await.map_err(failed)?;
            rows::begin(&mut tx, device, site, &step, clock::now()).await.map_err(failed)?;
            tx.commit().await.map_err(failed)
        }
        .boxed()
    }

    fn change<'a>(&'a self, peer: &'a Peer, uid: &'a str, change: StepChange) -> BoxFuture<'a, Told> {
        async move {
            let mut tx = self.db.write().await.map_err(failed)?;
            let (_, site) = teller(&mut tx, peer).await.map_err(failed)?;
            rows::change(&mut tx, site, uid, &change, clock::now()).await.map_err(failed)?;
            tx.commit().await.map_err(failed)
        }
        .boxed()
    }
}

async fn teller(tx: &mut Tx, peer: &Peer) -> Result<(DeviceId, SiteId)> {
    match peer.device {
        Some(device) => {
            let site = intake::site_of_device(tx, device, &peer.calling).await?;
            Ok((device, site.ok_or(Error::Stale("the device was removed"))?))
        }
        None => intake::unregistered_device(tx, &peer.calling, clock::now()).await,
    }
}

fn failed(error: Error) -> StepError {
    match error {
        Error::Exists(_) => StepError::Duplicate,
        Error::NotFound => StepError::NoSuchStep,
        Error::Refused(_) => StepError::Over,
        error => StepError::Unavailable(LibraryError(error.to_string())),
    }
}
