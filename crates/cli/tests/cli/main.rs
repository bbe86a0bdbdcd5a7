//! The program as a user has it: command lines in, text, files and exit codes out.

mod air_gap;
mod baselines;
mod crashes;
mod help;
mod interrupted;
mod inventory;
mod machines;
mod made_again;
mod operations;
mod refusals;
mod renders;
mod repository;
mod schema;
mod support;
mod unfinished;
mod upgrades;
mod values;
mod version;
