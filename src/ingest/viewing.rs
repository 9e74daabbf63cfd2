//! What a viewer asks for: a study's images in viewing order, and single frames in their delivery form.

use std::cmp::Ordering;
use std::time::Duration;

use bytes::Bytes;
use wire::{ImageAttrs, InstanceImage, SeriesImages, StudyImages};

use super::bytes::InstanceBytes;
use super::transcoder::Requests;
use crate::archive::{Archive, ArchiveError, Location};
use crate::domain::{Delivery, InstanceId, StudyId};
use crate::index::delivery::{self, FramePlace, ImageRow};
use crate::index::{Db, Error as IndexError, Scope};
use crate::pixels::Decoder;

/// How long a request may wait for a form that is being made; then the viewer asks again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no frame to be had.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Being made; ask again.
    #[error("the image is being prepared")]
    Preparing,
    /// Stored, but never shown; a stable word says why.
    #[error("{0}")]
    Unavailable(String),
    #[error("there is no frame {0}")]
    NoSuchFrame(u32),
}

/// One frame as it travels.
#[derive(Debug, Clone)]
pub struct DeliveredFrame {
    pub form: Delivery,
    pub bytes: Bytes,
    /// How many of the bytes give each lower resolution, the smallest first.
    pub resolutions: Vec<u64>,
}

/// Serves viewers. Cheap to clone.
#[derive(Clone)]
pub struct Viewing {
    pub db: Db,
    pub archive: Archive,
    /// The stored files.
    pub bytes: InstanceBytes,
    pub requests: Requests,
    /// For what must be decoded while a client waits; apart from the transcoders', which may be busy for long.
    pub decoder: Decoder,
}

impl Viewing {
    /// A study's series and images in viewing order; what is not prepared yet moves to the front of the queue.
    pub async fn images_of_study(&self, scope: Scope, study: StudyId) -> Result<StudyImages, ViewError> {
        let mut tx = self.db.read().await?;
        let (uid, rows) = delivery::images_of_study(&mut tx, scope, study).await?;
        drop(tx);
        let images = study_images(study, uid, rows)?;
        let pending = |series: &SeriesImages| series.instances.iter().any(|i| i.delivery == Delivery::Pending);
        if images.series.iter().any(pending) {
            self.requests.study(study).await?;
        }
        Ok(images)
    }

    /// Frame `number`, from 1, of an instance; waits a little for one that is being prepared.
    pub async fn frame(&self, scope: Scope, instance: InstanceId, number: u32) -> Result<DeliveredFrame, ViewError> {
        let mut tx = self.db.read().await?;
        let (mut form, mut reason, mut object) = delivery::of_instance(&mut tx, scope, instance).await?;
        drop(tx);
        if form == Delivery::Pending {
            if !self.requests.wait(instance, PATIENCE).await? {
                return Err(ViewError::Preparing);
            }
            let mut tx = self.db.read().await?;
            (form, reason, object) = delivery::of_instance(&mut tx, scope, instance).await?;
        }
        let Some(object) = object else {
            let why = if reason.is_empty() { "no_pixels".to_owned() } else { reason };
            return Err(ViewError::Unavailable(why));
        };
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let place = index.and_then(|index| object.frames.get(index)).ok_or(ViewError::NoSuchFrame(number))?;
        let FramePlace(offset, length, resolutions) = place.clone();
        if length == 0 {
            return Err(ViewError::Unavailable(reason));
        }
        let whole = Location { key: object.key, offset: 0, length: object.bytes };
        let bytes = self.archive.read_bytes(&whole, offset..offset.saturating_add(length)).await?;
        Ok(DeliveredFrame { form, bytes, resolutions })
    }
}

fn study_images(study: StudyId, study_uid: String, rows: Vec<ImageRow>) -> Result<StudyImages, IndexError> {
    let mut series: Vec<SeriesImages> = Vec::new();
    for row in rows {
        let delivery = row.delivery()?;
        let attrs = row.attrs.as_deref().map(serde_json::from_str::<ImageAttrs>).transpose();
        let image = InstanceImage {
            instance: row.id.0,
            uid: row.sop_uid,
            number: number(row.number),
            delivery,
            reason: row.delivery_reason,
            attrs: attrs.map_err(|error| IndexError::Corrupt(error.to_string()))?,
        };
        match series.last_mut().filter(|last| last.series == row.series_id.0) {
            Some(last) => last.instances.push(image),
            None => series.push(SeriesImages {
                series: row.series_id.0,
                uid: row.series_uid,
                number: number(row.series_number),
                modality: row.modality,
                description: row.description,
                body_part: row.body_part,
                instances: vec![image],
            }),
        }
    }
    for one in &mut series {
        sort_for_viewing(&mut one.instances);
    }
    Ok(StudyImages { study: study.0, study_uid, late: Vec::new(), series })
}

