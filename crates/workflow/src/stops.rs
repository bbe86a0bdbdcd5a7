//! The signals that ask this process to stop: SIGINT, SIGTERM and SIGHUP.
//!
//! What holds a [`Stops`] acts on them itself, at a point that is safe. Everything else is ended by the first one, as without a
//! handler, but for what is cleared away before: folders that helm rendered in, and helm itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// So many signals end the process, whoever acts on them: the journal has what is needed to go on.
const AT_ONCE: u32 = 3;

/// The last signal, and how many came.
#[derive(Clone, Copy, Default)]
struct Heard {
    times: u32,
    last: i32,
}

/// What the process hears.
struct Signals {
    heard: watch::Receiver<Heard>,
    /// How many [`Stops`] there are.
    handled: Arc<AtomicUsize>,
}

/// Signals are the process's, and so is who listens to them.
fn signals() -> &'static Signals {
    static SIGNALS: OnceLock<Signals> = OnceLock::new();
    SIGNALS.get_or_init(|| {
        let (said, heard) = watch::channel(Heard::default());
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            let said = said.clone();
            if let Ok(mut stream) = signal(kind) {
                tokio::spawn(async move {
                    while stream.recv().await.is_some() {
                        said.send_modify(|heard| *heard = Heard { times: heard.times + 1, last: kind.as_raw_value() });
                    }
                });
            }
        }
        Signals { heard, handled: Arc::default() }
    })
}

/// Comes with the next signal; never, where nobody listens any more.
async fn another(heard: &mut watch::Receiver<Heard>) {
    if heard.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Comes with the signal that is to end the process: one that nobody acts on, or the third that somebody does.
pub async fn interrupted() -> i32 {
    let signals = signals();
    let mut heard = signals.heard.clone();
    loop {
        another(&mut heard).await;
        let Heard { times, last } = *heard.borrow_and_update();
        if signals.handled.load(Ordering::SeqCst) == 0 || times >= AT_ONCE {
            return last;
        }
    }
}

/// How often somebody asked for a stop since this was made. As long as it lives, its holder acts on that.
#[derive(Clone)]
pub struct Stops {
    heard: watch::Receiver<Heard>,
    /// How many were heard before.
    before: u32,
    _handling: Option<Arc<Handling>>,
}

/// Counts one more who acts on signals.
struct Handling(Arc<AtomicUsize>);

impl Drop for Handling {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Stops {
    /// Listens for the signals.
    #[must_use]
    pub fn listen() -> Self {
        let signals = signals();
        signals.handled.fetch_add(1, Ordering::SeqCst);
        let mut heard = signals.heard.clone();
        let before = heard.borrow_and_update().times;
        Self { heard, before, _handling: Some(Arc::new(Handling(signals.handled.clone()))) }
    }

    /// Nobody asks for a stop.
    #[must_use]
    pub fn never() -> Self {
        Self { heard: watch::channel(Heard::default()).1, before: 0, _handling: None }
    }

    /// How often so far.
    pub(crate) fn times(&mut self) -> u32 {
        self.heard.borrow_and_update().times - self.before
    }

    /// Comes when a stop is asked for.
    pub(crate) async fn asked(&mut self) {
        another(&mut self.heard).await;
    }

    /// Comes when a stop was asked for more than so many times.
    pub(crate) async fn another(&self, times: u32) {
        let limit = self.before + times;
        if self.heard.clone().wait_for(|heard| heard.times > limit).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    /// The only test that sends signals: they are counted for the whole process.
    #[tokio::test]
    async fn two_signals_are_its_holders_and_the_third_is_not() {
        let mut stops = Stops::listen();
        let mut ends = Box::pin(interrupted());
        for times in 1..=2 {
            kill_process(getpid(), Signal::INT).expect("a signal");
            tokio::select! {
                biased;
                () = stops.another(times - 1) => {}
                _ = &mut ends => panic!("signal {times} is taken from its holder"),
            }
            assert_eq!(stops.times(), times);
        }
        kill_process(getpid(), Signal::TERM).expect("a signal");
        assert_eq!(ends.await, Signal::TERM.as_raw());
        // Who comes later counts from there.
        assert_eq!(Stops::listen().times(), 0);
    }
}
