//! As what the text of each sender's files is read, where a person has said so against what they declare.

use std::collections::HashMap;

use crate::dicom::Writing;
use crate::domain::DeviceId;
use crate::index::{Result, Tx, device_text};

/// A copy of what was said, for a batch of objects.
#[derive(Debug, Default)]
pub struct Writings {
    /// By device and the title it calls itself: a spool can be older than the index that numbers devices.
    of_device: HashMap<(DeviceId, String), Writing>,
    /// Of senders that were not registered when they sent.
    of_title: HashMap<String, Writing>,
}

impl Writings {
    pub async fn read(tx: &mut Tx) -> Result<Self> {
        let mut writings = Self::default();
        for said in device_text::files_charsets(tx).await? {
            let Some(writing) = Writing::from_word(&said.charset) else { continue };
            if said.removed_us.is_none() {
                writings.of_title.entry(said.ae_title.clone()).or_insert(writing);
            }
            writings.of_device.insert((said.device, said.ae_title), writing);
        }
        Ok(writings)
    }

    /// None: as its files declare, or as they turn out.
    pub fn of(&self, device: Option<DeviceId>, calling_ae: &str) -> Option<Writing> {
        match device {
            Some(device) => self.of_device.get(&(device, calling_ae.to_owned())).copied(),
            None => self.of_title.get(calling_ae).copied(),
        }
    }
}
