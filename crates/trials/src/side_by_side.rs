//! Trials side by side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

/// Carries out `one` for each item, so many at once, and returns what came of them in the items' order; `told` hears of each
/// that is over.
///
/// # Errors
/// The first, in that order, of all that could not be carried out; the others are carried out all the same.
pub fn each<T: Sync, R: Send>(
    items: &[T],
    at_once: usize,
    one: &(dyn Fn(&T) -> Result<R> + Sync),
    told: &(dyn Fn(&R) + Sync),
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    let Some(item) = items.get(at) else { return };
                    let result = one(item);
                    if let Ok(result) = &result {
                        told(result);
                    }
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
