//! What 60 values do in a chart of more than 150 templates, found out with real helm: every effect is right, in at most 20 renderings. How
//! long it takes beside one rendering is measured by `cargo xtask bench`.

mod driver;

use portolan_testkit::rig::pins;
use portolan_trials::sixty_values::{self, SixtyValues};

#[test]
#[ignore = "needs the rig: cargo xtask test"]
fn sixty_values_are_known_after_twenty_renderings_at_most() {
    for version in pins::HELM {
        let effects = SixtyValues::new(version).expect("a helm of the rig").search();
        println!("helm {version}: {} values, {} renderings", effects.of.len(), effects.renderings);
        let wrong = sixty_values::wrong(&effects);
        assert!(wrong.is_empty(), "helm {version}:\n{}", wrong.join("\n"));
        assert!(effects.renderings <= 20, "{} renderings", effects.renderings);
    }
}
