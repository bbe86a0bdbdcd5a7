//! x
fn main() -> anyhow::Result<()> {
    testkit::rig::build(&testkit::rig::Cache::locate()?)?;
    Ok(())
}
