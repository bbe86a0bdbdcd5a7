//! Directions as data: what a version asks for, each step with the line of the page that it comes from.
//!
//! Recipes are YAML files. One of them says what is the same whatever the version ([`Product`]), the others are
//! boundaries ([`VersionBoundary`]) that an upgrade crosses or does not, and one may hold a page as a script ([`PageScript`]).
//! Nothing in a recipe is a shell command: a step names one of a closed set of kinds and gives it arguments.

mod amount;
mod annotations;
mod book;
mod boundary;
mod builtin;
mod clients;
mod custom_resources;
mod names;
mod outside;
mod own_database;
mod page;
mod product;
mod programs;
mod read;
mod server;
mod servers;
mod transform;

#[cfg(test)]
mod tests;

pub use amount::is_at_least;
pub use annotations::PodAnnotations;
pub use book::RecipeSet;
pub use boundary::{
    ClaimSelector, Confidence, Crosses, DroppedValue, MovedValue, NamedRole, Platform, RecipeStep, Requirement,
    RolePair, Setting, StepOrigin, StepTemplate, VersionBoundary,
};
pub use clients::{DataClient, DataClients, StandardInput};
pub use custom_resources::CustomResources;
pub use names::{fill, object};
pub use outside::{OutsideCa, OutsidePassword, OutsideRule};
pub use own_database::OwnDatabase;
pub use page::{From, PageLine, PageOp, PageReading, PageScript};
pub use product::{
    Advice, CustomCa, Database, ExistingSecret, Identity, ImageInArgument, ImageInField, InstallerValues, Minor,
    Password, Product, ProductImages, Refusal, ReleaseName, Repository, Route, Store, Supported, VendorDoc,
};
pub use programs::{DataWords, is_off};
pub use server::{Image, ImagePattern, ServerSpec, image_last_part, image_name};
pub use servers::{DataOpens, DataServer, DataServers, Eviction, is_of_bitnami, major_rises, tags_agree};
pub use transform::{PairSecret, Transform, TransformError};
