//! The charts that a chart brings along.

use std::collections::BTreeMap;

use super::{ChartArchive, of_files, read};

/// The charts in the folder `charts/`, unpacked or packed. What cannot be read is left out, and so is what helm leaves out: names that
/// begin with `_` or `.` (`LoadFiles` in `pkg/chart/loader/load.go`, helm 3.22.0).
#[must_use]
pub fn subcharts(chart: &ChartArchive) -> Vec<ChartArchive> {
    let mut folders: BTreeMap<&str, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    let mut found = Vec::new();
    for (path, bytes) in &chart.files {
        let Some(inner) = path.strip_prefix("charts/").filter(|inner| !inner.starts_with(['_', '.'])) else { continue };
        match inner.split_once('/') {
            Some((folder, file)) => drop(folders.entry(folder).or_default().insert(file.to_owned(), bytes.clone())),
            None if inner.ends_with(".tgz") => found.extend(read(bytes)),
            None => {}
        }
    }
    found.extend(folders.into_values().filter_map(|files| of_files(files).ok()));
    found
}

#[cfg(test)]
mod tests {
    use super::super::pack;
    use super::*;

    #[test]
    fn packed_and_unpacked_ones_are_found() {
        let about = |name: &str| format!("name: {name}\nversion: 1.0.0\n").into_bytes();
        let packed = pack(&BTreeMap::from([("Chart.yaml".to_owned(), about("packed"))]), "packed");
        let files = BTreeMap::from([
            ("Chart.yaml".to_owned(), about("site")),
            ("charts/packed-1.0.0.tgz".to_owned(), packed),
            ("charts/db/Chart.yaml".to_owned(), about("db")),
            ("charts/db/charts/deep/Chart.yaml".to_owned(), about("deep")),
            ("charts/_old/Chart.yaml".to_owned(), about("old")),
            ("charts/README.md".to_owned(), Vec::new()),
        ]);
        let chart = of_files(files).expect("a chart");
        let names = |chart: &ChartArchive| subcharts(chart).into_iter().map(|one| one.name).collect::<Vec<_>>();
        assert_eq!(names(&chart), ["packed", "db"]);
        assert_eq!(names(&subcharts(&chart)[1]), ["deep"]);
    }
}
