//! The program as a user has it: command lines in, text, files and exit codes out.

mod crashes;
mod help;
mod machines;
mod refusals;
mod repository;
mod support;
mod version;
mod voyages;
