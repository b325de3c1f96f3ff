//! Lays builds out on a grid: a column (or several lanes) per builder, a row per moment at which
//! something began or ended, the newest at the top.

use std::collections::BTreeSet;

use crate::model::Timestamp;

/// A build as the grid sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Which column.
    pub builder: usize,
    pub from: Timestamp,
    /// Now, for a running build.
    pub to: Timestamp,
}

/// A cell that begins in a row; rows that it covers have none in its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Index of the build; `None` is idle time.
    pub build: Option<usize>,
    /// Rows it covers, at least one.
    pub rows: usize,
}

/// The grid.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// The moment at the upper edge of each row, newest first.
    pub moments: Vec<Timestamp>,
    /// Lanes per column, at least one.
    pub lanes: Vec<usize>,
    /// Cells beginning in each row, from left to right.
    pub rows: Vec<Vec<Cell>>,
}

/// Lays `spans` out in `columns` columns.
pub fn grid(columns: usize, spans: &[Span]) -> Grid {
    // A build shorter than a second still needs a row.
    let spans: Vec<Span> =
        spans.iter().map(|span| Span { from: span.from.min(span.to - 1), ..*span }).collect();
    let edges: BTreeSet<Timestamp> = spans.iter().flat_map(|span| [span.from, span.to]).collect();
    let edges: Vec<Timestamp> = edges.into_iter().rev().collect();
    let row_of = |moment: Timestamp| edges.partition_point(|edge| *edge > moment);
    let height = edges.len().saturating_sub(1);
    let mut lanes: Vec<Vec<Vec<(usize, usize, usize)>>> = vec![vec![Vec::new()]; columns];
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|index| (std::cmp::Reverse(spans[*index].to), *index));
    for index in order {
        let span = spans[index];
        let Some(column) = lanes.get_mut(span.builder) else { continue };
        let (top, bottom) = (row_of(span.to), row_of(span.from));
        let free = |lane: &Vec<(usize, usize, usize)>| lane.last().is_none_or(|last| last.1 <= top);
        let lane = match column.iter().position(free) {
            Some(lane) => lane,
            None => {
                column.push(Vec::new());
                column.len() - 1
            }
        };
        column[lane].push((top, bottom, index));
    }
    let mut rows = vec![Vec::new(); height];
    for lane in lanes.iter().flatten() {
        let mut at = 0;
        for &(top, bottom, index) in lane {
            if top > at {
                rows[at].push(Cell { build: None, rows: top - at });
            }
            rows[top].push(Cell { build: Some(index), rows: bottom - top });
            at = bottom;
        }
        if at < height {
            rows[at].push(Cell { build: None, rows: height - at });
        }
    }
    let moments = edges.into_iter().take(height).collect();
    Grid { moments, lanes: lanes.iter().map(Vec::len).collect(), rows }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(builder: usize, from: i64, to: i64) -> Span {
        Span { builder, from, to }
    }

    fn cell(build: impl Into<Option<usize>>, rows: usize) -> Cell {
        Cell { build: build.into(), rows }
    }

    #[test]
    fn rows_begin_where_something_begins_or_ends() {
        let grid = grid(2, &[span(0, 10, 20), span(1, 15, 30)]);
        assert_eq!(grid.moments, [30, 20, 15]);
        assert_eq!(grid.lanes, [1, 1]);
        let rows = [vec![cell(None, 1), cell(1, 2)], vec![cell(0, 2)], vec![cell(None, 1)]];
        assert_eq!(grid.rows, rows);
    }

    #[test]
    fn builds_at_the_same_time_get_lanes() {
        let grid = grid(1, &[span(0, 0, 10), span(0, 5, 20), span(0, 20, 30)]);
        assert_eq!(grid.lanes, [2]);
        let width: usize = grid.rows.iter().flatten().map(|cell| cell.rows).sum();
        assert_eq!(width, 2 * grid.moments.len(), "every place is covered once");
    }

    #[test]
    fn short_builds_and_nothing_at_all() {
        assert_eq!(grid(1, &[span(0, 7, 7)]).rows, [vec![cell(0, 1)]]);
        let empty = grid(3, &[]);
        assert_eq!((empty.rows.len(), empty.lanes), (0, vec![1, 1, 1]));
    }
}
