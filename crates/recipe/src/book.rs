use std::collections::{BTreeMap, BTreeSet};

use include_dir::{Dir, include_dir};
use portolan_model::{ChartId, Finding};

use crate::boundary::VersionBoundary;
use crate::page::PageScript;
use crate::product::{Product, VendorDoc};
use crate::read::{RawVersionBoundary, bad, line, parse};

/// The version of the format of recipes, as each file names it.
const RECIPE_FORMAT: u32 = 1;

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../recipes/runai");

static GENERAL: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../recipes/general");

const PRODUCT: &str = "product.yaml";
const PAGE: &str = "page.yaml";

/// The source of steps that are our own.
const OURS: &str = "portolan";

/// All recipes of a product.
#[derive(Clone, Debug, PartialEq)]
pub struct RecipeSet {
    /// What is the same whatever the version.
    pub product: Product,
    /// The boundaries, in the order in which an upgrade crosses them.
    pub boundaries: Vec<VersionBoundary>,
    /// The page as a script.
    pub page: Option<PageScript>,
}

impl RecipeSet {
    /// The recipes that Portolan brings along.
    ///
    /// # Panics
    /// Where they are not usable, which a test of this crate would have seen.
    #[must_use]
    pub fn builtin() -> Self {
        Self::of_folder(&BUILT_IN)
    }

    /// Those for a release of a chart: these where they know the chart, else the general ones, which protect and verify every volume and
    /// know nothing of databases and versions.
    ///
    /// # Panics
    /// Where the general ones are not usable, which a test of this crate would have seen.
    #[must_use]
    pub fn or_general(self, chart: &str) -> Self {
        if self.era(chart).is_some() {
            return self;
        }
        let mut general = Self::of_folder(&GENERAL);
        general.product.charts = vec![chart.to_owned()];
        general.product.product = format!("a release of {chart}");
        general
    }

    fn of_folder(folder: &Dir<'_>) -> Self {
        let text = |file: &include_dir::File<'_>| {
            let name = file.path().to_string_lossy().into_owned();
            (name, file.contents_utf8().unwrap_or_default().to_owned())
        };
        match Self::load(&folder.files().map(text).collect()) {
            Ok(book) => book,
            Err(finding) => panic!("{finding}"),
        }
    }

    /// Recipes from files (name and text): `product.yaml`, perhaps `page.yaml`, and boundaries in all others.
    ///
    /// # Errors
    /// [`portolan_model::Code::BadRecipe`], with file and line.
    pub fn load(files: &BTreeMap<String, String>) -> Result<Self, Finding> {
        let text = files.get(PRODUCT).ok_or_else(|| bad(PRODUCT, 0, "there is no such file"))?;
        let product: Product = parse(PRODUCT, text)?;
        check_format(PRODUCT, product.format)?;
        if let Some(repository) = &product.repository
            && !product.pages.contains_key(&repository.source.page)
        {
            return Err(bad(PRODUCT, 0, format!("the product has no page `{}`", repository.source.page)));
        }
        let databases: Vec<&str> = product.databases.iter().map(|database| database.name.as_str()).collect();
        let mut boundaries = Vec::new();
        let mut kinds = BTreeMap::new();
        for (file, text) in files.iter().filter(|(file, _)| *file != PRODUCT && *file != PAGE) {
            let raw: RawVersionBoundary = parse(file, text)?;
            check_format(file, raw.format)?;
            check_ids(file, &raw)?;
            check_pages(file, &raw, &product)?;
            check_roles(file, &raw)?;
            let lines: Vec<u64> = raw.steps.iter().map(|step| line(&step.id)).collect();
            let boundary = raw.check(file, &databases)?;
            check_charts(&boundary, &product)?;
            for (step, at) in boundary.steps.iter().zip(lines) {
                let (word, first) = kinds.entry(step.id.clone()).or_insert((step.ask.word(), file.clone()));
                if *word != step.ask.word() {
                    let found = format!("step `{}` is of kind {word} in {first} and {} here", step.id, step.ask.word());
                    return Err(bad(file, at, found));
                }
            }
            boundaries.push(boundary);
        }
        check_names(&boundaries)?;
        // Those without a number are asked for first; the others as an upgrade meets them.
        boundaries.sort_by_key(|boundary| boundary.crosses.as_ref().map(|crosses| crosses.below.clone()));
        let page = files.get(PAGE).map(|text| page(text, &product)).transpose()?;
        Ok(Self { product, boundaries, page })
    }

    /// The usual namespace and name of the release.
    #[must_use]
    pub fn release(&self) -> (&str, &str) {
        (&self.product.release.namespace, &self.product.release.name)
    }

    /// A page that steps come from.
    #[must_use]
    pub fn source(&self, page: &str) -> Option<&VendorDoc> {
        self.product.pages.get(page)
    }

    /// The boundaries that an upgrade crosses, in order.
    #[must_use]
    pub fn boundaries(&self, from: &ChartId, to: &ChartId) -> Vec<&VersionBoundary> {
        self.boundaries.iter().filter(|boundary| boundary.is_crossed(from, to)).collect()
    }

    /// The place of a chart among the eras; `None` where it is not one of this product.
    #[must_use]
    pub fn era(&self, chart: &str) -> Option<usize> {
        self.product.charts.iter().position(|known| known == chart)
    }
}

