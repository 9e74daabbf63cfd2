//! Functional groups of enhanced multi-frame objects (PS3.3 C.7.6.16). Pure.
//!
//! An attribute of a macro stands in the frame's own group, in the group that all frames share, or, in objects that are not
//! enhanced, at the top level; the nearest counts.

use super::image::array;
use super::{Dataset, Tag, tags};

/// The groups of each frame, in the order of frames; empty in objects that have none.
pub fn frames(set: &Dataset) -> &[Dataset] {
    set.sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
}

/// Where the attributes of one frame may stand, nearest first.
pub struct Groups<'a> {
    own: Option<&'a Dataset>,
    shared: Option<&'a Dataset>,
    top: &'a Dataset,
}

impl<'a> Groups<'a> {
    pub fn new(set: &'a Dataset, own: Option<&'a Dataset>) -> Self {
        Self { own, shared: set.item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE), top: set }
    }

    /// The places of a macro's attributes.
    fn places(&self, group: Tag) -> impl Iterator<Item = &'a Dataset> {
        let within = [self.own, self.shared].into_iter().flatten().filter_map(move |set| set.item(group));
        within.chain([self.top])
    }

    pub fn floats(&self, group: Tag, tag: Tag) -> Vec<f64> {
        self.places(group).map(|set| set.floats(tag)).find(|values| !values.is_empty()).unwrap_or_default()
    }

    pub fn float(&self, group: Tag, tag: Tag) -> Option<f64> {
        self.floats(group, tag).first().copied()
    }

    pub fn array<const N: usize>(&self, group: Tag, tag: Tag) -> Option<[f64; N]> {
        array(&self.floats(group, tag))
    }

    pub fn texts(&self, group: Tag, tag: Tag) -> Vec<String> {
        self.places(group).map(|set| set.texts(tag)).find(|values| !values.is_empty()).unwrap_or_default()
    }

    pub fn text(&self, group: Tag, tag: Tag) -> String {
        self.texts(group, tag).into_iter().next().unwrap_or_default()
    }
}
