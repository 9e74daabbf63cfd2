//! What one scrolls through: a study's frames in stacks.
//!
//! Slices of a volume make one stack; every clip, radiograph or still is a stack of its own, as a thumbnail shows it.

use std::collections::HashSet;

use wire::{Delivery, ImageAttrs, InstanceImage, SeriesImages, StudyImages};

/// One frame: what is fetched, cached and drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameKey {
    pub instance: i64,
    /// From 1.
    pub frame: u32,
}

/// A frame and where its instance stands in the study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub series: usize,
    pub instance: usize,
    pub key: FrameKey,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    pub series: usize,
    pub slots: Vec<Slot>,
    /// Milliseconds of each frame, where the frames are a clip.
    pub times: Option<Vec<f64>>,
}

/// Frames of one instance are listed up to here; longer recordings end visibly there.
const MOST_FRAMES: u32 = 20_000;

/// Stacks in the order of series and instances. Instances without pixels are left out.
pub fn stacks(study: &StudyImages) -> Vec<Stack> {
    let mut all = Vec::new();
    for (s, series) in study.series.iter().enumerate() {
        let images = || series.instances.iter().enumerate().filter(|(_, i)| i.delivery != Delivery::NoImage);
        if is_volume(series) {
            let slots = images().map(|(n, i)| Slot {
                series: s,
                instance: n,
                key: FrameKey { instance: i.instance, frame: 1 },
            });
            all.push(Stack { series: s, slots: slots.collect(), times: None });
            continue;
        }
        for (n, image) in images() {
            let frames = frames_of(image);
            let slots = (1..=frames).map(|frame| Slot {
                series: s,
                instance: n,
                key: FrameKey { instance: image.instance, frame },
            });
            let times = image.attrs.as_ref().and_then(|a| clip_times(a, frames));
            all.push(Stack { series: s, slots: slots.collect(), times });
        }
    }
    all
}

/// The stack a study opens with: the largest volume (localizers are short), else the first clip, else the first.
pub fn opening(stacks: &[Stack]) -> usize {
    let volume = |s: &Stack| s.times.is_none() && s.slots.len() > 3;
    let largest =
        (0..stacks.len()).filter(|&i| volume(&stacks[i])).max_by_key(|&i| (stacks[i].slots.len(), usize::MAX - i));
    largest.or_else(|| stacks.iter().position(|s| s.times.is_some())).unwrap_or(0)
}

/// Where in its stack a study opens, and what a thumbnail shows: the middle of a volume, the first frame of a clip.
pub fn opening_slot(stack: &Stack) -> usize {
    if stack.times.is_some() { 0 } else { stack.slots.len() / 2 }
}

/// The first place, in the order of stacks, that shows one of `instances`.
pub fn first_of(stacks: &[Stack], instances: &HashSet<i64>) -> Option<(usize, usize)> {
    let in_stack = |stack: &Stack| stack.slots.iter().position(|slot| instances.contains(&slot.key.instance));
    stacks.iter().enumerate().find_map(|(n, stack)| Some((n, in_stack(stack)?)))
}

/// How many places of a stack show one of them.
pub fn count_of(stack: &Stack, instances: &HashSet<i64>) -> usize {
    stack.slots.iter().filter(|slot| instances.contains(&slot.key.instance)).count()
}

/// Single-frame images, nearly all with a place in the patient.
fn is_volume(series: &SeriesImages) -> bool {
    let images = series.instances.iter().filter(|i| i.delivery != Delivery::NoImage);
    let (mut count, mut placed) = (0, 0);
    for image in images {
        if frames_of(image) > 1 {
            return false;
        }
        count += 1;
        placed += usize::from(image.attrs.as_ref().is_some_and(|a| a.position.is_some()));
    }
    count > 1 && placed * 2 > count
}

fn frames_of(image: &InstanceImage) -> u32 {
    image.attrs.as_ref().map_or(1, |a| a.frames.clamp(1, MOST_FRAMES))
}

/// One time a frame; `None` where the frames are no clip. A frame without a sane time takes 1/25 s.
fn clip_times(attrs: &ImageAttrs, frames: u32) -> Option<Vec<f64>> {
    let said = &attrs.frame_times_ms;
    if frames < 2 || said.is_empty() {
        return None;
    }
    let sane = |t: f64| if t.is_finite() && (1.0..=10_000.0).contains(&t) { t } else { 40.0 };
    let one = sane(said[0]);
    Some(
        (0..frames as usize)
            .map(|i| if said.len() == 1 { one } else { said.get(i).map_or(one, |&t| sane(t)) })
            .collect(),
    )
}