fn page(text: &str, product: &Product) -> Result<PageScript, Finding> {
    let script: PageScript = parse(PAGE, text)?;
    check_format(PAGE, script.format)?;
    if !product.pages.contains_key(&script.page) {
        return Err(bad(PAGE, 0, format!("the product has no page `{}`", script.page)));
    }
    Ok(script)
}

fn check_format(file: &str, format: u32) -> Result<(), Finding> {
    if format == RECIPE_FORMAT {
        return Ok(());
    }
    Err(bad(file, 1, format!("it has format {format}; this portolan reads format {RECIPE_FORMAT}")))
}

/// An id names one step or value of a file.
fn check_ids(file: &str, raw: &RawVersionBoundary) -> Result<(), Finding> {
    let mut seen = BTreeSet::new();
    for step in &raw.steps {
        let settings = step.set.iter().flatten().map(|setting| (setting.value.id.as_str(), line(setting)));
        for (id, at) in std::iter::once((step.id.value.as_str(), line(&step.id))).chain(settings) {
            if id.is_empty() || !id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
                return Err(bad(file, at, format!("`{id}` is no id: small letters, digits and hyphens")));
            }
            if !seen.insert(id) {
                return Err(bad(file, at, format!("the id `{id}` stands here twice")));
            }
        }
    }
    Ok(())
}

fn check_pages(file: &str, raw: &RawVersionBoundary, product: &Product) -> Result<(), Finding> {
    let mut sources: Vec<_> = raw.requires.iter().map(|required| (&required.value.source, line(required))).collect();
    for step in &raw.steps {
        let settings = step.set.iter().flatten().map(|setting| (&setting.value.source, line(setting)));
        let retired = step.retired.iter().flatten().map(|retired| (&retired.value.source, line(retired)));
        sources.push((&step.source.value, line(&step.source)));
        let moved = step.moved.iter().flatten().map(|moved| (&moved.value.source, line(moved)));
        sources.extend(settings.chain(retired).chain(moved));
    }
    for (source, at) in sources {
        if source.page != OURS && !product.pages.contains_key(&source.page) {
            let known: Vec<&str> = product.pages.keys().map(String::as_str).chain([OURS]).collect();
            let finding = bad(file, at, format!("the product has no page `{}`", source.page));
            return Err(finding.with(format!("available: {}", known.join(", "))));
        }
    }
    Ok(())
}

/// A role that says nothing would prove any move.
fn check_roles(file: &str, raw: &RawVersionBoundary) -> Result<(), Finding> {
    let rows = raw.steps.iter().flat_map(|step| step.moved.iter().flatten());
    for row in rows {
        if row.value.role.as_ref().is_some_and(|role| role.from.is_empty() || role.to.is_empty()) {
            let what = format!("the role of `{}` names no component, class, holder or last", row.value.from);
            return Err(bad(file, line(row), what));
        }
    }
    Ok(())
}

fn check_charts(boundary: &VersionBoundary, product: &Product) -> Result<(), Finding> {
    match [&boundary.from_chart, &boundary.to_chart].into_iter().flatten().find(|chart| !product.charts.contains(chart))
    {
        Some(chart) => Err(bad(&boundary.file, 0, format!("`{chart}` is no chart of the product"))),
        None => Ok(()),
    }
}

fn check_names(boundaries: &[VersionBoundary]) -> Result<(), Finding> {
    let mut seen = BTreeMap::new();
    for boundary in boundaries {
        if let Some(other) = seen.insert(&boundary.name, &boundary.file) {
            return Err(bad(&boundary.file, 0, format!("the boundary `{}` is in {other} already", boundary.name)));
        }
    }
    Ok(())
}
