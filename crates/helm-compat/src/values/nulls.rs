//! What becomes of nulls where values are reused.

use semver::Version;
use serde_json::Value;

use super::merge;

/// Merges given values over stored ones as `--reset-then-reuse-values` does with a helm of this version: as [`merge`], and before 3.20.1
/// a null over a stored null went away, so that the chart's default came back (`CoalesceTables` in `pkg/chartutil/coalesce.go`, helm
/// 3.14.4 and 3.22.0).
#[must_use]
pub fn reuse(stored: &Value, given: &Value, helm: &Version) -> Value {
    let mut merged = merge(stored, given);
    if *helm < Version::new(3, 20, 1) {
        drop_repeated(&mut merged, stored, given);
    }
    merged
}

fn drop_repeated(merged: &mut Value, stored: &Value, given: &Value) {
    let (Value::Object(merged), Value::Object(stored), Value::Object(given)) = (merged, stored, given) else { return };
    for (key, new) in given {
        match (stored.get(key), new) {
            (Some(Value::Null), Value::Null) => {
                merged.remove(key);
            }
            (Some(old), new) => {
                if let Some(below) = merged.get_mut(key) {
                    drop_repeated(below, old, new);
                }
            }
            (None, _) => {}
        }
    }
}

/// The values without the nulls in their maps. What has taken a stored value away in one upgrade would take the chart's default away in
/// the next.
#[must_use]
pub fn without_nulls(values: &Value) -> Value {
    match values {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        other => other.clone(),
    }
}

/// Whether a null stands at a dotted path, as [`super::set`] writes it, or above it.
#[must_use]
pub fn is_null_at(values: &Value, path: &str) -> bool {
    let mut place = values;
    for key in super::keys(path) {
        match place.get(key.as_str()) {
            Some(Value::Null) => return true,
            Some(below) => place = below,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_null_that_is_given_again() {
        let (stored, given) = (json!({"a": {"b": null, "c": 1}}), json!({"a": {"b": null}}));
        let of = |helm: &str| reuse(&stored, &given, &helm.parse().expect("a version"));
        assert_eq!(of("3.14.4"), json!({"a": {"c": 1}}));
        assert_eq!(of("3.20.0"), json!({"a": {"c": 1}}));
        assert_eq!(of("3.20.1"), json!({"a": {"b": null, "c": 1}}));
        assert_eq!(of("4.3.1"), json!({"a": {"b": null, "c": 1}}));
    }

    #[test]
    fn nulls_are_left_out_of_maps_and_found_above_a_path() {
        assert_eq!(without_nulls(&json!({"a": {"b": null, "c": [null]}, "d": null})), json!({"a": {"c": [null]}}));
        let values = json!({"a": null, "b": {"c": null, "d": 1}});
        assert_eq!(
            ["a", "a.x", "b.c", "b.d", "b", "e"].map(|path| is_null_at(&values, path)),
            [true, true, true, false, false, false]
        );
    }
}
