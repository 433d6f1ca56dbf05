//! A row for each flow: what goes through a process's memory, what goes past it, what devices moved.

use super::{
    super::Words,
    layout::{Align, Area, Band, Layout, Route},
};
use crate::result::picture::{Picture, Station, Zone};

const WIDTH: f64 = 132.0;
const ROW: f64 = 60.0;
const HEAD: f64 = 26.0;
/// Where the three columns begin.
const COLUMNS: [f64; 3] = [18.0, 384.0, 750.0];
const ALL: f64 = COLUMNS[2] + WIDTH + 18.0;

pub(super) fn layout<'a>(picture: &'a Picture, words: &Words) -> Layout<'a> {
    let mut layout = Layout {
        width: ALL,
        routes: vec![Route::default(); picture.arrows.len()],
        ..Layout::default()
    };
    let mut y = 4.0;
    for zone in [Zone::User, Zone::Kernel, Zone::Device] {
        let station = |at: usize| picture.stations.get(at);
        let arrows: Vec<_> = picture
            .arrows
            .iter()
            .enumerate()
            .filter_map(|(at, arrow)| {
                let ends = [station(arrow.from)?, station(arrow.to)?];
                (ends[0].zone == zone).then_some((at, arrow, ends))
            })
            .collect();
        if arrows.is_empty() {
            continue;
        }
        let top = y + HEAD;
        // A row for each arrow that begins on the left, and for each that ends on the right.
        let mut rows = [0_u8; 2];
        let mut runs = [Vec::new(), Vec::new()];
        for (at, _, ends) in &arrows {
            let (left, right) = (ends[0].column == 0, ends[1].column == 2);
            let row = if left { rows[0] } else { rows[1] };
            let middle = top + ROW * (f64::from(row) + 0.5);
            layout.routes[*at] = route(middle, ends.map(|end| end.column));
            if left {
                runs[0].push((ends[0], row));
                rows[0] += 1;
            }
            if right {
                runs[1].push((ends[1], row));
                rows[1] = row + 1;
            }
        }
        let height = ROW * f64::from(rows[0].max(rows[1]));
        for run in runs {
            layout.boxes.extend(boxes(&run, top));
        }
        let ends = arrows.iter().flat_map(|(_, _, ends)| ends);
        if let Some(middle) = ends.copied().find(|station| station.column == 1) {
            let area = Area { x: COLUMNS[1], y: top + 5.0, width: WIDTH, height: height - 10.0 };
            layout.boxes.push((middle, area));
        }
        let name = (words.zone)(zone);
        layout.bands.push(Band { name, x: 4.0, y, width: ALL - 8.0, height: height + HEAD + 6.0 });
        y = top + height + 18.0;
    }
    layout.height = y;
    layout
}

fn route(y: f64, [from, to]: [usize; 2]) -> Route {
    let x = |column: usize| COLUMNS.get(column).copied().unwrap_or(0.0);
    let (from, to) = (x(from) + WIDTH, x(to));
    Route {
        from: [from, y],
        to: [to, y],
        label: [f64::midpoint(from, to), y - 12.0],
        align: Align::Middle,
        gap: 33.0,
    }
}

/// A box for rows of the same station that follow each other.
fn boxes<'a>(rows: &[(&'a Station, u8)], top: f64) -> Vec<(&'a Station, Area)> {
    let runs = rows.chunk_by(|(one, at), (next, after)| one == next && after.abs_diff(*at) == 1);
    runs.filter_map(|run| {
        let ((station, first), (_, last)) = (run.first()?, run.last()?);
        let count = f64::from(last - first + 1);
        let x = COLUMNS.get(station.column).copied()?;
        let y = top + ROW * f64::from(*first) + 5.0;
        Some((*station, Area { x, y, width: WIDTH, height: ROW * count - 10.0 }))
    })
    .collect()
}
