//! The workspace's invariants, as absences.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir()
            && path.file_name().is_some_and(|name| name != "target" && name != "fixtures" && name != "runs")
        {
            files(&path, ending, found);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(&root().join("crates"), "rs", &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| (path.strip_prefix(root()).unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect()
}

/// The part of a file before its unit tests.
fn library(source: &str) -> &str {
    // A single item may be for tests alone and stand anywhere; the tests' own module comes last.
    source.split("#[cfg(test)]\nmod").next().unwrap_or_default()
}

#[test]
fn what_follows_a_single_item_for_tests_is_library_code_still() {
    let source = "#[cfg(test)]\nfn a() {}\nfn b() {}\n#[cfg(test)]\nmod tests {}\n";
    assert!(library(source).contains("fn b()") && !library(source).contains("mod tests"));
}

#[test]
fn arrows_run_one_way() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let floors = BTreeMap::from([
        ("trueness-core", 0),
        ("trueness-nn", 1),
        ("trueness-flux", 2),
        ("trueness-text", 2),
        ("trueness", 3),
    ]);
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let floor = floors.get(name).unwrap_or_else(|| panic!("{name} has no floor in this test"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let dependency = dependency["name"].as_str().unwrap();
            if let Some(other) = floors.get(dependency) {
                assert!(other < floor, "{name} must not depend on {dependency}");
            }
            let tensors = dependency == "burn" || dependency.starts_with("burn-");
            assert!(
                !tensors || name == "trueness-nn",
                "{name} must not depend on {dependency}: tensors live in trueness-nn"
            );
            let terminal = ["clap", "indicatif", "console"].contains(&dependency);
            assert!(
                !terminal || name == "trueness",
                "{name} must not depend on {dependency}: terminals belong to the command line"
            );
        }
    }
}

#[test]
fn files_stay_short() {
    for (path, source) in sources() {
        let lines = source.lines().count();
        assert!(lines <= 800, "{} has {lines} lines; 800 is the wall", path.display());
    }
}

#[test]
fn only_the_command_line_prints_and_reads_the_clock() {
    for (path, source) in sources() {
        if path.starts_with("crates/trueness/") || !path.iter().any(|part| part == "src") {
            continue;
        }
        for word in ["println!", "print!(", "eprintln!", "eprint!(", "SystemTime::now", "Instant::now", "process::exit"]
        {
            assert!(!library(&source).contains(word), "{} holds {word}", path.display());
        }
    }
}

#[test]
fn unsafe_code_stays_in_the_kernels_and_no_work_is_unfinished() {
    for (path, source) in sources() {
        if path.ends_with("tidy.rs") {
            continue;
        }
        for word in ["todo!(", "unimplemented!(", "#[ignore"] {
            assert!(!source.contains(word), "{} holds {word}", path.display());
        }
        let kernel = path.starts_with("crates/trueness-nn/src/kernel");
        for word in ["unsafe {", "unsafe fn", "unsafe impl", "unsafe_code"] {
            assert!(kernel || !source.contains(word), "{} holds {word}", path.display());
        }
        // Each block says why it is sound.
        let blocks = source.matches("unsafe {").count();
        assert!(source.matches("// SAFETY: ").count() >= blocks, "{} has a block without its reason", path.display());
    }
}

#[test]
fn metrics_and_oracles_run_without_networks() {
    for (path, source) in sources() {
        let room =
            path.starts_with("crates/trueness-text/src/metric") || path.starts_with("crates/trueness-text/src/oracle");
        assert!(!room || !source.contains("trueness_nn"), "{} must not know networks", path.display());
    }
}

#[test]
fn only_studies_and_tools_know_runs_and_reports() {
    for (path, source) in sources() {
        let below = |room: &str| path.starts_with(room);
        let may = below("crates/trueness-text/src/study")
            || below("crates/trueness-text/src/compare")
            || below("crates/trueness-text/src/train")
            || below("crates/trueness-flux/src/study")
            || below("crates/trueness-flux/src/infer")
            || path.ends_with("tool.rs")
            || path.ends_with("verbs.rs")
            || path.ends_with("src/lib.rs");
        let toolkit = below("crates/trueness-text/src") || below("crates/trueness-flux/src");
        if toolkit && !may {
            for word in ["trueness_core::Run", "trueness_core::run", "trueness_core::report"] {
                assert!(!source.contains(word), "{} must not know {word}", path.display());
            }
        }
    }
}

#[test]
fn every_dependency_is_explained() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let architecture = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let dependencies = manifest.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    for line in dependencies.lines().filter(|line| line.contains(" = ") && !line.starts_with("trueness-")) {
        let name = line.split(" = ").next().unwrap();
        assert!(architecture.contains(&format!("`{name}`")), "ARCHITECTURE.md says nothing of {name}");
    }
}