fn number(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}

/// By position along the stack's normal where all images lie in parallel planes at different places, else by number.
fn sort_for_viewing(instances: &mut [InstanceImage]) {
    let along = stack_positions(instances);
    match along {
        None => instances.sort_by_key(|image| (image.number, image.instance)),
        Some(along) => {
            let mut order: Vec<(f64, InstanceImage)> = along.into_iter().zip(instances.iter().cloned()).collect();
            order.sort_by(|(a, x), (b, y)| {
                a.partial_cmp(b)
                    .unwrap_or(Ordering::Equal)
                    .then(x.number.cmp(&y.number))
                    .then(x.instance.cmp(&y.instance))
            });
            for (place, (_, image)) in instances.iter_mut().zip(order) {
                *place = image;
            }
        }
    }
}

/// Millimetres along the common normal, falling with the head-to-feet order radiologists page in; none: no stack.
fn stack_positions(instances: &[InstanceImage]) -> Option<Vec<f64>> {
    let attrs = |image: &InstanceImage| image.attrs.as_ref().and_then(|attrs| attrs.position.zip(attrs.orientation));
    let (_, first) = instances.first().and_then(attrs)?;
    let normal = normal(&first);
    let mut along = Vec::with_capacity(instances.len());
    for image in instances {
        let (position, orientation) = attrs(image)?;
        if first.iter().zip(orientation).any(|(a, b)| (a - b).abs() > 1e-3) {
            return None;
        }
        along.push(-(position[0] * normal[0] + position[1] * normal[1] + position[2] * normal[2]));
    }
    let spread = along.iter().any(|at| (at - along[0]).abs() > 1e-3);
    spread.then_some(along)
}

fn normal(orientation: &[f64; 6]) -> [f64; 3] {
    let [a, b, c, d, e, f] = *orientation;
    [b * f - c * e, c * d - a * f, a * e - b * d]
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXIAL: [f64; 6] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];

    fn row(number: i64, position: Option<(f64, [f64; 6])>) -> ImageRow {
        let attrs = position.map(|(z, orientation)| {
            let attrs = serde_json::json!({
                "rows": 2, "columns": 2, "frames": 1, "samples_per_pixel": 1, "photometric": "MONOCHROME2",
                "bits_allocated": 16, "bits_stored": 12, "high_bit": 11, "signed": false, "rescale_slope": 1.0,
                "rescale_intercept": 0.0, "rescale_type": "HU", "modality_lut": null, "windows": [],
                "voi_function": "LINEAR", "voi_luts": [], "palette": null, "padding": null, "inverse": false,
                "pixel_spacing": null, "imager_spacing": null, "aspect": null, "position": [5.0, 6.0, z],
                "orientation": orientation, "slice_thickness": null, "slice_location": null, "kvp": null, "mas": null,
                "patient_orientation": "", "laterality": "", "view": "", "frame_times_ms": [], "regions": [],
                "lossy_at_source": false, "lossy_ratio": null, "burned_in": null
            });
            attrs.to_string()
        });
        ImageRow {
            id: InstanceId(number),
            sop_uid: format!("1.2.{number}"),
            number,
            delivery: "pending".into(),
            delivery_reason: String::new(),
            attrs,
            series_id: crate::domain::SeriesId(1),
            series_uid: "1.2".into(),
            series_number: 1,
            modality: "CT".into(),
            description: String::new(),
            body_part: String::new(),
        }
    }

    fn order(rows: Vec<ImageRow>) -> Vec<i32> {
        let images = study_images(StudyId(1), "1".into(), rows).unwrap();
        images.series[0].instances.iter().map(|image| image.number).collect()
    }

    #[test]
    fn a_stack_is_paged_from_head_to_feet_whatever_its_numbers_say() {
        let rows = [(1, -30.0), (2, 10.0), (3, -10.0)];
        assert_eq!(order(rows.map(|(n, z)| row(n, Some((z, AXIAL)))).into()), [2, 3, 1]);
    }

    #[test]
    fn images_that_are_no_stack_come_by_number() {
        let tilted = [1.0, 0.0, 0.0, 0.0, 0.0, -1.0];
        let rows = vec![row(3, Some((1.0, AXIAL))), row(1, Some((9.0, AXIAL))), row(2, Some((5.0, tilted)))];
        assert_eq!(order(rows), [1, 2, 3]);
        assert_eq!(order(vec![row(2, Some((4.0, AXIAL))), row(1, Some((4.0, AXIAL)))]), [1, 2], "one place, two times");
        assert_eq!(order(vec![row(2, None), row(1, None)]), [1, 2]);
    }
}
