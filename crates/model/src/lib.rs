//! The words of Portolan: plain data that every other crate speaks.
//!
//! Nothing here does anything: no I/O, no clock, no decisions. Formats that are kept on disk carry a
//! version, and readers refuse a version they do not know.

mod answers;
mod baseline;
mod canonical;
mod check;
mod code;
mod content;
mod database;
mod effect;
mod event;
mod finding;
mod format;
mod helm;
mod hook;
mod image;
mod inventory;
mod journal;
mod json_pointer;
mod major;
mod names;
mod object;
mod outside;
mod plan;
mod rendering;
pub mod route;
mod seconds;
mod server;
mod site_value;
mod step;
mod values_path;
mod verdict;

pub use answers::{SecretAnswer, ValueAnswer, ValueAnswers};
pub use baseline::{Baseline, Check, CheckState, Comparison, RecordedDatabase};
pub use canonical::{Digest, canonical};
pub use check::{
    ApplyMethod, CheckAnswer, CheckAsk, CheckReport, ObjectCheck, OwnField, RefusalCause, ServerCheck, ServerRefusal,
};
pub use code::{Acceptance, Code, Exit};
pub use content::Content;
pub use database::{DatabaseError, DatabaseRef, Snapshot, Table, TableChange};
pub use effect::{
    Answer, ArchivedCopy, Blob, Cond, CopyState, Gone, Input, Orphan, Progress, Refusal, Reply, Request, Seen,
    SurveyQuery, Urgency, Verb, Wait, Write,
};
pub use event::{Elapsed, Event};
pub use finding::{Finding, FindingSubject, Severity, counted};
pub use format::{FORMAT, FormatError, check_format};
pub use helm::{
    Carried, ChartId, HelmClient, HelmOperation, HelmRun, HelmToken, Manifest, ReleaseFact, ReleaseId, ReleaseStatus,
    RequiredSecretKey, SecretKey, ValuesMode, is_named_anew, record_name,
};
pub use hook::{HookDeletePolicy, HookEvent, PlannedHook};
pub use image::ImageRef;
pub use inventory::{
    Cluster, Coverage, DamagedRecord, Driver, Host, Inventory, Mount, Platform, Release, Requests, Revision,
    SavedInventory, Scope, ScopeCoverage, StorageClass, UninstallEffect, Volume, Workload,
};
pub use journal::{Action, ArchivedObject, Effect, Entry, JournalRecord, Observation, Outcome, StepRef};
pub use json_pointer::{JsonPointer, differing_fields, first_field, pointer_key, pointer_part};
pub use major::Major;
pub use names::{Ref, Rv, Uid};
pub use object::Object;
pub use outside::{CaSource, OutsideServer, SslMode};
pub use plan::{
    Accepted, Change, Expected, Fetched, Field, Hop, MovedTo, NewClaim, ObjectChange, ObsoleteValue, Plan, PlanFile,
    PlannedValue, Precondition, ProtectedVolume, ReliedKinds, Right, SiteRegistry, Unmodelled, ValueChange,
};
pub use rendering::{ClusterRead, Overlay, RenderJob, Rendered, Rendering};
pub use route::{RouteLook, RouteSeen};
pub use server::{DatabaseChange, OtherDatabase};
pub use site_value::{ChangedDefault, SetBy, SiteValue};
pub use step::{Provenance, Step, StepKind, Undo};
pub use values_path::ValuesPath;
pub use verdict::{End, Verdict, VolumeEnd};
