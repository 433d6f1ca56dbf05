//! One way from station to station: devices below, the kernel above them, user memory on top.

use super::{
    super::Words,
    layout::{Align, Area, Band, Layout, Route},
};
use crate::result::picture::{Arrow, Picture, Station, Zone};

const WIDTH: f64 = 146.0;
const HEIGHT: f64 = 42.0;
const MARGIN: f64 = 21.0;
/// Of a band, and what is between two.
const BAND: f64 = 102.0;
const BETWEEN: f64 = 86.0;
/// From column to column: wider where an arrow goes straight there, and its label with it.
const NEAR: f64 = 172.0;
const FAR: f64 = 256.0;
/// From line to line of a label.
const STEP: f64 = 14.0;
/// What a label takes beside its arrow, at most.
const LABEL: f64 = 116.0;

pub(super) fn layout<'a>(picture: &'a Picture, words: &Words) -> Layout<'a> {
    let zones = [Zone::User, Zone::Kernel, Zone::Device];
    let zones = zones.into_iter().filter(|zone| picture.stations.iter().any(|s| s.zone == *zone));
    let zones: Vec<_> = zones.collect();
    let columns = columns(picture);
    let width = columns.last().copied().unwrap_or(0.0) + WIDTH + 2.0 * MARGIN;
    let mut bands = Vec::new();
    let mut y = 4.0;
    for zone in &zones {
        let name = (words.band)(*zone);
        bands.push(Band { name, x: 4.0, y, width: width - 8.0, height: BAND });
        y += BAND + BETWEEN;
    }
    let boxes: Vec<_> = picture
        .stations
        .iter()
        .map(|station| {
            let band = zones.iter().position(|zone| *zone == station.zone);
            let top = band.and_then(|at| bands.get(at)).map_or(0.0, |band| band.y);
            let x = columns.get(station.column).copied().unwrap_or(0.0) + MARGIN;
            let area = Area { x, y: top + BAND - HEIGHT - 12.0, width: WIDTH, height: HEIGHT };
            (station, area)
        })
        .collect();
    let routes = (0..picture.arrows.len()).map(|at| route(picture, at, &boxes, width)).collect();
    Layout { width, height: y - BETWEEN + 4.0, bands, boxes, routes }
}

/// Where each column begins.
fn columns(picture: &Picture) -> Vec<f64> {
    let last = picture.stations.iter().map(|station| station.column).max().unwrap_or(0);
    let straight = |column: usize| {
        picture.arrows.iter().any(|arrow| {
            let ends = [arrow.from, arrow.to].map(|at| picture.stations.get(at));
            let [Some(from), Some(to)] = ends else { return false };
            let columns = [from.column.min(to.column), from.column.max(to.column)];
            from.zone == to.zone && columns == [column, column + 1]
        })
    };
    let mut x = 0.0;
    let mut columns = vec![x];
    for column in 0..last {
        x += if straight(column) { FAR } else { NEAR };
        columns.push(x);
    }
    columns
}

fn route(picture: &Picture, at: usize, boxes: &[(&Station, Area)], width: f64) -> Route {
    let Some(arrow) = picture.arrows.get(at) else { return Route::default() };
    let area = |station: usize| boxes.get(station).map_or(Area::default(), |(_, area)| *area);
    let (near, far) = (area(arrow.from), area(arrow.to));
    let (start, end) = (near.edge(far.centre()), far.edge(near.centre()));
    let ([x1, y1], [x2, y2]) = (start, end);
    // Arrows between the same stations stand side by side.
    let same = |other: &&Arrow| {
        [other.from, other.to] == [arrow.from, arrow.to]
            || [other.to, other.from] == [arrow.from, arrow.to]
    };
    let before = picture.arrows.iter().take(at).filter(same).count();
    let all = picture.arrows.iter().filter(same).count();
    let aside = 44.0 * (offset(before) - offset(all - 1) / 2.0);
    let (ox, oy) = if (y2 - y1).abs() < 1.0 { (0.0, aside) } else { (aside, 0.0) };
    let (from, to) = ([x1 + ox, y1 + oy], [x2 + ox, y2 + oy]);
    let (mut label, align) = label(picture, arrow, [from, to], width);
    // Their labels stand below each other.
    label[1] += 2.2 * STEP * (offset(before) - offset(all - 1) / 2.0);
    Route { from, to, label, align, gap: STEP }
}

/// Where the label of an arrow is, in a picture of some width.
fn label(
    picture: &Picture,
    arrow: &Arrow,
    [[x1, y1], [x2, y2]]: [[f64; 2]; 2],
    width: f64,
) -> ([f64; 2], Align) {
    let [x, y] = [f64::midpoint(x1, x2), f64::midpoint(y1, y2)];
    if (y2 - y1).abs() < 1.0 {
        // Above a level arrow.
        return ([x, y - 14.0 - 2.0 * STEP], Align::Middle);
    }
    if (x2 - x1).abs() < 1.0 {
        let y = y - STEP + 4.0;
        let fits = x + LABEL < width;
        return if fits { ([x + 14.0, y], Align::Start) } else { ([x - 14.0, y], Align::End) };
    }
    // Beside a slanted one, above it; below it where the next one rises from its end, whose label is
    // there.
    let upper = y - 2.0 * STEP + 2.0;
    let rises = (x2 - x1) * (y2 - y1) < 0.0;
    match (rises, followed(picture, arrow)) {
        (true, _) => ([x - 20.0, upper], Align::End),
        (false, false) => ([x + 20.0, upper], Align::Start),
        (false, true) => ([x - 32.0, y - 8.0], Align::End),
    }
}

/// Whether another arrow goes up to the right from the lower end of this one.
fn followed(picture: &Picture, arrow: &Arrow) -> bool {
    let station = |at: usize| picture.stations.get(at);
    let (Some(from), Some(to)) = (station(arrow.from), station(arrow.to)) else { return false };
    let low = if from.zone > to.zone { arrow.from } else { arrow.to };
    picture.arrows.iter().any(|next| {
        let (Some(from), Some(to)) = (station(next.from), station(next.to)) else { return false };
        next.from == low && to.zone < from.zone && to.column > from.column
    })
}

fn offset(number: usize) -> f64 {
    f64::from(u8::try_from(number).unwrap_or(u8::MAX))
}
