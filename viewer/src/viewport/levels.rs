//! Width and level of a window moved by hand: by the pointer as it is dragged, by the keyboard in steps. Pure.

use pixel::Voi;
use wire::VoiFunction;

/// Center, width and function.
type Window = (f64, f64, VoiFunction);

/// A step of the keyboard, as a share of the width.
const STEP: f64 = 0.1;

/// The window changed by so much.
pub fn moved((center, width, function): Window, wider: f64, higher: f64) -> Voi {
    let (center, width) = (center + higher, (width + wider).max(1.0));
    // Figures people say, unless the window is too narrow for them.
    let said = |v: f64| if width >= 20.0 { v.round() } else { v };
    Voi::Window { center: said(center), width: said(width), function }
}

/// One step of the keyboard: `wider` and `brighter` are −1, 0 or 1.
pub fn stepped(window: Window, wider: f64, brighter: f64) -> Voi {
    let step = window.1.max(1.0) * STEP;
    // A lower center is a brighter image.
    moved(window, wider * step, -brighter * step / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINEAR: VoiFunction = VoiFunction::Linear;

    fn window(center: f64, width: f64) -> Voi {
        Voi::Window { center, width, function: LINEAR }
    }

    #[test]
    fn a_step_is_a_tenth_of_the_width_and_half_of_that_for_the_level() {
        assert_eq!(stepped((40.0, 400.0, LINEAR), 1.0, 0.0), window(40.0, 440.0));
        assert_eq!(stepped((40.0, 400.0, LINEAR), 0.0, 1.0), window(20.0, 400.0), "brighter is a lower center");
        assert_eq!(stepped((40.0, 400.0, LINEAR), -1.0, -1.0), window(60.0, 360.0));
    }

    #[test]
    fn a_narrow_window_goes_on_in_fractions_and_never_closes() {
        assert_eq!(stepped((0.5, 10.0, LINEAR), 0.0, -1.0), window(1.0, 10.0));
        assert_eq!(stepped((0.5, 1.0, LINEAR), -1.0, 0.0), window(0.5, 1.0));
        assert_eq!(moved((0.0, 50.0, LINEAR), -900.0, 0.0), window(0.0, 1.0));
    }
}
