//! The planner and the linter on small installations written by hand.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod anew;
mod clients;
mod custom_resources;
mod database_compat;
mod deployments;
mod effects;
mod executable;
mod existing_secret;
mod fixture;
mod hooks;
mod host;
mod identity;
mod keys;
mod lints;
mod moved_files;
mod newcomers;
mod node;
mod old_values;
mod older_pods;
mod outside;
mod outside_users;
mod paths;
mod place;
mod programs;
mod protect;
mod queries;
mod ready;
mod refusals;
mod renders;
mod retention;
mod rights;
mod secrets;
mod service_links;
mod services;
mod stale;
mod state;
mod store;
mod taken;
mod tls_pair;
mod unclaimed;
mod values;
mod volumes;
mod waits;
mod without;
