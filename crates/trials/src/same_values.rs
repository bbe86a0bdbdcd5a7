//! Values as helm keeps them, compared with values as Portolan reads them.

use serde_json::{Number, Value};

/// Whether two values are equal, where a number is what it is worth: helm keeps all numbers as floats, and writes them in its own way.
#[must_use]
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => near(one, other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

/// Equal but for the last digit, which `serde_json` does not read exactly.
fn near(one: &Number, other: &Number) -> bool {
    let (Some(one), Some(other)) = (one.as_f64(), other.as_f64()) else { return false };
    (one - other).abs() <= f64::EPSILON * one.abs()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_what_they_are_worth_and_all_else_is_the_same() {
        assert!(same(&json!({"a": [1, {"b": 2.0}]}), &json!({"a": [1.0, {"b": 2}]})));
        for other in [json!({"a": [1, {"b": 3}]}), json!({"a": [1]}), json!({"a": [1, {"b": 2, "c": null}]}), json!({})]
        {
            assert!(!same(&json!({"a": [1, {"b": 2}]}), &other), "{other}");
        }
    }
}
