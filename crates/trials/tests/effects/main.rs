//! What 60 values do in a chart of more than 150 templates, found out with real helm: every effect is right, in at most 20 renderings and at
//! most ten times the time of one.

mod chart;
mod driver;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use portolan_helm_compat::chart::{self as archives, ChartArchive};
use portolan_helm_compat::{manifest, values};
use portolan_model::{Object, ValuesPath};
use portolan_testkit::rig::{Cache, pins};
use portolan_workflow::{Effect, EffectSearch, Effects};
use serde_json::Value;

use chart::Expected;

/// How often the times are taken.
const TIMES: usize = 5;

/// Renders with `helm template`.
fn render(helm: &Path, folder: &Path, id: usize, values: &Value) -> Result<Vec<Object>, String> {
    let file = folder.join(format!("values-{id}.yaml"));
    fs_err::write(&file, values::file(values)).expect("a values file");
    let out = Command::new(helm)
        .args(["template", "r"])
        .arg(folder.join("chart.tgz"))
        .args(["--namespace", "n", "--values"])
        .arg(&file)
        .output()
        .expect("helm starts");
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let said = said.lines().filter(|line| !line.starts_with("Use --debug"));
        return Err(said.collect::<Vec<_>>().join("\n"));
    }
    Ok(manifest::parse(&String::from_utf8_lossy(&out.stdout), "n").expect("helm's manifest"))
}

/// Searches as the product does, two renderings side by side.
fn search(helm: &Path, folder: &Path, given: &Value, chart: &ChartArchive) -> Effects {
    let mut search = EffectSearch::new("r", given, &chart.values).reading(&chart.files);
    loop {
        let jobs = search.jobs();
        if jobs.is_empty() {
            return search.finish();
        }
        std::thread::scope(|scope| {
            let renderings: Vec<_> = jobs
                .iter()
                .enumerate()
                .map(|(at, job)| (job.id, scope.spawn(move || render(helm, folder, at, &job.values))))
                .collect();
            for (id, rendering) in renderings {
                search.rendered(id, rendering.join().expect("a rendering"));
            }
        });
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn check(effects: &Effects) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, _, expected) in chart::expectations() {
        let effect = &effects.of[&ValuesPath::new(path)];
        let is_right = match (&expected, effect) {
            (Expected::Nothing, Effect::None) | (Expected::Needed, Effect::Needed { .. }) => true,
            (Expected::Field(object, pointer), Effect::Fields(fields)) => {
                fields.iter().any(|field| field.object.to_string() == *object && field.pointer.starts_with(pointer))
            }
            _ => false,
        };
        if !is_right {
            wrong.push(format!("{path}: {effect:?}"));
        }
    }
    wrong
}

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn sixty_values_are_known_after_twenty_renderings_at_most() {
    let (chart, given) = (chart::chart(), chart::given());
    assert!(chart::templates() >= 150, "{} templates", chart::templates());
    assert_eq!(chart::expectations().len(), 60);
    let archive = archives::read(&chart.archive).expect("the chart");
    let build = Cache::locate().expect("a cache").build();
    for version in pins::HELM {
        let helm = build.helm(version).expect("a helm of the rig");
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::write(folder.path().join("chart.tgz"), &chart.archive).expect("the chart");
        let begin = |work: &mut dyn FnMut()| {
            let begin = Instant::now();
            work();
            begin.elapsed()
        };
        let once = |id: usize| render(&helm, folder.path(), id, &given).map(drop).expect("it renders");
        let single = |_| begin(&mut || once(0));
        let two = |_| {
            begin(&mut || {
                std::thread::scope(|scope| {
                    scope.spawn(|| once(0));
                    scope.spawn(|| once(1));
                });
            })
        };
        let one = median((0..TIMES).map(single).collect());
        let pair = median((0..TIMES).map(two).collect());
        let mut effects = Effects::default();
        let whole = |_| begin(&mut || effects = search(&helm, folder.path(), &given, &archive));
        let all = median((0..TIMES).map(whole).collect());
        let times = |all: Duration, one: Duration| all.as_secs_f64() / one.as_secs_f64();
        println!(
            "helm {version}: {} templates, {} values, {} renderings in {} ms; one takes {} ms ({:.1} times that), two side by side \
             {} ms ({:.1} times that)",
            chart::templates(),
            effects.of.len(),
            effects.renderings,
            all.as_millis(),
            one.as_millis(),
            times(all, one),
            pair.as_millis(),
            times(all, pair),
        );
        let wrong = check(&effects);
        assert!(wrong.is_empty(), "helm {version}:\n{}", wrong.join("\n"));
        assert!(effects.renderings <= 20, "{} renderings", effects.renderings);
        // Where other programs take the processors, the times tell nothing of ours.
        if pair <= one * 5 / 4 {
            assert!(all <= one * 10, "{all:?} is more than ten times {one:?}");
        } else {
            println!("  the time is not held against that of one: this machine is busy");
        }
    }
}
