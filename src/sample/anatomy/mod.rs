//! A body, made from a seed: the one model that the CT samples and the radiograph integrates.
//!
//! It owns shapes and tissue, in millimetres (DICOM LPS) and Hounsfield units, and knows nothing of scanners, pixels or
//! DICOM. Soft shapes are given by depth below their surface, so that a painter can blend edges over a pixel.

mod abdomen;
mod outline;
mod skeleton;
mod thorax;
mod tissue;
mod tree;

pub use tissue::{Detail, Grid, Painter};

use super::geometry::{Bar, Ellipsoid, Vec3};
use super::noise::Field;
use super::rng::Rng;

/// Where the arms are: above the head in a CT and a lateral radiograph, beside the trunk in a frontal one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arms {
    Raised,
    Hanging,
}

/// What one body differs in from the next.
#[derive(Debug, Clone)]
pub struct Build {
    /// Millimetres of this patient for one of the model.
    pub size: f32,
    pub female: bool,
    pub arms: Arms,
    /// Standing: fluid settles towards the feet, not towards the back.
    pub erect: bool,
    /// Factors on the width and the front-to-back depth of the cavity.
    pub breadth: f32,
    pub depth: f32,
    pub fatness: f32,
    /// Thickness of the breasts, millimetres.
    pub breast: f32,
    /// Height of the diaphragm above its usual place.
    pub dome: f32,
    /// Factor on the heart's size.
    pub heart: f32,
}

/// A lung nodule: an ellipsoid with its longest axis in the axial plane.
#[derive(Debug, Clone)]
pub struct Nodule {
    pub shape: Ellipsoid,
    pub spicules: Vec<Bar>,
    pub hu: f32,
}

impl Nodule {
    /// Longest and perpendicular diameter in the axial plane through its centre, in the model's millimetres.
    pub fn diameters(&self) -> (f32, f32) {
        (self.shape.half.x * 2.0, self.shape.half.y * 2.0)
    }
}

/// A bone piece with the Hounsfield units of its shell and inside.
#[derive(Debug, Clone, Copy)]
pub struct Bone {
    pub bar: Bar,
    pub cortex: f32,
    pub core: f32,
    /// A rounded end of its own rather than a piece of a longer bone.
    pub ball: bool,
}

/// An organ painted as one soft shape.
#[derive(Debug, Clone, Copy)]
pub struct Organ {
    pub shape: Ellipsoid,
    pub hu: f32,
}

#[derive(Debug, Clone)]
pub struct Body {
    pub build: Build,
    pub nodule: Option<Nodule>,
    pub(super) bones: Vec<Bone>,
    /// Vessels within the lungs and the mediastinum.
    pub(super) vessels: Vec<Bar>,
    /// Air-filled tubes with the thickness of their wall.
    pub(super) airways: Vec<(Bar, f32)>,
    /// Vessels inside the liver, darker than it without contrast medium.
    liver_vessels: Vec<Bar>,
    nodes: Vec<Organ>,
    chambers: Vec<Ellipsoid>,
    organs: abdomen::Organs,
    texture: Field,
    back: f32,
}

impl Body {
    pub fn new(seed: u64, female: bool, arms: Arms, erect: bool, nodule_mm: Option<(f32, f32)>) -> Self {
        let rng = Rng::new(seed);
        let mut shape = rng.fork("build");
        let tall = if female { 0.93 } else { 1.0 };
        let build = Build {
            size: tall * shape.range(0.96, 1.04),
            female,
            arms,
            erect,
            breadth: shape.range(0.95, 1.03),
            depth: shape.range(0.94, 1.06),
            fatness: shape.range(0.75, 1.35),
            breast: shape.range(22.0, 34.0),
            // Radiographs are taken in deep inspiration.
            dome: shape.range(-8.0, 8.0) - if erect { 20.0 } else { 0.0 },
            heart: shape.range(0.94, 1.08),
        };
        let chambers = thorax::chambers(&build);
        let mut vessels = thorax::great_vessels();
        let mut airways = thorax::central_airways();
        tree::grow_lungs(&build, &chambers, &mut rng.fork("lungs"), &mut vessels, &mut airways);
        let organs = abdomen::Organs::new(&build, &mut rng.fork("abdomen"));
        let liver_vessels = tree::grow_liver(&build, &organs, &mut rng.fork("liver"));
        let back = outline::Layers::at(&build, 0.0)
            .skin
            .iter()
            .skip(outline::ANGLES / 4 - 60)
            .take(120)
            .fold(0.0, |a: f32, &b| a.max(b));
        Self {
            back,
            nodule: nodule_mm
                .map(|(long, short)| thorax::nodule((long / build.size, short / build.size), &mut rng.fork("nodule"))),
            bones: skeleton::bones(&build),
            nodes: thorax::lymph_nodes(&mut rng.fork("nodes")),
            texture: Field::new(&mut rng.fork("texture")),
            build,
            vessels,
            airways,
            liver_vessels,
            chambers,
            organs,
        }
    }

    /// How far behind the axis the back lies.
    pub fn back(&self) -> f32 {
        self.back
    }

    /// The point the nodule is centred on, for those who want a slice through it.
    pub fn nodule_center(&self) -> Option<Vec3> {
        self.nodule.as_ref().map(|n| n.shape.center)
    }
}