/// The order in which frames are wanted when `at` of stack `current` is on screen: it, then its neighbours outward with those
/// ahead first, then what the other stacks open with.
pub fn wanted(stacks: &[Stack], current: usize, at: usize, forward: bool) -> Vec<FrameKey> {
    let Some(stack) = stacks.get(current) else { return Vec::new() };
    let count = stack.slots.len();
    let mut keys = Vec::with_capacity(count + stacks.len());
    let around = |step: usize, ahead: bool| if ahead == forward { at.checked_add(step) } else { at.checked_sub(step) };
    let looping = stack.times.is_some();
    let pick = |i: Option<usize>| match i {
        Some(i) if i < count => Some(stack.slots[i].key),
        Some(i) if looping => Some(stack.slots[i % count].key),
        _ => None,
    };
    keys.extend(pick(Some(at)));
    // A few neighbours first, then what the rail shows, then the rest of the stack.
    const NEAR: usize = 4;
    for step in 1..=NEAR.min(count) {
        keys.extend(pick(around(step, true)));
        if !looping {
            keys.extend(pick(around(step, false)));
        }
    }
    keys.extend(stacks.iter().filter_map(|s| s.slots.get(opening_slot(s)).map(|slot| slot.key)));
    for step in NEAR + 1..count.max(NEAR + 1) {
        keys.extend(pick(around(step, true)));
        if !looping {
            keys.extend(pick(around(step, false)));
        }
    }
    keys
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn attrs(frames: u32, times: &[f64], placed: bool) -> ImageAttrs {
        let text = r#"{"rows":4,"columns":4,"frames":1,"samples_per_pixel":1,"photometric":"MONOCHROME2","bits_allocated":8,
            "bits_stored":8,"high_bit":7,"signed":false,"rescale_slope":1.0,"rescale_intercept":0.0,"rescale_type":"",
            "windows":[],"voi_function":"LINEAR","voi_luts":[],"inverse":false,"patient_orientation":"","laterality":"",
            "view":"","frame_times_ms":[],"regions":[],"lossy_at_source":false}"#;
        let mut a: ImageAttrs = serde_json::from_str(text).unwrap();
        (a.frames, a.frame_times_ms) = (frames, times.to_vec());
        a.position = placed.then_some([0.0, 0.0, 1.0]);
        a
    }

    pub fn study(series: Vec<Vec<ImageAttrs>>) -> StudyImages {
        let mut next = 0;
        let series = series.into_iter().enumerate().map(|(s, images)| SeriesImages {
            series: s as i64,
            uid: format!("1.{s}"),
            number: s as i32,
            modality: "CT".into(),
            description: String::new(),
            body_part: String::new(),
            instances: images
                .into_iter()
                .map(|a| {
                    next += 1;
                    InstanceImage {
                        instance: next,
                        uid: format!("1.2.{next}"),
                        number: next as i32,
                        delivery: Delivery::Htj2k,
                        reason: String::new(),
                        attrs: Some(a),
                    }
                })
                .collect(),
        });
        StudyImages { study: 1, study_uid: "1".into(), late: Vec::new(), series: series.collect() }
    }

    #[test]
    fn slices_make_one_stack_and_clips_one_each() {
        let slices = (0..20).map(|_| attrs(1, &[], true)).collect();
        let clips = vec![attrs(30, &[40.0], false), attrs(1, &[], false)];
        let localizer = vec![attrs(1, &[], true), attrs(1, &[], true)];
        let all = stacks(&study(vec![localizer, slices, clips]));
        assert_eq!(all.iter().map(|s| s.slots.len()).collect::<Vec<_>>(), [2, 20, 30, 1]);
        assert_eq!(all[2].times.as_ref().unwrap().len(), 30);
        assert_eq!((opening(&all), opening_slot(&all[1]), opening_slot(&all[2])), (1, 10, 0));
        let stills_and_clip = vec![attrs(1, &[], false), attrs(30, &[40.0], false)];
        assert_eq!(opening(&stacks(&study(vec![stills_and_clip]))), 1);
    }

    #[test]
    fn late_images_are_found_where_they_stand() {
        let slices = || (0..5).map(|_| attrs(1, &[], true)).collect::<Vec<_>>();
        let all = stacks(&study(vec![slices(), slices()]));
        let late = [all[1].slots[3].key.instance, all[1].slots[4].key.instance].into();
        assert_eq!(first_of(&all, &late), Some((1, 3)));
        assert_eq!((count_of(&all[0], &late), count_of(&all[1], &late)), (0, 2));
        assert_eq!(first_of(&all, &HashSet::new()), None);
    }

    #[test]
    fn frames_without_a_sane_time_take_a_twenty_fifth_of_a_second() {
        let all = stacks(&study(vec![vec![attrs(3, &[0.0, f64::NAN, 33.3], false)]]));
        assert_eq!(all[0].times, Some(vec![40.0, 40.0, 33.3]));
    }

    #[test]
    fn the_slice_on_screen_is_wanted_first_then_its_neighbours_then_everything_once() {
        let all = stacks(&study(vec![(0..20).map(|_| attrs(1, &[], true)).collect()]));
        let order: Vec<i64> = wanted(&all, 0, 5, true).iter().map(|k| k.instance - 1).collect();
        assert_eq!(order[..5], [5, 6, 4, 7, 3]);
        let mut seen = order.clone();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 20);
    }

    #[test]
    fn a_clip_is_wanted_ahead_and_round_again() {
        let all = stacks(&study(vec![vec![attrs(6, &[40.0], false)]]));
        let order: Vec<u32> = wanted(&all, 0, 4, true).iter().map(|k| k.frame).collect();
        assert_eq!(order[..5], [5, 6, 1, 2, 3]);
    }
}
