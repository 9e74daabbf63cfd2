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

/// What is wrong with the lungs, apart from a nodule.
#[derive(Debug, Clone, Copy)]
pub enum Disease {
    /// Consolidation and ground glass in part of a lobe; the bronchi in it stay open.
    Pneumonia(Ellipsoid),
    /// Fluid in the pleural space of one side, as much as a level this high tells (millimetres).
    Effusion { side: f32, level: f32 },
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
    pub disease: Option<Disease>,
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
            heart: if shape.below(5) == 0 { shape.range(1.14, 1.24) } else { shape.range(0.94, 1.06) },
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
            disease: thorax::disease(erect, nodule_mm.is_some(), &mut rng.fork("disease")),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::geometry::v;

    /// Mean Hounsfield units of a cube of about 7 mm around a place.
    fn mean_around(body: &Body, at: Vec3) -> f32 {
        let grid = Grid::new(at.x - 3.5, at.y - 3.5, 1.0, 1.0, 8, 8);
        let mut painter = Painter::new(body, &grid, Detail::Full);
        let mut sum = 0.0;
        for dz in [-3.0, -1.0, 1.0, 3.0] {
            painter.paint(at.z + dz);
            sum += painter.hu.iter().sum::<f32>() / painter.hu.len() as f32;
        }
        sum / 4.0
    }

    #[test]
    fn organs_have_the_hounsfield_units_of_their_tissue() {
        for seed in [1, 2, 7, 40] {
            let body = Body::new(seed, seed % 2 == 0, Arms::Raised, false, None);
            let between = |at: Vec3, low: f32, high: f32| {
                let mean = mean_around(&body, at);
                assert!((low..=high).contains(&mean), "seed {seed}: {mean} at {at:?}, expected {low} to {high}");
            };
            // Off the vessels the lung is near -850; a few of them may pass.
            between(v(-100.0, -10.0, 30.0), -880.0, -700.0);
            between(v(0.0, -220.0, 30.0), -1001.0, -999.0);
            between(v(-80.0, 0.0, -105.0), 48.0, 64.0);
            between(v(30.0, -28.0, -45.0), 38.0, 46.0);
            between(v(-10.0, -27.0, 35.0), 38.0, 44.0);
            between(skeleton::vertebra(6), 150.0, 260.0);
            between(v(0.0, 8.0, 110.0), -1000.0, -900.0);
        }
    }

    #[test]
    fn fat_lies_under_the_skin_and_muscle_under_the_fat() {
        let body = Body::new(3, false, Arms::Raised, false, None);
        let layers = outline::Layers::at(&body.build, -20.0);
        let (skin, muscle) = (layers.skin[0], layers.muscle[0]);
        let probe = |x: f32| {
            let grid = Grid::new(x, 0.0, 1.0, 1.0, 1, 1);
            let mut painter = Painter::new(&body, &grid, Detail::Full);
            painter.paint(-20.0);
            painter.hu[0]
        };
        assert!((-125.0..-80.0).contains(&probe((skin + muscle) / 2.0)));
        assert!((-10.0..30.0).contains(&probe(skin - 1.0)));
        assert_eq!(probe(skin + 5.0), -1000.0);
    }

    #[test]
    fn some_bodies_are_ill_and_none_where_the_nodule_is() {
        let ill = |nodule| (1..40).filter_map(move |seed| Body::new(seed, false, Arms::Raised, false, nodule).disease);
        let side = |disease: Disease| match disease {
            Disease::Pneumonia(shape) => shape.center.x.signum(),
            Disease::Effusion { side, .. } => side,
        };
        assert!((4..30).contains(&ill(None).count()));
        assert!(ill(None).any(|d| side(d) < 0.0));
        assert!(ill(Some((9.0, 7.0))).all(|d| side(d) > 0.0));
    }

    #[test]
    fn the_nodule_has_the_size_it_was_asked_for() {
        for seed in [5, 6, 7] {
            let body = Body::new(seed, seed % 2 == 0, Arms::Raised, false, Some((9.2, 7.4)));
            let size = body.build.size;
            let center = body.nodule_center().unwrap();
            let step = 0.25 / size;
            let grid = Grid::new(center.x - 60.0 * step, center.y - 60.0 * step, step, step, 121, 121);
            let mut painter = Painter::new(&body, &grid, Detail::Full);
            painter.paint(center.z);
            // Area of what stands out of the lung and hangs together with the centre.
            let mut solid: Vec<bool> = painter.hu.iter().map(|&hu| hu > -415.0).collect();
            let mut open = vec![60 * 121 + 60];
            let mut area = 0.0;
            while let Some(at) = open.pop() {
                if std::mem::take(&mut solid[at]) {
                    area += 0.25 * 0.25;
                    open.extend([at - 1, at + 1, at - 121, at + 121].into_iter().filter(|&n| n < solid.len()));
                }
            }
            let expected = std::f32::consts::FRAC_PI_4 * 9.2 * 7.4;
            assert!((area / expected - 1.0).abs() < 0.25, "seed {seed}: {area} mm2 for {expected}");
        }
    }

    #[test]
    fn the_heart_lies_to_the_left_and_the_liver_to_the_right() {
        let body = Body::new(11, true, Arms::Raised, false, None);
        assert!(mean_around(&body, v(60.0, -40.0, -50.0)) > 0.0);
        assert!(mean_around(&body, v(-90.0, -40.0, -10.0)) < -600.0);
        assert!(mean_around(&body, v(-90.0, 10.0, -100.0)) > 40.0);
    }
}
