//! The charts to choose from: files, a repository, or those that a simulation brings along.

use std::io::Read;
use std::path::PathBuf;

use portolan_adapters::charts::{Access, ChartSource, Files, Listing, Login};
use portolan_adapters::helm;
use portolan_model::{Code, Finding};
use portolan_recipe::RecipeSet;
use portolan_workflow::{Catalog, Target, read_charts};

use crate::args::{Global, UpgradeOptions};
use crate::output::Output;

/// Where a password is looked for that is not on standard input.
const PASSWORD: &str = "PORTOLAN_REPO_PASSWORD";

/// Looks at what the options name. A repository is asked only where one is named.
pub(crate) async fn offered(
    global: &Global,
    target: &Target,
    options: &UpgradeOptions,
    book: &RecipeSet,
    output: &Output,
) -> Result<Catalog, Finding> {
    let (registries, paths): (Vec<&PathBuf>, Vec<&PathBuf>) =
        options.chart.iter().partition(|path| ChartSource::is_registry(&path.to_string_lossy()));
    let mut here = Vec::new();
    for path in &paths {
        read_charts(path, &mut here)?;
    }
    let addresses: Vec<String> =
        options.repo.iter().cloned().chain(registries.iter().map(|path| path.to_string_lossy().into_owned())).collect();
    let there = match addresses.as_slice() {
        [] => None,
        [address] => Some(listing(global, options, book, address, output).await?),
        _ => return Err(Finding::blocking(Code::BadOption, "more than one registry is named").next("name one of them")),
    };
    if there.is_none() && options.registry.is_none() && (options.username.is_some() || options.plain_http) {
        let found = "a login or --plain-http without a repository or a registry";
        return Err(Finding::blocking(Code::BadOption, found).next("add --repo URL or --registry HOST:PORT"));
    }
    match target {
        _ if there.is_some() || !paths.is_empty() => {}
        Target::Simulated(simulated) if simulated.has_charts() => return Ok(Catalog::of_fixtures()),
        _ => return Err(none_named(book)),
    }
    Ok(Catalog::new(here, there))
}

/// Nothing is fetched that was not asked for, the usual repository included.
fn none_named(book: &RecipeSet) -> Finding {
    let finding = Finding::blocking(Code::NoChart, "no chart was named");
    match &book.product.repository {
        Some(repository) => finding.next(format!("add --repo {}, or --chart FILE|FOLDER", repository.url)),
        None => finding,
    }
}

async fn listing(
    global: &Global,
    options: &UpgradeOptions,
    book: &RecipeSet,
    address: &str,
    output: &Output,
) -> Result<Listing, Finding> {
    let source = ChartSource::parse(address)?;
    let access = Access {
        login: login(options.username.as_deref(), options.password_stdin, Some(PASSWORD))?,
        plain_http: options.plain_http,
    };
    let files = Files::of_user();
    if let (ChartSource::Repository { url }, Some(usual)) = (&source, &book.product.repository)
        && let Some(warning) = files.another(&usual.name, url)?
    {
        output.finding(&warning);
    }
    let helm = helm::find(global.helm.as_deref()).await?;
    Listing::of(&source, &book.product.charts, &access, &files, &helm).await
}

/// The login that was typed. Its password is on standard input, or in a variable of the environment where a command takes one.
pub(crate) fn login(
    username: Option<&str>,
    password_stdin: bool,
    variable: Option<&str>,
) -> Result<Option<Login>, Finding> {
    let Some(username) = username else { return Ok(None) };
    let no_password = |found: &str| {
        let or_set = variable.map_or_else(String::new, |variable| format!(", or set {variable}"));
        Finding::blocking(Code::BadOption, found).next(format!("add --password-stdin{or_set}"))
    };
    let password = if password_stdin {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|_| no_password("the password cannot be read"))?;
        text.trim_end_matches(['\n', '\r']).to_owned()
    } else {
        variable.and_then(|variable| std::env::var(variable).ok()).unwrap_or_default()
    };
    let is_none = password.is_empty();
    if is_none {
        Err(no_password("there is no password"))
    } else {
        Ok(Some(Login { username: username.to_owned(), password }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_repository_is_named_and_not_asked() {
        let mut book = RecipeSet::builtin();
        let finding = none_named(&book);
        assert_eq!(finding.code, Code::NoChart);
        assert!(finding.next.contains("--repo https://runai.jfrog.io/artifactory/cp-charts-prod"), "{}", finding.next);
        book.product.repository = None;
        assert_eq!(none_named(&book).next, Code::NoChart.next());
    }
}
