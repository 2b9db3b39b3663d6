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
fn a_file_without_end_is_refused() {
    let folder = folder();
    assert!(!Path::new("/dev/zero").exists() || fail(folder.path(), &["run", "/dev/zero"], 2).contains("too large"));
}

#[test]
fn seeds_that_json_cannot_carry_are_refused() {
    let folder = folder();
    let run = ["run", "text/discrepancy", "--preset", "smoke", "--seeds", "3", "--seed"];
    assert!(fail(folder.path(), &[&run[..], &["9007199254740991"]].concat(), 2).contains("smaller --seed"));
    fail(folder.path(), &[&run[..], &["9007199254740992"]].concat(), 2);
    assert!(!folder.path().join("runs").exists());
}

#[cfg(unix)]
#[test]
fn arguments_that_are_no_utf8_are_no_panic() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder();
    let out = std::ffi::OsStr::from_bytes(b"out-\xff");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_trueness"))
        .args(["text", "compare", "real.txt", "fake.txt", "--only", "bleu", "--quiet", "--out"])
        .arg(out)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let info = fs::read_to_string(folder.path().join(out).join("run.json")).unwrap();
    assert!(info.contains("out-\u{fffd}"), "{info}");
}

#[cfg(unix)]
#[test]
fn files_are_as_private_as_the_umask_says() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    for (mask, mode) in [("077", 0o600), ("022", 0o644)] {
        let program = env!("CARGO_BIN_EXE_trueness");
        let command =
            format!("umask {mask}; {program} text compare real.txt fake.txt --only bleu --quiet --out m{mask}");
        let status = std::process::Command::new("sh").args(["-c", &command]).current_dir(folder.path()).status();
        assert!(status.unwrap().success());
        let metadata = fs::metadata(folder.path().join(format!("m{mask}/report.json"))).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode);
    }
}

#[test]
fn a_complaint_that_is_piped_has_no_colours() {
    let folder = folder();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_trueness"))
        .args(["run", "--no-such-option"])
        .current_dir(folder.path())
        .env_remove("NO_COLOR")
        .output()
        .unwrap();
    assert!(!output.stderr.is_empty() && !output.stderr.contains(&0x1b));
}

#[test]
fn options_that_would_do_nothing_are_refused() {
    let folder = folder();
    for arguments in [
        &["text", "stats", "--resume", "x"][..],
        &["text", "stats", "real.txt", "--out", "x"],
        &["text", "split", "real.txt", "--shares", "0.5", "--threads", "2"],
        &["compare", "a", "b", "--out", "x"],
        &["report", "a", "--resume", "x"],
        &["list", "--seed", "1"],
        &["completions", "bash", "--json"],
    ] {
        let complaint = fail(folder.path(), arguments, 2);
        assert!(complaint.contains("unexpected argument"), "{arguments:?}: {complaint}");
    }
    assert!(fail(folder.path(), &["text", "stats"], 2).contains("FILE"));
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
