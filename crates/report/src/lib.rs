//! What a person reads: every page is one tree, rendered to the terminal or to Markdown.
//!
//! A page is made from plain data and nothing else, so the same data gives the same text. The order on a page
//! is always: what is at stake, what will be done, what is not known, what to do next. The JSON output of a
//! command is the serialised model itself; [`json`] has the one view that the model does not serialise.

mod archive;
mod bundle;
mod course;
mod ends;
mod event;
mod fetched;
mod finding;
pub mod json;
mod markdown;
mod now;
mod page;
mod plan;
pub mod reference;
mod rehearsal;
mod run;
pub mod schema;
mod script;
mod status;
mod status_view;
mod steps;
mod survey;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod trace;
mod typed_options;
mod values;
mod values_html;
mod verification;
mod words;
mod wrap;

pub use archive::archive;
pub use bundle::{Pushed, bundle, bytes, pushed};
pub use event::{event, reading};
pub use fetched::fetched;
pub use finding::{finding, findings};
pub use now::{Now, at_risk, problems, watched};
pub use page::{Document, names};
pub use plan::{Commands, plan};
pub use rehearsal::rehearsal;
pub use run::{RunEnd, run};
pub use script::page_script;
pub use status::status;
pub use status_view::{
    NextStep, OtherRun, RunState, StatusRelease, StatusStep, StatusView, StatusVolume, StepState, run_state,
    status_view,
};
pub use survey::{redacted, survey};
pub use terminal::Style;
pub use text::commands;
pub use typed_options::TypedOptions;
pub use values::{Proof, ReachedFields, SetFlags, ValueEffect, ValuesPart, ValuesView, values};
pub use values_html::values_html;
pub use verification::{baseline, comparison, looked_at, routes, step_check, undone, unfinished, verification};
