//! Recipes are built in by `include_dir!`, after which cargo looks again at each file and not at the folder: a new file alone would be left out.

fn main() {
    println!("cargo::rerun-if-changed=../../recipes");
}
