//! Bad input: a clear error with the right exit code, no panic, nothing half-written.

use super::{fail, succeed, trueness, write_captions};
use std::fs;
use std::path::Path;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_captions(&folder.path().join("real.txt"), 60, 1);
    write_captions(&folder.path().join("fake.txt"), 60, 2);
    folder
}

fn nothing_is_left(folder: &Path) {
    assert!(!folder.join("runs").exists() || fs::read_dir(folder.join("runs/text-compare")).unwrap().next().is_none());
}

/// Compares real.txt with a file of the given content, which must be refused.
fn refused(content: &[u8]) -> String {
    let folder = folder();
    fs::write(folder.path().join("bad.txt"), content).unwrap();
    let complaint = fail(folder.path(), &["text", "compare", "real.txt", "bad.txt", "--only", "bleu"], 2);
    nothing_is_left(folder.path());
    complaint
}

#[test]
fn a_missing_file_is_named() {
    let folder = folder();
    let complaint = fail(folder.path(), &["text", "compare", "real.txt", "no.txt"], 2);
    assert!(complaint.contains("cannot read no.txt"), "{complaint}");
    nothing_is_left(folder.path());
}

#[test]
fn an_empty_file_is_refused() {
    assert!(refused(b"").contains("bad.txt"));
    assert!(refused(b"\n\n").contains("bad.txt"));
}

#[test]
fn one_line_is_too_few() {
    let complaint = refused(b"a dog runs .\n");
    assert!(complaint.contains("sentence"), "{complaint}");
}

#[test]
fn binary_bytes_and_invalid_utf8_are_refused_with_their_place() {
    assert!(refused(b"\x7fELF\x00\x01\x02\n").contains("line 1"));
    let complaint = refused(b"a dog .\na c\xff\xfet .\n");
    assert!(complaint.contains("line 2") && complaint.contains("UTF-8"), "{complaint}");
}

#[test]
fn a_line_of_100_megabytes_is_refused_without_being_read() {
    let mut content = vec![b'a'; 100_000_000];
    content[50] = b' ';
    assert!(refused(&content).contains("line 1"));
}

#[test]
fn a_folder_is_no_file() {
    let folder = folder();
    fs::create_dir(folder.path().join("dir")).unwrap();
    let complaint = fail(folder.path(), &["text", "compare", "real.txt", "dir"], 2);
    assert!(complaint.contains("dir"), "{complaint}");
    nothing_is_left(folder.path());
}

#[test]
fn a_text_is_not_compared_with_itself() {
    let folder = folder();
    let complaint = fail(folder.path(), &["text", "compare", "real.txt", "real.txt"], 2);
    assert!(complaint.contains("same text"), "{complaint}");
    fs::copy(folder.path().join("real.txt"), folder.path().join("copy.txt")).unwrap();
    assert!(fail(folder.path(), &["text", "compare", "real.txt", "copy.txt"], 2).contains("same text"));
    nothing_is_left(folder.path());
}

#[test]
fn embeddings_must_be_numbers_and_as_many_as_sentences() {
    let folder = folder();
    let npy = |rows: usize, value: f32| {
        let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 2), }}");
        header.push_str(&" ".repeat(64 - (10 + header.len() + 1) % 64));
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        (0..rows * 2).for_each(|i| bytes.extend((if i == 7 { value } else { i as f32 }).to_le_bytes()));
        bytes
    };
    for (name, bytes) in [("good.npy", npy(60, 1.0)), ("nan.npy", npy(60, f32::NAN)), ("short.npy", npy(59, 1.0))] {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let run = |candidate: &'static str| {
        ["text", "compare", "real.txt", "fake.txt", "--only", "frechet", "--embeddings", "good.npy", candidate]
    };
    let complaint = fail(folder.path(), &run("nan.npy"), 2);
    assert!(complaint.contains("nan.npy") && complaint.to_lowercase().contains("nan"), "{complaint}");
    assert!(fail(folder.path(), &run("short.npy"), 2).contains("59"));
    assert!(trueness(folder.path(), &run("good.npy")).status.success());
}

#[test]
fn an_unknown_knob_in_a_study_file_is_named() {
    let folder = folder();
    let study =
        "study = \"text/discrepancy\"\n[preset.mine]\nexpected_minutes = 1\nseeds = 3\nknobs = { amunts = [0.1] }\n";
    fs::write(folder.path().join("mine.toml"), study).unwrap();
    let complaint = fail(folder.path(), &["run", "mine.toml"], 2);
    assert!(complaint.contains("amunts") && complaint.contains("did you mean \"amounts\""), "{complaint}");
    assert!(fail(folder.path(), &["run", "text/discrepency"], 2).contains("did you mean \"text/discrepancy\""));
    assert!(
        fail(folder.path(), &["run", "text/discrepancy", "--set", "n=3"], 2)
            .contains("n is 3; expected integer from 50")
    );
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn an_output_folder_that_cannot_be_written_is_named() {
    let folder = folder();
    let compare = ["text", "compare", "real.txt", "fake.txt", "--only", "bleu", "--out"];
    let with = |out: &'static str| [&compare[..], &[out]].concat();
    assert!(fail(folder.path(), &with("real.txt"), 2).contains("real.txt"));
    assert!(fail(folder.path(), &with("/proc/nothing/here"), 2).contains("/proc/nothing/here"));
    fs::create_dir(folder.path().join("full")).unwrap();
    fs::write(folder.path().join("full/precious.txt"), "mine").unwrap();
    assert!(fail(folder.path(), &[&with("full")[..], &["--force"]].concat(), 2).contains("not empty"));
    assert_eq!(fs::read_to_string(folder.path().join("full/precious.txt")).unwrap(), "mine");
}

#[test]
fn usage_errors_exit_with_2_and_help_with_0() {
    let folder = folder();
    fail(folder.path(), &["text", "compare"], 2);
    fail(folder.path(), &["no-such-command"], 2);
    let complaint = fail(folder.path(), &["text", "compare", "real.txt", "fake.txt", "--only", "blue"], 2);
    assert!(complaint.contains("did you mean \"bleu\""), "{complaint}");
    assert!(succeed(folder.path(), &["text", "compare", "--help"]).contains("--trained-on"));
}
