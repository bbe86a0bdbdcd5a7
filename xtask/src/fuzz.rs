//! `cargo xtask fuzz`: gives the reader of bundles damaged ones of every shape, for a time, and writes docs/fuzzing.md.

mod damage;
mod seeds;

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use portolan_bundle::{BundleError, BundleReader, Limits, plan_push};
use portolan_model::Digest;

use damage::Random;

/// One input may take this long, whatever else the machine does.
const SLOW: Duration = Duration::from_secs(60);

/// Inputs that were refused, or accepted, in a way that was not seen before are damaged again: up to this many.
const KEPT: usize = 2000;

/// Small ones, so that an input that expands for ever is refused soon.
const LIMITS: Limits =
    Limits { entries: 5000, depth: 5, expanded_floor: 4 << 20, expanded_ratio: 200, document: 1 << 20, chart: 4 << 20 };

/// How often the page is written, in the processor's time.
const BETWEEN_PAGES: Duration = Duration::from_secs(30);

/// What came of all inputs.
#[derive(Default)]
struct Count {
    inputs: u64,
    accepted: u64,
    refused: BTreeMap<String, u64>,
    slowest: Duration,
}

/// Runs until this process has used so many seconds of a processor.
pub(crate) fn run(root: &Path, seconds: u64, seed: u64) -> Result<()> {
    std::panic::set_hook(Box::new(|_| {}));
    let mut inputs: Vec<Vec<u8>> = seeds::all();
    let shapes = inputs.len();
    let mut random = Random::new(seed);
    let (mut count, mut ways) = (Count::default(), BTreeMap::new());
    for input in &inputs {
        let said = read(input);
        if said != Ok(String::new()) {
            bail!("a bundle that is not damaged is not accepted: {said:?}");
        }
    }
    let mut written = Duration::ZERO;
    while cpu_time()? < Duration::from_secs(seconds) {
        // A run that is ended early leaves a page too.
        if cpu_time()? >= written + BETWEEN_PAGES {
            written = cpu_time()?;
            let text = page(&count, shapes, inputs.len() - shapes, seed, &crate::today()?)?;
            fs_err::write(root.join("docs/fuzzing.md"), text)?;
        }
        let mut input = inputs[random.below(inputs.len())].clone();
        let other = &inputs[random.below(inputs.len())];
        damage::damage(&mut input, other, &mut random);
        // Of a processor too: whoever stops this process for a while makes no input slow.
        let begin = cpu_time()?;
        let came = catch_unwind(AssertUnwindSafe(|| read(&input)));
        let took = cpu_time()?.saturating_sub(begin);
        count.inputs += 1;
        count.slowest = count.slowest.max(took);
        let wrong = match &came {
            Err(_) => Some("it panics"),
            Ok(Ok(wrong)) if !wrong.is_empty() => Some(wrong.as_str()),
            _ if took > SLOW => Some("it takes too long"),
            Ok(_) => None,
        };
        if let Some(wrong) = wrong {
            let path = root.join("target").join(format!("fuzz-{}.bundle", &Digest::of(&input).hex()[..12]));
            fs_err::write(&path, &input)?;
            bail!("{wrong}: {}, after {} inputs", path.display(), count.inputs);
        }
        let way = match came {
            Ok(Err(error)) => {
                let kind = kind(&error);
                *count.refused.entry(kind.clone()).or_default() += 1;
                format!("{kind} {}", plain(&error.to_string()))
            }
            _ => {
                count.accepted += 1;
                "accepted".to_owned()
            }
        };
        if inputs.len() < shapes + KEPT && *ways.entry(way).and_modify(|times| *times += 1).or_insert(1_u64) == 1 {
            inputs.push(input);
        }
    }
    let text = page(&count, shapes, inputs.len() - shapes, seed, &crate::today()?)?;
    fs_err::write(root.join("docs/fuzzing.md"), &text)?;
    println!("{text}");
    Ok(())
}

/// Reads an input. One that is accepted has to be what its index says: the text tells what is not; empty where all is.
fn read(input: &[u8]) -> Result<String, BundleError> {
    let index = portolan_bundle::read(Cursor::new(input), LIMITS)?;
    // Images without names are refused here.
    drop(plan_push(&index, "site", &BTreeMap::new()));
    let mut reader = BundleReader::new(Cursor::new(input), LIMITS);
    for (digest, blob) in &index.blobs {
        let mut content = Vec::new();
        let read = reader.open(&blob.location).and_then(|mut part| part.read_to_end(&mut content));
        if read.is_err() || Digest::of(&content) != *digest {
            return Ok(format!("{digest} was accepted and is not where the index says"));
        }
    }
    for (digest, document) in &index.documents {
        if Digest::of(document.text.as_bytes()) != *digest {
            return Ok(format!("the document {digest} has another digest"));
        }
    }
    Ok(String::new())
}

/// The name of an error's variant.
fn kind(error: &BundleError) -> String {
    let text = format!("{error:?}");
    text.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

/// A message without what differs from input to input.
fn plain(message: &str) -> String {
    message.chars().filter(|letter| !letter.is_ascii_digit()).take(80).collect()
}

/// Seconds of a processor that this process has used.
fn cpu_time() -> Result<Duration> {
    let spec = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Ok(Duration::new(u64::try_from(spec.tv_sec)?, u32::try_from(spec.tv_nsec)?))
}

fn page(count: &Count, shapes: usize, kept: usize, seed: u64, date: &str) -> Result<String> {
    let seconds = cpu_time()?.as_secs();
    let status = fs_err::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim().to_owned();
    let mut text = format!(
        "# Damaged bundles\n\nWritten by `cargo xtask fuzz --seed {seed}` on {date}; do not edit it. Bundles of \
         {shapes} shapes were damaged at random ({kept} of the results were damaged further) and given to the reader, which may refuse \
         an input or accept it, and may not crash, hang, or accept what is not as its index says.\n\n\
         {} inputs in {seconds} seconds of one processor, without a failure: {} accepted (the damage did no harm to what is read), the \
         others refused. Slowest input {:.1} s, peak memory {peak}.\n\n| refused as | inputs |\n|---|---|\n",
        count.inputs,
        count.accepted,
        count.slowest.as_secs_f64()
    );
    for (kind, times) in &count.refused {
        text.push_str(&format!("| {kind} | {times} |\n"));
    }
    Ok(text)
}
