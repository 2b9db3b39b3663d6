//! The machine, the program and the clock: what the kernel takes from its caller.

use std::time::Instant;
use trueness_core::run::{Machine, Program};
use trueness_core::{Cancel, Clock};

/// The time of this process.
pub(crate) struct SystemClock(Instant);

impl SystemClock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Now as a name for a folder, for example `2026-11-23T10-04-11`.
    pub(crate) fn folder_name(&self) -> String {
        self.now().trim_end_matches('Z').replace(':', "-")
    }
}

impl Clock for SystemClock {
    fn now(&self) -> String {
        let now = jiff::Timestamp::now();
        now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// This program: its version, and the hash of its file, which tells two builds apart.
pub(crate) fn program() -> Program {
    let build = std::env::current_exe()
        .and_then(std::fs::File::open)
        .and_then(|mut file| {
            let mut hasher = blake3::Hasher::new();
            std::io::copy(&mut file, &mut hasher)?;
            Ok(hasher.finalize().to_hex()[..16].to_owned())
        })
        .unwrap_or_else(|_| "unknown".to_owned());
    Program { version: env!("CARGO_PKG_VERSION").to_owned(), build }
}

/// This machine.
pub(crate) fn machine() -> Machine {
    let processor = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            text.lines().find_map(|line| {
                line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned())
            })
        })
        .unwrap_or_default();
    Machine {
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        processor,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        instruction_set: instruction_set(),
    }
}

#[cfg(target_arch = "x86_64")]
fn instruction_set() -> String {
    let found = [
        ("sse4.2", is_x86_feature_detected!("sse4.2")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ];
    found.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
}

#[cfg(not(target_arch = "x86_64"))]
fn instruction_set() -> String {
    std::env::consts::ARCH.to_owned()
}

/// A flag that Ctrl-C raises. A second Ctrl-C ends the process at once: runs survive that too.
pub(crate) fn cancel_on_interrupt() -> anyhow::Result<Cancel> {
    let cancel = Cancel::default();
    let flag = cancel.clone();
    ctrlc::set_handler(move || {
        if flag.is_cancelled() {
            #[allow(clippy::exit, reason = "the second interruption means: now")]
            std::process::exit(130);
        }
        flag.cancel();
    })?;
    Ok(cancel)
}
