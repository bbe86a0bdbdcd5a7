//! Domains in the names of API groups, labels and annotations.

/// Whether a domain is a known one or below it: `meta.helm.sh` is below `helm.sh`, and `nothelm.sh` is not.
#[must_use]
pub fn is_of_domain(domain: &str, known: &str) -> bool {
    domain.strip_suffix(known).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_told_from_one_that_only_ends_like_it() {
        for (domain, is) in
            [("helm.sh", true), ("meta.helm.sh", true), ("nothelm.sh", false), ("helm.sh.example", false)]
        {
            assert_eq!(is_of_domain(domain, "helm.sh"), is, "{domain}");
        }
    }
}
