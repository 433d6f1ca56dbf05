//! Where everything stands in a picture, in pixels.

use crate::result::picture::Station;

/// A rectangle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Area {
    pub(super) fn centre(&self) -> [f64; 2] {
        [self.x + self.width / 2.0, self.y + self.height / 2.0]
    }

    /// Where the line from the centre towards `[x, y]` leaves the area.
    pub(super) fn edge(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [cx, cy] = self.centre();
        let (dx, dy) = (x - cx, y - cy);
        let along = |half: f64, d: f64| if d == 0.0 { f64::INFINITY } else { half / d.abs() };
        let share = along(self.width / 2.0, dx).min(along(self.height / 2.0, dy)).min(1.0);
        [cx + share * dx, cy + share * dy]
    }
}

/// An area behind stations, and what they have in common.
#[derive(Clone, Debug)]
pub(super) struct Band {
    pub(super) name: &'static str,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Which end of a label is where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Align {
    /// Its middle.
    #[default]
    Middle,
    /// Its left end.
    Start,
    /// Its right end.
    End,
}

/// How an arrow goes, and where its label is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Route {
    pub(super) from: [f64; 2],
    pub(super) to: [f64; 2],
    /// The base line of the label's first line.
    pub(super) label: [f64; 2],
    pub(super) align: Align,
    /// From the label's first line to its second.
    pub(super) gap: f64,
}

/// A whole picture.
#[derive(Debug, Default)]
pub(super) struct Layout<'a> {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) bands: Vec<Band>,
    pub(super) boxes: Vec<(&'a Station, Area)>,
    /// By arrow.
    pub(super) routes: Vec<Route>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_leaves_a_box_at_its_edge() {
        let area = Area { x: 0.0, y: 0.0, width: 20.0, height: 10.0 };
        assert_eq!(area.edge([110.0, 5.0]), [20.0, 5.0]);
        assert_eq!(area.edge([10.0, -95.0]), [10.0, 0.0]);
        assert_eq!(area.edge([20.0, 10.0]), [20.0, 10.0]);
        assert_eq!(area.edge([10.0, 5.0]), [10.0, 5.0]);
    }
}
