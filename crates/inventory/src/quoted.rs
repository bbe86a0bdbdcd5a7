//! What others quote of objects in what they say: a pod template with all its environment, a line of values.

/// In place of an object that was quoted.
const CUT: &str = "...";

/// What opens an object, and what closes it: JSON and Go's `%#v`, and Go's `%v` of a map.
const FORMS: [(&str, char, char); 2] = [("{", '{', '}'), ("map[", '[', ']')];

/// A message without the objects in it: `Invalid value: {...}`. What has no key and no text in it, such as `{{ .Values.a }}`,
/// is no object. Where the end of an object cannot be told, the rest of the message goes.
pub(crate) fn without_objects(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, form)) = next(rest) {
        let (opens, open, close) = form;
        let begin = at + opens.len();
        let length = length(&rest[begins_at(begin, open)..], open, close);
        let end = length.map_or(rest.len(), |length| begin - 1 + length);
        let inside = &rest[begin..end.saturating_sub(usize::from(length.is_some())).max(begin)];
        all.push_str(&rest[..begin]);
        if inside.contains([':', '"', '=']) {
            all.push_str(CUT);
            all.push(close);
            rest = &rest[end..];
        } else {
            rest = &rest[begin..];
        }
    }
    all + rest
}

/// The opening letter is the last one of what opens.
fn begins_at(begin: usize, open: char) -> usize {
    begin - open.len_utf8()
}

/// Where the first object begins.
fn next(text: &str) -> Option<(usize, (&'static str, char, char))> {
    FORMS.iter().filter_map(|form| Some((text.find(form.0)?, *form))).min_by_key(|(at, _)| *at)
}

/// How long an object is, its closing letter included; a closing letter inside quotes does not count. Quotes can be escaped, where the
/// whole object is quoted: those count that are escaped as the first one is.
fn length(text: &str, open: char, close: char) -> Option<usize> {
    let (mut depth, mut is_quoted, mut escapes, mut own) = (0_usize, false, 0_usize, None);
    for (at, letter) in text.char_indices() {
        if letter == '"' && *own.get_or_insert(escapes) == escapes {
            is_quoted = !is_quoted;
        } else if !is_quoted && letter == open {
            depth += 1;
        } else if !is_quoted && letter == close {
            depth -= 1;
            if depth == 0 {
                return Some(at + close.len_utf8());
            }
        }
        escapes = if letter == '\\' { escapes + 1 } else { 0 };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::without_objects;

    #[test]
    fn objects_are_cut_and_the_rest_stays() {
        for (said, told) in [
            (
                r#"spec.template: Invalid value: {"labels":{"a":"b"},"Spec":{"Env":[{"Name":"A","Value":"x}y"}]}}: field is immutable"#,
                "spec.template: Invalid value: {...}: field is immutable",
            ),
            (
                "spec: Forbidden: no change\n  core.PodSpec{\n  \tEnv: {{Name: \"A\", Value: \"x\"}},\n- \tB: 1,\n  }\n",
                "spec: Forbidden: no change\n  core.PodSpec{...}\n",
            ),
            (r#"missing in '{"a":"b\"}","c":1}'"#, "missing in '{...}'"),
            (r#"patch "{\"a\":\"b}\"}" failed"#, r#"patch "{...}" failed"#),
            (
                "table for x.auth (map[password:a b]) and map[string]int",
                "table for x.auth (map[...]) and map[string]int",
            ),
            ("Invalid value: {\"a\":\"b", "Invalid value: {...}"),
            ("at <{{ .Values.a }}> and {}", "at <{{ .Values.a }}> and {}"),
            ("Invalid value: \"a\": b", "Invalid value: \"a\": b"),
        ] {
            assert_eq!(without_objects(said), told, "{said}");
        }
    }
}
