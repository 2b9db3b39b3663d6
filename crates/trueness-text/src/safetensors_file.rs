//! What a `.safetensors` file says of its own size: enough to refuse a wrong one before it is read.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The longest header that is read. One with a dozen tensors has a thousand bytes; metadata may be longer.
pub(crate) const MAX_HEADER: u64 = 1 << 20;

/// Reads a whole file whose length is the one that its header speaks of. Nothing but the header was
/// read when a file is refused, however large it is.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let io = || trueness_core::Error::io("read", path);
    // A pipe or a device would block or never end; opening a pipe blocks already.
    let metadata = std::fs::metadata(path).map_err(io())?;
    if !metadata.is_file() {
        return Err(Error::parse(path, "expected a regular file"));
    }
    let bad = |message: String| Error::parse(path, format!("expected a safetensors file: {message}"));
    let mut file = File::open(path).map_err(io())?;
    let mut bytes = Vec::new();
    file.by_ref().take(8).read_to_end(&mut bytes).map_err(io())?;
    let first: [u8; 8] = bytes.as_slice().try_into().map_err(|_short| bad("it has fewer than 8 bytes".to_owned()))?;
    let header = u64::from_le_bytes(first);
    if header > MAX_HEADER {
        return Err(bad(format!(
            "its first 8 bytes are to be a header's length of at most {MAX_HEADER}, and are {header}"
        )));
    }
    file.by_ref().take(header).read_to_end(&mut bytes).map_err(io())?;
    let data = data_bytes(&bytes[8..]).map_err(bad)?;
    if (8 + header).checked_add(data) != Some(metadata.len()) {
        let length = metadata.len();
        return Err(bad(format!(
            "by its header it has {data} bytes of data after {} bytes, and it has {length} bytes in all",
            8 + header
        )));
    }
    // One byte more would show a file that grew meanwhile; the library finds that.
    file.take(data.saturating_add(1)).read_to_end(&mut bytes).map_err(io())?;
    Ok(bytes)
}

/// How many bytes of data a header speaks of: the largest end of a tensor.
///
/// # Errors
/// A header that is not the JSON it should be, as a message without a path.
pub(crate) fn data_bytes(header: &[u8]) -> Result<u64, String> {
    let header: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(header).map_err(|error| format!("the header is not JSON: {error}"))?;
    let mut end = 0;
    for (name, tensor) in header.iter().filter(|(name, _)| *name != "__metadata__") {
        let last = tensor.get("data_offsets").and_then(|offsets| offsets.get(1)).and_then(serde_json::Value::as_u64);
        end = end.max(last.ok_or_else(|| format!("the header gives no place of the tensor {name:?}"))?);
    }
    Ok(end)
}
