//! What `-o json` and `-o yaml` print, as JSON Schemas made of the types themselves. They lie in `docs/schema/`.

use portolan_model::{Entry, Plan, SavedInventory};
use schemars::{Schema, schema_for};

use crate::StatusView;

/// The schemas, by the name of their file.
#[must_use]
pub fn all() -> [(&'static str, String); 4] {
    let text = |schema: Schema| {
        let json = serde_json::to_string_pretty(&schema).unwrap_or_default();
        format!("{json}\n")
    };
    [
        ("inventory.json", text(schema_for!(SavedInventory))),
        ("plan.json", text(schema_for!(Plan))),
        ("run.json", text(schema_for!(Vec<Entry>))),
        ("status.json", text(schema_for!(StatusView))),
    ]
}
