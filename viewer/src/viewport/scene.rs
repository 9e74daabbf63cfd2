//! Everything one drawing needs, so that a painter keeps no state of the reader's.

use std::rc::Rc;
use std::sync::Arc;

use pixel::View;
use wire::ImageAttrs;

use super::geometry::{Affine, Canvas};
use super::pixels::Pixels;
use super::stacks::FrameKey;

pub struct Scene {
    pub key: FrameKey,
    pub pixels: Rc<Pixels>,
    pub attrs: Arc<ImageAttrs>,
    pub view: View,
    pub placement: Affine,
    pub canvas: Canvas,
}
