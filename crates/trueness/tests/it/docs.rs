//! The reference pages and the schemas under `docs/` are made by the program; `UPDATE=1` makes them anew.

use super::succeed;
use std::path::{Path, PathBuf};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("docs")
}

fn check(name: &str, made: &str) {
    let path = docs().join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, made, "docs/{name} is out of date: run UPDATE=1 cargo test --workspace");
}

#[test]
fn reference_pages_are_what_the_program_says() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for tool in [
        "text compare",
        "text split",
        "text stats",
        "text train",
        "text sample",
        "text score",
        "text filter train",
        "text filter apply",
        "flux infer",
        "flux check",
        "flux simulate",
        "flux train",
        "flux rank-sensors",
    ] {
        let name = tool.replace(' ', "-");
        check(&format!("command/{name}.md"), &succeed(here, &["explain", tool]));
        check(&format!("schema/{name}.json"), &succeed(here, &["explain", tool, "--json"]));
    }
    for name in ["text/discrepancy", "text/filter", "text/detection", "text/subsequence", "flux/exchange"] {
        let file = name.replace('/', "-");
        check(&format!("study/{file}.md"), &succeed(here, &["explain", name]));
        check(&format!("schema/{file}.json"), &succeed(here, &["explain", name, "--json"]));
    }
    let mut metrics = String::new();
    for card in trueness_text::metric::CATALOGUE {
        metrics.push_str(&succeed(here, &["explain", card.name]).replacen("# ", "## ", 1));
        metrics.push('\n');
    }
    check("metrics.md", &format!("# Metrics\n\nMade by `trueness explain NAME`.\n\n{metrics}"));
}
