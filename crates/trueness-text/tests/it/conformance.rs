//! Every study satisfies the kernel's conformance suite at smoke size.

use trueness_core::conformance;

#[test]
fn the_study_text_discrepancy_conforms() {
    let entries = trueness_text::studies().unwrap();
    for entry in entries.iter().filter(|entry| !entry.is_tool()) {
        let folder = tempfile::tempdir().unwrap();
        conformance::check(entry, "smoke", folder.path()).unwrap();
    }
}

#[test]
fn every_claim_names_measures_that_some_preset_makes() {
    for entry in trueness_text::studies().unwrap() {
        for preset in entry.manifest().presets.values() {
            let knobs = serde_json::to_value(&preset.knobs).unwrap();
            if !entry.is_tool() {
                assert!(!entry.units(&entry.resolve(&[("preset", knobs)]).unwrap()).unwrap().is_empty());
            }
        }
    }
}
