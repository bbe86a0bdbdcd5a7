//! What Portolan does with an installation, in order: survey, choose charts, plan, rehearse, check for drift, run, verify.
//!
//! Each exists once, over a [`Target`]: a cluster or a simulated installation. The planner, the linter and the engine are
//! driven from here (and the engine from the search of `rehearse`); whoever needs them calls these functions.

mod charts;
mod checks;
mod effects;
mod images;
mod planning;
mod restore;
mod run;
mod simulated;
mod stops;
mod survey;
mod target;
mod trial_pulls;

pub use charts::{Catalog, read_charts};
pub use effects::{BothEffects, both_effects, effects};
pub use images::{ImageCount, ImageSource, RegistryPlace, missing_images, planned_images};
pub use planning::{
    PlanOptions, Planned, PlannedValues, Protection, Rehearse, ValuesRefused, check_rules, plan, plan_values, protect,
    rehearse, rendered, usable_helm,
};
pub use restore::{ArchiveChoice, Restoration, ToRestore, archived_copy, restore};
pub use run::{InMemory, Kill, Meddle, RunDriver, Serve, Verified, apply, ask_routes, drift, verify};
pub use simulated::{Render, SavedSurvey, Simulated};
pub use stops::{Stops, interrupted};
pub use survey::{databases, look_into, survey, survey_cluster};
pub use target::{Cluster, Target};
pub use trial_pulls::{Trial, TrialReport, clear_trial, trial_pulls};

pub use portolan_engine::{Fold, StepNote, archive, compare, nothing_written};
pub use portolan_plan::effects::{Effect, EffectJob, EffectSearch, Effects, Field, Role, named_roles, same_role};
pub use portolan_plan::images::{ImageUse, PlannedImage};
pub use portolan_plan::planner::render_job;
pub use portolan_plan::planner::{HopRendering, Limits, UpgradeRequest};
pub use portolan_plan::{Credentials, changed_defaults, site_values};
