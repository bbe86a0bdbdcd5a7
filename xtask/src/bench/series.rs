//! Measurements of one thing.

use std::time::Duration;

use anyhow::Result;

use super::page::Row;

/// Measurements of one thing, in order of size.
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The one in the middle.
    pub(crate) fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        match self.0.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => self.0[middle],
            _ => f64::midpoint(self.0[middle - 1], self.0[middle]),
        }
    }

    /// The same in another unit.
    pub(crate) fn scaled(&self, by: f64) -> Self {
        Self(self.0.iter().map(|value| value * by).collect())
    }

    /// The median, and from where to where the others go.
    pub(crate) fn show(&self, unit: &str) -> String {
        let (first, last) = (self.0.first().unwrap_or(&f64::NAN), self.0.last().unwrap_or(&f64::NAN));
        format!("{:.2} {unit} ({first:.2} to {last:.2})", self.median())
    }
}

/// Two things measured in turns, so that what else the machine does meets both.
pub(crate) struct Pairs {
    pub(crate) ours: Series,
    pub(crate) theirs: Series,
}

impl Pairs {
    /// Measures that many pairs.
    pub(crate) fn measure(
        count: usize,
        mut ours: impl FnMut() -> Result<Duration>,
        mut theirs: impl FnMut() -> Result<Duration>,
    ) -> Result<Self> {
        let mut all = (Vec::new(), Vec::new());
        for _ in 0..count {
            all.0.push(ours()?.as_secs_f64());
            all.1.push(theirs()?.as_secs_f64());
        }
        Ok(Self { ours: Series::new(all.0), theirs: Series::new(all.1) })
    }

    /// How many times theirs takes as long as ours.
    pub(crate) fn times_faster(&self) -> f64 {
        self.theirs.median() / self.ours.median()
    }

    /// What was measured of them, in seconds, as a row.
    pub(crate) fn row(&self, what: &str, helm: &str, measured: String, protected: String, is_met: bool) -> Row {
        Row {
            what: what.into(),
            helm: helm.into(),
            count: self.ours.0.len(),
            ours: self.ours.show("s"),
            theirs: self.theirs.show("s"),
            measured,
            protected,
            is_met,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(Series::new([3.0, 1.0, 2.0]).show("s"), "2.00 s (1.00 to 3.00)");
        assert_eq!(Series::new([4.0, 1.0, 2.0, 3.0]).median(), 2.5);
    }
}
