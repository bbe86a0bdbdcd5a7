//! What a run archived.

use portolan_engine::archive::Archived;

use crate::page::{Block, Document, Table};
use crate::words::time;

/// The objects in a run's archive; never their content.
#[must_use]
pub fn archive(objects: &[Archived]) -> Document {
    if objects.is_empty() {
        return Document::text("This run has archived nothing.");
    }
    let mut table = Table::new(&["OBJECT", "STEP", "ARCHIVED", "DELETED"]);
    for archived in objects {
        let place = if archived.object.namespace().is_empty() {
            archived.object.to_string()
        } else {
            format!("{}  {}", archived.object.namespace(), archived.object)
        };
        let deleted = archived.deleted_in.map_or_else(|| "no".to_owned(), |step| format!("by step {step}"));
        table.rows.push(vec![
            place.into(),
            format!("{} {}", archived.step, archived.id).into(),
            time(archived.at).into(),
            deleted.into(),
        ]);
    }
    Document { blocks: vec![Block::Table(table)] }
}
