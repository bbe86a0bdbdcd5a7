//! What a scalar is, as `resolve.go` of go-yaml 2.4.0 has it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Style;

/// A scalar that was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number that no `i64` holds.
    Large(u64),
    Float(f64),
    Text(String),
}

const PREFIX: &str = "tag:yaml.org,2002:";

/// Whether it is the key `<<` that merges another map.
pub(super) fn merges(text: &str, style: &Style) -> bool {
    text == "<<"
        && match style {
            Style::Plain => true,
            Style::Quoted => false,
            Style::Tagged(tag) => tag == "!" || tag.strip_prefix(PREFIX) == Some("merge"),
        }
}

/// Reads a scalar.
///
/// # Errors
/// Where it is not what its tag says.
pub(super) fn read(text: &str, style: &Style) -> Result<Scalar, String> {
    let tag = match style {
        Style::Plain => return Ok(plain(text)),
        Style::Quoted => return Ok(Scalar::Text(text.to_owned())),
        Style::Tagged(tag) => tag,
    };
    let wrong = || format!("the value is not what its tag !!{} says", tag.strip_prefix(PREFIX).unwrap_or(tag));
    match (tag.strip_prefix(PREFIX), plain(text)) {
        (Some("binary"), _) => binary(text).ok_or_else(wrong),
        (Some("null"), read @ Scalar::Null)
        | (Some("bool"), read @ Scalar::Bool(_))
        | (Some("int"), read @ (Scalar::Int(_) | Scalar::Large(_)))
        | (Some("float"), read @ Scalar::Float(_)) => Ok(read),
        #[expect(clippy::cast_precision_loss, reason = "go-yaml converts it so")]
        (Some("float"), Scalar::Int(number)) => Ok(Scalar::Float(number as f64)),
        (Some("timestamp"), _) if is_time(text) => Ok(Scalar::Text(text.to_owned())),
        (Some("null" | "bool" | "int" | "float" | "timestamp"), _) => Err(wrong()),
        _ => Ok(Scalar::Text(text.to_owned())),
    }
}

/// A scalar without quotes and without a tag.
fn plain(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let read = match text.as_bytes().first() {
        Some(b'.') if underscores_divide_digits(text) => float(&text.replace('_', "")),
        Some(b'+' | b'-' | b'0'..=b'9') => number(&text.replace('_', "")),
        _ => None,
    };
    read.unwrap_or_else(|| Scalar::Text(text.to_owned()))
}

/// Whether each `_` is between two digits, as `strconv.ParseFloat` wants it.
fn underscores_divide_digits(text: &str) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let mut places = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'_').map(|(at, _)| at);
    places.all(|at| at > 0 && is_digit(bytes.get(at - 1)) && is_digit(bytes.get(at + 1)))
}

fn number(text: &str) -> Option<Scalar> {
    let whole = || signed(text).map(Scalar::Int).or_else(|| unsigned(text).map(Scalar::Large));
    whole().or_else(|| float(text))
}

/// `strconv.ParseInt(text, 0, 64)`.
fn signed(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let (radix, digits) = radix(digits);
    // A second sign is none of a number, but `from_str_radix` takes one.
    let is_bare = digits.bytes().next()?.is_ascii_alphanumeric();
    is_bare.then(|| i64::from_str_radix(&format!("{sign}{digits}"), radix).ok())?
}

/// `strconv.ParseUint(text, 0, 64)`.
fn unsigned(text: &str) -> Option<u64> {
    let (radix, digits) = radix(text);
    let is_bare = digits.bytes().next()?.is_ascii_alphanumeric();
    is_bare.then(|| u64::from_str_radix(digits, radix).ok())?
}

fn radix(digits: &str) -> (u32, &str) {
    match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', _, ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    }
}

/// A float: digits with at most one dot, and an exponent. What is too large for one is text.
fn float(text: &str) -> Option<Scalar> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_mantissa = are_digits(whole) && are_digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let is_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && are_digits(digits)
    });
    let float: f64 = (is_mantissa && is_exponent).then(|| text.parse().ok())??;
    float.is_finite().then_some(Scalar::Float(float))
}

/// Go leaves out line breaks.
fn binary(text: &str) -> Option<Scalar> {
    let digits: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = STANDARD.decode(digits).ok()?;
    Some(Scalar::Text(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Whether a text begins as the times do that go-yaml takes for such; it stays text.
fn is_time(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.next().is_some_and(|year| year.len() == 4 && are_digits(year))
        && parts.next().is_some_and(are_digits)
        && parts.next().is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}
