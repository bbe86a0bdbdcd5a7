//! Where a plan's charts came from, and how to fetch them by hand.

use portolan_model::Fetched;

use crate::page::{Block, Document};
use crate::text::Line;

/// The charts that were fetched; an empty page where none was. `name` is what the repository is called on helm's list.
#[must_use]
pub fn fetched(charts: &[Fetched], name: &str) -> Document {
    let mut page = Document::default();
    if charts.is_empty() {
        return page;
    }
    let fact = |chart: &Fetched| {
        let words = format!("{} from {}, sha256:{}", chart.chart, chart.from, chart.archive.short());
        ("Chart", Line::from(words))
    };
    page.push(Block::Facts(charts.iter().map(fact).collect()));
    let mut commands: Vec<String> = Vec::new();
    for chart in charts {
        let (id, from) = (&chart.chart, &chart.from);
        let mut lines = if from.starts_with("oci://") {
            vec![format!("helm pull {from} --version {}", id.version)]
        } else {
            let pull = format!("helm pull {name}/{} --version {}", id.name, id.version);
            vec![format!("helm repo add {name} {from}"), "helm repo update".to_owned(), pull]
        };
        lines.retain(|line| !commands.contains(line));
        commands.append(&mut lines);
    }
    page.push(Block::Commands(commands.into_iter().map(|command| (String::new(), command)).collect()));
    page
}

#[cfg(test)]
mod tests {
    use portolan_model::{ChartId, Digest};

    use super::*;

    fn at(version: &str, from: &str) -> Fetched {
        let version = version.parse().expect("a version");
        Fetched { chart: ChartId { name: "c".into(), version }, archive: Digest::of(b""), from: from.into() }
    }

    #[test]
    fn the_commands_stand_there_once() {
        let text = fetched(&[at("1.0.0", "https://h/x"), at("2.0.0", "https://h/x")], "n").markdown();
        for line in [
            "c 2.0.0 from https://h/x, sha256:e3b0c442",
            "helm repo add n https://h/x\nhelm repo update\nhelm pull n/c --version 1.0.0\nhelm pull n/c --version 2.0.0",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        let text = fetched(&[at("1.0.0", "oci://h/c")], "n").markdown();
        assert!(text.contains("helm pull oci://h/c --version 1.0.0") && !text.contains("repo"), "{text}");
        assert_eq!(fetched(&[], "n"), Document::default());
    }
}
