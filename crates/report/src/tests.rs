//! Pages of small, hand-made values, and the rules that hold for all of them.

mod layout;
mod pages;
mod runs;
mod samples;
