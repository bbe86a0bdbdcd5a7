//! `$(NAME)` in variables, commands, arguments and `subPathExpr` (`Expand` in `third_party/forked/golang/expansion/expand.go`,
//! Kubernetes 1.34).

/// A text as the kubelet gives it to a container: `$(NAME)` is the text of that variable, and stays as it is written where there is
/// none; `$$` is one `$`, so that `$$(NAME)` is never replaced. What is put in is not read again.
///
/// Of a variable's own text the kubelet knows only those that are set before it.
#[must_use]
pub fn expanded<'a>(text: &str, variable: &dyn Fn(&str) -> Option<&'a str>) -> String {
    let mut all = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('$') {
        all.push_str(before);
        rest = from;
        if let Some(after) = from.strip_prefix('$') {
            all.push('$');
            rest = after;
        } else if let Some((name, after)) = from.strip_prefix('(').and_then(|inside| inside.split_once(')')) {
            match variable(name) {
                Some(text) => all.push_str(text),
                None => all.push_str(&format!("$({name})")),
            }
            rest = after;
        } else {
            all.push('$');
        }
    }
    all + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_expanded_as_the_kubelet_does() {
        let variable = |name: &str| match name {
            "A" => Some("a"),
            "B" => Some("$(A)"),
            "EMPTY" => Some(""),
            _ => None,
        };
        for (text, expected) in [
            ("/data/$(A)/x", "/data/a/x"),
            ("$(A)$(A)", "aa"),
            ("$(B)", "$(A)"),
            ("$(EMPTY)x", "x"),
            ("$(NONE)", "$(NONE)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$a"),
            ("$$$$(A)", "$$(A)"),
            ("$A ${A}", "$A ${A}"),
            ("$(A", "$(A"),
            ("a$", "a$"),
            ("$()", "$()"),
            ("$((1 + 2))", "$((1 + 2))"),
        ] {
            assert_eq!(expanded(text, &variable), expected, "{text}");
        }
    }
}
