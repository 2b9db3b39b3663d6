//! Where tensors live, chosen by name.
//!
//! The CPU is always there; each other kind is a Cargo feature of this crate that enables Burn's own.

use burn::tensor::Device;
use trueness_core::{Error, Result, nearest};

/// The names that [`parse`] knows, whether or not this program was built with them.
pub const NAMES: [&str; 6] = ["cpu", "cuda", "rocm", "metal", "vulkan", "webgpu"];

/// The names that this program was built with, the CPU first. That a kind is built in does not say
/// that the machine has such a device.
pub fn available() -> Vec<&'static str> {
    let built = [
        true,
        cfg!(feature = "cuda"),
        cfg!(feature = "rocm"),
        cfg!(feature = "metal"),
        cfg!(feature = "vulkan"),
        cfg!(feature = "webgpu"),
    ];
    NAMES.into_iter().zip(built).filter_map(|(name, built)| built.then_some(name)).collect()
}

/// The device with a name: `cpu`, or one of [`NAMES`] with an optional index, as in `cuda:1`.
///
/// The device has no automatic differentiation; training turns that on by itself.
///
/// # Errors
/// [`Error::Input`] for a name that is not known, for a kind that this program was built without (the
/// message names the feature), and for an index that is not a number.
pub fn parse(name: &str) -> Result<Device> {
    let (kind, index) = match name.split_once(':') {
        None => (name, None),
        Some((kind, index)) => match index.parse::<u16>() {
            Ok(index) => (kind, Some(usize::from(index))),
            Err(_) => {
                return Err(Error::Input(format!(
                    "device `{name}`: expected a number after the colon, as in `cuda:1`, got `{index}`"
                )));
            }
        },
    };
    if !NAMES.contains(&kind) {
        let hint = nearest(kind, NAMES).map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
        return Err(Error::Input(format!("device `{kind}` is not known: expected one of {}{hint}", NAMES.join(", "))));
    }
    if kind == "cpu" && index.is_some() {
        return Err(Error::Input(format!("device `{name}`: there is one CPU, and it takes no index")));
    }
    built(kind, index).ok_or_else(|| {
        Error::Input(format!(
            "device `{kind}` is not in this program: build it with `--features {kind}`, or use one of {}",
            available().join(", ")
        ))
    })
}

/// The device of a kind, or `None` where the kind was not built in. Without GPU features, only the CPU
/// is left, which takes no index.
#[cfg_attr(
    not(any(feature = "cuda", feature = "rocm", feature = "metal", feature = "vulkan", feature = "webgpu")),
    expect(unused_variables, reason = "only devices other than the CPU have an index")
)]
fn built(kind: &str, index: Option<usize>) -> Option<Device> {
    match kind {
        "cpu" => Some(Device::flex()),
        #[cfg(feature = "cuda")]
        "cuda" => Some(Device::cuda(index.unwrap_or(0))),
        #[cfg(feature = "rocm")]
        "rocm" => Some(Device::rocm(index.unwrap_or(0))),
        #[cfg(feature = "metal")]
        "metal" => Some(Device::metal(adapter(index))),
        #[cfg(feature = "vulkan")]
        "vulkan" => Some(Device::vulkan(adapter(index))),
        #[cfg(feature = "webgpu")]
        "webgpu" => Some(Device::webgpu(adapter(index))),
        _ => None,
    }
}

/// A graphics adapter: the best one, or a discrete one by its index.
#[cfg(any(feature = "metal", feature = "vulkan", feature = "webgpu"))]
fn adapter(index: Option<usize>) -> burn::tensor::DeviceKind {
    index.map_or(burn::tensor::DeviceKind::DefaultDevice, burn::tensor::DeviceKind::DiscreteGpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there() {
        assert_eq!(available()[0], "cpu");
        assert!(!parse("cpu").unwrap().is_autodiff());
    }

    #[test]
    fn errors_say_what_to_do() {
        let message = |name| parse(name).unwrap_err().to_string();
        assert!(message("cudda").contains("did you mean `cuda`?"), "{}", message("cudda"));
        assert!(message("cuda:x").contains("expected a number"));
        assert!(message("cpu:0").contains("takes no index"));
        for name in NAMES.into_iter().filter(|name| !available().contains(name)) {
            assert!(message(name).contains(&format!("--features {name}")), "{}", message(name));
        }
    }
}
